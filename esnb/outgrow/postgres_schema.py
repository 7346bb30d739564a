"""The tables of a shared store in PostgreSQL, and what guards them.

They are those of the embedded store (`store/schema.py`), column by column, so that rows and their
hashes are the same in both. `json` keeps a text as it was written; `jsonb` would not, and refuses
what JSON allows. Times are UTC without a zone, as there.
"""

from __future__ import annotations

import re

from psycopg import errors as sql
from psycopg.sql import SQL, Identifier

from esnb.errors import InvalidEventError, NotAStoreError
from esnb.outgrow.postgres_connections import Connection

FORMAT = 1

_TABLES = """
create table esnb_format (version integer not null);
insert into esnb_format values ({format});
create table events (
    position        bigint    not null primary key,
    event_id        uuid      not null,
    aggregate_type  text      not null,
    aggregate_id    text      not null,
    sequence_number bigint    not null,
    event_type      text      not null,
    event_version   integer   not null,
    event_data      json      not null,
    metadata        json      not null,
    occurred_at     timestamp not null,
    recorded_at     timestamp not null,
    unique (aggregate_id, sequence_number),
    unique (aggregate_id, event_id)
);
create index events_by_type on events (event_type, position);
create table chain (
    position bigint not null primary key,
    hash     bytea  not null,
    marks    bytea  not null
);
create table snapshots (
    snapshot_id     uuid      not null,
    aggregate_id    text      not null,
    aggregate_type  text      not null,
    sequence_number bigint    not null,
    state_json      text      not null,
    state_version   integer   not null,
    created_at      timestamp not null,
    steps           text
);
create index snapshots_by_aggregate on snapshots (aggregate_id);
-- One row: whoever appends holds it. Locking it changes nothing, and only writers may.
create table turn (held boolean not null);
insert into turn values (true);
create function refuse() returns trigger language plpgsql as $$
begin
    raise exception '% are append-only: % refused', tg_table_name, lower(tg_op);
end $$;
"""

_GUARD = """
create trigger {name} before update or delete or truncate on {table}
    for each statement execute function refuse();
alter table {table} enable always trigger {name};
"""


def check_schema_name(name: object) -> str:
    """The name of a schema, or `InvalidEventError`: it becomes part of a connection's settings."""
    if not isinstance(name, str) or not re.fullmatch(r"[a-z_][a-z0-9_]{0,40}", name):
        raise InvalidEventError(
            f"schema is a name of up to 41 small letters, digits and _, such as 'esnb', found "
            f"{name!r:.60}."
        )
    return name


def prepare(connection: Connection, schema: str, name: str) -> None:
    """Make the tables where there are none, and check those that are there.

    Raises `NotAStoreError`.
    """
    found = connection.execute("select to_regclass('esnb_format')").fetchall()[0][0]
    if found is None:
        _create(connection, schema, name)
    rows = connection.execute("select max(version) from esnb_format").fetchall()
    if rows[0][0] != FORMAT:
        raise NotAStoreError(
            f"{name!r} has the store format {rows[0][0]}, this esnb reads {FORMAT}. It was not "
            f"changed. Open it with the esnb that wrote it."
        )


def _create(connection: Connection, schema: str, name: str) -> None:
    encoding = connection.execute("show server_encoding").fetchall()[0][0]
    if encoding != "UTF8":
        raise NotAStoreError(
            f"The database of {name!r} keeps text as {encoding}; a store needs UTF8: "
            f"create database shop encoding 'UTF8' template template0."
        )
    try:
        with connection.transaction():
            # Two who come at the same moment: the second waits, and finds the tables.
            connection.execute("select pg_advisory_xact_lock(hashtext('esnb ' || $1))", [schema])
            if connection.execute("select to_regclass('esnb_format')").fetchall()[0][0] is None:
                create = SQL("create schema if not exists {}").format(Identifier(schema))
                connection.execute(create.as_string())
                connection.execute(_TABLES.format(format=FORMAT))
                for table in ("events", "chain", "turn"):
                    guard = SQL(_GUARD).format(
                        name=Identifier(f"{table}_append_only"), table=Identifier(table)
                    )
                    connection.execute(guard.as_string())
    except sql.InsufficientPrivilege:
        raise NotAStoreError(
            f"{name!r} has no store in the schema {schema!r}, and this role may not make one. Let "
            f"the owner of the database connect first."
        ) from None
