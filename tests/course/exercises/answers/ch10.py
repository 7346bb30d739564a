"""Answers to the exercises of chapter 10."""

NOTEBOOK = "10_analytics"


def _shipped(value: str) -> str:
    return f"def shipped(orders, paid):\n    return {value}"


_FRAMES = """
def {name}(log):
    changed = log[log["event_type"].isin(["ItemAdded", "ItemRemoved"])]
    paid = log[log["event_type"] == "PaymentReceived"]
    parcels = log[log["event_type"] == "OrderShipped"]
    both = changed.merge(paid, on="aggregate_id")
    {body}
"""


def _share(value: str) -> str:
    return _FRAMES.format(name="share", body=f"return {value}")


def _hours(body: str) -> str:
    return _FRAMES.format(name="hours", body="\n    ".join(body.strip().splitlines()))


def _typed(cents: object, happened: str, recorded: str, printed: int = 80700) -> str:
    typed = {"cents": cents, "happened": happened, "recorded": recorded}
    return f"typed_in = {typed!r}\nprinted = {printed}"


_JOIN = "two = paid.merge(parcels, on='aggregate_id', suffixes=('', '_sent'), how='left')\n"
_SPAN = "two['span'] = (two['occurred_at_sent'] - two['occurred_at']).dt.total_seconds() / 3600\n"


def _worst(day: str, cancelled: object, departed: object) -> str:
    return f"worst = {{'day': {day!r}, 'cancelled': {cancelled!r}, 'departed': {departed!r}}}"


_LOCAL = "timezone('America/New_York', timezone('UTC', occurred_at))::date"

RIGHT = {
    "10-2": [
        f"""
counts = sky.sql(\"\"\"select {_LOCAL} as day,
                     count(*) filter (event_type = 'FlightCancelled') as cancelled,
                     count(*) filter (event_type = 'FlightDeparted') as departed
                     from events group by all
                     order by cancelled / nullif(cancelled + departed, 0) desc nulls last
                  \"\"\").df()
worst = counts.iloc[0].to_dict()
""",
        _worst("2013-02-09", 393, 291),
    ],
    "10-1": [
        _shipped('orders.loc[paid.index, "OrderShipped"] > pd.Timestamp(0, tz="UTC")'),
    ],
    "10-3": [
        """
import numpy as np

def share(log):
    changed = set(log[log["event_type"].isin(["ItemAdded", "ItemRemoved"])]["aggregate_id"])
    paid = set(log[log["event_type"] == "PaymentReceived"]["aggregate_id"])
    return np.float32(len(changed & paid)) / np.float32(len(changed))
""",
        _share(
            "changed.drop_duplicates('aggregate_id')['aggregate_id'].isin("
            "paid['aggregate_id']).mean()"
        ),
    ],
    "10-4": [
        _typed(100000, "2026-01-11T23:00:00Z", "2026-03-15"),
        "from datetime import date\n"
        "typed_in = dict(cents=100_000, happened=date(2026, 1, 5), recorded=date(2026, 3, 9))\n"
        "printed = 74700 + 6000",
    ],
    "10-5": [
        _hours(_JOIN + _SPAN + "return two.groupby('aggregate_id')['span'].min().median()"),
    ],
    "10-6": [],
}

