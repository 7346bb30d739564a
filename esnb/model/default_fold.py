"""A state for streams that nobody has written a class for: the latest value of each data field."""

from __future__ import annotations

import copy
from typing import Any, Final

from esnb.events import Event

#: What a reader has to know about a fold that accepts everything.
NO_RULES: Final = "no rules: what-if cannot refuse"


class LatestValues:
    """The fold of `History(store, "case-1")`, where no class is given.

    `status` is the type of the last event, `events` how many there were, `actor` who did the last
    one (the `actor` of its metadata, or None), and `latest` the latest value of each data field. It
    has no rules, so it accepts any event in any order.
    """

    def __init__(self) -> None:
        self.status: str | None = None
        self.events = 0
        self.actor: Any = None
        self.latest: dict[str, Any] = {}

    def apply(self, event: Event) -> None:
        """Take over what the event says."""
        self.status = event.event_type
        self.events += 1
        self.actor = event.metadata.get("actor")
        self.latest.update(copy.deepcopy(event.event_data))
