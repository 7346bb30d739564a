"""The write side: aggregates, the commands that decide, and the history of one aggregate."""
