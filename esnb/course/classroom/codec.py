"""Values as JSON and back, by a table: one row for each kind of value.

A value of a kind in the table goes over as a copy: `{tag: what its row writes}`. JSON's own values
(None, True, a text, a number of at most 53 bits) are written as they are. What is read comes from
a process that nobody trusts: anything but what a row writes is `Malformed`. No row runs code of
the other side. The rows of plain values are in `value_kinds`, those of things in `peer`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

DEEPEST = 60  # lists in lists
_SAFE = 2**53  # JSON's numbers are exact up to here
_ALIKE = 64  # keys with one hash: more of them are made to keep the judge busy


class Malformed(ValueError):
    """What came over the pipe is not what a value is written as."""


class Codec:
    """Writes values as JSON, and reads them. The first row that fits a value is taken."""

    def __init__(self, rows: Iterable[Kind]) -> None:
        self._rows = tuple(rows)
        self._exact = {row.exact: row for row in self._rows if row.exact}
        self._readers = {row.tag: row.read for row in self._rows}
        self._depth = 0

    def encode(self, value: Any) -> Any:
        """A value as JSON. Raises `ValueError` for one that is nested too deeply."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int and -_SAFE < value < _SAFE:
            return value
        if kind is float and math.isfinite(value):
            return value
        if self._depth > DEEPEST:
            raise ValueError("the value is nested too deeply to be looked at")
        self._depth += 1
        try:
            row = self._exact.get(kind) or next(
                (r for r in self._rows if r.fits(self, value)), None
            )
            if row is None:
                raise ValueError(f"a {kind.__name__} cannot be handed over")
            return {row.tag: row.write(self, value)}
        finally:
            self._depth -= 1

    def decode(self, node: Any) -> Any:
        """The value again. Raises `Malformed` for what `encode` does not write."""
        if node is None or type(node) in (bool, str, int, float):
            return node
        if type(node) is not dict or len(node) != 1:
            raise Malformed(f"{node!r:.60} is not a kind of value")
        [(tag, inner)] = node.items()
        read = self._readers.get(tag)
        if read is None:
            raise Malformed(f"{tag!r:.40} is not a kind of value")
        if self._depth > DEEPEST + 1:
            raise Malformed("the value is nested too deeply")
        self._depth += 1
        try:
            return read(self, inner)
        except Malformed:
            raise
        except Exception as error:
            raise Malformed(f"{tag!r} is written wrongly: {error!r:.80}") from None
        finally:
            self._depth -= 1


class Kind(NamedTuple):
    """One row: which values these are, and how they are written and read."""

    tag: str
    fits: Callable[[Any, Any], bool]
    write: Callable[[Any, Any], Any]
    read: Callable[[Any, Any], Any]
    exact: type | None = None  # its values are told by their type alone, without a search


def of(*types: type) -> Callable[[Any, Any], bool]:
    """The values of these types and of their subclasses."""
    return lambda codec, value: isinstance(value, types)


def write_items(codec: Codec, value: Any) -> list[Any]:
    """Each item of a value, written."""
    return [codec.encode(item) for item in value]


def read_items(codec: Codec, inner: Any) -> list[Any]:
    """A list of values, read."""
    if type(inner) is not list:
        raise Malformed(f"{inner!r:.40} is not a list of values")
    return [codec.decode(item) for item in inner]


def read_keys(codec: Codec, inner: Any) -> list[Any]:
    """Values to be looked up by their hash: not so many with the same one that it takes hours."""
    keys = read_items(codec, inner)
    if len(keys) > _ALIKE and max(Counter(map(hash, keys)).values()) > _ALIKE:
        raise Malformed("too many keys are alike")
    return keys
