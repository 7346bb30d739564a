"""Answers to the capstone on the real log."""

NOTEBOOK = "capstone_flights"

TWO = ("DL120-2013-02-07-JFK", "DL863-2013-02-07-JFK")


def _impossible(aircraft: str = "N711ZX", flights: object = TWO, minutes: int = 244) -> str:
    said = {"aircraft": aircraft, "flights": flights, "minutes": minutes}
    return f"impossible = {said}"


def _storm(
    turned: str = "2013-02-08 15",
    last: str = "B6917-2013-02-08-JFK",
    first: str = "DL120-2013-02-09-JFK",
) -> str:
    said = {"turned": turned, "last": last, "first": first}
    return f"storm = {said}"


def _late(aircraft: str = "N11194", air: int = -11, unseen: int = 118) -> str:
    said = {"aircraft": aircraft, "in_the_air": air, "out_of_sight": unseen}
    return f"late = {said}"


RIGHT = {
    "flights-1": [
        """
name, one, other, minutes = store.sql(\"\"\"
    with out as (select aggregate_id, event_data->>'$.flight' as flight, occurred_at as departed
                 from events where event_type = 'AircraftDeparted'),
    back as (select aggregate_id, event_data->>'$.flight' as flight, occurred_at as landed
             from events where event_type = 'AircraftArrived'),
    legs as (select * from out join back using (aggregate_id, flight))
    select a.aggregate_id, a.flight, b.flight, date_diff('minute', b.departed, a.landed)
    from legs a join legs b on a.aggregate_id = b.aggregate_id and a.departed < b.departed
                           and b.departed < a.landed\"\"\").fetchone()
impossible = {"aircraft": name, "flights": {one, other}, "minutes": minutes}
""",
        """
in_air, found = {}, []
for event in store.read_all():
    if event.type == "AircraftDeparted":
        in_air.setdefault(event.aggregate_id, {})[event.data["flight"]] = event
    elif event.type == "AircraftArrived":
        gone = in_air[event.aggregate_id]
        gone.pop(event.data["flight"])
        if gone:
            (flight, second), = gone.items()
            found.append((event, second))
landing, second = next((a, b) for a, b in found if b.occurred_at < a.occurred_at
                       and any(e.data["flight"] == b.data["flight"] and e.position > a.position
                               for e in store.events(a.aggregate_id)))
impossible = {
    "aircraft": landing.aggregate_id,
    "flights": [second.data["flight"], landing.data["flight"]],
    "minutes": (landing.occurred_at - second.occurred_at).seconds / 60,
}
""",
    ],
    "flights-2": [
        """
turned, = store.sql(\"\"\"
    select strftime(date_trunc('hour', timezone('America/New_York',
                                                timezone('UTC', occurred_at))), '%Y-%m-%d %H') as h
    from events group by all having count(*) filter (event_type = 'FlightCancelled')
                                  > count(*) filter (event_type = 'FlightDeparted')
    order by h limit 1\"\"\").fetchone()
last, first, _ = store.sql(\"\"\"
    select lag(aggregate_id) over w, aggregate_id, occurred_at - lag(occurred_at) over w as pause
    from events where event_type = 'FlightDeparted' window w as (order by position)
    order by pause desc nulls last limit 1\"\"\").fetchone()
storm = {"turned": turned, "last": last, "first": first}
""",
        """
gone = log[log["event_type"] == "FlightDeparted"].reset_index(drop=True)
place = gone["occurred_at"].diff().idxmax()
hours = log.assign(hour=local.dt.floor("h")).groupby(["hour", "event_type"]).size().unstack()
hours = hours.fillna(0)
storm = {
    "turned": hours.index[hours["FlightCancelled"] > hours["FlightDeparted"]][0],
    "last": gone["aggregate_id"][place - 1], "first": gone["aggregate_id"][place],
}
""",
    ],
    "flights-3": [
        """
from esnb.datasets.flights import Flight

def thursday(name):
    legs = [store.load(Flight, e.data["flight"]) for e in store.events(name)
            if e.type == "AircraftDeparted" and "2013-02-07" in e.data["flight"]]
    return [(leg.departure_delay, leg.arrival_delay) for leg in legs]

(a, b), (c, d), (e, f) = thursday("N11194")
late = {"aircraft": "N11194", "in_the_air": (b - a) + (d - c) + (f - e),
        "out_of_sight": (c - b) + (e - d)}
""",
        """
gone = log[log["event_type"] == "FlightDeparted"].merge(
    log[log["event_type"] == "FlightArrived"][["aggregate_id", "delay"]], on="aggregate_id",
    suffixes=("_out", "_in"))
gone = gone[gone["occurred_at"].dt.tz_convert("America/New_York").dt.day == 7]
for name, legs in gone.groupby("tailnum"):
    if len(legs) == 3 and legs["delay_out"].iloc[0] < 0 and legs["delay_out"].iloc[2] > 90:
        air = legs["delay_in"] - legs["delay_out"]
        unseen = legs["delay_out"] - legs["delay_in"].shift()
        late = {"aircraft": name, "in_the_air": air.sum(), "out_of_sight": unseen.sum()}
""",
    ],
}

WRONG = {
    "flights-1": {
        "a-gap": _impossible("N959UW"),
        "a-gap 2": """
from esnb.datasets.flights import Aircraft
ids = store.sql("select distinct aggregate_id from events where event_type = 'AircraftDeparted' "
                "order by 1").fetchall()
name = next(name for name, in ids if store.load(Aircraft, name).contradictions)
impossible = {"aircraft": name, "flights": [], "minutes": 0}
""",
        "all-in-order": _impossible("N11194"),
        "not-in-the-log": _impossible("DL120"),
        "other-flights": _impossible(flights=[TWO[0], "DL120-2013-02-09-JFK"]),
        "both-together": _impossible(minutes=372),
        "other-minutes": _impossible(minutes=128),
        "wrong-kind": "impossible = 'N711ZX'",
        "wrong-kind 2": _impossible(flights=TWO[0]),
    },
    "flights-2": {
        "greenwich": _storm("2013-02-08 20"),
        "everyday-noise": """
first = store.sql("select min(occurred_at) from events where event_type = 'FlightCancelled'")
storm = {"turned": "2013-02-07 12", "last": "", "first": ""}
""",
        "later-than-that": _storm("2013-02-08 17"),
        "not-that-hour": _storm("3 pm"),
        "never-departed": """
storm = {"turned": "2013-02-08 15", "first": "", "last": store.sql("select aggregate_id from "
    "events where event_type = 'FlightCancelled' and occurred_at < '2013-02-09 05:00' "
    "order by position desc limit 1").fetchone()[0]}
""",
        "an-ordinary-night": _storm(last="EV4322-2013-02-07-EWR"),
        "inside-the-day": """
storm = {"turned": "2013-02-08 15", "first": "", "last": store.sql("select aggregate_id from "
    "events where event_type = 'FlightDeparted' and occurred_at < '2013-02-08 22:00' "
    "order by position desc limit 1").fetchone()[0]}
""",
        "not-a-flight": _storm(last="B6 917"),
        "wrong-kind": "storm = '2013-02-08 15'",
    },
    "flights-3": {
        "another-aircraft": _late("N920XJ"),
        "not-in-the-log": _late("EV4364"),
        "sign-turned": _late(air=11),
        "adds-delays-up": _late(air=115, unseen=135),
        "first-to-last": _late(unseen=111),
        "swapped": _late(air=118, unseen=-11),
        "other": _late(unseen=82),
        "wrong-kind": "late = 'N11194'",
    },
}
