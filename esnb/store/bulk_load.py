"""Tables become events: a whole DataFrame is checked, ordered, numbered, stored in one transaction.

pandas finds the bad rows, so that they can be named, and numbers the others; DuckDB writes the JSON
and the ids. All of it goes column by column, never row by row.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
import orjson
import pandas as pd

from esnb.clock import Clock, utc
from esnb.errors import ConcurrencyError, DuplicateEventError, InvalidEventError
from esnb.event_json import load_json
from esnb.store.connection import Log
from esnb.store.frame_table import Roles, Table, checked_table
from esnb.store.hash_chain import DIGEST, Proof

_CHUNK = 100_000
_QUIET_BELOW = 200_000


def append_frame(
    log: Log,
    clock: Clock,
    frame: pd.DataFrame,
    roles: Roles,
    *,
    must_be_new: bool,
    skip_stored: bool = False,
    progress: bool | None = None,
) -> tuple[int, int, bool]:
    """Append the rows of a DataFrame that fits the roles; returns (rows, position, duplicate).

    See `EventStore.append_frame`. `must_be_new`: none of the aggregates may exist.
    `skip_stored`: rows that the log has already are left out.
    """
    table = checked_table(frame, roles)
    types = table.types_of_aggregates()
    show = len(frame) >= _QUIET_BELOW if progress is None else progress
    # One `writing` around all of it: no other append may come between the commit and the heads.
    with log.writing():
        heads = log.heads()
        ids = table.names["aggregate_id"][1].tolist()
        versions = np.array([heads.get(name, (0, ""))[0] for name in ids], dtype=np.int64)
        if skip_stored:
            new = _new_rows(log, table, versions > 0)
            if not len(new):
                return 0, log.position, True
            if len(new) < len(frame):
                table = checked_table(frame.iloc[new], roles.only(new))
                types, ids = table.types_of_aggregates(), table.names["aggregate_id"][1].tolist()
                versions = np.array([heads.get(name, (0, ""))[0] for name in ids], dtype=np.int64)
            table.number_sql = "(head + k)"
        elif earlier := _stored_already(log, table, versions > 0):
            return len(frame), earlier, True
        _refuse_known(ids, types, heads, must_be_new)
        now = max(utc(clock.now()), log.last_recorded)
        with log.transaction(of_events=True) as cursor:
            proof = _insert(log, cursor, table, versions, now, show)
        versions += np.bincount(table.streams, minlength=len(ids))
        heads.update(zip(ids, zip(versions.tolist(), types, strict=True), strict=True))
        log.stored(proof, now)
    return len(table.order), log.position, False


def _stored_already(log: Log, table: Table, known: Any) -> int:
    """The last position if all rows are stored already, 0 if none is; an error for a part."""
    places = np.flatnonzero(known[table.streams[table.order]])
    if not len(places):
        return 0
    with log.translated():
        cursor = log.cursor()
        cursor.register("esnb_part", table.part(places))
        stored, last = cursor.execute(
            f"select count(*), max(e.position) {_same_ids(table)}"
        ).fetchall()[0]
        if stored:
            _refuse_other_content(cursor, table)
    if stored and stored < len(table.order):
        raise DuplicateEventError(
            f"{stored} of the {len(table.order)} rows are stored already, the others are not. "
            f"Load only the new rows: append_frame(..., skip_stored=True) finds them."
        )
    return last or 0


def _same_ids(table: Table) -> str:
    return f"""
        from (select *, {table.metadata_sql} as new_metadata from ({table.typed()})) t
        join events e on e.aggregate_id = t.aggregate_id and e.event_id = t.event_id
    """


def _refuse_other_content(cursor: duckdb.DuckDBPyConnection, table: Table) -> None:
    """An id that is stored with other content than the part registered as esnb_part has for it."""
    plain = (
        "(e.event_type = t.event_type and e.occurred_at = t.occurred_at "
        f"and e.event_version = {table.stored_version})"
    )
    differing = cursor.execute(
        f"""
        select e.event_id::varchar, {plain}, e.event_data, t.event_data, e.metadata, new_metadata
        {_same_ids(table)}
        where not {plain} or e.event_data::varchar <> t.event_data::varchar
              or e.metadata::varchar <> new_metadata::varchar
        """
    ).fetchall()
    for name, alike, *texts in differing:
        old_data, new_data, old_metadata, new_metadata = map(load_json, texts)
        if not alike or not _same(old_data, new_data) or not _same(old_metadata, new_metadata):
            raise DuplicateEventError(
                f"The event {name} is stored already, with other content than this table has for "
                f"it. An id always names the same fact: correct it with a new event."
            )


def _new_rows(log: Log, table: Table, known: Any) -> Any:
    """The rows of the frame that the log does not have yet, by place in the frame.

    With given ids an id decides. Without, the content does: of rows that are equal in aggregate,
    type, time and data, as many count as stored as the log has such events.
    """
    places = np.flatnonzero(known[table.streams[table.order]])
    if not len(places):
        return np.arange(len(table.order))
    same = "aggregate_id, event_type, occurred_at, event_data::varchar"
    query = f"select t.n {_same_ids(table)}" if table.has_given_ids else f"""
        select n from (
            select n, aggregate_id, event_type, occurred_at, event_data::varchar as text,
                   row_number() over (partition by {same} order by n) as nth
            from ({table.typed()})
        ) t join (
            select aggregate_id, event_type, occurred_at, event_data::varchar as text, count(*) as c
            from events where aggregate_id in (select aggregate_id from esnb_part) group by all
        ) e using (aggregate_id, event_type, occurred_at, text)
        where nth <= c
    """  # fmt: skip
    with log.translated():
        cursor = log.cursor()
        cursor.register("esnb_part", table.part(places))
        if table.has_given_ids:
            _refuse_other_content(cursor, table)
        stored = [n - 1 for (n,) in cursor.execute(query).fetchall()]
    return np.setdiff1d(np.arange(len(table.order)), table.order[stored])


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
    log: Log,
    cursor: duckdb.DuckDBPyConnection,
    table: Table,
    versions: Any,
    now: datetime,
    show: bool,
) -> Proof:
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
