"""Reads the tables of answers beside this file, and says at the end of a test run what there is.

A table is a module `ch03.py` with

    NOTEBOOK = "03_conflicts"
    RIGHT = {"03-2": [source, source]}        # written differently from the solution, and right too
    WRONG = {"03-2": {"blind-retry": source}}  # mistake -> an answer cell that makes it

A second answer with the same mistake is called "blind-retry 2", and so on.
"""

from __future__ import annotations

import functools
import importlib
import json
import pkgutil
import re
from pathlib import Path
from types import ModuleType

from esnb.course.exercises import exercises
from esnb.course.exercises.others import others_for
from tests.course.exercises.mutants import Mutant, mutants_of


@functools.cache
def tables() -> dict[str, ModuleType]:
    """The tables by the name of their notebook."""
    package = importlib.import_module("tests.course.exercises.answers")
    modules = [
        importlib.import_module(f"tests.course.exercises.answers.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
        if found.name != "tables"
    ]
    return {module.NOTEBOOK: module for module in modules}


def right(exercise: str) -> list[str]:
    """Sources of answers that are right too: those that readers are shown, and further ones."""
    shown = [source for _, source in others_for(exercise)]
    return [*shown, *(s for module in tables().values() for s in module.RIGHT.get(exercise, []))]


def wrong(exercise: str) -> dict[str, str]:
    """Sources of wrong answers, by mistake."""
    return {k: s for m in tables().values() for k, s in m.WRONG.get(exercise, {}).items()}


def code_exercises() -> list[str]:
    """The exercises whose answer is code: a function, a class or a query."""
    return [
        e.id
        for e in exercises().values()
        if re.search(r"^(def|class) |^\w+ = (\"\"\"|''')", e.stub, re.M)
    ]


@functools.cache
def solution(exercise: str) -> str:
    """The answer cell of the notebook of solutions."""
    name = exercises()[exercise].notebook
    folder = Path(__file__).resolve().parents[4] / "notebooks" / "solutions"
    for cell in json.loads((folder / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]:
        if f"answer-{exercise}" in cell["metadata"].get("tags", ()):
            return "".join(cell["source"])
    raise KeyError(exercise)


@functools.cache
def mutants(exercise: str) -> list[tuple[int, Mutant]]:
    """The mutants of all right answers, with the number of the answer; 0 is the solution."""
    found: dict[str, tuple[int, Mutant]] = {}
    for number, source in enumerate([solution(exercise), *right(exercise)]):
        for mutant in mutants_of(source):
            found.setdefault(mutant.source, (number, mutant))
    return [*found.values()]


def report_lines() -> list[str]:
    """The whole bank, a line an exercise; mutants are those of its right answers, if it is code."""
    bank, code = exercises(), code_exercises()
    counts = {e: len(mutants(e)) if e in code else 0 for e in bank}
    lines = [f"{'id':<10}{'form':<14}{'right':>5}{'wrong':>7}{'mutants':>9}{'cases':>7}  title"]
    lines += [
        f"{e.id:<10}{e.form:<14}{len(right(e.id)) + 1:>5}{len(wrong(e.id)):>7}"
        f"{counts[e.id] or '-':>9}{len(e.cases) or 1:>7}  {e.title}"
        for e in bank.values()
    ]
    rights, wrongs = (sum(len(f(id)) for id in bank) for f in (right, wrong))
    return [
        *lines,
        f"{len(bank)} exercises, {rights + len(bank)} right and {wrongs} wrong answers tried, "
        f"{sum(counts.values())} mutants (a sample of them; all with ESNB_ALL_MUTANTS=1)",
    ]
