"""What is hidden in a simulated log, and the books that the simulator keeps beside it."""

from __future__ import annotations

from dataclasses import dataclass

STORIES_FROM = 300  # orders; a smaller log has none of the stories

#: What is hidden in every simulated log of 300 orders or more, for any seed. The facts (order
#: ids, times, amounts) of one log are in `Summary.stories` under the same keys.
STORIES = {
    "vouchers": (
        "One customer's basket moves across 50.00 twelve times, by a sticker added and removed. "
        "Each time the promotions service adds a voucher of -15.00 as an item, and none is taken "
        "away. The total falls below zero at event 12; the shop pays the customer and ships."
    ),
    "outage": (
        "On the day of a sale the payment provider is down from 08:00 to 20:00 UTC. No payment "
        "arrives; all that were held arrive in the 12 minutes after it, in the same order."
    ),
    "unpaid": (
        "Release 4.2 of the shipping job runs for some days and takes every second order when it "
        "is placed, not when it is paid. Half of these orders are paid later, half never."
    ),
}


@dataclass(frozen=True)
class Story:
    """The facts of one hidden story: its orders, its time (ISO, UTC) and the money in it."""

    key: str
    what: str
    orders: tuple[str, ...]
    begins: str
    ends: str
    cents: int  # vouchers: the order's total; outage: payments held; unpaid: never paid

    def __repr__(self) -> str:  # short, and it gives nothing away
        return f"<Story {self.key!r}>"


@dataclass(frozen=True)
class Summary:
    """The simulator's own books, kept while it writes; no aggregate and no projection is used."""

    seed: int
    orders: int
    accounts: int
    events: int
    start: str
    end: str
    by_type: dict[str, int]
    by_status: dict[str, int]
    revenue: int  # cents received, before refunds
    refunded: int  # cents
    credit: int  # cents on all accounts at the end
    stories: dict[str, Story]

    def __repr__(self) -> str:
        return (
            f"<Summary: {self.orders} orders, {self.accounts} accounts, {self.events} events, "
            f"{self.start[:10]} to {self.end[:10]}>"
        )
