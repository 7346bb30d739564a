"""How rows get into the table `events`, together with their entry in the chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from esnb.store.event_rows import EventRow

# Events and their entry in the chain are one statement: two would take 1.5 times as long.
INSERT_ONE = """
with event as (insert into events values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?))
insert into chain values (?, ?, ?)
"""

# A column is one text, its values separated by the character 0, which no type name and no JSON can
# hold: DuckDB takes one long text in half the time of a list. The columns that all events of one
# append share are plain parameters.
INSERT_MANY = """
with added as (insert into events
select unnest(range($1::bigint, $1::bigint + $2::bigint)), unnest(string_split($3, chr(0)))::uuid,
       $4, $5, unnest(range($6::bigint, $6::bigint + $2::bigint)),
       unnest(string_split($7, chr(0))), unnest(string_split($8, chr(0)))::integer,
       unnest(string_split($9, chr(0)))::json, unnest(string_split($10, chr(0)))::json,
       unnest(string_split($11, chr(0)))::timestamp, $12::timestamp
)
insert into chain values ($13, $14, $15)
"""

# The rows of several streams, or of several appends.
_INSERT_SEVERAL = """
with added as (insert into events
select unnest(range($1::bigint, $1::bigint + $2::bigint)), unnest(string_split($3, chr(0)))::uuid,
       unnest(string_split($4, chr(0))), unnest(string_split($5, chr(0))),
       unnest(string_split($6, chr(0)))::bigint,
       unnest(string_split($7, chr(0))), unnest(string_split($8, chr(0)))::integer,
       unnest(string_split($9, chr(0)))::json, unnest(string_split($10, chr(0)))::json,
       unnest(string_split($11, chr(0)))::timestamp, unnest(string_split($12, chr(0)))::timestamp
)
insert into chain select unnest(string_split($13, chr(0)))::bigint,
       unhex(unnest(string_split($14, chr(0)))), unhex(unnest(string_split($15, chr(0))))
"""


def insert_several(
    writer: duckdb.DuckDBPyConnection,
    rows: Sequence[EventRow],
    entries: Sequence[tuple[int, bytes, bytes]],
) -> None:
    """Insert rows, by position, and the entries of their appends: one statement."""
    _, ids, *others = zip(*rows, strict=True)
    hex_ids = [f"{event_id.int:032x}" for event_id in ids]
    columns = ["\0".join(hex_ids), *("\0".join(map(str, column)) for column in others)]
    positions, hashes, marks = zip(*entries, strict=True)
    chain = [map(str, positions), map(bytes.hex, hashes), map(bytes.hex, marks)]
    values = [rows[0].position, len(rows), *columns, *map("\0".join, chain)]
    writer.execute(_INSERT_SEVERAL, values)


def insert_many(
    writer: duckdb.DuckDBPyConnection, rows: Sequence[EventRow], entry: tuple[Any, ...]
) -> None:
    """Insert the rows of one stream, in order, and an entry of the chain: one statement."""
    first = rows[0]
    _, ids, _, _, _, types, versions, data, metadata, occurred_at, _ = zip(*rows, strict=True)
    hex_ids = [f"{event_id.int:032x}" for event_id in ids]
    texts = (hex_ids, types, map(str, versions), data, metadata, map(str, occurred_at))
    joined_ids, *others = map("\0".join, texts)
    beginning = [first.position, len(rows), joined_ids]
    stream = [first.aggregate_type, first.aggregate_id, first.sequence_number]
    writer.execute(INSERT_MANY, [*beginning, *stream, *others, first.recorded_at, *entry])
