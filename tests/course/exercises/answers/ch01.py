"""Answers to the exercises of chapter 01."""

NOTEBOOK = "01_facts_not_rows"

ALL = '"OrderShipped", "CreateOrder", "OrderUpdated", "RefundIssued", "FieldUpdated", \
"AddressCorrected", "StatusSetToPaid"'


def names(*wrong: str) -> str:
    """An answer to 01-4 with these names wrong."""
    return (
        'good = {"OrderShipped", "RefundIssued", "AddressCorrected"}\n'
        f"names = {{n: (n in good) != (n in {wrong!r}) for n in [{ALL}]}}"
    )


RIGHT = {
    "01-1": [
        """
story = ["insert into orders values ('order-1042', 'ada', 'PENDING', 2690)",
         "update orders set status = 'PAID'"]
""",
        "story = (\"insert into orders select 'order-1042', 'ada', 'PAID', 1345 * 2\",)",
        "story = [monday[0], monday[3], monday[4]]",
    ],
    "01-2": ["writes, ghost = 2 // 2, 'Audit  first'", "[writes, ghost] = [1, 'AUDIT FIRST']"],
    "01-3": [
        """
def tuesday(facts):
    facts.append(("OrderShipped", {"carrier": "post", "items": []}))
    return facts
""",
        """
tuesday = lambda facts: facts + [["OrderShipped", dict(carrier="post")]]
""",
    ],
    "01-4": [names(), "names = dict(zip([" + ALL + "], [1, 0, 0, 1, 0, 1, 0]))"],
    "01-5": [
        """
def take_back(events, wrong):
    if wrong.type == "CreditAdded":
        half = wrong.data["amount"] // 2
        return tuple(events) + (new_event("CreditSpent", amount=half),
                                new_event("CreditSpent", amount=wrong.data["amount"] - half))
    events.append(new_event("CreditAdded", {"amount": wrong.data["amount"]}))
    return events
""",
    ],
}

WRONG = {
    "01-1": {
        "other-values": "story = monday[:4]",
        "other-values 2": """
story = ["insert into orders values ('order-1', 'ada', 'PAID', 2690)"]
""",
        "not-shorter": "story = monday",
        "no-row": "story = []",
        "more-rows": """
story = ["insert into orders values ('order-1042', 'ada', 'PENDING', 1900)",
         "insert into orders values ('order-1042', 'ada', 'PAID', 2690)"]
""",
        "does-not-run": 'story = ["insert into order values (1)"]',
        "does-not-run 2": f'story = ["create table found as from read_text({__file__!r})"]',
        "wrong-kind": "story = monday[0]",
    },
    "01-2": {
        "nothing-written": "writes, ghost = 0, 'audit first'",
        "both-written": "writes, ghost = 2, 'audit first'",
        "the-other-order": "writes, ghost = 1, 'row first'",
        "no-such-order": "writes, ghost = 1, 'first'",
        "wrong-kind": "writes, ghost = 'one', 'audit first'",
    },
    "01-3": {
        "written-down": """
def tuesday(facts):
    mugs = [{"sku": "MUG-BLUE", "quantity": 2, "price": 950}]
    return [("OrderPlaced", {"customer": "ada", "items": mugs}),
            ("ItemAdded", {"sku": "POSTER-MAP", "quantity": 1, "price": 1890}),
            ("ItemRemoved", {"sku": "POSTER-MAP"}),
            ("ItemAdded", {"sku": "NOTEBOOK-A5", "quantity": 1, "price": 790}),
            ("PaymentReceived", {"amount": 2690, "method": "card"}),
            ("OrderShipped", {"carrier": "post"})]
""",
        "nothing-new": """
def tuesday(facts):
    return facts[:]
""",
        "another-name": """
def tuesday(facts):
    return facts + [("ParcelLeft", {"carrier": "post"})]
""",
        "no-return": """
def tuesday(facts):
    facts.append(("OrderShipped", {"carrier": "post"}))
""",
        "a-command": """
def tuesday(facts):
    return [*facts, ("ShipOrder", {"carrier": "post"})]
""",
        "a-status": """
def tuesday(facts):
    return [*facts, ("StatusUpdated", {"status": "SHIPPED"})]
""",
        "a-status 2": """
def tuesday(facts):
    return [*facts, ("SHIPPED", {"carrier": "post"})]
""",
        "past-changed": """
def tuesday(facts):
    return [*facts[:4], ("OrderShipped", {"carrier": "post"})]
""",
        "past-changed 2": """
def tuesday(facts):
    facts[-1][1]["carrier"] = "post"
    return [*facts, ("OrderShipped", {"carrier": "post"})]
""",
        "not-at-the-end": """
def tuesday(facts):
    return [("OrderShipped", {"carrier": "post"}), *facts]
""",
        "too-many": """
def tuesday(facts):
    return [*facts, ("OrderShipped", {"carrier": "post"}), ("OrderDelivered", {})]
""",
        "no-carrier": """
def tuesday(facts):
    return [*facts, ("OrderShipped", {})]
""",
        "not-a-pair": """
def tuesday(facts):
    return [*facts, "OrderShipped"]
""",
        "error": """
def tuesday(facts):
    return facts + ("OrderShipped", {"carrier": "post"})
""",
    },
    "01-4": {
        "refuses-a-fact": names("RefundIssued"),
        "a-command-is-no-fact": names("CreateOrder", "FieldUpdated"),
        "hides-what-happened": names("OrderUpdated"),
        "hides-the-thing": names("FieldUpdated"),
        "refuses-a-correction": names("AddressCorrected"),
        "names-a-column": names("StatusSetToPaid"),
        "wrong-kind": 'names = {"OrderShipped", "RefundIssued"}',
    },
    "01-5": {
        "no-effect": """
def take_back(events, wrong):
    return [*events, new_event("CreditCorrected", amount=wrong.data["amount"])]
""",
        "deletes": """
def take_back(events, wrong):
    return [event for event in events if event != wrong]
""",
        "changes-the-past": """
def take_back(events, wrong):
    return [new_event(e.type, {**e.data, "amount": 0}) if e is wrong else e for e in events]
""",
        "changes-the-past 2": """
def take_back(events, wrong):
    wrong.data["amount"] = 0
    return events
""",
        "same-direction": """
def take_back(events, wrong):
    return [*events, new_event(wrong.type, amount=wrong.data["amount"])]
""",
        "only-credit": """
def take_back(events, wrong):
    return [*events, new_event("CreditSpent", amount=wrong.data["amount"])]
""",
        "inserted": """
def take_back(events, wrong):
    place = events.index(wrong)
    back = {"CreditAdded": "CreditSpent", "CreditSpent": "CreditAdded"}[wrong.type]
    return [*events[:place + 1], new_event(back, amount=wrong.data["amount"]),
            *events[place + 1:]]
""",
        "nothing-added": """
def take_back(events, wrong):
    return list(events)
""",
    },
}
