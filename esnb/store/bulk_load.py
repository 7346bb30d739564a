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
from esnb.events import load_json
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
    progress: bool | None = None,
) -> tuple[int, int, bool]:
    """Append the rows of a DataFrame that fits the roles; returns (rows, position, duplicate).

    See `EventStore.append_frame`. `must_be_new`: none of the aggregates may exist.
    """
    table = checked_table(frame, roles)
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


def _stored_already(log: Log, table: Table, known: Any) -> int:
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
            f"and e.event_version = {table.stored_version})"
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
                f"it. An id always names the same fact: correct it with a new event."
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
    log: Log, cursor: duckdb.DuckDBPyConnection, table: Table, versions: Any,
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
