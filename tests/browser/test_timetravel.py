"""TimeTravel in a real browser: the page that `to_html` writes, and JupyterLab.

What the page shows is compared with a fold in Python, not with the widget's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect

from esnb import Event, EventStore, LessonClock, diff_states, new_event
from esnb.course.widgets import TimeTravel
from esnb.shop import Order, first_orders, item
from tests.lab import Lab, View
from tests.support import Tally

pytestmark = pytest.mark.browser

STOPS = {1: "the order begins", 6: "the payment arrives"}


class Snapshotted(Order):
    """An order with a snapshot every 4 events."""

    snapshot_every = 4


def ten_events(store: EventStore) -> None:
    """One order in nine commands: the second one writes two events."""
    order = store.new(Snapshotted, "order-17")
    order.place("ada", [item("MUG-BLUE", 2), item("NOTEBOOK-A5")])
    store.save(order)
    order.add_item("LAMP-DESK", 1, 4500)
    order.add_item("BOOK-7", 1, 1500)
    store.save(order)
    order.remove_item("LAMP-DESK")
    store.save(order)
    store.clock.advance(hours=2)  # type: ignore[attr-defined]
    order.add_item("BOOK-7", 2, 1500)
    store.save(order)
    order.pay()
    store.save(order)
    store.clock.advance(days=2)  # type: ignore[attr-defined]
    order.ship({"BOOK-7": 1})
    store.save(order)
    order.refund(500, "a scratch <b>on it</b><script>document.title = 'owned'</script>")
    store.save(order)
    order.ship()
    store.save(order)
    order.deliver()
    store.save(order)


@pytest.fixture(scope="module")
def store() -> Iterator[EventStore]:
    with EventStore(clock=LessonClock()) as made:
        ten_events(made)
        yield made


class Shown(View):
    """A page with the widget, and what a reader finds on it."""

    root_class: ClassVar[str] = "esnb-tt"

    def __init__(self, page: Page, nth: int = 0) -> None:
        super().__init__(page, nth)
        self.slider = self.root.get_by_role("slider", name="position")
        self.marks = self.root.get_by_role("listbox")

    def at(self) -> int:
        return int(self.slider.input_value())

    def rows(self, of: str = ".tt-state tbody tr:not([hidden])") -> list[list[str]]:
        return super().rows(of)

    def state(self) -> dict[str, str]:
        """The state panel as path: text, its groups opened."""
        found, field = {}, ""
        for name, _, now, _ in self.rows():
            if name.startswith("▾ "):
                field = name[2:]
            elif name.startswith((".", "[")):
                found[field + name] = now
            elif name == "(empty)":
                found[field] = now
            else:
                found[name] = now
        return {path: text for path, text in found.items() if text}


def folded(store: EventStore, number: int) -> dict[str, str]:
    state = TimeTravel(store, "order-17", fold=Snapshotted).history.state(number)
    return {path: repr(value) for path, value in diff_states({}, state).added.items()}


Opened = Callable[..., Shown]


@pytest.fixture
def opened(open_page: Callable[..., Page], store: EventStore) -> Opened:
    """Open the page of a TimeTravel: `opened(at=3, theme="dark", size=(1280, 720))`."""

    def open_travel(
        tt: TimeTravel | None = None, *, size: tuple[int, int] = (1100, 1000),
        motion: str = "no-preference", theme: Any = "light", **options: Any,
    ) -> Shown:  # fmt: skip
        tt = tt or TimeTravel(store, "order-17", **{"fold": Snapshotted, "stops": STOPS, **options})
        return Shown(open_page(tt, size=size, theme=theme, motion=motion))

    return open_travel


# -- moving ------------------------------------------------------------------------------------


def test_every_position_shows_the_fold(opened: Opened, store: EventStore) -> None:
    shown = opened(at=0)
    shown.slider.focus()
    for number in range(11):
        assert shown.at() == number
        assert shown.state() == folded(store, number)
        code = shown.root.locator(".w-code code").inner_text()
        assert code == f'store.load(Snapshotted, "order-17", at={number})'
        shown.keys("ArrowRight")
    for number in range(10, -1, -1):
        assert shown.state() == folded(store, number)
        shown.keys("ArrowLeft")


@pytest.mark.parametrize(
    ("projector", "presses"),
    [
        (False, [("ArrowLeft", 4), ("ArrowRight", 5), ("Home", 0), ("PageDown", 10), ("PageUp", 0),
                 ("End", 10), ("Shift+ArrowLeft", 6), ("Shift+ArrowLeft", 1),
                 ("Shift+ArrowRight", 6), (".", 6), ("g", 6)]),
        (True, [("PageUp", 1), ("PageDown", 6), ("PageDown", 10), ("ArrowLeft", 9), ("Home", 0)]),
    ],
)  # fmt: skip
def test_the_table_of_keys(opened: Opened, projector: bool, presses: list[tuple[str, int]]) -> None:
    shown = opened(at=5, projector=projector)
    for place in (shown.slider, shown.marks, shown.button("play")):
        shown.slider.focus()
        shown.keys("Home", *["ArrowRight"] * 5)
        place.focus()
        for key, number in presses:
            shown.keys(key)
            assert shown.at() == number, key
        if not projector:
            assert shown.page.evaluate("document.activeElement.type") == "number"


def test_keys_stay_inside_and_shortcuts_of_the_page_do_not(opened: Opened) -> None:
    shown = opened(at=5)
    shown.page.evaluate("""() => {
        window.seen = []
        document.addEventListener('keydown', e => seen.push(e.key))
    }""")
    for place in (shown.slider, shown.marks, shown.root.get_by_label("event number")):
        place.focus()
        shown.keys("ArrowLeft", "a", "ArrowUp", "Escape")
    assert shown.page.evaluate("seen") == []
    shown.slider.focus()
    shown.keys("Control+k")
    assert shown.page.evaluate("seen") == ["Control", "k"] or shown.page.evaluate("seen") == ["k"]


def test_number_box_time_box_clicks_and_drag(opened: Opened, store: EventStore) -> None:
    shown = opened(at=10)
    fifth = store.events("order-17")[4].occurred_at
    assert fifth is not None
    page = shown.page
    box = shown.root.get_by_label("event number")
    box.fill("3")
    box.press("Enter")
    shown.frame()
    assert shown.at() == 3
    time = shown.root.get_by_label("go to a time")
    for text, number in (
        (fifth.isoformat(), 5), ("2026-03-02 08:00", 0), ("2026-03-02 09:00:00", 1),
    ):  # fmt: skip
        time.fill(text)
        time.press("Enter")
        shown.frame()
        assert shown.at() == number, text
    time.fill("yesterday")
    time.press("Enter")
    expect(shown.root.get_by_role("alert")).to_contain_text("not a time")
    for name, number in (("one step forward", 2), ("after the last", 10), ("one step back", 9),
                         ("before the first", 0)):  # fmt: skip
        shown.button(name).click()
        shown.frame()
        assert shown.at() == number
    shown.root.get_by_role("option").nth(6).click()
    shown.frame()
    assert shown.at() == 7
    track = shown.root.locator(".tt-axis-row").bounding_box()
    assert track is not None

    def x(number: int) -> float:
        return track["x"] + track["width"] * number / 10

    y = track["y"] + 2
    page.mouse.move(x(7), y)
    page.mouse.down()
    for number in (5, 2, 8):
        page.mouse.move(x(number), y, steps=5)
        shown.frame()
        assert shown.at() == number
    page.mouse.up()
    page.mouse.move(x(1), y)
    shown.frame()
    assert shown.at() == 8


def test_a_command_of_two_events_is_one_step(opened: Opened) -> None:
    shown = opened(at=0)
    shown.button("step by command").click()
    shown.slider.focus()
    seen = []
    for _ in range(4):
        shown.keys("ArrowRight")
        seen.append(shown.at())
    shown.keys("ArrowLeft", "ArrowLeft")
    assert (seen, shown.at()) == ([1, 3, 4, 5], 3)
    expect(shown.root.locator(".tt-event-lines")).to_contain_text("2 of 2 events of one command")


def test_play_halts_at_stops_and_reduced_motion_is_slow(opened: Opened) -> None:
    shown = opened(at=0)
    assert shown.at() == 0
    for _ in range(2):
        shown.button("speed").click()
    shown.slider.focus()
    shown.keys("Space")
    expect(shown.root.locator(".tt-say")).to_contain_text("the order begins")
    expect(shown.button("play")).to_have_attribute("aria-pressed", "false")
    assert shown.at() == 1
    shown.keys("Space")
    expect(shown.root.locator(".tt-say")).to_contain_text("the payment arrives")
    shown.page.wait_for_timeout(500)
    assert shown.at() == 6
    still = opened(at=1, motion="reduce")
    still.button("speed").click()
    still.button("speed").click()
    still.slider.focus()
    still.keys("Space")
    still.page.wait_for_timeout(700)
    assert still.at() == 1
    still.page.wait_for_timeout(700)
    assert still.at() == 2


# -- looking -----------------------------------------------------------------------------------


def test_marks_words_and_what_changed(opened: Opened) -> None:
    shown = opened(at=6)
    chosen = shown.root.get_by_role("option", selected=True)
    expect(chosen).to_have_attribute("aria-label", "6: PaymentReceived, 2 fields changed, PR")
    expect(shown.slider).to_have_attribute(
        "aria-valuetext", re.compile(r"event 6 of 10, PaymentReceived, 11:00:\d\d")
    )
    rows = {row[0]: row for row in shown.rows()}
    assert rows["status"][1:] == ["'PENDING'", "'PAID'", "~ changed"]
    assert rows["paid"][1:] == ["0", "7190", "~ changed"]
    assert rows["total"][3] == ""
    shown.button("only what changed").click()
    shown.frame()
    assert [row[0] for row in shown.rows()] == ["status", "paid"]
    shown.slider.focus()
    shown.keys("ArrowLeft")
    live = shown.root.get_by_role("status")
    expect(live).to_have_text(
        "event 5, ItemAdded: items.BOOK-7.quantity 1 to 3; total 4190 to 7190"
    )
    how = shown.root.locator(".tt-how-text")
    expect(how).to_have_text(
        "start from snapshot #4 ▸ apply 1 event (5) ▸ state #5. Without snapshots: 5 events"
    )
    shown.button("use snapshots").click()
    expect(how).to_have_text("start empty ▸ apply 5 events (1 to 5) ▸ state #5")


def test_an_open_branch_stays_open(opened: Opened) -> None:
    shown = opened(at=2)
    shown.button("▾ items").click()
    expect(shown.button("▸ items")).to_have_attribute("aria-expanded", "false")
    shown.slider.focus()
    shown.keys(*["ArrowRight", "ArrowLeft"] * 10)
    expect(shown.button("▸ items")).to_be_visible()
    shown.button("▸ items").click()
    shown.slider.focus()
    shown.keys(*["ArrowRight", "ArrowLeft"] * 10)
    expect(shown.button("▾ items")).to_be_visible()


def test_field_history(opened: Opened) -> None:
    shown = opened(at=10)
    shown.root.get_by_role("button", name="total", exact=True).click()
    bar = shown.root.locator(".tt-field")
    expect(bar).to_contain_text("total was changed by 5 events: 1, 2, 3, 4, 5")
    expect(bar.locator("path")).to_have_count(1)
    assert shown.root.locator(".tt-lit").count() == 5
    shown.keys("[")
    assert shown.at() == 5
    shown.keys("[", "[", "]")
    assert shown.at() == 4
    shown.button("previous [").click()
    shown.frame()
    assert shown.at() == 3


def test_pins_and_compare(opened: Opened, store: EventStore) -> None:
    shown = opened(at=1)
    shown.slider.focus()
    shown.keys("c")
    expect(shown.root.get_by_role("alert")).to_contain_text("Pin A and B first")
    shown.keys("a", "End", "b", "c")
    expect(shown.root.locator(".tt-state")).to_contain_text("From A (1) to B (10)")
    tt = TimeTravel(store, "order-17", fold=Snapshotted)
    difference = tt.history.diff(1, 10)
    shown.button("only what changed").click()
    shown.frame()
    told = shown.state()
    assert told == {
        path: repr(value)
        for path, value in {
            **difference.added, **{p: after for p, (_, after) in difference.changed.items()}
        }.items()
    }  # fmt: skip
    expect(shown.root.locator(".w-code code")).to_have_text(
        'History(store, Snapshotted, "order-17").diff(1, 10)'
    )
    shown.keys("Escape")
    expect(shown.root.locator(".tt-state")).to_contain_text("State after event 10")
    assert shown.page.evaluate("timetravel.get('pins')") == [1, 10]
    shown.button("clear pins").click()
    shown.button("keep").click()
    assert shown.page.evaluate("timetravel.get('pins')") == [1, 10]
    shown.button("clear pins").click()
    shown.button("discard").click()
    assert shown.page.evaluate("timetravel.get('pins')") == [None, None]


def test_event_data_is_text(opened: Opened) -> None:
    shown = opened(at=8)
    expect(shown.root.locator(".tt-json").first).to_contain_text(
        "<b>on it</b><script>document.title = 'owned'</script>"
    )
    assert shown.page.title() == "order-17: time travel"
    assert shown.root.locator("script, b, img").count() == 0
    evil = "<img src=x onerror=\"document.title='owned'\">"
    with EventStore(clock=LessonClock()) as store:
        data = {evil: evil, "n": 1}
        store.append(evil, [new_event("Added", data), new_event(evil, data)],
                     expected_version=0, aggregate_type="TALLY")  # fmt: skip
        shown = opened(TimeTravel(store, evil, fold=Tally, stops={1: evil, 2: evil}))
    shown.slider.focus()
    shown.keys("ArrowLeft", "p", "Escape", "m")
    shown.page.wait_for_timeout(300)
    assert shown.page.title() != "owned"
    assert shown.page.locator("img").count() == 0
    expect(shown.root.locator(".w-title")).to_contain_text(evil)


# -- asking ------------------------------------------------------------------------------------


def test_no_reveal_before_a_prediction(opened: Opened) -> None:
    shown = opened(at=5)
    shown.slider.focus()
    shown.keys("p")
    expect(shown.panel).to_contain_text("Predict event 6: PaymentReceived")
    expect(shown.marks).to_be_visible()
    commit = shown.panel.get_by_role("button", name="commit")
    expect(commit).to_be_disabled()
    shown.keys("p", "p")
    assert "actual" not in shown.panel.inner_text()
    assert shown.at() == 5
    assert shown.page.evaluate("timetravel.get('_answers')") == []
    shown.panel.get_by_label("status, paid", exact=True).check()
    expect(commit).to_be_disabled()
    shown.panel.get_by_label("'PENDING'", exact=True).check()
    expect(commit).to_be_enabled()
    shown.keys("p")
    expect(shown.panel.locator("tbody tr").nth(0)).to_contain_text("✓ match")
    expect(shown.panel.locator("tbody tr").nth(1)).to_contain_text("≠ different")
    assert shown.at() == 5
    shown.panel.get_by_label("Why is it different?").fill("I forgot the status: pay & go")
    shown.panel.get_by_role("button", name="continue").click()
    shown.frame()
    assert shown.at() == 6
    rows = shown.page.evaluate("timetravel.get('_answers')")
    assert [(row["number"], row["match"]) for row in rows] == [(6, True), (6, False)]
    assert (rows[1]["answer"], rows[1]["actual"]) == ("'PENDING'", "'PAID'")
    assert {row["why"] for row in rows} == {"I forgot the status: pay & go"}


def test_a_partial_guide_asks_before_each_step(opened: Opened) -> None:
    shown = opened(at=5, guide="partial")
    shown.slider.focus()
    shown.keys("ArrowRight")
    expect(shown.panel).to_contain_text("Predict event 6")
    assert shown.at() == 5
    for question in shown.panel.locator("fieldset").all():
        question.get_by_label("I do not know").check()
    shown.keys("p", "Tab", "Tab")
    shown.button("continue").click()
    shown.frame()
    assert shown.at() == 6
    shown.slider.focus()
    shown.keys("ArrowLeft", "ArrowRight")
    assert shown.at() == 6
    assert opened(guide="off", at=5).root.locator(".tt-say").is_hidden()


def test_what_if_without_a_kernel(opened: Opened) -> None:
    shown = opened(at=6)
    shown.slider.focus()
    shown.keys("m")
    expect(shown.panel).to_contain_text("nothing is stored")
    expect(shown.panel).to_contain_text("4 later events become impossible")
    expect(shown.panel).to_contain_text("7 OrderShipped: OrderShipped needs an order that is PAID")
    expect(shown.root.get_by_role("option").nth(5)).to_have_attribute(
        "aria-label", re.compile("muted")
    )
    rows = shown.panel.locator("tbody tr").evaluate_all(
        "rows => rows.map(r => [...r.cells].map(c => c.textContent))"
    )
    assert rows == [
        ["status", "'PAID'", "'PENDING'", "~ changed"],
        ["paid", "7190", "0", "~ changed"],
        ["shipped.BOOK-7", "1", "", "- removed"],
    ]
    expect(shown.panel).to_contain_text("fact at 7")
    expect(shown.root.locator(".w-code code")).to_have_text(
        'History(store, Snapshotted, "order-17").without(6, policy="stop")'
    )
    shown.panel.get_by_role("combobox").select_option("skip")
    expect(shown.panel).to_contain_text("fact at 10")
    shown.slider.focus()
    shown.keys("ArrowLeft", "m")
    expect(shown.panel).to_contain_text("For more, run the notebook")
    shown.keys("Escape")
    expect(shown.panel).to_be_hidden()
    assert shown.root.locator(".tt-mark.tt-muted").count() == 0


def test_find_the_first(opened: Opened, store: EventStore) -> None:
    shown = opened(at=0)
    shown.root.get_by_role("button", name="find", exact=True).click()
    shown.panel.get_by_label("field").select_option("paid")
    shown.panel.get_by_label("comparison").select_option(">")
    shown.panel.get_by_label("value").fill("0")
    shown.panel.get_by_role("button", name="search").click()
    shown.frame()
    while (probe := shown.panel.get_by_role("button", name="probe")).count():
        probe.click()
        shown.frame()
    expect(shown.panel).to_contain_text("Event 6, PaymentReceived.")
    found = TimeTravel(store, "order-17", fold=Snapshotted).history.first(lambda o: o.paid > 0)
    assert found is not None
    expect(shown.panel.locator("li")).to_have_count(len(found.probes))


def test_filter_by_type_and_text(opened: Opened) -> None:
    shown = opened(at=10)
    shown.slider.focus()
    shown.keys("f")
    bar = shown.root.locator(".tt-field")
    faded = shown.root.locator(".tt-mark.tt-faded")
    text = shown.root.get_by_label("events that mention a text")
    text.fill("book-7")
    text.press("Enter")
    expect(bar).to_contain_text("“book-7”: 4 events: 3, 5, 7, 9")
    expect(faded).to_have_count(6)
    chip = shown.root.locator(".tt-chip", has_text="OrderShipped")
    expect(chip).to_have_text("OSOrderShipped2")
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(bar).to_contain_text("OrderShipped with “book-7”: 2 events: 7, 9")
    expect(faded).to_have_count(8)
    expect(shown.root.get_by_role("option").nth(4)).to_have_attribute(
        "aria-label", "5: ItemAdded, 2 fields changed, filtered out, IA"
    )
    shown.slider.focus()
    shown.keys("[", "[", "[")
    assert shown.at() == 7
    shown.root.get_by_role("button", name="total", exact=True).click()
    expect(bar).to_contain_text("total was changed by 0 events of OrderShipped with “book-7”")
    shown.check_names_and_roles()
    shown.button("show all").click()
    expect(faded).to_have_count(0)
    expect(bar).to_contain_text("total was changed by 5 events")
    shown.root.locator(".tt-chip").first.click()
    shown.slider.focus()
    shown.keys("Escape")
    expect(faded).to_have_count(0)
    expect(shown.root.locator(".tt-filter")).to_be_hidden()


def test_refused_commands_stand_between_events(opened: Opened) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\">"
    refused = [(4, "ShipOrder", "not paid yet"), (4, evil, evil), (9, "PayOrder", "")]
    shown = opened(at=5, refused=refused)
    marks = shown.root.locator(".tt-refusal")
    expect(marks).to_have_count(3)
    assert shown.root.get_by_role("option").count() == 10
    middle = "e => { const b = e.getBoundingClientRect(); return b.x + b.width / 2 }"
    left, right = (shown.root.get_by_role("option").nth(k).evaluate(middle) for k in (3, 4))
    assert left < marks.first.evaluate(middle) < right
    assert marks.first.locator("circle").evaluate("e => getComputedStyle(e).fill") == "none"
    here = shown.root.locator(".tt-refused-here li")
    expect(here.first).to_be_hidden()
    marks.first.click()
    shown.frame()
    assert shown.at() == 4
    expect(here).to_have_count(2)
    told = "ShipOrder was refused here (no event was stored): not paid yet"
    expect(here.first).to_have_text(told)
    live = shown.root.get_by_role("status")
    expect(live).to_contain_text("Refused here: ShipOrder: not paid yet")
    assert shown.page.locator("img").count() == 0
    assert shown.page.title() != "owned"


def test_which_event_did_this(opened: Opened) -> None:
    shown = opened(at=10)
    shown.button("which event?").click()
    expect(shown.panel).to_contain_text("Which event made this change: status 'PENDING' to 'PAID'")
    expect(shown.root.locator(".tt-event-head")).to_contain_text("OrderDelivered")
    commit = shown.panel.get_by_role("button", name="commit")
    expect(commit).to_be_disabled()
    shown.panel.get_by_label("6 PaymentReceived", exact=True).check()
    commit.click()
    expect(shown.panel.locator("tbody tr")).to_contain_text("✓ match")
    assert shown.at() == 10
    shown.panel.get_by_role("button", name="continue").click()
    shown.frame()
    assert shown.at() == 6
    assert shown.page.evaluate("timetravel.get('_answers').length") == 1


class Parcels:
    """Another reading of the same events: what left the house, and when last."""

    def __init__(self) -> None:
        self.parcels = 0

    def apply(self, event: Event) -> None:
        self.parcels += event.type == "OrderShipped"


def test_another_fold_under_the_same_playhead(opened: Opened) -> None:
    shown = opened(at=8, fold=[Snapshotted, Parcels])
    expect(shown.root.locator(".tt-snap")).to_have_count(2)
    shown.button("fold: Snapshotted").click()
    expect(shown.root.locator(".w-title")).to_have_text("order-17 as Parcels")
    assert shown.state() == {"parcels": "1"}
    expect(shown.root.locator(".tt-snap")).to_have_count(0)
    expect(shown.root.locator(".w-code code")).to_have_text(
        'History(store, Parcels, "order-17").at(8)'
    )
    shown.slider.focus()
    shown.keys("ArrowRight")
    assert shown.state() == {"parcels": "2"}
    shown.keys("m")
    expect(shown.panel).to_contain_text("No later event is refused")
    shown.keys("Escape")
    shown.button("fold: Parcels").click()
    shown.frame()
    assert shown.state()["shipped.MUG-BLUE"] == "2"
    expect(shown.root.get_by_role("option").nth(8)).to_have_attribute(
        "aria-label", re.compile("9: OrderShipped, 4 fields changed")
    )


def test_put_in_order(opened: Opened) -> None:
    with EventStore(clock=LessonClock()) as store:
        first_orders(store)
        shown = opened(TimeTravel(store, "order-1042", fold=Order))
    shown.button("put in order").click()
    items = shown.panel.locator(".tt-item")
    right = ["OrderPlaced", "PaymentReceived", "OrderShipped", "OrderDelivered"]

    def types() -> list[str]:
        return [text.split()[0] for text in shown.panel.locator(".tt-item-text").all_inner_texts()]

    assert types() != right
    while types()[-1] != "OrderPlaced":
        place = types().index("OrderPlaced")
        items.nth(place).get_by_role("button", name="down").click()
        shown.frame()
    shown.panel.get_by_role("button", name="check").click()
    expect(items.first).to_contain_text("this one is not placed yet")
    for place, name in enumerate(right):
        while types().index(name) > place:
            items.nth(types().index(name)).get_by_role("button", name="up").press("Enter")
            shown.frame()
    assert types() == right
    shown.panel.get_by_role("button", name="check").click()
    expect(shown.panel).to_contain_text("This is how it happened")
    shown.check_names_and_roles()


# -- reading conditions ------------------------------------------------------------------------


def test_tab_leaves_the_widget_after_eight_stops(opened: Opened) -> None:
    shown = opened(at=5)
    page = shown.page
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('button'), {id: 'after'}))"
    )
    page.locator("body").focus()
    stops = 0
    while page.evaluate("document.activeElement.id") != "after":
        page.keyboard.press("Tab")
        stops += 1
        assert stops <= 9
    assert stops == 9
    shown.button("play").focus()
    names = []
    for _ in range(3):
        shown.keys("ArrowDown")
        names.append(page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert names == [
        "one step forward (right arrow)", "after the last event (End)",
        "before the first event (Home)",
    ]  # fmt: skip
    assert shown.at() == 5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_of_every_text(opened: Opened, theme: str) -> None:
    for projector, least in ((False, 4.5), (True, 7.0)):
        shown = opened(at=6, theme=theme, projector=projector)
        shown.slider.focus()
        for keys in ((), ("m",), ("Escape", "ArrowLeft", "p"), ("Escape", "?")):
            shown.keys(*keys)
            if shown.button("clock axis").is_visible():
                shown.button("clock axis").click()  # pressed, and under the mouse
            shown.check_contrast(least, texts_at_least=16)


def test_projector_fits_and_is_large(opened: Opened) -> None:
    shown = opened(at=6, projector=True, size=(1280, 720))
    shown.slider.focus()
    for keys in ((), ("End",), ("Home",), ("p",), ("Escape", "ArrowRight"), ("ArrowRight", "p"),
                 ("Escape",), ("a", "End", "b", "c"),
                 ("Escape", "ArrowLeft", "?"), ("Escape", "Home", "ArrowRight", "m")):  # fmt: skip
        shown.keys(*keys)
        high = shown.page.evaluate("document.documentElement.scrollHeight")
        assert high <= 720, keys
        inside = shown.root.evaluate(
            "e => [e.scrollHeight, e.clientHeight, e.scrollWidth, e.clientWidth]"
        )
        assert inside[0] <= inside[1], keys
        assert inside[2] <= inside[3], keys
    size = "e => parseFloat(getComputedStyle(e).fontSize)"
    assert shown.root.evaluate(size) >= 20
    assert shown.root.locator(".w-count").evaluate(size) == 48
    for button in shown.root.locator("button:visible:not(.tt-name)").all():
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44


def test_seven_types_differ_in_greyscale(opened: Opened, store: EventStore) -> None:
    drawn = """marks => marks.map(m => [m.querySelector('text').textContent,
        m.querySelector('polygon')?.getAttribute('points') ?? 'circle'])"""
    shown = opened(at=10)
    marks = shown.root.locator(".tt-mark").evaluate_all(drawn)
    names = [e.event_type for e in TimeTravel(store, "order-17", fold=Tally).history.events]
    by_type = {name: tuple(mark) for name, mark in zip(names, marks, strict=True)}
    assert len(by_type) == 7
    assert len({code for code, _ in by_type.values()}) == 7
    assert len({shape for _, shape in by_type.values()}) == 7
    with EventStore(clock=LessonClock()) as other:  # names that the grammar does not know
        kinds = ("Opened", "Operated", "Ordered", "Offered", "Owned", "Ousted", "Oiled")
        events = [new_event(kind, n=1) for kind in kinds]
        other.append("t", events, expected_version=0, aggregate_type="TALLY")
        marks = opened(TimeTravel(other, "t", fold=Tally)).root.locator(".tt-mark")
        for k in (0, 1):
            assert len({mark[k] for mark in marks.evaluate_all(drawn)}) == 7


def test_play_as_recorded_caps_the_gaps(opened: Opened) -> None:
    shown = opened(at=5)  # two hours to the payment, two days to what was shipped
    for _ in range(4):
        shown.button("speed").click()
    expect(shown.button("speed")).to_have_text("speed as recorded, gaps up to 1 s")
    shown.page.evaluate("""() => {
        window.begin = performance.now()
        window.seen = []
        const range = document.querySelector('.tt-range')
        setInterval(() => seen.at(-1)?.[0] !== range.value
            && seen.push([range.value, performance.now() - begin]), 10)
    }""")
    shown.slider.focus()
    shown.keys("Space")
    expect(shown.slider).to_have_value("6", timeout=3_000)
    shown.keys("Space")
    expect(shown.slider).to_have_value("7", timeout=3_000)
    seen = dict(shown.page.evaluate("seen"))
    assert 900 <= seen["6"] <= 3_000
    assert seen["7"] - seen["6"] >= 900


def test_targets_are_large_enough(opened: Opened) -> None:
    shown = opened(at=6)
    for button in shown.root.locator(
        "button:visible, select:visible, input:visible:not([type=range])"
    ).all():
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 23.9, button.inner_text()


def test_the_theme_flips_under_the_widget(opened: Opened) -> None:
    shown = opened(at=6)
    ground = "e => getComputedStyle(e).backgroundColor"
    assert shown.root.evaluate(ground) == "rgb(255, 255, 255)"
    shown.page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert shown.root.evaluate(ground) == "rgb(17, 17, 17)"
    ink = shown.root.locator(".tt-mark .w-shape").first.evaluate("e => getComputedStyle(e).stroke")
    assert ink == "rgb(236, 236, 236)"


def test_names_and_roles(opened: Opened) -> None:
    shown = opened(at=6)
    shown.slider.focus()
    for keys in ((), ("m",), ("Escape", "ArrowLeft", "p"), ("Escape", "?"), ("Escape", "Home")):
        shown.keys(*keys)
        shown.check_names_and_roles()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened: Opened, theme: str) -> None:
    shown = opened(at=6, theme=theme, refused=[(6, "ShipOrder", "no")])
    shown.slider.focus()
    for keys in ((), ("f",), ("Escape", "m"), ("Escape", "ArrowLeft", "p"), ("Escape", "?")):
        shown.keys(*keys)
        shown.check_axe()


def test_many_events_are_drawn_as_counts(opened: Opened) -> None:
    with EventStore(clock=LessonClock()) as store:
        events = [new_event("Added" if n % 3 else "Noted", n=n) for n in range(1200)]
        store.append("t", events, expected_version=0, aggregate_type="TALLY")
        shown = opened(TimeTravel(store, "t", fold=Tally))
    assert shown.root.locator(".tt-mark").count() == 0
    assert shown.root.locator(".tt-counts path").count() == 2
    shown.slider.focus()
    shown.keys("PageUp", "ArrowLeft")
    assert shown.at() == 1189
    shown.keys("m")
    expect(shown.panel).to_contain_text("Run the notebook")


def test_the_clock_axis_folds_long_gaps(opened: Opened) -> None:
    shown = opened(at=6)
    before = [b["x"] for m in shown.root.get_by_role("option").all() if (b := m.bounding_box())]
    shown.button("clock axis").click()
    shown.frame()
    after = [b["x"] for m in shown.root.get_by_role("option").all() if (b := m.bounding_box())]
    assert before != after == sorted(after)
    assert shown.root.locator(".tt-fold").count() >= 2
    shown.root.get_by_role("option").nth(3).click()
    shown.frame()
    assert shown.at() == 4


def test_a_page_inside_a_cell(chromium: Browser, store: EventStore) -> None:
    """What a published notebook holds: the page in a frame without rights, and no network."""
    frame = TimeTravel(store, "order-17", fold=Snapshotted, at=5).static(height=900)
    context = chromium.new_context(offline=True)
    try:
        page = context.new_page()
        page.set_content(f"<body>{frame._repr_html_()}</body>")
        inside = page.frame_locator("iframe")
        slider = inside.get_by_role("slider", name="position")
        slider.focus()
        page.keyboard.press("ArrowRight")
        expect(slider).to_have_value("6")
        inside.get_by_role("button", name="copy", exact=True).click()
        expect(inside.locator(".w-code")).to_contain_text("cop")
    finally:
        context.close()


# -- in JupyterLab -----------------------------------------------------------------------------

SET_UP = """
from esnb import EventStore, LessonClock
from esnb.shop import Order, first_orders
from esnb.course.widgets import TimeTravel
store = EventStore(clock=LessonClock()); first_orders(store)
tt = TimeTravel(store, "order-1042", fold=Order, stops={2: "paid"})
"""


def notebook(path: Path, *sources: str) -> Path:
    cells = [nbformat.v4.new_code_cell(source) for source in (SET_UP, *sources)]
    kernel = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def test_lab_keys_theme_two_views_and_the_way_back(lab: Lab, tmp_path: Path) -> None:
    lab.open(notebook(tmp_path / "tt.ipynb", "tt", "tt"))
    lab.run_all()
    assert lab.errors() == []
    page = lab.page
    expect(page.locator(".esnb-tt")).to_have_count(2)
    one, two = Shown(page), Shown(page)
    two.root = page.locator(".esnb-tt").nth(1)
    two.slider = two.root.get_by_role("slider", name="position")
    active = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    for place in (one.slider, one.marks, one.button("play"), one.button("predict next")):
        place.focus()
        cell = page.evaluate(active)
        cells = page.locator(".jp-Cell").count()
        one.keys("Home", "ArrowRight", "ArrowDown", "ArrowUp", "a", "b", "m", "Escape", "ArrowLeft")
        assert page.evaluate(active) == cell
        assert page.locator(".jp-Cell").count() == cells
    one.slider.focus()
    one.keys("End", "ArrowLeft")
    assert (one.at(), two.at()) == (3, 3)

    # One clock: in 2.6 s at one step a second, two views together make two steps, not four.
    one.keys("Home")
    one.page.evaluate("window.seen = []")
    two.slider.evaluate(
        "e => setInterval(() => { if (seen.at(-1) !== e.value) seen.push(e.value) }, 20)"
    )
    one.keys("Space")
    expect(two.slider).to_have_value("2", timeout=8000)  # the stop
    page.wait_for_timeout(1300)
    assert page.evaluate("seen") == ["0", "1", "2"]
    for _ in range(50):  # Python is told when the position has settled
        told = page.evaluate("""async () => {
            const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
            let text = ''
            const future = kernel.requestExecute({code: 'print(tt.at, tt.state["status"])'})
            future.onIOPub = m => { text += m.content.text ?? '' }
            await future.done
            return text
        }""")
        if told == "2 PAID\n":
            break
        page.wait_for_timeout(100)
    assert told == "2 PAID\n"

    for _ in lab.themes():
        one.check_contrast(4.5)

    one.slider.focus()
    one.keys("Escape")
    assert not one.root.evaluate("e => e.contains(document.activeElement)")
    cell = page.evaluate(active)
    page.keyboard.press("ArrowUp" if cell else "ArrowDown")
    page.wait_for_timeout(200)
    assert page.evaluate(active) != cell


def test_lab_a_busy_kernel_still_scrubs_and_a_free_one_answers(lab: Lab, tmp_path: Path) -> None:
    lab.open(notebook(tmp_path / "busy.ipynb", "tt"))
    lab.run_all()
    shown = Shown(lab.page)
    shown.slider.focus()
    shown.keys("End", "ArrowLeft", "m", "ArrowLeft", "m")  # two muted: Python has to fold
    expect(shown.panel).to_contain_text("What if events 2, 3 had not happened?")
    expect(shown.panel).to_contain_text("1 later event becomes impossible", timeout=15_000)
    shown.keys("Escape")
    done = lab.page.evaluate_handle("""() => {
        const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
        const future = kernel.requestExecute({code: 'import time; time.sleep(8)'})
        const box = {done: false}
        future.done.then(() => { box.done = true })
        return box
    }""")
    shown.keys("Home", "ArrowRight", "ArrowRight")
    expect(shown.root.locator(".tt-state")).to_contain_text("State after event 2")
    shown.keys("m")
    expect(shown.panel).to_contain_text("2 later events become impossible")
    shown.keys("Escape", "p")
    expect(shown.panel).to_contain_text("Predict event 3")
    assert done.evaluate("box => box.done") is False
    lab.settle()


def test_lab_python_moves_the_view_and_a_reopened_notebook_reads(lab: Lab, tmp_path: Path) -> None:
    lab.open(
        notebook(tmp_path / "move.ipynb", "tt", "tt.at = 1; tt.pins = (0, 2)", "tt.what_if([2])")
    )
    lab.run_all()
    assert lab.errors() == []
    shown = Shown(lab.page)
    expect(shown.slider).to_have_value("1")
    expect(shown.root.locator(".tt-pin:visible")).to_have_count(2)
    expect(shown.panel).to_contain_text("What if event 2 had not happened?")
    lab.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    lab.page.wait_for_function(
        "() => !window.jupyterapp.shell.currentWidget.context.model.dirty", timeout=20_000
    )
    saved = next(lab.server.folder.glob("*/notebooks/move.ipynb"))
    # A clone of it elsewhere: no kernel ran, nothing is trusted.
    clone = nbformat.read(saved, as_version=4)
    clone.metadata.pop("widgets", None)
    clone.cells.append(nbformat.v4.new_markdown_cell("Another notebook: no signature is known."))
    for cell in clone.cells:
        cell.metadata.pop("trusted", None)
    nbformat.write(clone, tmp_path / "clone.ipynb")
    lab.open(tmp_path / "clone.ipynb")
    text = " ".join(lab.outputs())
    assert "Run this notebook to move through them" in text
    assert "model not found" not in text
    assert lab.page.locator(".jp-OutputArea-output img").count() == 1
