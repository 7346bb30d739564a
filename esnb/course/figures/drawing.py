"""The parts of a diagram; each function draws on an `ax` and returns it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from matplotlib.patheffects import withStroke

from esnb.course.figures.grammar import (
    BLUE,
    DARK,
    DIAMOND,
    DOWN,
    GREY,
    HEXAGON,
    HOUSE,
    INK,
    MONO,
    OCTAGON,
    ORANGE,
    PAPER,
    SANS,
    SIZE,
    SOFT,
    UP,
    VERMILION,
    mark,
)
from esnb.events import Event

# The ends of an arrow: at the points given, and of a size that no setting of the user changes.
_END: Any = {"shrinkA": 0, "shrinkB": 0, "mutation_scale": 15}

# Where the letters sit (a share of the mark's height), and how much larger a narrow shape is drawn.
_SIT: dict[Any, tuple[float, float]] = {
    UP: (-0.14, 1.25),
    DOWN: (0.14, 1.25),
    DIAMOND: (0, 0.94),
    HOUSE: (-0.03, 1.18),
    OCTAGON: (0, 1.08),
    HEXAGON: (0, 1.12),
    "P": (0, 1.12),
    "d": (0, 1.2),
}


def note(ax: Axes, x: float, y: float, text: str, **options: Any) -> Axes:
    """A direct label, in place of a legend; options as in `Axes.text`."""
    # A dollar sign in somebody's data is a dollar sign, and no formula.
    look = {"family": SANS, "fontsize": SIZE, "color": INK, "va": "center", "parse_math": False}
    ax.text(x, y, text, **{**look, **options})
    return ax


def stream(
    ax: Axes,
    events: Iterable[Event | str],
    y: float = 0,
    label: str | None = None,
    numbers: bool | Sequence[object] = True,
    cursor: float | None = None,
    at: Sequence[float] | None = None,
) -> Axes:
    """A stream: a line, a mark for each event (or event type), and its number below it.

    `numbers` may be the labels themselves. With `cursor=n` what comes after event n fades. `at`
    puts the events at places of your own, such as minutes. Long streams are drawn small, without
    codes.
    """
    types = [e if isinstance(e, str) else e.event_type for e in events]
    places = list(range(1, len(types) + 1)) if at is None else list(at)
    texts: Sequence[object] = range(1, len(types) + 1) if isinstance(numbers, bool) else numbers
    low, high = ax.get_xlim()
    ax.set_xlim(min(low, 0.3), max(high, (max(places) if places else 1) + 0.7))
    size = _mark_size(ax)
    start, end = min(places, default=1) - 0.5, max(places, default=1) + 0.6
    ax.annotate(
        "",
        (end, y),
        (start, y),
        zorder=1,
        arrowprops={"arrowstyle": "->", "color": INK, "lw": 1.6, **_END},
    )
    if label is not None:
        note(ax, start - 0.1, y, label, ha="right")
    each = 1 if size >= 13 else 10 if len(types) <= 100 else 50
    for number, (x, kind, text) in enumerate(zip(places, types, texts, strict=True), start=1):
        alpha = 0.25 if cursor is not None and x > cursor + 0.25 else 1.0
        event_mark(ax, x, y, kind, size, alpha)
        if numbers is not False and number % each == 0:
            _number_below(ax, x, y, str(text), size, max(alpha, 0.45))
    if not types:
        note(ax, 0.75, y + 0.25, "no events", color=SOFT)
    return ax if cursor is None else cursor_line(ax, cursor + 0.5 if at is None else cursor)


def _number_below(ax: Axes, x: float, y: float, text: str, size: float, alpha: float) -> None:
    ax.annotate(
        text,
        (x, y),
        (0, -0.72 * size - 3),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=SIZE - 2,
        family=SANS,
        color=INK,
        alpha=alpha,
        parse_math=False,
    )


def cursor_line(ax: Axes, x: float, text: str | None = None) -> Axes:
    """The "as of" cursor: a thin vertical line, with an optional text at its upper end."""
    ax.axvline(x, color=INK, lw=1.1, zorder=4)
    return ax if text is None else note(ax, x + 0.1, ax.get_ylim()[1], text, va="top")


def snapshot(ax: Axes, number: int, y: float = 0, text: str | None = None) -> Axes:
    """A snapshot of the state after event `number`: a bar across the line."""
    ax.plot(
        [number + 0.5] * 2, [y - 0.42, y + 0.42], color=INK, lw=7, ls="-", solid_capstyle="butt"
    )
    return note(ax, number + 0.5, y + 0.6, text or f"snapshot at {number}", ha="center")


def command(ax: Axes, text: str, x: float, y: float = 0, length: float = 1.0) -> Axes:
    """A command that wants to write at `(x, y)`: a hollow dashed arrow from above, named."""
    ax.add_patch(
        FancyArrowPatch(
            (x, y + 0.4 + length),
            (x, y + 0.4),
            shrinkA=0,
            shrinkB=0,
            zorder=3,
            arrowstyle="simple,head_width=16,head_length=12,tail_width=8",
            facecolor="none",
            edgecolor=INK,
            linestyle=(0, (3, 2)),
            lw=1.3,
        )
    )
    return note(ax, x + 0.25, y + 0.4 + length / 2, text)


def refusal(ax: Axes, x: float, y: float = 0, text: str = "") -> Axes:
    """A refusal or conflict at `(x, y)`: a vermilion cross, with its reason beside it."""
    edge = [withStroke(linewidth=7, foreground=INK)]
    ax.plot([x], [y], "x", color=VERMILION, markersize=20, mew=5, zorder=6, path_effects=edge)
    return note(ax, x + 0.4, y, text)


def state_box(ax: Axes, x: float, y: float, state: Mapping[str, Any] | str, **options: Any) -> Axes:
    """A state as a grey rounded box, centred at `(x, y)`: a mapping has one line per field."""
    return box(ax, x, y, lines_of(state), "round,pad=0.5", GREY, **options)


def read_model(
    ax: Axes,
    x: float,
    y: float,
    table: pd.DataFrame | str,
    checkpoint: int | None = None,
    end: int | None = None,
    log_y: float = 0,
) -> Axes:
    """A read model as a white table centred at `(x, y)`; its checkpoint ticks the log at `log_y`.

    With `end`, the last position of the log, the gap between the two is drawn and named: the lag.
    """
    text = table if isinstance(table, str) else table.to_string(index=False)
    if checkpoint is not None:
        ax.plot(
            [checkpoint + 0.5] * 2,
            [log_y - 0.16, log_y + 0.62],
            color=INK,
            lw=2.6,
            ls="-",
            zorder=4,
        )
        if end is not None and end > checkpoint:
            ax.annotate(
                "",
                (end + 0.5, log_y + 0.55),
                (checkpoint + 0.5, log_y + 0.55),
                arrowprops={"arrowstyle": "<->", "color": INK, **_END},
            )
            note(
                ax, (checkpoint + end + 1) / 2, log_y + 0.75, f"lag {end - checkpoint}", ha="center"
            )
    return box(ax, x, y, text, "square,pad=0.5", PAPER)


def changes(ax: Axes, x: float, y: float, diff: object) -> Axes:
    """A diff (or its lines of text) downwards from `(x, y)`: + blue, - orange, ~ orange to blue."""
    for n, line in enumerate(filter(None, str(diff).splitlines())):
        sign, text = line[0], line[1:].strip()
        left, right = {"+": (BLUE, BLUE), "-": (ORANGE, ORANGE)}.get(sign, (ORANGE, BLUE))
        ax.plot(
            [x],
            [y - 0.36 * n],
            "s",
            markersize=17,
            fillstyle="left",
            mfc=left,
            markerfacecoloralt=right,
            mec=INK,
            clip_on=False,
        )
        edge = [withStroke(linewidth=3, foreground=PAPER)]
        note(ax, x, y - 0.36 * n, sign, ha="center", weight="bold", color=DARK, path_effects=edge)
        note(ax, x + 0.3, y - 0.36 * n, text, family=MONO, fontsize=SIZE - 1)
    return ax


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], text: str = "") -> Axes:
    """A thin arrow that says "is derived from the left one", with a word on it."""
    ax.annotate(
        "",
        end,
        start,
        arrowprops={"arrowstyle": "-|>", "color": SOFT, "lw": 1.6, "mutation_scale": 15},
    )
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    return note(ax, middle[0], middle[1] + 0.2, text, ha="center", color=INK)


def key(ax: Axes, event_types: Iterable[str], columns: int = 3, width: float = 3.2) -> Axes:
    """The marks with their names, `columns` a row, from the top left: the course's only legend."""
    for n, kind in enumerate(event_types):
        x, y = 0.7 + n % columns * width, ax.get_ylim()[1] - 0.5 - n // columns * 0.75
        event_mark(ax, x, y, kind, 25, 1.0)
        note(ax, x + 0.4, y, kind)
    return ax


