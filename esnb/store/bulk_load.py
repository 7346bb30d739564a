"""Tables become events: a whole DataFrame is checked, ordered, numbered, stored in one transaction.

pandas finds the bad rows, so that they can be named, and numbers the others; DuckDB writes the JSON
and the ids. All of it goes column by column, never row by row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
import orjson
import pandas as pd

from esnb.clock import Clock, utc
from esnb.errors import (
    BadRowsError,
    ConcurrencyError,
    DuplicateEventError,
    EsnbError,
    InvalidEventError,
)
from esnb.events import Event, check_event, dump_json, is_storable, load_json
from esnb.store.connection import Log
from esnb.store.hash_chain import DIGEST, Proof

_SHOWN = 8
_CHUNK = 100_000
_QUIET_BELOW = 200_000

_NO_ZONE = "has no zone; say timezone='UTC', or the zone it was read off in"

# Numbers that JSON text may hold and 64 bits may not.
_LONG_NUMBER = re.compile(r"\d{19}|\d[eE]\+?\d{3}")

Problem = tuple[int, str, object, str]


def append_frame(
    log: Log,
    clock: Clock,
    frame: pd.DataFrame,
    *,
    aggregate_id: str,
    event_type: str,
    occurred_at: str,
    aggregate_type: str,
    data: str | list[str] | None = None,
    event_version: int | str = 1,
    metadata: str | None = None,
    event_id: str | None = None,
    timezone: str | None = None,
    order: str | None = "time",
    expected_version: Any = 0,
    progress: bool | None = None,
) -> tuple[int, int, bool]:
    """Append the rows of a DataFrame, all or none; returns (rows, position, duplicate).

    `aggregate_id`, `event_type`, `occurred_at` name columns; `aggregate_type` names one or is
    itself the type of all. `data` is None (every other column becomes a key of event_data), a list
    of columns, or one column that holds ready dicts or JSON text; `metadata` is such a column too.
    `event_version` is the version of all rows, or a column of versions. Missing values become null.
    Rows are put in order of `occurred_at` (ties keep their order), or with `order=None` they keep
    the order of the table; each aggregate's events are numbered in that order. Times without a zone
    need `timezone`, the IANA name of the zone they were read off in. Without `event_id`, ids are
    derived from the content: loading the same table again changes nothing. `expected_version` is 0
    (the aggregates must be new) or ANY. `progress` shows a bar; None shows it from 200,000 rows on.

    Raises `BadRowsError` with row, column and value, `InvalidEventError` for arguments that do not
    fit, `ConcurrencyError` for an aggregate that exists, `DuplicateEventError` for a part that is
    stored already. In each case nothing is loaded.
    """
    _check_columns(frame, [aggregate_id, event_type, occurred_at], [metadata, event_id], data)
    if frame.empty:
        raise InvalidEventError("The table has no rows, so there is nothing to load.")
    must_be_new = expected_version == 0 and not isinstance(expected_version, bool)
    if not must_be_new and repr(expected_version) != "ANY":
        raise InvalidEventError(
            f"expected_version of a table is 0 (all aggregates are new) or ANY, "
            f"found {expected_version!r}."
        )
    if not isinstance(aggregate_type, str) or not _can_be_a_name(aggregate_type):
        raise InvalidEventError(f"aggregate_type is a column or a text, found {aggregate_type!r}.")
    if timezone is not None and not (isinstance(timezone, str) and timezone):
        raise InvalidEventError(f"timezone={timezone!r} is no IANA zone name.")
    if order not in ("time", None):
        raise InvalidEventError(
            f'order is "time", or None to keep the order of the rows, found {order!r:.60}.'
        )
    problems = _Problems()
    table = _Table()
    if isinstance(event_version, str) and event_version in frame.columns:
        table.values["version"] = _versions(frame[event_version], problems)
        table.version_sql = "version"
    else:
        # A version has one rule, and events.py knows it.
        check_event(Event("rows of a table", {}, event_version))  # type: ignore[arg-type]
        table.version_sql = str(event_version)
    table.names["aggregate_id"] = _names(frame[aggregate_id], problems)
    table.names["event_type"] = _names(frame[event_type], problems)
    times = _times(frame[occurred_at], timezone, problems)
    table.names["aggregate_type"] = (
        _names(frame[aggregate_type], problems)
        if aggregate_type in frame.columns
        else _constant(aggregate_type, len(frame))
    )
    if isinstance(data, str):
        table.values["data"], table.data_sql = _objects(frame[data], problems), "data::json"
    else:
        used = {aggregate_id, event_type, occurred_at, aggregate_type, metadata, event_id}
        used |= {event_version} if isinstance(event_version, str) else set()
        names = [c for c in frame.columns if c not in used] if data is None else data
        parts = []
        for number, name in enumerate(names):
            expression, values = _value(frame[name], f"data_{number}", problems)
            table.values[f"data_{number}"] = values
            parts.append(f"{_quoted(str(name))}, {expression}")
        if len({str(name) for name in names}) < len(names):
            raise InvalidEventError("Two columns become the same key of the data. Rename one.")
        table.data_sql = f"json_object({', '.join(parts)})"
    if metadata is not None:
        table.values["metadata"] = _objects(frame[metadata], problems)
        table.metadata_sql = "metadata::json"
    if event_id is not None:
        table.values["given_id"] = _ids(frame[event_id], problems)
        table.id_sql = "given_id::uuid"
    problems.raise_any()
    table.put_in_order(times.to_numpy(), by_time=order is not None)
    types = table.types_of_aggregates()
    show = len(frame) >= _QUIET_BELOW if progress is None else progress
    # One `writing` around all of it: no other append may come between the commit and the heads.
    with log.writing():
        heads = log.heads()
        ids = table.names["aggregate_id"][1].tolist()
        versions = np.array([heads.get(name, (0, ""))[0] for name in ids], dtype=np.int64)
        earlier = _stored_already(log, table, versions > 0)
        if earlier:
            return len(frame), earlier, True
        _refuse_known(ids, types, heads, must_be_new)
        now = max(utc(clock.now()), log.last_recorded)
        with log.transaction(of_events=True) as cursor:
            proof = _insert(log, cursor, table, versions, now, show)
        versions += np.bincount(table.streams, minlength=len(ids))
        heads.update(zip(ids, zip(versions.tolist(), types, strict=True), strict=True))
        log.stored(proof, now)
    return len(frame), log.position, False


class _Table:
    """The checked columns, and the SQL that makes the columns of `events` from them.

    `names` are columns of text that repeats: a code for each row, and the text of each code.
    `values` are the others, as they came. `order` says in which order the rows are read.
    """

    def __init__(self) -> None:
        self.version_sql = "1"
        self.names: dict[str, tuple[Any, Any]] = {}
        self.values: dict[str, pd.Series[Any]] = {}
        self.data_sql = ""
        self.metadata_sql = "'{}'::json"
        self.id_sql = _DERIVED_ID

    @property
    def streams(self) -> Any:
        """The code of each row's aggregate."""
        return self.names["aggregate_id"][0]

    def put_in_order(self, times: Any, by_time: bool = True) -> None:
        """Order the rows, by time or as they are, and number those of each aggregate, from 1."""
        # In numpy, not with window functions: sorting numbers is far cheaper than sorting rows.
        self.times = times
        self.order = np.argsort(times, kind="stable") if by_time else np.arange(len(times))
        streams = self.streams[self.order]
        self.k = pd.Series(streams).groupby(streams, sort=False).cumcount().to_numpy() + 1

    def types_of_aggregates(self) -> list[str]:
        """The aggregate type of each aggregate, in the order of the codes."""
        codes, types = self.names["aggregate_type"]
        ids = self.names["aggregate_id"][1]
        if len(types) == 1:
            return [types[0]] * len(ids)
        pairs = pd.DataFrame({"stream": self.streams, "type": codes}).drop_duplicates()
        if len(pairs) > len(ids):
            mixed = pairs["stream"][pairs["stream"].duplicated()].iloc[0]
            raise InvalidEventError(
                f"{ids[mixed]!r} has several aggregate types. It keeps one for ever."
            )
        return list(types.take(pairs.sort_values("stream")["type"].to_numpy()))

    def part(self, places: Any) -> pd.DataFrame:
        """The rows at these places of the order: `n` is the place in the frame's log, from 1."""
        rows = self.order[places]
        columns: dict[str, Any] = {"n": places + 1, "k": self.k[places]}
        columns["occurred_at"] = self.times[rows]
        columns |= {name: text.take(codes[rows]) for name, (codes, text) in self.names.items()}
        columns |= {name: values.array.take(rows) for name, values in self.values.items()}
        return pd.DataFrame(columns)

    def typed(self) -> str:
        """The query that reads a part, registered as esnb_part, with the types of `events`."""
        return f"""
            select *, {self.id_sql} as event_id
            from (select *, {_CONTENT} as h
                  from (select *, {self.data_sql} as event_data from esnb_part))
        """


