"""Exercises to chapter 06: diffs, the audit trail, what-if, bisection, two times of an event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from esnb import EventStore, History, LessonClock, replay
from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.histories import account_history, is_order_history, order_history
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import as_list, numbered, whole
from esnb.course.exercises.engine.verdicts import attempt, first_line
from esnb.events import Event
from esnb.shop import Account, Order, first_orders

chapter = Chapter("06_time_travel")


def _ada() -> EventStore:
    store = EventStore(clock=LessonClock())
    first_orders(store)
    return store


# --- 06-1 ---------------------------------------------------------------------------------------


@chapter.exercise(
    "06-1",
    form="Predict",
    title="Read a difference backwards",
    section="Which event changed what?",
    stub="""
changed = ...  # numbers of the events of order-1042 that changed `total`: a list
marks = {"status": ..., "delivered": ..., "shipped.MUG-BLUE": ...}  # "+", "-" or "~" in diff(4, 2)
""",
    hints=(
        "What did Ada pay for, and when did the order learn of it?",
        "A difference has a direction. `diff(4, 2)` says how to get from event 4 back to event 2: "
        "what is there at 4 and not at 2?",
        'changed = [1]\nmarks = {"status": "~", ...}',
    ),
    right="The total was known when the order was placed. And a difference read backwards takes "
    "away what the other one adds.",
    mistakes={
        "not-the-same": "This field is there on one side only, so nothing of it was changed: on "
        "the way from 4 to 2, is it added or taken away?",
        "payment-counts": "A payment changes what is paid, not what the order is worth.",
        "the-start-counts": "Before event 1 the total was 0. So the first event changed it, too.",
        "no-direction": "At event 4 the mug is shipped, at event 2 it is not. On the way from 4 "
        "to 2, is it added or taken away?",
        "changed-is-not-new": "This field has a value on both sides, and the values differ. That "
        "is `~`.",
        "other-marks": "Three marks are asked for, each of them `+`, `-` or `~`.",
    },
)
def _read_backwards(answer: Any, trial: Trial) -> None:
    changed, marks = trial.parts(answer, 2, "two things: (changed, marks)")
    numbers = as_list(changed)
    trial.kind(numbers, list, "a list of event numbers", "wrong-kind")
    trial.kind(marks, dict, "a dict with a mark for each field")
    store = _ada()
    history = History(store, Order, "order-1042")
    truth = [int(n) for n in history.changes("total")["sequence_number"]]
    said = sorted(numbers or [], key=str)
    if list(map(whole, said)) != truth:
        key = "the-start-counts" if not said else "payment-counts" if 2 in said else "other"
        trial.fail(
            key,
            given=history.events,
            got=repr(said),
            totals=[f"after {n}: {state['total']}" for n, state in enumerate(history.states())],
        )
    diff = history.diff(4, 2)
    sides = {"+": diff.added, "-": diff.removed, "~": diff.changed}
    names = ("status", "delivered", "shipped.MUG-BLUE")
    fits = marks.keys() == set(names) and set(map(str, marks.values())) <= set("+-~")
    trial.require(fits, "other-marks", got=[f"{k}: {v!r}" for k, v in marks.items()])
    for name in names:
        mark = next(sign for sign, paths in sides.items() if name in paths)
        there = "diff(2, 4): " + next(
            line for line in str(history.diff(2, 4)).splitlines() if name in line
        )
        key = (
            "changed-is-not-new"
            if mark == "~"
            else "not-the-same"
            if marks[name] == "~"
            else ("no-direction")
        )
        trial.require(marks[name] == mark, key, given=there, got=f"{marks[name]} {name}")


# --- 06-2 ---------------------------------------------------------------------------------------


#: Who refunds, why, and whether the order was cancelled before; "": cancelled and not refunded.
REFUNDS: dict[str, tuple[tuple[str, str, bool], ...]] = {
    "two people, two reasons": (
        ("mia", "arrived broken", True),
        ("mia", "arrived broken", True),
        ("mia", "arrived late", True),
        ("tom", "arrived late", False),
        ("tom", "arrived late", False),
        ("", "", True),
    ),
    "another shop": (
        ("zoe", "wrong colour", False),
        ("mia", "wrong colour", False),
        ("zoe", "wrong colour", False),
        ("zoe", "too small", True),
        ("", "", True),
        ("", "", True),
        ("", "", True),
    ),
}


@chapter.exercise(
    "06-2",
    form="Fill in",
    title="Who gave the money back?",
    section="Who did it, and why?",
    stub='''
query = """
    select metadata->>'$.actor' as who, count(*) as times
    from events where event_type = 'OrderCancelled'
    group by all
