"""The order: what can happen to it, and what it looks like after that.

The state machine. An event may happen in the statuses of the middle column only:

    event            before                     after
    ---------------  -------------------------  ------------------------------------------
    OrderPlaced      (not placed yet)           PENDING
    ItemAdded        PENDING                    PENDING
    ItemRemoved      PENDING                    PENDING
    PaymentReceived  PENDING                    PAID
    OrderShipped     PAID                       SHIPPED when all is shipped, until then PAID
    OrderDelivered   SHIPPED                    SHIPPED
    OrderCancelled   PENDING, PAID              CANCELLED
    RefundIssued     PAID, SHIPPED, CANCELLED   unchanged

An order that is shipped in part stays PAID, since the shop still owes goods. It cannot be
cancelled any more, but what is missing can be refunded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from esnb.errors import RejectedError
from esnb.events import Event
from esnb.model.aggregate import Aggregate

from .rules import audit, money, order_line, quantities, text, whole

PENDING, PAID, SHIPPED, CANCELLED = "PENDING", "PAID", "SHIPPED", "CANCELLED"

#: The middle column of the table above; None stands for "not placed yet".
ALLOWED: dict[str, tuple[str | None, ...]] = {
    "OrderPlaced": (None,),
    "ItemAdded": (PENDING,),
    "ItemRemoved": (PENDING,),
    "PaymentReceived": (PENDING,),
    "OrderShipped": (PAID,),
    "OrderDelivered": (SHIPPED,),
    "OrderCancelled": (PENDING, PAID),
    "RefundIssued": (PAID, SHIPPED, CANCELLED),
}


class Order(Aggregate):
    """One customer's order, from the basket to the doorstep. All money is in whole cents."""

    aggregate_type: ClassVar[str] = "ORDER"
    # Most orders live for 5 to 10 events: only the rare monster is worth a snapshot.
    snapshot_every: ClassVar[int | None] = 100
    state_version: ClassVar[int] = 1

    def __init__(self) -> None:
        self.status: str | None = None
        self.customer: str | None = None
        self.items: dict[str, dict[str, int]] = {}  # sku -> {"quantity", "price" of one}
        self.total = self.paid = self.refunded = 0
        self.shipped: dict[str, int] = {}  # sku -> quantity
        self.delivered = False

    @property
    def due(self) -> int:
        """What is still to be paid, in cents."""
        return self.total - self.paid

    @property
    def to_ship(self) -> dict[str, int]:
        """What has not left yet: sku -> quantity."""
        rest = {sku: i["quantity"] - self.shipped.get(sku, 0) for sku, i in self.items.items()}
        return {sku: quantity for sku, quantity in rest.items() if quantity > 0}

    # Commands: each checks what it was given, then records an event; record() asks refuses().
    # Who acts (actor) and why (reason) goes to the metadata of the event.

    def place(
        self,
        customer: str,
        items: Iterable[Mapping[str, Any]],
        *,
        actor: str | None = None,
        reason: str = "placed in the web shop",
    ) -> None:
        """Place the order; items are mappings with sku, quantity and price (of one, in cents)."""
        lines = [order_line(item) for item in items]
        if not lines or len({line["sku"] for line in lines}) < len(lines):
            raise RejectedError("An order needs at least one item, and each sku only once.")
        self.record(
            "OrderPlaced",
            customer=text(customer, "customer"),
            items=lines,
            metadata=audit(actor or customer, reason),
        )

    def add_item(
        self,
        sku: str,
        quantity: int,
        price: int,
        *,
        actor: str | None = None,
        reason: str = "changed the basket",
    ) -> None:
        """Add a quantity of one sku; price is of one piece, in cents."""
        self.record(
            "ItemAdded",
            order_line({"sku": sku, "quantity": quantity, "price": price}),
            metadata=self._audit(actor, reason),
        )

    def remove_item(
        self, sku: str, *, actor: str | None = None, reason: str = "changed the basket"
    ) -> None:
        """Take all pieces of one sku out of the order."""
        self.record("ItemRemoved", sku=text(sku, "sku"), metadata=self._audit(actor, reason))

    def pay(
        self,
        amount: int | None = None,
        method: str = "card",
        *,
        actor: str | None = None,
        reason: str = "paid the order",
    ) -> None:
        """Pay the whole amount due; an amount that is given must be exactly that."""
        amount = self.due if amount is None else amount
        if self.status == PENDING:  # in any other status, refuses() has the better answer
            whole(amount, "amount")
        self.record(
            "PaymentReceived",
            amount=amount,
            method=text(method, "method"),
            metadata=self._audit(actor, reason),
        )

    def ship(
        self,
        items: Mapping[str, int] | None = None,
        carrier: str = "post",
        *,
        actor: str = "warehouse",
        reason: str = "paid and packed",
    ) -> None:
        """Ship some items (sku -> quantity), or all that has not left yet."""
        parcel = self.to_ship if items is None else items
        lines = [{"sku": sku, "quantity": whole(n, "quantity")} for sku, n in parcel.items()]
        if self.status == PAID and not lines:
            raise RejectedError("A shipment needs at least one item.")
        self.record(
            "OrderShipped",
            items=lines,
            carrier=text(carrier, "carrier"),
            metadata=audit(actor, reason),
        )

    def deliver(self, *, actor: str = "post", reason: str = "handed over at the door") -> None:
        """Note that the carrier has handed the order over."""
        self.record("OrderDelivered", metadata=audit(actor, reason))

    def cancel(self, reason: str, *, actor: str | None = None) -> None:
        """Call the order off; what was paid is given back by refund()."""
        self.record("OrderCancelled", reason=reason, metadata=self._audit(actor, reason))

    def refund(self, amount: int, reason: str, *, actor: str = "support") -> None:
        """Give back a part or all of what was paid, in cents."""
        self.record(
            "RefundIssued",
            amount=whole(amount, "amount"),
            reason=reason,
            metadata=audit(actor, reason),
        )

    def refuses(self, event: Event) -> str | None:
        """Say why this event cannot follow now; None means that it can."""
        data, sku, before = event.data, event.data.get("sku", ""), ALLOWED.get(event.type)
        if before is None:
            return f"{event.type} is not an event of an order. Known: {', '.join(ALLOWED)}."
        if self.status not in before:
            wanted, found = " or ".join(map(_name, before)), _name(self.status)
            return f"{event.type} needs an order that is {wanted}; this one is {found}."
        match event.type:
            case "ItemAdded" if (line := self.items.get(sku, data))["price"] != data["price"]:
                return (
                    f"{sku} is in the order at {money(line['price'])}, not at "
                    f"{money(data['price'])}: remove it first to change its price."
                )
            case "ItemRemoved" if sku not in self.items:
                return f"{sku} is not in the order: it holds {', '.join(self.items)}."
            case "ItemRemoved" if len(self.items) == 1:
                return f"{sku} is the last item: cancel the order instead."
            case "PaymentReceived" if data["amount"] != self.due:
                return f"{money(self.due)} is due, but {money(data['amount'])} is paid."
            case "OrderShipped":
                rest = self.to_ship
                for sku, quantity in quantities(data["items"]).items():
                    if quantity > rest.get(sku, 0):
                        return f"{quantity} of {sku} to ship, but {rest.get(sku, 0)} left to ship."
            case "OrderDelivered" if self.delivered:
                return "The order has been delivered already."
            case "OrderCancelled" if self.shipped:
                return "Part of the order has been shipped: refund what is missing instead."
            case "RefundIssued" if data["amount"] > (left := self.paid - self.refunded):
                return f"{money(data['amount'])} to refund, but {money(left)} left to give back."
        return None

    def apply(self, event: Event) -> None:
        """Change the state as this event says: no rules, no clock, no shared parts."""
        data = event.data
        match event.type:
            case "OrderPlaced":
                self.status, self.customer = PENDING, data["customer"]
                for item in data["items"]:
                    self._add(item)
            case "ItemAdded":
                self._add(data)
            case "ItemRemoved":
                self.items = {sku: i for sku, i in self.items.items() if sku != data["sku"]}
            case "PaymentReceived":
                self.paid += data["amount"]
                if self.status == PENDING:
                    self.status = PAID
            case "OrderShipped":
                for sku, quantity in quantities(data["items"]).items():
                    self.shipped = {**self.shipped, sku: self.shipped.get(sku, 0) + quantity}
                if not self.to_ship:
                    self.status = SHIPPED
            case "OrderDelivered":
                self.delivered = True
            case "OrderCancelled":
                self.status = CANCELLED
            case "RefundIssued":
                self.refunded += data["amount"]
        self.total = sum(i["quantity"] * i["price"] for i in self.items.values())

    def _add(self, item: Mapping[str, Any]) -> None:
        had = self.items.get(item["sku"], {"quantity": 0})["quantity"]
        line = {"quantity": had + item["quantity"], "price": item["price"]}
        self.items = {**self.items, item["sku"]: line}

    def _audit(self, actor: str | None, reason: str) -> dict[str, str]:
        return audit(actor or self.customer or "nobody", reason)


def _name(status: str | None) -> str:
    return status or "not placed yet"
