"""The columns of a table, checked one by one, on their way to become events.

Each function takes a column, notes the rows that cannot be stored in `Problems`, and returns what
goes on. The rules are those of `esnb.events` and `esnb.clock`; pandas and the engine apply them to
a whole column at a time.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd

from esnb.clock import EARLIEST, LATEST, utc
from esnb.errors import BadRowsError, EsnbError, InvalidEventError
from esnb.event_json import LONG_NUMBER, MAX_JSON, check_object_text, dump_json, is_storable
from esnb.events import why_not_a_name

_SHOWN = 8
_CHUNK = 100_000
_DAY = 86_400

_NO_ZONE = "has no zone; say timezone='UTC', or the zone it was read off in"
_OUTSIDE = "is outside the years 1 to 9999 in UTC; were milliseconds read as seconds?"
_HALF = "holds half a character (a lone surrogate), which no file can store; replace it"

Problem = tuple[int, str, object, str]


class Problems:
    """The bad values found so far; all are counted, and the first few kept, or all of them."""

    def __init__(self, keep_all: bool = False) -> None:
        self.found: list[Problem] = []
        self.total = 0
        self._most = sys.maxsize if keep_all else _SHOWN

    def add(self, row: Any, column: str, value: object, reason: str) -> None:
        """Note one value."""
        self.total += 1
        if len(self.found) < self._most:
            self.found.append((int(row), column, value, reason))

    def where(self, mask: Any, series: pd.Series[Any], reason: str) -> None:
        """Note the values for which the mask is true."""
        rows = np.flatnonzero(np.asarray(mask))
        self.total += max(0, len(rows) - self._most)
        for row in rows[: self._most]:
            self.add(row, str(series.name), series.iloc[row], reason)

    def raise_any(self) -> None:
        """Raise `BadRowsError` when there are any."""
        if self.total:
            raise BadRowsError(sorted(self.found, key=lambda p: p[:2]), self.total)


def dense(series: pd.Series[Any]) -> pd.Series[Any]:
    """A column that is stored sparsely or as categories, as plain values."""
    if isinstance(series.dtype, pd.SparseDtype):
        return pd.Series(np.asarray(series), index=series.index, name=series.name)
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.astype(series.cat.categories.dtype if series.notna().all() else object)
    return series


def names(series: pd.Series[Any], problems: Problems) -> tuple[Any, Any]:
    """A column of names as a code for each row, and the text of each code."""
    if isinstance(series.dtype, pd.SparseDtype):
        series = dense(series)
    problems.where(series.isna(), series, "is missing")
    if series.dtype.kind in "fbMmc":
        problems.where(
            series.notna(), series, f"is {series.dtype}; make it text first, astype(str)"
        )
    elif series.dtype.kind not in "iu" and not isinstance(series.dtype, pd.StringDtype):
        series = series.astype(object)
        is_text = series.map(lambda v: isinstance(v, str)).astype(bool)
        for row in np.flatnonzero(series.notna() & ~is_text):
            value = series.iloc[row]
            kind = type(value).__name__
            reason = f"is a {kind}, not text; make it text first, astype(str)"
            problems.add(row, str(series.name), value, reason)
        series = series.where(is_text)
    # Names repeat: what is asked of each name below is asked once, not once a row.
    codes, found = pd.factorize(series)
    texts = pd.Series(found).astype(str)
    reasons = [why_not_a_name(text) for text in texts.tolist()]
    if any(reasons):
        for row in np.flatnonzero(np.append([bool(r) for r in reasons], False)[codes]):
            text = texts.iloc[codes[row]]
            problems.add(row, str(series.name), text, f"{reasons[codes[row]]}; give it a name")
    return codes, texts.array


def constant(text: str, count: int) -> tuple[Any, Any]:
    """One name for all rows; the codes take no memory."""
    return np.broadcast_to(np.intp(0), count), pd.Series([text], dtype=str).array


# -- times -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Zone:
    """Where times without a zone were read off, and what is done with those that a change of the
    clock makes unclear: `ambiguous` and `nonexistent` as `Series.dt.tz_localize` takes them."""

    name: str | None = None
    ambiguous: Any = "raise"
    nonexistent: Any = "raise"


def times(series: pd.Series[Any], zone: Zone, problems: Problems) -> Any:
    """A column of times as UTC without a zone, in microseconds."""
    timezone = zone.name
    series = dense(series)
    if not isinstance(series.dtype, pd.DatetimeTZDtype) and series.dtype.kind != "M":
        series = _parsed(series, timezone, problems)
    problems.where(series.isna(), series, "is missing")
    series = _within_range(series, problems)
    if not isinstance(series.dtype, pd.DatetimeTZDtype):
        if timezone is None:
            problems.where(series.notna(), series, _NO_ZONE)
            return series
        series = _localized(series, timezone, zone, problems)
    return series.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]")


def _within_range(series: pd.Series[Any], problems: Problems) -> pd.Series[Any]:
    """Times that a log can hold; the others are noted, and become an innocent one."""
    array: Any = series.array  # counted in UTC when there is a zone, else as it was read off
    unit, values = array.unit, array.asi8
    bounds = (np.datetime64(t.replace(tzinfo=None), "us") for t in (EARLIEST, LATEST))
    if unit != "ns":  # all of whose times are in range
        first, last = (bound.astype(f"datetime64[{unit}]").astype("int64") for bound in bounds)
        outside = ((values < first) | (values > last)) & series.notna().to_numpy()
        if outside.any():
            for row in np.flatnonzero(outside):
                problems.add(row, str(series.name), str(series.iloc[row]), _OUTSIDE)
            epoch = pd.Timestamp(0, tz=getattr(series.dtype, "tz", None))
            return series.mask(outside, epoch.as_unit(unit))
    return series


def _localized(
    series: pd.Series[Any], timezone: str, zone: Zone, problems: Problems
) -> pd.Series[Any]:
    innocent = pd.Timestamp(0).as_unit("us")
    series = series.astype("datetime64[us]")
    # Near both ends of time, pandas cannot say what Python can: whether it is still in range.
    seconds = series.array.asi8 // 10**6  # type: ignore[attr-defined]
    ends = (seconds < EARLIEST.timestamp() + _DAY) | (seconds > LATEST.timestamp() - _DAY)
    ends &= series.notna().to_numpy()
    exact = {}
    for row in np.flatnonzero(ends):
        try:
            exact[row] = utc(series.iloc[row].to_pydatetime().replace(tzinfo=ZoneInfo(timezone)))
        except EsnbError:
            problems.add(row, str(series.name), str(series.iloc[row]), _OUTSIDE)
    inner = series.mask(ends, innocent)
    # What is to be refused becomes NaT first, so that every row of it can be named.
    ambiguous: Any = "NaT" if isinstance(zone.ambiguous, str) else zone.ambiguous
    nonexistent: Any = "NaT" if zone.nonexistent == "raise" else zone.nonexistent
    if isinstance(zone.ambiguous, str) and zone.ambiguous == "infer":
        ambiguous = _first_pass(inner, timezone)
    local = inner.dt.tz_localize(timezone, ambiguous=ambiguous, nonexistent=nonexistent)
    unclear = local.isna() & inner.notna()
    if unclear.any():
        first = np.ones(len(inner), dtype=bool)
        twice = inner.dt.tz_localize(timezone, ambiguous=first, nonexistent="NaT").notna()
        problems.where(
            unclear & twice,
            series,
            f"is ambiguous in {timezone}: the clock was set back, and this time came twice. Say "
            "which it was: ambiguous=True (summer time, the first), False, one of them per row, or "
            "'infer' where the rows are in order",
        )
        problems.where(
            unclear & ~twice,
            series,
            f"does not exist in {timezone}: the clock was set forward. Move it: "
            "nonexistent='shift_forward' or 'shift_backward'",
        )
    found = local.dt.tz_convert("UTC")
    for row, time in exact.items():
        found.iloc[int(row)] = pd.Timestamp(time)
    return found


def _first_pass(series: pd.Series[Any], timezone: str) -> Any:
    """Which times of a column in order are in summer time; "NaT" where the order does not tell."""
    try:
        local = series.dt.tz_localize(timezone, ambiguous="infer", nonexistent="shift_forward")
    except ValueError:
        return "NaT"
    return np.array([bool(time.dst()) if time is not pd.NaT else False for time in local])


def _parsed(series: pd.Series[Any], timezone: str | None, problems: Problems) -> pd.Series[Any]:
    """Times as text or as Python objects, one by one: slower, and each bad one is named."""
    values: list[datetime | None] = []
    filler = datetime(1970, 1, 1, tzinfo=UTC)
    naive: list[int] = []
    for row, value in enumerate(series):
        parsed: Any = None
        if not missing(value):
            try:
                parsed = _one_time(value)
                if parsed.tzinfo is None:
                    naive.append(row)
                else:
                    parsed = utc(parsed)
            except (EsnbError, ValueError, TypeError, AttributeError, OverflowError) as error:
                if "outside the years" in str(error):
                    problems.add(row, str(series.name), str(value), _OUTSIDE)
                else:
                    problems.add(row, str(series.name), value, _why(value))
                parsed = filler
        values.append(parsed)
    aware = len(values) > len(naive) + sum(value is None for value in values)
    if naive and (timezone is None or aware):
        other = next((n for n, v in enumerate(values) if v is not None and v.tzinfo), None)
        reason = _NO_ZONE
        if timezone is not None:
            reason = f"has no zone, and row {other} has one; give all of them a zone, or none"
        for row in naive:
            problems.add(row, str(series.name), series.iloc[row], reason)
            values[row] = filler
    # A time of pandas keeps its unit, and a list of two units is none.
    index = pd.to_datetime(pd.Index(values, dtype=object))
    return pd.Series(index, index=series.index, name=series.name)


def _one_time(value: object) -> Any:
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if isinstance(value, pd.Timestamp):
        return value.floor("us").to_pydatetime() if value.tzinfo is None else utc(value)
    if not isinstance(value, datetime):
        raise TypeError
    return value


def _why(value: object) -> str:
    if isinstance(value, date):
        return "is a date and not a time; add the time of day, with a zone"
    if isinstance(value, int | float | np.number):
        return "is a number and not a time; convert it: pd.to_datetime(column, unit='s', utc=True)"
    return "is not a time (ISO 8601)"


def missing(value: object) -> bool:
    """Whether a value of an object column is a missing one."""
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return isinstance(value, float) and bool(np.isnan(value))


# -- data ------------------------------------------------------------------------------------


def value(series: pd.Series[Any], column: str, problems: Problems) -> tuple[str, Any]:
    """The SQL expression that turns a column into JSON values, and the column as it goes in."""
    series = dense(series)
    kind = series.dtype.kind
    if isinstance(series.dtype, pd.StringDtype):
        _check_texts(series, problems)
        return column, series
    if kind == "b" or kind == "i":
        return column, series
    if kind == "u":
        beyond = (series > np.iinfo(np.int64).max).fillna(False)
        problems.where(beyond, series, "is beyond 64 bits; store it as text")
        return column, series
    if kind == "f":
        problems.where(
            np.isinf(series.astype(float)), series, "is infinite; JSON has no such number"
        )
        return f"case when isnan({column}) then null else {column} end", series.astype(float)
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        text = _within_range(series, problems).dt.tz_convert("UTC")
        text = text.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return column, text.astype(object).where(series.notna(), None)
    if kind == "M":
        problems.where(
            series.notna(), series, "is a time without a zone; localise it, or make it text"
        )
        return column, series
    if kind == "m" or kind == "c":
        problems.where(series.notna(), series, f"is {series.dtype}, which JSON cannot hold")
        return column, series
    texts: list[str | None] = []
    for row, item in enumerate(series):
        if missing(item):
            texts.append(None)
            continue
        try:
            texts.append(dump_json({"v": item}, str(series.name))[5:-1])
        except InvalidEventError as error:
            problems.add(row, str(series.name), item, f"cannot be JSON: {error}")
            texts.append(None)
    return f"{column}::json", pd.Series(texts, index=series.index, dtype=object)


def _check_texts(series: pd.Series[Any], problems: Problems) -> None:
    """Texts that no file can store, and those that are too long; a look at all of them at once."""
    for start in range(0, len(series), _CHUNK):
        texts = series.iloc[start : start + _CHUNK].dropna()
        whole = "".join(texts.tolist())
        if is_storable(whole) and len(whole) < MAX_JSON // 4:
            continue
        for row, text in enumerate(series.iloc[start : start + _CHUNK], start=start):
            if isinstance(text, str) and not is_storable(text):
                problems.add(row, str(series.name), text, _HALF)
            elif isinstance(text, str) and len(text.encode()) > MAX_JSON:
                reason = f"... has {len(text):,} characters; keep it in a file, and store its name"
                problems.add(row, str(series.name), text[:60], reason)


def objects(series: pd.Series[Any], problems: Problems) -> Any:
    """A column of dicts or JSON text as JSON text, each value checked like the data of an event."""
    series, name = dense(series), str(series.name)
    if isinstance(series.dtype, pd.StringDtype) and not series.isna().any():
        codes, texts = pd.factorize(series)  # the same text again and again is checked once
        found = texts.tolist()
        for code, (text, long) in enumerate(zip(found, _long_numbers(found), strict=True)):
            if reason := _why_not_json(text, name, long):
                for place in np.flatnonzero(codes == code).tolist():
                    problems.add(place, name, text, reason)
        return series
    written: list[str] = []
    for row, item in enumerate(series):
        reason, text = "", "{}"
        if isinstance(item, str):
            reason, text = _why_not_json(item, name, None), item
        elif missing(item):
            reason = "is missing"
        else:
            try:
                text = dump_json(item, name)
            except InvalidEventError as error:
                reason = f"cannot be JSON: {error}"
        if reason:
            problems.add(row, name, item, reason)
        written.append(text)
    return pd.Series(written, index=series.index, dtype=object)


def _why_not_json(text: str, name: str, long_numbers: bool | None) -> str:
    try:
        check_object_text(text, name, long_numbers)
    except InvalidEventError as error:
        return f"cannot be JSON: {error}"
    return ""


def _long_numbers(texts: list[str]) -> list[bool | None]:
    """Which texts hold a number of many digits: asked of the engine, whose search is the faster."""
    if not is_storable("".join(texts)):
        return [None] * len(texts)
    with duckdb.connect() as engine:
        engine.register("esnb_texts", pd.DataFrame({"text": texts}))
        query = "select regexp_matches(text, $1) from esnb_texts"
        return [row[0] for row in engine.execute(query, [LONG_NUMBER.pattern]).fetchall()]


def versions(series: pd.Series[Any], problems: Problems) -> Any:
    """A column of event versions."""
    series = dense(series)
    numbers = pd.to_numeric(series, errors="coerce")
    fits = (numbers >= 1) & (numbers < 2**31) & (numbers % 1 == 0)
    if series.dtype.kind == "b":
        fits &= False
    problems.where(~fits.fillna(False).astype(bool), series, "is not a version; they count from 1")
    return numbers.where(fits, 1).astype("int32")


def ids(series: pd.Series[Any], problems: Problems) -> Any:
    """A column of event ids, UUIDs or their text."""
    text = dense(series).astype(str).str.lower()
    shape = text.str.fullmatch(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}").astype(bool)
    problems.where(~shape, series, "is not a UUID")
    problems.where(text.duplicated() & shape, series, "is in an earlier row too")
    return text
