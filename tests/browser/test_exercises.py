"""A learner at an exercise in JupyterLab: not yet, wrong, a hint, right; in both themes."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from esnb.course.exercises import exercises
from tests.course.exercises.answers.tables import wrong
from tests.course.exercises.test_bank import cell_of, source
from tests.lab import ROOT, WIDGET, Lab

pytestmark = pytest.mark.browser

HELD = """
def buy(store, buyer):
    while True:
        try: store.version(LAMP)
        except: pass
"""


@pytest.fixture
def learner(lab: Lab) -> Lab:
    """The exercises of chapter 03 in JupyterLab, with the chapter and the solutions beside them."""
    here = lab.server.folder / "learner"
    if not here.exists():
        for name in (".", "exercises", "solutions"):
            (here / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "notebooks" / name / "03_conflicts.ipynb", here / name)
    lab.page.goto(
        f"{lab.server.address}/lab/tree/learner/exercises/03_conflicts.ipynb?reset"
        f"&token={lab.server.token}"
    )
    lab.page.wait_for_selector(".jp-Notebook .jp-Cell")
    lab.page.wait_for_function(
        f"() => {WIDGET}?.sessionContext?.session?.kernel?.status === 'idle'", timeout=60_000
    )
    lab.run_all()
    return lab


def place_of(lab: Lab, tag: str) -> int:
    return int(
        lab.page.evaluate(
            f"tag => [...{WIDGET}.content.model.cells].findIndex("
            "c => (c.getMetadata('tags') ?? []).includes(tag))",
            tag,
        )
    )


def do(lab: Lab, tag: str, text: str | None = None) -> Locator:
    """Put a text into the cell with this tag, run it; its output."""
    place = place_of(lab, tag)
    before = lab.page.evaluate(f"n => {WIDGET}.content.model.cells.get(n).executionCount", place)
    lab.page.evaluate(
        f"""([n, text]) => {{
            const content = {WIDGET}.content
            if (text !== null) content.model.cells.get(n).sharedModel.setSource(text)
            content.activeCellIndex = n
            return window.jupyterapp.commands.execute('notebook:run-cell')
        }}""",
        [place, text],
    )
    lab.page.wait_for_function(
        f"([n, before]) => {WIDGET}.content.model.cells.get(n).executionCount > before",
        arg=[place, before],
    )
    lab.settle()
    cell = lab.page.locator(".jp-Notebook .jp-Cell").nth(place)
    cell.scroll_into_view_if_needed()
    return cell.locator(".jp-OutputArea-output")


def keep(lab: Lab, name: str) -> None:
    """Store a picture of what is to be seen, where EXERCISE_PICTURES names a folder."""
    if folder := os.environ.get("EXERCISE_PICTURES"):
        lab.screenshot(Path(folder, f"{name}.png"))


def test_the_whole_loop(learner: Lab) -> None:
    assert learner.errors() == []
    said = [text for text in learner.outputs() if "03-" in text]
    assert len(said) == len([e for e in exercises().values() if e.notebook == "03_conflicts"])
    assert all("not yet." in text for text in said)

    answers = wrong("03-2")
    do(learner, "answer-03-2", answers["blind-retry"])
    feedback = do(learner, "check-03-2")
    expect(feedback).to_contain_text("03-2: not quite. The second try corrected the number")
    expect(feedback).to_contain_text("3 PieceSold buyer=ben")

    steps = ["Follow the second round", "read again, decide again", "One way to begin"]
    for number, text in enumerate(steps, start=1):
        hint = do(learner, "hint-03-2", 'hint("03-2")')
        expect(hint).to_contain_text(f"hint {number} of 4")
        expect(hint).to_contain_text(text)

    for theme in learner.themes():
        do(learner, "check-03-2")
        keep(learner, f"not-quite-{theme.split()[-1].lower()}")

    do(learner, "answer-03-2", HELD)
    expect(do(learner, "check-03-2")).to_contain_text("did not come to an end")
    do(learner, "answer-03-2", answers["error"])
    expect(do(learner, "check-03-2")).to_contain_text("line 2 of your cell: events = store.event(")

    do(learner, "answer-03-2", source(cell_of("answer", "03-2")))
    right = do(learner, "check-03-2")
    expect(right).to_contain_text("03-2: right.")
    keep(learner, "right")
    assert learner.errors() == []


def test_the_words_stand_out_in_both_themes(learner: Lab) -> None:
    do(learner, "answer-03-2", wrong("03-2")["blind-retry"])
    for theme in learner.themes():
        box = do(learner, "check-03-2").locator("div").first
        colours = box.evaluate(
            "e => [...e.querySelectorAll('b, pre, td, div')].map(x => getComputedStyle(x).color)"
        )
        ground = box.evaluate("""e => {
            for (let x = e; x; x = x.parentElement) {
                const colour = getComputedStyle(x).backgroundColor
                if (!/, 0\\)$|transparent/.test(colour)) return colour
            }
        }""")
        assert min(contrast(colour, ground) for colour in colours) >= 4.5, (theme, colours, ground)


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2."""

    def light(colour: str) -> float:
        parts = [int(n) / 255 for n in re.findall(r"\d+", colour)[:3]]
        r, g, b = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_idea_is_one_click_away(learner: Lab) -> None:
    do(learner, "answer-03-2", wrong("03-2")["blind-retry"])
    link = do(learner, "check-03-2").get_by_role("link")
    expect(link).to_have_text("chapter 03, What does a good retry do?")
    anchor = (link.get_attribute("href") or "").partition("#")[2]
    link.click()
    page = learner.page
    page.wait_for_function(f"() => {WIDGET}.context?.path === 'learner/03_conflicts.ipynb'")
    # JupyterLab opens a long notebook at its top, and goes to the place in one that is open
    # already. So the anchor is compared, and not where the page stands.
    heading = page.locator(".jp-Notebook h2", has_text="What does a good retry do?")
    expect(heading).to_have_attribute("data-jupyter-id", anchor, timeout=15_000)


def test_next_leads_to_the_next_exercise(learner: Lab) -> None:
    do(learner, "answer-03-1", source(cell_of("answer", "03-1")))
    link = do(learner, "check-03-1").get_by_role("link")
    expect(link).to_have_text("03-2 The retry that oversells")
    link.click()
    heading = learner.page.locator(".jp-Notebook h2", has_text="03-2 The retry that oversells")
    expect(heading).to_be_in_viewport(timeout=15_000)


def test_exercises_are_stored_as_json_that_nobody_has_to_trust() -> None:
    text = (ROOT / "notebooks/exercises/03_conflicts.ipynb").read_text(encoding="utf-8")
    assert all("trusted" not in cell["metadata"] for cell in json.loads(text)["cells"])
