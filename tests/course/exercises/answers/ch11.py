"""Answers to the exercises of chapter 11."""

NOTEBOOK = "11_changing_events"


def _upcast(
    first: str, second: str = "data = {**data, 'currency': 'EUR'}", when: str = "< 3"
) -> str:
    return f"""
def upcast(data, version):
    if version < 2:
        {first}
    if version {when}:
        {second}
    return data
"""


CENTS = "data = in_cents(data)"


def _split(*lines: str) -> str:
    return "\n    ".join(["def split(data):", *lines])


PAID = "paid = ('PaymentReceived', {'amount': data['amount'], 'method': data['method']})"
SENT = "sent = ('OrderShipped', {'carrier': data['carrier'], 'items': data['items']})"


def _tells(*words: str) -> str:
    names = (
        "what is her postcode today?", "what was her street before that?",
        "how many customers moved?", "how many typos were corrected?",
        "who opened the form and saved nothing?",
    )  # fmt: skip
    return f"can_tell = {dict(zip(names, words, strict=True))}"


def _correct(*events: str) -> str:
    listed = ", ".join(["*events", *events])
    return f"def correct(events, wrong, amount):\n    return [{listed}]\n"


BACK = (
    "new_event('PaymentReversed', amount=-wrong.data['amount'], of=str(wrong.event_id), reason='x')"
)
PAY = "new_event('PaymentReceived', amount=amount)"


def _state(first: str, second: str = "return None") -> str:
    return f"""
def upcast_state(state, state_version):
    if state_version == 1:
        {first}
    {second}
"""


IN_CENTS = (
    "return {**state, 'amount': round(state['amount'] * 100), 'paid': round(state['paid'] * 100)}"
)

RIGHT = {
    "11-6": [
        "careless = lambda data: {k: v for k, v in in_cents(data).items() if k != 'customer'}",
    ],
    "11-4": [
        '''
revenue = """
    with orders as (from events_now where event_type = 'OrderPlaced')
    select coalesce(sum((event_data->>'$.amount')::int), 0) as cents from orders
"""
''',
    ],
    "11-1": [
        "cents, wrong = int(0.29 * 100), sum(int(n / 100 * 100) != n for n in range(1, 1001))",
        """
import numpy as np
cents, wrong = np.int64(28), 69.0
""",
    ],
    "11-2": [],
    "11-3": [],
    "11-5": [
        """
from decimal import Decimal
upcast_state = lambda state, version: None if version > 1 else {
    name: int(Decimal(str(value)) * 100) if name in ("amount", "paid") else value
    for name, value in state.items()}
""",
    ],
    "11-7": [
        _tells("both", "both", "business", "business", "neither"),
        "can_tell = dict(zip(['what is her postcode today?', 'what was her street before that?',"
        " 'how many customers moved?', 'how many typos were corrected?',"
        " 'who opened the form and saved nothing?'],"
        " 'both both business business neither'.split()))",
    ],
    "11-8": [
        _correct(BACK, PAY),
        """
def correct(events, wrong, amount):
    log = list(events)
    log.append(new_event("PaymentReceived", {"amount": amount, "instead_of": str(wrong.event_id)}))
    log.append(new_event("PaymentReversed", {"amount": -wrong.data["amount"],
                                             "event": str(wrong.event_id)}))
    return tuple(log)
""",
    ],
}