# Version 8 of RFC 9562 is the one for ids made by a rule of one's own. DuckDB leaves out what a
# query does not use, so the md5 costs nothing where ids are given.
_CONTENT = "md5(concat_ws(chr(31), aggregate_id, k, event_type, occurred_at, event_data))"
_DERIVED_ID = "(left(h, 12) || '8' || substr(h, 14, 3) || '8' || substr(h, 18))::uuid"


def _stored_already(log: Log, table: _Table, known: Any) -> int:
    """The last position if all rows are stored already, 0 if none is; an error for a part."""
    places = np.flatnonzero(known[table.streams[table.order]])
    if not len(places):
        return 0
    with log.translated():
        cursor = log.cursor()
        cursor.register("esnb_part", table.part(places))
        found = f"""
            from (select *, {table.metadata_sql} as new_metadata from ({table.typed()})) t
            join events e on e.aggregate_id = t.aggregate_id and e.event_id = t.event_id
        """
        stored, last = cursor.execute(f"select count(*), max(e.position) {found}").fetchall()[0]
        plain = (
            "(e.event_type = t.event_type and e.occurred_at = t.occurred_at "
            f"and e.event_version = {_stored_version(table)})"
        )
        differing = cursor.execute(
            f"""
            select e.event_id::varchar, {plain}, e.event_data, t.event_data, e.metadata,
                   new_metadata {found}
            where not {plain} or e.event_data::varchar <> t.event_data::varchar
                  or e.metadata::varchar <> new_metadata::varchar
            """
        ).fetchall() if stored else []  # fmt: skip
    for name, plain, *texts in differing:
        old_data, new_data, old_metadata, new_metadata = map(load_json, texts)
        if not plain or not _same(old_data, new_data) or not _same(old_metadata, new_metadata):
            raise DuplicateEventError(
                f"The event {name} is stored already, with other content than this table has for "
                f"it. An id names one fact for ever: correct it with a new event."
            )
    if stored and stored < len(table.order):
        raise DuplicateEventError(
            f"{stored} of the {len(table.order)} rows are stored already, the others are not. Load "
            f"only the new rows, with expected_version=ANY and an event_id column."
        )
    return last or 0


