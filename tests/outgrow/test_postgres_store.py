"""What only the shared store has: processes that race, guards in the server, broken connections.

The promises that it shares with the embedded store are in tests/store/test_contract.py.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from psycopg import errors as sql

from esnb import (
    ANY,
    ConcurrencyError,
    EsnbError,
    EventStore,
    InvalidEventError,
    NotAStoreError,
    QueryError,
    StoreUnavailableError,
    new_event,
)
from tests.postgres import shared_store
from tests.support import facts, fill

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def store(postgres):
    with shared_store(postgres) as store:
        yield store


def raw(store, statement, *values):
    """A statement of the owner's own, past the store."""
    with store._server.pool.connection() as connection:
        return connection.execute(statement, values)


# -- processes ---------------------------------------------------------------------------------


def test_sixteen_processes_race_and_a_poller_misses_nothing(postgres, store):
    """What they were told is what is stored, and a poller that reads meanwhile has it all."""
    schema = store._server.pool.address.schema
    command = [sys.executable, "-m", "tests.outgrow.writers", postgres.url, schema, "16", "12"]
    polled, later = [], []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writers:
        running = True
        while running:
            running = writers.poll() is None
            polled += store.read_all(after=polled[-1].position if polled else 0)
            later.append(len(polled))
            time.sleep(0.005)
        said = writers.stdout.read().split("\n")
    assert writers.returncode == 0, said
    told = sorted(line for line in said if line and line != "conflict")
    assert "conflict" in said
    assert len(set(later)) > 10  # it did read while they wrote
    assert [e.position for e in polled] == list(range(1, len(polled) + 1))
    assert sorted(f"{e.aggregate_id} {e.event_id}" for e in polled) == told
    for stream in {e.aggregate_id for e in polled}:
        numbers = [e.sequence_number for e in polled if e.aggregate_id == stream]
        assert numbers == list(range(1, len(numbers) + 1))
    assert store.verify(store.proof).ok


def test_two_stores_of_one_schema_are_one_log(postgres, store):
    with EventStore.connect(postgres.url, schema=store._server.pool.address.schema) as other:
        fill(store, "a", 2)
        assert other.version("a") == 2
        with pytest.raises(ConcurrencyError) as caught:
            other.append("a", facts(1), expected_version=1)
        assert caught.value.between == ("Added",)
        batch = facts(1)
        other.append("a", batch, expected_version=2)
        assert store.append("a", batch, expected_version=2).duplicate


# -- append-only, and what goes past the store -------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "update events set event_data = '{}'",
        "update events set event_data = '{}' where false",
        "delete from events where position = 1",
        "truncate events",
        "update chain set hash = ''",
        "delete from chain",
        "truncate events, chain",
        "update turn set held = false",
        "delete from turn",
        "insert into events select * from events on conflict (position) do update set "
        "event_data = '{}'",
        "set session_replication_role = replica; delete from events",
    ],
)
def test_even_its_owner_cannot_change_what_is_stored(store, statement):
    fill(store, "a", 2)
    with pytest.raises(sql.RaiseException, match="append-only"):
        raw(store, statement)
    raw(store, "reset session_replication_role")
    assert [e.data["n"] for e in store.events("a")] == [1, 2]
    assert store.append("a", facts(1), expected_version=2).position == 3


FORGED = (
    "insert into events select position + $1, gen_random_uuid(), aggregate_type, aggregate_id, "
    "sequence_number + $1, event_type, 1, event_data, metadata, occurred_at, recorded_at "
    "from events where position = 2"
)


def test_a_forged_insert_is_a_conflict_to_others_and_found_by_verify(store):
    fill(store, "a", 2)
    raw(store, FORGED, 1)
    with pytest.raises(ConcurrencyError) as caught:
        store.append("a", facts(1), expected_version=2)
    assert caught.value.actual == 3
    store.append("a", facts(1), expected_version=3)
    assert [(f.what, f.position) for f in store.verify().findings] == [("inserted", 3)]
    with pytest.raises(EsnbError, match=r"verify\(\) names the events"):
        store.replica()


def test_a_changed_event_is_found_by_verify(store):
    fill(store, "a", 3)
    raw(store, "alter table events disable trigger events_append_only")
    raw(store, "update events set event_data = '{\"n\": 7}' where position = 2")
    assert [(f.what, f.position) for f in store.verify().findings] == [("changed", 2)]
    raw(store, "delete from events where position = 2")
    assert [(f.what, f.position) for f in store.verify().findings] == [("removed", 2)]


# -- what it is asked --------------------------------------------------------------------------


def test_sql_and_tables_say_where_they_are_answered(store):
    for ask in (lambda: store.sql("select 1"), store.df, store.overview, lambda: store.rows(0, 1),
                lambda: store.as_of(0).sql("select 1"), lambda: store.sql("from events_now"),
                lambda: store.gathered({"a": "from new_events"}, 0, 1).__next__()):  # fmt: skip
        with pytest.raises(QueryError, match=r"store\.replica"):
            ask()


@pytest.mark.parametrize("url", ["shop.duckdb", "", None, 5, "mysql://localhost/shop", "file://a"])
def test_what_is_no_address_of_a_server_is_refused(url):
    with pytest.raises(InvalidEventError, match="postgresql://"):
        EventStore.connect(url)


