"""The bank proves itself: stubs are not yet, right answers right, wrong ones get their message."""

from __future__ import annotations

import ast
import functools
import itertools
import json
import linecache
import re
from pathlib import Path
from typing import Any

import pytest

from esnb.course.exercises import Feedback, exercises
from esnb.course.exercises.engine import time_limit
from esnb.course.exercises.engine.registry import FORMS, anchor
from esnb.course.exercises.engine.verdicts import GENERAL
from tests.course.exercises.answers.tables import right, tables, wrong
from tools.build_notebooks import derive, index, tag_of, text_of

NOTEBOOKS = Path(__file__).resolve().parents[3] / "notebooks"
BANK = exercises()
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _short_limit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "endless" in request.node.name:
        monkeypatch.setattr(time_limit, "LIMIT", 1.0)


@functools.cache
def notebook(folder: str, name: str) -> dict[str, Any]:
    return json.loads((NOTEBOOKS / folder / f"{name}.ipynb").read_text(encoding="utf-8"))


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


@functools.cache
def setup(name: str) -> dict[str, Any]:
    """The names that the notebook's own cells define; they must do without any answer."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in notebook("solutions", name)["cells"]:
        if cell["cell_type"] == "code" and tag_of(cell)[0] not in ("answer", "check"):
            exec(compile(source(cell), f"<setup of {name}>", "exec"), names)
    return names


def cell_of(kind: str, exercise: str) -> dict[str, Any]:
    found = [
        cell
        for cell in notebook("solutions", BANK[exercise].notebook)["cells"]
        if tag_of(cell) == (kind, exercise)
    ]
    assert len(found) == 1, f"{len(found)} cells are tagged {kind}-{exercise}"
    return found[0]


def ran(exercise: str, answer: str) -> tuple[dict[str, Any], ast.expr]:
    """Run an answer cell, as a learner does; its names, and the call of check that comes last."""
    file = f"<answer {next(_numbers)}>"
    linecache.cache[file] = (len(answer), None, answer.splitlines(keepends=True), file)
    names = dict(setup(BANK[exercise].notebook))
    exec(compile(answer, file, "exec"), names)
    tree = ast.parse(source(cell_of("check", exercise)))
    last = tree.body.pop()
    assert isinstance(last, ast.Expr), "a check cell ends in check(...)"
    exec(compile(tree, "<check>", "exec"), names)
    return names, last.value


def answer_of(exercise: str, answer: str) -> Any:
    """What is handed to check."""
    names, call = ran(exercise, answer)
    assert isinstance(call, ast.Call)
    return eval(compile(ast.Expression(call.args[1]), "<answer>", "eval"), names)


def tried(exercise: str, answer: str) -> Feedback:
    """Run an answer cell and then the check cell, as a learner does."""
    names, call = ran(exercise, answer)
    feedback = eval(compile(ast.Expression(call), "<check>", "eval"), names)
    assert isinstance(feedback, Feedback)
    assert feedback.exercise == exercise
    return feedback


# Nothing is "just" so for somebody who is stuck.
UNKIND = re.compile(
    r"\b(just|simply|simple|obvious|obviously|trivial|easy|easily|of course|clearly)\b"
)

RIGHT = [(e, n) for e in BANK for n in range(len(right(e)))]
WRONG = [(e, name) for e in BANK for name in wrong(e)]


@pytest.mark.parametrize("exercise", BANK)
def test_stub_is_not_yet(exercise: str) -> None:
    feedback = tried(exercise, BANK[exercise].stub)
    assert (feedback.outcome, feedback.points, feedback.mistake) == ("not yet", 0, None), feedback


@pytest.mark.parametrize("exercise", BANK)
def test_solution_is_right(exercise: str) -> None:
    feedback = tried(exercise, source(cell_of("answer", exercise)))
    assert (feedback.outcome, feedback.points) == ("right", 1), feedback
    assert BANK[exercise].right in repr(feedback)


@pytest.mark.parametrize(("exercise", "number"), RIGHT)
def test_other_right_answers_are_right(exercise: str, number: int) -> None:
    feedback = tried(exercise, right(exercise)[number])
    assert feedback.outcome == "right", feedback


@pytest.mark.parametrize(("exercise", "name"), WRONG)
def test_wrong_answers_get_their_message(exercise: str, name: str) -> None:
    feedback = tried(exercise, wrong(exercise)[name])
    mistake = re.sub(r" \d+$", "", name)
    assert (feedback.outcome, feedback.mistake) == ("not quite", mistake), feedback
    assert feedback.points < 1
    assert {**GENERAL, **BANK[exercise].mistakes}[mistake] in feedback.message


@pytest.mark.parametrize("exercise", BANK)
def test_exercise_is_complete(exercise: str) -> None:
    entry = BANK[exercise]
    assert entry.form in FORMS
    assert len(right(exercise)) >= 2, "two more right answers"
    own = {re.sub(r" \d+$", "", name) for name in wrong(exercise)} & entry.mistakes.keys()
    assert own == entry.mistakes.keys(), "each named mistake has a wrong answer in the table"
    assert len(own) >= 3, "three mistakes of its own"
    assert len(set(entry.mistakes.values())) == len(entry.mistakes)
    assert not set(entry.mistakes.values()) & set(GENERAL.values())
    for text in (*entry.hints[:2], entry.right, *entry.mistakes.values()):
        assert text[-1] in ".?!`", text
        assert not UNKIND.search(text), text
        longest = max(len(sentence.split()) for sentence in re.split(r"[.?!:;] ", text))
        assert longest <= 26, text
    ast.parse(entry.stub)


@pytest.mark.parametrize("exercise", BANK)
def test_links_lead_both_ways(exercise: str) -> None:
    entry = BANK[exercise]
    text = source(cell_of("exercise", exercise))
    assert text.splitlines()[0] == f"## {entry.heading}"
    assert f"*{entry.form}.*" in text
    back = f"[{entry.section}](../{entry.chapter_link})"
    assert back in text, f"the text has no link {back}"
    for word in ("**Given**", "**when**", "**then**"):
        assert word in text, f"the text says no {word}"
    source(cell_of("reasoning", exercise))
    chapter = notebook("", entry.chapter)["cells"]
    assert f"## {entry.section}" in {line for c in chapter for line in source(c).splitlines()}
    there = f"]({entry.exercise_link})"
    assert any(there in source(cell) for cell in chapter), f"{entry.chapter} has no link {there}"


def test_every_tag_belongs_to_an_exercise() -> None:
    for path in sorted((NOTEBOOKS / "solutions").glob("*.ipynb")):
        for cell in notebook("solutions", path.stem)["cells"]:
            kind, exercise = tag_of(cell)
            assert not kind or BANK[exercise].notebook == path.stem
    assert {e.notebook for e in BANK.values()} == tables().keys()
    for table in tables().values():
        assert {*table.RIGHT, *table.WRONG} <= BANK.keys()


def test_exercises_are_derived_from_the_solutions() -> None:
    solutions = {path.stem for path in (NOTEBOOKS / "solutions").glob("*.ipynb")}
    assert {path.stem for path in (NOTEBOOKS / "exercises").glob("*.ipynb")} == solutions
    for name in sorted(solutions):
        text = (NOTEBOOKS / "exercises" / f"{name}.ipynb").read_text(encoding="utf-8")
        wanted = text_of(derive(notebook("solutions", name), BANK))
        assert text == wanted, f"{name}: python run.py exercises"


def test_the_page_of_the_exercises_is_derived() -> None:
    page = (NOTEBOOKS / "exercises" / "README.md").read_text(encoding="utf-8")
    assert page == index(BANK), "python run.py exercises"


def test_anchor_is_written_as_jupyterlab_does() -> None:
    assert anchor("Why `apply`, and *not* set?") == "Why-apply,-and-not-set?"
