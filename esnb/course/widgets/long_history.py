"""Histories too long for a browser to hold: checkpoints, and a short fold around any place.

A stream of a million events is folded once, when the view opens. Of that fold a few headers of
each event are kept (type, time, lane, command), and a copy of the state every 256 events. What the
events of one window changed is folded again from the checkpoint before it, when somebody looks
there: 512 events, a few milliseconds. Technique: key frames, and decoding from the nearest one.
"""

from __future__ import annotations

import copy
import math
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, pairwise
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from esnb.clock import utc
from esnb.course.widgets import deltas
from esnb.course.widgets import payload as page_payload
from esnb.course.widgets.long_steps import Steps, Stored
from esnb.errors import AggregateNotFoundError, InvalidEventError
from esnb.events import Event
from esnb.model.aggregate import Aggregate, Foldable, apply_to, replay
from esnb.model.history import History, Policy, WhatIf
from esnb.model.state import attributes_of, diff_states, state_of, under
from esnb.store.reader import Reader

LONG_ABOVE = 20_000
SPAN, SHORTEST = 256, 16  # events in a window; a state of many values has shorter ones
LOOKS = 100_000  # values that one window may compare
MOST_VALUES = 4_000_000  # values in all checkpoints together
WHAT_IF_UP_TO = 20_000
HOP_SECONDS = 2.0
_WINDOWS = 24

F = TypeVar("F", bound=Foldable)