@pytest.mark.parametrize("options", [{"schema": "a-b"}, {"schema": "A"}, {"schema": 5},
                                     {"lock_timeout": 0}, {"idle_timeout": "1"}, {"clock": "now"},
                                     {"upcasters": {}}, {"vault": 1}])  # fmt: skip
def test_bad_options_are_refused(postgres, options):
    with pytest.raises(InvalidEventError):
        EventStore.connect(postgres.url, **options)


def test_a_server_that_is_not_there_is_named_and_no_password_shown(tmp_path):
    with pytest.raises(StoreUnavailableError, match="Cannot connect to 'postgresql://") as caught:
        EventStore.connect(f"postgresql://ada:hush@/shop?host={tmp_path}")
    assert "hush" not in str(caught.value)
    with pytest.raises(InvalidEventError) as refused:
        EventStore.connect("postgresql://ada:hu%sh@/shop")
    assert "hu%sh" not in str(refused.value)


def test_a_database_of_another_format_is_not_touched(postgres, store):
    raw(store, "update esnb_format set version = 99")
    with pytest.raises(NotAStoreError, match="format 99"):
        EventStore.connect(postgres.url, schema=store._server.pool.address.schema)


def test_a_name_too_long_for_its_index_is_refused_and_nothing_stored(store):
    import random

    name = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9_000))
    with pytest.raises(InvalidEventError, match="so long"):
        store.append(name, facts(1), expected_version=0, aggregate_type="T")
    assert store.append("a", facts(1), expected_version=0, aggregate_type="T").position == 1


# -- time-outs and broken connections ----------------------------------------------------------


def test_a_writer_that_keeps_its_turn_makes_others_wait_and_then_say_so(postgres, store):
    schema = store._server.pool.address.schema
    fill(store, "a", 1)
    with EventStore.connect(postgres.url, schema=schema, lock_timeout=0.05) as hasty:
        with store._log.writing():
            assert store._log.position == 1  # the turn is ours
            with pytest.raises(StoreUnavailableError, match="did not answer in time"):
                hasty.append("a", facts(1), expected_version=1)
            assert hasty.version("a") == 1  # readers do not wait
        assert hasty.append("a", facts(1), expected_version=1).version == 2


def test_a_writer_that_stopped_in_the_middle_loses_its_turn(postgres, store):
    schema = store._server.pool.address.schema
    fill(store, "a", 1)
    with EventStore.connect(postgres.url, schema=schema, idle_timeout=0.05) as stopped:
        turn = stopped._log._begin()  # and does nothing any more
        assert store.append("a", facts(1), expected_version=1).version == 2
        turn[0].close()
        assert stopped.append("a", facts(1), expected_version=2).version == 3


def cut_all(store):
    """End all other sessions, as an administrator or a restart of the server would."""
    with psycopg.connect(store._server.pool.address.url, autocommit=True) as admin:
        admin.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where application_name = 'esnb' and pid <> pg_backend_pid()"
        )


def test_it_goes_on_after_connections_were_cut(store):
    fill(store, "a", 2)
    cut_all(store)
    assert len(store.events("a")) == 2
    cut_all(store)
    assert store.append("a", facts(1), expected_version=2).version == 3
    cut_all(store)
    assert store.snapshots().empty


@pytest.mark.parametrize("committed", [True, False], ids=["after the commit", "before"])
def test_after_a_cut_in_the_commit_the_writer_learns_what_happened(store, committed, monkeypatch):
    """The answer to the commit is lost: stored or not, the caller gets one result, once stored."""
    fill(store, "a", 1)
    log, insert, calls = store._log, store._log.insert, []

    def cut(*arguments):
        calls.append(1)
        if len(calls) > 1:
            return insert(*arguments)
        if committed:
            insert(*arguments)
        cut_all(store)
        if committed:  # as seen from here, the connection broke while it waited
            return log.rows_of_a_broken_connection()
        return insert(*arguments)

    def broken():
        with log.translated():
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(log, "rows_of_a_broken_connection", broken, raising=False)
    monkeypatch.setattr(log, "insert", cut)
    monkeypatch.setattr("esnb.outgrow.postgres_store._PAUSES", (0.01, 0.01))
    done = store.append("a", facts(2), expected_version=1)
    assert (done.version, done.position, done.duplicate) == (3, 3, committed)
    assert [e.sequence_number for e in store.events("a")] == [1, 2, 3]
    assert store.verify(store.proof).ok


def test_a_server_that_went_away_for_good_leaves_it_to_the_caller(postgres, store, monkeypatch):
    fill(store, "a", 1)
    batch = facts(1)
    monkeypatch.setattr("esnb.outgrow.postgres_store._PAUSES", (0.01,))

    def away(*_, **__):
        raise psycopg.OperationalError("connection refused")

    with monkeypatch.context() as patch:
        cut_all(store)
        patch.setattr(psycopg, "connect", away)
        with pytest.raises(StoreUnavailableError):
            store.append("a", batch, expected_version=1)
        with pytest.raises(StoreUnavailableError):
            store.events("a")
    assert not store.append("a", batch, expected_version=1).duplicate
    assert store.append("a", batch, expected_version=ANY).duplicate


def test_a_fork_cannot_use_its_parents_connections(store, monkeypatch):
    fill(store, "a", 1)
    monkeypatch.setattr("os.getpid", lambda: -1)
    with pytest.raises(EsnbError, match="Connect again in this process"):
        store.append("a", [new_event("Added")], expected_version=1)