def event_mark(ax: Axes, x: float, y: float, kind: str, size: float, alpha: float) -> None:
    """One event at `(x, y)`, `size` points large; its letters only where they can be read."""
    code, shape, hue = mark(kind)
    lift, scale = _SIT.get(shape, (0.0, 1.0))
    edge = 1.4 if size >= 13 else 0.6
    ax.plot(
        [x],
        [y],
        marker=shape,
        markersize=size * scale,
        mfc=hue,
        mec=INK,
        mew=edge,
        alpha=alpha,
        zorder=3,
        ls="",
        clip_on=False,
    )
    if size >= 13:
        ink = PAPER if hue == BLUE and alpha == 1 else "black"
        ax.annotate(
            code,
            (x, y),
            (0, lift * size * scale),
            textcoords="offset points",
            ha="center",
            va="center_baseline",
            fontsize=0.4 * size,
            family=SANS,
            weight="bold",
            color=ink,
            alpha=alpha,
            zorder=5,
        )


def _mark_size(ax: Axes) -> float:
    figure = ax.get_figure(root=True)
    assert figure is not None
    points = ax.get_position().width * figure.get_figwidth() * 72
    low, high = ax.get_xlim()
    return min(27.0, max(3.0, 0.62 * points / (high - low)))


def box(ax: Axes, x: float, y: float, text: str, shape: str, fill: str, **options: Any) -> Axes:
    """A text in a box of a matplotlib `shape`, centred at `(x, y)`; options as in `Axes.text`."""
    frame = {"boxstyle": shape, "facecolor": fill, "edgecolor": INK, "linewidth": 1.2}
    look: dict[str, Any] = {
        "ha": "center",
        "color": DARK,
        "family": MONO,
        "fontsize": SIZE - 1,
        "linespacing": 1.4,
        "ma": "left",
    }
    return note(ax, x, y, text, bbox=frame, zorder=5, **{**look, **options})


def lines_of(state: Mapping[str, Any] | str) -> str:
    """A state as text, one line per field."""
    if isinstance(state, str):
        return state
    wide = max((len(str(name)) for name in state), default=0)
    return "\n".join(f"{name!s:<{wide}}  {value}" for name, value in state.items()) or "(empty)"
