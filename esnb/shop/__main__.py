"""`python -m esnb.shop` writes the committed data set in `data/shop` again, the same bytes."""

from .examples import write_sample

write_sample()
