"""Exercises to chapter 03: expected versions, retries, schedules, repeated requests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from numbers import Integral
from typing import Any

from esnb import ConcurrencyError, DuplicateEventError, EventStore, LessonClock, new_event
from esnb.course.exercises.engine.busy_store import BusyStore
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial, attempt

chapter = Chapter("03_conflicts")

LAMP = "stock-LAMP-DESK"


def _shelf(count: int) -> EventStore:
    store = EventStore(clock=LessonClock())
    delivery = new_event("StockReceived", pieces=count)
    store.append(LAMP, [delivery], expected_version=0, aggregate_type="STOCK")
    return store


def _left(store: EventStore) -> int:
    # By a query, and not by the sum that the chapter's left() makes of the events.
    found = store.sql(
        "select coalesce(sum(cast(event_data->>'$.pieces' as int)), 0) "
        "- count(*) filter (event_type = 'PieceSold') from events"
    ).fetchone()
    return int(found[0]) if found else 0


def _sell(store: EventStore, buyer: str) -> None:
    sale = new_event("PieceSold", buyer=buyer)
    store.append(LAMP, [sale], expected_version=store.version(LAMP))


def _sold_to(store: EventStore, buyer: str) -> int:
    events = store.events(LAMP)
    return sum(e.type == "PieceSold" and e.data.get("buyer") == buyer for e in events)


@chapter.exercise(
    "03-1",
    form="Fill in",
    title="The number to state",
    section="How does the store notice an old decision?",
    stub="""
expected = ...    # the version that Ben's program states
afterwards = ...  # the version of the stream when his append is done
""",
    hints=(
        "Which event did Ben see last? Nothing else is asked for.",
        "The expected version is the number of the last event that the writer knows. "
        "Each event that is stored adds one to the version, also within one append.",
        "expected = 7",
    ),
    right="Ben states what he knows: version 7. Writing event 8 asserts that the latest is 7, and "
    "two events bring the stream to 9.",
    mistakes={
        "next-number": "You state the number that Ben is about to write. The expected version is "
        "the number of the last event that he has *seen*.",
        "new-stream": "0 is the version of a stream with no events. Ben has read seven of them.",
        "counts-from-zero": "Sequence numbers count from 1: the seventh event has the number 7.",
        "append-counts-once": "Two events are two facts, also in one append. Each of them gets a "
        "number of its own.",
    },
)
def _the_number_to_state(answer: Any, trial: Trial) -> None:
    trial.kind(answer, (tuple, list), "two numbers: (expected, afterwards)")
    expected, afterwards = answer
    numbers = isinstance(expected, Integral) and isinstance(afterwards, Integral)
    trial.require(numbers, "wrong-kind", got=repr(answer), wanted="two whole numbers")
    expected, afterwards = int(expected), int(afterwards)
    store = _shelf(20)
    for _ in range(6):
        _sell(store, "eve")
    sales = [new_event("PieceSold", buyer="ben"), new_event("PieceSold", buyer="ben")]
    came = attempt(lambda: store.append(LAMP, sales, expected_version=expected))
    seen = "7 events, with the numbers 1 to 7"
    if came.error:
        key = {0: "new-stream", 6: "counts-from-zero", 8: "next-number", 9: "next-number"}
        trial.fail(key.get(expected, "other"), given=seen, when=f"expected_version={expected}",
                   got=came.lines())  # fmt: skip
    version = store.version(LAMP)
    if afterwards != version:
        key = {8: "append-counts-once"}
        trial.fail(key.get(afterwards, "other"), given=seen, when="two events in one append",
                   got=f"you said {afterwards}", wanted=f"version {version}")  # fmt: skip


@chapter.exercise(
    "03-2",
    form="Bug hunt",
    title="The retry that oversells",
    section="What does a good retry do?",
    stub="""
def buy(store, buyer):
    events = store.events(LAMP)
    while left(events) > 0:
        try:
            store.append(LAMP, [sold(buyer)], expected_version=store.version(LAMP))
            return "bought"
        except ConcurrencyError:
            continue
    return "sold out"
