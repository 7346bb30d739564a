"""Whole figures: a race, a state machine, a stream with its states, streams compared, a log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from esnb.course.figures.drawing import (
    arrow,
    box,
    event_mark,
    lines_of,
    note,
    refusal,
    state_box,
    stream,
)
from esnb.course.figures.grammar import GREY, INK, PAPER, SIZE, SOFT
from esnb.course.figures.ground import canvas
from esnb.errors import InvalidEventError
from esnb.events import Event

_STEP = 1.35  # the width of one step of a race
_THIN: Any = {"arrowstyle": "-|>", "color": SOFT, "lw": 1.6, "shrinkA": 0, "shrinkB": 0}


def lanes(
    trace: Sequence[tuple[str, str]],
    names: Mapping[str, str] | None = None,
    first: str = "StockReceived",
    written: str = "PieceSold",
) -> Axes:
    """Two writers above and below one stream, a step a column: who read what, and who was refused.

    `trace` holds (writer, step), the steps being read, decide, append, conflict, refuse, and write,
    which is an append without an expected version. The stream begins with one event of type
    `first`; an append adds one of type `written`.
    """
    writers = sorted({who for who, _ in trace})
    if len(writers) > 2:
        raise InvalidEventError(
            f"lanes() draws two writers, found {len(writers)}: {', '.join(writers)}."
        )
    heights = dict(zip(writers, (1.75, -1.75), strict=False))
    end = _STEP * len(trace) + 0.8
    ax = canvas(end + 1.4, top=2.2, bottom=-2.2)
    ax.set_xlim(-1.2, end + 0.2)
    lines = {0.0: "stream"} | {y: (names or {}).get(who, who) for who, y in heights.items()}
    for y, text in lines.items():
        look = {"color": INK, "lw": 1.6} if y == 0 else {"color": SOFT, "lw": 1.2}
        _arrow(ax, (0, y), (end, y), {"arrowstyle": "->", "shrinkA": 0, **look})
        note(ax, -0.35, y, text, ha="right")
    event_mark(ax, 0.1, 0, first, 25, 1.0)
    note(ax, 0.42, -0.22, "1", fontsize=SIZE - 2)
    version, seen = 1, dict.fromkeys(heights, 0)
    for n, (who, step) in enumerate(trace, start=1):
        x, y = _STEP * n, heights[who]
        if step == "read":
            seen[who] = version
            _read(ax, x, y, version)
        else:
            version += step in ("append", "write")
            _move(ax, x, y, step, seen[who], version, written)
    return ax


def _read(ax: Axes, x: float, y: float, version: int) -> None:
    """A writer reads: an arrow from the stream, and what the writer knows now."""
    side = 1 if y > 0 else -1
    _arrow(ax, (x, 0.08 * side), (x, y - 0.3 * side), _THIN)
    box(ax, x, y, f"knows {version}", "round,pad=0.35", GREY, fontsize=SIZE - 2)


def _move(
    ax: Axes, x: float, y: float, step: str, expected: int, version: int, written: str
) -> None:
    """A writer decides, appends or gives up; `version` is that of the stream afterwards."""
    side = 1 if y > 0 else -1
    expects = f"expects {expected}"
    text = {"append": expects, "conflict": expects, "write": "any version"}.get(step, step)
    note(ax, x, y + 0.24 * side, text, ha="center", fontsize=SIZE - 1)
    if step in ("append", "conflict", "write"):
        _hollow(ax, x, y - 0.1 * side, 0.5 * side)
    if step in ("append", "write"):
        event_mark(ax, x, 0, written, 25, 1.0)
        note(ax, x + 0.32, -0.22, str(version), fontsize=SIZE - 2)
    elif step == "conflict":
        refusal(ax, x, 0.2 * side)
        note(ax, x, -0.4 * side, f"found {version}", ha="center", fontsize=SIZE - 1)


def _hollow(ax: Axes, x: float, y: float, to_y: float) -> None:
    """The hollow dashed arrow of a command, between two heights."""
    ax.add_patch(
        FancyArrowPatch(
            (x, y),
            (x, to_y),
            arrowstyle="simple,head_width=14,head_length=11,tail_width=6",
            facecolor="none",
            edgecolor=INK,
            linestyle=(0, (3, 2)),
            lw=1.3,
            shrinkA=0,
            shrinkB=0,
            zorder=3,
        )
    )


def machine(
    places: Mapping[str, tuple[float, float]],
    moves: Iterable[tuple[str, str, str]],
    begin: str | None = None,
    span: float = 11,
    top: float = 1.6,
    bottom: float = -2.8,
) -> Axes:
    """A state machine: a grey box for each state at its `(x, y)`, and an event mark on each move.

    `moves` holds (state before, event type, state after). Moves that keep the state share one loop,
    above its box, or below it where the box is in the lower half. `begin` names the place where
    nothing has happened yet: an open ring.
    """
    ax = canvas(span, top, bottom)
    loops: dict[str, list[str]] = {}
    for name, (x, y) in places.items():
        if name == begin:
            ax.plot([x], [y], "o", mfc=PAPER, mec=INK, markersize=12, zorder=4)
        else:
            box(ax, x, y, name, "round,pad=0.5", GREY)
    for before, kind, after in moves:
        if before == after:
            loops.setdefault(before, []).append(kind)
            continue
        (x, y), (to_x, to_y) = places[before], places[after]
        a, b = _edge(before, to_x - x, to_y - y, begin), _edge(after, to_x - x, to_y - y, begin)
        ends = (x + a[0], y + a[1]), (to_x - b[0], to_y - b[1])
        _arrow(ax, *ends, {**_THIN, "lw": 1.8, "shrinkB": 1}, order=2)
        event_mark(ax, (x + to_x) / 2, (y + to_y) / 2, kind, 25, 1.0)
    for name, kinds in loops.items():
        _loop(ax, *places[name], kinds)
    return ax


def _loop(ax: Axes, x: float, y: float, kinds: Sequence[str]) -> None:
    """The moves that keep a state: an arrow back to its box, with their marks on it."""
    side = -1 if y < 0 else 1
    bent = {**_THIN, "connectionstyle": f"arc3,rad={-1.1 * side}"}
    _arrow(ax, (x - 0.45, y + 0.34 * side), (x + 0.45, y + 0.34 * side), bent, order=2)
    for n, kind in enumerate(kinds):
        event_mark(ax, x + (n - (len(kinds) - 1) / 2) * 0.62, y + 0.92 * side, kind, 25, 1.0)


def _arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    look: dict[str, Any],
    order: int | None = 1,
) -> None:
    ax.annotate("", end, start, zorder=order, arrowprops=look)


def _edge(name: str, dx: float, dy: float, begin: str | None) -> tuple[float, float]:
    """From the centre of a state's box to its edge, in the direction (dx, dy), in canvas units."""
    wide, high = (0.12, 0.12) if name == begin else (0.12 + 0.0635 * len(name), 0.27)
    share = min(wide / abs(dx) if dx else 9.0, high / abs(dy) if dy else 9.0)
    return dx * share, dy * share


