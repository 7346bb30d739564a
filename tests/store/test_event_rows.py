"""Rows of the table `events` and the events that they are."""

from __future__ import annotations

from esnb import EventStore, LessonClock, new_event
from esnb.store.event_rows import EventRow, columns_of, event_from_row, row_of_event


def test_the_names_of_a_row_are_the_columns_of_the_table() -> None:
    with EventStore() as store:
        columns = store.sql("describe events").df()["column_name"].tolist()
    assert list(EventRow._fields) == columns


def test_an_event_goes_into_a_row_and_comes_back() -> None:
    with EventStore(clock=LessonClock("2026-03-02T09:00:00Z")) as store:
        (event,) = store.append(
            "lamp-1", [new_event("Lit", watts=[4, 7.5])], expected_version=0, aggregate_type="LAMP"
        ).events
    row = row_of_event(event)
    assert event_from_row(row) == event
    assert event_from_row(tuple(row)) == event
    assert (row.position, row.aggregate_id, row.event_data) == (1, "lamp-1", '{"watts":[4,7.5]}')


def test_columns_are_taken_by_name_from_a_plain_tuple() -> None:
    assert columns_of("event_type", "position")(tuple(range(11))) == (5, 0)
    assert columns_of("sequence_number")(tuple(range(11))) == 4
