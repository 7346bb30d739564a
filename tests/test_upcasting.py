"""Upcasters: old events in today's shape, while the log stays as it was written."""

from __future__ import annotations

import functools

import pytest

from esnb import (
    ANY,
    ConcurrencyError,
    EsnbError,
    EventStore,
    History,
    UpcastError,
    Upcasters,
    new_event,
)
from tests.support import Snapped, Tally


@pytest.fixture
def steps():
    return Upcasters()


@pytest.fixture
def store(steps):
    with EventStore(upcasters=steps) as store:
        yield store


def put(store: EventStore, version: int = 1, **data: object) -> None:
    store.append(
        "a", [new_event("Added", data, event_version=version)], expected_version=ANY,
        aggregate_type="TALLY",
    )  # fmt: skip


def test_upcasters_chain_from_any_version(steps, store):
    steps.register("Added", 1)(lambda data: {"n": data["amount"]})
    steps.register("Added", 2)(lambda data: {**data, "currency": "EUR"})
    steps.register("Added", 3)(lambda data: {**data, "n": data["n"] * 100})
    put(store, 1, amount=1)
    put(store, 2, n=2)
    put(store, 3, n=3, currency="USD")
    put(store, 4, n=400, currency="GBP")
    events = store.events("a")
    assert [e.event_version for e in events] == [4, 4, 4, 4]
    assert [e.data["n"] for e in events] == [100, 200, 300, 400]
    assert [e.data["currency"] for e in events] == ["EUR", "EUR", "USD", "GBP"]
    assert list(store.read_all()) == events
    assert store.as_of(4).events("a") == events
    assert store.load(Tally, "a").total == 1000
    assert History(store, Tally, "a").at(2).total == 300


def test_the_log_stays_as_it_was_written(steps, store):
    steps.register("Added", 1)(lambda data: {"n": data["amount"]})
    put(store, amount=7)
    assert store.events("a")[0].data == {"n": 7}
    row = store.sql("select event_data::varchar, event_version from events").fetchone()
    assert row == ('{"amount":7}', 1)


def test_other_types_and_versions_are_left_alone(steps, store):
    steps.register("Other", 1)(lambda data: {})
    steps.register("Added", 5)(lambda data: {})
    put(store, 1, n=1)
    assert store.events("a")[0].data == {"n": 1}
    assert store.events("a")[0].event_version == 1


def test_an_upcaster_cannot_change_the_stored_event_by_accident(steps, store):
    @steps.register("Added", 1)
    def careless(data):
        data["items"].append("x")
        return data

    put(store, items=[])
    assert [store.events("a")[0].data["items"] for _ in range(3)] == [["x"]] * 3


def test_two_upcasters_for_one_step_are_refused(steps):
    @steps.register("Added", 1)
    def first(data):
        return data

    with pytest.raises(UpcastError, match=r"Added version 1 has an upcaster already \(first\)"):
        steps.register("Added", 1)(lambda data: data)
    steps.register("Added", 2)(functools.partial(lambda data, x: data, x=1))
    with pytest.raises(UpcastError, match="Added version 2"):
        steps.register("Added", 2)(lambda data: data)


@pytest.mark.parametrize(
    "step",
    [lambda data: data["missing"], lambda data: 1 / 0, lambda data: None, lambda data: [1],
     lambda data: {"n": float("nan")}, lambda data: {"n": {1}}, functools.partial(lambda d: 1 / 0)],
)  # fmt: skip
def test_a_failing_upcaster_names_the_event(steps, store, step):
    put(store, 2, n=0)
    put(store, 1, n=1)
    steps.register("Added", 1)(step)
    for read in (
        lambda: store.events("a"),
        lambda: list(store.read_all()),
        lambda: store.load(Tally, "a"),
    ):
        with pytest.raises(UpcastError, match=r"Added version 1 .*event 2 of 'a' \(position 2\)"):
            read()
    assert [e.data for e in store.events("a", upto=1)] == [{"n": 0}]
    put(store, 3, n=2)  # writing is not in the way


@pytest.mark.parametrize("version", [0, -1, "1", None, 1.5, True])
def test_a_bad_version_is_refused(steps, version):
    with pytest.raises(EsnbError):
        steps.register("Added", version)(lambda data: data)


@pytest.mark.parametrize("function", [None, 5, "text"])
def test_what_cannot_be_called_is_refused(steps, function):
    with pytest.raises(UpcastError):
        steps.register("Added", 1)(function)


def test_a_registry_may_be_filled_after_the_store_was_opened():
    late = Upcasters()
    with EventStore(upcasters=late) as store:
        put(store, amount=3)
        assert store.events("a")[0].data == {"amount": 3}
        late.register("Added", 1)(lambda data: {"n": data["amount"]})
        assert store.events("a")[0].data == {"n": 3}


def test_snapshots_and_conflicts_with_upcasters(steps, store):
    steps.register("Added", 1)(lambda data: {"n": data["amount"]})
    for amount in range(1, 4):
        put(store, amount=amount)
    tally = store.load(Snapped, "a")
    tally.record("Added", n=10, event_version=2)
    store.save(tally)
    assert store.load(Snapped, "a").total == 16
    with pytest.raises(ConcurrencyError):
        store.append("a", [new_event("Added", n=1)], expected_version=2)
