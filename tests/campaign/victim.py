"""A process that works on a store, says what was acknowledged, and gets killed.

    python -m tests.campaign.victim WHAT STORE SEED

Each acknowledged append is a line "position event-id event-id ..." on the standard output.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from esnb import ANY, EventStore, Projector, new_event
from esnb.shop.by_handler import OrderSummaryByHandler
from esnb.store.appended import Appended


def say(appended: list[Appended]) -> None:
    """Acknowledge, in one write: a line is never torn."""
    events = [event for done in appended for event in done.events]
    ids = " ".join(str(event.event_id) for event in events)
    os.write(1, f"{max(done.position for done in appended)} {ids}\n".encode())


def append(store: EventStore, chance: random.Random) -> None:
    """One append of some size, to one stream or two."""

    def batch() -> list[Any]:
        text = chance.randbytes(chance.choice((10, 200, 2000))).hex()
        return [new_event("Noted", n=n, text=text) for n in range(chance.choice((1, 1, 2, 20)))]

    names = chance.sample([f"s-{n}" for n in range(6)], chance.choice((1, 1, 2)))
    if len(names) == 1:
        done = [store.append(names[0], batch(), expected_version=ANY, aggregate_type="NOTE")]
    else:
        streams = {name: batch() for name in names}
        versions = dict.fromkeys(names, ANY)
        done = list(
            store.append_all(streams, expected_version=versions, aggregate_type="NOTE").values()
        )
    say(done)


def write(path: Path, chance: random.Random) -> None:
    """Three threads append."""
    store = EventStore(path)

    def forever(seed: int) -> None:
        mine = random.Random(seed)
        while True:
            append(store, mine)

    for _ in range(2):
        threading.Thread(target=forever, args=(chance.random(),), daemon=True).start()
    forever(chance.randrange(2**32))


def checkpoint(path: Path, chance: random.Random) -> None:
    """The same, with a checkpoint every few appends."""
    connect = duckdb.connect

    def with_small_log(*arguments: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        connection = connect(*arguments, **options)
        connection.execute("set checkpoint_threshold = '16KB'")
        return connection

    duckdb.connect = with_small_log
    write(path, chance)


def close(path: Path, chance: random.Random) -> None:
    """Append a little, close, open, again and again."""
    while True:
        with EventStore(path) as store:
            for _ in range(chance.randrange(4)):
                append(store, chance)


def backup(path: Path, chance: random.Random) -> None:
    """Backups beside appends."""
    store = EventStore(path)

    def back_up() -> None:
        n = 0
        while True:
            n += 1
            store.backup(path.with_name(f"{os.getpid()}-{n}.backup"), progress=False)

    threading.Thread(target=back_up, daemon=True).start()
    while True:
        append(store, chance)


def rebuild(path: Path, chance: random.Random) -> None:
    """Rebuilds of a read model, by two worker processes, beside appends."""
    store = EventStore(path)
    for n in range(20):
        event = new_event("OrderPlaced", customer="ada", items=[])
        name = f"order-{os.getpid()}-{n}"
        say([store.append(name, [event], expected_version=0, aggregate_type="ORDER")])
    projector = Projector(store, OrderSummaryByHandler, database=path.with_name("read.duckdb"))
    projector.catch_up()

    def again() -> None:
        while True:
            projector.rebuild(workers=2, progress=False)

    threading.Thread(target=again, daemon=True).start()
    while True:
        append(store, chance)


KINDS: dict[str, Callable[[Path, random.Random], None]] = {
    "writer": write,
    "checkpoint": checkpoint,
    "close": close,
    "backup": backup,
    "rebuild": rebuild,
}

if __name__ == "__main__":
    KINDS[sys.argv[1]](Path(sys.argv[2]), random.Random(int(sys.argv[3])))
