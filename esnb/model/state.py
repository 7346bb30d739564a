"""The state of an object: its attributes by name, and what separates two such states."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

#: The attribute in which the package keeps its own notes about an aggregate; no part of its state.
BOOK = "_book"

_PLAIN = re.compile(r"[\w-]+")


def state_of(state: object) -> dict[str, Any]:
    """The state of any foldable object: a deep copy of its attributes, by name.

    Data that a class keeps for all its instances (a list written in the class body) counts too,
    because an `apply` that changes it changes every instance.
    """
    shared: dict[str, Any] = {}
    for kind in reversed(type(state).__mro__):
        for name, value in vars(kind).items():
            if isinstance(value, list | dict | set) and not _is_constant(name):
                shared[name] = value
    return copy.deepcopy({**shared, **attributes_of(state)})


def _is_constant(name: str) -> bool:
    return name.startswith("__") or name.upper() == name


def attributes_of(state: object) -> dict[str, Any]:
    """The attributes of any object by name, not copied, without what the package keeps in it."""
    values = {
        name: getattr(state, name)
        for kind in type(state).__mro__
        for name in getattr(kind, "__slots__", ())
        if hasattr(state, name) and not name.startswith("__")
    }
    values.update(getattr(state, "__dict__", {}))
    values.pop(BOOK, None)
    return values


@dataclass(frozen=True, slots=True)
class Diff:
    """What separates two states, by path (`items[0].sku`): `added` and `removed` hold values,
    `changed` holds pairs (before, after)."""

    added: dict[str, Any] = field(default_factory=dict)
    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    removed: dict[str, Any] = field(default_factory=dict)

    @property
    def paths(self) -> list[str]:
        """All paths that differ, sorted."""
        return sorted({*self.added, *self.changed, *self.removed})

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        lines = {p: f"+ {p}  {v!r}" for p, v in self.added.items()}
        lines |= {p: f"~ {p}  {a!r} -> {b!r}" for p, (a, b) in self.changed.items()}
        lines |= {p: f"- {p}  {v!r}" for p, v in self.removed.items()}
        # A list or dict that got or lost its items is told by the lines of its items.
        values = {**self.added, **self.removed}
        empty = {p for p, v in values.items() if isinstance(v, dict | list | tuple)}
        emptied = {p for p in empty if any(under(other, p) for other in lines if other != p)}
        return "\n".join(lines[p] for p in sorted(set(lines) - emptied)) or "no difference"

    __repr__ = __str__


def diff_states(before: dict[str, Any], after: dict[str, Any]) -> Diff:
    """Compare two states leaf by leaf. An empty list or dict is a leaf; 1 and True differ."""
    a, b = dict(_leaves(before, "")), dict(_leaves(after, ""))
    return Diff(
        added={p: b[p] for p in b if p not in a},
        changed={p: (a[p], b[p]) for p in a if p in b and _differ(a[p], b[p])},
        removed={p: a[p] for p in a if p not in b},
    )


def _differ(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return True
    if hasattr(a, "tobytes"):  # an array of numpy compares item by item
        return bool(a.shape != b.shape or a.dtype != b.dtype or a.tobytes() != b.tobytes())
    if hasattr(a, "equals"):  # a table of pandas
        return not a.equals(b)
    if a is not b and getattr(type(a), "__eq__", None) is object.__eq__:
        # A class without an == of its own: two copies are equal when their attributes are.
        return bool(diff_states(attributes_of(a), attributes_of(b)))
    return bool(a != b and not (a != a and b != b))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, _step(path, key))
    elif isinstance(value, list | tuple) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    elif path:
        yield path, value


def _step(path: str, key: Any) -> str:
    name = key if isinstance(key, str) and _PLAIN.fullmatch(key) else f"[{key!r}]"
    return f"{path}{'' if name.startswith('[') or not path else '.'}{name}"


def under(path: str, field_path: str) -> bool:
    """Whether a path is that of a field, or leads below it."""
    return path == field_path or (path.startswith(field_path) and path[len(field_path)] in ".[")


def no_such_field(path: str, seen: set[str]) -> str:
    """What to say of a field that no state has: the near ones, or else what there is."""
    # A field that has parts is a field too: latest.amount makes latest one.
    parts = {found[: m.start()] for found in seen for m in re.finditer(r"[.[]", found)}
    fields = sorted(seen | parts - {""})
    near = get_close_matches(path, fields, 3, 0.6)
    near += [name for name in fields if name not in near and name.endswith("." + path)][:3]
    if near:
        return f"No state has a field {path!r:.60}. Did you mean {', '.join(map(repr, near))}?"
    top = sorted({re.split(r"[.[]", name)[0] for name in fields} - {""})
    there = ", ".join(top) or "none at all"
    return f"No state of this history has a field {path!r:.60}. Its fields are: {there}."
