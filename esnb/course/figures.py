"""The one visual grammar of the course: every function draws on a matplotlib `ax` and returns it.

    event       filled mark with a two-letter code, one shape and hue for each type
    command     hollow dashed arrow: it may be refused
    refusal     vermilion cross, and vermilion for nothing else
    state       grey rounded box: derived, so never a bright colour
    snapshot    black bar across the line
    stream      line with time to the right, sequence numbers below
    read model  white table, with a checkpoint tick on the log; the gap to the end is the lag
    cursor      thin vertical line ("as of"); what comes later fades
    change      + added (blue), - removed (orange), ~ changed (both)

Shapes carry meaning, so that the grammar reads in grey as well: a circle begins a stream, a
triangle points up when something is added and down when it is taken away, an octagon stops, a
diamond is money in and a hexagon money back, a square is a parcel, a pentagon the house it goes to.

`x` is counted in events: the event with number n stands at n, and what holds *after* it (a
snapshot, a checkpoint, a cursor) at n + 0.5. Colours: Okabe and Ito, https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from matplotlib.patheffects import withStroke
from matplotlib.rcsetup import cycler

from esnb.errors import InvalidEventError
from esnb.events import Event

INK, PAPER, GREY, SOFT = "#1a1a1a", "#ffffff", "#e4e4e4", "#767676"
ORANGE, SKY, GREEN, YELLOW = "#e69f00", "#56b4e9", "#009e73", "#f0e442"
BLUE, PURPLE, VERMILION = "#0072b2", "#cc79a7", "#d55e00"
SIZE, SANS, MONO = 13, "DejaVu Sans", "DejaVu Sans Mono"  # points: readable from the last row

# The ends of an arrow: at the points given, and of a size that no setting of the user changes.
_END: Any = {"shrinkA": 0, "shrinkB": 0, "mutation_scale": 15}

RC: Any = {
    "font.family": SANS, "font.size": SIZE, "axes.labelsize": SIZE, "figure.dpi": 100,
    "xtick.labelsize": SIZE - 1, "ytick.labelsize": SIZE - 1, "lines.linewidth": 2.4,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK, "text.color": INK,
    "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
    "figure.facecolor": PAPER, "axes.facecolor": PAPER, "savefig.facecolor": PAPER,
    # Lines differ by dash as well as by hue. Vermilion is kept for refusals.
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, PURPLE, INK])
    + cycler(linestyle=["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1))]),
}  # fmt: skip


class Mark(NamedTuple):
    """How one event type is drawn: code, a matplotlib marker, and the fill."""

    code: str
    shape: Any
    hue: str


CIRCLE, UP, DOWN, OCTAGON, SQUARE, HOUSE, DIAMOND, HEXAGON = "o", "^", "v", "8", "s", "p", "D", "H"

MARKS: dict[str, Mark] = {
    "OrderPlaced": Mark("OP", CIRCLE, SKY),
    "ItemAdded": Mark("IA", UP, GREEN),
    "ItemRemoved": Mark("IR", DOWN, PURPLE),
    "PaymentReceived": Mark("PR", DIAMOND, YELLOW),
    "OrderShipped": Mark("OS", SQUARE, ORANGE),
    "OrderDelivered": Mark("OD", HOUSE, BLUE),
    "OrderCancelled": Mark("OC", OCTAGON, PURPLE),
    "RefundIssued": Mark("RI", HEXAGON, YELLOW),
    "AccountOpened": Mark("AO", CIRCLE, BLUE),
    "CreditAdded": Mark("CA", UP, YELLOW),
    "CreditSpent": Mark("CS", DOWN, ORANGE),
    "CreditReversed": Mark("CR", HEXAGON, ORANGE),
    "FlightScheduled": Mark("FS", CIRCLE, GREEN),
    "FlightDeparted": Mark("FD", UP, SKY),
    "FlightArrived": Mark("FA", DOWN, BLUE),
    "FlightCancelled": Mark("FC", OCTAGON, ORANGE),
    "AircraftDeparted": Mark("AD", UP, PURPLE),
    "AircraftArrived": Mark("AA", DOWN, GREEN),
}

# Where the letters sit (a share of the mark's height), and how much larger a narrow shape is drawn.
_SIT: dict[Any, tuple[float, float]] = {
    UP: (-0.14, 1.25), DOWN: (0.14, 1.25), DIAMOND: (0, 0.94), HOUSE: (-0.03, 1.18),
    OCTAGON: (0, 1.08), HEXAGON: (0, 1.12), "P": (0, 1.12), "d": (0, 1.2),
}  # fmt: skip


def mark(event_type: str) -> Mark:
    """The mark of an event type; one that is not in `MARKS` gets its mark from its name."""
    if event_type in MARKS:
        return MARKS[event_type]
    words = re.findall(r"[A-Z][^A-Z]*|[^\W_]+", event_type) or ["?"]
    code = (words[0][0] + words[-1][0] if len(words) > 1 else words[0][:2]).upper()
    number = zlib.crc32(event_type.encode("utf-8", "replace"))
    hues = (SKY, GREEN, YELLOW, ORANGE, PURPLE, BLUE)
    return Mark(code, "P" if number % 2 else "d", hues[number // 2 % len(hues)])


@contextmanager
def style() -> Iterator[None]:
    """The course's fonts, white ground and lines, for your own figure: `with style(): ...`."""
    with mpl.rc_context(RC):
        yield


