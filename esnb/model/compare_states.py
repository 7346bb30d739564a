"""The same aggregates by the code of today and by a candidate, and their snapshots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from esnb.errors import EsnbError, InvalidEventError
from esnb.event_json import load_json
from esnb.model.aggregate import Aggregate, Foldable, apply_to, replay
from esnb.model.state import diff_states, state_of
from esnb.store.reader import Reader
from esnb.store.snapshots import Snapshot
from esnb.upcasters import Upcasters

_SNAPSHOTS = 1_000  # read at once


def choose(
    store: Reader,
    kind: type[Aggregate] | None,
    wanted: int | Iterable[str] | None,
    broken: list[str],
) -> list[str] | None:
    """The ids to compare (None: all of them): those asked for, or so many that show most.

    Streams with an event that fails come first, then those in which every type, version and
    structure of events occurs, then others, spread over the log.
    """
    if isinstance(wanted, str):
        raise InvalidEventError("aggregates is a number, a list of ids, or None for all.")
    if wanted is None or kind is None:
        return None
    if isinstance(wanted, int):
        return list(dict.fromkeys([*broken[:wanted], *_telling(store, kind, wanted)]))
    return list(wanted)


def compare_states(
    store: Reader,
    steps: Upcasters,
    kind: type[Aggregate] | None,
    before: type[Foldable] | None,
    same: Callable[[Any], Any],
    ids: list[str] | None,
) -> tuple[pd.DataFrame, int]:
    """The aggregates whose state another code and other steps would change; and how many were
    compared."""
    names = ["aggregate_id", "difference"]
    if kind is None:
        return pd.DataFrame([], columns=names), 0
    old, new = _Fold(before or kind, store.upcasters), _Fold(kind, steps)
    for event in store.stored(kind.aggregate_type, ids):
        old.take(event)
        new.take(event)
    rows = []
    for name in old.states:
        difference = _difference(old.outcome(name, same), new.outcome(name, same))
        if difference:
            rows.append((name, difference))
    return pd.DataFrame(rows, columns=names), len(old.states)


class _Fold:
    """Many aggregates, folded at once; a stream that fails keeps its error for a state."""

    def __init__(self, kind: type[Foldable], steps: Upcasters) -> None:
        self.kind = kind
        self.steps = steps
        self.states: dict[str, Foldable | EsnbError] = {}

    def take(self, stored: Any) -> None:
        state = self.states.get(stored.aggregate_id)
        if state is None:
            state = self.states[stored.aggregate_id] = replay(self.kind, ())
        if isinstance(state, EsnbError):
            return
        try:
            for event in self.steps(stored):
                apply_to(state, event)
        except EsnbError as error:
            self.states[stored.aggregate_id] = error

    def outcome(self, name: str, same: Callable[[Any], Any]) -> Any:
        state = self.states[name]
        return state if isinstance(state, EsnbError) else same(state)


def _difference(old: Any, new: Any) -> str:
    if isinstance(new, EsnbError):
        return f"fails now: {str(new)[:120]}"
    if isinstance(old, EsnbError):
        return f"failed before: {str(old)[:120]}"
    if isinstance(old, dict) and isinstance(new, dict):
        diff = diff_states(old, new)
        return "; ".join(str(diff).splitlines()[:3]) if diff else ""
    return f"{old!r:.60} -> {new!r:.60}" if diff_states({"it": old}, {"it": new}) else ""


def _telling(store: Reader, kind: type[Aggregate], count: int) -> list[str]:
    rows = store.sql(
        """
        with own as (select * from events where aggregate_type = $1),
        kinds as (select event_type, event_version, json_structure(event_data) as structure,
                         min(aggregate_id) as least, max(aggregate_id) as most
                  from own group by all)
        select unnest([least, most]) from kinds
        """,
        [kind.aggregate_type],
    ).fetchall()
    cover = sorted({row[0] for row in rows})
    others = store.sql(
        "select aggregate_id from events where aggregate_type = ? and sequence_number = 1 "
        "order by hash(aggregate_id), aggregate_id limit ?",
        [kind.aggregate_type, count],
    ).fetchall()
    return list(dict.fromkeys([*cover, *(row[0] for row in others)]))[: max(count, len(cover))]


def snapshot_fates(reader: Reader, kind: type[Aggregate] | None) -> tuple[pd.DataFrame, list[str]]:
    """The newest snapshot of each aggregate: used, upcast or discarded; and upcasts that lie."""
    names = ["state_version", "fate", "count"]
    if kind is None:
        return pd.DataFrame([], columns=names), []
    ids = reader.sql(
        "select distinct aggregate_id from snapshots where aggregate_type = ? order by 1",
        [kind.aggregate_type],
    ).fetchall()
    fates: Counter[tuple[int, str]] = Counter()
    wrong = []
    for start in range(0, len(ids), _SNAPSHOTS):
        part = [row[0] for row in ids[start : start + _SNAPSHOTS]]
        for several in reader.snapshots_of(*part).values():
            newest = max(several, key=lambda each: each.sequence_number)
            fate, true = _fate(reader, kind, newest)
            fates[newest.state_version, fate] += 1
            wrong += [] if true else [newest.aggregate_id]
    said = [f"upcast_state gives another state than replay: {', '.join(wrong[:3])}"]
    table = [(version, fate, count) for (version, fate), count in sorted(fates.items())]
    return pd.DataFrame(table, columns=names), said if wrong else []


def _fate(reader: Reader, kind: type[Aggregate], snapshot: Snapshot) -> tuple[str, bool]:
    """What becomes of a snapshot, and whether its upcast state is the one that replay gives."""
    if snapshot.misfit(reader.upcasters):
        return "discarded: made with other steps", True
    if snapshot.state_version == kind.state_version:
        return "used", True
    if snapshot.state_version > kind.state_version:
        return "discarded: its events are replayed", True
    try:
        state = kind.upcast_state(load_json(snapshot.state_json), snapshot.state_version)
        if state is None:
            return "discarded: its events are replayed", True
        events = reader.events(snapshot.aggregate_id, upto=snapshot.sequence_number)
        return "upcast", state_of(kind.from_state(state)) == state_of(replay(kind, events))
    except Exception:  # whatever it is: a load replays
        return "discarded: upcast_state fails", True
