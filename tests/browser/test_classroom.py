"""The learner's path in a real browser: join, check, read what is kept, hand in, delete."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from esnb.course.classroom import Dashboard, merge
from tests.lab import Lab

pytestmark = pytest.mark.browser

CELLS = [
    "from esnb.course import classroom\nfrom esnb.course.exercises import check, hint",
    "classroom.what_is_stored()",
    "classroom.join('event sourcing')",
    "check('03-1', (8, 10))",
    "hint('03-1')",
    "check('03-1', (7, 9))",
    "classroom.what_is_stored()",
    "classroom.hand_in()",
]


def notebook(path: Path, cells: list[str]) -> Path:
    made = [
        {"cell_type": "code", "execution_count": None, "id": f"c{n}", "metadata": {},
         "outputs": [], "source": cell}
        for n, cell in enumerate(cells)
    ]  # fmt: skip
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    path.write_text(
        json.dumps({"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4,
                    "nbformat_minor": 5})
    )  # fmt: skip
    return path


def test_join_check_and_hand_in(lab: Lab, tmp_path: Path) -> None:
    lab.open(notebook(tmp_path / "mine.ipynb", CELLS))
    lab.run_all()
    assert lab.errors() == []
    said = lab.outputs()
    assert said[0].startswith("Nothing is stored about you")
    assert "a random name" in said[1]
    assert "never" in said[1]
    assert "03-1: not quite" in said[2]
    assert "hint 1 of" in said[3]
    assert "03-1: right" in said[4]
    assert said[5].startswith("5 events of learner-")
    assert "Nothing was sent" in said[6]
    folder = next(lab.server.folder.rglob("my-learning"))
    assert sorted(path.suffix for path in folder.iterdir()) == [".duckdb", ".head", ".jsonl"]
    row = Dashboard(merge(folder).store).exercises().iloc[0]
    assert (row["exercise"], row["solved"], row["hints"]) == ("03-1", 1, 1.0)
    assert row["common mistake"] == "next-number (1)"
    if wanted := os.environ.get("ESNB_SCREENSHOTS"):
        lab.screenshot(Path(wanted) / "learner.png")
