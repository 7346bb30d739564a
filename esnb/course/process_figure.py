"""The directly-follows graph, drawn: activities in layers, arrows as thick as they are frequent.

The layers come from fast-sugiyama, which needs no system binary. Source of the technique:
K. Sugiyama, S. Tagawa, M. Toda, *Methods for Visual Understanding of Hierarchical System
Structures*, IEEE Transactions on Systems, Man, and Cybernetics 11, 1981.
"""

from __future__ import annotations

import math
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from fast_sugiyama import from_edges
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Text

from esnb.course.figures import BLUE, GREY, INK, SOFT, style
from esnb.process import Process

_WIDTH, _HEIGHT = 3.6, 1.35  # inches for a column and for a layer
_LINE = 17  # characters of a name on one line


def span(seconds: float) -> str:
    """A length of time in its largest unit: `3.2 d`, `47 min`, `0 s`."""
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if abs(seconds) >= size:
            value = seconds / size
            return f"{value:.0f} {unit}" if abs(value) >= 10 else f"{value:.1f} {unit}"
    return f"{seconds:.0f} s"


def process_map(process: Process, *, least: float = 0.0, times: bool = True) -> Axes:
    """Draw which activity directly follows which; returns the axes.

    Each box shows how often the activity was executed, each arrow how often it was taken and, with
    `times`, the median wait. `least` leaves out arrows taken less often than this share of the
    cases (0.02: 2 %), and a note says how many were left out.
    """
    edges = process.follows()
    shown = edges[edges["count"] >= least * len(process)]
    counts = _executions(process, edges)
    places = _places(shown, process.typical_order())
    with style():
        width = max(x for x, _ in places.values()) + 1
        height = max(y for _, y in places.values()) + 1
        _, ax = plt.subplots(figsize=(max(4.0, _WIDTH * width), max(2.0, _HEIGHT * height)))
        ax.set_xlim(-0.75, width - 0.25)
        ax.set_ylim(height - 0.4, -0.6)
        ax.axis("off")
        boxes = {name: _box(ax, name, counts[name], *place) for name, place in places.items()}
        ax.figure.canvas.draw()  # the boxes have their sizes from here on, and arrows end at them
        taken = list(places.values())
        for row in shown.to_dict("records"):
            _arrow(ax, places, boxes, row, taken, len(process), times)
        left = len(edges) - len(shown)
        if left:
            note = f"{left} rarer {'arrow is' if left == 1 else 'arrows are'} not drawn"
            ax.text(0.99, 0.01, note, transform=ax.transAxes, ha="right", fontsize=9, color=SOFT)
    return ax


def _box(ax: Axes, name: str, count: int, x: float, y: float) -> Text:
    text = f"{_wrapped(name)}\n{count:,}"
    style = {"boxstyle": "round,pad=0.45", "facecolor": GREY, "edgecolor": INK}
    return ax.text(
        x, y, text, ha="center", va="center", fontsize=10, color=INK, zorder=3, bbox=style
    )


def _executions(process: Process, edges: pd.DataFrame) -> dict[str, int]:
    """How often each activity was executed: as a start, or after another."""
    starts = process.starts().set_index("activity")["cases"]
    after = edges.groupby("target")["count"].sum()
    return {a: int(starts.get(a, 0) + after.get(a, 0)) for a in process.activities}


def _places(edges: pd.DataFrame, names: list[str]) -> dict[str, tuple[float, float]]:
    """Columns and layers, both from 0; activities without an arrow are in a last row.

    `names` are in their usual order. An arrow back to an earlier activity is turned round for the
    layout, so that the beginning of a case is at the top.
    """
    numbers = {name: n for n, name in enumerate(names)}
    both = zip(edges["source"].map(numbers), edges["target"].map(numbers), strict=True)
    pairs = sorted({(min(a, b), max(a, b)) for a, b in both if a != b})
    found: dict[int, tuple[float, float]] = {}
    offset = 0.0
    for nodes, width, _, _ in from_edges(pairs) if pairs else ():
        for node, (x, y) in nodes:
            if isinstance(node, int) and node < len(names):
                found[node] = (x + offset, -y)
        offset += width + 72.0
    levels = {y: n for n, y in enumerate(sorted({y for _, y in found.values()}))}
    left = min((x for x, _ in found.values()), default=0.0)
    places = {names[n]: ((x - left) / 72.0, float(levels[y])) for n, (x, y) in found.items()}
    alone = [name for name in names if name not in places]
    for n, name in enumerate(alone):
        places[name] = (float(n), float(len(levels)))
    return places


