"""What all that follow a log have in common, whatever they derive from it.

`Projector` keeps tables and `SearchProjector` keeps documents. How they catch up, take deliveries,
rebuild, leave events out, wait and run in the background is written here, once. What differs is
where read model, position, inbox and decisions are kept: the methods below "what a follower adds".
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import pandas as pd

from esnb.errors import InvalidEventError, LagTimeoutError, ProjectionError, StaleProjectionError
from esnb.events import Event
from esnb.readmodels.delivery import OvertakenError
from esnb.readmodels.projection import Lag
from esnb.readmodels.source import EventSource, id_at

Self = TypeVar("Self", bound="Follower[Any]")
Build = TypeVar("Build")


class Follower(ABC, Generic[Build]):
    """Derives something from a log, event by event, and knows the position it has reached."""

    store: EventSource
    projection: type[Any]
    _runner: Runner | None = None

    def __init__(self, store: EventSource, projection: type[Any]) -> None:
        self.store = store
        self.projection = projection
        self._lock = threading.RLock()
        self._rebuilding = threading.Lock()

    @property
    @abstractmethod
    def position(self) -> int:
        """The position of the last event in the read model; 0 when it is empty."""

    @property
    @abstractmethod
    def notice(self) -> str:
        """What happened to the read model that its owner should know; mostly nothing."""

    # -- work ------------------------------------------------------------------------------

    def catch_up(self, limit: int | None = None) -> int:
        """Process the events that came since the last call, at most `limit`; returns how many.

        An event that cannot be processed raises `ProjectionError` with its position, type and id;
        everything before it is processed, nothing after it. Correct the projection and rebuild, or
        decide to `skip` or `park` the event. A read model that was built by another declaration
        raises `StaleProjectionError`, a damaged one `StoreCorruptError`.
        """
        with self._lock:
            done = 0
            while limit is None or done < limit:
                # 1. Only the declaration that built the read model may move it.
                self._check_declaration()
                # 2. The next events, and the position after them, in one transaction.
                try:
                    count = self._advance(None if limit is None else limit - done)
                except OvertakenError:
                    # Another projector has processed them: go on from where it stands now.
                    self._refresh()
                    continue
                if count == 0:
                    break
                done += count
            # 3. Side effects, of what is in the read model for good.
            self._react()
            return done

    def deliver(self, events: Iterable[Event], bookmarks: Mapping[str, int] | None = None) -> int:
        """Process events that a transport brought: late, twice, or in another order.

        An event at or before the position, or one that waits already, is dropped; one that comes
        too early waits in an inbox, beside the read model, for those before it. Returns how many
        events were processed now. `bookmarks` say how far the transport has been read (offsets by
        partition, for example); they are stored in the transaction that stores the events.
        """
        with self._lock:
            # 1. Nothing from another log.
            brought = [self._of_this_log(event) for event in events]
            while True:
                # 2. Where does the read model stand, and may this declaration move it?
                self._refresh()
                self._check_declaration()
                before = self.position
                # 3. Events in the form in which they are counted.
                stored = self.store.as_stored(brought, before)
                # 4. What is new goes into the inbox; what has no gap before it, into the model.
                try:
                    self._take(stored, bookmarks or {})
                except OvertakenError:
                    continue
                # 5. Side effects, of what is in the read model for good.
                self._react()
                return self.position - before

    def _rebuild(self, parked_too: bool, head_start: Callable[[Build], int] | None = None) -> int:
        """Build the read model again beside the old one, then swap; returns the events processed.

        `head_start` may fill part of the new build in its own way.
        """
        with self._rebuilding:
            # 1. An empty build. The old one goes on serving, and goes on following the log.
            build = self._begin_build(parked_too)
            try:
                done = head_start(build) if head_start else 0
                # 2. Events in batches, until one is not full: what comes meanwhile is little.
                done += self._fill(build, None)
                # 3. The rest, up to the head as it is now, while nobody moves the old build.
                with self._lock:
                    done += self._fill(build, max(self.store.position, self.position))
                    # 4. The new build serves.
                    self._swap(build)
            except BaseException:
                self._drop_build(build)
                raise
            return done

    # -- lag and waiting -------------------------------------------------------------------

    def lag(self) -> Lag:
        """How far the read model is behind the log, in events and in seconds."""
        position = self.position
        waiting, _ = self.store.next_batch(position, 2**62)
        oldest = next(self.store.read_all(position, upcast=False), None) if waiting else None
        if oldest is None or oldest.recorded_at is None:
            return Lag(waiting, 0.0)
        seconds = (self.store.clock.now() - oldest.recorded_at).total_seconds()
        return Lag(waiting, max(0.0, seconds))

    def wait_for(self, position: int, timeout: float = 5.0) -> None:
        """Return once the read model contains this position: the token that `append` returned.

        Without a running background thread this call catches up itself. Raises `LagTimeoutError`
        after `timeout` seconds, and at once for a position that the log does not have.
        """
        if position > self.store.position:
            raise LagTimeoutError(
                f"Position {position} is not in the log, which ends at {self.store.position}. "
                f"Is the token from another store?"
            )
        deadline = time.monotonic() + timeout
        while self.position < position:
            runner = self._runner
            if runner is not None:
                runner.check()
            elif self.catch_up():
                continue
            if time.monotonic() > deadline:
                raise LagTimeoutError(
                    f"{self.projection.__name__} is at position {self.position}, you wait for "
                    f"{position}, and {timeout:g} s are over. Read the write model instead "
                    f"(store.load), wait longer, or find out why it is slow: {self.lag()}."
                )
            time.sleep(0.002)

    @contextmanager
    def running(self: Self, interval: float = 0.02) -> Iterator[Self]:
        """Catch up in a background thread, every `interval` seconds, while the block runs."""
        runner = Runner(self, interval)
        self._runner = runner
        runner.start()
        try:
            yield self
        finally:
            self._runner = None
            runner.stop()
        runner.check()

    # -- events left out -------------------------------------------------------------------

    def skip(self, position: int) -> None:
        """Decide that the event at `position`, the next one, is left out, and go past it."""
        self._decide(position, "skipped")

    def park(self, position: int, reason: str = "") -> None:
        """Like `skip`, but for now: correct the projection, then `rebuild(parked_too=True)`."""
        self._decide(position, f"parked: {reason}")

    def parked(self) -> pd.DataFrame:
        """The events left out: position, event_id, event_type, reason."""
        rows = [(row[0], str(row[1]), *row[2:]) for row in self._decisions()]
        return pd.DataFrame(rows, columns=["position", "event_id", "event_type", "reason"])

    def _decide(self, position: int, reason: str) -> None:
        with self._lock:
            self._refresh()
            count, last = self.store.next_batch(self.position, 1)
            event = (
                next(self.store.read_all(self.position, 1, upcast=False), None) if count else None
            )
            if event is None or last != position:
                next_one = f"position {last}" if count else f"none is there after {self.position}"
                raise InvalidEventError(
                    f"Only the next event can be left out ({next_one}), not position {position}, "
                    f"which {'was passed before' if position <= self.position else 'comes later'}."
                )
            self._leave_out(event, reason)

    # -- what a follower adds --------------------------------------------------------------

    @abstractmethod
    def bookmarks(self) -> dict[str, int]:
        """How far each source of a transport has been read, as `deliver` was told."""

    @abstractmethod
    def inbox(self) -> list[Event]:
        """The delivered events that wait for those before them, by position."""

    @abstractmethod
    def _decisions(self) -> Iterable[tuple[Any, ...]]:
        """The events left out: position, event_id, event_type, reason."""

    @abstractmethod
    def _refresh(self) -> None:
        """Take note of what another projector has done with the same read model."""

    @abstractmethod
    def _check_declaration(self) -> None:
        """Raise `StaleProjectionError` if another declaration built the read model."""

    @abstractmethod
    def _advance(self, limit: int | None) -> int:
        """Process the next events of the log, some at a time; returns how many, 0 at the end.

        Raises `OvertakenError` when another projector has moved the position.
        """

    @abstractmethod
    def _take(self, events: list[Event], bookmarks: Mapping[str, int]) -> None:
        """Put events into the inbox, store bookmarks, and process those that have no gap."""

    @abstractmethod
    def _leave_out(self, event: Event, reason: str) -> None:
        """Go past the next event, and write down that it was left out."""

    @abstractmethod
    def _begin_build(self, parked_too: bool) -> Build:
        """An empty build beside the one that serves."""

    @abstractmethod
    def _fill(self, build: Build, upto: int | None) -> int:
        """Process events into a build up to a position, or None: until a batch is not full."""

    @abstractmethod
    def _swap(self, build: Build) -> None:
        """Let a build serve from now on, and drop the one that did."""

    @abstractmethod
    def _drop_build(self, build: Build) -> None:
        """Drop a build that was not finished."""

    def _react(self) -> None:
        """Call the side effects that are due; most followers have none."""

    # -- what they share -------------------------------------------------------------------

    def _same_log(self, last_id: Any) -> bool:
        """Is the event at the position the one that was processed there?"""
        known = id_at(self.store, self.position)
        return known is None or last_id is None or str(known) == str(last_id)

    def _of_this_log(self, event: object) -> Event:
        """Refuse what cannot have been delivered from this log."""
        if not isinstance(event, Event) or event.position is None:
            raise InvalidEventError(
                f"deliver() takes events with a position, from a store: {event!r:.80}"
            )
        if event.position > self.store.position:
            raise InvalidEventError(
                f"deliver() got position {event.position}, and the log ends at "
                f"{self.store.position}: this event is from another store."
            )
        return event

    def _refuse_changed(
        self, built: Mapping[str, Any], version: int, declared: Mapping[str, Any]
    ) -> None:
        """Compare the declaration of the code with the one that built the read model."""
        name, now = self.projection.__name__, self.projection.version
        ending = "It still answers queries; rebuild() derives the new one from the log."
        if version != now:
            raise StaleProjectionError(
                f"The read model was built by version {version} of {name}, the code has version "
                f"{now}. {ending}"
            )
        if built != declared:
            raise StaleProjectionError(
                f"The declaration of {name} has changed since its read model was built, and its "
                f"version is still {now}: {differences(built, declared)}. {ending} Raise "
                f"`version` with each change: then everyone who has the old read model is told."
            )

    def _cannot_process(
        self, event: Event, error: Exception | str, position: int
    ) -> ProjectionError:
        words = error if isinstance(error, str) else words_of(error)
        return ProjectionError(
            f"{self.projection.__name__} cannot process the event at position {event.position}: "
            f"{event.event_type} {event.event_id} of {event.aggregate_id!r}: "
            f"{words}. Everything before it is in the read model, which stands at position "
            f"{position}. Correct the projection and rebuild(), or decide to "
            f"skip({event.position}) or park({event.position}).",
            event,
        )


class Runner(threading.Thread):
    """The background thread of `Follower.running`."""

    def __init__(self, follower: Follower[Any], interval: float) -> None:
        super().__init__(name=f"projector {follower.projection.__name__}", daemon=True)
        self._follower = follower
        self._interval = interval
        self._wanted = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        """Catch up until `stop`, or until an error."""
        while not self._wanted.wait(self._interval):
            try:
                self._follower.catch_up()
            except Exception as error:
                self.error = error
                return

    def stop(self) -> None:
        """Ask the thread to end, and wait for it."""
        self._wanted.set()
        self.join()

    def check(self) -> None:
        """Raise the error that ended the thread, if one did."""
        if self.error is not None:
            raise self.error


def words_of(error: Exception) -> str:
    """An error in one line: the engine's without the query below it, the projection's own."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0].rstrip('.!')}"


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between two declarations, in words."""
    found = []
    for part in sorted(before.keys() | now.keys()):
        old, new = before.get(part), now.get(part)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += [
                f"{part}[{key!r}] was {old.get(key)!r:.80}, is {new.get(key)!r:.80}"
                for key in sorted(old.keys() | new.keys())
                if old.get(key) != new.get(key)
            ]
        elif old != new:
            found.append(f"{part} was {old!r:.80}, is {new!r:.80}")
    return "; ".join(found)
