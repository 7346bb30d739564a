"""Rebuilding by handlers, by worker processes and by SQL: python run.py bench scale.

One log of the simulated shop, one table (the order list), three ways to fill it from the first
event, in turns, round by round: `OrderSummaryByHandler` in one process, and with 2 worker processes
(or --workers), and `OrderSummary`, whose SQL takes a million events at a time. The rows are
compared. Then the write side: loads of one cart with 10,023 events, with a snapshot every 100 and
without.

Time to a billion is the rate times a billion: extrapolated, not run.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from shop_log import build

from esnb import EventStore, Projection, Projector, new_event
from esnb.readmodels import parallel_rebuild
from esnb.shop import Order, OrderSummary, OrderSummaryByHandler

BILLION = 1_000_000_000


class Bare(Order):
    """An order without snapshots."""

    snapshot_every = None


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds, and seconds of CPU with those of child processes that have ended."""
    before, start = os.times(), time.perf_counter()
    work()
    seconds, after = time.perf_counter() - start, os.times()
    return seconds, sum(after[:4]) - sum(before[:4])


def rows(projector: Projector) -> list[list[tuple[Any, ...]]]:
    """All tables of the order list."""
    return [projector.sql(f"from {t} order by all").fetchall() for t in OrderSummary.tables]


def rebuilds(store: EventStore, workers: int, rounds: int) -> Iterator[tuple[str, float, float]]:
    """A line a way: median seconds and CPU seconds."""
    by_hand: type[Projection] = OrderSummaryByHandler
    ways: dict[str, Callable[[], Projector]] = {
        "handlers, one process": lambda: rebuilt(store, by_hand, 1),
        f"handlers, {workers} workers": lambda: rebuilt(store, by_hand, workers),
        "SQL": lambda: rebuilt(store, OrderSummary, 1),
    }
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    answers: dict[str, Any] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            kept: list[Projector] = []
            seen[name].append(timed(lambda way=way, kept=kept: kept.append(way())))
            answers[name] = rows(kept[0])
            kept[0].close()
    assert all(answer == answers["SQL"] for answer in answers.values()), "the rows differ"
    for name, pairs in seen.items():
        yield name, *(statistics.median(values) for values in zip(*pairs, strict=True))


def rebuilt(store: EventStore, kind: type[Projection], workers: int) -> Projector:
    """A read model in memory, built from the first event."""
    projector = Projector(store, kind)
    projector.rebuild(workers=workers, progress=False)
    return projector


def parts(store: EventStore, workers: int) -> dict[str, float]:
    """The seconds of each part of a rebuild with workers, in one more run."""
    seconds: dict[str, float] = {}
    names = {"_export": "export", "_run_all": "workers", "_put_together": "put together"}
    whole = {name: getattr(parallel_rebuild, name) for name in names}

    def note(name: str) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return whole[name](*args, **kwargs)
            finally:
                seconds[names[name]] = time.perf_counter() - start

        return run

    try:
        for name in names:
            setattr(parallel_rebuild, name, note(name))
        rebuilt(store, OrderSummaryByHandler, workers).close()
    finally:
        for name, function in whole.items():
            setattr(parallel_rebuild, name, function)
    return seconds


def loads(folder: Path, rounds: int) -> Iterator[tuple[str, int, float]]:
    """A line a way: events replayed and median milliseconds of a load of 10,023 events."""
    with EventStore(folder / "cart.duckdb") as store:
        cart = store.new(Order, "cart")
        cart.place("ada", [{"sku": "A", "quantity": 1, "price": 100}])
        store.save(cart)
        for number in range(1, 10_000):
            cart.add_item("A", 1, 100)
            if number % 100 == 0:
                store.save(cart)
        store.save(cart)
        last = [new_event("ItemAdded", sku="A", quantity=1, price=100) for _ in range(23)]
        store.append("cart", last, expected_version=10_000)
        times: dict[type[Order], list[float]] = {Bare: [], Order: []}
        for _ in range(rounds):
            for kind, seconds in times.items():
                seconds.append(timed(lambda kind=kind: store.load(kind, "cart"))[0])
        for kind, seconds in times.items():
            name = "with snapshots" if kind is Order else "without"
            replayed = store.load(kind, "cart").origin.replayed
            yield name, replayed, 1000 * statistics.median(seconds)


def words(seconds: float) -> str:
    """Minutes, hours or days, to two digits."""
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} s"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "esnb-bench")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    print(f"Python {platform.python_version()}, duckdb {version('duckdb')}, {os.cpu_count()} cores")
    load = os.getloadavg() if hasattr(os, "getloadavg") else ("?",)
    print(f"load before: {load[0]}; {options.events:,} events, {options.rounds} rounds\n")
    path = build(options.cache, options.events)
    with EventStore(path) as store:
        lines = list(rebuilds(store, options.workers, options.rounds))
        base = lines[0][1]
        print("| rebuild | s | CPU s | events/s | x | a billion (extrapolated, not run) |")
        print("|---|---|---|---|---|---|")
        for name, seconds, cpu in lines:
            rate = store.position / seconds
            print(f"| {name} | {seconds:.1f} | {cpu:.1f} | {rate:,.0f} | {base / seconds:.3g} | "
                  f"{words(BILLION / rate)} |")  # fmt: skip
        shown = parts(store, options.workers).items()
        print(f"\nof {options.workers} workers: " + ", ".join(f"{n} {s:.2f} s" for n, s in shown))
    with EventStore() as empty:
        seconds, cpu = timed(lambda: start_only(empty, options.workers))
        print(f"{options.workers} workers with little to do: {seconds:.1f} s, CPU {cpu:.1f} s\n")
    with tempfile.TemporaryDirectory() as name:
        print("| load of 10,023 events | replayed | ms |\n|---|---|---|")
        for kind, replayed, ms in loads(Path(name), 20):
            print(f"| {kind} | {replayed:,} | {ms:.1f} |")
    print(f"\nload after: {os.getloadavg()[0] if hasattr(os, 'getloadavg') else '?'}")


def start_only(store: EventStore, workers: int) -> None:
    """A rebuild of as many orders as there are workers."""
    for number in range(4 * workers):
        order = store.new(Order, f"order-{number}")
        order.place("ada", [{"sku": "A", "quantity": 1, "price": 100}])
        store.save(order)
    rebuilt(store, OrderSummaryByHandler, workers).close()


if __name__ == "__main__":
    main()
