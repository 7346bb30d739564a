"""Rows of one table in memory, by primary key: looked up once, changed, and written together.

What is known of the table is either everything (it was small, or empty, when it was first asked),
or the rows under some first key values (those of the aggregates in the batch are fetched together),
or single rows. Values are brought into the type of their column when they are set: a row says the
same before and after it was written, so the size of a batch changes no result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NoReturn

import duckdb

from esnb.errors import QueryError
from esnb.readmodels.new_events import columns_of_rows
from esnb.readmodels.table_columns import Key, TableColumns
from esnb.store.readonly_sql import quoted

SMALL = 20_000  # rows of a table that is fetched whole when it is first asked


class Turn:
    """What the buffers of one read model share: which turn it is, and how many rows they hold.

    A row that was handed out is valid for one turn: until the next event, and until SQL was run.
    """

    def __init__(self) -> None:
        self.number = 0
        self.rows = 0


class Row(dict[str, Any]):
    """A row of a read model: its values by column; set one, and it is written with the batch."""

    __slots__ = ("_buffer", "_key", "_turn", "_unwritten")

    _buffer: TableBuffer
    _key: Key
    _turn: int
    _unwritten: bool

    def __setitem__(self, column: str, value: Any) -> None:
        # As `put` does it, without its call: most of a handler's work is this.
        buffer = self._buffer
        if self._turn != buffer.turn.number:
            buffer.refuse_stale()
        kind, low, high = buffer.settable.get(column) or buffer.refuse(column)
        if value.__class__ is not kind or (low is not None and not low <= value < high):
            value = buffer.converted(column, value)
        dict.__setitem__(self, column, value)
        if not self._unwritten:
            buffer.mark(self)

    def update(self, *args: Any, **values: Any) -> None:
        """Set several columns."""
        self._buffer.put(self, dict(*args, **values))

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise QueryError("The columns of a row are set: row['total'] = 5, or row.update(total=5).")

    __delitem__ = __ior__ = clear = pop = popitem = setdefault = _refuse


class TableBuffer(TableColumns):
    """What is known and changed of one table."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, schema: str, table: str, turn: Turn
    ) -> None:
        super().__init__(cursor, schema, table)
        self.turn = turn
        self._changed: dict[Key, Row | None] = {}  # None: deleted
        self._known: dict[Key, Row | None] = {}  # None: known not to be there
        self._under: dict[Any, dict[Key, None]] = {}  # the keys in `_known` by first key value
        self._complete: bool | None = None  # True: what is not known is not there; None: not asked
        self._prefixes: set[Any] = set()  # first key values of which all rows are known
        self._ids: Collection[str] = ()
        self._fetched_ids = False

    # -- finding ---------------------------------------------------------------------------

    def begin(self, ids: Collection[str]) -> None:
        """Begin a batch with events of these aggregates."""
        self._ids, self._fetched_ids = ids, False

    def row(self, key: Key) -> Row | None:
        """The row with this key, or None."""
        found = self._known.get(key)
        if found is None:
            found = self._find(self.full_key(key))
        if found is not None:
            found._turn = self.turn.number
        return found

    def rows_under(self, key: Key) -> list[Row]:
        """The rows whose key begins with these values, ordered by key."""
        if len(key) == len(self.key_columns):
            row = self.row(key)
            return [] if row is None else [row]
        key = self.key_prefix(key)
        self._find_under(key[0])
        under = self._under.get(key[0])
        if not under:
            return []
        keys = [k for k in under if k[: len(key)] == key]
        rows = [row for k in sorted(keys) if (row := self._known[k]) is not None]
        for row in rows:
            row._turn = self.turn.number
        return rows

    def _find(self, key: Key) -> Row | None:
        """A row that may not be known yet; more are fetched with it where that is cheap."""
        if self._complete or key in self._known or self._know_all() or key[0] in self._prefixes:
            return self._known.get(key)
        if not self._fetch_ids(key[0]):
            where = " and ".join(f"{quoted(column)} = ?" for column in self.key_columns)
            self._note(self.cursor.execute(f"{self.select} where {where}", list(key)).fetchall())
            if key not in self._known:
                self._know(key, None)
        return self._known.get(key)

    def _find_under(self, first: Any) -> None:
        if self._know_all() or first in self._prefixes or self._fetch_ids(first):
            return
        where = f"{quoted(self.key_columns[0])} = ?"
        self._note(self.cursor.execute(f"{self.select} where {where}", [first]).fetchall())
        self._prefixes.add(first)
        self.turn.rows += 1

    def _know_all(self) -> bool:
        if self._complete is None:
            count = self.cursor.execute(f"select count(*) from {self.name}").fetchall()[0][0]
            self._complete = count <= SMALL
            if self._complete and count:
                self._note(self.cursor.execute(self.select).fetchall())
        return self._complete

    def _fetch_ids(self, first: Any) -> bool:
        """Fetch the rows of all aggregates in the batch, if this one is among them."""
        if self._fetched_ids or first not in self._ids:
            return False
        self._fetched_ids = True
        new = [id_ for id_ in self._ids if id_ not in self._prefixes]
        key = quoted(self.key_columns[0])
        text = f"{self.select} where {key} in (select unnest(?::varchar[]))"
        self._note(self.cursor.execute(text, [new]).fetchall())
        self._prefixes.update(new)
        self.turn.rows += len(new)
        return True

    def _note(self, rows: list[tuple[Any, ...]]) -> None:
        names = list(self.types)
        where = [names.index(column) for column in self.key_columns]
        for values in rows:
            key = tuple(values[place] for place in where)
            if key not in self._known:  # else what is in memory is newer
                self._know(key, self._made(key, zip(names, values, strict=True)))

    def _made(self, key: Key, values: Any) -> Row:
        row = Row(values)  # no method of its own makes it: that would take three times as long
        row._buffer, row._key = self, key
        row._turn, row._unwritten = self.turn.number, False
        return row

    def _know(self, key: Key, row: Row | None) -> None:
        if key not in self._known:
            self.turn.rows += 1
            if len(key) > 1:
                self._under.setdefault(key[0], {})[key] = None
        self._known[key] = row

    # -- changing --------------------------------------------------------------------------

    def put(self, row: Row, values: Mapping[str, Any]) -> None:
        """Set columns of a row; the values are brought into their types."""
        if row._turn != self.turn.number:
            self.refuse_stale()
        for column, value in values.items():
            kind, low, high = self.settable.get(column) or self.refuse(column)
            if value.__class__ is not kind or (low is not None and not low <= value < high):
                value = self.converted(column, value)
            dict.__setitem__(row, column, value)
        if not row._unwritten:
            self.mark(row)

    def mark(self, row: Row) -> None:
        """A row has changed: it is written with the batch."""
        row._unwritten = True
        self._changed[row._key] = row

    def refuse_stale(self) -> NoReturn:
        """Say that a row was kept for too long."""
        raise QueryError(
            f"This row of {self.table!r} is from another event, or was deleted, or a statement "
            f"was run since. Ask for it again: read.row({self.table!r}, ...)."
        )

    def insert(self, values: Mapping[str, Any]) -> Row:
        """Add a row whose key is not there yet."""
        key = self.key_in(values)
        if self._find(key) is not None:
            raise QueryError(
                f"{self.table!r} has a row with the key {key!r} already. read.upsert() changes it."
            )
        return self._new(key, values)

    def upsert(self, values: Mapping[str, Any]) -> Row:
        """Set columns of the row with the key among them, or add it."""
        key = self.key_in(values)
        row = self._find(key)
        if row is None:
            return self._new(key, values)
        row._turn = self.turn.number
        self.put(row, {c: v for c, v in values.items() if c not in self.key_columns})
        return row

    def add(self, key: Key, amounts: Mapping[str, Any]) -> Row:
        """Add to columns of a row, which is made if it is not there."""
        row = self._known.get(key)
        if row is None:
            key = self.full_key(key)
            row = self._find(key) or self._new(key, {})
        row._turn = self.turn.number
        for column, amount in amounts.items():
            kind, low, high = self.settable.get(column) or self.refuse(column)
            before = row[column]
            value = amount if before is None else before + amount
            if value.__class__ is not kind or (low is not None and not low <= value < high):
                value = self.converted(column, value)
            dict.__setitem__(row, column, value)
        if not row._unwritten:
            self.mark(row)
        return row

    def delete(self, key: Key) -> int:
        """Remove the rows whose key begins with these values."""
        gone = self.rows_under(key)
        for row in gone:
            self._known[row._key] = self._changed[row._key] = None
            row._turn = -1
        return len(gone)

    def _new(self, key: Key, values: Mapping[str, Any]) -> Row:
        row = self._made(key, self.empty)
        for column in self.defaults.keys() - values.keys() if self.defaults else ():
            text = f"select ({self.defaults[column]})::{self.types[column]}"
            dict.__setitem__(row, column, self.cursor.execute(text).fetchall()[0][0])
        for column, value in values.items():
            kind, low, high = self.checks.get(column) or self.refuse(column)
            if value.__class__ is not kind or (low is not None and not low <= value < high):
                value = self.converted(column, value)
            dict.__setitem__(row, column, value)
        for column, value in zip(self.key_columns, key, strict=True):
            dict.__setitem__(row, column, value)
        self.mark(row)
        self._know(key, row)
        return row

    # -- writing ---------------------------------------------------------------------------

    def flush(self) -> None:
        """Write the changed rows, with one statement."""
        if not self._changed:
            return
        rows = [
            (row is None, *(row.values() if row is not None else self._gone(key)))
            for key, row in self._changed.items()
        ]
        text = self.merge
        self.cursor.execute(text, columns_of_rows(rows, len(self.types) + 1))
        for row in self._changed.values():
            if row is not None:
                row._unwritten = False
        self._changed.clear()

    def _gone(self, key: Key) -> Iterator[Any]:
        values = dict(zip(self.key_columns, key, strict=True))
        return (values.get(column) for column in self.types)

    def forget(self) -> None:
        """Drop the rows in memory, which have been written; rows handed out become invalid."""
        self.turn.number += 1
        self.turn.rows -= len(self._known) + len(self._prefixes)
        self._known.clear()
        self._under.clear()
        self._prefixes.clear()
        self._fetched_ids = False
        self._complete = None
