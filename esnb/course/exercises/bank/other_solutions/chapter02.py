"""Other right answers to the exercises of 02_the_event_store."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "02-1": (
        (
            "sort, and hand out each id once",
            """\
def in_order(letters):
    seen = set()
    for letter in sorted(letters, key=lambda letter: letter.sequence_number):
        if letter.event_id not in seen:
            seen.add(letter.event_id)
            yield letter
""",
        ),
        (
            "sort, and compare with the letter before",
            """\
def in_order(letters):
    result = []
    for letter in sorted(letters, key=lambda letter: letter.sequence_number):
        if not result or result[-1].sequence_number != letter.sequence_number:
            result.append(letter)
    return result
""",
        ),
    ),
    "02-2": (
        (
            "move the bookmark with each event",
            """\
def catch_up(store, bookmark):
    new = []
    for event in store.read_all(after=bookmark):
        new.append(event)
        bookmark = event.position
    return new, bookmark
""",
        ),
    ),
    "02-3": (
        (
            "a deep copy, with a larger quantity",
            """\
from copy import deepcopy
def forge(events):
    forged = deepcopy(events)
    forged[0].event_data["items"][0]["quantity"] += 7
    return tuple(forged)
""",
        ),
        (
            "another customer, wherever it is said",
            """\
def forge(events):
    return [replace(e, event_data={**e.data, "customer": "eve"}) if e.type == "OrderPlaced" else e
            for e in events]
""",
        ),
    ),
}
