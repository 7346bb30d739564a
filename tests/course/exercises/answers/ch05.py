"""Answers to the exercises of chapter 05."""

NOTEBOOK = "05_snapshots"

_LOAD = """
def load(snapshot, events):
    number, balance = snapshot
    rest = [event for event in events if {which}]
    return {balance} + sum(map(change, rest)), {count}
"""


def _load(which="event.sequence_number > number", balance="balance", count="len(rest)"):
    return _LOAD.format(which=which, balance=balance, count=count)


def _needs(*answers: bool) -> str:
    names = (
        "balance is renamed", "apply takes a fee of 10", "a new command close()",
        "refuses() allows at most 100.00",
    )  # fmt: skip
    return f"needs = {dict(zip(names, answers, strict=True))}"


def _choose(condition: str, of: str = "max") -> str:
    return f"""
def choose(snapshots, at, version):
    return {of}((n for n, v in snapshots if {condition}), default=0)
"""


RIGHT = {
    "05-1": [],
    "05-2": ["longest = 28", "longest = next(n for n in range(1, 99) if never(n) > best(n)) - 1"],
    "05-3": [
        _needs(True, True, False, False),
        'needs["balance is renamed"] = needs["apply takes a fee of 10"] = True\n'
        'needs["a new command close()"] = needs["refuses() allows at most 100.00"] = False',
    ],
    "05-4": [],
}
# The second right answer fills in a dict that is there.
RIGHT["05-3"][1] = "needs = {}\n" + RIGHT["05-3"][1]

WRONG = {
    "05-1": {
        "by-position": """
def load(snapshot, events):
    number, balance = snapshot
    rest = [e for e in events if e.position > number]
    return balance + sum(map(change, rest)), len(rest)
""",
        "swapped": """
def load(snapshot, events):
    number, balance = snapshot
    rest = [e for e in events if e.sequence_number > number]
    return len(rest), balance + sum(map(change, rest))
""",
        "one-too-many": _load("not event.sequence_number < number"),
        "one-too-few": _load("event.sequence_number > number + 1"),
        "forgets-the-snapshot": _load(balance="0"),
        "takes-the-long-way": _load("True", balance="0"),
        "takes-the-long-way 2": _load(count="len(events)"),
        "error": _load("event.number > number"),
        "wrong-kind": "load = (3, 100)",
        "other": _load("event.sequence_number < number"),
    },
    "05-2": {
        "first-that-pays": "longest = 29",
        "the-interval": "longest = 15",
        "other-loads": "longest = 89",
        "other-loads 2": "longest = 282",
        "too-short": "longest = 10",
        "too-long": "longest = 40",
        "wrong-kind": "longest = '28'",
    },
    "05-3": {
        "only-the-shape": _needs(True, False, False, False),
        "a-name-is-nothing": _needs(False, True, False, False),
        "commands-count": _needs(True, True, True, True),
        "rules-count": _needs(True, True, False, True),
        "another-list": "needs = {'balance is renamed': True}",
        "wrong-kind": "needs = [True, True, False, False]",
    },
    "05-4": {
        "older-code-too": """
def choose(snapshots, at, version):
    return max((n for n, v in snapshots if n <= at and v <= version), default=0)
""",
        "trusts-the-order": """
def choose(snapshots, at, version):
    found = 0
    for number, written_by in snapshots:
        if number <= at and written_by == version:
            found = number
    return found
""",
        "from-other-code": _choose("n <= at"),
        "from-the-future": _choose("v == version"),
        "the-oldest": _choose("n <= at and v == version", of="min"),
        "leaves-out-at": _choose("n < at and v == version"),
        "gives-up-too-early": """
def choose(snapshots, at, version):
    before = [s for s in snapshots if s[0] <= at]
    if not before:
        return 0
    number, written_by = before[-1]
    return number if written_by == version else 0
""",
        "error": """
def choose(snapshots, at, version):
    return max(n for n, v in snapshots if n <= at and v == version)
""",
        "other": """
def choose(snapshots, at, version):
    return len([n for n, v in snapshots if n <= at and v == version])
""",
    },
}
