"""The order-list page once more, by a handler for each type of event: the plain way to write it.

It holds the same rows as `OrderSummary`, whose SQL takes a million events at a time. Chapter 13
counts what the difference costs, and what worker processes give back.
"""

from __future__ import annotations

from typing import Any, ClassVar

from esnb.events import Event
from esnb.readmodels.projection import Projection, handles
from esnb.readmodels.read_tables import ReadTables

from .projections import OrderSummary


class OrderSummaryByHandler(Projection):
    """The order-list page, one event at a time; each row belongs to one order.

    Rows are found by key, changed in memory, and written together at the end of a batch.
    """

    version = 2
    tables: ClassVar[dict[str, str]] = {
        "orders_summary": OrderSummary.tables["orders_summary"],
        "baskets": OrderSummary.tables["baskets"] + ", primary key (order_id, sku)",
    }
    by_aggregate = "order_id"

    @handles("OrderPlaced")
    def placed(self, read: ReadTables, event: Event) -> None:
        """Begin the row of an order, and its basket."""
        items, time = event.data["items"], event.occurred_at
        order = {
            "order_id": event.aggregate_id,
            "customer": event.data["customer"],
            "status": "PENDING",
            "pieces": sum(i["quantity"] for i in items),
            "shipped": 0,
            "total": sum(i["quantity"] * i["price"] for i in items),
            "paid": 0,
            "refunded": 0,
            "placed_at": time,
            "changed_at": time,
            "events": 1,
        }
        read.insert("orders_summary", order)
        for i in items:
            self._put_in(read, event, i)

    @handles("ItemAdded")
    def added(self, read: ReadTables, event: Event) -> None:
        """Put an article into the basket, or more of it."""
        quantity, price = event.data["quantity"], event.data["price"]
        self._put_in(read, event, event.data)
        self._change(read, event, pieces=quantity, total=quantity * price)

    @handles("ItemRemoved")
    def removed(self, read: ReadTables, event: Event) -> None:
        """Take an article out: the basket knows what it cost."""
        held = read.row("baskets", event.aggregate_id, event.data["sku"])
        pieces, total = (held["quantity"], held["value"]) if held else (0, 0)
        read.delete("baskets", event.aggregate_id, event.data["sku"])
        self._change(read, event, pieces=-pieces, total=-total)

    @handles("PaymentReceived")
    def paid(self, read: ReadTables, event: Event) -> None:
        """From now on the items cannot change."""
        read.delete("baskets", event.aggregate_id)
        row = self._change(read, event, paid=event.data["amount"])
        whole = row["shipped"] >= row["pieces"] > 0
        row["status"] = "SHIPPED" if whole else "PAID"

    @handles("OrderShipped")
    def shipped(self, read: ReadTables, event: Event) -> None:
        """Count the pieces that left; the order is shipped when all of them have."""
        row = self._change(read, event, shipped=sum(i["quantity"] for i in event.data["items"]))
        if row["shipped"] >= row["pieces"]:
            row["status"] = "SHIPPED"

    @handles("OrderDelivered")
    def delivered(self, read: ReadTables, event: Event) -> None:
        """Nothing but the time of the change."""
        self._change(read, event)

    @handles("OrderCancelled")
    def cancelled(self, read: ReadTables, event: Event) -> None:
        """From now on the items cannot change."""
        read.delete("baskets", event.aggregate_id)
        self._change(read, event)["status"] = "CANCELLED"

    @handles("RefundIssued")
    def refunded(self, read: ReadTables, event: Event) -> None:
        """Add up what was given back."""
        self._change(read, event, refunded=event.data["amount"])

    def _change(self, read: ReadTables, event: Event, **amounts: int) -> Any:
        row = read.add("orders_summary", event.aggregate_id, events=1, **amounts)
        row["changed_at"] = event.occurred_at
        return row

    def _put_in(self, read: ReadTables, event: Event, item: dict[str, Any]) -> None:
        pieces, sku = item["quantity"], item["sku"]
        value = pieces * item["price"]
        read.add("baskets", event.aggregate_id, sku, quantity=pieces, value=value)
