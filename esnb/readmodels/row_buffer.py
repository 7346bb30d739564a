"""Rows of one table in memory, by primary key: looked up once, changed, and written together.

What is known of the table is either everything (it was small, or empty, when it was first asked),
or the rows under some first key values (those of the aggregates in the batch are fetched together),
or single rows. Values are brought into the type of their column when they are set: a row says the
same before and after it was written, so the size of a batch changes no result.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime, time
from typing import Any, NoReturn
from uuid import UUID

import duckdb

from esnb.errors import QueryError
from esnb.readmodels.new_events import columns_of_rows, unnested
from esnb.store.event_rows import naive_utc
from esnb.store.readonly_sql import quoted

SMALL = 20_000  # rows of a table that is fetched whole when it is first asked

Key = tuple[Any, ...]
Convert = Callable[[Any], Any]

_INTEGERS = {
    "TINYINT": (-(2**7), 2**7),
    "SMALLINT": (-(2**15), 2**15),
    "INTEGER": (-(2**31), 2**31),
    "BIGINT": (-(2**63), 2**63),
    "HUGEINT": (-(2**127), 2**127),
    "UTINYINT": (0, 2**8),
    "USMALLINT": (0, 2**16),
    "UINTEGER": (0, 2**32),
    "UBIGINT": (0, 2**64),
}
#: Python types whose values a column takes as they are. Others are converted by the engine.
_PLAIN: dict[str, type] = {
    "VARCHAR": str,
    "DOUBLE": float,
    "BOOLEAN": bool,
    "DATE": date,
    "TIME": time,
    "UUID": UUID,
    "BLOB": bytes,
    **dict.fromkeys(_INTEGERS, int),
}
_CONVERTED = {"TIMESTAMP", "FLOAT", "JSON", "DECIMAL", "ENUM"}


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

    def __init__(self, buffer: TableBuffer, key: Key, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._buffer = buffer
        self._key = key
        self._turn = buffer.turn.number
        self._unwritten = False

    def __setitem__(self, column: str, value: Any) -> None:
        self._buffer.put(self, {column: value})

    def update(self, *args: Any, **values: Any) -> None:
        """Set several columns."""
        self._buffer.put(self, dict(*args, **values))

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise QueryError("The columns of a row are set: row['total'] = 5, or row.update(total=5).")

    __delitem__ = __ior__ = clear = pop = popitem = setdefault = _refuse


class TableBuffer:
    """What is known and changed of one table."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, schema: str, table: str, turn: Turn
    ) -> None:
        self.table = table
        self.turn = turn
        self._changed: dict[Key, Row | None] = {}  # None: deleted
        self._cursor = cursor
        self._name = f"{quoted(schema)}.{quoted(table)}"
        self._read_declaration(schema)
        self._known: dict[Key, Row | None] = {}  # None: known not to be there
        self._under: dict[Any, dict[Key, None]] = {}  # the keys in `_known` by first key value
        self._complete: bool | None = None  # True: what is not known is not there; None: not asked
        self._prefixes: set[Any] = set()  # first key values of which all rows are known
        self._ids: Collection[str] = ()
        self._fetched_ids = False

    # -- the declaration -------------------------------------------------------------------

    def _read_declaration(self, schema: str) -> None:
        columns = self._cursor.execute(
            "select c.column_name, c.data_type, c.column_default, i.is_generated = 'ALWAYS' "
            "from duckdb_columns() c join information_schema.columns i on "
            "i.table_schema = c.schema_name and i.table_name = c.table_name "
            "and i.column_name = c.column_name "
            "where c.schema_name = ? and c.table_name = ? order by c.column_index",
            [schema, self.table],
        ).fetchall()
        keys = self._cursor.execute(
            "select constraint_column_names from duckdb_constraints() where schema_name = ? "
            "and table_name = ? and constraint_type = 'PRIMARY KEY'",
            [schema, self.table],
        ).fetchall()
        if not keys:
            raise QueryError(
                f"The table {self.table!r} has no primary key, so its rows cannot be found by key. "
                f"Declare one, such as 'order_id varchar primary key, ...', or use read.execute()."
            )
        self.key_columns: list[str] = list(keys[0][0])
        written = [row for row in columns if not row[3]]
        self.types: dict[str, str] = {row[0]: row[1] for row in written}
        self._defaults = {row[0]: row[2] for row in written if row[2] not in (None, "NULL")}
        self._empty: dict[str, Any] = dict.fromkeys(self.types)
        for column, kind in self.types.items():
            if kind not in _PLAIN and kind.partition("(")[0] not in _CONVERTED:
                raise QueryError(
                    f"The column {column!r} of {self.table!r} has the type {kind}, which rows by "
                    f"key do not have. Use read.execute() for this table."
                )
        # By column: the type of values that are taken as they are, and the bounds of integers.
        self._checks: dict[str, tuple[Any, Any, Any]] = {
            column: (_PLAIN.get(kind), *_INTEGERS.get(kind, (None, None)))
            for column, kind in self.types.items()
        }
        self._settable = {c: v for c, v in self._checks.items() if c not in self.key_columns}
        names = ", ".join(quoted(column) for column in self.types)
        self._select = f"select {names} from {self._name}"
        self._statements: dict[str, str] = {}

    def _refuse(self, column: object) -> NoReturn:
        """Say why a column cannot be set."""
        if column in self.types:
            raise QueryError(
                f"{column!r} is part of the key of {self.table!r}. Delete the row and insert "
                f"another one."
            )
        raise QueryError(f"{self.table!r} has no column {column!r}, only {list(self.types)}.")

    def _converted(self, column: str, value: Any) -> Any:
        """A value as the column holds it; the engine converts what is not of its type already."""
        kind, low, high = self._checks.get(column) or self._refuse(column)
        if value is None or (value.__class__ is kind and (low is None or low <= value < high)):
            return value
        if isinstance(value, datetime):
            if value.tzinfo is not None:
                value = naive_utc(value)  # the tables are in UTC
            if self.types[column] == "TIMESTAMP":
                return value
        text = f"select ?::{self.types[column]}"
        return self._cursor.execute(text, [value]).fetchall()[0][0]

    # -- finding ---------------------------------------------------------------------------

    def begin(self, ids: Collection[str]) -> None:
        """Begin a batch with events of these aggregates."""
        self._ids, self._fetched_ids = ids, False

    def row(self, key: Key) -> Row | None:
        """The row with this key, or None."""
        found = self._known.get(key)
        if found is None:
            found = self._find(self._full_key(key))
        if found is not None:
            found._turn = self.turn.number
        return found

    def rows_under(self, key: Key) -> list[Row]:
        """The rows whose key begins with these values, ordered by key."""
        if len(key) == len(self.key_columns):
            row = self.row(key)
            return [] if row is None else [row]
        key = self._prefix(key)
        self._find_under(key[0])
        keys = [k for k in self._under.get(key[0], ()) if k[: len(key)] == key]
        rows = [row for k in sorted(keys) if (row := self._known[k]) is not None]
        for row in rows:
            row._turn = self.turn.number
        return rows

    def _full_key(self, key: Key) -> Key:
        if len(key) != len(self.key_columns):
            raise QueryError(
                f"The key of {self.table!r} is {self.key_columns}, found {len(key)} values."
            )
        return self._prefix(key)

    def _prefix(self, key: Key) -> Key:
        if not 0 < len(key) <= len(self.key_columns):
            raise QueryError(
                f"The key of {self.table!r} is {self.key_columns}: give all of it, or its "
                f"beginning. Found {len(key)} values."
            )
        made = tuple(map(self._converted, self.key_columns, key))
        if None in made:
            raise QueryError(f"The key of {self.table!r} is {self.key_columns}, found {made!r}.")
        return made

    def _find(self, key: Key) -> Row | None:
        """A row that may not be known yet; more are fetched with it where that is cheap."""
        if key in self._known or self._know_all() or key[0] in self._prefixes:
            return self._known.get(key)
        if not self._fetch_ids(key[0]):
            where = " and ".join(f"{quoted(column)} = ?" for column in self.key_columns)
            self._note(self._cursor.execute(f"{self._select} where {where}", list(key)).fetchall())
            if key not in self._known:
                self._know(key, None)
        return self._known.get(key)

    def _find_under(self, first: Any) -> None:
        if self._know_all() or first in self._prefixes or self._fetch_ids(first):
            return
        where = f"{quoted(self.key_columns[0])} = ?"
        self._note(self._cursor.execute(f"{self._select} where {where}", [first]).fetchall())
        self._prefixes.add(first)
        self.turn.rows += 1

    def _know_all(self) -> bool:
        if self._complete is None:
            count = self._cursor.execute(f"select count(*) from {self._name}").fetchall()[0][0]
            self._complete = count <= SMALL
            if self._complete and count:
                self._note(self._cursor.execute(self._select).fetchall())
        return self._complete

    def _fetch_ids(self, first: Any) -> bool:
        """Fetch the rows of all aggregates in the batch, if this one is among them."""
        if self._fetched_ids or first not in self._ids:
            return False
        self._fetched_ids = True
        new = [id_ for id_ in self._ids if id_ not in self._prefixes]
        key = quoted(self.key_columns[0])
        text = f"{self._select} where {key} in (select unnest(?::varchar[]))"
        self._note(self._cursor.execute(text, [new]).fetchall())
        self._prefixes.update(new)
        self.turn.rows += len(new)
        return True

    def _note(self, rows: list[tuple[Any, ...]]) -> None:
        names = list(self.types)
        where = [names.index(column) for column in self.key_columns]
        for values in rows:
            key = tuple(values[place] for place in where)
            if key not in self._known:  # else what is in memory is newer
                self._know(key, Row(self, key, dict(zip(names, values, strict=True))))

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
            raise QueryError(
                f"This row of {self.table!r} is from another event, or was deleted, or a statement "
                f"was run since. Ask for it again: read.row({self.table!r}, ...)."
            )
        for column, value in values.items():
            kind, low, high = self._settable.get(column) or self._refuse(column)
            if value.__class__ is not kind or (low is not None and not low <= value < high):
                value = self._converted(column, value)
            dict.__setitem__(row, column, value)
        if not row._unwritten:
            row._unwritten = True
            self._changed[row._key] = row

    def insert(self, values: Mapping[str, Any]) -> Row:
        """Add a row whose key is not there yet."""
        key = self._key_in(values)
        if self._find(key) is not None:
            raise QueryError(
                f"{self.table!r} has a row with the key {key!r} already. read.upsert() changes it."
            )
        return self._new(key, values)

    def upsert(self, values: Mapping[str, Any]) -> Row:
        """Set columns of the row with the key among them, or add it."""
        key = self._key_in(values)
        row = self._find(key)
        if row is None:
            return self._new(key, values)
        row._turn = self.turn.number
        self.put(row, {c: v for c, v in values.items() if c not in self.key_columns})
        return row

    def add(self, key: Key, amounts: Mapping[str, Any]) -> Row:
        """Add to columns of a row, which is made if it is not there."""
        row = self.row(key)
        if row is None:
            row = self._new(self._full_key(key), {})
        sums = {}
        for column, amount in amounts.items():
            before = row[column] if column in row else self._refuse(column)
            sums[column] = amount if before is None else before + amount
        self.put(row, sums)
        return row

    def delete(self, key: Key) -> int:
        """Remove the rows whose key begins with these values."""
        gone = self.rows_under(key)
        for row in gone:
            self._known[row._key] = self._changed[row._key] = None
            row._turn = -1
        return len(gone)

    def _key_in(self, values: Mapping[str, Any]) -> Key:
        missing = [column for column in self.key_columns if values.get(column) is None]
        if missing:
            raise QueryError(f"A row of {self.table!r} needs its key: {missing} is missing.")
        return tuple(self._converted(column, values[column]) for column in self.key_columns)

    def _new(self, key: Key, values: Mapping[str, Any]) -> Row:
        row = Row(self, key, self._empty)
        dict.update(row, zip(self.key_columns, key, strict=True))
        for column in self._defaults.keys() - values.keys():
            text = f"select ({self._defaults[column]})::{self.types[column]}"
            dict.__setitem__(row, column, self._cursor.execute(text).fetchall()[0][0])
        self.put(row, {c: v for c, v in values.items() if c not in self.key_columns})
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
        text = self._merge()
        self._cursor.execute(text, columns_of_rows(rows, len(self.types) + 1))
        for row in self._changed.values():
            if row is not None:
                row._unwritten = False
        self._changed.clear()

    def _gone(self, key: Key) -> Iterator[Any]:
        values = dict(zip(self.key_columns, key, strict=True))
        return (values.get(column) for column in self.types)

    def _merge(self) -> str:
        if "merge" not in self._statements:
            names = [quoted(column) for column in self.types]
            source = {"esnb_gone": "boolean"} | dict(zip(names, self.types.values(), strict=True))
            keys = [quoted(column) for column in self.key_columns]
            same = " and ".join(f"t.{name} = n.{name}" for name in keys)
            sets = ", ".join(f"{name} = n.{name}" for name in names if name not in keys)
            change = f"when matched then update set {sets} " if sets else ""
            self._statements["merge"] = (
                f"merge into {self._name} t using ({unnested(source)}) n on {same} "
                f"when matched and n.esnb_gone then delete {change}"
                f"when not matched and not n.esnb_gone then insert ({', '.join(names)}) "
                f"values ({', '.join(f'n.{name}' for name in names)})"
            )
        return self._statements["merge"]

    def forget(self) -> None:
        """Drop the rows in memory, which have been written; rows handed out become invalid."""
        self.turn.number += 1
        self.turn.rows -= len(self._known) + len(self._prefixes)
        self._known.clear()
        self._under.clear()
        self._prefixes.clear()
        self._fetched_ids = False
        self._complete = None
