"""Other right answers to the exercises of 03_conflicts."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "03-2": (
        (
            "with `else` after the try",
            """\
def buy(store, buyer):
    while left(events := store.events(LAMP)) > 0:
        try:
            store.append(LAMP, [sold(buyer)], expected_version=len(events))
        except ConcurrencyError:
            pass
        else:
            return "bought"
    return "sold out"
""",
        ),
        (
            "begin again by calling itself",
            """\
def buy(store, buyer):
    events = store.events(LAMP)
    if left(events) == 0:
        return "sold out"
    try:
        store.append(LAMP, [sold(buyer)], expected_version=events[-1].sequence_number)
    except ConcurrencyError:
        return buy(store, buyer)
    return "bought"
""",
        ),
    ),
    "03-4": (
        (
            "a changed copy of the sale",
            """\
from dataclasses import replace
steal = lambda store, sale: store.append(
    LAMP, [replace(sale, event_data={**sale.data, "buyer": "ben"})],
    expected_version=sale.sequence_number)
""",
        ),
    ),
    "03-5": (
        (
            "ask again by calling itself with the same event",
            """\
def buy_over_a_bad_line(store, buyer, sale=None):
    sale = sale or sold(buyer)
    try:
        return store.append(LAMP, [sale], expected_version=ANY)
    except ConnectionError:
        return buy_over_a_bad_line(store, buyer, sale)
""",
        ),
    ),
}
