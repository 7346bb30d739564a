"""Other right answers to the exercises of 07_commands."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "07-1": (
        (
            "a case for each balance, with its own reason",
            """\
def decide_close(balance):
    match balance:
        case 0:
            return [new_event("AccountClosed", reason="empty")]
        case None:
            raise RejectedError("It was never opened.")
    raise RejectedError(f"{balance} is left.")
""",
        ),
    ),
    "07-2": (
        (
            "in a loop over both sides of the limit",
            """\
def my_tests(rules):
    for has, wants in ((500, 500), (500, 1), (500, 501)):
        add = new_event("CreditAdded", amount=has, reason="gift")
        answer = given(rules, opened, add).when(SpendCredit("a", wants, "order-7"))
        if wants > has:
            answer.then_rejected()
        else:
            answer.then(new_event("CreditSpent", amount=wants, order="order-7"))
    for past, ask in (([], AddCredit("a", 5, "gift")), ([opened], OpenAccount("a", "ben"))):
        given(rules, *past).when(ask).then_rejected()
    given(rules, opened).when(AddCredit("a", 500, "gift")).then(gift)
""",
        ),
    ),
    "07-3": (
        (
            "without a look: the condition does it all",
            """\
def clerk(store, buyer):
    order = store.new(Order, f"order-{buyer}")
    order.place(buyer, [item("LAMP-DESK")])
    store.save(order, condition=LAMPS)
""",
        ),
        (
            "with a retry",
            """\
def clerk(store, buyer):
    for _ in range(3):
        sold, guard = store.matching(LAMPS)
        if sold:
            return "sold out"
        placed = new_event("OrderPlaced", customer=buyer, items=[item("LAMP-DESK")])
        try:
            return store.append("order-" + buyer, [placed], expected_version=0,
                                aggregate_type="ORDER", condition=guard)
        except ConcurrencyError:
            continue
""",
        ),
    ),
    "07-4": (
        (
            "from the chapter's condition",
            """\
from dataclasses import replace
bought_before = lambda name: replace(LAMPS, where={**LAMPS.where, "customer": name})
""",
        ),
    ),
}
