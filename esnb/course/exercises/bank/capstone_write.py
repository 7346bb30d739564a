"""The capstone of the write side: a contract that catches, and an event store of one's own."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from esnb.course.exercises.engine.contract import PROMISES, Differs, survives
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.time_limit import place_of
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.verdicts import Came, attempt
from esnb.errors import ConcurrencyError, DuplicateEventError
from esnb.events import Event, new_event

chapter = Chapter("capstone_write", chapter="02_the_event_store")


class PaperStore:
    """An event store on a sheet of paper: right, small, and gone when the kernel stops."""

    def __init__(self) -> None:
        self.log: list[Event] = []

    def events(self, aggregate_id: str) -> list[Event]:
        """The events of one stream."""
        return [deepcopy(event) for event in self.log if event.aggregate_id == aggregate_id]

    def read_all(self, after: int = 0) -> Iterator[Event]:
        """The events of all streams after a position."""
        return iter(deepcopy(self.log[after:]))

    def append(
        self,
        aggregate_id: str,
        events: Iterable[Event],
        *,
        expected_version: int,
        aggregate_type: str | None = None,
    ) -> int:
        """Add events to one stream, all or none; its new version."""
        batch, there = [*events], self.events(aggregate_id)
        known = {event.event_id: event for event in there}
        if (
            batch
            and all(event.event_id in known for event in batch if event.event_id)
            and any(event.event_id for event in batch)
        ):
            for event in batch:
                if known[event.event_id].event_data != event.event_data:
                    raise DuplicateEventError(f"{event.event_id} is another fact")
            return known[batch[-1].event_id].sequence_number or 0
        self.guard(aggregate_id, expected_version, there)
        self.add(aggregate_id, aggregate_type, batch, len(there))
        return len(there) + len(batch)

    def guard(self, aggregate_id: str, expected: int, there: list[Event]) -> None:
        """Refuse a writer who looked at another version."""
        if expected != len(there):
            raise ConcurrencyError(aggregate_id, expected, len(there), [])

    def add(self, aggregate_id: str, kind: str | None, batch: list[Event], version: int) -> None:
        """Give the events their places."""
        self.log += [
            replace(
                event,
                aggregate_id=aggregate_id,
                aggregate_type=kind,
                event_data=deepcopy(event.event_data),
                sequence_number=version + n,
                position=len(self.log) + n,
            )
            for n, event in enumerate(batch, start=1)
        ]

    def close(self) -> None:
        """Nothing to close."""


class GuardsTheEarlyOnly(PaperStore):
    """Takes an old version."""

    def guard(self, aggregate_id: str, expected: int, there: list[Event]) -> None:
        """Refuse versions that never were, and no others."""
        if expected > len(there):
            raise ConcurrencyError(aggregate_id, expected, len(there), [])


class GuardsTheLateOnly(PaperStore):
    """Takes a version that never was."""

    def guard(self, aggregate_id: str, expected: int, there: list[Event]) -> None:
        """Refuse old versions only."""
        if expected < len(there):
            raise ConcurrencyError(aggregate_id, expected, len(there), [])


class StoresThenRefuses(PaperStore):
    """Raises the right error, and has stored the events all the same."""

    def append(
        self,
        aggregate_id: str,
        events: Iterable[Event],
        *,
        expected_version: int,
        aggregate_type: str | None = None,
    ) -> int:
        """Store first, and complain then."""
        batch, there = [*events], self.events(aggregate_id)
        self.add(aggregate_id, aggregate_type, batch, len(there))
        self.guard(aggregate_id, expected_version, there)
        return len(there) + len(batch)


class OneStream(PaperStore):
    """Mixes the streams: whoever asks gets everything."""

    def events(self, aggregate_id: str) -> list[Event]:
        """All there is, with the numbers of the paper."""
        if not any(event.aggregate_id == aggregate_id for event in self.log):
            return []
        return [replace(e, sequence_number=n) for n, e in enumerate(self.log, start=1)]


class NewestFirst(PaperStore):
    """Hands the events out from the last to the first."""

    def events(self, aggregate_id: str) -> list[Event]:
        """Back to front."""
        return super().events(aggregate_id)[::-1]


class HalfAnAppend(PaperStore):
    """Stores event by event, and stops in the middle at one that it cannot store."""

    def add(self, aggregate_id: str, kind: str | None, batch: list[Event], version: int) -> None:
        """One by one."""
        for n, event in enumerate(batch):
            super().add(aggregate_id, kind, [event], version + n)

    def append(
        self,
        aggregate_id: str,
        events: Iterable[Event],
        *,
        expected_version: int,
        aggregate_type: str | None = None,
    ) -> int:
        """Look at each event only when its turn comes."""
        there = self.events(aggregate_id)
        self.guard(aggregate_id, expected_version, there)
        batch = [*events]
        self.add(aggregate_id, aggregate_type, batch, len(there))
        return len(there) + len(batch)


#: What is broken, in words; the store; and the mistake of a contract that lets it through.
MUTANTS = (
    ("newest first", NewestFirst, "misses-newest-first"),
    ("all streams are one", OneStream, "misses-one-stream"),
    ("guards against the early only", GuardsTheEarlyOnly, "misses-the-late"),
    ("guards against the late only", GuardsTheLateOnly, "misses-the-early"),
    ("stores, then refuses", StoresThenRefuses, "misses-a-late-refusal"),
    ("half an append", HalfAnAppend, "misses-half-an-append"),
)


_PLACED = new_event("OrderPlaced", event_id=UUID(int=1, version=4))
_PAID = new_event("OrderPaid", event_id=UUID(int=2, version=4))

#: What is asked of each broken store, in its order: a line of code, and the same to be run.
Asking = tuple[str, Callable[[Any], Any]]
_ONE: Asking = (
    "store.append('order-1', [placed], expected_version=0)",
    lambda store: store.append("order-1", [_PLACED], expected_version=0),
)
_TYPES: Asking = (
    "[event.type for event in store.events('order-1')]",
    lambda store: [event.type for event in store.events("order-1")],
)
ASKINGS: tuple[tuple[Asking, ...], ...] = (
    (
        (
            "store.append('order-1', [placed, paid], expected_version=0)",
            lambda store: store.append("order-1", [_PLACED, _PAID], expected_version=0),
        ),
        _TYPES,
    ),
    (
        _ONE,
        (
            "store.append('order-2', [paid], expected_version=0)",
            lambda store: store.append("order-2", [_PAID], expected_version=0),
        ),
        _TYPES,
    ),
    (
        _ONE,
        (
            "store.append('order-1', [paid], expected_version=0)",
            lambda store: store.append("order-1", [_PAID], expected_version=0),
        ),
        _TYPES,
    ),
    (
        _ONE,
        (
            "store.append('order-1', [paid], expected_version=5)",
            lambda store: store.append("order-1", [_PAID], expected_version=5),
        ),
        _TYPES,
    ),
    (
        _ONE,
        (
            "store.append('order-1', [paid], expected_version=0)",
            lambda store: store.append("order-1", [_PAID], expected_version=0),
        ),
        _TYPES,
    ),
    (
        _ONE,
        (
            "store.append('order-1', [paid, 'no event'], expected_version=1)",
            lambda store: store.append("order-1", [_PAID, "no event"], expected_version=1),
        ),
        _TYPES,
    ),
)


def transcript(make: Callable[[], Any], asking: Sequence[Asking]) -> list[str]:
    """What a store says to these lines, as in a terminal."""
    store, lines = make(), []
    for text, ask in asking:
        came = attempt(partial(ask, store))
        lines.append(f">>> {text}")
        lines.append(type(came.error).__name__ if came.error else repr(came.value))
    return lines


def stage(number: int) -> str:
    """The name of a stage: what is broken in the store that it is about."""
    return f"stage {number}: {MUTANTS[number - 1][0]}"


STAGES = tuple(stage(number) for number in range(1, len(MUTANTS) + 1))


@chapter.exercise(
    "write-1",
    form="Break it",
    title="A contract that catches",
    section="Does it keep its word?",
    stub="""
