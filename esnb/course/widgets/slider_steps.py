"""What `store_slider` computes: round steps of time, and what changed between two tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd

from esnb.course.widgets.html_parts import Row
from esnb.errors import InvalidEventError

MOST_STOPS = 200


def compare_frames(before: pd.DataFrame, now: pd.DataFrame) -> tuple[list[str], list[Row]]:
    """Two answers of one query, row by row; the first column names a row."""
    headers = [str(name) for name in now.columns]
    old = {row[0]: row for row in _cells(before)}
    rows, seen = [], set()
    for cells in _cells(now):
        seen.add(cells[0])
        was = old.get(cells[0])
        if was is None:
            rows.append(Row("+", cells, frozenset(range(1, len(cells)))))
        elif was != cells:
            changed = frozenset(n for n, cell in enumerate(cells) if cell != was[n])
            written = tuple(
                f"{was[n]} -> {cell}" if n in changed else cell for n, cell in enumerate(cells)
            )
            rows.append(Row("~", written, changed))
        else:
            rows.append(Row("", cells))
    rows += [Row("-", cells) for name, cells in old.items() if name not in seen]
    return headers, rows


def _cells(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    missing = frame.isna()
    columns = [
        ["" if gone else str(value) for value, gone in zip(frame[c], missing[c], strict=True)]
        for c in frame.columns
    ]
    return list(zip(*columns, strict=True))


def micros_of(when: datetime) -> int:
    """A time in microseconds since 1970."""
    return (when - datetime.fromtimestamp(0, UTC)) // pd.Timedelta(1, "us").to_pytimedelta()


_ROUND = (
    "1s",
    "10s",
    "1min",
    "5min",
    "15min",
    "30min",
    "1h",
    "3h",
    "6h",
    "12h",
    "1D",
    "2D",
    "7D",
    "28D",
)


def round_step(length: int) -> int:
    """The smallest round step, in microseconds, with which a length has few enough stops."""
    sizes = [step_size(text) for text in _ROUND]
    enough = (size for size in sizes if length <= size * (MOST_STOPS - 1))
    return next(enough, -(-length // (MOST_STOPS - 1)))


def step_size(every: str) -> int:
    """A length of time such as "1h", in microseconds; `InvalidEventError` for anything else."""
    try:
        size = pd.Timedelta(every) // pd.Timedelta(1, "us")
    except ValueError:
        size = 0
    if size <= 0:
        raise InvalidEventError(
            f"every={every!r} is not a length of time. Write '1h', '15min' or '1D'."
        )
    return int(size)
