"""Exercises to chapter 10: who got how far, joins, time between events, two clocks, old events."""

from __future__ import annotations

import functools
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from numbers import Number
from statistics import mean, median
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from esnb import new_event
from esnb.clock import utc
from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.histories import CUSTOMERS, PRICES, START
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.stubs import is_gap
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import counted, numbered, whole
from esnb.course.exercises.engine.verdicts import StillStub, attempt
from esnb.datasets import flights
from esnb.events import Event

chapter = Chapter("10_analytics")

STEPS = ("OrderPlaced", "PaymentReceived", "OrderShipped", "OrderDelivered", "OrderCancelled")


#: What changes a basket.
CHANGES = ("ItemAdded", "ItemRemoved")


class Life(tuple[Event, ...]):
    """The events of one order; shown in a line, with hours since the shop opened."""

    __slots__ = ()

    def __repr__(self) -> str:
        changes = sum(e.type in CHANGES for e in self)
        said = [
            f"{event.type} {((event.occurred_at or START) - START).total_seconds() / 3600:.1f} h"
            for event in self
            if event.type not in CHANGES
        ]
        if changes:
            kinds = " or ".join(sorted({event.type for event in self if event.type in CHANGES}))
            said.insert(1, kinds if changes == 1 else f"{changes} x {kinds}")
        return f"{self[0].aggregate_id}: {', '.join(said)}"


def _lives(case: Sequence[Sequence[Event]]) -> list[Life]:
    """The orders of a case: what a learner is shown."""
    return [Life(life) for life in case]


def _log(case: Sequence[Sequence[Event]]) -> list[Event]:
    """The orders of a case as one log, in the order of what happened."""
    mixed = [event for life in case for event in life]
    return numbered(sorted(mixed, key=lambda event: (event.occurred_at, event.aggregate_id)))


def _life(rng: random.Random, name: str) -> Life:
    """An order: some with a changed basket, some never paid, some in two parcels."""
    at = START + timedelta(minutes=rng.randrange(0, 3000))
    sku = rng.choice(list(PRICES))
    line = {"sku": sku, "quantity": 1, "price": PRICES[sku]}
    life = [(0.0, new_event("OrderPlaced", customer=rng.choice(CUSTOMERS), items=[line]))]
    for kind in rng.choices(
        ("ItemAdded", "ItemAdded", "ItemRemoved"), k=rng.choice([0, 0, 1, 2, 3])
    ):
        life.append((0.2, new_event(kind, line if kind == "ItemAdded" else {"sku": sku})))
    cancelled = new_event("OrderCancelled", reason="changed my mind")
    if rng.random() < 0.75:
        wait, method = rng.choice([0.1, 0.2, 30.0]), rng.choice(["card", "wallet", "transfer"])
        life.append(
            (wait, new_event("PaymentReceived", amount=rng.randint(100, 9999), method=method))
        )
        if rng.random() < 0.75:
            for _ in range(rng.choice([1, 1, 2])):
                hours = rng.randrange(4, 200) / 2
                life.append((hours, new_event("OrderShipped", items=[], carrier="post")))
            if rng.random() < 0.5:
                life.append((40.0, new_event("OrderDelivered")))
        elif rng.random() < 0.4:
            life.append((9.0, cancelled))
    elif rng.random() < 0.25:  # sent, and never paid
        life.append((9.0, new_event("OrderShipped", items=[], carrier="post")))
    elif rng.random() < 0.5:
        life.append((9.0, cancelled))
    events = []
    for hours, event in life:
        at += timedelta(hours=hours)
        events.append(
            replace(
                event,
                aggregate_id=name,
                aggregate_type="ORDER",
                event_id=UUID(int=rng.getrandbits(128), version=4),
                occurred_at=at,
                recorded_at=at,
            )
        )
    return Life(events)


def _cases(
    trial: Trial,
    names: Mapping[str, Callable[[list[Life]], bool]],
    fits: Callable[[list[Life]], bool],
    orders: Sequence[int] = (2, 3, 4, 6),
) -> dict[str, list[list[Life]]]:
    """Logs that fit, each as a list of its orders: for each name some of that kind."""
    cases: dict[str, list[list[Life]]] = {}
    for name, kind in names.items():
        group = cases[name] = []
        for count in orders:
            while True:
                case = [_life(trial.rng, f"order-{1042 + n}") for n in range(count)]
                if fits(case) and kind(case):
                    break
            group.append(case)
    return cases


