"""Aggregates: folding, commands, saving; and snapshots, which are caches and nothing else."""

from __future__ import annotations

import copy
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import (
    ANY,
    Aggregate,
    AggregateNotFoundError,
    ConcurrencyError,
    EventStore,
    InvalidEventError,
    LessonClock,
    RejectedError,
    ReplayError,
    SnapshotError,
    new_event,
    replay,
    state_of,
)
from tests.support import Snapped, Tally, expected_tally, facts, fill, public

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def store():
    with EventStore(clock=LessonClock(T0)) as store:
        yield store


# -- folding -----------------------------------------------------------------------------------


@given(kinds=st.lists(st.sampled_from(["Added", "Noted", "Reset", "Unknown"]), max_size=30))
def test_replay_is_the_fold(kinds):
    events = [new_event(kind, n=n) for n, kind in enumerate(kinds)]
    assert public(replay(Tally, events)) == expected_tally(events)


def test_replay_takes_any_class_with_apply():
    class Plain:
        def __init__(self):
            self.types = []

        def apply(self, event):
            self.types.append(event.type)

    assert replay(Plain, iter(facts(3))).types == ["Added"] * 3
    assert replay(Plain, []).types == []


def test_a_failing_apply_names_the_event_and_keeps_the_cause(store):
    class Fragile(Tally):
        def apply(self, event):
            if event.data["n"] == 3:
                raise KeyError("sku")

    fill(store, "a", 4)
    with pytest.raises(ReplayError, match=r"event 3 of 'a', Added.*KeyError: 'sku'") as caught:
        store.load(Fragile, "a")
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ReplayError):
        replay(Fragile, facts(4))


def test_a_constructor_with_arguments_is_told():
    class Wrong:
        def __init__(self, customer):
            self.customer = customer

        def apply(self, event):
            pass

    with pytest.raises(ReplayError, match="without arguments"):
        replay(Wrong, facts(1))


def test_an_aggregate_without_apply_is_told(store):
    class Empty(Aggregate):
        aggregate_type = "TALLY"

    fill(store, "a", 1)
    with pytest.raises(ReplayError, match=r"needs a method apply"):
        store.load(Empty, "a")


def test_state_of_is_a_copy():
    tally = replay(Tally, facts(2))
    state = state_of(tally)
    state["last"]["n"] = 99
    assert tally.last == {"n": 2, "type": "Added"}


def test_a_deep_copy_is_independent(store):
    fill(store, "a", 2)
    one = store.load(Tally, "a")
    two = copy.deepcopy(one)
    two.add(5)
    assert (one.count, two.count) == (2, 3)
    assert (one.pending, len(two.pending)) == ((), 1)
    assert two.version == 2


# -- commands and saving -----------------------------------------------------------------------


def test_new_record_save_load(store):
    tally = store.new(Tally, "a")
    assert (tally.aggregate_id, tally.version, tally.pending) == ("a", 0, ())
    tally.add(4)
    tally.add(5)
    assert tally.total == 9  # applied at once
    assert store.position == 0  # and not stored yet
    done = store.save(tally)
    assert (done.version, tally.version, tally.pending) == (2, 2, ())
    assert store.save(tally).version == 2  # nothing to do
    assert public(store.load(Tally, "a")) == public(tally)
    assert str(store.load(Tally, "a").origin) == "2 events"


def test_what_is_recorded_takes_its_time_from_the_store_s_clock(store):
    tally = store.new(Tally, "a")
    tally.add(1)
    store.clock.advance(hours=5)
    store.save(tally)
    (event,) = store.events("a")
    assert event.occurred_at == T0
    assert event.recorded_at == T0 + timedelta(hours=5, seconds=1)


def test_a_refused_event_is_not_recorded(store):
    tally = store.new(Tally, "a")
    with pytest.raises(RejectedError, match="nothing to reset"):
        tally.record("Reset")
    assert (tally.pending, public(tally)) == ((), expected_tally([]))


def test_a_bad_event_is_not_recorded(store):
    tally = store.new(Tally, "a")
    with pytest.raises(InvalidEventError):
        tally.record("Added", n=float("nan"))
    assert tally.pending == ()


def test_after_a_conflict_the_aggregate_keeps_what_it_recorded(store):
    fill(store, "a", 1)
    one, two = store.load(Tally, "a"), store.load(Tally, "a")
    one.add(1)
    two.add(2)
    store.save(one)
    with pytest.raises(ConcurrencyError) as caught:
        store.save(two)
    assert caught.value.between == ("Added",)
    assert [e.data for e in two.pending] == [{"n": 2}]
    assert two.version == 1
    again = store.load(Tally, "a")
    again.add(2)
    assert store.save(again).version == 3


