"""The bank: what an exercise declares, and how one is found.

A chapter's exercises are in a module of their own, `chapter03.py`, and their text, stub-for-stub,
in the notebook `notebooks/solutions/03_conflicts.ipynb`. Every module of this package whose name
begins with `chapter` or `capstone` is read when the first exercise is asked for.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from esnb.course.exercises.engine.feedback import Link
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.verdicts import GENERAL

Form = Literal["Predict", "Fill in", "Bug hunt", "Break it", "Put in order", "Your data"]
FORMS = ("Predict", "Fill in", "Bug hunt", "Break it", "Put in order", "Your data")
Checker = Callable[[Any, Trial], None]
#: Whether what an answer was tried with varies as it should; given everything that was tried.
Varies = Callable[[Sequence[Any]], bool]

_BANK: dict[str, Exercise] = {}


@dataclass(frozen=True, slots=True)
class Exercise:
    """One exercise; `mistakes` are the wrong answers that it knows by name, with a message each.

    `section` is a heading of the chapter, where the idea is explained. `right` says in a sentence
    what a right answer has shown. `stub` is the source of the cell that the learner fills in.
    `cases` are the checks in words, which can be run one by one; `varies` says what must differ
    among the things that an answer is tried with. `none_counts`: None may be an answer.
    """

    id: str
    form: Form
    title: str
    notebook: str
    chapter: str
    section: str
    stub: str
    hints: tuple[str, str, str]
    right: str
    mistakes: Mapping[str, str]
    checker: Checker = field(repr=False)
    todo: str = ""
    cases: tuple[str, ...] = ()
    varies: Mapping[str, Varies] = field(default_factory=dict, repr=False)
    none_counts: bool = False

    @property
    def heading(self) -> str:
        """Its heading in the notebooks of the exercises and of the solutions."""
        return f"{self.id} {self.title}"

    @property
    def chapter_link(self) -> str:
        """Where the chapter explains it, as seen from the folder notebooks."""
        return f"{self.chapter}.ipynb#{anchor(self.section)}"

    @property
    def exercise_link(self) -> str:
        """Where it is to be done, as seen from the folder notebooks."""
        return f"exercises/{self.notebook}.ipynb#{anchor(self.heading)}"

    @property
    def solution_link(self) -> str:
        """Where it is solved, as seen from the folder notebooks."""
        return f"solutions/{self.notebook}.ipynb#{anchor(self.heading)}"

    @property
    def idea(self) -> Link:
        """The section to go back to, as seen from an exercise."""
        number = self.chapter.partition("_")[0]
        return Link(f"chapter {number}, {self.section}", f"../{self.chapter_link}")


class Chapter:
    """Registers the exercises of one notebook: `@chapter.exercise("03-2", form=..., ...)`.

    `notebook` is the name of the notebook in solutions and in exercises. `chapter`, the one with
    the sections that explain, has the same name unless it is given.
    """

    def __init__(self, notebook: str, chapter: str = "") -> None:
        self.notebook = notebook
        self.chapter = chapter or notebook

    def exercise(
        self,
        id: str,
        *,
        form: Form,
        title: str,
        section: str,
        stub: str,
        hints: Sequence[str],
        right: str,
        mistakes: Mapping[str, str],
        chapter: str = "",
        todo: str = "",
        cases: Sequence[str] = (),
        varies: Mapping[str, Varies] | None = None,
        none_counts: bool = False,
    ) -> Callable[[Checker], Checker]:
        """Register the decorated checker, `(answer, trial) -> None`, under an id.

        It returns for a right answer, and ends with `trial.fail(...)` for any other. `todo` is
        what to do first, said when the stub is untouched. The rest is as `Exercise` has it.
        """
        nudge, idea, first_line = hints
        if id in _BANK:
            raise ValueError(f"exercise {id}: registered twice")
        if not set(mistakes).isdisjoint(GENERAL):
            raise ValueError(f"exercise {id}: {set(mistakes) & set(GENERAL)} are general mistakes")

        def register(checker: Checker) -> Checker:
            _BANK[id] = Exercise(
                id,
                form,
                title,
                self.notebook,
                chapter or self.chapter,
                section,
                stub.strip("\n"),
                (nudge, idea, first_line),
                right,
                dict(mistakes),
                checker,
                todo,
                tuple(cases),
                dict(varies or {}),
                none_counts,
            )
            return checker

        return register


@functools.cache
def _read_all() -> None:
    package = importlib.import_module("esnb.course.exercises.bank")
    for module in sorted(found.name for found in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"esnb.course.exercises.bank.{module}")


def exercises() -> dict[str, Exercise]:
    """The whole bank, in the order of the notebooks and, in each, of the numbers."""
    _read_all()
    return {e.id: e for e in sorted(_BANK.values(), key=lambda e: (e.notebook, _number(e.id)))}


def _number(id: str) -> int:
    return int(id.rpartition("-")[2])


def next_after(exercise: Exercise) -> Exercise | None:
    """The exercise that follows in the same notebook."""
    same = [e for e in exercises().values() if e.notebook == exercise.notebook]
    place = same.index(exercise) + 1
    return same[place] if place < len(same) else None


def anchor(heading: str) -> str:
    """A heading as JupyterLab writes it in an address."""
    return heading.replace("`", "").replace("*", "").replace(" ", "-")
