"""Steps for nbgrader: what it hands out, and how it grades. Needs the extra `teacher`.

`Stubs` puts the stub of each exercise in place of its solution, when an assignment is made.
`GradeApart` takes the place of nbgrader's `Execute`: no cell of a submission runs in the process
that grades, nor in one that could print a grade (see `esnb.course.classroom.sandbox`).
"""

from __future__ import annotations

import ast
import importlib
import random
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from esnb.course.exercises import Exercise, exercises
from esnb.course.exercises.engine.time_limit import Stopped, run
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.verdicts import GENERAL, NotQuite, StillStub

from .sandbox import Apart, Gone

_nbgrader: Any = importlib.import_module("nbgrader.preprocessors")
ClearSolutions: Any = _nbgrader.ClearSolutions
NbGraderPreprocessor: Any = _nbgrader.NbGraderPreprocessor

ROUNDS = 2  # of hidden cases, after those that everybody can see


class Stubs(ClearSolutions):  # type: ignore[misc]
    """A solution cell becomes the stub of its exercise; others are left to nbgrader."""

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        """Replace the source of a cell `answer-...` by the stub of the bank."""
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        found = exercises().get(grade_id.removeprefix("answer-"))
        if found and grade_id.startswith("answer-"):
            cell.source = found.stub
            return cell, resources
        changed: tuple[Any, Any] = super().preprocess_cell(cell, resources, cell_index)
        return changed


