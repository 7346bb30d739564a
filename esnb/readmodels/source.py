"""What a follower needs of the log it follows, whichever way the events reach it.

A store and a view of its past are sources. So is what `transports.kafka` knows of a log that it
sees through a topic only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from esnb.clock import Clock
from esnb.events import Event
from esnb.store.event_rows import EventRows
from esnb.upcasters import Upcasters


class EventSource(Protocol):
    """A log to follow: `Reader` gives all of this."""

    clock: Clock
    upcasters: Upcasters

    @property
    def path(self) -> Path | None:
        """The file of the log, which no read model may use; None if it has none."""

    @property
    def position(self) -> int:
        """The position of the last event; 0 for an empty log."""

    def as_stored(self, events: Iterable[Event], after: int) -> list[Event]:
        """Events that somebody delivers, in the form in which they are stored and counted."""

    def read_all(
        self, after: int = 0, limit: int | None = None, *, upcast: bool = True
    ) -> Iterator[Event]:
        """The events after a position, in order; `upcast=False` gives them as they were written."""

    def next_batch(self, after: int, size: int) -> tuple[int, int]:
        """How many events follow a position, at most `size`, and the position of the last."""

    def rows(self, after: int, upto: int, columns: Sequence[str] = ()) -> EventRows:
        """The events with `after` < position <= `upto`, as rows that another database can scan."""

    def row_list(
        self, after: int, upto: int, columns: Sequence[str] = ()
    ) -> Sequence[Sequence[Any]]:
        """The same as tuples, in no particular order: faster for a few events."""

    def gathered(
        self, queries: Mapping[str, str], after: int, upto: int
    ) -> Iterator[tuple[str, EventRows]]:
        """The answers of queries over `new_events`, computed where the events are."""

    def as_of(self, when: int) -> EventSource:
        """The log as it stood at a position."""


def id_at(source: EventSource, position: int) -> UUID | None:
    """The id of the event at a position, if it can be read there."""
    event = next(source.read_all(position - 1, 1, upcast=False), None) if position else None
    return event.event_id if event is not None and event.position == position else None