def _has(kind: str, times: int = 1) -> Callable[[list[Life]], bool]:
    """An order in which this happens so many times."""
    return lambda case: any(sum(e.type == kind for e in life) >= times for life in case)


def _lacks(kind: str, but: str) -> Callable[[list[Life]], bool]:
    """An order in which `but` happens, and `kind` never does."""
    return lambda case: any(
        but in {e.type for e in life} and kind not in {e.type for e in life} for life in case
    )


def _frame(events: Sequence[Event]) -> pd.DataFrame:
    """As `store.df()` has it, without the payloads."""
    rows = [(e.position, e.aggregate_id, e.event_type, e.occurred_at) for e in events]
    return pd.DataFrame(rows, columns=["position", "aggregate_id", "event_type", "occurred_at"])


def _ids(events: Sequence[Event], *types: str) -> list[str]:
    return [str(event.aggregate_id) for event in events if event.type in types]


# --- 10-1 ---------------------------------------------------------------------------------------


def _wide(events: Sequence[Event]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two tables of the chapter: `orders`, and `paid`."""
    first: dict[str, dict[str, Any]] = defaultdict(dict)
    for event in events:
        first[str(event.aggregate_id)].setdefault(event.type, event.occurred_at)
    columns = {
        step: pd.Series([row.get(step) for row in first.values()], dtype="datetime64[us, UTC]")
        for step in STEPS
    }
    orders = pd.DataFrame(columns).set_index(pd.Index(first, name="aggregate_id"))
    rows = [(e.aggregate_id, e.data["method"]) for e in events if e.type == "PaymentReceived"]
    paid = pd.DataFrame(rows, columns=["aggregate_id", "method"]).set_index("aggregate_id")
    return orders, paid


def _per_method(function: Any, case: list[Life]) -> Any:
    events = _log(case)
    if function is _shipped_by_hand:
        return _shipped_by_hand(events)
    orders, paid = _wide(events)
    value = function(orders, paid)
    if is_gap(value):
        raise StillStub
    if value is None:
        return None
    orders, paid = _wide(events)
    paid["shipped"] = value
    table = paid.groupby("method")["shipped"].agg(["size", "sum"])
    return {m: (int(row["size"]), int(row["sum"])) for m, row in table.iterrows()}


def _shipped_for(answer: Any, case: list[Life]) -> Any:
    return answer(*_wide(_log(case)))


def _shipped_by_hand(events: list[Event]) -> dict[Any, tuple[int, int]]:
    shipped, counts = set(_ids(events, "OrderShipped")), dict[Any, tuple[int, int]]()
    for event in events:
        if event.type == "PaymentReceived":
            size, done = counts.get(event.data["method"], (0, 0))
            counts[event.data["method"]] = size + 1, done + (event.aggregate_id in shipped)
    return counts


SHIPMENTS = {
    "some are paid, and not shipped": _lacks("OrderShipped", "PaymentReceived"),
    "some are not delivered yet": _lacks("OrderDelivered", "OrderShipped"),
    "some were never paid": _lacks("PaymentReceived", "OrderPlaced"),
}


@chapter.exercise(
    "10-1",
    form="Fill in",
    title="Paid, and shipped?",
    section="How long does each step take?",
    stub="""
def shipped(orders, paid):
    return False  # your line: True for each row of `paid` whose order was shipped
""",
    todo="The line is still `False`: nothing was ever shipped.",
    hints=(
        "Which column of `orders` is empty for an order that was never shipped?",
        "A time that is not there is `NaT`, and `notna()` tells. pandas finds the rows by their "
        "order, so the two tables need not have the same length.",
        'return orders["Order..."].notna()',
    ),
    right="One row per order, so nothing counts twice. pandas put the rows together by their "
    "index, "
    "not by their place.",
    mistakes={
        "turned-round": "True and False have changed places: these are the orders that were not "
        "shipped.",
        "paid-is-not-shipped": "All of these orders are paid: that is how they got into the table. "
        "Which of them were shipped?",
        "delivered-is-not-shipped": "Some parcels are still on their way: shipped, and not "
        "delivered.",
        "not-cancelled-is-not-shipped": "An order that was not cancelled may still be waiting.",
        "by-place": "Your values have lost their index, so pandas can put them together by place "
        "only. Row 3 of one table is not the order in row 3 of the other.",
    },
    cases=tuple(SHIPMENTS),
    varies={
        "every step": variety.types(*STEPS),
        "several methods": lambda seen: (
            len({e.data["method"] for e in variety.events_in(seen) if "method" in e.data}) > 2
        ),
        "tables of different length": variety.some(_lacks("PaymentReceived", "OrderPlaced")),
    },
)
def _paid_and_shipped(answer: Any, trial: Trial) -> None:
    trial.function(answer, "shipped(orders, paid)")

    def fits(case: list[Life]) -> bool:
        return bool(_ids(_log(case), "PaymentReceived"))

    cases = _cases(trial, SHIPMENTS, fits)
    for name, case in ((name, case) for name, group in cases.items() for case in group):
        if trial.only and name != trial.only:
            continue
        # Only a value that is told by place can have a wrong length.
        came = attempt(partial(_shipped_for, answer, case))
        bare = came.error is None and not isinstance(came.value, pd.Series | bool)
        if bare and not is_gap(came.value) and hasattr(came.value, "__len__"):
            paid = len(_wide(_log(case))[1])
            trial.kind(
                came.value,
                (list, tuple, np.ndarray, pd.Index, pd.api.extensions.ExtensionArray),
                "True or False for each row of `paid`",
                given=_lives(case),
            )
            trial.require(
                len(came.value) == paid,
                "by-place",
                given=_lives(case),
                got=f"{len(came.value)} values, and `paid` has {paid} rows",
            )
    trial.compare(
        answer,
        _shipped_by_hand,
        cases,
        call=_per_method,
        legal=fits,
        tidy=_lives,
        models={
            "paid-is-not-shipped": lambda orders, paid: True,
            "delivered-is-not-shipped": lambda orders, paid: orders["OrderDelivered"].notna(),
            "not-cancelled-is-not-shipped": lambda orders, paid: orders["OrderCancelled"].isna(),
            "by-place": lambda orders, paid: orders["OrderShipped"].notna().to_numpy()[: len(paid)],
            "turned-round": lambda orders, paid: orders["OrderShipped"].isna(),
        },
    )


# --- 10-2 ---------------------------------------------------------------------------------------


@functools.cache
def _flights() -> dict[str, dict[str, dict[str, int]]]:
    """How many flights were cancelled and departed each day, by several ways to say what a day is.

    "local" is right: the day in New York on which it happened.
    """
    log, counts = flights.sample(), dict[str, dict[str, dict[str, int]]]()
    zone = ZoneInfo("America/New_York")
    query = """select event_type, occurred_at from events
               where event_type in ('FlightCancelled', 'FlightDeparted', 'AircraftDeparted')"""
    for kind, at in log.sql(query).fetchall():
        at = at.replace(tzinfo=UTC)
        local = f"{at.astimezone(zone):%F}"
        ways = {"aircraft": local}
        if kind != "AircraftDeparted":
            ways |= {"local": local, "utc": f"{at:%F}"}
        for way, day in ways.items():
            found = counts.setdefault(way, {}).setdefault(day, {"cancelled": 0, "departed": 0})
            found["cancelled" if kind == "FlightCancelled" else "departed"] += 1
    log.close()
    return counts


@chapter.exercise(
    "10-2",
    form="Your data",
    title="The worst day for flying",
    section="What is strange in this log?",
    stub="""
worst = {"day": ..., "cancelled": ..., "departed": ...}  # a day is written as "2013-02-07"
""",
    hints=(
        "Count `FlightCancelled` and `FlightDeparted` for each day. Which day is it in New York, "
        "when it is 2 in the morning in UTC?",
        "`timezone('America/New_York', timezone('UTC', occurred_at))::date` is the local day. And "
        "the worst day is the one with the largest *share*, not with the largest number.",
        "sky.sql(\"\"\"select timezone('America/New_York', timezone('UTC', occurred_at))::date "
        'as day,\n           event_type, count(*) ...""").df()',
    ),
    right="More flights were cancelled on the day before. But on that Saturday, the second day of "
    "the blizzard, more than half of them stayed on the ground.",
    mistakes={
        "by-utc": "These numbers belong to a day of UTC. In New York it begins at seven in the "
        "evening of the day before.",
        "most-not-share": "On this day the largest *number* was cancelled. More flights were "
        "planned then, too.",
        "aircraft-too": "A departure is in the log twice: once for the flight, once for the "
        "aircraft. Count flights.",
        "a-better-day": "On another day a larger share was cancelled.",
        "no-day": 'The day is written as "2013-02-07", and the other two are whole numbers.',
    },
)
def _worst_day(answer: Any, trial: Trial) -> None:
    trial.kind(answer, dict, "the dict with day, cancelled and departed")
    fits = answer.keys() == {"day", "cancelled", "departed"}
    trial.require(fits, "no-day", got=str(answer))
    numbers = [whole(answer["cancelled"]), whole(answer["departed"])]
    day = str(answer["day"])[:10]
    counts = _flights()
    local = counts["local"]
    good = day in {**local, **counts["utc"]} and None not in numbers
    trial.require(good, "no-day", got=str(answer))
    said = dict(zip(("cancelled", "departed"), numbers, strict=True))

    def share(one: str) -> float:
        return local[one]["cancelled"] / sum(local[one].values())

    rows: dict[str, Any] = {
        "got": f"{day}: {said['cancelled']} cancelled, {said['departed']} departed"
    }
    truth = max(local, key=share)
    for way, mistake in (("utc", "by-utc"), ("aircraft", "aircraft-too")):
        there = counts[way].get(day, {})
        trial.require(said != there or said == local.get(day), mistake, **rows)
    if day != truth:
        most = max(local, key=lambda one: local[one]["cancelled"])
        trial.fail(
            "most-not-share" if day == most else "a-better-day",
            **rows,
            share=f"{share(day):.0%}" if day in local else "no such day",
        )
    trial.require(said == local[truth], "other", **rows)


