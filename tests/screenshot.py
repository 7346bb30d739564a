"""Take the README's picture of the time slider, from JupyterLab in a real browser.

    python -m pytest tests/screenshot.py

It writes notebooks/images/time_slider.png. Its name keeps it out of the ordinary test run.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import ROOT, Lab
from tests.test_browser_slider import notebook

pytestmark = pytest.mark.browser

PICTURE = ROOT / "notebooks" / "images" / "time_slider.png"


def test_take_the_picture(lab: Lab, tmp_path: Path) -> None:
    lab.open(notebook(tmp_path / "slider.ipynb", "time_slider(store, 'order-1042', fold=Order)"))
    lab.run_all()
    page = lab.page
    light = "{theme: 'JupyterLab Light'}"
    page.evaluate(f"() => window.jupyterapp.commands.execute('apputils:change-theme', {light})")
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    box = page.locator(".jp-OutputArea-output .widget-vbox").first
    box.get_by_role("slider").press("ArrowLeft")
    expect(box).to_contain_text("after event 3 of 4")
    page.mouse.move(0, 0)
    lab.settle()
    page.wait_for_timeout(300)  # the panel at the left slides out
    PICTURE.parent.mkdir(exist_ok=True)
    page.locator(".jp-CodeCell").nth(1).screenshot(path=str(PICTURE))
    assert PICTURE.stat().st_size < 200_000
