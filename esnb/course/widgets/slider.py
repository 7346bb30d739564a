"""What the time sliders share: controls, the clock of Play, and what is beside a live view."""

from __future__ import annotations

import base64
from typing import Any

import ipywidgets
import numpy as np

from esnb.course import figures
from esnb.course.widgets import html_parts

_BARS = 120


class Slider(ipywidgets.VBox):  # type: ignore[misc]
    """What both sliders share: the controls, the clock of Play, and the fallback."""

    def __init__(self, last: int, at: int, what: str, projector: bool, interval: int) -> None:
        size, height = ("22px", "48px") if projector else ("", "32px")
        wide = "160px" if projector else "104px"
        text_style = {"font_size": size} if size else {}
        button = ipywidgets.Layout(width=wide, height=height)
        self.slider = ipywidgets.IntSlider(
            value=at,
            min=0,
            max=last,
            description=what,
            tooltip=f"{what}: 0 to {last}",
            layout=ipywidgets.Layout(flex="1 1 320px", height=height, min_width="240px"),
        )
        self.previous = ipywidgets.Button(
            description="previous",
            icon="step-backward",
            tooltip=f"previous {what}",
            layout=button,
            style=text_style,
        )
        self.next = ipywidgets.Button(
            description="next",
            icon="step-forward",
            tooltip=f"next {what}",
            layout=button,
            style=text_style,
        )
        self.play = ipywidgets.ToggleButton(
            description="play",
            icon="play",
            tooltip="play or pause",
            layout=button,
            style=text_style,
        )
        # The clock of ipywidgets' Play runs in the browser. Its own buttons have no names, so they
        # are hidden, and a button with a name starts it.
        self.clock = ipywidgets.Play(
            value=at, min=0, max=last, interval=interval, layout=ipywidgets.Layout(display="none")
        )
        self._links = [
            ipywidgets.jslink((self.clock, "value"), (self.slider, "value")),
            ipywidgets.jslink((self.play, "value"), (self.clock, "playing")),
        ]
        self.previous.on_click(lambda _: self._step(-1))
        self.next.on_click(lambda _: self._step(+1))
        self.slider.observe(lambda _: self._draw(), "value")
        self.projector = projector
        self._font = "font-size:22px" if projector else ""
        self._problem = ""
        super().__init__(layout=ipywidgets.Layout(padding="4px"))

    def _step(self, by: int) -> None:
        self.slider.value = min(max(self.slider.value + by, 0), self.slider.max)

    def _row(self, *more: ipywidgets.Widget) -> ipywidgets.HBox:
        children = [self.previous, self.slider, self.next, self.play, self.clock, *more]
        flow = ipywidgets.Layout(flex_flow="row wrap", align_items="center")
        return ipywidgets.HBox(children, layout=flow)

    def _html(self) -> ipywidgets.HTML:
        return ipywidgets.HTML(layout=ipywidgets.Layout(margin="2px 10px 2px 0"))

    def _put(self, place: ipywidgets.HTML, content: str) -> None:
        place.value = f'<div style="line-height:1.4;{self._font}">{content}</div>'

    def _draw(self) -> None:
        raise NotImplementedError

    def _picture(self) -> bytes:
        raise NotImplementedError

    def _tables(self) -> str:
        raise NotImplementedError

    def _repr_mimebundle_(self, **arguments: Any) -> dict[str, Any]:
        """The live view, and beside it what a place without widgets can show."""
        picture = base64.b64encode(self._picture()).decode("ascii")
        return {
            **(super()._repr_mimebundle_(**arguments) or {}),
            "text/plain": repr(self),
            "text/html": (
                f"<p>{html_parts.text(repr(self)[1:-1])}. Run this notebook to move the slider.</p>"
                f'<p><img alt="the log, with the slider as a line" '
                f'src="data:image/png;base64,{picture}"></p>{self._tables()}'
            ),
        }


def binned(count: int, number: int) -> tuple[list[int], int]:
    """A long stream as counts: the events in each of at most 120 bars, and the cursor's bar."""
    size = -(-count // _BARS)
    bars = -(-count // size)
    return [min(size, count - n * size) for n in range(bars)], -(-number // size)


def bar_picture(counts: list[int], at: int, label: str) -> bytes:
    """Counts as bars, with the cursor after bar number `at`: a picture (PNG)."""
    ax = figures.chart(8.0, 1.5)
    x = np.arange(1, len(counts) + 1)
    shown = x <= at
    ax.bar(x[shown], np.array(counts)[shown], width=1.0, color=figures.SOFT)
    ax.bar(x[~shown], np.array(counts)[~shown], width=1.0, color=figures.GREY)
    ax.set(yticks=[], xticks=[], xlim=(0, len(counts) + 1))
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(label)
    return figures.png(figures.cursor_line(ax, at + 0.5))