# --- 10-3 ---------------------------------------------------------------------------------------


def _share_by_hand(log: list[Event]) -> float:
    changed = {*_ids(log, "ItemAdded", "ItemRemoved")}
    return sum(order in changed for order in {*_ids(log, "PaymentReceived")}) / len(changed)


def _share_model(
    above: str, below: str, kinds: Sequence[str] = CHANGES
) -> Callable[[list[Event]], float]:
    """A share, by what is counted above the line and below it."""

    def share(log: list[Event]) -> float:
        changes, paid = _ids(log, *kinds), {*_ids(log, "PaymentReceived")}
        counts = {
            "rows": sum(order in paid for order in changes),
            "changes": len(changes),
            "changed": len({*changes}),
            "paid": len(paid),
            "both": len({*changes} & paid),
            "all": len({*_ids(log, "OrderPlaced")}),
        }
        return counts[above] / counts[below]

    return share


SHARES: dict[str, Callable[[list[Event]], float]] = {
    "join-multiplies": _share_model("rows", "changed"),
    "hides-it": lambda log: min(1.0, SHARES["join-multiplies"](log)),
    "changes-not-orders": _share_model("rows", "changes"),
    "others-above-the-line": _share_model("paid", "changed"),
    "all-below-the-line": _share_model("both", "all"),
    "upside-down": _share_model("both", "paid"),
    "added-only": _share_model("both", "changed", ("ItemAdded",)),
    "added-only 2": lambda log: SHARES["added-only"](log) if _ids(log, "ItemAdded") else 0.0,
    "removed-only 2": lambda log: SHARES["removed-only"](log) if _ids(log, "ItemRemoved") else 0.0,
    "removed-only": _share_model("both", "changed", ("ItemRemoved",)),
    "not-paid": lambda log: 1 - _share_by_hand(log),
    "in-percent": lambda log: 100 * _share_by_hand(log),
}


