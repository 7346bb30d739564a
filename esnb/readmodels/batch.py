"""Batches of events on their way into a read model: from the log, or from the inbox of a transport.

A statement meets the same columns and types in the temporary table `new_events` however the events
arrive. Few events travel as Python values, many as a stream of columns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

import duckdb

from esnb.events import Event, dump_json
from esnb.readmodels.follower import id_at
from esnb.store.event_rows import event_from_row
from esnb.store.reader import Reader
from esnb.store.readonly_sql import parsed
from esnb.upcasters import Upcasters

FEW = 1_000  # events that travel faster as Python values than as a stream of columns

#: The columns of new_events and of the inbox, as `Reader.rows` gives them.
TYPES = {
    "position": "bigint", "event_id": "varchar", "aggregate_type": "varchar",
    "aggregate_id": "varchar", "sequence_number": "bigint", "event_type": "varchar",
    "event_version": "integer", "event_data": "varchar", "metadata": "varchar",
    "occurred_at": "timestamp", "recorded_at": "timestamp",
}  # fmt: skip


class Batch:
    """The next events after a position: how many, up to where, as rows for SQL or as events.

    Those at the positions `left_out` are counted, and not given.
    """

    def __init__(
        self, store: Reader, after: int, size: int, left_out: Collection[int] = ()
    ) -> None:
        self.store = store
        self.after = after
        self.left_out = left_out
        self.count, self.last = store.next_batch(after, size)
        self._rows: list[tuple[Any, ...]] = []
        self._last_id: Any = None

    @property
    def few(self) -> bool:
        """Do the events travel as Python values?"""
        return self.count <= FEW

    def halves(self) -> tuple[Batch, Batch]:
        """The same events in two batches."""
        first = Batch(self.store, self.after, self.count // 2, self.left_out)
        rest = self.count - first.count
        return first, Batch(self.store, first.last, rest, self.left_out)

    def last_id(self) -> Any:
        """The id of the last event: by it, a read model knows its log again."""
        return self._last_id or id_at(self.store, self.last)

    def fetch(self, columns: Sequence[str]) -> None:
        """Read few events before a transaction begins, so that it is short."""
        if self.few:
            wanted = dict.fromkeys([*_named(columns), "event_id"])
            rows = self.store.row_list(self.after, self.last, list(wanted))
            ids = list(wanted).index("event_id")
            # Of the parts of a split event, the first has the stored id.
            self._last_id = next((row[ids] for row in rows if row[0] == self.last), None)
            self._rows = [row for row in rows if row[0] not in self.left_out]

    def gather(self, cursor: duckdb.DuckDBPyConnection, queries: Mapping[str, str]) -> bool:
        """Run the queries in the store, if that gives the same as running them here."""
        missing = any(self.after < position <= self.last for position in self.left_out)
        if not queries or self.few or missing:
            return False
        for name, rows in self.store.gathered(queries, self.after, self.last):
            cursor.register("esnb_stream", rows)
            cursor.execute(f"create or replace temp table {name} as from esnb_stream")
            cursor.unregister("esnb_stream")
        return True

    def into(self, cursor: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> None:
        """Put the events into the temporary table new_events."""
        names = _named(columns)
        if self.few:
            rows = [list(column) for column in zip(*self._rows, strict=True)]
            lists = ", ".join(f"unnest(?::{TYPES[name]}[]) as {name}" for name in names)
            text = f"create or replace temp table new_events as select {lists}"
            execute(cursor, text, rows[: len(names)] or [[] for _ in names])
            return
        cursor.register("esnb_stream", self.store.rows(self.after, self.last, names))
        # What comes through pandas has other types; else these casts cost nothing.
        casts = ", ".join(f"{name}::{TYPES[name]} as {name}" for name in names)
        cursor.execute(
            f"create or replace temp table new_events as select {casts} from esnb_stream "
            "where position not in (select unnest(?::bigint[]))", [list(self.left_out)],
        )  # fmt: skip
        cursor.unregister("esnb_stream")

    def read(self) -> Iterator[Event]:
        """The events one by one."""
        events = self.store.read_all(self.after, self.count)
        return (event for event in events if event.position not in self.left_out)


class Inbox(Batch):
    """A batch that a transport delivered: it stands in the inbox of the read database."""

    few = False

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, after: int, count: int, upcasters: Upcasters
    ) -> None:
        self._cursor = cursor
        self._upcasters = upcasters
        self.after, self.count, self.last = after, count, after + count

    def halves(self) -> tuple[Batch, Batch]:
        """The same events in two batches."""
        half = self.count // 2
        return (
            Inbox(self._cursor, self.after, half, self._upcasters),
            Inbox(self._cursor, self.after + half, self.count - half, self._upcasters),
        )

    def gather(self, cursor: duckdb.DuckDBPyConnection, queries: Mapping[str, str]) -> bool:
        """Never: these events are not in the store's reach."""
        return False

    def last_id(self) -> Any:
        """The id of the last event; None when another projector has processed it meanwhile."""
        row = self._cursor.execute(
            "select event_id from esnb.inbox where position = ?", [self.last]
        ).fetchone()
        return row and row[0]

    def into(self, cursor: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> None:
        """Put the events into the temporary table new_events."""
        if self._upcasters:
            rows = [inbox_row(event) for event in self.read()]
            columns_of_rows = [list(column) for column in zip(*rows, strict=True)]
            lists = ", ".join(f"unnest(?::{kind}[]) as {name}" for name, kind in TYPES.items())
            cursor.execute(
                f"create or replace temp table new_events as select {lists}",
                columns_of_rows or [[] for _ in TYPES],
            )
            return
        cursor.execute(
            "create or replace temp table new_events as "
            "from esnb.inbox where position > ? and position <= ? order by position",
            [self.after, self.last],
        )

    def read(self) -> Iterator[Event]:
        """The events one by one."""
        rows = self._cursor.execute(
            "select * replace (event_id::uuid as event_id) from esnb.inbox "
            "where position > ? and position <= ? order by position",
            [self.after, self.last],
        ).fetchall()
        return (event for row in rows for event in self._upcasters(event_from_row(row)))


def execute(cursor: duckdb.DuckDBPyConnection, text: str, values: Sequence[Any] = ()) -> None:
    """Run statements that come again and again."""
    for statement in parsed(text):
        cursor.execute(statement, list(values) or None)


def inbox_row(event: Event) -> list[Any]:
    """A delivered event as a row of the inbox."""
    assert event.occurred_at is not None
    assert event.recorded_at is not None
    return [
        event.position, str(event.event_id), event.aggregate_type, event.aggregate_id,
        event.sequence_number, event.event_type, event.event_version,
        dump_json(event.event_data, "data"), dump_json(event.metadata, "metadata"),
        event.occurred_at.astimezone(UTC).replace(tzinfo=None),
        event.recorded_at.astimezone(UTC).replace(tzinfo=None),
    ]  # fmt: skip


def _named(columns: Sequence[str]) -> list[str]:
    return [name for name in TYPES if not columns or name in ("position", *columns)]