def contract(make_store):
    store = make_store()
    store.append("order-1", [new_event("OrderPlaced")], expected_version=0)
    assert [event.type for event in store.events("order-1")] == ["OrderPlaced"]
    # go on: what else must hold for every event store?
""",
    todo="The contract is still the one that you got, and it holds for all seven stores. Stage 1: "
    "a store that hands events out from the last to the first. One line more finds it.",
    hints=(
        "With one event in one stream, most mistakes are invisible. Use two events, and two "
        "streams.",
        "For a refusal, two things must hold: the error comes, and *nothing was stored*. Look at "
        "`store.events` after it. And state versions that are too low and too high.",
        "try:\n    store.append('order-1', [new_event('Late')], expected_version=0)\n"
        "    assert False, 'a late writer got in'\nexcept ConcurrencyError:\n    pass",
    ),
    right="Your contract holds for the good store and fails for all six broken ones. A test is "
    "worth what it catches.",
    mistakes={
        "misses-newest-first": "A store that hands events out from the last to the first passes "
        "your contract. How many events does a test need, to see an order?",
        "misses-one-stream": "A store that mixes all streams passes your contract. Write to a "
        "second stream, and look at the first.",
        "misses-the-late": "A store that takes an *old* version passes your contract. Come with "
        "one that is too low, and expect a `ConcurrencyError`.",
        "misses-the-early": "A store that takes a version *that never was* passes your contract. "
        "State one that is too high.",
        "misses-a-late-refusal": "A store that raises the right error, and has stored the event "
        "all the same, passes your contract. Look at the log after the error.",
        "misses-half-an-append": "A store that stores the first half of an append, and fails at "
        "the second, passes your contract. Append a good event followed by something that is not "
        "an event.",
    },
    cases=STAGES,
)
def _a_contract(answer: Any, trial: Trial) -> None:
    trial.function(answer, "contract(make_store)")
    stores = dict(zip(STAGES, (store for _, store, _ in MUTANTS), strict=True))
    trial.score_tests(
        answer,
        PaperStore,
        stores,
        dict(zip(STAGES, (key for _, _, key in MUTANTS), strict=True)),
        {
            name: transcript(stores[name], asking)
            for name, asking in zip(STAGES, ASKINGS, strict=True)
        },
    )


PROMISED = tuple(
    f"promise {number}: {(promise.__doc__ or '').splitlines()[0].split(';')[0].rstrip('.')}"
    for number, promise in enumerate([*PROMISES.values(), survives], start=1)
)


@chapter.exercise(
    "write-2",
    form="Fill in",
    title="An event store of your own",
    section="Can you build one in thirty lines?",
    stub="""
