"""A notebook opens, runs and shows its outputs in JupyterLab, in a real browser."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.lab import Lab

pytestmark = pytest.mark.browser


def written(path: Path, cells: list[nbformat.NotebookNode]) -> Path:
    kernel = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def test_notebook_runs_in_the_browser(lab: Lab, tmp_path: Path) -> None:
    cells = [
        nbformat.v4.new_code_cell("import esnb; events = ['OrderPlaced', 'OrderPaid']"),
        nbformat.v4.new_markdown_cell("A sentence."),
        nbformat.v4.new_code_cell("import ipywidgets; ipywidgets.IntSlider(description='event')"),
        nbformat.v4.new_code_cell("print(len(events), 'events')"),
    ]
    lab.open(written(tmp_path / "tiny chapter.ipynb", cells))
    lab.run_all()
    assert lab.errors() == []
    assert lab.outputs()[-1] == "2 events"
    assert lab.page.get_by_role("slider").count() == 1
    assert lab.screenshot(tmp_path / "lab.png").stat().st_size > 10_000


def test_a_reader_sees_no_tools_for_teachers(lab: Lab, tmp_path: Path) -> None:
    lab.open(written(tmp_path / "menus.ipynb", [nbformat.v4.new_markdown_cell("Menus.")]))
    menus = lab.page.locator(".lm-MenuBar-itemLabel").all_inner_texts()
    assert "Kernel" in menus
    assert "Nbgrader" not in menus
