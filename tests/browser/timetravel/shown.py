"""What the tests of TimeTravel share: a stream, and what a reader finds on a page with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from playwright.sync_api import Page

from esnb import EventStore, diff_states
from esnb.course.widgets import TimeTravel
from esnb.shop import Order, item
from tests.pages import View

STOPS = {1: "the order begins", 6: "the payment arrives"}


class Snapshotted(Order):
    """An order with a snapshot every 4 events."""

    snapshot_every = 4


def ten_events(store: EventStore) -> None:
    """One order in nine commands: the second one writes two events."""
    order = store.new(Snapshotted, "order-17")
    order.place("ada", [item("MUG-BLUE", 2), item("NOTEBOOK-A5")])
    store.save(order)
    order.add_item("LAMP-DESK", 1, 4500)
    order.add_item("BOOK-7", 1, 1500)
    store.save(order)
    order.remove_item("LAMP-DESK")
    store.save(order)
    store.clock.advance(hours=2)  # type: ignore[attr-defined]
    order.add_item("BOOK-7", 2, 1500)
    store.save(order)
    order.pay()
    store.save(order)
    store.clock.advance(days=2)  # type: ignore[attr-defined]
    order.ship({"BOOK-7": 1})
    store.save(order)
    order.refund(500, "a scratch <b>on it</b><script>document.title = 'owned'</script>")
    store.save(order)
    order.ship()
    store.save(order)
    order.deliver()
    store.save(order)


CLOSED = ".tt-state tr:not([hidden]) .tt-name[aria-expanded=false]"


class Shown(View):
    """A page with the widget, and what a reader finds on it."""

    root_class: ClassVar[str] = "esnb-tt"

    def __init__(self, page: Page, nth: int = 0) -> None:
        super().__init__(page, nth)
        self.slider = self.root.get_by_role("slider", name="position")
        self.marks = self.root.get_by_role("listbox")

    def at(self) -> int:
        return int(self.slider.input_value())

    def rows(self, of: str = ".tt-state tbody tr:not([hidden])") -> list[list[str]]:
        return super().rows(of)

    def state(self) -> dict[str, str]:
        """The state panel as path: text; groups that are closed are opened first."""
        while (closed := self.root.locator(CLOSED)).count():
            closed.first.click()
            self.frame()
        found, field = {}, ""
        for name, _, now, _ in self.rows():
            if name.startswith("▾ "):
                field = name[2:]
            elif name.startswith((".", "[")):
                found[field + name] = now
            elif name == "(empty)":
                found[field] = now
            else:
                found[name] = now
        return {path: text for path, text in found.items() if text}


def folded(store: EventStore, number: int) -> dict[str, str]:
    state = TimeTravel(store, "order-17", fold=Snapshotted).history.state(number)
    return {path: repr(value) for path, value in diff_states({}, state).added.items()}


Opened = Callable[..., Shown]
