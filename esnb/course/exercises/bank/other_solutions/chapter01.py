"""Other right answers to the exercises of 01_facts_not_rows."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "01-5": (
        (
            "one case after the other",
            """\
def take_back(events, wrong):
    result = list(events)
    if wrong.type == "CreditAdded":
        result.append(new_event("CreditReversed", amount=wrong.data["amount"], reason="typo"))
    elif wrong.type == "CreditSpent":
        result.append(new_event("CreditAdded", amount=wrong.data["amount"], reason="correction"))
    return result
""",
        ),
    ),
}
