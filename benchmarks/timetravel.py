"""One long history: python run.py bench timetravel [--events 10000].

An order of 10,000 events: how long until its history is there, and how long a question takes.
A history keeps a copy of every 64th state, so `at` copies one state and applies up to 63 events.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np

from esnb import Aggregate, Event, EventStore, History, LessonClock, new_event, replay


class Cart(Aggregate):
    """Up to 20 positions and a total: a state of the size that the course's orders have."""

    aggregate_type = "CART"

    def __init__(self) -> None:
        self.items: dict[str, dict[str, int]] = {}
        self.total = 0

    def apply(self, event: Event) -> None:
        sku = event.data["sku"]
        if event.type == "ItemAdded":
            line = {"quantity": event.data["quantity"], "price": event.data["price"]}
            self.items[sku] = line
        else:
            self.items.pop(sku, None)
        self.total = sum(line["quantity"] * line["price"] for line in self.items.values())

    def refuses(self, event: Event) -> str | None:
        missing = event.type == "ItemRemoved" and event.data["sku"] not in self.items
        return "it is not in the cart" if missing else None


def cart(count: int) -> list[Event]:
    """Items put in and taken out, 20 different ones."""
    chance = np.random.default_rng(3)
    inside: set[str] = set()
    events = []
    for sku in (f"sku-{n}" for n in chance.integers(0, 20, count)):
        if sku in inside and chance.random() < 0.5:
            inside.discard(sku)
            events.append(new_event("ItemRemoved", sku=sku))
        else:
            inside.add(sku)
            quantity, price = (int(n) for n in chance.integers(1, 100, 2))
            events.append(new_event("ItemAdded", sku=sku, quantity=quantity, price=price))
    return events


def report(name: str, rounds: int, act: Callable[[], object], base: float = 0.0) -> float:
    """Time it, print the median and how it compares with one plain replay."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        act()
        times.append(1000 * (time.perf_counter() - started))
    median = statistics.median(times)
    ratio = f"{median / base:10.3f}" if base else f"{1:10}"
    print(f"{name:44}{ratio}{median:12.2f}{max(times):12.2f}", flush=True)
    return median


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.py bench timetravel")
    parser.add_argument("--events", type=int, default=10_000)
    count = parser.parse_args().events
    store = EventStore(clock=LessonClock())
    store.append("cart-1", cart(count), expected_version=0, aggregate_type="CART")
    events = store.events("cart-1")
    history = History(store, Cart, "cart-1")
    chance = np.random.default_rng(4)

    def number() -> int:
        return int(chance.integers(0, count + 1))

    def moment() -> datetime:
        return events[int(chance.integers(0, count))].occurred_at or datetime.now(UTC)

    limit = 0.9 * max(state["total"] for state in history.states())
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}")
    title = f"one aggregate of {count:,} events"
    print(f"\n{title:44}{'x replay':>10}{'median ms':>12}{'max ms':>12}")
    base = report("replay, the plain fold", 7, lambda: replay(Cart, events))
    report("read the events from the store", 5, lambda: store.events("cart-1"), base)
    report("History, checked (folds twice)", 5, lambda: History(store, Cart, "cart-1"), base)
    report("History.of, events at hand", 5, lambda: History.of(events, Cart), base)
    report("History.of, check=False", 5, lambda: History.of(events, Cart, check=False), base)
    report("at(n), random", 500, lambda: history.at(number()), base)
    report("at(time), random", 50, lambda: history.at(moment()), base)
    report("diff(a, b), random", 200, lambda: history.diff(number(), number()), base)
    report(
        "first(total is high), bisection",
        50,
        lambda: history.first(lambda c: c.total > limit),
        base,
    )
    report("without(n), random", 3, lambda: history.without(number() or 1), base)
    report("changes('total')", 2, lambda: history.changes("total"), base)


if __name__ == "__main__":
    main()
