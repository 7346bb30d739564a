"""An event: one immutable fact, with its data as JSON; and the gate that all data passes.

A store gives an event its place (`aggregate_id`, `sequence_number`, `position`) when it is
appended; until then those fields are None.

Whatever brings events (`new_event`, `append`, a table, a file, a topic) checks them here:
`check_event` the fields, `check_name` what names a type or an aggregate, `dump_json` data as Python
holds it, `read_json` and `check_object_text` data as JSON text, `clock.utc` times. So each way in
takes what the others take, and what is stored can leave in every format and come back.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from numbers import Integral
from typing import Any, TypeAlias
from uuid import UUID

import orjson

from esnb.clock import utc
from esnb.errors import InvalidEventError, NaiveTimeError

Json: TypeAlias = dict[str, Any]

#: How deep lists and mappings may be nested in the data of an event.
MAX_DEPTH = 250
#: How many bytes the JSON of an event's data or metadata may have.
MAX_JSON = 100_000_000
#: How many lists and objects a JSON text from outside may hold: many millions fill a memory.
MAX_PARTS = 5_000_000
#: How many bytes the name of a type or an aggregate may have.
MAX_NAME = 10_000

_INT32 = 2**31
_INT64 = 2**63

# Numbers that JSON text may hold and 64 bits may not.
LONG_NUMBER = re.compile(r"\d{19}|\d[eE]\+?\d{3}")


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


def dump_json(value: Any, where: str) -> str:
    """A mapping as JSON text; `InvalidEventError` names the path of what JSON cannot hold."""
    if not isinstance(value, Mapping):
        raise InvalidEventError(
            f"{where} must be a mapping of names to values, found {type(value).__name__}."
        )
    try:
        if not _is_json(value):
            _check(value, where)
        text = orjson.dumps(value)
    except (RecursionError, orjson.JSONEncodeError):
        raise InvalidEventError(_TOO_DEEP.format(where)) from None
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise InvalidEventError(_TOO_DEEP.format(where))
    if len(text) > MAX_JSON:
        raise InvalidEventError(_TOO_LONG.format(where, len(text)))
    return text.decode()


_TOO_DEEP = (
    f"{{}} is nested more than {MAX_DEPTH} deep, or contains itself, which not every reader of "
    f"JSON can hold. Split it into several events, or store the deep part as text."
)
_TOO_LONG = (
    f"{{}} has {{:,}} bytes of JSON, and {MAX_JSON:,} are allowed. Keep it in a file, and store "
    f"its name and its hash."
)


def _depth(value: Any) -> int:
    """How deep a value is nested, level by level."""
    level, depth = [value], 0
    while level := [item for item in level if isinstance(item, dict | list | tuple)]:
        depth += 1
        level = [x for item in level for x in (item.values() if isinstance(item, dict) else item)]
    return depth


def load_json(text: str) -> Any:
    """Read JSON text that passed the gate: fast, and without a check."""
    return orjson.loads(text)


def read_json(text: str | bytes, where: str) -> Any:
    """Read JSON text from outside, strictly: no key twice in one object, no NaN, no Infinity.

    Whole numbers of up to 400 digits stay whole; `dump_json` says which of them are too long. What
    is not JSON raises `InvalidEventError`.
    """
    if len(text) > MAX_PARTS:
        raw = text.encode(errors="replace") if isinstance(text, str) else text
        parts = raw.count(b"[") + raw.count(b"{")
        if parts > MAX_PARTS:
            raise InvalidEventError(
                f"{where} holds more than {MAX_PARTS:,} lists and objects. Split it."
            )
    try:
        return json.loads(
            text, object_pairs_hook=as_object, parse_constant=_no_constant, parse_int=_whole
        )
    except InvalidEventError as error:
        raise InvalidEventError(f"{where}: {error}.") from None
    except RecursionError:
        raise InvalidEventError(_TOO_DEEP.format(where)) from None
    except ValueError as error:
        raise InvalidEventError(f"{where} is not JSON: {error}.") from None


def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Pairs as a dict; `InvalidEventError` for a key that comes twice: one would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise InvalidEventError(
                    f"the key {name!r:.60} comes twice, and only one of the two would be kept; "
                    f"rename or remove one"
                )
            seen.add(name)
    return found


def _no_constant(text: str) -> Any:
    raise InvalidEventError(f"{text} is not JSON; write null, or leave it out")


def _whole(text: str) -> int:
    if len(text) > 400:
        raise InvalidEventError(
            f"a whole number of {len(text)} digits is beyond 64 bits; store it as text"
        )
    return int(text)


def read_object(text: str, where: str) -> Any:
    """What `read_json` gives, sooner for most objects: those without escapes and long numbers."""
    if LONG_NUMBER.search(text) is None and _is_plain_object(text):
        return orjson.loads(text)
    return read_json(text, where)


def check_object_text(text: str, where: str, long_numbers: bool | None = None) -> None:
    """Check JSON text as `dump_json` checks a mapping, and that no key comes twice in it.

    `long_numbers`: whether it matches `LONG_NUMBER`, for a caller that knows. Raises
    `InvalidEventError`.
    """
    if long_numbers is None:
        long_numbers = LONG_NUMBER.search(text) is not None
    if not long_numbers and _is_plain_object(text):
        return
    value = read_json(text, where)
    if type(value) is not dict:
        raise InvalidEventError(f"{where} is not a JSON object, found {text!r:.60}.")
    dump_json(value, where)
    if len(text.encode()) > MAX_JSON:
        raise InvalidEventError(_TOO_LONG.format(where, len(text)))


def _is_plain_object(text: str) -> bool:
    """Whether a text without long numbers is surely a JSON object that passes: the quick way.

    Without escapes, a text has two quotes for each key and each text in it. If as many are left
    when it is read and written again, no key came twice.
    """
    if "\\" in text or text.count("{") + text.count("[") > MAX_DEPTH or len(text) > MAX_JSON // 4:
        return False
    try:
        value = orjson.loads(text)
    except ValueError:
        return False
    return type(value) is dict and orjson.dumps(value).count(b'"') == text.count('"')


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
    """Find what is not JSON and raise the error that names its path."""
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
    if isinstance(value, date | time):
        return "Store value.isoformat()."
    if isinstance(value, UUID):
        return "Store str(value)."
    if isinstance(value, set | frozenset):
        return "Store sorted(value)."
    if hasattr(value, "item"):
        return "Store value.item(), the plain Python number."
    if type(value).__name__ == "Decimal":
        return "Store money as whole cents, or str(value)."
    return "Store numbers, text, True, False, None, and lists or dicts of those."
