"""Exercises to chapter 03: expected versions, retries, schedules, repeated requests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from esnb import ConcurrencyError, DuplicateEventError, Event, EventStore, LessonClock, new_event
from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.busy_store import BusyStore
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import as_list, whole
from esnb.course.exercises.engine.verdicts import Came, attempt

chapter = Chapter("03_conflicts")

LAMP = "stock-LAMP-DESK"


def _shelf(count: int) -> EventStore:
    """A shelf with lamps, in a store with other things: positions are unlike sequence numbers."""
    store = EventStore(clock=LessonClock())
    for number, pieces in enumerate((5, 2), start=1):
        mugs = new_event("StockReceived", pieces=pieces)
        store.append(f"stock-MUG-{number}", [mugs], expected_version=0, aggregate_type="STOCK")
    delivery = new_event("StockReceived", pieces=count)
    store.append(LAMP, [delivery], expected_version=0, aggregate_type="STOCK")
    return store


def _left(store: EventStore) -> int:
    # By a query, and not by the sum that the chapter's left() makes of the events.
    found = store.sql(
        "select coalesce(sum(cast(event_data->>'$.pieces' as int)), 0) "
        "- count(*) filter (event_type = 'PieceSold') from events where aggregate_id = ?",
        [LAMP],
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
    said = trial.parts(answer, 2, "two numbers: (expected, afterwards)")
    expected, afterwards = map(whole, said)
    if expected is None or afterwards is None:
        trial.fail("wrong-kind", got=repr(said), wanted="two whole numbers")
    store = _shelf(20)
    for _ in range(6):
        _sell(store, "eve")
    sales = [new_event("PieceSold", buyer="ben"), new_event("PieceSold", buyer="ben")]
    came = attempt(lambda: store.append(LAMP, sales, expected_version=expected))
    seen = "7 events, with the numbers 1 to 7"
    if came.error:
        key = {0: "new-stream", 6: "counts-from-zero", 8: "next-number", 9: "next-number"}
        trial.fail(
            key.get(expected, "other"),
            given=seen,
            when=f"expected_version={expected}",
            got=came.lines(),
        )
    version = store.version(LAMP)
    if afterwards != version:
        key = {8: "append-counts-once"}
        trial.fail(
            key.get(afterwards, "other"),
            given=seen,
            when="two events in one append",
            got=f"you said {afterwards}",
            wanted=f"version {version}",
        )


#: Buyer, lamps on the shelf, rivals before the first appends, or one before a step of the buyer's.
SHELVES: dict[str, tuple[tuple[str, int, int, int], ...]] = {
    "nobody else": (("ben", 1, 0, 0), ("ada", 3, 0, 0), ("cleo", 0, 0, 0)),
    "a rival before the append": (("ben", 1, 1, 0), ("ada", 3, 1, 0), ("ben", 2, 1, 0)),
    "a rival before any step": tuple(
        (buyer, lamps, 1, step)
        for buyer, lamps, step in (
            ("ben", 1, 1),
            ("cleo", 1, 2),
            ("ben", 2, 2),
            ("cleo", 1, 3),
            ("ada", 1, 4),
        )
    ),
    "a rival before each of several appends": (
        ("ben", 2, 2, 0),
        ("cleo", 4, 2, 0),
        ("ada", 8, 7, 0),
        ("ben", 7, 7, 0),
    ),
}


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
        "two-looks": "The events were looked at, and later the version was asked for. Somebody "
        "bought in between, so the version fits and the decision is old. Take both from one look.",
        "wrong-buyer": "A lamp was sold to somebody who did not ask for it. The buyer is passed "
        "in.",
        "other-words": "The lamp is sold, and the answer is another one. Say it in the task's "
        "words.",
        "blind-retry": "The second try corrected the number and kept the decision. Read the events "
        "again before you decide again.",
        "no-guard": "The append went through although somebody was faster. State the version that "
        "you looked at, not ANY, and not one that you ask for after the decision.",
        "gives-up": "A conflict does not answer the customer: there was still a lamp. Begin again "
        "with a fresh look.",
        "lets-it-through": "The ConcurrencyError reached the customer. Catch it, and look again.",
        "says-sold-out-too-late": "Nothing was left, and the answer was not `sold out`.",
        "no-sale": "The answer is `bought`, and the log has no such sale.",
        "sells-twice": "One purchase, and the log has two sales to the same buyer. What ends the "
        "loop after a success?",
        "sells-nothing": "A lamp was there, nobody else came, and nothing was sold.",
    },
    cases=tuple(SHELVES),
    varies={
        "several buyers": variety.several(lambda tried: tried[0], 3),
        "rivals before every step": variety.several(lambda tried: tried[3], 5),
        "many rivals": variety.several(lambda tried: tried[2], 4),
        "lamps left and none": variety.several(lambda tried: tried[1] - tried[2], 3),
    },
)
def _the_retry(answer: Any, trial: Trial) -> None:
    trial.function(answer, "buy(store, buyer)")
    for name, tries in SHELVES.items():
        for buyer, lamps, rivals, before in tries:
            if trial.case(name, (buyer, lamps, rivals, before)):
                _one_purchase(answer, trial, buyer, lamps, (rivals, before))


def _one_purchase(
    answer: Any, trial: Trial, buyer: str, lamps: int, others: tuple[int, int]
) -> None:
    rivals, before = others
    store = _shelf(lamps)
    writers = [partial(_sell, buyer=f"rival {n}") for n in range(1, rivals + 1)]
    busy = BusyStore(
        store,
        [] if before else writers,
        before=dict.fromkeys([before], writers[0]) if before else {},
    )
    came = attempt(partial(answer, busy, buyer))
    faster = sum(event.type == "PieceSold" for event in store.events(LAMP)) - _sold_to(store, buyer)
    when = "nobody else does"
    if rivals and not before:
        when = f"somebody else is faster than each of the first {rivals} appends"
        when = "somebody else is faster than the append" if rivals == 1 else when
    elif before:
        when = f"somebody else buys right before step {before}: {_steps_of(busy, before)}"
    facts: dict[str, Any] = {
        "given": f"{lamps} lamp{'s' * (lamps != 1)} on the shelf",
        "when": f"{buyer} buys; {when}",
        "got": came.lines(),
        "in_the_log": store.events(LAMP),
    }
    if isinstance(came.error, ConcurrencyError):
        trial.fail("lets-it-through", **facts)
    if came.error:
        trial.fail_for(came.error, **{k: v for k, v in facts.items() if k != "got"})
    sales = _sold_to(store, buyer)
    if _left(store) < 0:
        again = busy.calls.count("append") > 1
        looks = before and not again
        trial.fail(
            "two-looks" if looks else "blind-retry" if again else "no-guard",
            **facts,
            wanted=repr("sold out"),
        )
    trial.require(sales < 2, "sells-twice", **facts)
    others_sales = faster - (len(busy.moved) if before else min(rivals, len(busy.written)))
    trial.require(others_sales <= 0, "wrong-buyer", **facts)
    if lamps > faster:
        if not sales:
            trial.fail("gives-up" if rivals else "sells-nothing", **facts, wanted=repr("bought"))
        trial.require(came.value == "bought", "other-words", **facts, wanted=repr("bought"))
    else:
        trial.require(came.value != "bought", "no-sale", **facts, wanted=repr("sold out"))
        trial.require(
            came.value == "sold out", "says-sold-out-too-late", **facts, wanted=repr("sold out")
        )
    if busy.reads > 1 + len(busy.refused) and not before:
        trial.remark("You look more than once before each append: one look is enough.")


def _steps_of(busy: BusyStore, before: int) -> str:
    return ", ".join(
        busy.calls[: before - 1] + [f"[here] {name}" for name in busy.calls[before - 1 : before]]
    )


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
        "an append. Reading first does not reserve the lamp.",
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
    parts = trial.parts(answer, 2, "two schedules: (ada_wins, ben_wins)")
    for schedule in parts:
        trial.kind(schedule, (str, list, tuple), "two schedules, each of six letters", "wrong-kind")
    ada_wins, ben_wins = (
        "".join(map(str, schedule)).upper().replace(" ", "") for schedule in parts
    )
    for schedule in (ada_wins, ben_wins):
        trial.require(sorted(schedule) == list("AAABBB"), "wrong-letters", got=repr(schedule))
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


EARLIER = {"ada's sale is the first": 0, "two lamps were sold before it": 2}


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
        "An id names one fact, and no other. The same id with the same content is a repeat, which "
        "the "
        "store answers kindly. You want the same id with *other* content.",
        'thief = new_event("PieceSold", buyer="ben", event_id=sale.event_id)',
    ),
    right="The store knows the id and sees other content, so it refuses with "
    "`DuplicateEventError`. Saying `stored already` would have promised Ben a lamp.",
    mistakes={
        "swallows-the-error": "The store refused the theft, and your code caught the error. Let "
        "it come out: somebody has to hear of it.",
        "not-to-ben": "The store refused it, and nothing was sold to Ben. Carry over the type, and "
        "put `ben` in as the buyer.",
        "new-id": "Your event got an id of its own, so nothing was stolen: Ben bought a lamp. "
        "Carry over the id of the sale.",
        "same-fact": "You repeated Ada's own sale, unchanged, and the store said so: duplicate. "
        "Change the buyer, keep the id.",
        "conflict": "A `ConcurrencyError` came: the id was new, and the version was old. "
        "With the id of the sale, the store looks at the id first.",
        "no-append": "Nothing was appended. Call `store.append(LAMP, [...], "
        "expected_version=...)` with your event.",
    },
    cases=tuple(EARLIER),
    varies={"the place of the sale": variety.several(lambda tried: tried, 2)},
)
def _the_thief(answer: Any, trial: Trial) -> None:
    trial.function(answer, "steal(store, sale)")
    for name, earlier in EARLIER.items():
        if trial.case(name, earlier):
            _one_theft(answer, trial, earlier)


def _one_theft(answer: Any, trial: Trial, earlier: int) -> None:
    store = _shelf(5)
    for number in range(earlier):
        _sell(store, f"customer {number}")
    _sell(store, "ada")
    before = store.events(LAMP)
    sale = before[-1]
    busy = BusyStore(store)
    came = attempt(lambda: answer(busy, sale))
    facts: dict[str, Any] = {"given": before, "got": came.lines()}
    tried = [arguments for name, arguments, _ in busy.asked if name == "append"]
    stolen = any(isinstance(error, DuplicateEventError) for error in busy.refused)
    if not isinstance(came.error, DuplicateEventError):
        trial.require(not stolen, "swallows-the-error", **facts)
        trial.require(not isinstance(came.error, ConcurrencyError), "conflict", **facts)
        if came.error:
            trial.fail_for(came.error, given=facts["given"])
    trial.require(tried and (busy.refused or not came.error), "no-append", **facts)
    trial.require(
        store.version(LAMP) == len(before), "new-id", in_the_log=store.events(LAMP), **facts
    )
    trial.require(came.error, "same-fact", **facts)
    events = as_list(tried[-1][1]) if len(tried[-1]) > 1 else []
    to_ben = [e for e in events or [] if isinstance(e, Event) and e.event_id == sale.event_id]
    sells = all(e.type == "PieceSold" and e.data.get("buyer") == "ben" for e in to_ben)
    trial.require(to_ben and sells, "not-to-ben", **facts, you_tried=to_ben)


#: Buyer, how the line holds, and how many rivals are faster.
LINES: dict[str, tuple[tuple[str, list[str], int], ...]] = {
    "a good line": (("ada", [], 0), ("ben", [], 0)),
    "stored, but no answer": (("ada", ["lost"], 0), ("cleo", ["lost", "lost"], 0)),
    "never stored": (("ben", ["dead"], 0), ("ada", ["dead", "dead", "dead"], 0)),
    "a line that breaks again and again": (
        ("ben", ["dead", "lost", "lost"], 0),
        ("cleo", ["lost", "dead", "dead", "lost", "dead", "lost"], 0),
    ),
    "a bad line, and a rival": (("ben", ["dead"], 1), ("ada", ["lost"], 1), ("cleo", [], 1)),
}


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
        "one-fact-for-all": "The same buyer bought twice, and the log has one sale. Make the "
        "event when the function is called, not before.",
        "guesses-after-a-conflict": "Somebody else was faster, nothing of this buyer's is stored, "
        "and the caller is not told. Let the conflict out, or try again.",
        "lets-it-through": "A `ConcurrencyError` came out, although nobody else was there. Which "
        "version do you state?",
        "new-fact-each-time": "Each round made a new sale, so the customer paid more than once. "
        "Make the event before the loop, and repeat *that* one.",
        "gives-up": "No answer came, and your code stopped asking. You do not know whether it is "
        "stored: ask again until there is an answer.",
        "nothing-sold": "The line was good, and nothing was sold.",
        "wrong-buyer": "Something was sold, to somebody else than the buyer.",
    },
    cases=tuple(LINES),
    varies={
        "several buyers": variety.several(lambda tried: tried[0], 3),
        "lines": variety.several(lambda tried: tried[1], 6),
        "a rival": variety.some(lambda tried: tried[2]),
    },
)
def _ask_again(answer: Any, trial: Trial) -> None:
    trial.function(answer, "buy_over_a_bad_line(store, buyer)")
    for name, tries in LINES.items():
        for buyer, lines, rivals in tries:
            if trial.case(name, (buyer, lines, rivals)):
                _over_a_line(answer, trial, buyer, lines, rivals)


def _over_a_line(answer: Any, trial: Trial, buyer: str, lines: list[str], rivals: int) -> None:
    store = _shelf(9)
    busy = BusyStore(store, [partial(_sell, buyer="eve")] * rivals, lines)
    twice = not lines and not rivals
    rows: dict[str, Any] = {
        "given": "9 lamps on the shelf",
        "when": f"{buyer} buys; " + _lines(lines),
    }
    if rivals:
        rows["when"] += "; eve buys before your append is stored"
    came = _called(trial, answer, busy, buyer, rows)
    rows |= {"got": came.lines(), "in_the_log": store.events(LAMP)}
    sales = _sold_to(store, buyer)
    trial.require(sales < 2, "new-fact-each-time", **rows)
    if not sales and store.version(LAMP) > 1 + rivals:
        trial.fail("wrong-buyer", **rows)
    if not sales and rivals:
        # To let the conflict out is honest; to say nothing is not.
        trial.require(came.error, "guesses-after-a-conflict", **rows)
        return
    trial.require(sales == 1, "gives-up" if lines else "nothing-sold", **rows)
    if twice:
        rows["when"] = f"{buyer} buys, and then {buyer} buys one more"
        came = _called(trial, answer, BusyStore(store), buyer, rows)
        rows |= {"got": came.lines(), "in_the_log": store.events(LAMP)}
        trial.require(_sold_to(store, buyer) == 2, "one-fact-for-all", **rows)


def _called(trial: Trial, answer: Any, busy: BusyStore, buyer: str, rows: dict[str, Any]) -> Came:
    """Call it; a line error that comes out is giving up. A conflict with a rival may come out."""
    came = attempt(lambda: answer(busy, buyer))
    if isinstance(came.error, ConnectionError):
        trial.fail("gives-up", **rows, got=came.lines())
    if came.error and not isinstance(came.error, ConcurrencyError):
        trial.fail_for(came.error, **rows)
    if isinstance(came.error, ConcurrencyError) and "eve" not in rows["when"]:
        key = "new-fact-each-time" if _lines_lost(rows) else "lets-it-through"
        trial.fail(key, **rows, got=came.lines())
    if not came.error:
        trial.call(lambda: came.value)
    return came


def _lines_lost(rows: dict[str, Any]) -> bool:
    return "answer got lost" in str(rows["when"])


def _lines(lines: list[str]) -> str:
    words = {"lost": "stored, but the answer got lost", "dead": "no connection, nothing stored"}
    said = [f"append {n}: {words[line]}" for n, line in enumerate(lines, start=1)]
    return "; ".join(said) or "the line is good"
