"""A customer's store credit: like a bank account, its balance is the sum of its entries.

event           before          the balance
--------------  --------------  -----------------------------------
AccountOpened   not opened yet  starts at 0
CreditAdded     opened          goes up by amount
CreditSpent     opened          goes down by amount, not below zero
CreditReversed  opened          goes down by amount, not below zero
"""

from __future__ import annotations

from typing import ClassVar

from esnb.events import Event
from esnb.model.aggregate import Aggregate

from .rules import audit, money, text, whole


class Account(Aggregate):
    """The store credit of one customer, in whole cents."""

    aggregate_type: ClassVar[str] = "ACCOUNT"
    # An account lives for years and its events are cheap to apply: a wide interval is enough.
    snapshot_every: ClassVar[int | None] = 500
    state_version: ClassVar[int] = 1

    def __init__(self) -> None:
        self.customer: str | None = None
        self.balance = 0

    def open(
        self, customer: str, *, actor: str | None = None, reason: str = "asked for an account"
    ) -> None:
        """Open the account of a customer, with a balance of zero."""
        self.record(
            "AccountOpened",
            customer=text(customer, "customer"),
            metadata=audit(actor or customer, reason),
        )

    def credit(self, amount: int, reason: str, *, actor: str = "support") -> None:
        """Add store credit, in cents."""
        self.record(
            "CreditAdded",
            amount=whole(amount, "amount"),
            reason=reason,
            metadata=audit(actor, reason),
        )

    def spend(
        self, amount: int, order: str, *, actor: str | None = None, reason: str = "paid the order"
    ) -> None:
        """Use store credit, in cents, for the order with this id."""
        self.record(
            "CreditSpent",
            amount=whole(amount, "amount"),
            order=text(order, "order"),
            metadata=audit(actor or self.customer or "nobody", reason),
        )

    def reverse(self, amount: int, reason: str, *, actor: str = "support") -> None:
        """Take back store credit, in cents, that was added by mistake."""
        self.record(
            "CreditReversed",
            amount=whole(amount, "amount"),
            reason=reason,
            metadata=audit(actor, reason),
        )

    def refuses(self, event: Event) -> str | None:
        """Say why this event cannot follow now; None means that it can."""
        match event.type:
            case "AccountOpened":
                return f"The account of {self.customer} is open already." if self.customer else None
            case "CreditAdded" | "CreditSpent" | "CreditReversed" if self.customer is None:
                return f"{event.type} needs an account that is open: open it first."
            case "CreditSpent" if event.data["amount"] > self.balance:
                return (
                    f"The balance is {money(self.balance)}, so {money(event.data['amount'])} "
                    "cannot be spent: store credit may not go below zero."
                )
            case "CreditReversed" if event.data["amount"] > self.balance:
                return (
                    f"The balance is {money(self.balance)}, so {money(event.data['amount'])} "
                    "cannot be taken back: the rest is spent already."
                )
            case "CreditAdded" | "CreditSpent" | "CreditReversed":
                return None
        return (
            f"{event.type} is not an event of an account. "
            "Known: AccountOpened, CreditAdded, CreditSpent, CreditReversed."
        )

    def apply(self, event: Event) -> None:
        """Change the state as this event says: no rules, no clock."""
        match event.type:
            case "AccountOpened":
                self.customer = event.data["customer"]
            case "CreditAdded":
                self.balance += event.data["amount"]
            case "CreditSpent" | "CreditReversed":
                self.balance -= event.data["amount"]
