"""The history of one aggregate: every state it was in, and what separates them.

`History` folds the stream once and keeps a copy of the state every 64 events, so any state is at
most 63 applications away. It folds a second time to find an `apply` that cannot be trusted.
"""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import accumulate
from typing import Any, Generic, Literal, Self, TypeVar, get_args, overload
from uuid import UUID

import orjson
import pandas as pd

from esnb.clock import utc
from esnb.errors import AggregateNotFoundError, ImpureApplyError, InvalidEventError, ReplayError
from esnb.events import Event
from esnb.model.aggregate import Aggregate, Foldable, apply_to, fold, replay
from esnb.model.default_fold import NO_RULES, LatestValues
from esnb.model.state import Diff, attributes_of, diff_states, no_such_field, state_of, under
from esnb.store.reader import Reader

_KEEP_EVERY = 64
_SHOWN = 6
_COMPARE_WHOLE = 256
_SCALARS = (str, bytes, int, float, date, Decimal, UUID, type(None))

F = TypeVar("F", bound=Foldable)
Policy = Literal["skip", "stop", "force"]


@dataclass(frozen=True, slots=True)
class Found:
    """What `History.first` found: the sequence `number`, its `event`, and the `probes` it made,
    each a pair (number, answer)."""

    number: int
    event: Event | None
    probes: tuple[tuple[int, bool], ...]


@dataclass(frozen=True, slots=True)
class WhatIf(Generic[F]):
    """A thought experiment; nothing is stored.

    `state` is how it would have ended, `fact` how it did end, `refused` holds the later events that
    the state machine would not have allowed, each with the reason; `number` is the last applied.
    """

    state: F
    fact: F
    muted: tuple[int, ...]
    refused: tuple[tuple[Event, str], ...]
    number: int

    @property
    def diff(self) -> Diff:
        """From the fact to the thought experiment."""
        return diff_states(state_of(self.fact), state_of(self.state))

    def __str__(self) -> str:
        lines = [f"Without {', '.join(map(str, self.muted))} (nothing is stored):", str(self.diff)]
        shown = self.refused[:_SHOWN]
        lines += [f"refused: {e.sequence_number} {e.event_type}: {why}" for e, why in shown]
        if len(self.refused) > len(shown):
            lines.append(f"... and {len(self.refused) - len(shown)} more, in .refused")
        lines += [NO_RULES] if isinstance(self.state, LatestValues) else []
        return "\n".join(lines)

    __repr__ = __str__


