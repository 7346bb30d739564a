"""The data of an event as JSON: the gate that all of it passes, and how it is read and written.

Python values pass through `dump_json` or `copy_json`; JSON text from outside passes through
`read_json`, `read_object` or `check_object_text`. What is refused raises `InvalidEventError`, with
the path of the value. `load_json` reads what has passed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, TypeAlias
from uuid import UUID

import orjson

from esnb.errors import InvalidEventError

Json: TypeAlias = dict[str, Any]

#: How deep lists and mappings may be nested in the data of an event.
MAX_DEPTH = 250
#: How many bytes the JSON of an event's data or metadata may have.
MAX_JSON = 100_000_000
#: How many lists and objects a JSON text from outside may hold: many millions fill a memory.
MAX_PARTS = 5_000_000

# Numbers that JSON text may hold and 64 bits may not.
LONG_NUMBER = re.compile(r"\d{19}|\d[eE]\+?\d{3}")

_INT64 = 2**63
_TOO_DEEP = (
    f"{{}} is nested more than {MAX_DEPTH} deep, or contains itself, which not every reader of "
    f"JSON can hold. Split it into several events, or store the deep part as text."
)
_TOO_LONG = (
    f"{{}} has {{:,}} bytes of JSON, and {MAX_JSON:,} are allowed. Keep it in a file, and store "
    f"its name and its hash."
)


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
