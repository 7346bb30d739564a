"""A time slider from plain ipywidgets, through every state of an aggregate.

    time_slider(store, "order-1042", fold=Order)

Python folds, with your own `apply`; the browser shows. Position 0 is the state before anything
happened. The slider takes the arrow keys, Page Up, Page Down, Home and End. Its handle has no name
of its own for a screen reader (ipywidgets gives it none); the buttons and boxes have one.

The views are built from values: no Output, no interact. So a stored notebook has a picture and a
table of what the slider showed, also where no widget can run.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import ipywidgets

from esnb.course import figures
from esnb.course.widgets import html_parts
from esnb.course.widgets.slider import Slider, bar_picture, binned
from esnb.errors import EsnbError, InvalidEventError
from esnb.events import Event
from esnb.model.aggregate import Aggregate
from esnb.model.default_fold import LatestValues
from esnb.model.history import History
from esnb.model.state import Diff, diff_states
from esnb.store.event_store import EventStore
from esnb.store.reader import Reader

_MARKS_UP_TO = 60  # longer streams are drawn as counts


def time_slider(
    store: Reader,
    aggregate_id: str,
    fold: type[Any] = LatestValues,
    *,
    at: int | datetime | str | None = None,
    projector: bool = False,
) -> TimeSlider:
    """A slider through one aggregate: `time_slider(store, "order-1042", fold=Order)`.

    Without `fold` it shows the latest value of each data field.
    It starts at the last event, or `at` a number or time. `projector=True` is for a lecture hall:
    larger, and only what changed. Raises what `History` raises.
    """
    return TimeSlider(History(store, fold, aggregate_id), store=store, at=at, projector=projector)


class TimeSlider(Slider):
    """Every state of one aggregate, a stop an event; see `time_slider`.

    `at` (also to be set: a number or a time), `pin` (compare with this number instead of the event
    before; None), `state` (a dict), `event` and `diff` are what is shown.
    """

    def __init__(
        self,
        history: History[Any],
        *,
        store: Reader | None = None,
        at: int | datetime | str | None = None,
        projector: bool = False,
        interval: int = 800,
    ) -> None:
        self.history = history
        self.name = _name(history)
        self._snapshots = _snapshots(store, history, self.name)
        last = len(history)
        begin = self._number(last if at is None else at)
        super().__init__(last, begin, "event", projector, interval)
        self._pin: int | None = None
        self._make_controls(projector)
        self.strip_view, self.head_view = self._html(), self._html()
        self.event_view, self.state_view = self._html(), self._html()
        self.event_view.layout.flex = "1 1 280px"
        self.state_view.layout.flex = "2 1 420px"
        wrap = ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start")
        options = [] if projector else [ipywidgets.HBox([self.only_changes, self.time])]
        self.children = [
            self._row(self.pin_button),
            *options,
            self.strip_view,
            self.head_view,
            ipywidgets.HBox([self.event_view, self.state_view], layout=wrap),
        ]
        self._draw()

    def _make_controls(self, projector: bool) -> None:
        self.pin_button = ipywidgets.ToggleButton(
            description="pin",
            icon="thumb-tack",
            tooltip="pin: compare with this event",
            layout=self.next.layout,
            style=self.play.style,
        )
        self.only_changes = ipywidgets.Checkbox(
            value=projector,
            description="only what changed",
            indent=False,
            layout=ipywidgets.Layout(width="180px"),
        )
        self.time = ipywidgets.Text(
            description="at time",
            placeholder="2026-03-02T15:00:00Z",
            continuous_update=False,
            tooltip="at time: go to that time",
            layout=ipywidgets.Layout(width="300px"),
        )
        self.pin_button.observe(self._on_pin, "value")
        self.only_changes.observe(lambda _: self._draw(), "value")
        self.time.observe(self._on_time, "value")

    # -- what is shown ---------------------------------------------------------------------

    @property
    def at(self) -> int:
        """The number of the last event that counts; 0: nothing happened yet."""
        return int(self.slider.value)

    @at.setter
    def at(self, when: int | datetime | str) -> None:
        self.slider.value = self._number(when)

    @property
    def pin(self) -> int | None:
        """The number that the state is compared with; None: the event before."""
        return self._pin

    @pin.setter
    def pin(self, number: int | None) -> None:
        self._pin = None if number is None else self._number(number)
        self.pin_button.value = number is not None
        self._draw()

    @property
    def event(self) -> Event | None:
        """The event at the slider, None at 0."""
        return self.history.events[self.at - 1] if self.at else None

    @property
    def state(self) -> dict[str, Any]:
        """The state at the slider."""
        return self._states()[1]

    @property
    def diff(self) -> Diff:
        """From the event before, or from the pin, to the state at the slider."""
        return diff_states(*self._states())

    def __repr__(self) -> str:
        kind = self.history.kind.__name__
        return f"<time slider: {self.name} as {kind}, at event {self.at} of {len(self.history)}>"

    # -- how ------------------------------------------------------------------------------

    def _number(self, when: int | datetime | str) -> int:
        if isinstance(when, int):
            if not 0 <= when <= len(self.history):
                raise InvalidEventError(
                    f"There is no event {when}: {self.name} has 0 to {len(self.history)}."
                )
            return when
        number = self.history.number_at(when)
        if number is None:
            raise InvalidEventError(
                f"At {when} the events of {self.name} are not the beginning of the stream, because "
                f"their clocks disagreed. Ask the history: History(...).at({when!r})."
            )
        return number

    def _states(self) -> tuple[dict[str, Any], dict[str, Any]]:
        before = max(self.at - 1, 0) if self._pin is None else self._pin
        return self.history.state(before), self.history.state(self.at)

    def _on_pin(self, change: dict[str, Any]) -> None:
        if change["new"] == (self._pin is not None):
            return
        self._pin = self.at if change["new"] else None
        self._draw()

    def _on_time(self, change: dict[str, Any]) -> None:
        if not change["new"].strip():
            return
        try:
            self.at = change["new"].strip()
            self._problem = ""
        except EsnbError as error:
            self._problem = str(error)
        self._draw()

    def _draw(self) -> None:
        number, events = self.at, self.history.events
        before, now = self._states()
        if len(events) <= _MARKS_UP_TO:
            self._put(self.strip_view, html_parts.strip(events, number))
        else:
            counts, place = binned(len(events), number)
            self._put(self.strip_view, html_parts.bars(counts, place))
        kind = self.history.kind.__name__
        lines = [
            f"<b>{html_parts.text(self.name)}</b> after event <b>{number}</b> of {len(events)}: "
            f"{html_parts.text(html_parts.sentence(diff_states(before, now)), 240)}",
            f'<code style="font-family:{html_parts.CODE};color:{html_parts.INK}">'
            f"store.load({html_parts.text(kind)}, {html_parts.text(repr(self.name))}, "
            f"at={number})</code>"
            f'<span style="color:{html_parts.SOFT}"> {html_parts.text(self._way(number))}</span>',
        ]
        if self._problem:
            lines.append(f"<b>Not a time to go to:</b> {html_parts.text(self._problem)}")
        self._put(self.head_view, "<br>".join(lines[: 1 if self.projector else None]))
        self._put(self.event_view, self._card())
        self._put(self.state_view, self._table(before, now))

    def _card(self, drawn: bool = True) -> str:
        events = self.history.events
        previous = events[self.at - 2] if self.at > 1 else None
        return html_parts.event_card(self.event, self.at, len(events), previous, drawn)

    def _table(self, before: dict[str, Any], now: dict[str, Any]) -> str:
        old = max(self.at - 1, 0) if self._pin is None else self._pin
        headers = ("field", f"at {old}", f"at {self.at}")
        return html_parts.state_table(before, now, headers, self.only_changes.value)

    def _way(self, number: int) -> str:
        """How a load of this state would begin: the store's snapshots, not this widget's copies."""
        if self._snapshots is None:
            return f"replays {number} event{'' if number == 1 else 's'}"
        base = max((n for n in self._snapshots if n <= number), default=0)
        events = f"{number - base} event{'' if number - base == 1 else 's'}"
        return f"snapshot at {base} + {events}" if base else f"replays {events}"

    def _tables(self) -> str:
        return f"{self._card(drawn=False)}{self._table(*self._states())}"

    def _picture(self) -> bytes:
        events = self.history.events
        if len(events) <= _MARKS_UP_TO:
            ax = figures.canvas(max(len(events), 4), top=0.7, bottom=-0.8)
            return figures.png(figures.stream(ax, events, cursor=self.at))
        return bar_picture(*binned(len(events), self.at), f"{self.name}: {len(events)} events")


def _name(history: History[Any]) -> str:
    return (history.events[0].aggregate_id if history.events else None) or "these events"


def _snapshots(store: Reader | None, history: History[Any], name: str) -> list[int] | None:
    """The numbers of the snapshots that a load would trust; None where it would use none."""
    kind = history.kind
    if not isinstance(store, EventStore) or not issubclass(kind, Aggregate):
        return None
    if kind.snapshot_every is None:
        return None
    found = store.snapshots(name)
    return [int(n) for n in found["sequence_number"][found["state_version"] == kind.state_version]]
