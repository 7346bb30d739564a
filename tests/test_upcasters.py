"""Upcasters: old events in today's shape, while the log stays as it was written."""

from __future__ import annotations

import functools
from collections import Counter
from datetime import timedelta
from typing import ClassVar

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esnb import (
    ANY,
    Aggregate,
    AppendCondition,
    ConcurrencyError,
    EsnbError,
    EventStore,
    History,
    LessonClock,
    NaiveTimeError,
    Projection,
    Projector,
    UpcastError,
    Upcasters,
    handles,
    new_event,
    reacts_to,
    replay,
)
from esnb.clock import utc
from esnb.readmodels.search import SearchProjection, SearchProjector
from tests.support import Snapped, Tally, fill, public


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
    steps.register("Added", 1)(lambda data: {})
    put(store, 2, n=1)
    assert store.events("a")[0].data == {"n": 1}
    assert store.events("a")[0].event_version == 2


# -- a chain with a gap ----------------------------------------------------------------------------


READS = {
    "events": lambda store: store.events("a"),
    "read_all": lambda store: list(store.read_all()),
    "load": lambda store: store.load(Tally, "a"),
    "history": lambda store: History(store, Tally, "a"),
    "events_now": lambda store: store.sql("select * from events_now").fetchall(),
    "as_of": lambda store: store.as_of(1).events("a"),
}


@pytest.mark.parametrize("stored", [1, 2])
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_gap_in_a_chain_is_an_error_on_reading(steps, store, stored, read):
    steps.register("Added", 1)(lambda data: {"n": 2})
    steps.register("Added", 3)(lambda data: {"n": 4})
    put(store, stored, n=stored)
    with pytest.raises(UpcastError) as failure:
        read(store)
    assert str(failure.value) == (
        "event 1 of 'a' (position 1) is read as Added version 2, and there the steps end, while "
        "version 3 has one: the chain has a gap. Register the step of version 2 (where nothing "
        "changed, one that returns the data as it is), or say that the gap is meant: "
        "upcasters.leave('Added', 2)."
    )
    assert failure.value.reason == "no step leads on from Added 2, while Added 3 has one"


def test_a_gap_that_is_meant(steps, store):
    steps.register("Added", 1)(lambda data: {"n": 2})
    steps.register("Added", 3)(lambda data: {"n": 4})
    steps.leave("Added", 2, because="the importer of 2024 wrote it so")
    for version in (1, 2, 3, 4, 5):
        put(store, version, n=version * 10)
    assert [(e.event_version, e.data["n"]) for e in store.events("a")] == [
        (2, 2), (2, 20), (4, 4), (4, 40), (5, 50),
    ]  # fmt: skip
    assert steps.newest("Added") == 4
    assert steps.df()["step"].tolist() == ["register", "register", "leave"]
    with pytest.raises(UpcastError, match="version 2 has an upcaster already \\(leave\\)"):
        steps.register("Added", 2)(lambda data: data)


def test_what_is_no_gap(steps, store):
    steps.drop("Added", 3, because="written by mistake")  # a hole, and no link of a chain
    steps.register("Other", 3)(lambda data: data)
    steps.register("Renamed", 5)(lambda data: data)
    steps.rename("Renamed", "Added")
    put(store, 2, n=2)
    store.append("a", [new_event("Renamed", n=3)], expected_version=1)
    assert [e.data["n"] for e in store.events("a")] == [2, 3]


def test_a_gap_above_what_a_reader_knows_is_not_its_gap(steps, store):
    steps.register("Added", 1)(lambda data: {"n": 2})
    steps.register("Added", 4)(lambda data: {"n": 5})
    put(store, 1, n=1)
    assert store.read_with(steps.down_to({"Added": 2})).events("a")[0].data == {"n": 2}
    with pytest.raises(UpcastError, match="version 4 has one"):
        store.read_with(steps.down_to({"Added": 5})).events("a")


# -- a signature of the steps ----------------------------------------------------------------------


def chain(*bodies: str) -> Upcasters:
    made = Upcasters()
    for version, body in enumerate(bodies, start=1):
        made.register("Added", version)(eval(f"lambda data: {body}"))
    return made


