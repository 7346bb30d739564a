"""What each role may do in a shared store, tried with a connection of that role."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors as sql

from esnb import (
    EsnbError,
    EventStore,
    InvalidEventError,
    NotAStoreError,
    ReadOnlyError,
    StoreUnavailableError,
)
from esnb.outgrow.postgres_roles import add_role, drop_role
from tests.postgres import shared_store
from tests.support import Snapped, facts, fill


@pytest.fixture(scope="module")
def owned(postgres):
    """A store, and the addresses of a writer, a reader, and a stranger who has no rights."""
    with shared_store(postgres) as store:
        schema = store._server.pool.address.schema
        names = {"write": f"{schema}_writer", "read": f"{schema}_reader"}
        for may, name in names.items():
            add_role(postgres.url, name, may=may, password="it's", schema=schema)
        fill(store, "a", 2)
        names["none"] = f"{schema}_stranger"
        with psycopg.connect(postgres.url, autocommit=True) as owner:
            owner.execute(f"create role {names['none']} login")
        yield store, schema, {k: postgres.url.replace("esnb@", f"{v}@") for k, v in names.items()}
        for may in ("write", "read"):
            drop_role(postgres.url, names[may], schema=schema)


def connected(owned, may):
    _, schema, urls = owned
    return EventStore.connect(urls[may], schema=schema)


def test_a_writer_appends_reads_and_keeps_snapshots(owned):
    with connected(owned, "write") as store:
        done = store.append("w", facts(1), expected_version=0, aggregate_type="TALLY")
        assert store.events("w") == list(done.events)
        tally = store.new(Snapped, "snapped")
        for n in range(3):
            tally.add(n)
        store.save(tally)
        assert store.load(Snapped, "snapped").origin.snapshot == 3
        assert store.delete_snapshots("snapped") == 1
        assert store.verify(store.proof).ok


def test_a_reader_reads_copies_and_verifies_and_writes_nothing(owned):
    with connected(owned, "read") as store:
        assert store.version("a") == 2
        assert store.verify(store.proof).ok
        with store.replica() as copy:
            assert copy.proof == store.proof
        before = store.position
        for write in (
            lambda: store.append("a", facts(1), expected_version=2),
            lambda: store.delete_snapshots(),
            lambda: store.add_snapshot("a", "TALLY", 2, {}, 1),
        ):
            with pytest.raises(ReadOnlyError, match="role may not"):
                write()
        assert store.position == before
        assert store.wait(0, timeout=1) == before


def test_a_stranger_finds_no_store(owned):
    with pytest.raises(NotAStoreError, match="may not make one"):
        connected(owned, "none")


FORBIDDEN = [
    "update events set event_data = '{}'",
    "delete from events",
    "truncate events",
    "update chain set marks = ''",
    "delete from chain",
    "update snapshots set state_json = '{}'",
    "update esnb_format set version = 7",
    "alter table events disable trigger all",
    "drop trigger events_append_only on events",
    "drop table events",
    "alter table events rename to gone",
    "create table mine (n integer)",
    "create or replace function refuse() returns trigger language sql as 'select 1'",
    "create role another",
    "set session_replication_role = replica",
    "copy events to program 'cat'",
    "copy events from '/etc/hostname'",
]


@pytest.mark.parametrize("may", ["write", "read"])
@pytest.mark.parametrize("statement", FORBIDDEN)
def test_no_role_can_change_or_remove_what_is_stored(owned, may, statement):
    store, schema, urls = owned
    before = store.proof
    with (
        psycopg.connect(urls[may], options=f"-c search_path={schema}") as connection,
        pytest.raises((sql.InsufficientPrivilege, sql.RaiseException)),
    ):
        connection.execute(statement)
    assert store.proof == before


def test_a_reader_cannot_keep_writers_waiting(owned):
    _, schema, urls = owned
    with psycopg.connect(urls["read"], options=f"-c search_path={schema}") as connection:
        for lock in ("select * from turn for update", "lock table events in exclusive mode"):
            with pytest.raises(sql.InsufficientPrivilege):
                connection.execute(lock)
            connection.rollback()


def test_a_role_that_cannot_be_made_is_told(owned, postgres):
    _, schema, urls = owned
    with pytest.raises(InvalidEventError, match="may is 'write' or 'read'"):
        add_role(postgres.url, "x", may="all", schema=schema)
    with pytest.raises(StoreUnavailableError, match="already exists"):
        add_role(postgres.url, f"{schema}_reader", may="read", schema=schema)
    with pytest.raises(EsnbError):
        add_role(urls["write"], "another", may="read", schema=schema)
