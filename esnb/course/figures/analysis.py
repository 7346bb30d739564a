"""Charts of an analysis: funnel, cohorts, durations, and figures that were restated.

Each takes the table it shows, draws on a chart of its own, and returns the ax. Missing cells stay
empty: they are unknown, not zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.typing import ColorType

from esnb.course.figures.drawing import note
from esnb.course.figures.grammar import BLUE, DARK, GREY, ORANGE, SKY, SOFT, YELLOW
from esnb.course.figures.ground import chart

EPOCH, DAY = pd.Timestamp("1970-01-01"), pd.Timedelta(days=1)  # how matplotlib counts days


def funnel(counts: Mapping[str, int]) -> Axes:
    """How many reach each step, as bars from top to bottom, with the share of the first."""
    steps, sizes = list(counts), [int(size) for size in counts.values()]
    ax = chart(height=0.5 + 0.6 * len(steps))
    ax.barh(range(len(steps)), sizes, color=SKY, height=0.7)
    for y, size in enumerate(sizes):
        text = f"{size}" if y == 0 else f"{size}   {size / sizes[0]:.0%}"
        note(ax, 0.02 * sizes[0], y, text, color=DARK)
        if y and (lost := sizes[y - 1] - size):
            note(ax, size + 0.015 * sizes[0], y, f"{lost} fewer")
    ax.set(ylim=(len(steps) - 0.5, -0.5), xlim=(0, 1.15 * max(sizes)), yticks=range(len(steps)))
    ax.set_yticklabels(steps)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    return ax


def retention(counts: pd.DataFrame, rows: str = "first order in", columns: str = "later") -> Axes:
    """Cohorts in rows, periods later in columns: the share that came back, and how many.

    `counts` has the size of each cohort in its first column.
    """
    ax = chart(width=1.5 + 1.25 * counts.shape[1], height=0.8 + 0.62 * counts.shape[0])
    shade = plt.get_cmap("Blues")
    for y, (_, row) in enumerate(counts.iterrows()):
        for x, count in enumerate(row):
            if pd.isna(count):
                continue
            share = count / row.iloc[0]
            ax.add_patch(_tile(x, y, shade(0.1 + 0.55 * share)))
            text = f"{count:.0f} began" if x == 0 else f"{share:.0%} ({count:.0f})"
            note(ax, x, y, text, color=DARK, ha="center")
    return _grid(ax, counts, columns, rows)


def triangle(table: pd.DataFrame, unit: float = 1) -> Axes:
    """Figures by when it happened (rows) and when it was known (columns), divided by `unit`.

    Read each row from left to right: blue is more than before, orange is less.
    """
    rows, columns = table.shape
    numbers = table.to_numpy(dtype=float)
    ax = chart(width=0.9 + 0.92 * columns, height=0.7 + 0.47 * rows)
    for y in range(rows):
        before = float("nan")
        for x in range(columns):
            now = numbers[y, x]
            if pd.isna(now):
                continue
            hue = SKY if now > before else ORANGE if now < before else GREY
            ax.add_patch(_tile(x, y, hue))
            note(ax, x, y, f"{now / unit:.0f}", color=DARK, ha="center")
            before = now
    return _grid(ax, table, "known at the end of the week of", "happened in the week of")


def durations(
    curve: pd.DataFrame,
    later: pd.DataFrame | None = None,
    labels: tuple[str, str] = ("", ""),
    unit: str = "days",
) -> Axes:
    """The share still waiting, as `esnb.course.survival` gives it, with its interval.

    A small upright line is one whose end is not known. Below: how many were still waiting.
    `later` is the same curve when the ends were known, dashed; `labels` say what the two are.
    """
    ax = chart(height=4.2)
    at = [0.0, *curve.index]
    ax.step(at, [1.0, *curve["share"]], where="post", color=BLUE, lw=2)
    low, high = ([1.0, *curve[edge].ffill()] for edge in ("low", "high"))
    ax.fill_between(at, low, high, step="post", color=SKY, alpha=0.3, lw=0)
    cut = curve[curve["censored"] > 0]
    ax.plot(cut.index, cut["share"], "|", color=BLUE, ms=9, mew=1.5)
    last = curve.index[-1]
    if later is not None:
        ax.step([0, *later.index], [1, *later["share"]], where="post", color=ORANGE, lw=2, ls="--")
        last = max(last, later.index[-1])
    ticks = [tick for tick in range(int(last) + 2) if last <= 12 or tick % 2 == 0]
    ax.axhline(0.5, color=SOFT, lw=1, ls=":")
    for height, line, label in zip((0.92, 0.82), ("solid", "dashed"), labels, strict=True):
        note(ax, 0.62 * last, height, f"{line}: {label}" if label else "")
    ax.set(xlim=(0, last + 0.3), ylim=(0, 1.02), ylabel="share still waiting")
    ax.set_xticks(ticks, [f"{tick}\n{_waiting(curve, tick)}" for tick in ticks])
    ax.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    ax.set_xlabel(f"{unit}; below, how many were still waiting")
    return ax


def evenings(values: pd.Series[int], marked: Mapping[str, str], ylabel: str) -> Axes:
    """One value for each evening, on an axis of days; `marked` says which days get a note."""
    ax = chart(height=3)
    ax.plot(values.index, values, "o-", color=BLUE, ms=3, lw=1)
    for day, text in marked.items():
        at, height = (pd.Timestamp(day) - EPOCH) / DAY, values[day]
        ax.plot([at], [height], "o", color=ORANGE)
        note(ax, at + 1.5, height, text)
    ax.set(ylabel=ylabel, ylim=(0, None))
    ax.xaxis.set_major_formatter(lambda day, _: f"{EPOCH + day * DAY:%d %b}")
    return ax


def hours_of_day(columns: pd.DataFrame, labels: Sequence[tuple[float, float, str]]) -> Axes:
    """Counts by the hour of the day, a line for each column; `labels` are (x, y, text)."""
    ax = chart()
    for hue, name in zip((ORANGE, BLUE), columns, strict=False):
        ax.step(columns.index, columns[name], where="mid", color=hue)
    for x, y, text in labels:
        note(ax, x, y, text)
    ax.set(xlabel="hour of the day", ylabel="departures in four days", xticks=range(0, 24, 3))
    return ax


def two_kinds(counts: pd.DataFrame, marked: Sequence[int], xlabel: str = "hour of the day") -> Axes:
    """Two columns of counts by the hour, one upwards and one downwards, with lines at `marked`."""
    ax = chart(width=9, height=3)
    up, down = counts.columns
    ax.bar(counts.index + 0.5, counts[up], width=0.8, color=SKY)
    ax.bar(counts.index + 0.5, -counts[down], width=0.8, color=YELLOW)
    top, bottom = counts[up].max() + 1.5, -counts[down].max() - 1.5
    for hour in marked:
        ax.axvline(hour, color=SOFT, lw=1.5)
    note(ax, 0.2, top - 0.7, f"{up}, upwards")
    note(ax, 0.2, bottom + 0.7, f"{down}, downwards")
    ax.axhline(0, color=SOFT, lw=1)
    ax.set(xlim=(0, 24), ylim=(bottom, top), xticks=range(0, 25, 4), xlabel=xlabel)
    ax.yaxis.set_major_formatter(lambda count, _: f"{abs(count):.0f}")
    return ax


def _waiting(curve: pd.DataFrame, tick: float) -> int:
    return int(curve.loc[curve.index >= tick, ["happened", "censored"]].to_numpy().sum())


def _tile(x: float, y: float, hue: ColorType) -> Rectangle:
    return Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, color=hue)


def _grid(ax: Axes, table: pd.DataFrame, columns: str, rows: str) -> Axes:
    height, width = table.shape
    ax.set(xlim=(-0.55, width - 0.45), ylim=(height - 0.45, -0.55), xlabel=columns, ylabel=rows)
    ax.set_xticks(range(width), [*map(str, table.columns)])
    ax.set_yticks(range(height), [*map(str, table.index)])
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    return ax
