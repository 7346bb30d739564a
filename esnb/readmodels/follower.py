"""What all that follow a log have in common, whatever they derive from it.

`Projector` keeps tables and `SearchProjector` keeps documents. The lag, the waiting, the background
thread, the decision to leave an event out, and which delivered events are taken are the same.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

from esnb.errors import InvalidEventError, LagTimeoutError, ProjectionError
from esnb.events import Event
from esnb.readmodels.projection import Lag
from esnb.store.reader import Reader

Self = TypeVar("Self", bound="Follower")


class Follower(ABC):
    """Derives something from a log, event by event, and knows the position it has reached."""

    store: Reader
    projection: type[Any]
    _lock: threading.RLock
    _runner: Runner | None = None

    @property
    @abstractmethod
    def position(self) -> int:
        """The position of the last event in the read model; 0 when it is empty."""

    @abstractmethod
    def catch_up(self, limit: int | None = None) -> int:
        """Process the events that came since the last call, at most `limit`; returns how many."""

    @abstractmethod
    def _leave_out(self, event: Event, reason: str) -> None:
        """Go past the next event, and write down that it was left out."""

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

    def skip(self, position: int) -> None:
        """Decide that the event at `position`, the next one, is left out, and go past it."""
        self._decide(position, "skipped")

    def park(self, position: int, reason: str = "") -> None:
        """Like `skip`, but for now: mend the projection, then `rebuild(parked_too=True)`."""
        self._decide(position, f"parked: {reason}")

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

    @abstractmethod
    def _refresh(self) -> None:
        """Take note of what another projector has done with the same read model."""

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

    def _cannot_process(
        self, event: Event, error: Exception | str, position: int
    ) -> ProjectionError:
        words = error if isinstance(error, str) else words_of(error)
        return ProjectionError(
            f"{self.projection.__name__} cannot process the event at position {event.position}: "
            f"{event.event_type} {event.event_id} of {event.aggregate_id!r}: "
            f"{words}. Everything before it is in the read model, which stands at position "
            f"{position}. Mend the projection and rebuild(), or decide to "
            f"skip({event.position}) or park({event.position}).",
            event,
        )


class Runner(threading.Thread):
    """The background thread of `Follower.running`."""

    def __init__(self, follower: Follower, interval: float) -> None:
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


def id_at(store: Reader, position: int) -> UUID | None:
    """The id of the event at a position, if it can be read there."""
    event = next(store.read_all(position - 1, 1, upcast=False), None) if position else None
    return event.event_id if event is not None and event.position == position else None


def words_of(error: Exception) -> str:
    """An error in one line: the engine's without the query below it, the projection's own."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0].rstrip('.!')}"
