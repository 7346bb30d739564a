"""The columns of a table whose rows are kept by key: the types they take, and how they are written.

Values are brought into the type of their column in Python where that is certain to give what the
engine would give, and by the engine in all other cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any, NoReturn
from uuid import UUID

import duckdb

from esnb.errors import QueryError
from esnb.readmodels.new_events import unnested
from esnb.store.readonly_sql import quoted

Key = tuple[Any, ...]

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


class TableColumns:
    """The columns of one table, its primary key among them, as the engine has them."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, schema: str, table: str) -> None:
        self.cursor = cursor
        self.table = table
        self.name = f"{quoted(schema)}.{quoted(table)}"
        columns = self.cursor.execute(
            "select c.column_name, c.data_type, c.column_default, i.is_generated = 'ALWAYS' "
            "from duckdb_columns() c join information_schema.columns i on "
            "i.table_schema = c.schema_name and i.table_name = c.table_name "
            "and i.column_name = c.column_name "
            "where c.schema_name = ? and c.table_name = ? order by c.column_index",
            [schema, self.table],
        ).fetchall()
        keys = self.cursor.execute(
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
        self.defaults = {row[0]: row[2] for row in written if row[2] not in (None, "NULL")}
        self.empty: dict[str, Any] = dict.fromkeys(self.types)
        for column, kind in self.types.items():
            if kind not in _PLAIN and kind.partition("(")[0] not in _CONVERTED:
                raise QueryError(
                    f"The column {column!r} of {self.table!r} has the type {kind}, which rows by "
                    f"key do not have. Use read.execute() for this table."
                )
        # By column: the type of values that are taken as they are, and the bounds of integers.
        self.checks: dict[str, tuple[Any, Any, Any]] = {
            column: (_PLAIN.get(kind), *_INTEGERS.get(kind, (None, None)))
            for column, kind in self.types.items()
        }
        self.settable = {c: v for c, v in self.checks.items() if c not in self.key_columns}
        self._key_types = [self.checks[column][0] for column in self.key_columns]
        names = ", ".join(quoted(column) for column in self.types)
        self.select = f"select {names} from {self.name}"
        self.merge = self._merge()

    def refuse(self, column: object) -> NoReturn:
        """Say why a column cannot be set."""
        if column in self.types:
            raise QueryError(
                f"{column!r} is part of the key of {self.table!r}. Delete the row and insert "
                f"another one."
            )
        raise QueryError(f"{self.table!r} has no column {column!r}, only {list(self.types)}.")

    def converted(self, column: str, value: Any) -> Any:
        """A value as the column holds it; the engine converts what is not of its type already."""
        kind, low, high = self.checks.get(column) or self.refuse(column)
        if value is None or (value.__class__ is kind and (low is None or low <= value < high)):
            return value
        if isinstance(value, datetime):
            if value.tzinfo is not None:
                value = _naive(value)
            if self.types[column] == "TIMESTAMP":
                return value
        text = f"select ?::{self.types[column]}"
        return self.cursor.execute(text, [value]).fetchall()[0][0]

    def full_key(self, key: Key) -> Key:
        """A whole primary key, its values in the types of their columns."""
        if len(key) == len(self._key_types):
            for value, kind in zip(key, self._key_types, strict=True):
                if value.__class__ is not kind or kind is not str:
                    break
            else:
                return key
            return self.key_prefix(key)
        raise QueryError(
            f"The key of {self.table!r} is {self.key_columns}, found {len(key)} values."
        )

    def key_prefix(self, key: Key) -> Key:
        """The first values of a primary key, in the types of their columns."""
        if not 0 < len(key) <= len(self.key_columns):
            raise QueryError(
                f"The key of {self.table!r} is {self.key_columns}: give all of it, or its "
                f"beginning. Found {len(key)} values."
            )
        made = tuple([self.converted(c, v) for c, v in zip(self.key_columns, key, strict=False)])
        if None in made:
            raise QueryError(f"The key of {self.table!r} is {self.key_columns}, found {made!r}.")
        return made

    def key_in(self, values: Mapping[str, Any]) -> Key:
        """The primary key among the values of a row."""
        key = tuple([values.get(column) for column in self.key_columns])
        if None in key:
            missing = [c for c, value in zip(self.key_columns, key, strict=True) if value is None]
            raise QueryError(f"A row of {self.table!r} needs its key: {missing} is missing.")
        return self.full_key(key)

    def _merge(self) -> str:
        names = [quoted(column) for column in self.types]
        source = {"esnb_gone": "boolean"} | dict(zip(names, self.types.values(), strict=True))
        keys = [quoted(column) for column in self.key_columns]
        same = " and ".join(f"t.{name} = n.{name}" for name in keys)
        sets = ", ".join(f"{name} = n.{name}" for name in names if name not in keys)
        change = f"when matched then update set {sets} " if sets else ""
        return (
            f"merge into {self.name} t using ({unnested(source)}) n on {same} "
            f"when matched and n.esnb_gone then delete {change}"
            f"when not matched and not n.esnb_gone then insert ({', '.join(names)}) "
            f"values ({', '.join(f'n.{name}' for name in names)})"
        )


def _naive(time: datetime) -> datetime:
    """An aware time as the tables have it: in UTC, without a zone."""
    if time.tzinfo is not UTC:
        time = time.astimezone(UTC)
    # A third of what `replace(tzinfo=None)` takes.
    return datetime(
        time.year, time.month, time.day, time.hour, time.minute, time.second, time.microsecond
    )
