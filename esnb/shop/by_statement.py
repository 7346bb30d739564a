"""The order-list page by handlers that send one SQL statement for each change.

Its rows are those of `OrderSummary` and `OrderSummaryByHandler`. Chapter 13 counts its statements:
each costs the engine a plan, which is what rows by key (`read.row`, `read.add`) save.
"""

from __future__ import annotations

from typing import Any, ClassVar

from esnb.events import Event
from esnb.readmodels.projection import Projection, handles

from .projections import OrderSummary


class OrderSummaryByStatement(Projection):
    """The order-list page, one statement for each change; each row belongs to one order."""

    version = 1
    tables: ClassVar[dict[str, str]] = OrderSummary.tables
    by_aggregate = "order_id"

    @handles("OrderPlaced")
    def placed(self, read: Any, event: Event) -> None:
        """Begin the row of an order, and its basket."""
        order, items, time = event.aggregate_id, event.data["items"], _time(event)
        read.execute(
            "insert into orders_summary values (?, ?, 'PENDING', ?, 0, ?, 0, 0, ?, ?, 1)",
            [
                order,
                event.data["customer"],
                sum(i["quantity"] for i in items),
                sum(i["quantity"] * i["price"] for i in items),
                time,
                time,
            ],
        )
        for i in items:
            read.execute(
                "insert into baskets values (?, ?, ?, ?)",
                [order, i["sku"], i["quantity"], i["quantity"] * i["price"]],
            )

    @handles("ItemAdded")
    def added(self, read: Any, event: Event) -> None:
        """Put an article into the basket, or more of it."""
        sku, quantity = event.data["sku"], event.data["quantity"]
        held, value = self._take_out(read, event)
        more = quantity * event.data["price"]
        read.execute(
            "insert into baskets values (?, ?, ?, ?)",
            [event.aggregate_id, sku, held + quantity, value + more],
        )
        self._change(read, event, "pieces = pieces + ?, total = total + ?", quantity, more)

    @handles("ItemRemoved")
    def removed(self, read: Any, event: Event) -> None:
        """Take an article out: the basket knows what it cost."""
        gone = self._take_out(read, event)
        self._change(read, event, "pieces = pieces - ?, total = total - ?", *gone)

    @handles("PaymentReceived")
    def paid(self, read: Any, event: Event) -> None:
        """From now on the items cannot change."""
        self._close(read, event)
        status = "case when shipped >= pieces and pieces > 0 then 'SHIPPED' else 'PAID' end"
        self._change(read, event, f"status = {status}, paid = paid + ?", event.data["amount"])

    @handles("OrderShipped")
    def shipped(self, read: Any, event: Event) -> None:
        """Count the pieces that left; the order is shipped when all of them have."""
        pieces = sum(i["quantity"] for i in event.data["items"])
        whole = "case when shipped + ? >= pieces then 'SHIPPED' else status end"
        self._change(read, event, f"status = {whole}, shipped = shipped + ?", pieces, pieces)

    @handles("OrderDelivered")
    def delivered(self, read: Any, event: Event) -> None:
        """Nothing but the time of the change."""
        self._change(read, event)

    @handles("OrderCancelled")
    def cancelled(self, read: Any, event: Event) -> None:
        """From now on the items cannot change."""
        self._close(read, event)
        self._change(read, event, "status = 'CANCELLED'")

    @handles("RefundIssued")
    def refunded(self, read: Any, event: Event) -> None:
        """Add up what was given back."""
        self._change(read, event, "refunded = refunded + ?", event.data["amount"])

    def _change(self, read: Any, event: Event, what: str = "", *values: object) -> None:
        always = "changed_at = ?, events = events + 1"
        changes = f"{what}, {always}" if what else always
        read.execute(
            f"update orders_summary set {changes} where order_id = ?",
            [*values, _time(event), event.aggregate_id],
        )

    def _take_out(self, read: Any, event: Event) -> tuple[int, int]:
        """Remove an article from the basket; returns its pieces and what they cost."""
        values = [event.aggregate_id, event.data["sku"]]
        held = read.execute(
            "select quantity, value from baskets where order_id = ? and sku = ?", values
        ).fetchone()
        read.execute("delete from baskets where order_id = ? and sku = ?", values)
        return held or (0, 0)

    def _close(self, read: Any, event: Event) -> None:
        read.execute("delete from baskets where order_id = ?", [event.aggregate_id])


def _time(event: Event) -> Any:
    assert event.occurred_at is not None
    return event.occurred_at.replace(tzinfo=None)  # the tables are in UTC, without a zone
