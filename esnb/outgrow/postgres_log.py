"""The log of a shared store: what `store/connection.py` is to a file, over PostgreSQL.

Positions count from 1 without a gap, in the order of the commits, so that a reader who asks for
`position > last` misses nothing. Three ways were measured with racing writers who also roll back:

| how writers take a position                              | what `position > last` missed |
|----------------------------------------------------------|-------------------------------|
| a sequence (identity column), writers side by side       | 2,631 of 7,406 events         |
| the same, and `tx < pg_snapshot_xmin(...)`, by position  | 2,642 of 7,406 events         |
| one turn after the other                                 | none                          |

A sequence gives numbers when they are asked for and not when they are committed: 8 may be seen
before 7 is. (Reading in order of (tx, position) misses nothing either, but its positions have gaps,
and do not survive a move to another server.) So a writer first locks the one row of the table
`turn`, then reads the head of the log, and its commit gives the turn to the next one: PostgreSQL
makes a commit visible before it releases its locks. The hash chain, where each append continues
from the one before, needs that order anyway. The appends of the threads of one process share a
commit, as they do in a file.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Any, cast

import duckdb
import psycopg
from psycopg.sql import SQL, Identifier

from esnb.errors import QueryError, StoreClosedError
from esnb.event_json import dump_json
from esnb.outgrow.postgres_connections import Connection, Pool
from esnb.outgrow.postgres_errors import ConnectionLostError, translated
from esnb.store.conditions import AppendCondition
from esnb.store.connection import Log
from esnb.store.engine_errors import closed
from esnb.store.event_rows import COLUMNS, EVENT_COLUMNS, EventRow
from esnb.store.group_commit import CommitQueue
from esnb.store.hash_chain import START, Proof
from esnb.store.stored_before import Query, StreamIds

_HEAD = """
select e.position, e.recorded_at, c.position, c.hash from (values (1)) as one
left join lateral (select * from events order by position desc limit 1) e on true
left join lateral (select * from chain order by position desc limit 1) c on true
"""
# Each statement sees what was committed before it began: the head is read when the row is ours.
_BEGIN = f"begin isolation level read committed; select from turn for update; {_HEAD}"

_STREAM_HEAD = (
    "select sequence_number, aggregate_type from events where aggregate_id = $1 "
    "order by sequence_number desc limit 1"
)

_INSERT = """
with added as (
    insert into events select p, i, t, a, n, e, v, d::json, m::json, o, r
    from unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[],
                $7::integer[], $8::text[], $9::text[], $10::timestamp[], $11::timestamp[])
         as row(p, i, t, a, n, e, v, d, m, o, r)
), chained as (
    insert into chain select * from unnest($12::bigint[], $13::bytea[], $14::bytea[])
)
select pg_notify($15, $16)
"""

_KNOWN_IDS = "select 1 from events where aggregate_id = $1 and event_id = any($2::uuid[]) limit 1"

_NO_SQL = (
    "SQL, tables and projections run on a local copy of a shared store: "
    "copy = store.replica('local.duckdb'); copy.sql(...). It catches up with copy.catch_up()."
)


@dataclass
class Head:
    """The end of the log, and of the streams that were asked for, while nobody else appends."""

    position: int
    last_recorded: datetime
    proof: Proof
    streams: dict[str, tuple[int, str | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> Head:
        """The same from a row of the query."""
        position, recorded_at, chained, value = row
        last = datetime.min if recorded_at is None else recorded_at
        proof = Proof(chained, value) if chained else Proof(0, START)
        return cls(position or 0, last.replace(tzinfo=UTC), proof)


class PostgresLog(Log):
    """One open store on a server. It has the methods of a `Log`; the database is another one."""

    def __init__(self, pool: Pool) -> None:
        self.path = None
        self.file_id = None
        self.name = pool.address.name
        self.pid = os.getpid()
        self.lock = threading.RLock()
        self.queue = CommitQueue()
        self.users = 1
        self.channel = f"esnb_{pool.address.schema}"
        self.pool = pool
        self.ids = _IdsThere(self)
        self._why_closed = ""
        self._writing = 0  # the thread that writes
        self._turn: tuple[Connection, Head] | None = None

    # -- the head of the log ---------------------------------------------------------------

    @property
    def position(self) -> int:  # type: ignore[override]
        """The last position; inside `writing` it stays, since nobody else can append."""
        return self._head().position

    @property
    def proof(self) -> Proof:  # type: ignore[override]
        """The last position of the chain and the hash there."""
        return self._head().proof

    @property
    def last_recorded(self) -> datetime:  # type: ignore[override]
        """The time at which the last event was recorded."""
        return self._head().last_recorded

    def _head(self) -> Head:
        if self._writing == threading.get_ident():
            return self._take_turn()[1]
        return Head.of(self.rows(_HEAD)[0])

    def head(self, aggregate_id: str) -> tuple[int, str | None]:
        """Latest sequence number and type of an aggregate; (0, None) when there is none."""
        if self._writing != threading.get_ident():
            return (*self.rows(_STREAM_HEAD, (aggregate_id,)), (0, None))[0]
        known = self._take_turn()[1].streams
        if aggregate_id not in known:
            known[aggregate_id] = (*self.rows(_STREAM_HEAD, (aggregate_id,)), (0, None))[0]
        return known[aggregate_id]

    # -- reading ---------------------------------------------------------------------------

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one of the package's own queries."""
        self.check_usable()
        text = for_the_server(query)
        with self.translated():
            if self._writing == threading.get_ident() and self._turn is not None:
                return self._turn[0].execute(text, list(parameters)).fetchall()
            try:
                return self._ask(text, parameters)
            except ConnectionLostError:  # one that had waited too long
                self.pool.clear()
                return self._ask(text, parameters)

    def _ask(self, text: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self.translated(), self.pool.connection() as connection:
            return connection.execute(text, list(parameters)).fetchall()

    def where(self, condition: AppendCondition, data: bool) -> tuple[str, list[Any]]:
        """A condition in SQL with its values: what it leaves in is then looked at in Python.

        The text of a value is in the text of the data, since the same writer wrote both.
        """
        text, values = ["position > ?"], list[Any]([condition.after])
        if condition.event_types:
            text.append("event_type = any(?::text[])")
            values.append(list(condition.event_types))
        for value in condition.where.values() if data else ():
            text.append("strpos(event_data::text, ?) > 0")
            values.append(dump_json({"": value}, "where")[4:-1])
        return " and ".join(text), values

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """What answers the package's own queries, row by row; not the questions of a reader."""
        self.check_usable()
        return cast(duckdb.DuckDBPyConnection, _Cursor(self))

    @property
    def catalog(self) -> str:
        """The name that DuckDB has for a database: `QueryError`."""
        raise QueryError(_NO_SQL)

    def wait(self, after: int, timeout: float, poll: float = 1.0) -> int:
        """Wait until the log goes on after a position, at most `timeout` seconds; returns its head.

        Each append wakes whoever waits. A wake-up may be lost, so it looks every `poll` seconds.
        """
        until = time.monotonic() + timeout
        with self.translated(), self.pool.connection() as connection:
            connection.execute(SQL("listen {}").format(Identifier(self.channel)).as_string())
            try:
                while True:
                    head = Head.of(connection.execute(_HEAD).fetchall()[0]).position
                    left = until - time.monotonic()
                    if head > after or left <= 0:
                        return head
                    for _ in connection.notifies(timeout=min(poll, left), stop_after=1):
                        pass
            finally:
                with suppress(psycopg.Error):
                    connection.execute("unlisten *")

    def snapshot_ids(self) -> set[str]:
        """Any aggregate may have snapshots: other processes write them as well."""
        return _AnyId()

    # -- writing ---------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only thread of this process that writes, until the end of the block.

        The turn among the processes is taken when the head of the log is first asked for, and
        given on with each commit.
        """
        with self.lock:
            self.check_usable()
            before, self._writing = self._writing, threading.get_ident()
            try:
                yield
            finally:
                self._writing = before
                if not before:
                    self._end_turn()

    def _take_turn(self) -> tuple[Connection, Head]:
        if self._turn is not None:
            return self._turn
        try:
            self._turn = self._begin()
        except ConnectionLostError:  # nothing was asked yet: try a fresh connection
            self.pool.clear()
            self._turn = self._begin()
        return self._turn

    def _begin(self) -> tuple[Connection, Head]:
        self.check_usable()
        connection = self.pool.take()
        try:
            with self.translated():
                cursor = connection.execute(_BEGIN)
                cursor.nextset()
                cursor.nextset()
                return connection, Head.of(cursor.fetchall()[0])
        except BaseException:
            self._give_back(connection)
            raise

    def _end_turn(self) -> None:
        if self._turn is not None:
            connection, self._turn = self._turn[0], None
            self._give_back(connection)

    def _give_back(self, connection: Connection) -> None:
        with suppress(psycopg.Error):
            connection.rollback()  # after a commit there is nothing to roll back
        self.pool.give_back(connection)

    def insert(
        self,
        rows: Sequence[EventRow],
        entries: Sequence[tuple[int, bytes, bytes]],
        heads: Mapping[str, tuple[int, str]],
    ) -> None:
        """Store the rows of appends with their entries in the chain; durable when it returns.

        Raises `VersionTakenError` when somebody wrote such a row past the store; then, as after
        any error but a lost connection, nothing is stored.
        """
        connection, _ = self._take_turn()
        columns = [*map(list, zip(*rows, strict=True)), *map(list, zip(*entries, strict=True))]
        values = [*columns, self.channel, str(rows[-1].position)]
        try:
            with self.translated(), connection.pipeline():  # one way there and back
                connection.execute(_INSERT, values)
                connection.execute("commit")
        finally:
            self._end_turn()

    @contextmanager
    def transaction(self, *, of_events: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction of the package's own, all or nothing, on tables other than the log."""
        with (
            self.lock,
            self.translated(),
            self.pool.connection() as connection,
            connection.transaction(),
        ):
            yield cast(duckdb.DuckDBPyConnection, _Transaction(connection))

    # -- life ------------------------------------------------------------------------------

    def check_usable(self) -> None:
        """Raise the error that says why this store cannot be used, if it cannot."""
        if self._why_closed:
            raise StoreClosedError(self._why_closed)
        if self.pid != os.getpid():
            raise StoreClosedError(
                f"{self.name!r} was opened by process {self.pid}, and a connection cannot be "
                f"shared with it. Connect again in this process: EventStore.connect(url)."
            )

    def release(self) -> None:
        """Close the connections."""
        if self.pid == os.getpid():
            self._why_closed = closed(self.name)
            self.pool.clear()

    @contextmanager
    def translated(self, *, of_a_query: bool = False) -> Iterator[None]:
        """Turn the engine's errors into those of `errors.py`."""
        with translated(self.name):
            yield


class _IdsThere(StreamIds):
    """Event ids are looked up on the server, which has an index of them for each stream."""

    def __init__(self, log: PostgresLog) -> None:
        super().__init__()
        self._log = log

    def of(self, query: Query, aggregate_id: str, version: int) -> set[str]:
        """The ids of a stream, to be asked whether it has some."""
        return _IdsOfStream(self._log, aggregate_id)


class _IdsOfStream(set[str]):
    def __init__(self, log: PostgresLog, aggregate_id: str) -> None:
        super().__init__()
        self._log, self._aggregate_id = log, aggregate_id

    def isdisjoint(self, ids: Any) -> bool:
        return not self._log.rows(_KNOWN_IDS, (self._aggregate_id, list(ids)))


class _AnyId(set[str]):
    def __contains__(self, _: object) -> bool:
        return True


class _Cursor:
    """As much of a cursor of DuckDB as a server can give."""

    def __init__(self, log: PostgresLog) -> None:
        self._log = log
        self._rows: Iterator[tuple[Any, ...]] = iter(())

    def execute(self, query: str, parameters: Sequence[Any] = ()) -> _Cursor:
        if not query.lstrip().startswith("select"):  # a transaction, a view, a variable: of DuckDB
            raise QueryError(_NO_SQL)
        self._rows = iter(self._log.rows(query, parameters))
        return self

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        return list(islice(self._rows, size))

    def close(self) -> None:
        self._rows = iter(())

    def __getattr__(self, name: str) -> Any:
        raise QueryError(_NO_SQL)


class _Transaction:
    """A connection in a transaction, for the package's own statements."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        return self._connection.execute(for_the_server(query), list(parameters))


@lru_cache(maxsize=1000)
def for_the_server(query: str) -> str:
    """One of the package's own queries as PostgreSQL reads it: $1, $2, ... for each ?."""
    found = iter(range(1, query.count("?") + 1))
    text = query.replace(EVENT_COLUMNS, COLUMNS)  # here an id is a UUID for as little
    return re.sub(r"\?", lambda _: f"${next(found)}", text)
