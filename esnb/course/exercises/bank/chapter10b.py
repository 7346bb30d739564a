"""Exercises to chapter 10b: which columns say what, and which rows of tomorrow's export are new."""

from __future__ import annotations

import csv
import functools
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from esnb import EventStore
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import whole
from esnb.course.exercises.engine.verdicts import attempt
from esnb.data_files import data_file
from esnb.interchange import from_csv

chapter = Chapter("10b_your_own_log")

FILE = data_file("visits", "visits.csv")


# --- 10b-1 --------------------------------------------------------------------------------------


@functools.cache
def _visits() -> set[tuple[str, str, datetime]]:
    """The rows of the export that name a patient, read without the library; times in UTC."""
    zone, found = ZoneInfo("Europe/Paris"), set()
    with FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter=";"):
            if row["patient"]:
                at = datetime.strptime(row["at"], "%d.%m.%Y %H:%M").replace(tzinfo=zone)
                found.add((row["patient"], row["what"], at.astimezone(UTC)))
    return found


def _loaded(keywords: dict[str, Any]) -> tuple[set[tuple[Any, ...]], int]:
    with from_csv(FILE, **keywords) as store:
        rows = [(e.aggregate_id, e.type, e.occurred_at) for e in store.read_all()]
        return set(rows), len(rows)


@chapter.exercise(
    "10b-1",
    form="Your data",
    title="The clinic's clock",
    section="Which column is what?",
    stub="""
columns = {
    "aggregate_id": ...,
    "event_type": ...,
    "occurred_at": ...,
    "aggregate_type": "PATIENT",
}
""",
    hints=(
        "Look at the first lines of the file. Which column says who, which one what, and when?",
        "The clinic is in Paris, and its export says only what the clock on the wall said. Seven "
        "rows name no patient.",
        'columns = {..., "timezone": "Europe/...", "on_bad": "report"}',
    ),
    right="270 events of 60 patients, at the right times. The file says neither where the clock "
    "hung nor what to do with seven rows: you did.",
    mistakes={
        "by-utc": "The rows are there, and each of them happened at another time. In winter the "
        "clocks in Paris are an hour ahead of UTC.",
        "no-zone": "A time of day without a place is not a moment. Which keyword names the place?",
        "rows-refused": "Seven rows name no patient, so nothing was loaded. Which keyword leaves "
        "such rows out and lists them?",
        "not-the-case": "Events that belong together are those of one patient. That is the column "
        "with the id of the stream.",
        "not-the-step": "The type of an event says what happened: admitted, examined, and so on.",
    },
)
def _clock(answer: Any, trial: Trial) -> None:
    trial.kind(answer, dict, "the dict of keywords")
    facts: dict[str, Any] = {"when": [f"from_csv(FILE, **{answer})"]}
    trial.require(answer.get("aggregate_id") == "patient", "not-the-case", **facts)
    trial.require(answer.get("event_type") == "what", "not-the-step", **facts)
    trial.require("timezone" in answer, "no-zone", **facts)
    came = attempt(lambda: _loaded(answer))
    if came.error:
        listed = answer.get("on_bad") == "report"
        trial.fail("other" if listed else "rows-refused", **facts, got=came.lines())
    rows, count = came.value
    wanted = _visits()
    same = {row[:2] for row in rows} == {row[:2] for row in wanted}
    trial.require(rows == wanted or not same, "by-utc", **facts)
    trial.require(rows == wanted and count == len(wanted), "other", **facts)


# --- 10b-2 --------------------------------------------------------------------------------------

TODAY = (
    ("c-1", "opened", "2026-03-02T09:00:00Z", 5),
    ("c-1", "closed", "2026-03-02T10:00:00Z", 5),
    ("c-2", "opened", "2026-03-02T11:00:00Z", 7),
)
TOMORROW = {
    "the same file again": TODAY,
    "one more row at the end": (*TODAY, ("c-2", "closed", "2026-03-03T09:00:00Z", 7)),
    "the amount of a row corrected": (*TODAY[:2], ("c-2", "opened", "2026-03-02T11:00:00Z", 8)),
    "a row that is in it twice": (*TODAY, TODAY[2]),
    "yesterday's rows are gone": (("c-3", "opened", "2026-03-03T09:00:00Z", 1),),
}


@functools.cache
def _appended() -> dict[str, int]:
    """How many events each export adds, as a store counts them."""
    found = {}
    names = ["case", "what", "at", "amount"]
    for name, rows in TOMORROW.items():
        with EventStore() as store:
            for table in (TODAY, rows):
                store.append_frame(
                    pd.DataFrame(table, columns=names),
                    aggregate_id="case",
                    event_type="what",
                    occurred_at="at",
                    aggregate_type="CASE",
                    skip_stored=True,
                )
            found[name] = store.position - len(TODAY)
    return found


_KEYS = {
    "the same file again": "same-again",
    "one more row at the end": "counts-all",
    "the amount of a row corrected": "corrected-is-known",
    "a row that is in it twice": "twice-is-once",
    "yesterday's rows are gone": "gone-is-removed",
}


@chapter.exercise(
    "10b-2",
    form="Predict",
    title="What is new tomorrow?",
    section="What about tomorrow's export?",
    stub="""
appended = {
    "the same file again": ...,
    "one more row at the end": ...,
    "the amount of a row corrected": ...,
    "a row that is in it twice": ...,
    "yesterday's rows are gone": ...,
}
""",
    hints=(
        "Without an id, what makes two rows the same event?",
        "Case, type, time and data, all four. And of rows that are equal, as many are known as the "
        "log has.",
        'appended = {"the same file again": 0, ...}',
    ),
    right="Content decides, and each equal row counts. A corrected row is a new event beside the "
    "old one: an export that is edited in place needs ids.",
    mistakes={
        "same-again": "Every row of it is in the log already.",
        "counts-all": "Only the last row is new. The first three are in the log.",
        "corrected-is-known": "Case, type and time are known, and the amount is not. So it is "
        "another event, and the old one stays.",
        "twice-is-once": "The log has one such event, and the file two such rows. One of the two "
        "is new.",
        "gone-is-removed": "An export that forgot rows takes nothing out of a log. One row is new.",
        "not-five-numbers": "Five names, and a whole number for each of them.",
    },
)
def _tomorrow(answer: Any, trial: Trial) -> None:
    trial.kind(answer, dict, "the dict with five numbers")
    numbers = {name: whole(value) for name, value in answer.items()}
    fits = numbers.keys() == TOMORROW.keys() and None not in numbers.values()
    trial.require(fits, "not-five-numbers", got=str(answer))
    for name, count in _appended().items():
        trial.require(numbers[name] == count, _KEYS[name], when=[name], got=str(numbers[name]))
