"""Projections that gather in the store, and those that name their columns: the same answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from esnb import (
    Event,
    EventStore,
    InvalidEventError,
    LessonClock,
    Projection,
    ProjectionError,
    Projector,
    Upcasters,
    handles,
    new_event,
)

COUNT = "select aggregate_id, sum((event_data->>'$.n')::bigint)::bigint as n from new_events"
ADD = "on conflict do update set n = sums.n + excluded.n"


class Gathered(Projection):
    tables: ClassVar[dict[str, str]] = {"sums": "name varchar primary key, n bigint"}
    gathers: ClassVar[dict[str, str]] = {"new_sums": f"{COUNT} group by all"}
    sql: ClassVar[str] = f"insert into sums from new_sums {ADD}"


class Plain(Projection):
    tables: ClassVar[dict[str, str]] = Gathered.tables
    sql: ClassVar[str] = f"insert into sums {COUNT} group by all {ADD}"


class Few(Plain):
    columns: ClassVar[tuple[str, ...]] = ("aggregate_id", "event_data")


class ByHand(Projection):
    tables: ClassVar[dict[str, str]] = Gathered.tables

    @handles("Added")
    def add(self, read: Any, event: Event) -> None:
        read.execute(f"insert into sums values (?, ?) {ADD}", [event.aggregate_id, event.data["n"]])


KINDS = (Gathered, Plain, Few)


def log(numbers: list[Any], **options: Any) -> EventStore:
    store = EventStore(clock=LessonClock(), **options)
    for place, n in enumerate(numbers):
        name = f"a{place % 3}"
        store.append(
            name,
            [new_event("Added", n=n)],
            aggregate_type="T",
            expected_version=store.version(name),
        )
    return store


def rows(projector: Projector) -> list[tuple[Any, ...]]:
    return projector.sql("from sums order by all").fetchall()


def by_hand(store: Any) -> list[tuple[Any, ...]]:
    projector = Projector(store, ByHand)
    projector.catch_up()
    return rows(projector)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [1, 4, None])
def test_all_ways_agree(kind: type[Projection], limit: int | None) -> None:
    store = log(list(range(20)))
    projector = Projector(store, kind)
    while projector.catch_up(limit):
        pass
    assert rows(projector) == by_hand(store)
    assert projector.rebuild() == 20
    assert rows(projector) == by_hand(store)
    assert projector.verify()


@pytest.mark.parametrize("kind", KINDS)
def test_few_and_many_events_in_turn(kind: type[Projection], monkeypatch: Any) -> None:
    """Few are gathered in views, many in tables, in the store: on the same read database."""
    monkeypatch.setattr("esnb.readmodels.new_events.FEW", 4)
    store = log([*range(16), "sixteen", *range(17, 40)])
    projector = Projector(store, kind)
    with monkeypatch.context() as patch:
        patch.setattr(
            "esnb.readmodels.new_events.FromLog.halves", None
        )  # whose use would hide that a way fails
        for limit in (3, 9, 1, 2):
            projector.catch_up(limit)
            assert rows(projector) == by_hand(store.as_of(projector.position))
    with pytest.raises(ProjectionError, match="position 17") as caught:
        projector.catch_up()
    assert "sixteen" in str(caught.value)
    assert projector.position == 16
    projector.park(17)
    projector.skip(18)
    for limit in (9, 4, None):
        projector.catch_up(limit)
    counted = set(range(40)) - {16, 17}
    wanted = [(f"a{k}", sum(n for n in counted if n % 3 == k)) for k in range(3)]
    assert rows(projector) == wanted
    assert projector.verify()
    with monkeypatch.context() as patch:
        patch.setattr("esnb.readmodels.new_events.FromLog.halves", None)
        projector.rebuild()
    assert rows(projector) == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_the_past(kind: type[Projection]) -> None:
    store = log(list(range(20)))
    past: Callable[[Any], Any] = store.as_of
    for when in (7, "2026-03-02T09:00:12Z"):
        projector = Projector(past(when), kind)
        projector.catch_up()
        assert rows(projector) == by_hand(past(when))
        assert 0 < sum(row[1] for row in rows(projector)) < sum(range(20))


@pytest.mark.parametrize("kind", KINDS)
def test_events_from_a_transport(kind: type[Projection]) -> None:
    store = log(list(range(9)))
    events = list(store.read_all())
    projector = Projector(store, kind)
    projector.deliver([events[n] for n in (3, 0, 2, 0, 1)])
    projector.deliver(events)
    assert rows(projector) == by_hand(store)


@pytest.mark.parametrize("kind", KINDS)
def test_a_failing_event_is_named_and_parked_events_stay_out(kind: type[Projection]) -> None:
    store = log([1, 2, "three", 4, 5])
    projector = Projector(store, kind)
    with pytest.raises(ProjectionError, match="position 3") as caught:
        projector.catch_up()
    assert "three" in str(caught.value)
    assert projector.position == 2
    projector.park(3)
    projector.catch_up()
    wanted = [("a0", 5), ("a1", 7)]
    assert rows(projector) == wanted
    projector.rebuild()
    assert rows(projector) == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_upcast_events(kind: type[Projection]) -> None:
    upcasters = Upcasters()

    @upcasters.register("Added", version=1)
    def tenfold(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "n": data["n"] * 10}

    store = log([1, 2, 3], upcasters=upcasters)
    projector = Projector(store, kind)
    projector.catch_up()
    assert rows(projector) == [("a0", 10), ("a1", 20), ("a2", 30)]


@pytest.mark.parametrize("kind", KINDS)
def test_upcast_events_that_split_drop_and_stay_as_they_are(kind: type[Projection]) -> None:
    upcasters = Upcasters()
    upcasters.split("Twice", 1)(lambda data: [("Added", data), ("Added", data)])
    upcasters.drop("Clicked")
    store = log([1, 2, 3], upcasters=upcasters)
    more = [new_event(("Twice", "Clicked", "Added")[n % 3], {"n": n}) for n in range(3_000)]
    store.append("b", more, expected_version=0, aggregate_type="T")
    twice, once = sum(range(0, 3_000, 3)), sum(range(2, 3_000, 3))
    wanted = [("a0", 1), ("a1", 2), ("a2", 3), ("b", 2 * twice + once)]
    projector = Projector(store, kind)
    projector.catch_up()
    assert rows(projector) == wanted
    projector.rebuild()
    assert rows(projector) == wanted
    past = Projector(store.as_of(3), kind)
    past.catch_up()
    assert rows(past) == wanted[:3]


def test_declarations_in_error() -> None:
    with pytest.raises(InvalidEventError, match="colour"):

        class Colour(Plain):
            columns: ClassVar[tuple[str, ...]] = ("colour",)

    with pytest.raises(InvalidEventError, match="list of columns"):

        class Text(Plain):
            columns: ClassVar[Any] = "event_data"

    with pytest.raises(InvalidEventError, match="new_events"):

        class Taken(Plain):
            gathers: ClassVar[dict[str, str]] = {"new_events": "select 1"}
