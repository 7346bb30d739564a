"""Answers to the capstone of the shop's hidden stories."""

NOTEBOOK = "capstone_shop"


def _below(order: str = "order-2213", event: object = 12, by: str = "promotions") -> str:
    said = {"order": order, "event": event, "by": by}
    return f"below_zero = {said}"


def _silence(day: str = "2027-04-28", orders: int = 20, at_once: int = 17) -> str:
    said = {"day": day, "orders": orders, "at_once": at_once}
    return f"silence = {said}"


def _parcels(who: str = "shipping-job", then: int = 10, now: int = 5, first: int = 1158) -> str:
    said = {"who": who, "unpaid_then": then, "unpaid_now": now, "first": first}
    return f"parcels = {said}"


RIGHT = {
    "shop-1": [
        """
from esnb import replay
from esnb.shop import Order

order, = {e.aggregate_id for e in store.read_all()
          if e.type == "PaymentReceived" and e.data["amount"] < 0}
events = store.events(order)
first = next(e for n, e in enumerate(events, 1) if replay(Order, events[:n]).total < 0)
below_zero = {"order": order, "event": first.sequence_number, "by": first.metadata["actor"]}
""",
        """
from esnb import History
from esnb.shop import Order

found = None
for (name,) in store.sql("select aggregate_id from events where event_type = 'ItemAdded' "
                         "group by all having count(*) > 3").fetchall():
    found = History(store, Order, name).first(lambda order: order.total < 0, scan=True) or found
below_zero = dict(order=found.event.aggregate_id, event=found.number,
                  by=found.event.metadata["actor"])
""",
    ],
    "shop-2": [
        """
import pandas as pd

paid = log[log["event_type"] == "PaymentReceived"]["occurred_at"].reset_index(drop=True)
placed = log[log["event_type"] == "OrderPlaced"]["occurred_at"]
before = pd.Series([((placed > a) & (placed < b)).sum() for a, b in zip(paid, paid[1:])])
start, end = paid[before.idxmax()], paid[before.idxmax() + 1]
silence = {"day": end.date(), "orders": int(before.max()),
           "at_once": int(paid.between(end, end + pd.Timedelta(minutes=15)).sum())}
""",
        """
day, orders, at_once = store.sql(\"\"\"
    with marks as (select *, count(*) filter (event_type = 'PaymentReceived')
                             over (order by position) as silence from events),
    runs as (select silence, count(*) filter (event_type = 'OrderPlaced') as orders
             from marks group by all),
    most as (select * from runs order by orders desc limit 1),
    back as (select min(occurred_at) as moment from marks, most
             where marks.silence = most.silence + 1)
    select moment::date, orders, (select count(*) from events, back where
        event_type = 'PaymentReceived'
        and occurred_at between moment and moment + interval 15 minute)
    from most, back\"\"\").fetchone()
silence = {"day": str(day), "orders": orders, "at_once": at_once}
""",
    ],
    "shop-3": [
        """
who, then, now, first = store.sql(\"\"\"
    with paid as (select aggregate_id, min(position) as paid_at from events
                  where event_type = 'PaymentReceived' group by all)
    select any_value(metadata->>'$.actor'), count(distinct aggregate_id),
           count(distinct aggregate_id) filter (paid_at is null), min(position)
    from events left join paid using (aggregate_id)
    where event_type = 'OrderShipped' and (paid_at is null or paid_at > position)\"\"\").fetchone()
parcels = {"who": who, "unpaid_then": then, "unpaid_now": now, "first": first}
""",
        """
when = log.pivot_table(index="aggregate_id", columns="event_type", values="position",
                              aggfunc="min")
early = when[when["OrderShipped"].notna() & ~(when["OrderShipped"] > when["PaymentReceived"])]
first = int(early["OrderShipped"].min())
actor = next(e for e in store.read_all() if e.position == first).metadata["actor"]
parcels = {"who": actor, "unpaid_then": len(early),
           "unpaid_now": int(early["PaymentReceived"].isna().sum()), "first": first}
""",
    ],
}

WRONG = {
    "shop-1": {
        "a-large-refund": """
order, = store.sql("select aggregate_id from events where event_type = 'RefundIssued' order by "
                   "(event_data->>'$.amount')::int desc limit 1").fetchone()
below_zero = {"order": order, "event": 6, "by": "support"}
""",
        "never-below": _below("order-2001", 1, "web"),
        "the-symptom": """
order, number, who = store.sql("select aggregate_id, sequence_number, metadata->>'$.actor' "
    "from events where (event_data->>'$.amount')::int < 0").fetchone()
below_zero = {"order": order, "event": number, "by": who}
""",
        "still-above": _below(event=3),
        "still-above 2": _below(event=10),
        "not-the-first": """
from esnb import History
from esnb.shop import Order
found = History(store, Order, "order-2213").first(lambda order: order.total < -3000)
below_zero = {"order": "order-2213", "event": found.number, "by": "promotions"}
""",
        "blames-somebody-else": """
customer = store.events("order-2213")[0].data["customer"]
below_zero = {"order": "order-2213", "event": 12, "by": customer}
""",
        "no-such-event": _below(event=1120),
        "wrong-kind": "below_zero = 'order-2213'",
        "wrong-kind 2": _below("2213"),
    },
    "shop-2": {
        "nobody-came": """
days = log[log["event_type"] == "PaymentReceived"].set_index("occurred_at").resample("D").size()
silence = {"day": str(days.idxmin().date()), "orders": 0, "at_once": 0}
""",
        "another-day": _silence("2027-05-07"),
        "the-whole-day": """
placed = log[log["event_type"] == "OrderPlaced"]
count = (placed["occurred_at"].dt.strftime("%Y-%m-%d") == "2027-04-28").sum()
silence = {"day": "2027-04-28", "orders": int(count), "at_once": 17}
""",
        "paid-not-placed": _silence(orders=17),
        "the-whole-evening": """
count, = store.sql("select count(*) from events where event_type = 'PaymentReceived' and "
    "occurred_at between '2027-04-28 20:00' and '2027-04-29 00:00'").fetchone()
silence = {"day": "2027-04-28", "orders": 20, "at_once": count}
""",
        "one-off": _silence(at_once=16),
        "one-off 2": _silence(orders=21),
        "orders-differ": _silence(orders=14),
        "at-once-differs": _silence(at_once=12),
        "wrong-kind": "silence = '2027-04-28'",
    },
    "shop-3": {
        "the-usual-suspect": _parcels("warehouse"),
        "the-usual-suspect 2": _parcels("post"),
        "todays-table": _parcels(then=5),
        "never-shipped": """
unpaid, = store.sql("select count(distinct aggregate_id) from events where aggregate_type = "
    "'ORDER' and aggregate_id not in (select aggregate_id from events where event_type = "
    "'PaymentReceived')").fetchone()
parcels = {"who": "shipping-job", "unpaid_then": unpaid, "unpaid_now": unpaid, "first": 1158}
""",
        "more-than-there-were": _parcels(then=335),
        "number-in-the-order": _parcels(first=2),
        "placed-not-shipped": """
first, = store.sql("select min(position) from events where event_type = 'OrderPlaced' and "
    "aggregate_id in (select aggregate_id from events where metadata->>'$.actor' = "
    "'shipping-job')").fetchone()
parcels = {"who": "shipping-job", "unpaid_then": 10, "unpaid_now": 5, "first": first}
""",
        "not-the-first": _parcels(first=1162),
        "before-it-began": _parcels(first=1000),
        "wrong-kind": "parcels = 10",
    },
}
