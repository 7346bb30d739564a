"""The shop's commands: what somebody may ask of an order or an account, as small records.

A record is checked when it is made, for what can be seen without any state: a text that is empty,
an amount below zero. That is the edge, and the error is `InvalidCommandError`. Whether the request
fits what happened before is a business rule: the aggregate answers, with a `RejectedError`.

    handle(store, PlaceOrder("order-1042", "ada", [item("MUG-BLUE", 2)]))
    handle(store, PayOrder("order-1042"), actor="ada", reason="paid the order")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeVar

from esnb.errors import InvalidCommandError, RejectedError
from esnb.model.aggregate import Aggregate
from esnb.model.commands import Command

from . import rules
from .account import Account
from .order import Order

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One line of an order; price is of one piece, in cents."""

    sku: str
    quantity: int
    price: int


class OrderCommand(Command):
    """A command to one order."""

    __slots__ = ()
    handled_by: ClassVar[type[Aggregate]] = Order
    order_id: str

    @property
    def aggregate_id(self) -> str:
        """The order that is asked."""
        return self.order_id


class AccountCommand(Command):
    """A command to one store-credit account."""

    __slots__ = ()
    handled_by: ClassVar[type[Aggregate]] = Account
    account_id: str

    @property
    def aggregate_id(self) -> str:
        """The account that is asked."""
        return self.account_id


@dataclass(frozen=True, slots=True)
class PlaceOrder(OrderCommand):
    """Place an order; items are `OrderLine`s, or mappings with the same three fields."""

    order_id: str
    customer: str
    items: tuple[OrderLine, ...]

    def __init__(
        self, order_id: str, customer: str, items: Iterable[OrderLine | Mapping[str, Any]]
    ) -> None:
        lines = _list("items", items)
        object.__setattr__(self, "order_id", _text(order_id, "order_id"))
        object.__setattr__(self, "customer", _text(customer, "customer"))
        object.__setattr__(self, "items", tuple(map(_line, lines)))
        if not lines or len({line.sku for line in self.items}) < len(lines):
            raise InvalidCommandError("An order needs at least one item, and each sku only once.")

    def run(self, order: Order) -> None:
        """Ask the order."""
        order.place(self.customer, [asdict(line) for line in self.items])


@dataclass(frozen=True, slots=True)
class AddItem(OrderCommand):
    """Add a quantity of one sku; price is of one piece, in cents."""

    order_id: str
    sku: str
    quantity: int
    price: int

    def __post_init__(self) -> None:
        _text(self.order_id, "order_id")
        _text(self.sku, "sku")
        _whole(self.quantity, "quantity")
        _whole(self.price, "price")

    def run(self, order: Order) -> None:
        """Ask the order."""
        order.add_item(self.sku, self.quantity, self.price)


@dataclass(frozen=True, slots=True)
class RemoveItem(OrderCommand):
    """Take all pieces of one sku out of the order."""

    order_id: str
    sku: str

    def __post_init__(self) -> None:
        _text(self.order_id, "order_id")
        _text(self.sku, "sku")

    def run(self, order: Order) -> None:
        """Ask the order."""
        order.remove_item(self.sku)


@dataclass(frozen=True, slots=True)
class PayOrder(OrderCommand):
    """Pay what is due; an amount that is given (in cents) must be exactly that."""

    order_id: str
    amount: int | None = None
    method: str = "card"

    def __post_init__(self) -> None:
        _text(self.order_id, "order_id")
        if self.amount is not None:
            _whole(self.amount, "amount")
        _text(self.method, "method")

    def run(self, order: Order) -> None:
        """Ask the order."""
        order.pay(self.amount, self.method)


