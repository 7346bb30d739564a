"""A believable shop, made up from a seed: a few weeks of orders and store-credit accounts.

Times inside this module are whole milliseconds since 1970, UTC. Money is in whole cents.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from esnb.clock import utc
from esnb.store.event_store import EventStore

from .catalogue import CATALOGUE, customer_name
from .chance import DAY, HOUR, MINUTE, Chance, Draw
from .stories import STORIES, Story, Summary

SKUS = [article.sku for article in CATALOGUE]
PRICES = [article.price for article in CATALOGUE]
STATUSES = ("PENDING", "PAID", "SHIPPED", "CANCELLED")
METHODS = ("card", "wallet", "transfer")
CANCEL_REASONS = ("changed my mind", "ordered twice", "found it elsewhere")
REFUND_REASONS = ("arrived broken", "not as described", "came too late")
WEB = "placed in the web shop"
WANTED = "asked for an account"
GIFTS = ((0, 2500), (12, 1000), (24, 5000))  # days after an account was opened, cents

FIRST_ORDER = 2001  # numbers below are left to examples written by hand


def simulate(
    store: EventStore,
    orders: int = 300,
    seed: int = 11,
    start: str | datetime = "2026-01-05T00:00:00Z",
    days: int = 56,
    progress: Any = None,
) -> Summary:
    """Append a simulated shop to the store in one transaction, and return the books.

    About 4 events an order. The log covers `days` whole days from the UTC midnight of `start`,
    and is cut there: the last orders are still open. Orders are `order-2001` and up, accounts
    `account-<customer>`; the store must not hold them yet. The same arguments give the same events,
    ids included. Raises ValueError for fewer than 1 order or 28 days; `progress` goes to
    `store.append_frame`.
    """
    if orders < 1 or days < 28:
        raise ValueError(f"A shop needs orders >= 1 and days >= 28, found {orders} and {days}.")
    shop = _Shop(orders, seed, int(utc(start).timestamp()) * 1000 // DAY * DAY, days)
    shop.run()
    store.append_frame(
        shop.frame(),
        aggregate_type="aggregate_type",
        aggregate_id="aggregate_id",
        event_type="event_type",
        data="event_data",
        metadata="metadata",
        occurred_at="occurred_at",
        progress=progress,
    )
    return shop.summary()


class _Closed(Exception):
    """The simulated time is over: the life of this order goes on after the end of the log."""


class _Rows:
    """Events as columns. `add` returns the row's index, or raises _Closed at the end of the log."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.stream: list[str] = []
        self.type: list[str] = []
        self.data: list[str] = []
        self.metadata: list[str] = []
        self.time: list[int] = []

    def add(self, time: int, stream: str, type_: str, data: str, actor: str, reason: str) -> int:
        if time >= self.end:
            raise _Closed
        self.time.append(time)
        self.stream.append(stream)
        self.type.append(type_)
        self.data.append(data)
        self.metadata.append(f'{{"actor":"{actor}","reason":"{reason}"}}')
        return len(self.time) - 1


