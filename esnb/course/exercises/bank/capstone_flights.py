"""The capstone on the real log: four days of February 2013 in New York, and a blizzard in them.

The log is `flights.sample()`. The checkers work the truth out of pairs of events in plain Python,
and a message says where to look next, and not what is there.
"""

from __future__ import annotations

import functools
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import whole
from esnb.datasets import flights
from esnb.event_json import load_json

chapter = Chapter("capstone_flights", chapter="10_analytics")

NEW_YORK = ZoneInfo("America/New_York")
UTC = ZoneInfo("UTC")


class Leg(NamedTuple):
    """One flight that departed: who flew it, when, and its two delays in minutes."""

    flight: str
    aircraft: str
    departed: datetime
    arrived: datetime | None
    late_out: int
    late_in: int | None

    @property
    def day(self) -> str:
        """The local day of its departure."""
        return self.departed.astimezone(NEW_YORK).date().isoformat()

    def __str__(self) -> str:
        landed = f"landed {self.arrived:%d %H:%M}" if self.arrived else "no landing recorded"
        return f"{self.flight} departed {self.departed:%d %H:%M}, {landed} (UTC)"


@functools.cache
def _log() -> tuple[list[Leg], list[datetime]]:
    """All flights that departed, in order of departure, and the times of the cancelled ones."""
    with flights.sample() as store:
        rows = store.sql(
            "select aggregate_id, event_type, occurred_at, event_data from events "
            "where event_type in ('FlightDeparted', 'FlightArrived', 'FlightCancelled') "
            "order by position"
        ).fetchall()
    legs: dict[str, Leg] = {}
    cancelled = []
    for flight, kind, when, text in rows:
        when = when.replace(tzinfo=UTC)
        if kind == "FlightCancelled":
            cancelled.append(when)
            continue
        data = load_json(text)
        if kind == "FlightDeparted":
            legs[flight] = Leg(flight, data["tailnum"], when, None, data["delay"], None)
        else:
            legs[flight] = legs[flight]._replace(arrived=when, late_in=data["delay"])
    return list(legs.values()), cancelled


@functools.cache
def _by_aircraft() -> dict[str, list[Leg]]:
    found: dict[str, list[Leg]] = {}
    for leg in _log()[0]:
        found.setdefault(leg.aircraft, []).append(leg)
    return found


# --- flights-1 ----------------------------------------------------------------------------------


@functools.cache
def _overlap() -> tuple[Leg, Leg]:
    """Two flights of one aircraft, of which the second departs before the first has landed."""
    found = [
        (one, other)
        for legs in _by_aircraft().values()
        for one, other in pairwise(legs)
        if one.arrived and one.arrived > other.departed
    ]
    assert len(found) == 1, found
    return found[0]


@chapter.exercise(
    "flights-1",
    form="Your data",
    title="In two places at once",
    chapter="06_time_travel",
    section="How was the whole shop at that time?",
    stub="""
impossible = {
    "aircraft": ...,  # its tail number
    "flights": ...,   # the ids of the two flights: a list
    "minutes": ...,   # for how many minutes was it on both?
}
""",
    hints=(
        "An aircraft that is in the air cannot depart. Which events tell you that it is?",
        "Go through the events of each aircraft in order. A landing that is never recorded is a "
        "gap in the log; a landing after the next departure is a contradiction.",
        "for name in ids: events = store.events(name)",
    ),
    right="A tail number in the source must be wrong, and no table of delays shows it. The log was "
    "kept as it is: it says what was recorded, and not what was true.",
    mistakes={
        "a-gap": "A landing of this aircraft was not recorded. Hours later it departs again, so it "
        "may have landed unseen. That is a gap, not a contradiction.",
        "all-in-order": "Each flight of this aircraft landed before the next one departed.",
        "not-in-the-log": "No aircraft of this tail number departs in these four days.",
        "other-flights": "This is the aircraft. Those are not the two flights that it was on at "
        "the same time.",
        "both-together": "These are the minutes of one whole flight, or of both. Asked for is the "
        "time that they have in common.",
        "other-minutes": "Aircraft and flights are right. When was it on both? It begins with the "
        "second departure, and ends with the first landing.",
    },
)
def _two_places(answer: Any, trial: Trial) -> None:
    trial.fields(answer, aircraft="a tail number", flights="a list of two ids", minutes="a number")
    trial.kind(answer["flights"], (list, tuple, set), "a list of two flight ids")
    one, other = _overlap()
    name = str(answer["aircraft"])
    legs = _by_aircraft().get(name, [])
    facts: dict[str, Any] = {"when": f"{name}", "got": [str(leg) for leg in legs]}
    if name != one.aircraft:
        trial.require(legs, "not-in-the-log", when=f"{name}")
        gap = any(leg.arrived is None for leg in legs)
        trial.fail("a-gap" if gap else "all-in-order", **facts)
    said = sorted(map(str, answer["flights"]))
    trial.require(
        said == sorted([one.flight, other.flight]), "other-flights", when=f"{name}", got=said
    )
    assert one.arrived
    assert other.arrived
    spans = {
        (one.departed, one.arrived),
        (other.departed, other.arrived),
        (one.departed, other.arrived),
    }
    wholes = {round((end - start).total_seconds() / 60) for start, end in spans}
    minutes = round((min(one.arrived, other.arrived) - other.departed).total_seconds() / 60)
    said_minutes = whole(answer["minutes"])
    if said_minutes != minutes:
        key = "both-together" if said_minutes in wholes else "other-minutes"
        trial.fail(key, when=f"minutes: {answer['minutes']}", got=[str(one), str(other)])


