"""The search box of the shop's office: a document an order, found by what people remember of it."""

from __future__ import annotations

from typing import ClassVar

from esnb.event_json import Json
from esnb.events import Event
from esnb.readmodels.search_projection import SearchProjection

from .catalogue import CATALOGUE
from .rules import quantities

_NAMES = {article.sku: article.name for article in CATALOGUE}


class OrderSearch(SearchProjection):
    """Documents with customer, items (named as in the catalogue), reasons, and status.

    `items` says what the order holds, `reasons` why it was cancelled or refunded. What has been
    shipped of each item is kept too, since the status depends on it.
    """

    version = 1
    fields: ClassVar[dict[str, float]] = {
        "order": 3.0,
        "customer": 2.0,
        "items": 1.0,
        "reasons": 1.0,
        "status": 0.5,
    }

    def apply(self, document: Json, event: Event) -> Json | None:
        """The document of an order after one more event; accounts have none."""
        data = event.data
        match event.type:
            case "OrderPlaced":
                document = {
                    "order": event.aggregate_id,
                    "customer": data["customer"],
                    "status": "PENDING",
                    "items": [],
                    "reasons": [],
                }
                for line in data["items"]:
                    document = _with(document, line)
                return document
            case "ItemAdded":
                return _with(document, data)
            case "ItemRemoved":
                items = [item for item in document["items"] if item["sku"] != data["sku"]]
                return {**document, "items": items}
            case "PaymentReceived" if document["status"] == "PENDING":
                return {**document, "status": "PAID"}
            case "OrderShipped":
                return _shipped(document, data["items"])
            case "OrderCancelled":
                return _because({**document, "status": "CANCELLED"}, data["reason"])
            case "RefundIssued":
                return _because(document, data["reason"])
        return None


def _with(document: Json, line: Json) -> Json:
    items, sku, more = document["items"], line["sku"], line["quantity"]
    if not any(item["sku"] == sku for item in items):
        new = {"sku": sku, "name": _NAMES.get(sku, ""), "quantity": more, "shipped": 0}
        return {**document, "items": [*items, new]}
    return {
        **document,
        "items": [
            {**item, "quantity": item["quantity"] + more} if item["sku"] == sku else item
            for item in items
        ],
    }


def _shipped(document: Json, parcel: list[Json]) -> Json:
    left = quantities(parcel)
    items = [
        {**item, "shipped": item["shipped"] + left.get(item["sku"], 0)}
        for item in document["items"]
    ]
    done = all(item["shipped"] >= item["quantity"] for item in items)
    return {**document, "items": items, "status": "SHIPPED" if done else document["status"]}


def _because(document: Json, reason: str) -> Json:
    return {**document, "reasons": [*document["reasons"], reason]}
