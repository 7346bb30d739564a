"""Read models beside pandas and Polars: python run.py bench projections [--events 10000000].

Rebuild: OrderSummary, Inventory and Analytics from a log of the simulated shop. `esnb` rebuilds
from the store; pandas and Polars read the same columns of the same events, JSON payloads as text,
from a Parquet file (its export is not in the times), and compute the same rows, which is checked.
Each runs in a process of its own; time is from opening the file to the rows in memory, memory is
the peak of that process. pandas parses JSON with orjson; Polars uses its streaming engine.

Catch-up: 10,000 and 100 new events, and none, on top of logs of three sizes. The read models are
files; in the last column 100 events go to a read model in memory.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import orjson
import pandas as pd
import polars as pl
from shop_log import build

from esnb import EventStore, Projection, Projector
from esnb.shop import Analytics, Inventory, OrderSummary

COLUMNS = "position, aggregate_type, aggregate_id, event_type, event_data, occurred_at"
KINDS: dict[str, type[Projection]] = {k.__name__: k for k in (OrderSummary, Inventory, Analytics)}
DAILY = {"OrderPlaced": "placed", "PaymentReceived": "paid", "OrderShipped": "shipped",
         "OrderCancelled": "cancelled"}  # fmt: skip


# -- the log ---------------------------------------------------------------------------------


def export(store_path: Path) -> Path:
    """The columns that the peers need, as Parquet."""
    path = store_path.with_suffix(".parquet")
    if not path.exists():
        with EventStore(store_path) as store:
            target = duckdb.connect()
            target.register("log", store.rows(0, store.position, COLUMNS.split(", ")))
            half = path.with_suffix(".half")
            target.execute(f"copy (from log order by position) to '{half}' (format parquet)")
            half.rename(path)
    return path


# -- the peers -------------------------------------------------------------------------------


def esnb_rows(kind: str, store_path: Path) -> pd.DataFrame:
    with EventStore(store_path) as store:
        projector = Projector(store, KINDS[kind])
        projector.rebuild()
        note_peak()
        return projector.df()


def pandas_log(path: Path, *columns: str) -> pd.DataFrame:
    frame = pd.read_parquet(path, columns=[*columns, "event_type", "event_data"],
                            filters=[("aggregate_type", "=", "ORDER")])  # fmt: skip
    return frame


def pandas_lines(frame: pd.DataFrame, *types: str) -> pd.DataFrame:
    """A row an item, from the events with a list of items and from those with one."""
    ids: list[str] = []
    positions: list[int] = []
    items: list[Any] = []
    part = frame[frame["event_type"].isin(types)]
    rows = zip(part["aggregate_id"], part["position"], part["event_data"], strict=True)
    for order, position, text in rows:
        data = orjson.loads(text)
        for item in data.get("items", [data]):
            ids.append(order)
            positions.append(position)
            items.append(item)
    lines = pd.DataFrame({
        "order_id": ids, "position": positions, "sku": [item["sku"] for item in items],
        "quantity": [item.get("quantity", 0) for item in items],
        "price": [item.get("price", 0) for item in items],
    })  # fmt: skip
    return lines


def pandas_kept(frame: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """The lines that no later removal takes away."""
    removed = pandas_lines(frame, "ItemRemoved")
    gone = removed.groupby(["order_id", "sku"])["position"].max().rename("gone").reset_index()
    lines = lines.merge(gone, how="left", on=["order_id", "sku"])
    return lines[~(lines["position"] < lines["gone"])]


def pandas_amounts(frame: pd.DataFrame, kind: str) -> pd.Series:
    part = frame[frame["event_type"] == kind]
    return pd.Series([orjson.loads(t)["amount"] for t in part["event_data"]], index=part.index)


def pandas_rows(kind: str, path: Path) -> pd.DataFrame:
    if kind == "Analytics":
        frame = pandas_log(path, "occurred_at")
        frame["day"] = frame["occurred_at"].dt.floor("D")
        counts = frame.groupby(["day", "event_type"]).size().unstack(fill_value=0)
        table = counts[list(DAILY)].rename(columns=DAILY)
        for name, event_type in (("revenue", "PaymentReceived"), ("refunds", "RefundIssued")):
            amounts = pandas_amounts(frame, event_type)
            table[name] = amounts.groupby(frame.loc[amounts.index, "day"]).sum()
        return table.fillna(0).astype("int64").reset_index()
    frame = pandas_log(path, "position", "aggregate_id", *["occurred_at"][: kind == "OrderSummary"])
    placed = pandas_kept(frame, pandas_lines(frame, "OrderPlaced", "ItemAdded"))
    sent = pandas_lines(frame, "OrderShipped")
    if kind == "Inventory":
        shipped = sent.groupby("sku")["quantity"].sum()
        moves = pd.concat([placed, sent.assign(quantity=-sent["quantity"])])
        cancelled = frame.loc[frame["event_type"] == "OrderCancelled", "aggregate_id"]
        open_ = moves[~moves["order_id"].isin(cancelled)]
        table = pd.DataFrame(
            {"reserved": open_.groupby("sku")["quantity"].sum(), "shipped": shipped},
            index=pd.Index(sorted(moves["sku"].unique()), name="sku"),
        )
        return table.fillna(0).astype("int64").reset_index()
    placed["total"] = placed["quantity"] * placed["price"]
    first = frame[frame["event_type"] == "OrderPlaced"].set_index("aggregate_id")
    orders = frame.groupby("aggregate_id")
    table = pd.DataFrame({"changed_at": orders["occurred_at"].last(), "events": orders.size()})
    table["customer"] = pd.Series(
        [orjson.loads(t)["customer"] for t in first["event_data"]], index=first.index
    )
    table["placed_at"] = first["occurred_at"]
    sums = placed.groupby("order_id")[["quantity", "total"]].sum()
    table["pieces"], table["total"] = sums["quantity"], sums["total"]
    table["shipped"] = sent.groupby("order_id")["quantity"].sum()
    for name, event_type in (("paid", "PaymentReceived"), ("refunded", "RefundIssued")):
        amounts = pandas_amounts(frame, event_type)
        table[name] = amounts.groupby(frame.loc[amounts.index, "aggregate_id"]).sum()
    numbers = ["pieces", "total", "shipped", "paid", "refunded"]
    table[numbers] = table[numbers].fillna(0).astype("int64")
    happened = {
        kind: table.index.isin(frame.loc[frame["event_type"] == kind, "aggregate_id"])
        for kind in ("OrderCancelled", "PaymentReceived")
    }
    all_sent = (table["pieces"] > 0) & (table["shipped"] >= table["pieces"])
    table["status"] = np.select(
        [happened["OrderCancelled"], all_sent, happened["PaymentReceived"]],
        ["CANCELLED", "SHIPPED", "PAID"], "PENDING",
    )  # fmt: skip
    return table.reset_index(names="order_id")


ITEM = pl.Struct({"sku": pl.String, "quantity": pl.Int64, "price": pl.Int64})


def polars_rows(kind: str, path: Path) -> pd.DataFrame:
    log = pl.scan_parquet(path).filter(pl.col("aggregate_type") == "ORDER")
    type_, text = pl.col("event_type"), pl.col("event_data")

    def happened(event_type: str) -> pl.Expr:
        return (type_ == event_type).sum()

    def amount(event_type: str) -> pl.Expr:
        return pl.col("amount").filter(type_ == event_type).sum()

    shape = pl.Struct({"amount": pl.Int64})
    money = pl.when(type_.is_in(["PaymentReceived", "RefundIssued"])).then(text)
    if kind == "Analytics":
        table = (
            log.select(
                pl.col("occurred_at").dt.date().alias("day"), type_,
                money.str.json_decode(shape).struct.field("amount"),
            )
            .group_by("day")
            .agg(
                *[happened(name).alias(column) for name, column in DAILY.items()],
                amount("PaymentReceived").alias("revenue"), amount("RefundIssued").alias("refunds"),
            )
        )  # fmt: skip
        return collect(table)

    shape = pl.Struct({"items": pl.List(ITEM)})
    listed = (
        log.filter(type_.is_in(["OrderPlaced", "OrderShipped"]))
        .select(
            pl.col("aggregate_id").alias("order_id"), "position", "event_type",
            text.str.json_decode(shape).struct.field("items"),
        )
        .explode("items").unnest("items")
    )  # fmt: skip
    single = (
        log.filter(type_.is_in(["ItemAdded", "ItemRemoved"]))
        .select(
            pl.col("aggregate_id").alias("order_id"), "position", "event_type",
            text.str.json_decode(ITEM).alias("item"),
        )
        .unnest("item")
    )  # fmt: skip
    gone = (
        single.filter(type_ == "ItemRemoved").group_by("order_id", "sku")
        .agg(pl.col("position").max().alias("gone"))
    )  # fmt: skip
    lines = (
        pl.concat([listed, single.filter(type_ == "ItemAdded")])
        .join(gone, on=["order_id", "sku"], how="left")
        .filter((type_ == "OrderShipped") | ~(pl.col("position") < pl.col("gone").fill_null(0)))
    )
    sent, quantity = type_ == "OrderShipped", pl.col("quantity")
    if kind == "Inventory":
        cancelled = log.filter(type_ == "OrderCancelled").select(
            pl.col("aggregate_id").alias("order_id"), pl.lit(0).alias("open")
        )
        table = (
            lines.join(cancelled, on="order_id", how="left")
            .with_columns(pl.col("open").fill_null(1))
            .group_by("sku")
            .agg(
                (pl.when(sent).then(-quantity).otherwise(quantity) * pl.col("open")).sum()
                .alias("reserved"),
                quantity.filter(sent).sum().alias("shipped"),
            )
        )  # fmt: skip
        return collect(table)
    sums = lines.group_by("order_id").agg(
        quantity.filter(~sent).sum().alias("pieces"),
        (quantity * pl.col("price")).filter(~sent).sum().alias("total"),
        quantity.filter(sent).sum().alias("shipped"),
    )
    shape = pl.Struct({"amount": pl.Int64, "customer": pl.String})
    told = type_.is_in(["PaymentReceived", "RefundIssued", "OrderPlaced"])
    facts = pl.when(told).then(text)
    is_placed = type_ == "OrderPlaced"
    table = (
        log.select(
            pl.col("aggregate_id").alias("order_id"), "position", type_, "occurred_at",
            facts.str.json_decode(shape).alias("data"),
        )
        .unnest("data")
        .group_by("order_id")
        .agg(
            pl.col("customer").filter(is_placed).first(),
            pl.col("occurred_at").filter(is_placed).first().alias("placed_at"),
            pl.col("occurred_at").sort_by("position").last().alias("changed_at"),
            pl.len().cast(pl.Int64).alias("events"),
            amount("PaymentReceived").alias("paid"), amount("RefundIssued").alias("refunded"),
            happened("OrderCancelled").alias("cancelled"),
            happened("PaymentReceived").alias("payments"),
        )
        .join(sums, on="order_id", how="left")
        .with_columns(
            pl.when(pl.col("cancelled") > 0).then(pl.lit("CANCELLED"))
            .when((pl.col("pieces") > 0) & (pl.col("shipped") >= pl.col("pieces")))
            .then(pl.lit("SHIPPED"))
            .when(pl.col("payments") > 0).then(pl.lit("PAID"))
            .otherwise(pl.lit("PENDING")).alias("status")
        )
        .drop("cancelled", "payments")
    )  # fmt: skip
    return collect(table)


def collect(table: pl.LazyFrame) -> Any:
    rows = table.collect(engine="streaming")
    note_peak()
    return rows.to_arrow()


PEERS: dict[str, Callable[[str, Path], Any]] = {
    "esnb": esnb_rows, "Polars": polars_rows, "pandas": pandas_rows,
}  # fmt: skip


# -- one measurement, in a process of its own --------------------------------------------------

_done: dict[str, float] = {}


def note_peak() -> None:
    """The work is done here; what follows only hands the rows over for the comparison."""
    _done["seconds"] = time.perf_counter()
    _done["cpu"] = time.process_time()
    _done["peak"] = peak_memory()


def peak_memory() -> float:
    """In MB. The figure of getrusage would include the parent's memory before exec."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [x for x in status.read_text().splitlines() if x.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(peer: str, kind: str, source: Path, answer: Path) -> None:
    begin, cpu = time.perf_counter(), time.process_time()
    rows = PEERS[peer](kind, source)
    if not _done:
        note_peak()
    columns = KINDS[kind].tables[next(iter(KINDS[kind].tables))].split(", ")
    names = ", ".join(
        f"{name}::{type_} as {name}" for name, type_ in (c.split()[:2] for c in columns)
    )
    duckdb.sql(f"select {names} from rows order by all").write_parquet(str(answer))
    assert rows is not None
    print(json.dumps([_done["seconds"] - begin, _done["cpu"] - cpu, _done["peak"]]))


