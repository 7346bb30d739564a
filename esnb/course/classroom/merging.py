"""Many hand-ins, one log: every whole hand-in of a folder, merged into a store in memory."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from esnb.errors import EsnbError
from esnb.interchange import read_jsonl, restore
from esnb.store.event_store import EventStore

from .log import AGGREGATE, ClassroomError

OUTCOMES = ("not yet", "not quite", "right")
_TEXT = {"course": 60, "nickname": 60, "mistake": 60}
_TEXT |= {"exercise": 40, "prediction": 40, "outcome": 20}
# The data of each event type: what it needs, and what it may have.
_SHAPES: dict[str, tuple[set[str], set[str]]] = {
    "LearnerJoined": ({"course"}, {"nickname"}),
    "ExerciseAttempted": ({"exercise", "outcome"}, {"mistake"}),
    "ExerciseSolved": ({"exercise"}, set()),
    "HintTaken": ({"exercise", "step"}, set()),
    "PredictionMade": ({"prediction", "outcome"}, {"mistake"}),
}
_PSEUDONYM = re.compile(r"learner-[0-9a-f]{10}")
_LARGEST = 50_000_000  # bytes: a year of learning takes less than one of them


@dataclass(frozen=True, repr=False, slots=True)
class Merged:
    """The log of a class, in memory, with what `merge` found out about the files.

    `hand_ins` counts the files that are in it; `problems` has a row for each thing that kept a file
    out: its name, the row (from 1) where there is one, and the reason.
    """

    store: EventStore
    hand_ins: int
    problems: pd.DataFrame

    @property
    def learners(self) -> int:
        """How many learners are in it; one may have handed in more than once."""
        row = self.store.sql("select count(distinct aggregate_id) from events").fetchone()
        return row[0] if row else 0

    def __repr__(self) -> str:
        refused = self.problems["file"].nunique()
        text = f"{self.hand_ins} hand-ins of {self.learners} learners, {self.store.position} events"
        return text + (f"; {refused} file(s) left out, see .problems" if refused else "")


def merge(folder: str | os.PathLike[str]) -> Merged:
    """Read every .jsonl and .jsonl.gz of a folder, and of the folders in it, into one store.

    The same hand-in twice changes nothing, and a later one of the same learner adds what is new. A
    file that is malformed, no class log, or at odds with an earlier file is left out whole, and
    `problems` says why. Events are in the order in which they were recorded.
    """
    place = Path(folder)
    if not place.is_dir():
        raise ClassroomError(
            f"{place.name!r} is not a folder. Put the hand-ins of the class into one folder, then "
            "merge it."
        )
    problems: list[tuple[str, int | None, str]] = []
    streams: dict[str, list[dict[str, Any]]] = {}
    hand_ins = 0
    for path in sorted(p for pattern in ("*.jsonl", "*.jsonl.gz") for p in place.rglob(pattern)):
        name = path.relative_to(place).as_posix()
        try:
            if path.stat().st_size > _LARGEST:
                raise EsnbError("is too large to be a hand-in")
            rows = [_plain(row) for row in read_jsonl(path).to_dict("records")]
        except (EsnbError, OSError) as error:
            found = getattr(error, "problems", ()) or [(None, str(error).splitlines()[0])]
            problems += [(name, line, reason) for line, reason in found]
            continue
        wrong = list(_complaints(rows)) or list(_differences(rows, streams))
        if wrong:
            problems += [(name, row, reason) for row, reason in wrong[:8]]
            continue
        hand_ins += 1
        if rows and len(rows) > len(streams.get(rows[0]["aggregate_id"], ())):
            streams[rows[0]["aggregate_id"]] = rows
    every = [row for rows in streams.values() for row in rows]
    every.sort(key=lambda row: (row["recorded_at"], row["aggregate_id"], row["sequence_number"]))
    frame = pd.DataFrame(every).drop(columns=["position", "data"], errors="ignore")
    return Merged(
        restore(frame) if every else EventStore(),
        hand_ins,
        pd.DataFrame(problems, columns=["file", "row", "reason"]).astype({"row": "Int64"}),
    )


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    return {**row, "data": json.loads(row["event_data"])}


def _complaints(rows: list[dict[str, Any]]) -> Iterator[tuple[int | None, str]]:
    """What keeps the rows from being one learner's log; rows are counted from 1, as lines are."""
    if not rows:
        yield None, "has no events"
        return
    if "recorded_at" not in rows[0]:
        yield None, "has no recorded_at: it was not written by hand_in()"
        return
    learner, latest = rows[0]["aggregate_id"], None
    if not _PSEUDONYM.fullmatch(learner):
        yield 1, f"{learner!r:.40} is not a random name such as learner-0a1b2c3d4e"
    for number, row in enumerate(rows, start=1):
        if row["aggregate_type"] != AGGREGATE:
            yield number, f"is about {row['aggregate_type']!r}, and not about a learner"
        elif row["aggregate_id"] != learner:
            yield number, "is another learner's: a hand-in has the events of one"
        elif row["sequence_number"] != number:
            yield number, f"has sequence number {row['sequence_number']}, expected {number}"
        elif latest is not None and row["recorded_at"] < latest:
            yield number, "was recorded before the event above it"
        elif reason := _odd(row["event_type"], row["data"]):
            yield number, reason
        latest = row["recorded_at"]


def _odd(kind: str, data: Mapping[str, Any]) -> str:
    if kind not in _SHAPES:
        return f"{kind!r} is not an event of a class log"
    needs, may = _SHAPES[kind]
    if not needs <= data.keys() <= needs | may:
        return f"{kind} has the data {sorted(data)}, expected {sorted(needs)}"
    for key, value in data.items():
        if key == "step":
            if type(value) is not int or not 1 <= value <= 9:
                return f"step is a number from 1 to 9, found {value!r:.40}"
        elif not isinstance(value, str) or not 0 < len(value) <= _TEXT[key]:
            return f"{key} is a text of at most {_TEXT[key]} characters, found {value!r:.40}"
    if data.get("outcome", "right") not in OUTCOMES:
        return f"outcome is one of {', '.join(OUTCOMES)}, found {data['outcome']!r:.40}"
    return ""


def _differences(
    rows: list[dict[str, Any]], streams: Mapping[str, list[dict[str, Any]]]
) -> Iterator[tuple[int, str]]:
    """Where a hand-in departs from another one of the same learner."""
    pairs = zip(rows, streams.get(rows[0]["aggregate_id"], ()), strict=False)
    for number, (row, known) in enumerate(pairs, start=1):
        if any(row[name] != known[name] for name in row if name not in ("position", "event_data")):
            yield (
                number,
                "differs from another hand-in of this learner: which one is theirs?",
            )
            return
