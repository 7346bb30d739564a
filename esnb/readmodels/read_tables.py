"""What a handler gets as `read`: rows by key, kept in memory for a batch of events, and SQL.

A statement for each event is what makes handlers slow: the engine spends most of a millisecond on
planning it. So rows are looked up, changed and added up in memory, and written with one statement
for each table at the end of the batch, in the transaction that moves the position. SQL in a handler
sees all changes made before it. Technique: unit of work and identity map (Fowler 2002).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb

from esnb.errors import QueryError
from esnb.events import Event
from esnb.readmodels.row_buffer import Row, TableBuffer, Turn
from esnb.store.readonly_sql import parsed

ROWS = 200_000  # rows in memory, of all tables together; beyond, they are written and forgotten
_WRITES = re.compile(r"\b(insert|update|delete|merge|truncate)\b", re.IGNORECASE)


class ReadTables:
    """The tables of a read model, as its handlers see them.

    `row`, `rows`, `insert`, `upsert`, `add` and `delete` work by primary key, in memory; `execute`
    runs any statement. A row is valid while the event is handled that asked for it.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, schema: str, names: Iterable[str]):
        self.cursor = cursor
        self.position: int | None = None  # where the rows in memory stand; None: nothing is known
        self._schema = schema
        self._names = list(names)
        self._buffers: dict[str, TableBuffer] = {}
        self._ids: set[str] = set()
        self._turn = Turn()

    # -- for handlers ----------------------------------------------------------------------

    def row(self, table: str, *key: Any) -> Row | None:
        """The row with this primary key, as a mapping whose values can be set; None if none."""
        return self._buffer(table).row(key)

    def rows(self, table: str, *key: Any) -> list[Row]:
        """The rows whose primary key begins with these values, ordered by key."""
        return self._buffer(table).rows_under(key)

    def insert(self, table: str, values: Mapping[str, Any]) -> Row:
        """Add a row. A column left out gets its default, or NULL; a key that exists is an error."""
        return self._buffer(table).insert(values)

    def upsert(self, table: str, values: Mapping[str, Any]) -> Row:
        """Set these columns of the row with the key among them; add the row if it is not there."""
        return self._buffer(table).upsert(values)

    def add(self, table: str, *key: Any, **amounts: Any) -> Row:
        """Add to columns of a row: `read.add("inventory", sku, reserved=+2)`.

        NULL counts as 0. A row that is not there is added, with its other columns at their default.
        """
        return self._buffer(table).add(key, amounts)

    def delete(self, table: str, *key: Any) -> int:
        """Remove the rows whose primary key begins with these values; returns how many."""
        return self._buffer(table).delete(key)

    def execute(self, query: str, parameters: Any = None) -> duckdb.DuckDBPyConnection:
        """Run a statement on the tables. What was changed by key is written first."""
        self.flush()
        if _may_write(query):
            self._forget_rows()
        # The stop button of a notebook interrupts a statement only if it is run without parameters.
        return (
            self.cursor.execute(query)
            if parameters is None
            else self.cursor.execute(query, parameters)
        )

    # -- for those that run handlers -------------------------------------------------------

    def begin(self, position: int) -> None:
        """Begin a batch of events after a position: rows that stand elsewhere are forgotten."""
        if self.position != position:
            self._buffers.clear()
            self._turn.rows = 0
        self.position = None
        self.expect(())

    def expect(self, events: Iterable[Event]) -> None:
        """These events come now: rows named like their aggregates are fetched together."""
        self._turn.number += 1
        self._ids = {event.aggregate_id or "" for event in events}
        for buffer in self._buffers.values():
            buffer.begin(self._ids)

    def next_event(self) -> None:
        """Between two events: rows handed out are no longer valid, and memory stays bounded."""
        self._turn.number += 1
        if self._turn.rows > ROWS:
            self.flush()
            self._forget_rows()

    def flush(self) -> None:
        """Write what has changed, with one statement for each table."""
        for buffer in self._buffers.values():
            buffer.flush()

    def _forget_rows(self) -> None:
        for buffer in self._buffers.values():
            buffer.forget()

    def _buffer(self, table: str) -> TableBuffer:
        found = self._buffers.get(table)
        if found is None:
            if table not in self._names:
                raise QueryError(f"There is no table {table!r} here, only {self._names}.")
            found = self._buffers[table] = TableBuffer(self.cursor, self._schema, table, self._turn)
            found.begin(self._ids)
        return found


def _may_write(query: object) -> bool:
    """Can a statement change a table? When in doubt: yes."""
    if not isinstance(query, str) or _WRITES.search(query):
        return True
    try:
        return any(s.type is not duckdb.StatementType.SELECT for s in parsed(query))
    except duckdb.Error:
        return True
