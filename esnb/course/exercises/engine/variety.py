"""What must vary in the cases of an exercise, so that a wrong answer cannot look right.

Each name here makes a question to all that an answer was tried with. An exercise declares those
that its lesson is about, and a test asks them. Most wrong answers that a checker once let through
were right on cases that were too much alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from esnb.events import Event

Varies = Callable[[Sequence[Any]], bool]

ORDER_TYPES = (
    "OrderPlaced",
    "ItemAdded",
    "ItemRemoved",
    "PaymentReceived",
    "OrderShipped",
    "OrderDelivered",
    "OrderCancelled",
    "RefundIssued",
)
ACCOUNT_TYPES = ("AccountOpened", "CreditAdded", "CreditSpent")


def events_in(tried: Any) -> Iterator[Event]:
    """Every event in what was tried, however deeply nested."""
    if isinstance(tried, Event):
        yield tried
    elif isinstance(tried, dict):
        for item in tried.values():
            yield from events_in(item)
    elif isinstance(tried, list | tuple):
        for item in tried:
            yield from events_in(item)
    elif hasattr(tried, "events") and isinstance(tried.events, list | tuple):
        yield from events_in(tried.events)


def types(*wanted: str) -> Varies:
    """Events of each of these types."""
    return lambda seen: {event.event_type for event in events_in(seen)} >= set(wanted)


def several(what: Callable[[Any], Any], count: int = 2) -> Varies:
    """At least so many values of this, over the things that were tried."""
    return lambda seen: len({repr(what(item)) for item in seen}) >= count


def some(what: Callable[[Any], Any]) -> Varies:
    """At least one thing of this kind, and at least one that is not."""
    return lambda seen: {bool(what(item)) for item in seen} == {True, False}


def lengths(count: int = 3) -> Varies:
    """Cases of so many lengths."""
    return several(len, count)


def customers(count: int = 2) -> Varies:
    """Events with so many customers, or buyers."""

    def varies(seen: Sequence[Any]) -> bool:
        named = [
            event.event_data.get("customer", event.event_data.get("buyer"))
            for event in events_in(seen)
        ]
        return len({name for name in named if name}) >= count

    return varies


def streams(seen: Sequence[Any]) -> bool:
    """A case with events of several streams."""
    return any(len({e.aggregate_id for e in events_in(case)}) > 1 for case in seen)


def positions_unlike_numbers(seen: Sequence[Any]) -> bool:
    """Positions that are not the sequence numbers."""
    return any(e.position != e.sequence_number for e in events_in(seen))


def recorded_unlike_occurred(seen: Sequence[Any]) -> bool:
    """Events recorded later than they occurred, and in another order than that."""
    late = any(e.recorded_at != e.occurred_at for e in events_in(seen))
    return late and any(
        _time(one) > _time(two)
        and one.recorded_at
        and two.recorded_at
        and one.recorded_at <= two.recorded_at
        for case in seen
        for one, two in pairwise(events_in(case))
    )


def equal_times(seen: Sequence[Any]) -> bool:
    """Two events of one case that were recorded at the same time."""
    return any(
        one.recorded_at == two.recorded_at is not None
        for case in seen
        for one, two in pairwise(events_in(case))
    )


def gaps_over_a_day(seen: Sequence[Any]) -> bool:
    """More than a day between two events of one case."""
    return any(
        abs(_time(two) - _time(one)) > timedelta(days=1)
        for case in seen
        for one, two in pairwise(events_in(case))
        if one.occurred_at and two.occurred_at
    )


def amounts_off_the_hundred(seen: Sequence[Any]) -> bool:
    """Amounts of money that are not a multiple of a hundred."""
    amounts = [e.event_data.get("amount", e.event_data.get("price")) for e in events_in(seen)]
    return any(isinstance(amount, int) and amount % 100 for amount in amounts)


def _time(event: Event) -> Any:
    assert event.occurred_at is not None
    return event.occurred_at
