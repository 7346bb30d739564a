"""Answers to the exercises of chapter 06."""

NOTEBOOK = "06_time_travel"

_MARKS = 'marks = {{"status": "{}", "delivered": "{}", "shipped.MUG-BLUE": "{}"}}'


def _read(changed: str, *marks: str) -> str:
    return f"changed = {changed}\n" + _MARKS.format(*(marks or "~~-"))


def _query(columns: str = "", where: str = "event_type = 'RefundIssued'") -> str:
    columns = columns or "metadata->>'$.actor' as who, metadata->>'$.reason' as why, count(*) as n"
    return f'query = """select {columns} from events where {where} group by all"""'


def _balances(was: str, known: str) -> str:
    return f"""
def balances(events, when):
    return balance([e for e in events if {was}]), balance([e for e in events if {known}])
"""


RIGHT = {
    "06-1": [_read("(1,)"), _read("{1}", "~", "~", "-")],
    "06-2": [
        _query(),
        'query = """with m as (from events where event_type like \'Refund%\')'
        " select json_extract_string(metadata, '$.actor'), json_extract_string(metadata,"
        ' \'$.reason\'), count(*) from m group by 1, 2 order by 3 desc"""',
    ],
    "06-3": ["leave_out, policy = 1, 'force'", "[policy, leave_out] = ['force', 1]"],
    "06-4": [
        """
def first_reached(history, amount):
    found = history.first(lambda order: order.total >= amount, scan=True)
    return None if found is None else found.number
""",
    ],
    "06-5": [
        _balances("not e.occurred_at > when", "not e.recorded_at > when"),
    ],
}

WRONG = {
    "06-1": {
        "not-the-same": """
changed = [1]
marks = {"status": "~", "delivered": "~", "shipped.MUG-BLUE": "~"}
""",
        "payment-counts": _read("[1, 2]"),
        "the-start-counts": _read("[]"),
        "no-direction": _read("[1]", "~", "~", "+"),
        "changed-is-not-new": _read("[1]", "~", "-", "-"),
        "other-marks": _read("[1]", "changed", "~", "-"),
        "wrong-kind": _read("1"),
        "other": _read("[1, 4]"),
    },
    "06-2": {
        "more-columns": '''
query = """
    select metadata->>'$.actor' as who, metadata->>'$.reason' as why, count(*) as times,
           count(distinct aggregate_id) as orders
    from events where event_type = 'RefundIssued'
    group by all
"""
''',
        "other-events": _query(where="true"),
        "cancelled-is-not-refunded": _query(where="event_type = 'OrderCancelled'"),
        "without-why": _query("metadata->>'$.actor' as who, count(*) as n"),
        "the-payload": _query(
            "metadata->>'$.actor' as who, event_data->>'$.reason' as why, count(*) as n"
        ),
        "one-row-each": _query(
            "metadata->>'$.actor' as who, metadata->>'$.reason' as why, position, count(*) as n"
        ),
        "not-a-query": 'query = "select who, why, count(*) from refunds group by all"',
        "wrong-kind": "query = ['RefundIssued']",
    },
    "06-3": {
        "too-few-fall": "leave_out, policy = 2, 'stop'",
        "no-such-event": "leave_out, policy = 0, 'stop'",
        "left-out": "leave_out, policy = 1, 'skip'",
        "left-out 2": "leave_out, policy = 1, 'stop'",
        "no-such-policy": "leave_out, policy = 1, 'halt'",
    },
    "06-4": {
        "halves": """
def first_reached(history, amount):
    found = history.first(lambda order: not order.total < amount)
    return None if found is None else found.number
""",
        "the-last-time": """
def first_reached(history, amount):
    found = None
    for number, state in enumerate(history.states()):
        if state["total"] >= amount:
            found = number
    return found
""",
        "counts-from-zero": """
def first_reached(history, amount):
    for number, state in enumerate(list(history.states())[1:]):
        if state["total"] >= amount:
            return number
""",
        "only-above": """
def first_reached(history, amount):
    found = history.first(lambda order: order.total > amount, scan=True)
    return found.number if found else None
""",
        "invents-one": """
def first_reached(history, amount):
    found = history.first(lambda order: order.total >= amount, scan=True)
    return found.number if found else 0
""",
        "error": """
def first_reached(history, amount):
    return history.first(lambda order: order.total >= amount, scan=True).number
""",
        "wrong-kind": "first_reached = 2",
    },
    "06-5": {
        "one-clock": _balances("e.occurred_at <= when", "e.occurred_at <= when"),
        "the-other-clock": _balances("e.recorded_at <= when", "e.recorded_at <= when"),
        "swapped": _balances("e.recorded_at <= when", "e.occurred_at <= when"),
        "leaves-out-the-moment": _balances("e.occurred_at < when", "e.recorded_at < when"),
        "knows-too-much": _balances("True", "True"),
        "error": _balances("e.occured_at <= when", "e.recorded_at <= when"),
    },
}
