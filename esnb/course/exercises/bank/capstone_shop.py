"""The capstone of analysis: three stories that are hidden in the log of another shop.

The log is simulated like that of `shop.sample()`, with another seed and other days, so that no
answer can be read in a chapter. The checkers work the truth out of the log, and never ask the
simulator's books. A message says where to look next, and not what is there.
"""

from __future__ import annotations

import functools
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from esnb import EventStore, LessonClock
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import whole
from esnb.events import Event
from esnb.shop import simulate

chapter = Chapter("capstone_shop", chapter="10_analytics")


@functools.cache
def _log() -> list[Event]:
    with EventStore(clock=LessonClock("2027-07-01T09:00:00Z")) as store:
        simulate(store, orders=400, seed=1848, start="2027-04-05T00:00:00Z", days=63)
        return list(store.read_all())


# --- shop-1 -------------------------------------------------------------------------------------


@functools.cache
def _totals() -> dict[str, list[tuple[Event, int]]]:
    """Each order's events, with the worth of the basket after each."""
    baskets: dict[str, dict[str, int]] = {}
    found: dict[str, list[tuple[Event, int]]] = {}
    for event in _log():
        name = event.aggregate_id or ""
        if not name.startswith("order-"):
            continue
        basket = baskets.setdefault(name, {})
        if event.type == "ItemRemoved":
            basket.pop(event.data["sku"], None)
        elif event.type in ("OrderPlaced", "ItemAdded"):
            for line in event.data.get("items", [event.data]):
                worth = line["quantity"] * line["price"]
                basket[line["sku"]] = basket.get(line["sku"], 0) + worth
        found.setdefault(name, []).append((event, sum(basket.values())))
    return found


@chapter.exercise(
    "shop-1",
    form="Your data",
    title="The customer whom the shop paid",
    chapter="06_time_travel",
    section="Why did the shop pay a customer?",
    stub="""
below_zero = {
    "order": ...,  # its id
    "event": ...,  # the number, in the order, of the first event after which its total is below 0
    "by": ...,     # who did that, as the log says
}
""",
    hints=(
        "No price in the catalogue is below zero. Which amounts in the log are?",
        "Find the order by its strangest payment. Then follow its total from event to event. A "
        "total that rises and falls has to be looked at everywhere.",
        'store.sql("select aggregate_id, event_data from events where ...").df()',
    ),
    right="The payment was only the symptom. The cause is weeks of work before it, in a step "
    "that each rule allowed.",
    mistakes={
        "a-large-refund": "This order was refunded, and its total was never below zero. A refund "
        "gives back what was paid. Look for amounts below zero, and at whom they were paid to.",
        "never-below": "The total of this order was never below zero.",
        "the-symptom": "This event comes after the basket was done: here the money moved. The "
        "total had been below zero for a while. Since when?",
        "still-above": "After this event the total is not below zero. Follow it further.",
        "not-the-first": "After this event the total is below zero, and it was so before. "
        "Rising and falling totals need a look at every state.",
        "blames-somebody-else": "The order and the event are right. That event was not done by "
        "the one you name: its metadata has the actor.",
        "no-such-event": "This order has no event of that number.",
    },
)
def _paid_by_the_shop(answer: Any, trial: Trial) -> None:
    trial.fields(answer, order="an id", event="a number", by="an actor")
    orders = _totals()
    name, number = str(answer["order"]), whole(answer["event"])
    trial.require(
        name in orders,
        "wrong-kind",
        got=repr(answer["order"]),
        wanted="the id of an order in the log, such as order-2001",
    )
    life = orders[name]
    lowest = min(total for _, total in life)
    if lowest >= 0:
        refunded = any(event.type == "RefundIssued" for event, _ in life)
        trial.fail(
            "a-large-refund" if refunded else "never-below",
            when=name,
            got=f"its lowest total is {lowest}",
        )
    numbers = {event.sequence_number: (event, total) for event, total in life}
    trial.require(
        number in numbers,
        "no-such-event",
        when=name,
        got=repr(answer["event"]),
        wanted=f"a number from 1 to {len(life)}",
    )
    event, total = numbers[number]
    first = next(event for event, total in life if total < 0)
    facts: dict[str, Any] = {"when": event, "got": f"after it the total is {total}"}
    if event is not first:
        moved = event.type not in ("OrderPlaced", "ItemAdded", "ItemRemoved")
        key = "the-symptom" if moved else "still-above" if total >= 0 else "not-the-first"
        trial.fail(key, **facts)
    trial.require(
        answer["by"] == event.metadata["actor"],
        "blames-somebody-else",
        **facts,
        you_said=repr(answer["by"]),
    )


