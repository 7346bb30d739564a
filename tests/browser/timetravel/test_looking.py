"""TimeTravel in a real browser, looking: marks, words, changes, fields, pins.

What the page shows is compared with a fold in Python, not with the widget's own.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from esnb import EventStore, LessonClock, new_event
from esnb.course.widgets import TimeTravel
from tests.browser.timetravel.shown import Opened, Snapshotted
from tests.support import Tally

pytestmark = pytest.mark.browser


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
    shown.button("▸ items").click()
    expect(shown.button("▾ items")).to_have_attribute("aria-expanded", "true")
    shown.slider.focus()
    shown.keys(*["ArrowRight", "ArrowLeft"] * 10)
    expect(shown.button("▾ items")).to_be_visible()
    shown.button("▾ items").click()
    shown.slider.focus()
    shown.keys(*["ArrowRight", "ArrowLeft"] * 10)
    expect(shown.button("▸ items")).to_be_visible()


def test_a_closed_branch_shows_what_changed_inside_and_nothing_else(opened: Opened) -> None:
    shown = opened(at=3)
    rows = [row[0] for row in shown.rows()]
    group = rows.index("▸ items")
    inside = [name for name in rows if name.startswith(".")]
    assert rows[group + 1 : group + 1 + len(inside)] == inside
    assert [name.split(".")[1] for name in inside] == ["BOOK-7"] * len(inside) != []
    assert all(row[3] == "+ added" for row in shown.rows() if row[0].startswith("."))


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