def _refuse_known(
    ids: list[str], types: list[str], heads: dict[str, tuple[int, str]], must_be_new: bool
) -> None:
    if not heads:
        return
    pairs = zip(ids, types, strict=True)
    known = [(name, kind, *heads[name]) for name, kind in pairs if name in heads]
    if known and must_be_new:
        name, _, version, _ = min(known)
        raise ConcurrencyError(name, 0, version, ["(found while loading a table)"])
    for name, kind, _, stored in known:
        if kind != stored:
            raise InvalidEventError(f"{name!r} is stored as {stored!r}, not {kind!r}.")


def _insert(
    log: Log, cursor: duckdb.DuckDBPyConnection, table: _Table, versions: Any,
    now: datetime, show: bool,
) -> Proof:  # fmt: skip
    from tqdm.auto import tqdm  # here, since it loads asyncio, and few loads need it

    count = len(table.order)
    bar = tqdm(total=count, unit=" events", disable=not show, leave=False)
    position, proof = log.position, log.proof
    # In parts, so that the bar moves and no second copy of the whole frame is made.
    for start in range(0, count, _CHUNK):
        places = np.arange(start, min(start + _CHUNK, count))
        part = table.part(places)
        part["head"] = versions[table.streams[table.order[places]]]
        cursor.register("esnb_part", part)
        rows = cursor.execute(
            "insert into events select $1 + n, event_id, aggregate_type, aggregate_id, "
            f"head + k, event_type, {table.version_sql}, event_data, {table.metadata_sql}, "
            f"occurred_at, $2 from ({table.typed()}) returning position, {DIGEST}",
            [position, now.astimezone(UTC).replace(tzinfo=None)],
        ).fetchall()
        proof = log.chain(cursor, proof, rows)
        bar.update(len(places))
    cursor.unregister("esnb_part")
    bar.close()
    return proof


def _same(one: Any, other: Any) -> bool:
    return orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        other, option=orjson.OPT_SORT_KEYS
    )