def test_a_signature_knows_the_whole_path_of_a_type_and_version():
    kinds = [("Added", 1), ("Added", 2), ("Other", 1)]
    known = chain("{'n': 1}", "{'n': 2}").signature(kinds)
    assert list(known) == ["Added 1", "Added 2", "Other 1"]
    assert known["Other 1"] == "" != known["Added 1"] != known["Added 2"] != ""
    assert chain("{'n': 1}", "{'n': 2}").changed_since(known) == ""
    assert chain("{'n': 1}", "{'n': 3}").changed_since(known) == "Added 1"
    assert chain("{'n': 0}", "{'n': 2}").changed_since(known) == "Added 1"
    assert chain("{'n': 1}").changed_since(known) == "Added 1"
    assert Upcasters().changed_since(known) == "Added 1"
    more = chain("{'n': 1}", "{'n': 2}")
    more.register("Elsewhere", 1)(lambda data: data)
    assert more.changed_since(known) == ""
    more.drop("Other")
    assert more.changed_since(known) == "Other 1"


def test_a_signature_knows_what_is_dropped_renamed_left_refused_and_limited():
    def differs(change, kind="Added", version=2):
        before = chain("{'n': 1}", "{'n': 2}", "{'n': 3}")
        after = chain("{'n': 1}", "{'n': 2}", "{'n': 3}")
        return (change(after) or after).changed_since(before.signature([(kind, version)]))

    assert differs(lambda steps: None) == ""
    assert differs(lambda steps: steps.rename("Other", "Added"), "Other", 1) == "Other 1"
    assert differs(lambda steps: steps.drop("Other", 1), "Other", 1) == "Other 1"
    assert differs(lambda steps: steps.drop("Other", 1), "Other", 2) == ""
    assert differs(lambda steps: steps.down_to({"Added": 3})) == "Added 2"
    assert differs(lambda steps: steps.down_to({"Added": 4})) == ""
    assert differs(lambda steps: chain("{'n': 1}", "{'n': 2}")) == "Added 2"
    assert differs(lambda steps: Upcasters(newer="refuse"), "Added", 5) == "Added 5"
    assert differs(lambda steps: steps.register("Other", 2)(len) and None, "Other", 1) == "Other 1"
    meant = Upcasters()
    meant.register("Other", 2)(len)
    meant.leave("Other", 1)
    assert meant.changed_since(chain("{}").signature([("Other", 1)])) == ""


def test_a_split_depends_on_every_step_since_its_parts_may_be_anything():
    def splitting(*others):
        steps = chain(*others)
        steps.split("Whole", 1)(lambda data: [("Added", data)])
        return steps.signature([("Whole", 1)])

    assert splitting("{'n': 1}") == splitting("{'n': 1}")
    assert splitting("{'n': 1}") != splitting("{'n': 2}") != splitting()


def test_steps_in_a_circle_have_a_signature():
    steps = Upcasters()
    steps.rename("A", "B")
    steps.rename("B", "A")
    assert steps.path("A", 1) != steps.path("B", 1) != ""


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


# -- one event becomes several, or none, or another ------------------------------------------------


def log(store: EventStore, *events: tuple[str, int, dict], stream: str = "a") -> None:
    new = [new_event(kind, data, event_version=version) for kind, version, data in events]
    store.append(stream, new, expected_version=ANY, aggregate_type="TALLY")


def shapes(events) -> list[tuple]:
    return [(e.event_type, e.event_version, e.event_data) for e in events]


