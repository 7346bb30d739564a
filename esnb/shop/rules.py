"""Small checks that the shop's aggregates share: each returns its value or raises RejectedError."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from esnb.errors import RejectedError


def money(cents: int) -> str:
    """Return whole cents as a price to read: 1250 gives '12.50', -5 gives '-0.05'."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def whole(value: object, name: str) -> int:
    """Return value if it is a whole number above zero; name is the field, for the message."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise RejectedError(
            f"{name} must be a whole number above zero (money in cents: 1250 is 12.50), "
            f"but it is {value!r}."
        )
    return value


def text(value: object, name: str) -> str:
    """Return value if it is text with something in it; name is the field, for the message."""
    if not isinstance(value, str) or not value.strip():
        raise RejectedError(f"{name} must be a text that is not empty, but it is {value!r}.")
    return value


def audit(actor: str | None, reason: str) -> dict[str, str]:
    """Return the metadata of an event for the audit trail: who did it, and why."""
    return {"actor": text(actor, "actor"), "reason": text(reason, "reason")}


def order_line(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked copy of one item: sku, quantity and price (of one piece, in cents)."""
    if not isinstance(item, Mapping) or set(item) != {"sku", "quantity", "price"}:
        raise RejectedError(f"An item has exactly sku, quantity and price, but found {item!r}.")
    return {
        "sku": text(item["sku"], "sku"),
        "quantity": whole(item["quantity"], "quantity"),
        "price": whole(item["price"], "price"),
    }


def quantities(items: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Add up the pieces of each sku: sku -> quantity."""
    total: dict[str, int] = {}
    for item in items:
        total[item["sku"]] = total.get(item["sku"], 0) + item["quantity"]
    return total
