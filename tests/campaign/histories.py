"""Threads that append and poll at random, and write down what they saw; `checker` judges it."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable
from pathlib import Path

from esnb import (
    ANY,
    AppendCondition,
    AppendConditionError,
    ConcurrencyError,
    Event,
    EventStore,
    new_event,
)
from tests.campaign.checker import Operation, Stored, check
from tests.campaign.verdict import Verdict

THREADS = 6
STEPS = 25
STREAMS = ["s-1", "s-2", "s-3", "s-4"]
VOUCHERS = ["SPRING", "SUMMER", "AUTUMN"]


class Player:
    """One thread: what it does is chosen by its seed, what it sees is written down."""

    def __init__(
        self, store: EventStore, seed: int, ticks: Callable[[], int], history: list[Operation]
    ) -> None:
        self.store, self.chance = store, random.Random(seed)
        self.ticks, self.history = ticks, history
        self.last: tuple[str, list[Event]] | None = None
        self.polled = 0

    def play(self) -> None:
        """Some steps."""
        for _ in range(STEPS):
            step = self.chance.choice(
                (self.append, self.append, self.append_all, self.append_once, self.poll, self.retry)
            )
            step()

    def batch(self, **data: str) -> list[Event]:
        """New events, of one or several."""
        return [new_event("Noted", data) for _ in range(self.chance.choice((1, 1, 3)))]

    def guess(self, name: str) -> int | None:
        """The version to expect: of just now, rarely another one; or any."""
        version = self.store.version(name)
        return self.chance.choice((None, version, version, version, version + 1))

    def append(self) -> None:
        """One stream."""
        name = self.chance.choice(STREAMS)
        batch, expected = self.batch(), self.guess(name)
        self.record(
            {name: (batch, expected)},
            lambda: [
                self.store.append(
                    name,
                    batch,
                    expected_version=ANY if expected is None else expected,
                    aggregate_type="T",
                )
            ],
        )
        self.last = (name, batch)

    def append_all(self) -> None:
        """Two streams."""
        names = self.chance.sample(STREAMS, 2)
        streams = {name: (self.batch(), self.guess(name)) for name in names}
        versions = {n: ANY if v is None else v for n, (_, v) in streams.items()}
        self.record(
            streams,
            lambda: list(
                self.store.append_all(
                    {name: batch for name, (batch, _) in streams.items()},
                    expected_version=versions,
                    aggregate_type="T",
                ).values()
            ),
        )

    def append_once(self) -> None:
        """A voucher that only one may use."""
        name, voucher = self.chance.choice(STREAMS), self.chance.choice(VOUCHERS)
        batch = [new_event("Used", voucher=voucher)]
        condition = AppendCondition(["Used"], where={"voucher": voucher})
        self.record(
            {name: (batch, None)},
            lambda: [
                self.store.append(
                    name, batch, expected_version=ANY, aggregate_type="T", condition=condition
                )
            ],
            voucher,
        )

    def retry(self) -> None:
        """The last append again; it may have been refused."""
        if self.last is not None:
            name, batch = self.last
            self.record(
                {name: (batch, None)},
                lambda: [self.store.append(name, batch, expected_version=ANY, aggregate_type="T")],
            )

    def poll(self) -> None:
        """Read on from where this thread was."""
        operation = Operation("poll", self.ticks(), after=self.polled)
        found = list(self.store.read_all(after=self.polled))
        operation.found = [str(event.event_id) for event in found]
        operation.returned = self.ticks()
        self.polled += len(found)
        self.history.append(operation)

    def record(
        self,
        streams: dict[str, tuple[list[Event], int | None]],
        call: Callable[[], list],
        voucher: str | None = None,
    ) -> None:
        """Call, and write down what came of it."""
        operation = Operation("append", self.ticks(), voucher=voucher)
        try:
            done = call()
            operation.outcome = "duplicate" if done[0].duplicate else "stored"
            last = {name: each.position for name, each in zip(streams, done, strict=True)}
            operation.positions = last
        except ConcurrencyError as error:
            operation.outcome, operation.actual = "conflict", error.actual
        except AppendConditionError:
            operation.outcome = "condition"
        operation.returned = self.ticks()
        operation.streams = {
            name: ([str(event.event_id) for event in batch], expected)
            for name, (batch, expected) in streams.items()
        }
        self.history.append(operation)


def play(store: EventStore, seed: int) -> Verdict:
    """Let threads play on a store, and judge what they saw."""
    history: list[Operation] = []
    failures: list[str] = []
    count = itertools.count(1)
    chance = random.Random(seed)

    def run(player: Player) -> None:
        try:
            player.play()
        except Exception as error:
            failures.append(f"{type(error).__name__}: {error}")

    players = [
        Player(store, chance.randrange(2**32), lambda: next(count), history) for _ in range(THREADS)
    ]
    threads = [threading.Thread(target=run, args=(player,)) for player in players]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = [
        Stored(e.position or 0, str(e.event_id), e.aggregate_id or "", e.sequence_number or 0,
               e.data.get("voucher"))
        for e in EventStore.read_all(store)
    ]  # fmt: skip
    # A refused append that was tried again with success is in the log, by right.
    stored = {i for op in history if op.outcome == "stored" for s in op.streams.values()
              for i in s[0]}  # fmt: skip
    judged = [
        op for op in history
        if op.kind == "poll" or op.outcome in ("stored", "duplicate")
        or not stored & {i for s in op.streams.values() for i in s[0]}
    ]  # fmt: skip
    verdict = check(log, judged)
    verdict.unclear += failures
    return verdict


def race(seed: int, folder: Path) -> Verdict:
    """One round: a store in a file, or in memory."""
    with EventStore(folder / "s.duckdb" if seed % 2 else None) as store:
        verdict = play(store, seed)
        if not store.verify(store.proof).ok:
            verdict.wrong.append("the chain does not fit")
    return verdict