"""
''',
    todo="The query is still the one about cancellations. Change it, run the cell, and check "
    "again.",
    hints=(
        "Two words of the query say what it is about, and one column is missing.",
        "The events are called `RefundIssued`. The reason is in the metadata, beside the actor.",
        "select metadata->>'$.actor' as who, metadata->>'$.reason' as why, count(*) as times",
    ),
    right="Who, how often, and why, from the log itself. Nobody had to plan an audit table.",
    mistakes={
        "more-columns": "The rows have more columns than who, why and how many times. Each "
        "further column splits the groups.",
        "other-events": "This counts events that are not refunds.",
        "cancelled-is-not-refunded": "These are the cancellations. A refund is an event of its "
        "own, and it may come without one.",
        "without-why": "The rows say who, and not why. Put the reason beside the actor, as `why`.",
        "the-payload": "The reason in the payload is what the customer reads. Who did it, and why, "
        "is in the metadata.",
        "one-row-each": "There is a row for each event. Asked for is a row for each who and why.",
        "not-a-query": "The engine does not take this query.",
    },
    cases=tuple(REFUNDS),
    varies={
        "several people": lambda seen: (
            len({e.metadata["actor"] for e in variety.events_in(seen)}) > 3
        ),
        "refunds and cancellations": variety.types("RefundIssued", "OrderCancelled"),
        "several shops": variety.lengths(2),
    },
)
def _who_gave(answer: Any, trial: Trial) -> None:
    trial.kind(answer, str, "the text of a query")
    for name, plan in REFUNDS.items():
        store = _refunding(trial, plan)
        if trial.case(name, [*store.read_all()]):
            _one_query(answer, trial, store)


def _one_query(answer: str, trial: Trial, store: EventStore) -> None:
    truth: Counter[tuple[str, str]] = Counter(
        (event.metadata["actor"], event.metadata["reason"])
        for event in store.read_all()
        if event.type == "RefundIssued"
    )
    wanted = sorted((*key, n) for key, n in truth.items())
    came = attempt(lambda: store.sql(answer).fetchall())
    if came.error:
        trial.fail("not-a-query", got=first_line(came.error))
    got = [tuple(row) for row in came.value]
    # In which order the columns stand is not asked for.
    if _unordered(got) == _unordered(wanted):
        return
    rows: dict[str, Any] = {"got": sorted(map(str, got))[:8], "wanted": sorted(map(str, wanted))}
    total = sum(n for row in got for part in row if (n := whole(part)) is not None)
    refunds, cancelled = sum(truth.values()), _count(store, "OrderCancelled")
    if len(got) == refunds and len(wanted) < refunds:
        trial.fail("one-row-each", **rows)
    trial.require(all(len(row) <= 3 for row in got), "more-columns", **rows)
    if total == cancelled != refunds:
        trial.fail("cancelled-is-not-refunded", **rows)
    trial.require(total <= refunds, "other-events", **rows)
    trial.require(all(len(row) >= 3 for row in got), "without-why", **rows)
    whys = {why for _, why in truth}
    said = {part for row in got for part in row if isinstance(part, str)}
    trial.require(said & whys or not got, "the-payload", **rows)
    trial.require(
        sorted(n for row in got for part in row if (n := whole(part)) is not None)
        == sorted(truth.values())
        or total != refunds,
        "the-payload",
        **rows,
    )
    trial.fail("other", **rows)


def _unordered(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    return sorted(
        sorted(str(part if (number := whole(part)) is None else number) for part in row)
        for row in rows
    )


def _count(store: EventStore, event_type: str) -> int:
    return sum(event.type == event_type for event in store.read_all())


def _refunding(trial: Trial, plan: Sequence[tuple[str, str, bool]]) -> EventStore:
    """A small shop: who refunded and why, and whether the order was cancelled before."""
    store = EventStore(clock=LessonClock())
    for number, (who, why, cancelled) in enumerate(plan):
        order = store.new(Order, f"order-{number}")
        order.place("ada", [{"sku": "MUG-BLUE", "quantity": 2, "price": 950}])
        if not who:
            order.cancel("found it elsewhere", actor="tom")
        else:
            order.pay()
            if cancelled:
                order.cancel("changed my mind", actor="eve")
            order.refund(trial.rng.randint(1, 949), "goodwill", actor=who)
            order.pending[-1].metadata["reason"] = why
        store.save(order)
    return store


# --- 06-3 ---------------------------------------------------------------------------------------


@chapter.exercise(
    "06-3",
    form="Break it",
    title="Pull out the bottom card",
    section="What if one event had not happened?",
    stub="""
