"""How a try ends: what came of a call, a verdict with a message, the mistakes that any may make."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from esnb.course.exercises.engine.showing import shown, value_lines
from esnb.course.exercises.engine.time_limit import lap
from esnb.course.exercises.engine.values import same

#: Mistakes that any exercise may meet. The tests of the bank count them as well.
GENERAL = {
    "error": "Your code stopped with an error.",
    "endless": "Your code did not come to an end in time, so it was stopped. Look for the loop "
    "that never ends: what should make it stop?",
    "asleep": "Your code waited so long that it was stopped: it sleeps, or waits for something "
    "that never comes. Nothing in this exercise needs a long wait.",
    "no-return": "Your function hands nothing back: it ends without a `return`, so the result is "
    "None. What you compute has to be returned; `print` only shows it.",
    "no-return-here": "In this case your function hands back None. Does every way through it end "
    "in a `return` with a value?",
    "wrong-arguments": "The check cannot call your function with these arguments. Keep the first "
    "line of the stub as it was.",
    "changes-events": "Your code changes the events that it was given. An event is a fact that "
    "others read too: build a new value, and leave the event as it is.",
    "remembers": "Asked twice about the same events, your code gave two answers. Something is kept "
    "from one call to the next: begin each call with a fresh, empty state.",
    "hard-coded": "Your code gives the same answer whatever it is asked. It has to be worked out "
    "from what is passed in.",
    "wrong-kind": "This check expects another kind of answer.",
    "tests-fail-the-right-one": "One of your tests fails for the right rules. A test that fails "
    "for everybody catches nobody: repair it first.",
    "too-few-caught": "Your tests hold for the right rules. Some broken rules pass them as well.",
    "other": "The result is not the right one yet.",
}


class StillStub(Exception):
    """A learner's function handed back the `...` of its stub."""


class NotQuite(Exception):
    """A checker's verdict: which mistake, and what there is to see.

    `perhaps`: the diagnosis fits one small case, and need not fit the others.
    """

    def __init__(
        self,
        mistake: str,
        details: Iterable[tuple[str, Any]],
        points: float,
        note: str,
        perhaps: bool = False,
    ) -> None:
        super().__init__(mistake)
        self.mistake = mistake
        self.details = tuple((title, tuple(shown(value))) for title, value in details)
        self.points = points
        self.note = note
        self.perhaps = perhaps


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
        """What is shown of it; a text that came back is in quotes."""
        if self.error:
            return [f"{type(self.error).__name__}: {self.error}"]
        return value_lines(self.value)


def attempt(work: Callable[[], Any]) -> Came:
    """Do it, and keep the error if there is one. The time of the answer begins anew."""
    lap()
    try:
        return Came(work())
    except (NotQuite, StillStub):
        raise
    except Exception as error:
        return Came(error=error)


def first_line(error: BaseException | None) -> str:
    """The first line of an error's text, or the name of its class."""
    lines = str(error).splitlines()
    return lines[0] if lines and lines[0].strip() else type(error).__name__


def near_name(error: BaseException) -> str:
    """What somebody may have meant with a name that is not there; a sentence, or ""."""
    name = getattr(error, "name", None)
    if not isinstance(name, str):
        return ""
    known: list[str] = []
    if isinstance(error, NameError):
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        if frame is not None:
            known = [*frame.tb_frame.f_locals, *frame.tb_frame.f_globals, *vars(builtins)]
    elif isinstance(error, AttributeError):
        known = [part for part in dir(getattr(error, "obj", None)) if not part.startswith("_")]
    near = get_close_matches(name, [part for part in known if part != name], 1, 0.7)
    if near:
        return f"There is no `{name}` here. Did you mean `{near[0]}`?"
    if isinstance(error, NameError):
        return f"Nothing is called `{name}` here. Have you run the cells above it, from the first?"
    return ""
