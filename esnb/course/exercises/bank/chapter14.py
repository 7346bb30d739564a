"""Exercises to chapter 14, a case file: clocks on two walls, a queue that was none, a second case.

The checkers work the truth out of the source's table in plain Python.
"""

from __future__ import annotations

import functools
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import whole
from esnb.datasets import flights

chapter = Chapter("14_case_file")

NEW_YORK = ZoneInfo("America/New_York")


class Row(NamedTuple):
    """One planned flight of the source's table; clocks as numbers, such as 754, or None."""

    carrier: str
    flight: int
    origin: str
    dest: str
    planned: datetime
    dep_time: int | None
    arr_time: int | None
    dep_delay: int | None
    arr_delay: int | None
    air_time: int | None


@functools.cache
def _day(month: int, day: int) -> list[Row]:
    table = flights.rows()
    table = table[(table["month"] == month) & (table["day"] == day)]
    found = []
    rows: Any = table.itertuples()  # whose fields no type checker knows
    for row in rows:
        clock = int(row.sched_dep_time)
        planned = datetime(2013, month, day, clock // 100, clock % 100, tzinfo=NEW_YORK)
        numbers = [
            None if value != value else int(value)
            for value in (row.dep_time, row.arr_time, row.dep_delay, row.arr_delay, row.air_time)
        ]
        found.append(Row(row.carrier, int(row.flight), row.origin, row.dest, planned, *numbers))
    return found


# --- 14-1 ---------------------------------------------------------------------------------------


@functools.cache
def _clocks() -> tuple[int, int]:
    """Minutes of AA59 by the two clocks, and how many flights arrive before they depart."""
    landed = [row for row in _day(7, 6) if row.arr_delay is not None]
    [aa59] = [row for row in landed if (row.carrier, row.flight) == ("AA", 59)]
    assert aa59.dep_time
    assert aa59.arr_time
    minutes = (aa59.arr_time // 100 - aa59.dep_time // 100) * 60 + (
        aa59.arr_time % 100 - aa59.dep_time % 100
    )
    before = sum((row.arr_time or 0) < (row.dep_time or 0) for row in landed)
    return minutes, before


@chapter.exercise(
    "14-1",
    form="Bug hunt",
    title="Two walls, two clocks",
    section="Did it begin at breakfast?",
    stub="""
clocks = {
    "hours_between": ...,  # by how many hours do the two clocks of AA59 differ?
    "minutes": ...,        # how long did AA59 really take, from gate to gate?
    "before": ...,         # how many landed flights of that Saturday "arrive" before they depart?
}
""",
    hints=(
        "On whose wall does each of the two clocks hang?",
        "`dep_time` is New York's clock, `arr_time` the destination's. And a flight that lands "
        "after "
        "midnight has a small number for its arrival.",
        "days[(days['day'] == 6) & days['arr_delay'].notna()]",
    ),
    right="Two clocks are not one time. In UTC the flight took 5 hours 37, and those that arrive "
    '"before" they depart landed after midnight.',
    mistakes={
        "one-wall": "You took both clocks for one. San Francisco is behind New York, and by whole "
        "hours.",
        "other-direction": "The clock in the west shows *less*. What it hides has to be added.",
        "in-the-air": "That is the time in the air. From gate to gate there is the ground at both "
        "ends as well.",
        "hours-and-minutes": "Give minutes: an hour has sixty of them, so 537 is not 5 hours 37.",
        "nobody": "Some of them did: those that landed after midnight have a small number for "
        "their arrival.",
        "other-count": "The clocks are right. Count the rows in which `arr_time` is less than "
        "`dep_time`.",
    },
)
def _two_walls(answer: Any, trial: Trial) -> None:
    trial.fields(answer, hours_between="a number", minutes="minutes", before="a number")
    by_clock, before = _clocks()
    hours, minutes, count = (whole(answer[name]) for name in ("hours_between", "minutes", "before"))
    rows: dict[str, Any] = {"given": "AA59 leaves New York at 7:54 and arrives at 10:31"}
    hours = None if hours is None else abs(hours)
    trial.require(
        hours == 3,
        "one-wall" if hours == 0 else "other",
        **rows,
        got=f"hours_between: {answer['hours_between']!r}",
    )
    truth = by_clock + 180
    [aa59] = [row for row in _day(7, 6) if (row.carrier, row.flight) == ("AA", 59)]
    keys = {
        by_clock: "one-wall",
        by_clock - 180: "other-direction",
        537: "hours-and-minutes",
        aa59.air_time: "in-the-air",
    }
    if minutes != truth:
        trial.fail(keys.get(minutes, "other"), **rows, got=f"minutes: {answer['minutes']!r}")
    if count != before:
        trial.fail("other-count" if count else "nobody", got=f"before: {answer['before']!r}")


# --- 14-2 ---------------------------------------------------------------------------------------


@functools.cache
def _at_newark() -> tuple[int, int, int]:
    """The others that left Newark in that hour: how many, and their minutes on the ground."""
    table = flights.rows()
    table = table[
        (table["month"] == 7)
        & (table["day"] == 6)
        & (table["origin"] == "EWR")
        & table["air_time"].notna()
        & ~((table["carrier"] == "UA") & (table["flight"] == 694))
    ]
    moments = flights.moments(table)
    grounds = [
        int((arrived - departed).total_seconds() // 60 - air)
        for departed, arrived, air in zip(
            moments["departed"], moments["arrived"], table["air_time"], strict=True
        )
        if "12:15" <= f"{departed:%H:%M}" <= "13:15"
    ]
    return len(grounds), min(grounds), max(grounds)


@chapter.exercise(
    "14-2",
    form="Fill in",
    title="Was there a queue at Newark?",
    section="Did the last one come in like the others?",
    stub="""
others = {
    "flights": ...,  # how many others left Newark (EWR) between 12:15 and 13:15 UTC, and landed?
    "least": ...,    # the fewest minutes on the ground among them, both ends together
    "most": ...,     # the most
}
""",
    hints=(
        "On the ground is what is left of gate to gate when the minutes in the air are taken away.",
        "Take the flights from Newark that left in that hour, without UA694 itself. What did each "
        "of them need on the ground?",
        'near = board[(board["origin"] == "EWR") & board["departed"].between(...)]',
    ),
    right="Nobody else stood nearly as long as UA694 with its 80 minutes: there was no queue at "
    "Newark. A fault of this one aircraft remains possible.",
    mistakes={
        "with-itself": "UA694 is among them. The question is about the others.",
        "all-airports": "These are the flights of all three airports. A queue stands at one.",
        "other-flights": "This is another number of flights. Which airport, and which hour in UTC?",
        "swapped": "The fewest and the most have changed places.",
        "other-minutes": "The flights are right, and the minutes are not. Gate to gate, less the "
        "minutes in the air.",
    },
)
def _a_queue(answer: Any, trial: Trial) -> None:
    trial.fields(answer, flights="a number", least="minutes", most="minutes")
    count, least, most = _at_newark()
    flown, low, high = (whole(answer[name]) for name in ("flights", "least", "most"))
    if flown != count:
        start = datetime(2013, 7, 6, 8, 15, tzinfo=NEW_YORK)
        everybody = sum(
            row.dep_delay is not None
            and row.air_time is not None
            and start
            <= row.planned + timedelta(minutes=row.dep_delay)
            <= start + timedelta(hours=1)
            for row in _day(7, 6)
        )
        keys = {count + 1: "with-itself", everybody: "all-airports", everybody - 1: "all-airports"}
        trial.fail(keys.get(flown or 0, "other-flights"), got=f"flights: {answer['flights']!r}")
    shown = f"from {answer['least']!r} to {answer['most']!r} minutes"
    trial.require((low, high) != (most, least), "swapped", got=shown)
    trial.require(high != 80, "with-itself", got=shown)
    trial.require((low, high) == (least, most), "other-minutes", got=shown)


# --- 14-3 ---------------------------------------------------------------------------------------


@functools.cache
def _silence() -> tuple[str, str, str]:
    """The airport, and the clock of New York at both ends of its longest silence."""
    start = datetime(2013, 7, 22, 6, 0, tzinfo=NEW_YORK)
    left: dict[str, list[datetime]] = {}
    for day in (21, 22):
        for row in _day(7, day):
            if row.dep_delay is not None:
                at = row.planned + timedelta(minutes=row.dep_delay)
                if start <= at <= start + timedelta(hours=16):
                    left.setdefault(row.origin, []).append(at)
    spans = [
        (two - one, origin, one, two)
        for origin, times in left.items()
        for one, two in pairwise(sorted(times))
    ]
    _, origin, one, two = max(spans)
    return origin, f"{one:%H:%M}", f"{two:%H:%M}"


@chapter.exercise(
    "14-3",
    form="Your data",
    title="An airport falls silent",
    section="What can the log not tell?",
    stub="""
silence = {
    "airport": ...,  # EWR, JFK or LGA
    "from": ...,     # the last departure before it, on New York's clock: "17:05"
    "until": ...,    # the first departure after it
}
""",
    hints=(
        "A flight's id ends with its origin: `right(aggregate_id, 3)`.",
        "For each airport, compare every departure with the one before it: `lag(occurred_at)`, as "
        "in chapter 10, `partition by` airport. New York is four hours behind UTC in July.",
        "lag(occurred_at) over (partition by airport order by position) as since",
    ),
    right='An hour and a half without a departure, in the middle of the evening. "Departed" is off '
    "the gate, so it may have begun before. The log does not say why.",
    mistakes={
        "no-such-airport": "New York has three airports here: EWR, JFK and LGA.",
        "another-airport": "This airport had departures all the evening.",
        "greenwich": "The airport is right, and these are the times in UTC. On New York's clock it "
        "is four hours less.",
        "other-times": "The airport is right. The longest silence there is between two other "
        "departures.",
        "not-a-clock": 'A time of day is written as "17:05".',
        "swapped": "The two times have changed places.",
    },
)
def _falls_silent(answer: Any, trial: Trial) -> None:
    trial.fields(answer, airport="EWR, JFK or LGA", **{"from": "a time", "until": "a time"})
    airport, start, end = _silence()
    said = str(answer["airport"]).strip().upper()
    trial.require(said in ("EWR", "JFK", "LGA"), "no-such-airport", got=repr(answer["airport"]))
    trial.require(said == airport, "another-airport", got=said)
    times = [_clock_of(answer[name]) for name in ("from", "until")]
    shown = f"from {answer['from']!r} until {answer['until']!r}"
    trial.require(None not in times, "not-a-clock", got=shown)
    if times == [start, end]:
        return
    trial.require(times != [end, start], "swapped", got=shown)
    utc = [f"{(int(t[:2]) + 4) % 24:02}{t[2:]}" for t in (start, end)]
    trial.fail("greenwich" if times == utc else "other-times", got=shown)


def _clock_of(value: Any) -> str | None:
    """A time of day as "18:02", from a text, a time or a moment; None for anything else."""
    if hasattr(value, "strftime"):
        return str(value.strftime("%H:%M"))
    text = str(value).strip().split(" ")[-1].split("T")[-1]
    hour, colon, rest = text.partition(":")
    fits = colon and hour.isdigit() and rest[:2].isdigit() and int(hour) < 24
    return f"{int(hour):02}:{rest[:2]}" if fits else None
