"""The tape: every state of a history as differences, so that a browser can move without a kernel.

Python folds once, with the learner's own `apply`. For each event the tape holds what it changed:
path, before, after. Every 64 events it holds a full state. Values are text, written as Python
writes them (`'PAID'`, `2690`, `None`): nothing is rounded on its way, and 1, 1.0 and True stay
three things. Technique: delta and key frames, as in a film.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from esnb.model.aggregate import apply_to, replay
from esnb.model.history import History
from esnb.model.state import attributes_of, state_of

EVERY = 64
MOST_PAIRS = 300_000  # pairs of path and value in all full states together
MOST_TEXT = 10_000

_PLAIN = re.compile(r"[\w-]+")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_SCALARS = (str, bytes, int, float, date, timedelta, Decimal, UUID, type(None))

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


def in_order(steps: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The paths as one reads a state: fields as they first appeared, children below parents."""
    first: dict[tuple[str, ...], int] = {}
    for trail in steps.values():
        for length in range(1, len(trail) + 1):
            first.setdefault(trail[:length], len(first))
    return sorted(steps, key=lambda p: [first[steps[p][:n]] for n in range(1, len(steps[p]) + 1)])


def trails(states: Iterable[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """The way to each path of some states, for `in_order`."""
    return {path: tuple(re.findall(r"^[^.\[]+|.+", path)) for state in states for path in state}


def leaves(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A state leaf by leaf: path and text."""
    for path, _, text in Shadow().look(state):
        if text is not None:
            yield path, text


def is_shell(path: str, *states: Mapping[str, str]) -> bool:
    """An empty dict that gets its first key is gone as a leaf; to a reader it is still there."""
    if any(state.get(path, "{}") not in ("{}", "[]", "()") for state in states):
        return False
    return any(p.startswith((f"{path}.", f"{path}[")) for state in states for p in state)


def states_of(history: History[Any]) -> Iterator[dict[str, Any]]:
    """The attributes after each event, 0 first. They are the live objects: look, do not keep."""
    state = replay(history.kind, ())
    shared = {k: v for k, v in state_of(state).items() if k not in attributes_of(state)}
    yield {**shared, **attributes_of(state)}
    for made in history.made:
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
    paths = in_order(shadow.steps)
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
