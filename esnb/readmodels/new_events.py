"""The next events on their way into a read model: from the log, or from the inbox of a transport.

A statement meets the same columns and types in the temporary table `new_events` however the events
arrive. Few events travel as Python values, many as a stream of columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import duckdb

from esnb.events import Event
from esnb.readmodels.source import EventSource, id_at
from esnb.store.event_rows import TEXT_TYPES, event_from_row, text_row
from esnb.store.readonly_sql import parsed
from esnb.upcasters import Upcasters

FEW = 1_000  # events that travel faster as Python values than as a stream of columns


_SPAN = "where position > ? and position <= ? order by position"
#: Rows of the inbox as `event_from_row` takes them.
WAITING = "select * replace (event_id::uuid as event_id) from esnb.inbox"


class NewEvents(ABC):
    """The `count` events with `after` < position <= `last`, as rows for SQL or as events."""

    after: int
    count: int
    last: int
    few = False  # do the events travel as Python values?

    @abstractmethod
    def halves(self) -> tuple[NewEvents, NewEvents]:
        """The same events in two parts, the earlier ones first."""

    @abstractmethod
    def last_id(self) -> Any:
        """The id of the last event: a read model recognises its log by it."""

    @abstractmethod
    def read(self) -> Iterator[Event]:
        """The events one by one."""

    @abstractmethod
    def into(self, cursor: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> None:
        """Put the events into the temporary table new_events."""

    @abstractmethod
    def fetch(self, columns: Sequence[str]) -> None:
        """Read what can be read before a transaction begins, so that it is short."""

    def gather(self, cursor: duckdb.DuckDBPyConnection, queries: Mapping[str, str]) -> bool:
        """Run the queries where the events are, if that is possible and gives the same."""
        return False


class FromLog(NewEvents):
    """The next events of a log; those at the positions `left_out` are counted, and not given."""

    def __init__(
        self, source: EventSource, after: int, size: int, left_out: Collection[int] = ()
    ) -> None:
        self.after = after
        self.count, self.last = source.next_batch(after, size)
        self.few = self.count <= FEW
        self._source = source
        self._left_out = left_out
        self._rows: list[Sequence[Any]] = []
        self._last_id: Any = None

    def halves(self) -> tuple[NewEvents, NewEvents]:
        """The same events in two parts, the earlier ones first."""
        first = FromLog(self._source, self.after, self.count // 2, self._left_out)
        rest = self.count - first.count
        return first, FromLog(self._source, first.last, rest, self._left_out)

    def last_id(self) -> Any:
        """The id of the last event."""
        return self._last_id or id_at(self._source, self.last)

    def read(self) -> Iterator[Event]:
        """The events one by one."""
        events = self._source.read_all(self.after, self.count)
        if not self._left_out:
            return events
        return (event for event in events if event.position not in self._left_out)

    def fetch(self, columns: Sequence[str]) -> None:
        """Read few events before a transaction begins, so that it is short."""
        if self.few:
            wanted = dict.fromkeys([*_named(columns), "event_id"])
            rows = self._source.row_list(self.after, self.last, list(wanted))
            ids = list(wanted).index("event_id")
            # Of the parts of a split event, the first has the stored id.
            self._last_id = next((row[ids] for row in rows if row[0] == self.last), None)
            self._rows = [row for row in rows if row[0] not in self._left_out]

    def gather(self, cursor: duckdb.DuckDBPyConnection, queries: Mapping[str, str]) -> bool:
        """Run the queries in the store, if that gives the same as running them here."""
        missing = any(self.after < position <= self.last for position in self._left_out)
        if not queries or self.few or missing:
            return False
        for name, rows in self._source.gathered(queries, self.after, self.last):
            cursor.register("esnb_stream", rows)
            cursor.execute(f"create or replace temp table {name} as from esnb_stream")
            cursor.unregister("esnb_stream")
        return True

    def into(self, cursor: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> None:
        """Put the events into the temporary table new_events."""
        names = _named(columns)
        if self.few:
            _create(cursor, names, [row[: len(names)] for row in self._rows])
            return
        cursor.register("esnb_stream", self._source.rows(self.after, self.last, names))
        # What comes through pandas has other types; else these casts cost nothing.
        casts = ", ".join(f"{name}::{TEXT_TYPES[name]} as {name}" for name in names)
        cursor.execute(
            f"create or replace temp table new_events as select {casts} from esnb_stream "
            "where position not in (select unnest(?::bigint[]))",
            [list(self._left_out)],
        )
        cursor.unregister("esnb_stream")


class FromInbox(NewEvents):
    """Events that a transport delivered, and that wait in the inbox of the read database."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, after: int, count: int, upcasters: Upcasters
    ) -> None:
        self.after, self.count, self.last = after, count, after + count
        self._cursor = cursor
        self._upcasters = upcasters

    def halves(self) -> tuple[NewEvents, NewEvents]:
        """The same events in two parts, the earlier ones first."""
        half = self.count // 2
        return (
            FromInbox(self._cursor, self.after, half, self._upcasters),
            FromInbox(self._cursor, self.after + half, self.count - half, self._upcasters),
        )

    def last_id(self) -> Any:
        """The id of the last event; None when another projector has processed it meanwhile."""
        row = self._cursor.execute(
            "select event_id from esnb.inbox where position = ?", [self.last]
        ).fetchone()
        return row and row[0]

    def read(self) -> Iterator[Event]:
        """The events one by one."""
        rows = self._cursor.execute(f"{WAITING} {_SPAN}", [self.after, self.last]).fetchall()
        return (event for row in rows for event in self._upcasters(event_from_row(row)))

    def fetch(self, columns: Sequence[str]) -> None:
        """Nothing: the events are in the read database already."""

    def into(self, cursor: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> None:
        """Put the events into the temporary table new_events."""
        if self._upcasters:
            _create(cursor, list(TEXT_TYPES), [text_row(event) for event in self.read()])
            return
        cursor.execute(
            f"create or replace temp table new_events as from esnb.inbox {_SPAN}",
            [self.after, self.last],
        )


def execute(cursor: duckdb.DuckDBPyConnection, text: str, values: Sequence[Any] = ()) -> None:
    """Run statements that come again and again."""
    for statement in parsed(text):
        cursor.execute(statement, list(values) or None)


def unnested(types: Mapping[str, str]) -> str:
    """A SELECT that makes rows of one list for each column; the lists are its parameters."""
    return "select " + ", ".join(f"unnest(?::{kind}[]) as {name}" for name, kind in types.items())


def columns_of_rows(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """The lists that `unnested` takes."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _create(
    cursor: duckdb.DuckDBPyConnection, names: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    text = (
        f"create or replace temp table new_events as {unnested({n: TEXT_TYPES[n] for n in names})}"
    )
    execute(cursor, text, columns_of_rows(rows, len(names)))


def _named(columns: Sequence[str]) -> list[str]:
    return [name for name in TEXT_TYPES if not columns or name in ("position", *columns)]
