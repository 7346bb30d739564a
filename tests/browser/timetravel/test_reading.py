"""TimeTravel in a real browser, for each reader: keyboard, screen reader, hall, theme, many events.

What the page shows is compared with a fold in Python, not with the widget's own.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from esnb import EventStore, LessonClock, new_event
from esnb.course.widgets import TimeTravel
from tests.browser.timetravel.shown import Opened, Snapshotted
from tests.support import Tally

pytestmark = pytest.mark.browser


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
