"""Commands: requests that may be refused, and the one way to handle them.

A command is a small immutable record that says what somebody wants. Handling it is four steps:
load, check the rules, record, save. When another writer was faster, the four steps are taken again
from the first: a decision is made on what is there now, or not at all. The rules are in the
methods of an aggregate, or in a `Decider`, which is two pure functions. Sources: Jérémie Chassaing,
*Functional Event Sourcing Decider* (2021); full jitter: Marc Brooker, *Exponential Backoff And
Jitter* (2015).
"""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from esnb.errors import (
    ConcurrencyError,
    InvalidCommandError,
)
from esnb.events import Event
from esnb.model.aggregate import Aggregate
from esnb.store.appended import Appended
from esnb.store.conditions import Conditions
from esnb.store.event_store import EventStore

S = TypeVar("S")

LONGEST_PAUSE = 1.0


class Command:
    """The base of commands: derive a frozen dataclass from it.

    `handled_by` is the aggregate class that it is for, `aggregate_id` a field or property that
    names the one, and `run` calls the method that checks the rules and records. Refuse what is
    malformed in `__post_init__`, with an `InvalidCommandError`.
    """

    __slots__ = ()
    handled_by: ClassVar[type[Aggregate]]

    def run(self, aggregate: Any) -> None:
        """Ask the aggregate: it checks its rules and records, or raises `RejectedError`."""
        raise NotImplementedError(f"{type(self).__name__} needs a method run(self, aggregate).")

    def check(self, store: EventStore) -> Conditions:
        """Check what spans aggregates; return what must still hold at the append.

        Asked again at each attempt. Raises `RejectedError` when the rule says no.
        """
        return None


@dataclass(frozen=True, slots=True)
class Decider(Generic[S]):
    """The rules of one kind of aggregate as two pure functions and a first state.

    `decide(command, state)` returns the new events, or raises `RejectedError`; `evolve(state,
    event)` returns the state after the event and changes nothing. `aggregate_type` is what the
    store calls the stream ("ORDER"); `handle` needs it, a test does not.
    """

    initial: S
    decide: Callable[[Any, S], Iterable[Event]]
    evolve: Callable[[S, Event], S]
    aggregate_type: str = ""

    def state(self, events: Iterable[Event]) -> S:
        """Fold events into a state, beginning with `initial`."""
        state = self.initial
        for event in events:
            state = self.evolve(state, event)
        return state

    def decides(self, command: object, state: S) -> list[Event]:
        """What `decide` answers, as a list; anything but events is an `InvalidCommandError`."""
        answer = self.decide(command, state)
        events = list(answer) if isinstance(answer, Iterable) else [answer]
        if not isinstance(answer, Iterable) or not all(isinstance(e, Event) for e in events):
            raise InvalidCommandError(
                f"decide() returns a list of events, [] when nothing has to happen. For "
                f"{command!r:.100} it returned {answer!r:.60}."
            )
        return events


@dataclass(frozen=True, slots=True)
class Handled:
    """What handling a command did.

    `position` is the token with which a reader waits for this write; `version` is the aggregate's,
    `events` are those stored (none when nothing had to happen), `attempts` counts the decisions.
    A `duplicate` was handled before under the same command_id: the rest is its first result.
    """

    version: int
    position: int
    events: tuple[Event, ...]
    attempts: int
    duplicate: bool = False


def handle(
    store: EventStore,
    command: Any,
    decider: Decider[Any] | None = None,
    *,
    retries: int = 3,
    wait: float = 0.01,
    rng: random.Random | None = None,
    sleep: Callable[[float], object] = time.sleep,
    actor: str | None = None,
    reason: str | None = None,
    command_id: object = None,
) -> Handled:
    """Handle a command: load, check the rules, record, save; `RejectedError` when a rule says no.

    When another writer was faster, load and decide again, `retries` times at most; 0 fails fast.
    Before a retry it sleeps a random time, up to `wait` seconds, doubled for each further one;
    `rng` and `sleep` are there for tests. When the last attempt fails too, its `ConcurrencyError`
    is raised. `actor` and `reason` go to the metadata of the events: who, and why. With a
    `command_id`, a command that was handled before is not handled twice: its first result returns.
    The rules are those of the command's aggregate, or of the `decider`.
    """
    _check_handler(command, decider)
    if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
        raise InvalidCommandError(f"retries is a number from 0 upwards, found {retries!r}.")
    if not isinstance(wait, int | float) or not 0 <= wait < math.inf:
        raise InvalidCommandError(f"wait is a number of seconds, found {wait!r}.")
    extra = _metadata(command, actor, reason, command_id)
    pause = wait
    for attempt in range(1, retries + 2):
        if command_id is not None:
            earlier = _handled_before(store, command, extra)
            if earlier is not None:
                return earlier
        try:
            done = _attempt(store, command, decider, extra)
        except ConcurrencyError as error:
            if attempt > retries:
                error.add_note(f"Gave up after {attempt} attempt(s) at {command!r:.200}")
                raise
            sleep((rng or random).uniform(0, pause))
            pause = min(2 * pause, LONGEST_PAUSE)
        else:
            return Handled(done.version, done.position, done.events, attempt)
    raise AssertionError("unreachable")


