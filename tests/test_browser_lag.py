"""Lag in a real browser: the page that `to_html` writes, and JupyterLab.

What the page shows is compared with a run over the real store and projector.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from esnb.widgets import Lag
from esnb.widgets.lag import SECONDS, compared
from tests.browser import Lab
from tests.test_browser_timetravel import CONTRAST

pytestmark = pytest.mark.browser

CRASH = [(20, "crash"), (24, "restart"), (24, "project", 12)]


class Shown:
    """A page with the widget, and what a reader finds on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.locator(".esnb-lag").first
        self.slider = self.root.get_by_role("slider")
        self.panel = self.root.locator(".w-panel")
        self.status = self.root.locator(".lg-status")
        self.bob = self.root.locator(".lg-bob")

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name)

    def radio(self, name: str) -> Locator:
        return self.root.get_by_role("radio", name=name, exact=True)

    def pick(self, name: str) -> None:
        self.radio(name).check()
        self.frame()

    def press(self, name: str) -> None:
        self.button(name).click()
        self.frame()

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.frame()

    def frame(self) -> None:
        self.page.evaluate(
            "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
        )

    def at(self) -> int:
        return int(self.slider.input_value())

    def go(self, second: int) -> None:
        self.slider.fill(str(second))
        self.frame()

    def rows(self) -> list[list[str]]:
        return self.root.locator("tbody tr").evaluate_all(
            "rows => rows.map(r => [...r.cells].map(c => c.textContent))"
        )


Opened = Callable[..., Shown]


@pytest.fixture
def opened(chromium: Browser, tmp_path: Path) -> Iterator[Opened]:
    """Open the page of a Lag: `opened(at=3, theme="dark", size=(1280, 720))`."""
    contexts, errors = [], []

    def open_page(
        made: Lag | None = None, *, size: tuple[int, int] = (1100, 900), theme: Any = "light",
        motion: Any = "no-preference", **options: Any,
    ) -> Shown:  # fmt: skip
        made = made or Lag(**options)
        path = made.to_html(tmp_path / f"page{len(contexts)}.html", theme=theme)
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, offline=True, reduced_motion=motion
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.goto(path.as_uri())
        shown = Shown(page)
        expect(shown.root).to_be_visible()
        return shown

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def in_words(made: Lag, second: int) -> list[list[str]]:
    """The table of the page, from a run over the real store and projector."""
    run = made.simulate(second)
    found = compared(run.reader(), run.truth())
    run.close()
    words = {"": "same", "+": "+ added", "~": "~ changed", "-": "− removed"}
    bob = {"order-17": "order-17 (Bob)"}
    absent = "not on the page"
    return [[bob.get(n, n), a or absent, b or absent, words[sign]] for n, a, b, sign in found]


# -- moving ------------------------------------------------------------------------------------


def test_keys_move_and_every_number_is_the_projectors(opened: Opened) -> None:
    made = Lag(guide="off")
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
    expect(shown.root.get_by_role("status")).to_contain_text("second 22: slow, 21 events and 2.5")


def test_play_stops_where_it_should(opened: Opened) -> None:
    shown = opened(at=10)
    shown.slider.focus()
    shown.keys("Space")
    assert shown.button("play").get_attribute("aria-pressed") == "true"
    expect(shown.root.locator(".w-count")).to_have_text("12 / 45 s")  # the rush begins
    expect(shown.button("play")).to_have_attribute("aria-pressed", "false")
    shown.keys("Space", "Space")
    assert shown.at() == 12
    assert opened(at=10, motion="reduce").at() == 10  # nothing moves by itself


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
    shown.radio("in one transaction").focus()
    shown.keys("ArrowRight")
    assert shown.radio("apart, handler idempotent").is_checked()
    assert shown.at() == 5
    shown.button("one second on").focus()
    shown.keys("ArrowDown")
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label == "end of the day (End)"
    assert shown.at() == 5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_of_every_text(opened: Opened, theme: str) -> None:
    for projector, least in ((False, 4.5), (True, 7.0)):
        shown = opened(at=18, theme=theme, projector=projector)
        shown.slider.focus()
        for keys in ((), ("ArrowRight",), ("Escape", "?")):
            shown.keys(*keys)
            texts = shown.root.evaluate(CONTRAST)
            assert len(texts) > 10
            assert texts[0][0] >= least, texts[:3]


