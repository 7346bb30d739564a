"""Race in a real browser: the page that `to_html` writes, and JupyterLab.

What the page shows is compared with runs against the store that the test makes itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import nbformat
import pytest
from playwright.sync_api import Page, expect

from esnb import ANY, ConcurrencyError, EventStore, LessonClock, new_event
from esnb.course.widgets import Race
from tests.lab import Lab
from tests.pages import View

pytestmark = pytest.mark.browser

STORED = "it is stored, and no more is sold than there was"
OVERSOLD = "it is stored, and one too many is sold"
REFUSED = "it is refused: a conflict"


class Shown(View):
    """A page with the widget, and what a reader finds on it."""

    root_class: ClassVar[str] = "esnb-race"

    def __init__(self, page: Page, nth: int = 0) -> None:
        super().__init__(page, nth)
        self.ada = self.root.locator(".rc-mover").nth(0)
        self.ben = self.root.locator(".rc-mover").nth(1)
        self.say = self.root.get_by_role("status")
        self.rule = self.root.locator(".rc-invariant")
        self.card = self.root.locator(".rc-conflict")

    def predict(self, text: str) -> None:
        self.root.get_by_label(text).check()
        self.keys("p")

    def steps(self) -> list[list[str]]:
        return self.rows(".rc-lanes tbody tr")

    def schedule(self) -> str:
        text = self.root.locator(".rc-plan b").inner_text()
        return "" if text == "none yet" else text

    def code(self) -> str:
        return self.root.locator(".w-code code").inner_text()


Opened = Callable[..., Shown]


@pytest.fixture
def opened(open_page: Callable[..., Page]) -> Opened:
    """Open the page of a Race: `opened(schedule="AB", theme="dark", size=(1280, 720))`."""

    def open_race(*, size: Any = (1100, 1000), theme: str = "light", motion: str = "no-preference",
                  **options: Any) -> Shown:  # fmt: skip
        shown = Shown(open_page(Race(**options), size=size, theme=theme, motion=motion))
        shown.ada.focus()
        return shown

    return open_race


def last_sold(schedule: str, guard: bool) -> tuple[int, bool]:
    """Run a schedule of three steps each against a store, by hand: how many sold, any conflict."""
    with EventStore(clock=LessonClock()) as store:
        received = new_event("StockReceived", pieces=1)
        store.append("s", [received], expected_version=0, aggregate_type="STOCK")
        seen: dict[str, int] = {}
        turns = dict.fromkeys("AB", 0)
        conflict = False
        for who in schedule:
            turns[who] += 1
            if turns[who] == 1:
                seen[who] = store.version("s")
            if turns[who] == 3 and seen[who] == 1:
                try:
                    version: Any = seen[who] if guard else ANY
                    store.append("s", [new_event("PieceSold")], expected_version=version)
                except ConcurrencyError:
                    conflict = True
        return store.version("s") - 1, conflict


# -- moving ------------------------------------------------------------------------------------


def test_step_by_step_with_keys_and_back(opened: Opened) -> None:
    shown = opened(predict=False)
    assert shown.steps() == [["0", "", "StockReceivedSR1", ""]]
    for n, key in enumerate("ababab", start=1):
        shown.keys(key)
        assert shown.schedule() == "ABABAB"[:n]
        assert len(shown.steps()) == n + 1
    rows = shown.steps()
    assert rows[1] == ["1", "reads: knows 1, 1 left", "", ""]
    assert rows[2] == ["2", "", "", "reads: knows 1, 1 left"]
    assert rows[5] == ["5", "appends, expects 1", "PieceSoldPS2", ""]
    assert rows[6] == ["6", "", "conflict, found 2", "appends, expects 1"]
    assert shown.root.locator("tr[aria-current=step]").inner_text().startswith("6")
    expect(shown.card).to_contain_text("expected version1 what Ben has read", use_inner_text=False)
    expect(shown.card).to_contain_text("found version2 what is there now", use_inner_text=False)
    expect(shown.card).to_contain_text(
        "stored in between2 PieceSold, buyer ada", use_inner_text=False
    )
    assert shown.code() == (
        'store.append("stock-LAMP-DESK", [new_event("PieceSold", buyer="ben")], expected_version=1)'
    )
    expect(shown.rule).to_have_text("rule: sold ≤ received  1 ≤ 1 holds")
    for n in range(5, -1, -1):
        shown.keys("ArrowLeft")
        assert shown.schedule() == "ABABAB"[:n]
    assert shown.steps() == [["0", "", "StockReceivedSR1", ""]]
    shown.keys("ArrowRight", "ArrowRight")
    assert shown.schedule() == "AB"
    shown.keys("End")
    assert shown.schedule() == "ABABAB"
    shown.keys("Home")
    assert shown.schedule() == ""
    shown.keys("b", "ArrowRight")  # another way: the old plan is gone, and both could move
    assert shown.schedule() == "B"
    expect(shown.say).to_have_text("Choose who moves: a or b.")
    shown.keys("PageUp")
    assert shown.schedule() == ""


def test_retry_may_be_refused_by_the_rule(opened: Opened) -> None:
    shown = opened(schedule="ABABAB", predict=False)
    shown.button("read again and retry").last.click()
    shown.frame()
    assert shown.schedule() == "ABABABB"
    expect(shown.card).to_have_count(0)
    expect(shown.say).to_have_text("Ben reads again: version 2, 0 lamps left.")
    assert shown.page.evaluate("document.activeElement.textContent") == "Ben: decide"
    shown.keys("b", "b")
    expect(shown.say).to_contain_text("Ben is told: sold out")
    expect(shown.rule).to_contain_text("1 ≤ 1 holds")
    assert shown.steps()[-1] == ["9", "", "", "sold out"]
    shown.keys("b")
    expect(shown.say).to_have_text("Both are done.")
    shown.keys("ArrowLeft", "ArrowLeft", "ArrowLeft")
    shown.button("raise the number only").click()
    shown.frame()
    expect(shown.rule).to_have_text("rule: sold ≤ received  2 ≰ 1 BROKEN: 1 lamp too many")
    assert shown.code().endswith("expected_version=2)")
    shown.keys("ArrowLeft")
    shown.button("give up").click()
    shown.frame()
    expect(shown.say).to_contain_text("Ben gives up")
    two = opened(schedule="ABABAB", pieces=2, predict=False)
    two.keys("b", "b", "b")
    expect(two.rule).to_contain_text("2 ≤ 2 holds")


def test_nothing_is_revealed_before_a_prediction(opened: Opened) -> None:
    shown = opened()
    shown.keys(*"abab", "a")
    expect(shown.panel).to_contain_text("Predict: What will Ada's append at expected version 1 do?")
    assert shown.schedule() == "ABAB"
    for keys in (("p",), ("Enter",), ("End",), ("b",), ("PageDown",), ("s", "p"), ("?", "p")):
        shown.root.locator(".rc-mover").first.focus()
        shown.keys("a", *keys)
        assert shown.schedule() == "ABAB", keys
        assert len(shown.steps()) == 5
        shown.keys("Escape")
    if shown.root.locator(".w-keys").count():
        shown.keys("Escape")
    shown.ada.focus()
    shown.keys("a", "ArrowDown", "ArrowDown", "ArrowUp", "Enter")
    assert shown.schedule() == "ABABA"
    table = shown.panel.locator("tbody")
    expect(table).to_contain_text(OVERSOLD)
    expect(table).to_contain_text(STORED)
    expect(table).to_contain_text("≠ different")
    shown.keys("p", "b")
    expect(shown.panel).to_contain_text("Ben's append at expected version 1")
    expect(shown.card).to_have_count(0)
    shown.predict(REFUSED)
    expect(shown.panel.locator("tbody")).to_contain_text("✓ match")
    expect(shown.card).to_be_visible()
    shown.root.get_by_label("why?").fill("Ada was <b>first</b>")
    shown.keys("Enter")
    rows = shown.page.evaluate("window.timetravel.get('_answers')")
    assert [(r["schedule"], r["guard"], r["writer"], r["match"], r["why"]) for r in rows] == [
        ("ABABA", "expected version", "ada", False, ""),
        ("ABABAB", "expected version", "ben", True, "Ada was <b>first</b>"),
    ]
    assert (rows[1]["answer"], rows[1]["actual"]) == (REFUSED, REFUSED)
    # What is known by now is not asked again.
    shown.keys("ArrowLeft", "b")
    assert shown.schedule() == "ABABAB"


def test_guard_off_runs_the_same_order_again(opened: Opened) -> None:
    shown = opened()
    for key in "ababa":
        shown.keys(key)
    shown.predict(STORED)
    shown.keys("p", "b")
    shown.predict(REFUSED)
    shown.keys("p", "g")
    expect(shown.button("guard")).to_have_attribute("aria-pressed", "false")
    assert shown.schedule() == "ABAB"
    expect(shown.say).to_contain_text("up to the next append")
    shown.keys("ArrowRight")
    expect(shown.panel).to_contain_text("append without a check")
    shown.predict(STORED)
    shown.keys("p", "ArrowRight")
    shown.predict(OVERSOLD)
    expect(shown.rule).to_have_text("rule: sold ≤ received  2 ≰ 1 BROKEN: 1 lamp too many")
    assert shown.steps()[-1] == ["6", "", "PieceSoldPS3 too many", "appends, any version"]
    assert "expected_version=ANY" in shown.code()
    shown.keys("p", "g")
    assert shown.schedule() == "ABABAB"
    expect(shown.rule).to_contain_text("1 ≤ 1 holds")


def test_a_crash_and_the_same_event_again(opened: Opened) -> None:
    shown = opened(schedule="ABAB")
    shown.press("Ada: crash before the append")
    assert shown.schedule() == "ABABA!"
    expect(shown.say).to_contain_text("Nothing is stored: a decision is not a fact.")
    assert shown.steps()[-1] == ["5", "crashes, nothing sent", "", ""]
    expect(shown.ada).to_have_text("Ada: done")
    assert shown.has_focus()
    shown.keys("ArrowLeft")
    expect(shown.root.locator(".rc-trouble:visible")).to_have_count(2)
    shown = opened(schedule="AA")
    shown.keys("a")
    shown.predict(STORED)
    shown.press("Ada: no answer: send it again")
    expect(shown.panel).to_contain_text("What will Ada's second try with the same event do?")
    shown.predict("it is stored already: nothing is added")
    expect(shown.panel).to_contain_text("✓ match")
    assert shown.steps()[-1] == ["4", "the same event again", "2 already", ""]
    expect(shown.rule).to_have_text("rule: sold ≤ received  1 ≤ 1 holds")
    assert shown.code().startswith('same = store.events("stock-LAMP-DESK")[1]; store.append(')
    shown.keys("p", "b")
    assert shown.schedule() == "AAAA=B"


# -- all schedules -----------------------------------------------------------------------------


def test_the_table_of_schedules(opened: Opened) -> None:
    shown = opened()
    shown.keys("s")
    expect(shown.panel).to_contain_text("Predict: How many of the 20 schedules meet a conflict?")
    assert shown.root.locator(".rc-chip").count() == 0
    box = shown.panel.get_by_label("Predict")
    box.fill("lots")
    shown.keys("Enter")
    expect(shown.say).to_have_text("A number from 0 to 20.")
    box.fill("5")
    shown.keys("Enter")
    expect(shown.panel).to_contain_text("≠ different")
    expect(shown.panel).to_contain_text(
        "With the guard: 2 clean, 18 conflict, 0 oversold. Without: 2 clean, 18 oversold."
    )
    chips = shown.root.locator(".rc-chip")
    expect(chips).to_have_count(20)
    names = chips.evaluate_all("all => all.map(c => c.textContent)")
    for n in range(0, 20, 3):
        schedule = names[n][:6]
        sold, conflict = last_sold(schedule, True)
        bare, _ = last_sold(schedule, False)
        end = "conflict" if conflict else "clean"
        sign = "" if conflict else "✓"
        other = "oversold" if bare > 1 else "clean"
        assert names[n] == f"{schedule}{sign}{end}, without the guard {other}"
        chips.nth(n).click()
        shown.frame()
        assert shown.schedule() == schedule
        expect(shown.rule).to_contain_text(f"{sold} ≤ 1 holds")
        expect(shown.card).to_have_count(1 if shown.steps()[-1][2].startswith("conflict") else 0)
        assert chips.nth(n).get_attribute("aria-pressed") == "true"
        shown.keys("ArrowLeft")  # undo works on a replayed one as well
        assert shown.schedule() == schedule[:-1]
    shown.keys("g")
    expect(chips.nth(1)).to_contain_text("oversold")
    chips.nth(1).click()
    shown.frame()
    expect(shown.rule).to_contain_text("BROKEN")
    chips.nth(1).focus()
    shown.keys("ArrowDown", "Enter")
    assert shown.schedule() == names[2][:6]


# -- keys, roles, colours, sizes ---------------------------------------------------------------


def test_tab_leaves_the_widget(opened: Opened) -> None:
    for options in ({"schedule": "ABABAB"}, {"schedule": "ABABA"}):
        shown = opened(**options)
        if options["schedule"] == "ABABA":
            shown.keys("b")  # the gate is open
        assert shown.tab_stops() <= 8


def test_up_and_down_move_inside_a_group_and_escape_leaves(opened: Opened) -> None:
    shown = opened(predict=False)
    shown.keys("ArrowDown")
    assert shown.page.evaluate("document.activeElement.textContent") == "Ben: read"
    shown.keys("ArrowUp", "ArrowUp")
    assert shown.page.evaluate("document.activeElement.textContent") == "start again"
    shown.keys("?")
    expect(shown.panel).to_contain_text("take the last step back")
    shown.keys("Escape")
    expect(shown.panel).to_be_hidden()
    assert shown.has_focus()
    shown.keys("Escape")
    assert not shown.has_focus()


PLACES = [
    ("", ()),
    ("ABABA", ("b",)),
    ("ABABAB", ()),
    ("ABABAB", ("s",)),
    ("", ("?",)),
    ("ABABABB+", ()),
    ("ABAB", ()),
]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_names_sizes_and_contrast_everywhere(opened: Opened, theme: str) -> None:
    for projector, least in ((False, 4.5), (True, 7.0)):
        for schedule, keys in PLACES:
            shown = opened(
                schedule=schedule, theme=theme, projector=projector, predict="b" in keys,
                size=(1280, 720) if projector else (1100, 1000),
            )  # fmt: skip
            shown.keys(*keys)
            shown.check_names_and_roles()
            shown.check_contrast(least)
            shown.check_axe()


def test_vermilion_is_for_refusals_and_never_alone(opened: Opened) -> None:
    used = """root => [...root.querySelectorAll('*')].filter(e => e.checkVisibility()).filter(e => {
        const s = getComputedStyle(e)
        return [s.color, s.backgroundColor, s.stroke, s.fill, s.borderLeftColor]
            .includes('rgb(213, 94, 0)')
    }).map(e => e.closest('tr, .rc-conflict, button').textContent)"""
    for schedule, guard in (("", True), ("AAABB", True), ("ABABAB", False)):
        assert opened(schedule=schedule, guard=guard, predict=False).root.evaluate(used) == []
    texts = opened(schedule="ABABABBBB", predict=False).root.evaluate(used)
    assert texts
    assert all("conflict" in text or "sold out" in text for text in texts)


def test_projector_fits_and_is_large(opened: Opened) -> None:
    for schedule, keys in [*PLACES, ("ABABABBBB", ())]:
        shown = opened(schedule=schedule, projector=True, predict="b" in keys, size=(1280, 720))
        shown.keys(*keys)
        last = shown.root.locator("tr[aria-current]").bounding_box()
        frame = shown.root.locator(".rc-scroll").bounding_box()
        assert last
        assert frame
        assert last["y"] + last["height"] <= frame["y"] + frame["height"] + 1
        shown.check_projector(inside=[shown.panel] if shown.panel.is_visible() else [])
    shown = opened(schedule="ABABA", projector=True, size=(1280, 720))
    shown.keys("b")
    shown.predict(STORED)
    expect(shown.card).to_be_visible()
    shown.check_projector(inside=[shown.panel])
    shown = opened(schedule="ABAB", projector=True, predict=False)
    shown.keys("PageUp")
    assert shown.root.locator(".rc-lanes tbody tr").count() == 4
    shown.keys("PageDown")
    assert shown.root.locator(".rc-lanes tbody tr").count() == 5


def test_nothing_moves_by_itself_and_the_theme_flips(opened: Opened) -> None:
    shown = opened(schedule="ABABAB", motion="reduce", predict=False)
    assert shown.page.evaluate("document.getAnimations().length") == 0
    still = """e => [...e.querySelectorAll('*')].every(
        x => getComputedStyle(x).transitionDuration === '0s')"""
    assert shown.root.evaluate(still)
    ground = "e => getComputedStyle(e).backgroundColor"
    assert shown.root.evaluate(ground) == "rgb(255, 255, 255)"
    shown.page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert shown.root.evaluate(ground) == "rgb(17, 17, 17)"


def test_names_are_shown_as_text(opened: Opened) -> None:
    name = "<img src=x onerror=\"document.title='owned'\">"
    shown = opened(names=(name, "ben"), schedule="ABABAB", predict=False)
    expect(shown.card).to_contain_text(f"buyer {name}")
    assert shown.page.title() == "Race for 1 lamp"
    assert shown.root.locator("img").count() == 0
    shown.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.button("copy").click()
    expect(shown.button("copy")).to_have_text("copied")


# -- in JupyterLab -----------------------------------------------------------------------------


def test_lab_keys_busy_kernel_and_the_way_back(lab: Lab) -> None:
    lab.run("from esnb.course.widgets import Race\nrace = Race()", "race", "race")
    page = lab.page
    one, two = Shown(page), Shown(page, 1)
    one.ada.focus()
    cell, count = lab.active_cell(), page.locator(".jp-Cell").count()
    places = (one.ada, one.button("guard"), one.root.locator(".rc-scroll"), one.button("copy"))
    for place in places:
        place.focus()
        one.keys(
            "ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "a", "b", "Home", "x", "m", "d", "d"
        )
        assert lab.active_cell() == cell
        assert page.locator(".jp-Cell").count() == count
    one.ada.focus()
    one.keys("Home", *"abab")
    assert (one.schedule(), two.schedule()) == ("ABAB", "ABAB")
    lab.comes_to("print(race.schedule, race.code)", "ABAB wanted = left(events) > 0\n")
    with lab.busy_kernel():
        one.keys("a")
        one.predict(STORED)
        one.keys("p", "b")
        one.predict(STORED)
        expect(one.card).to_be_visible()
        one.keys("p", "b", "b", "b")
        expect(one.say).to_contain_text("sold out")
    answers = "race.answers[['schedule', 'writer', 'match']].values.tolist()"
    lab.comes_to(
        f"print(race.schedule, {answers})",
        "ABABABBBB [['ABABA', 'ada', True], ['ABABAB', 'ben', False]]\n",
    )
    assert lab.python("race.guard = False; print(race.schedule)") == "ABABAB\n"
    expect(one.rule).to_contain_text("BROKEN")
    assert lab.python("race.schedule = 'BBB'; print(race.trace.iloc[-1]['step'])") == "write\n"
    expect(two.root.locator(".rc-plan b")).to_have_text("BBB")
    for _ in lab.themes():
        one.check_contrast(4.5)
    one.ada.focus()
    one.keys("Escape")
    assert not one.has_focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_timeout(200)
    assert lab.active_cell() != cell


def test_lab_saved_and_reopened(lab: Lab) -> None:
    lab.run("from esnb.course.widgets import Race", "race = Race(schedule='ABABAB')\nrace")
    saved = lab.save()
    stored = nbformat.read(saved, as_version=4)
    # The metadata that breaks GitHub's page: widgets without their state.
    states = stored.metadata.get("widgets", {"none": {"state": {}}})
    assert all("state" in kind for kind in states.values())
    lab.reopen_elsewhere(saved)
    shown = " ".join(lab.outputs())
    assert "schedule ABABAB, with the expected version checked" in shown
    assert "expected 1, found 2" in shown
    assert "sold ≤ received: 1 ≤ 1 holds" in shown
    assert "model not found" not in shown
    picture = lab.page.locator(".jp-OutputArea-output img")
    assert (picture.get_attribute("alt") or "").endswith("a conflict, and nothing of it is stored.")
    assert picture.evaluate("e => e.naturalWidth") > 300
    assert lab.page.locator(".jp-OutputArea-output tr").count() == 1 + 6 + 1 + 20
