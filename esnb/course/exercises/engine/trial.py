"""What a checker works with: ways to try an answer, to shorten a failure, and to say what is wrong.

A checker compares an answer with an oracle of its own on many small cases, made with a seed. The
first case that fails is made shorter as long as it fails: delta debugging (Zeller and Hildebrandt,
2002). A wrong answer that agrees with a known wrong model on every case is called by its name.
"""

from __future__ import annotations

import random
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    KeysView,
    Mapping,
    Sequence,
    ValuesView,
)
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from textwrap import wrap
from typing import Any, NoReturn

import pandas as pd

from esnb.course.exercises.engine.stub_detection import is_gap
from esnb.course.exercises.engine.time_limit import place_of
from esnb.events import Event, dump_json
from esnb.model.state import diff_states

#: Mistakes that any exercise may meet. The tests of the bank count them as well.
GENERAL = {
    "error": "Your code stopped with an error.",
    "endless": "Your code did not come to an end in time, so it was stopped. Look for the loop "
    "that never ends: what should make it stop?",
    "changes-events": "Your code changes the events that it was given. An event is a fact that "
    "others read too: build a new value, and leave the event as it is.",
    "remembers": "Asked twice about the same events, your code gave two answers. Something is kept "
    "from one call to the next: begin each call with a fresh, empty state.",
    "wrong-kind": "This check expects another kind of answer.",
    "tests-fail-the-right-one": "One of your tests fails for the right rules. A test that fails "
    "for everybody catches nobody: mend it first.",
    "too-few-caught": "Your tests hold for the right rules. Some broken rules pass them as well.",
    "other": "The result is not the right one yet.",
}

ROWS = 14  # lines shown of one thing
WIDTH = 110
_NOTHING: Any = object()

Call = Callable[[Any, Any], Any]


class StillStub(Exception):
    """A learner's function handed back the `...` of its stub."""


