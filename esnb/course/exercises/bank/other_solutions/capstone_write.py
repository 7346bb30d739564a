"""Other right answers to the exercises of capstone_write."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "write-1": (
        (
            "four wrong versions, two stores",
            """\
def contract(make_store):
    a, b = make_store(), make_store()
    events = [new_event(name) for name in ("A", "B", "C")]
    assert a.append("x", events, expected_version=0) == 3
    a.append("y", [new_event("D")], expected_version=0)
    assert [e.sequence_number for e in a.events("x")] == [1, 2, 3]
    for version in (0, 2, 4, 9):
        try:
            a.append("x", [new_event("E")], expected_version=version)
        except ConcurrencyError:
            pass
        else:
            raise ValueError(version)
    assert len(a.events("x")) == 3
    try:
        b.append("x", [events[0], None], expected_version=0)
    except Exception:
        pass
    assert b.events("x") == []
""",
        ),
        (
            "a small language for appends",
            """\
def contract(make_store):
    def after(*appends):
        store = make_store()
        for stream, names, version in appends:
            try:
                batch = [name if name is None else new_event(name) for name in names]
                store.append(stream, batch, expected_version=version)
            except Exception as error:
                print(type(error).__name__)
        return ["".join(event.type for event in store.events(stream)) for stream in "xy"]
    assert after(("x", "AB", 0), ("y", "C", 0)) == ["AB", "C"]
    assert after(("x", "AB", 0), ("x", "C", 1)) == ["AB", ""]
    assert after(("x", "AB", 0), ("x", "C", 3)) == ["AB", ""]
    assert after(("x", ["A", None], 0)) == ["", ""]
""",
        ),
    ),
    "write-2": (
        (
            "with a file of JSON lines",
            r"""class MyStore:
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
            self.path.write_text("".join(json.dumps(row) + "\n" for row in self.log))
        return len(there) + len(rows)

    def close(self):
        pass
""",
        ),
        (
            "with SQLite",
            """\
import sqlite3
class MyStore:
    def __init__(self, path=":memory:"):
        self.db = sqlite3.connect(path)
        self.db.execute("create table if not exists log (position integer primary key, stream, "
                        "number, id, kind, data, unique (stream, number))")
    def _events(self, rows):
        return [Event(kind, json.loads(data), event_id=UUID(id), aggregate_id=stream,
                      sequence_number=number, position=position)
                for position, stream, number, id, kind, data in rows]
    def events(self, stream):
        return self._events(self.db.execute(
            "select * from log where stream = ? order by number", [stream]))
    def read_all(self, after=0):
        yield from self._events(self.db.execute(
            "select * from log where position > ? order by position", [after]))
    def append(self, stream, events, *, expected_version, aggregate_type=None):
        old = self.events(stream)
        known = [e for e in old if e.event_id in [getattr(n, "event_id", None) for n in events]]
        if known:
            if [(e.type, e.data) for e in known] != [(e.type, e.data) for e in events]:
                raise DuplicateEventError(str(known))
            return known[-1].sequence_number
        if len(old) != expected_version:
            raise ConcurrencyError(stream, expected_version, len(old))
        with self.db:
            self.db.executemany(
                "insert into log (stream, number, id, kind, data) values (?, ?, ?, ?, ?)",
                [(stream, len(old) + n, str(e.event_id), e.type, json.dumps(e.data))
                 for n, e in enumerate(events, start=1)])
        return len(old) + len(events)
    def close(self):
        self.db.close()
""",
        ),
    ),
}
