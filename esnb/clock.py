"""Where times and event ids come from: the real world, or a lesson that must repeat."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

from esnb.errors import NaiveTimeError


class Clock(Protocol):
    """What a store needs: the time (aware, UTC) and fresh event ids."""

    def now(self) -> datetime:
        """The time, in UTC."""
        ...

    def new_id(self) -> UUID:
        """An event id that nobody has used."""
        ...


def utc(value: datetime | str) -> datetime:
    """Turn an aware datetime or ISO 8601 text into an aware datetime in UTC.

    A time without a zone raises `NaiveTimeError`; text that is no time raises it too.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise NaiveTimeError(
                f"{value!r} is not a time. Write it as ISO 8601 text with a zone, "
                f"such as '2026-03-02T15:00:00Z'."
            ) from None
    if hasattr(value, "to_pydatetime") and value == value:
        # A time of pandas counts nanoseconds, the log microseconds.
        value = value.floor("us").to_pydatetime()  # type: ignore[attr-defined]
    if not isinstance(value, datetime) or value != value:
        raise NaiveTimeError(
            f"{value!r} is a {type(value).__name__}, not a time. Give a datetime or ISO 8601 text."
        )
    if value.utcoffset() is None:
        raise NaiveTimeError(
            f"{value.isoformat()} has no zone, and a guessed zone would falsify the log. "
            f"Write '{value.isoformat()}Z' for UTC, or give the datetime a tzinfo."
        )
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise NaiveTimeError(
            f"{value.isoformat()} lies outside the years 1 to 9999 of UTC, which no datetime holds."
        ) from None


class SystemClock:
    """The real time and random ids (UUID version 4)."""

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.now(UTC)

    def new_id(self) -> UUID:
        """A random UUID."""
        return uuid4()


class LessonClock:
    """A clock that repeats: it starts at `start`, ticks `step` seconds a reading; ids are seeded.

    A chapter that uses it prints the same times and ids in every run.
    """

    def __init__(
        self, start: datetime | str = "2026-03-02T09:00:00Z", step: float = 1.0, seed: int = 0
    ) -> None:
        self._next = utc(start)
        self._step = timedelta(seconds=step)
        self._seed = seed
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The next time: the first call gives `start`, each further one is `step` later."""
        with self._lock:
            current = self._next
            self._next = current + self._step
            return current

    def new_id(self) -> UUID:
        """The next id of the seeded sequence."""
        with self._lock:
            return UUID(int=self._random.getrandbits(128), version=4)

    def continue_after(self, position: int) -> None:
        """Give other ids than the sessions did that wrote the log up to `position`."""
        with self._lock:
            self._random = random.Random(f"{self._seed} after {position}")

    def advance(self, **duration: float) -> None:
        """Move the clock on: `advance(hours=2)` takes the keywords of `datetime.timedelta`."""
        with self._lock:
            self._next += timedelta(**duration)

    def set(self, time: datetime | str) -> None:
        """Put the clock at a time, also an earlier one: clocks of machines jump back as well."""
        with self._lock:
            self._next = utc(time)
