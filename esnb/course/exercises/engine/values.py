"""Values as a check sees them: copies that share nothing, and when two of them are the same."""

from __future__ import annotations

import math
from collections.abc import Iterator, KeysView, Mapping, Sequence, ValuesView
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from numbers import Number
from typing import Any

import pandas as pd

from esnb.events import Event

#: Numbers with a point are equal up to this part of themselves: enough for a float32.
CLOSE = 1e-6


def settled(value: Any) -> Any:
    """A list of what a generator, a `map` or `some_dict.values()` would hand out."""
    return [*value] if isinstance(value, Iterator | ValuesView | KeysView) else value


def fresh(case: Any) -> Any:
    """A copy that shares nothing that can be changed: what the learner does to it stays there."""
    if isinstance(case, Event):
        return replace(case, event_data=deepcopy(case.event_data), metadata=deepcopy(case.metadata))
    if isinstance(case, list):
        return [fresh(item) for item in case]
    if isinstance(case, tuple) and type(case) is tuple:
        return tuple(fresh(item) for item in case)
    return deepcopy(case)


def same(a: Any, b: Any) -> bool:
    """Whether two values say the same.

    Tables are compared by their content, lists and tuples by their items, numbers by their value
    whatever their type (`CLOSE` where one has a point); NaN and NaT equal themselves.
    """
    if hasattr(a, "tolist") and hasattr(a, "dtype") and not isinstance(a, pd.Series):
        a = a.tolist()
    if hasattr(b, "tolist") and hasattr(b, "dtype") and not isinstance(b, pd.Series):
        b = b.tolist()
    if isinstance(a, pd.DataFrame | pd.Series) or isinstance(b, pd.DataFrame | pd.Series):
        return type(a) is type(b) and _same_tables(a, b)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if _is_number(a) and _is_number(b):
        return _same_numbers(a, b)
    try:
        return bool(a == b) or (_is_missing(a) and _is_missing(b))
    except Exception:  # an == of the learner's
        return False


def _same_tables(a: Any, b: Any) -> bool:
    if bool(a.equals(b)):
        return True
    if a.shape != b.shape or not a.index.equals(b.index):
        return False
    if isinstance(a, pd.DataFrame) and list(a.columns) != list(b.columns):
        return False
    return same(a.to_numpy().tolist(), b.to_numpy().tolist())


def _is_number(value: Any) -> bool:
    return isinstance(value, Number | Decimal)


def _is_missing(value: Any) -> bool:
    return value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _same_numbers(a: Any, b: Any) -> bool:
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    try:
        one, other = float(a), float(b)
    except (TypeError, ValueError, OverflowError):
        return bool(a == b)
    return (math.isnan(one) and math.isnan(other)) or math.isclose(
        one, other, rel_tol=CLOSE, abs_tol=1e-9
    )


def numbered(events: Sequence[Event]) -> list[Event]:
    """The events with sequence numbers that count from 1 in each stream, and rising positions.

    Positions that rise already are kept, so that they stay unlike the sequence numbers.
    """
    places = [event.position for event in events]
    rising = None not in places and all((one or 0) < (two or 0) for one, two in pairwise(places))
    counts: dict[str | None, int] = {}
    result = []
    for place, event in enumerate(events, start=1):
        counts[event.aggregate_id] = number = counts.get(event.aggregate_id, 0) + 1
        position = event.position if rising else place
        result.append(replace(event, sequence_number=number, position=position))
    return result


def counted(events: Sequence[Event]) -> list[Event]:
    """The events numbered in each stream, with positions that count 1, 2, 3: a whole log."""
    return numbered([replace(event, position=None) for event in events])


def whole(value: Any) -> int | None:
    """The whole number that a value is, whatever its type (2, 2.0, numpy's 2); else None."""
    if isinstance(value, bool) or not _is_number(value):
        return None
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number == value else None


def as_list(value: Any) -> list[Any] | None:
    """The items of a list, tuple, set, generator, array or column of pandas; None for others."""
    value = settled(value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    return [*value] if isinstance(value, list | tuple | set | frozenset | range) else None
