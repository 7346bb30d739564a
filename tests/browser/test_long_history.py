"""TimeTravel on a long stream in a real browser: its windows come from Python when asked for.

The page of `to_html` is opened, and its model is joined to the widget in this process: what the
page sends is answered as a kernel would, after a while, or not at all.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from esnb import EventStore, History, LessonClock, diff_states, new_event
from esnb.course.widgets import TimeTravel, long_history
from tests.browser.timetravel.shown import Shown
from tests.lab import Lab, notebook
from tests.support import Tally

pytestmark = pytest.mark.browser

N = 2000


class Basket(Tally):
    """Holds the last value of each of seven keys, and a count that grows slowly."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, int] = {}
        self.rare = 0

    def apply(self, event: Any) -> None:
        n = event.data["n"]
        self.held[f"k{n % 7}"] = n
        if n % 600 == 599:
            self.rare += 1


@pytest.fixture(scope="module")
def store() -> Iterator[EventStore]:
    with EventStore(clock=LessonClock()) as made:
        kinds = ("Added", "Noted", "Counted", "Moved")
        events = [new_event(kinds[n % 3 if n % 100 else 3], n=n) for n in range(N)]
        for first in range(0, N, 4):
            made.append("t", events[first : first + 4], expected_version=first,
                        aggregate_type="TALLY")  # fmt: skip
        yield made


Joined = Callable[..., Shown]