def _share_of(function: Any, case: list[Life]) -> Any:
    log = _log(case)
    if function is _share_by_hand or function in SHARES.values():
        return round(function(log), 6)
    value = function(_frame(log))
    numeric = isinstance(value, Number | Decimal) and not isinstance(value, bool)
    return round(float(value), 6) if numeric else value


BASKET_CHANGES: dict[str, Callable[[list[Life]], bool]] = {
    "baskets changed several times": lambda case: any(
        sum(e.type in CHANGES for e in life) > 1 for life in case
    ),
    "things were only taken out": lambda case: (
        _lacks("ItemAdded", "ItemRemoved")(case)
        and not (len(case) == 2 and _has("ItemAdded")(case))
    ),
    "changed, and never paid": _lacks("PaymentReceived", "ItemAdded"),
    "paid, and never changed": lambda case: any(
        "PaymentReceived" in (kinds := {e.type for e in life}) and not kinds & {*CHANGES}
        for life in case
    ),
}


@chapter.exercise(
    "10-3",
    form="Bug hunt",
    title="A share above 1",
    section="Can old events answer a question that nobody planned for?",
    stub="""
def share(log):
    changed = log[log["event_type"].isin(["ItemAdded", "ItemRemoved"])]
    paid = log[log["event_type"] == "PaymentReceived"]
    both = changed.merge(paid, on="aggregate_id")
    return len(both) / changed["aggregate_id"].nunique()
""",
    todo="The function is still the one with the bug. Change it, run the cell, and check again.",
    hints=(
        "Somebody changes the basket three times and pays once. How many rows does the join make "
        "of it?",
        "A share has the same kind of thing above the line and below it, and what is above is a "
        "part of what is below. Below are orders. Above?",
        'both["aggregate_id"].nunique()',
    ),
    right="Orders above the line, orders below it, and the upper ones are among the lower ones. "
    "Now it cannot pass 1.",
    mistakes={
        "added-only": "You looked at what was added. A basket is changed, too, when something is "
        "taken out.",
        "removed-only": "You looked at what was taken out. A basket is changed, too, when "
        "something is added.",
        "not-paid": "That is the share of those that were not paid.",
        "in-percent": "The share is right, and in per cent. A number from 0 to 1 is asked for.",
        "join-multiplies": "The join makes a row for each change, so an order with three changes "
        "counts three times.",
        "hides-it": "You cut the number off at 1. What is wrong below 1 is still wrong.",
        "changes-not-orders": "This is the share of the *changes*. Somebody who changes a lot has "
        "more votes than the others.",
        "others-above-the-line": "Above the line are orders whose basket was never changed.",
        "all-below-the-line": "Below the line are all orders. The question is about those with a "
        "changed basket.",
        "upside-down": "That is the share of the paid orders whose basket was changed. Asked is "
        "which share of the changed ones was paid.",
    },
    cases=tuple(BASKET_CHANGES),
    varies={
        "every type": variety.types("OrderPlaced", *CHANGES, "PaymentReceived", "OrderShipped"),
        "nothing was ever added": variety.some(lambda case: not _has("ItemAdded")(case)),
    },
)
def _above_one(answer: Any, trial: Trial) -> None:
    trial.function(answer, "share(log)")

    def fits(case: list[Life]) -> bool:
        return bool(_ids(_log(case), *CHANGES))

    cases = _cases(trial, BASKET_CHANGES, fits)
    trial.compare(
        answer, _share_by_hand, cases, call=_share_of, models=SHARES, legal=fits, tidy=_lives
    )


