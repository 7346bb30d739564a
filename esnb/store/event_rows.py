"""Rows of the table `events`, and the events that they are: there and back.

The tables hold times in UTC without a zone, and data and metadata as JSON text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID, SafeUUID

import duckdb
import pandas as pd

from esnb.event_json import dump_json, load_json
from esnb.events import Event
from esnb.upcast_steps import part_id
from esnb.upcasters import Upcasters


class EventRow(NamedTuple):
    """One row of the table `events`: its columns, in the order of the table."""

    position: int
    event_id: UUID | str | bytes
    aggregate_type: str
    aggregate_id: str
    sequence_number: int
    event_type: str
    event_version: int
    event_data: str
    metadata: str
    occurred_at: datetime
    recorded_at: datetime


COLUMNS = ", ".join(EventRow._fields)


def as_text(columns: Iterable[str]) -> str:
    """Columns for a SELECT of rows that leave the database: the id as text."""
    return ", ".join("event_id::varchar as event_id" if c == "event_id" else c for c in columns)


TEXT_COLUMNS = as_text(EventRow._fields)

#: The types of these columns in a database that they are copied to.
TEXT_TYPES = {
    "position": "bigint",
    "event_id": "varchar",
    "aggregate_type": "varchar",
    "aggregate_id": "varchar",
    "sequence_number": "bigint",
    "event_type": "varchar",
    "event_version": "integer",
    "event_data": "varchar",
    "metadata": "varchar",
    "occurred_at": "timestamp",
    "recorded_at": "timestamp",
}

#: Columns for a SELECT of rows that become events. The engine's client makes a UUID in 2.2
#: microseconds; from its 16 bytes `event_from_row` makes the same in 0.8.
EVENT_COLUMNS = COLUMNS.replace("event_id", "event_id::blob as event_id", 1)


def columns_of(*names: str) -> Callable[[Sequence[Any]], Any]:
    """A function that takes these columns from a row as the engine gives it, a plain tuple.

    It costs no more than an index. `EventRow._make(row)` gives all columns names, for about half a
    microsecond a row: use it wherever not every row of a log passes.
    """
    return itemgetter(*map(EventRow._fields.index, names))


class EventRows:
    """Rows on their way from one database to another, in batches, over Arrow's C interface.

    DuckDB streams millions of rows a second through it, both ways, and needs no other library.
    """

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        self._relation = relation

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._relation.__arrow_c_stream__(requested_schema)


def made_of(rows: Iterable[tuple[Any, ...]], steps: Upcasters) -> pd.DataFrame:
    """What steps make of rows, one row for each part, as the columns of the table esnb_upcast."""
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


def text_row(event: Event) -> EventRow:
    """The row of an event with its id as text."""
    return row_of_event(event)._replace(event_id=str(event.event_id))


def event_from_row(row: Sequence[Any], part: int = 1) -> Event:
    """An event from a row of the table `events`, as it was written; or a part of what it became."""
    # Unpacked in the order of EventRow: building one would take longer, for every event read.
    (
        position,
        event_id,
        aggregate_type,
        aggregate_id,
        sequence_number,
        event_type,
        event_version,
        event_data,
        metadata,
        occurred_at,
        recorded_at,
    ) = row
    if type(event_id) is bytes:
        event_id = _uuid_of(event_id)
    event: Any = _Blank()
    event.event_type = event_type
    event.event_data = load_json(event_data)
    event.event_version = event_version
    event.metadata = {} if metadata == "{}" else load_json(metadata)
    event.occurred_at = occurred_at.replace(tzinfo=UTC)
    event.event_id = event_id if part == 1 else part_id(event_id, part)
    event.aggregate_type = aggregate_type
    event.aggregate_id = aggregate_id
    event.sequence_number = sequence_number
    event.position = position
    event.recorded_at = _recorded(recorded_at)
    event.__class__ = Event
    return event


class _Blank:
    """An event while it is filled in. It has the slots of `Event`, and so can become one.

    The constructor of a frozen dataclass takes 1.8 microseconds for eleven fields; this, 0.5.
    """

    __slots__ = tuple(Event.__slots__)


_put_int, _put_safety = (UUID.__dict__[name].__set__ for name in ("int", "is_safe"))
_UNKNOWN = SafeUUID.unknown


def _uuid_of(raw: bytes) -> UUID:
    """A UUID from its 16 bytes, in a third of the time that its constructor takes."""
    made = object.__new__(UUID)
    _put_int(made, int.from_bytes(raw))
    _put_safety(made, _UNKNOWN)
    return made


_last_recorded = (datetime.min, datetime.min.replace(tzinfo=UTC))


def _recorded(time: datetime) -> datetime:
    """The time as an aware one. Events that were stored together share it, as one object."""
    global _last_recorded
    naive, aware = _last_recorded
    if time != naive:
        aware = time.replace(tzinfo=UTC)
        _last_recorded = time, aware  # together, since other threads read too
    return aware


def naive_utc(time: datetime) -> datetime:
    """An aware time as the tables keep it: in UTC, without a zone."""
    return (time if time.tzinfo is UTC else time.astimezone(UTC)).replace(tzinfo=None)


def row_of_event(event: Event) -> EventRow:
    """The row of the table `events` for an event that has its position; see `event_from_row`."""
    where = f"event {event.event_type!r}"
    return EventRow(
        event.position,  # type: ignore[arg-type]
        event.event_id,  # type: ignore[arg-type]
        event.aggregate_type,  # type: ignore[arg-type]
        event.aggregate_id,  # type: ignore[arg-type]
        event.sequence_number,  # type: ignore[arg-type]
        event.event_type,
        event.event_version,
        dump_json(event.event_data, f"{where}: data"),
        dump_json(event.metadata, f"{where}: metadata"),
        naive_utc(event.occurred_at),  # type: ignore[arg-type]
        naive_utc(event.recorded_at),  # type: ignore[arg-type]
    )
