"""Answers to the exercises of chapter 09."""

NOTEBOOK = "09_consistency"


def _two(first: object, then: object) -> str:
    return f"after_four = {first}\nafter_payment = {then}"


def _helper(wait: str, says: str = "projector.position >= appended.position") -> str:
    return f"def after_my_write(projector, appended):\n    {wait}\n    return {says}"


def _mine(body: str) -> str:
    lines = "\n    ".join(body.strip().splitlines())
    return f"def mine(table, event):\n    {lines}"


def _newer(number: str) -> str:
    return _mine(f"""
order = table.setdefault(event.aggregate_id, {{"seen": {number}}})
if {number} >= order["seen"]:
    order["seen"] = {number}
    order["last"] = event.type
""")


def _metric(body: str) -> str:
    lines = "\n    ".join(body.strip().splitlines())
    return f"def seconds_behind(store, page):\n    {lines}"


RIGHT = {
    "09-1": [
        "end, tick = 9, 3 + 4\nafter_four = end - tick\nafter_payment = (end + 1) - tick",
        "after_four, after_payment = (len(range(n)) for n in (2, 3))",
    ],
    "09-2": [],
    "09-3": ['order = list("bdca")', 'order = "B, D, C, A"'],
    "09-4": [
        _mine("""
number, _ = table.get(event.aggregate_id, {"all": (0, "")})["all"]
newest = max((number, ""), (event.sequence_number, event.type), key=lambda pair: pair[0])
if newest[0] != number:
    table[event.aggregate_id] = {"all": newest, "last": newest[1]}
"""),
    ],
    "09-5": [],
}

WRONG = {
    "09-1": {
        "position-is-no-lag": _two(7, 10),
        "position-is-no-lag 2": _two(2, 7),
        "to-the-end": _two(0, 1),
        "starts-over": _two(5, 6),
        "the-end-stands-still": _two(2, 2),
        "wrong-kind": _two("'2'", "'3'"),
    },
    "09-2": {
        "the-first-of-several": """
def after_my_write(projector, appended):
    token = appended.events[0].position
    projector.wait_for(token)
    return projector.position >= token
""",
        "never-waits": _helper("pass"),
        "never-waits 2": _helper("projector.catch_up(limit=1)"),
        "version-not-position": _helper("projector.wait_for(appended.version)"),
        "waits-for-everybody": _helper("projector.wait_for(projector.store.position)"),
        "waits-for-everybody 2": _helper("projector.catch_up()"),
        "yes-all-the-same": """
def after_my_write(projector, appended):
    try:
        projector.wait_for(appended.position, timeout=1)
    except LagTimeoutError:
        pass
    return True
""",
        "says-no": _helper("projector.wait_for(appended.position)", "None"),
        "says-no 2": """
def after_my_write(projector, appended):
    projector.wait_for(appended.position)
    return projector.position == appended.position
""",
        "error": _helper("projector.wait_for(appended)"),
    },
    "09-3": {
        "four-letters": 'order = "BDC"',
        "commits-what-is-not-there": 'order = "ABDC"',
        "sees-before-it-is-there": 'order = "BCDA"',
        "fast-was-first": 'order = "DBCA"',
        "both-were-there": 'order = "BDAC"',
        "both-were-there 2": 'order = "BADC"',
        "wrong-kind": "order = 2413",
    },
    "09-4": {
        "last-to-arrive": _mine("""
row = table.setdefault(event.aggregate_id, {"ids": set()})
if event.event_id not in row["ids"]:
    row["ids"].add(event.event_id)
    row["last"] = event.type
"""),
        "first-stays": _mine("table.setdefault(event.aggregate_id, {'last': event.type})"),
        "across-orders": _mine("""
if event.position >= table.get("seen", 0):
    table["seen"] = event.position
    table[event.aggregate_id] = {"last": event.type}
"""),
        "believes-the-clock": _newer("event.occurred_at"),
        "no-last": _mine("table[event.aggregate_id] = event.type"),
        "error": _mine("table[event.aggregate_id]['last'] = event.type"),
    },
    "09-5": {
        "from-end-seen": """
def seconds_behind(store, page):
    for event in store.read_all(page.end_seen):
        return (store.clock.now() - event.recorded_at).total_seconds()
    return 0
""",
        "loses-the-days": """
def seconds_behind(store, page):
    for event in store.read_all(page.position):
        return (store.clock.now() - event.recorded_at).seconds
    return 0
""",
        "one-too-early": """
def seconds_behind(store, page):
    if store.position == page.position:
        return 0
    event = next(iter(store.read_all(page.position - 1)))
    return (store.clock.now() - event.recorded_at).total_seconds()
""",
        "not-in-seconds": """
def seconds_behind(store, page):
    for event in store.read_all(page.position):
        return (store.clock.now() - event.recorded_at).total_seconds() / 3600
    return 0
""",
        "turned-round": """
def seconds_behind(store, page):
    for event in store.read_all(page.position):
        return (event.recorded_at - store.clock.now()).total_seconds()
    return 0
""",
        "asks-the-dead": _metric("return max(0, page.end_seen - page.position) * 60"),
        "counts-events": _metric("return store.position - page.position"),
        "newest-not-oldest": _metric("""
new = list(store.read_all(page.position))
return (store.clock.now() - new[-1].recorded_at).total_seconds() if new else 0
"""),
        "happened-not-recorded": _metric("""
for event in store.read_all(page.position):
    return (store.clock.now() - event.occurred_at).total_seconds()
return 0
"""),
        "a-quiet-night-alarms": _metric("""
return (store.clock.now() - page.last_look).total_seconds()
"""),
        "a-quiet-night-alarms 2": _metric("""
last = list(store.read_all())[page.position - 1]
return (store.clock.now() - last.recorded_at).total_seconds()
"""),
        "error": _metric("""
oldest = min(event.recorded_at for event in store.read_all(page.position))
return (store.clock.now() - oldest).total_seconds()
"""),
        "wrong-kind": _metric("return str(store.position - page.position)"),
    },
}