class NotQuite(Exception):
    """A checker's verdict: which mistake, and what there is to see."""

    def __init__(self, mistake: str, details: Iterable[tuple[str, Any]], points: float, note: str):
        super().__init__(mistake)
        self.mistake = mistake
        self.details = tuple((title, tuple(shown(value))) for title, value in details)
        self.points = points
        self.note = note


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a call: a value, or an error."""

    value: Any = None
    error: Exception | None = None

    def same_as(self, other: Came) -> bool:
        """Equal values, or errors of the same class."""
        if self.error or other.error:
            return type(self.error) is type(other.error)
        return same(self.value, other.value)

    def lines(self) -> list[str]:
        """What is shown of it."""
        if self.error:
            return [f"{type(self.error).__name__}: {self.error}"]
        return shown(self.value)


class Trial:
    """One try of one answer. `rng` is seeded with the exercise's id: the same cases every time."""

    def __init__(self, exercise: str) -> None:
        self.exercise = exercise
        self.rng = random.Random(f"esnb exercise {exercise}")

    def fail(
        self, mistake: str = "other", *, given: Any = _NOTHING, when: Any = _NOTHING,
        got: Any = _NOTHING, wanted: Any = _NOTHING, difference: Any = _NOTHING,
        points: float = 0.0, note: str = "", **more: Any,
    ) -> NoReturn:  # fmt: skip
        """End the check: not quite, for this mistake.

        `given` is what was fed in, `when` what was asked, `got` what came back. The first
        difference is worked out from `got` and `wanted`. `more` are further rows, by title; `note`
        is a sentence after the message of the mistake.
        """
        if difference is _NOTHING and got is not _NOTHING and wanted is not _NOTHING:
            difference = first_difference(wanted, got) or _NOTHING
        # An error and its line are what to look at first.
        first = {name: more.pop(name) for name in ("error", "your_line") if name in more}
        rows = {
            **{title.replace("_", " "): value for title, value in first.items()},
            "given": given, "when": when, "came back": got, "wanted": wanted,
            "first difference": difference,
            **{title.replace("_", " "): value for title, value in more.items()},
        }  # fmt: skip
        details = [(title, value) for title, value in rows.items() if value is not _NOTHING]
        raise NotQuite(mistake, details, points, note)

    def require(self, holds: Any, mistake: str = "other", **rows: Any) -> None:
        """Fail with this mistake, and these rows, unless it holds."""
        if not holds:
            self.fail(mistake, **rows)

    def function(self, answer: Any, call: str) -> None:
        """Fail unless the answer can be called; `call` shows how: `buy(store, buyer)`."""
        if not callable(answer):
            self.fail("wrong-kind", got=f"{answer!r:.200}", wanted=f"a function, called as {call}")

    def kind(self, answer: Any, kinds: Any, words: str) -> None:
        """Fail unless the answer is of a kind; `words` say which: "a list of positions"."""
        if not isinstance(answer, kinds):
            self.fail("wrong-kind", got=f"{answer!r:.200}", wanted=words)

    def fields(self, answer: Any, **kinds: str) -> None:
        """Fail unless the answer is a dict with these keys; each value says of which kind it is."""
        self.kind(answer, dict, f"a dict with {', '.join(kinds)}")
        if answer.keys() != kinds.keys():
            words = "; ".join(f"{name}: {kind}" for name, kind in kinds.items())
            self.fail("wrong-kind", got=list(map(str, answer)), wanted=words)

    def call(self, function: Callable[..., Any], *arguments: Any, given: Any = _NOTHING) -> Any:
        """Call the learner's function; an error in it is a failure that shows `given`."""
        came = attempt(lambda: function(*arguments))
        if came.error is not None:
            self.fail_for(came.error, given=given)
        if is_gap(came.value):
            raise StillStub
        return came.value

    def fail_for(self, error: Exception, **rows: Any) -> NoReturn:
        """Fail with an error that the learner's code raised, and with its line."""
        place = place_of(error)
        if place:
            rows["your_line"] = f"line {place[0]} of your cell: {place[1]}"
        if isinstance(error, NameError):
            rows.setdefault("note", "Have you run the cells above it, from the first one on?")
        self.fail("error", error=f"{type(error).__name__}: {error}", **rows)

    def compare(
        self, answer: Any, oracle: Any, cases: Iterable[list[Any]], *,
        models: Mapping[str, Any] | None = None, call: Call = lambda function, case: function(case),
        mistake: str = "other", legal: Callable[[list[Any]], bool] = lambda case: True,
        tidy: Callable[[list[Any]], list[Any]] = lambda case: case,
    ) -> None:  # fmt: skip
        """Ask the answer and the oracle about each case, a list; they must say the same.

        The first case with a difference is shortened while it stays `legal`; `tidy` puts numbers
        right after something was taken out. `models` maps mistakes to wrong answers: the learner's
        is called by the name of the one that gives the same on every case, else on the shortest.
        `call` says how a case is passed, `mistake` is the name when no model fits.
        """
        cases = [tidy(fresh(case)) for case in cases]
        asked = [self._ask(answer, call, case) for case in cases]
        for case, came in zip(cases, asked, strict=True):
            if not came.same_as(_ask_quietly(oracle, call, case)):
                break
        else:
            return

        def fails(case: list[Any]) -> bool:
            came, truth = self._ask(answer, call, case), _ask_quietly(oracle, call, case)
            if came.error is None or truth.error is not None:
                return not came.same_as(truth)
            return isinstance(came.error, type(first.error)) if first.error else False

        first = came
        small = shrink(case, fails, legal, tidy)
        came, truth = self._ask(answer, call, small), _ask_quietly(oracle, call, small)
        if came.error is not None and truth.error is None and place_of(came.error):
            self.fail_for(came.error, given=small)
        if is_gap(came.value):
            raise StillStub
        for name, model in (models or {}).items():
            pairs = zip(cases, asked, strict=True)
            if all(_ask_quietly(model, call, c).same_as(a) for c, a in pairs):
                mistake = name
                break
        else:
            fits = [n for n, m in (models or {}).items()
                    if _ask_quietly(m, call, small).same_as(came)]  # fmt: skip
            mistake = fits[0] if len(fits) == 1 else mistake
        value = came.lines() if came.error else came.value
        wanted = truth.lines() if truth.error else truth.value
        self.fail(mistake, given=small, got=value, wanted=wanted)

    def _ask(self, answer: Any, call: Call, case: list[Any]) -> Came:
        """Ask the learner's code twice, with copies; it must neither change them nor remember."""
        given = fresh(case)
        items = [*given]  # what is done to the list is the learner's affair, to its events not
        came = attempt(lambda: settled(call(answer, given)))
        if not same(items, case):
            self.fail("changes-events", given=case, after_the_call=items)
        again = attempt(lambda: settled(call(answer, fresh(case))))
        if not came.same_as(again):
            self.fail("remembers", given=case, first_answer=came.lines(),
                      second_answer=again.lines())  # fmt: skip
        # A result that shares a list with its events may change later; what it said now counts.
        return came

    def score_tests(
        self, suite: Callable[[Any], Any], right: Any, mutants: Mapping[str, Any],
        known: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Judge tests that the learner wrote: `suite(subject)` raises AssertionError, or passes.

        It has to pass for `right` and to fail for each of `mutants`, a name to a broken subject.
        `known` maps the name of a mutant to the mistake of letting it through; a part of the points
        is given for those that were caught.
        """
        came = attempt(lambda: suite(right))
        if isinstance(came.error, AssertionError):
            said: dict[str, Any] = {"got": str(came.error).splitlines() or "a test fails"}
            if place := place_of(came.error):
                said["your_line"] = f"line {place[0]} of your cell: {place[1]}"
            self.fail("tests-fail-the-right-one", **said)
        if came.error is not None:
            self.fail_for(came.error)
        if is_gap(came.value):
            raise StillStub
        caught = [n for n, m in mutants.items() if attempt(partial(suite, m)).error is not None]
        missed = [name for name in mutants if name not in caught]
        if missed:
            mistake = (known or {}).get(missed[0], "too-few-caught")
            self.fail(mistake, points=len(caught) / len(mutants),
                      caught=f"{len(caught)} of {len(mutants)}: {'; '.join(caught) or 'none'}",
                      not_caught=missed)  # fmt: skip


def attempt(work: Callable[[], Any]) -> Came:
    """Do it, and keep the error if there is one."""
    try:
        return Came(work())
    except (NotQuite, StillStub):
        raise
    except Exception as error:
        return Came(error=error)


def _ask_quietly(function: Any, call: Call, case: list[Any]) -> Came:
    return attempt(lambda: call(function, fresh(case)))


def settled(value: Any) -> Any:
    """A list of what a generator, a `map` or `some_dict.values()` would hand out."""
    return [*value] if isinstance(value, Iterator | ValuesView | KeysView) else value


def fresh(case: Any) -> Any:
    """A copy that shares nothing that can be changed: what the learner does to it stays there."""
    if isinstance(case, Event):
        return replace(case, event_data=deepcopy(case.event_data), metadata=deepcopy(case.metadata))
    if isinstance(case, list):
        return [fresh(item) for item in case]
    if isinstance(case, tuple):
        return tuple(fresh(item) for item in case)
    return deepcopy(case)


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal; tables of pandas by their content; a list is no tuple's match
    for less than its items."""
    if isinstance(a, pd.DataFrame | pd.Series) or isinstance(b, pd.DataFrame | pd.Series):
        return type(a) is type(b) and bool(a.equals(b))
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    try:
        return bool(a == b)
    except Exception:  # an == of the learner's, or of an array
        return False


def shrink(
    case: list[Any], fails: Callable[[list[Any]], bool],
    legal: Callable[[list[Any]], bool] = lambda case: True,
    tidy: Callable[[list[Any]], list[Any]] = lambda case: case, budget: int = 200,
) -> list[Any]:  # fmt: skip
    """A shorter case that still fails, by taking out ever smaller pieces; at most `budget` tries.

    With pieces of one, nothing more can be left out without losing the failure.
    """
    piece = max(1, len(case) // 2)
    while piece >= 1:
        start, shorter = 0, False
        while start < len(case) and budget > 0:
            less = tidy(case[:start] + case[start + piece :])
            budget -= 1
            if legal(less) and fails(less):
                case, shorter = less, True
            else:
                start += piece
        if piece == 1 and (not shorter or budget <= 0):
            break
        piece = max(1, piece // 2)
    return case


def first_difference(wanted: Any, got: Any) -> str:
    """Where two values part, in words; empty if they do not, or if that would say no more."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        diff = diff_states(wanted, got)
        for path, (before, after) in diff.changed.items():
            if not same(before, after):
                return f"{path}: {before!r:.60} wanted, {after!r:.60} came back"
        for path, value in diff.removed.items():
            return f"{path}: {value!r:.60} is missing"
        for path, value in diff.added.items():
            return f"{path}: {value!r:.60} was not wanted"
    if isinstance(wanted, list | tuple) and isinstance(got, list | tuple):
        if len(wanted) < 2 and len(got) < 2:
            return ""
        for number, (want, have) in enumerate(zip(wanted, got, strict=False), start=1):
            if not same(want, have):
                return f"place {number}: {_brief(want)} wanted, {_brief(have)} came back"
        if len(got) < len(wanted):
            return f"place {len(got) + 1}: {_brief(wanted[len(got)])} is missing"
        if len(got) > len(wanted):
            return f"place {len(wanted) + 1}: {_brief(got[len(wanted)])} was not wanted"
    return ""


def shown(value: Any) -> list[str]:
    """A value as lines to show: a list with one line an item, a table as it prints."""
    if isinstance(value, str):
        lines = value.splitlines() or ["''"]
    elif isinstance(value, list | tuple) and any(
        isinstance(item, Event | str | tuple | dict) for item in value
    ):
        streams = {e.aggregate_id for e in value if isinstance(e, Event) and e.aggregate_id}
        lines = [_line(item, with_stream=len(streams) > 1) for item in value]
    elif isinstance(value, pd.DataFrame | pd.Series):
        lines = value.head(ROWS).to_string().splitlines()
    elif isinstance(value, list) and not value:
        lines = ["(nothing)"]
    else:
        lines = [_line(value)]
    if len(lines) > ROWS:
        lines = [*lines[: ROWS - 1], f"... and {len(lines) - ROWS + 1} more"]
    if len(lines) == 1:  # a sentence, such as the text of an error
        return wrap(lines[0], WIDTH, max_lines=4, placeholder=" ...") or [""]
    return [line if len(line) <= WIDTH else line[: WIDTH - 3] + "..." for line in lines]


def _line(value: Any, with_stream: bool = False) -> str:
    if isinstance(value, Event):
        number = f"{value.sequence_number} " if value.sequence_number else ""
        if with_stream and value.aggregate_id:
            number = f"{value.aggregate_id} {number}"
        data = " ".join(f"{key}={_plain(item)}" for key, item in value.event_data.items())
        return f"{number}{value.event_type} {data}".rstrip()
    if isinstance(value, str):
        return value
    try:
        return repr(value)
    except Exception as error:  # a __repr__ of the learner's
        return f"<{type(value).__name__} whose repr fails: {type(error).__name__}>"


def _brief(value: Any) -> str:
    """A line on a value that is shown in full elsewhere."""
    if isinstance(value, Event):
        return f"{value.sequence_number or ''} {value.event_type}".strip()
    line = _line(value)
    return line if len(line) <= 60 else line[:57] + "..."


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else dump_json({"": value}, "")[4:-1]


def numbered(events: Sequence[Event]) -> list[Event]:
    """The events with sequence numbers and positions that count from 1, for each aggregate."""
    counts: dict[str | None, int] = {}
    result = []
    for position, event in enumerate(events, start=1):
        counts[event.aggregate_id] = number = counts.get(event.aggregate_id, 0) + 1
        result.append(replace(event, sequence_number=number, position=position))
    return result
