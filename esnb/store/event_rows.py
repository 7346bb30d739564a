"""Rows of the table `events`, and the events that they are: there and back.

Times stand in the tables in UTC without a zone, data and metadata as JSON text.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import duckdb
import pandas as pd

from esnb.events import Event, dump_json, load_json
from esnb.upcasters import Upcasters, part_id

COLUMNS = (
    "position, event_id, aggregate_type, aggregate_id, sequence_number, event_type, "
    "event_version, event_data, metadata, occurred_at, recorded_at"
)


class EventRows:
    """Rows on their way from one database to another, in batches, over Arrow's C interface.

    DuckDB streams both ways through it at millions of rows a second, and needs no other library.
    """

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        self._relation = relation

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._relation.__arrow_c_stream__(requested_schema)


def made_of(rows: Iterable[tuple[Any, ...]], steps: Upcasters) -> pd.DataFrame:
    """What steps make of rows, a row a part, as the columns of the table esnb_upcast."""
    # Column by column: a table made of rows takes longer than the steps do.
    columns: dict[str, list[Any]] = {
        name: [] for name in ("position", "part", "event_id", "type", "version", "data")
    }
    add = [column.append for column in columns.values()]
    for position, event_id, stream, number, kind, version, text in rows:
        shapes = steps.shapes(kind, version, text, (number, stream, position))
        for part, shape in enumerate(shapes, start=1):
            derived = None if part == 1 else str(part_id(UUID(event_id), part))
            for put, value in zip(add, (position, part, derived, *shape), strict=True):
                put(value)
    frame = pd.DataFrame({"position": columns["position"], "part": columns["part"]})
    for name in ("event_id", "type", "version", "data"):
        frame[name] = pd.Series(columns[name], dtype="int32" if name == "version" else object)
    return frame


def text_row(event: Event) -> tuple[Any, ...]:
    """The row of an event with its id as text."""
    row = list(row_of_event(event))
    row[1] = str(row[1])
    return tuple(row)


def event_from_row(row: tuple[Any, ...], part: int = 1) -> Event:
    """An event from a row of the table `events`, as it was written; or a part of what it became."""
    event_id = row[1] if part == 1 else part_id(row[1], part)
    return Event(
        row[5], load_json(row[7]), row[6], load_json(row[8]), row[9].replace(tzinfo=UTC),
        event_id, row[2], row[3], row[4], row[0], row[10].replace(tzinfo=UTC),
    )  # fmt: skip


def naive_utc(time: datetime) -> datetime:
    """An aware time as the tables keep it: in UTC, without a zone."""
    return (time if time.tzinfo is UTC else time.astimezone(UTC)).replace(tzinfo=None)


def row_of_event(event: Event) -> tuple[Any, ...]:
    """The row of the table `events` for an event that has its place; see `event_from_row`."""
    where = f"event {event.event_type!r}"
    return (
        event.position, event.event_id, event.aggregate_type, event.aggregate_id,
        event.sequence_number, event.event_type, event.event_version,
        dump_json(event.event_data, f"{where}: data"),
        dump_json(event.metadata, f"{where}: metadata"),
        naive_utc(event.occurred_at), naive_utc(event.recorded_at),  # type: ignore[arg-type]
    )  # fmt: skip
