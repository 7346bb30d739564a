"""A first look at a log: what is in it, over which time, and what about it is suspicious."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import pandas as pd

_BINS = 60  # bars of the picture
_SAMPLE = 50_000  # events whose fields are looked at
_ENOUGH = 20  # values before a field that never varies is worth a word
_NUMBERS = {"BIGINT", "UBIGINT", "DOUBLE", "NULL"}  # JSON has one kind of number
_SHOWN = 12  # suspicions in the text

_TOTALS = """
select count(*), count(distinct aggregate_id), min(occurred_at), max(occurred_at)
from events
"""
_TYPES = """
select event_type, aggregate_type, count(*) as events, count(distinct aggregate_id) as streams,
       min(occurred_at) as first, max(occurred_at) as last
from events group by all order by events desc, event_type, aggregate_type
"""
_STREAMS = """
select aggregate_type, count(*) as streams, min(n) as fewest, quantile_disc(n, 0.5) as median,
       quantile_disc(n, 0.95) as p95, max(n) as most, max_by(aggregate_id, n) as longest
from (select aggregate_type, aggregate_id, count(*) as n from events group by all)
group by all order by aggregate_type
"""
_GAPS = """
select since, occurred_at as until, epoch(occurred_at) - epoch(since) as seconds
from (
    select occurred_at, lag(occurred_at) over (order by occurred_at, position) as since from events
)
where since is not null order by seconds desc, since limit 3
"""
_BACKWARDS = """
select count(*), min_by(aggregate_id, position), min_by(sequence_number, position)
from (
    select position, aggregate_id, sequence_number, occurred_at < lag(occurred_at) over (
               partition by aggregate_id order by sequence_number) as back
    from events
) where back
"""
_MIDNIGHT = "select count(*) from events where occurred_at = date_trunc('day', occurred_at)"
_FIELDS = """
select event_type, j.key as field, count(*) as events, count_if(j.type = 'NULL') as missing,
       count(distinct j.type) filter (j.type <> 'NULL') as kinds,
       count(distinct j.value::varchar) as different,
       count_if(j.type = 'VARCHAR' and try_cast(j.value->>'$' as double) is not null) as numbers,
       string_agg(distinct j.type, ', ' order by j.type) as types
from (select event_type, event_data from events order by position desc limit ?) e,
     json_each(e.event_data) j
