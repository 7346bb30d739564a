"""A table whose columns are checked, and the SQL that makes the columns of `events` from them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd

from esnb.clock import check_zone
from esnb.errors import InvalidEventError
from esnb.event_json import is_storable
from esnb.events import Event, check_event, why_not_a_name
from esnb.store import frame_columns as columns
from esnb.store.frame_columns import Problems


@dataclass(frozen=True, slots=True)
class Roles:
    """Which column of a table plays which part; the fields are keywords of `append_frame`."""

    aggregate_id: str
    event_type: str
    occurred_at: str
    aggregate_type: str
    data: str | Sequence[str] | None = None
    event_version: int | str = 1
    metadata: str | None = None
    event_id: str | None = None
    timezone: str | None = None
    ambiguous: Any = "raise"
    nonexistent: Any = "raise"
    order: Literal["time"] | None = "time"

    def check(self, frame: object) -> None:
        """Refuse a table that these roles do not fit, with `InvalidEventError`."""
        if not isinstance(frame, pd.DataFrame):
            kind = type(frame).__name__
            raise InvalidEventError(f"append_frame() takes a DataFrame, found {kind}.")
        self._check_columns(frame)
        if frame.empty:
            raise InvalidEventError("The table has no rows, so there is nothing to load.")
        if why_not_a_name(self.aggregate_type):
            raise InvalidEventError(
                f"aggregate_type is a column or a text, found {self.aggregate_type!r:.60}."
            )
        check_zone(self.timezone)
        self._check_clock_changes(len(frame))
        if self.order not in ("time", None):
            raise InvalidEventError(
                f'order is "time", or None to keep the order of the rows, found {self.order!r:.60}.'
            )

    def _check_clock_changes(self, count: int) -> None:
        value = self.ambiguous
        a_row_each = isinstance(value, np.ndarray | list) and len(value) == count
        if value not in ("raise", "infer", True, False) if not a_row_each else False:
            raise InvalidEventError(
                f"ambiguous is 'raise', 'infer', True (summer time), False, or a list of them, one "
                f"per row, found {value!r:.60}."
            )
        moves = ("raise", "shift_forward", "shift_backward")
        if self.nonexistent not in moves and not isinstance(self.nonexistent, timedelta):
            raise InvalidEventError(
                f"nonexistent is 'raise', 'shift_forward', 'shift_backward' or a timedelta, found "
                f"{self.nonexistent!r:.60}."
            )

    @property
    def zone(self) -> columns.Zone:
        """How times without a zone are understood."""
        value = self.ambiguous
        if not isinstance(value, str | bool):
            value = np.asarray(value, dtype=bool)
        return columns.Zone(self.timezone, value, self.nonexistent)

    def only(self, kept: Any) -> Roles:
        """The same roles for these rows of the table, by place."""
        if isinstance(self.ambiguous, str | bool):
            return self
        return replace(self, ambiguous=np.asarray(self.ambiguous, dtype=bool)[kept])

    def _check_columns(self, frame: pd.DataFrame) -> None:
        data = self.data
        if data is not None and not isinstance(data, str | list | tuple):
            raise InvalidEventError(f"data is a column, or a list of columns, found {data!r:.60}.")
        wanted: list[Any] = [self.aggregate_id, self.event_type, self.occurred_at]
        wanted += [name for name in (self.metadata, self.event_id) if name is not None]
        wanted += [data] if isinstance(data, str) else list(data or [])
        missing = [n for n in wanted if not isinstance(n, Hashable) or n not in frame.columns]
        if missing:
            raise InvalidEventError(
                f"The table has no column {missing[0]!r:.80}. "
                f"It has: {', '.join(map(repr, frame.columns))}."
            )
        if not frame.columns.is_unique:
            twice = frame.columns[frame.columns.duplicated()][0]
            raise InvalidEventError(
                f"Two columns of the table have the name {twice!r}. Rename one."
            )

    def data_columns(self, frame: pd.DataFrame) -> list[Any]:
        """The columns that become keys of event_data."""
        if self.data is not None:
            names = list(self.data)
        else:
            used = {self.aggregate_id, self.event_type, self.occurred_at, self.aggregate_type}
            used |= {name for name in (self.metadata, self.event_id) if name is not None}
            used |= {self.event_version} if isinstance(self.event_version, str) else set()
            names = [name for name in frame.columns if name not in used]
        texts = pd.Series([str(name) for name in names], dtype=object)
        for text in texts[texts.duplicated()]:
            raise InvalidEventError(
                f"Two columns become the same key {text!r:.80} of the data. Rename one."
            )
        for text in texts:
            if not is_storable(text):
                raise InvalidEventError(
                    f"The column {text!r:.80} has half a character (a lone surrogate) in its name, "
                    f"which no file can store. Rename it."
                )
        return names


def checked_table(frame: pd.DataFrame, roles: Roles) -> Table:
    """The rows of a table, each value checked; `BadRowsError` names those that cannot be stored."""
    problems = Problems()
    table, times = _checked(frame, roles, problems)
    problems.raise_any()
    table.put_in_order(times.to_numpy(), by_time=roles.order is not None)
    return table


def split_rows(frame: pd.DataFrame, roles: Roles) -> tuple[pd.DataFrame, Roles, pd.DataFrame]:
    """The rows that can become events with their roles, and the others with a column `reason`."""
    problems = Problems(keep_all=True)
    _checked(frame, roles, problems)
    why: dict[int, list[str]] = {}
    for row, column, value, reason in problems.found:
        what = reason if reason == "is missing" else f"{value!r:.60} {reason}"
        why.setdefault(row, []).append(f"{column}: {what}")
    bad = sorted(why)
    kept = np.setdiff1d(np.arange(len(frame)), bad)
    rejected = frame.iloc[bad].copy()
    name = "reason" if "reason" not in rejected else "esnb_reason"
    rejected[name] = ["; ".join(dict.fromkeys(why[row])) for row in bad]
    return frame.iloc[kept], roles.only(kept), rejected


def _checked(frame: pd.DataFrame, roles: Roles, problems: Problems) -> tuple[Table, Any]:
    table = Table()
    version = roles.event_version
    if isinstance(version, str) and version in frame.columns:
        table.values["version"] = columns.versions(frame[version], problems)
        table.version_sql = "version"
    else:
        # A version has one rule, and events.py knows it.
        check_event(Event("rows of a table", {}, version))  # type: ignore[arg-type]
        table.version_sql = str(int(version))
    table.names["aggregate_id"] = columns.names(frame[roles.aggregate_id], problems)
    table.names["event_type"] = columns.names(frame[roles.event_type], problems)
    times = columns.times(frame[roles.occurred_at], roles.zone, problems)
    kind = roles.aggregate_type
    table.names["aggregate_type"] = (
        columns.names(frame[kind], problems)
        if kind in frame.columns
        else columns.constant(kind, len(frame))
    )
    if isinstance(roles.data, str):
        table.values["data"] = columns.objects(frame[roles.data], problems)
        table.data_sql = "data::json"
    else:
        parts = []
        for number, name in enumerate(roles.data_columns(frame)):
            expression, values = columns.value(frame[name], f"data_{number}", problems)
            table.values[f"data_{number}"] = values
            parts.append(f"{_text(str(name))}, {expression}")
        table.data_sql = f"json_object({', '.join(parts)})"
    if roles.metadata is not None:
        table.values["metadata"] = columns.objects(frame[roles.metadata], problems)
        table.metadata_sql = "metadata::json"
    if roles.event_id is not None:
        table.values["given_id"] = columns.ids(frame[roles.event_id], problems)
        table.id_sql = "given_id::uuid"
    return table, times


class Table:
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
        self.number_sql = "k"  # what keeps the derived ids of equal rows apart

    @property
    def streams(self) -> Any:
        """The code of each row's aggregate."""
        return self.names["aggregate_id"][0]

    @property
    def has_given_ids(self) -> bool:
        """Whether the ids of the events are a column of the table."""
        return self.id_sql != _DERIVED_ID

    @property
    def stored_version(self) -> str:
        """The version, in a query that joins the table as t."""
        return "t.version" if self.version_sql == "version" else self.version_sql

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
                f"{ids[mixed]!r} has several aggregate types in this table, and an aggregate keeps "
                f"one. Give the others ids of their own."
            )
        return list(types.take(pairs.sort_values("stream")["type"].to_numpy()))

    def part(self, places: Any) -> pd.DataFrame:
        """The rows at these places of the order: `n` is the place in the frame's log, from 1."""
        rows = self.order[places]
        taken: dict[str, Any] = {"n": places + 1, "k": self.k[places]}
        taken["occurred_at"] = self.times[rows]
        taken |= {name: text.take(codes[rows]) for name, (codes, text) in self.names.items()}
        taken |= {name: values.array.take(rows) for name, values in self.values.items()}
        return pd.DataFrame(taken)

    def typed(self) -> str:
        """The query that reads a part, registered as esnb_part, with the types of `events`."""
        return f"""
            select *, {self.id_sql} as event_id
            from (select *, {_CONTENT.format(number=self.number_sql)} as h
                  from (select *, {self.data_sql} as event_data from esnb_part))
        """


# Version 8 of RFC 9562 is the one for ids made by a rule of one's own. DuckDB leaves out what a
# query does not use, so the md5 costs nothing where ids are given.
_CONTENT = "md5(concat_ws(chr(31), aggregate_id, {number}, event_type, occurred_at, event_data))"
_DERIVED_ID = "(left(h, 12) || '8' || substr(h, 14, 3) || '8' || substr(h, 18))::uuid"


def _text(name: str) -> str:
    """A column name as an SQL text: the one place where a name enters a query."""
    return "'" + name.replace("'", "''").replace("\0", "' || chr(0) || '") + "'"