@dataclass(frozen=True, slots=True)
class ShipOrder(OrderCommand):
    """Ship some items (sku -> quantity, kept as pairs), or all that has not left yet."""

    order_id: str
    items: tuple[tuple[str, int], ...] | None = None
    carrier: str = "post"

    def __init__(
        self,
        order_id: str,
        items: Mapping[str, int] | Iterable[tuple[str, int]] | None = None,
        carrier: str = "post",
    ) -> None:
        pairs = None
        if items is not None:
            listed = _list("items", items.items() if isinstance(items, Mapping) else items)
            pairs = tuple(map(_pair, listed))
            if not pairs or len(dict(pairs)) < len(pairs):
                raise InvalidCommandError("A shipment needs at least one item, each sku only once.")
        object.__setattr__(self, "order_id", _text(order_id, "order_id"))
        object.__setattr__(self, "items", pairs)
        object.__setattr__(self, "carrier", _text(carrier, "carrier"))

    def run(self, order: Order) -> None:
        """Ask the order."""
        order.ship(None if self.items is None else dict(self.items), self.carrier)


@dataclass(frozen=True, slots=True)
class CancelOrder(OrderCommand):
    """Call an order off."""

    order_id: str
    reason: str

    def __post_init__(self) -> None:
        _text(self.order_id, "order_id")
        _text(self.reason, "reason")

    def run(self, order: Order) -> None:
        """Ask the order."""
        order.cancel(self.reason)


@dataclass(frozen=True, slots=True)
class RefundOrder(OrderCommand):
    """Give back a part or all of what was paid, in cents."""

    order_id: str
    amount: int
    reason: str

    def __post_init__(self) -> None:
        _text(self.order_id, "order_id")
        _whole(self.amount, "amount")
        _text(self.reason, "reason")

    def run(self, order: Order) -> None:
        """Ask the order."""
        order.refund(self.amount, self.reason)


@dataclass(frozen=True, slots=True)
class OpenAccount(AccountCommand):
    """Open the store-credit account of a customer."""

    account_id: str
    customer: str

    def __post_init__(self) -> None:
        _text(self.account_id, "account_id")
        _text(self.customer, "customer")

    def run(self, account: Account) -> None:
        """Ask the account."""
        account.open(self.customer)


@dataclass(frozen=True, slots=True)
class AddCredit(AccountCommand):
    """Add store credit, in cents."""

    account_id: str
    amount: int
    reason: str

    def __post_init__(self) -> None:
        _text(self.account_id, "account_id")
        _whole(self.amount, "amount")
        _text(self.reason, "reason")

    def run(self, account: Account) -> None:
        """Ask the account."""
        account.credit(self.amount, self.reason)


@dataclass(frozen=True, slots=True)
class SpendCredit(AccountCommand):
    """Use store credit, in cents, for the order with this id."""

    account_id: str
    amount: int
    order: str

    def __post_init__(self) -> None:
        _text(self.account_id, "account_id")
        _whole(self.amount, "amount")
        _text(self.order, "order")

    def run(self, account: Account) -> None:
        """Ask the account."""
        account.spend(self.amount, self.order)


def _at_the_edge(check: Callable[[object, str], T]) -> Callable[[object, str], T]:
    """The same check as the aggregate's, with the error of a record that cannot be made."""

    def checked(value: object, name: str) -> T:
        try:
            return check(value, name)
        except RejectedError as error:
            raise InvalidCommandError(str(error)) from None

    return checked


_text, _whole = _at_the_edge(rules.text), _at_the_edge(rules.whole)


def _list(name: str, items: Any) -> list[Any]:
    if isinstance(items, str | Mapping) or not isinstance(items, Iterable):
        raise InvalidCommandError(f"{name} is a list, found {items!r:.60}.")
    return list(items)


def _line(item: object) -> OrderLine:
    fields = asdict(item) if isinstance(item, OrderLine) else item
    if not isinstance(fields, Mapping) or set(fields) != {"sku", "quantity", "price"}:
        raise InvalidCommandError(f"An item has exactly sku, quantity and price, found {item!r}.")
    return OrderLine(
        _text(fields["sku"], "sku"),
        _whole(fields["quantity"], "quantity"),
        _whole(fields["price"], "price"),
    )


def _pair(item: Any) -> tuple[str, int]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise InvalidCommandError(f"items to ship are pairs of sku and quantity, found {item!r}.")
    return _text(item[0], "sku"), _whole(item[1], "quantity")
