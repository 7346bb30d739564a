"""The kinds of values that go over as copies: a row for each.

None of them names a class outside the lists below, and none reads more than the text it is in.
"""

from __future__ import annotations

import base64
import importlib
import re
from collections import deque, namedtuple
from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from esnb.store.expected_version import ANY

from .codec import Codec, Kind, Malformed, of, read_items, read_keys, write_items

_DIGITS = 6_144  # of the exponent of a Decimal: one with a billion would fill the memory as an int

#: The folders of esnb whose public classes go over by name. The course is not among them: the
#: judge is in it.
ROOMS = (
    "clock", "errors", "events", "upcasters", "store", "model", "readmodels", "privacy", "shop",
)  # fmt: skip
_DTYPE = re.compile(
    r"object|bool|boolean|str|string|category|[uU]?[iI]nt(8|16|32|64)|[fF]loat(16|32|64)"
    r"|datetime64\[(s|ms|us|ns)(, [\w/+:-]{1,40})?\]|timedelta64\[(s|ms|us|ns)\]"
)
_ARRAYS = re.compile(r"[<>|=][biufcSUmMO]\d*(\[\d{0,4}(Y|M|W|D|h|m|s|ms|us|ns)\])?")


def _pairs(codec: Codec, value: Any) -> list[Any]:
    return [write_items(codec, value.keys()), write_items(codec, value.values())]


def _read_dict(codec: Codec, inner: Any) -> dict[Any, Any]:
    keys, values = inner
    return dict(zip(read_keys(codec, keys), read_items(codec, values), strict=True))


def _whole(inner: Any) -> int:
    if type(inner) is not int:
        raise Malformed(f"{inner!r:.40} is not a whole number")
    return inner


def _bytes(codec: Codec, inner: Any) -> bytes:
    return base64.b64decode(inner, validate=True)


def _decimal(codec: Codec, inner: Any) -> Decimal:
    number = Decimal(str(inner))
    if number.is_finite() and abs(number.adjusted()) > _DIGITS:
        raise Malformed("a Decimal with such an exponent is not read")
    return number


def _zone(zone: Any) -> str | None:
    return zone.key if isinstance(zone, ZoneInfo) else None


def _in_zone(made: Any, name: Any) -> Any:
    return made if name is None else made.astimezone(ZoneInfo(str(name)))


def _array(codec: Codec, value: Any) -> list[Any]:
    # Times as whole numbers: as objects of Python they have no nanoseconds.
    if not _ARRAYS.fullmatch(value.dtype.str):
        raise ValueError(f"an array of {value.dtype} cannot be handed over")
    plain = value.astype("int64") if value.dtype.kind in "mM" else value
    return [value.dtype.str, list(value.shape), write_items(codec, plain.ravel().tolist())]


def _read_array(codec: Codec, inner: Any) -> np.ndarray[Any, Any]:
    dtype, shape, items = inner
    if not _ARRAYS.fullmatch(dtype):
        raise Malformed(f"{dtype!r:.40} is not a type of an array")
    made = np.empty(len(items), dtype=object)
    for place, value in enumerate(read_items(codec, items)):
        made[place] = value
    # Texts are as wide as the widest here: the other side does not say how much memory to take.
    kind = dtype[1] if dtype[1] in "US" else dtype
    whole = made.astype("int64") if dtype[1] in "mM" else made
    return whole.astype(kind).reshape([_whole(n) for n in shape])


def _column(codec: Codec, value: Any) -> list[Any]:
    return [str(value.dtype), write_items(codec, value.tolist())]


def _read_column(codec: Codec, inner: Any) -> Any:
    """The values of a column as pandas keeps them; as objects, where they do not fit its type."""
    dtype, items = inner
    values = pd.Series(read_items(codec, items), dtype=object)
    if not _DTYPE.fullmatch(dtype):
        return values.array
    try:
        return values.astype(dtype).array
    except (ValueError, TypeError):
        return values.array


def _index(codec: Codec, value: pd.Index) -> list[Any]:
    return [write_items(codec, value.names), value.nlevels > 1, _column(codec, value)]


def _read_index(codec: Codec, inner: Any) -> pd.Index:
    names, several, column = inner
    labels = read_items(codec, names)
    if several:
        rows = read_items(codec, column[1])
        return pd.MultiIndex.from_tuples(rows, names=labels)
    return pd.Index(_read_column(codec, column), name=labels[0])


def _series(codec: Codec, value: pd.Series) -> list[Any]:
    return [codec.encode(value.name), _index(codec, value.index), _column(codec, value)]


def _read_series(codec: Codec, inner: Any) -> pd.Series:
    name, index, column = inner
    labels = _read_index(codec, index)
    return pd.Series(_read_column(codec, column), index=labels, name=codec.decode(name))


