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
    """The events of one stream as a store would hand them out: with their place, an id and times.

    Other streams lie between them, so positions are unlike sequence numbers; see `timed` for times.
    """
    position, result = rng.randint(1, 5), []
    for number, event in enumerate(events, start=1):
        position += rng.choice([1, 1, 2, 4])
        result.append(
            replace(
                event,
                aggregate_id=aggregate_id,
                aggregate_type=kind,
                sequence_number=number,
                position=position,
                event_id=UUID(int=rng.getrandbits(128), version=4),
            )
        )
    return timed(result, rng)


def timed(events: Sequence[Event], rng: random.Random) -> list[Event]:
    """The events of a log with times: `recorded_at` never falls, and some occurred long before.

    Some were recorded together, at one time, some after days; some are told of late.
    """
    recorded, result = START, []
    for event in events:
        wait = rng.choice([0, rng.randint(1, 90), rng.randint(1, 90), rng.randint(1500, 5000)])
        recorded += timedelta(minutes=wait, seconds=rng.randint(0, 59) * bool(wait))
        late = timedelta(
            minutes=rng.choice([0, 0, 0, rng.randint(1, 300), rng.randint(1500, 3000)])
        )
        result.append(replace(event, occurred_at=recorded - late, recorded_at=recorded))
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
    line = _line(rng)
    if order.status is None:
        other = [_line(rng, line["sku"])] if rng.random() < 0.4 else []
        return new_event("OrderPlaced", customer=rng.choice(CUSTOMERS), items=[line, *other])
    rest = [{"sku": s, "quantity": q} for s, q in order.to_ship.items()]
    sku, left = rng.choice([*order.to_ship.items()] or [("", 1)])
    part = [{"sku": sku, "quantity": rng.randint(1, left)}]
    parcel = part if rng.random() < 0.4 else rest
    mine = rng.choice(list(order.items))
    choices = {
        "PENDING": [
            "ItemAdded",
            "ItemAdded",
            "ItemRemoved",
            "PaymentReceived",
            "PaymentReceived",
            "OrderCancelled",
        ],
        "PAID": ["OrderShipped", "OrderShipped", "OrderShipped", "OrderCancelled", "RefundIssued"],
        "SHIPPED": ["OrderDelivered", "RefundIssued"],
        "CANCELLED": ["RefundIssued"],
    }
    data: dict[str, dict[str, Any]] = {
        "ItemAdded": line,
        "ItemRemoved": {"sku": mine},
        "PaymentReceived": {"amount": order.due, "method": rng.choice(["card", "wallet"])},
        "OrderShipped": {"items": parcel, "carrier": rng.choice(["post", "bike"])},
        "OrderDelivered": {},
        "OrderCancelled": {"reason": rng.choice(["changed my mind", "too late"])},
        "RefundIssued": {"amount": rng.randint(1, 999), "reason": "goodwill"},
    }
    kind = rng.choice(choices[order.status])
    return new_event(kind, data[kind])


def _line(rng: random.Random, without: str = "") -> dict[str, Any]:
    sku = rng.choice([name for name in PRICES if name != without])
    return {"sku": sku, "quantity": rng.randint(1, 3), "price": PRICES[sku]}


def account_history(
    rng: random.Random, length: int = 6, aggregate_id: str = "account-ada"
) -> list[Event]:
    """A customer's account: opened, then credit added and spent, never below zero."""
    events, balance = [new_event("AccountOpened", customer=aggregate_id.partition("-")[2])], 0
    while len(events) < length:
        amount = rng.randint(1, 999)
        if rng.random() < 0.6 and balance >= amount:
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
    return timed(log, rng)


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
