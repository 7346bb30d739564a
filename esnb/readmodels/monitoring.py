"""Watching a read model: is it in time, and do two definitions of it say the same?

`LagAlert` says when a read model stays too far behind. `compare` finds the event at which two
definitions of one read model part: SQL and Python, or the version in use and the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from esnb.errors import InvalidEventError
from esnb.events import Event
from esnb.readmodels.projection import Lag, Projection
from esnb.readmodels.projector import Projector
from esnb.store.reader import Reader
from esnb.store.readonly_sql import quoted


@dataclass(frozen=True)
class Difference:
    """The first event found at which two projections part: `event`, the differing `rows`, and the
    number of `probes`. Before it they agree."""

    event: Event
    rows: pd.DataFrame
    probes: int

    def __str__(self) -> str:
        e = self.event
        return (
            f"They agree up to position {(e.position or 1) - 1} and part at {e.position}: "
            f"{e.event_type} of {e.aggregate_id!r} ({self.probes} probes)."
        )


def compare(
    store: Reader,
    first: type[Projection],
    second: type[Projection],
    columns: Sequence[str] | None = None,
) -> Difference | None:
    """Build two definitions of one read model, and find the event at which they part; None: never.

    Compared are the first tables, on `columns` (those both have, if none are named). Positions are
    bisected: about log2(n) probes. Two definitions that part and agree again later are seen only
    at the positions that are probed.
    """
    names = [_built(store, kind, 0).df().columns.tolist() for kind in (first, second)]
    shared = [name for name in columns or names[0] if name in names[0] and name in names[1]]
    if not shared or (columns and shared != list(columns)):
        raise InvalidEventError(
            f"{first.__name__} and {second.__name__} are compared on columns that both have. "
            f"Found {names[0]} and {names[1]}."
        )
    chosen = ", ".join(map(quoted, shared))

    def rows(kind: type[Projection], position: int) -> Counter[str]:
        projector = _built(store, kind, position)
        table = quoted(next(iter(kind.tables)))
        found = projector.sql(f"select {chosen} from {table} order by all").fetchall()
        # Values of any kind, lists too, are compared by how they are written.
        values.update({repr(row): row for row in found})
        return Counter(map(repr, found))

    values: dict[str, tuple[Any, ...]] = {}
    low, high, probes = 0, store.position, 1
    if rows(first, high) == rows(second, high):
        return None
    while high - low > 1:
        middle, probes = (low + high) // 2, probes + 1
        if rows(first, middle) == rows(second, middle):
            low = middle
        else:
            high = middle
    one, two = rows(first, high), rows(second, high)
    differing = [(first.__name__, *values[row]) for row in (one - two).elements()]
    differing += [(second.__name__, *values[row]) for row in (two - one).elements()]
    frame = pd.DataFrame(differing, columns=["definition", *shared])
    return Difference(next(store.read_all(high - 1, 1)), frame, probes)


def _built(store: Reader, kind: type[Projection], position: int) -> Projector:
    projector = Projector(store.as_of(position), kind)
    projector.catch_up()
    return projector


class LagAlert:
    """Says when a read model stays too far behind: call `check` every now and then.

    The lag is read off the log: the oldest event that is not in the read model, and how long it has
    been waiting. So a projector that is dead, or was never started, has a lag like any other.
    `threshold` is in seconds; the alert is raised once the lag has been over it for `patience`
    seconds, all the time, and once only until it was under it again. `notify` gets the text.
    """

    def __init__(
        self,
        projector: Projector,
        threshold: float = 5.0,
        patience: float = 0.0,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        self.projector = projector
        self.threshold = threshold
        self.patience = patience
        self.notify = notify
        self.raised = False
        self.lag = Lag(0, 0.0)
        self._over_since: datetime | None = None
        self._seen = projector.position

    def check(self) -> bool:
        """Measure the lag; True while the alert is raised."""
        name, now = self.projector.projection.__name__, self.projector.store.clock.now()
        before, self._seen = self._seen, self.projector.position
        self.lag = self.projector.lag()
        if self.lag.seconds <= self.threshold:
            if self.raised:
                self._tell(f"{name} is back: {self.lag}.")
            self._over_since, self.raised = None, False
            return False
        self._over_since = self._over_since or now
        if not self.raised and (now - self._over_since).total_seconds() >= self.patience:
            moves = "moves, too slowly" if self._seen > before else "does not move"
            self.raised = True
            self._tell(
                f"{name} is {self.lag} (threshold {self.threshold:g} s). It stands at position "
                f"{self._seen} and {moves}."
            )
        return self.raised

    def _tell(self, text: str) -> None:
        if self.notify is not None:
            self.notify(text)
