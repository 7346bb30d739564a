"""One stream of the log, or many: its version, its events, and windows of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from esnb.events import Event, check_name
from esnb.store.arguments import NO_LIMIT, count
from esnb.store.batches import BatchReader
from esnb.store.event_rows import EVENT_COLUMNS, EventRow, event_from_row
from esnb.store.horizon import whole_stream
from esnb.store.loading import Stretch
from esnb.store.many_streams import rows_by_stream

# The index on aggregate_id is used only when it is the sole condition: the rest filters after it.
_STREAM = f"""
with stream as materialized (select {EVENT_COLUMNS} from events where aggregate_id = ?)
select * from stream
where sequence_number > ? and sequence_number <= ? and position <= ? and occurred_at <= ?
order by sequence_number
"""


class StreamReader(BatchReader):
    """A log from which single streams are read."""

    def version(self, aggregate_id: str) -> int:
        """The latest sequence number of an aggregate; 0 when it has no event."""
        check_name("aggregate_id", aggregate_id)
        self._log.check_usable()
        if self._horizon is None and self._until is None:
            return self._log.head(aggregate_id)[0]
        return self.stretch(aggregate_id).last or 0

    def events(
        self,
        aggregate_id: str,
        after: int = 0,
        upto: int | None = None,
        until: datetime | str | None = None,
        *,
        desc: bool = False,
        limit: int | None = None,
        upcast: bool = True,
    ) -> list[Event]:
        """The events of one aggregate in order: `after` < sequence number <= `upto`, and not later
        than `until` (compared with occurred_at). An unknown aggregate has none.

        `desc=True` begins with the newest, and `limit` says how many at most: the last event is
        `events(name, desc=True, limit=1)`. Events come in today's shape; `upcast=False` gives them
        as they were written."""
        most = None if limit is None else count("limit", limit)
        as_stored = not (upcast and self.upcasters)  # else a step may drop events, or split them
        bounds = (until, self._horizon, self._until)
        if as_stored and most is not None and all(bound is None for bound in bounds):
            after, upto = count("after", after), self._last_wanted(aggregate_id, upto)
            after, upto = (
                (max(after, upto - most), upto) if desc else (after, min(upto, after + most))
            )
        rows = self._stream_rows(aggregate_id, after, upto, until)
        if as_stored:
            rows = (rows[::-1] if desc else rows)[:most]
            return list(map(event_from_row, rows))
        events = list(self._events(rows))
        return (events[::-1] if desc else events)[:most]

    def _last_wanted(self, aggregate_id: str, upto: int | None) -> int:
        version = self.version(aggregate_id)
        return version if upto is None else min(version, count("upto", upto))

    def stretch(
        self,
        aggregate_id: str,
        after: int = 0,
        upto: int | None = None,
        until: datetime | str | None = None,
    ) -> Stretch:
        """What `events` gives, and how far it reaches: what a step drops or splits is counted as it
        is stored. `Aggregate` loads from it."""
        rows = self._stream_rows(aggregate_id, after, upto, until)
        if not rows:
            return Stretch([], None, None)
        last = EventRow._make(rows[-1])
        return Stretch(list(self._events(rows)), last.sequence_number, last.aggregate_type)

    def stretches(self, starts: Mapping[str, int]) -> Iterator[tuple[str, Stretch]]:
        """What `stretch` gives of many streams, each after its start; those with nothing there are
        left out."""
        limits = self._head(), self._time_limit(None)
        for name, rows in rows_by_stream(self._log, starts, *limits):
            last = EventRow._make(rows[-1])
            events = list(self._events(rows))
            yield name, Stretch(events, last.sequence_number, last.aggregate_type)

    def ids_of(self, aggregate_type: str) -> list[str]:
        """The ids of all aggregates of a type, in order."""
        rows = self._log.rows(
            "select distinct aggregate_id from events where aggregate_type = ? and position <= ? "
            "and occurred_at <= ? order by aggregate_id",
            (aggregate_type, self._head(), self._time_limit(None)),
        )
        return [row[0] for row in rows]

    def steps(self, aggregate_id: str) -> list[tuple[Event, list[Event]]]:
        """Each stored event of an aggregate as it was written, and what it is today; `History`
        counts by them."""
        found = []
        for row in self._stream_rows(aggregate_id, 0, None, None):
            stored = event_from_row(row)
            touched = self.upcasters.touches(stored.event_type, stored.event_version)
            found.append((stored, list(self._events([row])) if touched else [stored]))
        return found

    def _stream_rows(
        self, aggregate_id: str, after: int, upto: int | None, until: datetime | str | None
    ) -> list[tuple[Any, ...]]:
        check_name("aggregate_id", aggregate_id)
        first = count("after", after)
        last = NO_LIMIT if upto is None else count("upto", upto)
        bounds = (upto, until, self._horizon, self._until)
        if first == 0 and all(bound is None for bound in bounds):
            return whole_stream(self._log, aggregate_id)
        return self._log.rows(
            _STREAM, (aggregate_id, first, last, self._head(), self._time_limit(until))
        )
