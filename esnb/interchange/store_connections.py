"""A database of another application, open for reading only, in one snapshot: SQLite or PostgreSQL.

Nothing here can write: SQLite files are opened with `mode=ro`, a PostgreSQL session is read-only.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from esnb.interchange.mapping import InterchangeError

_BATCH = 20_000

#: Where a value goes in a query: no identifier can hold this character.
VALUE = "\0"


class Source(Protocol):
    """What the two databases have in common: one snapshot, read in batches."""

    dialect: str

    def tables(self) -> dict[tuple[str, str], list[str]]:
        """The columns of each table, by (schema, table)."""
        ...

    def knows_writers(self, schema: str, table: str) -> bool:
        """Whether the database can say which transaction wrote a row: PostgreSQL, but no view."""
        ...

    def batches(self, sql: str, values: Sequence[Any]) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query, some thousands at a time; `VALUE` marks a value."""
        ...


def quoted(name: str) -> str:
    """An identifier, quoted for SQL; `InterchangeError` for what cannot be one."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise InterchangeError(f"A table or column has a name, found {name!r:.60}.")
    return '"' + name.replace('"', '""') + '"'


@contextlib.contextmanager
def reading(address: str | os.PathLike[str]) -> Iterator[Source]:
    """Open a database for reading; what the block reads is one snapshot.

    "sqlite:///app.sqlite" or the path of a file; "postgresql://..." or "host=... dbname=...".
    Raises `InterchangeError` where it cannot be opened or a query fails.
    """
    text = os.fspath(address) if isinstance(address, str | os.PathLike) else ""
    if text.startswith(("postgresql://", "postgres://")) or (
        isinstance(address, str) and "=" in text and not Path(text).exists()
    ):
        with _postgres(text) as source:
            yield source
    elif "://" in text and not text.startswith("sqlite:///"):
        raise InterchangeError(
            f"{text.partition('://')[0]!r} databases cannot be read. An address is "
            f"'sqlite:///app.sqlite', the path of an SQLite file, or 'postgresql://user@host/name'."
        )
    else:
        with _sqlite(text.removeprefix("sqlite:///")) as source:
            yield source


# -- SQLite ----------------------------------------------------------------------------------


class _SQLite:
    dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def tables(self) -> dict[tuple[str, str], list[str]]:
        rows = self._connection.execute(
            "select m.name, c.name from sqlite_master m, pragma_table_xinfo(m.name) c "
            "where m.type in ('table', 'view') order by m.name, c.cid"
        )
        found: dict[tuple[str, str], list[str]] = {}
        for table, column in rows:
            found.setdefault(("", table), []).append(column)
        return found

    def knows_writers(self, schema: str, table: str) -> bool:
        return False

    def batches(self, sql: str, values: Sequence[Any]) -> Iterator[list[tuple[Any, ...]]]:
        cursor = self._connection.execute(sql.replace(VALUE, "?"), list(values))
        while rows := cursor.fetchmany(_BATCH):
            yield rows


@contextlib.contextmanager
def _sqlite(path: str) -> Iterator[_SQLite]:
    if not path or "\0" in path or not Path(path).is_file():
        raise InterchangeError(
            f"There is no file {path!r}. Is the path relative to another folder?"
        )
    address = f"file:{quote(str(Path(path).absolute()))}?mode=ro"
    connection = None
    try:
        connection = sqlite3.connect(address, uri=True, isolation_level=None)
        connection.execute("begin")  # what is written from here on is not seen
        yield _SQLite(connection)
    except sqlite3.DatabaseError as error:
        hint = (
            "Is it the file of another program?"
            if "not a database" in str(error)
            else "A copy of an SQLite file in use lacks what is in the file -wal beside it: "
            "copy with Connection.backup() or '.backup', or read the original."
        )
        raise InterchangeError(f"{Path(path).name}: {error}. {hint}") from None
    finally:
        if connection is not None:
            connection.close()


# -- PostgreSQL ------------------------------------------------------------------------------


class _Postgres:
    dialect = "postgres"

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def tables(self) -> dict[tuple[str, str], list[str]]:
        rows = self._connection.execute(
            "select n.nspname, c.relname, a.attname from pg_class c "
            "join pg_namespace n on n.oid = c.relnamespace "
            "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
            "where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition "
            "and n.nspname not in ('pg_catalog', 'information_schema') order by 1, 2, a.attnum"
        )
        found: dict[tuple[str, str], list[str]] = {}
        for schema, table, column in rows:
            found.setdefault((schema, table), []).append(column)
        return found

    def knows_writers(self, schema: str, table: str) -> bool:
        query = (
            "select relkind in ('r', 'p', 'm') from pg_class c "
            "join pg_namespace n on n.oid = c.relnamespace where nspname = %s and relname = %s"
        )
        return bool(self._connection.execute(query, [schema, table]).fetchone()[0])

    def batches(self, sql: str, values: Sequence[Any]) -> Iterator[list[tuple[Any, ...]]]:
        # A cursor of the server: the client never holds more than one batch.
        with self._connection.cursor(name="esnb") as cursor:
            cursor.execute(sql.replace("%", "%%").replace(VALUE, "%s"), list(values))
            while rows := cursor.fetchmany(_BATCH):
                yield rows


@contextlib.contextmanager
def _postgres(address: str) -> Iterator[_Postgres]:
    try:
        psycopg = importlib.import_module("psycopg")
    except ImportError:
        raise InterchangeError(
            "Reading from PostgreSQL needs its client: pip install 'psycopg[binary]', then try "
            "again."
        ) from None
    try:
        with psycopg.connect(address, connect_timeout=10) as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute("set local timezone = 'UTC'; set local datestyle = 'ISO'")
            yield _Postgres(connection)
            connection.rollback()
    except psycopg.Error as error:  # its text never holds the password
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise InterchangeError(f"PostgreSQL: {words[0]}") from None
