"""Small logs to start from: a story written by hand, and the simulated shop kept in `data/shop`.

`python -m esnb.shop` writes the files in `data/shop` again; a test compares them.
"""

from __future__ import annotations

import gzip
from dataclasses import asdict
from pathlib import Path

import orjson
import pandas as pd

from esnb.clock import LessonClock
from esnb.data_files import data_file
from esnb.store.event_store import EventStore

from .account import Account
from .catalogue import item
from .order import Order
from .simulator import simulate
from .stories import Story, Summary

#: The committed data set: 300 orders, seed 11, the other arguments of simulate() as they are.
FOLDER = data_file("shop")
EVENTS = "events.jsonl.gz"
BOOKS = "summary.json"
#: The sample's recorded_at: the midnight at which the simulated time ends.
LOADED_AT = "2026-03-02T00:00:00Z"


def first_orders(store: EventStore) -> None:
    """Append the course's first story, eight events in three streams, command by command.

    Ada buys two mugs and a notebook (order-1042), pays, and gets them; Ben changes his mind
    (order-1043); Ada opens an account and is given 5.00. With a `LessonClock` that nobody used
    before, all ids and times repeat: it starts on Monday at 09:00 and ends on Tuesday at 15:00.
    """

    def wait(**duration: float) -> None:
        if isinstance(store.clock, LessonClock):
            store.clock.advance(**duration)

    ada = store.new(Order, "order-1042")
    ada.place("ada", [item("MUG-BLUE", 2), item("NOTEBOOK-A5")])
    store.save(ada)
    wait(minutes=4)
    ben = store.new(Order, "order-1043")
    ben.place("ben", [item("LAMP-DESK")])
    store.save(ben)
    wait(minutes=2)
    ada.pay(method="card")
    store.save(ada)
    wait(minutes=50)
    ben.cancel("found it elsewhere")
    store.save(ben)
    wait(hours=5)
    account = store.new(Account, "account-ada")
    account.open("ada")
    store.save(account)
    wait(minutes=1)
    account.credit(500, "welcome gift")
    store.save(account)
    wait(hours=18)
    ada.ship()
    store.save(ada)
    wait(hours=6)
    ada.deliver()
    store.save(ada)


def sample(store: EventStore | None = None) -> EventStore:
    """Load the simulated shop of `data/shop` into a store, by default a new one in memory.

    Returns the store. A new one has a `LessonClock` that starts where the simulated time ends.
    Raises `FileNotFoundError` when esnb is used without the folder `data` beside it.
    """
    if store is None:
        store = EventStore(clock=LessonClock(LOADED_AT))
    rows = [orjson.loads(line) for line in gzip.decompress(_read(EVENTS)).splitlines()]
    frame = pd.DataFrame(rows)
    frame["occurred_at"] = pd.to_datetime(frame["occurred_at"], utc=True, format="ISO8601")
    store.append_frame(
        frame,
        aggregate_type="aggregate_type",
        aggregate_id="aggregate_id",
        event_type="event_type",
        event_id="event_id",
        data="event_data",
        metadata="metadata",
        occurred_at="occurred_at",
    )
    return store


def sample_summary() -> Summary:
    """Return the simulator's own books about `sample()`, with the facts of its stories."""
    books = orjson.loads(_read(BOOKS))
    stories = {
        key: Story(**{**story, "orders": tuple(story["orders"])})
        for key, story in books.pop("stories").items()
    }
    return Summary(**books, stories=stories)


def write_sample(folder: Path = FOLDER) -> None:
    """Simulate the committed data set and write its two files, the same bytes every time."""
    with EventStore(clock=LessonClock(LOADED_AT)) as store:
        summary = simulate(store)
        lines = [
            orjson.dumps(
                {
                    "position": event.position,
                    "event_id": event.event_id,
                    "aggregate_type": event.aggregate_type,
                    "aggregate_id": event.aggregate_id,
                    "sequence_number": event.sequence_number,
                    "event_type": event.event_type,
                    "event_version": event.event_version,
                    "event_data": event.event_data,
                    "metadata": event.metadata,
                    "occurred_at": event.occurred_at,
                    "recorded_at": event.recorded_at,
                },
                option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z,
            )
            for event in store.read_all()
        ]
    folder.mkdir(parents=True, exist_ok=True)
    # No file name and no time in the header of the archive: they would differ each time.
    (folder / EVENTS).write_bytes(gzip.compress(b"".join(lines), mtime=0))
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    (folder / BOOKS).write_bytes(orjson.dumps(asdict(summary), option=options))


def _read(name: str) -> bytes:
    path = FOLDER / name
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing. Use esnb from its repository, or write the file again: "
            f"python -m esnb.shop"
        )
    return path.read_bytes()
