"""Hand out and grade with nbgrader. Needs the extra `teacher`: pip install "nbgrader==0.9.*".

    python run.py class release 03   make the assignment: class/release/03_conflicts
    python run.py class grade 03     grade class/submitted/NAME/03_conflicts, write class/grades.csv

The folder `class` is an ordinary course folder of nbgrader, so its other commands work in it too.
What is handed in goes to class/submitted/NAME/03_conflicts/03_conflicts.ipynb.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .log import ClassroomError

CONFIG = '''\
"""Settings of nbgrader for this course, made by `python run.py class`; yours to change."""

from esnb.course.classroom.nbgrading import GradeApart, Stubs, TeachersMarks
from nbgrader import preprocessors as steps

c = get_config()
c.CourseDirectory.course_id = "esnb"
# The stub of each exercise in place of its solution; for the rest nbgrader's own steps.
c.GenerateAssignment.preprocessors = [
    steps.IncludeHeaderFooter, steps.LockCells, Stubs, steps.ClearOutput,
    steps.CheckCellMetadata, steps.ComputeChecksums, steps.SaveCells, steps.ClearHiddenTests,
    steps.ClearMarkScheme, steps.ComputeChecksums, steps.CheckCellMetadata,
]
# First of all, what a learner did to the marks of a cell is undone.
c.Autograde.sanitize_preprocessors = [
    TeachersMarks, steps.ClearOutput, steps.OverwriteKernelspec, steps.OverwriteCells,
    steps.CheckCellMetadata,
]
# In place of Execute: the submission runs in a process of its own, and is judged from outside.
c.Autograde.autograde_preprocessors = [
    GradeApart, steps.LimitOutput, steps.SaveAutoGrades, steps.AssignLatePenalties,
    steps.CheckCellMetadata,
]
'''

# Too many calls go over the pipe for the time limit: checked in the notebook, graded by a person.
BY_EYE = frozenset({"read-2"})

HIDDEN = """\
{check}
### BEGIN HIDDEN TESTS
# Read by the grader, and run by nobody: with more cases, made from this seed.
grade({exercise!r}, {answer}, seed={seed!r})
### END HIDDEN TESTS"""


def source_of(solutions: dict[str, Any], seed: str) -> dict[str, Any]:
    """The source notebook of nbgrader, made from one of notebooks/solutions."""
    cells = []
    for number, cell in enumerate(solutions["cells"]):
        kind, exercise = _tag(cell)
        if kind == "reasoning":  # it would give the solution away
            continue
        made = {k: v for k, v in cell.items() if k not in ("outputs", "execution_count")}
        made["metadata"] = {k: v for k, v in cell["metadata"].items() if k == "tags"}
        if cell["cell_type"] == "code":
            made |= {"outputs": [], "execution_count": None}
            made["source"] = source = "".join(cell["source"])
            marks: dict[str, Any] = dict.fromkeys(("task", "grade", "solution"), False)
            marks |= {"schema_version": 3, "locked": True, "grade_id": f"cell-{number}"}
            if kind == "answer":
                marks |= {"solution": True, "locked": False, "grade_id": f"answer-{exercise}"}
            elif kind == "check" and exercise not in BY_EYE:
                answer = _answer_in(source)
                made["source"] = HIDDEN.format(
                    check=source.rstrip(), exercise=exercise, answer=answer, seed=seed
                )
                marks |= {"grade": True, "points": 1, "grade_id": f"check-{exercise}"}
                marks["cell_type"] = "code"
            made["metadata"]["nbgrader"] = marks
        elif number == 0:
            made["source"] = "".join(cell["source"]).replace("Solutions", "Exercises", 1)
        cells.append(made)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _tag(cell: dict[str, Any]) -> tuple[str, str]:
    for tag in cell["metadata"].get("tags", []):
        kind, _, exercise = tag.partition("-")
        if kind in ("answer", "check", "reasoning"):
            return kind, exercise
    return "", ""


def _answer_in(source: str) -> str:
    """What a cell hands to `check`, as text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check":
            return ast.unparse(node.args[1])
    raise ClassroomError(f"A cell tagged check has no check(...) in it: {source!r:.80}")


def release(name: str, solutions: Path, course: Path) -> Path:
    """Make the assignment from the solutions; returns the notebook to hand out.

    A source that is there already is used as it is: points and text in it are the teacher's.
    """
    notebook = _find(name, solutions)
    _prepare(course)
    source = course / "source" / notebook.stem / notebook.name
    if not source.exists():
        source.parent.mkdir(parents=True, exist_ok=True)
        made = source_of(json.loads(notebook.read_text(encoding="utf-8")), secrets.token_hex(8))
        source.write_text(json.dumps(made, indent=1), encoding="utf-8")
    nbgrader(course, "generate_assignment", notebook.stem, "--force")
    return course / "release" / notebook.stem / notebook.name


def grade(name: str, solutions: Path, course: Path) -> Path:
    """Grade everything that was handed in for an assignment; returns the CSV of all grades."""
    assignment = _find(name, solutions).stem
    if not (course / "source" / assignment).exists():
        raise ClassroomError(
            f"{assignment} was not handed out from here: python run.py class release"
        )
    _prepare(course)
    problem = ""
    try:
        nbgrader(course, "autograde", assignment, "--force")
    except ClassroomError as error:  # of one submission: the others have their grades
        problem = str(error)
    nbgrader(course, "export", "--to=grades.csv")
    if problem:
        raise ClassroomError(f"{problem}\nThe others are graded: grades.csv.")
    return course / "grades.csv"


def nbgrader(course: Path, *arguments: str) -> str:
    """Run nbgrader in the course folder; what it says, when it fails, is in the error."""
    command = [sys.executable, "-m", "nbgrader", *arguments]
    # It calls a program of its environment by name.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command,
        cwd=course,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore"},
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line][-6:]
        raise ClassroomError(
            f"nbgrader {arguments[0]} failed:\n" + "\n".join(lines or done.stderr.splitlines()[-6:])
        )
    return done.stdout + done.stderr


def _prepare(course: Path) -> None:
    if importlib.util.find_spec("nbgrader") is None:
        raise ClassroomError('This needs nbgrader: pip install "nbgrader==0.9.*"')
    course.mkdir(parents=True, exist_ok=True)
    config = course / "nbgrader_config.py"
    if not config.exists():
        config.write_text(CONFIG, encoding="utf-8")


def _find(name: str, solutions: Path) -> Path:
    found = sorted(solutions.glob("*.ipynb"))
    for path in found:
        if name in (path.stem, path.stem.split("_")[0]):
            return path
    known = ", ".join(path.stem.split("_")[0] for path in found) or "none yet"
    raise ClassroomError(f"There are no exercises {name!r}. There are: {known}")


def main(arguments: Sequence[str]) -> int:
    """The command `python run.py class`."""
    parser = argparse.ArgumentParser(prog="run.py class", description="Hand out, and grade.")
    parser.add_argument("what", choices=["release", "grade"])
    parser.add_argument("chapter", help="number or name of the exercises, such as 03")
    parser.add_argument("--folder", type=Path, default=Path("class"), help="the course folder")
    options = parser.parse_args(arguments)
    solutions = Path("notebooks") / "solutions"
    try:
        if options.what == "release":
            path = release(options.chapter, solutions, options.folder)
            print(
                f"Hand out: {path}\nCollect in: {options.folder}/submitted/NAME/{path.parent.name}/"
            )
        else:
            path = grade(options.chapter, solutions, options.folder)
            print(path.read_text(encoding="utf-8"), end="")
            print(f"Grades: {path}")
    except ClassroomError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
