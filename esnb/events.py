"""An event: one immutable fact, with its data as JSON. Nothing else lives here.

A store gives an event its place (`aggregate_id`, `sequence_number`, `position`) when it is
appended; until then those fields are None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

import orjson

from esnb.clock import utc
from esnb.errors import InvalidEventError, NaiveTimeError

Json: TypeAlias = dict[str, Any]

_INT32 = 2**31
_INT64 = 2**63


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
        event_version=event_version,
        metadata=copy_json(metadata or {}, f"{where}: metadata"),
        occurred_at=None if occurred_at is None else utc(occurred_at),
        event_id=event_id,
    )
    check_event(event)
    return event


def check_event(event: Event) -> None:
    """Check the fields of a new event, however it was made; its data is checked by `dump_json`.

    Raises `InvalidEventError`; `NaiveTimeError` for a time without a zone.
    """
    name, version, time = event.event_type, event.event_version, event.occurred_at
    where = f"event {name!r}"
    if not isinstance(name, str) or not name.strip() or "\x00" in name or not is_storable(name):
        raise InvalidEventError(
            f"An event type is a non-empty text such as 'OrderPlaced', found {name!r}."
        )
    if not isinstance(version, int) or isinstance(version, bool) or not 0 < version < _INT32:
        raise InvalidEventError(f"{where}: event_version counts from 1, found {version!r}.")
    if event.event_id is not None and not isinstance(event.event_id, UUID):
        raise InvalidEventError(f"{where}: event_id is a UUID, found {event.event_id!r}.")
    if time is not None and not (isinstance(time, datetime) and time.tzinfo is UTC):
        if not isinstance(time, datetime):
            raise NaiveTimeError(f"{where}: occurred_at is an aware datetime, found {time!r}.")
        utc(time)


def dump_json(value: Any, where: str) -> str:
    """A mapping as JSON text; `InvalidEventError` names the path of what JSON cannot hold."""
    if not isinstance(value, Mapping):
        raise InvalidEventError(
            f"{where} must be a mapping of names to values, found {type(value).__name__}."
        )
    try:
        if not _is_json(value):
            _check(value, where)
        return orjson.dumps(value).decode()
    except (RecursionError, orjson.JSONEncodeError):
        raise InvalidEventError(
            f"{where} is nested more than 250 deep, or contains itself, which JSON cannot hold."
        ) from None


def load_json(text: str) -> Any:
    """Read JSON text."""
    return orjson.loads(text)


def copy_json(value: Any, where: str) -> Json:
    """A deep copy as JSON sees it (a tuple becomes a list), after the same check as `dump_json`."""
    copied: Json = orjson.loads(dump_json(value, where))
    return copied


def _is_json(value: Any) -> bool:
    # orjson alone would not do: it writes NaN as null and a UUID or an enum as text, silently.
    # The verdict alone is much cheaper than `_check`, which also writes down the path.
    kind = type(value)
    if kind is str:
        return value.isascii() or is_storable(value)
    if kind is int:
        return -_INT64 <= value < _INT64
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not _is_json(key) or not _is_json(item):
                return False
        return True
    if kind is list or kind is tuple:
        return all(map(_is_json, value))
    return value is None or kind is bool or (kind is float and math.isfinite(value))


def _check(value: Any, path: str) -> None:
    """Find what is no JSON and raise the error that names its path."""
    kind = type(value)
    if value is None or kind is bool:
        return
    if kind is str:
        if not is_storable(value):
            raise InvalidEventError(
                f"{path} holds half a character (a lone surrogate), which no file can store."
            )
    elif kind is int:
        if not -_INT64 <= value < _INT64:
            raise InvalidEventError(
                f"{path} is {value}, beyond 64 bits: other readers of JSON would round it. "
                f"Store it as text."
            )
    elif kind is float:
        if not math.isfinite(value):
            raise InvalidEventError(
                f"{path} is {value}, and JSON has no such number. Store None, or leave it out."
            )
    elif isinstance(value, Mapping) and kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise InvalidEventError(
                    f"{path} has the key {key!r} ({type(key).__name__}); JSON keys are text. "
                    f"Write {str(key)!r}."
                )
            _check(key, f"{path}: key {key!r}")
            _check(item, f"{path}.{key}")
    elif kind is list or kind is tuple:
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]")
    else:
        raise InvalidEventError(
            f"{path} is a {kind.__name__} ({value!r:.80}), which JSON cannot hold. {_hint(value)}"
        )


def is_storable(value: str) -> bool:
    """Whether a text can be written to a file: half a character (a lone surrogate) cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _hint(value: Any) -> str:
    if isinstance(value, datetime):
        return "Store value.isoformat(), with a zone; the event's own time goes to occurred_at."
    if isinstance(value, set | frozenset):
        return "Store sorted(value)."
    if hasattr(value, "item"):
        return "Store value.item(), the plain Python number."
    if type(value).__name__ == "Decimal":
        return "Store money as whole cents, or str(value)."
    return "Store numbers, text, True, False, None, and lists or dicts of those."
