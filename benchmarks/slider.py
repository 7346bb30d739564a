"""How long one step of the time sliders takes: an aggregate of 10,000 events, a store of a million.

    python benchmarks/slider.py

A step is what a message from the browser's slider does in the kernel: a new value, and all views
are written anew. 200 steps to random places and 200 to the next one, in milliseconds. What the
browser adds (about 30 ms from the key to the painted page) is not in it. A query of your own runs
for two stops at most, the one shown and the one before: such a step takes what the query takes.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from esnb import Event, EventStore, LessonClock, new_event
from esnb.course.widgets import store_slider, time_slider
from esnb.shop import Order, simulate


def long_order(count: int) -> EventStore:
    """One order with `count` events: a basket that is changed again and again."""
    store = EventStore(clock=LessonClock())
    items = [{"sku": f"SKU-{n}", "quantity": 1, "price": 100 + n} for n in range(20)]
    events: list[Event] = [new_event("OrderPlaced", customer="ada", items=items)]
    for n in range(count - 1):
        sku = f"SKU-{20 + n // 2 % 40}"
        events.append(
            new_event("ItemRemoved", sku=sku)
            if n % 2
            else new_event("ItemAdded", sku=sku, quantity=1, price=250)
        )
    store.append("order-1", events, expected_version=0, aggregate_type="ORDER")
    return store


def steps(widget: Any, places: list[int]) -> list[float]:
    taken = []
    for place in places:
        if place == widget.slider.value:
            continue
        start = time.perf_counter()
        widget.slider.value = place
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def report(name: str, make: Callable[[], Any]) -> None:
    start = time.perf_counter()
    widget = make()
    opened = time.perf_counter() - start
    last, chance = widget.slider.max, random.Random(1)
    for kind, places in (
        ("random", [chance.randrange(last + 1) for _ in range(200)]),
        ("next", list(range(min(200, last + 1)))),
    ):
        taken = sorted(steps(widget, places))
        print(
            f"{name:<34} {kind:<7} median {statistics.median(taken):6.1f}  "
            f"p95 {taken[len(taken) * 95 // 100]:6.1f}  worst {taken[-1]:6.1f} ms  "
            f"(opened in {opened:.2f} s, {last} stops)"
        )


QUERY = """
select event_data->>'$.method' as method, count(*) as payments, sum((event_data->>'$.amount')::int)
from events where event_type = 'PaymentReceived' group by all order by all
"""


def main() -> None:
    with long_order(10_000) as store:
        report("aggregate of 10,000 events", lambda: time_slider(store, "order-1", fold=Order))
    with EventStore(clock=LessonClock()) as store:
        simulate(store, orders=239_000)
        name = f"store of {store.position:,} events"
        report(name, lambda: store_slider(store))
        report(f"{name}, query", lambda: store_slider(store, query=QUERY))


if __name__ == "__main__":
    main()
