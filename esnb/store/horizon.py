"""How far a reader sees into a log, and what rows are as events to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb

from esnb.clock import Clock, utc
from esnb.errors import StoreClosedError
from esnb.events import Event
from esnb.store.arguments import NO_LIMIT
from esnb.store.connection import Log
from esnb.store.engine_errors import closed
from esnb.store.event_rows import EVENT_COLUMNS, EventRow, columns_of, event_from_row, naive_utc
from esnb.store.upcast_sql import Bounds, in_todays_shape
from esnb.upcasters import Upcasters

BETWEEN = "where position > ? and position <= ?"
UP_TO_HORIZON = f"from events {BETWEEN} and occurred_at <= ?"

_WHOLE_STREAM = f"select {EVENT_COLUMNS} from events where aggregate_id = ?"

_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_type_and_version = columns_of("event_type", "event_version")
_sequence_number = columns_of("sequence_number")


class Horizon:
    """A log, read up to a position and a time (None: all of it), with the steps of today."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        upcasters: Upcasters,
        position: int | None = None,
        until: datetime | None = None,
    ) -> None:
        self._database = log
        self._is_closed = False
        self.clock = clock
        self.upcasters = upcasters
        self._horizon = position
        self._until = until

    @property
    def _log(self) -> Log:
        # The database itself stays open while another store of this process uses the same file.
        if self._is_closed:
            raise StoreClosedError(closed(self._database.name))
        return self._database

    def _head(self) -> int:
        return NO_LIMIT if self._horizon is None else self._horizon

    def _time_limit(self, until: datetime | str | None) -> datetime:
        limit = _END_OF_TIME if self._until is None else self._until
        return naive_utc(limit if until is None else min(utc(until), limit))

    def _events(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[Event]:
        """Rows of the table `events` as events in today's shape."""
        steps, touches = self.upcasters, dict[tuple[str, int], bool]()
        if not steps:
            yield from map(event_from_row, rows)
            return
        for row in rows:
            pair = _type_and_version(row)
            if pair not in touches:
                touches[pair] = steps.touches(*pair)
            if not touches[pair]:
                yield event_from_row(row)
                continue
            named = EventRow._make(row)
            where = (named.sequence_number, named.aggregate_id, named.position)
            shapes = steps.shapes(named.event_type, named.event_version, named.event_data, where)
            for part, (event_type, version, data) in enumerate(shapes, start=1):
                changed = named._replace(
                    event_type=event_type, event_version=version, event_data=data
                )
                yield event_from_row(changed, part)

    def _now(self, cursor: duckdb.DuckDBPyConnection, after: int, upto: int) -> str:
        """The query for the rows of a range of positions in today's shape, on this cursor."""
        bounds = Bounds(after, upto, self._time_limit(None))
        return in_todays_shape(self._log, cursor, self.upcasters, bounds)


def whole_stream(log: Log, aggregate_id: str) -> list[tuple[Any, ...]]:
    """The rows of one stream, by sequence number."""
    # Most loads want all of a stream. Put in order here and not by the engine, a load of 100 events
    # takes a fifth to a third less time: much of it is the planning of the query.
    return sorted(log.rows(_WHOLE_STREAM, (aggregate_id,)), key=_sequence_number)
