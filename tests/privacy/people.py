"""Two customers, and what is personal about them: shared by the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from esnb import (
    Aggregate,
    Event,
    EventStore,
    LessonClock,
    Projection,
    handles,
    new_event,
)
from esnb.privacy.vault import KeyVault
from esnb.readmodels.search import SearchProjection

PERSONAL = {
    "Registered": {"customer": ["name", "email"]},
    "Gift": {"sender": ["sender_name"], "receiver": ["receiver_name", "address"]},
}
ADA = {"customer": "c-17", "name": "Ada Lovelace", "email": "ada@example.org", "level": 3}
EVE = {"customer": "c-18", "name": "Eve Moneypenny", "email": "eve@example.org", "level": 1}


class Customer(Aggregate):
    """A customer with a snapshot at every second event."""

    aggregate_type = "CUSTOMER"
    snapshot_every = 2

    def __init__(self) -> None:
        self.name: Any = None
        self.email: Any = None
        self.level = 0

    def apply(self, event: Event) -> None:
        if event.type == "Registered":
            self.name, self.email = event.data.get("name"), event.data.get("email")
        self.level += event.data.get("level", 0)


class Customers(Projection):
    """A list of customers."""

    tables: ClassVar = {"customers": "id varchar primary key, name varchar, level integer"}

    @handles("Registered")
    def registered(self, db, event):
        db.execute(
            "insert into customers values (?, ?, ?)",
            [event.data["customer"], event.data["name"], event.data["level"]],
        )


class Names(SearchProjection):
    """A search index of names."""

    fields: ClassVar[dict[str, float]] = {"name": 1.0}

    def apply(self, document, event):
        return {"name": event.data["name"]} if event.type == "Registered" else document


def opened(path: Path | None = None, vault: KeyVault | None = None, **more: Any) -> EventStore:
    vault = KeyVault(personal=PERSONAL) if vault is None else vault
    return EventStore(path, clock=LessonClock(), vault=vault, **more)


def register(store: EventStore, data: dict[str, Any], **more: Any) -> Event:
    event = new_event("Registered", data, **more)
    store.append(
        f"customer-{data['customer']}", [event], expected_version=0, aggregate_type="CUSTOMER"
    )
    return event


def raw(store: EventStore) -> str:
    return str(store.sql("from events").fetchall())
