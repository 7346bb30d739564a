"""An event: one immutable fact, with its data as JSON; and the checks that every event passes.

A store gives an event its place (`aggregate_id`, `sequence_number`, `position`) when it is
appended; until then those fields are None.

Whatever brings events (`new_event`, `append`, a table, a file, a topic) has them checked in one
place: the fields by `check_event`, names of types and aggregates by `check_name`, data by
`event_json`, times by `clock.utc`. So each way in takes what the others take, and what is stored
can leave in every format and come back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from numbers import Integral
from typing import Any
from uuid import UUID

from esnb.clock import utc
from esnb.errors import InvalidEventError, NaiveTimeError
from esnb.event_json import Json, copy_json, is_storable

#: How many bytes the name of a type or an aggregate may have.
MAX_NAME = 10_000

_INT32 = 2**31


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. The fields are the columns of the store's table `events`, under the same names.

    `type` and `data` are short forms of `event_type` and `event_data`. Times are aware, in UTC.
    """

    event_type: str
    event_data: Json
    event_version: int = 1
    metadata: Json = field(default_factory=dict)
    occurred_at: datetime | None = None
    event_id: UUID | None = None
    aggregate_type: str | None = None
    aggregate_id: str | None = None
    sequence_number: int | None = None
    position: int | None = None
    recorded_at: datetime | None = None

    @property
    def type(self) -> str:
        """Short form of `event_type`."""
        return self.event_type

    @property
    def data(self) -> Json:
        """Short form of `event_data`."""
        return self.event_data

    def __repr__(self) -> str:
        place = f"{self.aggregate_id} #{self.sequence_number} " if self.sequence_number else ""
        version = f" v{self.event_version}" if self.event_version > 1 else ""
        return f"<Event {place}{self.event_type}{version} {self.event_data}>"

    def settle(self, event_id: UUID | None, occurred_at: datetime) -> None:
        """Fill in the id (unless None) and the time that a new event left open, once and for good.

        The store does this at the first attempt to append, on the caller's own object: a retry
        with the same object then carries the same id, and is recognised.
        """
        if self.event_id is None and event_id is not None:
            object.__setattr__(self, "event_id", event_id)
        if self.occurred_at is None:
            object.__setattr__(self, "occurred_at", occurred_at)


def new_event(
    event_type: str,
    data: Mapping[str, Any] | None = None,
    /,
    *,
    event_id: UUID | str | None = None,
    event_version: int = 1,
    occurred_at: datetime | str | None = None,
    metadata: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Event:
    """Make an event that is not stored yet: `new_event("OrderPlaced", customer="ada")`.

    The keywords are the event's data. A key that is one of the four named here, or no Python
    name, goes into the mapping `data`. An id or a time left out is given by the store's clock
    when the event is appended. Data is checked and copied: JSON only, no NaN, integers within
    64 bits; anything else raises `InvalidEventError` with the path of the value.
    """
    where = f"event {event_type!r}"
    for name, value in (("data", data), ("metadata", metadata)):
        if value is not None and not isinstance(value, Mapping):
            raise InvalidEventError(
                f"{where}: {name} must be a mapping of names to values, found {value!r:.60}."
            )
    both = set(data or ()) & set(fields)
    if both:
        raise InvalidEventError(
            f"{where}: {sorted(both)} given twice, in the mapping and as keywords. Keep one."
        )
    if isinstance(event_id, str):
        try:
            event_id = UUID(event_id)
        except ValueError:
            raise InvalidEventError(
                f"{where}: event_id {event_id!r} is not a UUID. Leave it out to get a fresh one."
            ) from None
    event = Event(
        event_type=event_type,
        event_data=copy_json({**(data or {}), **fields}, f"{where}: data"),
        event_version=_plain(event_version),
        metadata=copy_json(metadata or {}, f"{where}: metadata"),
        occurred_at=None if occurred_at is None else utc(occurred_at),
        event_id=event_id,
    )
    check_event(event)
    return event


def _plain(version: Any) -> Any:
    """A whole number of any library as Python's own."""
    is_whole = isinstance(version, Integral) and not isinstance(version, bool)
    return int(version) if is_whole else version


def check_event(event: Event) -> None:
    """Check the fields of a new event, however it was made; its data is checked by `dump_json`.

    Raises `InvalidEventError`; `NaiveTimeError` for a time without a zone.
    """
    name, version, at = event.event_type, event.event_version, event.occurred_at
    where = f"event {name!r}"
    if why_not_a_name(name):
        reason = _reason(name)
        raise InvalidEventError(
            f"An event type is a non-empty text such as 'OrderPlaced', found {name!r:.80}.{reason}"
        )
    if not isinstance(version, int) or isinstance(version, bool) or not 0 < version < _INT32:
        raise InvalidEventError(f"{where}: event_version counts from 1, found {version!r}.")
    if event.event_id is not None and not isinstance(event.event_id, UUID):
        raise InvalidEventError(f"{where}: event_id is a UUID, found {event.event_id!r}.")
    if at is not None and not (isinstance(at, datetime) and at.tzinfo is UTC):
        if not isinstance(at, datetime):
            raise NaiveTimeError(f"{where}: occurred_at is an aware datetime, found {at!r:.60}.")
        utc(at)


def check_name(what: str, value: object) -> None:
    """Refuse what cannot name an aggregate or a type, with `InvalidEventError`."""
    if why_not_a_name(value):
        reason = _reason(value)
        raise InvalidEventError(
            f"{what} must be a non-empty text such as 'order-1042', found {value!r:.80}.{reason}"
        )


def why_not_a_name(value: object) -> str:
    """Why a value cannot name a type or an aggregate; empty when it can."""
    if not isinstance(value, str):
        return f"is a {type(value).__name__}"
    if len(value) < 100 and value.isascii() and "\x00" not in value and value.strip():
        return ""  # nearly all names, at a tenth of the time
    if not value.strip():
        return "is empty"
    if "\x00" in value:
        return "holds the character NUL"
    if not is_storable(value):
        return "holds half a character (a lone surrogate)"
    if len(value.encode()) > MAX_NAME:
        return f"has more than {MAX_NAME:,} bytes"
    return ""


def _reason(value: object) -> str:
    """Why a text that looks like a name is none, as a sentence of its own."""
    return f" It {why_not_a_name(value)}." if isinstance(value, str) and value.strip() else ""