""",
    todo="The function is still the one with the bug. Move or change a line, run the cell, and "
    "check again.",
    hints=(
        "Follow the second round of the loop. What does it know that the first did not?",
        "A retry begins at the beginning: read again, decide again, append. And the version "
        "stated must come from the same look at the stream as the decision.",
        "def buy(store, buyer):\n    while left(events := store.events(LAMP)) > 0:",
    ),
    right="Your retry reads again and decides again, so the second customer hears the truth: "
    "sold out.",
    mistakes={
        "blind-retry": "The second try corrected the number and kept the decision. Read the events "
        "again before you decide again.",
        "no-guard": "The append went through although somebody was faster. State the version that "
        "you looked at, not ANY, and not one that you ask for after the decision.",
        "gives-up": "A conflict is no answer for the customer: there was still a lamp. Begin again "
        "with a fresh look.",
        "lets-it-through": "The ConcurrencyError reached the customer. Catch it, and look again.",
        "says-sold-out-too-late": "Nothing was left, and the answer was not `sold out`.",
        "no-sale": "The answer is `bought`, and the log has no such sale.",
        "sells-twice": "One purchase, and the log has two sales to the same buyer. What ends the "
        "loop after a success?",
        "sells-nothing": "A lamp was there, nobody else came, and nothing was sold.",
    },
)
def _the_retry(answer: Any, trial: Trial) -> None:
    trial.function(answer, "buy(store, buyer)")
    for lamps, faster in ((1, 0), (0, 0), (1, 1), (3, 1), (2, 2), (4, 2)):
        names = ("ada", "cleo")[:faster]
        store = _shelf(lamps)
        busy = BusyStore(store, [partial(_sell, buyer=name) for name in names])
        given = f"{lamps} lamp{'s' * (lamps != 1)} on the shelf"
        when = "ben buys; " + (
            "".join(f"{name} is faster than append {n}; " for n, name in enumerate(names, start=1))
            or "nobody else does"
        ).removesuffix("; ")
        came = attempt(partial(answer, busy, "ben"))
        facts: dict[str, Any] = {
            "given": given,
            "when": when,
            "got": came.lines(),
            "in_the_log": store.events(LAMP),
        }
        if isinstance(came.error, ConcurrencyError):
            trial.fail("lets-it-through", **facts)
        if came.error:
            trial.fail_for(came.error, **{k: v for k, v in facts.items() if k != "got"})
        sales, rest = _sold_to(store, "ben"), _left(store)
        if rest < 0:
            again = busy.calls.count("append") > 1
            trial.fail("blind-retry" if again else "no-guard", **facts,
                       wanted="sold out")  # fmt: skip
        trial.require(sales < 2, "sells-twice", **facts)
        if lamps > faster:
            if not sales:
                trial.fail("gives-up" if faster else "sells-nothing", **facts, wanted="bought")
            trial.require(came.value == "bought", "other", **facts, wanted="bought")
        else:
            trial.require(came.value != "bought", "no-sale", **facts, wanted="sold out")
            trial.require(came.value == "sold out", "says-sold-out-too-late", **facts,
                          wanted="sold out")  # fmt: skip


@chapter.exercise(
    "03-3",
    form="Put in order",
    title="Be the scheduler",
    section="Which orders of steps are dangerous?",
    stub="""
ada_wins = ...  # six letters, such as "AAABBB": Ben reads first, and Ada gets the lamp
ben_wins = ...  # both have decided before anybody appends, and Ben gets the lamp
""",
    hints=(
        "The first letter of a name in the schedule is a read, the second a decision, the third "
        "an append. Reading first is no claim on the lamp.",
        "The lamp goes to the one whose third letter comes first. Everything before it is "
        "thinking.",
        'ada_wins = "BA...."',
    ),
    right="The lamp goes to the first append, whoever read or decided first. The other one meets "
    "the guard, because its decision is old.",
    mistakes={
        "wrong-letters": "A schedule has three A and three B, since each writer takes three steps: "
        "read, decide, append.",
        "ada-reads-first": "In `ada_wins` Ben has to read first. Which letter is the first one?",
        "ben-appends-first": "In `ada_wins` Ben gets the lamp. Reading first does not matter: "
        "whose third letter comes first?",
        "appends-before-both-decided": "In `ben_wins` somebody appends before both have decided. "
        "The second letter of each name must come before the first third letter.",
        "ada-appends-first": "In `ben_wins` Ada gets the lamp. Let Ben's third letter come first.",
    },
)
def _be_the_scheduler(answer: Any, trial: Trial) -> None:
    trial.kind(answer, (tuple, list), "two schedules: (ada_wins, ben_wins)")
    ada_wins, ben_wins = ("".join(schedule).upper() for schedule in answer)
    for schedule in (ada_wins, ben_wins):
        trial.require(sorted(schedule) == list("AAABBB"), "wrong-letters", got=schedule)
    steps = _steps(ada_wins)
    trial.require(ada_wins[0] == "B", "ada-reads-first", given=ada_wins, got=steps)
    trial.require("A append" in steps, "ben-appends-first", given=ada_wins, got=steps)
    steps = _steps(ben_wins)
    both = sorted(step for step in steps[:4] if "decide" in step) == ["A decide", "B decide"]
    trial.require(both, "appends-before-both-decided", given=ben_wins, got=steps)
    trial.require("B append" in steps, "ada-appends-first", given=ben_wins, got=steps)


def _steps(schedule: str) -> list[str]:
    """Run a schedule on a real store, and say what each step was."""
    store, said = _shelf(1), []
    writers = {name: _writer(store, name) for name in "AB"}
    for name in schedule:
        said.append(f"{name} {next(writers[name])}")
    return said


def _writer(store: EventStore, name: str) -> Iterator[str]:
    version, wanted = store.version(LAMP), _left(store) > 0
    yield "read"
    yield "decide"
    if not wanted:
        yield "refuse"
    sale = new_event("PieceSold", buyer=name)
    came = attempt(lambda: store.append(LAMP, [sale], expected_version=version))
    yield "conflict" if came.error else "append"


@chapter.exercise(
    "03-4",
    form="Break it",
    title="The thief of an id",
    section="Was it stored, when no answer came?",
    stub="""
