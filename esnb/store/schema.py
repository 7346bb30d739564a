"""The tables of a store: their definition, their format number, and the way from older formats."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from esnb.errors import NotAStoreError, StoreCorruptError
from esnb.store.hash_chain import START, Proof

FORMAT = 3

_TABLES = """
create table esnb_format (version integer not null);
create table events (
    position        bigint    not null,
    event_id        uuid      not null,
    aggregate_type  varchar   not null,
    aggregate_id    varchar   not null,
    sequence_number bigint    not null,
    event_type      varchar   not null,
    event_version   integer   not null,
    event_data      json      not null,
    metadata        json      not null,
    occurred_at     timestamp not null,
    recorded_at     timestamp not null,
    primary key (aggregate_id, sequence_number)
);
create index events_by_aggregate on events (aggregate_id);
create table snapshots (
    snapshot_id     uuid      not null,
    aggregate_id    varchar   not null,
    aggregate_type  varchar   not null,
    sequence_number bigint    not null,
    state_json      json      not null,
    state_version   integer   not null,
    created_at      timestamp not null,
    steps           json
);
create index snapshots_by_aggregate on snapshots (aggregate_id);
create table append_only (never varchar);
create trigger events_refuse_update after update on events for each statement
    insert into append_only select error('events are append-only: update refused');
create trigger events_refuse_delete after delete on events for each statement
    insert into append_only select error('events are append-only: delete refused');
"""

# Format 2 added this table; hash_chain.py says what it holds.
_CHAIN = """
create table chain (
    position bigint not null,
    hash     blob   not null,
    marks    blob   not null
);
create trigger chain_refuse_update after update on chain for each statement
    insert into append_only select error('the chain is append-only: update refused');
create trigger chain_refuse_delete after delete on chain for each statement
    insert into append_only select error('the chain is append-only: delete refused');
"""

# Format 3 added the column `steps` of the snapshots, and this table, of one row: whether the store
# was closed since it was last written, and the proof of the log when it was. See `is_in_use`.
_SESSION = """
create table session (
    in_use   boolean not null,
    position bigint  not null,
    hash     blob    not null
);
"""


def prepare(connection: duckdb.DuckDBPyConnection, name: str, tables: set[str]) -> None:
    """Make the tables in a database that has none; check, and bring up to date, those it has.

    Raises `NotAStoreError`, and `StoreCorruptError` for a store that lacks a table.
    """
    if not tables:
        with _transaction(connection):
            _run(connection, _TABLES + _CHAIN)
            connection.execute("insert into esnb_format values (?)", [FORMAT])
            _add_session(connection)
        return
    if "esnb_format" not in tables or "events" not in tables:
        raise NotAStoreError(
            f"{name!r} is a DuckDB database, but not an event store: it has the tables "
            f"{sorted(tables)}. It was not changed. To turn a table into a store, read it as a "
            f"DataFrame and call EventStore.from_frame."
        )
    version = connection.execute("select max(version) from esnb_format").fetchall()[0][0]
    needed = {2: {"chain"}, FORMAT: {"chain", "session"}}.get(version, set())
    if lost := sorted(needed - tables):
        raise StoreCorruptError(
            f"{name!r} has no table {lost[0]!r}, which belongs to the store: somebody removed it. "
            f"Keep the file, and go on from a backup or an export."
        )
    if version in (1, 2):
        with _transaction(connection):
            if version == 1:
                _add_chain(connection)
            _add_session(connection)
            _add_steps(connection)
            connection.execute("update esnb_format set version = ?", [FORMAT])
    elif version != FORMAT:
        raise NotAStoreError(
            f"{name!r} has the store format {version}, this esnb reads 1 to {FORMAT}. "
            f"It was not changed. Open it with the esnb that wrote it."
        )


def is_in_use(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the store was written and not closed since.

    The mark is in the main file before the first event of a session is acknowledged. So a main file
    that has it, and comes without its companions, is known to be incomplete.
    """
    return bool(connection.execute("select in_use from session").fetchall()[0][0])


def mark_in_use(connection: duckdb.DuckDBPyConnection) -> None:
    """Note that from now on the main file alone is not the whole store."""
    connection.execute("update session set in_use = true")


def mark_closed(connection: duckdb.DuckDBPyConnection, proof: Proof) -> None:
    """Note that after the next checkpoint the main file is the whole store, up to this proof."""
    values = [proof.position, proof.hash]
    connection.execute("update session set in_use = false, position = ?, hash = ?", values)


def proof_when_closed(connection: duckdb.DuckDBPyConnection) -> Proof | None:
    """The proof of the log when the store was closed; None while it is in use."""
    rows = connection.execute("select position, hash from session where not in_use").fetchall()
    return Proof(*rows[0]) if rows else None


def tables_of(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The names of all tables and views of a database."""
    rows = connection.execute(
        "select if(schema_name = 'main', '', schema_name || '.') || table_name "
        "from (select schema_name, table_name, internal from duckdb_tables() union all "
        "select schema_name, view_name, internal from duckdb_views()) where not internal"
    ).fetchall()
    return {row[0] for row in rows}


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("begin")
    yield  # after an error the connection is closed, and nothing of it is stored
    connection.execute("commit")


def _run(connection: duckdb.DuckDBPyConnection, statements: str) -> None:
    for statement in connection.extract_statements(statements):
        connection.execute(statement)


def _add_chain(connection: duckdb.DuckDBPyConnection) -> None:
    """From format 1 to 2: what is there stays unchecked, the chain begins after it."""
    _run(connection, _CHAIN)
    connection.execute(
        "insert into chain select max(position), $1, ''::blob from events having count(*) > 0",
        [START],
    )


def _add_session(connection: duckdb.DuckDBPyConnection) -> None:
    """From format 2 to 3, and for a new store: nothing is known to be missing."""
    _run(connection, _SESSION)
    connection.execute("insert into session values (false, 0, ?)", [START])


def _add_steps(connection: duckdb.DuckDBPyConnection) -> None:
    """From format 2 to 3: of the snapshots that are there, nobody knows the steps."""
    connection.execute("alter table snapshots add column steps json")
