"""What only `run.py` and the authors call: not part of the installed package."""
