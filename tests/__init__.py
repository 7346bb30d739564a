"""A package, so that the pytest plugins in here have a name of their own: tests.strict_nbval."""