def measure(peer: str, kind: str, source: Path, answer: Path) -> list[float]:
    done = subprocess.run(
        [sys.executable, __file__, "--child", peer, kind, str(source), str(answer)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    result: list[float] = json.loads(done.stdout.splitlines()[-1])
    return result


def same(one: Path, other: Path) -> bool:
    a, b = f"from '{one}'", f"from '{other}'"
    difference = f"select count(*) from (({a} except all {b}) union all ({b} except all {a}))"
    (count,) = duckdb.sql(difference).fetchall()[0]
    return count == 0


def rebuilds(store_path: Path, log: Path, rounds: int) -> None:
    head = ["seconds", "CPU s", "peak MB", "x time", "x CPU", "x memory"]
    print(f"\n{'rebuild':14}{'':8}" + "".join(f"{text:>10}" for text in head))
    with tempfile.TemporaryDirectory() as name:
        for kind in KINDS:
            runs: dict[str, list[list[float]]] = {peer: [] for peer in PEERS}
            for _ in range(rounds):
                for peer in PEERS:
                    source = store_path if peer == "esnb" else log
                    answer = Path(name, f"{kind}-{peer}.parquet")
                    runs[peer].append(measure(peer, kind, source, answer))
            own = [statistics.median(column) for column in zip(*runs["esnb"], strict=True)]
            for peer in PEERS:
                theirs = [statistics.median(column) for column in zip(*runs[peer], strict=True)]
                ratios = [x / y for x, y in zip(theirs, own, strict=True)]
                equal = same(
                    Path(name, f"{kind}-{peer}.parquet"), Path(name, f"{kind}-esnb.parquet")
                )
                numbers = "".join(f"{n:10.2f}" for n in (*theirs[:2], theirs[2] * 1.0, *ratios))
                print(f"{kind:14}{peer:8}{numbers}  {'' if equal else 'OTHER ROWS'}", flush=True)


def catch_ups(paths: list[Path], rounds: int = 5) -> None:
    head = ["10,000 new", "100 new", "none", "100, memory"]
    print(f"\n{'catch-up, median ms':30}" + "".join(f"{text:>13}" for text in head))
    for kind, projection in KINDS.items():
        for path in paths:
            with EventStore(path) as store, tempfile.TemporaryDirectory() as name:
                figures: list[float] = []
                for database in (Path(name, "read.duckdb"), None):
                    projector = Projector(store, projection, database)
                    rest = rounds * 10_000 + 40 * 100
                    projector.catch_up(store.position - rest)
                    big = median(lambda p=projector: p.catch_up(10_000), rounds)  # type: ignore[misc]
                    small = median(lambda p=projector: p.catch_up(100), 40)  # type: ignore[misc]
                    none = median(projector.catch_up, 200)
                    projector.close()
                    figures += [big, small, none] if database else [small]
                size = f"{kind}, {store.position:,}"
                print(f"{size:30}" + "".join(f"{f:13.3f}" for f in figures), flush=True)


def median(act: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        act()
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.py bench projections")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "esnb-bench")
    parser.add_argument("--only", choices=["rebuild", "catch-up"])
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        peer, kind, source, answer = arguments.child
        child(peer, kind, Path(source), Path(answer))
        return
    arguments.cache.mkdir(exist_ok=True)
    path = build(arguments.cache, arguments.events)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pandas", "polars"))
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, {libraries}"
    )
    if arguments.only != "catch-up":
        rebuilds(path, export(path), arguments.rounds)
    if arguments.only != "rebuild":
        sizes = sorted({100_000, 1_000_000, arguments.events})
        catch_ups([build(arguments.cache, size) for size in sizes if size <= arguments.events])


if __name__ == "__main__":
    main()