# --- flights-2 ----------------------------------------------------------------------------------


def _hour(when: datetime, zone: ZoneInfo = NEW_YORK) -> str:
    return f"{when.astimezone(zone):%Y-%m-%d %H}"


@functools.cache
def _hours() -> dict[str, tuple[int, int]]:
    """For each local hour: how many flights were cancelled, and how many departed."""
    found: dict[str, list[int]] = {}
    legs, cancelled = _log()
    for place, times in enumerate((cancelled, [leg.departed for leg in legs])):
        for when in times:
            found.setdefault(_hour(when), [0, 0])[place] += 1
    return {hour: (gone, left) for hour, (gone, left) in sorted(found.items())}


@functools.cache
def _silence() -> tuple[Leg, Leg]:
    return max(pairwise(_log()[0]), key=lambda pair: pair[1].departed - pair[0].departed)


@chapter.exercise(
    "flights-2",
    form="Your data",
    title="The hour in which it turned",
    section="What is strange in this log?",
    stub="""
storm = {
    "turned": ...,  # the first hour with more cancelled flights than departures: "2013-02-07 09"
    "last": ...,    # the id of the last flight that departed before the longest silence
    "first": ...,   # the id of the first one after it
}
""",
    hints=(
        "A few flights are cancelled on any day. What would you compare their number with?",
        "People in New York live by the clock of New York, and the log by that of Greenwich. And a "
        "flight is gone when it departs, not when it was planned.",
        "local = log[\"occurred_at\"].dt.tz_convert('America/New_York')",
    ),
    right="Two kinds of events side by side, hour by hour, tell of a storm that no event is about.",
    mistakes={
        "greenwich": "This is the right hour on a clock in Greenwich. The times of the log are in "
        "UTC; asked for is the clock of New York.",
        "everyday-noise": "Flights were cancelled in this hour, and more of them departed. That "
        "happens on days without a storm, too.",
        "later-than-that": "In this hour more flights were cancelled than departed. Was it the "
        "first one?",
        "not-that-hour": "Nothing was cancelled in this hour, or it is written in another way. "
        'Give the local date and hour as text: "2013-02-07 09".',
        "never-departed": "This flight never departed. It was planned, and then cancelled.",
        "an-ordinary-night": "Each night has a silence. Was there a longer one?",
        "inside-the-day": "Shortly before or after this departure there was another one. The "
        "longest silence is between two departures that follow each other.",
        "not-a-flight": "No flight of this id is in the log.",
    },
)
def _turned(answer: Any, trial: Trial) -> None:
    trial.fields(answer, turned="an hour", last="the id of a flight", first="the id of a flight")
    hours = _hours()
    said = str(answer["turned"])[:13].replace("T", " ")
    truth = next(hour for hour, (gone, left) in hours.items() if gone > left)
    if said != truth:
        gone, left = hours.get(said, (0, 0))
        turned = datetime.strptime(truth, "%Y-%m-%d %H").replace(tzinfo=NEW_YORK)
        key = "later-than-that" if gone > left else "everyday-noise" if gone else "not-that-hour"
        trial.fail(
            "greenwich" if said == _hour(turned, UTC) else key,
            when=f"turned: {said}",
            got=f"{gone} cancelled, {left} departed (clock of New York)",
        )
    legs, _ = _log()
    places = {leg.flight: place for place, leg in enumerate(legs)}
    for name, leg in zip(("last", "first"), _silence(), strict=True):
        flight = str(answer[name])
        if flight == leg.flight:
            continue
        trial.require(flight in places or _known(flight), "not-a-flight", when=f"{name}: {flight}")
        trial.require(flight in places, "never-departed", when=f"{name}: {flight}")
        place = places[flight]
        around = legs[place : place + 2] if name == "last" else legs[max(0, place - 1) : place + 1]
        night = (around[-1].departed - around[0].departed).total_seconds() > 2 * 3600
        pair = [f"{leg.flight} departed {leg.departed:%d %H:%M} (UTC)" for leg in around]
        trial.fail(
            "an-ordinary-night" if night else "inside-the-day", when=f"{name}: {flight}", got=pair
        )


