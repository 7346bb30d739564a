"""The reading half: windows of a stream, from either end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import ANY, EventStore, InvalidEventError, LessonClock, Upcasters, new_event
from tests.support import facts

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def log():
    """The events of "a" are 1 to 8, an hour apart, with those of "b" between them."""
    with EventStore(clock=LessonClock(T0)) as store:
        for n in range(8):
            for name in "ab":
                event = new_event("Added", n=n + 1, occurred_at=T0 + timedelta(hours=n))
                store.append(name, [event], expected_version=n, aggregate_type="T")
        yield store


def numbers(events):
    return [event.sequence_number for event in events]


BOUND = st.none() | st.integers(0, 10)


@settings(max_examples=150)
@given(
    after=st.integers(0, 10), upto=BOUND, hour=BOUND, desc=st.booleans(), limit=BOUND,
    horizon=st.none() | st.integers(0, 16), name=st.sampled_from(["a", "a", "b", "nobody"]),
)  # fmt: skip
def test_any_window_from_either_end(log, after, upto, hour, desc, limit, horizon, name):
    until = None if hour is None else T0 + timedelta(hours=hour)
    reader = log if horizon is None else log.as_of(horizon)
    expected = [
        n
        for n in (range(1, 9) if name != "nobody" else ())
        if n > after
        and (upto is None or n <= upto)
        and (hour is None or n - 1 <= hour)
        and (horizon is None or 2 * n - (name == "a") <= horizon)
    ]
    if desc:
        expected.reverse()
    found = reader.events(name, after, upto, until, desc=desc, limit=limit)
    assert numbers(found) == expected[:limit]
    assert {event.aggregate_id for event in found} <= {name}
    assert [event.data["n"] for event in found] == numbers(found)


def test_the_last_event_in_one_call(log):
    (last,) = log.events("a", desc=True, limit=1)
    assert (last.sequence_number, last.data) == (8, {"n": 8})
    assert log.events("nobody", desc=True, limit=1) == []


def test_the_last_event_does_not_cost_the_whole_stream(log, monkeypatch):
    fetched = []
    rows = log._log.rows

    def counted(*arguments):
        fetched.append(rows(*arguments))
        return fetched[-1]

    monkeypatch.setattr(log._log, "rows", counted)
    log.events("a", desc=True, limit=2)
    log.events("a", limit=3)
    assert [len(found) for found in fetched] == [2, 3]


def test_a_limit_counts_events_in_todays_shape():
    """A step drops one event and splits another: the limit is of what is returned."""
    steps = Upcasters()
    steps.drop("Noise", 1, because="it says nothing")
    with EventStore(upcasters=steps) as store:
        for n, kind in enumerate(["Added", "Noise", "Added", "Noise"]):
            store.append("a", [new_event(kind)], expected_version=n, aggregate_type="T")
        assert numbers(store.events("a", desc=True, limit=1)) == [3]
        assert numbers(store.events("a", limit=2)) == [1, 3]
        assert numbers(store.events("a", desc=True, limit=1, upcast=False)) == [4]


@pytest.mark.parametrize("limit", [-1, 1.5, "2", True, float("nan")])
def test_a_limit_is_a_number(log, limit):
    with pytest.raises(InvalidEventError, match="limit is a number from 0 upwards"):
        log.events("a", limit=limit)


def test_a_window_of_a_stream_that_grows():
    with EventStore() as store:
        for n in range(1, 4):
            store.append("a", facts(1), expected_version=ANY, aggregate_type="T")
            assert numbers(store.events("a", desc=True, limit=1)) == [n]
