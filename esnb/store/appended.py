"""What goes into an append, checked, and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from esnb.errors import DuplicateEventError, InvalidEventError
from esnb.events import Event, check_event, check_name
from esnb.store.expected_version import ANY, AnyVersion, ExpectedVersion, check_expected
from esnb.store.hash_chain import Proof


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did: the `version` and the log's `position` of the last event (the position is
    the token with which a reader waits for its own write), the `events` as stored (empty for a
    table), whether it was a `duplicate`, and the `proof` of the log up to there (None for a
    duplicate). `rejected` has the rows of a table that `append_frame(..., on_bad="report")` left
    out, with a column `reason`."""

    version: int
    position: int
    events: tuple[Event, ...] = ()
    duplicate: bool = False
    proof: Proof | None = None
    rejected: pd.DataFrame | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        again = ", stored before" if self.duplicate else ""
        return f"<Appended: version {self.version}, position {self.position}{again}>"


@dataclass(frozen=True, slots=True)
class StreamAppend:
    """The events for one stream, and what their writer believes of it."""

    aggregate_id: str
    batch: list[Event]
    expected_version: ExpectedVersion
    aggregate_type: str | None

    @classmethod
    def checked(
        cls,
        aggregate_id: str,
        events: Iterable[Event],
        expected_version: ExpectedVersion,
        aggregate_type: str | None,
    ) -> StreamAppend:
        """The same, or `InvalidEventError`, or `DuplicateEventError` for an event given twice."""
        check_name("aggregate_id", aggregate_id)
        batch = _batch(events)
        check_expected(expected_version)
        if aggregate_type is not None:
            check_name("aggregate_type", aggregate_type)
        # Of numpy, say: from here on it is a number of Python.
        version = ANY if isinstance(expected_version, AnyVersion) else int(expected_version)
        return cls(aggregate_id, batch, version, aggregate_type)

    @property
    def ids(self) -> list[str]:
        """The event ids that the writer gave, or an earlier attempt."""
        return [str(event.event_id) for event in self.batch if event.event_id is not None]

    def agreed_type(self, known: str | None) -> str:
        """The aggregate type to store; `InvalidEventError` when there is none, or another one."""
        return _agree(self.aggregate_id, self.aggregate_type, known)


def _batch(events: Sequence[Event] | Iterable[Event]) -> list[Event]:
    if isinstance(events, Event | str | Mapping) or not isinstance(events, Iterable):
        raise InvalidEventError(
            f"append() takes a list of events, found {type(events).__name__}. "
            f"Write [new_event(...)], also for one."
        )
    batch = list(events)
    if not batch:
        raise InvalidEventError("append() got no events. Nothing happened, so nothing is stored.")
    for event in batch:
        if not isinstance(event, Event):
            raise InvalidEventError(
                f"append() takes events, found {type(event).__name__} {event!r:.60}. "
                f"Make one with new_event('OrderPlaced', ...)."
            )
        check_event(event)
    ids = [event.event_id for event in batch if event.event_id is not None]
    if len(set(ids)) < len(ids) or len({id(event) for event in batch}) < len(batch):
        raise DuplicateEventError(
            "The same event appears twice in one append. Make a new event for each fact."
        )
    return batch


def _agree(aggregate_id: str, given: str | None, known: str | None) -> str:
    if known is None and given is None:
        raise InvalidEventError(
            f"{aggregate_id!r} is new, so the store must be told what it is: "
            f"append(..., aggregate_type='ORDER')."
        )
    if known is not None and given is not None and known != given:
        raise InvalidEventError(
            f"{aggregate_id!r} is stored as {known!r}, not {given!r}. An aggregate keeps its type."
        )
    return known or given or ""