def test_a_split_keeps_its_place(steps, store):
    steps.split("Added", 1)(lambda data: [("Added", {"n": data["n"]}), ("Noted", {"n": 7})])
    log(store, ("Added", 2, {"n": 1}), ("Added", 1, {"n": 2}), ("Noted", 1, {"n": 3}))
    events = store.events("a")
    assert shapes(events) == [
        ("Added", 2, {"n": 1}), ("Added", 2, {"n": 2}), ("Noted", 1, {"n": 7}),
        ("Noted", 1, {"n": 3}),
    ]  # fmt: skip
    assert [e.sequence_number for e in events] == [1, 2, 2, 3]
    assert [e.position for e in events] == [1, 2, 2, 3]
    assert len({e.event_id for e in events}) == 4
    stored = store.events("a", upcast=False)
    assert [e.event_id for e in stored] == [e.event_id for e in events if e.data != {"n": 7}]
    assert store.events("a") == events  # the derived id is the same at each reading
    assert shapes(store.events("a", after=1, upto=2)) == shapes(events)[1:3]
    assert store.version("a") == 3
    assert store.as_of(2).version("a") == 2
    assert [e.position for e in store.read_all(after=1, limit=1)] == [2, 2]


def test_the_parts_of_a_split_go_on_with_their_own_steps(steps, store):
    steps.split("Both", 1)(lambda data: [("Added", data), ("Noted", data, 5), ("Both", data)])
    steps.register("Added", 1)(lambda data: {"n": data["n"] * 100})
    steps.register("Both", 2)(lambda data: {})
    steps.register("Noted", 4)(lambda data: 1 / 0)
    log(store, ("Both", 1, {"n": 1}))
    assert shapes(store.events("a")) == [
        ("Added", 2, {"n": 100}), ("Noted", 5, {"n": 1}), ("Both", 3, {}),
    ]  # fmt: skip


def test_a_dropped_event_keeps_its_number(steps, store):
    steps.drop("Noted", because="nobody reads it")
    log(store, ("Noted", 1, {"n": 1}), ("Added", 1, {"n": 2}), ("Noted", 3, {"n": 3}))
    assert [e.sequence_number for e in store.events("a")] == [2]
    tally = store.load(Tally, "a")
    assert (tally.version, tally.count, str(tally.origin)) == (3, 1, "1 event")
    assert store.load(Tally, "a", at=1).version == 1
    assert store.as_of(3).version("a") == 3
    tally.add(5)
    assert store.save(tally).version == 4  # no conflict: the version is that of the log
    log(store, ("Noted", 1, {"n": 4}), stream="all dropped")
    assert store.load(Tally, "all dropped").version == 1
    with pytest.raises(EsnbError, match="no number 2"):
        store.load(Tally, "all dropped", at=2)


def test_dropping_one_version_leaves_the_others(steps, store):
    steps.drop("Noted", 1)
    log(store, ("Noted", 1, {"n": 1}), ("Noted", 2, {"n": 2}))
    assert [e.data["n"] for e in store.events("a")] == [2]


def test_a_type_is_renamed_in_every_version_and_goes_on(steps, store):
    steps.rename("Plus", "Added")
    steps.register("Added", 1)(lambda data: {"n": data["amount"]})
    log(store, ("Plus", 1, {"amount": 1}), ("Plus", 2, {"n": 2}))
    assert shapes(store.events("a")) == [("Added", 2, {"n": 1}), ("Added", 2, {"n": 2})]


def test_steps_that_go_round_are_named(steps, store):
    steps.rename("A", "B")
    steps.rename("B", "A")
    log(store, ("A", 1, {}))
    with pytest.raises(UpcastError, match=r"circle: A 1 -> B 1 -> A 1.*event 1 of 'a'"):
        store.events("a")


@pytest.mark.parametrize(
    "made", [None, 5, {"n": 1}, [{"n": 1}], [("Added",)], [("Added", {"n": {1}})], [(1, {})],
             [("Added", {}, 0)], [("Added", {}, "1")], [("Added", 5)]],
)  # fmt: skip
def test_a_split_that_returns_something_else_names_the_event(steps, store, made):
    steps.split("Both", 1)(lambda data: made)
    log(store, ("Both", 1, {}))
    with pytest.raises(UpcastError, match="Both version 1 failed on event 1 of 'a'"):
        store.events("a")


