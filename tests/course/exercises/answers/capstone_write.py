"""Answers to the capstone of the write side: stores of every kind, and how they break."""

NOTEBOOK = "capstone_write"

GOOD = """
class MyStore:
    def __init__(self, path=None):
        self.path, self.log = path, []
        if path and path.exists():
            self.log = [json.loads(line) for line in path.read_text().splitlines()]

    def _event(self, row):
        return Event(row["type"], json.loads(row["data"]), event_id=UUID(row["id"]),
                     aggregate_id=row["stream"], sequence_number=row["number"],
                     position=row["position"])

    def events(self, aggregate_id):
        return [self._event(row) for row in self.log if row["stream"] == aggregate_id]

    def read_all(self, after=0):
        return [self._event(row) for row in self.log[after:]]

    def append(self, aggregate_id, events, *, expected_version, aggregate_type=None):
        there = [row for row in self.log if row["stream"] == aggregate_id]
        ids = {row["id"]: row for row in there}
        if events and all(str(event.event_id) in ids for event in events):
            for event in events:
                if json.loads(ids[str(event.event_id)]["data"]) != event.data:
                    raise DuplicateEventError("another fact")
            return ids[str(events[-1].event_id)]["number"]
        if expected_version != len(there):
            raise ConcurrencyError(aggregate_id, expected_version, len(there))
        rows = []
        for n, event in enumerate(events, start=1):
            rows.append({"type": event.type, "data": json.dumps(event.data),
                         "id": str(event.event_id), "stream": aggregate_id,
                         "number": len(there) + n, "position": len(self.log) + n})
        self.log += rows
        if self.path:
            self.path.write_text("".join(json.dumps(row) + "\\n" for row in self.log))
        return len(there) + len(rows)

    def close(self):
        pass
"""


def changed(old: str, new: str) -> str:
    """The good store with one mistake."""
    assert old in GOOD, old
    return GOOD.replace(old, new)


RIGHT = {
    "write-1": [],
    "write-2": [
        """
from esnb import EventStore, LessonClock
class MyStore(EventStore):
    def __init__(self, path=None):
        super().__init__(path, clock=LessonClock())
""",
    ],
}

START = """
def contract(make_store):
    store = make_store()
    def refused(events, version, error=ConcurrencyError):
        before = store.events("x")
        try:
            store.append("x", events, expected_version=version)
        except error:
            return store.events("x") == before
        return False
    store.append("x", [new_event("A"), new_event("B")], expected_version=0)
    store.append("y", [new_event("C")], expected_version=0)
"""
LINES = {
    "misses-newest-first": 'assert [e.type for e in store.events("x")] == ["A", "B"]',
    "misses-one-stream": 'assert len(store.events("y")) == 1 or store.events("y")[0].type == "C"',
    "misses-the-late": 'assert refused([new_event("D")], 1)',
    "misses-the-early": 'assert refused([new_event("D")], 5)',
    "misses-half-an-append": 'assert refused([new_event("D"), "no event"], 2, Exception)',
}


def without(*names: str) -> str:
    """A contract without some of its lines."""
    return START + "".join(f"    {line}\n" for name, line in LINES.items() if name not in names)


WRONG = {
    "write-1": {
        "misses-newest-first": """
def contract(make_store):
    store = make_store()
    store.append("x", [new_event("A"), new_event("B")], expected_version=0)
    assert {event.type for event in store.events("x")} == {"A", "B"}
""",
        "misses-one-stream": """
def contract(make_store):
    store = make_store()
    store.append("x", [new_event("A"), new_event("B")], expected_version=0)
    assert [event.type for event in store.events("x")] == ["A", "B"]
""",
        "misses-the-late": """
def contract(make_store):
    store = make_store()
    store.append("x", [new_event("A"), new_event("B")], expected_version=0)
    store.append("y", [new_event("C")], expected_version=0)
    assert [event.type for event in store.events("x")] == ["A", "B"]
""",
        "misses-the-early": without("misses-the-early"),
        "misses-a-late-refusal": """
def contract(make_store):
    store = make_store()
    store.append("x", [new_event("A"), new_event("B")], expected_version=0)
    store.append("y", [new_event("C")], expected_version=0)
    assert [event.type for event in store.events("x")] == ["A", "B"]
    for version in (1, 9):
        try:
            store.append("x", [new_event("D")], expected_version=version)
        except ConcurrencyError:
            continue
        assert False, version
""",
        "misses-half-an-append": without("misses-half-an-append"),
        "tests-fail-the-right-one": """
def contract(make_store):
    store = make_store()
    store.append("x", [new_event("A")], expected_version=0)
    assert store.events("x")[0].sequence_number == 0
""",
        "error": """
def contract(make_store):
    store = make_store()
    store.append("x", [new_event("A")])
""",
        "wrong-kind": "contract = ['A', 'B']",
    },
    "write-2": {
        "keeps-order": changed("self.log if row", "self.log[::-1] if row"),
        "keeps-order 2": """
class MyStore:
    def __init__(self, path=None):
        self.log = []
    def append(self, aggregate_id, events, *, expected_version, aggregate_type=None):
        self.log += events
""",
        "numbers-events": changed('"number": len(there) + n', '"number": len(there) + n - 1'),
        "numbers-events 2": changed("        return len(there) + len(rows)", "        return None"),
        # Only the number of the id is looked at: order-3 and account-3 are one.
        "keeps-streams-apart": changed(
            'row["stream"] == aggregate_id', 'row["stream"][-1] == aggregate_id[-1]'
        ),
        "has-bookmarks": changed("self.log[after:]", "self.log[after + 1:]"),
        "has-bookmarks 2": changed("len(self.log) + n}", "len(there) + n}"),
        "refuses-the-late": changed("if expected_version != len(there)", "if False"),
        "refuses-the-early": changed("!= len(there)", "< len(there)"),
        "all-or-nothing": changed(
            '            rows.append({"type"', '            self.log.append({"type"'
        )
        .replace("len(self.log) + n}", "len(self.log) + 1}")
        .replace("return len(there) + len(rows)", "return len(there) + len(events)"),
        "knows-a-repeat": changed("if events and all(", "if False and all("),
        "knows-a-repeat 2": changed(
            'return ids[str(events[-1].event_id)]["number"]', "return len(there)"
        ),
        "refuses-a-stolen-id": changed('raise DuplicateEventError("another fact")', "pass"),
        "keeps-what-was-said": changed("json.dumps(event.data)", "event.data")
        .replace('json.loads(row["data"])', 'row["data"]')
        .replace(
            'json.loads(ids[str(event.event_id)]["data"])', 'ids[str(event.event_id)]["data"]'
        ),
        "survives": changed("self.path.write_text", "str"),
        "survives 2": changed("if path and path.exists()", "if False"),
        "wrong-kind": GOOD + "\nMyStore = MyStore()",
        "error": "class MyStore:\n    def __init__(self, path):\n        self.path = path\n",
    },
}
