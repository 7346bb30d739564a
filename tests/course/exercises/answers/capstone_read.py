"""Answers to the capstone of the read side."""

NOTEBOOK = "capstone_read"


def _arrives(adds: object, ids: object, newer: object, inbox: object = None) -> str:
    names = ("adds all", "ids in memory", "newer only", "inbox on disk")
    return f"arrives = {dict(zip(names, (adds, ids, newer, inbox), strict=True))!r}"


_BROKEN = ([1, 1, 2, 3], [1, 2, 3, "restart", 3], [3, 2, 1])


def _page(handle: str, load: str = "") -> str:
    """A page with the three parts of the solution in memory, and this way to handle an event."""
    lines = "\n        ".join(handle.strip().splitlines())
    more = "\n        ".join(load.strip().splitlines())
    return f"""
class PaidPage:
    def __init__(self, disk):
        self.disk = disk
        self.table = disk.load("table", {{}})
        self.position = disk.load("position", 0)
        {more}

    def handle(self, event):
        {lines}
"""


_INBOX = """
if event.position > self.position:
    self.inbox[event.position] = event
while self.position + 1 in self.inbox:
    self.position += 1
    row(self.table, self.inbox.pop(self.position))
"""
_MERGE = """
if event.event_id in self.ids:
    return
self.ids.add(event.event_id)
order = self.table.setdefault(event.aggregate_id, {"paid": 0, "last": "", "number": 0})
if event.type == "PaymentReceived":
    order["paid"] += event.data["amount"]
if event.sequence_number > order["number"]:
    order["number"], order["last"] = event.sequence_number, event.type
"""

RIGHT = {
    "read-1": [
        _arrives(*_BROKEN),
        "one, all_three = [1, 2, 3], [1, 2, 3]\n"
        "arrives = {'adds all': one + all_three, 'ids in memory': [*one, 'restart', *all_three],\n"
        "           'newer only': list(reversed(one)), 'inbox on disk': None}",
    ],
    "read-2": [
        # A log of its own: everything that came, and the table made from it.
        # No order needed: amounts by position, and the newest of each order.
    ],
}

WRONG = {
    "read-1": {
        "not-at-least-once": _arrives([1, 1], *_BROKEN[1:]),
        "other-words": _arrives([1, 2, 3, "crash"], *_BROKEN[1:]),
        "adds-all-survives": _arrives([3, 1, 2], *_BROKEN[1:]),
        "ids-survive": _arrives(_BROKEN[0], [1, 1, "restart", 2, 3], _BROKEN[2]),
        "newer-only-survives": _arrives(*_BROKEN[:2], [1, 1, 2, "restart", 2, 3]),
        "nothing-breaks-it": _arrives(*_BROKEN, [3, "restart", 2, 1]),
        "it-breaks": _arrives(*_BROKEN[:2], None),
        "wrong-kind": "arrives = [1, 2, 3]",
    },
    "read-2": {
        "wrong-without-faults": _page("""
if event.type == "PaymentReceived":
    row(self.table, event)
self.position = event.position
self.disk.save(table=self.table, position=self.position)
"""),
        "nothing-on-disk": _page(_INBOX, "self.inbox = {}"),
        "counts-duplicates": _page("""
row(self.table, event)
self.position = event.position
self.disk.save(table=self.table, position=self.position)
"""),
        "drops-late-events": _page("""
if event.position > self.position:
    row(self.table, event)
    self.position = event.position
    self.disk.save(table=self.table, position=self.position)
"""),
        "applies-out-of-order": _page(
            """
if event.event_id not in self.ids:
    self.ids.add(event.event_id)
    row(self.table, event)
    self.position = max(self.position, event.position)
    self.disk.save(table=self.table, position=self.position, ids=self.ids)
""",
            "self.ids = disk.load('ids', set())",
        ),
        "remembers-in-memory-only": _page(
            _MERGE + "self.position = max(self.position, event.position)\n"
            "self.disk.save(table=self.table, position=self.position)",
            "self.ids = set()",
        ),
        "counts-again-after-the-crash": _page(
            _INBOX + "self.disk.save(table=self.table)\n"
            "self.disk.save(position=self.position, inbox=self.inbox)",
            "self.inbox = disk.load('inbox', {})",
        ),
        "forgets-after-the-crash": _page(
            _INBOX + "self.disk.save(position=self.position, inbox=self.inbox)\n"
            "self.disk.save(table=self.table)",
            "self.inbox = disk.load('inbox', {})",
        ),
        "inbox-in-memory-only": _page(
            _INBOX + "self.disk.save(table=self.table, position=self.position)",
            "self.inbox = {}",
        ),
        "position-passes-a-gap": _page(
            _MERGE + "self.position = max(self.position, event.position)\n"
            "self.disk.save(table=self.table, position=self.position, ids=self.ids)",
            "self.ids = disk.load('ids', set())",
        ),
        "position-is-wrong-at-the-end": _page(
            _MERGE + "self.disk.save(table=self.table, ids=self.ids)",
            "self.ids = disk.load('ids', set())",
        ),
        "error": _page("self.table[event.aggregate_id]['paid'] += event.data['amount']"),
        "wrong-kind": "PaidPage = {}",
    },
}
