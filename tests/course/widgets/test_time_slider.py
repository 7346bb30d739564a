"""The time sliders, by their values: what they show is what a fold, or SQL on the past, gives."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esnb import (
    EventStore,
    History,
    InvalidEventError,
    LessonClock,
    diff_states,
    new_event,
    replay,
    state_of,
)
from esnb.course.widgets import store_slider, time_slider
from esnb.course.widgets.html_parts import span
from esnb.shop import Order, first_orders, simulate


@pytest.fixture
def store() -> Iterator[EventStore]:
    with EventStore(clock=LessonClock()) as store:
        first_orders(store)
        yield store


@pytest.fixture(scope="module")
def shop() -> Iterator[EventStore]:
    with EventStore(clock=LessonClock("2026-03-02T00:00:00Z")) as store:
        simulate(store, orders=300, seed=11)
        yield store


def shown(widget: object) -> str:
    """The text of all views, without tags."""
    views = [v for name, v in vars(widget).items() if name.endswith("_view")]
    return html.unescape(re.sub(r"<[^>]*>", " ", " ".join(view.value for view in views)))


# One aggregate ----------------------------------------------------------------------------------


def test_each_position_shows_the_fold_of_the_events_up_to_it(store: EventStore) -> None:
    widget = time_slider(store, "order-1042", fold=Order)
    events = store.events("order-1042")
    assert (widget.slider.min, widget.slider.max, widget.at) == (0, 4, 4)
    for number in (2, 0, 4, 1, 3, 0):
        widget.slider.value = number
        want = state_of(replay(Order, events[:number]))
        before = state_of(replay(Order, events[: max(number - 1, 0)]))
        assert widget.state == want
        assert widget.diff == diff_states(before, want)
        assert f"after event {number} of 4" in " ".join(shown(widget).split())
        assert repr(want["status"]) in widget.state_view.value.replace("&#x27;", "'")
        assert f"at={number})" in widget.head_view.value
        card = "Before anything happened" if number == 0 else events[number - 1].event_type
        assert card in widget.event_view.value


def test_a_change_has_its_sign_and_both_values(store: EventStore) -> None:
    widget = time_slider(store, "order-1042", fold=Order, at=2)
    row = next(r for r in widget.state_view.value.split("<tr>") if ">paid<" in r)
    assert re.findall(r">([^<>]+)</td>", row) == ["paid", "0", "2690", "~ changed"]
    widget.at = 1
    assert "+ added" in widget.state_view.value
    assert "- removed" not in widget.state_view.value  # items {} only got its first key


def test_only_what_changed(store: EventStore) -> None:
    widget = time_slider(store, "order-1042", fold=Order, at=2)
    assert ">customer<" in widget.state_view.value
    widget.only_changes.value = True
    assert ">customer<" not in widget.state_view.value
    assert ">paid<" in widget.state_view.value


def test_buttons_step_and_stop_at_the_ends(store: EventStore) -> None:
    widget = time_slider(store, "order-1042", fold=Order, at=0)
    seen = []
    for _ in range(6):
        widget.next.click()
        seen.append(widget.at)
    assert seen == [1, 2, 3, 4, 4, 4]
    for _ in range(6):
        widget.previous.click()
    assert widget.at == 0


def test_a_pin_compares_with_another_event(store: EventStore) -> None:
    widget = time_slider(store, "order-1042", fold=Order, at=1)
    widget.pin_button.value = True
    widget.at = 4
    assert widget.pin == 1
    assert widget.diff == History(store, Order, "order-1042").diff(1, 4)
    widget.pin = None
    assert not widget.pin_button.value
    assert widget.diff == History(store, Order, "order-1042").diff(3, 4)


def test_go_to_a_time(store: EventStore) -> None:
    widget = time_slider(store, "order-1042", fold=Order)
    widget.time.value = "2026-03-02T15:00:00Z"
    assert widget.at == 2
    widget.time.value = "3 pm"
    assert widget.at == 2
    assert "is not a time" in shown(widget)
    widget.time.value = "2026-03-02T08:00:00Z"
    assert widget.at == 0
    assert "is not a time" not in shown(widget)
    with pytest.raises(InvalidEventError, match="0 to 4"):
        widget.at = 5


def test_the_way_there_names_the_snapshot_that_a_load_would_use() -> None:
    class Small(Order):
        snapshot_every = 3

    with EventStore(clock=LessonClock()) as store:
        first_orders(store)
        Small.take_snapshot(store, "order-1042")
        widget = time_slider(store, "order-1042", fold=Small)
        assert "snapshot at 4 + 0 events" in widget.head_view.value
        assert str(store.load(Small, "order-1042").origin) == "snapshot at 4 + 0 events"
        widget.at = 3
        assert "replays 3 events" in widget.head_view.value
        assert str(store.load(Small, "order-1042", at=3).origin) == "3 events"


def test_event_data_is_text_and_never_html() -> None:
    nasty = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    with EventStore(clock=LessonClock()) as store:
        item = {"sku": nasty, "quantity": 1, "price": 1}
        metadata = {"actor": nasty, nasty: nasty}
        event = new_event("OrderPlaced", customer=nasty, items=[item], metadata=metadata)
        odd = new_event(nasty, data={nasty: nasty})
        store.append(nasty, [event, odd], expected_version=0, aggregate_type="ORDER")
        query = "select event_data->>'$.customer' as \"<b>\", 1 as x from events"
        widgets = time_slider(store, nasty, fold=Order), store_slider(store, query=query)
        for widget in widgets:
            for place in range(widget.slider.max + 1):
                widget.slider.value = place
                views = [v.value for name, v in vars(widget).items() if name.endswith("_view")]
                for page in [*views, widget._repr_mimebundle_()["text/html"]]:
                    assert not re.search(r"<(script|img src=x|b>\")", page)
        assert "&lt;script&gt;" in widgets[0].event_view.value


def test_the_stored_output_reads_without_a_widget(store: EventStore) -> None:
    bundles = [
        time_slider(store, "order-1042", fold=Order, at=2)._repr_mimebundle_() for _ in range(2)
    ]
    text = "<time slider: order-1042 as Order, at event 2 of 4>"
    assert bundles[0]["text/plain"] == text
    assert bundles[0]["text/html"] == bundles[1]["text/html"]
    assert 'src="data:image/png;base64,' in bundles[0]["text/html"]
    assert "<table" in bundles[0]["text/html"]
    assert "<svg" not in bundles[0]["text/html"]  # its letters would stay, without the drawing
    assert "application/vnd.jupyter.widget-view+json" in bundles[0]
    assert len(bundles[0]["text/html"]) < 60_000


def test_a_long_stream_is_drawn_as_counts_and_cut_in_words() -> None:
    with EventStore(clock=LessonClock()) as store:
        items = [{"sku": f"S{n}", "quantity": 1, "price": 1} for n in range(200)]
        events = [new_event("OrderPlaced", customer="ada", items=items)]
        events += [new_event("ItemRemoved", sku=f"S{n}") for n in range(150)]
        store.append("order-1", events, expected_version=0, aggregate_type="ORDER")
        widget = time_slider(store, "order-1", fold=Order, at=100)
        assert "<svg" not in widget.strip_view.value
        assert "more fields" in widget.state_view.value
        assert ">items.S98.quantity<" in widget.state_view.value  # what changed is never cut
        assert len(widget.state_view.value) < 60_000


def test_names_for_who_does_not_see_the_buttons(store: EventStore) -> None:
    widget = time_slider(store, "order-1042", fold=Order)
    named = [widget.previous, widget.next, widget.play, widget.pin_button, widget.time]
    assert all(control.description and control.tooltip for control in named)
    assert widget.clock.layout.display == "none"


def test_projector_is_larger_and_shows_less(store: EventStore) -> None:
    widget = time_slider(store, "order-1042", fold=Order, projector=True)
    assert "22px" in widget.state_view.value
    assert ">customer<" not in widget.state_view.value


# A whole store ----------------------------------------------------------------------------------


def counted(store: EventStore, when: datetime) -> Counter[str]:
    return Counter(e.event_type for e in store.read_all() if e.occurred_at <= when)


def test_each_stop_counts_what_had_occurred(shop: EventStore) -> None:
    widget = store_slider(shop, every="1D")
    assert widget.slider.max == 56
    for stop in (0, 1, 30, 56, 29):
        widget.slider.value = stop
        counts = widget.counts.set_index("event_type")
        want = counted(shop, widget.at)
        assert {name: n for name, n in counts["events"].items() if n} == want
        before = counted(shop, widget.at - timedelta(days=1)) if stop else Counter[str]()
        assert {name: n for name, n in counts["new"].items() if n} == want - before


def test_each_stop_knows_the_latest_event_and_the_new_and_changed(shop: EventStore) -> None:
    widget = store_slider(shop, every="1D", start="2026-01-20T00:00:00Z")
    events = list(shop.read_all())
    for stop in (0, 1, 17, widget.slider.max):
        widget.slider.value = stop
        now = [e for e in events if e.occurred_at <= widget.at]
        latest = {
            e.aggregate_id: e.event_type for e in sorted(now, key=lambda e: e.sequence_number)
        }
        found = widget.counts.set_index("event_type")["latest_of"]
        assert {name: n for name, n in found.items() if n} == Counter(latest.values())
        if stop == 0:
            assert widget.aggregates["aggregates"].sum() == len(latest) > 0
            assert (
                widget.aggregates[["new", "changed"]].sum().sum() == widget.counts["new"].sum() == 0
            )
            assert "since the stop before" not in shown(widget)
        else:
            old = {e.aggregate_id for e in now if e.occurred_at <= widget.stops[stop - 1]}
            moved = {e.aggregate_id for e in now if e.occurred_at > widget.stops[stop - 1]}
            assert widget.aggregates["new"].sum() == len(set(latest) - old)
            assert widget.aggregates["changed"].sum() == len(moved & old)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(0, 5))
def test_clocks_that_disagree(minutes: list[int], asked: int) -> None:
    """The latest event is the one with the highest number among those that had occurred."""
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    events = [
        new_event(f"Type{n}", occurred_at=start + timedelta(minutes=m))
        for n, m in enumerate(minutes)
    ]
    with EventStore(clock=LessonClock()) as store:
        store.append("a", events, expected_version=0, aggregate_type="A")
        widget = store_slider(store, every="1min", start="2026-03-02T08:59:00Z")
        when = start + timedelta(minutes=min(asked, max(minutes)))
        widget.at = when
        inside = [e for e in store.events("a") if e.occurred_at <= when]
        found = widget.counts.set_index("event_type")["latest_of"]
        want = {inside[-1].event_type: 1} if inside else {}
        assert {name: n for name, n in found.items() if n} == want
        assert widget.counts["events"].sum() == len(inside)


def test_a_query_is_run_on_the_past_and_marked(shop: EventStore) -> None:
    query = "select event_type, count(*) as n from events group by all order by all"
    widget = store_slider(shop, query=query, every="1D")
    widget.slider.value = 1
    assert widget.result.equals(shop.as_of("2026-01-06T00:00:00Z").sql(query).df())
    assert "+ added" in widget.query_view.value
    widget.slider.value = 20
    assert widget.result.equals(shop.as_of("2026-01-25T00:00:00Z").sql(query).df())
    n_19, n_20 = (dict(widget._answer(k).values)["OrderPlaced"] for k in (19, 20))
    assert f"{n_19} -> {n_20}" in shown(widget)
    widget.slider.value = 0
    assert "+ added" not in widget.query_view.value


def test_a_wrong_query_says_so_and_the_slider_lives(shop: EventStore) -> None:
    widget = store_slider(shop, query="select nothing from nowhere", every="1D")
    assert "The query fails" in shown(widget)
    widget.slider.value = 3
    assert "as of" in shown(widget)


def test_a_store_that_was_closed_says_so() -> None:
    store = EventStore(clock=LessonClock())
    first_orders(store)
    widget = store_slider(store, every="1h")
    store.close()
    widget.slider.value = 3
    assert "closed" in shown(widget)
    assert "as of 2026-03-02 11:00:00 UTC" in " ".join(shown(widget).split())


def test_time_zone_and_bounds(shop: EventStore) -> None:
    widget = store_slider(shop, every="1h", start="2026-01-26T00:00:00Z",
                          end="2026-01-27T00:00:00Z", zone="America/New_York")  # fmt: skip
    assert widget.slider.max == 24
    widget.at = "2026-01-26T20:00:00Z"
    assert "2026-01-26 15:00:00 EST" in shown(widget)
    assert widget.past.position == sum(counted(shop, widget.at).values())
    with pytest.raises(InvalidEventError, match="outside"):
        widget.at = "2026-01-28T00:00:00Z"


def test_refusals_say_what_to_do(shop: EventStore) -> None:
    with pytest.raises(InvalidEventError, match="1h"):
        store_slider(shop, every="soon")
    with pytest.raises(InvalidEventError, match="longer step"):
        store_slider(shop, every="1s")
    with EventStore() as empty, pytest.raises(InvalidEventError, match="empty"):
        store_slider(empty)


def test_the_default_has_at_most_200_stops(store: EventStore, shop: EventStore) -> None:
    for some in (store, shop):
        widget = store_slider(some)
        assert widget.slider.max <= 200
        assert widget.counts["events"].sum() == some.position
        widget.slider.value = 0
        assert widget.counts["events"].sum() == 0


def test_the_stored_output_of_a_store(shop: EventStore) -> None:
    first, second = (store_slider(shop, every="1D")._repr_mimebundle_() for _ in range(2))
    assert first["text/plain"] == (
        "<store slider: 1288 events, 56 stops of 1 d, at 2026-03-02 00:00:00 UTC>"
    )
    assert first["text/html"] == second["text/html"]
    assert "data:image/png;base64," in first["text/html"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "250 ms"), (1, "1 s"), (61, "1 min 1 s"), (90061, "1 d 1 h"), (-60, "1 min")],
)
def test_span(seconds: float, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text