def _table(codec: Codec, value: pd.DataFrame) -> list[Any]:
    columns = [_column(codec, value.iloc[:, n]) for n in range(value.shape[1])]
    return [_index(codec, value.columns), _index(codec, value.index), columns]


def _read_table(codec: Codec, inner: Any) -> pd.DataFrame:
    heads, index, columns = inner
    labels = _read_index(codec, index)
    parts = {n: _read_column(codec, column) for n, column in enumerate(columns)}
    frame = pd.DataFrame(parts, index=labels)
    frame.columns = _read_index(codec, heads)
    return frame


@lru_cache(256)
def _named_tuple(name: str, names: tuple[str, ...]) -> Any:
    return namedtuple(name, names)


def _write_named(codec: Codec, value: Any) -> list[Any]:
    return [type(value).__name__, list(value._fields), write_items(codec, value)]


def _read_named(codec: Codec, inner: Any) -> Any:
    name, names, items = inner
    if len(names) > 100 or not all(type(n) is str and len(n) <= 80 for n in (name, *names)):
        raise Malformed("these are not the names of a tuple")
    return _named_tuple(name, tuple(names))(*read_items(codec, items))


# --- classes of esnb --------------------------------------------------------------------------


def is_ours(kind: Any) -> bool:
    """Whether a class goes over by its name: a public one of `ROOMS`, found under that name."""
    return isinstance(kind, type) and _class_named(name_of(kind)) is kind


def name_of(kind: type) -> str:
    """A class as `module:Name`."""
    return f"{kind.__module__}:{kind.__qualname__}"


@lru_cache(1024)
def _class_named(name: str) -> type | None:
    module, _, qualname = name.partition(":")
    parts = module.split(".")
    if parts[0] != "esnb" or len(parts) < 2 or parts[1] not in ROOMS:
        return None
    if qualname.startswith("_") or any(part.startswith("_") for part in parts):
        return None
    found = getattr(importlib.import_module(module), qualname, None)
    # A class that this module only imports is another module's.
    return found if isinstance(found, type) and found.__module__ == module else None


def our_class(name: Any) -> type:
    """The class of this name. Raises `Malformed` for one that does not go over by name."""
    found = _class_named(name) if type(name) is str else None
    if found is None:
        raise Malformed(f"{name!r:.80} is not a class that can be named from the other side")
    return found


def _fits_ours(codec: Codec, value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type) and is_ours(type(value))


def _write_ours(codec: Codec, value: Any) -> list[Any]:
    parts = {f.name: getattr(value, f.name) for f in dataclass_fields(value) if f.init}
    return [name_of(type(value)), codec.encode(parts)]


def _read_ours(codec: Codec, inner: Any) -> Any:
    name, parts = inner
    made = our_class(name)
    if not is_dataclass(made):
        raise Malformed(f"{name!r} is not a kind of value")
    return made(**codec.decode(parts))


# --- the table --------------------------------------------------------------------------------


def _exact(tag: str, kind: type, write: Callable[[Any, Any], Any], read: Any) -> Kind:
    """A row for the values of this very type."""
    return Kind(tag, lambda codec, value: type(value) is kind, write, read, kind)


def _view(tag: str, kind: type, read: Callable[[list[Any]], Any]) -> Kind:
    """The keys, values or items of a dict, as a view of a dict again."""
    return Kind(tag, of(kind), write_items, lambda codec, inner: read(read_keys(codec, inner)))