class _Shop:
    def __init__(self, orders: int, seed: int, first: int, days: int) -> None:
        self.seed, self.first, self.end = seed, first, first + days * DAY
        self.names = [customer_name(number) for number in range(max(1, orders // 5))]
        self.chance = Chance(orders, len(self.names), seed, first, days)
        self.holders = dict.fromkeys(self.names[1::4])  # in order, unlike a set
        self.rows, self.credit_rows = _Rows(self.end), _Rows(self.end)
        # The books.
        self.status: list[str] = []
        self.revenue = self.refunded = 0
        self.balances: dict[str, int] = {}
        # What may touch an account: (time, kind, customer, cents, order, row of the payment).
        self.touches: list[tuple[int, str, str, int, str, int]] = []
        # What each story has in it: (order, cents).
        self.told: dict[str, list[tuple[str, int]]] = {key: [] for key in STORIES}

    # The lives of the orders.

    def run(self) -> None:
        """Let each order live as it was decided, then settle the accounts."""
        for number, order in enumerate(self.chance.draws()):
            self.status.append("PENDING")
            life = self.voucher_order if number == self.chance.odd else self.live
            with suppress(_Closed):
                life(f"order-{FIRST_ORDER + number}", self.names[order.customer], order)
        self.settle_accounts()

    def live(self, id_: str, name: str, o: Draw) -> None:
        """The life of an ordinary order, or of one that release 4.2 shipped too early."""
        add = self.rows.add
        basket: dict[int, int] = {}
        for sku, pieces in zip(o.skus[: o.lines], o.pieces, strict=False):
            basket[sku] = basket.get(sku, 0) + pieces
        lines = ",".join([_line(sku, pieces) for sku, pieces in basket.items()])
        add(o.placed, id_, "OrderPlaced", f'{{"customer":"{name}","items":[{lines}]}}', name, WEB)
        pause = min(o.asked - o.placed, 20 * MINUTE) // 3
        if o.edit & 1:
            sku, pieces = o.skus[4], o.pieces[4]
            basket[sku] = basket.get(sku, 0) + pieces
            add(o.placed + pause, id_, "ItemAdded", _line(sku, pieces), name, "changed the basket")
        if o.edit & 2 and len(basket) > 1:
            sku = next(iter(basket))
            del basket[sku]
            data = f'{{"sku":"{SKUS[sku]}"}}'
            add(o.placed + 2 * pause, id_, "ItemRemoved", data, name, "changed the basket")
        total = sum([PRICES[sku] * pieces for sku, pieces in basket.items()])

        bug = self.chance.bug
        if bug[0] <= o.placed < bug[1] and len(self.status) % 2 == 0:
            self.ship_unpaid(id_, name, o, basket, total)
            return
        if o.fate == 0:  # abandoned: never paid, never cancelled
            return
        if o.fate == 1:
            when = o.placed + 20 * MINUTE + int(2 * DAY * o.wait)
            return self.cancel(when, id_, name, CANCEL_REASONS[o.choice])
        if o.fate == 2:
            return self.cancel(o.placed + 10 * DAY, id_, "billing-job", "not paid within 10 days")
        self.pay(o.paid, id_, name, total, METHODS[o.method])
        if o.paid != o.asked:
            self.told["outage"].append((id_, total))
        if o.fate == 3:
            when = o.paid + HOUR + int(8 * HOUR * o.wait)
            self.cancel(when, id_, name, CANCEL_REASONS[o.choice])
            return self.refund(when + 30 * MINUTE, id_, name, total, "cancelled before shipping")
        parcel, when, pause = list(basket.items()), o.ship, 2 * DAY + int(2 * DAY * o.wait)
        if o.partial and len(parcel) > 1:
            self.ship(when, id_, parcel[:1], "warehouse", "the rest is out of stock", last=False)
            parcel, when = parcel[1:], when + pause
        self.ship(when, id_, parcel, "warehouse", "paid and packed")
        when += pause
        self.deliver(when, id_)
        if o.refund:
            cents = total if o.refund == 1 else PRICES[next(iter(basket))]
            when += DAY + int(9 * DAY * o.wait)
            self.refund(when, id_, name, cents, REFUND_REASONS[o.choice])

    def ship_unpaid(self, id_: str, name: str, o: Draw, basket: dict[int, int], total: int) -> None:
        """The story "unpaid": shipped on the morning after it was placed, paid late or never."""
        paid_later = len(self.told["unpaid"]) % 2 == 1
        self.told["unpaid"].append((id_, 0 if paid_later else total))
        when = (o.placed // DAY + 1) * DAY + o.ship % DAY
        self.ship(when, id_, list(basket.items()), "shipping-job", "release 4.2: order placed")
        self.deliver(when + 2 * DAY, id_)
        if paid_later:
            self.pay(when + 4 * DAY, id_, name, total, METHODS[o.method])

    def voucher_order(self, id_: str, name: str, o: Draw) -> None:
        """The story "vouchers": 36 small steps, all of them legal."""
        add, when, step = self.rows.add, o.placed, 37_000
        lamp, mug, sticker = (SKUS.index(sku) for sku in ("LAMP-DESK", "MUG-BLUE", "STICKER-DUCK"))
        voucher = '{"sku":"VOUCHER-15","quantity":1,"price":-1500}'
        lines = f"{_line(lamp, 1)},{_line(mug, 1)}"
        add(when, id_, "OrderPlaced", f'{{"customer":"{name}","items":[{lines}]}}', name, WEB)
        for time in range(12):
            if time:
                when += step
                data = '{"sku":"STICKER-DUCK"}'
                add(when, id_, "ItemRemoved", data, name, "changed the basket")
            when += step
            add(when, id_, "ItemAdded", _line(sticker, 1), name, "changed the basket")
            when += 1_000
            add(when, id_, "ItemAdded", voucher, "promotions", "basket reached 50.00")
        total = sum(PRICES[sku] for sku in (lamp, mug, sticker)) - 12 * 1500
        self.told["vouchers"].append((id_, total))
        self.pay(when + 5 * MINUTE, id_, name, total, "card")
        parcel = [(lamp, 1), (mug, 1), (sticker, 1)]
        vouchers = ',{"sku":"VOUCHER-15","quantity":12}'
        self.ship(o.ship, id_, parcel, "warehouse", "paid and packed", extra=vouchers)
        self.deliver(o.ship + 2 * DAY, id_)

    def pay(self, when: int, id_: str, name: str, cents: int, method: str) -> None:
        data = f'{{"amount":{cents},"method":"{method}"}}'
        row = self.rows.add(when, id_, "PaymentReceived", data, name, "paid the order")
        self.revenue += cents
        if self.status[-1] == "PENDING":  # an order of the story "unpaid" is SHIPPED by now
            self.status[-1] = "PAID"
            if name in self.holders and cents > 0:
                self.touches.append((when, "pay", name, cents, id_, row))

    def ship(
        self,
        when: int,
        id_: str,
        parcel: list[tuple[int, int]],
        actor: str,
        reason: str,
        *,
        last: bool = True,
        extra: str = "",
    ) -> None:
        items = ",".join([f'{{"sku":"{SKUS[s]}","quantity":{n}}}' for s, n in parcel])
        data = f'{{"items":[{items}{extra}],"carrier":"post"}}'
        self.rows.add(when, id_, "OrderShipped", data, actor, reason)
        if last:
            self.status[-1] = "SHIPPED"

    def deliver(self, when: int, id_: str) -> None:
        self.rows.add(when, id_, "OrderDelivered", "{}", "post", "handed over at the door")

    def cancel(self, when: int, id_: str, actor: str, reason: str) -> None:
        self.rows.add(when, id_, "OrderCancelled", f'{{"reason":"{reason}"}}', actor, reason)
        self.status[-1] = "CANCELLED"

    def refund(self, when: int, id_: str, name: str, cents: int, reason: str) -> None:
        data = f'{{"amount":{cents},"reason":"{reason}"}}'
        self.rows.add(when, id_, "RefundIssued", data, "support", reason)
        self.refunded += cents
        if name in self.holders:
            self.touches.append((when, "refund", name, cents, id_, -1))

    # The accounts.

    def settle_accounts(self) -> None:
        """Every fourth customer has an account: gifts and refunds go in, whole orders are paid."""
        half = (self.end - self.first) // 2
        parts = self.chance.rng.random(len(self.holders)).tolist()
        for name, part in zip(self.holders, parts, strict=True):
            when = self.first + int(half * part)
            self.touches.append((when, "open", name, 0, "", -1))
            for gift, (days, cents) in enumerate(GIFTS):
                reason = "welcome gift" if gift == 0 else "thank you for coming back"
                self.touches.append((when + days * DAY + MINUTE, "gift", name, cents, reason, -1))
        add, balances = self.credit_rows.add, self.balances
        for when, kind, name, cents, what, row in sorted(self.touches, key=itemgetter(0)):
            id_ = f"account-{name}"
            if when >= self.end:
                break
            if kind == "open":
                add(when, id_, "AccountOpened", f'{{"customer":"{name}"}}', name, WANTED)
                balances[name] = 0
            elif name not in balances:
                continue
            elif kind == "pay":
                if balances[name] >= cents:  # paid with credit after all
                    self.rows.data[row] = f'{{"amount":{cents},"method":"credit"}}'
                    data = f'{{"amount":{cents},"order":"{what}"}}'
                    add(when, id_, "CreditSpent", data, name, "paid the order")
                    balances[name] -= cents
            else:
                reason = what if kind == "gift" else f"refund of {what}"
                data = f'{{"amount":{cents},"reason":"{reason}"}}'
                add(when, id_, "CreditAdded", data, "support", reason)
                balances[name] += cents

    # The results.

    def frame(self) -> pd.DataFrame:
        """All events; those of accounts first, so that credit is spent before an order is paid."""
        credit, rows = self.credit_rows, self.rows
        times = np.array(credit.time + rows.time, dtype="datetime64[ms]")
        return pd.DataFrame(
            {
                "aggregate_type": ["ACCOUNT"] * len(credit.time) + ["ORDER"] * len(rows.time),
                "aggregate_id": credit.stream + rows.stream,
                "event_type": credit.type + rows.type,
                "event_data": credit.data + rows.data,
                "metadata": credit.metadata + rows.metadata,
                "occurred_at": pd.DatetimeIndex(times).tz_localize("UTC"),
            }
        )

    def summary(self) -> Summary:
        """The books, closed."""
        types = Counter(self.rows.type) + Counter(self.credit_rows.type)
        return Summary(
            seed=self.seed,
            orders=len(self.status),
            accounts=len(self.balances),
            events=types.total(),
            start=_iso(self.first),
            end=_iso(self.end),
            by_type=dict(sorted(types.items())),
            by_status={status: self.status.count(status) for status in STATUSES},
            revenue=self.revenue,
            refunded=self.refunded,
            credit=sum(self.balances.values()),
            stories={key: self.story(key, told) for key, told in self.told.items() if told},
        )

    def story(self, key: str, told: list[tuple[str, int]]) -> Story:
        """The facts of one story."""
        spans = {"outage": self.chance.outage, "unpaid": self.chance.bug}
        if key not in spans:  # one order: from its first event to its last
            rows = zip(self.rows.time, self.rows.stream, strict=True)
            when = [time for time, id_ in rows if id_ == told[0][0]]
            spans[key] = when[0], when[-1]
        begins, ends = map(_iso, spans[key])
        orders, cents = zip(*told, strict=True)
        return Story(key, STORIES[key], orders, begins, ends, sum(cents))


def _line(sku: int, pieces: int) -> str:
    return f'{{"sku":"{SKUS[sku]}","quantity":{pieces},"price":{PRICES[sku]}}}'


def _iso(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).isoformat().replace("+00:00", "Z")
