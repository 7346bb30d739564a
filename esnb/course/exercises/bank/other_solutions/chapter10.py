"""Other right answers to the exercises of 10_analytics."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "10-1": (
        (
            "by membership",
            """\
def shipped(orders, paid):
    return paid.index.isin(orders.dropna(subset="OrderShipped").index)
""",
        ),
        (
            "a look-up for each row",
            """\
def shipped(orders, paid):
    return [not pd.isna(orders.loc[order, "OrderShipped"]) for order in paid.index]
""",
        ),
    ),
    "10-3": (
        (
            "two sets",
            """\
def share(log):
    changed = set(log.loc[log["event_type"].isin(["ItemAdded", "ItemRemoved"]), "aggregate_id"])
    paid = set(log.loc[log["event_type"] == "PaymentReceived", "aggregate_id"])
    return len(changed & paid) / len(changed)
""",
        ),
        (
            "a set of types for each order",
            """\
def share(log):
    types = log.groupby("aggregate_id")["event_type"].agg(set)
    changed = types[types.map(lambda found: bool(found & {"ItemAdded", "ItemRemoved"}))]
    return changed.map(lambda found: "PaymentReceived" in found).mean()
""",
        ),
    ),
    "10-5": (
        (
            "one wide table",
            """\
def hours(log):
    first = log.pivot_table(
        index="aggregate_id", columns="event_type", values="occurred_at", aggfunc="min")
    return (first["OrderShipped"] - first["PaymentReceived"]).median()
""",
        ),
        (
            "in plain Python",
            """\
def hours(log):
    import statistics
    paid, spans = {}, {}
    for row in log.sort_values("position").itertuples():
        if row.event_type == "PaymentReceived":
            paid[row.aggregate_id] = row.occurred_at
        elif row.event_type == "OrderShipped" and row.aggregate_id in paid:
            spans.setdefault(row.aggregate_id, row.occurred_at - paid[row.aggregate_id])
    return statistics.median(span.total_seconds() for span in spans.values()) / 3600
""",
        ),
    ),
    "10-6": (
        (
            "the last change of each pair",
            """\
def regretted(events):
    last, pairs = {}, set()
    for event in events:
        if event.type in ("ItemAdded", "ItemRemoved"):
            pair = event.aggregate_id, event.data["sku"]
            if event.type == "ItemAdded" and last.get(pair) == "ItemRemoved":
                pairs.add(pair)
            last[pair] = event.type
    skus = [sku for _, sku in pairs]
    return {sku: skus.count(sku) for sku in skus}
""",
        ),
        (
            "first out and last back, in pandas",
            """\
def regretted(events):
    rows = [(e.aggregate_id, e.data.get("sku"), e.type, e.position) for e in events]
    frame = pd.DataFrame(rows, columns=["order", "sku", "type", "at"])
    out = frame[frame["type"] == "ItemRemoved"].groupby(["order", "sku"])["at"].min()
    back = frame[frame["type"] == "ItemAdded"].groupby(["order", "sku"])["at"].max()
    found = out[out < back.reindex(out.index)]
    return found.groupby("sku").size().to_dict()
""",
        ),
    ),
}