leave_out = ...  # a number: without this event of order-1042, three later ones are refused
policy = ...     # "skip", "stop" or "force": with this one, only two are refused
""",
    hints=(
        "On which event do all the others stand?",
        "Look at the three policies in `help(History.without)`. With which one can a later event "
        "still find what it needs?",
        "leave_out = 1",
    ),
    right="Nothing can follow where nothing was placed. `force` applies the shipment all the same, "
    "so the delivery finds an order that is shipped.",
    mistakes={
        "too-few-fall": "Fewer than three events are refused without this one.",
        "no-such-event": "The order has the events 1 to 4.",
        "left-out": "With this policy a refused event has no effect, so the delivery finds no "
        "order that was shipped. Which policy applies it all the same?",
        "no-such-policy": 'The policies are "skip", "stop" and "force".',
    },
)
def _bottom_card(answer: Any, trial: Trial) -> None:
    said, policy = trial.parts(answer, 2, "two things: (leave_out, policy)")
    number = whole(said)
    trial.require(number in (1, 2, 3, 4), "no-such-event", got=repr(said))
    assert number is not None
    trial.require(policy in ("skip", "stop", "force"), "no-such-policy", got=repr(policy))
    history = History(_ada(), Order, "order-1042")
    refused = history.without(number).refused
    given = [event for event in history.events if event.sequence_number != number]
    trial.require(
        len(refused) == 3,
        "too-few-fall",
        given=given,
        got=[f"refused: {event.type}: {reason}" for event, reason in refused]
        or "nothing is refused",
    )
    refused = history.without(number, policy=policy).refused
    lines = [f"refused: {event.type}: {reason}" for event, reason in refused]
    trial.require(len(refused) == 2, "left-out", given=f"policy={policy!r}", got=lines)


# --- 06-4 ---------------------------------------------------------------------------------------


def _totals(events: Sequence[Event]) -> list[int]:
    """What the basket is worth after each event, added up line by line."""
    totals, lines = [], dict[str, int]()
    for event in events:
        for line in event.data.get("items", [event.data]):
            if event.type == "ItemRemoved":
                lines.pop(line["sku"])
            else:
                worth = line["quantity"] * line["price"]
                lines[line["sku"]] = lines.get(line["sku"], 0) + worth
        totals.append(sum(lines.values()))
    return totals


#: The amount that is asked for, from what the basket was worth after each event.
AMOUNTS: dict[str, Callable[[list[int]], int]] = {
    "exactly its highest total": max,
    "a total that it has early": lambda totals: totals[0],
    "a little less than the highest": lambda totals: max(totals) - 1,
    "more than it ever had": lambda totals: max(totals) + 1,
}


@chapter.exercise(
    "06-4",
    form="Bug hunt",
    title="The basket that was worth more",
    section="Why did the shop pay a customer?",
    stub="""
def first_reached(history, amount):
    found = history.first(lambda order: order.total >= amount)
    return found.number if found else None