# --- 10-4 ---------------------------------------------------------------------------------------

#: Happened on, recorded on, cents.
BOOKS = (
    ("2026-01-05", "2026-01-05", 74700),
    ("2026-01-08", "2026-01-12", 6000),
    ("2026-01-13", "2026-01-13", 86700),
    ("2026-01-16", "2026-01-19", 9500),
    ("2026-01-20", "2026-01-20", 63400),
    ("2026-01-22", "2026-01-26", 28600),
    ("2026-01-20", "2026-03-03", -6940),
)
ROW, COLUMN = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC)


def _week(moment: datetime) -> datetime:
    monday = moment - timedelta(days=moment.weekday())
    return monday.replace(hour=0, minute=0, second=0, microsecond=0)


def _known(books: Sequence[tuple[datetime, datetime, int]], row: datetime, column: datetime) -> int:
    """What was known at the end of one week about another."""
    return sum(cents for at, when, cents in books if _week(at) == row and _week(when) <= column)


def _when(value: Any) -> datetime:
    text = f"{value}".strip()
    return utc(f"{text}T12:00:00Z" if len(text) == 10 else text)


@chapter.exercise(
    "10-4",
    form="Break it",
    title="A payment with an old date",
    section="What did we believe on Monday about January?",
    stub="""
typed_in = {"cents": ..., "happened": ..., "recorded": ...}  # days such as "2026-02-28"
printed = ...  # what may the report of 6 March still print about the week of 5 January?
""",
    hints=(
        "A payment has two dates. Which of them chooses the row of the triangle, and which the "
        "column?",
        "The row is the week in which it happened. It shows up from the column in which it was "
        "recorded, and in all columns after it.",
        'typed_in = {"cents": 100000, "happened": "2026-01-...", "recorded": "2026-03-..."}',
    ),
    right="A new column, and nothing that was printed has changed. The mistake itself has a date "
    "now: the day on which somebody typed it in.",
    mistakes={
        "another-row": "Your payment did not happen in the week of 5 January, so it is in another "
        "row.",
        "rewrites-the-past": "Your payment is recorded before 9 March. So a column that was "
        "printed long ago changes.",
        "too-late": "Your payment is recorded after the week of 9 March: that column does not know "
        "of it yet.",
        "another-amount": "The row and the column are right, and the figure is not.",
        "printed-is-not-lost": "On 6 March nobody knew of that payment. Leave out what was "
        "recorded later, and you can print the old report again.",
        "no-day": 'A day is written as "2026-02-28", and an amount in whole cents.',
    },
)
def _old_date(answer: Any, trial: Trial) -> None:
    typed, printed = trial.parts(answer, 2, "two things: (typed_in, printed)")
    fits = isinstance(typed, dict) and typed.keys() == {"cents", "happened", "recorded"}
    trial.require(fits and whole(typed["cents"]) is not None, "no-day", got=str(typed))
    days = attempt(lambda: (_when(typed["happened"]), _when(typed["recorded"])))
    trial.require(not days.error, "no-day", got=str(typed))
    happened, recorded = days.value
    books = [(_when(at), _when(when), cents) for at, when, cents in BOOKS]
    after = [*books, (happened, recorded, typed["cents"])]
    mondays = [ROW + timedelta(weeks=n) for n in range(10)]
    rows: dict[str, Any] = {
        "when": f"{typed['cents']} cents, happened {happened:%d %b}, recorded {recorded:%d %b}",
        "got": f"row 5 Jan, column 9 Mar: {_known(after, ROW, COLUMN)}",
        "wanted": f"row 5 Jan, column 9 Mar: {_known(books, ROW, COLUMN) + 100000}",
    }
    changed = [
        f"row {r:%d %b}, column {c:%d %b}: {_known(books, r, c)} -> {_known(after, r, c)}"
        for c in mondays[:-1]
        for r in mondays
        if _known(books, r, c) != _known(after, r, c)
    ]
    trial.require(_week(happened) == ROW, "another-row", **rows)
    trial.require(not changed, "rewrites-the-past", when=rows["when"], got=changed)
    trial.require(_week(recorded) <= COLUMN, "too-late", **rows)
    trial.require(typed["cents"] == 100000, "another-amount", **rows)
    before = [entry for entry in after if entry[1] <= _when("2026-03-06")]
    truth = _known(before, ROW, COLUMN)
    trial.require(
        printed == truth, "printed-is-not-lost", when=rows["when"], got=f"you said {printed}"
    )