class _Problems:
    """The bad values found so far; the first few are shown, all are counted."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self.total = 0

    def add(self, row: int, column: str, value: object, reason: str) -> None:
        self.total += 1
        if len(self.found) < _SHOWN:
            self.found.append((int(row), column, value, reason))

    def where(self, mask: Any, series: pd.Series[Any], reason: str) -> None:
        rows = np.flatnonzero(np.asarray(mask))
        self.total += max(0, len(rows) - _SHOWN)
        for row in rows[:_SHOWN]:
            self.add(row, str(series.name), series.iloc[row], reason)

    def raise_any(self) -> None:
        if self.total:
            raise BadRowsError(sorted(self.found, key=lambda p: p[:2]), self.total)


def _check_columns(
    frame: pd.DataFrame, needed: list[str], names: list[str | None], data: str | list[str] | None
) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise InvalidEventError(f"append_frame() takes a DataFrame, found {type(frame).__name__}.")
    if data is not None and not isinstance(data, str | list | tuple):
        raise InvalidEventError(f"data is a column, or a list of columns, found {data!r:.60}.")
    wanted = [*needed, *(n for n in names if n is not None)]
    wanted += [data] if isinstance(data, str) else list(data or [])
    missing = [n for n in wanted if not isinstance(n, Hashable) or n not in frame.columns]
    if missing:
        raise InvalidEventError(
            f"The table has no column {missing[0]!r}. "
            f"It has: {', '.join(map(repr, frame.columns))}."
        )
    if not frame.columns.is_unique:
        raise InvalidEventError("Two columns of the table have the same name. Rename one.")


def _names(series: pd.Series[Any], problems: _Problems) -> tuple[Any, Any]:
    """A column of names as a code for each row, and the text of each code."""
    problems.where(series.isna(), series, "is missing")
    if series.dtype.kind in "fbMmc":
        problems.where(
            series.notna(), series, f"is {series.dtype}; make it text first, astype(str)"
        )
    elif series.dtype.kind not in "iu" and not isinstance(series.dtype, pd.StringDtype):
        series = series.astype(object)
        is_text = series.map(lambda v: isinstance(v, str) and is_storable(v)).astype(bool)
        problems.where(series.notna() & ~is_text, series, "is not text that a file can store")
        series = series.where(is_text)
    # Names repeat: what is asked of each name below is asked once, not once a row.
    codes, names = pd.factorize(series)
    texts = pd.Series(names).astype(str)
    empty = np.append(texts.str.strip() == "", False)  # the last is for code -1, a missing name
    problems.where(empty[codes], series, "is empty")
    broken = np.append(texts.str.contains("\x00", regex=False), False)
    problems.where(broken[codes], series, "holds the character NUL")
    return codes, texts.array


def _constant(text: str, count: int) -> tuple[Any, Any]:
    """One name for all rows; the codes take no memory."""
    return np.broadcast_to(np.intp(0), count), pd.Series([text], dtype=str).array


def _times(series: pd.Series[Any], timezone: str | None, problems: _Problems) -> Any:
    if not isinstance(series.dtype, pd.DatetimeTZDtype) and series.dtype.kind != "M":
        series = _parsed(series, timezone, problems)
    problems.where(series.isna(), series, "is missing")
    if not isinstance(series.dtype, pd.DatetimeTZDtype):
        if timezone is None:
            if series.notna().any():
                problems.where(
                    series.notna(), series,
                    _NO_ZONE,
                )  # fmt: skip
            return series
        try:
            local = series.dt.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT")
        except (KeyError, ValueError) as error:
            raise InvalidEventError(
                f"timezone={timezone!r} is no IANA zone name ({error})."
            ) from None
        problems.where(
            local.isna() & series.notna(), series,
            f"does not exist or is ambiguous in {timezone} (the clock was changed)",
        )  # fmt: skip
        series = local
    return series.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]")


def _parsed(series: pd.Series[Any], timezone: str | None, problems: _Problems) -> pd.Series[Any]:
    """Times as text or as Python objects, one by one: slower, and each bad one is named."""
    values: list[datetime | None] = []
    for row, value in enumerate(series):
        parsed = None
        if not (value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value))):
            try:
                parsed = datetime.fromisoformat(value) if isinstance(value, str) else value
                if timezone is None or parsed.tzinfo is not None:
                    parsed = utc(parsed)
            except (EsnbError, ValueError, TypeError, AttributeError):
                naive = isinstance(parsed, datetime) and parsed.tzinfo is None
                reason = _NO_ZONE if naive else "is not a time (ISO 8601)"
                problems.add(row, str(series.name), value, reason)
                parsed = datetime(1970, 1, 1, tzinfo=None if timezone else UTC)
        values.append(parsed)
    if timezone is not None:
        aware = [v for v in values if v is not None and v.tzinfo is not None]
        if aware and len(aware) < len(values):
            raise InvalidEventError(
                f"Column {series.name!r} mixes times with and without a zone. Make them all aware."
            )
    return pd.Series(pd.to_datetime(pd.Index(values)), index=series.index, name=series.name)


def _value(series: pd.Series[Any], column: str, problems: _Problems) -> tuple[str, Any]:
    """The SQL expression that turns a column into JSON values, and the column as it goes in."""
    kind = series.dtype.kind
    if kind == "b" or kind == "i" or isinstance(series.dtype, pd.StringDtype):
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
        text = series.dt.tz_convert("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return column, text.astype(object).where(series.notna(), None)
    if kind == "M":
        problems.where(
            series.notna(), series, "is a time without a zone; localise it, or make it text"
        )
        return column, series
    if isinstance(series.dtype, pd.CategoricalDtype):
        return _value(series.astype(object), column, problems)
    if kind == "m" or kind == "c":
        problems.where(series.notna(), series, f"is {series.dtype}, which JSON cannot hold")
        return column, series
    texts: list[str | None] = []
    for row, value in enumerate(series):
        if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
            texts.append(None)
            continue
        try:
            texts.append(dump_json({"v": value}, str(series.name))[5:-1])
        except InvalidEventError as error:
            problems.add(row, str(series.name), value, f"cannot be JSON: {error}")
            texts.append(None)
    return f"{column}::json", pd.Series(texts, index=series.index, dtype=object)


def _objects(series: pd.Series[Any], problems: _Problems) -> Any:
    """A column of dicts or JSON text as JSON text, each value checked like the data of an event."""
    name = str(series.name)
    if isinstance(series.dtype, pd.StringDtype) and not series.isna().any():
        codes, texts = pd.factorize(series)  # the same text again and again is checked once
        for code, (text, long) in enumerate(zip(texts.tolist(), _long_numbers(texts), strict=True)):
            if reason := _why_not_json(text, name, long):
                for found in np.flatnonzero(codes == code):
                    problems.add(int(found), name, text, reason)
        return series
    written: list[str] = []
    for row, value in enumerate(series):
        if isinstance(value, str):
            reason, text = _why_not_json(value, name, bool(_LONG_NUMBER.search(value))), value
        else:
            reason, text = "", "{}"
            try:
                text = dump_json(value, name)
            except InvalidEventError as error:
                reason = f"cannot be JSON: {error}"
        if reason:
            problems.add(row, name, value, reason)
        written.append(text)
    return pd.Series(written, index=series.index, dtype=object)


def _why_not_json(text: str, name: str, long_numbers: bool) -> str:
    """Why a text is no event data; empty when it is. Only odd numbers need the exact check."""
    try:
        if type(load_json(text)) is not dict or long_numbers:
            dump_json(json.loads(text), name)
    except InvalidEventError as error:
        return f"cannot be JSON: {error}"
    except ValueError as error:
        return f"is not a JSON object ({error})"
    return ""


def _long_numbers(texts: Any) -> list[bool]:
    """Which texts hold a number of many digits: asked of the engine, whose search is the faster."""
    with duckdb.connect() as engine:
        engine.register("esnb_texts", pd.DataFrame({"text": texts}))
        query = "select regexp_matches(text, $1) from esnb_texts"
        return [row[0] for row in engine.execute(query, [_LONG_NUMBER.pattern]).fetchall()]


def _can_be_a_name(text: str) -> bool:
    return bool(text.strip()) and "\x00" not in text and is_storable(text)


def _stored_version(table: _Table) -> str:
    return "t.version" if table.version_sql == "version" else table.version_sql


def _versions(series: pd.Series[Any], problems: _Problems) -> Any:
    numbers = pd.to_numeric(series, errors="coerce")
    fits = (numbers >= 1) & (numbers < 2**31) & (numbers % 1 == 0)
    if series.dtype.kind == "b":
        fits &= False
    problems.where(~fits.fillna(False).astype(bool), series, "is no version; they count from 1")
    return numbers.where(fits, 1).astype("int32")


def _ids(series: pd.Series[Any], problems: _Problems) -> Any:
    text = series.astype(str).str.lower()
    shape = text.str.fullmatch(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
    problems.where(~shape.astype(bool), series, "is not a UUID")
    problems.where(text.duplicated() & shape.astype(bool), series, "stands in an earlier row too")
    return text


def _quoted(name: str) -> str:
    """A column name as an SQL text literal: the one place where a name enters a query."""
    return "'" + name.replace("'", "''") + "'"
