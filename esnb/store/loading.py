"""What a log gives to whoever builds an aggregate: a stretch of its events."""

from __future__ import annotations

from dataclasses import dataclass

from esnb.events import Event


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of one stream: its `events` in today's shape, and what is stored: the sequence
    number of the `last` one (None: there is none) and the `aggregate_type`."""

    events: list[Event]
    last: int | None
    aggregate_type: str | None