class History(Generic[F]):
    """Every state of one aggregate: `History(store, Order, "order-1042")`.

    Without a class, `History(store, "case-1")`, the state is that of `LatestValues`.
    Numbers count the stored events; 0 is the state before anything happened. `events` are those
    that were applied, in today's shape: where an upcaster splits or drops a stored event, `step`
    says what became of a number. Making one raises
    `AggregateNotFoundError` for an unknown aggregate, `ReplayError` for an `apply` that fails, and
    `ImpureApplyError`, naming the field, for one that is not a pure function of the events.
    """

    @overload
    def __init__(
        self: History[LatestValues], store: Reader, kind: str, *, check: bool = True
    ) -> None: ...
    @overload
    def __init__(
        self, store: Reader, kind: type[F], aggregate_id: str, *, check: bool = True
    ) -> None: ...
    def __init__(
        self, store: Reader, kind: Any, aggregate_id: Any = None, *, check: bool = True
    ) -> None:
        if aggregate_id is None:
            kind, aggregate_id = LatestValues, kind
        steps = store.steps(aggregate_id)
        if not steps:
            raise AggregateNotFoundError(f"There is no aggregate {aggregate_id!r} in {store!r}.")
        self._begin(steps, kind, check)

    @classmethod
    def of(cls, events: Iterable[Event], kind: type[F], *, check: bool = True) -> Self:
        """The history of events at hand, without a store; the parts of a split event are one
        number."""
        self = cls.__new__(cls)
        steps: list[tuple[Event, list[Event]]] = []
        for event in events:
            if steps and _same_place(steps[-1][0], event):
                steps[-1][1].append(event)
            else:
                steps.append((event, [event]))
        self._begin(steps, kind, check)
        return self

    def _begin(self, steps: list[tuple[Event, list[Event]]], kind: type[F], check: bool) -> None:
        self._stored = [stored for stored, _ in steps]
        self.made = [made for _, made in steps]
        self._applied = list(accumulate(map(len, self.made), initial=0))
        self.events = [event for made in self.made for event in made]
        self.kind = kind
        self._kept: list[F] = []
        traces: list[dict[str, Any]] = []
        before = [orjson.dumps(e.event_data) for e in self.events] if check else []
        empty = state_of(replay(kind, ()))
        state = replay(kind, ())
        for number, made in enumerate(self.made):
            if number % _KEEP_EVERY == 0:
                self._kept.append(copy.deepcopy(state))
            fold(state, made)
            if check:
                traces.append(_trace(number + 1, state))
        if check:
            self._check_pure(before, empty, traces, state)

    def step(self, number: int) -> list[Event]:
        """The events applied at a number: mostly one, several or none where an upcaster made so
        many of what is stored."""
        if number == 0:
            return []
        return list(self.made[self._number(number) - 1])

    # -- states ----------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.made)

    def __repr__(self) -> str:
        name = self._stored[0].aggregate_id or "loose events" if self._stored else "empty"
        return f"<History of {name}: {len(self)} events, states 0 to {len(self)}>"

    def at(self, when: int | datetime | str) -> F:
        """The state after event number `when`, or of all that occurred by a time (inclusive)."""
        if isinstance(when, int):
            return self._at(self._number(when))
        number = self.number_at(when)
        if number is not None:
            return self._at(number)
        limit = utc(when)
        return replay(
            self.kind, [e for e in self.events if e.occurred_at and e.occurred_at <= limit]
        )

    def number_at(self, when: datetime | str) -> int | None:
        """How many events had occurred by a time; None when these are not a prefix of the stream,
        because clocks disagreed."""
        limit = utc(when)
        inside = [e.occurred_at is not None and e.occurred_at <= limit for e in self._stored]
        number = sum(inside)
        return number if all(inside[:number]) else None

    def state(self, when: int | datetime | str) -> dict[str, Any]:
        """Like `at`, as a plain dict of the state's attributes."""
        return state_of(self.at(when))

    def states(self) -> Iterator[dict[str, Any]]:
        """All states in order, from 0 to the last, folded once."""
        state = replay(self.kind, ())
        yield state_of(state)
        for made in self.made:
            fold(state, made)
            yield state_of(state)

    def _at(self, number: int) -> F:
        base = min(number // _KEEP_EVERY, len(self._kept) - 1) if self._kept else 0
        state = copy.deepcopy(self._kept[base]) if self._kept else replay(self.kind, ())
        made = [event for step in self.made[base * _KEEP_EVERY : number] for event in step]
        fold(state, made)
        if isinstance(state, Aggregate):
            last = self._stored[number - 1] if number else None
            state.stands_at(last, self._applied[number])
        return state

    def _number(self, number: int) -> int:
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= len(self):
            raise InvalidEventError(
                f"There is no number {number!r}: this history has 0 to {len(self)}."
            )
        return number

    # -- questions -------------------------------------------------------------------------

    def diff(self, a: int | datetime | str, b: int | datetime | str) -> Diff:
        """What separates the states at `a` and `b`; `diff(b, a)` is its mirror image."""
        return diff_states(self.state(a), self.state(b))

    def changes(self, path: str) -> pd.DataFrame:
        """The events that changed a field (or anything below it), one in each row:
        sequence_number, event_type, occurred_at, path, before, after.

        `InvalidEventError` for a field that no state of this history has.
        """
        rows = []
        seen: set[str] = set()
        previous: dict[str, Any] = {}
        for number, state in enumerate(self.states()):
            step = diff_states(previous, state)
            seen.update(step.paths)
            if number:
                event = self.label(number)
                for found in step.paths:
                    if under(found, path):
                        old, new = step.changed.get(
                            found, (step.removed.get(found), step.added.get(found))
                        )
                        rows.append((number, event.event_type, event.occurred_at, found, old, new))
            previous = state
        if not any(under(found, path) for found in seen):
            raise InvalidEventError(no_such_field(path, seen))
        names = ["sequence_number", "event_type", "occurred_at", "path", "before", "after"]
        frame = pd.DataFrame(rows, columns=names)
        for column, position in (("before", 4), ("after", 5)):  # None stays None, not NaN
            frame[column] = pd.Series([row[position] for row in rows], dtype=object)
        return frame

    def first(self, predicate: Callable[[F], bool], *, scan: bool = False) -> Found | None:
        """The first number whose state satisfies the predicate, by bisection: about log2(n) probes.

        Bisection is right only if the answer, once true, stays true to the end (as `git bisect`
        asks of a bug). A predicate that turns false again may be missed or found late; `scan=True`
        asks every state in order, and is right for any predicate. None: nothing found.
        """
        probes: list[tuple[int, bool]] = []

        def ask(number: int) -> bool:
            answer = bool(predicate(self._at(number)))
            probes.append((number, answer))
            return answer

        if scan:
            number = next((n for n in range(len(self) + 1) if ask(n)), len(self) + 1)
        elif not ask(len(self)):
            return None
        else:
            number = bisect_left(range(len(self)), True, key=ask)
        if number > len(self):
            return None
        return Found(number, self.label(number) if number else None, tuple(probes))

    def without(self, *numbers: int, policy: Policy = "skip") -> WhatIf[F]:
        """Fold again as if some events had not happened.

        Later events that the state machine then refuses (`refuses` of the aggregate gives a reason,
        or `apply` fails) are left out (`skip`), end the fold (`stop`), or are applied all the same
        where possible (`force`). An event that it refused in fact too, and that happened all the
        same, is not a consequence: it is applied. In production a fact is not removed: append one
        that compensates.
        """
        muted = {self._number(n) for n in numbers}
        if 0 in muted:
            raise InvalidEventError("Number 0 is before anything happened: no event to leave out.")
        if policy not in get_args(Policy):
            raise InvalidEventError(f"policy is one of {get_args(Policy)}, found {policy!r}.")
        reached = min(muted, default=len(self) + 1) - 1
        state, fact = self._at(reached), self._at(reached)
        refused: list[tuple[Event, str]] = []
        stopped = False
        for number, event in self._numbered(reached):
            reason = None if number in muted else refusal_of(state, event)
            if reason is not None and refusal_of(fact, event) is not None:
                reason = None
            apply_to(fact, event)
            if number in muted:
                continue
            if reason is not None:
                refused.append((event, reason))
                stopped = stopped or policy == "stop"
            if stopped or (reason is not None and policy == "skip"):
                continue
            trial = copy.deepcopy(state)
            try:
                apply_to(trial, event)
            except ReplayError as error:
                if reason is None:
                    refused.append((event, f"apply fails: {error.__cause__}"))
                    stopped = policy == "stop"
                continue
            state, reached = trial, number
        return WhatIf(state, self._at(len(self)), tuple(sorted(muted)), tuple(refused), reached)

    def df(self) -> pd.DataFrame:
        """A row an event: sequence_number, event_type, occurred_at, event_data, changed (paths)."""
        rows = []
        previous: dict[str, Any] = {}
        for number, state in enumerate(self.states()):
            if number:
                event = self.label(number)
                changed = ", ".join(diff_states(previous, state).paths)
                rows.append(
                    (number, event.event_type, event.occurred_at, event.event_data, changed)
                )
            previous = state
        names = ["sequence_number", "event_type", "occurred_at", "event_data", "changed"]
        return pd.DataFrame(rows, columns=names)

    def label(self, number: int) -> Event:
        """The event that stands for a number in an answer: what it is today, or what is stored
        where that is not exactly one event."""
        made = self.made[number - 1]
        return made[0] if len(made) == 1 else self._stored[number - 1]

    def _numbered(self, after: int) -> Iterator[tuple[int, Event]]:
        for number, made in enumerate(self.made[after:], start=after + 1):
            for event in made:
                yield number, event

    # -- trust -----------------------------------------------------------------------------

    def _check_pure(
        self, before: Sequence[bytes], empty: dict[str, Any], traces: Sequence[dict[str, Any]],
        last: F,
    ) -> None:  # fmt: skip
        for number, (event, data) in enumerate(zip(self.events, before, strict=True), start=1):
            if orjson.dumps(event.event_data) != data:
                where = diff_states(orjson.loads(data), event.event_data).paths
                raise ImpureApplyError(
                    f"{self.kind.__name__}.apply changed the data of event {number} "
                    f"({event.event_type}) at {', '.join(where[:3])}: the state shares a list or "
                    f"dict with the event. An event is a fact: keep a copy, list(event.data[...])."
                )
        leak = diff_states(empty, state_of(replay(self.kind, ())))
        if leak:
            raise ImpureApplyError(
                f"A fresh {self.kind.__name__}() is no longer empty after a replay; it differs at "
                f"{', '.join(leak.paths[:3])}. All instances share this value: create it in "
                f"__init__, not in the class body or as a default argument."
            )
        again = replay(self.kind, ())
        for number, made in enumerate(self.made):
            if number % _KEEP_EVERY == 0:
                kept = self._kept[number // _KEEP_EVERY]
                self._compare(number, state_of(kept), state_of(again))
            fold(again, made)
            self._compare(number + 1, traces[number], _trace(number + 1, again))
        self._compare(len(self), state_of(last), state_of(again))

    def _compare(self, number: int, once: dict[str, Any], again: dict[str, Any]) -> None:
        difference = diff_states(once, again)
        if difference:
            path = difference.paths[0]
            raise ImpureApplyError(
                f"Two replays of the same events differ at {path!r}, after event {number}. "
                f"{self.kind.__name__}.apply reads something besides the event: a clock, a random "
                f"number, a file. Read it in the command, and store it in the event."
            )


def _same_place(one: Event, other: Event) -> bool:
    return (
        one.sequence_number is not None
        and one.sequence_number == other.sequence_number
        and one.aggregate_id == other.aggregate_id
        and one.position == other.position
    )


def _trace(number: int, state: object) -> dict[str, Any]:
    """What two folds are compared by after each event: the whole state, later its cheap parts."""
    if number <= _COMPARE_WHOLE:
        return state_of(state)
    return {name: v for name, v in attributes_of(state).items() if isinstance(v, _SCALARS)}


def refusal_of(state: Foldable, event: Event) -> str | None:
    """Why a state refuses an event; None where it accepts it, or has no rules."""
    refuses = getattr(state, "refuses", None)
    try:
        reason: str | None = refuses(event) if refuses else None
    except Exception as error:  # in a state that the rules never foresaw
        return f"refuses fails: {type(error).__name__}: {error}"
    return reason