# --- shop-2 -------------------------------------------------------------------------------------


@functools.cache
def _times(event_type: str) -> list[datetime]:
    return [e.occurred_at for e in _log() if e.type == event_type and e.occurred_at]


@functools.cache
def _silence() -> tuple[datetime, datetime, int]:
    """The two payments in a row between which most orders were placed, and how many."""
    paid = _times("PaymentReceived")
    silences = [
        (sum(one < when < other for when in _times("OrderPlaced")), one, other)
        for one, other in pairwise(paid)
    ]
    count, one, other = max(silences)
    return one, other, count


def _on(day: str, event_type: str) -> int:
    return sum(when.date().isoformat() == day for when in _times(event_type))


@chapter.exercise(
    "shop-2",
    form="Your data",
    title="The best day of all",
    section="What is strange in this log?",
    stub="""
silence = {
    "day": ...,      # a date such as "2027-04-05", in UTC
    "orders": ...,   # how many were placed between the payment before the silence and the next one
    "at_once": ...,  # how many payments came in the 15 minutes that began with that next one
}
""",
    hints=(
        "A day without payments may be a day without customers. What would tell the two apart?",
        "Look at orders and payments together, hour by hour. You look for two payments, one after "
        "the other, with many orders between them.",
        'paid = log[log["event_type"] == "PaymentReceived"]["occurred_at"]',
    ),
    right="In a table of days it is the day with most payments. Only the order of events shows "
    "that for hours nothing could be paid.",
    mistakes={
        "nobody-came": "Few payments came on this day, and few orders, too. Nothing was broken: "
        "nobody came. Where do orders come in without payments?",
        "another-day": "On this day payments follow orders as they do on others. Compare them hour "
        "by hour.",
        "the-whole-day": "These are the orders of the whole day. Asked for are those between two "
        "payments: the last one before the silence, and the first one after it.",
        "paid-not-placed": "You counted the payments that came at once. Not everybody who ordered "
        "in the silence had tried to pay.",
        "the-whole-evening": "These are all payments from the end of the silence to midnight. "
        "Asked for are the first 15 minutes.",
        "one-off": "You are one off. Is the payment that ended the silence among them? Is the "
        "order at the edge?",
        "orders-differ": "The day is right. The number of orders in the silence is not: between "
        "which two payments did you count?",
        "at-once-differs": "Day and orders are right. How many payments lie in the 15 minutes "
        "from the first one on?",
    },
)
def _best_day(answer: Any, trial: Trial) -> None:
    trial.fields(answer, day="a date", orders="a number", at_once="a number")
    _, other, orders = _silence()
    day = str(answer["day"])[:10]
    facts: dict[str, Any] = {
        "when": day,
        "got": f"{_on(day, 'OrderPlaced')} orders and {_on(day, 'PaymentReceived')} payments",
    }
    if day != other.date().isoformat():
        quiet = _on(day, "OrderPlaced") < len(_times("OrderPlaced")) / 63
        trial.fail("nobody-came" if quiet else "another-day", **facts)
    paid = _times("PaymentReceived")
    at_once = sum(other <= when <= other + timedelta(minutes=15) for when in paid)
    evening = sum(other <= when and when.date() == other.date() for when in paid)
    said = whole(answer["orders"])
    facts["got"] = f"orders: {said}, at_once: {answer['at_once']}"
    if said != orders:
        near = isinstance(said, int) and abs(said - orders) == 1
        keys = {_on(day, "OrderPlaced"): "the-whole-day", at_once: "paid-not-placed"}
        trial.fail(keys.get(said or 0, "one-off" if near else "orders-differ"), **facts)
    said = whole(answer["at_once"])
    if said != at_once:
        near = isinstance(said, int) and abs(said - at_once) == 1
        keys = {evening: "the-whole-evening"}
        trial.fail(keys.get(said or 0, "one-off" if near else "at-once-differs"), **facts)


