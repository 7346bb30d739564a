"""Delivery as it really is: late, twice, in another order, and with crashes; and what survives it.

A network or a broker promises *at least once*. `Transport` keeps that promise and no other: which
event comes when is decided by a seed, so that a failure repeats. `scorecard` shows which ways to
keep a read model survive which fault. The shortening of a failing delivery is delta debugging
(Zeller and Hildebrandt, 2002), one step at a time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from esnb.errors import InvalidEventError
from esnb.events import Event
from esnb.store.reader import Reader

Crash = Literal["", "before position", "before acknowledgement"]
Table = dict[str, Any]
Apply = Callable[[Table, Event], None]


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that arrive together, and where the consumer crashes while it works on them.

    "before position": its read model is written, its position is not. "before acknowledgement":
    both are written, and the sender does not know. In both cases the batch is sent again.
    """

    events: tuple[Event, ...]
    crash: Crash = ""

    def __str__(self) -> str:
        shown = " ".join(f"{event.event_type}({event.position})" for event in self.events)
        return f"{shown} [crash {self.crash}]" if self.crash else shown


class Transport:
    """Brings the events of a log in batches, each at least once: `for batch in Transport(store)`.

    `duplicate`, `reorder` and `delay` are the chances (0 to below 1) that an event comes again,
    changes places with a neighbour, or is held back for some batches; `crash` is the chance that
    the consumer crashes on a batch. `size` is the number of events in a batch. The same seed gives
    the same delivery, and one chance can be turned up while the rest stays as it is.
    """

    def __init__(
        self,
        events: Reader | Iterable[Event],
        *,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        delay: float = 0.0,
        crash: float = 0.0,
        seed: int = 1,
        size: int = 3,
    ) -> None:
        chances = {"duplicate": duplicate, "reorder": reorder, "delay": delay, "crash": crash}
        for name, chance in chances.items():
            if not 0 <= chance < 1:
                raise InvalidEventError(f"{name} is a chance from 0 to below 1, found {chance!r}.")
        if size < 1:
            raise InvalidEventError(f"size is the number of events in a batch, found {size!r}.")
        self.events = _listed(events)
        self.chances = chances
        self.seed = seed
        self.size = size

    def __iter__(self) -> Iterator[Batch]:
        # A generator for each chance: turning one up does not deal the others anew.
        dice = {name: random.Random(f"{self.seed} {name}") for name in self.chances}

        def happens(name: str) -> bool:
            return dice[name].random() < self.chances[name]

        arrivals: list[tuple[float, Event]] = []
        for place, event in enumerate(self.events):
            when = place + (1.5 if happens("reorder") else 0.0)
            if happens("delay"):
                when += dice["delay"].uniform(1, 4) * self.size
            arrivals.append((when, event))
            while happens("duplicate"):
                arrivals.append((when + dice["duplicate"].uniform(0, 2) * self.size, event))
        arrivals.sort(key=lambda arrival: arrival[0])
        for first in range(0, len(arrivals), self.size):
            events = tuple(event for _, event in arrivals[first : first + self.size])
            while happens("crash"):
                early = dice["crash"].random() < 0.5
                yield Batch(events, "before position" if early else "before acknowledgement")
            yield Batch(events)

    def deliver(self, consumer: Consumer) -> Consumer:
        """Deliver everything to a consumer, crashes included, and give it back."""
        return _deliver(self, consumer)

    def df(self) -> pd.DataFrame:
        """What arrives: a row a batch, with the positions and the crash."""
        rows = [([e.position for e in batch.events], batch.crash) for batch in self]
        frame = pd.DataFrame(rows, columns=["positions", "crash"])
        return frame.rename_axis("batch")


class Consumer:
    """Keeps a table from the events that arrive; derive from it, and override what differs.

    `write` brings the read model up to date, `save` writes down how far it got. A crash between
    the two calls `restart`: what was not durable is gone. This one is naive: it applies what
    arrives, as it arrives, and what it has written stays written.
    """

    def __init__(self, apply: Apply) -> None:
        self.apply = apply
        self.table: Table = {}

    def write(self, events: Sequence[Event]) -> None:
        """Apply the events to the table."""
        for event in events:
            self.apply(self.table, event)

    def save(self) -> None:
        """Write the position down."""

    def restart(self) -> None:
        """Begin again after a crash, with what is durable."""


class KnowsIds(Consumer):
    """Skips events whose id it knows. The ids are saved after the read model: two writes."""

    def __init__(self, apply: Apply) -> None:
        super().__init__(apply)
        self.ids: set[Any] = set()
        self._saved_ids: set[Any] = set()

    def write(self, events: Sequence[Event]) -> None:
        """Apply the events that are not known yet."""
        for event in events:
            if event.event_id not in self.ids:
                self.apply(self.table, event)
                self.ids.add(event.event_id)

    def save(self) -> None:
        """Make the new ids durable."""
        self._saved_ids = set(self.ids)

    def restart(self) -> None:
        """The table is written, the ids of the last batch are not."""
        self.ids = set(self._saved_ids)


class KnowsIdsTogether(KnowsIds):
    """Skips known ids too; the ids are saved in the transaction that saves the read model."""

    def __init__(self, apply: Apply) -> None:
        super().__init__(apply)
        self._saved_table: Table = {}

    def save(self) -> None:
        """Commit: read model and ids become durable together."""
        super().save()
        self._saved_table = deepcopy(self.table)

    def restart(self) -> None:
        """Roll back: neither the read model nor the ids of the last batch are there."""
        super().restart()
        self.table = deepcopy(self._saved_table)


