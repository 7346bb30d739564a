"""What the browser gets of a stream: commands, times, snapshots, marks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from esnb import Event, EventStore, History, LessonClock, new_event
from esnb.clock import utc
from esnb.course import figures
from esnb.course.widgets import payload
from esnb.shop import Order
from tests.course.widgets.tapes import SOME
from tests.node import needs_node
from tests.support import Snapped, Tally, fill


@needs_node
def test_a_command_is_one_append(ask: Callable[..., Any]) -> None:
    with EventStore(clock=LessonClock()) as store:
        order = store.new(Order, "order-1")
        order.place("ada", [{"sku": "A", "quantity": 1, "price": 500}])
        order.add_item("B", 2, 100)
        store.save(order)
        order.pay()
        store.save(order)
        numbers = payload.commands_of(store.events("order-1"))
    assert numbers == [0, 0, 1]
    assert ask("commands", command=numbers) == [[0, 2, 3], [0, 2, 3]]


def test_commands_by_id_and_in_a_bulk_load() -> None:
    event = new_event("A", occurred_at="2026-03-02T09:00:00Z", metadata={"command_id": "x"})
    other = new_event("A", occurred_at="2026-03-02T11:00:00Z", metadata={"command_id": "x"})
    assert payload.commands_of([event, other]) == [0, 0]
    times = ["2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z", "2026-03-02T11:00:00Z"]
    assert payload.commands_of([new_event("A", occurred_at=time) for time in times]) == [0, 0, 1]


@needs_node
@SOME
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=8),
    st.lists(st.integers(-1, 7), min_size=1, max_size=6),
)
def test_as_of_is_inclusive_also_with_equal_times(
    ask: Callable[..., Any], seconds: list[int], questions: list[int]
) -> None:
    start = utc("2026-03-02T09:00:00Z")
    events = [new_event("Added", occurred_at=start + timedelta(seconds=s)) for s in seconds]
    past = History.of(events, Tally)
    wanted = [start + timedelta(seconds=q) for q in questions]
    times = [payload.micros(e.occurred_at) for e in events]
    found = ask("numberAt", times=times, at=[payload.micros(t) for t in wanted])
    assert found == [past.number_at(t) for t in wanted]
    texts = [t.isoformat() for t in wanted]
    assert ask("parseTime", texts=texts) == [payload.micros(t) for t in wanted]


@needs_node
@SOME
@given(st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1)))  # what a double holds exactly
def test_times_are_written_to_the_microsecond(ask: Callable[..., Any], time: Any) -> None:
    us = payload.micros(utc(time.isoformat() + "Z"))
    text = ask("moment", times=[us])[0]
    assert ask("parseTime", texts=[text]) == [us]
    assert text.startswith(time.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0"))


@needs_node
def test_how_we_got_here_equals_an_instrumented_load(ask: Callable[..., Any]) -> None:
    applied = 0

    class Counted(Snapped):
        def apply(self, event: Event) -> None:
            nonlocal applied
            applied += 1
            super().apply(event)

    Counted.aggregate_type = "TALLY"
    with EventStore(clock=LessonClock()) as store:
        tally = store.new(Counted, "t")
        for n in range(11):
            tally.add(n)
            store.save(tally)
        snapshots, unused = payload.snapshots_of(store, Counted, "t")
        assert snapshots == [3, 6, 9]
        assert unused == []
        for use in (True, False):
            told = ask("origin", snapshots=snapshots, n=11, use=use)
            for number in range(1, 12):
                applied = 0
                if use:
                    loaded = store.load(Counted, "t", at=number)
                    assert told[number]["snapshot"] == loaded.origin.snapshot
                else:
                    History.of(store.events("t", upto=number), Counted, check=False)
                assert told[number]["applied"] == applied

        Counted.state_version = 2
        assert payload.snapshots_of(store, Counted, "t")[0] == []
        reason = "its state_version is 1, the code's 2"
        assert payload.snapshots_of(store, Counted, "t")[1] == [[n, reason] for n in (3, 6, 9)]


def test_no_snapshots_where_a_load_uses_none(store: EventStore) -> None:
    assert payload.snapshots_of(store, Order, "order-1042") == ([], [])
    fill(store, "t", 4)
    Snapped.take_snapshot(store, "t")
    assert payload.snapshots_of(store, Tally, "t") == ([], [])
    assert payload.snapshots_of(store, Snapped, "t") == ([4], [])
    assert payload.snapshots_of(store.as_of(store.position), Snapped, "t") == ([], [])


NAMES = st.lists(
    st.one_of(st.sampled_from([*figures.MARKS, "Opened", "Operated", "Oped"]), st.text(max_size=4)),
    max_size=10, unique=True,
)  # fmt: skip


@given(NAMES)
def test_event_types_differ_without_colour(names: list[str]) -> None:
    drawn = payload.drawings(names)
    assert [one["name"] for one in drawn] == names
    assert len({one["code"] for one in drawn}) == len(names)
    own = [one for one in drawn if one["name"] not in figures.MARKS]
    assert len({one["points"] for one in own}) == len(own)
    for name in set(names) & set(figures.MARKS):
        one = next(one for one in drawn if one["name"] == name)
        assert (one["code"], one["hue"]) == (figures.mark(name).code, figures.mark(name).hue)