class TeachersMarks(NbGraderPreprocessor):  # type: ignore[misc]
    """What a cell is (graded, locked, worth how much) is as the teacher had it, not the learner.

    The first cell with a known id gets the marks of the gradebook; every other loses its marks. And
    nbgrader itself would stop grading *everybody* over one file whose marks it cannot read.
    """

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Write the marks of each cell anew."""
        api: Any = importlib.import_module("nbgrader.api")
        where = resources["nbgrader"]
        with api.Gradebook(where["db_url"]) as gradebook:
            known = gradebook.find_notebook(where["notebook"], where["assignment"])
            points = {cell.name: cell.max_score for cell in known.grade_cells}
            answers = {cell.name for cell in known.solution_cells}
            marks = {
                cell.name: {
                    "schema_version": 3,
                    "task": False,
                    "locked": bool(cell.locked),
                    "grade_id": cell.name,
                    "solution": cell.name in answers,
                    "grade": cell.name in points,
                    "cell_type": cell.cell_type,
                }
                for cell in known.source_cells
            }
            for name, worth in points.items():
                marks[name]["points"] = worth
        for cell in nb.cells:
            theirs = cell.metadata.pop("nbgrader", None)
            name = theirs.get("grade_id") if isinstance(theirs, dict) else None
            if isinstance(name, str) and name in marks:
                cell.metadata["nbgrader"] = _node(marks.pop(name))
        return nb, resources


class GradeApart(NbGraderPreprocessor):  # type: ignore[misc]
    """Run a submission in a child process, judge it here, and write the points into its cells."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Grade each locked `check` cell; nbgrader has put the teacher's text into it before.

        Raises `TamperedError` when files of the course were changed meanwhile: no points then.
        """
        exercises()  # read now: afterwards there may be another text in these files
        submission, before = _Submission(nb.cells), fingerprints()
        try:
            for number, cell in enumerate(nb.cells):
                if cell.cell_type != "code":
                    continue
                cell.outputs, cell.execution_count = [], None
                if not cell.metadata.get("nbgrader", {}).get("grade"):
                    submission.run(number)
                elif (call := hidden_call(cell.source)) is None:
                    _write(cell, 0.0, "Nothing here is graded: the cell has no hidden part.")
                else:
                    worth = float(cell.metadata.nbgrader["points"])
                    share, message = submission.grade(number, *call)
                    _write(cell, share * worth, message)
        finally:
            submission.close()
        if changed := sorted(name for name, _ in before ^ fingerprints()):
            who = resources["nbgrader"]["student"]
            raise TamperedError(
                f"{who}: while this submission ran, files of the course were changed: "
                f"{', '.join(changed[:5])}. It gets no points. Look at what it did, and put the "
                "files back before you grade anybody else."
            )
        return nb, resources


class TamperedError(Exception):
    """A submission, or somebody at the same time, changed files that the grading rests on."""


def fingerprints() -> set[tuple[str, str]]:
    """What the grading rests on, as (name, hash): esnb itself, the assignments, the gradebook."""
    course = Path.cwd()  # nbgrader works in the course folder
    files = [*Path(__file__).parents[2].rglob("*.py"), *course.glob("*.py"), *course.glob("*.db")]
    files += [path for path in (course / "source").rglob("*") if path.is_file()]
    return {(path.name, sha256(path.read_bytes()).hexdigest()) for path in files}


def hidden_call(source: str) -> tuple[str, str, str] | None:
    """Exercise, expression and seed of a `grade("03-2", buy, seed="...")` in a cell, if any."""
    with suppress(SyntaxError):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "grade":
                exercise, answer = node.args
                seed = node.keywords[0].value
                return ast.literal_eval(exercise), ast.unparse(answer), ast.literal_eval(seed)
    return None


class _Submission:
    """The cells of one notebook, and the child process that they run in; a new one when it ends."""

    def __init__(self, cells: list[Any]) -> None:
        self.cells = cells
        self.child: Apart | None = None
        self.ran: list[int] = []

    def run(self, number: int) -> None:
        """Run a cell, and keep what it printed beside it. One that never ends is left out."""
        cell = self.cells[number]
        try:
            printed, error = self._child().run(cell.source)
        except Gone as gone:
            self.close()
            printed, error = "", str(gone)
        else:
            self.ran.append(number)
        for name, text in (("stdout", printed), ("stderr", error)):
            if text:
                cell.outputs.append(_output("stream", name=name, text=text))

    def grade(self, number: int, exercise: str, expression: str, seed: str) -> tuple[float, str]:
        """The share of the points, and what the learner reads about it."""
        found = exercises().get(exercise)
        if found is None:
            return 0.0, f"There is no exercise {exercise!r}."
        if self._is_stub(found, number):
            return 0.0, f"{exercise}: not yet. The answer cell is as it was handed out."
        try:
            answer = self._child().answer(expression)
        except Gone as gone:
            self.close()
            return 0.0, f"{exercise}: not quite. {gone}"
        except Exception as error:
            return 0.0, f"{exercise}: not yet. There is no answer: {type(error).__name__}: {error}"
        share, message = judged(found, answer, self._child(), seed)
        if self.child and not self.child.alive():
            self.close()
        return share, f"{exercise}: {message}"

    def _child(self) -> Apart:
        if self.child is None:
            self.child = Apart()
            for number in self.ran:  # what an earlier child had run, once more
                self.child.run(self.cells[number].source)
        return self.child

    def _is_stub(self, exercise: Exercise, number: int) -> bool:
        ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in self.cells]
        with suppress(SyntaxError, ValueError):
            source = self.cells[ids.index(f"answer-{exercise.id}")].source
            same: bool = ast.dump(ast.parse(source)) == ast.dump(ast.parse(exercise.stub))
            return same
        return False

    def close(self) -> None:
        """End the child."""
        if self.child is not None:
            self.child.close()
            self.child = None


def judged(
    exercise: Exercise, answer: Any, child: Apart, seed: str, rounds: int = ROUNDS
) -> tuple[float, str]:
    """Judge an answer: the cases that everybody sees, then hidden ones; the worst round counts."""
    share, message = 1.0, f"right. {exercise.right}"
    for round_ in range(1 + rounds):
        trial = Trial(exercise.id)
        if round_:
            trial.rng = random.Random(f"{seed} {round_}")
        child.wind_up()

        def work(trial: Trial = trial) -> None:
            try:
                exercise.checker(answer, trial)
            except Gone as gone:
                raise Stopped() if gone.endless else gone from None

        done = run(work, limit=6 * child.limit)
        if done.error is None and not done.endless:
            continue
        if isinstance(done.error, NotQuite):
            points, mistake = done.error.points, done.error.mistake
        else:
            points, mistake = 0.0, "endless" if done.endless else "error"
        if points < share:
            words = exercise.mistakes.get(mistake) or GENERAL.get(mistake, GENERAL["other"])
            share, message = points, f"not quite. {words}"
            if isinstance(done.error, StillStub):
                message = "not yet. The answer still holds the `...` of the stub."
            elif mistake == "error" and done.error is not None:
                details = dict(getattr(done.error, "details", ()))
                message += " " + " ".join(details.get("error", [str(done.error)]))[:300]
        if not share:
            break
    return share, message


def _write(cell: Any, points: float, message: str) -> None:
    """The outputs from which nbgrader reads the points: a number, and nothing on stderr."""
    number = {"text/plain": f"{points:.4f}".rstrip("0").rstrip(".")}
    cell.outputs = [
        _output("stream", name="stdout", text=message.strip() + "\n"),
        _output("execute_result", data=number, metadata={}, execution_count=1),
    ]
    cell.execution_count = 1


def _output(kind: str, **fields: Any) -> Any:
    return _node({"output_type": kind, **fields})


def _node(fields: dict[str, Any]) -> Any:
    return importlib.import_module("nbformat").from_dict(fields)
