"""What a checker works with: ways to try an answer, and to say what is wrong with it.

A checker compares an answer with an oracle of its own on many small cases, made with a seed. The
first case that fails is made shorter as long as it fails. A wrong answer that agrees with a known
wrong model on every case is called by its name.
"""

from __future__ import annotations

import ast
import inspect
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

from esnb.course.exercises.engine.showing import first_difference, value_lines
from esnb.course.exercises.engine.shrinking import shrink
from esnb.course.exercises.engine.stubs import is_gap
from esnb.course.exercises.engine.time_limit import lap, place_of
from esnb.course.exercises.engine.values import fresh, same, settled
from esnb.course.exercises.engine.verdicts import (
    GENERAL,
    Came,
    NotQuite,
    StillStub,
    attempt,
    near_name,
)

__all__ = ["GENERAL", "Came", "NotQuite", "StillStub", "Trial", "attempt"]

_NOTHING: Any = object()
Call = Callable[[Any, Any], Any]
Tidy = Callable[[list[Any]], list[Any]]
Cases = Mapping[str, Iterable[list[Any]]]


class Trial:
    """One try of one answer. `rng` is seeded with the exercise's id: the same cases every time.

    `only` is the name of one case that is to be tried; `seen` collects what was tried, and `names`
    the cases it belongs to. `remarks` are what is said of a right answer.
    """

    def __init__(self, exercise: str, only: str = "") -> None:
        self.exercise = exercise
        self.rng = random.Random(f"esnb exercise {exercise}")
        self.only = only
        self.seen: list[Any] = []
        self.names: list[str] = []
        self.remarks: list[str] = []

    def case(self, name: str, *seen: Any) -> bool:
        """Whether this case is to be tried; `seen` is what the answer is given in it."""
        lap()
        self.names.append(name)
        self.seen.extend(seen)
        return not self.only or self.only == name

    def remark(self, text: str) -> None:
        """Something to say about an answer, should it be right."""
        if text not in self.remarks:
            self.remarks.append(text)

    # -- verdicts --------------------------------------------------------------------------

    def fail(
        self,
        mistake: str = "other",
        *,
        given: Any = _NOTHING,
        when: Any = _NOTHING,
        got: Any = _NOTHING,
        wanted: Any = _NOTHING,
        difference: Any = _NOTHING,
        points: float = 0.0,
        note: str = "",
        perhaps: bool = False,
        **more: Any,
    ) -> NoReturn:
        """End the check: not quite, for this mistake.

        `given` is what was fed in, `when` what was asked, `got` what came back. The first
        difference is worked out from `got` and `wanted`. `more` are further rows, by title; `note`
        is a sentence after the message of the mistake, `perhaps` says that it may be another one.
        """
        if difference is _NOTHING and got is not _NOTHING and wanted is not _NOTHING:
            difference = first_difference(wanted, got) or _NOTHING
        # An error and its line are what to look at first.
        first = {name: more.pop(name) for name in ("error", "your_line") if name in more}
        rows = {
            **{title.replace("_", " "): value for title, value in first.items()},
            "given": given,
            "when": when,
            "came back": got,
            "wanted": wanted,
            "first difference": difference,
            **{title.replace("_", " "): value for title, value in more.items()},
        }
        details = [(title, value) for title, value in rows.items() if value is not _NOTHING]
        raise NotQuite(mistake, details, points, note, perhaps)

    def require(self, holds: Any, mistake: str = "other", **rows: Any) -> None:
        """Fail with this mistake, and these rows, unless it holds."""
        if not holds:
            self.fail(mistake, **rows)

    def fail_for(self, error: Exception, **rows: Any) -> NoReturn:
        """Fail with an error that the learner's code raised, and with its line."""
        place = place_of(error)
        if place:
            rows["your_line"] = f"line {place[0]} of your cell: {place[1]}"
        rows.setdefault("note", near_name(error))
        self.fail("error", error=f"{type(error).__name__}: {error}", **rows)

    # -- what kind of thing is it? ---------------------------------------------------------

    def function(self, answer: Any, call: str) -> None:
        """Fail unless the answer can be called; `call` shows how: `buy(store, buyer)`."""
        if not callable(answer):
            self.fail("wrong-kind", got=value_lines(answer), wanted=f"a function, called as {call}")
        wanted = ast.parse(call, mode="eval").body
        assert isinstance(wanted, ast.Call)
        try:
            inspect.signature(answer).bind(*wanted.args)
        except TypeError:
            theirs = f"{getattr(answer, '__name__', 'it')}{inspect.signature(answer)}"
            self.fail("wrong-arguments", got=theirs, wanted=call)
        except ValueError:  # no signature is known, such as that of a builtin
            return

    def kind(self, answer: Any, kinds: Any, words: str, mistake: str = "", **rows: Any) -> None:
        """Fail unless the answer is of a kind; `words` say which: "a list of positions"."""
        if not isinstance(answer, kinds):
            if answer is None and not mistake:
                mistake = "no-return-here"
            self.fail(mistake or "wrong-kind", got=value_lines(answer), wanted=words, **rows)

    def parts(self, answer: Any, count: int, words: str) -> tuple[Any, ...]:
        """The parts of an answer that is a tuple or a list of so many; else fail."""
        answer = answer.tolist() if hasattr(answer, "tolist") else answer
        self.kind(answer, tuple | list, words)
        if len(answer) != count:
            self.fail("wrong-kind", got=value_lines(answer), wanted=words)
        return tuple(answer)

    def fields(self, answer: Any, **kinds: str) -> None:
        """Fail unless the answer is a dict with these keys; each value says of which kind it is."""
        self.kind(answer, dict, f"a dict with {', '.join(kinds)}")
        if answer.keys() != kinds.keys():
            words = "; ".join(f"{name}: {kind}" for name, kind in kinds.items())
            self.fail("wrong-kind", got=[repr(key) for key in answer], wanted=words)

    # -- asking ----------------------------------------------------------------------------

    def call(self, function: Callable[..., Any], *arguments: Any, given: Any = _NOTHING) -> Any:
        """Call the learner's function; an error in it is a failure that shows `given`."""
        came = attempt(lambda: function(*arguments))
        if came.error is not None:
            self.fail_for(came.error, given=given)
        if is_gap(came.value):
            raise StillStub
        return came.value

    def compare(
        self,
        answer: Any,
        oracle: Any,
        cases: Cases,
        *,
        models: Mapping[str, Any] | None = None,
        call: Call = lambda function, case: function(case),
        mistake: str = "other",
        legal: Callable[[list[Any]], bool] = lambda case: True,
        tidy: Tidy = lambda case: case,
        facts: Callable[[list[Any]], Mapping[str, Any]] = lambda case: {},
    ) -> None:
        """Ask the answer and the oracle about each case, a list; they must say the same.

        `cases` are lists of cases by their names. The first case with a difference is shortened
        while it stays `legal`; `tidy` puts numbers right after something was taken out. `models`
        maps mistakes to wrong answers: the learner's is called by the name of the one that gives
        the same on every case, else, as a guess, of the only one that does on the shortest. `call`
        says how a case is passed, `mistake` is the name when no model fits, `facts` more rows.
        """
        tried = self._tried(cases, tidy)
        asked = [self._ask(answer, call, case) for case in tried]
        truths = [_ask_quietly(oracle, call, case) for case in tried]
        n = next((n for n, came in enumerate(asked) if not came.same_as(truths[n])), None)
        if n is None:
            return
        small = self._shortened(tried[n], asked[n], answer, oracle, call, legal, tidy)
        came, truth = self._ask(answer, call, small), _ask_quietly(oracle, call, small)
        if is_gap(came.value):
            raise StillStub
        pairs = list(zip(tried, asked, strict=True))
        name, perhaps = self._diagnosed(models or {}, call, pairs, (small, came))
        if came.error and truth.error is None and place_of(came.error) and (not name or perhaps):
            self.fail_for(came.error, given=small, **facts(small))
        if not name and came.value is None and came.error is None and truth.value is not None:
            name = "no-return-here"
        if not name and _constant(asked) and not _constant(truths):
            name = "hard-coded"
        both = came.error is None and truth.error is None
        difference = first_difference(truth.value, came.value) if both else ""
        self.fail(
            name or mistake,
            given=small,
            got=came.lines(),
            wanted=truth.lines(),
            perhaps=perhaps,
            difference=difference or _NOTHING,
            **facts(small),
        )

    def _tried(self, cases: Cases, tidy: Tidy) -> list[list[Any]]:
        """Copies of the cases that are to be tried, in their order."""
        return [
            tidy(fresh(case))
            for name, group in cases.items()
            for kept in [[*group]]
            if self.case(name, *kept)
            for case in kept
        ]

    def _shortened(
        self,
        case: list[Any],
        first: Came,
        answer: Any,
        oracle: Any,
        call: Call,
        legal: Callable[[list[Any]], bool],
        tidy: Tidy,
    ) -> list[Any]:
        """The shortest part of a case that fails in the way that the whole case did."""

        def fails(case: list[Any]) -> bool:
            came, truth = self._ask(answer, call, case), _ask_quietly(oracle, call, case)
            if came.error is None or truth.error is not None:
                return not came.same_as(truth)
            return isinstance(came.error, type(first.error)) if first.error else False

        return shrink(case, fails, legal, tidy)

    def _diagnosed(
        self,
        models: Mapping[str, Any],
        call: Call,
        pairs: Sequence[tuple[list[Any], Came]],
        small: tuple[list[Any], Came],
    ) -> tuple[str, bool]:
        """The mistake whose model says the same, and whether that is only a guess."""
        for name, model in models.items():
            if all(_ask_quietly(model, call, case).same_as(came) for case, came in pairs):
                return _key(name), False
        case, came = small
        fits = {_key(n): m for n, m in models.items() if _ask_quietly(m, call, case).same_as(came)}
        if len(fits) != 1:
            return "", False
        [(name, model)] = fits.items()
        agree = [_ask_quietly(model, call, case).same_as(came) for case, came in pairs]
        return (name, True) if 2 * sum(agree) >= len(agree) else ("", False)

    def _ask(self, answer: Any, call: Call, case: list[Any]) -> Came:
        """Ask the learner's code twice, with copies; it must neither change them nor remember."""
        given = fresh(case)
        items = [*given]  # what is done to the list is the learner's affair, to its events not
        came = attempt(lambda: settled(call(answer, given)))
        if not same(items, case):
            self.fail("changes-events", given=case, after_the_call=items)
        again = attempt(lambda: settled(call(answer, fresh(case))))
        if not came.same_as(again):
            self.fail(
                "remembers", given=case, first_answer=came.lines(), second_answer=again.lines()
            )
        # A result that shares a list with its events may change later; what it said now counts.
        return came

    def score_tests(
        self,
        suite: Callable[[Any], Any],
        right: Any,
        mutants: Mapping[str, Any],
        known: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Judge tests that the learner wrote: `suite(subject)` raises AssertionError, or passes.

        It has to pass for `right` and to fail for each of `mutants`, a name to a broken subject;
        each of them is a case. `known` maps the name of a mutant to the mistake of letting it
        through, `facts` to what is shown of it; a part of the points is given for those caught.
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
        tried = [name for name in mutants if self.case(name)]
        caught = [n for n in tried if attempt(partial(suite, mutants[n])).error is not None]
        missed = [name for name in tried if name not in caught]
        if missed:
            mistake = (known or {}).get(missed[0], "too-few-caught")
            shown = {"the_next": facts[missed[0]]} if facts else {}
            self.fail(
                mistake,
                points=len(caught) / len(mutants),
                **shown,
                caught=f"{len(caught)} of {len(tried)}: {'; '.join(caught) or 'none'}",
                not_caught=missed,
            )


def _key(name: str) -> str:
    """The mistake of a model: "halves 2" is a second model of "halves"."""
    head, _, tail = name.rpartition(" ")
    return head if head and tail.isdigit() else name


def _constant(asked: Sequence[Came]) -> bool:
    """Whether every answer was the same value; three at least, and not an error."""
    return len(asked) > 2 and all(came.error is None and came.same_as(asked[0]) for came in asked)


def _ask_quietly(function: Any, call: Call, case: list[Any]) -> Came:
    return attempt(lambda: settled(call(function, fresh(case))))
