"""Where times and event ids come from: the real world, or a lesson that must repeat."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from esnb.errors import InvalidEventError, NaiveTimeError


class Clock(Protocol):
    """What a store needs: the time (aware, UTC) and fresh event ids."""

    def now(self) -> datetime:
        """The time, in UTC."""
        ...

    def new_id(self) -> UUID:
        """An event id that nobody has used."""
        ...


#: The first and the last time that a log holds: those of Python's datetime, in UTC. The engine and
#: Parquet hold later ones, which no reader of events could be given.
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


def utc(value: datetime | str) -> datetime:
    """Turn an aware datetime or ISO 8601 text into an aware datetime in UTC.

    What is not a time, has no zone, or is before `EARLIEST` or after `LATEST` in UTC raises
    `NaiveTimeError`.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise NaiveTimeError(
                f"{value!r:.60} is not a time. Write it as ISO 8601 text with a zone, "
                f"such as '2026-03-02T15:00:00Z'."
            ) from None
    if hasattr(value, "to_pydatetime") and value == value:
        # A time of pandas counts nanoseconds, the log microseconds.
        try:
            value = value.floor("us").to_pydatetime()  # type: ignore[attr-defined]
        except (ValueError, OverflowError, NotImplementedError):
            raise NaiveTimeError(out_of_range(value)) from None
    if not isinstance(value, datetime) or value != value:
        raise NaiveTimeError(
            f"{value!r:.60} is a {type(value).__name__}, not a time. Give a datetime or ISO 8601 "
            f"text."
        )
    if value.utcoffset() is None:
        raise NaiveTimeError(
            f"{value.isoformat()} has no zone, and a guessed zone would falsify the log. "
            f"Write '{value.isoformat()}Z' for UTC, or give the datetime a tzinfo."
        )
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise NaiveTimeError(out_of_range(value)) from None


def out_of_range(value: object) -> str:
    """What to tell whoever brings a time that no log can hold."""
    try:
        text = value.isoformat() if isinstance(value, datetime) else str(value)
    except (ValueError, NotImplementedError):  # a time of pandas in a year of five digits
        text = repr(value)
    return (
        f"{text} is outside the years 1 to 9999 in UTC, which are all that a datetime holds. Were "
        f"milliseconds read as seconds?"
    )


def check_zone(zone: object) -> None:
    """Refuse what is neither None nor the name of a time zone, with `InvalidEventError`."""
    if zone is None:
        return
    try:
        ZoneInfo(zone if isinstance(zone, str) else "")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidEventError(
            f"timezone={zone!r:.60} is not an IANA zone name such as 'Europe/Berlin' or 'UTC'."
        ) from None


class SystemClock:
    """The real time and random ids (UUID version 4)."""

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.now(UTC)

    def new_id(self) -> UUID:
        """A random UUID."""
        return uuid4()


def _duration(**parts: float) -> timedelta:
    try:
        return timedelta(**parts)
    except (TypeError, ValueError, OverflowError) as error:
        given = ", ".join(f"{name}={value!r:.40}" for name, value in parts.items())
        raise InvalidEventError(
            f"{given} is not a duration ({error}). Write seconds=, minutes=, hours= or days= with "
            f"a number."
        ) from None


class LessonClock:
    """A clock that repeats: it starts at `start`, ticks `step` seconds a reading; ids are seeded.

    A chapter that uses it prints the same times and ids in every run.
    """

    def __init__(
        self, start: datetime | str = "2026-03-02T09:00:00Z", step: float = 1.0, seed: int = 0
    ) -> None:
        self._next = utc(start)
        self._step = _duration(seconds=step)
        self._seed = seed
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The next time: the first call gives `start`, each further one is `step` later."""
        with self._lock:
            current = self._next
            self._move(self._step)
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
            self._move(_duration(**duration))

    def _move(self, duration: timedelta) -> None:
        try:
            self._next += duration
        except OverflowError:
            raise NaiveTimeError(
                f"The lesson's clock is at {self._next.isoformat()} and cannot move by "
                f"{duration}: a time is in the years 1 to 9999 in UTC. Set it to another time."
            ) from None

    def set(self, time: datetime | str) -> None:
        """Put the clock at a time, also an earlier one: clocks of machines jump back as well."""
        with self._lock:
            self._next = utc(time)
