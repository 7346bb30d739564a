"""Before a change of events is deployed: what is in the log, and what new steps would make of it.

`catalogue` mines the fields of a log by SQL. `dry_run` runs candidate steps over every event that
they touch, and replays aggregates with the old code and the new. Neither writes anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pandas as pd

from esnb.errors import UpcastError
from esnb.model.aggregate import Aggregate, Foldable
from esnb.model.compare_states import choose, compare_states, snapshot_fates
from esnb.model.event_fields import STRUCTURES, Pair, Seen, changed_fields, mined
from esnb.model.state import state_of
from esnb.store.reader import Reader
from esnb.upcasters import Upcasters

_SHOWN = 5
_CHUNK = 100_000
_FAILURES = [
    "position",
    "aggregate_id",
    "sequence_number",
    "event_type",
    "event_version",
    "reason",
]
_FIELDS = ["event_type", "event_version", "field", "json_type", "events", "share"]


def catalogue(store: Reader, *, now: bool = False) -> pd.DataFrame:
    """The fields of a log: event_type, event_version, field, json_type, events, share.

    `share` is the part of the events of that type and version that have the field with that type.
    A field inside another is written `address.city`, one inside a list `items[].sku`; "mixed" is an
    empty object, or several types in one list. The log is described as it was written, or, with
    `now=True`, as its upcasters read it.
    """
    table = "events_now" if now else "events"
    found, totals = mined(store.sql(STRUCTURES.format(table=table)).fetchall())
    lines = [
        (*pair, name, kind, count, count / totals[pair])
        for pair, seen in sorted(found.items())
        for name, kinds in sorted(seen.items())
        for kind, count in sorted(kinds.items())
    ]
    return pd.DataFrame(lines, columns=_FIELDS)


@dataclass(frozen=True)
class DryRun:
    """What a dry run found; `ok` when nothing speaks against the deployment, and `problems` say
    what does. Tables: `versions` (what each type and version becomes), `fields` (those that are
    gone, new, or of another JSON type), `failures`, `states` (aggregates that differ) and
    `snapshots` (which are used, upcast or discarded)."""

    events: int
    touched: int
    failed: int
    compared: int
    versions: pd.DataFrame
    fields: pd.DataFrame
    failures: pd.DataFrame
    states: pd.DataFrame
    snapshots: pd.DataFrame
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all versions arrive, no event fails, and all compared states are equal."""
        return not self.problems

    def __str__(self) -> str:
        gone = self.fields[self.fields["change"] == "gone"]
        names = [
            f"{row['field']} of {row['event_type']} {row['event_version']}"
            for row in gone.to_dict("records")
        ]
        lines = [
            f"{self.events:,} events, {self.touched:,} of them touched by a step; "
            f"{self.compared:,} aggregates compared. Nothing was written.",
            *(f"problem: {problem}" for problem in self.problems),
        ]
        if names:
            lines.append(f"look at: no step keeps {', '.join(names)}")
        for row in self.snapshots.to_dict("records"):
            lines.append(
                f"snapshots of state_version {row['state_version']}: {row['count']} {row['fate']}"
            )
        return "\n".join([*lines, "ok" if self.ok else "not ok: do not deploy"])

    __repr__ = __str__


def dry_run(
    store: Reader,
    upcasters: Upcasters,
    kind: type[Aggregate] | None = None,
    *,
    before: type[Foldable] | None = None,
    same: Callable[[Any], Any] = state_of,
    aggregates: int | Iterable[str] | None = 200,
) -> DryRun:
    """Try candidate steps on a whole log, and the class `kind` on what they make of it.

    States are compared before and after: by the class `before` (left out: `kind`) with the steps
    that the store has now, and by `kind` with the candidates. `same` takes out of an aggregate what
    must not change, by default all of its state. `aggregates` are ids, or None for all, or how
    many: chosen so that each type, version and structure of events occurs among them.
    """
    steps = store.upcasters.around(upcasters)
    trial = _Trial()
    for row in _touched_rows(store, steps):
        trial.run(steps, row)
    pairs = store.sql(
        "select event_type, event_version, count(*) from events group by all order by all"
    ).fetchall()
    versions = _versions(pairs, trial, upcasters)
    # As it was written; what a vault has sealed is opened, since steps find it so.
    written = store.read_with(Upcasters())
    before_fields, _ = mined(written.sql(STRUCTURES.format(table="events_now")).fetchall())
    chosen = choose(store, kind, aggregates, list(trial.broken))
    states, compared = compare_states(store, steps, kind, before, same, chosen)
    snapshots, lies = snapshot_fates(store.read_with(upcasters), kind)
    problems = [f"{row[0]} {row[1]}: {row[4]}" for row in versions.values.tolist() if row[4]]
    if len(states):
        problems.append(f"{len(states)} of {compared} aggregates have another state")
    return DryRun(
        events=sum(count for *_, count in pairs),
        touched=trial.touched,
        failed=trial.failed.total(),
        compared=compared,
        versions=versions,
        fields=changed_fields(before_fields, trial.fields()),
        failures=pd.DataFrame(trial.failures, columns=_FAILURES),
        states=states,
        snapshots=snapshots,
        problems=[*problems, *lies],
    )


