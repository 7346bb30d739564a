"""What a learner is shown of a value: lines that fit, and where two values part."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

import pandas as pd

from esnb.course.exercises.engine.values import same
from esnb.event_json import dump_json
from esnb.events import Event
from esnb.model.state import diff_states

ROWS = 14  # lines shown of one thing
WIDTH = 110


def shown(value: Any) -> list[str]:
    """Lines to show: a text as it is, a list with one line per item, a table as it prints."""
    if isinstance(value, str):
        lines = value.splitlines() or ["''"]
    elif isinstance(value, list | tuple) and value and all(isinstance(x, str) for x in value):
        lines = list(value)
    else:
        return value_lines(value)
    return _fitted(lines)


def value_lines(value: Any) -> list[str]:
    """Lines to show of a value that came back: a text in quotes, so that "None" is not None."""
    if isinstance(value, list | tuple) and any(
        isinstance(item, Event | str | tuple | dict) for item in value
    ):
        streams = {e.aggregate_id for e in value if isinstance(e, Event) and e.aggregate_id}
        lines = [_line(item, with_stream=len(streams) > 1) for item in value]
    elif isinstance(value, pd.DataFrame | pd.Series):
        lines = value.head(ROWS).to_string().splitlines()
    elif isinstance(value, list) and not value:
        lines = ["[] (nothing in it)"]
    else:
        lines = [_line(value)]
    return _fitted(lines)


def _fitted(lines: list[str]) -> list[str]:
    if len(lines) > ROWS:
        lines = [*lines[: ROWS - 1], f"... and {len(lines) - ROWS + 1} more"]
    if len(lines) == 1:  # a sentence, such as the text of an error
        return wrap(lines[0], WIDTH, max_lines=4, placeholder=" ...") or [""]
    return [line if len(line) <= WIDTH else line[: WIDTH - 3] + "..." for line in lines]


def _line(value: Any, with_stream: bool = False) -> str:
    if isinstance(value, Event):
        number = f"{value.sequence_number} " if value.sequence_number else ""
        if with_stream and value.aggregate_id:
            number = f"{value.aggregate_id} {number}"
        data = " ".join(f"{key}={_plain(item)}" for key, item in value.event_data.items())
        return f"{number}{value.event_type} {data}".rstrip()
    try:
        return repr(value)
    except Exception as error:  # a __repr__ of the learner's
        return f"<{type(value).__name__} whose repr fails: {type(error).__name__}>"


def brief(value: Any) -> str:
    """A line on a value that is shown in full elsewhere."""
    if isinstance(value, Event):
        return f"{value.sequence_number or ''} {value.event_type}".strip()
    line = _line(value)
    return line if len(line) <= 60 else line[:57] + "..."


def _plain(value: Any) -> str:
    try:
        return value if isinstance(value, str) else dump_json({"": value}, "")[4:-1]
    except Exception:  # data of the learner's that no store would take
        return brief(value)


def first_difference(wanted: Any, got: Any) -> str:
    """Where two values part, in words; empty if they do not, or if that would say no more."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        diff = diff_states(wanted, got)
        for path, (before, after) in diff.changed.items():
            if not same(before, after):
                return f"{path}: {before!r:.60} wanted, {after!r:.60} came back"
        for path, value in diff.removed.items():
            return f"{path}: {value!r:.60} is missing"
        for path, value in diff.added.items():
            return f"{path}: {value!r:.60} was not wanted"
    if isinstance(wanted, list | tuple) and isinstance(got, list | tuple):
        if len(wanted) < 2 and len(got) < 2:
            return ""
        for number, (want, have) in enumerate(zip(wanted, got, strict=False), start=1):
            if not same(want, have):
                return f"place {number}: {brief(want)} wanted, {brief(have)} came back"
        if len(got) < len(wanted):
            return f"place {len(got) + 1}: {brief(wanted[len(got)])} is missing"
        if len(got) > len(wanted):
            return f"place {len(wanted) + 1}: {brief(got[len(wanted)])} was not wanted"
    return ""
