"""What a table from elsewhere needs: unclear local times, bad rows left out, tomorrow's export."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import (
    ANY,
    BadRowsError,
    DuplicateEventError,
    EventStore,
    InvalidEventError,
    LessonClock,
    new_event,
)

COLUMNS: dict[str, Any] = {
    "aggregate_id": "id", "event_type": "what", "occurred_at": "at", "aggregate_type": "T",
}  # fmt: skip


def table(*rows: tuple[Any, ...], **more: Any) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["id", "what", "at"])
    return frame.assign(**more)


def seen(store: EventStore) -> list[tuple[Any, ...]]:
    return [(e.aggregate_id, e.event_type, e.occurred_at, e.data) for e in store.read_all()]


# -- clock changes ---------------------------------------------------------------------------

AUTUMN = table(
    ("a", "x", "2026-10-25 01:30"), ("a", "y", "2026-10-25 02:10"), ("a", "z", "2026-10-25 02:40"),
    ("a", "u", "2026-10-25 02:05"), ("a", "v", "2026-10-25 03:30"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("ambiguous", "hours"),
    [
        (True, [23.5, 0 + 1 / 6, 2 / 3, 1 / 12, 2.5]),
        (False, [23.5, 1 + 1 / 6, 1 + 2 / 3, 1 + 1 / 12, 2.5]),
        ("infer", [23.5, 1 / 6, 2 / 3, 1 + 1 / 12, 2.5]),
        ([True, True, False, False, True], [23.5, 1 / 6, 1 + 2 / 3, 1 + 1 / 12, 2.5]),
    ],
)
def test_a_time_that_came_twice_is_the_one_that_is_meant(
    ambiguous: Any, hours: list[float]
) -> None:
    store = EventStore.from_frame(
        AUTUMN, timezone="Europe/Berlin", ambiguous=ambiguous, order=None, **COLUMNS
    )
    midnight = datetime(2026, 10, 25, tzinfo=UTC)
    wanted = [midnight + timedelta(hours=h - 24 if h > 20 else h) for h in hours]
    assert [e.occurred_at for e in store.read_all()] == wanted


def test_unclear_times_are_refused_row_by_row_with_the_way_out() -> None:
    with pytest.raises(BadRowsError, match=r"row 1, .*ambiguous=True") as caught:
        EventStore.from_frame(AUTUMN, timezone="Europe/Berlin", **COLUMNS)
    assert [row for row, *_ in caught.value.problems] == [1, 2, 3]
    spring = table(("a", "x", "2026-03-29 02:30"))
    with pytest.raises(BadRowsError, match="nonexistent='shift_forward'"):
        EventStore.from_frame(spring, timezone="Europe/Berlin", **COLUMNS)
    for move, at in [
        ("shift_forward", "2026-03-29T01:00:00+00:00"),
        ("shift_backward", "2026-03-29T00:59:59.999999+00:00"),
        (timedelta(hours=1), "2026-03-29T01:30:00+00:00"),
    ]:
        store = EventStore.from_frame(spring, timezone="Europe/Berlin", nonexistent=move, **COLUMNS)
        assert [e.occurred_at for e in store.read_all()] == [datetime.fromisoformat(at)]


def test_an_order_that_does_not_tell_leaves_them_unclear() -> None:
    once = table(("a", "x", "2026-10-25 02:10"))
    with pytest.raises(BadRowsError, match="ambiguous"):
        EventStore.from_frame(once, timezone="Europe/Berlin", ambiguous="infer", **COLUMNS)


@pytest.mark.parametrize(
    "wrong",
    [{"ambiguous": "NaT"}, {"ambiguous": [True]}, {"nonexistent": "NaT"}, {"on_bad": "skip"}],
)
def test_other_words_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidEventError, match=next(iter(wrong))):
        EventStore.from_frame(AUTUMN, timezone="Europe/Berlin", **wrong, **COLUMNS)


# -- bad rows --------------------------------------------------------------------------------


def test_bad_rows_are_left_out_and_returned_with_their_reasons() -> None:
    good = [(f"c{n}", "x", f"2026-01-{n + 1:02}T10:00:00Z") for n in range(12)]
    bad = [(None, "x", "2026-01-01T10:00:00Z"), ("c1", "x", "yesterday"), ("c1", "", "tomorrow")]
    rows = [*good[:5], *bad, *good[5:], *[(None, "y", "2026-01-01T10:00:00Z")] * 20]
    frame = table(*rows)
    frame.index = range(100, 100 + len(frame))
    done = EventStore().append_frame(frame, on_bad="report", **COLUMNS)
    assert done.rejected is not None
    assert done.position == len(good)
    assert done.rejected.index.to_list() == [105, 106, 107, *range(115, 135)]
    reasons = done.rejected["reason"].to_list()
    assert reasons[0] == "id: is missing"
    assert "at: 'yesterday' is not a time" in reasons[1]
    assert "what" in reasons[2]
    assert "at" in reasons[2]
    store = EventStore.from_frame(frame, on_bad="report", **COLUMNS)
    assert store.rejected is not None
    assert len(store.rejected) == 23
    assert EventStore.from_frame(table(*good), on_bad="report", **COLUMNS).rejected.empty  # type: ignore[union-attr]
    with pytest.raises(BadRowsError):  # nothing is left
        EventStore.from_frame(table(*bad), on_bad="report", **COLUMNS)


def test_a_list_of_clock_changes_follows_the_rows_that_are_left() -> None:
    rows = [("a", "x", "2026-10-25 02:10"), (None, "y", "2026-10-25 02:20"),
            ("a", "z", "2026-10-25 02:30")]  # fmt: skip
    store = EventStore.from_frame(
        table(*rows), timezone="Europe/Berlin", ambiguous=[False, False, True], on_bad="report",
        order=None, **COLUMNS,
    )  # fmt: skip
    assert [e.occurred_at.hour for e in store.read_all() if e.occurred_at] == [1, 0]


# -- tomorrow's export -----------------------------------------------------------------------

ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 3), st.integers(0, 1)),
    max_size=12,
)


def exported(rows: list[tuple[str, str, int, int]]) -> pd.DataFrame:
    begin = pd.Timestamp("2026-01-01T10:00:00Z")
    return pd.DataFrame(
        [(a, b, begin + pd.Timedelta(hours=c), d) for a, b, c, d in rows],
        columns=["id", "what", "at", "n"],
    )


def contents(store: EventStore) -> list[tuple[Any, ...]]:
    begin = datetime(2026, 1, 1, 10, tzinfo=UTC)
    return sorted(
        (e.aggregate_id, e.event_type, (e.occurred_at - begin).seconds // 3600, e.data["n"])
        for e in store.read_all()
        if e.occurred_at and e.aggregate_id
    )


@settings(max_examples=60)
@given(ROWS.filter(bool), ROWS)
def test_each_export_adds_what_is_new_and_the_same_export_nothing(
    today: list[tuple[str, str, int, int]], new: list[tuple[str, str, int, int]]
) -> None:
    store = EventStore(clock=LessonClock("2026-03-02T09:00:00Z"))
    store.append_frame(exported(today), skip_stored=True, **COLUMNS)
    assert contents(store) == sorted(today)
    again = store.append_frame(exported(today), skip_stored=True, **COLUMNS)
    assert again.duplicate
    assert contents(store) == sorted(today)
    tomorrow = [*today, *new]
    for _ in range(2):
        store.append_frame(exported(tomorrow), skip_stored=True, **COLUMNS)
        assert contents(store) == sorted(tomorrow)
    ids = [e.event_id for e in store.read_all()]
    assert len(set(ids)) == len(ids)
    store.verify()


def test_given_ids_decide_and_other_content_is_refused() -> None:
    ids = [f"00000000-0000-4000-8000-{n:012}" for n in range(3)]
    rows = [("a", "x", f"2026-01-0{n + 1}T10:00:00Z") for n in range(3)]
    store = EventStore()
    by_id = {**COLUMNS, "event_id": "eid"}
    store.append_frame(table(*rows[:2], eid=ids[:2]), **by_id)
    done = store.append_frame(table(*rows, eid=ids), skip_stored=True, **by_id)
    assert (store.position, done.duplicate) == (3, False)
    assert [str(e.event_id) for e in store.events("a")] == ids
    changed = table(rows[0], ("a", "CHANGED", rows[1][2]), rows[2], eid=ids)
    with pytest.raises(DuplicateEventError, match="other content"):
        store.append_frame(changed, skip_stored=True, **by_id)
    with pytest.raises(DuplicateEventError, match="skip_stored=True"):
        store.append_frame(
            table(*rows, ("a", "y", "2026-02-01T10:00:00Z"), eid=[*ids, ids[0][:-1] + "9"]),
            expected_version=ANY, **by_id,
        )  # fmt: skip


def test_rows_join_streams_that_were_written_event_by_event() -> None:
    store = EventStore(clock=LessonClock("2026-03-02T09:00:00Z"))
    at = datetime(2026, 1, 1, 10, tzinfo=UTC)
    event = new_event("x", occurred_at=at)
    store.append("a", [event], aggregate_type="T", expected_version=0)
    rows = [("a", "x", "2026-01-01T10:00:00Z"), ("a", "y", "2026-01-01T11:00:00Z")]
    store.append_frame(table(*rows), skip_stored=True, **COLUMNS)
    assert [e.event_type for e in store.events("a")] == ["x", "y"]
    assert [e.sequence_number for e in store.events("a")] == [1, 2]
