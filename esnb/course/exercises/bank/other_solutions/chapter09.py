"""Other right answers to the exercises of 09_consistency."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "09-2": (
        (
            "look again until a deadline",
            """\
import time
def after_my_write(projector, appended):
    end = time.monotonic() + 0.05
    while projector.position < appended.position:
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True
""",
        ),
        (
            "catch the timeout, and say so",
            """\
def after_my_write(projector, appended):
    try:
        projector.wait_for(appended.events[-1].position, timeout=1)
    except LagTimeoutError:
        return False
    return True
""",
        ),
    ),
    "09-4": (
        (
            "remember all by position: right, and it grows",
            """\
def mine(table, event):
    row = table.setdefault(event.aggregate_id, {"types": {}})
    row["types"][event.position] = event.type
    row["last"] = row["types"][max(row["types"])]
""",
        ),
    ),
    "09-5": (
        (
            "ask in SQL",
            """\
def seconds_behind(store, page):
    query = "select min(recorded_at) from events where position > ?"
    oldest = store.sql(query, [page.position]).fetchone()[0]
    if oldest is None:
        return 0
    return (store.clock.now().replace(tzinfo=None) - oldest).total_seconds()
""",
        ),
        (
            "over all events that wait",
            """\
def seconds_behind(store, page):
    waiting = [event.recorded_at for event in store.read_all() if event.position > page.position]
    return max([(store.clock.now() - at).total_seconds() for at in waiting], default=0.0)
""",
        ),
    ),
}
