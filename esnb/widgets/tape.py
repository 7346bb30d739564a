"""The tape: every state of a history as differences, so that a browser can move without a kernel.

Python folds once, with the learner's own `apply`. For each event the tape holds a header, the data
as text, and what it changed: path, before, after. Every 64 events it holds a full state. Values are
text, written as Python writes them (`'PAID'`, `2690`, `None`): nothing is rounded on its way, and
1, 1.0 and True stay three things. Technique: delta and key frames, as in a film.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain, combinations
from typing import Any
from uuid import UUID

import orjson

from esnb import figures
from esnb.aggregates import Aggregate, apply_to, attributes_of, replay, state_of
from esnb.errors import ReplayError
from esnb.events import Event, load_json
from esnb.reading import Reader
from esnb.timetravel import History, Policy, WhatIf, _refusal
from esnb.widgets import parts

EVERY = 64
MOST_PAIRS = 300_000  # pairs of path and value in all full states together
MOST_LANES = 7
MOST_TEXT = 10_000
SINGLE_MUTES_UP_TO = 60
ORDER_UP_TO, ORDER_NODES = 10, 1_000
POLICIES: tuple[Policy, ...] = ("stop", "skip", "force")

_PLAIN = re.compile(r"[\w-]+")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_SCALARS = (str, bytes, int, float, date, timedelta, Decimal, UUID, type(None))
_LOADED_IN_BULK = 60.0  # seconds

Change = tuple[int, int, int]
"""Path, text before, text after: indices into the tables `paths` and `texts`; -1 is absent."""


def written(value: Any) -> str:
    """A value as text, the same for equal values: sets in order, no addresses, at most 10,000
    characters."""
    kind: Any = type(value)
    if isinstance(value, _SCALARS):
        text = repr(value)
    elif isinstance(value, set | frozenset):
        items = ", ".join(sorted(map(written, value)))
        text = f"{{{items}}}" if items else ""
        text = text if kind is set and items else f"{kind.__name__}({text})"
    elif kind.__repr__ is object.__repr__:
        inside = ", ".join(f"{name}={written(v)}" for name, v in attributes_of(value).items())
        text = f"{kind.__name__}({inside})"
    else:
        text = _ADDRESS.sub("", repr(value))
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}… ({len(text)} characters)"


class Table:
    """Texts by number: each different text is sent once."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str | None) -> int:
        """The number of a text; -1 for None."""
        if text is None:
            return -1
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return number


class _Node:
    """One place in the last state: a fingerprint of its value, and its text or its children."""

    __slots__ = ("children", "mark", "path", "steps", "text")

    def __init__(self, path: str, steps: tuple[str, ...]) -> None:
        self.path, self.steps = path, steps
        self.mark: str | None = None
        self.text: str | None = None
        self.children: dict[Any, _Node] = {}


class Shadow:
    """Follows one state and says what changed since the last look. It keeps texts, not values, so
    an `apply` that changes a list in place is seen all the same."""

    def __init__(self) -> None:
        self._root = _Node("", ())
        self.steps: dict[str, tuple[str, ...]] = {}

    def look(self, state: Mapping[str, Any]) -> list[tuple[str, str | None, str | None]]:
        """What changed: (path, text before or None, text after or None)."""
        out: list[tuple[str, str | None, str | None]] = []
        self._children(self._root, state.items(), out)
        return out

    def _children(
        self, node: _Node, items: Collection[tuple[Any, Any]], out: list[tuple[str, Any, Any]]
    ) -> None:
        had, new = node.children, 0
        for key, value in items:
            name = key if type(key) is str else (type(key), key)
            child = had.get(name)
            if child is None:
                path, new = _step(node.path, key), new + 1
                child = had[name] = _Node(path, (*node.steps, path))
            mark = repr(value)
            if " at 0x" in mark:
                mark = written(value)
            if mark != child.mark:
                child.mark = mark
                self._update(child, value, out)
        if len(had) > len(items):
            here = {key if type(key) is str else (type(key), key) for key, _ in items}
            for gone in [name for name in had if name not in here]:
                self._forget(had.pop(gone), out)

    def _update(self, node: _Node, value: Any, out: list[tuple[str, Any, Any]]) -> None:
        if isinstance(value, dict) and value:
            self._say(node, None, out)
            self._children(node, value.items(), out)
        elif isinstance(value, list | tuple) and value:
            self._say(node, None, out)
            self._children(node, list(enumerate(value)), out)
        else:
            if node.children:
                self._children(node, (), out)
            self._say(node, written(value), out)

    def _forget(self, node: _Node, out: list[tuple[str, Any, Any]]) -> None:
        self._say(node, None, out)
        for child in node.children.values():
            self._forget(child, out)

    def _say(self, node: _Node, text: str | None, out: list[tuple[str, Any, Any]]) -> None:
        if node.text == text:
            return
        if node.path not in self.steps:
            self.steps[node.path] = node.steps
        out.append((node.path, node.text, text))
        node.text = text