""",
    todo="The function is still the one with the bug. Change it, run the cell, and check again.",
    hints=(
        "The total can rise and fall again. What does a bisection look at first?",
        "Halving throws away half of the states unseen. It needs an answer that stays true. This "
        "one does not, so every state has to be looked at, in order.",
        "found = history.first(lambda order: order.total >= amount, scan=True)",
    ),
    right="A question whose answer may turn back needs a look at every state. Halving is for "
    "questions that stay true once they are.",
    mistakes={
        "halves": "Bisection looked at the end, found the total low again, and gave up, or landed "
        "behind the first time. This total rises and falls.",
        "the-last-time": "This is the last event that reached it. Asked for is the first.",
        "counts-from-zero": "You are one off. State 0 is before anything happened; event 1 leads "
        "to state 1.",
        "only-above": "Reaching an amount is enough. It need not be exceeded.",
        "invents-one": "The total never reaches this amount. Then the answer is None.",
    },
    cases=tuple(AMOUNTS),
    varies={
        "every type": variety.types("OrderPlaced", "ItemAdded", "ItemRemoved"),
        "lengths": variety.lengths(4),
        "a total that falls again": variety.some(
            lambda case: max(_totals(case)) > _totals(case)[-1]
        ),
    },
)
def _first_reached(answer: Any, trial: Trial) -> None:
    trial.function(answer, "first_reached(history, amount)")
    cases: dict[str, list[list[Any]]] = {name: [] for name in AMOUNTS}
    for length in (2, 3, 4, 5, 6, 7, 8) * 3:
        events = [
            event
            for event in order_history(trial.rng, length + 4)
            if event.type in ("OrderPlaced", "ItemAdded", "ItemRemoved")
        ]
        name = trial.rng.choice(list(AMOUNTS))
        cases[name].append(events[:length])
    # The amount is that of the case, also while it is made shorter.
    for name, group in cases.items():
        trial.compare(
            answer,
            _walk(lambda total, enough: total >= enough),
            {name: group},
            legal=_starts,
            tidy=numbered,
            call=partial(_asked, AMOUNTS[name]),
            facts=partial(_amount_of, name),
            models={
                "halves": _halving,
                "the-last-time": _backwards,
                "counts-from-zero": _walk(lambda total, enough: total >= enough, shift=-1),
                "only-above": _walk(lambda total, enough: total > enough),
                "invents-one": _walk(lambda total, enough: total >= enough, otherwise=0),
                "invents-one 2": _walk(lambda total, enough: total >= enough, otherwise=-1),
            },
        )


def _amount_of(name: str, events: list[Event]) -> dict[str, Any]:
    return {"when": f"amount {AMOUNTS[name](_totals(events))}"}


def _starts(events: list[Event]) -> bool:
    return bool(events) and is_order_history(events)


def _asked(amount: Callable[[list[int]], int], function: Any, events: list[Event]) -> Any:
    return function(History.of(events, Order), amount(_totals(events)))


def _walk(
    reached: Callable[[int, int], bool], shift: int = 0, otherwise: int | None = None
) -> Callable[[Any, int], int | None]:
    """Along the totals one after the other, without a fold of the whole order."""

    def walk(history: Any, amount: int) -> int | None:
        for number, total in enumerate(_totals(history.events), start=1):
            if reached(total, amount):
                return number + shift
        return otherwise

    return walk


def _halving(history: Any, amount: int) -> int | None:
    found = history.first(lambda order: order.total >= amount)
    return found.number if found else None


def _backwards(history: Any, amount: int) -> int | None:
    high = [n for n, state in enumerate(history.states()) if state["total"] >= amount]
    return high[-1] if high else None


# --- 06-5 ---------------------------------------------------------------------------------------


def _balance(events: list[Event]) -> int:
    sign = {"CreditAdded": 1, "CreditSpent": -1}
    return sum(sign.get(e.type, 0) * int(e.data.get("amount", 0)) for e in events)


def _two(first: str, second: str, inclusive: bool = True) -> Callable[..., tuple[int, int]]:
    """Two balances, each by one of the times."""

    def balances(events: list[Event], when: datetime) -> tuple[int, int]:
        limit = when if inclusive else when - timedelta(microseconds=1)
        one, two = (
            _balance([e for e in events if getattr(e, name) <= limit]) for name in (first, second)
        )
        return one, two

    return balances


TOLD = ("everything is told of at once", "some events are told of late")


@chapter.exercise(
    "06-5",
    form="Fill in",
    title="As it was, and as it was known",
    section="Is what was recorded also what was true?",
    stub="""
