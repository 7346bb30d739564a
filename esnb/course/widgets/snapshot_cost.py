"""What an interval between snapshots costs: sliders for the two costs, and the whole curve.

    snapshot_cost_slider(cost=500, loads=1, every=100)

Costs are counted in events applied, since counts repeat on every machine and times do not. For a
stream that grows by one event after another, an interval of `every` costs, for each event,

    loads * (every - 1) / 2     events replayed, on average, by the loads
    cost / every                this event's share of a snapshot

The views are built from values, so a stored notebook shows a picture and the same numbers in words.
"""

from __future__ import annotations

import base64
import math
from typing import Any

import ipywidgets

from esnb.course import figures
from esnb.course.widgets import html_parts
from esnb.errors import InvalidEventError

INTERVALS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1_000)
COSTS = (10, 20, 50, 100, 150, 200, 300, 400, 500, 700, 1_000, 1_500, 2_000, 5_000)
LOADS = {
    "1 per 100 events": 0.01,
    "1 per 30 events": 1 / 30,
    "1 per 10 events": 0.1,
    "1 per 3 events": 1 / 3,
    "1 per event": 1.0,
    "3 per event": 3.0,
    "10 per event": 10.0,
}


def cost_per_event(every: int, loads: float, cost: float) -> float:
    """The events applied for each event of a long stream, a snapshot counted as `cost` of them."""
    return loads * (every - 1) / 2 + cost / every


def best_interval(loads: float, cost: float, most: int = 10_000) -> int:
    """The interval up to `most` that costs least; the smallest of several."""
    # The curve falls, then rises: its valley is next to the root of the derivative.
    near = round(math.sqrt(2 * cost / loads))
    few = (min(max(every, 1), most) for every in range(near - 1, near + 2))
    return min(few, key=lambda every: (cost_per_event(every, loads, cost), every))


def snapshot_cost_slider(
    cost: float = 500, loads: float = 1.0, every: int = 100, length: int = 10_000
) -> SnapshotCost:
    """Sliders for the cost of snapshots: `snapshot_cost_slider(cost=500)`.

    `cost` is how many applied events one snapshot costs, `loads` how many loads come with each
    event, `every` the interval to begin at, `length` the events of the stream. `cost` and `every`
    begin at the nearest stop of their sliders. Raises `InvalidEventError` for a value that is not
    a number above zero.
    """
    return SnapshotCost(cost, loads, every, length)