WRONG = {
    "11-6": {
        "keeps-the-customer": """
def careless(data):
    return {**in_cents(data)}
""",
        "fails": """
def careless(data):
    return {'amount': data['amount']}
""",
        "amount-differs": """
def careless(data):
    return {'amount': int(data['total'] * 100)}
""",
        "no-data": """
def careless(data):
    return {}
""",
        "no-return": """
def careless(data):
    data.pop('customer')
""",
    },
    "11-4": {
        "old-orders-missing": '''
revenue = """
    select sum((event_data->>'$.amount')::bigint)::int from events where event_type = 'OrderPlaced'
"""
''',
        "adds-euros": '''
revenue = """
    select sum(coalesce((event_data->>'$.amount')::double, (event_data->>'$.total')::double))
    from events where event_type = 'OrderPlaced'
"""
''',
        "other-events": '''
revenue = """
    select sum((event_data->>'$.amount')::bigint) from events_now
"""
''',
        "one-number": '''
revenue = """
    select event_type, sum((event_data->>'$.amount')::bigint) from events_now group by all
"""
''',
        "not-a-query": '''
revenue = """
    select sum(amount) from events_now
"""
''',
        "wrong-kind": "revenue = 4590",
    },
    "11-1": {
        "it-rounds": "cents, wrong = 29, 69",
        "nothing-is-lost": "cents, wrong = 28, 0",
        "too-many": "cents, wrong = 28, 500",
        "too-few": "cents, wrong = 28, 1",
        "other": "cents, wrong = 30, 69",
        "wrong-kind": "cents, wrong = 'a', 69",
    },
    "11-2": {
        "one-step-only": """
def upcast(data, version):
    if version == 1:
        return in_cents(data)
    elif version == 2:
        return {**data, "currency": "EUR"}
    return data
""",
        "upcasts-twice": """
def upcast(data, version):
    if version < 3:
        rest = {key: value for key, value in data.items() if key not in ("total", "amount")}
        euros = data.get("total", data.get("amount"))
        data = {**rest, "amount": round(euros * 100), "currency": "EUR"}
    return data
""",
        "changes-the-newest": _upcast(CENTS, when="> 0"),
        "loses-a-field": _upcast(
            CENTS,
            "data = {'customer': data['customer'], 'amount': data['amount'], 'currency': 'EUR'}",
        ),
        "keeps-the-old-one": _upcast("data = {**data, 'amount': round(data['total'] * 100)}"),
        "cuts-cents": _upcast(
            "data = {**data, 'amount': int(data['total'] * 100)}; del data['total']"
        ),
        "still-a-float": _upcast(
            "data = {**data, 'amount': data['total'] * 100}; del data['total']"
        ),
        "changes-events": _upcast("data['amount'] = round(data.pop('total') * 100)"),
        "error": _upcast(CENTS, when="< 4").replace("version < 2", "version"),
        "wrong-kind": "upcast = {1: in_cents}",
    },
    "11-3": {
        "loses-the-shipment": """
def split(data):
    return [("PaymentReceived", {"amount": data["amount"], "method": data["method"]})]
""",
        "invents-a-shipment": _split(PAID, SENT, "return [paid, sent]"),
        "loses-the-payment": _split(
            PAID, SENT, "return [paid, sent] if data['carrier'] is not None else []"
        ),
        "wrong-way-round": _split(PAID, SENT, "return [sent, paid] if data['carrier'] else [paid]"),
        "all-in-both": _split(
            "parts = [('PaymentReceived', data)]",
            "return parts + [('OrderShipped', data)] if data['carrier'] else parts",
        ),
        "loses-a-field": _split(
            "paid = ('PaymentReceived', {'amount': data['amount']})",
            "sent = ('OrderShipped', {'carrier': data['carrier']})",
            "return [paid, sent] if data['carrier'] else [paid]",
        ),
        "not-parts": _split("return ['PaymentReceived', 'OrderShipped']"),
        "not-parts 2": _split("return {'PaymentReceived': data}.items"),
        "changes-events": _split(
            "items, carrier = data.pop('items'), data.pop('carrier')",
            "sent = [('OrderShipped', {'items': items, 'carrier': carrier})] if carrier else []",
            "return [('PaymentReceived', data), *sent]",
        ),
        "error": _split("return [('PaymentReceived', data['total'])]"),
        "wrong-kind": "split = ['PaymentReceived', 'OrderShipped']",
    },
    "11-5": {
        "no-whole-cents": """
def upcast_state(state, state_version):
    if state_version == 1:
        return {**state, "amount": state["amount"] * 100, "paid": state["paid"] * 100}
    return None
""",
        "no-state": """
def upcast_state(state, state_version):
    if state_version == 1:
        return [round(state["amount"] * 100), round(state["paid"] * 100)]
    return None
""",
        "invents-the-customer": _state(IN_CENTS, "return {**state, 'customer': None}"),
        "invents-the-customer 2": _state(IN_CENTS, "return {'customer': 'ada', **state}"),
        "uses-it-as-it-is": _state(IN_CENTS, "return state"),
        "uses-it-as-it-is 2": "upcast_state = lambda state, version: state",
        "always-replays": "upcast_state = lambda state, version: None",
        "cents-again": """
def upcast_state(state, state_version):
    cents = {key: round(state[key] * 100) for key in ("amount", "paid")}
    return {"customer": None, **state, **cents}
""",
        "cuts-cents": _state(IN_CENTS.replace("round", "int")),
        "loses-a-field": _state(
            IN_CENTS.replace("**state", "'customer': state['customer']"), "return None"
        ),
        "error": _state(IN_CENTS.replace("'amount'] *", "'total'] *")),
        "wrong-kind": "upcast_state = {'amount': 2690}",
    },
    "11-7": {
        "fields-say-why": _tells("both", "both", "both", "business", "neither"),
        "states-are-in-both": _tells("both", "fields", "business", "business", "neither"),
        "reads-minds": _tells("both", "both", "business", "business", "business"),
        "business-is-blind": _tells("both", "both", "business", "neither", "neither"),
        "other-words": _tells("yes", "both", "business", "business", "neither"),
        "wrong-kind": "can_tell = 'business'",
    },
    "11-8": {
        "wrong-amount": """
def correct(events, wrong, amount):
    back = new_event("PaymentReversed", amount=-wrong.data["amount"], of=str(wrong.event_id))
    return [*events, back, new_event("PaymentReceived", amount=wrong.data["amount"])]
""",
        "more-than-two": """
def correct(events, wrong, amount):
    back = new_event("PaymentReversed", amount=-wrong.data["amount"], of=str(wrong.event_id))
    zero = new_event("PaymentReversed", amount=0, of=str(wrong.event_id))
    return [*events, back, new_event("PaymentReceived", amount=amount), zero]
""",
        "rewrites-the-past 4": """
def correct(events, wrong, amount):
    back = new_event("PaymentReversed", amount=-wrong.data["amount"], of=str(wrong.event_id))
    wrong.event_data["note"] = "mistyped"
    return [*events, back, new_event("PaymentReceived", amount=amount)]
""",
        "rewrites-the-past": """
from dataclasses import replace
def correct(events, wrong, amount):
    return [replace(e, event_data={**e.data, "amount": amount}) if e is wrong else e
            for e in events]
""",
        "not-taken-back": _correct(PAY),
        "not-taken-back 2": _correct(
            "new_event('PaymentReversed', of=str(wrong.event_id), reason='typed wrong')", PAY
        ),
        "only-the-difference": _correct(
            "new_event('PaymentReceived', amount=amount - wrong.data['amount'])"
        ),
        "only-the-difference 2": _correct(
            "new_event('PaymentReversed', of=str(wrong.event_id), amount=0)",
            "new_event('PaymentReceived', amount=amount - wrong.data['amount'])",
        ),
        "which-one": _correct(BACK.replace("of=str(wrong.event_id), ", ""), PAY),
        "no-right-payment": _correct(BACK),
        "not-the-log": f"correct = lambda events, wrong, amount: [{BACK}, {PAY}]",
        "error": _correct(BACK.replace("wrong.data", "wrong"), PAY),
        "wrong-kind": "correct = 'delete'",
    },
}
