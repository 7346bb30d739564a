"""Where to go when one process is not enough: optional extras that the rest of esnb never needs."""
