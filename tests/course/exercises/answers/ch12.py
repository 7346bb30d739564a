"""Answers to the exercises of chapter 12."""

NOTEBOOK = "12_neighbours"

_LINES = (
    "the price before it was fixed", "an order that was deleted", "who fixed the price",
    "a value that was changed back", "why it was changed", "who looked at the page",
)  # fmt: skip


def _cdc(true: str) -> str:
    """A letter a line: T or F."""
    return f"cdc = {dict(zip(_LINES, [letter == 'T' for letter in true], strict=True))}"


_ALL = {
    "before": "yes", "why": "yes", "past": "yes", "several": "yes", "states": "yes",
    "running": "no", "forms": "no", "late": "yes", "team": "yes", "people": "yes",
}  # fmt: skip


def _part(turns: object, **other: str) -> str:
    return f"answers = { ({**_ALL, **other}) }\nturns = {turns!r}"


def _discounts(body: str) -> str:
    lines = "\n    ".join(body.strip().splitlines())
    return f"def discounts(changes, events):\n    {lines}"


def _ben(body: str) -> str:
    lines = "\n    ".join(body.strip().splitlines())
    return f"def ben(broker, moment):\n    {lines}"


RIGHT = {
    "12-4": [],
    "12-1": [
        _cdc("TTFTFF"),
        "cdc = {line: not line.startswith(('who', 'why')) for line in cdc_lines}".replace(
            "cdc_lines", repr(_LINES)
        ),
    ],
    "12-5": [
        _part("team"),
        "answers = {'before': 'yes', 'why': 'no', 'past': 'no', 'several': 'no', 'states': 'no'}\n"
        "turns = 'before'",
        "answers = dict.fromkeys(['why', 'past', 'several', 'states', 'forms'], 'yes')\n"
        "answers |= {'running': 'no', 'late': 'no', 'team': 'not sure'}\n"
        "turns = 'running'",
        "answers = {'running': 'yes', 'before': 'yes', 'why': 'yes'}\nturns = None",
    ],
    "12-2": [
        _discounts("""
return {e.aggregate_id: e.metadata["reason"] for e in events if e.type == "DiscountGranted"}
"""),
    ],
    "12-3": [
        """
seen = []
def ben(broker, moment):
    if moment.startswith("before"):
        seen[:] = broker.read("lamp")
    elif moment == "after the send" and len(seen) == 1:
        broker.send("lamp", "sold to " + ben.__name__)
""",
    ],
}

WRONG = {
    "12-4": {
        "skips-a-record": """
def consume(records, bookmark, work):
    for place in range(bookmark.offset(), len(records)):
        bookmark.move_to(place + 1)
        work(records[place])
""",
        "starts-over": """
def consume(records, bookmark, work):
    for record in records[bookmark.offset():]:
        work(record)
    bookmark.move_to(len(records))
""",
        "stops-too-early": """
def consume(records, bookmark, work):
    if bookmark.offset() < len(records):
        work(records[bookmark.offset()])
        bookmark.move_to(bookmark.offset() + 1)
""",
        "works-twice": """
def consume(records, bookmark, work):
    for place in range(len(records)):
        work(records[place])
        if place == bookmark.offset():
            bookmark.move_to(place + 1)
            work(records[place])
""",
        "another-order": """
def consume(records, bookmark, work):
    for record in reversed(records):
        work(record)
""",
    },
    "12-1": {
        "old-row": _cdc("FTFTFF"),
        "a-deletion-is-a-change": _cdc("TFFTFF"),
        "nobody-by-name": _cdc("TTTTFF"),
        "both-changes": _cdc("TTFFFF"),
        "no-reason-in-a-row": _cdc("TTFTTF"),
        "reading-changes-nothing": _cdc("TTFTFT"),
        "other-words": "cdc = {'an order that was deleted': True}",
        "wrong-kind": "cdc = [True, True, False, True, False, False]",
    },
    "12-5": {
        "no-such-question": "answers = {'money': 'yes'}\nturns = 'money'",
        "no-such-question 2": _part("money"),
        "other-words": _part("team", team="perhaps"),
        "not-decided": "answers = {'why': 'yes', 'team': 'yes'}\nturns = 'team'",
        "not-answered": _part("people", people="not sure"),
        "does-not-turn": _part("why"),
        "something-turns": _part(None),
        "wrong-kind": "answers, turns = ['yes', 'no'], 'why'",
    },
    "12-2": {
        "cheaper-is-no-discount": _discounts("""
found = {}
for change in changes:
    before, after = change["before"], change["after"]
    if before and before["price"] * 0.7 < after["price"] < before["price"]:
        reasons = [e.metadata["reason"] for e in events if e.aggregate_id == after["id"]]
        found[after["id"]] = reasons[-1] if reasons else ""
return found
"""),
        "every-price-event": _discounts("""
return {event.aggregate_id: event.metadata["reason"] for event in events}
"""),
        "hidden-in-the-row": _discounts("""
why = {e.aggregate_id: e.metadata["reason"] for e in events if e.type == "DiscountGranted"}
lower = {c["after"]["id"] for c in changes
         if c["op"] == "u" and c["after"]["price"] < c["before"]["price"]}
return {order: reason for order, reason in why.items() if order in lower}
"""),
        "misses-a-discount": _discounts("""
last = {e.aggregate_id: e for e in events}
return {order: e.metadata["reason"] for order, e in last.items() if e.type == "DiscountGranted"}
"""),
        "reason-of-another-event": _discounts("""
orders = {e.aggregate_id for e in events if e.type == "DiscountGranted"}
first = {}
for e in events:
    first.setdefault(e.aggregate_id, e.metadata["reason"])
return {order: first[order] for order in orders}
"""),
        "no-reason": _discounts("""
return {e.aggregate_id: e.data.get("reason") for e in events if e.type == "DiscountGranted"}
"""),
        "error": _discounts("""
return {e.aggregate_id: e.data["reason"] for e in events if e.type == "DiscountGranted"}
"""),
        "wrong-kind": _discounts("""
return [e.aggregate_id for e in events if e.type == "DiscountGranted"]
"""),
    },
    "12-3": {
        "no-sale": """
def ben(broker, moment):
    if moment == "after the look" and broker.read("lamp") == ["received 1"]:
        broker.send("lamp", "received 1")
""",
        "nobody-came": _ben("broker.read('lamp')"),
        "too-early": _ben("""
if broker.read("lamp") == ["received 1"]:
    broker.send("lamp", "sold to ben")
"""),
        "did-not-look": _ben("""
if moment == "after the look":
    broker.send("lamp", "sold to ben")
"""),
        "knew-it-was-sold": _ben("""
if moment == "after the send":
    if broker.read("lamp")[0] == "received 1":
        broker.send("lamp", "sold to ben")
"""),
        "other-key": _ben("""
if moment == "after the look" and broker.read("lamp") == ["received 1"]:
    broker.send("lamp-ben", "sold to ben")
"""),
        "error": _ben("broker.append('lamp', 'sold to ben', expected_version=1)"),
    },
}
