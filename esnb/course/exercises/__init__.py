"""Exercises that check themselves: `check("03-2", buy)` and `hint("03-2")`.

A check says one of three things: not yet (the stub is untouched, or has a gap), not quite (with
what was tried and what came back), or right. It never raises, and stops code that does not end.
`cases("03-2")` lists what is tried, `check("03-2", buy, only="...")` tries one of it, and
`progress()` shows how far you are.
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
from esnb.course.exercises.engine.showing import value_lines
from esnb.course.exercises.engine.stubs import (
    MISSING,
    call_of,
    gaps_in,
    is_untouched,
    line_with_gap,
    never_returns,
    returns_something,
    wanted_of,
)
from esnb.course.exercises.engine.time_limit import Run, place_of, run
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.verdicts import GENERAL, NotQuite, StillStub
from esnb.course.exercises.others import others_for
from esnb.course.exercises.progress import Progress, keep, memories, remembered

__all__ = [
    "Attempt",
    "Exercise",
    "Feedback",
    "Hint",
    "Progress",
    "cases",
    "check",
    "exercises",
    "hint",
    "listeners",
    "memories",
    "progress",
]


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

#: Mistakes that are seen before it matters what comes back.
_BEFORE_IT_RETURNS = ("error", "wrong-arguments", "changes-events", "tests-fail-the-right-one")
_hints_given: Counter[str] = Counter()
_Details = tuple[tuple[str, tuple[str, ...]], ...]


def check(exercise: str, answer: Any = MISSING, *, only: str = "", worth: float = 1.0) -> Feedback:
    """Try an answer and say what came of it; never raises.

    `only` tries one case, by its name in `cases(exercise)`. `worth` is the number of points for a
    right answer when nbgrader grades the cell.
    """
    found, unknown = _find(exercise)
    if found is None:
        return Feedback(str(exercise), NOT_YET, unknown, worth=worth)
    if only and only not in found.cases:
        near = get_close_matches(str(only), found.cases, 1, 0.3)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        text = f"There is no case {only!r}.{meant} `cases({found.id!r})` lists them."
        return Feedback(found.id, NOT_YET, text, worth=worth)
    try:
        feedback = _checked(found, answer, only)
    except Exception as error:  # not the learner's fault, and not theirs to see a traceback of
        feedback = Feedback(
            found.id,
            NOT_QUITE,
            "The check itself failed on this answer. Please tell the authors.",
            "error",
            details=(("error", (f"{type(error).__name__}: {error}",)),),
        )
    feedback = replace(feedback, worth=worth)
    if not only:
        keep(found.id, feedback.outcome)
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
    link = Link(found.heading, "../" + found.solution_link)
    return Hint(found.id, 4, 4, "The solution, with its reasons:", link)


@dataclass(frozen=True, slots=True)
class Cases:
    """The checks of one exercise, in words; `only=` of `check` takes one of them."""

    exercise: str
    names: tuple[str, ...]

    def __repr__(self) -> str:
        if not self.names:
            return f"{self.exercise} is checked as a whole: it has one case."
        example = f'check("{self.exercise}", ..., only="{self.names[0]}")'
        return "\n".join(
            [
                f"{self.exercise} is tried with:",
                *(f"  - {name}" for name in self.names),
                f"One of them alone: {example}",
            ]
        )


def cases(exercise: str) -> Cases:
    """What an answer to this exercise is tried with, in words."""
    found, unknown = _find(exercise)
    return Cases(found.id, found.cases) if found else Cases(unknown, ())


def progress() -> Progress:
    """How far you are: every exercise by chapter, how it went last, and which one comes next."""
    return Progress(tuple(exercises().values()), dict(remembered()))


def _find(exercise: Any) -> tuple[Exercise | None, str]:
    bank = exercises()
    if isinstance(exercise, str) and exercise in bank:
        return bank[exercise], ""
    near = get_close_matches(str(exercise), bank, 3, 0.3)
    return None, f"There is no exercise {exercise!r}. Did you mean {' or '.join(near) or '01-1'}?"


def _checked(exercise: Exercise, answer: Any, only: str) -> Feedback:
    if answer is MISSING:
        call = call_of(exercise.id, exercise.stub)
        return _not_yet(exercise, f"No answer was passed. Check it with `{call}`.")
    if is_untouched(answer, exercise.stub):
        return _not_yet(exercise)
    if not callable(answer) and (
        gaps := gaps_in(answer, exercise.stub, none_counts=exercise.none_counts)
    ):
        return _not_yet(exercise, _words_for(gaps))
    trial = Trial(exercise.id, only)
    done = run(lambda: exercise.checker(answer, trial))
    if done.error is None and not done.endless:
        return _right(exercise, trial)
    if place := line_with_gap(answer):
        text = f"A gap is left in line {place[0]} of your cell: `{place[1]}`. Fill in the `...`, "
        return _not_yet(exercise, f"{text}run the cell, and check again.")
    if isinstance(done.error, StillStub):
        return _not_yet(exercise, "Your function gives back a `...`: put a value in its place.")
    if done.endless:
        return _stopped(exercise, done)
    if isinstance(done.error, NotQuite):
        verdict = done.error
        forgot = returns_something(exercise.stub) and never_returns(answer)
        if forgot and verdict.mistake not in _BEFORE_IT_RETURNS:
            return _not_quite(exercise, done, "no-return", verdict.details)
        return _not_quite(
            exercise,
            done,
            verdict.mistake,
            verdict.details,
            verdict.note,
            verdict.points,
            perhaps=verdict.perhaps,
        )
    return _broke_off(exercise, done, answer)


def _words_for(gaps: list[str]) -> str:
    named = ", ".join(f"`{gap}`" for gap in gaps[:4]) + (" and more" if len(gaps) > 4 else "")
    what = "A gap is" if len(gaps) == 1 else "Gaps are"
    return f"{what} left: {named}. Fill in, run the cell, and check again."


def _right(exercise: Exercise, trial: Trial) -> Feedback:
    if trial.only:
        return Feedback(
            exercise.id,
            RIGHT,
            f"In this case: {trial.only}.",
            points=1.0,
            after=f"All cases: `{call_of(exercise.id, exercise.stub)}`",
        )
    following = next_after(exercise)
    link = exercise.idea
    if following:
        link = Link(following.heading, "#" + following.exercise_link.partition("#")[2])
    return Feedback(
        exercise.id,
        RIGHT,
        " ".join([exercise.right, *trial.remarks]),
        points=1.0,
        links=(("Next:" if following else "Back to", link),),
        others=others_for(exercise.id),
    )


def _stopped(exercise: Exercise, done: Run) -> Feedback:
    if done.why == "asleep":
        left = " It still waits; restart the kernel if it does not end." if done.left_behind else ""
        return _not_quite(exercise, done, "asleep", note=left)
    left = " It could not be stopped: restart the kernel." if done.left_behind else ""
    return _not_quite(exercise, done, "endless", note=left)


def _broke_off(exercise: Exercise, done: Run, answer: Any) -> Feedback:
    """An error instead of a verdict: in the learner's line, or in the check itself."""
    assert done.error is not None
    error = ("error", (f"{type(done.error).__name__}: {done.error}"[:200],))
    if place := place_of(done.error):
        where = ("your line", (f"line {place[0]} of your cell: {place[1]}",))
        return _not_quite(exercise, done, "error", (error, where))
    rows: _Details
    if callable(answer):
        text = "What your code gives back has another shape than the check can look at."
        rows = (("wanted", (f"{wanted_of(exercise.stub)}; see **then** in the task",)), error)
    else:
        text = "The answer has another shape than the check can look at."
        rows = (("came back", tuple(value_lines(answer))), ("wanted", (wanted_of(exercise.stub),)))
    return _not_quite(exercise, done, "wrong-kind", rows, text)


