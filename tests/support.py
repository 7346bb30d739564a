"""What the tests of the core share: small aggregates, strategies, and helpers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from esnb import Aggregate, Event, EventStore, new_event

ROOT = Path(__file__).parent.parent

INT64 = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KEYS = TEXT | st.sampled_from(["", "a.b", "[0]", "['a']", "a", "0", "-", "it's", 'a"b', "x\n", "é"])
SCALARS = st.none() | st.booleans() | INT64 | FLOATS | TEXT
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=5)


def exactly(value: Any) -> Any:
    """A form that is equal only for the same JSON: 1, 1.0 and True differ, as do 0.0 and -0.0."""
    if isinstance(value, dict):
        return {"dict": {key: exactly(item) for key, item in value.items()}}
    if isinstance(value, list | tuple):
        return [exactly(item) for item in value]
    if isinstance(value, float):
        return ("float", value, math.copysign(1, value))
    return (type(value).__name__, value)


def seen(event: Event) -> tuple[Any, ...]:
    """All that a stored event says, in a form that can be compared strictly."""
    return (
        event.position, event.event_id, event.aggregate_type, event.aggregate_id,
        event.sequence_number, event.event_type, event.event_version, exactly(event.event_data),
        exactly(event.metadata), event.occurred_at, event.recorded_at,
    )  # fmt: skip


def facts(count: int, kind: str = "Added") -> list[Event]:
    return [new_event(kind, n=n) for n in range(1, count + 1)]


def fill(store: EventStore, aggregate_id: str, count: int) -> None:
    """Append `count` events one by one, as a program would."""
    for version in range(store.version(aggregate_id), store.version(aggregate_id) + count):
        store.append(
            aggregate_id,
            [new_event("Added", n=version + 1)],
            expected_version=version,
            aggregate_type="TALLY",
        )


class Tally(Aggregate):
    """Counts and remembers: numbers, a nested dict and a list, so that a shared one would show."""

    aggregate_type = "TALLY"

    def __init__(self) -> None:
        self.count = 0
        self.total = 0
        self.last: dict[str, Any] = {}
        self.seen: list[Any] = []

    def apply(self, event: Event) -> None:
        match event.type:
            case "Added":
                self.count += 1
                self.total += event.data.get("n", 1)
                self.last = {"n": event.data.get("n", 1), "type": event.type}
            case "Noted":
                self.seen = [*self.seen, event.data.get("n")][-5:]
            case "Reset":
                self.total = 0
                self.last = {}

    def refuses(self, event: Event) -> str | None:
        if event.type == "Reset" and not self.count:
            return "there is nothing to reset"
        return None

    def add(self, n: int) -> None:
        self.record("Added", n=n)

    def note(self, n: int) -> None:
        self.record("Noted", n=n)


class Snapped(Tally):
    """The same, with a snapshot every 3 events."""

    snapshot_every = 3


def expected_tally(events: Iterable[Event]) -> dict[str, Any]:
    """The state of a Tally, folded by hand: the oracle, which shares no code with the package."""
    count = total = 0
    last: dict[str, Any] = {}
    noted: list[Any] = []
    for event in events:
        n = event.event_data.get("n", 1)
        if event.event_type == "Added":
            count, total, last = count + 1, total + n, {"n": n, "type": "Added"}
        elif event.event_type == "Noted":
            noted = [*noted, event.event_data.get("n")][-5:]
        elif event.event_type == "Reset":
            total, last = 0, {}
    return {"count": count, "total": total, "last": last, "seen": noted}


def public(state: Tally) -> dict[str, Any]:
    return {"count": state.count, "total": state.total, "last": state.last, "seen": state.seen}


def run_threads(count: int, work: Callable[[int], None]) -> None:
    """Run `work(0)` to `work(count - 1)` at the same time; the first failure is raised here."""
    import threading

    failures: list[BaseException] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            start.wait()
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class CrashError(BaseException):
    """As a signal would: no except clause of the package may swallow it."""


@contextmanager
def dying(cursor: Any) -> Iterator[None]:
    """A transaction that does all its work, and dies before the commit."""
    cursor.execute("begin")
    try:
        yield
        raise CrashError
    finally:
        cursor.execute("rollback")