@pytest.fixture
def joined(
    open_page: Callable[..., Page], store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> Joined:
    """Open the page of a long TimeTravel with a kernel behind it, or without: `kernel=False`."""
    monkeypatch.setattr(long_history, "LONG_ABOVE", 100)
    monkeypatch.setattr(long_history, "SPAN", 64)

    def open_long(
        *, kernel: bool = True, theme: Any = "light", size: tuple[int, int] = (1100, 1000),
        **options: Any,
    ) -> Shown:  # fmt: skip
        tt = TimeTravel(store, "t", **{"fold": Basket, "progress": False, **options})
        sent: list[tuple[Any, ...]] = []
        tt.send = lambda *content: sent.append(content)  # type: ignore[method-assign, assignment]

        def answer(text: str) -> str:
            tt._on_message(tt, json.loads(text), [])
            content, buffers = [*sent.pop(), []][:2]
            return json.dumps([content, [base64.b64encode(b).decode() for b in buffers]])

        behind = answer if kernel else None
        return Shown(open_page(tt, size=size, theme=theme, motion="reduce", kernel=behind))

    return open_long


def go(shown: Shown, number: int) -> None:
    box = shown.root.get_by_label("event number")
    box.fill(str(number))
    box.press("Enter")


def folded(store: EventStore, number: int) -> dict[str, str]:
    state = History(store, Basket, "t", check=False).state(number)
    return {path: repr(value) for path, value in diff_states({}, state).added.items()}


def test_any_place_shows_the_fold(joined: Joined, store: EventStore) -> None:
    shown = joined()
    title = shown.root.locator(".tt-state h3")
    for number in (1999, 1, 1000, 64, 65, 1345, 0, 2000):
        go(shown, number)
        expect(title).to_have_text(f"State after event {number}" if number
                                   else "State before anything happened")  # fmt: skip
        assert shown.state() == folded(store, number)
    go(shown, 700)
    expect(shown.root.locator(".tt-json").first).to_have_text('{"n": 699}')
    expect(shown.root.get_by_role("status")).to_contain_text("event 700, Added: held.k6 692 to 699")
    shown.slider.focus()
    for number in range(699, 635, -1):  # over the edge of a window, without waiting for it
        shown.keys("ArrowLeft")
        assert shown.at() == number
    expect(title).to_have_text("State after event 636")
    assert shown.state() == folded(store, 636)


def test_one_request_at_a_time_and_the_newest_wins(joined: Joined) -> None:
    shown = joined()
    shown.page.evaluate("""async () => {
        late = 150
        asked.length = 0
        for (const at of [100, 300, 500, 700, 900, 1100]) {
            timetravel.set('at', at)
            await new Promise(requestAnimationFrame)
        }
    }""")
    expect(shown.root.locator(".tt-state h3")).to_have_text("State after event 1100")
    asked = shown.page.evaluate("asked.map(a => a.at)")
    assert asked[0] == 100
    assert 1100 in asked
    assert not {500, 700, 900} & set(asked)


def test_a_veil_after_100_ms_and_none_before(joined: Joined) -> None:
    shown = joined()
    stale = shown.root.locator("xpath=self::*[contains(@class, 'tt-stale')]")
    shown.page.evaluate("""() => {
        late = 600
        window.seen = []
        const root = document.querySelector('.esnb-tt')
        const begin = performance.now()
        new MutationObserver(() => seen.push([root.classList.contains('tt-stale'),
            performance.now() - begin])).observe(root, {attributeFilter: ['class']})
        timetravel.set('at', 500)
    }""")
    expect(stale).to_have_count(1)
    assert shown.at() == 500
    expect(shown.root.locator(".tt-state h3")).to_have_text("State after event 2000")
    expect(shown.root.locator(".tt-late")).to_have_text("Event 500 is on its way.")
    expect(shown.root.locator(".tt-event-head")).to_contain_text("Noted")
    expect(shown.root.locator(".tt-state h3")).to_have_text("State after event 500")
    expect(stale).to_have_count(0)
    expect(shown.root.locator(".tt-late")).to_be_empty()
    first = next(when for on, when in shown.page.evaluate("seen") if on)
    assert first >= 95


def test_a_kernel_that_does_not_answer(joined: Joined) -> None:
    shown = joined()
    shown.page.evaluate("() => { deaf = true }")
    go(shown, 500)
    late = shown.root.locator(".tt-late")
    expect(late).to_have_text("The kernel does not answer: it is busy, or gone.", timeout=12_000)
    shown.page.evaluate("() => { deaf = false }")
    shown.slider.focus()
    shown.keys("ArrowLeft")
    expect(shown.root.locator(".tt-state h3")).to_have_text("State after event 499")
    expect(late).to_be_empty()


def test_without_a_kernel_a_part_is_there(joined: Joined, store: EventStore) -> None:
    shown = joined(kernel=False, at=1000, stops={7: "seven"})
    assert shown.state() == folded(store, 1000)
    shown.slider.focus()
    shown.keys("ArrowLeft", "Shift+ArrowLeft")
    assert shown.at() == 7
    assert shown.state() == folded(store, 7)
    go(shown, 1500)
    expect(shown.root.locator(".tt-late")).to_contain_text("Run the notebook for the rest")
    expect(shown.root.locator(".tt-state h3")).to_have_text("State after event 7")


def test_fields_filters_and_neighbours(joined: Joined) -> None:
    shown = joined(at=1000)
    shown.root.get_by_role("button", name="rare", exact=True).click()
    bar = shown.root.locator(".tt-field")
    expect(bar).to_contain_text("in events 961 to 1024, rare was changed by 0 events")
    shown.slider.focus()
    shown.keys("]")
    expect(shown.slider).to_have_value("1200")
    expect(bar).to_contain_text("in events 1153 to 1216, rare was changed by 1 event: 1200")
    shown.keys("]")
    expect(shown.slider).to_have_value("1800")
    shown.keys("]")
    expect(shown.root.get_by_role("alert")).to_have_text("rare changes nowhere after this.")
    shown.root.get_by_role("button", name="rare", exact=True).click()
    shown.slider.focus()
    shown.keys("f")
    shown.root.locator(".tt-chip", has_text="Moved").click()
    expect(bar).to_contain_text("Moved: 20 events: 1, 101, 201")
    shown.slider.focus()
    shown.keys("[", "[")
    expect(shown.slider).to_have_value("1601")
    text = shown.root.get_by_label("events that mention a text")
    text.fill('"n":16')
    text.press("Enter")
    expect(bar).to_contain_text('with “"n":16”: 1 event: 1601')
    assert shown.root.locator(".tt-near-mark.tt-faded").count() == 23
    marks = shown.root.locator(".tt-near-mark")
    expect(marks).to_have_count(24)
    assert "1590: " in (marks.first.get_attribute("title") or "")
    marks.first.click()
    expect(shown.slider).to_have_value("1590")
    shown.check_names_and_roles()


def test_pins_far_apart_and_what_if(joined: Joined, store: EventStore) -> None:
    shown = joined(at=10)
    shown.slider.focus()
    shown.keys("a", "End", "b", "c")
    expect(shown.root.locator(".tt-state h3")).to_have_text("From A (10) to B (2000)")
    shown.button("only what changed").click()
    shown.frame()
    one, two = folded(store, 10), folded(store, 2000)
    assert shown.state() == {path: two[path] for path in two if one.get(path) != two[path]}
    shown.keys("Escape")
    shown.slider.focus()
    shown.keys("m")
    expect(shown.panel).to_contain_text("What if event 2000 had not happened?")
    expect(shown.panel).to_contain_text("No later event is refused")


def test_the_density_counts_every_event(joined: Joined) -> None:
    shown = joined()
    heights = shown.root.locator(".tt-counts path").evaluate_all(
        "paths => paths.map(p => (p.getAttribute('d').match(/M/g) ?? []).length)"
    )
    assert len(heights) == 4
    assert heights[0] == 20  # twenty events of this type, each in a column of its own
    assert shown.root.locator(".tt-mark").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_long_streams_in_themes_and_halls(joined: Joined, theme: str) -> None:
    for projector, least in ((False, 4.5), (True, 7.0)):
        shown = joined(at=1000, theme=theme, projector=projector, size=(1280, 720))
        shown.slider.focus()
        for keys in ((), ("f",), ("Escape", "p"), ("Escape", "m")):
            shown.keys(*keys)
            shown.check_contrast(least)
            if projector and keys != ("f",):
                high = shown.page.evaluate("document.documentElement.scrollHeight")
                inside = shown.root.evaluate("e => [e.scrollHeight, e.clientHeight]")
                assert high <= 720, keys
                assert inside[0] <= inside[1], keys


def test_lab_a_long_stream_scrubs_through_the_kernel(lab: Lab, tmp_path: Path) -> None:
    sources = [
        "from esnb import EventStore, LessonClock, new_event\n"
        "from esnb.course.widgets import TimeTravel\n"
        "from esnb.shop import Account\n"
        "store = EventStore(clock=LessonClock())\n"
        "events = [new_event('AccountOpened', customer='ada')]\n"
        "events += [new_event('CreditAdded', amount=1, reason='x') for _ in range(24_999)]\n"
        "store.append('account-ada', events, expected_version=0, aggregate_type='ACCOUNT')\n",
        "tt = TimeTravel(store, 'account-ada', fold=Account)\ntt",
    ]
    lab.open(notebook(tmp_path / "long.ipynb", *sources))
    lab.run_all()
    assert lab.errors() == []
    shown = Shown(lab.page)
    shown.slider.focus()
    title = shown.root.locator(".tt-state h3")
    for key, number in (("End", 25_000), ("Home", 0), ("ArrowRight", 1)):
        shown.keys(key)
        expect(title).to_have_text(f"State after event {number}" if number
                                   else "State before anything happened")  # fmt: skip
    go(shown, 12_345)
    expect(title).to_have_text("State after event 12345")
    assert shown.state()["balance"] == "12344"
    until = time.monotonic() + 10
    while time.monotonic() < until and len(shown.root.evaluate("e => e.trips")) < 2:
        lab.page.wait_for_timeout(50)
    assert all(trip > 0 for trip in shown.root.evaluate("e => e.trips"))
    box = shown.root.get_by_role("button", name="filter")
    box.click()
    text = shown.root.get_by_label("events that mention a text")
    text.fill("opened")
    text.press("Enter")
    expect(shown.root.locator(".tt-field")).to_contain_text("“opened”: 1 event: 1")
