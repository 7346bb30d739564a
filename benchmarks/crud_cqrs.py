"""Writing orders while reports run: on one database, and apart: python run.py bench crud_cqrs.

A writer stores one order after the other, durably, and notes how long each takes. Beside it, heavy
reports run, one after the other, in a process of their own where the engine allows that:

- alone: no report runs.
- one schema (CRUD): orders and order lines in DuckDB tables, which each order is written to; the
  reports join and sort the same tables, on a second connection.
- one log: events are appended to the store; the reports read the payloads in the store's own file.
- apart (CQRS): events are appended to the store; the reports read a read database, which a process
  of its own has, with one thread. A background thread in the writer's process keeps a projection
  up to date; its work is in the writer's figures.

The ways take turns, round by round, in one run. A ratio is a way's latency by that of the same
writer alone. One process may open a DuckDB file, so reports on the writer's own file run in threads
of its process: that is a part of what is measured.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import duckdb

from esnb import ANY, EventStore, Projector, new_event
from esnb.shop import OrderSummary, simulate

LINES = (
    "select order_id, customer, unnest(from_json(items, "
    '\'[{"sku": "VARCHAR", "quantity": "BIGINT", "price": "BIGINT"}]\'), recursive := true) '
    "from orders"
)
# A customer's best seller, by revenue, and its rank: a join, two groupings, a window, a sort.
REPORT = """
select customer, sku, sum(quantity * price) as revenue,
       rank() over (partition by sku order by sum(quantity * price) desc) as place
from {lines} group by customer, sku order by revenue desc, customer, sku
"""
TABLES = "(select * from order_lines join orders using (order_id))"
PAYLOADS = """(
    select event_data->>'$.customer' as customer, unnest(from_json(event_data->'$.items',
        '[{"sku": "VARCHAR", "quantity": "BIGINT", "price": "BIGINT"}]'), recursive := true)
    from events where event_type = 'OrderPlaced')"""
ITEMS = [
    {"sku": "MUG-RED", "quantity": 2, "price": 950},
    {"sku": "TEA-1", "quantity": 1, "price": 450},
]

REPORTER = """
import sys, time
import duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
connection.execute("set threads = 1")
print("ready", flush=True)
count, end = 0, time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    connection.execute(sys.argv[2]).fetchall()
    count += 1
print(count)
"""


def fill(folder: Path, orders: int) -> tuple[Path, Path, Path]:
    """The same orders as tables, as a log, and as a read database for reports."""
    tables, log, read = (folder / name for name in ("tables.db", "log.duckdb", "read.duckdb"))
    with EventStore(log) as store:
        with EventStore() as small:
            simulate(small, orders=orders, seed=11)
            frame = small.df()
        store.append_frame(
            frame, aggregate_type="aggregate_type", aggregate_id="aggregate_id",
            event_type="event_type", data="event_data", metadata="metadata",
            occurred_at="occurred_at",
        )  # fmt: skip
    placed = frame[frame["event_type"] == "OrderPlaced"]
    for path in (tables, read):
        with duckdb.connect(str(path)) as connection:
            connection.register("placed", placed)
            connection.execute(
                "create table orders as select aggregate_id as order_id, "
                "event_data->>'$.customer' as customer, event_data->'$.items' as items from placed"
            )
            connection.execute(
                f"create table order_lines as select order_id, sku, quantity, price from ({LINES})"
            )
            connection.execute("alter table orders drop column items")
            connection.execute("create unique index by_order on orders (order_id)")
    return tables, log, read


@contextmanager
def in_threads(report: Callable[[], object]) -> Iterator[list[int]]:
    """Reports in a thread beside the writer, one after the other; how many is told afterwards."""
    stop, count = threading.Event(), [0]

    def work() -> None:
        while not stop.is_set():
            report()
            count[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield count
    finally:
        stop.set()
        thread.join()


@contextmanager
def in_process(path: Path, query: str, seconds: float) -> Iterator[list[int]]:
    """The same in a process of its own, on a database of its own."""
    child = subprocess.Popen(
        [sys.executable, "-c", REPORTER, str(path), query, str(seconds)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    child.stdout.readline()
    count = [0]
    try:
        yield count
    finally:
        count[0] = int(child.communicate()[0].split()[-1])


def written(write: Callable[[str], object], seconds: float, mark: str) -> list[float]:
    """Milliseconds of each order that is written in so many seconds."""
    times: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.perf_counter()
        write(f"{mark}-{len(times)}")
        times.append(1000 * (time.perf_counter() - begin))
        time.sleep(0.002)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.py bench crud_cqrs")
    parser.add_argument("--orders", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, "
        f"duckdb {version('duckdb')}, {arguments.orders:,} orders, {arguments.rounds} rounds"
    )
    ways = ["CRUD alone", "CRUD, one schema", "events alone", "events, one log", "events, apart"]
    times: dict[str, list[float]] = {way: [] for way in ways}
    reports: dict[str, int] = dict.fromkeys(ways, 0)
    with tempfile.TemporaryDirectory() as name:
        tables, log, read = fill(Path(name), arguments.orders)
        crud, store = duckdb.connect(str(tables)), EventStore(log)
        beside = crud.cursor()
        projector = Projector(store, OrderSummary, Path(name, "summary.duckdb"))
        projector.catch_up()

        def insert(order: str) -> None:
            crud.execute("begin")
            crud.execute("insert into orders values (?, 'ada')", [order])
            crud.executemany(
                "insert into order_lines values (?, ?, ?, ?)",
                [[order, *item.values()] for item in ITEMS],
            )
            crud.execute("commit")

        def append(order: str) -> None:
            event = new_event("OrderPlaced", customer="ada", items=ITEMS)
            store.append(order, [event], expected_version=ANY, aggregate_type="ORDER")

        seconds = arguments.seconds
        for number in range(arguments.rounds):
            for way in ways:
                write = insert if way.startswith("CRUD") else append
                mark = f"{way}-{number}"
                if way.endswith("alone"):
                    times[way] += written(write, seconds, mark)
                elif way == "events, apart":
                    query = REPORT.format(lines=TABLES)
                    with projector.running(0.1), in_process(read, query, seconds) as count:
                        times[way] += written(write, seconds, mark)
                    reports[way] += count[0]
                else:
                    query = REPORT.format(lines=TABLES if write is insert else PAYLOADS)
                    report = (
                        (lambda q=query: beside.execute(q).fetchall()) if write is insert
                        else (lambda q=query: store.sql(q).fetchall())
                    )  # fmt: skip
                    with in_threads(report) as count:
                        times[way] += written(write, seconds, mark)
                    reports[way] += count[0]
        projector.close()
        store.close()
        crud.close()
    print(f"\n{'one order, durable':22}{'written':>9}{'reports':>9}{'median ms':>11}{'p95 ms':>9}"
          f"{'x median':>10}{'x p95':>8}")  # fmt: skip
    for way in ways:
        alone = times["CRUD alone" if way.startswith("CRUD") else "events alone"]
        median, late = statistics.median(times[way]), statistics.quantiles(times[way], n=20)[-1]
        base = statistics.median(alone), statistics.quantiles(alone, n=20)[-1]
        print(f"{way:22}{len(times[way]):9}{reports[way]:9}{median:11.2f}{late:9.2f}"
              f"{median / base[0]:10.1f}{late / base[1]:8.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
