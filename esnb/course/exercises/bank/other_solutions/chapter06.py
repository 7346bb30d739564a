"""Other right answers to the exercises of 06_time_travel."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "06-4": (
        (
            "along all states",
            """\
def first_reached(history, amount):
    for number, state in enumerate(history.states()):
        if state["total"] >= amount:
            return number
""",
        ),
        (
            "from the list of changes",
            """\
def first_reached(history, amount):
    changes = history.changes("total")
    high = changes[changes["after"].astype(int) >= amount]
    return None if high.empty else int(high["sequence_number"].iloc[0])
""",
        ),
    ),
    "06-5": (
        (
            "both sums in one loop",
            """\
def balances(events, when):
    was = known = 0
    for event in events:
        was += balance([event]) * (event.occurred_at <= when)
        known += balance([event]) * (event.recorded_at <= when)
    return [was, known]
""",
        ),
    ),
}