def test_an_error_says_what_the_event_has_instead(steps, store):
    @steps.register("Added", 1)
    def in_cents(data):
        return {"n": data["euro"] * 100}

    log(store, ("Added", 1, {"euros": 3, "note": "x"}))
    with pytest.raises(UpcastError) as caught:
        store.load(Tally, "a")
    assert str(caught.value) == (
        "The upcaster in_cents of Added version 1 failed on event 1 of 'a' (position 1): "
        "KeyError: 'euro'. This event has euros, note. The log is unchanged. Correct the step so "
        "that it takes what was really written; dry_run() lists all events like this one."
    )


def test_the_table_of_steps(steps):
    steps.register("Added", 1, because="sold in euros only")(lambda data: data)
    steps.rename("Plus", "Added")
    steps.drop("Noted", 2)
    assert steps.df()[["event_type", "step", "function", "because"]].values.tolist() == [
        ["Added", "register", "<lambda>", "sold in euros only"],
        ["Plus", "rename", "Added", ""],
        ["Noted", "drop", "drop", ""],
    ]


# -- newer events and older readers ----------------------------------------------------------------


def test_newer_versions_pass_or_are_refused():
    for newer, fails in (("pass", False), ("refuse", True)):
        steps = Upcasters(newer=newer)
        steps.register("Added", 1)(lambda data: {**data, "new": True})
        with EventStore(upcasters=steps) as store:
            log(store, ("Added", 1, {"n": 1}), ("Added", 2, {"n": 2}), ("Noted", 1, {}))
            assert len(store.events("a")) == 3
            log(store, ("Added", 3, {"n": 3}), ("Unheard", 2, {}))
            for read in (
                lambda s=store: s.events("a", upto=4),
                lambda s=store: list(s.read_all(4)),
                lambda s=store: s.sql("from events_now"),
                lambda s=store: Projector(s, Sums).catch_up(),
            ):
                if fails:
                    with pytest.raises(UpcastError, match="knows it up to version"):
                        read()
                else:
                    read()


