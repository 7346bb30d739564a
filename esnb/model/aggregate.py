"""Aggregates: a state that is nothing but its events, replayed; and snapshots as a shortcut.

An aggregate is one class with plain attributes and one method, `apply(event)`, that says what each
event type does to them. Commands are methods that check the rules and record events.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Protocol, Self, TypeVar

from esnb.clock import Clock, SystemClock, utc
from esnb.errors import (
    AggregateNotFoundError,
    InvalidEventError,
    RejectedError,
    ReplayError,
    StoreFullError,
)
from esnb.events import Event, new_event
from esnb.model.snapshots import check_settings, check_snapshot, start_from
from esnb.model.state import attributes_of
from esnb.store.appended import Appended
from esnb.store.conditions import Conditions
from esnb.store.event_store import EventStore
from esnb.store.loading import Stretch
from esnb.store.reader import Reader


@dataclass(frozen=True, slots=True)
class Origin:
    """How an object came to be: from the snapshot at `snapshot` (None: from nothing), by
    applying the `replayed` events after it."""

    snapshot: int | None = None
    replayed: int = 0
    note: str = ""

    def __str__(self) -> str:
        events = f"{self.replayed} event{'' if self.replayed == 1 else 's'}"
        start = events if self.snapshot is None else f"snapshot at {self.snapshot} + {events}"
        return f"{start} ({self.note})" if self.note else start


@dataclass(slots=True)
class _Book:
    """What the package keeps about an aggregate; no part of its state."""

    aggregate_id: str = ""
    version: int = 0
    pending: tuple[Event, ...] = ()
    origin: Origin = Origin()
    clock: Clock | None = None


class Foldable(Protocol):
    """Any class with a constructor without arguments and this method can be replayed."""

    def apply(self, event: Event) -> Any:
        """Change the state as the event says."""
        ...


F = TypeVar("F", bound=Foldable)


class Aggregate:
    """The base class: derive from it, set plain attributes in `__init__`, and write `apply`.

    `snapshot_every` (events between snapshots; None: no snapshots) and `state_version` (raise it
    whenever the shape of the state changes) belong to the class. All public and private attributes
    of an instance are state; class attributes in capitals are not.
    """

    aggregate_type: ClassVar[str] = ""
    snapshot_every: ClassVar[int | None] = None
    state_version: ClassVar[int] = 1
    _book: _Book

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "aggregate_type" not in cls.__dict__ and not cls.aggregate_type:
            cls.aggregate_type = cls.__name__.upper()
        check_settings(cls)

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Give every instance its book."""
        self = super().__new__(cls)
        # Set here and not in __init__, so that a reader's class needs no super().__init__().
        self._book = _Book()
        return self

    # -- what a subclass writes ------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Change the state as the event says: nothing else is read, and nothing else is changed."""
        raise NotImplementedError(f"{type(self).__name__} needs a method apply(self, event).")

    def refuses(self, event: Event) -> str | None:
        """The state machine: why this event cannot follow now, or None when it can."""
        return None

    def to_state(self) -> dict[str, Any]:
        """The state as JSON types, for a snapshot: by default all attributes."""
        return attributes_of(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The inverse of `to_state`."""
        self = cls()
        for name, value in state.items():
            setattr(self, name, value)
        return self

    @classmethod
    def upcast_state(cls, state: dict[str, Any], state_version: int) -> dict[str, Any] | None:
        """The state of a snapshot of an older `state_version`, in today's shape.

        None, which is the default, when it cannot be known from the old state: then the snapshot is
        discarded and the events are replayed. Whatever a field was not recorded for, replay knows.
        Asked only for a snapshot made with today's upcasting steps; one made with others is
        discarded, since its state may hold what no event says any more.
        """
        return None

    # -- what it offers --------------------------------------------------------------------

    def record(
        self, event_type: str, data: dict[str, Any] | None = None, /, **fields: Any
    ) -> Event:
        """Record that something happened: apply it now, keep it in `pending` until saved.

        Takes the arguments of `new_event`. Raises `RejectedError` when `refuses` gives a reason.
        """
        book = self._book
        event = new_event(event_type, data, **fields)
        if event.occurred_at is None:
            # The id stays open: the store's clock gives it at the append, and a retry keeps it.
            event.settle(None, (book.clock or SystemClock()).now())
        placed = replace(
            event,
            aggregate_type=self.aggregate_type,
            aggregate_id=book.aggregate_id or None,
            sequence_number=book.version + len(book.pending) + 1,
            # A copy: an apply that keeps and changes a list of it must not change what is saved.
            event_data=copy.deepcopy(event.event_data),
        )
        reason = self.refuses(placed)
        if reason is not None:
            raise RejectedError(reason)
        apply_to(self, placed)
        book.pending += (event,)
        return event

    @property
    def aggregate_id(self) -> str:
        """Its id; empty until it is made by a store."""
        return self._book.aggregate_id

    @property
    def version(self) -> int:
        """The sequence number of its last stored event: what `save` expects to find."""
        return self._book.version

    @property
    def pending(self) -> tuple[Event, ...]:
        """The events recorded and not yet saved."""
        return self._book.pending

    @property
    def origin(self) -> Origin:
        """How it came to be: which snapshot, how many events replayed."""
        return self._book.origin

    def __repr__(self) -> str:
        state = ", ".join(f"{k}={v!r}" for k, v in attributes_of(self).items())
        pending = f", pending {len(self.pending)}" if self.pending else ""
        return f"<{type(self).__name__} {self.aggregate_id} v{self.version}{pending}: {state}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(copy.deepcopy(attributes_of(self), memo))
        twin._book = replace(self._book)
        return twin

    # -- how a store uses it ---------------------------------------------------------------

    @classmethod
    def new_in(cls, reader: Reader, aggregate_id: str) -> Self:
        """An empty aggregate that takes its times from the reader's clock."""
        self = _empty(cls)
        self._book = _Book(aggregate_id, clock=reader.clock)
        return self

    @classmethod
    def load_from(
        cls, reader: Reader, aggregate_id: str, at: int | datetime | str | None = None
    ) -> Self:
        """Start at the newest snapshot that may be trusted, and replay what came after it."""
        check_settings(cls)
        upto = at if isinstance(at, int) else None
        until = None if at is None or isinstance(at, int) else utc(at)
        self, start, note = None, 0, ""
        if cls.snapshot_every is not None and until is None:
            found = reader.snapshots_of(aggregate_id).get(aggregate_id, ())
            usable = [s for s in found if upto is None or s.sequence_number <= upto]
            self, start, note = start_from(cls, usable, reader.upcasters)
        stretch = reader.stretch(aggregate_id, after=start, upto=upto, until=until)
        last = start if stretch.last is None else stretch.last
        if stretch.last is None and start == 0 and at != 0:
            raise _not_found(reader, aggregate_id, at)
        if at == 0 and reader.stretch(aggregate_id, upto=1).last is None:
            raise _not_found(reader, aggregate_id, None)
        if upto is not None and last != upto:
            raise _not_found(reader, aggregate_id, at)
        return cls._built(reader, aggregate_id, (self, start, note), stretch)

    @classmethod
    def load_many_from(
        cls, reader: Reader, aggregate_ids: Sequence[str] | None = None
    ) -> dict[str, Self]:
        """What `load_from` gives of many aggregates, or of all of this type, by their ids."""
        check_settings(cls)
        ids = reader.ids_of(cls.aggregate_type) if aggregate_ids is None else aggregate_ids
        found = {} if cls.snapshot_every is None else reader.snapshots_of(*ids)
        begun = {name: start_from(cls, found.get(name, ()), reader.upcasters) for name in ids}
        starts = {name: start for name, (_, start, _) in begun.items()}
        built = {
            name: cls._built(reader, name, begun[name], stretch)
            for name, stretch in reader.stretches(starts)
        }
        for name in ids:
            if name not in built:
                if starts[name] == 0:
                    raise _not_found(reader, name, None)
                built[name] = cls._built(reader, name, begun[name], Stretch([], None, None))
        return {name: built[name] for name in ids}

    @classmethod
    def _built(
        cls,
        reader: Reader,
        aggregate_id: str,
        begun: tuple[Self | None, int, str],
        stretch: Stretch,
    ) -> Self:
        """The aggregate from where a snapshot begins it, and the events after that."""
        self, start, note = begun
        _check_type(cls, aggregate_id, stretch.aggregate_type)
        if self is None:
            self = _empty(cls)
        fold(self, stretch.events)
        self._book = _Book(
            aggregate_id,
            version=start if stretch.last is None else stretch.last,
            origin=Origin(start or None, len(stretch.events), note),
            clock=reader.clock,
        )
        return self

    def save_to(self, store: EventStore, condition: Conditions = None) -> Appended:
        """Append what was recorded at the version it was loaded; then a snapshot if one is due."""
        book = self._book
        if not book.aggregate_id:
            raise InvalidEventError(
                f"This {type(self).__name__} has no id. Make it with "
                f"store.new({type(self).__name__}, 'order-1042')."
            )
        if not book.pending:
            return Appended(book.version, store.position)
        check_settings(type(self))  # again: it may have been set after the class was made
        every, before = self.snapshot_every, book.version
        due = every is not None and (before + len(book.pending)) // every > before // every
        if due:
            check_snapshot(self)
        done = store.append(
            book.aggregate_id,
            book.pending,
            expected_version=before,
            aggregate_type=self.aggregate_type,
            condition=condition,
        )
        book.pending, book.version = (), done.version
        if due:
            # Taken from the store and not from this object: somebody may have changed an attribute
            # outside apply(), and a snapshot would keep that for good. The events are stored, so a
            # disk without room for this shortcut is not a failure of save().
            with suppress(StoreFullError):
                self.take_snapshot(store, book.aggregate_id)
        return done

    @classmethod
    def take_snapshot(cls, store: EventStore, aggregate_id: str) -> int:
        """Write a snapshot of the state as the log has it; returns its sequence number.

        Raises `SnapshotError` when the state would not come back as it was.
        """
        fresh = cls.load_from(store, aggregate_id)
        check_snapshot(fresh)
        store.add_snapshot(
            aggregate_id, cls.aggregate_type, fresh.version, fresh.to_state(), cls.state_version
        )
        return fresh.version

    def stands_at(self, last: Event | None, replayed: int) -> None:
        """Note that this object was made by replaying `replayed` events, up to `last`."""
        self._book = _Book(
            last.aggregate_id or "" if last else "",
            version=last.sequence_number or replayed if last else 0,
            origin=Origin(None, replayed),
        )


def replay(kind: type[F], events: Iterable[Event]) -> F:
    """Fold events into a fresh object: `kind()`, then `apply` for each, in the order given.

    `kind` may be any class with a constructor without arguments and `apply(event)`. A failing
    `apply` raises `ReplayError`, which names the event.
    """
    state = _empty(kind)
    applied = fold(state, events)
    if isinstance(state, Aggregate) and applied:
        state.stands_at(applied[-1], len(applied))
    return state


def fold(state: Foldable, events: Iterable[Event]) -> list[Event]:
    """Apply events to an object one after the other; returns them."""
    applied = list(events)
    for event in applied:
        apply_to(state, event)
    return applied


def apply_to(state: Foldable, event: Event) -> None:
    """Apply one event; a failure becomes a `ReplayError` that names the event."""
    try:
        state.apply(event)
    except Exception as error:
        where = f"event {event.sequence_number}" if event.sequence_number else "an event"
        cause = f"{type(error).__name__}: {error}".rstrip(".")
        raise ReplayError(
            f"{type(state).__name__}.apply failed on {where} of {event.aggregate_id or '(none)'!r}"
            f", {event.event_type} {event.event_data!r:.120}: {cause}. "
            f"The event is a fact and stays; fix apply, or the upcaster of this event type."
        ) from error


def _empty(kind: type[F]) -> F:
    try:
        return kind()
    except AttributeError as error:
        if "no setter" not in str(error):
            raise
        raise ReplayError(
            f"{kind.__name__}() sets an attribute that every Aggregate has already ({error}). "
            f"The names aggregate_id, version, pending and origin are taken: choose another one."
        ) from None
    except TypeError as error:
        raise ReplayError(
            f"{kind.__name__}() must make the empty state without arguments: {error}. "
            f"What an event brings belongs in apply()."
        ) from None


def _check_type(kind: type[Aggregate], aggregate_id: str, found: str | None) -> None:
    if found not in (None, kind.aggregate_type):
        raise InvalidEventError(
            f"{aggregate_id!r} is stored as {found!r}, but {kind.__name__} is "
            f"{kind.aggregate_type!r}. Load it with the class of its type."
        )


def _not_found(
    reader: Reader, aggregate_id: str, at: int | datetime | str | None
) -> AggregateNotFoundError:
    events = reader.events(aggregate_id, upcast=False)
    if not events:
        return AggregateNotFoundError(
            f"There is no aggregate {aggregate_id!r} here. Look at the ids with "
            f"store.sql('select distinct aggregate_id from events').df()."
        )
    first, last = events[0], events[-1]
    if isinstance(at, int):
        return AggregateNotFoundError(
            f"{aggregate_id!r} has {last.sequence_number} event(s), so there is no number {at}."
        )
    return AggregateNotFoundError(
        f"{aggregate_id!r} did not exist at {at}: its first event, {first.event_type}, "
        f"occurred at {first.occurred_at:%Y-%m-%dT%H:%M:%SZ}."
    )
