"""Exercises that check themselves: `check("03-2", buy)` and `hint("03-2")`.

A check says one of three things: not yet (the stub is untouched), not quite (with what was tried
and what came back), or right. It never raises, stops code that does not end, and prints nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Literal

from esnb.course.exercises.engine.feedback import NOT_QUITE, NOT_YET, RIGHT, Feedback, Hint, Link
from esnb.course.exercises.engine.registry import Exercise, exercises, next_after
from esnb.course.exercises.engine.stub_detection import is_untouched
from esnb.course.exercises.engine.time_limit import Run, place_of, run
from esnb.course.exercises.engine.trial import GENERAL, NotQuite, StillStub, Trial

__all__ = ["Attempt", "Exercise", "Feedback", "Hint", "check", "exercises", "hint", "listeners"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """That somebody checked an answer, or asked for a hint.

    `outcome` is that of the check (None for a hint), `mistake` the key of a recognised wrong
    answer, `step` the number of the hint. `at` is the time, in UTC.
    """

    exercise: str
    kind: Literal["attempt", "hint"]
    outcome: str | None
    mistake: str | None
    at: datetime
    step: int | None = None


#: Called with each Attempt; empty unless somebody asked for it. What they raise is dropped.
listeners: list[Callable[[Attempt], None]] = []

_hints_given: Counter[str] = Counter()


def check(exercise: str, answer: Any = None, *, worth: float = 1.0) -> Feedback:
    """Try an answer and say what came of it; never raises.

    `worth` is the number of points for a right answer when nbgrader grades the cell.
    """
    found, unknown = _find(exercise)
    if found is None:
        return Feedback(str(exercise), NOT_YET, unknown, worth=worth)
    try:
        feedback = _checked(found, answer)
    except Exception as error:  # not the learner's fault, and not theirs to see a traceback of
        feedback = Feedback(
            found.id, NOT_QUITE, "The check itself failed on this answer. Please tell the authors.",
            "error", details=(("error", (f"{type(error).__name__}: {error}",)),),
        )  # fmt: skip
    feedback = replace(feedback, worth=worth)
    _tell(Attempt(found.id, "attempt", feedback.outcome, feedback.mistake, datetime.now(UTC)))
    return feedback


def hint(exercise: str) -> Hint:
    """Give the next step of help: a nudge, the idea, the first line, then where the solution is."""
    found, unknown = _find(exercise)
    if found is None:
        return Hint(str(exercise), 0, 0, unknown)
    step = min(_hints_given[found.id] + 1, 4)
    _hints_given[found.id] = step
    _tell(Attempt(found.id, "hint", None, None, datetime.now(UTC), step))
    if step == 1:
        return Hint(found.id, 1, 4, found.hints[0])
    if step == 2:
        return Hint(found.id, 2, 4, found.hints[1], found.idea)
    if step == 3:
        return Hint(found.id, 3, 4, "One way to begin:\n" + found.hints[2])
    return Hint(found.id, 4, 4, "The solution, with its reasons:",
                Link(found.heading, "../" + found.solution_link))  # fmt: skip


def _find(exercise: Any) -> tuple[Exercise | None, str]:
    bank = exercises()
    if isinstance(exercise, str) and exercise in bank:
        return bank[exercise], ""
    near = get_close_matches(str(exercise), bank, 3, 0.3)
    return None, f"There is no exercise {exercise!r}. Did you mean {' or '.join(near) or '01-1'}?"


def _checked(exercise: Exercise, answer: Any) -> Feedback:
    if is_untouched(answer, exercise.stub):
        return _not_yet(exercise)
    trial = Trial(exercise.id)
    done = run(lambda: exercise.checker(answer, trial))
    if isinstance(done.error, StillStub):
        return _not_yet(exercise)
    if done.endless:
        left = " It could not be stopped: restart the kernel." if done.left_behind else ""
        return _not_quite(exercise, done, "endless", note=left)
    if isinstance(done.error, NotQuite):
        verdict = done.error
        return _not_quite(exercise, done, verdict.mistake, verdict.details, verdict.note,
                          verdict.points)  # fmt: skip
    if done.error is not None:
        place = place_of(done.error)
        where = (("your line", (f"line {place[0]} of your cell: {place[1]}",)),) if place else ()
        error = ("error", (f"{type(done.error).__name__}: {done.error}"[:200],))
        return _not_quite(exercise, done, "error", (error, *where))
    following = next_after(exercise)
    link = Link(following.heading, "#" + following.exercise_link.partition("#")[2]) if following \
        else exercise.idea  # fmt: skip
    return Feedback(
        exercise.id, RIGHT, exercise.right, points=1.0,
        links=(("Next:" if following else "Back to", link),),
    )  # fmt: skip


def _not_yet(exercise: Exercise) -> Feedback:
    text = exercise.todo or "The answer cell is as you got it: change it, run it, and check again."
    return Feedback(exercise.id, NOT_YET, text, after=f'For a nudge: `hint("{exercise.id}")`')


def _not_quite(
    exercise: Exercise, done: Run, mistake: str,
    details: tuple[tuple[str, tuple[str, ...]], ...] = (), note: str = "", points: float = 0.0,
) -> Feedback:  # fmt: skip
    message = exercise.mistakes.get(mistake) or GENERAL.get(mistake) or GENERAL["other"]
    if done.printed.strip():
        lines = done.printed.strip().splitlines()
        lines = [*lines[:6], "..."] if len(lines) > 7 else lines
        details = (*details, ("your code printed", tuple(line[:110] for line in lines)))
    return Feedback(
        exercise.id, NOT_QUITE, f"{message} {note}".strip(), mistake, points, 1.0, details,
        (("The idea:", exercise.idea),), f'Help in steps: `hint("{exercise.id}")`',
    )  # fmt: skip


def _tell(attempt: Attempt) -> None:
    for listener in [*listeners]:
        try:
            listener(attempt)
        except Exception:
            continue  # a diary that fails must not stop the lesson