class LongHistory(History[F]):
    """A `History` that holds no events: it reads them again where they are asked for.

    `progress` is shown while it folds, once. Raises what `History` raises; it does not fold a
    second time to look for an impure `apply`.
    """

    def __init__(
        self,
        store: Reader,
        kind: type[F],
        aggregate_id: str,
        *,
        check: bool = False,
        progress: bool = True,
        lanes: Callable[[Event], str] | None = None,
    ) -> None:
        self.made: Any = Steps(store, aggregate_id)
        self._stored: Any = Stored(self.made)
        if not len(self):
            raise AggregateNotFoundError(f"There is no aggregate {aggregate_id!r} in {store!r}.")
        self.kind = kind
        self.name = aggregate_id
        self._store = store
        self.headers = Headers(lanes)
        self.every = SPAN
        self.span = SPAN
        self._kept: list[F] = []
        self._windows: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._fold_once(progress)

    def _fold_once(self, progress: bool) -> None:
        state = replay(self.kind, ())
        held = largest = 0
        shown = tqdm(
            self.made,
            f"folding {self.name}",
            len(self),
            unit=" events",
            leave=False,
            disable=not progress,
            mininterval=0.2,
        )
        for number, made in enumerate(shown):
            if number % self.every == 0:
                size = _values(attributes_of(state))
                largest, held = max(largest, size), held + size
                self._kept.append(copy.deepcopy(state))
                if held > MOST_VALUES and len(self._kept) > 2:
                    self._kept, self.every, held = self._kept[::2], self.every * 2, held // 2
            for event in made:
                apply_to(state, event)
            self.headers.add(made[0] if len(made) == 1 else self._stored[number])
        # `every` stays a multiple of `span`: both are 256 times a power of 2.
        largest = max(largest, _values(attributes_of(state)))
        while self.span > SHORTEST and self.span * largest > LOOKS:
            self.span //= 2

    @property
    def events(self) -> list[Event]:
        """All events, read again; of a million events this takes a minute's memory with it."""
        return [event for made in self.made for event in made]

    @events.setter
    def events(self, _: list[Event]) -> None:
        raise AttributeError("events")

    def _at(self, number: int) -> F:
        base = min(number // self.every, len(self._kept) - 1)
        state = copy.deepcopy(self._kept[base])
        for made in self.made[base * self.every : number]:
            for event in made:
                apply_to(state, event)
        if isinstance(state, Aggregate):
            state.stands_at(self._stored[number - 1] if number else None, number)
        return state

    def number_at(self, when: datetime | str) -> int | None:
        """How many events had occurred by a time; see `History.number_at`."""
        times = np.frombuffer(self.headers.time, dtype=np.float64)
        inside = times <= float(page_payload.micros(utc(when)) or 0)
        number = int(inside.sum())
        return number if bool(inside[:number].all()) else None

    def without(self, *numbers: int, policy: Policy = "skip") -> WhatIf[F]:
        """See `History.without`; only where at most 20,000 later events are to be folded again."""
        first = min((self._number(n) for n in numbers), default=len(self))
        if len(self) - first > WHAT_IF_UP_TO:
            raise InvalidEventError(
                f"{len(self) - first:,} events after number {first} would have to be folded again; "
                f"here it is {WHAT_IF_UP_TO:,} at most. With patience, ask the whole history: "
                f"History(store, {self.kind.__name__}, {self.name!r}).without({first})."
            )
        return super().without(*numbers, policy=policy)

    def recent(self, number: int, most: int) -> pd.DataFrame:
        """The rows of `df()` that end with event `number`, at most so many."""
        first = max(0, number - most)
        rows, state = [], self._at(first)
        before = state_of(state)
        for k, made in enumerate(self.made[first:number], start=first + 1):
            for event in made:
                apply_to(state, event)
            now = state_of(state)
            event = made[0] if len(made) == 1 else self._stored[k - 1]
            changed = ", ".join(diff_states(before, now).paths)
            rows.append((k, event.event_type, event.occurred_at, event.event_data, changed))
            before = now
        names = ["sequence_number", "event_type", "occurred_at", "event_data", "changed"]
        return pd.DataFrame(rows, columns=names)

    # -- windows ---------------------------------------------------------------------------

    def window_of(self, number: int) -> int:
        """The window that holds what event `number` changed; window w begins after w * span."""
        return max(0, -(-number // self.span) - 1)

    def window(self, index: int) -> dict[str, Any]:
        """One window as a piece of tape: its events, and what they changed; see `deltas.fold`."""
        if index in self._windows:
            self._windows.move_to_end(index)
            return self._windows[index]
        first = index * self.span
        last = min(first + self.span, len(self))
        if not 0 <= first < last:
            raise InvalidEventError(f"There is no window {index} in {len(self)} events.")
        base = min(first // self.every, len(self._kept) - 1)
        steps = self.made[base * self.every : last]
        before, inside = steps[: first - base * self.every], steps[first - base * self.every :]

        def states() -> Iterator[Mapping[str, Any]]:
            state = copy.deepcopy(self._kept[base])
            for event in chain.from_iterable(before):
                apply_to(state, event)
            own = attributes_of(state)
            shared = {k: v for k, v in state_of(state).items() if k not in own}
            yield {**shared, **own}
            for made in inside:
                for event in made:
                    apply_to(state, event)
                yield {**shared, **attributes_of(state)}

        labels = [
            made[0] if len(made) == 1 else self._stored[number]
            for number, made in enumerate(inside, start=first)
        ]
        found = {
            "from": first,
            "to": last,
            **deltas.reel(states(), every=self.span + 1),
            **page_payload.contents(labels),
        }
        self._windows[index] = found
        while len(self._windows) > _WINDOWS:
            self._windows.popitem(last=False)
        return found

    def rows(self, a: int, b: int) -> list[list[str | None]]:
        """All fields of two states: path, text at `a`, text at `b`; None where it is absent."""
        one, two = (dict(deltas.leaves(self.state(number))) for number in (a, b))
        paths = deltas.in_order(deltas.trails((one, two)))
        return [[path, one.get(path), two.get(path)] for path in paths]

    def hop(self, field: str, number: int, direction: int) -> tuple[int | None, int]:
        """The next event, in a direction, that changed a field or anything below it.

        Gives its number, or None, and how far the search came: it ends after two seconds.
        """
        until = time.monotonic() + HOP_SECONDS
        index = self.window_of(number + 1 if direction > 0 else max(number, 1))
        last = self.window_of(len(self))
        while 0 <= index <= last:
            window = self.window(index)
            numbers = _changed(window, field)
            found = [n for n in numbers if (n > number if direction > 0 else n < number)]
            if found:
                nearest = found[0 if direction > 0 else -1]
                return nearest, nearest
            reached = window["to"] if direction > 0 else window["from"]
            if time.monotonic() > until:
                return None, reached
            index += direction
        return None, len(self) if direction > 0 else 0

    def mentions(self, text: str) -> np.ndarray:
        """The numbers of the events whose type, data or metadata hold a text, whatever its case.

        It looks at what is stored: what upcasters make of it, or what is sealed, it does not see.
        """
        found = self._store.sql(
            "select sequence_number from events where aggregate_id = $id and ("
            "contains(lower(event_type), $text) or contains(lower(event_data::varchar), $text) "
            "or contains(lower(metadata::varchar), $text)) order by sequence_number",
            {"id": self.name, "text": text.strip().lower()},
        ).df()
        return found["sequence_number"].to_numpy(dtype=np.uint32)


class Headers:
    """What the browser holds of every event, as columns: 15 bytes each."""

    def __init__(self, lanes: Callable[[Event], str] | None) -> None:
        self._lanes = lanes
        self.types, self._names = deltas.Table(), deltas.Table()
        self.time, self._recorded = array("d"), array("d")
        self._ids: list[Any] = []
        self._type, self._lane = array("H"), array("H")

    def add(self, event: Event) -> None:
        """Take in the next event."""
        when, stored = event.occurred_at, event.recorded_at
        self.time.append(round(when.timestamp() * 1e6) if when else math.nan)
        self._recorded.append(stored.timestamp() if stored else math.nan)
        self._ids.append(event.metadata.get("command_id"))
        self._type.append(self.types.number(event.event_type))
        if self._lanes:
            self._lane.append(self._names.number(self._lanes(event)))

    def lanes(self) -> tuple[list[str], np.ndarray]:
        """The names of the lanes, and the lane of each event; see `page_payload.lanes_of`."""
        names = self._names.texts if self._lanes else self.types.texts
        numbers = np.frombuffer(self._lane if self._lanes else self._type, dtype=np.uint16)
        counts = np.bincount(numbers, minlength=len(names)).tolist()
        kept, place = page_payload.lane_places(dict(zip(names, counts, strict=True)))
        return kept, np.array([place[name] for name in names], dtype=np.uint8)[numbers]

    def commands(self) -> np.ndarray:
        """The number of the command that each event came from; see `page_payload.commands_of`."""
        times = np.frombuffer(self._recorded, dtype=np.float64)
        occurred = np.frombuffer(self.time, dtype=np.float64)
        bulk = page_payload.loaded_in_bulk(len(np.unique(times)), np.ptp(occurred) / 1e6)
        keys = [
            (None, when) if name is None else (name, None)
            for name, when in zip(self._ids, (occurred if bulk else times).tolist(), strict=True)
        ]
        new = [now != last for last, now in pairwise(keys)]
        return np.concatenate([[0], np.cumsum(new)]).astype(np.uint32)

    def packed(self) -> bytes:
        """All of them as bytes, little endian: times (float64), commands (uint32), types (uint16),
        lanes (uint8)."""
        columns = (
            np.frombuffer(self.time, dtype="<f8"),
            self.commands().astype("<u4"),
            np.frombuffer(self._type, dtype="<u2"),
            self.lanes()[1],
        )
        return b"".join(column.tobytes() for column in columns)


def payload(
    store: Reader,
    histories: Sequence[LongHistory[Any]],
    aggregate_id: str,
    *,
    stops: Mapping[int, str],
    refused: Sequence[Sequence[Any]] = (),
) -> dict[str, Any]:
    """What the browser gets at once; headers go beside it as bytes, windows when asked for."""
    first, *others = (
        {**page_payload.kind_of(store, history.kind, aggregate_id), "span": history.span}
        for history in histories
    )
    headers = histories[0].headers
    return {
        "id": aggregate_id,
        "n": len(histories[0]),
        "long": True,
        "types": page_payload.drawings(headers.types.texts),
        "lanes": headers.lanes()[0],
        "stops": [[number, text] for number, text in sorted(stops.items())],
        "refused": list(refused),
        "others": others,
        **first,
    }


def around(history: LongHistory[Any], numbers: Iterable[int]) -> list[dict[str, Any]]:
    """The windows that hold some numbers, for a page without a kernel."""
    return [history.window(index) for index in sorted({history.window_of(n) for n in numbers})]


def _values(value: Any) -> int:
    """How many values a state holds, roughly."""
    if isinstance(value, dict):
        return sum(map(_values, value.values())) if _deep(value.values()) else len(value)
    if isinstance(value, list | tuple):
        return sum(map(_values, value)) if _deep(value) else len(value)
    return 1


def _deep(values: Collection[Any]) -> bool:
    return any(isinstance(value, dict | list | tuple) for value in values)


def _changed(window: Mapping[str, Any], field: str) -> list[int]:
    wanted = {k for k, path in enumerate(window["paths"]) if under(path, field)}
    return [
        window["from"] + number
        for number, row in enumerate(window["changes"], start=1)
        if not wanted.isdisjoint(row[::3])
    ]