def _attempt(
    store: EventStore, command: Any, decider: Decider[Any] | None, extra: dict[str, str]
) -> Appended:
    """One decision: everything is read again, because everything may have changed."""
    condition = command.check(store) if hasattr(command, "check") else None
    if decider is None:
        aggregate = _load_or_new(store, command)
        command.run(aggregate)
        _add_metadata(aggregate.pending, extra)
        return store.save(aggregate, condition=condition)
    past = store.events(command.aggregate_id)
    version = past[-1].sequence_number or 0 if past else 0
    events = decider.decides(command, decider.state(past))
    if not events:
        return Appended(version, store.position)
    _add_metadata(events, extra)
    return store.append(
        command.aggregate_id,
        events,
        expected_version=version,
        aggregate_type=decider.aggregate_type,
        condition=condition,
    )


def _load_or_new(store: EventStore, command: Any) -> Aggregate:
    # What may happen to a thing that does not exist yet is a rule too, and the aggregate knows it.
    make = store.load if store.version(command.aggregate_id) else store.new
    return make(command.handled_by, command.aggregate_id)


def _add_metadata(events: Sequence[Event], extra: dict[str, str]) -> None:
    for event in events:  # fresh from record() or decide(): nobody else holds them yet
        event.metadata.update(extra)


def _handled_before(store: EventStore, command: Any, extra: dict[str, str]) -> Handled | None:
    wanted = extra["command_id"]
    events = [
        event
        for event in store.events(command.aggregate_id)
        if event.metadata.get("command_id") == wanted
    ]
    if not events:
        return None
    if events[0].metadata.get("command_digest") != extra["command_digest"]:
        raise InvalidCommandError(
            f"The command_id {wanted!r} was used for another command on {command.aggregate_id!r} "
            f"(event {events[0].sequence_number}, {events[0].event_type}). An id names one request "
            f"forever: repeat it unchanged, or take a new id."
        )
    last = events[-1]
    return Handled(last.sequence_number or 0, last.position or 0, tuple(events), 0, True)


def _metadata(
    command: object, actor: str | None, reason: str | None, command_id: object
) -> dict[str, str]:
    given = {"actor": actor, "reason": reason}
    if command_id is not None:
        given["command_id"] = str(command_id)
        # Enough to tell two commands apart, and not a second copy of what they say.
        given["command_digest"] = hashlib.sha256(repr(command).encode()).hexdigest()[:16]
    for name, value in given.items():
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise InvalidCommandError(f"{name} is a text that is not empty, found {value!r}.")
    return {name: value for name, value in given.items() if value is not None}


def _check_handler(command: object, decider: object) -> None:
    if decider is not None:
        if not isinstance(decider, Decider):
            raise InvalidCommandError(
                f"decider is a Decider(initial, decide, evolve), found {decider!r:.60}."
            )
        if not decider.aggregate_type:
            raise InvalidCommandError(
                "The store must be told what the decider's streams are: "
                "Decider(initial, decide, evolve, 'ORDER')."
            )
    elif not isinstance(command, Command) or not hasattr(command, "handled_by"):
        raise InvalidCommandError(
            f"handle() takes a command such as PayOrder('order-1042'), found {command!r:.80}. "
            f"Derive yours from esnb.Command and set handled_by, or pass a decider."
        )
    if isinstance(command, type) or not isinstance(getattr(command, "aggregate_id", None), str):
        raise InvalidCommandError(
            f"A command names its aggregate in aggregate_id, a text; {command!r:.80} does not."
        )
