"""TimeTravel in a real browser: everything in sight on a small screen, and long names whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from esnb import Event, EventStore, LessonClock, new_event, shop
from esnb.course.widgets import Race, TimeTravel
from esnb.shop import Order
from tests.browser.timetravel.shown import Shown

pytestmark = pytest.mark.browser

FIELD = "the_name_of_a_field_of_forty_characters_"
TYPES = [
    f"{word}ReviewedBySeniorOfficer{k:02d}Again"[:40]
    for k, word in enumerate(("Application", "Complaint", "Contract", "Invoice", "Mortgage") * 6)
]


class Case:
    """A fold whose fields are as long as real ones."""

    def __init__(self) -> None:
        self.status: str | None = None
        self.counts: dict[str, int] = {}
        setattr(self, FIELD, 0)

    def apply(self, event: Event) -> None:
        self.status = event.type
        self.counts[event.type] = self.counts.get(event.type, 0) + 1
        setattr(self, FIELD, getattr(self, FIELD) + 1)


@pytest.fixture(scope="module")
def case() -> TimeTravel:
    """Eighty events of thirty types, each named by forty characters."""
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    with EventStore(clock=LessonClock()) as store:
        events = [
            new_event(TYPES[k * 7 % 30], {"n": k}, occurred_at=start + timedelta(minutes=13 * k))
            for k in range(80)
        ]
        store.append("case-1", events, expected_version=0, aggregate_type="CASE")
        return TimeTravel(store, "case-1", fold=Case)


@pytest.fixture
def open_case(open_page: Callable[..., Page], case: TimeTravel) -> Callable[..., Shown]:
    return lambda size: Shown(open_page(case, size=size))


def longest_order() -> TimeTravel:
    store = shop.sample()
    names = "select aggregate_id from events group by all order by count(*) desc, 1 limit 1"
    (row,) = store.sql(names).fetchall()
    return TimeTravel(store, row[0], fold=Order, at=3, stops={3: "a voucher"})


# The second is what JupyterLab leaves of 1280 by 720 for an output, its sidebar open.
@pytest.mark.parametrize("size", [(1280, 720), (825, 590)])
def test_a_small_screen_shows_timeline_sentence_actions_and_changes(
    open_page: Callable[..., Page], size: tuple[int, int]
) -> None:
    shown = Shown(open_page(longest_order(), size=size))
    changed = shown.root.locator(".tt-state tr:is(.w-added, .w-changed, .w-removed)")
    assert changed.count() >= 3
    for part in (
        shown.root.locator(".tt-timeline"), shown.root.locator(".tt-say"),
        shown.root.locator(".tt-tools"), *changed.all(),
    ):  # fmt: skip
        box = part.bounding_box()
        assert box
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= size[1], part.inner_text()
    names = shown.root.locator(".tt-state tr:not([hidden]) .tt-name")
    assert max(box["height"] for one in names.all() if (box := one.bounding_box())) < 32


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080)])
def test_long_names_are_whole(open_case: Callable[..., Shown], size: tuple[int, int]) -> None:
    shown = open_case(size)
    fields = shown.root.locator(f".tt-state .tt-name:has-text('{FIELD}')")
    box = fields.bounding_box()
    assert box
    assert box["height"] < 32, "the name of the field stands on two lines"
    cut = shown.root.locator(".tt-lane-name span").evaluate_all(
        "names => names.filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent)"
    )
    assert cut == []
    shown.check_nothing_sticks_out()


OVERLAPS = """root => {
    const own = e => [...e.childNodes].some(c => c.nodeType === 3 && c.data.trim())
    const shown = [...root.querySelectorAll('*')].filter(e => own(e)
        && e.checkVisibility({visibilityProperty: true})
        && !e.closest('.w-live, title, option') && getComputedStyle(e).display !== 'none')
    const boxes = shown.map(e => {
        const range = document.createRange()
        range.selectNodeContents(e)
        return [e, range.getBoundingClientRect()]
    }).filter(([e, b]) => {
        // What is scrolled out of its place is not seen.
        const place = e.closest('.tt-chips')?.getBoundingClientRect()
        return b.width && b.height && (!place || b.bottom <= place.bottom + 1)
    })
    const wrong = []
    boxes.forEach(([e, a], k) => boxes.slice(k + 1).forEach(([f, b]) => {
        if (e.contains(f) || f.contains(e)) return
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left)
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
        if (wide > 2 && high > 3) wrong.push(`${e.textContent} | ${f.textContent}`)
    }))
    return wrong
}"""


@pytest.mark.parametrize("size", [(700, 720), (1280, 720), (1920, 1080)])
def test_no_text_prints_over_another(
    open_case: Callable[..., Shown], size: tuple[int, int]
) -> None:
    shown = open_case(size)
    shown.button("filter").click()
    for keys in (("Home",), ("End",), ("ArrowLeft", "a", "b")):
        shown.slider.focus()
        shown.keys(*keys)
        assert shown.root.evaluate(OVERLAPS) == []


def test_the_example_of_a_time_is_one_of_this_log(open_case: Callable[..., Shown]) -> None:
    shown = open_case((1280, 720))
    box = shown.root.get_by_label("go to a time")
    box.fill(box.get_attribute("placeholder") or "")
    box.press("Enter")
    expect(box).to_have_value("")
    assert 0 < shown.at() < 80


@pytest.mark.parametrize("width", [1000, 1920, 2560])
def test_the_writers_of_a_race_stay_near_the_stream(
    open_page: Callable[..., Page], width: int
) -> None:
    page = open_page(Race(schedule="AB"), size=(width, 800))
    page.add_style_tag(content="main { max-width: none }")
    box = page.locator(".rc-scroll").bounding_box()
    assert box
    assert 600 < box["width"] < 1000
