"""The store beside its peers: python run.py bench store [--events 1000000] [--cache FOLDER].

Every line of the table is measured in one run, the systems taking turns round by round, so that a
busy machine slows all of them alike. What counts is the ratios. The peers:

    raw        one write of as many bytes as the events have, then fdatasync: the disk's own limit
    SQLite     the sqlite3 module, WAL, synchronous=FULL, the same columns, and
               unique (aggregate_id, sequence_number); it starts from the same Event objects,
               and makes an id, JSON and times for each, as the store does
    SQLite -   the same, but from rows made before the clock starts: the engine alone
    recorder   SQLiteApplicationRecorder of the library `eventsourcing`, from StoredEvents made
               before the clock starts

The esnb file holds 10 million events of 100,000 aggregates. SQLite and the recorder hold 1 million:
filling SQLite with 10 million took 448 s when tried, and a smaller file only flatters the peers.

With `--only chain`: what the chain of hashes costs, beside the same store without it.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import duckdb
import numpy as np
import orjson
import pandas as pd
from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore
from tqdm import tqdm

import esnb
from esnb import ANY, Aggregate, Event, EventStore, new_event
from esnb.store import bulk_load, connection, insert_rows
from esnb.store.hash_chain import Proof

SCALE = 100  # events an aggregate
PEERS_HOLD = 1_000_000
TYPES = ["ItemAdded", "ItemAdded", "ItemAdded", "ItemRemoved", "PaymentReceived"]
SPACE = UUID("8f7f0d0a-5a07-4d3c-9a1b-2f1f3a1f4c55")

Timed = Callable[[], object]
Prepare = Callable[[int], Timed]

SQLITE_SCHEMA = """
create table events (
    position integer primary key, event_id blob not null, aggregate_type text not null,
    aggregate_id text not null, sequence_number integer not null, event_type text not null,
    event_version integer not null, event_data text not null, metadata text not null,
    occurred_at text not null, recorded_at text not null,
    unique (aggregate_id, sequence_number)
);
"""
SQLITE_INSERT = "insert into events values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Order(Aggregate):
    """As little as a state can do, so that the store is measured and not the replay."""

    aggregate_type = "ORDER"

    def __init__(self) -> None:
        self.total = 0
        self.events = 0

    def apply(self, event: Event) -> None:
        self.total += event.data["amount"]
        self.events += 1


class KeptOrder(Order):
    """The same with a snapshot every 1,000 events."""

    aggregate_type = "ORDER"
    snapshot_every = 1000


# --- the data -----------------------------------------------------------------------------------


def frame(count: int, streams: int) -> pd.DataFrame:
    """Events of a shop in the order of time; every aggregate has the same number of them."""
    chance = np.random.default_rng(7)
    order = chance.permutation(np.arange(count) % streams)
    milliseconds = np.sort(chance.integers(0, 90 * 86_400_000, count))
    ids = pd.array([f"order-{n}" for n in range(streams)], dtype="str")
    types = pd.array(TYPES, dtype="str")
    skus = pd.array([f"sku-{n}" for n in range(500)], dtype="str")
    return pd.DataFrame(
        {
            "order": ids.take(order),
            "type": types.take(chance.integers(0, len(types), count)),
            "at": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(milliseconds, unit="ms"),
            "sku": skus.take(chance.integers(0, 500, count)),
            "quantity": chance.integers(1, 9, count),
            "amount": chance.integers(100, 99_999, count),
        }
    )


COLUMNS = {
    "aggregate_id": "order",
    "event_type": "type",
    "occurred_at": "at",
    "aggregate_type": "ORDER",
}


def events(count: int) -> list[Event]:
    """New events, without ids and times."""
    return [
        new_event(
            TYPES[n % len(TYPES)], sku=f"sku-{n % 500}", quantity=1 + n % 8, amount=100 + n % 9999
        )
        for n in range(count)
    ]


def build(path: Path, make: Callable[[Path], None]) -> Path:
    """Make a file once: in a folder of its own, which gets its name when it is complete."""
    if not path.parent.exists():
        new = path.parent.with_name(path.parent.name + ".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        make(new / path.name)
        new.rename(path.parent)
    return path


def copy_of(path: Path, folder: Path) -> Path:
    """A copy to write to, with the files beside it, so that each run starts from the same data."""
    target = folder / path.parent.name
    shutil.copytree(path.parent, target)
    return target / path.name


def build_store(count: int, path: Path) -> None:
    print(f"building the store of {count:,} events (once)", flush=True)
    table = frame(count, max(1, count // SCALE))
    before, started = peak(), time.perf_counter()
    with EventStore(path) as store:
        store.append_frame(table, progress=True, **COLUMNS)
    took = time.perf_counter() - started
    print(
        f"    append_frame of {count:,} rows: {count / took:,.0f} events/s, peak memory "
        f"{peak():,.0f} MB, of which {before:,.0f} MB were there with the table; "
        f"{path.stat().st_size / count:.0f} bytes an event on disk",
        flush=True,
    )


def peak() -> float:
    """The most memory that this process has had, in MB; 0 where the system does not say."""
    if platform.system() == "Windows":
        return 0.0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if platform.system() == "Darwin" else most / 2**10


def rows_of(table: pd.DataFrame) -> list[tuple[Any, ...]]:
    """The rows for SQLite, as many as the table has."""
    versions: dict[str, int] = {}
    rows = []
    for n, (order, kind, at, sku, quantity, amount) in enumerate(
        table.itertuples(index=False), start=1
    ):
        versions[order] = versions.get(order, 0) + 1
        data = orjson.dumps({"sku": sku, "quantity": quantity, "amount": amount}).decode()
        when = at.isoformat()
        rows.append(
            (n, uuid4().bytes, "ORDER", order, versions[order], kind, 1, data, "{}", when, when)
        )
    return rows


def build_sqlite(count: int, path: Path) -> None:
    connection = open_sqlite(path)
    connection.executescript(SQLITE_SCHEMA)
    table = frame(count, max(1, count // SCALE))
    rows = rows_of(table)
    for start in tqdm(range(0, count, 10_000), desc="building SQLite", unit=" x 10,000 events"):
        with connection:
            connection.executemany(SQLITE_INSERT, rows[start : start + 10_000])
    connection.close()


def build_recorder(count: int, path: Path) -> None:
    recorder = open_recorder(path)
    recorder.create_table()
    rows = rows_of(frame(count, max(1, count // SCALE)))
    for start in tqdm(range(0, count, 10_000), desc="building recorder", unit=" x 10,000 events"):
        recorder.insert_events(
            [
                StoredEvent(uuid5(SPACE, row[3]), row[4], row[5], row[7].encode())
                for row in rows[start : start + 10_000]
            ]
        )
    recorder.datastore.close()


def open_sqlite(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    return connection


def open_recorder(path: Path) -> Any:
    recorder = SQLiteApplicationRecorder(SQLiteDatastore(str(path)))
    return recorder


# --- measuring ----------------------------------------------------------------------------------


class Table:
    """Medians in milliseconds, a line a task, and how many times the store's time is a peer's."""

    PEERS = ("raw", "SQLite", "SQLite -", "recorder")

    def __init__(self) -> None:
        self.medians: dict[str, dict[str, float]] = {}
        print(
            f"\n{'milliseconds, medians':46}{'esnb':>9}"
            + "".join(f"{peer:>10}" for peer in self.PEERS)
            + "   esnb takes ... times as long as"
        )

    def measure(self, name: str, rounds: int, **systems: Prepare) -> None:
        """Let the systems take turns; a system prepares, outside the clock, what it then does."""
        times: dict[str, list[float]] = {system: [] for system in systems}
        order = list(systems)
        for number in range(rounds):
            for system in order:
                act = systems[system](number)
                started = time.perf_counter()
                act()
                times[system].append(time.perf_counter() - started)
            order = order[1:] + order[:1]
        median = {s.replace("_ready", " -"): 1000 * statistics.median(t) for s, t in times.items()}
        self.medians[name] = median
        line = f"{name:46}{median['esnb']:9.2f}"
        line += "".join(f"{median[p]:10.2f}" if p in median else " " * 10 for p in self.PEERS)
        ratios = [f"{p} {median['esnb'] / median[p]:.2g}" for p in self.PEERS if p in median]
        print(f"{line}   {', '.join(ratios)}", flush=True)


# --- the tasks ----------------------------------------------------------------------------------


class Systems:
    """The open stores, and what each of them does for one task."""

    def __init__(self, big: Path, sqlite: Path, recorder: Path, folder: Path) -> None:
        self.store = EventStore(big)
        self.sqlite = open_sqlite(sqlite)
        self.recorder = open_recorder(recorder)
        self.raw = os.open(folder / "raw", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self.streams = max(1, self.store.position // SCALE)
        self.peer_streams = PEERS_HOLD // SCALE
        self.chance = np.random.default_rng(1)
        self.made = 0

    def close(self) -> None:
        self.store.close()
        self.sqlite.close()
        self.recorder.datastore.close()
        os.close(self.raw)

    def new_name(self) -> str:
        self.made += 1
        return f"new-{self.made}"

    def old_name(self, streams: int) -> str:
        return f"order-{self.chance.integers(streams)}"

    # -- append --

    def append_raw(self, count: int) -> Prepare:
        block = os.urandom(300 * count)
        sync = getattr(os, "fdatasync", os.fsync)

        def act() -> None:
            os.write(self.raw, block)
            sync(self.raw)

        return lambda _: act

    def append_store(self, count: int, old: bool) -> Prepare:
        def prepare(_: int) -> Timed:
            name = self.old_name(self.streams) if old else self.new_name()
            batch = events(count)
            return lambda: self.store.append(
                name, batch, expected_version=ANY, aggregate_type="ORDER"
            )

        return prepare

    def append_sqlite(self, count: int, old: bool, ready: bool) -> Prepare:
        def rows(name: str, batch: list[Event]) -> list[tuple[Any, ...]]:
            last, before = self.sqlite.execute(
                "select (select max(position) from events), max(sequence_number) from events "
                "where aggregate_id = ?",
                (name,),
            ).fetchone()
            now = datetime.now(UTC).isoformat()
            return [
                (last + n, uuid4().bytes, "ORDER", name, (before or 0) + n, event.event_type, 1,
                 orjson.dumps(event.event_data).decode(), orjson.dumps(event.metadata).decode(),
                 now, now)
                for n, event in enumerate(batch, start=1)
            ]  # fmt: skip

        def insert(made: list[tuple[Any, ...]]) -> None:
            with self.sqlite:
                self.sqlite.executemany(SQLITE_INSERT, made)

        def prepare(_: int) -> Timed:
            name = self.old_name(self.peer_streams) if old else self.new_name()
            batch = events(count)
            if ready:
                made = rows(name, batch)
                return lambda: insert(made)
            return lambda: insert(rows(name, batch))

        return prepare

    def append_recorder(self, count: int, old: bool) -> Prepare:
        def prepare(_: int) -> Timed:
            name = self.old_name(self.peer_streams) if old else self.new_name()
            stream = uuid5(SPACE, name)
            before = len(self.recorder.select_events(stream))
            batch = [
                StoredEvent(stream, before + n, e.event_type, orjson.dumps(e.event_data))
                for n, e in enumerate(events(count), start=1)
            ]
            return lambda: self.recorder.insert_events(batch)

        return prepare

    def append(self, count: int, old: bool = False) -> dict[str, Prepare]:
        return {
            "raw": self.append_raw(count),
            "SQLite": self.append_sqlite(count, old, ready=False),
            "SQLite_ready": self.append_sqlite(count, old, ready=True),
            "recorder": self.append_recorder(count, old),
            "esnb": self.append_store(count, old),
        }

    # -- read --

    def events_of_sqlite(self, query: str, value: object) -> list[Event]:
        return [
            Event(
                row[5], orjson.loads(row[7]), row[6], orjson.loads(row[8]),
                datetime.fromisoformat(row[9]), UUID(bytes=row[1]), row[2], row[3], row[4], row[0],
                datetime.fromisoformat(row[10]),
            )
            for row in self.sqlite.execute(query, (value,))
        ]  # fmt: skip

    def load(self) -> dict[str, Prepare]:
        query = "select * from events where aggregate_id = ? order by sequence_number"

        def sqlite(_: int) -> Timed:
            name = self.old_name(self.peer_streams)
            return lambda: esnb.replay(Order, self.events_of_sqlite(query, name))

        def recorder(_: int) -> Timed:
            stream = uuid5(SPACE, self.old_name(self.peer_streams))
            return lambda: [orjson.loads(e.state) for e in self.recorder.select_events(stream)]

        def store(_: int) -> Timed:
            name = self.old_name(self.streams)
            return lambda: self.store.load(Order, name)

        return {"SQLite": sqlite, "recorder": recorder, "esnb": store}

    def poll(self, behind: int) -> dict[str, Prepare]:
        query = "select * from events where position > ? order by position"

        def sqlite(_: int) -> Timed:
            last = self.sqlite.execute("select max(position) from events").fetchone()[0]
            return lambda: self.events_of_sqlite(query, last - behind)

        def recorder(_: int) -> Timed:
            last = self.recorder.max_notification_id()
            return lambda: self.recorder.select_notifications(last - behind + 1, limit=1000)

        def store(_: int) -> Timed:
            last = self.store.position
            return lambda: list(self.store.read_all(after=last - behind))

        return {"SQLite": sqlite, "recorder": recorder, "esnb": store}

    def past(self, kind: str) -> Prepare:
        def prepare(_: int) -> Timed:
            name = self.old_name(self.streams)
            half = self.store.events(name)[SCALE // 2]
            if kind == "position":
                return lambda: self.store.as_of(half.position or 0).load(Order, name)
            if kind == "time":
                return lambda: self.store.as_of(half.occurred_at or "").load(Order, name)
            return lambda: self.store.load(Order, name, at=SCALE // 2)

        return prepare

    def long_stream(self, length: int) -> None:
        self.store.append("long", events(length - 1), expected_version=0, aggregate_type="ORDER")
        kept = self.store.load(KeptOrder, "long")
        kept.record("ItemAdded", sku="sku-1", quantity=1, amount=100)
        self.store.save(kept)  # number `length` is a multiple of 1,000: this writes the snapshot


def open_times(big: Path, sqlite: Path) -> dict[str, Prepare]:
    def store() -> None:
        with EventStore(big) as opened:
            opened.events("order-1")

    def peer() -> None:
        connection = open_sqlite(sqlite)
        connection.execute("select * from events where aggregate_id = 'order-1'").fetchall()
        connection.close()

    return {"SQLite": lambda _: peer, "esnb": lambda _: store}


# --- what the chain costs -----------------------------------------------------------------------


class Bare(connection.Log):
    """The log as it would be without a chain: the same statements, less what they add to it."""

    def insert(self, rows: Any, entries: Any, heads: Any) -> None:
        """Store the rows, and nothing about them."""
        with self.translated():
            if len(rows) == 1:
                self._writer.execute(self._insert_one, rows[0])
            else:
                insert_rows.insert_many(self._writer, rows, ())
        last = rows[-1]
        self.heads()[last[3]] = (last[4], last[2])
        self.stored(Proof(last[0], b""), last[10])

    def chain(self, cursor: Any, proof: Proof, rows: list[tuple[int, bytes]]) -> Proof:
        """No entry."""
        return Proof(max(rows)[0], b"")


def bare(path: Path | None = None) -> EventStore:
    """A store that keeps no chain."""
    store = EventStore(path)
    store._log.__class__ = Bare
    one = "insert into events values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    store._log._insert_one = store._log._connection.extract_statements(one)[0]
    return store


def chain_cost(folder: Path, rounds: int) -> None:
    """Appends and bulk loads with and without the chain, in turns; then verify()."""
    many, digest = insert_rows.INSERT_MANY, bulk_load.DIGEST
    without = many.split("(", 1)[1].rsplit(")\ninsert into chain", 1)[0]
    table = frame(PEERS_HOLD, PEERS_HOLD // SCALE)
    stores = {"with": EventStore(folder / "with.duckdb"), "without": bare(folder / "bare.duckdb")}
    print(f"\n{'milliseconds, medians':36}{'with':>9}{'without':>9}{'ratio':>8}{'of CPU':>8}")

    def take_turns(name: str, times: int, act: Callable[[str, int], Timed]) -> None:
        wall: dict[str, list[float]] = {"with": [], "without": []}
        cpu: dict[str, list[float]] = {"with": [], "without": []}
        for number in range(times):
            for kind in ("with", "without") if number % 2 else ("without", "with"):
                insert_rows.INSERT_MANY = without if kind == "without" else many
                bulk_load.DIGEST = "1" if kind == "without" else digest
                work = act(kind, number)
                started, busy = time.perf_counter(), time.process_time()
                work()
                wall[kind].append(1000 * (time.perf_counter() - started))
                cpu[kind].append(1000 * (time.process_time() - busy))
        insert_rows.INSERT_MANY, bulk_load.DIGEST = many, digest
        a, b, c, d = (statistics.median(t[k]) for t in (wall, cpu) for k in ("with", "without"))
        print(f"{name:36}{a:9.2f}{b:9.2f}{a / b:8.2f}{c / d:8.2f}", flush=True)

    def append(count: int) -> Callable[[str, int], Timed]:
        def act(kind: str, number: int) -> Timed:
            batch, name = events(count), f"s-{count}-{number}"
            return lambda: stores[kind].append(
                name, batch, expected_version=0, aggregate_type="ORDER"
            )

        return act

    def load(kind: str, _: int) -> Timed:
        store = EventStore() if kind == "with" else bare()
        return lambda: store.append_frame(table, progress=False, **COLUMNS)

    for count in (1, 10, 100, 1_000):
        times = max(5, rounds // (1 + count // 10))
        take_turns(f"append of {count:,}, durable", times, append(count))
    take_turns("append_frame of 1,000,000, in memory", 5, load)
    with EventStore.from_frame(table, folder / "verify.duckdb", progress=False, **COLUMNS) as store:
        started, busy = time.perf_counter(), time.process_time()
        said = store.verify(store.proof, progress=False)
        print(
            f"verify() of {said.events:,} events: {time.perf_counter() - started:.2f} s, "
            f"{time.process_time() - busy:.2f} s of CPU, {'fine' if said.ok else said}"
        )
    for store in stores.values():
        store.close()


COUNTS = "select event_type, count(*) from events {} group by event_type order by event_type"
LATEST = """
select event_type, count(*) from (
    select aggregate_id, {} from events {} group by aggregate_id
) group by event_type order by event_type
"""


def whole_store(store: EventStore, connection: sqlite3.Connection, latest: bool) -> dict[str, Any]:
    chance = np.random.default_rng(2)
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def when() -> datetime:
        return start + timedelta(days=float(chance.uniform(5, 85)))

    def ours(_: int) -> Timed:
        query = LATEST.format("arg_max(event_type, position) as event_type", "")
        past = store.as_of(when())
        return lambda: past.sql(query if latest else COUNTS.format("")).fetchall()

    def peer(_: int) -> Timed:
        # SQLite takes the other columns from the row of the maximum; times as text sort as times.
        condition = "where occurred_at <= ?"
        query = LATEST.format("event_type, max(position)", condition)
        values = (when().isoformat(),)
        text = query if latest else COUNTS.format(condition)
        return lambda: connection.execute(text, values).fetchall()

    return {"SQLite": peer, "esnb": ours}


# --- the run ------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.py bench store")
    parser.add_argument("--events", type=int, default=10_000_000, help="events in the esnb file")
    parser.add_argument("--cache", type=Path, help="folder on the disk to be measured")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--only", choices=["chain"], help="what the chain of hashes costs")
    options = parser.parse_args()
    cache = options.cache or Path(tempfile.gettempdir()) / "esnb-bench"
    cache = cache / f"duckdb-{duckdb.__version__}"
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {platform.system()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, duckdb {duckdb.__version__}, "
        f"SQLite {sqlite3.sqlite_version}, eventsourcing {version('eventsourcing')}\n"
        f"files in {cache}"
    )
    if options.only:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as name:
            chain_cost(Path(name), options.rounds)
        return
    big = build(
        cache / f"esnb-{options.events}" / "shop.duckdb",
        lambda path: build_store(options.events, path),
    )
    sqlite = build(
        cache / f"sqlite-{PEERS_HOLD}" / "shop.sqlite", lambda path: build_sqlite(PEERS_HOLD, path)
    )
    recorder = build(
        cache / f"recorder-{PEERS_HOLD}" / "shop.sqlite",
        lambda path: build_recorder(PEERS_HOLD, path),
    )
    with tempfile.TemporaryDirectory(dir=cache) as name:
        folder = Path(name)
        print("copying the files, so that each run starts from the same", flush=True)
        paths = [copy_of(path, folder) for path in (big, sqlite, recorder)]
        run(options.rounds, paths, folder)
        chain_cost(folder, options.rounds)


def run(rounds: int, paths: list[Path], folder: Path) -> None:
    table = Table()
    few = max(3, rounds // 5)
    table.measure("open, read one aggregate, close", few, **open_times(paths[0], paths[1]))
    systems = Systems(*paths, folder)
    started = time.perf_counter()
    systems.store.version("order-1")
    heads = time.perf_counter() - started
    size = systems.store.position
    table.measure("1 event, durable, new aggregate", rounds, **systems.append(1))
    table.measure("1 event, durable, old aggregate", rounds, **systems.append(1, old=True))
    for count in (10, 100, 1_000, 10_000):
        times = max(3, min(rounds, 20 * rounds // count))
        table.measure(f"{count:,} events, new aggregate", times, **systems.append(count))
    table.measure(f"load {SCALE} events of {size:,}", rounds, **systems.load())
    table.measure("poll, nothing new", rounds, **systems.poll(0))
    table.measure("poll, 100 new", rounds, **systems.poll(100))
    for kind in ("number", "position", "time"):
        table.measure(f"load the first {SCALE // 2}, by {kind}", few, esnb=systems.past(kind))
    systems.long_stream(10_000)
    store = systems.store
    table.measure("load 10,000 events", 5, esnb=lambda _: lambda: store.load(Order, "long"))
    table.measure(
        "load 10,000 events with a snapshot", few,
        esnb=lambda _: lambda: store.load(KeptOrder, "long"),
    )  # fmt: skip
    small = frame(PEERS_HOLD, PEERS_HOLD // SCALE)
    part = frame(10_000, 1_000)
    table.measure(
        "append_frame, 10,000 rows, 1,000 aggregates", 5,
        esnb=lambda n: lambda: store.append_frame(
            part.assign(order=f"part-{n}-" + part["order"]), **COLUMNS
        ),
    )  # fmt: skip

    def fill(number: int) -> Timed:
        path = folder / f"million-{number}.duckdb"
        return lambda: EventStore.from_frame(small, path, progress=False, **COLUMNS).close()

    table.measure("append_frame, 1,000,000 rows", 3, esnb=fill)
    with EventStore(folder / "million-0.duckdb") as million:
        counts = whole_store(million, systems.sqlite, latest=False)
        table.measure("as_of a time: count by type, 1,000,000", few, **counts)
        latest = whole_store(million, systems.sqlite, latest=True)
        table.measure("as_of a time: last event of each, 1,000,000", few, **latest)
    systems.close()
    report(table.medians, heads)


def report(medians: dict[str, dict[str, float]], heads: float) -> None:
    """Say which aims hold in this run."""
    one = medians["1 event, durable, old aggregate"]
    many = medians["10,000 events, new aggregate"]
    (load,) = (m["esnb"] for name, m in medians.items() if name.startswith(f"load {SCALE} events"))
    single = one["esnb"] / one["SQLite"]
    bulk = {peer: many[peer] / many["esnb"] for peer in ("SQLite", "SQLite -", "recorder")}
    rate = 1_000_000 / medians["append_frame, 1,000,000 rows"]["esnb"] * 1000
    aims = [
        (load < 5, f"load of a {SCALE}-event aggregate under 5 ms: {load:.2f} ms"),
        (single <= 4, f"single durable append within 4 times SQLite's: {single:.2f} times"),
        (
            bulk["SQLite"] >= 3,
            f"10,000 events at least 3 times as fast as SQLite: {bulk['SQLite']:.2f} times "
            f"(SQLite from ready rows {bulk['SQLite -']:.2f}, recorder {bulk['recorder']:.2f})",
        ),
        (rate >= 150_000, f"append_frame 150,000 events/s: {rate:,.0f} events/s"),
    ]
    print()
    for holds, text in aims:
        print(f"{'holds' if holds else 'MISSED':8}{text}")
    print(f"\nonce after opening, the heads of all streams are read: {1000 * heads:.0f} ms")


if __name__ == "__main__":
    main()
