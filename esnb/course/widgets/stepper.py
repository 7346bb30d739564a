"""A slider through prepared steps, with what each step looks like side by side.

    Stepper(
        [{"the table": table_after(n), "the log": facts[:n]} for n in range(6)],
        labels=["before the first click", ...],
        title="One Monday, as a table and as a log",
    )

Each step is a mapping from the name of a panel to what it shows: a DataFrame, a mapping of fields,
a list of events, or a text. Python prepares every step, so it also works while the kernel is busy,
and in the page that `to_html` writes. What differs from the step before is marked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pandas as pd
import traitlets

from esnb.course.widgets import html_parts
from esnb.course.widgets.page import PageWidget
from esnb.course.widgets.payload import drawings
from esnb.errors import InvalidEventError
from esnb.events import Event

MOST_STEPS, MOST_ROWS, MOST_TEXT = 200, 60, 120


class Stepper(PageWidget, view="stepper"):
    """Prepared steps under one slider: `Stepper([{"table": df0}, {"table": df1}], labels=[...])`.

    A panel is a DataFrame, a mapping (a row for each field), a list of events or of (name, data)
    pairs, or anything else, shown as its text. All steps have the same panels. `labels` says in a
    sentence what each step is; `at` is the step shown first, counted from 0, and can be set.
    Raises `InvalidEventError` for steps that do not fit together.
    """

    _begins_with: ClassVar[tuple[str, ...]] = ("at",)
    at = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        steps: Sequence[Mapping[str, Any]],
        labels: Sequence[str] | None = None,
        *,
        title: str = "Step by step",
        at: int = 0,
        projector: bool = False,
    ) -> None:
        steps = list(steps)
        texts = [f"step {n}" for n in range(len(steps))] if labels is None else list(labels)
        _check(steps, texts)
        self._names, self._labels, self._heading = list(steps[0]), [*map(str, texts)], str(title)
        self._shown = [[_panel(step[name]) for name in self._names] for step in steps]
        types = sorted({t for step in self._shown for p in step for t in p.get("types", ())})
        content = {
            "title": self._heading,
            "names": self._names,
            "labels": self._labels,
            "steps": _signed(self._shown),
            "types": dict(zip(types, drawings(types), strict=True)),
        }
        super().__init__(content, at=at, projector=projector)

    def __repr__(self) -> str:
        last = len(self._labels) - 1
        return f"<stepper: {self._heading}; step {self.at} of {last}: {self._labels[self.at]}>"

    def _title(self) -> str:
        return self._heading

    def _still(self) -> str:
        """All steps as one table, a row each, for places without JavaScript."""
        rows = [
            html_parts.Row("", (label, *map(_in_words, step)))
            for label, step in zip(self._labels, self._shown, strict=True)
        ]
        table = html_parts.table(("", *self._names), rows, signs=False)
        heading = html_parts.text(self._heading)
        return f"<p><b>{heading}</b>. Run this notebook to move through it.</p>{table}"

    @traitlets.validate("at")
    def _check_at(self, proposal: dict[str, Any]) -> int:
        at: int = proposal["value"]
        if not 0 <= at < len(self._labels):
            raise InvalidEventError(
                f"The steps are counted from 0 to {len(self._labels) - 1}: there is no step {at}."
            )
        return at


def _check(steps: list[Mapping[str, Any]], labels: list[str]) -> None:
    if not 1 <= len(steps) <= MOST_STEPS:
        raise InvalidEventError(f"A stepper has 1 to {MOST_STEPS} steps, found {len(steps)}.")
    for n, step in enumerate(steps):
        if not isinstance(step, Mapping) or not step:
            raise InvalidEventError(
                f"Step {n} is a mapping from the names of panels to what they show, "
                f"found {step!r:.60}."
            )
        if list(step) != list(steps[0]):
            raise InvalidEventError(
                f"All steps have the same panels, in the same order: step 0 has "
                f"{', '.join(map(str, steps[0]))}, step {n} has {', '.join(map(str, step))}."
            )
    if len(labels) != len(steps):
        raise InvalidEventError(f"{len(steps)} steps need as many labels, found {len(labels)}.")


def _panel(value: Any) -> dict[str, Any]:
    """What a panel shows, as texts in rows."""
    if isinstance(value, pd.DataFrame):
        rows = [[_cell(cell) for cell in row] for row in value.itertuples(index=False)]
        return {"kind": "table", "head": [*map(str, value.columns)], "rows": rows[:MOST_ROWS]}
    if isinstance(value, Mapping):
        rows = [[str(name), _cell(one)] for name, one in value.items()]
        return {"kind": "fields", "head": ["field", "value"], "rows": rows[:MOST_ROWS]}
    if isinstance(value, list | tuple) and all(map(_is_event, value)):
        facts = [(e.event_type, e.event_data) if isinstance(e, Event) else e for e in value]
        rows = [[name, _data(data)] for name, data in facts[:MOST_ROWS]]
        return {
            "kind": "log",
            "head": ["event", "data"],
            "rows": rows,
            "types": [r[0] for r in rows],
        }
    return {"kind": "text", "head": [], "rows": [[_cell(value)]]}


def _is_event(value: Any) -> bool:
    pair = isinstance(value, tuple | list) and len(value) == 2 and isinstance(value[0], str)
    return isinstance(value, Event) or (pair and isinstance(value[1], Mapping))


def _cell(value: Any) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    text = str(value)
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1]}…"


def _data(data: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {_value(value)}" for name, value in data.items())[:MOST_TEXT]


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(_value, value))
    if isinstance(value, Mapping):
        return " ".join(str(part) for part in value.values())
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _signed(shown: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """Each step with signs against the step before; the first has nothing to differ from."""
    signed = []
    before: list[dict[str, Any]] | None = None
    for now in shown:
        signed.append(
            [_marked(before[n] if before else None, panel) for n, panel in enumerate(now)]
        )
        before = now
    return signed


def _marked(before: dict[str, Any] | None, now: dict[str, Any]) -> dict[str, Any]:
    """The panel, with a sign for each cell: "+" is new, "~" has another text than a step before."""
    old = before["rows"] if before and before["kind"] == now["kind"] else None
    signs = [
        [
            ""
            if old is None
            else "+"
            if n >= len(old) or k >= len(old[n])
            else "~"
            if old[n][k] != cell
            else ""
            for k, cell in enumerate(row)
        ]
        for n, row in enumerate(now["rows"])
    ]
    return {**{key: now[key] for key in ("kind", "head", "rows")}, "signs": signs}


def _in_words(panel: dict[str, Any]) -> str:
    if panel["kind"] == "log":
        return ", ".join(panel["types"]) or "nothing"
    if panel["kind"] == "fields":
        return ", ".join(": ".join(row) for row in panel["rows"])
    return "; ".join(" ".join(row) for row in panel["rows"]) or "nothing"
