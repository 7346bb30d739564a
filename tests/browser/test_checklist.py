"""The checklist in a real browser: the page that `to_html` writes, and JupyterLab."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from playwright.sync_api import Page, expect

from esnb.course.widgets import Checklist, advise
from esnb.course.widgets.checklist import ITEMS, VERDICTS
from tests.lab import Lab
from tests.pages import View

pytestmark = pytest.mark.browser

SOME: dict[str, Any] = {
    "before": "yes", "why": "yes", "past": "yes", "running": "no", "team": "no", "people": "yes",
}  # fmt: skip


class Shown(View):
    """A page with the widget, and what a reader finds on it."""

    root_class: ClassVar[str] = "esnb-checklist"

    def __init__(self, page: Page, nth: int = 0) -> None:
        super().__init__(page, nth)
        self.verdict = self.root.locator(".ck-verdict")
        self.items = self.root.locator("fieldset")

    def say(self, key: str, answer: str) -> None:
        label = "not yet sure" if answer == "not sure" else answer
        self.items.nth(list(ITEMS).index(key)).get_by_label(label, exact=True).check()
        self.frame()

    def title(self) -> str:
        return self.verdict.locator("h3").inner_text()

    def focused(self) -> str:
        """The question and the answer that have the focus."""
        return str(self.page.evaluate(
            "() => { const e = document.activeElement;"
            " return e.closest('fieldset')?.querySelector('legend').textContent.split('.')[0]"
            " + ' ' + e.value }"
        ))  # fmt: skip


Opened = Callable[..., Shown]


@pytest.fixture
def opened(open_page: Callable[..., Page]) -> Opened:
    """Open the page of a Checklist: `opened({"why": "yes"}, theme="dark", size=(1280, 720))`."""

    def open_list(given: Any = None, *, projector: bool = False, **page: Any) -> Shown:
        return Shown(open_page(Checklist(given, projector=projector), **page))

    return open_list


def test_what_is_clicked_is_what_advise_says(opened: Opened) -> None:
    shown = opened()
    assert shown.title() == "Not decided: 4 verdicts are possible"
    dice, said = random.Random(5), {}
    for _ in range(25):
        key = dice.choice(list(ITEMS))
        said[key] = dice.choice(["yes", "no", "not sure"])
        shown.say(key, said[key])
        advice = advise(said)
        assert shown.title() == advice.title
        given = shown.page.evaluate("window.timetravel.get('given')")
        assert {k: v for k, v in given.items() if v != "not sure"} == {
            k: v for k, v in said.items() if v != "not sure"
        }
        text = shown.verdict.inner_text()
        for _, _, _, why in advice.pushes:
            assert text.count(why) == 1
        for key in advice.open:
            assert ITEMS[key].text in text.split("Still open, and could change it")[1]
        for key, other in advice.decides.items():
            assert f"{ITEMS[key].text} → {VERDICTS[other][0]}" in text
        done = sum(answer != "not sure" for answer in said.values())
        shown.hears(f"{done} answered. {advice.title}")


def test_each_push_has_a_sign_and_a_word_beside_its_answer(opened: Opened) -> None:
    shown = opened(SOME)
    pushes = shown.root.locator(".ck-push").all_inner_texts()
    assert pushes[0].startswith("◆ towards captured changes: ")
    assert pushes[1].startswith("▲ towards events: ")
    assert pushes[8].startswith("✕ in the way: ")
    assert pushes[9].startswith("○ a price, no push: ")
    assert pushes[3] == ""
    shown.say("forms", "no")
    expect(shown.root.locator(".ck-push").nth(6)).to_have_text("changes have names of their own")


def test_what_python_sets_is_shown(opened: Opened) -> None:
    shown = opened(SOME)
    shown.page.evaluate("window.timetravel.set('given', {why: 'yes', running: 'yes'})")
    expect(shown.verdict.locator("h3")).to_have_text("A state table, with its changes captured")
    shown.page.evaluate("window.timetravel.set('projector', true)")
    expect(shown.button("projector")).to_have_attribute("aria-pressed", "true")
    shown.press("projector")
    assert shown.page.evaluate("window.timetravel.get('projector')") is False


def test_keys(opened: Opened) -> None:
    shown = opened()
    shown.page.keyboard.press("Tab")
    while "before" not in (shown.page.evaluate("document.activeElement.name") or ""):
        shown.page.keyboard.press("Tab")
    assert shown.focused() == "1 not sure"
    shown.keys("y")
    assert shown.focused() == "2 not sure"
    shown.keys("y", "u", "n")
    assert shown.focused() == "5 not sure"
    assert shown.page.evaluate("window.timetravel.get('given')") == {
        "before": "yes", "why": "yes", "past": "not sure", "several": "no",
    }  # fmt: skip
    shown.keys("ArrowUp")
    assert shown.focused() == "4 no"
    shown.keys("ArrowLeft")
    assert shown.focused() == "4 yes"
    shown.keys("End")
    assert shown.focused() == "10 not sure"
    shown.keys("n", "ArrowDown")
    assert shown.focused() == "10 no"
    shown.keys("Home", "ArrowUp")
    assert shown.focused() == "1 yes"
    shown.keys("?")
    expect(shown.root.locator(".w-keys")).to_be_visible()
    shown.keys("Escape")
    expect(shown.root.locator(".w-keys")).to_be_hidden()
    shown.keys("r")
    assert shown.page.evaluate("window.timetravel.get('given')") == {}
    assert shown.has_focus()
    shown.keys("Escape")
    assert not shown.has_focus()


def test_tab_leaves_the_widget_soon(opened: Opened) -> None:
    assert opened(SOME).tab_stops() <= 8


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_names_sizes_and_contrast(opened: Opened, theme: str) -> None:
    for projector, least in ((False, 4.5), (True, 7.0)):
        for given in ({}, SOME):
            size = (1280, 720) if projector else (1100, 1000)
            shown = opened(given, projector=projector, theme=theme, size=size)
            shown.check_names_and_roles()
            shown.check_contrast(least)
            shown.check_axe()


def test_projector_fits_and_shows_the_question_that_has_the_focus(opened: Opened) -> None:
    shown = opened(SOME, projector=True, size=(1280, 720))
    shown.check_projector()
    shown.items.nth(0).locator("input:checked").focus()
    shown.keys("End")
    box = shown.items.nth(9).locator("input:checked").bounding_box()
    assert box
    assert box["y"] + box["height"] <= 720
    shown.check_projector()
    shown.verdict.focus()
    shown.keys("ArrowDown", "ArrowDown")
    assert shown.verdict.evaluate("e => e.scrollTop") > 0


def test_a_narrow_page_does_not_scroll_sideways(opened: Opened) -> None:
    shown = opened(SOME, size=(420, 900))
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 420
    first, verdict = shown.items.nth(9).bounding_box(), shown.verdict.bounding_box()
    assert first
    assert verdict
    assert verdict["y"] > first["y"]


def test_lab_keys_stay_here_and_answers_reach_python(lab: Lab) -> None:
    lab.run("from esnb.course.widgets import Checklist\nlist_ = Checklist()", "list_", "list_")
    one, two = Shown(lab.page), Shown(lab.page, 1)
    one.items.nth(0).locator("input:checked").focus()
    cell, count = lab.active_cell(), lab.page.locator(".jp-Cell").count()
    one.keys("ArrowDown", "ArrowUp", "d", "d", "x", "a", "b", "m")
    assert (lab.active_cell(), lab.page.locator(".jp-Cell").count()) == (cell, count)
    one.keys("y", "y")
    assert two.title() == one.title()
    lab.comes_to("print(list_.given)", "{'before': 'yes', 'why': 'yes'}\n")
    lab.python("list_.given = {'why': 'yes', 'states': 'yes', 'running': 'no', 'team': 'no'}")
    expect(one.verdict.locator("h3")).to_have_text("Event sourcing, but not yet")
    for _ in lab.themes():
        one.check_contrast(4.5)


def test_lab_saved_and_reopened(lab: Lab) -> None:
    """A reader who trusts nothing and runs nothing sees the questions, answers and grounds."""
    lab.run("from esnb.course.widgets import Checklist", "Checklist({'why': 'yes', 'team': 'no'})")
    lab.reopen_elsewhere(lab.save())
    shown = " ".join(lab.outputs())
    for item in ITEMS.values():
        assert item.text in shown
    assert ITEMS["why"].yes.why in shown
    assert "Not decided" in shown
    assert lab.page.locator(".jp-OutputArea-output tr").count() == 1 + len(ITEMS)
