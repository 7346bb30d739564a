"""Other right answers to the exercises of 12_neighbours."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "12-2": (
        (
            "as a table of pandas",
            """\
def discounts(changes, events):
    rows = [(e.aggregate_id, e.type, e.metadata.get("reason")) for e in events]
    frame = pd.DataFrame(rows, columns=["order", "type", "why"])
    return frame[frame["type"].eq("DiscountGranted")].set_index("order")["why"].to_dict()
""",
        ),
    ),
    "12-3": (
        (
            "ask whether it is sold",
            """\
def ben(broker, moment):
    if moment != "after the look":
        return
    if not any(value.startswith("sold") for value in broker.read("lamp")):
        broker.send("lamp", "sold to ben")
""",
        ),
    ),
    "12-4": (
        (
            "along the places",
            """\
def consume(records, bookmark, work):
    for place in range(bookmark.offset(), len(records)):
        work(records[place])
        bookmark.move_to(place + 1)
""",
        ),
        (
            "along the records",
            """\
def consume(records, bookmark, work):
    place = bookmark.offset()
    for record in records[place:]:
        work(record)
        place += 1
        bookmark.move_to(place)
""",
        ),
    ),
}
