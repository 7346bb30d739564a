"""TimeTravel in a real browser, asking: predictions, what if, search, filter, order.

What the page shows is compared with a fold in Python, not with the widget's own.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from esnb import Event, EventStore, LessonClock, new_event
from esnb.course.widgets import TimeTravel
from esnb.shop import Order, first_orders
from tests.browser.timetravel.shown import Opened, Snapshotted

pytestmark = pytest.mark.browser


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


def test_without_a_class_what_if_says_that_it_cannot_refuse(opened: Opened) -> None:
    with EventStore(clock=LessonClock()) as store:
        events = [new_event("Received", {"amount": 50}), new_event("Raised", {"amount": 80})]
        store.append("case-1", events, expected_version=0, aggregate_type="CASE")
        shown = opened(TimeTravel(store, "case-1"))
    assert "case-1 as the latest values" in shown.root.locator(".tt-head").inner_text()
    code = shown.root.locator(".w-code code")
    expect(code).to_have_text('History(store, "case-1").at(2)')
    shown.press("what if not")
    expect(shown.panel).to_contain_text("No rules: what-if cannot refuse.")
    expect(code).to_have_text('History(store, "case-1").without(2, policy="stop")')
