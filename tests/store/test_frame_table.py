"""The roles of a table's columns: a version for each row, and the order of the rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from esnb import BadRowsError, DuplicateEventError, EventStore, InvalidEventError, LessonClock

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOW = {"aggregate_id": "id", "event_type": "type", "occurred_at": "time", "aggregate_type": "T"}


@pytest.fixture
def store():
    with EventStore(clock=LessonClock(T0)) as store:
        yield store


def table(count: int = 4, **columns: object) -> pd.DataFrame:
    """Rows in order of time, over two aggregates."""
    return pd.DataFrame({
        "id": [f"a{n % 2}" for n in range(count)],
        "type": ["Added"] * count,
        "time": [T0 + timedelta(hours=n) for n in range(count)],
        **columns,
    })  # fmt: skip


def test_each_row_may_have_its_own_version(store):
    frame = table(3, design=[1, 3, 2], n=[7, 8, 9])
    store.append_frame(frame, **HOW, event_version="design")
    assert [(e.event_version, e.data) for e in store.read_all()] == [
        (1, {"n": 7}), (3, {"n": 8}), (2, {"n": 9})
    ]  # fmt: skip
    assert store.append_frame(frame, **HOW, event_version="design").duplicate
    with pytest.raises(DuplicateEventError, match="other content"):
        store.append_frame(frame.assign(design=[1, 3, 4]), **HOW, event_version="design")


@pytest.mark.parametrize("bad", [0, -1, 1.5, 2**31, None, "x", True])
def test_a_bad_version_is_named(store, bad):
    frame = table(2, design=pd.Series([bad, bad] if bad is True else [1, bad]))
    with pytest.raises(BadRowsError, match="row 1, column 'design'"):
        store.append_frame(frame, **HOW, event_version="design")
    assert store.position == 0


def test_rows_may_keep_their_order(store):
    frame = table(4, n=[1, 2, 3, 4]).iloc[::-1]
    store.append_frame(frame, **HOW, order=None)
    seen_now = [(e.position, e.aggregate_id, e.sequence_number, e.data["n"])
                for e in store.read_all()]  # fmt: skip
    assert seen_now == [
        (1, "a1", 1, 4), (2, "a0", 1, 3), (3, "a1", 2, 2), (4, "a0", 2, 1)
    ]  # fmt: skip
    with EventStore() as other:
        other.append_frame(frame, **HOW)
        assert [e.data["n"] for e in other.read_all()] == [1, 2, 3, 4]
        with pytest.raises(InvalidEventError, match="order is"):
            other.append_frame(frame, **HOW, order="n")
