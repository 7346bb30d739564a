"""Derive the notebooks of the exercises from those of the solutions: `python run.py exercises`.

In a notebook of solutions four tags say what a cell is, with the id of the exercise behind them:
`exercise-03-2` (the text, under the exercise's heading), `answer-03-2` (code: the solution there,
the stub here), `check-03-2` (code that ends in check(...)) and `reasoning-03-2` (why; left out
here). All other cells are taken as they are. A cell at the end leads to the solutions.
"""

from __future__ import annotations

import json
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

from esnb.course.exercises.engine.registry import Exercise, anchor, exercises

TAGS = ("exercise", "answer", "check", "reasoning")
WARNING = "<!-- Made by `python run.py exercises` from the notebooks in solutions. -->"

Cell = dict[str, Any]


def tag_of(cell: Cell) -> tuple[str, str]:
    """What a cell is and for which exercise: ("answer", "03-2"), or ("", "")."""
    for tag in cell["metadata"].get("tags", []):
        kind, _, exercise = tag.partition("-")
        if kind in TAGS:
            return kind, exercise
    return "", ""


def derive(notebook: dict[str, Any], bank: dict[str, Exercise]) -> dict[str, Any]:
    """The notebook of exercises: stubs for solutions, no reasons, no outputs."""
    made = {**deepcopy(notebook), "cells": []}
    name = ""
    for cell in deepcopy(notebook["cells"]):
        kind, exercise = tag_of(cell)
        if kind == "reasoning":
            continue
        if kind == "answer":
            cell["source"] = bank[exercise].stub.splitlines(keepends=True)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        if not made["cells"]:
            title = "".join(cell["source"]).replace("Solutions", "Exercises", 1)
            cell["source"] = [*title.splitlines(keepends=True), "\n\n", WARNING]
        made["cells"].append(cell)
        if kind == "check":
            made["cells"].append(_help_for(bank[exercise], cell.get("id", exercise)))
            name = bank[exercise].notebook
    if name:
        made["cells"].append(_end_of(name))
    return made


def _end_of(name: str) -> Cell:
    return {
        "cell_type": "markdown", "id": "to-the-solutions",
        "metadata": {"tags": ["to-the-solutions"]},
        "source": [
            f"Done? Compare with [the solutions and their reasons](../solutions/{name}.ipynb). "
            "[All exercises](README.md)."
        ],
    }  # fmt: skip


def _help_for(exercise: Exercise, beside: str) -> Cell:
    return {
        "cell_type": "code", "execution_count": None, "id": f"{beside}-hint"[:64],
        "metadata": {"tags": [f"hint-{exercise.id}"]}, "outputs": [],
        "source": [
            f'# hint("{exercise.id}")  # without the first #, each run gives the next step',
        ],
    }  # fmt: skip


def index(bank: dict[str, Exercise]) -> str:
    """A page that lists all exercises, with links: what a reader of the folder sees first."""
    lines = [
        "# Exercises",
        "",
        "`check(...)` says *not yet*, *not quite* or *right*, and `hint(...)` helps in steps.",
        "Open a notebook in JupyterLab, run its first cell, then fill in, run, and check.",
        "",
        WARNING,
        "",
        "| id | exercise | form | the idea |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {e.id} | [{e.title}]({e.notebook}.ipynb#{anchor(e.heading)}) | {e.form} "
        f"| [{e.section}]({e.idea.address}) |"
        for e in bank.values()
    ]
    return "\n".join(lines) + "\n"


def text_of(notebook: dict[str, Any]) -> str:
    """A notebook as it is stored."""
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def make(folder: Path) -> list[Path]:
    """Write `folder`/exercises from `folder`/solutions; returns the files, and removes old ones."""
    written = []
    (folder / "exercises").mkdir(exist_ok=True)
    for source in sorted((folder / "solutions").glob("*.ipynb")):
        notebook = json.loads(source.read_text(encoding="utf-8"))
        target = folder / "exercises" / source.name
        text = text_of(derive(notebook, exercises()))
        target.write_text(text, encoding="utf-8", newline="\n")
        written.append(target)
    for old in {*(folder / "exercises").glob("*.ipynb")} - {*written}:
        old.unlink()
    page = folder / "exercises" / "README.md"
    page.write_text(index(exercises()), encoding="utf-8", newline="\n")
    return written


if __name__ == "__main__":
    for path in make(Path(sys.argv[1])):
        print(path.name)