def test_older_code_reads_newer_events_turned_down(steps, store):
    steps.register("Added", 1)(lambda data: {"cents": data["euros"] * 100})
    steps.register("Added", 2)(lambda data: {**data, "currency": "EUR"})

    @steps.down("Added", 3)
    def without_currency(data):
        return {"cents": data["cents"]}

    @steps.down("Added", 2)
    def in_euros(data):
        return {"euros": data["cents"] // 100}

    log(store, ("Added", 1, {"euros": 1}), ("Added", 2, {"cents": 200}))
    log(store, ("Added", 3, {"cents": 300, "currency": "EUR"}))
    wanted = {
        1: [{"euros": 1}, {"euros": 2}, {"euros": 3}],
        2: [{"cents": 100}, {"cents": 200}, {"cents": 300}],
        3: [{"cents": n, "currency": "EUR"} for n in (100, 200, 300)],
    }
    for version, data in wanted.items():
        old = store.read_with(steps.down_to({"Added": version}))
        assert [e.data for e in old.events("a")] == data
        assert {e.event_version for e in old.read_all()} == {version}
        rows = old.sql("select event_data from events_now order by position").fetchall()
        assert [orjson.loads(row[0]) for row in rows] == data
    assert [e.data for e in store.events("a")] == wanted[3]
    with pytest.raises(EsnbError):
        store.read_with(steps).append("a", [new_event("Added")], expected_version=3)


def test_what_cannot_be_turned_down_passes_or_is_refused(steps, store):
    log(store, ("Added", 3, {"n": 1}))
    assert store.read_with(steps.down_to({"Added": 1})).events("a")[0].event_version == 3
    strict = Upcasters(newer="refuse").down_to({"Added": 1})
    with pytest.raises(UpcastError, match="up to version 1"):
        store.read_with(strict).events("a")
    with pytest.raises(UpcastError, match="no version before 1"):
        steps.down("Added", 1)
    with pytest.raises(UpcastError):
        Upcasters(newer="perhaps")


# -- snapshots of older code -----------------------------------------------------------------------


class First(Tally):
    snapshot_every = 2


class Second(First):
    """Knows a sum of squares, which no snapshot of First has."""

    state_version = 2

    def __init__(self) -> None:
        super().__init__()
        self.squares = 0

    def apply(self, event) -> None:
        super().apply(event)
        if event.type == "Added":
            self.squares += event.data["n"] ** 2


class Doubled(First):
    """Counts in halves: that can be known from the old state."""

    state_version = 3

    def apply(self, event) -> None:
        super().apply(event)
        if event.type == "Added":
            self.total += event.data["n"]

    @classmethod
    def upcast_state(cls, state, state_version):
        return {**state, "total": state["total"] * 2} if state_version in (1, 2) else None


def test_a_snapshot_of_older_code_is_discarded_or_upcast_and_the_origin_says_so(store):
    fill(store, "a", 4)
    First.take_snapshot(store, "a")
    fill(store, "a", 1)
    assert str(store.load(First, "a").origin) == "snapshot at 4 + 1 event"
    second = store.load(Second, "a")
    assert str(second.origin) == (
        "5 events (snapshot at 4 not used: it has state_version 1, the code has 2)"
    )
    assert second.squares == 55
    doubled = store.load(Doubled, "a")
    assert str(doubled.origin) == (
        "snapshot at 4 + 1 event (the snapshot was upcast from state_version 1)"
    )
    assert (doubled.total, doubled.count, doubled.version) == (30, 5, 5)
    assert public(doubled) == public(replay(Doubled, store.events("a")))
    # The rollback: older code never believes a snapshot of newer code.
    store.delete_snapshots()
    Doubled.take_snapshot(store, "a")
    assert store.load(First, "a").total == 15

    class Eager(First):
        @classmethod
        def upcast_state(cls, state, state_version):
            return state

    assert store.load(Eager, "a").total == 15
    assert "not used: it has state_version 3" in store.load(First, "a").origin.note


def test_an_upcast_of_a_state_that_fails_means_replay(store):
    class Broken(Doubled):
        @classmethod
        def upcast_state(cls, state, state_version):
            return {"total": state["missing"]}

    fill(store, "a", 4)
    First.take_snapshot(store, "a")
    broken = store.load(Broken, "a")
    assert broken.total == 20
    assert "upcast failed with KeyError" in broken.origin.note


def test_the_newest_snapshot_wins_whichever_version_it_has(store):
    fill(store, "a", 2)
    Doubled.take_snapshot(store, "a")
    fill(store, "a", 2)
    First.take_snapshot(store, "a")
    assert store.load(Doubled, "a").origin.snapshot == 4
    assert store.load(Doubled, "a", at=3).origin.snapshot == 2
    assert store.load(Doubled, "a").total == 20
    Doubled.take_snapshot(store, "a")
    fill(store, "a", 1)
    assert str(store.load(Doubled, "a").origin) == "snapshot at 4 + 1 event"
    fill(store, "a", 1)
    Doubled.take_snapshot(store, "a")
    assert str(store.load(Doubled, "a").origin) == "snapshot at 6 + 0 events"


# -- the same on every read path -------------------------------------------------------------------


class Book(Aggregate):
    """Remembers what it was told, in order."""

    aggregate_type = "BOOK"

    def __init__(self) -> None:
        self.told: list = []
        self.cents = 0

    def apply(self, event) -> None:
        self.told = [*self.told, [event.type, event.event_version, event.data]]
        if event.type == "Paid":
            self.cents += event.data["cents"]


class Sums(Projection):
    tables: ClassVar = {"sums": "stream varchar, cents bigint, n bigint"}
    sql: ClassVar = (
        "insert into sums select aggregate_id, "
        "sum(case when event_type = 'Paid' then (event_data->>'$.cents')::bigint else 0 end), "
        "count(*) from new_events group by all"
    )


class SumsByHand(Projection):
    tables: ClassVar = {"sums": "stream varchar, cents bigint, n bigint"}

    @handles("Paid", "Noted", "Added")
    def note(self, read, event) -> None:
        read.execute("insert into sums values (?, ?, 1)",
                     [event.aggregate_id, event.data.get("cents", 0)])  # fmt: skip


def today() -> Upcasters:
    """A unit change, a field with a reason, a split with a chain behind it, a rename, a drop."""
    steps = Upcasters()
    steps.register("Paid", 1)(lambda data: {"cents": data["euros"] * 100})
    steps.register("Paid", 2, because="until 2025 the shop sold in euros only")(
        lambda data: {**data, "currency": "EUR"}
    )
    steps.split("PaidAndNoted", 1)(
        lambda data: [("Paid", {"euros": data["euros"]}), ("Noted", {"text": data["text"]})]
    )
    steps.split("Emptied", 1)(lambda data: [])
    steps.rename("Payment", "Paid")
    steps.drop("Clicked")
    return steps


def by_hand(kind: str, version: int, n: int) -> list[list]:
    """What a stored event is today: the oracle, written out case by case."""
    paid = ["Paid", 3, {"cents": n * 100, "currency": "EUR"}]
    if kind in ("Clicked", "Emptied"):
        return []
    if kind == "PaidAndNoted":
        return [paid, ["Noted", 1, {"text": f"n{n}"}]]
    if kind in ("Paid", "Payment") and version < 3:
        return [paid]
    if kind in ("Paid", "Payment"):
        return [["Paid", 3, {"cents": n, "currency": "USD"}]]
    return [["Added", 4, {"n": n}]]


def written(kind: str, version: int, n: int) -> dict:
    """The data as it was written."""
    if kind == "PaidAndNoted":
        return {"euros": n, "text": f"n{n}"}
    if kind in ("Paid", "Payment"):
        return [{"euros": n}, {"cents": n * 100}, {"cents": n, "currency": "USD"}][version - 1]
    return {"n": n}


KINDS = st.sampled_from(
    [("Paid", 1), ("Paid", 2), ("Paid", 3), ("Payment", 1), ("Payment", 3), ("PaidAndNoted", 1),
     ("Emptied", 1), ("Clicked", 1), ("Clicked", 2), ("Added", 4)]
)  # fmt: skip
FACTS = st.lists(
    st.tuples(st.sampled_from("ab"), KINDS, st.integers(0, 99)), min_size=1, max_size=12
)


def bytes_of(store: EventStore) -> list[tuple]:
    rows = store.sql("select * from events order by position").fetchall()
    return [tuple(map(str, row)) for row in rows]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(facts=FACTS, chance=st.randoms(use_true_random=False), half=st.integers(0, 12))
def test_every_read_path_gives_the_same(facts, chance, half):
    wanted = [
        (position, stream, made)
        for position, (stream, (kind, version), n) in enumerate(facts, start=1)
        for made in by_hand(kind, version, n)
    ]
    with EventStore(clock=LessonClock(), upcasters=today()) as store:
        for stream, (kind, version), n in facts:
            new = new_event(kind, written(kind, version, n), event_version=version)
            store.append(stream, [new], expected_version=ANY, aggregate_type="BOOK")
        before = bytes_of(store)
        half = min(half, len(facts))

        # the log, in whole and in pages
        everything = list(store.read_all())
        assert told(everything) == wanted
        pages = [e for after in range(len(facts)) for e in store.read_all(after, 1)]
        assert pages == everything
        assert list(store.as_of(half).read_all()) == [e for e in everything if e.position <= half]

        # SQL
        rows = store.sql(
            "select position, aggregate_id, event_type, event_version, event_data, event_id "
            "from events_now order by position, part"
        ).fetchall()
        assert [(p, s, [t, v, orjson.loads(d)]) for p, s, t, v, d, _ in rows] == wanted
        assert [row[5] for row in rows] == [e.event_id for e in everything]
        past = store.as_of(half).sql("select count(*) from events_now").fetchone()[0]
        assert past == sum(1 for position, *_ in wanted if position <= half)

        # conditions
        for kind in ("Paid", "Noted", "Payment", "PaidAndNoted"):
            matched, _ = store.matching(AppendCondition((kind,)))
            assert told(matched) == [w for w in wanted if w[2][0] == kind]
        matched, _ = store.matching(AppendCondition(("Paid",), {"currency": "EUR"}))
        assert len(matched) == sum(w[2][2].get("currency") == "EUR" for w in wanted)

        # one stream: events, load, History, as_of, snapshots
        for stream in {stream for stream, *_ in facts}:
            own = [w[2] for w in wanted if w[1] == stream]
            count = sum(1 for name, *_ in facts if name == stream)
            assert [w[2] for w in told(store.events(stream))] == own
            history = History(store, Book, stream)
            assert len(history) == count == store.version(stream)
            if half:
                Book.take_snapshot(store, stream)
            for number in range(count + 1):
                upto = [
                    made
                    for kind, version, n in [(*f[1], f[2]) for f in facts if f[0] == stream][
                        :number
                    ]
                    for made in by_hand(kind, version, n)
                ]
                loaded = store.load(Book, stream, at=number)
                assert loaded.told == upto == history.at(number).told
                assert loaded.version == number == history.at(number).version
                assert loaded.origin.replayed == len(upto) == history.at(number).origin.replayed
                assert store.load(Snapping, stream, at=number).told == upto
            assert store.as_of(len(facts)).load(Book, stream).told == own
            assert replay(Book, store.events(stream)).told == own
            assert History.of(store.events(stream), Book).at(len(
                {e.sequence_number for e in store.events(stream)})).told == own  # fmt: skip

        # projections: caught up in pieces, rebuilt, as of half way, delivered out of order
        sums = Counter[str]()
        for _, stream, made in wanted:
            sums[stream] += made[2].get("cents", 0)
        for kind in (Sums, SumsByHand):
            for run in (in_pieces, rebuilt, lambda p: delivered(p, chance)):
                projector = Projector(store, kind)
                run(projector)
                assert projector.position == len(facts)
                found = projector.sql("select stream, sum(cents), sum(n) from sums group by all")
                assert {s: (int(c), int(n)) for s, c, n in found.fetchall()} == {
                    s: (sums[s], sum(w[1] == s for w in wanted)) for s in {w[1] for w in wanted}
                }
                projector.close()
        assert bytes_of(store) == before


class Snapping(Book):
    snapshot_every = 3


def told(events) -> list[tuple]:
    return [
        (e.position, e.aggregate_id, [e.event_type, e.event_version, e.event_data]) for e in events
    ]


def in_pieces(projector: Projector) -> None:
    while projector.catch_up(limit=2):
        pass


def rebuilt(projector: Projector) -> None:
    projector.catch_up()
    projector.rebuild()


def delivered(projector: Projector, chance) -> None:
    """As a transport brings it: what was stored or what it is today, twice, and out of order."""
    store = projector.store
    events = [*store.read_all(), *store.read_all(upcast=chance.random() < 0.5)]
    chance.shuffle(events)
    for event in events:
        projector.deliver([event])
    projector.catch_up()  # a dropped event at the end is delivered by nobody


def test_side_effects_of_all_parts_and_of_each_once(steps, store):
    steps.split("Both", 1)(lambda data: [("Added", data), ("Added", data)])
    called = []

    class Mails(SumsByHand):
        @reacts_to("Added")
        def mail(self, event) -> None:
            called.append((event.position, event.event_id))

    projector = Projector(store, Mails)
    log(store, ("Both", 1, {"n": 1}), ("Added", 1, {"n": 2}))
    projector.catch_up()
    projector.catch_up()
    assert [position for position, _ in called] == [1, 1, 2]
    assert len(set(called)) == 3


def test_a_read_model_knows_its_log_again_after_a_split_or_a_drop(steps, store, tmp_path):
    steps.split("Both", 1)(lambda data: [("Added", data), ("Noted", data)])
    steps.drop("Clicked")
    for kind in ("Both", "Clicked", "Added"):
        log(store, (kind, 1, {"n": 1}))
        projector = Projector(store, Sums, tmp_path / "read.duckdb")
        assert projector.notice == ""
        projector.catch_up()
        projector.close()


def test_a_step_that_fails_does_not_stand_in_the_way_of_skip(steps, store):
    log(store, ("Added", 1, {"n": 1}), ("Added", 2, {"n": 2}))
    steps.register("Added", 1)(lambda data: 1 / 0)
    projector = Projector(store, Sums)
    with pytest.raises(EsnbError, match="position 1"):
        projector.catch_up()
    projector.skip(1)
    projector.catch_up()
    assert projector.position == 2


def test_merging_reads_the_future():
    """Why there is no step that merges: the state at event 1 would depend on event 2."""

    def merged(events: list[tuple[str, dict]]) -> list[tuple[str, dict]]:
        made: list[tuple[str, dict]] = []
        for kind, data in events:
            if kind == "AddressGiven" and made and made[-1][0] == "OrderPlaced":
                made[-1] = ("OrderPlaced", {**made[-1][1], **data})
            else:
                made.append((kind, data))
        return made

    stored = [("OrderPlaced", {"customer": "ada"}), ("AddressGiven", {"city": "London"})]
    prefix, whole = merged(stored[:1]), merged(stored)
    assert whole[: len(prefix)] != prefix  # a reader who stopped at 1 has seen another event 1
    assert merged(stored[1:]) != whole[1:]  # and one who goes on after 1 finds it once more


# -- what was known by a time ----------------------------------------------------------------------


class Moody(LessonClock):
    """A clock that also runs backwards; the store's own time does not."""

    def __init__(self, seconds) -> None:
        super().__init__()
        self.seconds = list(seconds)

    def now(self):
        return utc("2026-03-02T09:00:00Z") + timedelta(seconds=self.seconds.pop(0))


@settings(max_examples=50, deadline=None)
@given(
    times=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8),
    known=st.integers(-1, 10), occurred=st.integers(-1, 10),
)  # fmt: skip
def test_known_by_is_a_filter_on_recorded_at(times, known, occurred):
    with EventStore(clock=Moody(recorded for recorded, _ in times)) as store:
        for n, (_, at) in enumerate(times):
            new = new_event("Added", n=n, occurred_at=moment(at))
            store.append("a", [new], expected_version=n, aggregate_type="TALLY")
        all_events = list(store.read_all())
        wanted = [e for e in all_events if e.recorded_at <= moment(known)]
        past = store.known_by(moment(known))
        assert list(past.read_all()) == wanted
        assert past.position == len(wanted)
        assert past.sql("select count(*) from events").fetchone()[0] == len(wanted)
        both = [e for e in wanted if e.occurred_at <= moment(occurred)]
        assert list(past.as_of(moment(occurred)).read_all()) == both
        assert list(store.as_of(moment(occurred)).known_by(moment(known)).read_all()) == both
        with pytest.raises(NaiveTimeError):
            store.known_by("2026-03-02T09:00:00")


