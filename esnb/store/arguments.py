"""The numbers that callers pass to readers."""

from __future__ import annotations

from numbers import Integral

from esnb.errors import InvalidEventError

#: The greatest number that the engine counts to.
NO_LIMIT = 2**63 - 1


def count(what: str, value: object) -> int:
    """A number from 0 upwards, as far as the engine counts; else `InvalidEventError`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 0:
        raise InvalidEventError(f"{what} is a number from 0 upwards, found {value!r}.")
    return min(int(value), NO_LIMIT)
