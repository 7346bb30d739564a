"""TimeTravel in a real browser, in JupyterLab.

What the page shows is compared with a fold in Python, not with the widget's own.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.timetravel.shown import Shown
from tests.lab import Lab

pytestmark = pytest.mark.browser

SET_UP = """
from esnb import EventStore, LessonClock
from esnb.shop import Order, first_orders
from esnb.course.widgets import TimeTravel
store = EventStore(clock=LessonClock()); first_orders(store)
tt = TimeTravel(store, "order-1042", fold=Order, stops={2: "paid"})
"""


def notebook(path: Path, *sources: str) -> Path:
    cells = [nbformat.v4.new_code_cell(source) for source in (SET_UP, *sources)]
    kernel = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def test_lab_keys_theme_two_views_and_the_way_back(lab: Lab, tmp_path: Path) -> None:
    lab.open(notebook(tmp_path / "tt.ipynb", "tt", "tt"))
    lab.run_all()
    assert lab.errors() == []
    page = lab.page
    expect(page.locator(".esnb-tt")).to_have_count(2)
    one, two = Shown(page), Shown(page)
    two.root = page.locator(".esnb-tt").nth(1)
    two.slider = two.root.get_by_role("slider", name="position")
    active = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    for place in (one.slider, one.marks, one.button("play"), one.button("predict next")):
        place.focus()
        cell = page.evaluate(active)
        cells = page.locator(".jp-Cell").count()
        one.keys("Home", "ArrowRight", "ArrowDown", "ArrowUp", "a", "b", "m", "Escape", "ArrowLeft")
        assert page.evaluate(active) == cell
        assert page.locator(".jp-Cell").count() == cells
    one.slider.focus()
    one.keys("End", "ArrowLeft")
    assert (one.at(), two.at()) == (3, 3)

    # One clock: in 2.6 s at one step a second, two views together make two steps, not four.
    one.keys("Home")
    one.page.evaluate("window.seen = []")
    two.slider.evaluate(
        "e => setInterval(() => { if (seen.at(-1) !== e.value) seen.push(e.value) }, 20)"
    )
    one.keys("Space")
    expect(two.slider).to_have_value("2", timeout=8000)  # the stop
    page.wait_for_timeout(1300)
    assert page.evaluate("seen") == ["0", "1", "2"]
    for _ in range(50):  # Python is told when the position has settled
        told = page.evaluate("""async () => {
            const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
            let text = ''
            const future = kernel.requestExecute({code: 'print(tt.at, tt.state["status"])'})
            future.onIOPub = m => { text += m.content.text ?? '' }
            await future.done
            return text
        }""")
        if told == "2 PAID\n":
            break
        page.wait_for_timeout(100)
    assert told == "2 PAID\n"

    for _ in lab.themes():
        one.check_contrast(4.5)

    one.slider.focus()
    one.keys("Escape")
    assert not one.root.evaluate("e => e.contains(document.activeElement)")
    cell = page.evaluate(active)
    page.keyboard.press("ArrowUp" if cell else "ArrowDown")
    page.wait_for_timeout(200)
    assert page.evaluate(active) != cell


def test_lab_a_busy_kernel_still_scrubs_and_a_free_one_answers(lab: Lab, tmp_path: Path) -> None:
    lab.open(notebook(tmp_path / "busy.ipynb", "tt"))
    lab.run_all()
    shown = Shown(lab.page)
    shown.slider.focus()
    shown.keys("End", "ArrowLeft", "m", "ArrowLeft", "m")  # two muted: Python has to fold
    expect(shown.panel).to_contain_text("What if events 2, 3 had not happened?")
    expect(shown.panel).to_contain_text("1 later event becomes impossible", timeout=15_000)
    shown.keys("Escape")
    done = lab.page.evaluate_handle("""() => {
        const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
        const future = kernel.requestExecute({code: 'import time; time.sleep(8)'})
        const box = {done: false}
        future.done.then(() => { box.done = true })
        return box
    }""")
    shown.keys("Home", "ArrowRight", "ArrowRight")
    expect(shown.root.locator(".tt-state")).to_contain_text("State after event 2")
    shown.keys("m")
    expect(shown.panel).to_contain_text("2 later events become impossible")
    shown.keys("Escape", "p")
    expect(shown.panel).to_contain_text("Predict event 3")
    assert done.evaluate("box => box.done") is False
    lab.settle()


def test_lab_python_moves_the_view_and_a_reopened_notebook_reads(lab: Lab, tmp_path: Path) -> None:
    lab.open(
        notebook(tmp_path / "move.ipynb", "tt", "tt.at = 1; tt.pins = (0, 2)", "tt.what_if([2])")
    )
    lab.run_all()
    assert lab.errors() == []
    shown = Shown(lab.page)
    expect(shown.slider).to_have_value("1")
    expect(shown.root.locator(".tt-pin:visible")).to_have_count(2)
    expect(shown.panel).to_contain_text("What if event 2 had not happened?")
    lab.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    lab.page.wait_for_function(
        "() => !window.jupyterapp.shell.currentWidget.context.model.dirty", timeout=20_000
    )
    saved = next(lab.server.folder.glob("*/notebooks/move.ipynb"))
    # A clone of it elsewhere: no kernel ran, nothing is trusted.
    clone = nbformat.read(saved, as_version=4)
    clone.metadata.pop("widgets", None)
    clone.cells.append(nbformat.v4.new_markdown_cell("Another notebook: no signature is known."))
    for cell in clone.cells:
        cell.metadata.pop("trusted", None)
    nbformat.write(clone, tmp_path / "clone.ipynb")
    lab.open(tmp_path / "clone.ipynb")
    text = " ".join(lab.outputs())
    assert "Run this notebook to move through them" in text
    assert "model not found" not in text
    assert lab.page.locator(".jp-OutputArea-output img").count() == 1
