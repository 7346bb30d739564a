"""Chapters in the real JupyterLab: they open, run from the top to the end, and show no error."""

from __future__ import annotations

import pytest

from tests.browser import Lab


@pytest.mark.browser
@pytest.mark.parametrize("name", ["00_start_here", "06_time_travel"])
def test_a_chapter_runs_in_jupyterlab(lab: Lab, name: str) -> None:
    lab.open(f"{name}.ipynb")
    lab.run_all(timeout=240)
    assert lab.errors() == []
    assert len(lab.outputs()) >= 5