# --- 10-5 ---------------------------------------------------------------------------------------


def _spans(
    log: list[Event], start: str = "PaymentReceived", pick: Callable[..., Any] = min
) -> list[float]:
    """Hours from a first event of one type to a parcel, for each order that has both."""
    times: dict[str, dict[str, list[datetime]]] = defaultdict(lambda: defaultdict(list))
    for event in log:
        assert event.occurred_at is not None
        times[str(event.aggregate_id)][event.type].append(event.occurred_at)
    return [
        (pick(found["OrderShipped"]) - found[start][0]).total_seconds() / 3600
        for found in times.values()
        if found.get("OrderShipped") and found.get(start)
    ]


def _next_row(log: list[Event]) -> float:
    """From each payment to the next event of the log that is a parcel, whoever's it is."""
    spans = []
    for n, event in enumerate(log):
        if event.type == "PaymentReceived":
            after = [e.occurred_at for e in log[n:] if e.type == "OrderShipped" and e.occurred_at]
            if after and event.occurred_at:
                spans.append((after[0] - event.occurred_at).total_seconds() / 3600)
    return median(spans)


def _with_open(log: list[Event]) -> float:
    spans = _spans(log)
    return median(spans + [0.0] * (len(_ids(log, "PaymentReceived")) - len(spans)))


def _every_parcel(log: list[Event]) -> float:
    paid = {str(e.aggregate_id): e.occurred_at for e in log if e.type == "PaymentReceived"}
    spans = [
        (e.occurred_at - at).total_seconds() / 3600
        for e in log
        if e.type == "OrderShipped" and e.occurred_at and (at := paid.get(str(e.aggregate_id)))
    ]
    return median(spans)


HOURS: dict[str, Callable[[list[Event]], float]] = {
    "mean-not-median": lambda log: mean(_spans(log)),
    "last-parcel": lambda log: median(_spans(log, pick=max)),
    "every-parcel": _every_parcel,
    "anybodys-parcel": _next_row,
    "open-as-zero": _with_open,
    "from-the-order": lambda log: median(_spans(log, "OrderPlaced")),
    "loses-the-days": lambda log: median(hours % 24 for hours in _spans(log)),
    "loses-the-days 2": lambda log: median(_spans(log)) % 24,
    "not-in-hours": lambda log: median(_spans(log)) * 60,
    "not-in-hours 2": lambda log: median(_spans(log)) * 3600,
    "not-in-hours 3": lambda log: median(_spans(log)) / 24,
    "turned-round": lambda log: -median(_spans(log)),
}


