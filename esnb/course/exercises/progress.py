"""How far somebody is: every exercise, how it went last, and which one comes next.

It is kept in the memory of the notebook. Who has joined the class log has it from there as well,
over all notebooks (see `memories`); without the class log nothing is written anywhere.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from esnb.course.exercises.engine.feedback import MARKS, NOT_QUITE, NOT_YET, RIGHT
from esnb.course.exercises.engine.registry import Exercise

#: Asked for outcomes by exercise; empty unless somebody keeps a log. What they raise is dropped.
memories: list[Callable[[], Mapping[str, str]]] = []

_RANK = {NOT_YET: 0, NOT_QUITE: 1, RIGHT: 2}
_here: dict[str, str] = {}


def keep(exercise: str, outcome: str) -> None:
    """Note how a check went; an exercise that was right once stays right."""
    if _RANK[outcome] >= _RANK[_here.get(exercise, NOT_YET)]:
        _here[exercise] = outcome


def _kept_here() -> Mapping[str, str]:
    return _here


def remembered() -> dict[str, str]:
    """The best outcome of each exercise that was tried."""
    found: dict[str, str] = {}
    for memory in [*memories, _kept_here]:
        with suppress(Exception):
            for exercise, outcome in memory().items():
                if _RANK.get(outcome, -1) >= _RANK[found.get(exercise, NOT_YET)]:
                    found[exercise] = outcome
    return found


@dataclass(frozen=True, slots=True)
class Progress:
    """All exercises, and the best outcome of those that were tried."""

    exercises: tuple[Exercise, ...] = field(repr=False)
    outcomes: Mapping[str, str]

    @property
    def right(self) -> int:
        """How many exercises are right."""
        return sum(self.outcomes.get(e.id) == RIGHT for e in self.exercises)

    @property
    def next(self) -> Exercise | None:
        """The first exercise that is not right, after the last one that was tried; None: all are.

        After the last notebook it goes on with the first.
        """
        tried = [n for n, e in enumerate(self.exercises) if e.id in self.outcomes]
        start = max(tried, default=-1) + 1
        if tried and self.outcomes[self.exercises[start - 1].id] != RIGHT:
            start -= 1  # at the one that is still open
        later = [*self.exercises[start:], *self.exercises[:start]]
        return next((e for e in later if self.outcomes.get(e.id) != RIGHT), None)

    def _notebooks(self) -> dict[str, list[Exercise]]:
        found: dict[str, list[Exercise]] = {}
        for exercise in self.exercises:
            found.setdefault(exercise.notebook, []).append(exercise)
        return found

    def _mark(self, exercise: Exercise) -> str:
        return MARKS.get(self.outcomes.get(exercise.id, ""), "·")

    def _suggestion(self) -> str:
        if self.next is None:
            return "All exercises are right."
        return f"Next: {self.next.heading} (exercises/{self.next.notebook}.ipynb)"

    def __repr__(self) -> str:
        rows = []
        for notebook, bank in self._notebooks().items():
            marks = "".join(map(self._mark, bank))
            done = sum(self.outcomes.get(e.id) == RIGHT for e in bank)
            rows.append(f"{notebook:<28}{marks:<12}{done} of {len(bank)}")
        head = f"{self.right} of {len(self.exercises)} exercises are right."
        return "\n".join([head, *rows, self._suggestion()])

    def _repr_html_(self) -> str:
        rows = []
        for notebook, bank in self._notebooks().items():
            marks = " ".join(
                f'<a href="{html.escape(notebook)}.ipynb#{html.escape(link)}" '
                f'title="{html.escape(e.heading)}: {self.outcomes.get(e.id, "not tried")}">'
                f"{self._mark(e)}</a>"
                for e in bank
                for link in [e.exercise_link.partition("#")[2]]
            )
            done = sum(self.outcomes.get(e.id) == RIGHT for e in bank)
            rows.append(
                f"<tr><td>{html.escape(notebook)}</td><td>{marks}</td>"
                f"<td>{done} of {len(bank)}</td></tr>"
            )
        return (
            f"<b>{self.right} of {len(self.exercises)} exercises are right.</b>"
            f"<table>{''.join(rows)}</table>{html.escape(self._suggestion())}"
        )