def test_projector_fits_and_is_large(opened: Opened) -> None:
    shown = opened(at=18, projector=True, size=(1280, 720), script=[(14, "pause")])
    shown.slider.focus()
    for keys in ((), ("PageDown",), ("Escape", "?"), ("Escape", "Home")):
        shown.keys(*keys)
        assert shown.page.evaluate("document.documentElement.scrollHeight") <= 720, keys
        inside = shown.root.evaluate(
            "e => [e.scrollHeight, e.clientHeight, e.scrollWidth, e.clientWidth]"
        )
        assert inside[0] <= inside[1], keys
        assert inside[2] <= inside[3], keys
    size = "e => parseFloat(getComputedStyle(e).fontSize)"
    assert shown.root.evaluate(size) >= 20
    assert shown.root.locator(".w-count").evaluate(size) == 48
    for button in shown.root.locator("button:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
    shown.keys("PageDown")
    assert shown.at() == 12  # the next stop, as a presenter's remote sends it
    shown.go(26)
    shown.pick("no such order")
    shown.keys("p")
    assert shown.page.evaluate("document.documentElement.scrollHeight") <= 720
    shown.press("go on")
    shown.go(26)
    inside = shown.root.evaluate("e => [e.scrollHeight, e.clientHeight]")
    assert inside[0] <= inside[1]


def test_targets_names_and_roles(opened: Opened) -> None:
    shown = opened(at=18)
    shown.slider.focus()
    shown.keys("ArrowRight")
    for target in shown.root.locator("button:visible, label:visible, input[type=range]").all():
        box = target.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 23.9, target.inner_text()
    wrong = shown.root.evaluate("""root => {
        const wrong = []
        const named = e => e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length
        for (const e of root.querySelectorAll('button, input, textarea, svg[role]'))
            if (!named(e)) wrong.push(e.outerHTML.slice(0, 90))
        for (const e of root.querySelectorAll('button, input, textarea, [tabindex]'))
            if (!e.dataset.lmSuppressShortcuts) wrong.push('no: ' + e.outerHTML)
        const ids = [...document.querySelectorAll('[id]')].map(e => e.id)
        if (new Set(ids).size < ids.length) wrong.push('an id twice')
        for (const e of root.querySelectorAll('*')) for (const name of ['fill', 'stroke', 'color',
            'backgroundColor']) if (getComputedStyle(e)[name] === 'rgb(213, 94, 0)')
            wrong.push('vermilion is for refusals')
        return wrong
    }""")
    assert wrong == []


def test_axe_finds_nothing_serious(opened: Opened) -> None:
    axe = os.environ.get("ESNB_AXE")
    if not axe:
        pytest.skip("ESNB_AXE names no axe.min.js (npm install axe-core): own checks only")
    for theme in ("light", "dark"):
        shown = opened(at=18, theme=theme)
        shown.page.evaluate(Path(axe).read_text(encoding="utf-8"))
        shown.slider.focus()
        for keys in ((), ("ArrowRight",), ("Escape", "?")):
            shown.keys(*keys)
            found = shown.page.evaluate("axe.run('.esnb-lag')")["violations"]
            bad = [(v["id"], v["nodes"][0]["html"][:120]) for v in found
                   if v["impact"] in ("serious", "critical")]  # fmt: skip
            assert bad == []


# -- in JupyterLab -----------------------------------------------------------------------------


def test_lab_keys_theme_and_python(lab: Lab, tmp_path: Path) -> None:
    sources = (
        "from esnb.widgets import Lag\nlag = Lag(at=18, script=[(30, 'pause')])\nlag",
        "lag",
        "x = 1",
        "print(lag.at, lag.script, list(lag.answers['actual']), lag.lag.events)",
    )
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"name": "python3", "display_name": "Python 3"}
    path = tmp_path / "lag.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    lab.open(path)
    lab.run_all()
    page = lab.page
    shown = Shown(page)
    twin = page.locator(".esnb-lag").nth(1)
    expect(twin).to_have_count(1)
    shown.slider.focus()
    active = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    page.wait_for_function(f"() => ({active})() === 0")
    for key in ("ArrowUp", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight"):
        shown.keys(key)
    assert page.evaluate(active) == 0
    assert shown.at() == 19
    shown.button("keys").focus()
    shown.keys("b", "b", "x")  # to the notebook: new cells below, and cut one
    shown.slider.focus()
    assert twin.get_by_role("slider").input_value() == "19"
    count = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length")
    assert count == 4
    shown.pick("PENDING")
    shown.press("commit")
    expect(twin.locator(".w-panel")).to_contain_text("✓ match")
    shown.press("go on")
    shown.press("crash")
    ground = "e => getComputedStyle(e).backgroundColor"
    light = shown.root.evaluate(ground)
    theme = "{theme: 'JupyterLab Dark'}"
    page.evaluate(f"() => window.jupyterapp.commands.execute('apputils:change-theme', {theme})")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    page.wait_for_function(
        "light => getComputedStyle(document.querySelector('.esnb-lag')).backgroundColor !== light",
        arg=light,
    )
    page.wait_for_timeout(1500)  # a position is written back when it has settled
    page.evaluate(
        "() => { const n = window.jupyterapp.shell.currentWidget.content; n.activeCellIndex = 3 }"
    )
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-cell')")
    expect(page.locator(".jp-OutputArea-output").last).to_contain_text(
        "20 [[19, 'crash', None]] ['PENDING'] 23"
    )
    assert lab.errors() == []
