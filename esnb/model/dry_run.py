"""Before a change of events is deployed: what is in the log, and what new steps would make of it.

`catalogue` mines the fields of a log by SQL. `dry_run` runs candidate steps over every event that
they touch, and replays aggregates with the old code and the new. Neither writes anything.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pandas as pd

from esnb.errors import EsnbError, InvalidEventError, UpcastError
from esnb.events import load_json
from esnb.model.aggregate import Aggregate, Foldable, apply_to, replay, state_of
from esnb.model.history import diff_states
from esnb.store.reader import Reader
from esnb.upcasters import Shape, Upcasters

_SHOWN = 5
_CHUNK = 100_000
_TYPES = {
    "UBIGINT": "integer", "BIGINT": "integer", "HUGEINT": "integer", "UHUGEINT": "integer",
    "DOUBLE": "number", "VARCHAR": "text", "BOOLEAN": "boolean", "NULL": "null", "JSON": "mixed",
}  # fmt: skip
_STRUCTURES = (
    "select event_type, event_version, json_structure(event_data)::varchar, count(*) "
    "from {table} group by all"
)
_FIELDS = ["event_type", "event_version", "field", "json_type", "events", "share"]

#: (event type, version)
Pair = tuple[str, int]
#: field -> JSON type -> how many events have it so
Seen = dict[str, Counter[str]]


def catalogue(store: Reader, *, now: bool = False) -> pd.DataFrame:
    """The fields of a log: event_type, event_version, field, json_type, events, share.

    `share` is the part of the events of that type and version that have the field with that type.
    A field inside another is written `address.city`, one inside a list `items[].sku`; "mixed" is an
    empty object, or several types in one list. The log is described as it was written, or, with
    `now=True`, as its upcasters read it.
    """
    table = "events_now" if now else "events"
    found, totals = _mined(store.sql(_STRUCTURES.format(table=table)).fetchall())
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
    touched, made = _Shapes(), _Made()
    broken: dict[str, None] = {}  # streams with an event that fails
    steps = store.upcasters.around(upcasters)
    failures: list[tuple[Any, ...]] = []
    failed: Counter[tuple[str, int, str]] = Counter()
    for row in _touched_rows(store, steps):
        position, stream, number, event_type, version, text = row
        try:
            shapes = steps.shapes(event_type, version, text, (number, stream, position))
        except UpcastError as error:
            failed[event_type, version, _cause(error)] += 1
            broken[stream] = None
            if len(failures) < _SHOWN:
                failures.append((position, stream, number, event_type, version, _cause(error)))
            continue
        touched.add(event_type, version, shapes)
        made.add(event_type, version, shapes)
    pairs = store.sql(
        "select event_type, event_version, count(*) from events group by all order by all"
    ).fetchall()
    versions = _versions(pairs, touched, upcasters, failed)
    problems = [
        f"{row['event_type']} {row['event_version']}: {row['problem']}"
        for row in versions.to_dict("records")
        if row["problem"]
    ]
    # As it was written; what a vault has sealed is opened, since steps find it so.
    written = store.read_with(Upcasters())
    before_fields, _ = _mined(written.sql(_STRUCTURES.format(table="events_now")).fetchall())
    fields = _fields(before_fields, made.seen())
    states, compared = _states(store, steps, kind, before, same, aggregates, list(broken))
    snapshots, lies = _snapshots(store.read_with(upcasters), kind)
    if len(states):
        problems.append(f"{len(states)} of {compared} aggregates have another state")
    problems += lies
    return DryRun(
        events=sum(count for *_, count in pairs),
        touched=sum(touched.totals.values()) + sum(failed.values()),
        failed=sum(failed.values()),
        compared=compared,
        versions=versions,
        fields=fields,
        failures=pd.DataFrame(
            failures,
            columns=["position", "aggregate_id", "sequence_number", "event_type", "event_version",
                     "reason"],
        ),
        states=states,
        snapshots=snapshots,
        problems=problems,
    )  # fmt: skip


# -- events ------------------------------------------------------------------------------------


class _Shapes:
    """What each type and version becomes, counted."""

    def __init__(self) -> None:
        self.found: dict[Pair, Counter[tuple[Pair, ...]]] = {}
        self.totals: Counter[Pair] = Counter()

    def add(self, event_type: str, version: int, shapes: list[Shape]) -> None:
        pair = (event_type, version)
        self.totals[pair] += 1
        becomes = tuple((shape[0], shape[1]) for shape in shapes)
        self.found.setdefault(pair, Counter())[becomes] += 1


class _Made:
    """The data that steps made, kept in a scratch database, for its fields."""

    def __init__(self) -> None:
        self._scratch = duckdb.connect()
        self._scratch.execute(
            "create table made (event_type varchar, event_version int, event_data json)"
        )
        self._rows: list[tuple[str, int, str]] = []

    def add(self, event_type: str, version: int, shapes: list[Shape]) -> None:
        self._rows += [(event_type, version, shape[2]) for shape in shapes]
        if len(self._rows) >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            columns = list(zip(*self._rows, strict=True))
            frame = pd.DataFrame(
                {name: pd.Series(column, dtype=object if name != "version" else "int32")
                 for name, column in zip(("type", "version", "data"), columns, strict=True)}
            )  # fmt: skip
            self._scratch.register("part", frame)
            self._scratch.execute("insert into made from part")
            self._rows = []

    def seen(self) -> dict[Pair, Seen]:
        """The fields of what each stored type and version became."""
        self._flush()
        return _mined(self._scratch.execute(_STRUCTURES.format(table="made")).fetchall())[0]


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
    pairs: list[tuple[str, int, int]], touched: _Shapes, upcasters: Upcasters,
    failed: Counter[tuple[str, int, str]],
) -> pd.DataFrame:  # fmt: skip
    newest: dict[str, int] = {}
    for event_type, version, _ in pairs:
        known = newest.get(event_type, upcasters.newest(event_type))
        newest[event_type] = max(known, version)
    rows = []
    for event_type, version, count in pairs:
        outcomes = touched.found.get((event_type, version), {((event_type, version),): count})
        said = []
        for kind, number in sorted({pair for outcome in outcomes for pair in outcome}):
            goal = newest.get(kind, upcasters.newest(kind))
            if number < goal:
                said.append(f"no step leads {kind} from version {number} to {goal}")
        said += [
            f"{times:,} of {count:,} events fail: {cause}"
            for (kind, number, cause), times in sorted(failed.items())
            if (kind, number) == (event_type, version)
        ]
        named = {" + ".join(f"{t} {v}" for t, v in outcome) or "nothing" for outcome in outcomes}
        becomes = " or ".join(sorted(named))
        fails = any(key[:2] == (event_type, version) for key in failed)
        if fails and (event_type, version) not in touched.found:
            becomes = "-"
        rows.append((event_type, version, count, becomes, "; ".join(said)))
    names = ["event_type", "event_version", "events", "becomes", "problem"]
    return pd.DataFrame(rows, columns=names)


def _fields(old: dict[Pair, Seen], made: dict[Pair, Seen]) -> pd.DataFrame:
    """The fields of touched events that are gone, new, or of another type."""
    rows = []
    for pair, new in sorted(made.items()):
        was = old.get(pair, {})
        for name in sorted({*was, *new}):
            a, b = was.get(name, Counter()), new.get(name, Counter())
            change = "gone" if not b else "new" if not a else "type"
            if change != "type" or set(a) != set(b):
                kinds = " -> ".join(", ".join(sorted(c)) for c in (a, b) if c)
                rows.append((*pair, name, change, kinds, sum((a or b).values())))
    names = ["event_type", "event_version", "field", "change", "json_type", "events"]
    return pd.DataFrame(rows, columns=names)


def _mined(rows: list[tuple[Any, ...]]) -> tuple[dict[Pair, Seen], Counter[Pair]]:
    """The fields of structures that the engine counted, and how many events there are."""
    found: dict[Pair, Seen] = {}
    totals: Counter[Pair] = Counter()
    for event_type, version, structure, count in rows:
        totals[event_type, version] += count
        seen = found.setdefault((event_type, version), {})
        for name, kind in _leaves(json.loads(structure), None):
            seen.setdefault(name, Counter())[kind] += count
    return found, totals


def _leaves(structure: Any, path: str | None) -> Iterator[tuple[str, str]]:
    """The fields of a structure; None is the path of the data itself, which is no field."""
    if isinstance(structure, dict):
        if path is not None:
            yield path, "object"
        for key, inner in structure.items():
            yield from _leaves(inner, key if path is None else f"{path}.{key}")
    elif isinstance(structure, list):
        yield path or "", "list"
        for inner in structure:
            if isinstance(inner, dict | list):
                here = f"{path}[]"
                yield from (leaf for leaf in _leaves(inner, here) if leaf[0] != here)
    elif path is not None:
        yield path, _TYPES.get(structure, structure.lower())


def _cause(error: UpcastError) -> str:
    cause = error.__cause__
    return str(error) if cause is None else f"{type(cause).__name__}: {cause}"


# -- states ------------------------------------------------------------------------------------


def _states(
    store: Reader, upcasters: Upcasters, kind: type[Aggregate] | None,
    before: type[Foldable] | None, same: Callable[[Any], Any],
    aggregates: int | Iterable[str] | None, broken: list[str],
) -> tuple[pd.DataFrame, int]:  # fmt: skip
    names = ["aggregate_id", "difference"]
    if kind is None:
        return pd.DataFrame([], columns=names), 0
    if isinstance(aggregates, str):
        raise InvalidEventError("aggregates is a number, a list of ids, or None for all.")
    if isinstance(aggregates, int):
        aggregates = dict.fromkeys([*broken[:aggregates], *_chosen(store, kind, aggregates)])
    ids = None if aggregates is None else list(aggregates)
    old, new = _Fold(before or kind, store.upcasters), _Fold(kind, upcasters)
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


def _chosen(store: Reader, kind: type[Aggregate], count: int) -> list[str]:
    """Streams in which every type, version and structure of events occurs; then others, spread."""
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


def _snapshots(reader: Reader, kind: type[Aggregate] | None) -> tuple[pd.DataFrame, list[str]]:
    """The newest snapshot of each aggregate: used, upcast or discarded; and upcasts that lie."""
    names = ["state_version", "fate", "count"]
    if kind is None:
        return pd.DataFrame([], columns=names), []
    rows = reader.sql(
        "select aggregate_id, arg_max(state_version, sequence_number), max(sequence_number), "
        "arg_max(state_json, sequence_number) from snapshots where aggregate_type = ? group by 1 "
        "order by 1",
        [kind.aggregate_type],
    ).fetchall()
    fates: Counter[tuple[int, str]] = Counter()
    wrong = []
    for aggregate_id, version, number, text in rows:
        fate = "used" if version == kind.state_version else "discarded: its events are replayed"
        if version < kind.state_version:
            try:
                state = kind.upcast_state(load_json(text), version)
                if state is not None:
                    truth = replay(kind, reader.events(aggregate_id, upto=number))
                    if state_of(kind.from_state(state)) != state_of(truth):
                        wrong.append(aggregate_id)
                    fate = "upcast"
            except Exception:  # whatever it is: a load replays
                fate = "discarded: upcast_state fails"
        fates[version, fate] += 1
    said = [f"upcast_state gives another state than replay: {', '.join(wrong[:3])}"]
    table = [(version, fate, count) for (version, fate), count in sorted(fates.items())]
    return pd.DataFrame(table, columns=names), said if wrong else []