VALUES: tuple[Kind, ...] = (
    _exact("l", list, write_items, read_items),
    _exact("t", tuple, write_items, lambda c, x: tuple(read_items(c, x))),
    _exact("d", dict, _pairs, _read_dict),
    _exact("s", set, write_items, lambda c, x: set(read_keys(c, x))),
    _exact("z", frozenset, write_items, lambda c, x: frozenset(read_keys(c, x))),
    _exact("i", int, lambda c, x: hex(x), lambda c, x: int(x, 16)),
    _exact("f", float, lambda c, x: repr(x), lambda c, x: float(str(x))),
    _exact("j", complex, lambda c, x: [x.real, x.imag], lambda c, x: complex(*x)),
    _exact("b", bytes, lambda c, x: base64.b64encode(x).decode(), _bytes),
    _exact("dec", Decimal, lambda c, x: str(x), _decimal),
    _exact("frac", Fraction,
        lambda c, x: [hex(x.numerator), hex(x.denominator)],
        lambda c, x: Fraction(*(int(part, 16) for part in x)),
    ),
    _exact("uuid", UUID, lambda c, x: x.hex, lambda c, x: UUID(hex=x)),
    # Singletons.
    Kind("gap", lambda c, x: x is ..., lambda c, x: 0, lambda c, x: ...),
    Kind("any", lambda c, x: x is ANY, lambda c, x: 0, lambda c, x: ANY),
    Kind("nat", lambda c, x: x is pd.NaT, lambda c, x: 0, lambda c, x: pd.NaT),
    Kind("na", lambda c, x: x is pd.NA, lambda c, x: 0, lambda c, x: pd.NA),
    Kind("not", lambda c, x: x is NotImplemented, lambda c, x: 0, lambda c, x: NotImplemented),
    # Times; those of pandas first, which are of Python's types as well.
    Kind(
        "stamp",
        of(pd.Timestamp),
        lambda c, x: [x.isoformat(), x.unit, _zone(x.tzinfo)],
        lambda c, x: _in_zone(pd.Timestamp(str(x[0])).as_unit(x[1]), x[2]),
    ),
    Kind(
        "delta",
        of(pd.Timedelta),
        lambda c, x: [int(x.asm8.astype("int64")), x.unit],
        lambda c, x: pd.Timedelta(_whole(x[0]), unit=x[1]).as_unit(x[1]),
    ),
    Kind(
        "dt",
        of(datetime),
        lambda c, x: [x.isoformat(), _zone(x.tzinfo)],
        lambda c, x: _in_zone(datetime.fromisoformat(x[0]), x[1]),
    ),
    Kind("date", of(date), lambda c, x: x.isoformat(), lambda c, x: date.fromisoformat(x)),
    Kind("time", of(time), lambda c, x: x.isoformat(), lambda c, x: time.fromisoformat(x)),
    Kind(
        "span",
        of(timedelta),
        lambda c, x: [x.days, x.seconds, x.microseconds],
        lambda c, x: timedelta(*map(_whole, x)),
    ),
    Kind("zone", of(ZoneInfo), lambda c, x: x.key, lambda c, x: ZoneInfo(x)),
    Kind(
        "offset",
        of(timezone),
        lambda c, x: c.encode(x.utcoffset(None)),
        lambda c, x: timezone(c.decode(x)) if c.decode(x) else UTC,
    ),
    # Of numpy and pandas. A scalar is an array without a dimension.
    Kind("np", of(np.generic), lambda c, x: _array(c, np.asarray(x)), lambda c, x: (
        _read_array(c, x)[()]
    )),
    Kind("array", of(np.ndarray), _array, _read_array),
    Kind("index", of(pd.Index), _index, _read_index),
    Kind("column", of(pd.Series), _series, _read_series),
    Kind("table", of(pd.DataFrame), _table, _read_table),
    Kind("cells", of(pd.api.extensions.ExtensionArray), _column, _read_column),
    # Subclasses of plain kinds come over as the plain kind, a NamedTuple with its names.
    Kind("named", lambda c, x: isinstance(x, tuple) and hasattr(x, "_fields"), _write_named,
         _read_named),
    Kind("range", of(range), lambda c, x: [c.encode(n) for n in (x.start, x.stop, x.step)],
         lambda c, x: range(*read_items(c, x))),
    Kind("q", of(deque), lambda c, x: [x.maxlen, write_items(c, x)],
         lambda c, x: deque(read_items(c, x[1]), x[0])),
    Kind("it", of(Iterator), write_items, lambda c, x: iter(read_items(c, x))),
    _view("keys", KeysView, lambda keys: dict.fromkeys(keys).keys()),
    _view("items", ItemsView, lambda pairs: dict(pairs).items()),
    Kind("values", of(ValuesView), write_items,
         lambda c, x: dict(enumerate(read_items(c, x))).values()),
    Kind("l", of(list), write_items, read_items),
    Kind("t", of(tuple), write_items, lambda c, x: tuple(read_items(c, x))),
    Kind("d", of(dict), _pairs, _read_dict),
    Kind("s", of(set), write_items, lambda c, x: set(read_keys(c, x))),
    Kind("z", of(frozenset), write_items, lambda c, x: frozenset(read_keys(c, x))),
    Kind("i", of(int), lambda c, x: hex(int(x)), lambda c, x: int(x, 16)),
    Kind("f", of(float), lambda c, x: repr(float(x)), lambda c, x: float(str(x))),
    Kind("b", of(bytes, bytearray), lambda c, x: base64.b64encode(x).decode(), _bytes),
    Kind("path", of(PurePath), lambda c, x: str(x), lambda c, x: Path(str(x))),
    Kind("ours", _fits_ours, _write_ours, _read_ours),
    Kind("class", lambda c, x: is_ours(x), lambda c, x: name_of(x), lambda c, x: our_class(x)),
)  # fmt: skip
