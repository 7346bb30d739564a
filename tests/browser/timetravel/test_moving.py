"""TimeTravel in a real browser, moving: keys, clicks, numbers and times, commands, play.

What the page shows is compared with a fold in Python, not with the widget's own.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from esnb import EventStore
from tests.browser.timetravel.shown import Opened, folded

pytestmark = pytest.mark.browser


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
    expect(shown.root.get_by_role("alert")).to_contain_text("nor a time such as 2026-03-02 1")
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
