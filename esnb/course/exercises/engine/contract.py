"""What any event store promises, as code: for a reader's own store, and for that of `esnb`.

Each promise is a function of a store, which raises AssertionError when the promise is broken. They
use streams of their own, so that one store can be asked for all. A store here has

    append(aggregate_id, events, *, expected_version, aggregate_type=None) -> version
    events(aggregate_id) -> list of events, with sequence_number and position
    read_all(after=0) -> the events of all streams after a position
    close()
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import UUID

from esnb.errors import ConcurrencyError, DuplicateEventError
from esnb.events import Event, new_event

Make = Callable[..., Any]


def facts(*types: str, start: int = 1) -> list[Event]:
    """New events of these types; their ids are given, so that a repeat carries the same ones."""
    return [
        new_event(kind, amount=100 * n, event_id=UUID(int=start * 1_000 + n, version=4))
        for n, kind in enumerate(types, start=1)
    ]


def version_of(answer: Any) -> Any:
    """The version that an append reports, as a number or as `Appended`."""
    return getattr(answer, "version", answer)


def put(store: Any, stream: str, events: Sequence[Any], expected: int) -> Any:
    """Append to a stream of the contract."""
    return store.append(stream, events, expected_version=expected, aggregate_type="CONTRACT")


def told(store: Any, stream: str) -> list[tuple[Any, ...]]:
    """Number, type and data of the events of a stream."""
    return [(e.sequence_number, e.event_type, e.event_data) for e in store.events(stream)]


class Differs(AssertionError):
    """Two lists that should be the same."""

    def __init__(self, got: list[Any], wanted: list[Any]) -> None:
        super().__init__(f"came back: {got}\nwanted:    {wanted}")
        self.got, self.wanted = got, wanted


def same_lists(got: Any, wanted: Any) -> None:
    """Fail with both lists, unless they are the same."""
    if got != wanted:
        raise Differs(list(got), list(wanted))


def keeps_order(store: Any) -> None:
    """Events come back as they were stored, in their order; an unknown stream has none."""
    put(store, "order-1", facts("OrderPlaced", "PaymentReceived", "OrderShipped"), 0)
    same_lists(
        [row[1:] for row in told(store, "order-1")],
        [
            ("OrderPlaced", {"amount": 100}),
            ("PaymentReceived", {"amount": 200}),
            ("OrderShipped", {"amount": 300}),
        ],
    )
    same_lists(told(store, "order-nobody"), [])


def numbers_events(store: Any) -> None:
    """Each stream counts 1, 2, 3, also over several appends; append says the new version."""
    first = put(store, "order-2", facts("OrderPlaced", start=2), 0)
    second = put(store, "order-2", facts("ItemAdded", "ItemAdded", start=3), 1)
    same_lists([row[0] for row in told(store, "order-2")], [1, 2, 3])
    same_lists([version_of(first), version_of(second)], [1, 3])


def keeps_streams_apart(store: Any) -> None:
    """What is written to one stream is in no other one."""
    put(store, "order-3", facts("OrderPlaced", start=4), 0)
    put(store, "account-3", facts("AccountOpened", "CreditAdded", start=5), 0)
    put(store, "order-3", facts("OrderCancelled", start=6), 1)
    same_lists(
        [row[:2] for row in told(store, "order-3")], [(1, "OrderPlaced"), (2, "OrderCancelled")]
    )
    same_lists(
        [row[:2] for row in told(store, "account-3")], [(1, "AccountOpened"), (2, "CreditAdded")]
    )


def has_bookmarks(store: Any) -> None:
    """Positions count through the whole log, and a reader goes on from where it was."""
    before = [event.position for event in store.read_all()]
    same_lists(before, list(range(1, len(before) + 1)))
    put(store, "order-4", facts("OrderPlaced", start=7), 0)
    put(store, "order-5", facts("OrderPlaced", "OrderCancelled", start=8), 0)
    new = [(e.position, e.event_type) for e in store.read_all(after=len(before))]
    kinds = ("OrderPlaced", "OrderPlaced", "OrderCancelled")
    same_lists(new, list(enumerate(kinds, start=len(before) + 1)))


def _refuses(store: Any, stream: str, expected: int) -> None:
    before = told(store, stream)
    try:
        put(store, stream, facts("OrderShipped", start=expected + 50), expected)
    except ConcurrencyError:
        same_lists(told(store, stream), before)
        return
    raise AssertionError(
        f"version {len(before)} is there, version {expected} was stated: no ConcurrencyError came"
    )


def refuses_the_late(store: Any) -> None:
    """A writer who states an old version is refused."""
    put(store, "order-6", facts("OrderPlaced", "PaymentReceived", start=9), 0)
    _refuses(store, "order-6", 1)
    _refuses(store, "order-6", 0)


def refuses_the_early(store: Any) -> None:
    """A writer who states a version that never was is refused as well."""
    put(store, "order-7", facts("OrderPlaced", start=10), 0)
    _refuses(store, "order-7", 2)


def all_or_nothing(store: Any) -> None:
    """When one event of an append cannot be stored, none is."""
    put(store, "order-8", facts("OrderPlaced", start=11), 0)
    before = told(store, "order-8")
    try:
        put(store, "order-8", [*facts("ItemAdded", start=12), "no event"], 1)
    except Exception:
        same_lists(told(store, "order-8"), before)
        put(store, "order-8", facts("OrderCancelled", start=13), 1)
        return
    raise AssertionError("an append that contains something other than an event was accepted")


def knows_a_repeat(store: Any) -> None:
    """The same append once more changes nothing, and answers as it did the first time."""
    same_three = facts("OrderPlaced", "ItemAdded", "PaymentReceived", start=14)
    first = version_of(put(store, "order-9", same_three, 0))
    put(store, "order-9", facts("OrderShipped", start=15), 3)
    before = told(store, "order-9")
    try:
        again = version_of(put(store, "order-9", same_three, 0))
    except ConcurrencyError as error:
        raise AssertionError(f"the repeat was refused: {type(error).__name__}") from None
    same_lists(told(store, "order-9"), before)
    same_lists([again], [first])


def refuses_a_stolen_id(store: Any) -> None:
    """An id that is stored with other content is refused: it would be another fact."""
    sales = facts("PieceSold", "PieceSold", start=16)
    put(store, "stock-1", sales, 0)
    thief = new_event("PieceSold", amount=1, event_id=sales[1].event_id)
    before = told(store, "stock-1")
    for batch in ([thief], [sales[0], thief]):
        try:
            put(store, "stock-1", batch, 2)
        except DuplicateEventError:
            same_lists(told(store, "stock-1"), before)
            continue
        raise AssertionError("the same id with other content, and no DuplicateEventError came")


def keeps_what_was_said(store: Any) -> None:
    """A change of an event that was stored, or that was read, does not reach the log."""
    events = facts("CreditAdded", start=17)
    put(store, "account-9", events, 0)
    events[0].event_data["amount"] = 10**6
    same_lists(told(store, "account-9"), [(1, "CreditAdded", {"amount": 100})])
    for event in store.events("account-9"):
        event.event_data["amount"] = 10**6
    same_lists(told(store, "account-9"), [(1, "CreditAdded", {"amount": 100})])


#: The promises of a store in memory, in the order in which one builds them.
PROMISES: dict[str, Callable[[Any], None]] = {
    "keeps-order": keeps_order,
    "numbers-events": numbers_events,
    "keeps-streams-apart": keeps_streams_apart,
    "has-bookmarks": has_bookmarks,
    "refuses-the-late": refuses_the_late,
    "refuses-the-early": refuses_the_early,
    "all-or-nothing": all_or_nothing,
    "knows-a-repeat": knows_a_repeat,
    "refuses-a-stolen-id": refuses_a_stolen_id,
    "keeps-what-was-said": keeps_what_was_said,
}


def survives(make: Make, path: Path) -> None:
    """What was stored in a file is there when the file is opened again, and goes on from there."""
    store = make(path)
    put(store, "order-1", facts("OrderPlaced", "PaymentReceived"), 0)
    put(store, "account-1", facts("AccountOpened", start=2), 0)
    before = [deepcopy(told(store, name)) for name in ("order-1", "account-1")]
    store.close()
    store = make(path)
    try:
        same_lists([told(store, name) for name in ("order-1", "account-1")], before)
        put(store, "order-1", facts("OrderShipped", start=3), 2)
        same_lists([event.position for event in store.read_all()], [1, 2, 3, 4])
        same_lists([row[0] for row in told(store, "order-1")], [1, 2, 3])
    finally:
        store.close()