def canvas(span: float = 8, top: float = 1.0, bottom: float = -1.0) -> Axes:
    """A white canvas for diagrams, `span` events wide, y from bottom to top, without axes."""
    with style():
        size = (min(11.0, 0.8 * (span + 0.4)), 0.8 * (top - bottom))
        ax = plt.figure(figsize=size).add_axes((0, 0, 1, 1))
        ax.set(xlim=(0.3, span + 0.7), ylim=(bottom, top))
        ax.axis("off")
    return ax


def chart(width: float = 8.0, height: float = 3.6) -> Axes:
    """An ax for a measured curve, in the course's style; sizes in inches. Label it with `note`."""
    with style():
        return plt.subplots(figsize=(width, height), layout="constrained")[1]


def note(ax: Axes, x: float, y: float, text: str, **options: Any) -> Axes:
    """A direct label, in place of a legend; options as in `Axes.text`."""
    # A dollar sign in somebody's data is a dollar sign, and no formula.
    look = {"family": SANS, "fontsize": SIZE, "color": INK, "va": "center", "parse_math": False}
    ax.text(x, y, text, **{**look, **options})
    return ax


def stream(
    ax: Axes, events: Iterable[Event | str], y: float = 0, label: str | None = None,
    numbers: bool | Sequence[object] = True, cursor: float | None = None,
    at: Sequence[float] | None = None,
) -> Axes:  # fmt: skip
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
        _event(ax, x, y, kind, size, alpha)
        if numbers is not False and number % each == 0:
            ax.annotate(
                str(text),
                (x, y),
                (0, -0.72 * size - 3),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=SIZE - 2,
                family=SANS,
                color=INK,
                alpha=max(alpha, 0.45),
                parse_math=False,
            )
    if not types:
        note(ax, 0.75, y + 0.25, "no events", color=SOFT)
    return ax if cursor is None else cursor_line(ax, cursor + 0.5 if at is None else cursor)


def cursor_line(ax: Axes, x: float, text: str | None = None) -> Axes:
    """The "as of" cursor: a thin vertical line, with an optional text at its upper end."""
    ax.axvline(x, color=INK, lw=1.1, zorder=4)
    return ax if text is None else note(ax, x + 0.1, ax.get_ylim()[1], text, va="top")


def snapshot(ax: Axes, number: int, y: float = 0, text: str | None = None) -> Axes:
    """A snapshot of the state after event `number`: a black bar across the line."""
    ax.plot(
        [number + 0.5] * 2, [y - 0.42, y + 0.42], color="black", lw=7, ls="-", solid_capstyle="butt"
    )
    return note(ax, number + 0.5, y + 0.6, text or f"snapshot at {number}", ha="center")


def command(ax: Axes, text: str, x: float, y: float = 0, length: float = 1.0) -> Axes:
    """A command that wants to write at `(x, y)`: a hollow dashed arrow from above, named."""
    ax.add_patch(FancyArrowPatch(
        (x, y + 0.4 + length), (x, y + 0.4), shrinkA=0, shrinkB=0, zorder=3,
        arrowstyle="simple,head_width=16,head_length=12,tail_width=8",
        facecolor=PAPER, edgecolor=INK, linestyle=(0, (3, 2)), lw=1.3,
    ))  # fmt: skip
    return note(ax, x + 0.25, y + 0.4 + length / 2, text)


