"""What a writer believes to be the latest version of a stream: a number, or ANY."""

from __future__ import annotations

from numbers import Integral
from typing import Final

from esnb.errors import InvalidEventError


class AnyVersion:
    """The expected version of a writer that accepts whatever was written before."""

    def __repr__(self) -> str:
        return "ANY"


ANY: Final = AnyVersion()

ExpectedVersion = int | AnyVersion


def check_expected(expected: object) -> None:
    """Refuse what is neither a sequence number nor ANY, with `InvalidEventError`."""
    if expected is ANY:
        return
    if not isinstance(expected, Integral) or isinstance(expected, bool) or expected < 0:
        raise InvalidEventError(
            f"expected_version is the sequence number you believe to be the latest: 0 for a new "
            f"stream, n for one with n events, or ANY. Found {expected!r}."
        )
