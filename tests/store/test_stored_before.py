"""Promise 3: a retry is recognised by its event ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from esnb import (
    Event,
    EventStore,
    LessonClock,
    new_event,
)
from tests.support import seen

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def store():
    with EventStore(clock=LessonClock(T0)) as store:
        yield store


def at(hour: int, kind: str = "Added", **data: object) -> Event:
    return new_event(kind, data, occurred_at=T0 + timedelta(hours=hour))


def twins(count: int, **changes: object) -> tuple[list[Event], list[Event]]:
    """Two lists of different objects for the same facts; `changes` make the second differ."""
    ids = [uuid4() for _ in range(count)]
    fields = [{"event_id": i, "occurred_at": T0, "metadata": {"by": "ada"}} for i in ids]
    return (
        [new_event("Added", {"n": n, "m": None}, **f) for n, f in enumerate(fields)],
        [new_event("Added", {"m": None, "n": n}, **{**f, **changes}) for n, f in enumerate(fields)],
    )


def test_a_retry_after_reopening_the_file_changes_nothing(tmp_path):
    one, two = twins(3)
    with EventStore(tmp_path / "s.duckdb") as store:
        first = store.append("a", one, expected_version=0, aggregate_type="T")
    with EventStore(tmp_path / "s.duckdb") as store:
        for batch in (one, two):
            again = store.append("a", batch, expected_version=0)
            assert again.duplicate
            assert [seen(e) for e in again.events] == [seen(e) for e in first.events]
        assert store.position == 3