def refusal(ax: Axes, x: float, y: float = 0, text: str = "") -> Axes:
    """A refusal or conflict at `(x, y)`: a vermilion cross, with its reason beside it."""
    edge = [withStroke(linewidth=7, foreground=INK)]
    ax.plot([x], [y], "x", color=VERMILION, markersize=20, mew=5, zorder=6, path_effects=edge)
    return note(ax, x + 0.4, y, text)


def state_box(ax: Axes, x: float, y: float, state: Mapping[str, Any] | str, **options: Any) -> Axes:
    """A state as a grey rounded box, centred at `(x, y)`: a mapping is written one line a field."""
    return _box(ax, x, y, _lines(state), "round,pad=0.5", GREY, **options)


def read_model(
    ax: Axes, x: float, y: float, table: pd.DataFrame | str, checkpoint: int | None = None,
    end: int | None = None, log_y: float = 0,
) -> Axes:  # fmt: skip
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
    return _box(ax, x, y, text, "square,pad=0.5", PAPER)


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
        note(ax, x, y - 0.36 * n, sign, ha="center", weight="bold", path_effects=edge)
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
    return note(ax, middle[0], middle[1] + 0.2, text, ha="center", color="#595959")


def key(ax: Axes, event_types: Iterable[str], columns: int = 3, width: float = 3.2) -> Axes:
    """The marks with their names, `columns` a row, from the top left: the course's only legend."""
    for n, kind in enumerate(event_types):
        x, y = 0.7 + n % columns * width, ax.get_ylim()[1] - 0.5 - n // columns * 0.75
        _event(ax, x, y, kind, 25, 1.0)
        note(ax, x + 0.4, y, kind)
    return ax


def png(ax: Axes, dpi: int = 100) -> bytes:
    """The figure of `ax` as a PNG file: the same drawing gives the same bytes. Closes it."""
    figure, buffer = ax.get_figure(root=True), io.BytesIO()
    assert figure is not None
    with style():
        figure.savefig(
            buffer, format="png", dpi=dpi, bbox_inches="tight", metadata={"Software": None}
        )
    plt.close(figure)
    return buffer.getvalue()


