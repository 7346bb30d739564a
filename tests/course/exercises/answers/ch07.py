"""Answers to the exercises of chapter 07."""

NOTEBOOK = "07_commands"

_CLOSE = """
def decide_close(balance):
    if {refused}:
        raise RejectedError("The account is not open, or has credit left.")
    return {events}
"""

SENTENCES = {
    "gift": "given(rules, opened).when(AddCredit('a', 500, 'gift')).then(gift)",
    "most": "given(rules, opened, gift).when(SpendCredit('a', 500, 'order-1042')).then(spent)",
    "over": "given(rules, opened, gift).when(SpendCredit('a', 501, 'o')).then_rejected()",
    "unopened": "given(rules).when(AddCredit('a', 500, 'gift')).then_rejected()",
    "twice": "given(rules, opened).when(OpenAccount('a', 'ada')).then_rejected()",
}


def _close(refused: str, events: str = "[new_event('AccountClosed')]") -> str:
    return _CLOSE.format(refused=refused, events=events)


def _tests(*, without: str = "", **other: str) -> str:
    lines = [line for name, line in {**SENTENCES, **other}.items() if name != without]
    return "\n    ".join(["def my_tests(rules):", *lines])


_PLACE = """
    if not sold:
        order = store.new(Order, f"order-{buyer}")
        order.place(buyer, [item("LAMP-DESK")])
        store.save(order, condition=condition)
"""


def _clerk(look: str, rest: str = _PLACE) -> str:
    return f"def clerk(store, buyer):\n    {look}{rest}"


def _before(where: str) -> str:
    return f"""
def bought_before(customer):
    return AppendCondition(["OrderPlaced"], where={{{where}}})
"""


def _says(*answers: str) -> str:
    names = (
        "pay -5", "ship three of two mugs", "cancel, without a reason",
        "refund 10.00 that nobody paid", "place an order without items",
        "pay an order that is cancelled",
    )  # fmt: skip
    return f"says_no = {dict(zip(names, answers, strict=True))}"


RIGHT = {
    "07-1": [
        """
def decide_close(balance):
    if balance is None or balance > 0:
        raise RejectedError("not open, or credit left")
    return (new_event("AccountClosed"),)
""",
        """
def decide_close(balance):
    if balance == 0:
        yield new_event("AccountClosed")
    else:
        raise RejectedError("no")
""",
        _close("balance is None or balance > 0"),
    ],
    "07-2": [
        _tests(),
    ],
    "07-3": [
        """
def clerk(store, buyer):
    order = store.new(Order, f"order-{buyer}")
    order.place(buyer, [item("LAMP-DESK")])
    condition = AppendCondition(["OrderPlaced"], where={"items[*].sku": "LAMP-DESK"})
    store.save(order, condition=condition)
""",
        """
def clerk(store, buyer):
    before = store.position
    if not any(LAMPS.matches(event) for event in store.read_all()):
        order = store.new(Order, f"order-{buyer}")
        order.place(buyer, [item("LAMP-DESK")])
        lamps = AppendCondition(LAMPS.event_types, LAMPS.where, after=before)
        store.save(order, condition=lamps)
""",
    ],
    "07-4": [
        _before('"customer": customer, "items[*].sku": "LAMP-DESK"'),
    ],
    "07-5": [
        _says("edge", "rule", "edge", "rule", "edge", "rule"),
        "says_no = dict.fromkeys(says_no, 'rule') | dict.fromkeys([name for name in says_no "
        "if '-5' in name or 'without' in name], 'edge')",
    ],
}
RIGHT["07-5"][1] = _says(*["rule"] * 6) + "\n" + RIGHT["07-5"][1]

WRONG = {
    "07-1": {
        "another-error": """
def decide_close(balance):
    if balance != 0:
        raise ValueError("not now")
    return [new_event("AccountClosed")]
""",
        "not-in-a-list": """
def decide_close(balance):
    if balance != 0:
        raise RejectedError("no")
    return new_event("AccountClosed")
""",
        "another-event": """
def decide_close(balance):
    if balance != 0:
        raise RejectedError("no")
    return [new_event("AccountOpened")]
""",
        "closes-the-unopened": _close("balance"),
        "closes-with-credit": _close("balance is None"),
        "refuses-in-silence": """
def decide_close(balance):
    return [new_event("AccountClosed")] if balance == 0 else []
""",
        "never-closes": _close("not balance"),
        "gives-no-event": _close("balance != 0", "None"),
        "error": _close("balance > 0"),
        "wrong-kind": "decide_close = 0",
    },
    "07-2": {
        "no-upper-limit": _tests(without="over"),
        "not-the-last-cent": _tests(
            most="given(rules, opened, gift).when(SpendCredit('a', 400, 'o')).then("
            "new_event('CreditSpent', amount=400, order='o'))"
        ),
        "amount-unseen": _tests(
            most="assert given(rules, opened, gift).when(SpendCredit('a', 500, 'o')).events"
        ),
        "unopened-unseen": _tests(without="unopened"),
        "twice-unseen": _tests(without="twice"),
        "gift-unseen": _tests(without="gift", unopened="# not asked"),
        "tests-fail-the-right-one": _tests(
            over="given(rules, opened, gift).when(SpendCredit('a', 499, 'o')).then_rejected()"
        ),
        "error": _tests(over="given(rules, opened).when(SpendCredit('a', 501)).then_rejected()"),
    },
    "07-3": {
        "wrong-buyer": """
def clerk(store, buyer):
    sold, condition = store.matching(LAMPS)
    if not sold:
        order = store.new(Order, f"order-{buyer}")
        order.place("ben", [item("LAMP-DESK")])
        store.save(order, condition=condition)
""",
        "looked-too-early": _clerk(
            "sold = store.matching(LAMPS)[0]; "
            "condition = AppendCondition(['OrderPlaced'], LAMPS.where, after=store.position)"
        ),
        "no-condition": _clerk("sold, condition = store.matching(LAMPS)[0], None"),
        "too-wide": _clerk(
            "sold, condition = store.matching(LAMPS); "
            "condition = AppendCondition(after=condition.after)"
        ),
        "does-not-look": _clerk("condition = store.matching(LAMPS)[1]; sold = []"),
        "sells-nothing": _clerk("sold, condition = store.matching(LAMPS)", "\n    return not sold"),
        "error": _clerk("sold, condition = store.matches(LAMPS)"),
    },
    "07-4": {
        "stops-everybody": _before('"items[*].sku": "LAMP-DESK"'),
        "any-article": _before('"customer": customer'),
        "always-the-same": _before('"items[*].sku": "LAMP-DESK", "customer": "ben"'),
        "always-the-same 2": _before('"customer": "ben"'),
        "other-events": "bought_before = lambda customer: AppendCondition()",
        "matches-nothing": _before('"sku": "LAMP-DESK", "customer": customer'),
        "no-condition": "def bought_before(customer):\n    return {'customer': customer}",
    },
    "07-5": {
        "needs-the-past": _says("edge", "edge", "edge", "rule", "edge", "rule"),
        "nonsense-anywhere": _says("edge", "rule", "rule", "rule", "edge", "rule"),
        "other-words": _says("edge", "rule", "edge", "rule", "edge", "never"),
        "wrong-kind": "says_no = ['edge']",
    },
}