def moment(seconds: int):
    return utc("2026-03-02T09:00:00Z") + timedelta(seconds=seconds)


# -- other readers ---------------------------------------------------------------------------------


class Found(SearchProjection):
    """A document an aggregate: all the words it was told."""

    fields: ClassVar = {"words": 1.0}

    def apply(self, document, event):
        if event.event_type == "Clicked":
            return {**document, "words": "clicked"}
        return {**document, "words": f"{document.get('words', '')} {event.data['word']}".strip()}


def test_a_search_index_takes_all_parts_and_goes_past_what_is_dropped(steps, store):
    steps.split("Both", 1)(lambda data: [("Said", {"word": w}) for w in data["words"]])
    steps.drop("Clicked")
    log(store, ("Both", 1, {"words": ["red", "lamp"]}), ("Clicked", 1, {}), ("Clicked", 1, {}))
    index = SearchProjector(store, Found)
    assert index.catch_up() == 3
    assert index.position == 3
    assert [document["_source"]["words"] for document in index.documents()] == ["red lamp"]
    assert index.lag().events == 0
    log(store, ("Said", 1, {"word": "blue"}))
    index.catch_up()
    assert [document["_source"]["words"] for document in index.documents()] == ["red lamp blue"]


def test_the_lag_counts_what_is_stored(steps, store):
    steps.drop("Clicked")
    projector = Projector(store, Sums)
    log(store, ("Clicked", 1, {}), ("Clicked", 1, {}))
    assert projector.lag().events == 2
    assert projector.catch_up() == 2
    assert projector.lag().events == 0
    projector.wait_for(store.position)