class _Trial:
    """What the steps make of the events that they touch: counted, and the data kept for its fields.

    The data goes into a scratch database, since only the engine is fast enough at its structure.
    """

    def __init__(self) -> None:
        self.becomes: dict[Pair, Counter[tuple[Pair, ...]]] = {}
        self.touched = 0
        self.failed: Counter[tuple[str, int, str]] = Counter()
        self.failures: list[tuple[Any, ...]] = []  # the first ones
        self.broken: dict[str, None] = {}  # streams with an event that fails
        self._made: list[tuple[str, int, str]] = []
        self._scratch = duckdb.connect()
        self._scratch.execute(
            "create table made (event_type varchar, event_version int, event_data json)"
        )

    def run(self, steps: Upcasters, row: tuple[Any, ...]) -> None:
        position, stream, number, event_type, version, text = row
        self.touched += 1
        try:
            shapes = steps.shapes(event_type, version, text, (number, stream, position))
        except UpcastError as error:
            self.failed[event_type, version, error.reason] += 1
            self.broken[stream] = None
            if len(self.failures) < _SHOWN:
                self.failures.append((*row[:5], error.reason))
            return
        becomes = tuple((shape[0], shape[1]) for shape in shapes)
        self.becomes.setdefault((event_type, version), Counter())[becomes] += 1
        self._made += [(event_type, version, shape[2]) for shape in shapes]
        if len(self._made) >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        if self._made:
            frame = pd.DataFrame(self._made, columns=["type", "version", "data"], dtype=object)
            self._scratch.register("part", frame.astype({"version": "int32"}))
            self._scratch.execute("insert into made from part")
            self._made = []

    def fields(self) -> dict[Pair, Seen]:
        """The fields of what each stored type and version became."""
        self._flush()
        return mined(self._scratch.execute(STRUCTURES.format(table="made")).fetchall())[0]


def _touched_rows(store: Reader, upcasters: Upcasters) -> Iterator[tuple[Any, ...]]:
    pairs = store.sql("select distinct event_type, event_version from events").fetchall()
    wanted = [pair for pair in pairs if upcasters.touches(*pair)]
    if not wanted:
        return
    last = store.position
    for start in range(0, last, _CHUNK):
        yield from store.sql(
            "select position, aggregate_id, sequence_number, event_type, event_version, event_data "
            "from events where position > ? and position <= ? and (event_type, event_version) in "
            f"(values {', '.join(['(?, ?)'] * len(wanted))}) order by position",
            [start, start + _CHUNK, *(value for pair in wanted for value in pair)],
        ).fetchall()


def _versions(
    pairs: list[tuple[str, int, int]], trial: _Trial, upcasters: Upcasters
) -> pd.DataFrame:
    newest: dict[str, int] = {}
    for event_type, version, _ in pairs:
        known = newest.get(event_type, upcasters.newest(event_type))
        newest[event_type] = max(known, version)
    rows = []
    for event_type, version, count in pairs:
        pair = (event_type, version)
        fails = [
            f"{times:,} of {count:,} events fail: {reason}"
            for (kind, number, reason), times in sorted(trial.failed.items())
            if (kind, number) == pair
        ]
        # An event that no step touches is read as it is stored.
        outcomes = trial.becomes.get(pair, {} if fails else {(pair,): count})
        said = []
        for kind, number in sorted({pair for outcome in outcomes for pair in outcome}):
            goal = newest.get(kind, upcasters.newest(kind))
            if number < goal and not upcasters.left(kind, number):
                said.append(f"no step leads {kind} from version {number} to {goal}")
        named = {" + ".join(f"{t} {v}" for t, v in outcome) or "nothing" for outcome in outcomes}
        becomes = " or ".join(sorted(named)) or "-"
        rows.append((event_type, version, count, becomes, "; ".join([*said, *fails])))
    names = ["event_type", "event_version", "events", "becomes", "problem"]
    return pd.DataFrame(rows, columns=names)
