"""Random histories for checkers: small, seeded, and true to the rules of the shop.

Every event has its place (aggregate, sequence number, position), an id and a time, as if it came
out of a store; no store is needed, which makes a check fast.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from esnb.clock import utc
from esnb.events import Event, new_event
from esnb.model.aggregate import replay
from esnb.shop import Account, Order

START = utc("2026-03-02T09:00:00Z")
PRICES = {"MUG-BLUE": 950, "NOTEBOOK-A5": 790, "LAMP-DESK": 3990, "POSTER-MAP": 1890}
CUSTOMERS = ("ada", "ben", "cleo", "dan")


def placed_in(
    aggregate_id: str, kind: str, events: Sequence[Event], rng: random.Random
) -> list[Event]:
    """The events as a store would hand them out: with their place, an id and a time.

    Times rise by a minute or more, and `recorded_at` is the time of the event.
    """
    time, result = START, []
    for number, event in enumerate(events, start=1):
        time += timedelta(minutes=rng.randint(1, 90))
        result.append(
            replace(
                event, aggregate_id=aggregate_id, aggregate_type=kind, sequence_number=number,
                position=number, event_id=UUID(int=rng.getrandbits(128), version=4),
                occurred_at=event.occurred_at or time, recorded_at=time,
            )
        )  # fmt: skip
    return result


def order_history(
    rng: random.Random, length: int = 6, aggregate_id: str = "order-1042"
) -> list[Event]:
    """The life of one order, `length` events at most, each allowed by the rules of `Order`."""
    order = Order()
    events: list[Event] = []
    for _ in range(length * 4):
        if len(events) == length:
            break
        event = _order_event(order, rng)
        if order.refuses(event) is None:
            order.apply(event)
            events.append(event)
    return placed_in(aggregate_id, "ORDER", events, rng)


def _order_event(order: Order, rng: random.Random) -> Event:
    sku = rng.choice(list(PRICES))
    line = {"sku": sku, "quantity": rng.randint(1, 3), "price": PRICES[sku]}
    if order.status is None:
        return new_event("OrderPlaced", customer=rng.choice(CUSTOMERS), items=[line])
    rest = [{"sku": s, "quantity": q} for s, q in order.to_ship.items()]
    mine = rng.choice(list(order.items))
    choices = {
        "PENDING": ["ItemAdded", "ItemAdded", "ItemRemoved", "PaymentReceived", "OrderCancelled"],
        "PAID": ["OrderShipped", "OrderShipped", "OrderCancelled", "RefundIssued"],
        "SHIPPED": ["OrderDelivered", "RefundIssued"],
        "CANCELLED": ["RefundIssued"],
    }
    data: dict[str, dict[str, Any]] = {
        "ItemAdded": line,
        "ItemRemoved": {"sku": mine},
        "PaymentReceived": {"amount": order.due, "method": rng.choice(["card", "wallet"])},
        "OrderShipped": {"items": rest, "carrier": "post"},
        "OrderDelivered": {},
        "OrderCancelled": {"reason": "changed my mind"},
        "RefundIssued": {"amount": rng.randint(1, 5) * 100, "reason": "goodwill"},
    }
    kind = rng.choice(choices[order.status])
    return new_event(kind, data[kind])


def account_history(
    rng: random.Random, length: int = 6, aggregate_id: str = "account-ada"
) -> list[Event]:
    """A customer's account: opened, then credit added and spent, never below zero."""
    events, balance = [new_event("AccountOpened", customer=aggregate_id.partition("-")[2])], 0
    while len(events) < length:
        amount = rng.randint(1, 9) * 100
        if rng.random() < 0.5 and balance >= amount:
            balance -= amount
            events.append(new_event("CreditSpent", amount=amount, order="order-1042"))
        else:
            balance += amount
            events.append(new_event("CreditAdded", amount=amount, reason="goodwill"))
    return placed_in(aggregate_id, "ACCOUNT", events[:length], rng)


def shop_log(rng: random.Random, orders: int = 3, length: int = 4) -> list[Event]:
    """A log of several orders, mixed as they happen: positions count through the whole log."""
    waiting = [order_history(rng, length, f"order-{1042 + n}") for n in range(orders)]
    log: list[Event] = []
    while any(waiting):
        stream = rng.choice([events for events in waiting if events])
        log.append(replace(stream.pop(0), position=len(log) + 1))
    return log


def is_order_history(events: Sequence[Event]) -> bool:
    """Whether the rules of `Order` allow each of these events after those before it."""
    return _allowed(Order, events)


def is_account_history(events: Sequence[Event]) -> bool:
    """Whether the rules of `Account` allow each of these events after those before it."""
    return _allowed(Account, events)


def is_shop_log(events: Sequence[Event]) -> bool:
    """Whether each stream of a mixed log is allowed by the rules of `Order`."""
    return all(
        is_order_history([e for e in events if e.aggregate_id == stream])
        for stream in {event.aggregate_id for event in events}
    )


def _allowed(kind: type[Order] | type[Account], events: Sequence[Event]) -> bool:
    state = replay(kind, [])
    for event in events:
        if state.refuses(event) is not None:
            return False
        state.apply(event)
    return True
