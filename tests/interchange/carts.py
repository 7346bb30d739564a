"""A small application written with the library `eventsourcing`, whose store is then read."""

from __future__ import annotations

from decimal import Decimal

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event


class Cart(Aggregate):
    @event("Opened")
    def __init__(self, customer: str) -> None:
        self.customer = customer
        self.lines: list[tuple[str, Decimal]] = []

    @event("ItemAdded")
    def add(self, sku: str, price: Decimal) -> None:
        self.lines.append((sku, price))


class Shop(Application):
    def open(self, customer: str) -> Cart:
        cart = Cart(customer)
        self.save(cart)
        return cart
