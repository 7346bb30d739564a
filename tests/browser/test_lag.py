"""Lag in a real browser: the page that `to_html` writes, and JupyterLab.

What the page shows is compared with a run over the real store and projector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import nbformat
import pytest
from playwright.sync_api import Page, expect

from esnb.course.widgets import Lag
from esnb.course.widgets.lag import compared
from esnb.course.widgets.lag_day import SECONDS
from tests.lab import Lab
from tests.pages import View

pytestmark = pytest.mark.browser

CRASH = [(20, "crash"), (24, "restart"), (24, "project", 12)]


class Shown(View):
    """A page with the widget, and what a reader finds on it."""

    root_class: ClassVar[str] = "esnb-lag"

    def __init__(self, page: Page, nth: int = 0) -> None:
        super().__init__(page, nth)
        self.slider = self.root.get_by_role("slider")
        self.status = self.root.locator(".lg-status")
        self.bob = self.root.locator(".lg-bob")

    def at(self) -> int:
        return int(self.slider.input_value())

    def go(self, second: int) -> None:
        self.slider.fill(str(second))
        self.frame()


Opened = Callable[..., Shown]


@pytest.fixture
def opened(open_page: Callable[..., Page]) -> Opened:
    """Open the page of a Lag: `opened(at=3, theme="dark", size=(1280, 720))`."""

    def open_lag(
        made: Lag | None = None, *, size: Any = (1100, 900), theme: str = "light",
        motion: str = "no-preference", **options: Any,
    ) -> Shown:  # fmt: skip
        return Shown(open_page(made or Lag(**options), size=size, theme=theme, motion=motion))

    return open_lag


def in_words(made: Lag, second: int) -> list[list[str]]:
    """The table of the page, from a run over the real store and projector."""
    run = made.simulate(second)
    found = compared(run.reader(), run.truth())
    run.close()
    words = {"": "same", "+": "+ added", "~": "~ changed", "-": "− removed"}
    bob = {"order-17": "order-17 (Bob)"}
    absent = "not on the page"
    return [[bob.get(n, n), a or absent, b or absent, words[sign]] for n, a, b, sign in found]


def test_it_opens_where_its_stored_picture_stands_and_playing_asks(opened: Opened) -> None:
    made = Lag()
    second = made.at
    assert made.lag.events > 10
    assert f"at second {second} the read" in made._still()
    shown = opened(made)
    assert shown.at() == second
    assert shown.rows()[:-1] == in_words(made, second)[:-1]
    expect(shown.root.locator(".lg-bob")).to_contain_text("press play")
    expect(shown.root.locator("fieldset", has_text="What does he see?")).to_be_hidden()
    shown.press("play")
    expect(shown.root.locator("fieldset", has_text="What does he see?")).to_be_visible()
    assert shown.at() == second + 1


# -- moving ------------------------------------------------------------------------------------


def test_keys_move_and_every_number_is_the_projectors(opened: Opened) -> None:
    made = Lag(guide="off", at=0)
    shown, trace = opened(made), made.trace
    shown.slider.focus()
    for key, second in (("ArrowRight", 1), ("PageDown", 11), ("ArrowLeft", 10), ("PageUp", 0),
                        ("End", 45), ("Home", 0), ("Shift+ArrowRight", 12),
                        ("Shift+ArrowRight", 19), ("Shift+ArrowLeft", 12), ("ArrowUp", 13),
                        ("ArrowDown", 12), ("PageDown", 22)):  # fmt: skip
        shown.keys(key)
        assert shown.at() == second, key
        row = trace.loc[second]
        text = shown.status.inner_text()
        assert row["state"] in text
        if row["events"]:
            assert f"{row['events']} events and {row['seconds']:.1f} s behind" in text
            assert row["trend"] in text
        chart = shown.root.get_by_role("img").get_attribute("aria-label")
        assert f"write head {row['head']}, checkpoint {row['checkpoint']};" in (chart or "")
    assert shown.rows() == in_words(made, 22)
    spoken = shown.slider.get_attribute("aria-valuetext")
    assert spoken == "second 22 of 45, 21 events behind, slow"
    shown.hears("second 22: slow, 21 events and 2.5 seconds behind, growing.")


def test_play_stops_where_it_should(opened: Opened) -> None:
    shown = opened(at=10)
    shown.slider.focus()
    shown.keys("Space")
    assert shown.button("play").get_attribute("aria-pressed") == "true"
    expect(shown.root.locator(".w-count")).to_have_text("12 / 45 s")  # the rush begins
    expect(shown.button("play")).to_have_attribute("aria-pressed", "false")
    shown.keys("Space", "Space")
    assert shown.at() == 12
    still = opened(at=10, motion="reduce")
    assert still.at() == 10  # nothing moves by itself
    still.slider.focus()
    still.keys("ArrowRight")
    assert still.page.evaluate("document.getAnimations().length") == 0
    assert still.root.evaluate(
        """e => [e, ...e.querySelectorAll('*')].every(
        x => getComputedStyle(x).transitionDuration === '0s')"""
    )


# -- predict, then reveal ----------------------------------------------------------------------


def test_no_reveal_before_a_prediction(opened: Opened) -> None:
    shown = opened()
    shown.slider.focus()
    shown.keys("End")
    assert shown.at() == 19
    expect(shown.panel).to_contain_text("What does he see?")
    assert shown.rows()[0][1:4:2] == ["? predict first", "?"]
    expect(shown.bob).to_have_text("Bob refreshes now: predict what he sees (p).")
    shown.keys("p", "ArrowRight", "Escape", "ArrowRight")
    assert shown.at() == 19
    expect(shown.button("commit")).to_be_disabled()
    assert shown.rows()[0][1] == "? predict first"
    shown.pick("PAID")
    shown.keys("p")
    expect(shown.panel).to_contain_text("your answer: PAID · he sees: PENDING · ≠ different")
    expect(shown.panel).to_contain_text("The read model is at 93")
    assert shown.rows()[0][1:] == ["PENDING 0.00 of 8.90", "PAID 8.90 of 8.90", "~ changed"]
    shown.panel.get_by_role("textbox").fill("I thought <b>a page</b> is the log")
    shown.press("go on")
    saved = shown.page.evaluate("window.timetravel.get('_answers')")
    assert saved == [{
        "second": 19, "policy": "as is", "question": "Bob pays, then refreshes: what does he see?",
        "answer": "PAID", "actual": "PENDING", "match": False,
        "why": "I thought <b>a page</b> is the log",
    }]  # fmt: skip
    shown.slider.focus()
    shown.keys("ArrowRight")
    assert shown.at() == 20


def test_read_policies_are_predicted_too(opened: Opened) -> None:
    shown = opened(at=19)
    for policy, answer, told in (
        ("as is", "PENDING", "he sees PENDING at once."),
        ("wait for my position", "PAID, after a wait", "he waits 2 s, then sees PAID."),
        ("read the stream", "PAID", "he sees PAID at once."),
    ):
        shown.pick(policy)
        expect(shown.bob).to_contain_text("predict what he sees")
        if not shown.panel.is_visible():
            shown.press("predict p")
        shown.pick(answer)
        shown.press("commit")
        expect(shown.panel).to_contain_text("✓ match")
        shown.press("go on")
        expect(shown.bob).to_contain_text(told)
    assert shown.root.locator("code").inner_text() == 'store.load(Order, "order-17")'
    shown.pick("wait for my position")
    shown.press("pause projection")
    shown.keys("ArrowRight")
    expect(shown.bob).to_contain_text("after 5 s he gets LagTimeoutError")
    assert shown.root.locator("code").inner_text().startswith("orders.wait_for(token.position")


# -- what the operator does ----------------------------------------------------------------------


def test_pause_and_resume(opened: Opened) -> None:
    shown = opened(at=30, guide="off", projects=12)
    expect(shown.status).to_contain_text("caught up")
    shown.press("pause projection")
    assert shown.button("pause projection").get_attribute("aria-pressed") == "true"
    shown.slider.focus()
    shown.keys("ArrowRight", "ArrowRight", "ArrowRight")
    expect(shown.status).to_contain_text("stalled")
    expect(shown.status).to_contain_text("the checkpoint does not move: paused")
    shown.press("pause projection")
    shown.slider.focus()
    shown.keys("ArrowRight", "ArrowRight")
    expect(shown.status).to_contain_text("caught up")
    script = shown.page.evaluate("window.timetravel.get('script')")
    assert script == [[30, "pause", None], [33, "resume", None]]
    assert shown.rows() == in_words(Lag(script=script, projects=12), 35)


def test_stalled_is_not_slow(opened: Opened) -> None:
    """Events wait in both; in one of them more capacity would help, and nothing in the other."""
    for options, second, state, why in (
        ({"projects": 2}, 20, "… slow", "in 8.7 / s, out 2.0 / s"),
        ({"script": [(14, "pause")]}, 20, "■ stalled", "the checkpoint does not move: paused"),
        ({"script": [(14, "crash")]}, 20, "■ stalled", "the process is gone"),
        ({"script": CRASH}, 28, "↗ catching up", "out 12.0 / s"),
        ({"projects": 12}, 8, "✓ caught up", "every event"),
    ):
        made = Lag(guide="off", at=second, **options)
        shown = opened(made)
        label = shown.root.locator(".lg-state")
        expect(label).to_have_text(state)
        expect(shown.status).to_contain_text(why)
        assert made.state == state[2:]
        shown.slider.focus()
        shown.keys("ArrowLeft", "ArrowRight")
        shown.hears(f"second {second}: {state[2:]}, ")


def test_nothing_overlaps_in_the_chart(opened: Opened) -> None:
    for second in (0, 1, 9, 45):
        shown = opened(guide="off", at=second)
        boxes = [shown.root.locator(".lg-label").nth(n).bounding_box() for n in (0, 1)]
        assert boxes[0]
        assert boxes[1]
        assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"] + 8, second


def test_crash_and_restart_with_each_handler(opened: Opened) -> None:
    shown = opened(at=20, guide="off")
    shown.press("crash")
    assert shown.at() == 21
    shown.keys("ArrowRight", "ArrowRight")
    shown.slider.focus()
    shown.keys("ArrowRight", "ArrowRight")
    expect(shown.status).to_contain_text("the process is gone")
    shown.go(24)
    shown.pick("12")
    shown.press("restart")
    assert shown.page.evaluate("window.timetravel.get('script')") == [
        [20, "crash", None], [24, "project", 12], [24, "restart", None],
    ]  # fmt: skip
    shown.go(SECONDS)
    for label, handler, paid in (
        ("in one transaction", "transaction", "8.90 of 8.90"),
        ("apart, handler idempotent", "idempotent", "8.90 of 8.90"),
        ("apart, handler adds", "adds", "17.80 of 8.90"),
    ):
        shown.pick(label)
        rows = shown.rows()
        assert rows[0][1] == f"PAID {paid}"
        assert rows == in_words(Lag(script=CRASH, handler=handler), SECONDS)  # type: ignore[arg-type]
        assert (rows[-1][1] == rows[-1][2]) == (handler != "adds")
    shown.press("undo all")
    assert shown.rows()[-1][3] == "same"


def test_a_rebuild_mends_it_while_the_old_one_serves(opened: Opened) -> None:
    shown = opened(at=30, guide="off", handler="adds", script=CRASH)
    shown.press("rebuild from 0")
    expect(shown.status).to_contain_text("rebuild at 36; meanwhile the old read model serves")
    expect(shown.button("rebuild from 0")).to_be_disabled()
    assert shown.rows()[0][1] == "PAID 17.80 of 8.90"
    shown.slider.focus()
    for _ in range(8):
        shown.keys("ArrowRight")
        if "rebuild" not in shown.status.inner_text():
            break
    assert shown.rows()[0][1] == "PAID 8.90 of 8.90"
    assert {row[3] for row in shown.rows()} == {"same"}


# -- reading conditions ------------------------------------------------------------------------


def test_tab_leaves_the_widget_after_eight_stops(opened: Opened) -> None:
    shown = opened(at=5)
    assert shown.tab_stops() == 8
    shown.radio("in one transaction").focus()
    shown.keys("ArrowRight")
    assert shown.radio("apart, handler idempotent").is_checked()
    assert shown.at() == 5
    shown.button("one second on").focus()
    shown.keys("ArrowDown")
    label = shown.page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label == "end of the day (End)"
    assert shown.at() == 5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_of_every_text(opened: Opened, theme: str) -> None:
    for projector, least in ((False, 4.5), (True, 7.0)):
        shown = opened(at=18, theme=theme, projector=projector)
        shown.slider.focus()
        for keys in ((), ("ArrowRight",), ("Escape", "?")):
            shown.keys(*keys)
            shown.check_contrast(least)


def test_projector_fits_and_is_large(opened: Opened) -> None:
    shown = opened(at=18, projector=True, size=(1280, 720), script=[(14, "pause")])
    shown.slider.focus()
    for keys in ((), ("PageDown",), ("Escape", "?"), ("Escape", "Home")):
        shown.keys(*keys)
        shown.check_projector()
    shown.keys("PageDown")
    assert shown.at() == 12  # the next stop, as a presenter's remote sends it
    shown.go(26)
    shown.pick("no such order")
    shown.keys("p")
    shown.check_projector()
    shown.press("go on")
    shown.go(26)
    shown.check_projector()


def test_names_roles_and_axe(opened: Opened) -> None:
    for theme in ("light", "dark"):
        shown = opened(at=18, theme=theme)
        shown.slider.focus()
        for keys in ((), ("ArrowRight",), ("Escape", "?")):
            shown.keys(*keys)
            shown.check_names_and_roles()
            shown.check_axe()
    used = """root => [...root.querySelectorAll('*')].filter(e => ['fill', 'stroke', 'color',
        'backgroundColor'].some(name => getComputedStyle(e)[name] === 'rgb(213, 94, 0)')).length"""
    assert shown.root.evaluate(used) == 0  # vermilion is for refusals


# -- in JupyterLab -----------------------------------------------------------------------------


def test_lab_keys_theme_and_python(lab: Lab) -> None:
    lab.run(
        "from esnb.course.widgets import Lag\nlag = Lag(at=18, script=[(30, 'pause')])\nlag",
        "lag",
        "x = 1",
    )
    page = lab.page
    shown, twin = Shown(page), Shown(page, 1)
    shown.slider.focus()
    page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex === 0"
    )
    for key in ("ArrowUp", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight"):
        shown.keys(key)
    assert lab.active_cell() == 0
    assert shown.at() == 19
    shown.button("keys").focus()
    shown.keys("b", "b", "x")  # to the notebook: new cells below, and cut one
    shown.slider.focus()
    assert twin.at() == 19
    assert page.locator(".jp-Cell").count() == 3
    shown.pick("PENDING")
    shown.press("commit")
    expect(twin.panel).to_contain_text("✓ match")
    shown.press("go on")
    shown.press("crash")
    for _ in lab.themes():
        shown.check_contrast(4.5)
    lab.comes_to(
        "print(lag.at, lag.script, list(lag.answers['actual']), lag.lag.events)",
        "20 [[19, 'crash', None]] ['PENDING'] 23\n",
    )
    shown.slider.focus()
    shown.keys("Escape")
    assert not shown.has_focus()


def test_lab_a_busy_kernel_still_answers_the_reader(lab: Lab) -> None:
    lab.run("from esnb.course.widgets import Lag", "lag = Lag(at=18)\nlag")
    shown = Shown(lab.page)
    with lab.busy_kernel():
        shown.slider.focus()
        shown.keys("ArrowRight")
        shown.pick("PAID")
        shown.keys("p")
        expect(shown.panel).to_contain_text("your answer: PAID · he sees: PENDING · ≠ different")
        shown.keys("p")
        shown.press("crash")
        expect(shown.status).to_contain_text("growing")
        shown.slider.focus()
        shown.keys("ArrowRight", "ArrowRight")
        expect(shown.status).to_contain_text("the process is gone")
        shown.press("restart")
        shown.pick("wait for my position")
        assert shown.rows() == in_words(Lag(script=[(19, "crash"), (22, "restart")]), shown.at())
    lab.comes_to(
        "print(lag.at, lag.policy, lag.script, list(lag.answers['answer']))",
        "23 wait [[19, 'crash', None], [22, 'restart', None]] ['PAID']\n",
    )


def test_lab_saved_and_reopened(lab: Lab) -> None:
    lab.run("from esnb.course.widgets import Lag", "lag = Lag(at=19)\nlag")
    saved = lab.save()
    states = nbformat.read(saved, as_version=4).metadata.get("widgets", {"none": {"state": {}}})
    assert all("state" in kind for kind in states.values())
    lab.reopen_elsewhere(saved)
    shown = " ".join(lab.outputs())
    assert "at second 19 the read model is 14 events and" in shown
    assert "model not found" not in shown
    picture = lab.page.locator(".jp-OutputArea-output img")
    assert picture.evaluate("e => e.naturalWidth") > 300
    assert lab.page.locator(".jp-OutputArea-output tbody tr").count() == 6