class OrderedInbox(Consumer):
    """Applies events in the order of their positions; one that comes too early waits in an inbox.

    Position, inbox and read model are saved in one transaction, as `Projector.deliver` does it.
    """

    def __init__(self, apply: Apply) -> None:
        super().__init__(apply)
        self.position = 0
        self.inbox: dict[int, Event] = {}
        self.save()

    def write(self, events: Sequence[Event]) -> None:
        """Put the new events into the inbox, and apply those that have no gap before them."""
        for event in events:
            if event.position is not None and event.position > self.position:
                self.inbox[event.position] = event
        while ready := self.inbox.pop(self.position + 1, None):
            self.apply(self.table, ready)
            self.position += 1

    def save(self) -> None:
        """Commit: all three become durable together."""
        self._saved = deepcopy(self.table), self.position, dict(self.inbox)

    def restart(self) -> None:
        """Roll back all three."""
        table, self.position, inbox = self._saved
        self.table, self.inbox = deepcopy(table), dict(inbox)


CONSUMERS: dict[str, type[Consumer]] = {
    "naive": Consumer,
    "ids, saved after": KnowsIds,
    "ids, one transaction": KnowsIdsTogether,
    "ordered inbox": OrderedInbox,
}
FAULTS: dict[str, dict[str, float]] = {
    "none": {},
    "duplicate": {"duplicate": 0.25},
    "reorder": {"reorder": 0.25},
    "delay": {"delay": 0.25},
    "crash": {"crash": 0.25},
    "all": {"duplicate": 0.25, "reorder": 0.25, "delay": 0.25, "crash": 0.25},
}


def scorecard(
    events: Reader | Iterable[Event],
    apply: Apply,
    consumers: Mapping[str, Callable[[Apply], Consumer]] | None = None,
    faults: Mapping[str, Mapping[str, Any]] | None = None,
    seeds: Iterable[int] = range(1, 21),
) -> pd.DataFrame:
    """Try each consumer under each fault, with some seeds; a row for each pair.

    The columns: consumer, fault, result ("survives" or "fails"), the smallest failing delivery that
    was found, and what the table then is and should be. The wanted table applies each event of
    the log once, in order: it knows nothing of what was delivered.
    """
    log, seeds, rows = _listed(events), list(seeds), []
    row: list[Any]
    for name, make in (consumers or CONSUMERS).items():
        for fault, chances in (faults or FAULTS).items():
            row = [name, fault, "survives", "", None, None]
            for seed in seeds:
                batches = list(Transport(log, **chances, seed=seed))
                got, wanted = _outcome(log, batches, make, apply)
                if got != wanted:
                    small, batches = smallest(log, batches, make, apply)
                    outcome = _outcome(small, batches, make, apply)
                    row = [name, fault, "fails", ", ".join(map(str, batches)), *outcome]
                    break
            rows.append(row)
    columns = ["consumer", "fault", "result", "smallest", "table", "wanted"]
    return pd.DataFrame(rows, columns=columns)


def smallest(
    log: Sequence[Event],
    batches: Sequence[Batch],
    make: Callable[[Apply], Consumer],
    apply: Apply,
) -> tuple[list[Event], list[Batch]]:
    """The events and batches of a failing delivery, without anything that the failure can spare.

    Each step leaves out an event of the log, a batch, a crash, or one arrival, as long as each
    event is still delivered and acknowledged, and the delivery still fails.
    """
    best = list(log), list(batches)
    while True:
        for candidate in _shorter(*best):
            got, wanted = _outcome(*candidate, make, apply)
            if got != wanted:
                best = candidate
                break
        else:
            return best


def _shorter(log: list[Event], batches: list[Batch]) -> Iterator[tuple[list[Event], list[Batch]]]:
    for gone in log:
        rest = [event for event in log if event is not gone]
        new = {e.position: replace(e, position=n) for n, e in enumerate(rest, start=1)}
        left = [tuple(new[e.position] for e in b.events if e.position in new) for b in batches]
        shorter = [replace(b, events=e) for b, e in zip(batches, left, strict=True) if e]
        yield list(new.values()), shorter
    for n, batch in enumerate(batches):
        options = [replace(batch, crash="")] if batch.crash else []
        for k in range(len(batch.events)):
            options.append(replace(batch, events=batch.events[:k] + batch.events[k + 1 :]))
        for option in options:
            changed = [b for b in [*batches[:n], option, *batches[n + 1 :]] if b.events]
            acknowledged = {e.position for b in changed if not b.crash for e in b.events}
            if acknowledged >= {e.position for e in log}:
                yield log, changed


def _deliver(batches: Iterable[Batch], consumer: Consumer) -> Consumer:
    for batch in batches:
        consumer.write(batch.events)
        if batch.crash != "before position":
            consumer.save()
        if batch.crash:
            consumer.restart()
    return consumer


def _outcome(
    log: Sequence[Event],
    batches: Iterable[Batch],
    make: Callable[[Apply], Consumer],
    apply: Apply,
) -> tuple[Table, Table]:
    wanted: Table = {}
    for event in log:
        apply(wanted, event)
    return _deliver(batches, make(apply)).table, wanted


def _listed(events: Reader | Iterable[Event]) -> list[Event]:
    return list(events.read_all() if isinstance(events, Reader) else events)
