"""The day behind Lag: 45 simulated seconds of the shop, written with real commands.

`day` also records what a real projection makes of each event, and what each does a second time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import Any

from esnb.clock import LessonClock
from esnb.course.widgets.lag_projectors import (
    AddingOrders,
    GuardedOrders,
    Row,
)
from esnb.errors import RejectedError
from esnb.events import Event
from esnb.model.aggregate import replay
from esnb.readmodels.projection import Projection
from esnb.readmodels.projector import Projector
from esnb.readmodels.read_tables import ReadTables
from esnb.shop import CATALOGUE, Order, item
from esnb.store.event_store import EventStore

SECONDS = 45
RUSH = (12, 24)  # twice as much is written from the first of these seconds to the second
WRITES, PROJECTS = (2, 4, 6), (2, 4, 6, 12)  # events a second that the reader can choose
REBUILD = 3  # a rebuild gets this many times the events a second
TIMEOUT = 5  # seconds that a page waits for its position
EVENTS = 320
START = "2026-03-02T09:00:00Z"
BOB, BOB_PLACES, BOB_PAYS = "order-17", 62, 102
TREND = 3  # seconds over which the trend is taken


class _Recorder(Projector):
    """Notes the row after each event, and after the same event again when `twice`."""

    def __init__(self, store: EventStore, projection: type[Projection], twice: bool) -> None:
        self.twice, self.rows = twice, [("", 0, 0)]
        self.again: list[Row] = [("", 0, 0)]
        super().__init__(store, projection)

    def _handle(self, read: ReadTables, events: Any) -> None:
        for event in events.read():
            for rows in (self.rows, self.again) if self.twice else (self.rows,):
                for name in self._handlers.get(event.event_type, ()):
                    getattr(self._instance, name)(read, event)
                rows.append(
                    read.execute(
                        "select status, total, paid from orders where order_id = ?",
                        [event.aggregate_id],
                    ).fetchall()[0]
                )


@dataclass(frozen=True)
class Day:
    """One day of the shop: its events in order, and what they do, as it was recorded.

    `rows[p]` and `truth[p]` are the row of the order of event p after it: by the projection, and by
    the fold of `Order`. `effects[p]` is what event p does to a row each time the adding handler
    gets it: the status it sets ("" for none), and what it adds to total and paid.
    """

    seed: int
    events: tuple[Event, ...]
    rows: tuple[Row, ...]
    truth: tuple[Row, ...]
    effects: tuple[Row, ...]

    def count(self, rate: int, second: int) -> int:
        """How many events are written in a second, counted from 0."""
        if second >= SECONDS:
            return 0
        rush = RUSH[0] <= second < RUSH[1]
        wobble = random.Random(f"{self.seed} {second}").choice((-1, 0, 0, 1))
        return rate * (2 if rush else 1) + wobble


@cache
def day(seed: int) -> Day:
    """The day of a seed: written with real commands, and projected by real projectors."""
    dice = random.Random(seed)
    with EventStore(clock=LessonClock(START)) as store:
        _live(store, dice)
        events = tuple(store.read_all(limit=EVENTS))
        once = _Recorder(store, GuardedOrders, twice=False)
        twice = _Recorder(store, AddingOrders, twice=True)
        once.catch_up()
        twice.catch_up()
        once.close()
        twice.close()
    truth: list[Row] = [("", 0, 0)]
    seen: dict[str, list[Event]] = {}
    for event in events:
        stream = seen.setdefault(str(event.aggregate_id), [])
        stream.append(event)
        order = replay(Order, stream)
        truth.append((str(order.status), order.total, order.paid))
    effects: list[Row] = [("", 0, 0)]
    before: dict[str, Row] = {}
    for event, first, again in zip(events, twice.rows[1:], twice.again[1:], strict=False):
        was = before.get(str(event.aggregate_id), ("", 0, 0))
        status = first[0] if first[0] != was[0] else ""
        # The second time tells an addition from a value that is set.
        effects.append((status, again[1] - first[1], again[2] - first[2]))
        before[str(event.aggregate_id)] = again
    n = len(events) + 1
    return Day(seed, events, tuple(once.rows[:n]), tuple(truth), tuple(effects))


def _live(store: EventStore, dice: random.Random) -> None:
    """Customers place, change, pay; the shop ships. Bob places and pays where the lesson needs."""
    living: list[Any] = []
    number = 1

    def place(customer: str) -> None:
        nonlocal number
        order = store.new(Order, f"order-{number}")
        skus = dice.sample([article.sku for article in CATALOGUE[:12]], dice.choice((1, 1, 2)))
        order.place(customer, [item(sku, dice.choice((1, 1, 2))) for sku in skus])
        store.save(order)
        number += 1
        living.append(order)

    names = ("ada", "cem", "dora", "eli", "fay", "gus", "hana", "ivo")
    bob: Any = None
    while store.position < EVENTS:
        if store.position + 1 == BOB_PLACES:
            number, kept = int(BOB.split("-")[1]), number
            place("bob")
            bob, number = living.pop(), kept
            continue
        if bob is not None and store.position + 1 == BOB_PAYS:
            bob.pay()
            store.save(bob)
            continue
        if len(living) < 5 or dice.random() < 0.2:
            number += number == int(BOB.split("-")[1])
            place(dice.choice(names))
            continue
        order = dice.choice(living)
        try:
            _next_step(order, dice)
        except RejectedError:
            living.remove(order)
            continue
        store.save(order)
        if order.status in ("SHIPPED", "CANCELLED"):
            living.remove(order)


def _next_step(order: Any, dice: random.Random) -> None:
    if order.status == "PAID":
        order.ship()
        return
    chance = dice.random()
    if chance < 0.4:
        article = dice.choice(CATALOGUE[:12])
        order.add_item(article.sku, 1, article.price)
    elif chance < 0.46:
        order.cancel("changed my mind")
    else:
        order.pay()