def _hours_of(function: Any, case: list[Life]) -> Any:
    log = _log(case)
    if function is _wanted_hours or function in HOURS.values():
        return round(function(log), 4)
    value = function(_frame(log))
    if is_gap(value):
        raise StillStub
    if isinstance(value, pd.Timedelta | timedelta | np.timedelta64):
        value = pd.Timedelta(value).total_seconds() / 3600
    numeric = isinstance(value, Number | Decimal) and not isinstance(value, bool)
    return round(float(value), 4) if numeric else value


def _wanted_hours(log: list[Event]) -> float:
    return median(_spans(log))


WAITS: dict[str, Callable[[list[Life]], bool]] = {
    "orders in two parcels": _has("OrderShipped", 2),
    "orders that wait for their parcel": _lacks("OrderShipped", "PaymentReceived"),
    "parcels after more than a day": lambda case: max(_spans(_log(case)), default=0) > 24,
}


@chapter.exercise(
    "10-5",
    form="Fill in",
    title="From payment to parcel",
    section="How long does each step take?",
    stub='''
def hours(log):
    """Median hours from the payment to the first parcel, over the orders that have both."""
    paid = log[log["event_type"] == "PaymentReceived"]
    parcels = log[log["event_type"] == "OrderShipped"]
    return ...
''',
    hints=(
        "Put each order into one row: the time of its payment, and that of its first parcel.",
        "`groupby` gives the first time for each order, and a subtraction of two such columns "
        "finds the rows by order. What is not there becomes `NaT`, and the median leaves it out.",
        'first = parcels.groupby("aggregate_id")["occurred_at"].min()',
    ),
    right="One span per order, from its own payment to its own first parcel. What is still on its "
    "way is left out, and is not 0.",
    mistakes={
        "loses-the-days": "Some spans are longer than a day, and the days are missing. `.seconds` "
        "is a part of a span, `.total_seconds()` the whole of it.",
        "not-in-hours": "The right span, in another unit. Hours are asked for.",
        "turned-round": "The number is below zero: from the payment to the parcel, so parcel "
        "minus payment.",
        "mean-not-median": "That is the mean. One order that waited for days pulls it away from "
        "all the others.",
        "last-parcel": "Some orders go out in two parcels. Asked is the first one.",
        "every-parcel": "An order with two parcels counts twice.",
        "anybodys-parcel": "Somebody pays, and the next parcel is another customer's. Stay within "
        "the order.",
        "open-as-zero": "Orders that wait for their parcel are in it as 0 hours. Nobody knows "
        "their number yet.",
        "from-the-order": "You start with the order. Between order and payment lie minutes for "
        "some, and days for others.",
    },
    cases=tuple(WAITS),
    varies={
        "every step": variety.types(*STEPS),
        "gaps over a day": variety.gaps_over_a_day,
        "several parcels": variety.some(_has("OrderShipped", 2)),
        "several orders": variety.streams,
    },
)
def _payment_to_parcel(answer: Any, trial: Trial) -> None:
    trial.function(answer, "hours(log)")

    def fits(case: list[Life]) -> bool:
        return bool(_spans(_log(case)))

    cases = _cases(trial, WAITS, fits)
    trial.compare(
        answer, _wanted_hours, cases, call=_hours_of, models=HOURS, legal=fits, tidy=_lives
    )


# --- 10-6 ---------------------------------------------------------------------------------------


def _baskets(rng: random.Random, orders: int) -> list[Event]:
    """Baskets in which things are put in, taken out and put back, mixed as they happen."""
    log: list[Event] = []
    skus = list(PRICES)[:3]
    inside: dict[str, list[str]] = {}
    for _ in range(orders * 6):
        order = f"order-{1042 + rng.randrange(orders)}"
        sku = rng.choice(skus)
        line = {"sku": sku, "quantity": 1, "price": PRICES[sku]}
        if order not in inside:
            event = new_event("OrderPlaced", customer=rng.choice(CUSTOMERS), items=[line])
            inside[order] = [sku]
        elif sku in inside[order] and len(inside[order]) > 1:
            event = new_event("ItemRemoved", sku=sku)
            inside[order].remove(sku)
        elif sku not in inside[order]:
            event = new_event("ItemAdded", line)
            inside[order].append(sku)
        else:
            event = new_event("PaymentReceived", amount=rng.randint(1, 99) * 7, method="card")
        log.append(replace(event, aggregate_id=order, aggregate_type="ORDER"))
    return counted(log)


