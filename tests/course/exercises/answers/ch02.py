"""Answers to the exercises of chapter 02."""

NOTEBOOK = "02_the_event_store"

TABLE = """
table = pd.DataFrame(
    [("giro", "PaymentMade", "2026-03-01"), ("giro", "SalaryReceived", "2026-03-02"),
     ("savings", "InterestAdded", "2026-03-03"), ("giro", "PaymentMade", "2026-03-04"),
     ("savings", "PaymentMade", "2026-03-05"), ("giro", "PaymentMade", "2026-03-06")],
    columns=["account", "kind", "date"])
"""

RIGHT = {
    "02-1": [
        """
def in_order(letters):
    by_number = {}
    for letter in sorted(letters, key=lambda letter: letter.sequence_number):
        by_number[letter.sequence_number] = letter
    return by_number.values()
""",
        """
def in_order(letters):
    letters.sort(key=lambda letter: letter.sequence_number)
    return [a for n, a in enumerate(letters) if a not in letters[:n]]
""",
        """
def in_order(letters):
    wanted, result = 1, []
    while True:
        found = [x for x in letters if x.sequence_number == wanted]
        if not found:
            return tuple(result)
        result += found[:1]
        wanted += 1
""",
    ],
    "02-2": [
        """
def catch_up(store, bookmark):
    new = [e for e in store.read_all() if e.position > bookmark]
    return new, bookmark + len(new)
""",
        """
def catch_up(store, bookmark):
    return [store.read_all(after=bookmark), store.position]
""",
    ],
    "02-3": [
        """
def forge(events):
    forged = list(events)
    number = len(forged)
    data = {**forged[0].data, "items": [{**i, "price": 1} for i in forged[0].data["items"]]}
    forged[0] = new_event("OrderPlaced", data)
    forged[0] = replace(events[0], event_data=data)
    return forged
""",
    ],
    "02-4": [
        TABLE + 'mine = EventStore.from_frame(table, aggregate_id="account", event_type="kind",'
        ' occurred_at="date", aggregate_type="ACCOUNT", timezone="UTC")',
        """
mine = EventStore()
for day in range(6):
    mine.append(f"sensor-{day % 2}", [new_event("TemperatureMeasured", celsius=20 + day,
                occurred_at=f"2026-03-0{day + 1}T09:00:00Z")],
                expected_version=day // 2, aggregate_type="SENSOR")
""",
    ],
}