def test_saving_again_after_an_unclear_end_stores_nothing_twice(store, monkeypatch):
    tally = store.new(Tally, "a")
    tally.add(1)
    append = store.append

    def lost_answer(*arguments, **options):
        append(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "append", lost_answer)
    with pytest.raises(KeyboardInterrupt):
        store.save(tally)
    monkeypatch.undo()
    assert store.save(tally).duplicate
    assert (tally.version, store.position) == (1, 1)


def test_an_apply_that_keeps_and_changes_event_data_does_not_change_what_is_saved(store):
    class Careless(Aggregate):
        aggregate_type = "TALLY"

        def __init__(self):
            self.items = []

        def apply(self, event):
            if event.type == "Placed":
                self.items = event.data["items"]
            else:
                self.items.append(event.data["sku"])

    order = store.new(Careless, "a")
    order.record("Placed", items=["A"])
    order.record("ItemAdded", sku="B")
    store.save(order)
    assert [e.data for e in store.events("a")] == [{"items": ["A"]}, {"sku": "B"}]


def test_the_class_must_fit_the_stored_type(store):
    class Other(Tally):
        aggregate_type = "OTHER"

    class OtherSnapped(Snapped):
        aggregate_type = "OTHER"

    tally = store.new(Snapped, "a")
    for n in range(3):
        tally.add(n)
    store.save(tally)
    for wrong in (Other, OtherSnapped):  # also where a snapshot would have answered
        with pytest.raises(InvalidEventError, match="stored as 'TALLY'"):
            store.load(wrong, "a")


def test_aggregate_type_defaults_to_the_name():
    class Invoice(Aggregate):
        pass

    class Special(Invoice):
        pass

    assert Invoice.aggregate_type == Special.aggregate_type == "INVOICE"


def test_load_at(store):
    fill(store, "a", 5)
    assert [store.load(Tally, "a", at=n).count for n in range(6)] == [0, 1, 2, 3, 4, 5]
    assert store.load(Tally, "a", at=T0 + timedelta(seconds=1)).count == 2
    assert store.load(Tally, "a", at="2026-03-02T10:00:02+01:00").count == 3
    assert store.load(Tally, "a", at=3).version == 3
    with pytest.raises(AggregateNotFoundError, match=r"has 5 event.s., so there is no number 6"):
        store.load(Tally, "a", at=6)
    with pytest.raises(AggregateNotFoundError, match=r"did not exist at 2026-03-02T08.*T09"):
        store.load(Tally, "a", at="2026-03-02T08:00:00Z")
    with pytest.raises(AggregateNotFoundError, match="no aggregate 'b'"):
        store.load(Tally, "b")
    old = store.load(Tally, "a", at=3)
    old.add(1)
    with pytest.raises(ConcurrencyError):
        store.save(old)


# -- 10: snapshots are caches ------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.sampled_from(["Added", "Noted", "Reset"]), st.integers(-5, 5), st.integers(1, 3)),
    min_size=1, max_size=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def shared():
    with EventStore(clock=LessonClock(T0)) as store:
        yield store


@settings(max_examples=30)
@given(steps=STEPS, every=st.integers(1, 7))
def test_load_with_snapshots_equals_load_without_always(shared, steps, every):
    store = shared
    kind = type("Kept", (Snapped,), {"snapshot_every": every})
    name = f"s{store.position}"
    tally = store.new(kind, name)
    hours = [5, 1, 3, 3, 0]
    for number, (event_type, n, times) in enumerate(steps):
        for _ in range(times):
            if event_type != "Reset" or tally.count:
                when = T0 + timedelta(hours=hours[number % 5])
                tally.record(event_type, n=n, occurred_at=when)
        store.save(tally)
    events = store.events(name)
    if not events:
        return
    assert len(store.snapshots(name)) <= len(events) // every
    moments = [None, *range(len(events) + 1), *(T0 + timedelta(hours=h) for h in range(6))]
    for attempt in range(2):
        for at in moments:
            if isinstance(at, datetime):
                inside = [e for e in events if e.occurred_at <= at]
                if not inside:
                    continue
            else:
                inside = events[:at]
            expected = expected_tally(inside)
            with_snapshot, without = store.load(kind, name, at=at), store.load(Tally, name, at=at)
            assert public(with_snapshot) == public(without) == expected
            assert with_snapshot.version == without.version
            assert without.origin.snapshot is None
            origin = with_snapshot.origin
            if attempt or isinstance(at, datetime):
                assert origin.snapshot is None
            else:
                assert (origin.snapshot or 0) + origin.replayed == len(inside)
        store.delete_snapshots(name)


def test_a_snapshot_shortens_the_replay_and_says_so(store):
    tally = store.new(Snapped, "a")
    for n in range(8):
        tally.add(n)
        store.save(tally)
    assert store.snapshots("a")["sequence_number"].tolist() == [3, 6]
    loaded = store.load(Snapped, "a")
    assert str(loaded.origin) == "snapshot at 6 + 2 events"
    assert str(store.load(Snapped, "a", at=5).origin) == "snapshot at 3 + 2 events"
    assert str(store.load(Snapped, "a", at=6).origin) == "snapshot at 6 + 0 events"
    assert str(store.load(Snapped, "a", at=2).origin) == "2 events"
    assert store.load(Snapped, "a", at=T0 + timedelta(days=9)).origin.snapshot is None


