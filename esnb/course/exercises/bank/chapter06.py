"""Exercises to chapter 06: diffs, the audit trail, what-if, bisection, two times of an event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from esnb import EventStore, History, LessonClock, replay
from esnb.course.exercises.engine.histories import account_history, is_order_history, order_history
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial, numbered
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
    trial.kind(answer, (tuple, list), "two things: (changed, marks)")
    changed, marks = answer
    trial.kind(changed, (list, tuple, set), "a list of event numbers")
    trial.kind(marks, dict, "a dict with a mark for each field")
    store = _ada()
    history = History(store, Order, "order-1042")
    truth = [int(n) for n in history.changes("total")["sequence_number"]]
    said = sorted(changed)
    if said != truth:
        key = "the-start-counts" if not said else "payment-counts" if 2 in said else "other"
        trial.fail(key, given=history.events, got=said,
                   totals=[f"after {n}: {state['total']}" for n, state in
                           enumerate(history.states())])  # fmt: skip
    diff = history.diff(4, 2)
    sides = {"+": diff.added, "-": diff.removed, "~": diff.changed}
    names = ("status", "delivered", "shipped.MUG-BLUE")
    fits = marks.keys() == set(names) and set(marks.values()) <= set("+-~")
    trial.require(fits, "other-marks", got=list(marks.items()))
    for name in names:
        mark = next(sign for sign, paths in sides.items() if name in paths)
        there = "diff(2, 4): " + next(
            line for line in str(history.diff(2, 4)).splitlines() if name in line
        )
        trial.require(marks[name] == mark, "changed-is-not-new" if mark == "~" else "no-direction",
                      given=there, got=f"{marks[name]} {name}")  # fmt: skip


# --- 06-2 ---------------------------------------------------------------------------------------


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
        "other-events": "This counts events that are no refunds.",
        "cancelled-is-not-refunded": "These are the cancellations. A refund is an event of its "
        "own, and it may come without one.",
        "without-why": "The rows say who, and not why. Put the reason beside the actor, as `why`.",
        "the-payload": "The reason in the payload is what the customer reads. Who did it, and why, "
        "stands in the metadata.",
        "one-row-each": "There is a row for each event. Asked for is a row for each who and why.",
        "not-a-query": "The engine does not take this query.",
    },
)
def _who_gave(answer: Any, trial: Trial) -> None:
    trial.kind(answer, str, "the text of a query")
    store = _refunding(trial)
    truth: dict[tuple[str, str], int] = {}
    for event in store.read_all():
        if event.type == "RefundIssued":
            key = (event.metadata["actor"], event.metadata["reason"])
            truth[key] = truth.get(key, 0) + 1
    wanted = sorted((*key, n) for key, n in truth.items())
    try:
        got = store.sql(answer).fetchall()
    except Exception as error:
        trial.fail("not-a-query", got=str(error).splitlines()[0])
    if sorted(map(str, got)) == sorted(map(str, wanted)):
        return
    rows: dict[str, Any] = {"got": sorted(map(str, got))[:8], "wanted": sorted(map(str, wanted))}
    total = sum(row[-1] for row in got if isinstance(row[-1], int))
    refunds, cancelled = sum(truth.values()), _count(store, "OrderCancelled")
    if len(got) == refunds and len(wanted) < refunds:
        trial.fail("one-row-each", **rows)
    if total == cancelled != refunds:
        trial.fail("cancelled-is-not-refunded", **rows)
    trial.require(total <= refunds, "other-events", **rows)
    trial.require(all(len(row) >= 3 for row in got), "without-why", **rows)
    trial.require({r[1] for r in got} <= {r[1] for r in wanted}, "the-payload", **rows)
    trial.fail("other", **rows)


def _count(store: EventStore, event_type: str) -> int:
    return sum(event.type == event_type for event in store.read_all())


def _refunding(trial: Trial) -> EventStore:
    """A small shop: refunds by two people, for two reasons, and a few cancellations."""
    store = EventStore(clock=LessonClock())
    whys = ("arrived broken", "arrived late")
    plan = [("mia", 0), ("mia", 0), ("mia", 1), ("tom", 1), ("tom", 1)]
    for number, (who, why) in enumerate(plan):
        order = store.new(Order, f"order-{number}")
        order.place("ada", [{"sku": "MUG-BLUE", "quantity": 2, "price": 950}])
        order.pay()
        if number < 3:
            order.cancel("changed my mind")
        order.refund(trial.rng.randint(1, 9) * 100, "goodwill", actor=who)
        event = order.pending[-1]
        event.metadata["reason"] = whys[why]
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
    trial.kind(answer, (tuple, list), "two things: (leave_out, policy)")
    number, policy = answer
    trial.require(number in (1, 2, 3, 4), "no-such-event", got=repr(number))
    trial.require(policy in ("skip", "stop", "force"), "no-such-policy", got=repr(policy))
    history = History(_ada(), Order, "order-1042")
    refused = history.without(number).refused
    given = [event for event in history.events if event.sequence_number != number]
    trial.require(len(refused) == 3, "too-few-fall", given=given,
                  got=[f"refused: {event.type}: {reason}" for event, reason in refused]
                  or "nothing is refused")  # fmt: skip
    refused = history.without(number, policy=policy).refused
    said = [f"refused: {event.type}: {reason}" for event, reason in refused]
    trial.require(len(refused) == 2, "left-out", given=f"policy={policy!r}", got=said)


# --- 06-4 ---------------------------------------------------------------------------------------


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
)
def _first_reached(answer: Any, trial: Trial) -> None:
    trial.function(answer, "first_reached(history, amount)")
    cases = []
    for length in (2, 3, 4, 5, 6, 7, 8) * 6:
        events = [e for e in order_history(trial.rng, length + 4)
                  if e.type in ("OrderPlaced", "ItemAdded", "ItemRemoved")]  # fmt: skip
        cases.append(events[:length])
    for amount in (3_990, 100_000):
        trial.compare(
            answer, _walk(lambda total, enough: total >= enough), cases, legal=_starts,
            tidy=numbered, call=_asked(amount), mistake="other",
            models={
                "halves": _halving, "the-last-time": _backwards,
                "counts-from-zero": _walk(lambda total, enough: total >= enough, shift=-1),
                "only-above": _walk(lambda total, enough: total > enough),
                "invents-one": _walk(lambda total, enough: total >= enough, otherwise=0),
            },
        )  # fmt: skip


def _starts(events: list[Event]) -> bool:
    return bool(events) and is_order_history(events)


def _asked(amount: int) -> Callable[[Any, list[Event]], Any]:
    return lambda function, events: function(History.of(events, Order), amount)


def _walk(
    reached: Callable[[int, int], bool], shift: int = 0, otherwise: int | None = None
) -> Callable[[Any, int], int | None]:
    """Add up the lines one event after the other, without a fold of the whole order."""

    def walk(history: Any, amount: int) -> int | None:
        lines: dict[str, int] = {}
        for number, event in enumerate(history.events, start=1):
            for line in event.data.get("items", [event.data]):
                if event.type == "ItemRemoved":
                    lines.pop(line["sku"])
                else:
                    worth = line["quantity"] * line["price"]
                    lines[line["sku"]] = lines.get(line["sku"], 0) + worth
            if reached(sum(lines.values()), amount):
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
)
def _as_it_was(answer: Any, trial: Trial) -> None:
    trial.function(answer, "balances(events, when)")
    cases = []
    for length in (2, 3, 3, 4, 4, 5, 6, 8) * 4:
        events = account_history(trial.rng, length)
        cases.append([_perhaps_late(event, trial) for event in events])

    def call(function: Any, events: list[Event]) -> Any:
        moments = [e.occurred_at for e in events] + [e.recorded_at for e in events]
        return [tuple(function(list(events), when)) for when in moments]

    trial.compare(
        answer, _by_replay, cases, call=call, legal=lambda events: len(events) > 0,
        models={
            "one-clock": _two("occurred_at", "occurred_at"),
            "the-other-clock": _two("recorded_at", "recorded_at"),
            "swapped": _two("recorded_at", "occurred_at"),
            "leaves-out-the-moment": _two("occurred_at", "recorded_at", inclusive=False),
            "knows-too-much": lambda events, when: (_balance(events), _balance(events)),
        },
    )  # fmt: skip


def _perhaps_late(event: Event, trial: Trial) -> Event:
    late = trial.rng.random() < 0.5
    assert event.recorded_at is not None
    return replace(event, recorded_at=event.recorded_at + timedelta(hours=3 * late))


def _by_replay(events: list[Event], when: datetime) -> tuple[int, int]:
    def shop(name: str) -> int:
        return replay(Account, [e for e in events if not getattr(e, name) > when]).balance

    return shop("occurred_at"), shop("recorded_at")
