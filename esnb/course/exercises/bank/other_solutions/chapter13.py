"""Other right answers to the exercises of 13_scale."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "13-2": (
        (
            "the sum of the bytes",
            """\
def bucket(name):
    return sum(name.encode()) % 2
""",
        ),
        (
            "a checksum",
            """\
import zlib

def bucket(name):
    return zlib.crc32(name.encode()) & 1
""",
        ),
    ),
    "13-3": (
        (
            "with leap years",
            """\
def years(events, orders_a_day, events_an_order):
    days = events / orders_a_day / events_an_order
    return days / 365.25
""",
        ),
    ),
}
