"""The year of flights: every row becomes its facts, at the right moment, and nothing is made up."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from esnb import new_event, replay
from esnb.datasets import flights
from esnb.datasets.flights import Aircraft, Flight

BLIZZARD = "2013-02-08T15:00:00-05:00"


@pytest.fixture(scope="session")
def year(tmp_path_factory):
    """Rows, moments and the store of the whole year; the store is built once."""
    rows = flights.rows()
    store = flights.load(tmp_path_factory.mktemp("flights"), progress=False)
    yield SimpleNamespace(rows=rows, moments=flights.moments(rows), store=store)
    store.close()


@pytest.fixture(scope="module")
def sample():
    with flights.sample() as store:
        yield store


def counts(store):
    return dict(store.sql("select event_type, count(*) from events group by all").fetchall())


# ---- the whole year ----------------------------------------------------------------------------


def test_every_row_is_accounted_for(year):
    f = year.rows
    found = counts(year.store)
    departed, arrived = int(f.dep_time.notna().sum()), int(f.arr_time.notna().sum())
    assert len(f) == 336_776
    assert found == {
        "FlightScheduled": 336_776,
        "FlightCancelled": len(f) - departed,
        "FlightDeparted": departed,
        "FlightArrived": arrived,
        "AircraftDeparted": departed,
        "AircraftArrived": arrived,
    }
    assert (departed, arrived, len(f) - departed) == (328_521, 328_063, 8_255)
    assert year.store.position == 1_658_199


def test_a_flight_is_one_of_three_stories(year):
    stories = year.store.sql(
        "select story, count(*) from (select string_agg(event_type, ' ' order by sequence_number) "
        "as story from events where aggregate_type = 'FLIGHT' group by aggregate_id) group by all"
    ).fetchall()
    assert dict(stories) == {
        "FlightScheduled FlightDeparted FlightArrived": 328_063,
        "FlightScheduled FlightDeparted": 458,
        "FlightScheduled FlightCancelled": 8_255,
    }


def test_each_stream_is_numbered_without_a_gap_and_in_the_order_of_time(year):
    wrong = year.store.sql(
        "select count(*) from (select sequence_number, position, occurred_at, "
        "row_number() over w as n, lag(occurred_at) over w as before, lag(position) over w as p "
        "from events window w as (partition by aggregate_id order by sequence_number)) "
        "where n <> sequence_number or occurred_at < before or position < p"
    ).fetchone()
    assert wrong == (0,)
    log = year.store.sql(
        "select count(*), max(position), count(distinct position) from events"
    ).fetchone()
    assert log == (1_658_199,) * 3


def test_an_id_needs_the_origin(year):
    f = year.rows
    without = ["carrier", "flight", "year", "month", "day"]
    assert f.duplicated(without).sum() == 24
    assert not f.duplicated([*without, "origin"]).any()
    assert year.moments["id"].is_unique


def test_aircraft_streams_hold_the_departures_and_landings_of_their_tail_number(year):
    f = year.rows[year.rows.dep_time.notna()]
    expected = f.groupby("tailnum").agg(out=("dep_time", "count"), landed=("arr_time", "count"))
    found = year.store.sql(
        "select aggregate_id as tailnum, count(*) filter (event_type = 'AircraftDeparted') as out, "
        "count(*) filter (event_type = 'AircraftArrived') as landed "
        "from events where aggregate_type = 'AIRCRAFT' group by all order by 1"
    ).df()
    pd.testing.assert_frame_equal(found.set_index("tailnum"), expected, check_index_type=False)


def test_what_is_inferred_says_so(year):
    inferred = year.store.sql(
        "select event_type, count(*) from events where metadata->>'$.inferred' = 'true' "
        "group by all"
    ).fetchall()
    assert dict(inferred) == {
        "FlightScheduled": 336_776,
        "FlightCancelled": 8_255,
        "FlightArrived": 717,
        "AircraftArrived": 717,
    }
    diverted = year.store.sql(
        "select count(*), count(event_data->>'$.delay'), count(event_data->>'$.air_time') "
        "from events where event_type = 'FlightArrived' and event_data->>'$.diverted' = 'true'"
    ).fetchone()
    assert diverted == (717, 0, 0)


def test_no_time_is_naive(year):
    for column in ("planned_departure", "planned_arrival", "departed", "arrived"):
        assert str(year.moments[column].dt.tz) == "UTC"
    assert str(flights.frame(year.rows.head(50))["occurred_at"].dt.tz) == "UTC"
    assert all(e.occurred_at.tzinfo for e in year.store.events("UA1545-2013-01-01-EWR"))


def test_planned_departure_falls_into_the_hour_the_source_gives_in_utc(year):
    # time_hour is not used by the module: it was worked out by the makers of the table.
    hour = pd.to_datetime(year.rows["time_hour"], utc=True)
    assert (year.moments["planned_departure"].dt.floor("h") == hour).all()


def test_clocks_and_air_time_agree_with_the_moments(year):
    f, m = year.rows, year.moments
    local = m["departed"].dt.tz_convert(flights.NEW_YORK)
    shown = (local.dt.hour * 100 + local.dt.minute).dropna()
    assert (shown == f["dep_time"].dropna() % 2400).all()

    wrong = []
    for zone, part in m[m["arrived"].notna()].groupby("dest_zone"):
        local = part["arrived"].dt.tz_convert(zone)
        agrees = local.dt.hour * 100 + local.dt.minute == f["arr_time"][part.index] % 2400
        wrong += list(part["id"][~agrees])
    assert wrong == ["B635-2013-03-09-JFK"]

    taxi = (m["arrived"] - m["departed"]).dt.total_seconds() / 60 - f["air_time"]
    assert (taxi.min(), taxi.max()) == (5, 235)
    planned = (m["planned_arrival"] - m["planned_departure"]).dt.total_seconds() / 60
    assert (planned.min(), planned.max()) == (50, 700)


def test_random_rows_against_arithmetic_that_shares_nothing(year):
    # Not from the delays but from the clocks: of the days around, the one that fits best.
    def fitting(row, clock_value, zone, near):
        base = datetime(row.year, row.month, row.day)
        minutes = int(clock_value) // 100 * 60 + int(clock_value) % 100
        local = [base + timedelta(days=d, minutes=minutes) for d in (-1, 0, 1, 2)]
        moments = [t.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for t in local]
        return min(moments, key=lambda t: abs(t - near))

    zone_of = flights.zones()
    rows = random.Random(13).sample(range(len(year.rows)), 1500)
    late = year.rows.index[year.rows["dep_delay"] > 600]  # midnight is between plan and departure
    arrivals = 0
    for i in [*rows, *late]:
        row, m = year.rows.loc[i], year.moments.loc[i]
        minutes = int(row.sched_dep_time) // 100 * 60 + int(row.sched_dep_time) % 100
        planned = (datetime(row.year, row.month, row.day) + timedelta(minutes=minutes)).replace(
            tzinfo=ZoneInfo("America/New_York")
        )
        assert m.planned_departure == planned.astimezone(UTC)
        if pd.isna(row.dep_time):
            assert pd.isna(m.departed)
            continue
        near = planned.astimezone(UTC) + timedelta(minutes=int(row.dep_delay))
        assert m.departed == fitting(row, row.dep_time, "America/New_York", near)
        if not pd.isna(row.air_time):
            arrivals += 1
            near = m.departed.to_pydatetime() + timedelta(minutes=int(row.air_time) + 31)
            assert m.arrived == fitting(row, row.arr_time, zone_of[row.dest], near), m.id
    assert arrivals > 1400


# ---- flights picked by hand --------------------------------------------------------------------

PICKED = {
    # An ordinary flight, to a destination one hour behind.
    "UA1545-2013-01-01-EWR": ["2012-12-31T10:15", "2013-01-01T10:17", "2013-01-01T14:30"],
    # Written 24:00: midnight at the end of the day, here one minute after the plan.
    "B6839-2013-10-30-JFK": ["2013-10-30T03:59", "2013-10-31T04:00", "2013-10-31T07:27"],
    # It landed at 24:00, and was planned for 0:18.
    "B6383-2013-01-05-LGA": ["2013-01-05T02:30", "2013-01-06T02:16", "2013-01-06T05:00"],
    # Planned for 22:50, left at 1:26.
    "B622-2013-01-02-JFK": ["2013-01-02T03:50", "2013-01-03T06:26", "2013-01-03T07:33"],
    # Left on the next day, 1,301 minutes late and hours before its planned time of day.
    "HA51-2013-01-09-JFK": ["2013-01-08T14:00", "2013-01-10T11:41", "2013-01-10T22:42"],
    # The Atlantic zone: an hour ahead of New York in winter, the same time in summer.
    "B6709-2013-01-01-JFK": ["2012-12-31T11:15", "2013-01-01T11:15", "2013-01-01T14:39"],
    "B6725-2013-01-01-JFK": ["2012-12-31T10:45", "2013-01-01T10:44", "2013-01-01T14:04"],
    "B6739-2013-01-01-JFK": ["2013-01-01T04:59", "2013-01-02T04:53", "2013-01-02T08:25"],
    "AA655-2013-01-01-JFK": ["2012-12-31T13:10", "2013-01-01T14:09", "2013-01-01T17:31"],
    # Summer time begins: before it, across it (by delay), after it; and Phoenix, which has none.
    "B6727-2013-03-09-JFK": ["2013-03-09T04:59", "2013-03-10T05:53", "2013-03-10T09:04"],
    "B635-2013-03-09-JFK": ["2013-03-09T02:45", "2013-03-10T04:06", "2013-03-10T07:03"],
    "EV4368-2013-03-10-EWR": ["2013-03-10T01:00", "2013-03-11T04:41", "2013-03-11T06:30"],
    "UA1236-2013-03-10-EWR": ["2013-03-09T10:19", "2013-03-10T10:15", "2013-03-10T15:51"],
    # Summer time ends while it is in the air, and after it has ended.
    "AA185-2013-11-02-JFK": ["2013-11-02T01:40", "2013-11-03T01:39", "2013-11-03T07:43"],
    "UA322-2013-11-03-EWR": ["2013-11-02T10:20", "2013-11-03T10:19", "2013-11-03T13:51"],
    # Diverted: it reached Chicago at 11:48, before its departure's time of day, so the next day.
    "MQ3694-2013-06-12-EWR": ["2013-06-11T19:45", "2013-06-12T20:23", "2013-06-13T16:48"],
    # Departed and never heard of again.
    "EV4204-2013-01-01-EWR": ["2013-01-01T00:30", "2013-01-02T01:16"],
}


@pytest.mark.parametrize("flight_id", PICKED)
def test_moments_of_flights_picked_by_hand(year, flight_id):
    events = year.store.events(flight_id)
    types = ["FlightScheduled", "FlightDeparted", "FlightArrived"][: len(PICKED[flight_id])]
    assert [e.type for e in events] == types
    assert [f"{e.occurred_at:%Y-%m-%dT%H:%M}" for e in events] == PICKED[flight_id]


def test_data_of_a_flight(year):
    scheduled, departed, arrived = year.store.events("UA1545-2013-01-01-EWR")
    assert scheduled.data == {
        "carrier": "UA", "flight": 1545, "origin": "EWR", "dest": "IAH", "distance": 1400,
        "dest_zone": "America/Chicago", "planned_departure": "2013-01-01T10:15:00Z",
        "planned_arrival": "2013-01-01T14:19:00Z",
    }  # fmt: skip
    assert departed.data == {"tailnum": "N14228", "delay": 2}
    assert arrived.data == {"delay": 11, "air_time": 227, "diverted": False}
    assert (scheduled.metadata, departed.metadata) == ({"inferred": True}, {})


@pytest.mark.parametrize(
    ("flight_id", "tailnum"), [("EV4308-2013-01-01-EWR", "N18120"), ("AA133-2013-01-02-JFK", None)]
)
def test_cancelled_with_and_without_a_tail_number(year, flight_id, tailnum):
    scheduled, cancelled = year.store.events(flight_id)
    assert (cancelled.type, cancelled.data) == ("FlightCancelled", {"tailnum": tailnum})
    planned = scheduled.data["planned_departure"]
    assert f"{cancelled.occurred_at:%Y-%m-%dT%H:%M:%SZ}" == planned
    assert cancelled.metadata == {"inferred": True}


def test_airports_without_a_zone_in_the_table_are_the_four_named(year):
    table = pd.read_csv(flights._source() / "airports.csv").dropna(subset="tzone")
    assert set(year.rows["dest"]) - set(table["faa"]) == set(flights.ZONES_NOT_IN_THE_TABLE)
    atlantic = ZoneInfo("America/Puerto_Rico")
    for month in (1, 7):  # no summer time, as on the Virgin Islands
        assert datetime(2013, month, 1, tzinfo=atlantic).utcoffset() == timedelta(hours=-4)


@pytest.mark.parametrize(
    ("day", "time"), [((2013, 11, 3), 130), ((2013, 3, 10), 230)], ids=["twice", "skipped"]
)
def test_a_time_that_the_clock_shows_twice_or_never_is_refused(year, day, time):
    row = year.rows.head(1).assign(year=day[0], month=day[1], day=day[2], sched_dep_time=time)
    with pytest.raises(ValueError, match=r"2013-1?[13]|2013-03"):
        flights.moments(row)


def test_an_airport_without_a_zone_is_named(year):
    with pytest.raises(ValueError, match="XQZ"):
        flights.moments(year.rows.head(3).assign(dest="XQZ"))


# ---- the sample --------------------------------------------------------------------------------


def test_the_sample_is_what_the_year_gives(tmp_path):
    made = tmp_path / "made.csv"
    flights.derive_sample().to_csv(made, index=False, lineterminator="\n")
    assert made.read_text() == flights.SAMPLE.read_text()
    assert flights.SAMPLE.stat().st_size < 300_000


def test_events_of_the_sample_are_events_of_the_year(year, sample):
    query = (
        "select event_id::varchar, aggregate_type, event_type, occurred_at, event_data::varchar, "
        "metadata::varchar from events where aggregate_type = 'FLIGHT' and "
        "aggregate_id similar to '.*-2013-02-(07|08|09|10)-.*' order by position"
    )
    ours = sample.sql(query).fetchall()
    assert len(ours) == 3375 + 2480 + 2477 + 895
    assert ours == year.store.sql(query).fetchall()


def test_the_readme_of_the_sample_counts_right(sample):
    text = (flights.SAMPLE.parent / "README.md").read_text("utf-8").replace(",", "")
    for event_type, count in counts(sample).items():
        assert f"{count} {event_type}" in text
    assert f"{sample.position}, of these".replace(",", "") in text


def test_the_sample_repeats():
    with flights.sample() as one, flights.sample() as two:
        query = "select * from events order by position"
        assert one.sql(query).fetchall() == two.sql(query).fetchall()


def test_in_one_minute_landings_go_before_departures():
    order = ["FlightScheduled", "FlightCancelled", "FlightArrived", "AircraftArrived"]
    order += ["FlightDeparted", "AircraftDeparted"]
    events = flights.frame(pd.read_csv(flights.SAMPLE))
    rank = events["event_type"].map(order.index)
    tied = events["occurred_at"] == events["occurred_at"].shift()
    assert tied.sum() > 1000
    assert (rank >= rank.shift())[tied].all()
    assert events["occurred_at"].is_monotonic_increasing


# ---- aggregates --------------------------------------------------------------------------------


def streams(store, kind):
    found = {}
    for event in store.read_all():
        if event.aggregate_type == kind:
            found.setdefault(event.aggregate_id, []).append(event)
    return found


def test_no_fact_of_the_sample_is_refused_by_its_flight(sample):
    statuses = {}
    for stream in streams(sample, "FLIGHT").values():
        flight = Flight()
        for event in stream:
            assert flight.refuses(event) is None
            flight.apply(event)
        statuses[flight.status] = statuses.get(flight.status, 0) + 1
    assert statuses == {"ARRIVED": 2477, "DEPARTED": 3, "CANCELLED": 895}


@pytest.mark.parametrize(
    ("story", "then"),
    [
        ([], "FlightDeparted"),
        (["FlightScheduled"], "FlightScheduled"),
        (["FlightScheduled"], "FlightArrived"),
        (["FlightScheduled", "FlightCancelled"], "FlightDeparted"),
        (["FlightScheduled", "FlightDeparted"], "FlightCancelled"),
        (["FlightScheduled", "FlightDeparted", "FlightArrived"], "FlightArrived"),
        (["FlightScheduled"], "FlightRepainted"),
        ([], "FlightRepainted"),
    ],
)
def test_a_flight_refuses_what_cannot_follow(story, then):
    data = {"tailnum": "N1", "delay": 0, "diverted": False}
    flight = replay(Flight, [new_event(name, data) for name in story])
    assert then in (flight.refuses(new_event(then, data)) or "")


def test_an_aircraft_through_its_day():
    out = new_event("AircraftDeparted", flight="B61", origin="JFK", dest="BOS")
    landed = new_event("AircraftArrived", flight="B61", airport="BOS")
    again = new_event("AircraftDeparted", flight="B62", origin="JFK", dest="SYR")
    assert Aircraft().where == "unknown"
    assert replay(Aircraft, [out]).where == "in the air from JFK to BOS"
    home = replay(Aircraft, [out, landed])
    assert (home.where, home.flights, home.contradictions) == ("on the ground at BOS", 1, 0)
    assert home.refuses(again) is None  # the way back from Boston is not in the log
    assert "B61" in replay(Aircraft, [out]).refuses(again)
    assert "B61" in home.refuses(landed)
    twice = replay(Aircraft, [out, again, landed])
    assert (twice.where, twice.flights, twice.contradictions) == ("on the ground at BOS", 2, 2)


def test_aircraft_states_can_be_snapshots(sample):
    aircraft = sample.load(Aircraft, "N725MQ")
    state = json.loads(json.dumps(aircraft.to_state()))
    assert Aircraft.from_state(state).where == aircraft.where
    assert aircraft.flights > 0


def test_where_a_tail_number_contradicts_itself(year):
    m = year.moments[year.moments["departed"].notna()].sort_values(["tailnum", "departed"])
    before = m.groupby("tailnum")["arrived"].shift()
    assert (m["departed"] < before).sum() == 130
    # United's N27733 left Newark twice within 17 minutes on 20 February.
    end = "2013-02-21T00:00:00Z"
    assert year.store.load(Aircraft, "N27733", at=end).contradictions > 0


# ---- where was every aircraft? -----------------------------------------------------------------

TIMES = [BLIZZARD, "2013-02-08T00:00:00Z", "2013-02-09T12:00:00-05:00", "2013-02-12T00:00:00Z"]


@pytest.mark.parametrize("when", TIMES)
def test_whereabouts_equals_the_replay_of_each_aircraft(sample, when):
    past = sample.as_of(when)
    found = flights.whereabouts(past).set_index("aircraft")
    replayed = {name: replay(Aircraft, s) for name, s in streams(past, "AIRCRAFT").items()}
    assert sorted(found.index) == sorted(replayed)
    for name, aircraft in replayed.items():
        row = found.loc[name]
        if row["status"] == "on the ground":
            assert aircraft.where == f"on the ground at {row['airport']}"
        else:
            assert aircraft.where == f"in the air from {row['origin']} to {row['dest']}"
            assert aircraft.flight == row["flight"]


@pytest.mark.parametrize("when", [*TIMES, "2013-03-10T07:00:00Z", "2014-01-02T00:00:00Z"])
def test_whereabouts_equals_the_rows_of_the_year(year, when):
    at = pd.Timestamp(when)
    m = year.moments
    last = max(m[column][m[column] <= at].max() for column in ("departed", "arrived"))
    out = m[m["departed"] <= at].assign(at=m["departed"], status="in the air", airport=None)
    landed = m[m["arrived"] <= at].assign(at=m["arrived"], status="on the ground")
    landed = landed.assign(airport=landed["dest"])
    both = pd.concat([landed, out]).sort_values("at", kind="stable")  # a landing goes first
    expected = both.groupby("tailnum").last()
    found = flights.whereabouts(year.store.as_of(when)).set_index("aircraft")
    assert list(found.index) == list(expected.index)
    assert (found["since"] == expected["at"]).all()
    ground = found["status"] == "on the ground"
    assert (ground == (expected["status"] == "on the ground")).all()
    assert (found["airport"][ground] == expected["airport"][ground]).all()
    assert (found["flight"] == expected["id"])[~ground].all()
    due = expected["departed"] + (expected["planned_arrival"] - expected["planned_departure"])
    status = (last > due + pd.Timedelta(hours=3)).map({True: "unknown", False: "in the air"})
    assert (found["status"] == status)[~ground].all()


def test_the_blizzard(year, sample):
    by_year = flights.whereabouts(year.store.as_of(BLIZZARD))
    assert by_year["status"].value_counts().to_dict() == {
        "on the ground": 3135,
        "in the air": 115,
        "unknown": 2,
    }
    by_sample = flights.whereabouts(sample.as_of(BLIZZARD))
    flying = [w[w["status"] == "in the air"].reset_index(drop=True) for w in (by_year, by_sample)]
    pd.testing.assert_frame_equal(*flying)
    morning_after = flights.whereabouts(sample.as_of("2013-02-09T06:00:00-05:00"))
    lost = morning_after[morning_after["status"] != "on the ground"]
    # Two left before the storm, and the table has no landing for them.
    assert lost[["aircraft", "status", "dest"]].to_numpy().tolist() == [
        ["N833UA", "unknown", "SNA"],
        ["N959UW", "unknown", "BOS"],
    ]
