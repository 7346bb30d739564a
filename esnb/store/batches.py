"""The log in batches, for projections: rows that another database can scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from esnb.events import Event
from esnb.store.arguments import NO_LIMIT, count
from esnb.store.event_rows import (
    EVENT_COLUMNS,
    TEXT_COLUMNS,
    EventRow,
    EventRows,
    as_text,
    event_from_row,
    text_row,
)
from esnb.store.horizon import BETWEEN, UP_TO_HORIZON, Horizon

# Without an order: what is set-based needs none, and sorting would cost as much as reading.
_ROWS = f"select {TEXT_COLUMNS} {UP_TO_HORIZON}"


_ALL = f"select {EVENT_COLUMNS} {UP_TO_HORIZON} order by position"

_CHUNK = 10_000


class BatchReader(Horizon):
    """What projections ask of a log: its events one by one, or the rows of a range of positions."""

    def read_all(
        self, after: int = 0, limit: int | None = None, *, upcast: bool = True
    ) -> Iterator[Event]:
        """The events of all aggregates by position, those after `after`, at most `limit`.

        A reader that remembers the position of the last event it got, and asks again with it,
        misses nothing: positions have no gap and follow the order of the commits. `limit` counts
        stored events. `upcast=False` gives them as they were written.
        """
        after = count("after", after)
        left = NO_LIMIT if limit is None else count("limit", limit)
        return self._read_all(after, left, upcast)

    def _read_all(self, after: int, left: int, upcast: bool) -> Iterator[Event]:
        self._log.check_usable()
        end = min(self._log.position, self._head())
        limit = self._time_limit(None)
        while after < end and left > 0:
            step = min(_CHUNK, left) if self._until is None else _CHUNK
            rows = self._log.rows(_ALL, (after, min(after + step, end), limit))
            yield from self._events(rows[:left]) if upcast else map(event_from_row, rows[:left])
            after += step
            left -= len(rows)

    def next_batch(self, after: int, size: int) -> tuple[int, int]:
        """How many events follow a position, at most `size`, and the position of the last."""
        if self._until is None:
            last = min(after + size, self._log.position, self._head())
            return max(0, last - after), max(last, after)
        events, end = self._log.rows(
            "select count(*), max(position) from (select position from events where position > ? "
            "and position <= ? and occurred_at <= ? order by position limit ?)",
            (after, self._head(), self._time_limit(None), size),
        )[0]
        return events, end or after

    def rows(self, after: int, upto: int, columns: Sequence[str] = ()) -> EventRows:
        """The events with `after` < position <= `upto` as rows that another database can scan.

        The columns are those of the log, or some of them: ids and JSON as text, times in UTC
        without a zone. They come in today's shape, and `part` may be asked for as well.
        """
        if self.upcasters:
            cursor = self._log.cursor()
            with self._log.translated():
                relation = cursor.sql(self._now(cursor, after, upto))
            text = relation.select("* replace (event_id::varchar as event_id)")
            return EventRows(text.select(*(columns or EventRow._fields)))
        relation = self._log.cursor().sql(_ROWS, params=[after, upto, self._time_limit(None)])
        return EventRows(relation.select(*columns) if columns else relation)

    def row_list(self, after: int, upto: int, columns: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        """What `rows` gives, as tuples, in no order: for a few events this is faster."""
        if self.upcasters:
            rows = list(map(text_row, self.read_all(after, upto - after)))
            return [tuple(getattr(row, c) for c in columns or EventRow._fields) for row in rows]
        # Of so few, the planning is most of the work: no subquery, order, or condition in vain.
        text = f"select {as_text(columns or EventRow._fields)} from events"
        if self._until is None:
            return self._log.rows(f"{text} {BETWEEN}", (after, upto))
        limit = self._time_limit(None)
        return self._log.rows(f"{text} {BETWEEN} and occurred_at <= ?", (after, upto, limit))

    def gathered(
        self, queries: Mapping[str, str], after: int, upto: int
    ) -> Iterator[tuple[str, EventRows]]:
        """The rows of some queries over `new_events`, which are those that `rows` gives.

        They are run here, where the events are, so that only the answers travel.
        """
        cursor = self._log.cursor()
        source, values = _ROWS, [after, upto, self._time_limit(None)]
        with self._log.translated(of_a_query=True):
            if self.upcasters:  # once for all queries
                now = f"create temp view esnb_now as {self._now(cursor, after, upto)}"
                cursor.execute(now)
                source, values = f"select {TEXT_COLUMNS} from esnb_now", []
            for name, query in queries.items():
                relation = cursor.sql(
                    f"with new_events as ({source}) from ({query})", params=values
                )
                # Still at work while its rows are fetched, it would take three times as long.
                yield name, EventRows(relation.materialize())
