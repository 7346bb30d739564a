"""When to do it, and when not: ten questions, and a verdict that says what it rests on.

`advise` is the rule, in plain Python. It counts nothing up to a score: each verdict names the
answers that push towards it, the open ones that could change it, and the ones that decide it. The
widget `Checklist` shows the same; the page looks verdicts up in a table that Python fills.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, Final, Literal, NamedTuple, get_args

import pandas as pd
import traitlets

from esnb.course.widgets import html_parts
from esnb.course.widgets.page import PageWidget
from esnb.errors import InvalidEventError

Answer = Literal["yes", "no", "not sure"]
OPEN: Final = "not sure"


class Push(NamedTuple):
    """Where an answer pushes, and why: towards "events", "changes", "rows", or "wait" (something
    is in the way), or nowhere ("cost": it has a price either way)."""

    to: str
    why: str


class Item(NamedTuple):
    """One question. `counts` says to which number of the rule an answer adds, and which answer."""

    text: str
    yes: Push
    no: Push
    counts: tuple[str, Answer] | None = None


WORDS: Final[Mapping[str, str]] = {
    "events": "towards events",
    "changes": "towards captured changes",
    "rows": "towards a plain table",
    "wait": "in the way",
    "cost": "a price, no push",
}
#: Verdict -> its title, and what to do.
VERDICTS: Final[Mapping[str, tuple[str, str]]] = {
    "rows": (
        "A plain state table",
        "Nobody asks about the past here, so an overwritten row is honest, and cheapest.",
    ),
    "changes": (
        "A state table, with its changes captured",
        "Keep the rows. Change data capture tells what changed; an audit table, written in the "
        "same transaction, can add who and why.",
    ),
    "wait": (
        "Event sourcing, but not yet",
        "There are reasons enough for it, and something in the way. Take that away first, or "
        "choose a smaller part of the system where it is not.",
    ),
    "events": (
        "Event sourcing, for this part of the system",
        "Several reasons, and nothing in the way. Keep it to this part: the next one has "
        "answers of its own.",
    ),
}

ITEMS: Final[Mapping[str, Item]] = {
    "before": Item(
        "Will people ask what a value was before, and when it changed?",
        Push("changes", "a state table alone has overwritten it"),
        Push("rows", "the present is all that is asked for"),
        ("changes", "yes"),
    ),
    "why": Item(
        "Will people ask who did something, and why?",
        Push("events", "an event is named after what happened, and carries who and why"),
        Push("rows", "rows do not know why, and nobody misses it"),
        ("asks", "yes"),
    ),
    "past": Item(
        "Will you go back: find an old bug, or fill a new table from old facts?",
        Push("events", "replay and back-fill need every fact since the first"),
        Push("rows", "what is never replayed need not be kept"),
        ("asks", "yes"),
    ),
    "several": Item(
        "Will the same facts feed several pages, reports or services?",
        Push("events", "each of them follows the log, and none is in another's way"),
        Push("rows", "one table serves one reader well"),
        ("asks", "yes"),
    ),
    "states": Item(
        "Do things pass through states, with rules about what may come next?",
        Push("events", "commands, refusals and transitions are what events are good at"),
        Push("rows", "where anything may follow anything, there is little to decide"),
        ("states", "yes"),
    ),
    "running": Item(
        "Is it a running system whose code you cannot change?",
        Push("changes", "only a capture from outside is possible"),
        Push("", "you are free to choose"),
        ("running", "yes"),
    ),
    "forms": Item(
        "Are most changes edits of a form, each field for itself?",
        Push("wait", "field-level events flood the log and say little: keep the forms as tables"),
        Push("", "changes have names of their own"),
        ("obstacles", "yes"),
    ),
    "late": Item(
        "May a page be a moment late?",
        Push("", "read models may follow the log"),
        Push("wait", "read models are late: such a page has to read the write model"),
        ("obstacles", "no"),
    ),
    "team": Item(
        "Does the team know event sourcing, or have time to learn it?",
        Push("", "the first year's mistakes are made, or planned for"),
        Push("wait", "events that were named badly stay in the log permanently"),
        ("obstacles", "no"),
    ),
    "people": Item(
        "Does it hold data of people, who may ask to be forgotten?",
        Push("cost", "a log needs a key for each person, from its first day"),
        Push("", "nothing has to be forgotten"),
    ),
}
#: The numbers of the rule, and how large each can be.
NUMBERS: Final[Mapping[str, int]] = {
    name: sum(item.counts is not None and item.counts[0] == name for item in ITEMS.values())
    for name in ("asks", "states", "changes", "running", "obstacles")
}


def rule(asks: int, states: int, changes: int, running: int, obstacles: int) -> str:
    """The verdict when every question is answered: a key of `VERDICTS`.

    Two reasons make a case for events, and one alone does not pay for them.
    """
    if running:
        return "changes" if asks or changes else "rows"
    if asks + states >= 2:
        return "wait" if obstacles else "events"
    return "changes" if asks or changes else "rows"


@dataclass(frozen=True)
class Advice:
    """A verdict with its grounds.

    `verdict` is a key of `VERDICTS`, or "" as long as open answers allow more than one of
    `possible`. `pushes` holds (question, answer, direction, why) for the answers that push. `open`
    are the open questions that could still change the verdict. `decides` maps each answered
    question that decides alone to the verdict that the other answer would give.
    """

    verdict: str
    possible: tuple[str, ...]
    pushes: tuple[tuple[str, str, str, str], ...]
    open: tuple[str, ...]
    decides: Mapping[str, str]

    @property
    def title(self) -> str:
        """The verdict in words."""
        if self.verdict:
            return VERDICTS[self.verdict][0]
        return f"Not decided: {len(self.possible)} verdicts are possible"

    def __str__(self) -> str:
        lines = [f"{self.title}."]
        lines += [VERDICTS[self.verdict][1]] if self.verdict else []
        for to, word in WORDS.items():
            found = [
                f"  {why} ({key}: {said})" for key, said, where, why in self.pushes if where == to
            ]
            lines += [f"{word}:", *found] if found else []
        if self.open:
            lines.append(f"still open, and could change it: {', '.join(self.open)}")
        if self.decides:
            other = [f"{key} ({VERDICTS[to][0]})" for key, to in self.decides.items()]
            lines.append(f"decided by, and otherwise: {', '.join(other)}")
        return "\n".join(lines)


def advise(answers: Mapping[str, Answer]) -> Advice:
    """What ten answers say; keys are those of `ITEMS`, and what is left out is "not sure".

    `InvalidEventError` for an unknown question or answer.
    """
    given = check_answers(answers)
    possible = _possible(given)
    pushes = []
    for key, said in given.items():
        if said == OPEN:
            continue
        push = ITEMS[key].yes if said == "yes" else ITEMS[key].no
        if push.to:
            pushes.append((key, said, push.to, push.why))
    open_ = tuple(key for key in given if given[key] == OPEN and _matters(given, key))
    decides = {}
    if len(possible) == 1:
        for key, said in given.items():
            if said != OPEN:
                other = _possible({**given, key: "no" if said == "yes" else "yes"})
                if len(other) == 1 and other != possible:
                    decides[key] = other[0]
    verdict = possible[0] if len(possible) == 1 else ""
    return Advice(verdict, possible, tuple(pushes), open_, decides)


def check_answers(answers: object) -> dict[str, Answer]:
    """All ten answers, in order, those that are missing as "not sure"."""
    if not isinstance(answers, Mapping):
        raise InvalidEventError(
            f"Answers are a mapping such as {{'why': 'yes'}}, found {answers!r:.60}."
        )
    for key, said in answers.items():
        if key not in ITEMS:
            raise InvalidEventError(f"There is no question {key!r}. Known: {', '.join(ITEMS)}.")
        if said not in get_args(Answer):
            raise InvalidEventError(
                f"The answer to {key!r} is one of {get_args(Answer)}, found {said!r}."
            )
    return {key: answers.get(key, OPEN) for key in ITEMS}


def _ranges(given: Mapping[str, Answer]) -> list[range]:
    """For each number of the rule, what it can still become."""
    sure, unsure = dict.fromkeys(NUMBERS, 0), dict.fromkeys(NUMBERS, 0)
    for key, item in ITEMS.items():
        if item.counts is not None:
            number, counting = item.counts
            sure[number] += given[key] == counting
            unsure[number] += given[key] == OPEN
    return [range(sure[number], sure[number] + unsure[number] + 1) for number in NUMBERS]


def _possible(given: Mapping[str, Answer]) -> tuple[str, ...]:
    found = {rule(*numbers) for numbers in product(*_ranges(given))}
    return tuple(verdict for verdict in VERDICTS if verdict in found)


def _matters(given: Mapping[str, Answer], key: str) -> bool:
    """Whether there are answers to the other open questions with which this one decides."""
    counts = ITEMS[key].counts
    if counts is None:
        return False
    at = list(NUMBERS).index(counts[0])
    ranges = _ranges({**given, key: "yes" if counts[1] == "no" else "no"})
    return any(
        rule(*numbers) != rule(*(n + (i == at) for i, n in enumerate(numbers)))
        for numbers in product(*ranges)
    )


class Checklist(PageWidget, view="checklist"):
    """Ten questions and a verdict with its reasons: `Checklist()`, `Checklist({"why": "yes"})`.

    `given` holds the answers so far, "yes", "no" or "not sure", and can be set; `advice` is what
    `advise` says to them, and `answers` the same as a DataFrame. `projector=True` is for a lecture
    hall.
    """

    _begins_with: ClassVar[tuple[str, ...]] = ("given",)
    given: Any = traitlets.Dict().tag(sync=True)

    def __init__(
        self, given: Mapping[str, Answer] | None = None, *, projector: bool = False
    ) -> None:
        super().__init__(_content(), given=dict(given or {}), projector=projector)

    @property
    def advice(self) -> Advice:
        """The verdict on the answers as they are now, with its grounds."""
        return advise(self.given)

    @property
    def answers(self) -> pd.DataFrame:
        """A row a question: question, answer, pushes, because."""
        given, pushes = check_answers(self.given), {p[0]: p for p in self.advice.pushes}
        rows = []
        for key, item in ITEMS.items():
            _, _, to, why = pushes.get(key, ("", "", "", ""))
            rows.append((item.text, given[key], WORDS.get(to, ""), why))
        columns = ["question", "answer", "pushes", "because"]
        return pd.DataFrame(rows, columns=columns, index=pd.Index(ITEMS, name="key"))

    def __repr__(self) -> str:
        done = sum(said != OPEN for said in self.given.values())
        return f"<checklist: {done} of {len(ITEMS)} answered. {self.advice.title}>"

    def _title(self) -> str:
        return "When to do it: a checklist"

    def _still(self) -> str:
        rows = [html_parts.Row("", tuple(row)) for row in self.answers.itertuples(index=False)]
        table = html_parts.table(("question", "answer", "pushes", "because"), rows, signs=False)
        grounds = html_parts.text(str(self.advice)).replace("\n", "<br>")
        return (
            f"<p><b>Should this part of the system be event-sourced?</b> Run this notebook to "
            f"answer.</p>{table}<p>{grounds}</p>"
        )

    @traitlets.validate("given")
    def _check_given(self, proposal: dict[str, Any]) -> dict[str, Any]:
        check_answers(proposal["value"])
        return dict(proposal["value"])


def _content() -> dict[str, Any]:
    """What the page needs. Its verdicts are looked up: it knows no rule of its own."""
    every = product(*(range(most + 1) for most in NUMBERS.values()))
    return {
        "title": "Should this part of the system be event-sourced?",
        "numbers": list(NUMBERS),
        "table": {"".join(map(str, numbers)): rule(*numbers) for numbers in every},
        "verdicts": [[key, *text] for key, text in VERDICTS.items()],
        "words": list(WORDS.items()),
        "items": [
            {"key": key, "text": item.text, "counts": item.counts, "yes": item.yes, "no": item.no}
            for key, item in ITEMS.items()
        ],
    }
