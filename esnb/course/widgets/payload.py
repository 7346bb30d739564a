"""What the browser gets of a stream: a header, the data and the marks of each event, and the tape
of each fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations
from typing import Any

import orjson

from esnb.course import figures
from esnb.course.widgets import html_parts
from esnb.course.widgets.deltas import Table, fold
from esnb.course.widgets.experiments import order_tree, single_mutes
from esnb.event_json import load_json
from esnb.events import Event
from esnb.model.aggregate import Aggregate
from esnb.model.default_fold import LatestValues
from esnb.model.history import History
from esnb.store.reader import Reader

MOST_LANES = 7
_LOADED_IN_BULK = 60.0  # seconds


def commands_of(events: Sequence[Event]) -> list[int]:
    """The number of the command that each event came from: one append writes one recorded_at.

    A `command_id` in the metadata counts before that. A stream that was loaded in bulk has one
    recorded_at for all; its commands are told apart by occurred_at.
    """
    recorded = {event.recorded_at for event in events}
    times = [e.occurred_at for e in events if e.occurred_at]
    length = max(times) - min(times) if times else timedelta(0)
    bulk = loaded_in_bulk(len(recorded), length.total_seconds())
    numbers: list[int] = []
    last: Any = None
    for event in events:
        time = event.occurred_at if bulk else event.recorded_at
        key = event.metadata.get("command_id", time)
        numbers.append((numbers[-1] + (key != last)) if numbers else 0)
        last = key
    return numbers


def loaded_in_bulk(recorded: int, seconds: float) -> bool:
    """Whether one recorded_at stands for events that occurred over a long time."""
    return recorded == 1 and seconds > _LOADED_IN_BULK


def snapshots_of(
    store: Reader, kind: type[Any], aggregate_id: str
) -> tuple[list[int], list[list[Any]]]:
    """The numbers at which the store has a snapshot that a load would start from, and those that it
    has but would not use, each with the reason."""
    if not (isinstance(kind, type) and issubclass(kind, Aggregate)) or kind.snapshot_every is None:
        return [], []
    rows = store.snapshots(aggregate_id)
    good: set[int] = set()
    bad: list[list[Any]] = []
    for row in rows.to_dict("records"):
        number, version = int(row["sequence_number"]), int(row["state_version"])
        if row["aggregate_type"] != kind.aggregate_type:
            continue
        if version != kind.state_version:
            bad.append([number, f"its state_version is {version}, the code's {kind.state_version}"])
            continue
        try:
            kind.from_state(load_json(str(row["state_json"])))
        except Exception as error:  # whatever it is, a load replays instead
            bad.append([number, f"from_state fails with {type(error).__name__}"])
            continue
        good.add(number)
    # A load looks at the newest fitting snapshot only: when that one fails, it replays all.
    failing = {n for n, why in bad if why.startswith("from_state")}
    return sorted(good - failing), sorted(bad)


def drawings(event_types: Sequence[str]) -> list[dict[str, Any]]:
    """How the event types of one view are drawn, from the course's one visual grammar.

    No two have the same letters, and no two the same shape while there is one left: so they differ
    without colour. Types of the grammar keep their mark; others give way.
    """
    codes: set[str] = set()
    shapes: list[Any] = []
    found = {}
    for name in sorted(event_types, key=lambda name: name not in figures.MARKS):
        code, shape, hue = figures.mark(name)
        if name not in figures.MARKS and shape in shapes:
            shape = min((*html_parts.POLYGONS, figures.CIRCLE), key=shapes.count)
        if code in codes:
            letters = [c for c in name.upper() if c.isalnum()]
            other = (a + b for a, b in combinations(letters, 2))
            numbers = (f"{a}{n}" for a in letters or "?" for n in range(10))
            code = next((c for c in chain(other, numbers) if c not in codes), code)
        codes.add(code)
        shapes.append(shape)
        found[name] = {
            "name": name,
            "code": code,
            "points": html_parts.POLYGONS.get(shape),
            "hue": hue,
            "ink": "#ffffff" if hue == figures.BLUE else "#000000",
            "y": html_parts.LETTERS.get(shape, 15.5),
        }
    return [found[name] for name in event_types]


def lanes_of(
    events: Sequence[Event], lanes: Callable[[Event], str] | None
) -> tuple[list[str], list[int]]:
    """The names of the lanes (at most 7, then "other") and the lane of each event."""
    names = [lanes(event) if lanes else event.event_type for event in events]
    kept, place = lane_places(Counter(names))
    return kept, [place[name] for name in names]


def lane_places(counts: Mapping[str, int]) -> tuple[list[str], dict[str, int]]:
    """Names with their counts, as they first appear: those that get a lane, and whose is which."""
    kept = list(counts)
    if len(kept) > MOST_LANES:
        often = sorted(counts, key=lambda name: -counts[name])[:MOST_LANES]
        kept = [*(name for name in counts if name in often), "other"]
    place = {name: number for number, name in enumerate(kept)}
    return kept, {name: place.get(name, len(kept) - 1) for name in counts}


def face(store: Reader, history: History[Any], aggregate_id: str) -> dict[str, Any]:
    """What belongs to one fold of the events: its states, its snapshots, its experiments."""
    return {
        **kind_of(store, history.kind, aggregate_id),
        "what_if": single_mutes(history),
        "order": order_tree(history),
        **fold(history),
    }


def kind_of(store: Reader, kind: type[Any], aggregate_id: str) -> dict[str, Any]:
    """What is said of the class that folds: its name, and the snapshots that a load would use."""
    good, bad = snapshots_of(store, kind, aggregate_id)
    return {
        "kind": kind.__name__,
        "given": kind is not LatestValues,
        "loads": isinstance(kind, type) and issubclass(kind, Aggregate),
        "snapshots": good,
        "unused": bad,
    }


def labels(history: History[Any]) -> list[Event]:
    """The event that stands for each number: what it is today, or what is stored where an upcaster
    makes several or none of it."""
    return [history.label(number) for number in range(1, len(history) + 1)]


def contents(events: Sequence[Event]) -> dict[str, list[Any]]:
    """What an event's card shows."""
    return {
        "version": [event.event_version for event in events],
        "data": [as_json(event.event_data) for event in events],
        "metadata": [as_json(event.metadata) for event in events],
    }


def payload(
    store: Reader,
    histories: Sequence[History[Any]],
    aggregate_id: str,
    *,
    stops: Mapping[int, str],
    lanes: Callable[[Event], str] | None = None,
    refused: Sequence[Sequence[Any]] = (),
) -> dict[str, Any]:
    """All that the browser needs, as JSON types. All histories are of the same events."""
    events = labels(histories[0])
    types = Table()
    lane_names, lane = lanes_of(events, lanes)
    first, *others = (face(store, history, aggregate_id) for history in histories)
    return {
        "id": aggregate_id,
        "n": len(events),
        "type": [types.number(event.event_type) for event in events],
        "types": drawings(types.texts),
        "lane": lane,
        "lanes": lane_names,
        "time": [micros(event.occurred_at) for event in events],
        **contents(events),
        "command": commands_of(events),
        "stops": [[number, text] for number, text in sorted(stops.items())],
        "refused": list(refused),
        "others": others,
        **first,
    }


def micros(time: datetime | None) -> int | None:
    """A time in microseconds since 1970."""
    if time is None:
        return None
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def as_json(value: Any) -> str:
    """Event data as JSON text."""
    return orjson.dumps(value).decode()