def balances(events, when):
    \"\"\"Two numbers: the balance as it was at `when`, and as it was known then.\"\"\"
    return ..., ...
""",
    hints=(
        "Each event has two times. Which one does the shop learn of, and which one happens?",
        "What had *occurred* by then, and what was *recorded* by then. Two sums with two "
        "conditions; both include the moment itself.",
        "was = balance([e for e in events if e.occurred_at <= when])",
    ),
    right="Two questions, two sums. When people quarrel about a number, ask which of the two they "
    "mean.",
    mistakes={
        "one-clock": "Both numbers come from the time at which it occurred. What did the shop know "
        "at that moment?",
        "the-other-clock": "Both numbers come from the time at which it was recorded. A late "
        "message tells of something that had happened before.",
        "swapped": "Both numbers are there, in the other order: first as it was, then as it was "
        "known.",
        "leaves-out-the-moment": "What happened exactly at `when` counts.",
        "knows-too-much": "Whoever asks for a past balance must not hear of what came later.",
    },
    cases=TOLD,
    varies={
        "every type": variety.types(*variety.ACCOUNT_TYPES),
        "both times": variety.recorded_unlike_occurred,
        "equal times": variety.equal_times,
        "days": variety.gaps_over_a_day,
        "amounts": variety.amounts_off_the_hundred,
    },
)
def _as_it_was(answer: Any, trial: Trial) -> None:
    trial.function(answer, "balances(events, when)")
    cases: dict[str, list[list[Event]]] = {name: [] for name in TOLD}
    for length in (2, 3, 3, 4, 4, 5, 6, 8) * 3:
        events = account_history(trial.rng, length)
        late = any(event.recorded_at != event.occurred_at for event in events)
        cases[TOLD[1] if late else TOLD[0]].append(events)
        on_time = [replace(event, occurred_at=event.recorded_at) for event in events]
        cases[TOLD[0]].append(on_time)

    def call(function: Any, events: list[Event]) -> Any:
        said = []
        for when in _moments(events):
            value = function(list(events), when)
            pair = as_list(value) if function is answer else list(value)
            trial.kind(
                pair,
                list,
                "two numbers: (as it was, as it was known)",
                "no-return-here" if value is None else "wrong-kind",
                given=events,
            )
            said.append(pair)
        return said

    trial.compare(
        answer,
        _by_replay,
        cases,
        call=call,
        legal=lambda events: len(events) > 0,
        models={
            "one-clock": _two("occurred_at", "occurred_at"),
            "the-other-clock": _two("recorded_at", "recorded_at"),
            "swapped": _two("recorded_at", "occurred_at"),
            "leaves-out-the-moment": _two("occurred_at", "recorded_at", inclusive=False),
            "knows-too-much": lambda events, when: (_balance(events), _balance(events)),
            "knows-too-much 2": lambda events, when: (
                _balance(events),
                _two("recorded_at", "recorded_at")(events, when)[1],
            ),
        },
    )


def _moments(events: list[Event]) -> list[datetime]:
    """The times of the events, and a moment before and after each of them."""
    times = {e.occurred_at for e in events} | {e.recorded_at for e in events}
    tick = timedelta(microseconds=1)
    return sorted({time + way * tick for time in times if time for way in (-1, 0, 1)})


def _by_replay(events: list[Event], when: datetime) -> tuple[int, int]:
    def shop(name: str) -> int:
        return replay(Account, [e for e in events if not getattr(e, name) > when]).balance

    return shop("occurred_at"), shop("recorded_at")
