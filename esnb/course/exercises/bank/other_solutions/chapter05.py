"""Other right answers to the exercises of 05_snapshots."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "05-1": (
        (
            "first the rest, then its sum",
            """\
def load(snapshot, events):
    number, balance = snapshot
    rest = [event for event in events if event.sequence_number > number]
    return balance + sum(map(change, rest)), len(rest)
""",
        ),
        (
            "by counting: the first `number` events are in it",
            """\
def load(snapshot, events):
    number, balance = snapshot
    for event in events[number:]:
        balance += change(event)
    return balance, len(events) - number
""",
        ),
    ),
    "05-4": (
        (
            "from the newest on, until one fits",
            """\
def choose(snapshots, at, version):
    for number, written_by in sorted(snapshots, reverse=True):
        if number <= at and written_by == version:
            return number
    return 0
""",
        ),
        (
            "as a table of pandas",
            """\
import pandas as pd

def choose(snapshots, at, version):
    shelf = pd.DataFrame(snapshots, columns=["number", "version"])
    fit = shelf[(shelf.number <= at) & (shelf.version == version)]
    return 0 if fit.empty else int(fit.number.max())
""",
        ),
    ),
}
