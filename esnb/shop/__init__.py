"""The one domain of this course: an online shop with orders and store-credit accounts.

An order is an `Order` (aggregate type ORDER, ids such as order-1042). The store credit of a
customer is an `Account` (ACCOUNT, ids such as account-ada). All money is in whole cents: 1250 is
12.50.

    event type       event_data                                  who writes it (usually)
    ---------------  ------------------------------------------  -------------------------
    OrderPlaced      customer, items: [{sku, quantity, price}]   the customer
    ItemAdded        sku, quantity, price                        the customer
    ItemRemoved      sku (all its pieces go)                     the customer
    PaymentReceived  amount, method                              the customer
    OrderShipped     items: [{sku, quantity}], carrier           warehouse
    OrderDelivered   (nothing)                                   post
    OrderCancelled   reason                                      the customer, billing-job
    RefundIssued     amount, reason                              support
    AccountOpened    customer                                    the customer
    CreditAdded      amount, reason                              support
    CreditSpent      amount, order (its id)                      the customer

One more is not in the simulated log: with `CreditReversed` (amount, reason), support takes back
credit that was added by mistake.

`price` is of one piece. `method` is card, wallet, transfer or credit. The metadata of every event
has `actor` and `reason`: with occurred_at they say who did what, when, and why.

`order.py` and `account.py` hold the rules, each with its state machine as a table on top.
`commands.py` has what may be asked of them as records (`handle(store, PayOrder("order-1042"))`),
and `decider.py` the rules of an order once more, as two functions.
`projections.py` and `search.py` hold the read models: what the pages and reports ask for, and
`by_handler.py` one of them once more, an event at a time.
`first_orders(store)` writes a story of eight events, `simulate(store)` a whole shop with three
stories hidden in it (`STORIES`). `sample()` loads the simulated shop that is kept in `data/shop`.
"""

from .account import Account
from .by_handler import OrderSummaryByHandler
from .by_statement import OrderSummaryByStatement
from .catalogue import CATALOGUE, Article, item
from .commands import (
    AddCredit,
    AddItem,
    CancelOrder,
    OpenAccount,
    OrderLine,
    PayOrder,
    PlaceOrder,
    RefundOrder,
    RemoveItem,
    ShipOrder,
    SpendCredit,
)
from .decider import OrderState, order_decider
from .examples import first_orders, sample, sample_summary
from .order import Order
from .projections import Analytics, Inventory, OrderSummary
from .rules import money
from .search import OrderSearch
from .simulator import simulate
from .stories import STORIES, Story, Summary

__all__ = [
    "Order",
    "Account",
    "PlaceOrder",
    "AddItem",
    "RemoveItem",
    "PayOrder",
    "ShipOrder",
    "CancelOrder",
    "RefundOrder",
    "OpenAccount",
    "AddCredit",
    "SpendCredit",
    "OrderLine",
    "OrderState",
    "order_decider",
    "CATALOGUE",
    "Article",
    "item",
    "money",
    "OrderSummary",
    "OrderSummaryByHandler",
    "OrderSummaryByStatement",
    "Inventory",
    "Analytics",
    "OrderSearch",
    "first_orders",
    "simulate",
    "STORIES",
    "Story",
    "Summary",
    "sample",
    "sample_summary",
]
