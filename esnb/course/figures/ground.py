"""What a figure is drawn on: no ground of its own, so that any page can hold it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.rcsetup import cycler

from esnb.course.figures.grammar import BLUE, GREEN, INK, ORANGE, PAPER, PURPLE, SANS, SIZE

RC: Any = {
    "font.family": SANS,
    "font.size": SIZE,
    "axes.labelsize": SIZE,
    "figure.dpi": 100,
    "xtick.labelsize": SIZE - 1,
    "ytick.labelsize": SIZE - 1,
    "lines.linewidth": 2.4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    # Lines differ by dash as well as by hue. Vermilion is kept for refusals.
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, PURPLE, INK])
    + cycler(linestyle=["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1))]),
}


@contextmanager
def style() -> Iterator[None]:
    """The course's fonts, ground and lines, for your own figure: `with style(): ...`."""
    with mpl.rc_context(RC):
        yield


def canvas(span: float = 8, top: float = 1.0, bottom: float = -1.0) -> Axes:
    """A canvas for diagrams, `span` events wide, y from bottom to top, without axes."""
    with style():
        size = (min(11.0, 0.8 * (span + 0.4)), 0.8 * (top - bottom))
        figure = plt.figure(figsize=size)
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set(xlim=(0.3, span + 0.7), ylim=(bottom, top))
        ax.axis("off")
    return _groundless(ax)


def chart(width: float = 8.0, height: float = 3.6) -> Axes:
    """An ax for a measured curve, in the course's style; sizes in inches. Label it with `note`."""
    with style():
        ax: Axes = plt.subplots(figsize=(width, height), layout="constrained")[1]
    return _groundless(ax)


def _groundless(ax: Axes) -> Axes:
    """Hidden, not transparent: Jupyter would put a white ground behind a transparent figure."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.patch.set_visible(False)
    ax.patch.set_visible(False)
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