def _arrow(
    ax: Axes,
    places: dict[str, tuple[float, float]],
    boxes: dict[str, Text],
    edge: dict[Any, Any],
    taken: list[tuple[float, float]],
    cases: int,
    times: bool,
) -> None:
    source, target = edge["source"], edge["target"]
    thick = 0.8 + 4.2 * math.sqrt(edge["count"] / max(1, cases))
    label = f"{edge['count']:,}" + (f"  ~{span(edge['median_seconds'])}" if times else "")
    (x, y), (to_x, to_y) = places[source], places[target]
    if source == target:
        right, _ = _edge_of(ax, boxes[source], (x + 9, y))
        loop = {"arrowstyle": "-|>", "connectionstyle": "arc3,rad=-1.4", "color": BLUE}
        ax.annotate("", (right, y + 0.1), (right, y - 0.1), arrowprops={**loop, "linewidth": thick})
        ax.text(right + 0.17, y, label, fontsize=9, color=INK, va="center", ha="left")
        return
    back = to_y <= y
    bend = 0.28 if back else (0.16 if edge["back"] else 0.0)
    ax.add_patch(
        FancyArrowPatch(
            _edge_of(ax, boxes[source], (to_x, to_y)),
            _edge_of(ax, boxes[target], (x, y)),
            arrowstyle="-|>",
            mutation_scale=14,
            shrinkA=0,
            shrinkB=0,
            connectionstyle=f"arc3,rad={bend}",
            linewidth=thick,
            linestyle="--" if back else "-",
            color=BLUE,
            alpha=0.85,
        )
    )
    at_x, at_y = _free_place((x, y), (to_x, to_y), bend, taken)
    taken.append((at_x, at_y))
    plain = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    ax.text(
        at_x, at_y, label, fontsize=9, color=INK, ha="center", va="center", zorder=4, bbox=plain
    )


def _free_place(
    start: tuple[float, float],
    end: tuple[float, float],
    bend: float,
    taken: list[tuple[float, float]],
) -> tuple[float, float]:
    """A point on an arrow for its words, away from boxes and from other words where possible."""
    (x, y), (to_x, to_y) = start, end
    tall = _HEIGHT / _WIDTH  # the bend is one of the page, where a unit is wider than it is high
    best, room = start, -1.0
    for share in (0.42, 0.34, 0.5, 0.58, 0.28, 0.66):
        away = 2 * share * (1 - share) * bend
        at_x = x + share * (to_x - x) - away * (to_y - y) * tall
        at_y = y + share * (to_y - y) + away * (to_x - x) / tall
        # In units of a label: about half a column wide and a quarter of a layer high.
        free = min((max(abs(at_x - a) / 0.4, abs(at_y - b) / 0.24) for a, b in taken), default=9)
        if free > 1:
            return at_x, at_y
        if free > room:
            best, room = (at_x, at_y), free
    return best


def _edge_of(ax: Axes, box: Text, towards: tuple[float, float]) -> tuple[float, float]:
    """Where the line from the middle of a box towards a point leaves the box, in data units."""
    patch = box.get_bbox_patch()
    assert patch is not None
    corners = ax.transData.inverted().transform(patch.get_window_extent())
    (x, y), (half_x, half_y) = corners.mean(axis=0), abs(corners[1] - corners[0]) / 2
    dx, dy = towards[0] - x, towards[1] - y
    share = min(half_x / abs(dx) if dx else math.inf, half_y / abs(dy) if dy else math.inf)
    return float(x + share * dx), float(y + share * dy)


def _wrapped(name: str) -> str:
    """A name on as many lines as it needs, broken between words (also those of CamelCase)."""
    words, line, lines = _words(name), "", []
    for word in words:
        if line and len(line) + len(word) > _LINE:
            lines.append(line)
            line = ""
        line += word
    return "\n".join(text.strip() for text in [*lines, line])


def _words(name: str) -> list[str]:
    parts: list[str] = []
    for before, letter in zip(" " + name, name, strict=False):
        if not parts or before in " _-.:/" or (letter.isupper() and before.islower()):
            parts.append("")
        parts[-1] += letter
    return parts
