"""Events in today's shape, for SQL: what the upcasters make of old rows, beside the other rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from esnb.store.connection import Log
from esnb.store.event_rows import COLUMNS, made_of
from esnb.store.readonly_sql import quoted
from esnb.upcasters import Upcasters

_CHUNK = 100_000

# The rows that no step touches, and beside them what steps made of the others: that is in a table
# of its own, and takes the columns that no step changes from the row it was made of.
_TODAY = f"""
select {COLUMNS}, 1 as part from {{events}} e where {{bounds}} and not {{touched}}
union all
select e.position, coalesce(u.event_id, e.event_id), e.aggregate_type, e.aggregate_id,
       e.sequence_number, u.event_type, u.event_version, u.event_data, e.metadata, e.occurred_at,
       e.recorded_at, u.part
from esnb_upcast u join {{events}} e on e.position = u.position where {{bounds}}
"""

_UPCAST = (
    "create or replace temp table esnb_upcast (position bigint, part integer, event_id uuid, "
    "event_type varchar, event_version integer, event_data json)"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """A range of the log: `after` < position <= `upto`, occurred by `until` (naive, UTC)."""

    after: int
    upto: int
    until: datetime

    def sql(self) -> str:
        """The condition on the rows of `e`: written into queries, being numbers and a time."""
        return (
            f"e.position > {self.after:d} and e.position <= {self.upto:d} "
            f"and e.occurred_at <= timestamp '{self.until.isoformat(' ')}'"
        )


def in_todays_shape(
    log: Log, cursor: duckdb.DuckDBPyConnection, steps: Upcasters, bounds: Bounds
) -> str:
    """The query for these rows in today's shape, to be run on this cursor.

    Only rows of a type and version that some step touches go through Python, once each; the others
    stay where they are.
    """
    events, where = f"{quoted(log.catalog)}.main.events", bounds.sql()
    pairs = _touched(cursor, steps, events, where)
    cursor.execute(_UPCAST)
    if not pairs:
        return _TODAY.format(events=events, bounds=where, touched="false")
    cursor.execute("create or replace temp table esnb_touched (t varchar, v integer)")
    cursor.executemany("insert into esnb_touched values (?, ?)", pairs)
    touched = "((e.event_type, e.event_version) in (select t, v from esnb_touched))"
    rows = log.cursor().execute(
        "select position, event_id::varchar, aggregate_id, sequence_number, event_type, "
        f"event_version, event_data from {events} e where {where} and "
        f"(event_type, event_version) in (values {', '.join(['(?, ?)'] * len(pairs))})",
        [value for pair in pairs for value in pair],
    )
    while chunk := rows.fetchmany(_CHUNK):
        cursor.register("esnb_made", made_of(chunk, steps))
        cursor.execute("insert into esnb_upcast from esnb_made")
        cursor.unregister("esnb_made")
    return _TODAY.format(events=events, bounds=where, touched=touched)


def _touched(
    cursor: duckdb.DuckDBPyConnection, steps: Upcasters, events: str, where: str
) -> list[tuple[str, int]]:
    if not steps:
        return []
    pairs = cursor.execute(
        f"select event_type, event_version from {events} e where {where} group by all"
    ).fetchall()
    return sorted(pair for pair in pairs if steps.touches(*pair))
