"""Change data capture by triggers: DuckDB writes down every row that changes, and how.

Three triggers a table, one for each of insert, update and delete, in the transaction of the change.
What DuckDB 2.0 does not have shapes them: there are no row triggers on UPDATE, so the old and the
new rows of a statement are joined on the primary key; and a table with triggers takes no MERGE and
no ON CONFLICT DO UPDATE.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb

from esnb.errors import EsnbError
from esnb.event_json import load_json

#: Where the changes go: `position`, and the `envelope` as JSON.
TABLE = "changes"


class CaptureError(EsnbError):
    """The changes of a table cannot be captured, or cannot be read."""


class TriggerCapture:
    """Captures the row changes of some tables of a DuckDB connection, from now on.

    Each changed row becomes an envelope in the table `changes`: `op` (c, u, d), `before`, `after`,
    `source` and `ts_ms`, as Debezium has them. `now` is the SQL of the time in milliseconds. A
    table needs a primary key, which finds the old row of a new one. An UPDATE of the key itself
    looks like a deletion and an insertion; one that swaps the keys of two rows hides the swap.
    Triggers see rows, not tables: DROP TABLE and CREATE OR REPLACE TABLE leave no trace.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        tables: Iterable[str],
        *,
        now: str = "epoch_ms(now())",
    ) -> None:
        self._connection = connection
        names = {table: _key_of(connection, table) for table in tables}
        connection.execute(f"create sequence if not exists {TABLE}_position")
        connection.execute(
            f"create table if not exists {TABLE} (position bigint primary key, envelope json)"
        )
        for table, key in names.items():
            for event, trigger in _triggers(table, key, now).items():
                connection.execute(f"create trigger {_name(f'{table} {event}')} {trigger}")

    def changes(self, after: int = 0) -> list[dict[str, Any]]:
        """The envelopes that came after a position, in order; `source.position` is their place."""
        rows = self._connection.execute(
            f"select envelope from {TABLE} where position > ? order by position", [after]
        ).fetchall()
        return [load_json(text) for (text,) in rows]


def _key_of(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    found = connection.execute(
        "select constraint_column_names from duckdb_constraints() "
        "where table_name = ? and constraint_type = 'PRIMARY KEY'",
        [table],
    ).fetchone()
    if found is None:
        raise CaptureError(
            f"Table {table!r} is not there, or has no primary key. Only a key says which old row "
            f"became which new one: add one, then capture."
        )
    return [str(name) for name in found[0]]


def _triggers(table: str, key: list[str], now: str) -> dict[str, str]:
    """Event -> the rest of its trigger. The names of the row sets cannot be names of columns."""
    old, new, first = '"rows before"', '"rows after"', _name(key[0])
    same = " and ".join(f"{old}.{_name(k)} = {new}.{_name(k)}" for k in key)
    order = ", ".join(f"coalesce({old}.{_name(k)}, {new}.{_name(k)})" for k in key)
    either = (
        f"case when {old}.{first} is null then 'c' when {new}.{first} is null then 'd' else 'u' end"
    )
    shapes = {
        "insert": ("'c'", "null", f"to_json({new})", f"new table as {new}", new),
        "delete": ("'d'", f"to_json({old})", "null", f"old table as {old}", old),
        "update": (
            either,
            f"case when {old}.{first} is null then null else to_json({old}) end",
            f"case when {new}.{first} is null then null else to_json({new}) end",
            f"old table as {old} new table as {new}",
            f"{old} full join {new} on {same} order by {order}",
        ),
    }
    return {
        event: (
            f"after {event} on {_name(table)} referencing {sets} for each statement "
            f"insert into {TABLE} select place, json_object('op', op, 'before', old_row, "
            f"'after', new_row, 'source', json_object('connector', 'duckdb triggers', "
            f"'schema', 'main', 'table', {_text(table)}, 'txId', txid_current(), "
            f"'position', place, 'ts_ms', {now}), 'ts_ms', {now}) from ("
            # The place is given outside, after the rows are in order.
            f"select nextval('{TABLE}_position') as place, op, old_row, new_row from ("
            f"select {op} as op, {before} as old_row, {after} as new_row from {rows}))"
        )
        for event, (op, before, after, sets, rows) in shapes.items()
    }


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