class MyStore:
    def __init__(self, path=None):
        ...  # path: a file to keep the log in; None: only in memory

    def append(self, aggregate_id, events, *, expected_version, aggregate_type=None):
        ...  # returns the new version of the stream

    def events(self, aggregate_id):
        ...  # a list of events, each with its sequence_number and position

    def read_all(self, after=0):
        ...  # the events of all streams, those after this position

    def close(self):
        ...
""",
    hints=(
        "Begin with a list in memory, and make the first promise hold. Check after each step: the "
        "check names the next promise.",
        "`dataclasses.replace(event, sequence_number=..., position=...)` gives an event its place. "
        "Do all checks first, then add everything in one go. JSON text keeps what nobody can "
        "change afterwards.",
        "def __init__(self, path=None):\n    self.db = duckdb.connect(str(path or ':memory:'))",
    ),
    right="Your store keeps all eleven promises, the same ones that `EventStore` keeps. Whatever "
    "else a store has is comfort, speed and better errors.",
    mistakes={
        "keeps-order": "Promise 1: events come back as they were stored, in their order, and an "
        "unknown stream is an empty list.",
        "numbers-events": "Promise 2: each stream counts 1, 2, 3, also over several appends, and "
        "`append` returns the new version.",
        "keeps-streams-apart": "Promise 3: what is written to one stream is in no other one. "
        "Each of them has numbers of its own.",
        "has-bookmarks": "Promise 4: positions count through the whole log from 1, and "
        "`read_all(after=n)` goes on behind n.",
        "refuses-the-late": "Promise 5: who states an old version gets a `ConcurrencyError`, and "
        "nothing is stored.",
        "refuses-the-early": "Promise 6: who states a version that never was is refused as well. "
        "Is your comparison `<` or `!=`?",
        "all-or-nothing": "Promise 7: when one event of an append cannot be stored, none is. "
        "Prepare the whole batch before you add the first.",
        "knows-a-repeat": "Promise 8: the same events once more, with the same ids: nothing is "
        "stored, and the answer is the first one. Look at the ids before the version.",
        "refuses-a-stolen-id": "Promise 9: an id that is stored with *other* content is a "
        "`DuplicateEventError`, and nothing is stored.",
        "keeps-what-was-said": "Promise 10: changing an event object afterwards, one that was "
        "stored or one that was read, does not change the log. Keep copies, or text.",
        "survives": "Promise 11: with a path, everything is there after `close()` and a new "
        "`MyStore(path)`, and the numbers go on.",
    },
    cases=PROMISED,
)
def _my_store(answer: Any, trial: Trial) -> None:
    if not isinstance(answer, type):
        trial.fail("wrong-kind", got=f"{answer!r:.100}", wanted="a class, made with MyStore()")
    store = trial.call(answer)
    came: dict[str, Came] = {}
    for name, (key, promise) in zip(PROMISED, PROMISES.items(), strict=False):
        if trial.case(name):
            came[key] = attempt(partial(promise, store))
    if trial.case(PROMISED[-1]):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            came["survives"] = attempt(partial(survives, answer, Path(folder, "log.db")))
    broken = [name for name, done in came.items() if done.error is not None]
    if not broken:
        return
    kept = len(came) - len(broken)
    error = came[broken[0]].error
    rows: dict[str, Any] = {"kept": f"{kept} of {len(came)} promises"}
    place = place_of(error) if error is not None else None
    if place and not isinstance(error, AssertionError):
        rows["your_line"] = f"line {place[0]} of your cell: {place[1]}"
        rows["error"] = f"{type(error).__name__}: {error}"
    elif isinstance(error, Differs):
        rows |= {"got": error.got, "wanted": error.wanted}
    else:
        rows["got"] = str(error).splitlines() or type(error).__name__
    rows["the_test"] = _as_code(PROMISES.get(broken[0], survives))
    trial.fail(broken[0], points=kept / len(came), **rows)


def _as_code(promise: Any) -> list[str]:
    """The lines of a promise, without its first line and its docstring."""
    return [line.removeprefix("    ") for line in inspect.getsource(promise).splitlines()[2:]]
