"""The fields of events, as the engine finds them: which type and version has what, how often."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd

_TYPES = {
    "UBIGINT": "integer",
    "BIGINT": "integer",
    "HUGEINT": "integer",
    "UHUGEINT": "integer",
    "DOUBLE": "number",
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "NULL": "null",
    "JSON": "mixed",
}
#: The structures of a table of events, counted; see `mined`.
STRUCTURES = (
    "select event_type, event_version, json_structure(event_data)::varchar, count(*) "
    "from {table} group by all"
)

#: (event type, version)
Pair = tuple[str, int]
#: field -> JSON type -> how many events have it so
Seen = dict[str, Counter[str]]


def changed_fields(old: dict[Pair, Seen], made: dict[Pair, Seen]) -> pd.DataFrame:
    """The fields of touched events that are gone, new, or of another type."""
    rows = []
    for pair, new in sorted(made.items()):
        was = old.get(pair, {})
        for name in sorted({*was, *new}):
            a, b = was.get(name, Counter()), new.get(name, Counter())
            change = "gone" if not b else "new" if not a else "type"
            if change != "type" or set(a) != set(b):
                kinds = " -> ".join(", ".join(sorted(c)) for c in (a, b) if c)
                rows.append((*pair, name, change, kinds, sum((a or b).values())))
    names = ["event_type", "event_version", "field", "change", "json_type", "events"]
    return pd.DataFrame(rows, columns=names)


def mined(rows: list[tuple[Any, ...]]) -> tuple[dict[Pair, Seen], Counter[Pair]]:
    """The fields of structures that the engine counted, and how many events there are."""
    found: dict[Pair, Seen] = {}
    totals: Counter[Pair] = Counter()
    for event_type, version, structure, count in rows:
        totals[event_type, version] += count
        seen = found.setdefault((event_type, version), {})
        for name, kind in _leaves(json.loads(structure), None):
            seen.setdefault(name, Counter())[kind] += count
    return found, totals


def _leaves(structure: Any, path: str | None) -> Iterator[tuple[str, str]]:
    """The fields of a structure; None is the path of the data itself, which is not a field."""
    if isinstance(structure, dict):
        if path is not None:
            yield path, "object"
        for key, inner in structure.items():
            yield from _leaves(inner, key if path is None else f"{path}.{key}")
    elif isinstance(structure, list):
        yield path or "", "list"
        for inner in structure:
            if isinstance(inner, dict | list):
                here = f"{path}[]"
                yield from (leaf for leaf in _leaves(inner, here) if leaf[0] != here)
    elif path is not None:
        yield path, _TYPES.get(structure, structure.lower())
