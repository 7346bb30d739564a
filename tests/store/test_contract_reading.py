"""What is read of a store of any kind, and the rest of its promises; see `test_contract.py`."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esnb import (
    ANY,
    AggregateNotFoundError,
    AppendCondition,
    AppendConditionError,
    ConcurrencyError,
    Event,
    InvalidEventError,
    ReadOnlyError,
    StoreClosedError,
    Upcasters,
    new_event,
)
from esnb.privacy.vault import FORGOTTEN, KeyVault, forget
from esnb.store.hash_chain import START, Proof
from tests.support import OBJECTS, Snapped, Tally, exactly, facts, fill, run_threads, seen

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def store(both):
    return both


def at(hour: int, kind: str = "Added", **data: object) -> Event:
    return new_event(kind, data, occurred_at=T0 + timedelta(hours=hour))


def test_the_window_of_events(store):
    fill(store, "a", 6)
    numbers = lambda **w: [e.sequence_number for e in store.events("a", **w)]  # noqa: E731
    assert numbers() == [1, 2, 3, 4, 5, 6]
    assert numbers(after=2) == [3, 4, 5, 6]
    assert numbers(upto=2) == [1, 2]
    assert numbers(after=2, upto=4) == [3, 4]
    assert numbers(after=4, upto=2) == []
    assert numbers(upto=0) == []
    assert numbers(after=2**70) == []
    assert numbers(until=T0 + timedelta(seconds=2)) == [1, 2, 3]  # inclusive
    assert numbers(until="2020-01-01T00:00:00Z") == []
    assert store.events("unknown") == []
    assert store.version("unknown") == 0


def test_read_all_goes_by_position_and_stops_at_the_limit(store):
    fill(store, "a", 3)
    fill(store, "b", 2)
    positions = lambda *a, **k: [e.position for e in store.read_all(*a, **k)]  # noqa: E731
    assert positions() == [1, 2, 3, 4, 5]
    assert positions(after=3) == [4, 5]
    assert positions(after=1, limit=2) == [2, 3]
    assert positions(limit=0) == []
    assert positions(after=5) == []
    assert positions(after=2**70) == []
    assert positions(limit=2**70) == [1, 2, 3, 4, 5]


@pytest.fixture
def story(store):
    """Three streams whose times are neither monotone nor all different."""
    hours = [("a", 0), ("b", 1), ("a", 3), ("a", 2), ("b", 3), ("c", 3), ("a", 5)]
    for aggregate_id, hour in hours:
        store.append(aggregate_id, [at(hour, n=hour)], expected_version=ANY, aggregate_type="TALLY")
    return store


def test_the_past_of_the_past(story):
    both = story.as_of(5).as_of(T0 + timedelta(hours=2))
    assert [e.position for e in both.read_all()] == [1, 2, 4]
    both = story.as_of(T0 + timedelta(hours=2)).as_of(5)
    assert [e.position for e in both.read_all()] == [1, 2, 4]
    assert [e.position for e in story.as_of(3).as_of(5).read_all()] == [1, 2, 3]


def test_the_past_stays_as_it_was_while_the_log_grows(story):
    past = story.as_of(7)
    before = [seen(e) for e in past.read_all()]
    fill(story, "a", 3)
    assert [seen(e) for e in past.read_all()] == before
    assert past.version("a") == 4


def test_the_past_refuses_to_write(story):
    past = story.as_of(3)
    for write in (
        lambda: past.append("a", facts(1), expected_version=ANY),
        lambda: past.append_frame(pd.DataFrame()),
        lambda: past.save(Tally()),
        lambda: past.new(Tally, "x"),
        lambda: past.delete_snapshots(),
    ):
        with pytest.raises(ReadOnlyError):
            write()
    assert story.position == 7


def test_as_of_what_lies_ahead(store):
    fill(store, "a", 2)
    with pytest.raises(InvalidEventError, match=r"as_of\(3\) lies ahead.*position 2"):
        store.as_of(3)
    for bad in (-1, True):
        with pytest.raises(InvalidEventError):
            store.as_of(bad)
    assert store.as_of("2999-01-01T00:00:00Z").position == 2


@pytest.mark.parametrize(
    "name", ["a", "é", "日本語", "a b", "a'b", 'a"b', "a;drop table events", "🦆", "%", "_"]
)
def test_any_text_is_a_name(store, name):
    store.append(name, facts(2), expected_version=0, aggregate_type=name)
    assert [e.aggregate_id for e in store.events(name)] == [name, name]
    assert store.version(name) == 2


@pytest.mark.parametrize("position", [0, 1, 4, 7])
def test_the_past_by_position_is_what_was_stored_up_to_there(story, position):
    past = story.as_of(position)
    events = [e for e in story.read_all() if e.position <= position]
    assert list(past.read_all()) == events
    assert past.position == position
    for name in "abcd":
        own = [e for e in events if e.aggregate_id == name]
        assert past.events(name) == own
        assert past.version(name) == len(own)


@pytest.mark.parametrize("hour", [-1, 0, 2.5, 3, 99])
def test_the_past_by_time_is_what_had_occurred_by_then(story, hour):
    when = T0 + timedelta(hours=hour)
    past = story.as_of(when)
    events = [e for e in story.read_all() if e.occurred_at <= when]
    assert list(past.read_all()) == events
    assert list(past.read_all(limit=2)) == events[:2]
    assert past.position == (events[-1].position if events else 0)
    for name in "abc":
        own = [e for e in events if e.aggregate_id == name]
        if own:
            assert past.load(Tally, name).count == len(own)
        else:
            with pytest.raises(AggregateNotFoundError):
                past.load(Tally, name)


def test_known_by_asks_when_it_was_recorded(store):
    for hour in (5, 1, 3):  # recorded a second after the other
        store.append("a", [at(hour)], expected_version=ANY, aggregate_type="TALLY")
    assert [e.position for e in store.known_by(T0 + timedelta(seconds=1)).read_all()] == [1, 2]
    both = store.known_by(T0 + timedelta(seconds=1)).as_of(T0 + timedelta(hours=2))
    assert [e.position for e in both.read_all()] == [2]


# -- snapshots and steps -----------------------------------------------------------------------


def test_a_snapshot_is_a_shortcut_that_changes_no_answer(store):
    tally = store.new(Snapped, "a")
    for n in range(7):
        tally.add(n)
    store.save(tally)
    assert store.snapshots()["sequence_number"].tolist() == [7]
    tally = store.load(Snapped, "a")
    assert (tally.origin.snapshot, tally.origin.replayed, tally.total) == (7, 0, 21)
    tally.add(1)
    store.save(tally)
    assert store.load(Snapped, "a").origin.replayed == 1
    assert store.load(Snapped, "a", at=3).total == 3
    assert store.delete_snapshots("a") == 1
    assert store.load(Snapped, "a").origin.snapshot is None
    assert store.load(Snapped, "a").total == 22
    assert len(store.snapshots("a")) == store.delete_snapshots() == 0


def test_old_events_come_in_todays_shape(make_store):
    steps = Upcasters()
    steps.register("Added", 1)(lambda data: {"number": data["n"]})
    store = make_store(upcasters=steps)
    store.append("a", facts(2), expected_version=0, aggregate_type="T")
    assert [e.data for e in store.events("a")] == [{"number": 1}, {"number": 2}]
    assert [e.data for e in store.read_all()] == [{"number": 1}, {"number": 2}]
    assert [e.data for e in store.events("a", upcast=False)] == [{"n": 1}, {"n": 2}]
    assert [e.data for e in store.stored("T")] == [{"n": 1}, {"n": 2}]
    assert [e.data for e in store.stored("T", ["b"])] == []


def test_many_aggregates_are_loaded_at_once(store):
    for name in ("a", "b", "c"):
        tally = store.new(Snapped, name)
        for n in range(4):
            tally.add(n)
        store.save(tally)
        fill(store, name, 1)
    found = store.load_many(Snapped, ["c", "a"])
    assert {name: (each.version, each.total) for name, each in found.items()} == {
        "c": (5, 11), "a": (5, 11)
    }  # fmt: skip
    assert sorted(store.load_many(Snapped)) == ["a", "b", "c"]


# -- several streams, and rules that span streams ----------------------------------------------


def test_several_streams_are_written_all_or_none(store):
    fill(store, "one", 1)
    take, give = new_event("Taken"), new_event("Given")
    batch = {"one": [take], "two": [give]}
    with pytest.raises(ConcurrencyError):
        store.append_all(
            batch, expected_version={"one": 0, "two": 0}, aggregate_type={"two": "TALLY"}
        )
    assert store.position == 1
    done = store.append_all(
        batch, expected_version={"one": 1, "two": 0}, aggregate_type={"two": "TALLY"}
    )
    assert {name: (d.version, d.position) for name, d in done.items()} == {
        "one": (2, 2), "two": (1, 3)
    }  # fmt: skip
    again = store.append_all(batch, expected_version={"one": 1, "two": 0})
    assert [d.duplicate for d in again.values()] == [True, True]
    assert store.position == 3


def test_one_of_many_threads_gets_each_voucher(store):
    """Each writes to a stream of its own, so that only the condition can stop it."""
    rounds, threads = 6, 4
    outcomes = Counter()
    all_have_looked = threading.Barrier(threads)

    def work(number):
        for turn in range(rounds):
            used, condition = store.matching(AppendCondition("Used", {"voucher": turn}))
            assert used == []
            all_have_looked.wait()
            event = new_event("Used", voucher=turn)
            try:
                store.append(f"order-{number}", [event], expected_version=ANY,
                             aggregate_type="T", condition=condition)  # fmt: skip
                outcomes[turn] += 1
            except AppendConditionError as error:
                assert [e.data for e in error.matched] == [{"voucher": turn}]  # noqa: PT017

    run_threads(threads, work)
    assert outcomes == dict.fromkeys(range(rounds), 1)
    assert store.position == rounds


# -- many threads ------------------------------------------------------------------------------


def test_one_of_many_threads_wins_each_version_and_a_poller_misses_nothing(store):
    rounds, threads = 10, 6
    winners = Counter()
    everybody = threading.Barrier(threads)
    polled, stop = [], threading.Event()

    def poll():
        last = False
        while not last:
            last = stop.is_set()
            polled.extend(store.read_all(after=polled[-1].position if polled else 0))

    def work(number):
        for version in range(rounds):
            everybody.wait()
            try:
                store.append("shared", facts(1), expected_version=version, aggregate_type="T")
                winners[version] += 1
            except ConcurrencyError as error:
                assert (error.expected, error.actual) == (version, version + 1)  # noqa: PT017
            store.append(f"own-{number}", facts(2), expected_version=ANY, aggregate_type="T")

    poller = threading.Thread(target=poll)
    poller.start()
    try:
        run_threads(threads, work)
    finally:
        stop.set()
        poller.join()
    assert winners == dict.fromkeys(range(rounds), 1)
    assert [e.position for e in polled] == list(range(1, rounds + 2 * rounds * threads + 1))
    assert [seen(e) for e in polled] == [seen(e) for e in store.read_all()]


# -- the chain ---------------------------------------------------------------------------------


def by_hand(store):
    """The hash of the log, computed as hash_chain.py describes it, from the events alone."""
    value = START
    for e in store.read_all(upcast=False):
        iso = [f"{t:%Y-%m-%dT%H:%M:%S.%fZ}" for t in (e.occurred_at, e.recorded_at)]
        rows = store._log.rows(
            "select event_data::varchar, metadata::varchar from events where position = ?",
            (e.position,),
        )
        text = [e.position, e.event_id, e.aggregate_type, e.aggregate_id, e.sequence_number,
                e.event_type, e.event_version, *rows[0], *iso]  # fmt: skip
        value = sha256(value + sha256("\0".join(map(str, text)).encode()).digest()).digest()
    return value


def test_the_chain_can_be_computed_by_hand_and_a_kept_proof_verified(store):
    assert store.verify(store.proof).ok
    fill(store, "a", 2)
    kept = store.proof
    done = store.append("b", facts(3), expected_version=0, aggregate_type="T")
    assert done.proof == store.proof == Proof(5, by_hand(store))
    assert store.append("b", done.events, expected_version=0).proof is None
    for proof in (kept, str(done.proof), None):
        found = store.verify(proof)
        assert found.ok
        assert found.events == 5
    assert not store.verify("2:" + "1" * 64).ok


def test_the_chain_holds_when_many_threads_append_batches(store):
    def work(name):
        for n in range(5):
            store.append(name, facts(1 + n % 3), expected_version=ANY, aggregate_type="T")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, "abcd"))
    assert store.proof == Proof(36, by_hand(store))
    assert store.verify(store.proof).ok


# -- any content -------------------------------------------------------------------------------


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=OBJECTS, metadata=OBJECTS, name=st.text(st.characters(exclude_categories=["Cs"])))
def test_what_was_appended_comes_back_as_it_was(store, data, metadata, name):
    name = name.replace("\0", "") + "x"
    event = new_event(name, data, metadata=metadata)
    done = store.append(name, [event], expected_version=ANY, aggregate_type="T")
    stored = store.events(name)[-1]
    assert exactly(stored.data) == exactly(data)
    assert exactly(stored.metadata) == exactly(metadata)
    assert seen(stored) == seen(done.events[0])
    assert store.append(name, [event], expected_version=0).duplicate


# -- a vault -----------------------------------------------------------------------------------


def test_personal_fields_are_sealed_and_can_be_forgotten(make_store):
    vault = KeyVault(personal={"Registered": {"customer": ["name"]}})
    store = make_store(vault=vault)
    event = new_event("Registered", customer="é 1", name="Ada")
    store.append("customer-1", [event], expected_version=0, aggregate_type="CUSTOMER")
    assert store.events("customer-1")[0].data["name"] == "Ada"
    assert store.append("customer-1", [event], expected_version=0).duplicate
    (text,) = store._log.rows("select event_data::varchar from events")[0]
    assert "Ada" not in text
    kept = store.proof
    said = forget(store, "é 1")
    assert said.data["fields"] == {"name": 1}
    assert store.events("customer-1")[0].data["name"] == FORGOTTEN
    assert store.verify(kept).ok


# -- closing -----------------------------------------------------------------------------------


def test_a_closed_store_says_so(store):
    fill(store, "a", 2)
    past = store.as_of(1)
    reading = store.read_all()
    next(reading)
    store.close()
    store.close()
    assert "closed" in repr(store)
    for use in (
        lambda: store.append("a", facts(1), expected_version=2),
        lambda: store.events("a"),
        lambda: next(store.read_all()),
        lambda: store.version("a"),
        lambda: store.position,
        lambda: store.load(Tally, "a"),
        lambda: store.sql("select 1"),
        lambda: store.as_of(1),
        lambda: store.snapshots(),
        lambda: store.delete_snapshots(),
        lambda: store.proof,
        lambda: store.verify(),
        lambda: past.events("a"),
        lambda: past.version("a"),
    ):
        with pytest.raises(StoreClosedError):
            use()
