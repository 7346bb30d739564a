"""From rows of any origin to a checked frame of events, and from such a frame to a store."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pandas as pd

from esnb.clock import Clock, utc
from esnb.errors import EsnbError
from esnb.event_json import read_json
from esnb.events import check_name, new_event
from esnb.store.event_store import EventStore
from esnb.store.hash_chain import DIGEST, Proof, chained

PathLike: TypeAlias = str | os.PathLike[str]
Rows: TypeAlias = Iterable[tuple[int, Mapping[str, Any]]]

#: How `append_frame` finds its way in these frames: `store.append_frame(frame, **COLUMNS)`.
COLUMNS: Final[dict[str, Any]] = {
    "aggregate_type": "aggregate_type",
    "aggregate_id": "aggregate_id",
    "event_id": "event_id",
    "event_type": "event_type",
    "occurred_at": "occurred_at",
    "data": "event_data",
    "metadata": "metadata",
}

FIELDS = (
    "position",
    "event_id",
    "aggregate_type",
    "aggregate_id",
    "sequence_number",
    "event_type",
    "event_version",
    "event_data",
    "metadata",
    "occurred_at",
    "recorded_at",
)
_NEEDED = ("aggregate_type", "aggregate_id", "event_type", "event_data", "occurred_at")
_ALL_OR_NONE = ("position", "sequence_number", "recorded_at")
_SHOWN = 8
_ENOUGH = 10_000
# Ids of events that came without one (as a UUID) are made from where they stand and what they say.
_HERE = UUID("8f0f2f6c-5b0e-5d0c-9a3e-6b2f4c1d7e90")


class InterchangeError(EsnbError, ValueError):
    """A file cannot be read or written; nothing was loaded. `problems` holds (line, reason)."""

    def __init__(self, message: str, problems: Iterable[tuple[int, str]] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__(message)


def usable(path: PathLike) -> Path:
    """A path that can be one; else `InterchangeError`."""
    if not isinstance(path, str | os.PathLike) or "\0" in str(path) or not Path(path).name:
        raise InterchangeError(f"{path!r:.60} is not the path of a file.")
    return Path(path)


class Bad:
    """The bad lines found so far: the first few are shown, all are counted."""

    def __init__(self, name: str, unit: str = "line") -> None:
        self.name, self.unit, self.total = name, unit, 0
        self.found: list[tuple[int, str]] = []

    def add(self, line: int, reason: str) -> None:
        """Note that a line cannot become an event."""
        self.total += 1
        if self.total <= _SHOWN:
            self.found.append((line, reason))
        if self.total >= _ENOUGH:  # this is another format, and the rest tells nothing new
            self.raise_any()

    def raise_any(self) -> None:
        """Raise the error that names them, if there are any."""
        if not self.total:
            return
        lines = [f"  {self.unit} {line}: {reason}" for line, reason in sorted(self.found)]
        lines += [f"  ... and {self.total - _SHOWN} more"] if self.total > _SHOWN else []
        lines += ["  The rest was not read."] if self.total >= _ENOUGH else []
        first = "Rows are counted from 0" if self.unit == "row" else f"The first {self.unit} is 1"
        raise InterchangeError(
            f"{self.name}: {self.total} {self.unit}(s) cannot become events, so nothing was "
            "loaded:\n" + "\n".join(lines) + f"\n{first}. Correct them, then read again.",
            self.found,
        )


class AsWritten(str):
    """The text of a JSON object, taken out of a longer one."""

    __slots__ = ()


def make_frame(rows: Rows, bad: Bad, by_time: bool = False) -> pd.DataFrame:
    """Check each row, put all in order, and fill in what the rows leave open."""
    events: list[dict[str, Any]] = []
    given: set[str] | None = None
    for line, row in rows:
        try:
            event = _event(row)
            has = event.keys() & set(_ALL_OR_NONE)
            given = has if given is None else given
            if has != given:
                odd = sorted(has ^ given)[0]
                raise ValueError(f"{odd} is in some {bad.unit}s only: fill it in, or drop it")
            events.append(event)
        except (ValueError, TypeError, EsnbError, RecursionError) as error:
            bad.add(line, str(error))
    bad.raise_any()
    order = "position" if "position" in (given or ()) else "occurred_at" if by_time else None
    if order:
        events.sort(key=lambda event: event[order])
    places = Counter(event["position"] for event in events if "position" in event)
    if places and len(places) < len(events):
        twice = places.most_common(1)[0][0]
        raise InterchangeError(f"{bad.name}: two events have the same position, {twice}.")
    heads: dict[str, int] = {}
    for n, event in enumerate(events, start=1):
        event.setdefault("position", n)
        heads[event["aggregate_id"]] = number = heads.get(event["aggregate_id"], 0) + 1
        event.setdefault("sequence_number", number)
        if event["event_id"] is None:
            said = (event["event_type"], event["occurred_at"].isoformat(), event["event_data"])
            event["event_id"] = made_id(event["aggregate_id"], str(number), *said)
    table = pd.DataFrame(events, columns=[c for c in FIELDS if not events or c in events[0]])
    for name in table.columns.intersection(["occurred_at", "recorded_at"]):
        naive = np.array([t.replace(tzinfo=None) for t in table[name]], dtype="datetime64[us]")
        table[name] = pd.Series(naive).dt.tz_localize("UTC")
    table.attrs["lost"] = ()
    return table


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    """One row with the types of a log; ValueError or an error of esnb says what is wrong."""
    if not isinstance(row, Mapping):
        raise ValueError(f"is not a JSON object: {row!r:.60}")
    for name in row:
        if name not in FIELDS:
            raise ValueError(f"{name!r} is not a column of a log")
    for name in _NEEDED:
        if row.get(name) is None or row[name] == "":
            raise ValueError(f"{name} is missing")
    for name in ("aggregate_type", "aggregate_id"):
        check_name(name, row[name])
    version = row.get("event_version")
    objects = {}
    for name, default in (("event_data", None), ("metadata", {})):
        value = default if row.get(name) is None else row[name]
        objects[name] = value = read_json(value, name) if isinstance(value, str) else value
        if not isinstance(value, Mapping):
            raise ValueError(f"{name} must be a JSON object, found {value!r:.60}")
    event = new_event(
        row["event_type"],
        objects["event_data"],
        event_id=row.get("event_id"),
        event_version=1 if version is None else _number("event_version", version),
        occurred_at=row["occurred_at"],
        metadata=objects["metadata"],
    )
    out: dict[str, Any] = {"event_id": str(event.event_id) if event.event_id else None}
    out |= {name: row[name] for name in ("aggregate_type", "aggregate_id", "event_type")}
    # A text is kept to the letter: the proof of a log is a hash of it. `new_event` has checked it.
    for name, value in (("event_data", event.event_data), ("metadata", event.metadata)):
        given = row.get(name)
        out[name] = given if isinstance(given, str) else orjson.dumps(value).decode()
    out |= {"event_version": event.event_version, "occurred_at": event.occurred_at}
    for name in ("position", "sequence_number"):
        if row.get(name) is not None:
            out[name] = _number(name, row[name])
    if row.get("recorded_at") is not None:
        out["recorded_at"] = utc(row["recorded_at"])
    return out


def _number(name: str, value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**63:
        raise ValueError(f"{name} counts from 1, found {value!r:.60}")
    return value


def _check_streams(table: pd.DataFrame, bad: Bad) -> None:
    """Whether the rows, in this order, could be a log."""
    heads: dict[str, tuple[int, str]] = {}
    ids = set()
    latest = None
    for n, row in enumerate(table.to_dict("records")):
        name = row["aggregate_id"]
        version, kind = heads.get(name, (0, row["aggregate_type"]))
        if row["sequence_number"] != version + 1:
            bad.add(n, f"sequence number {row['sequence_number']} of {name!r} follows {version}")
        if row["aggregate_type"] != kind:
            bad.add(n, f"{name!r} is {kind!r} before, and {row['aggregate_type']!r} here")
        if (name, row["event_id"]) in ids:
            bad.add(n, f"event_id {row['event_id']} comes twice in {name!r}")
        if latest is not None and row["recorded_at"] < latest:
            bad.add(n, f"recorded_at {row['recorded_at']} runs backwards, after {latest}")
        heads[name], latest = (row["sequence_number"], kind), row.get("recorded_at")
        ids.add((name, row["event_id"]))
    bad.raise_any()


def made_id(*parts: str) -> str:
    """A UUID made from texts: the same texts, the same id."""
    return str(uuid5(_HERE, json.dumps(parts)))


def restore(
    frame: pd.DataFrame,
    path: PathLike | None = None,
    *,
    clock: Clock | None = None,
    proof: Proof | str | None = None,
) -> EventStore:
    """Make a new store from a frame of this module, in one transaction: the same log again.

    Everything is kept: order, ids, types, versions, data, times, recorded_at too (without it: now).
    Positions count from 1. Sequence numbers must count from 1 in each stream, recorded_at must not
    run backwards, and the store at `path` must be new or empty, else `InterchangeError`.

    The new log has the proofs of the old one. With `proof` (of the original store, or what a writer
    returned), a table whose events differ in any letter is refused, and nothing is stored.
    """
    known = None if proof is None else Proof.of(proof)
    bad = Bad("The table", "row")
    table = make_frame(enumerate(records(frame)), bad)
    if not table.empty:
        _check_streams(table, bad)
    store = EventStore(path, clock=clock)
    try:
        if store.position:
            raise InterchangeError(
                f"The store has {store.position} events, and a log is restored into an empty one. "
                "To add events to it: store.append_frame(frame, **COLUMNS)."
            )
        if known is not None and known.position > len(table):
            raise InterchangeError(
                f"The table has {len(table)} events, but the proof was taken at position "
                f"{known.position}: the end is missing. Nothing was stored."
            )
        if not table.empty:
            _insert(store, table, known)
    except BaseException:
        store.close()
        raise
    return store


def _insert(store: EventStore, table: pd.DataFrame, known: Proof | None) -> None:
    log = store._log
    if "recorded_at" not in table:
        table = table.assign(recorded_at=pd.Timestamp(utc(store.clock.now())))
    times = {t: table[t].dt.tz_convert("UTC").dt.tz_localize(None) for t in FIELDS[9:]}
    with log.writing():
        with log.transaction(of_events=True) as cursor:
            cursor.register("esnb_part", table.assign(n=np.arange(1, len(table) + 1), **times))
            rows = cursor.execute(
                "insert into events select n, event_id::uuid, aggregate_type, aggregate_id, "
                "sequence_number, event_type, event_version, event_data::json, metadata::json, "
                f"occurred_at, recorded_at from esnb_part order by n returning position, {DIGEST}"
            ).fetchall()
            proof = log.chain(cursor, log.proof, rows)
            if known is not None:
                upto = [digest for _, digest in rows[: known.position]]
                if chained(log.proof.hash, upto) != known.hash:
                    raise InterchangeError(
                        f"This is not the log of the proof: of the events up to position "
                        f"{known.position}, at least one was changed, added, removed or moved "
                        "since the proof was taken. Nothing was stored. Take another copy."
                    )
        log.forget_heads()
        log.stored(proof, table["recorded_at"].iloc[-1].to_pydatetime())


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as plain Python values; what is missing is None."""
    if not isinstance(frame, pd.DataFrame):
        raise InterchangeError(f"A log is restored from a DataFrame, found {type(frame).__name__}.")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InterchangeError(f"The table has two columns of the name {twice!r}. Drop one.")
    plain = frame.astype(object).where(frame.notna(), None)
    for name in frame.select_dtypes("datetimetz"):
        # One by one: a time that pandas holds and Python does not is named by its row later.
        times = [None if time is pd.NaT else time for time in frame[name]]
        plain[name] = pd.Series(times, frame.index, object)
    return plain.to_dict("records")  # type: ignore[return-value]


def raw(text: str) -> orjson.Fragment:
    """JSON goes out as it is stored; a line break between values becomes a space."""
    return orjson.Fragment(text.replace("\n", " ").replace("\r", " "))


def with_zone(text: object, timezone: str | None) -> object:
    """A time of a file, in the zone in which it was read off when it has none of its own.

    ValueError for a local time that came twice or never, since the clock was changed.
    """
    if timezone is None or not isinstance(text, str):
        return text
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text  # what is wrong with it is said where it is checked
    if time.tzinfo is not None:
        return time
    zone = ZoneInfo(timezone)
    early = time.replace(tzinfo=zone).utcoffset() or timedelta()
    late = time.replace(tzinfo=zone, fold=1).utcoffset() or timedelta()
    if early == late:
        return time.replace(tzinfo=zone)
    found = "came twice" if early > late else "does not exist"
    raise ValueError(
        f"{text} {found} in {timezone}, since the clock was changed. Write its offset in the file."
    )
