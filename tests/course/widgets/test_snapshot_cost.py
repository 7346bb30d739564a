"""The cost of an interval between snapshots: counted event by event, and shown."""

from __future__ import annotations

import re

import pytest

from esnb import InvalidEventError
from esnb.course.widgets.snapshot_cost import (
    COSTS,
    INTERVALS,
    LOADS,
    best_interval,
    cost_per_event,
    snapshot_cost_slider,
)


def counted(every: int, loads: float, cost: float, length: int) -> float:
    """The same event by event: the loads before it, and a snapshot when one is due."""
    work, since = 0.0, 0
    for _ in range(length):
        work += loads * since
        since += 1
        if since == every:
            work += cost
            since = 0
    return work / length


@pytest.mark.parametrize("every", [1, 2, 7, 100])
@pytest.mark.parametrize("loads", [0.01, 1.0, 10.0])
def test_the_formula_counts_what_a_stream_goes_through(every: int, loads: float) -> None:
    length = 20 * every
    assert cost_per_event(every, loads, 534) == pytest.approx(counted(every, loads, 534, length))


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("loads", LOADS.values())
def test_no_interval_is_better_than_the_best(cost: float, loads: float) -> None:
    every = range(1, 2_001)
    least = min(cost_per_event(n, loads, cost) for n in every)
    assert cost_per_event(best_interval(loads, cost, 2_000), loads, cost) == pytest.approx(least)


def test_a_slider_that_moves_changes_words_and_picture() -> None:
    widget = snapshot_cost_slider(cost=500, loads=1, every=100)
    assert widget.lines()[0] == (
        "A snapshot every 100 events costs 54.5 for each event: 49.5 replayed, 5.0 for snapshots."
    )
    assert widget.lines()[1].startswith("Best is every 32, at 31.1. Without snapshots, 10,000")
    before = widget.curve.value
    widget.every = 30
    assert "every 30 events" in widget.words.value
    assert widget.curve.value != before
    widget.loads, widget.cost = 0.1, 1_000
    assert (widget.loads, widget.cost) == (0.1, 1_000.0)
    assert f"Best is every {widget.best:,}," in widget.words.value


def test_a_measured_cost_begins_at_the_nearest_stop() -> None:
    assert snapshot_cost_slider(cost=534).cost == 500
    assert snapshot_cost_slider(cost=1_000_000).cost == COSTS[-1]
    assert snapshot_cost_slider(every=128).every in INTERVALS


def test_a_stored_page_shows_the_same_without_a_kernel() -> None:
    bundle = snapshot_cost_slider(every=50)._repr_mimebundle_()
    assert bundle["text/plain"].startswith("<snapshot cost: A snapshot every 50 events")
    assert re.search(r'<img alt="[^"]+" .*src="data:image/png;base64,', bundle["text/html"])
    assert "every 50 events costs" in bundle["text/html"]
    again = snapshot_cost_slider(every=50)._repr_mimebundle_()
    assert again["text/html"] == bundle["text/html"]


@pytest.mark.parametrize(
    "wrong",
    [{"cost": 0}, {"loads": -1}, {"every": "100"}, {"length": True}, {"cost": float("nan")}],
)
def test_a_wrong_value_is_named(wrong: dict[str, object]) -> None:
    (name, value), *_ = wrong.items()
    with pytest.raises(InvalidEventError, match=f"{name} is a number above zero, found"):
        snapshot_cost_slider(**wrong)  # type: ignore[arg-type]
    assert repr(value)