def _not_yet(exercise: Exercise, text: str = "") -> Feedback:
    text = (
        text
        or exercise.todo
        or ("The answer cell is as you got it: change it, run it, and check again.")
    )
    return Feedback(exercise.id, NOT_YET, text, after=f'For a nudge: `hint("{exercise.id}")`')


def _not_quite(
    exercise: Exercise,
    done: Run,
    mistake: str,
    details: _Details = (),
    note: str = "",
    points: float = 0.0,
    *,
    perhaps: bool = False,
) -> Feedback:
    message = exercise.mistakes.get(mistake) or GENERAL.get(mistake) or GENERAL["other"]
    message = f"Perhaps this: {message}" if perhaps else message
    if done.printed.strip():
        lines = done.printed.strip().splitlines()
        lines = [*lines[:6], "..."] if len(lines) > 7 else lines
        details = (*details, ("your code printed", tuple(line[:110] for line in lines)))
    return Feedback(
        exercise.id,
        NOT_QUITE,
        f"{message} {note}".strip(),
        mistake,
        points,
        1.0,
        details,
        (("The idea:", exercise.idea),),
        f'Help in steps: `hint("{exercise.id}")`',
    )


def _tell(attempt: Attempt) -> None:
    for listener in [*listeners]:
        try:
            listener(attempt)
        except Exception:
            continue  # a diary that fails must not stop the lesson