def test_deleting_snapshots_changes_no_answer(tmp_path):
    with EventStore(tmp_path / "s.duckdb") as store:
        for name in "ab":
            tally = store.new(Snapped, name)
            for n in range(7):
                tally.add(n)
                store.save(tally)
    with EventStore(tmp_path / "s.duckdb") as store:
        before = {name: public(store.load(Snapped, name)) for name in "ab"}
        events = list(store.read_all())
        assert store.load(Snapped, "a").origin.snapshot == 6
        assert store.delete_snapshots("a") == 2
        assert store.delete_snapshots("a") == 0
        assert store.load(Snapped, "a").origin.snapshot is None
        assert store.load(Snapped, "b").origin.snapshot == 6
        assert store.delete_snapshots() == 2
        assert {name: public(store.load(Snapped, name)) for name in "ab"} == before
        assert list(store.read_all()) == events
        assert (store.position, store.version("a")) == (14, 7)
        assert Snapped.take_snapshot(store, "a") == 7
        assert str(store.load(Snapped, "a").origin) == "snapshot at 7 + 0 events"


def test_another_state_version_is_not_used(store):
    tally = store.new(Snapped, "a")
    for n in range(4):
        tally.add(n)
    store.save(tally)

    class Newer(Snapped):
        state_version = 2

    loaded = store.load(Newer, "a")
    assert public(loaded) == public(tally)
    assert str(loaded.origin) == (
        "4 events (snapshot at 4 not used: it has state_version 1, the code has 2)"
    )


def test_a_snapshot_that_cannot_be_read_is_not_used(store):
    class Choosy(Snapped):
        @classmethod
        def from_state(cls, state):
            if cls.broken:
                raise KeyError("vanished")
            return super().from_state(state)

        broken = False

    tally = store.new(Choosy, "a")
    for n in range(4):
        tally.add(n)
    store.save(tally)
    assert store.load(Choosy, "a").origin.snapshot == 4
    Choosy.broken = True
    loaded = store.load(Choosy, "a")
    assert public(loaded) == public(tally)
    assert "not used: from_state failed with KeyError" in str(loaded.origin)


def test_a_snapshot_is_of_the_log_and_not_of_a_tampered_object(store):
    tally = store.new(Snapped, "a")
    tally.add(1)
    tally.add(2)
    tally.total = 1_000_000  # outside apply
    tally.add(3)
    store.save(tally)
    assert store.load(Snapped, "a").origin.snapshot == 3
    assert store.load(Snapped, "a").total == 6


@pytest.mark.parametrize(
    "value",
    [{1, 2}, (1, 2), {"a": (1,)}, [{3}], {1: "a"}, object(), float("nan"), T0, b"x", 2**70],
    ids=lambda value: re.sub(" at 0x.*", ">", repr(value)),
)
def test_a_state_that_would_not_come_back_the_same_is_refused_at_once(store, value):
    class Odd(Snapped):
        snapshot_every = 2

        def apply(self, event):
            super().apply(event)
            self.odd = value

    odd = store.new(Odd, "a")
    odd.add(1)
    store.save(odd)
    odd.add(2)
    with pytest.raises(SnapshotError, match="othing was stored"):
        store.save(odd)
    assert (store.version("a"), len(odd.pending), len(store.snapshots())) == (1, 1, 0)


def test_own_to_state_and_from_state(store):
    class Own(Snapped):
        def __init__(self):
            super().__init__()
            self.skus = set()

        def apply(self, event):
            super().apply(event)
            self.skus.add(event.data["n"])

        def to_state(self):
            return {**state_of(self), "skus": sorted(self.skus)}

        @classmethod
        def from_state(cls, state):
            self = super().from_state(state)
            self.skus = set(self.skus)
            return self

    own = store.new(Own, "a")
    for n in range(5):
        own.add(n)
        store.save(own)
    loaded = store.load(Own, "a")
    assert loaded.origin.snapshot == 3
    assert loaded.skus == {0, 1, 2, 3, 4}

    class Forgetful(Own):
        def to_state(self):
            return {**super().to_state(), "count": 0}

    forgetful = store.new(Forgetful, "b")
    for n in range(3):
        forgetful.add(n)
    with pytest.raises(SnapshotError, match="gives another state"):
        store.save(forgetful)
    assert store.version("b") == 0


def test_two_writers_with_snapshots(store):
    fill(store, "a", 2)
    one = store.load(Snapped, "a")
    one.add(7)
    store.save(one)
    store.append("a", facts(1), expected_version=ANY)
    assert public(store.load(Snapped, "a")) == expected_tally(store.events("a"))
