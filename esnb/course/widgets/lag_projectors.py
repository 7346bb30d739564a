"""The read models behind Lag: handlers that add or can be repeated, a projector that can crash."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import duckdb

from esnb.events import Event
from esnb.readmodels.projection import Projection, handles
from esnb.readmodels.projector import Projector
from esnb.readmodels.read_tables import ReadTables
from esnb.store.event_store import EventStore

Handler = Literal["transaction", "idempotent", "adds"]
Row = tuple[str, int, int]  # status, total, paid


class AddingOrders(Projection):
    """The page of orders. Its handler adds to what is there: applied twice, it counts twice."""

    tables: ClassVar[dict[str, str]] = {
        "orders": "order_id varchar primary key, customer varchar, status varchar, "
        "total bigint, paid bigint, seen bigint"
    }
    guard: ClassVar[str] = ""

    @handles("OrderPlaced")
    def placed(self, read: Any, event: Event) -> None:
        """A new row; its total is added, should the row be there already."""
        guard = self.guard.replace("?", "excluded.seen")
        total = sum(line["quantity"] * line["price"] for line in event.data["items"])
        read.execute(
            "insert into orders values (?, ?, 'PENDING', ?, 0, ?) on conflict do update set "
            "status = excluded.status, total = orders.total + excluded.total, seen = excluded.seen "
            + (f"where orders.{guard}" if guard else ""),
            [event.aggregate_id, event.data["customer"], total, event.position],
        )

    @handles("ItemAdded")
    def item_added(self, read: Any, event: Event) -> None:
        """The total grows."""
        self._change(read, event, "total = total + ?", event.data["quantity"] * event.data["price"])

    @handles("PaymentReceived")
    def paid(self, read: Any, event: Event) -> None:
        """What was paid grows."""
        self._change(read, event, "status = 'PAID', paid = paid + ?", event.data["amount"])

    @handles("OrderShipped", "OrderCancelled")
    def closed(self, read: Any, event: Event) -> None:
        """The status is set: to set it twice does no harm."""
        self._change(read, event, "status = ?", event.type.removeprefix("Order").upper())

    def _change(self, read: Any, event: Event, what: str, value: Any) -> None:
        values = [value, event.position, event.aggregate_id]
        guard = f" and {self.guard}" if self.guard else ""
        read.execute(
            f"update orders set {what}, seen = ? where order_id = ?{guard}",
            values + ([event.position] if guard else []),
        )


class GuardedOrders(AddingOrders):
    """The same, idempotent: a row knows the position it has seen, and skips what is not newer."""

    guard: ClassVar[str] = "seen < ?"


class Crash(BaseException):
    """The process ends here. No `except Exception` may take it for a mistake in a handler."""


class DayProjector(Projector):
    """A projector that can crash in the worst moment, and may save its position apart.

    `apart=False` is what `Projector` does: read model and position in one transaction. With
    `apart=True` they are two transactions, as where they are in two systems.
    """

    crashing = False

    def __init__(self, store: EventStore, projection: type[Projection], apart: bool) -> None:
        self.apart = apart
        super().__init__(store, projection)

    def restart(self) -> None:
        """Begin again with what the read database holds."""
        self.crashing = False
        self._refresh()

    def _handle(self, read: ReadTables, events: Any) -> None:
        super()._handle(read, events)
        if self.crashing and not self.apart:
            raise Crash

    def _apply(self, cursor: duckdb.DuckDBPyConnection, events: Any, save: bool) -> None:
        if not self.apart or not save:
            super()._apply(cursor, events, save)
            return
        super()._apply(cursor, events, save=False)
        if self.crashing:
            raise Crash
        cursor.execute(
            "update esnb.checkpoint set position = ?, event_id = ?",
            [events.last, events.last_id()],
        )
        self._position = events.last


KINDS: dict[str, tuple[type[Projection], bool]] = {
    "transaction": (AddingOrders, False),
    "idempotent": (GuardedOrders, True),
    "adds": (AddingOrders, True),
}
