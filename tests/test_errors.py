"""Errors: one base, a reason that can be acted on, and the fields that code needs."""

from __future__ import annotations

import copy
import inspect

import pytest

import esnb
from esnb import errors

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)
       if kind.__module__ == "esnb.errors"]  # fmt: skip


def test_every_error_derives_from_one_base_and_is_public():
    for kind in ALL:
        assert issubclass(kind, errors.EsnbError)
        assert kind.__doc__
        assert getattr(esnb, kind.__name__) is kind
        assert kind.__name__ in esnb.__all__


@pytest.mark.parametrize(
    ("kind", "also"),
    [
        (errors.InvalidEventError, ValueError),
        (errors.NaiveTimeError, errors.InvalidEventError),
        (errors.BadRowsError, ValueError),
        (errors.AggregateNotFoundError, LookupError),
        (errors.LagTimeoutError, TimeoutError),
    ],
)
def test_errors_are_also_what_python_calls_them(kind, also):
    assert issubclass(kind, also)


def test_a_conflict_tells_its_story():
    error = errors.ConcurrencyError("order-1", 2, 4, ["Paid", "Shipped"])
    assert str(error) == (
        "'order-1': expected version 2, found version 4. Written in between: Paid, Shipped. "
        "Nothing was stored. Load the aggregate again, decide again, then append."
    )
    assert (error.aggregate_id, error.expected, error.actual) == ("order-1", 2, 4)
    assert error.between == ("Paid", "Shipped")
    never = errors.ConcurrencyError("order-1", 9, 4)
    assert "only 4 event(s), so version 9 never existed" in str(never)


def test_a_long_story_is_cut():
    error = errors.ConcurrencyError("a", 0, 30, [f"E{n}" for n in range(30)])
    assert str(error).count("E") < 12
    assert "..." in str(error)
    assert len(error.between) == 30


def test_a_lock_names_the_owner():
    assert "process 77" in str(errors.StoreLockedError("x/s.duckdb", 77))
    unknown = errors.StoreLockedError("x/s.duckdb", None)
    assert unknown.pid is None
    assert "another process" in str(unknown)


def test_bad_rows_are_named_and_counted():
    error = errors.BadRowsError([(3, "price", "x", "is not a number")], 12)
    assert "row 3, column 'price': 'x' is not a number" in str(error)
    assert "12 value(s)" in str(error)
    assert "11 more" in str(error)
    assert error.problems == ((3, "price", "x", "is not a number"),)


@pytest.mark.parametrize(
    "error",
    [
        errors.ConcurrencyError("a", 1, 2, ["X"]),
        errors.StoreLockedError("s.duckdb", 7),
        errors.BadRowsError([(0, "c", 1, "is bad")], 1),
        errors.RejectedError("no"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_errors_come_back_from_another_process(error):
    """A pool of processes sends them home as copies: message, class and fields must survive."""
    back = copy.copy(error)
    assert str(back) == str(error)
    assert type(back) is type(error)
    assert back.__dict__ == error.__dict__
