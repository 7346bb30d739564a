"""A package, so that the pytest plugins in here have a name of their own: tests.strict_nbval."""

import pytest

# Its assertions explain themselves, as those of a test do.
pytest.register_assert_rewrite("tests.lab")