group by all order by event_type, field
"""
_BARS = """
select least(? - 1, floor((epoch(occurred_at) - ?) * ? / ?))::integer as bar, count(*)
from events group by all order by bar
"""


class Answers(Protocol):
    """What is asked: a store, or a view of its past."""

    def sql(self, query: str, parameters: Sequence[Any] | None = None) -> Any:
        """Run one SELECT."""
        ...


@dataclass(frozen=True)
class Overview:
    """What a log holds. In a notebook a table with a picture, elsewhere text.

    `events`, `streams`, `first` and `last` are of the whole log; `types` has one row per event
    type, `lengths` one per aggregate type (events per stream: fewest, median, p95, most),
    `gaps` the three longest times without an event, in seconds. `suspicions` are sentences,
    each about something worth a look before conclusions are drawn. `bars` counts the events in
    equal parts of the span.
    """

    events: int
    streams: int
    first: datetime | None
    last: datetime | None
    types: pd.DataFrame
    lengths: pd.DataFrame
    gaps: pd.DataFrame
    suspicions: tuple[str, ...]
    bars: tuple[int, ...]

    def __repr__(self) -> str:
        if not self.events:
            return "<Overview: no events yet>"
        lines = [
            f"{self.events:,} events in {self.streams:,} streams, {_at(self.first)} to "
            f"{_at(self.last)} (UTC)",
            "",
            self.types.to_string(index=False),
            "",
            self.lengths.to_string(index=False),
        ]
        if len(self.gaps):
            gap = self.gaps.iloc[0]
            lines += ["", f"Longest time without an event: {_span(gap['seconds'])}, from "
                          f"{_at(gap['since'])} to {_at(gap['until'])}"]  # fmt: skip
        if self.suspicions:
            lines += ["", "Worth a look:", *(f"  {text}" for text in self._shown())]
        return "\n".join(lines)

    def _shown(self) -> list[str]:
        shown = list(self.suspicions[:_SHOWN])
        more = len(self.suspicions) - len(shown)
        return [*shown, f"... and {more} more, in .suspicions"] if more > 0 else shown

    def _repr_html_(self) -> str:
        if not self.events:
            return "<p>No events yet.</p>"
        head = (
            f"<p><b>{self.events:,}</b> events in <b>{self.streams:,}</b> streams, "
            f"{_at(self.first)} to {_at(self.last)} (UTC)</p>"
        )
        parts = [head, self._picture(), _table(self.types), _table(self.lengths)]
        if len(self.gaps):
            gap = self.gaps.iloc[0]
            parts.append(
                f"<p>Longest time without an event: {_span(gap['seconds'])}, from "
                f"{_at(gap['since'])} to {_at(gap['until'])}</p>"
            )
        if self.suspicions:
            items = "".join(f"<li>{html.escape(text)}</li>" for text in self._shown())
            parts.append(f"<p>Worth a look:</p><ul>{items}</ul>")
        return "".join(parts)

    def _picture(self) -> str:
        """The events over time as bars; a description says the same in words."""
        most = max(self.bars, default=1) or 1
        bars = "".join(
            f'<rect x="{n * 10 + 1}" y="{60 - 60 * count / most:.1f}" width="8" '
            f'height="{60 * count / most:.1f}"/>'
            for n, count in enumerate(self.bars)
            if count
        )
        words = f"Events over time: at most {most:,} in one of {len(self.bars)} equal parts"
        width = len(self.bars) * 10
        return (
            f'<svg role="img" aria-label="{words}" viewBox="0 0 {width} 62" width="{width}" '
            f'style="max-width:100%;height:auto" fill="#56b4e9">{bars}'
            f'<rect x="0" y="60.5" width="{width}" height="1" fill="#767676"/></svg>'
        )


def look_over(reader: Answers) -> Overview:
    """Read the whole log once for its numbers, and its last events for their fields."""
    events, streams, first, last = reader.sql(_TOTALS).fetchall()[0]
    types, lengths = reader.sql(_TYPES).df(), reader.sql(_STREAMS).df()
    gaps = reader.sql(_GAPS).df()
    bars: tuple[int, ...] = ()
    if events:
        span = max(1e-6, (last - first).total_seconds())
        offset = (first - datetime(1970, 1, 1)).total_seconds()
        counted = dict(reader.sql(_BARS, [_BINS, offset, _BINS, span]).fetchall())
        bars = tuple(counted.get(n, 0) for n in range(_BINS))
    return Overview(
        events, streams, first, last, types, lengths, gaps, tuple(_suspicions(reader, events)), bars
    )


def _suspicions(reader: Answers, events: int) -> list[str]:
    found: list[str] = []
    back, stream, number = reader.sql(_BACKWARDS).fetchall()[0]
    if back:
        found.append(
            f"occurred_at runs backwards inside a stream {back:,} times, first in {stream!r} at "
            f"sequence number {number}: replay follows the sequence numbers, as_of(time) the clock."
        )
    midnight = reader.sql(_MIDNIGHT).fetchall()[0][0]
    if events >= _ENOUGH and midnight * 2 > events:
        found.append(
            f"{midnight:,} of {events:,} events happened at midnight exactly: dates without a time "
            f"of day, perhaps. Their order inside a day is that of the file."
        )
    for kind, field, count, missing, kinds, different, numbers, types in reader.sql(
        _FIELDS, [_SAMPLE]
    ).fetchall():
        name = f"{kind}.{field}"
        if missing == count and count >= _ENOUGH:
            found.append(f"{name} is null in all {count:,} events.")
        elif kinds > 1 and not set(types.split(", ")) <= _NUMBERS:
            found.append(f"{name} has values of several kinds: {types}.")
        elif numbers == count - missing and numbers >= _ENOUGH:
            found.append(f"{name} holds numbers as text, in {numbers:,} events.")
        elif different == 1 and count >= _ENOUGH:
            found.append(f"{name} has the same value in all {count:,} events.")
    return found


def _at(time: datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M:%S}"


def _span(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _table(frame: pd.DataFrame) -> str:
    heads = "".join(f'<th scope="col">{html.escape(str(name))}</th>' for name in frame)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_cell(value))}</td>" for value in row) + "</tr>"
        for row in frame.itertuples(index=False)
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return _at(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
