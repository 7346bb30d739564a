"""The rows of many streams by few queries: a list page, or a fold over all orders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any

from esnb.store.connection import Log
from esnb.store.event_rows import EVENT_COLUMNS, columns_of

# Measured on two million events: the index serves a list of up to some hundred ids, 200 of them in
# 23 ms; a join reads the whole column, 110 ms for 200 ids as for 2,000. One by one they took 276.
_IN_ONE_LOOKUP = 200
_FEW = 1_000
_CHUNK = 10_000

_LIMITS = "position <= ? and occurred_at <= ?"
_LISTED = f"select {EVENT_COLUMNS} from events where aggregate_id in ({{marks}})"
_JOINED = f"""
select {EVENT_COLUMNS} from events
join (select unnest(?::varchar[]) as stream, unnest(?::bigint[]) as start) as wanted
on aggregate_id = stream and sequence_number > start
where {_LIMITS} order by aggregate_id, sequence_number
"""

Row = tuple[Any, ...]
_stream_and_number = columns_of("aggregate_id", "sequence_number")
_stream = columns_of("aggregate_id")
_position_and_time = columns_of("position", "occurred_at")


def rows_by_stream(
    log: Log, starts: Mapping[str, int], head: int, until: datetime
) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each stream after its start, by sequence number; not those past the limits.

    A stream without such rows is left out. `until` is in UTC without a zone.
    """
    whole = [name for name, start in starts.items() if start == 0]
    if len(whole) <= _FEW:
        for first in range(0, len(whole), _IN_ONE_LOOKUP):
            rows = _listed(log, whole[first : first + _IN_ONE_LOOKUP], head, until)
            yield from _grouped(rows)
        starts = {name: start for name, start in starts.items() if start}
    if starts:
        yield from _grouped(_joined(log, starts, head, until))


def _grouped(rows: Iterable[Row]) -> Iterator[tuple[str, list[Row]]]:
    for name, group in groupby(rows, key=_stream):
        yield name, list(group)


def _listed(log: Log, names: list[str], head: int, until: datetime) -> list[Row]:
    # With another condition the engine would not use the index.
    rows = log.rows(_LISTED.format(marks=", ".join("?" * len(names))), names)
    inside = (row for row in rows if _inside(row, head, until))
    return sorted(inside, key=_stream_and_number)


def _inside(row: Row, head: int, until: datetime) -> bool:
    position, occurred_at = _position_and_time(row)
    return bool(position <= head and occurred_at <= until)


def _joined(log: Log, starts: Mapping[str, int], head: int, until: datetime) -> Iterator[Row]:
    with log.translated():
        cursor = log.cursor()
        try:
            cursor.execute(_JOINED, [list(starts), list(starts.values()), head, until])
            while rows := cursor.fetchmany(_CHUNK):
                yield from rows
        finally:
            cursor.close()