# --- shop-3 -------------------------------------------------------------------------------------


@functools.cache
def _parcels() -> tuple[list[Event], set[str]]:
    """The first parcel of each order that had no payment then, and all orders that have one."""
    paid: set[str] = set()
    shipped: dict[str, Event] = {}
    for event in _log():
        name = event.aggregate_id or ""
        if event.type == "PaymentReceived":
            paid.add(name)
        elif event.type == "OrderShipped" and name not in paid:
            shipped.setdefault(name, event)
    return list(shipped.values()), paid


@chapter.exercise(
    "shop-3",
    form="Your data",
    title="Parcels that nobody had paid for",
    section="What is strange in this log?",
    stub="""
parcels = {
    "who": ...,          # who shipped them, as the log says
    "unpaid_then": ...,  # how many orders had no payment when they were shipped
    "unpaid_now": ...,   # how many of these have none at the end of the log
    "first": ...,        # the position of the event with which it began
}
""",
    hints=(
        "A table of today says who has not paid. What does it say of those who paid later?",
        "For each order, compare the moment of the shipment with that of the payment. Then look at "
        "the metadata of the shipments that came too early.",
        'when = log.pivot_table(index="aggregate_id", columns="event_type", values="position")',
    ),
    right="Half of them look right today. Only the order of events says that they were shipped too "
    "early, who did it, and since when.",
    mistakes={
        "the-usual-suspect": "This one ships most parcels, or carries them, and after the payment. "
        "Look at the metadata of the parcels that were too early.",
        "todays-table": "Your two numbers are the same. Some of those who had not paid then have "
        "paid since. Compare the two moments, not the two columns.",
        "never-shipped": "You counted orders that were never shipped. Nobody lost a parcel with "
        "them.",
        "more-than-there-were": "These are all parcels of a kind, or of a day. Which of them were "
        "unpaid at that moment?",
        "number-in-the-order": "This is a number within one order. Asked for is the position, "
        "which counts through the whole log.",
        "placed-not-shipped": "At this position somebody placed an order, which is fine. "
        "It began with a shipment.",
        "not-the-first": "This parcel is one of them, and there was one before.",
        "before-it-began": "At this position nothing of the kind happened.",
    },
)
def _too_early(answer: Any, trial: Trial) -> None:
    trial.fields(
        answer, who="an actor", unpaid_then="a number", unpaid_now="a number", first="a position"
    )
    early, paid = _parcels()
    who = {event.metadata["actor"] for event in early}
    sent = sum(e.type == "OrderShipped" and e.metadata["actor"] == answer["who"] for e in _log())
    trial.require(
        {answer["who"]} == who,
        "the-usual-suspect",
        when=f"who: {answer['who']}",
        got=f"{sent} parcels in the whole log",
    )
    then, now = whole(answer["unpaid_then"]), whole(answer["unpaid_now"])
    facts: dict[str, Any] = {"got": f"unpaid_then: {then}, unpaid_now: {now}"}
    still = [event for event in early if event.aggregate_id not in paid]
    placed = {e.aggregate_id for e in _log() if e.type == "OrderPlaced"}
    if (then, now) != (len(early), len(still)):
        unpaid = len(placed - paid)
        if unpaid in (then, now):
            trial.fail("never-shipped", **facts)
        trial.require(then != now, "todays-table", **facts)
        more = isinstance(then, int) and then > len(early)
        trial.fail("more-than-there-were" if more else "other", **facts)
    first = whole(answer["first"])
    if first == early[0].position:
        return
    at = next((event for event in _log() if event.position == first), None)
    rows: dict[str, Any] = {"when": f"first: {first}", "got": [at] if at else "no such position"}
    trial.require(first not in (e.sequence_number for e in early), "number-in-the-order", **rows)
    if any(event is at for event in early):
        trial.fail("not-the-first", **rows)
    theirs = {event.aggregate_id for event in early}
    is_placed = at is not None and at.type == "OrderPlaced" and at.aggregate_id in theirs
    trial.fail("placed-not-shipped" if is_placed else "before-it-began", **rows)