@functools.cache
def _planned() -> set[str]:
    with flights.sample() as store:
        rows = store.sql("select aggregate_id from events where event_type = 'FlightScheduled'")
        return {row[0] for row in rows.fetchall()}


def _known(flight: str) -> bool:
    return flight in _planned()


# --- flights-3 ----------------------------------------------------------------------------------

THURSDAY = "2013-02-07"


@functools.cache
def _late_day() -> list[Leg]:
    """The three flights of the aircraft whose Thursday began early and ended late."""
    found = [
        legs
        for name in _by_aircraft()
        if len(legs := [leg for leg in _by_aircraft()[name] if leg.day == THURSDAY]) == 3
        and legs[0].late_out < 0
        and legs[2].late_out > 90
    ]
    assert len(found) == 1, found
    return found[0]


@chapter.exercise(
    "flights-3",
    form="Your data",
    title="Where did the delay come from?",
    section="How long does each step take?",
    stub="""
late = {
    "aircraft": ...,      # its tail number
    "in_the_air": ...,    # minutes that its delay grew from departure to landing, in all three
    "out_of_sight": ...,  # minutes that it grew from a landing to the next departure here
}
""",
    hints=(
        "Whose Thursday is it? A day in New York is not over at midnight in Greenwich.",
        "For each flight, take the delay at the landing minus that at the departure. Then take "
        "the delay at the next departure minus that at the landing. Less than zero is time won.",
        'departed = log[log["event_type"] == "FlightDeparted"]',
    ),
    right="In the air it won time. The delay grew between the flights: on the way back, which this "
    "log does not see. What a log cannot tell is worth saying, too.",
    mistakes={
        "another-aircraft": "This aircraft did not leave New York three times on that Thursday, "
        "the first time early and the third time more than 90 minutes late.",
        "not-in-the-log": "No aircraft of this tail number departs in these four days.",
        "sign-turned": "The number is right, and its sign is not. Less than zero means that time "
        "was won.",
        "adds-delays-up": "You added delays up. A delay at a landing still has in it the delay of "
        "the departure. Asked for is by how much it changed.",
        "first-to-last": "You compared the first departure with the last. That is the change of "
        "the whole day. Which part of it happened in the air, and which on the ground or unseen?",
        "swapped": "The two numbers have changed places.",
    },
)
def _came_from(answer: Any, trial: Trial) -> None:
    trial.fields(answer, aircraft="a tail number", in_the_air="minutes", out_of_sight="minutes")
    legs = _late_day()
    name = str(answer["aircraft"])
    if name != legs[0].aircraft:
        theirs = [leg for leg in _by_aircraft().get(name, []) if leg.day == THURSDAY]
        trial.require(name in _by_aircraft(), "not-in-the-log", when=f"aircraft: {name}")
        trial.fail(
            "another-aircraft",
            when=f"aircraft: {name}",
            got=[f"{leg.flight} departed with a delay of {leg.late_out}" for leg in theirs]
            or "no departure on Thursday",
        )
    ins = [leg.late_in or 0 for leg in legs]
    outs = [leg.late_out for leg in legs]
    air = sum(ins) - sum(outs)
    unseen = sum(outs[1:]) - sum(ins[:-1])
    said = (whole(answer["in_the_air"]), whole(answer["out_of_sight"]))
    if None in said:
        trial.fail(
            "wrong-kind",
            got=repr((answer["in_the_air"], answer["out_of_sight"])),
            wanted="two whole numbers of minutes",
        )
    if said == (air, unseen):
        return
    facts: dict[str, Any] = {"when": name, "got": f"in_the_air: {said[0]}, out_of_sight: {said[1]}"}
    trial.require(said != (unseen, air), "swapped", **facts)
    trial.require(not {outs[-1] - outs[0], ins[-1] - outs[0]} & {*said}, "first-to-last", **facts)
    added = {sum(ins), sum(outs), sum(outs[1:]), sum(ins[:-1])}
    trial.require(not added & {*said}, "adds-delays-up", **facts)
    turned = [value == -true for value, true in zip(said, (air, unseen), strict=True)]
    trial.fail("sign-turned" if any(turned) else "other", **facts)