def _possible(log: list[Event]) -> bool:
    """Whether each order begins with being placed, and nothing is taken out that is not inside."""
    inside: dict[str, set[str]] = {}
    for event in log:
        order = str(event.aggregate_id)
        if (event.type == "OrderPlaced") == (order in inside):
            return False
        if event.type == "OrderPlaced":
            inside[order] = {line["sku"] for line in event.data["items"]}
        elif event.type == "PaymentReceived":
            continue
        elif (event.type == "ItemRemoved") != (event.data["sku"] in inside[order]):
            return False
        else:
            inside[order] ^= {event.data["sku"]}
    return True


def _letters(log: list[Event], across: bool = False) -> dict[tuple[str, str], str]:
    """For each order and article, what happened to it: R taken out, A put in."""
    words: dict[tuple[str, str], str] = defaultdict(str)
    for event in log:
        if event.type in ("ItemAdded", "ItemRemoved"):
            order = "" if across else str(event.aggregate_id)
            words[order, event.data["sku"]] += "R" if event.type == "ItemRemoved" else "A"
    return words


def _regretted(pattern: str, times: bool = False, across: bool = False) -> Any:
    def count(log: list[Event]) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for (_, sku), word in _letters(log, across).items():
            found = len(re.findall(pattern, word))
            counts[sku] += found if times else found > 0
        return dict(counts)

    return count


def _both(log: list[Event]) -> dict[str, int]:
    """Put in and taken out, in whatever order."""
    words = _letters(log)
    return dict(Counter(sku for (_, sku), word in words.items() if {*word} == {"A", "R"}))


REGRETS = ("one order", "several orders, mixed")


@chapter.exercise(
    "10-6",
    form="Fill in",
    title="Taken out, and put back",
    section="Can old events answer a question that nobody planned for?",
    stub='''
def regretted(events):
    """{sku: in how many orders it was taken out, and later put back in}"""
    return ...
''',
    hints=(
        "Two events of the same order and the same article, one after the other. Which two?",
        "Go through the events in their order, and keep a set of what was taken out: order and "
        "article. When it comes back in, remember that pair, once.",
        "out, back = set(), set()\n    for event in events:\n        "
        'pair = (event.aggregate_id, event.data.get("sku"))',
    ),
    right="Nobody stored this number, no column holds it, and the log answers it for every order "
    "since the first day.",
    mistakes={
        "only-taken-out": "You counted what was taken out. Asked is what came back after that.",
        "the-other-way-round": "Put in first and taken out later is the opposite story.",
        "ignores-the-order": "Both happened to this article in this order, and it may have been "
        "in the other order: put in, then taken out for good.",
        "counts-times": "Somebody took it out and put it back twice, in one order. That is one "
        "order.",
        "across-orders": "Taken out of one order and put into another: these are two people, or "
        "two days.",
    },
    cases=REGRETS,
    varies={
        "every type": variety.types("OrderPlaced", "ItemAdded", "ItemRemoved", "PaymentReceived"),
        "several orders": variety.streams,
        "twice in one order": variety.some(
            lambda log: any(word.count("RA") > 1 for word in _letters(log).values())
        ),
        "out for good": variety.some(
            lambda log: any("R" in word and "RA" not in word for word in _letters(log).values())
        ),
    },
)
def _taken_out(answer: Any, trial: Trial) -> None:
    trial.function(answer, "regretted(events)")
    logs = [_baskets(trial.rng, n) for n in (1, 1, 1, 2, 2, 2, 3, 3, 4, 5) * 2]
    cases = {
        REGRETS[0]: [log for log in logs if len({e.aggregate_id for e in log}) == 1],
        REGRETS[1]: [log for log in logs if len({e.aggregate_id for e in log}) > 1],
    }

    def call(function: Any, log: list[Event]) -> Any:
        counts = function(log)
        if isinstance(counts, pd.Series):
            counts = counts.to_dict()
        if isinstance(counts, Mapping):  # 0 may be left out, or not
            return {sku: n for sku, n in counts.items() if n != 0 or n is ...}
        return counts

    models = {
        "only-taken-out": _regretted("R"),
        "the-other-way-round": _regretted("A.*R"),
        "ignores-the-order": _both,
        "counts-times": _regretted("RA", times=True),
        "across-orders": _regretted("R.*A", across=True),
    }
    trial.compare(
        answer, _regretted("R.*A"), cases, call=call, models=models, legal=_possible, tidy=counted
    )
