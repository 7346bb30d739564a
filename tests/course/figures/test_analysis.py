"""Charts of an analysis: what is drawn is what the table says, and what is missing stays empty."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib import colors

from esnb.course.figures import ORANGE, SKY, analysis
from esnb.course.survival import survival

mpl.use("agg")


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_bars_of_a_funnel_are_as_long_as_the_counts():
    ax = analysis.funnel({"placed": 300, "paid": 264, "shipped": 264})
    assert [bar.get_width() for bar in ax.patches] == [300, 264, 264]
    assert texts(ax) == ["300", "264   88%", "36 fewer", "264   88%"]


def test_a_cohort_without_a_later_period_has_no_tile_there():
    ax = analysis.retention(pd.DataFrame({0: [32, 9], 1: [27, np.nan]}, index=["5 Jan", "19 Jan"]))
    assert texts(ax) == ["32 began", "84% (27)", "9 began"]
    assert len(ax.patches) == 3


def test_a_triangle_tells_more_from_less_and_zero_from_unknown():
    table = pd.DataFrame([[700, 900, 800], [np.nan, 0, 0]], index=["a", "b"], columns=list("xyz"))
    ax = analysis.triangle(table, unit=100)
    assert texts(ax) == ["7", "9", "8", "0", "0"]
    hues = [colors.to_hex(tile.get_facecolor()) for tile in ax.patches]
    assert [hues.index(colors.to_hex(hue)) for hue in (SKY, ORANGE)] == [1, 2]
    assert hues[0] == hues[3] == hues[4]


def test_durations_show_the_censored_and_how_many_wait():
    curve = survival([1, 2, 2, 3], [True, True, False, False])
    ax = analysis.durations(curve, labels=("then", "later"))
    steps, marks = ax.lines[0], ax.lines[1]
    assert steps.get_ydata().tolist() == [1, 0.75, 0.5, 0.5]
    assert marks.get_xdata().tolist() == [2, 3]
    waiting = [label.get_text().split("\n")[1] for label in ax.get_xticklabels()]
    assert waiting == ["4", "4", "3", "1", "0"][: len(waiting)]
    assert texts(ax) == ["solid: then", "dashed: later"]


def test_values_by_day_and_by_hour_are_drawn_as_they_are():
    days = pd.Series([3, 1], index=pd.to_datetime(["2026-01-05", "2026-01-06"]))
    ax = analysis.evenings(days, {"2026-01-05": "the sale"}, "pieces")
    assert ax.lines[0].get_ydata().tolist() == [3, 1]
    assert texts(ax) == ["the sale"]
    hours = pd.DataFrame({"in": range(24), "out": 1})
    ax = analysis.two_kinds(hours, marked=[8])
    assert [bar.get_height() for bar in ax.patches] == [*range(24), *[-1] * 24]
    ax = analysis.hours_of_day(hours, [(3, 4, "here")])
    assert [line.get_ydata().tolist() for line in ax.lines] == [[*range(24)], [1] * 24]
