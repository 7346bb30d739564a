"""Events that change, over a large log: python run.py bench evolution [--events 1000000].

A log of orders in euros, and steps that turn them into cents: the catalogue of fields, a dry run,
questions to today's shape, and the rebuild of a read model. The peer is what one writes without
these tools: the log in a pandas DataFrame, and a loop in Python. Seconds of the clock, and of the
processor (all threads): on a busy machine only the latter says much.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import orjson
import pandas as pd

from esnb import Aggregate, EventStore, Projection, Projector, Upcasters
from esnb.model.dry_run import catalogue, dry_run
from esnb.store.reader import Reader

TYPES = ("OrderPlaced", "ItemAdded", "PriceSet")


class Order(Aggregate):
    """Adds up the prices, whichever unit they have."""

    aggregate_type = "ORDER"

    def __init__(self) -> None:
        self.total = 0

    def apply(self, event: Any) -> None:
        price = event.data["price"]
        self.total += price if isinstance(price, int) else round(price * 100)


class Prices(Projection):
    """A sum by type, in one statement."""

    tables: ClassVar = {"prices": "event_type varchar, price double"}
    columns: ClassVar = ("event_type", "event_data")
    sql: ClassVar = (
        "insert into prices select event_type, sum((event_data->>'$.price')::double) "
        "from new_events group by all"
    )


def frame(count: int) -> pd.DataFrame:
    """A tenth of the events are orders, the others belong to them."""
    k = np.arange(count)
    orders = count // 10
    kinds = np.where(k < orders, TYPES[0], np.where(k % 3 == 0, TYPES[1], TYPES[2]))
    return pd.DataFrame({
        "aggregate_id": "order-" + pd.Series(k % orders).astype(str),
        "event_type": kinds,
        "at": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(k, unit="s"),
        "sku": "SKU-" + pd.Series(k % 50).astype(str),
        "price": (k % 1000) / 10 + 0.5,
        "customer": "c" + pd.Series(k % 1000).astype(str),
    })  # fmt: skip


def in_cents(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "price": round(data["price"] * 100)}


def steps(*types: str) -> Upcasters:
    made = Upcasters()
    for event_type in types:
        made.register(event_type, 1)(in_cents)
    return made


def fields_in_python(store: Reader) -> Counter[tuple[str, int, str, str]]:
    """The catalogue, as a loop over a DataFrame."""
    found: Counter[tuple[str, int, str, str]] = Counter()
    table = store.df()
    columns = zip(table["event_type"], table["event_version"], table["event_data"], strict=True)
    for event_type, version, text in columns:
        for key, value in orjson.loads(text).items():
            found[event_type, version, key, type(value).__name__] += 1
    return found


def total_in_python(store: Reader) -> int:
    """The sum of today's prices, as a loop over a DataFrame."""
    return sum(in_cents(orjson.loads(text))["price"] for text in store.df()["event_data"])


def report(name: str, work: Callable[[], Any]) -> Any:
    wall, used = time.perf_counter(), time.process_time()
    result = work()
    wall, used = time.perf_counter() - wall, time.process_time() - used
    print(f"{name:54}{wall:10.2f}{used:10.2f}", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.py bench evolution")
    parser.add_argument("--events", type=int, default=1_000_000)
    count = parser.parse_args().events
    store = EventStore()
    store.append_frame(
        frame(count), aggregate_id="aggregate_id", event_type="event_type", occurred_at="at",
        aggregate_type="ORDER", progress=False,
    )  # fmt: skip
    print(f"{count:,} events; Python {platform.python_version()}; load {os.getloadavg()[0]:.1f}")
    print(f"{'task':54}{'clock s':>10}{'cpu s':>10}")
    fields = report("catalogue of fields", lambda: catalogue(store))
    peer = report("  the same in Python, from a DataFrame", lambda: fields_in_python(store))
    assert sum(peer.values()) == fields["events"].sum()

    total = "select sum((event_data->>'$.price')::bigint)::bigint from events_now"
    some, every = store.read_with(steps(TYPES[0])), store.read_with(steps(*TYPES))
    report("a sum over events_now, no step", lambda: store.sql(total).fetchone())
    report("a sum over events_now, a tenth touched", lambda: some.sql(total).fetchone())
    found = report("a sum over events_now, all touched", lambda: every.sql(total).fetchone())
    assert found[0] == report(
        "  the same in Python, from a DataFrame", lambda: total_in_python(store)
    )

    for name, reader in (("no step", store), ("a tenth touched", some), ("all touched", every)):
        projector = Projector(reader, Prices)
        report(f"a read model from nothing, {name}", projector.catch_up)
        projector.close()

    run = report("dry run, all touched, some 200 aggregates", lambda: dry_run(
        store, steps(*TYPES), Order))  # fmt: skip
    assert run.ok, run
    run = report("dry run, a tenth touched, some 200 aggregates", lambda: dry_run(
        store, steps(TYPES[0]), Order))  # fmt: skip
    assert run.ok, run
    run = report(f"dry run, all touched, all {count // 10:,} aggregates", lambda: dry_run(
        store, steps(*TYPES), Order, aggregates=None))  # fmt: skip
    assert run.compared == count // 10, run
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"at most {peak:.1f} GB; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