WRONG = {
    "02-1": {
        "by-time 5": """
def in_order(letters):
    by_id = {letter.event_id: letter for letter in letters}
    return sorted(by_id.values(), key=lambda letter: letter.recorded_at)
""",
        "by-time": """
def in_order(letters):
    return sorted(letters, key=lambda letter: letter.occurred_at)
""",
        "by-time 2": """
def in_order(letters):
    by_number = {letter.sequence_number: letter for letter in letters}
    return sorted(by_number.values(), key=lambda letter: letter.occurred_at)
""",
        "keeps-duplicates": """
def in_order(letters):
    return sorted(letters, key=lambda letter: letter.sequence_number)
""",
        "drops-duplicates-only": """
def in_order(letters):
    return list({letter.sequence_number: letter for letter in letters}.values())
""",
        "backwards": """
def in_order(letters):
    by_number = {letter.sequence_number: letter for letter in letters}
    return [by_number[number] for number in sorted(by_number, reverse=True)]
""",
        "by-name": """
def in_order(letters):
    by_number = {letter.sequence_number: letter for letter in letters}
    return sorted(by_number.values(), key=lambda letter: letter.type)
""",
        "error": """
def in_order(letters):
    return sorted(letters, key=lambda letter: letter[0])
""",
        "wrong-kind": "in_order = ['placed', 'paid', 'shipped']",
    },
    "02-2": {
        "reads-everything": """
def catch_up(store, bookmark):
    new = list(store.read_all())
    return new, new[-1].position
""",
        "no-return": """
def catch_up(store, bookmark):
    new = list(store.read_all(after=bookmark))
    print(new, new[-1].position if new else bookmark)
""",
        "reads-twice": """
def catch_up(store, bookmark):
    new = list(store.read_all(after=bookmark - 1))
    return new, new[-1].position
""",
        "skips-one": """
def catch_up(store, bookmark):
    new = list(store.read_all(after=bookmark + 1))
    return new, new[-1].position
""",
        "sequence-number": """
def catch_up(store, bookmark):
    new = list(store.read_all(after=bookmark))
    return new, new[-1].sequence_number
""",
        "counts-what-came": """
def catch_up(store, bookmark):
    new = list(store.read_all(after=bookmark))
    return new, len(new)
""",
        "loses-the-bookmark": """
def catch_up(store, bookmark):
    new = list(store.read_all(after=bookmark))
    return new, new[-1].position
""",
        "loses-the-bookmark 2": """
def catch_up(store, bookmark):
    new = list(store.read_all(after=bookmark))
    return new, max((e.position for e in new), default=0)
""",
        "bookmark-stays": """
def catch_up(store, bookmark):
    return list(store.read_all(after=bookmark)), bookmark
""",
        "no-pair": """
def catch_up(store, bookmark):
    return list(store.read_all(after=bookmark))
""",
        "error": """
def catch_up(store, bookmark):
    new = store.read_all(after=bookmark)
    return new, new[-1].position
""",
    },
    "02-3": {
        "gap": """
def forge(events):
    return events[1:]
""",
        "twice": """
def forge(events):
    return [*events[:-1], events[0]]
""",
        "shorter": """
def forge(events):
    return events[:-1]
""",
        "longer": """
def forge(events):
    more = new_event("RefundIssued", amount=1, reason="none")
    return [*events, replace(more, sequence_number=len(events) + 1)]
""",
        "same-story": """
def forge(events):
    return [replace(event, metadata={"actor": "mallory"}) for event in events]
""",
        "no-replay": """
def forge(events):
    return [replace(events[0], event_data={}), *events[1:]]
""",
        "wrong-order": """
def forge(events):
    return [events[1], events[0], *events[2:]]
""",
        "changes-events": """
def forge(events):
    events[0].data["customer"] = "mallory"
    return events
""",
    },
    "02-4": {
        "too-few": TABLE
        + 'mine = EventStore.from_frame(table[:3], aggregate_id="account", event_type="kind",'
        ' occurred_at="date", aggregate_type="ACCOUNT", timezone="UTC")',
        "a-stream-for-each-row": TABLE
        + "table['row'] = [str(n) for n in range(6)]\n"
        + 'mine = EventStore.from_frame(table, aggregate_id="row", event_type="kind",'
        ' occurred_at="date", aggregate_type="ACCOUNT", timezone="UTC")',
        "a-name-for-each-row": TABLE
        + "table['what'] = ['rent', 'salary', 'interest', 'shoes', 'books', 'tea']\n"
        + 'mine = EventStore.from_frame(table, aggregate_id="account", event_type="what",'
        ' occurred_at="date", aggregate_type="ACCOUNT", timezone="UTC")',
        "one-moment": TABLE
        + "table['date'] = '2026-03-01'\n"
        + 'mine = EventStore.from_frame(table, aggregate_id="account", event_type="kind",'
        ' occurred_at="date", aggregate_type="ACCOUNT", timezone="UTC")',
        "not-yet-happened": TABLE
        + "table['date'] = [f'2036-{n}-03' for n in range(10, 4, -1)]\n"
        + "table['date'] = pd.to_datetime(table['date'], format='%Y-%m-%d')\n"
        + 'mine = EventStore.from_frame(table, aggregate_id="account", event_type="kind",'
        ' occurred_at="date", aggregate_type="ACCOUNT", timezone="UTC", clock=LessonClock())',
        "frame-only": TABLE + "mine = table",
        "wrong-kind": "mine = [('basil', 'Sown')]",
    },
}