def _event(ax: Axes, x: float, y: float, kind: str, size: float, alpha: float) -> None:
    code, shape, hue = mark(kind)
    lift, scale = _SIT.get(shape, (0.0, 1.0))
    edge = 1.4 if size >= 13 else 0.6
    # A white copy below, so that the line does not shine through a faded mark.
    for fill, opacity, order in ((PAPER, 1.0, 2), (hue, alpha, 3)):
        ax.plot(
            [x],
            [y],
            marker=shape,
            markersize=size * scale,
            mfc=fill,
            mec=INK if order == 3 else PAPER,
            mew=edge,
            alpha=opacity,
            zorder=order,
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


def _box(ax: Axes, x: float, y: float, text: str, shape: str, fill: str, **options: Any) -> Axes:
    box = {"boxstyle": shape, "facecolor": fill, "edgecolor": INK, "linewidth": 1.2}
    look = {"ha": "center", "family": MONO, "fontsize": SIZE - 1, "linespacing": 1.4, "ma": "left"}
    return note(ax, x, y, text, bbox=box, zorder=5, **{**look, **options})


def _lines(state: Mapping[str, Any] | str) -> str:
    if isinstance(state, str):
        return state
    wide = max((len(str(name)) for name in state), default=0)
    return "\n".join(f"{name!s:<{wide}}  {value}" for name, value in state.items()) or "(empty)"


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
    step_width = 1.35
    heights = dict(zip(writers, (1.75, -1.75), strict=False))
    end = step_width * len(trace) + 0.8
    ax = canvas(end + 1.4, top=2.2, bottom=-2.2)
    ax.set_xlim(-1.2, end + 0.2)
    lines = {0.0: "stream"} | {y: (names or {}).get(who, who) for who, y in heights.items()}
    for y, text in lines.items():
        look = {"color": INK, "lw": 1.6} if y == 0 else {"color": SOFT, "lw": 1.2}
        ax.annotate(
            "", (end, y), (0, y), zorder=1, arrowprops={"arrowstyle": "->", "shrinkA": 0, **look}
        )
        note(ax, -0.35, y, text, ha="right")
    _event(ax, 0.1, 0, first, 25, 1.0)
    note(ax, 0.42, -0.22, "1", fontsize=SIZE - 2)
    blank = {"facecolor": PAPER, "edgecolor": "none"}
    version, seen = 1, dict.fromkeys(heights, 0)
    for n, (who, step) in enumerate(trace, start=1):
        x, y, side = step_width * n, heights[who], 1 if heights[who] > 0 else -1
        if step == "read":
            seen[who] = version
            ax.annotate(
                "",
                (x, y - 0.3 * side),
                (x, 0.08 * side),
                arrowprops={
                    "arrowstyle": "-|>",
                    "color": SOFT,
                    "lw": 1.6,
                    "shrinkA": 0,
                    "shrinkB": 0,
                },
            )
            _box(ax, x, y, f"knows {version}", "round,pad=0.35", GREY, fontsize=SIZE - 2)
            continue
        text = {"append": f"expects {seen[who]}", "write": "any version"}.get(step, step)
        text = f"expects {seen[who]}" if step == "conflict" else text
        note(ax, x, y, text, ha="center", fontsize=SIZE - 1, bbox=blank)
        if step in ("append", "conflict", "write"):
            _hollow(ax, x, y - 0.3 * side, 0.5 * side)
        if step in ("append", "write"):
            version += 1
            _event(ax, x, 0, written, 25, 1.0)
            note(ax, x + 0.32, -0.22, str(version), fontsize=SIZE - 2)
        elif step == "conflict":
            refusal(ax, x, 0.2 * side)
            note(ax, x, -0.4 * side, f"found {version}", ha="center", fontsize=SIZE - 1)
    return ax


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
    above its box, or below it where the box stands in the lower half. `begin` names the place where
    nothing has happened yet: an open ring.
    """
    ax = canvas(span, top, bottom)
    loops: dict[str, list[str]] = {}
    for name, (x, y) in places.items():
        if name == begin:
            ax.plot([x], [y], "o", mfc=PAPER, mec=INK, markersize=12, zorder=4)
        else:
            _box(ax, x, y, name, "round,pad=0.5", GREY)
    for before, kind, after in moves:
        if before == after:
            loops.setdefault(before, []).append(kind)
            continue
        (x, y), (to_x, to_y) = places[before], places[after]
        a, b = _edge(before, to_x - x, to_y - y, begin), _edge(after, to_x - x, to_y - y, begin)
        ax.annotate(
            "",
            (to_x - b[0], to_y - b[1]),
            (x + a[0], y + a[1]),
            zorder=2,
            arrowprops={"arrowstyle": "-|>", "color": SOFT, "lw": 1.8, "shrinkA": 0, "shrinkB": 1},
        )
        _event(ax, (x + to_x) / 2, (y + to_y) / 2, kind, 25, 1.0)
    for name, kinds in loops.items():
        (x, y), side = places[name], -1 if places[name][1] < 0 else 1
        ax.annotate(
            "",
            (x + 0.45, y + 0.34 * side),
            (x - 0.45, y + 0.34 * side),
            zorder=2,
            arrowprops={
                "arrowstyle": "-|>",
                "color": SOFT,
                "lw": 1.6,
                "shrinkA": 0,
                "shrinkB": 0,
                "connectionstyle": f"arc3,rad={-1.1 * side}",
            },
        )
        for n, kind in enumerate(kinds):
            _event(ax, x + (n - (len(kinds) - 1) / 2) * 0.62, y + 0.92 * side, kind, 25, 1.0)
    return ax


def _edge(name: str, dx: float, dy: float, begin: str | None) -> tuple[float, float]:
    """From the centre of a state's box to its edge, in the direction (dx, dy), in canvas units."""
    wide, high = (0.12, 0.12) if name == begin else (0.12 + 0.0635 * len(name), 0.27)
    share = min(wide / abs(dx) if dx else 9.0, high / abs(dy) if dy else 9.0)
    return dx * share, dy * share


def _hollow(ax: Axes, x: float, y: float, to_y: float) -> None:
    """The hollow dashed arrow of a command, between two heights."""
    ax.add_patch(
        FancyArrowPatch(
            (x, y),
            (x, to_y),
            arrowstyle="simple,head_width=14,head_length=11,tail_width=6",
            facecolor=PAPER,
            edgecolor=INK,
            linestyle=(0, (3, 2)),
            lw=1.3,
            shrinkA=0,
            shrinkB=0,
            zorder=3,
        )
    )


def story(
    events: Iterable[Event | str],
    states: Mapping[int, Mapping[str, Any] | str],
    label: str | None = None,
    cursor: float | None = None,
) -> Axes:
    """A stream, and below it the state after event n in a grey box, for each n of `states`."""
    types, step = list(events), 1.4  # room for a box below each second event
    lines = max((len(_lines(state).splitlines()) for state in states.values()), default=0)
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