def steal(store, sale):
    \"\"\"Append something to LAMP that carries the id of Ada's `sale`, and sells to Ben.\"\"\"
    ...
""",
    hints=(
        "`new_event` takes an `event_id`. Whose id do you want?",
        "An id names one fact for ever. The same id with the same content is a repeat, which the "
        "store answers kindly. You want the same id with *other* content.",
        'thief = new_event("PieceSold", buyer="ben", event_id=sale.event_id)',
    ),
    right="The store knows the id and sees other content, so it refuses with "
    "`DuplicateEventError`. Saying `stored already` would have promised Ben a lamp.",
    mistakes={
        "new-id": "Your event got an id of its own, so this is no theft: Ben bought a lamp. "
        "Carry over the id of the sale.",
        "same-fact": "You repeated Ada's own sale, unchanged, and the store said so: duplicate. "
        "Change the buyer, keep the id.",
        "conflict": "A `ConcurrencyError` came: the id was new, and the version was old. "
        "With the id of the sale, the store looks at the id first.",
        "no-append": "Nothing was appended. Call `store.append(LAMP, [...], "
        "expected_version=...)` with your event.",
    },
)
def _the_thief(answer: Any, trial: Trial) -> None:
    trial.function(answer, "steal(store, sale)")
    store = _shelf(5)
    _sell(store, "ada")
    sale = store.events(LAMP)[-1]
    busy = BusyStore(store)
    came = attempt(lambda: answer(busy, sale))
    facts: dict[str, Any] = {"given": store.events(LAMP)[:2], "got": came.lines()}
    if isinstance(came.error, DuplicateEventError):
        trial.require("append" in busy.calls, "no-append", **facts)
        trial.require(store.version(LAMP) == 2, "new-id", **facts, in_the_log=store.events(LAMP))
        return
    trial.require(not isinstance(came.error, ConcurrencyError), "conflict", **facts)
    if came.error:
        trial.fail_for(came.error, given=facts["given"])
    trial.require("append" in busy.calls, "no-append", **facts)
    trial.require(store.version(LAMP) == 2, "new-id", in_the_log=store.events(LAMP), **facts)
    trial.fail("same-fact", **facts)


@chapter.exercise(
    "03-5",
    form="Fill in",
    title="Ask again, buy once",
    section="Was it stored, when no answer came?",
    stub="""
def buy_over_a_bad_line(store, buyer):
    while True:
        try:
            return ...  # make the sale, and append it at the version of the stream
        except ConnectionError:
            continue  # no answer: ask again
""",
    hints=(
        "The loop may run twice. How many *facts* may it make?",
        "A repeat must carry the same fact: the same event, and so the same id. Then the store "
        "says `duplicate`, and nothing happens twice.",
        "def buy_over_a_bad_line(store, buyer):\n    sale = sold(buyer)\n    while True:",
    ),
    right="The same event carries the same id, so a repeat changes nothing. That is idempotent: "
    "you may ask as often as you like.",
    mistakes={
        "new-fact-each-time": "Each round made a new sale, so the customer paid more than once. "
        "Make the event before the loop, and repeat *that* one.",
        "gives-up": "No answer came, and there was no second try. You do not know "
        "whether it is stored: ask again.",
        "nothing-sold": "The line was good, and nothing was sold.",
        "wrong-buyer": "Something was sold, to somebody else than the buyer.",
    },
)
def _ask_again(answer: Any, trial: Trial) -> None:
    trial.function(answer, "buy_over_a_bad_line(store, buyer)")
    for lines in ([], ["lost"], ["dead"], ["dead", "lost", "lost"], ["lost", "dead"]):
        store = _shelf(9)
        busy = BusyStore(store, lines=lines)
        came = _called(trial, answer, busy, lines)
        sales = _sold_to(store, "ada")
        facts: dict[str, Any] = {
            "given": "9 lamps on the shelf", "when": _lines(lines),
            "got": came, "in_the_log": store.events(LAMP),
        }  # fmt: skip
        trial.require(sales < 2, "new-fact-each-time", **facts)
        if not sales and store.version(LAMP) > 1:
            trial.fail("wrong-buyer", **facts)
        trial.require(sales == 1, "gives-up" if lines else "nothing-sold", **facts)


def _called(trial: Trial, answer: Any, busy: BusyStore, lines: list[str]) -> Any:
    """Call it; a line error that comes out is giving up."""
    came = attempt(lambda: answer(busy, "ada"))
    if isinstance(came.error, ConnectionError):
        trial.fail("gives-up", when=_lines(lines), got=came.lines())
    if came.error:
        trial.fail_for(came.error, when=_lines(lines))
    return trial.call(lambda: came.value)


def _lines(lines: list[str]) -> str:
    words = {"lost": "stored, but the answer got lost", "dead": "no connection, nothing stored"}
    said = [f"append {n}: {words[line]}" for n, line in enumerate(lines, start=1)]
    return "; ".join(said) or "the line is good"