class SnapshotCost(ipywidgets.VBox):  # type: ignore[misc]
    """The curve of costs over intervals, with the chosen and the best one; see
    `snapshot_cost_slider`.

    `every`, `loads` and `cost` (also to be set, to a stop of their sliders) are what is shown.
    """

    def __init__(self, cost: float, loads: float, every: int, length: int) -> None:
        for name, value in (("cost", cost), ("loads", loads), ("every", every), ("length", length)):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value < math.inf:
                raise InvalidEventError(f"{name} is a number above zero, found {value!r}.")
        self.length = length
        self._every = _slider("events between snapshots", {f"{n:,}": n for n in INTERVALS}, every)
        self._cost = _slider("a snapshot costs, in events", {f"{n:,}": n for n in COSTS}, cost)
        self._loads = _slider("loads", LOADS, loads)
        self.curve, self.words = ipywidgets.HTML(), ipywidgets.HTML()
        for slider in (self._every, self._cost, self._loads):
            slider.observe(lambda _: self._draw(), "value")
        super().__init__(
            [self._every, self._cost, self._loads, self.words, self.curve],
            layout=ipywidgets.Layout(padding="4px"),
        )
        self._draw()

    @property
    def every(self) -> int:
        """The events between two snapshots."""
        return int(self._every.value)

    @every.setter
    def every(self, every: int) -> None:
        self._every.value = every

    @property
    def cost(self) -> float:
        """What one snapshot costs, in events applied."""
        return float(self._cost.value)

    @cost.setter
    def cost(self, cost: float) -> None:
        self._cost.value = cost

    @property
    def loads(self) -> float:
        """How many loads come with each event."""
        return float(self._loads.value)

    @loads.setter
    def loads(self, loads: float) -> None:
        self._loads.value = loads

    @property
    def best(self) -> int:
        """The interval that costs least."""
        return best_interval(self.loads, self.cost)

    def lines(self) -> list[str]:
        """What is shown, in words."""
        every, best = self.every, self.best
        replayed, share = self.loads * (every - 1) / 2, self.cost / every
        never = self.loads * (self.length - 1) / 2
        return [
            f"A snapshot every {every:,} events costs {replayed + share:,.1f} for each event: "
            f"{replayed:,.1f} replayed, {share:,.1f} for snapshots.",
            f"Best is every {best:,}, at {cost_per_event(best, self.loads, self.cost):,.1f}. "
            f"Without snapshots, {self.length:,} events cost {never:,.1f} each.",
        ]

    def __repr__(self) -> str:
        return "<snapshot cost: " + " ".join(self.lines()) + ">"

    def _draw(self) -> None:
        lines = "<br>".join(map(html_parts.text, self.lines()))
        self.words.value = f'<div style="line-height:1.5">{lines}</div>'
        self.curve.value = self._image()

    def _image(self) -> str:
        picture = base64.b64encode(self._picture()).decode("ascii")
        return (
            '<img alt="cost of one event over the interval between snapshots" '
            f'style="max-width:100%" src="data:image/png;base64,{picture}">'
        )

    def _picture(self) -> bytes:
        ax = figures.chart(8.0, 3.4)
        stops = [n / 10 for n in range(10, 10_001, 5)]
        both = [self.loads * (n - 1) / 2 + self.cost / n for n in stops]
        ax.plot(stops, both)
        ax.plot(stops, [self.loads * (n - 1) / 2 for n in stops], lw=1.2)
        ax.plot(stops, [self.cost / n for n in stops], lw=1.2)
        low, high = cost_per_event(self.best, self.loads, self.cost) * 0.2, max(both) * 2
        ax.set(
            xscale="log",
            yscale="log",
            xlim=(0.9, 1_400),
            ylim=(low, high),
            xlabel="events between snapshots",
            ylabel="cost of one event",
        )
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
            axis.set_minor_formatter(lambda value, _: "")
        figures.note(ax, 1.1, self.cost * 0.22, "snapshots")
        figures.note(ax, 1_000, self.loads * 180, "replays", ha="right")
        if self.best <= INTERVALS[-1]:
            least = cost_per_event(self.best, self.loads, self.cost)
            ax.plot([self.best], [least], "o", color=figures.INK, markersize=9)
            figures.note(ax, self.best, least * 1.7, f"best: {self.best}", ha="center")
        figures.cursor_line(ax, self.every)
        side = "left" if self.every <= 100 else "right"
        figures.note(ax, self.every, high * 0.6, f" every {self.every:,} ", ha=side)
        return figures.png(ax)

    def _repr_mimebundle_(self, **arguments: Any) -> dict[str, Any]:
        """The live view, and beside it what a place without widgets can show."""
        lines = "<br>".join(map(html_parts.text, self.lines()))
        return {
            **(super()._repr_mimebundle_(**arguments) or {}),
            "text/plain": repr(self),
            "text/html": f"<p>{lines}</p><p>{self._image()}</p>"
            "<p>Run this notebook to move the sliders.</p>",
        }


def _slider(name: str, stops: dict[str, Any], value: float) -> ipywidgets.SelectionSlider:
    """A slider over a few stops, at the one nearest to a value."""
    nearest = min(stops.values(), key=lambda stop: abs(math.log(stop / value)))
    return ipywidgets.SelectionSlider(
        options=list(stops.items()),
        value=nearest,
        description=name,
        continuous_update=False,
        style={"description_width": "190px"},
        layout=ipywidgets.Layout(width="min(640px, 96%)"),
    )