def _step(path: str, key: Any) -> str:
    # The same names as in `History.diff`.
    name = key if isinstance(key, str) and _PLAIN.fullmatch(key) else f"[{key!r}]"
    return f"{path}{'' if name.startswith('[') or not path else '.'}{name}"


def _in_order(steps: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The paths as one reads a state: fields as they first appeared, children below parents."""
    first: dict[tuple[str, ...], int] = {}
    for trail in steps.values():
        for length in range(1, len(trail) + 1):
            first.setdefault(trail[:length], len(first))
    return sorted(
        steps, key=lambda p: [first[steps[p][:n]] for n in range(1, len(steps[p]) + 1)]
    )  # fmt: skip


def states_of(history: History[Any]) -> Iterator[dict[str, Any]]:
    """The attributes after each event, 0 first. They are the live objects: look, do not keep."""
    state = replay(history.kind, ())
    shared = {k: v for k, v in state_of(state).items() if k not in attributes_of(state)}
    yield {**shared, **attributes_of(state)}
    for made in history._steps:
        for event in made:
            apply_to(state, event)
        yield {**shared, **attributes_of(state)}


def fold(history: History[Any]) -> dict[str, Any]:
    """Fold once: `paths`, `texts`, the changes of each event, and a full state every so often."""
    return reel(states_of(history), EVERY)


def reel(states: Iterable[Mapping[str, Any]], every: int) -> dict[str, Any]:
    """The tape of states in a row: the first one whole, what each later one changed, and a whole
    one `every` so often."""
    shadow, changes = Shadow(), []
    for state in states:
        changes.append(shadow.look(state))
    paths = _in_order(shadow.steps)
    rank = {path: number for number, path in enumerate(paths)}
    texts = Table()
    flat: list[list[int]] = []
    now: dict[int, int] = {}
    full: list[list[int]] = []
    pairs = 0
    for number, step in enumerate(changes):
        row: list[int] = []
        for path, before, after in sorted(step, key=lambda c: rank[c[0]]):
            p, b, a = rank[path], texts.number(before), texts.number(after)
            row += (p, b, a)
            if a < 0:
                now.pop(p, None)
            else:
                now[p] = a
        flat.append(row if number else [])
        if number % every == 0:
            full.append([x for pair in sorted(now.items()) for x in pair])
            pairs += len(now)
            if pairs > MOST_PAIRS and len(full) > 2:
                # A state that grows with every event: keep every second one, and so on.
                full, every = full[::2], every * 2
                pairs = sum(map(len, full)) // 2
    return {"paths": paths, "texts": texts.texts, "changes": flat[1:], "every": every, "full": full}


# -- the whole payload -----------------------------------------------------------------------


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
            shape = min((*parts._POLYGONS, figures.CIRCLE), key=shapes.count)
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
            "points": parts._POLYGONS.get(shape),
            "hue": hue,
            "ink": "#ffffff" if hue == figures.BLUE else "#000000",
            "y": parts._LETTERS.get(shape, 15.5),
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


def what_if(history: History[Any], muted: Iterable[int], policy: Policy) -> dict[str, Any]:
    """A thought experiment for the browser; see `History.without`."""
    return experiment(history, history.without(*muted, policy=policy), policy)


def experiment(history: History[Any], result: WhatIf[Any], policy: Policy) -> dict[str, Any]:
    """What the browser shows of one: where both states differ; which events were refused, and why.

    With the policy "stop", the fact is shown at the first refused event, else at the end.
    """
    refused = [[event.sequence_number, reason] for event, reason in result.refused]
    fact_at = len(history)
    fact = state_of(result.fact)
    if policy == "stop" and refused:
        fact_at = int(str(refused[0][0]))
        fact = history.state(fact_at)
    a, b = dict(_leaves(fact)), dict(_leaves(state_of(result.state)))
    rows = [
        [path, a.get(path), b.get(path)]
        for path in _in_order(_trails((a, b)))
        if a.get(path) != b.get(path) and not _is_shell(path, a, b)
    ]
    return {
        "muted": list(result.muted), "policy": policy, "number": result.number,
        "fact_at": fact_at, "refused": refused, "rows": rows,
    }  # fmt: skip


def _is_shell(path: str, *states: Mapping[str, str]) -> bool:
    """An empty dict that gets its first key is gone as a leaf; to a reader it is still there."""
    if any(state.get(path, "{}") not in ("{}", "[]", "()") for state in states):
        return False
    return any(p.startswith((f"{path}.", f"{path}[")) for state in states for p in state)


def _trails(states: Iterable[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    return {path: tuple(re.findall(r"^[^.\[]+|.+", path)) for state in states for path in state}


def _leaves(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for path, _, text in Shadow().look(state):
        if text is not None:
            yield path, text


def single_mutes(history: History[Any]) -> dict[str, dict[str, Any]] | None:
    """Every experiment with one event muted, by number and policy; None for a long history.

    So what-if works where there is no kernel. Without a refusal the three policies agree.
    """
    if len(history) > SINGLE_MUTES_UP_TO:
        return None
    found: dict[str, dict[str, Any]] = {}
    for number in range(1, len(history) + 1):
        skipped = what_if(history, [number], "skip")
        if skipped["refused"]:
            found[str(number)] = {
                "skip": skipped,
                "stop": what_if(history, [number], "stop"),
                "force": what_if(history, [number], "force"),
            }
        else:
            found[str(number)] = {policy: {**skipped, "policy": policy} for policy in POLICIES}
    return found


def order_tree(history: History[Any]) -> dict[str, Any] | None:
    """What may follow what, for a task: put the events of a short history in a legal order.

    A node holds, for each event left, the next node, or the reason why the state machine refuses
    it. None for a fold without rules, a long history, or one that allows too many orders.
    """
    if not 2 <= len(history) <= ORDER_UP_TO or not hasattr(history.kind, "refuses"):
        return None
    if len(history.events) != len(history):
        return None  # an upcaster split or dropped one: what is put in order is what is stored
    left, ruled = ORDER_NODES, False

    def node(state: Any, rest: list[int]) -> dict[str, Any] | None:
        nonlocal left, ruled
        left -= 1
        if left < 0:
            return None
        found: dict[str, Any] = {}
        for number in rest:
            event = history.events[number - 1]
            reason, after = _refusal(state, event), copy.deepcopy(state)
            if reason is None:
                try:
                    apply_to(after, event)
                except ReplayError as error:
                    reason = f"apply fails: {error.__cause__}"
            ruled = ruled or reason is not None
            found[str(number)] = reason or node(after, [k for k in rest if k != number])
            if found[str(number)] is None:
                return None
        return found

    tree = node(replay(history.kind, ()), list(range(1, len(history) + 1)))
    return tree if ruled else None  # without a refusal every order is right, and there is no task


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
        "loads": isinstance(kind, type) and issubclass(kind, Aggregate),
        "snapshots": good,
        "unused": bad,
    }


def labels(history: History[Any]) -> list[Event]:
    """The event that stands for each number: what it is today, or what is stored where an upcaster
    makes several or none of it."""
    return [history._label(number) for number in range(1, len(history) + 1)]


def contents(events: Sequence[Event]) -> dict[str, list[Any]]:
    """What an event's card shows."""
    return {
        "version": [event.event_version for event in events],
        "data": [_json(event.event_data) for event in events],
        "metadata": [_json(event.metadata) for event in events],
    }


def payload(
    store: Reader, histories: Sequence[History[Any]], aggregate_id: str, *,
    stops: Mapping[int, str], lanes: Callable[[Event], str] | None = None,
    refused: Sequence[Sequence[Any]] = (),
) -> dict[str, Any]:  # fmt: skip
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
        "time": [_micros(event.occurred_at) for event in events],
        **contents(events),
        "command": commands_of(events),
        "stops": [[number, text] for number, text in sorted(stops.items())],
        "refused": list(refused),
        "others": others,
        **first,
    }


def _micros(time: datetime | None) -> int | None:
    if time is None:
        return None
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
