"""Tables become events: a whole DataFrame is checked, ordered, numbered and stored in one transaction.

pandas finds the bad rows, so that they can be named; DuckDB writes the JSON and numbers the
streams, column by column rather than row by row.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from esnb.clock import Clock, utc
from esnb.engine import Log
from esnb.errors import (
    BadRowsError,
    ConcurrencyError,
    DuplicateEventError,
    EsnbError,
    InvalidEventError,
)
from esnb.events import dump_json

_SHOWN = 8
_CHUNK = 100_000
_QUIET_BELOW = 200_000

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
    event_version: int = 1,
    metadata: str | None = None,
    event_id: str | None = None,
    timezone: str | None = None,
    expected_version: Any = 0,
    progress: bool | None = None,
) -> tuple[int, int, bool]:
    """Append the rows of a DataFrame, all or none; returns (rows, position, duplicate).

    `aggregate_id`, `event_type`, `occurred_at` name columns; `aggregate_type` names one or is itself
    the type of all. `data` is None (every other column becomes a key of event_data), a list of
    columns, or one column that holds ready dicts or JSON text; `metadata` is such a column too.
    Missing values become null. Rows are put in order of `occurred_at` (ties keep their order), and
    each aggregate's events are numbered in that order. Times without a zone need `timezone`, the
    IANA name of the zone they were read off in. Without `event_id`, ids are derived from the
    content: loading the same table again changes nothing. `expected_version` is 0 (the aggregates
    must be new) or ANY. `progress` shows a bar; None shows it from 200,000 rows on.

    Raises `BadRowsError` with row, column and value, `InvalidEventError` for arguments that do not
    fit, `ConcurrencyError` for an aggregate that exists, `DuplicateEventError` for a part that is stored
    already. In each case nothing is loaded.
    """
    _check_columns(frame, [aggregate_id, event_type, occurred_at, metadata, event_id], data)
    if frame.empty:
        raise InvalidEventError("The table has no rows, so there is nothing to load.")
    must_be_new = expected_version == 0 and not isinstance(expected_version, bool)
    if not must_be_new and repr(expected_version) != "ANY":
        raise InvalidEventError(
            f"expected_version of a table is 0 (all aggregates are new) or ANY, found {expected_version!r}."
        )
    problems = _Problems()
    batch: dict[str, Any] = {
        "aggregate_id": _names(frame[aggregate_id], problems),
        "event_type": _names(frame[event_type], problems),
        "occurred_at": _times(frame[occurred_at], timezone, problems),
        "aggregate_type": (
            _names(frame[aggregate_type], problems)
            if aggregate_type in frame.columns
            else aggregate_type
        ),
    }
    if not isinstance(aggregate_type, str) or not aggregate_type.strip():
        raise InvalidEventError(f"aggregate_type is a column or a text, found {aggregate_type!r}.")
    if isinstance(data, str):
        batch["data"], data_sql = _objects(frame[data], problems), "data"
    else:
        used = {aggregate_id, event_type, occurred_at, aggregate_type, metadata, event_id}
        names = [c for c in frame.columns if c not in used] if data is None else data
        parts = []
        for number, name in enumerate(names):
            expression, values = _value(frame[name], f"data_{number}", problems)
            batch[f"data_{number}"] = values
            parts.append(f"{_quoted(str(name))}, {expression}")
        data_sql = f"json_object({', '.join(parts)})"
    batch["metadata"] = "{}" if metadata is None else _objects(frame[metadata], problems)
    if event_id is not None:
        batch["event_id"] = _ids(frame[event_id], problems)
    problems.raise_any()
    table = pd.DataFrame(batch)
    show = len(table) >= _QUIET_BELOW if progress is None else progress
    with log.transaction() as cursor:
        earlier = _number(cursor, table, data_sql, event_id is not None, event_version, problems)
        if earlier:
            return len(table), earlier, True
        _refuse_known(cursor, must_be_new)
        now = max(utc(clock.now()), log.last_recorded)
        _insert(cursor, log.position, now, len(table), show)
    log.stored(log.position + len(table), now)
    log.forget_heads()
    return len(table), log.position, False


def _number(
    cursor: duckdb.DuckDBPyConnection, table: pd.DataFrame, data_sql: str, ids_given: bool,
    event_version: int, problems: _Problems,
) -> int:  # fmt: skip
    """Order and number the rows in a temporary table; the last position if all are stored already."""
    cursor.register("esnb_rows", table.assign(row=np.arange(len(table))))
    cursor.execute(
        f"""
        create temp table esnb_load as
        with typed as (
            select row, aggregate_id, aggregate_type, event_type, occurred_at,
                   ({data_sql})::varchar as event_data, metadata::varchar as metadata,
                   {"event_id" if ids_given else "null"} as given_id,
                   row_number() over (order by occurred_at, row) as n,
                   row_number() over (partition by aggregate_id order by occurred_at, row) as k
            from esnb_rows
        )
        select *, {int(event_version)} as event_version,
               coalesce(given_id, {_DERIVED_ID})::uuid as event_id
        from typed
        """
    )
    cursor.unregister("esnb_rows")
    bad = cursor.execute(
        "select row, event_data, metadata from esnb_load where "
        "case when json_valid(event_data) then json_type(event_data) <> 'OBJECT' else true end or "
        "case when json_valid(metadata) then json_type(metadata) <> 'OBJECT' else true end order by row"
    ).fetchall()
    for row, data, _ in bad:
        problems.add(row, "data or metadata", data, "is not a JSON object")
    problems.raise_any()
    mixed = cursor.execute(
        "select aggregate_id from esnb_load group by 1 having count(distinct aggregate_type) > 1 limit 1"
    ).fetchall()
    if mixed:
        raise InvalidEventError(
            f"{mixed[0][0]!r} has several aggregate types. It keeps one for ever."
        )
    known, last = cursor.execute(
        "select count(*), max(e.position) from esnb_load l join events e "
        "on e.aggregate_id = l.aggregate_id and e.event_id = l.event_id"
    ).fetchall()[0]
    if known and known < len(table):
        raise DuplicateEventError(
            f"{known} of the {len(table)} rows are stored already, the others are not. Load only "
            f"the new rows, with expected_version=ANY and an event_id column."
        )
    return last or 0


# Version 8 of RFC 9562 is the one for ids made by a rule of one's own.
_DERIVED_ID = """(
    select left(h, 12) || '8' || substr(h, 14, 3) || '8' || substr(h, 18)
    from (select md5(concat_ws(chr(31), aggregate_id, k, event_type, occurred_at, event_data)) as h)
)"""


def _refuse_known(cursor: duckdb.DuckDBPyConnection, must_be_new: bool) -> None:
    cursor.execute(
        "create temp table esnb_heads as select aggregate_id, max(sequence_number) as version, "
        "any_value(aggregate_type) as aggregate_type from events "
        "where aggregate_id in (select aggregate_id from esnb_load) group by 1"
    )
    rows = cursor.execute("select * from esnb_heads order by aggregate_id limit 1").fetchall()
    if rows and must_be_new:
        raise ConcurrencyError(rows[0][0], 0, rows[0][1], ["(found while loading a table)"])
    clash = cursor.execute(
        "select h.aggregate_id, h.aggregate_type, l.aggregate_type from esnb_heads h "
        "join esnb_load l using (aggregate_id) where l.aggregate_type <> h.aggregate_type limit 1"
    ).fetchall()
    if clash:
        raise InvalidEventError(
            f"{clash[0][0]!r} is stored as {clash[0][1]!r}, not {clash[0][2]!r}."
        )


def _insert(
    cursor: duckdb.DuckDBPyConnection, position: int, now: datetime, count: int, show: bool
) -> None:
    bar = tqdm(total=count, unit=" events", disable=not show, leave=False)
    for start in range(0, count, _CHUNK):
        stop = min(start + _CHUNK, count)
        cursor.execute(
            "insert into events select $1 + n, event_id, l.aggregate_type, aggregate_id, "
            "coalesce(h.version, 0) + k, event_type, event_version, event_data::json, "
            "metadata::json, occurred_at, $2 from esnb_load l left join esnb_heads h using (aggregate_id) "
            "where n > $3 and n <= $4 order by n",
            [position, now.astimezone(UTC).replace(tzinfo=None), start, stop],
        )
        bar.update(stop - start)
    cursor.execute("drop table esnb_load")
    cursor.execute("drop table esnb_heads")
    bar.close()


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
    frame: pd.DataFrame, names: list[str | None], data: str | list[str] | None
) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise InvalidEventError(f"append_frame() takes a DataFrame, found {type(frame).__name__}.")
    wanted = [n for n in names if n is not None]
    wanted += [data] if isinstance(data, str) else list(data or [])
    missing = [n for n in wanted if n not in frame.columns]
    if missing:
        raise InvalidEventError(
            f"The table has no column {missing[0]!r}. It has: {', '.join(map(repr, frame.columns))}."
        )
    if not frame.columns.is_unique:
        raise InvalidEventError("Two columns of the table have the same name. Rename one.")


def _names(series: pd.Series[Any], problems: _Problems) -> Any:
    problems.where(series.isna(), series, "is missing")
    if series.dtype.kind in "iu":
        return series.astype(str)
    if series.dtype.kind in "fbMmc":
        problems.where(
            series.notna(), series, f"is {series.dtype}; make it text first, astype(str)"
        )
        return series
    present = series.notna()
    is_text = series.map(lambda v: isinstance(v, str)).astype(bool)
    problems.where(present & ~is_text, series, "is not text")
    problems.where(present & is_text & (series.astype(str).str.strip() == ""), series, "is empty")
    return series.astype(str)


def _times(series: pd.Series[Any], timezone: str | None, problems: _Problems) -> Any:
    if not isinstance(series.dtype, pd.DatetimeTZDtype) and series.dtype.kind != "M":
        series = _parsed(series, timezone, problems)
    problems.where(series.isna(), series, "is missing")
    if not isinstance(series.dtype, pd.DatetimeTZDtype):
        if timezone is None:
            if series.notna().any():
                problems.where(
                    series.notna(), series,
                    "has no zone; say timezone='UTC', or the zone it was read off in",
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
                zone = "" if timezone else ", with a zone"
                problems.add(row, str(series.name), value, f"is not a time (ISO 8601{zone})")
                parsed = datetime(1970, 1, 1, tzinfo=None if timezone else UTC)
        values.append(parsed)
    if timezone is not None:
        aware = [v for v in values if v is not None and v.tzinfo is not None]
        if aware and len(aware) < len(values):
            raise InvalidEventError(
                f"Column {series.name!r} mixes times with and without a zone. Make them all aware."
            )
    return pd.Series(
        pd.to_datetime(pd.Index(values), utc=None), index=series.index, name=series.name
    )


def _value(series: pd.Series[Any], column: str, problems: _Problems) -> tuple[str, Any]:
    """The SQL expression that turns a column into JSON values, and the column as it goes in."""
    kind = series.dtype.kind
    if kind == "b" or kind == "i" or isinstance(series.dtype, pd.StringDtype):
        return column, series
    if kind == "u":
        problems.where(
            series > np.iinfo(np.int64).max, series, "is beyond 64 bits; store it as text"
        )
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
    """A column of dicts or JSON text as JSON text; whether text is JSON, the engine checks later."""
    if isinstance(series.dtype, pd.StringDtype) and not series.isna().any():
        return series
    texts: list[str] = []
    for row, value in enumerate(series):
        if isinstance(value, str):
            texts.append(value)
            continue
        try:
            texts.append(dump_json(value, str(series.name)))
        except InvalidEventError as error:
            problems.add(row, str(series.name), value, f"cannot be JSON: {error}")
            texts.append("{}")
    return pd.Series(texts, index=series.index, dtype=object)


def _ids(series: pd.Series[Any], problems: _Problems) -> Any:
    text = series.astype(str).str.lower()
    shape = text.str.fullmatch(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
    problems.where(~shape.astype(bool), series, "is not a UUID")
    problems.where(text.duplicated() & shape.astype(bool), series, "stands in an earlier row too")
    return text


def _quoted(name: str) -> str:
    """A column name as an SQL text literal: the one place where a name, not a value, enters a query."""
    return "'" + name.replace("'", "''") + "'"