WRONG = {
    "10-1": {
        "turned-round": """
def shipped(orders, paid):
    return orders["OrderShipped"].isna()
""",
        "paid-is-not-shipped": _shipped('orders["PaymentReceived"].notna()'),
        "delivered-is-not-shipped": _shipped('orders["OrderDelivered"].notna()'),
        "not-cancelled-is-not-shipped": _shipped('orders["OrderCancelled"].isna()'),
        "by-place": _shipped('orders["OrderShipped"].notna().tolist()'),
        "by-place 2": _shipped('orders["OrderShipped"].notna().to_numpy()[:len(paid)]'),
        "error": _shipped('orders["Shipped"].notna()'),
        "wrong-kind": "shipped = True",
    },
    "10-2": {
        "by-utc": _worst("2013-02-09", 520, 222),
        "most-not-share": _worst("2013-02-08", 472, 461),
        "aircraft-too": _worst("2013-02-09", 393, 582),
        "a-better-day": _worst("2013-02-10", 26, 803),
        "no-day": _worst("9 February", 393, 291),
        "no-day 2": _worst("2013-02-09", "many", 291),
        "other": _worst("2013-02-09", 393, 684),
        "wrong-kind": "worst = '2013-02-09'",
    },
    "10-3": {
        "added-only": """
def share(log):
    changed = set(log[log["event_type"] == "ItemAdded"]["aggregate_id"])
    paid = set(log[log["event_type"] == "PaymentReceived"]["aggregate_id"])
    return len(changed & paid) / len(changed) if changed else 0.0
""",
        "removed-only": """
def share(log):
    changed = set(log[log["event_type"] == "ItemRemoved"]["aggregate_id"])
    paid = set(log[log["event_type"] == "PaymentReceived"]["aggregate_id"])
    return len(changed & paid) / len(changed)
""",
        "not-paid": """
def share(log):
    changed = set(log[log["event_type"].isin(["ItemAdded", "ItemRemoved"])]["aggregate_id"])
    paid = set(log[log["event_type"] == "PaymentReceived"]["aggregate_id"])
    return len(changed - paid) / len(changed)
""",
        "in-percent": """
def share(log):
    changed = set(log[log["event_type"].isin(["ItemAdded", "ItemRemoved"])]["aggregate_id"])
    paid = set(log[log["event_type"] == "PaymentReceived"]["aggregate_id"])
    return 100 * len(changed & paid) / len(changed)
""",
        "join-multiplies": _share("len(both) / len(set(changed['aggregate_id']))"),
        "hides-it": _share("min(1, len(both) / changed['aggregate_id'].nunique())"),
        "changes-not-orders": _share("len(both) / len(changed)"),
        "others-above-the-line": _share("len(paid) / changed['aggregate_id'].nunique()"),
        "all-below-the-line": _share(
            "both['aggregate_id'].nunique() / log['aggregate_id'].nunique()"
        ),
        "upside-down": _share("both['aggregate_id'].nunique() / paid['aggregate_id'].nunique()"),
        "error": _share("both['order_id'].nunique() / changed['order_id'].nunique()"),
    },
    "10-4": {
        "another-row": _typed(100000, "2026-03-10", "2026-03-10"),
        "rewrites-the-past": _typed(100000, "2026-01-06", "2026-01-06"),
        "too-late": _typed(100000, "2026-01-06", "2026-03-16"),
        "another-amount": _typed(180700, "2026-01-06", "2026-03-10"),
        "printed-is-not-lost": _typed(100000, "2026-01-06", "2026-03-10", 180700),
        "no-day": _typed(100000, "6 January", "10 March"),
        "no-day 2": _typed("100000", "2026-01-06", "2026-03-10"),
    },
    "10-5": {
        "loses-the-days": """
def hours(log):
    paid = log[log["event_type"] == "PaymentReceived"].set_index("aggregate_id")["occurred_at"]
    first = log[log["event_type"] == "OrderShipped"].groupby("aggregate_id")["occurred_at"].min()
    return (first - paid).median().seconds / 3600
""",
        "not-in-hours": """
def hours(log):
    paid = log[log["event_type"] == "PaymentReceived"].set_index("aggregate_id")["occurred_at"]
    first = log[log["event_type"] == "OrderShipped"].groupby("aggregate_id")["occurred_at"].min()
    return (first - paid).median().total_seconds() / 60
""",
        "turned-round": """
def hours(log):
    paid = log[log["event_type"] == "PaymentReceived"].set_index("aggregate_id")["occurred_at"]
    first = log[log["event_type"] == "OrderShipped"].groupby("aggregate_id")["occurred_at"].min()
    return (paid - first).median().total_seconds() / 3600
""",
        "mean-not-median": _hours(
            _JOIN + _SPAN + "return two.groupby('aggregate_id')['span'].min().mean()"
        ),
        "last-parcel": _hours(
            _JOIN + _SPAN + "return two.groupby('aggregate_id')['span'].max().median()"
        ),
        "every-parcel": _hours(_JOIN + _SPAN + "return two['span'].median()"),
        "anybodys-parcel": _hours("""
two = pd.merge_asof(paid.sort_values('position'),
                    parcels.assign(sent=parcels['occurred_at'])[['position', 'sent']],
                    on='position', direction='forward')
return (two['sent'] - two['occurred_at']).median()
"""),
        "open-as-zero": _hours(
            _JOIN + _SPAN + "return two.groupby('aggregate_id')['span'].min().fillna(0).median()"
        ),
        "from-the-order": _hours("""
first = log.groupby(['aggregate_id', 'event_type'])['occurred_at'].min().unstack()
first = first.dropna(subset=['PaymentReceived'])
return (first['OrderShipped'] - first['OrderPlaced']).median()
"""),
        "error": _hours("return (parcels['time'] - paid['time']).median()"),
        "wrong-kind": "hours = 27.39",
    },
    "10-6": {
        "only-taken-out": """
def regretted(events):
    taken = {(e.aggregate_id, e.data["sku"]) for e in events if e.type == "ItemRemoved"}
    counts = {}
    for _, sku in taken:
        counts[sku] = counts.get(sku, 0) + 1
    return counts
""",
        "the-other-way-round": """
def regretted(events):
    added, out = set(), set()
    for e in events:
        pair = e.aggregate_id, e.data.get("sku")
        if e.type == "ItemAdded":
            added.add(pair)
        elif e.type == "ItemRemoved" and pair in added:
            out.add(pair)
    return dict(pd.Series([sku for _, sku in out]).value_counts())
""",
        "ignores-the-order": """
def regretted(events):
    pairs = {kind: {(e.aggregate_id, e.data["sku"]) for e in events if e.type == kind}
             for kind in ("ItemAdded", "ItemRemoved")}
    skus = [sku for _, sku in pairs["ItemAdded"] & pairs["ItemRemoved"]]
    return {sku: skus.count(sku) for sku in skus}
""",
        "counts-times": """
def regretted(events):
    out, counts = set(), {}
    for e in events:
        pair = e.aggregate_id, e.data.get("sku")
        if e.type == "ItemRemoved":
            out.add(pair)
        elif e.type == "ItemAdded" and pair in out:
            out.remove(pair)
            counts[pair[1]] = counts.get(pair[1], 0) + 1
    return counts
""",
        "across-orders": """
def regretted(events):
    out, back = set(), set()
    for e in events:
        if e.type == "ItemRemoved":
            out.add(e.data["sku"])
        elif e.type == "ItemAdded" and e.data["sku"] in out:
            back.add(e.data["sku"])
    return {sku: 1 for sku in back}
""",
        "error": "def regretted(events):\n    return {e.data['sku']: 1 for e in events}",
        "wrong-kind": "regretted = {'MUG-BLUE': 2}",
    },
}
