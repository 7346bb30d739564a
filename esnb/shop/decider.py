"""The order once more, as two pure functions: the rules of the class `Order` in another style.

`decide` looks at a command and a state and returns events; `evolve` looks at a state and an event
and returns the next state. Neither changes anything, so a test needs no store and no object. It
shares no code with `Order`: a test lets both decide on the same random commands.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import reduce
from typing import Any

from esnb.errors import RejectedError
from esnb.events import Event, new_event
from esnb.model.commands import Command, Decider

from .commands import (
    AddItem,
    CancelOrder,
    OrderCommand,
    OrderLine,
    PayOrder,
    PlaceOrder,
    RefundOrder,
    RemoveItem,
    ShipOrder,
)
from .rules import money


@dataclass(frozen=True, slots=True)
class OrderState:
    """What the next decision on an order needs to know; money in whole cents."""

    status: str | None = None  # PENDING, PAID, SHIPPED, CANCELLED; None: not placed yet
    customer: str | None = None
    items: tuple[OrderLine, ...] = ()
    shipped: tuple[tuple[str, int], ...] = ()  # (sku, quantity)
    paid: int = 0
    refunded: int = 0
    delivered: bool = False

    @property
    def total(self) -> int:
        """What all items cost, in cents."""
        return sum(line.quantity * line.price for line in self.items)

    @property
    def to_ship(self) -> dict[str, int]:
        """What has not left yet: sku -> quantity."""
        gone = dict(self.shipped)
        rest = {line.sku: line.quantity - gone.get(line.sku, 0) for line in self.items}
        return {sku: quantity for sku, quantity in rest.items() if quantity > 0}


def decide(command: OrderCommand, state: OrderState) -> list[Event]:
    """What happens when this is asked of an order in this state; raises `RejectedError`."""
    match command:
        case PlaceOrder():
            return _place(command, state)
        case AddItem():
            return _add(command, state)
        case RemoveItem():
            return _remove(command, state)
        case PayOrder():
            return _pay(command, state)
        case ShipOrder():
            return _ship(command, state)
        case CancelOrder():
            return _cancel(command, state)
        case RefundOrder():
            return _refund(command, state)
    raise RejectedError(f"{type(command).__name__} is not a command to an order.")


def _place(command: PlaceOrder, state: OrderState) -> list[Event]:
    _need(command, state, None)
    customer, items = command.customer, [asdict(line) for line in command.items]
    reason = "placed in the web shop"
    return [_event("OrderPlaced", customer, reason, customer=customer, items=items)]


def _add(command: AddItem, state: OrderState) -> list[Event]:
    _need(command, state, "PENDING")
    sku, quantity, price = command.sku, command.quantity, command.price
    known = {line.sku: line.price for line in state.items}
    if known.get(sku, price) != price:
        raise RejectedError(f"{sku} is in the order at {money(known[sku])}.")
    data = {"sku": sku, "quantity": quantity, "price": price}
    return [_event("ItemAdded", state.customer, "changed the basket", data)]


def _remove(command: RemoveItem, state: OrderState) -> list[Event]:
    _need(command, state, "PENDING")
    skus = [line.sku for line in state.items]
    if command.sku not in skus:
        raise RejectedError(f"{command.sku} is not in the order.")
    if skus == [command.sku]:
        raise RejectedError(f"{command.sku} is the last item: cancel the order instead.")
    return [_event("ItemRemoved", state.customer, "changed the basket", sku=command.sku)]


def _pay(command: PayOrder, state: OrderState) -> list[Event]:
    _need(command, state, "PENDING")
    due = state.total - state.paid
    if command.amount not in (None, due):
        raise RejectedError(f"{money(due)} is due.")
    data = {"amount": due, "method": command.method}
    return [_event("PaymentReceived", state.customer, "paid the order", data)]


def _ship(command: ShipOrder, state: OrderState) -> list[Event]:
    _need(command, state, "PAID")
    rest = state.to_ship
    parcel = rest if command.items is None else dict(command.items)
    for sku, quantity in parcel.items():
        if quantity > rest.get(sku, 0):
            raise RejectedError(f"{rest.get(sku, 0)} of {sku} left to ship.")
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in parcel.items()]
    data = {"items": lines, "carrier": command.carrier}
    return [_event("OrderShipped", "warehouse", "paid and packed", data)]


def _cancel(command: CancelOrder, state: OrderState) -> list[Event]:
    _need(command, state, "PENDING", "PAID")
    if state.shipped:
        raise RejectedError("Part of the order has been shipped.")
    return [_event("OrderCancelled", state.customer, command.reason, {"reason": command.reason})]


def _refund(command: RefundOrder, state: OrderState) -> list[Event]:
    _need(command, state, "PAID", "SHIPPED", "CANCELLED")
    amount, left = command.amount, state.paid - state.refunded
    if amount > left:
        raise RejectedError(f"{money(left)} left to give back.")
    data = {"amount": amount, "reason": command.reason}
    return [_event("RefundIssued", "support", command.reason, data)]


def evolve(state: OrderState, event: Event) -> OrderState:
    """The state after an event; the one before it stays as it was."""
    data = event.data
    match event.type:
        case "OrderPlaced":
            items = reduce(_with_line, data["items"], state.items)
            return replace(state, status="PENDING", customer=data["customer"], items=items)
        case "ItemAdded":
            return replace(state, items=_with_line(state.items, data))
        case "ItemRemoved":
            kept = tuple(line for line in state.items if line.sku != data["sku"])
            return replace(state, items=kept)
        case "PaymentReceived":
            # A payment can come late, after the goods have left: then it changes no status.
            status = "PAID" if state.status == "PENDING" else state.status
            return replace(state, status=status, paid=state.paid + data["amount"])
        case "OrderShipped":
            gone = dict(state.shipped)
            for item in data["items"]:
                gone[item["sku"]] = gone.get(item["sku"], 0) + item["quantity"]
            after = replace(state, shipped=tuple(gone.items()))
            return after if after.to_ship else replace(after, status="SHIPPED")
        case "OrderDelivered":
            return replace(state, delivered=True)
        case "OrderCancelled":
            return replace(state, status="CANCELLED")
        case "RefundIssued":
            return replace(state, refunded=state.refunded + data["amount"])
    return state


order_decider = Decider(OrderState(), decide, evolve, "ORDER")


def _with_line(items: tuple[OrderLine, ...], new: Any) -> tuple[OrderLine, ...]:
    had = {line.sku: line for line in items}
    before = had[new["sku"]].quantity if new["sku"] in had else 0
    line = OrderLine(new["sku"], before + new["quantity"], new["price"])
    return tuple({**had, line.sku: line}.values())


def _need(command: Command, state: OrderState, *statuses: str | None) -> None:
    if state.status not in statuses:
        wanted = " or ".join(status or "not placed yet" for status in statuses)
        raise RejectedError(
            f"{type(command).__name__} needs an order that is {wanted}; "
            f"this one is {state.status or 'not placed yet'}."
        )


def _event(kind: str, actor: Any, reason: str, data: Any = None, /, **fields: Any) -> Event:
    return new_event(kind, data, metadata={"actor": actor, "reason": reason}, **fields)