def story(
    events: Iterable[Event | str],
    states: Mapping[int, Mapping[str, Any] | str],
    label: str | None = None,
    cursor: float | None = None,
) -> Axes:
    """A stream, and below it the state after event n in a grey box, for each n of `states`."""
    types, step = list(events), 1.4  # room for a box below each second event
    lines = max((len(lines_of(state).splitlines()) for state in states.values()), default=0)
    middle = -1.62 - 0.16 * lines
    ax = canvas(step * (len(types) + 1), top=0.8, bottom=middle - 0.35 - 0.16 * lines)
    places = [step * n for n in range(1, len(types) + 1)]
    at = None if cursor is None else step * (cursor + 0.5)
    stream(ax, types, label=label, cursor=at, at=places)
    for number, state in states.items():
        x = step * (number + 0.5)
        arrow(ax, (x, -0.72), (x, -1.3))
        state_box(ax, x, middle, state)
    return ax


def compared(
    rows: Mapping[str, Sequence[Event]],
    below: Callable[[Event], object],
    state: Callable[[Sequence[Event]], Mapping[str, Any] | str],
) -> Axes:
    """The same events in several orders, a line each: `below` names an event, `state` the end."""
    longest = max(map(len, rows.values()))
    ax = canvas(longest + 2.2, top=0.9, bottom=-0.8 - 1.6 * (len(rows) - 1))
    for n, (label, events) in enumerate(rows.items()):
        stream(ax, events, -1.6 * n, label, numbers=[below(event) for event in events])
        state_box(ax, longest + 1.8, -1.6 * n, state(events))
    return ax


def whole_log(log: pd.DataFrame) -> Axes:
    """A line for each stream of a log, its events at their position, numbered in their stream."""
    streams = log.groupby("aggregate_id", sort=False)
    ax = canvas(log["position"].max(), top=0.6, bottom=-0.6 - 1.15 * (len(streams) - 1))
    for n, (name, rows) in enumerate(streams):
        numbers, places = list(rows["sequence_number"]), list(rows["position"])
        stream(ax, rows["event_type"], -1.15 * n, str(name), numbers=numbers, at=places)
    return ax
