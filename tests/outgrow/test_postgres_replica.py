"""The local copy of a shared store: it catches up, resumes, and is what the server has."""

from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esnb import ANY, EventStore, Projector, ReadOnlyError, StoreCorruptError, new_event, shop
from esnb.outgrow import postgres_copy, postgres_replica
from tests.postgres import shared_store
from tests.support import OBJECTS, Tally, facts, fill, seen


@pytest.fixture
def store(postgres):
    with shared_store(postgres) as store:
        yield store


def test_a_copy_has_the_same_events_and_the_same_proof_and_answers_sql(store, tmp_path):
    fill(store, "a", 3)
    with store.replica(tmp_path / "local.duckdb") as copy:
        assert [seen(e) for e in copy.read_all()] == [seen(e) for e in store.read_all()]
        assert copy.proof == store.proof
        assert copy.verify(store.proof).ok
        assert copy.sql("select count(*) from events").fetchone() == (3,)
        assert copy.load(Tally, "a").total == 6
        fill(store, "b", 2)
        assert copy.version("b") == 0
        assert copy.catch_up() == store.position == 5
        assert copy.version("b") == 2


def test_it_goes_on_where_it_stopped(store, tmp_path, monkeypatch):
    monkeypatch.setattr(postgres_copy, "_CHUNK", 4)
    fill(store, "a", 6)
    store.append("a", facts(9), expected_version=6)  # an append is never cut in two
    copied = postgres_replica.copy_events

    def breaks(there, target, after, upto):
        rows = copied(there, target, after, upto)
        if after == 4:
            raise KeyboardInterrupt
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(postgres_replica, "copy_events", breaks)
        with pytest.raises(KeyboardInterrupt):
            store.replica(tmp_path / "local.duckdb")
    with EventStore(tmp_path / "local.duckdb") as half:
        assert half.position == 4
        assert half.verify().ok
    with store.replica(tmp_path / "local.duckdb") as copy:
        assert copy.position == 15
        assert copy.verify(store.proof).ok


def test_a_projection_runs_on_it(store):
    orders = EventStore()
    shop.first_orders(orders)
    for event in orders.read_all():
        store.append(event.aggregate_id, [event], expected_version=ANY,
                     aggregate_type=event.aggregate_type)  # fmt: skip
    with store.replica() as copy:
        there, here = Projector(copy, shop.OrderSummary), Projector(orders, shop.OrderSummary)
        assert there.catch_up() == here.catch_up()
        assert there.df().equals(here.df())


def test_it_is_read_only(store):
    fill(store, "a", 1)
    with store.replica() as copy:
        for write in (
            lambda: copy.append("a", facts(1), expected_version=1),
            lambda: copy.append_all({"a": facts(1)}, expected_version={"a": 1}),
            lambda: copy.save(Tally()),
            lambda: copy.new(Tally, "b"),
        ):
            with pytest.raises(ReadOnlyError, match="local copy"):
                write()
        assert copy.position == 1


def test_a_copy_of_another_log_or_with_events_of_its_own_is_refused(postgres, store, tmp_path):
    fill(store, "a", 2)
    store.replica(tmp_path / "local.duckdb").close()
    with shared_store(postgres) as other:
        fill(other, "a", 5)
        with pytest.raises(StoreCorruptError, match="not the beginning"):
            other.replica(tmp_path / "local.duckdb")
    with EventStore(tmp_path / "local.duckdb") as local:
        local.append("a", facts(1), expected_version=2)
    with pytest.raises(StoreCorruptError, match="not the beginning"):
        store.replica(tmp_path / "local.duckdb")


def test_what_was_changed_on_the_server_is_not_copied(store):
    fill(store, "a", 2)
    with store.replica() as copy:
        fill(store, "a", 2)
        with store._server.pool.connection() as owner:
            owner.execute("alter table events disable trigger events_append_only")
            owner.execute("update events set event_data = '{\"n\": 9}' where position = 4")
        with pytest.raises(StoreCorruptError, match=r"verify\(\) names the events"):
            copy.catch_up()
        assert copy.position == 2
        assert copy.verify().ok


@pytest.mark.parametrize("woken", [True, False], ids=["woken", "polling"])
def test_a_follower_gets_all_that_is_appended(store, woken, monkeypatch):
    """With the wake-ups it need not look by itself at all; without them, it looks."""
    if not woken:
        store._server.channel = "nobody_listens_here"
    fill(store, "a", 1)
    with store.replica() as copy:
        if not woken:
            copy._server.channel = "another"
        following = copy.follow(poll=60 if woken else 0.02)
        assert next(following) == 1
        for n in range(1, 4):
            later = threading.Timer(0.05, fill, (store, "a", 1))
            later.start()
            assert next(following) == n + 1
            later.join()
        following.close()
        assert list(copy.follow(timeout=0)) == [4]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(st.sampled_from("a\"',\\\r\n\t;é🦆\x01 "), min_size=1).map("x{}".format),
    data=OBJECTS,
    metadata=OBJECTS,
)
def test_any_text_arrives_as_it_was(store, name, data, metadata):
    event = new_event(name, data, metadata=metadata)
    store.append(name, [event], expected_version=ANY, aggregate_type=name)
    with store.replica() as copy:
        assert seen(copy.events(name)[-1]) == seen(store.events(name)[-1])
        assert copy.verify(store.proof).ok
