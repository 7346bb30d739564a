"""What histories are asked about: a stream of a tally, and a door with rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from esnb import (
    Aggregate,
    EventStore,
    new_event,
)

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)


def stored(store: EventStore, steps: list[tuple[str, int, int]]) -> str:
    name = f"h{store.position}"
    store.append(
        name,
        [new_event(kind, n=n, occurred_at=T0 + timedelta(hours=hour)) for kind, n, hour in steps],
        expected_version=0, aggregate_type="TALLY",
    )  # fmt: skip
    return name


class Door(Aggregate):
    """open, shut, locked: every event is allowed in one state only."""

    aggregate_type = "DOOR"
    ALLOWED = {"Opened": "shut", "Shut": "open", "Locked": "shut", "Unlocked": "locked"}  # noqa: RUF012
    AFTER = {"Opened": "open", "Shut": "shut", "Locked": "locked", "Unlocked": "shut"}  # noqa: RUF012

    def __init__(self):
        self.state = "shut"
        self.moves = 0

    def apply(self, event):
        self.state = self.AFTER[event.type]
        self.moves += 1

    def refuses(self, event):
        needed = self.ALLOWED[event.type]
        return None if self.state == needed else f"the door is {self.state}, not {needed}"
