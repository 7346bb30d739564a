"""The table of snapshots: what a log keeps of the states that somebody took of its aggregates.

A snapshot says with which upcasting steps its state was made: the types and versions of the events
in it, and the signature of what each of them was read as (see `Upcasters.signature`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from esnb.store.connection import Log
from esnb.upcasters import Upcasters

_COLUMNS = "aggregate_id, aggregate_type, sequence_number, state_version, state_json, steps"
# By the id alone, which is what the index serves; whatever else is wanted is found in Python.
_OF_ONE = f"select {_COLUMNS} from snapshots where aggregate_id = ?"
_OF_MANY = f"select {_COLUMNS} from snapshots where aggregate_id in (select unnest(?::varchar[]))"
_DELETE = "delete from snapshots where $1::varchar is null or aggregate_id = $1 returning 1"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One stored snapshot. `steps` is None where an older esnb did not note them."""

    aggregate_id: str
    aggregate_type: str
    sequence_number: int
    state_version: int
    state_json: str
    steps: Mapping[str, str] | None

    def misfit(self, upcasters: Upcasters) -> str:
        """Why its state is not what these steps would lead to, or "" when it is."""
        if self.steps is None:
            return "it does not say with which steps it was made" if upcasters else ""
        changed = upcasters.changed_since(self.steps)
        return f"{changed} is read with other steps now" if changed else ""


def find(log: Log, aggregate_ids: Sequence[str]) -> dict[str, list[Snapshot]]:
    """The snapshots of some aggregates, in no order; those without any are left out."""
    known = log.snapshot_ids()
    wanted = [name for name in aggregate_ids if name in known]
    if not wanted:
        return {}
    rows = log.rows(_OF_ONE, wanted) if len(wanted) == 1 else log.rows(_OF_MANY, [wanted])
    found: dict[str, list[Snapshot]] = {}
    for name, kind, number, version, state, steps in rows:
        made_with = None if steps is None else json.loads(steps)
        snapshot = Snapshot(name, kind, number, version, state, made_with)
        found.setdefault(snapshot.aggregate_id, []).append(snapshot)
    return found


def add(log: Log, snapshot_id: UUID, snapshot: Snapshot, created_at: datetime) -> None:
    """Store a snapshot; `created_at` is in UTC without a zone."""
    steps = None if snapshot.steps is None else json.dumps(dict(snapshot.steps))
    with log.writing():
        with log.transaction() as cursor:
            cursor.execute(
                f"insert into snapshots (snapshot_id, {_COLUMNS}, created_at) "
                "values (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    snapshot_id,
                    snapshot.aggregate_id,
                    snapshot.aggregate_type,
                    snapshot.sequence_number,
                    snapshot.state_version,
                    snapshot.state_json,
                    steps,
                    created_at,
                ],
            )
        log.snapshot_ids().add(snapshot.aggregate_id)


def delete(log: Log, aggregate_id: str | None) -> int:
    """Delete the snapshots of one aggregate or of all; returns how many there were."""
    with log.writing():
        with log.transaction() as cursor:
            count = len(cursor.execute(_DELETE, [aggregate_id]).fetchall())
        if aggregate_id is None:
            log.snapshot_ids().clear()
        else:
            log.snapshot_ids().discard(aggregate_id)
    return count
