"""Many aggregates by few queries are what they are one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esnb import Aggregate, AggregateNotFoundError, Event, EventStore, InvalidEventError, new_event
from esnb.store import many_streams
from esnb.upcasters import Upcasters

START = datetime(2026, 1, 1, tzinfo=UTC)


class Sum(Aggregate):
    """Adds up what its events bring."""

    aggregate_type = "SUM"
    snapshot_every = 3

    def __init__(self) -> None:
        self.total = 0
        self.seen: list[str] = []

    def apply(self, event: Event) -> None:
        self.total += event.data.get("by", 0)
        self.seen.append(event.type)


class Other(Sum):
    """Of another type."""

    aggregate_type = "OTHER"
    snapshot_every = None


def filled(moves: list[tuple[int, int]]) -> EventStore:
    """A store in which stream n got an event, for each (n, by); every fourth is another type."""
    store = EventStore()
    for minutes, (n, by) in enumerate(moves):
        kind = Other if n % 4 == 3 else Sum
        name = f"s-{n}"
        state = store.load(kind, name) if store.version(name) else store.new(kind, name)
        at = START + timedelta(minutes=minutes * (-1 if by == 0 else 1))
        state.record("Added", {"by": by}, occurred_at=at)
        state.save_to(store)
    return store


def same(one: Aggregate, many: Aggregate) -> bool:
    return (one.to_state(), one.version, one.origin, one.aggregate_id) == (
        many.to_state(),
        many.version,
        many.origin,
        many.aggregate_id,
    )


MOVES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 5)), max_size=25)


@given(moves=MOVES, few=st.sampled_from([0, 2, 1000]), lookup=st.sampled_from([1, 2, 200]), at=...)
def test_many_are_what_they_are_one_by_one(
    moves: list[tuple[int, int]], few: int, lookup: int, at: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch, filled(moves) as store:
        patch.setattr(many_streams, "_FEW", few)
        patch.setattr(many_streams, "_IN_ONE_LOOKUP", lookup)
        patch.setattr(many_streams, "_CHUNK", 2)
        past = store.as_of(len(moves) // 2) if at else store
        first = {name for name in (f"s-{n}" for n, _ in moves) if past.version(name)}
        wanted = sorted((n for n in first if not n.endswith(("3", "7"))), reverse=True)
        found = past.load_many(Sum, wanted)
        assert list(found) == wanted
        assert all(same(past.load(Sum, name), found[name]) for name in wanted)
        assert (
            past.load_many(Sum) == {} if not wanted else list(past.load_many(Sum))[::-1] == wanted
        )
        others = past.load_many(Other)
        assert sorted(others) == sorted(first - {*wanted})
        assert all(same(past.load(Other, name), others[name]) for name in others)


@pytest.mark.parametrize("few", [0, 1000])
def test_many_as_of_a_time(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_streams, "_FEW", few)
    with filled([(0, 1), (1, 1), (0, 2), (2, 1), (1, 3)]) as store:
        past = store.as_of(START + timedelta(minutes=2))
        assert {name: s.total for name, s in past.load_many(Sum).items()} == {"s-0": 3, "s-1": 1}
        with pytest.raises(AggregateNotFoundError, match="s-2"):
            past.load_many(Sum, ["s-0", "s-2"])


def test_they_start_from_snapshots() -> None:
    with filled([(0, 1)] * 7 + [(1, 1)]) as store:
        found = store.load_many(Sum)
        assert (found["s-0"].origin.snapshot, found["s-0"].origin.replayed) == (6, 1)
        assert (found["s-1"].origin.snapshot, found["s-1"].version) == (None, 1)
        assert found["s-0"].total == 7


@pytest.mark.parametrize("few", [0, 1000])
def test_steps_are_applied(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_streams, "_FEW", few)
    steps = Upcasters()
    steps.split("Both", 1)(lambda data: [("Added", {"by": data["a"]}), ("Added", {"by": 10})])
    with EventStore(upcasters=steps) as store:
        for name in ("s-0", "s-1"):
            store.append(
                name, [new_event("Both", a=len(name))], expected_version=0, aggregate_type="SUM"
            )
        found = store.load_many(Sum)
        assert {n: (s.total, s.version, s.seen) for n, s in found.items()} == {
            name: (13, 1, ["Added", "Added"]) for name in ("s-0", "s-1")
        }


def test_one_that_stands_at_its_snapshot() -> None:
    with filled([(0, 1)] * 3) as store:
        found = store.load_many(Sum, ["s-0", "s-0"])
        assert list(found) == ["s-0"]
        assert (found["s-0"].version, found["s-0"].origin.replayed) == (3, 0)


def test_what_is_loaded_can_be_saved() -> None:
    with filled([(0, 1), (1, 1)]) as store:
        for state in store.load_many(Sum).values():
            state.record("Added", by=10)
            state.save_to(store)
        assert [s.total for s in store.load_many(Sum).values()] == [11, 11]


def test_wrong_ids() -> None:
    with filled([(0, 1), (3, 1)]) as store:
        with pytest.raises(AggregateNotFoundError, match="s-9"):
            store.load_many(Sum, ["s-0", "s-9"])
        with pytest.raises(InvalidEventError, match="several ids, found one text, 's-0'"):
            store.load_many(Sum, "s-0")
        with pytest.raises(InvalidEventError, match="stored as 'OTHER'"):
            store.load_many(Sum, ["s-3"])
        with pytest.raises(InvalidEventError, match="is not an Aggregate"):
            store.load_many(dict)  # type: ignore[arg-type]
        with pytest.raises(InvalidEventError, match="aggregate_id"):
            store.load_many(Sum, [7])  # type: ignore[list-item]
        assert store.load_many(Sum, []) == {}
