"""All the chance in the simulated shop, and where in time its stories are.

Everything comes from one numpy Generator(PCG64(seed)), and only from its uniform numbers, drawn
as columns with one number an order. The shape of a day is put in by inverting its cumulative
weight, with one draw in each of `orders` equal slices (stratified sampling): so every period gets
its share of orders for any seed, and the stories never miss their orders.

Times are whole milliseconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .catalogue import CATALOGUE
from .stories import STORIES_FROM

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

#: Relative number of orders by hour of the day (UTC) and by day of the week (from Monday).
BY_HOUR = (2, 1, 1, 1, 1, 2, 4, 8, 12, 15, 17, 20, 24, 19, 16, 16, 18, 21, 26, 32, 34, 26, 14, 6)
BY_WEEKDAY = (1.05, 0.95, 0.95, 1.0, 0.9, 0.95, 1.25)


class Draw(NamedTuple):
    """All that chance decides about one order, before it lives. Times in milliseconds."""

    customer: int
    placed: int
    asked: int  # when the customer pays
    paid: int  # when the payment arrives
    ship: int
    method: int  # an index, as are fate, edit and choice
    fate: int
    lines: int
    skus: bytes  # five small numbers: indexes into the catalogue, the last for an edit
    pieces: bytes  # as many pieces of each
    edit: int
    partial: int
    refund: int
    wait: float  # for the delays that matter less
    choice: int


class Chance:
    """Decides about `orders` orders in `days` days from the midnight `first`."""

    def __init__(self, orders: int, customers: int, seed: int, first: int, days: int) -> None:
        """Place the stories; nothing is drawn yet."""
        self.orders, self.customers, self.first, self.days = orders, customers, first, days
        self.rng = np.random.Generator(np.random.PCG64(seed))
        told = orders >= STORIES_FROM
        self.sale = first + days * 3 // 8 * DAY
        self.outage = (self.sale + 8 * HOUR, self.sale + (20 if told else 8) * HOUR)
        bug = first + days * 5 // 8 * DAY
        self.bug = (bug, bug + (max(3, days * 3 // 56) if told else 0) * DAY)
        self.odd = orders * 17 // 32 if told else -1

    def uniform(self) -> npt.NDArray[np.float64]:
        """One number from 0 to 1 for each order."""
        return self.rng.random(self.orders)

    def pick(self, *borders: float) -> npt.NDArray[np.int64]:
        """0 for a draw below the first border, 1 below the second, and so on."""
        return np.searchsorted(np.array(borders), self.uniform(), side="right")

    def placed(self) -> npt.NDArray[np.int64]:
        """The times of all orders, rising: the daily and weekly rhythm, and the day of the sale."""
        hour = np.arange(self.days * 24)
        day = self.first // DAY + hour // 24
        weight = np.array(BY_HOUR)[hour % 24] * np.array(BY_WEEKDAY)[weekday(day)]
        luck = 0.5 + self.rng.random(self.days)
        luck[(self.sale - self.first) // DAY] = max(4.0, self.days / 14)
        weight = weight * luck[hour // 24]
        reached = np.concatenate(([0.0], np.cumsum(weight)))
        wanted = (np.arange(self.orders) + self.uniform()) / self.orders * reached[-1]
        edges = (self.first + np.arange(len(reached)) * HOUR).astype(np.float64)
        return np.interp(wanted, reached, edges).astype(np.int64)

    def draws(self) -> Iterator[Draw]:
        """Decide everything as columns, then hand it out order by order."""
        u, pick = self.uniform, self.pick
        placed = self.placed()
        method = pick(0.62, 0.85)  # card, wallet, transfer
        fate = pick(0.06, 0.09, 0.11, 0.145)  # see live()
        late = (method == 2) | (u() < 0.06)
        down, up = self.outage
        # Most of those who order during the outage want to pay at once.
        keen = (placed >= down) & (placed < up - HOUR) & (np.arange(self.orders) % 4 > 0)
        late[keen], fate[keen] = False, 4
        quick = MINUTE // 2 + 30 * MINUTE * u() * u() * u()
        asked = placed + np.where(late, DAY + 5 * DAY * u(), quick).astype(np.int64)
        held = (asked >= down) & (asked < up)
        paid = np.where(held, up + (asked - down) // 60, asked)
        day = paid // DAY + 1 + pick(0.65)
        day += weekday(day) == 6  # the warehouse is closed on Sundays
        columns: dict[str, Any] = {
            "customer": (self.customers * u() * u()).astype(np.int64),
            "placed": placed,
            "asked": asked,
            "paid": paid,
            "ship": day * DAY + 8 * HOUR + (9 * HOUR * u()).astype(np.int64),
            "method": method,
            "fate": fate,
            "lines": 1 + pick(0.42, 0.74, 0.92),
            "skus": fives([len(CATALOGUE) * u() * u() for _ in range(5)]),
            "pieces": fives([1 + pick(0.78, 0.94) for _ in range(5)]),
            "edit": pick(0.80, 0.92, 0.97),  # none, add, remove, both
            "partial": pick(0.90),
            "refund": pick(0.93, 0.965),  # none, all, one piece
            "wait": u(),
            "choice": pick(0.4, 0.7),
        }
        lists = (c if isinstance(c, list) else c.tolist() for c in columns.values())
        assert tuple(columns) == Draw._fields
        return map(Draw, *lists)


def fives(rows: list[npt.NDArray[Any]]) -> list[bytes]:
    """Five rows of small numbers, as one bytes object an order."""
    packed = np.stack(rows, axis=1).astype(np.uint8).tobytes()
    return [packed[start : start + 5] for start in range(0, len(packed), 5)]


def weekday(day: Any) -> Any:
    """Monday is 0; days count from 1970-01-01, a Thursday."""
    return (day + 3) % 7
