"""Two time sliders from plain ipywidgets: one through an aggregate, one through a whole store.

    time_slider(store, "order-1042", fold=Order)
    store_slider(store, every="1h")

Python folds, with your own `apply`; the browser shows. Position 0 is the state before anything
happened. The slider takes the arrow keys, Page Up, Page Down, Home and End. Its handle has no name
of its own for a screen reader (ipywidgets gives it none); the buttons and boxes have one.

The views are built from values: no Output, no interact. So a stored notebook has a picture and a
table of what the slider showed, also where no widget can run.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import ipywidgets
import numpy as np
import pandas as pd

from esnb import figures
from esnb.aggregates import Aggregate
from esnb.clock import utc
from esnb.errors import EsnbError, InvalidEventError
from esnb.events import Event
from esnb.reading import Reader
from esnb.store import EventStore
from esnb.timetravel import Diff, History, diff_states
from esnb.widgets import parts
from esnb.widgets.parts import Row, Sign

_MARKS_UP_TO = 60  # longer streams are drawn as counts
_BARS = 120
_MOST_STOPS = 200
_ROWS = 12


def time_slider(
    store: Reader, aggregate_id: str, fold: type[Any], *,
    at: int | datetime | str | None = None, projector: bool = False,
) -> TimeSlider:  # fmt: skip
    """A slider through one aggregate: `time_slider(store, "order-1042", fold=Order)`.

    It starts at the last event, or `at` a number or time. `projector=True` is for a lecture hall:
    larger, and only what changed. Raises what `History` raises.
    """
    return TimeSlider(History(store, fold, aggregate_id), store=store, at=at, projector=projector)


def store_slider(
    store: Reader, *, query: str | None = None, every: str | None = None,
    start: datetime | str | None = None, end: datetime | str | None = None,
    at: datetime | str | None = None, zone: str = "UTC", projector: bool = False,
) -> StoreSlider:  # fmt: skip
    """A slider through the time of a whole store, a stop `every` so often: "1h", "15min", "1D".

    Without `every`, a round step that gives at most 200 stops. The first stop lies before the first
    event (or at `start`), the last one at or after the last (or at `end`). `query` is one SELECT;
    it is run on `store.as_of(T)` at each stop, and its first column names the rows. A step takes as
    long as this query does, for the stop and the one before. `zone` is for showing times, such as
    "America/New_York".
    """
    return StoreSlider(
        store, query=query, every=every, start=start, end=end, at=at, zone=zone, projector=projector
    )


class _Kind(NamedTuple):
    aggregate_type: str
    aggregates: int
    new: int
    changed: int


class _Type(NamedTuple):
    aggregate_type: str
    event_type: str
    events: int
    new: int
    latest_of: int


class _Slider(ipywidgets.VBox):  # type: ignore[misc]
    """What both sliders share: the controls, the clock of Play, and the fallback."""

    def __init__(self, last: int, at: int, what: str, projector: bool, interval: int) -> None:
        size, height = ("22px", "48px") if projector else ("", "32px")
        wide = "160px" if projector else "104px"
        text_style = {"font_size": size} if size else {}
        button = ipywidgets.Layout(width=wide, height=height)
        self.slider = ipywidgets.IntSlider(
            value=at, min=0, max=last, description=what, tooltip=f"{what}: 0 to {last}",
            layout=ipywidgets.Layout(flex="1 1 320px", height=height, min_width="240px"),
        )  # fmt: skip
        self.previous = ipywidgets.Button(
            description="previous", icon="step-backward", tooltip=f"previous {what}",
            layout=button, style=text_style,
        )  # fmt: skip
        self.next = ipywidgets.Button(
            description="next", icon="step-forward", tooltip=f"next {what}",
            layout=button, style=text_style,
        )  # fmt: skip
        self.play = ipywidgets.ToggleButton(
            description="play", icon="play", tooltip="play or pause",
            layout=button, style=text_style,
        )  # fmt: skip
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
                f"<p>{parts.text(repr(self)[1:-1])}. Run this notebook to move the slider.</p>"
                f'<p><img alt="the log, with the slider as a line" '
                f'src="data:image/png;base64,{picture}"></p>{self._tables()}'
            ),
        }


class TimeSlider(_Slider):
    """Every state of one aggregate, a stop an event; see `time_slider`.

    `at` (also to be set: a number or a time), `pin` (compare with this number instead of the event
    before; None), `state` (a dict), `event` and `diff` are what is shown.
    """

    def __init__(
        self, history: History[Any], *, store: Reader | None = None,
        at: int | datetime | str | None = None, projector: bool = False, interval: int = 800,
    ) -> None:  # fmt: skip
        self.history = history
        self.name = _name(history)
        self._snapshots = _snapshots(store, history, self.name)
        last = len(history)
        begin = self._number(last if at is None else at)
        super().__init__(last, begin, "event", projector, interval)
        self._pin: int | None = None
        self.pin_button = ipywidgets.ToggleButton(
            description="pin", icon="thumb-tack", tooltip="pin: compare with this event",
            layout=self.next.layout, style=self.play.style,
        )  # fmt: skip
        self.only_changes = ipywidgets.Checkbox(
            value=projector, description="only what changed", indent=False,
            layout=ipywidgets.Layout(width="180px"),
        )  # fmt: skip
        self.time = ipywidgets.Text(
            description="at time", placeholder="2026-03-02T15:00:00Z", continuous_update=False,
            tooltip="at time: go to that time", layout=ipywidgets.Layout(width="300px"),
        )  # fmt: skip
        self.pin_button.observe(self._on_pin, "value")
        self.only_changes.observe(lambda _: self._draw(), "value")
        self.time.observe(self._on_time, "value")
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
                f"At {when} the events of {self.name} are no beginning of the stream, because "
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
            self._put(self.strip_view, parts.strip(events, number))
        else:
            counts, place = _binned(len(events), number)
            self._put(self.strip_view, parts.bars(counts, place))
        kind = self.history.kind.__name__
        lines = [
            f"<b>{parts.text(self.name)}</b> after event <b>{number}</b> of {len(events)}: "
            f"{parts.text(parts.sentence(diff_states(before, now)), 240)}",
            f'<code style="font-family:{parts.CODE};color:{parts.INK}">'
            f"store.load({parts.text(kind)}, {parts.text(repr(self.name))}, at={number})</code>"
            f'<span style="color:{parts.SOFT}"> {parts.text(self._way(number))}</span>',
        ]
        if self._problem:
            lines.append(f"<b>Not a time to go to:</b> {parts.text(self._problem)}")
        self._put(self.head_view, "<br>".join(lines[: 1 if self.projector else None]))
        self._put(self.event_view, self._card())
        self._put(self.state_view, self._table(before, now))

    def _card(self, drawn: bool = True) -> str:
        events = self.history.events
        previous = events[self.at - 2] if self.at > 1 else None
        return parts.event_card(self.event, self.at, len(events), previous, drawn)

    def _table(self, before: dict[str, Any], now: dict[str, Any]) -> str:
        old = max(self.at - 1, 0) if self._pin is None else self._pin
        headers = ("field", f"at {old}", f"at {self.at}")
        return parts.state_table(before, now, headers, self.only_changes.value)

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
        return _bar_picture(*_binned(len(events), self.at), f"{self.name}: {len(events)} events")


class StoreSlider(_Slider):
    """A whole store as of T; see `store_slider`.

    `at` is the time (also to be set: the last stop not after it), `stops` all times, `past` the
    store as of it, `aggregates` and `counts` the summary, `result` the query's answer (DataFrames).

    What a stop needs is counted once, when the slider is made; events that are appended later are
    not in it.
    """

    def __init__(
        self, store: Reader, *, query: str | None = None, every: str | None = None,
        start: datetime | str | None = None, end: datetime | str | None = None,
        at: datetime | str | None = None, zone: str = "UTC", projector: bool = False,
        interval: int = 800,
    ) -> None:  # fmt: skip
        self.store = store.as_of(store.position)
        self.query = query
        self._zone = ZoneInfo(zone)
        self._stops(every, start, end)
        self._prepare()
        self._results: dict[int, pd.DataFrame] = {}
        last = len(self.stops) - 1
        super().__init__(last, last if at is None else self._index(at), "stop", projector, interval)
        self.strip_view, self.head_view = self._html(), self._html()
        self.types_view, self.events_view, self.query_view = (self._html() for _ in range(3))
        self.log_view = self._html()
        wrap = ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start")
        right = ipywidgets.VBox([self.query_view, self.log_view])
        counts = ipywidgets.VBox([self.types_view, self.events_view])
        self.children = [
            self._row(),
            self.strip_view,
            self.head_view,
            ipywidgets.HBox([right, counts] if query else [counts, right], layout=wrap),
        ]
        self._draw()

    # -- what is shown ---------------------------------------------------------------------

    @property
    def at(self) -> datetime:
        """The time at the slider (UTC): all that occurred up to it counts."""
        return self.stops[self.slider.value]

    @at.setter
    def at(self, when: datetime | str) -> None:
        self.slider.value = self._index(when)

    @property
    def past(self) -> Reader:
        """The store as of the time at the slider."""
        return self.store.as_of(self.at)

    @property
    def aggregates(self) -> pd.DataFrame:
        """A row an aggregate type: how many there are, and of them new and changed since the stop
        before."""
        return pd.DataFrame(self._kinds(), columns=list(_Kind._fields))

    @property
    def counts(self) -> pd.DataFrame:
        """A row an event type: how many so far, how many since the stop before, and how many
        aggregates have such an event as their latest."""
        return pd.DataFrame(self._types(), columns=list(_Type._fields))

    @property
    def result(self) -> pd.DataFrame | None:
        """What the query answers, as of the time at the slider."""
        return self._answer(self.slider.value) if self.query else None

    def __repr__(self) -> str:
        return (
            f"<store slider: {self._total} events, {len(self.stops) - 1} stops of {self._every}, "
            f"at {parts.moment(self._local(self.at))}>"
        )

    # -- once ------------------------------------------------------------------------------

    def _stops(
        self, every: str | None, start: datetime | str | None, end: datetime | str | None
    ) -> None:
        ends = self.store.sql("select min(occurred_at), max(occurred_at), count(*) from events")
        first, last, self._total = ends.fetchall()[0]
        if first is None:
            raise InvalidEventError("The store is empty, so there is no time to move through.")
        first, last = (_us(t.replace(tzinfo=UTC)) for t in (first, last))
        if start is not None:
            first = _us(utc(start))
        if end is not None:
            last = _us(utc(end))
        if last < first:
            raise InvalidEventError("The end of this slider lies before its start.")
        size = _round_step(last - first) if every is None else _step_size(every)
        origin = first if start is not None else (first - 1) // size * size
        count = max(1, -(-(last - origin) // size))
        if count > 20 * _MOST_STOPS:
            raise InvalidEventError(
                f"every={every!r} would make {count} stops. Give a longer step, or start= and end=."
            )
        self._origin, self._size = origin, size
        self._every = parts.span(pd.Timedelta(size, "us").to_pytimedelta())
        self.stops = [
            datetime.fromtimestamp(0, UTC) + pd.Timedelta(origin + k * size, "us").to_pytimedelta()
            for k in range(count + 1)
        ]

    def _prepare(self) -> None:
        """Count once, for all stops. Stop k is for what occurred after stop k - 1, up to its time.

        An event is the latest of its aggregate from its own stop until the first stop of any later
        event of that aggregate. Later means a higher sequence number, also where clocks disagree.
        """
        rows = self.store.sql(
            """
            with e as (
                select aggregate_type, aggregate_id, event_type, sequence_number,
                       greatest(0, (epoch_us(occurred_at) - $origin + $size - 1) // $size) as k
                from events
            ), l as (
                select *, min(k) over (partition by aggregate_id order by sequence_number desc
                                       rows between unbounded preceding and 1 preceding) as until,
                       min(k) over (partition by aggregate_id) as born
                from e
            )
            select 'events', aggregate_type, event_type, k, count(*) from l group by all
            union all
            select 'latest', aggregate_type, event_type, k, count(*)
            from l where until is null or until > k group by all
            union all
            select 'latest', aggregate_type, event_type, until, -count(*)
            from l where until > k group by all
            union all
            select 'aggregates', aggregate_type, '', born, count(distinct aggregate_id)
            from l group by all
            union all
            select 'touched', aggregate_type, '', k, count(distinct aggregate_id)
            from l group by all
            """,
            {"origin": self._origin, "size": self._size},
        ).fetchall()
        flows: dict[str, dict[tuple[str, str], np.ndarray]] = {
            what: {} for what in ("events", "latest", "aggregates", "touched")
        }
        for what, kind, event, k, n in sorted(rows, key=lambda row: row[:4]):
            flow = flows[what].setdefault((kind, event), np.zeros(len(self.stops), dtype=np.int64))
            if k < len(self.stops):
                flow[k] += n
        self._flow = sum(flows["events"].values(), np.zeros(len(self.stops), dtype=np.int64))
        self._events = {name: flow.cumsum() for name, flow in flows["events"].items()}
        empty = np.zeros(len(self.stops), dtype=np.int64)
        self._latest = {name: flows["latest"].get(name, empty).cumsum() for name in self._events}
        self._aggregates = {name[0]: flow.cumsum() for name, flow in flows["aggregates"].items()}
        self._touched = {name[0]: flow for name, flow in flows["touched"].items()}

    # -- at each stop ----------------------------------------------------------------------

    def _index(self, when: datetime | str) -> int:
        index = (_us(utc(when)) - self._origin) // self._size
        if not 0 <= index < len(self.stops):
            raise InvalidEventError(
                f"{when} lies outside of this slider: {parts.moment(self.stops[0])} to "
                f"{parts.moment(self.stops[-1])}."
            )
        return index

    def _local(self, when: datetime) -> datetime:
        return when.astimezone(self._zone)

    def _answer(self, k: int) -> pd.DataFrame:
        if k not in self._results:
            if len(self._results) > 2 * _MOST_STOPS:
                self._results.clear()
            assert self.query is not None
            self._results[k] = self.store.as_of(self.stops[k]).sql(self.query).df()
        return self._results[k]

    def _draw(self) -> None:
        k = self.slider.value
        self._put(self.strip_view, parts.bars(self._flow[1:].tolist(), k))
        self._put(self.head_view, self._head())
        self._put(self.types_view, self._kinds_table())
        self._put(self.events_view, self._types_table())
        self._put(self.query_view, self._query_table(k))
        if not self.projector:
            self._put(self.log_view, self._last_events(k))

    def _kinds(self) -> list[_Kind]:
        k = self.slider.value
        kinds = []
        for name, so_far in self._aggregates.items():
            new = _rise(so_far, k)
            touched = int(self._touched[name][k]) if k else 0
            kinds.append(_Kind(name, int(so_far[k]), new, touched - new))
        return kinds

    def _types(self) -> list[_Type]:
        k = self.slider.value
        return [
            _Type(*name, int(so_far[k]), _rise(so_far, k), int(self._latest[name][k]))
            for name, so_far in self._events.items()
        ]

    def _head(self) -> str:
        kinds = self._kinds()
        line = (
            f"as of <b>{parts.moment(self._local(self.at))}</b>: "
            f"<b>{sum(kind.aggregates for kind in kinds)}</b> aggregates, "
            f"{sum(kind.events for kind in self._types())} events"
        )
        if self.slider.value:
            line += (
                f"; since the stop before: <b>{sum(kind.new for kind in kinds)}</b> new, "
                f"<b>{sum(kind.changed for kind in kinds)}</b> changed"
            )
        if self.projector:
            return line
        code = f'store.as_of("{self.at.isoformat().replace("+00:00", "Z")}")'
        return f'{line}<br><code style="font-family:{parts.CODE};color:{parts.INK}">{code}</code>'

    def _kinds_table(self) -> str:
        rows = [Row(_sign(kind), tuple(map(str, kind))) for kind in self._kinds()]
        return parts.table(("type", "aggregates", "new", "changed"), rows, signs=False)

    def _types_table(self) -> str:
        rows = []
        for kind in self._types():
            new = f"+{kind.new}" if kind.new else ""
            cells = (kind.event_type, str(kind.events), new, str(kind.latest_of))
            rows.append(Row("~" if new else "", cells, frozenset({1, 2} if new else ())))
        return parts.table(("event type", "so far", "new", "latest event of"), rows, signs=False)

    def _last_events(self, k: int) -> str:
        try:
            rows = self.store.as_of(self.stops[k]).sql(
                "select occurred_at, aggregate_id, sequence_number, event_type from events "
                "order by occurred_at desc, position desc limit ?", [_ROWS // 2],
            ).fetchall()  # fmt: skip
        except EsnbError as error:
            return f"<b>The last events cannot be read:</b> {parts.text(str(error))}"
        before = self.stops[k - 1] if k else None
        shown = []
        for when, name, number, event_type in rows:
            fresh = before is not None and when.replace(tzinfo=UTC) > before
            sign: Sign = "" if not fresh else "+" if number == 1 else "~"
            local = f"{self._local(when.replace(tzinfo=UTC)):%m-%d %H:%M:%S}"
            shown.append(Row(sign, (local, name, str(number), event_type)))
        return parts.table(("occurred", "aggregate", "number", "last events"), shown)

    def _query_table(self, k: int) -> str:
        if self.query is None:
            return ""
        try:
            now = self._answer(k)
            before = self._answer(k - 1) if k else now.iloc[:0]
        except EsnbError as error:
            return f"<b>The query fails at this stop:</b> {parts.text(str(error))}"
        headers, rows = _compare(before, now)
        changed = [row for row in rows if row.sign]
        shown = rows if len(rows) <= _ROWS else (changed + [r for r in rows if not r.sign])[:_ROWS]
        more = len(rows) - len(shown)
        left = f'<p style="color:{parts.SOFT}">and {more} more rows</p>' if more else ""
        return parts.table(headers, shown) + left

    def _tables(self) -> str:
        query = self._query_table(self.slider.value)
        return self._head() + query + self._kinds_table() + self._types_table()

    def _picture(self) -> bytes:
        first, last = (f"{self._local(self.stops[k]):%Y-%m-%d}" for k in (0, -1))
        label = f"events by {self._every}, {first} to {last}"
        return _bar_picture(self._flow[1:].tolist(), self.slider.value, label)


# Helpers ----------------------------------------------------------------------------------------


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


def _binned(count: int, number: int) -> tuple[list[int], int]:
    """A long stream as counts: the events in each of at most 120 bars, and the cursor's bar."""
    size = -(-count // _BARS)
    bars = -(-count // size)
    return [min(size, count - n * size) for n in range(bars)], -(-number // size)


def _bar_picture(counts: list[int], at: int, label: str) -> bytes:
    ax = figures.chart(8.0, 1.5)
    x = np.arange(1, len(counts) + 1)
    shown = x <= at
    ax.bar(x[shown], np.array(counts)[shown], width=1.0, color=figures.SOFT)
    ax.bar(x[~shown], np.array(counts)[~shown], width=1.0, color=figures.GREY)
    ax.set(yticks=[], xticks=[], xlim=(0, len(counts) + 1))
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(label)
    return figures.png(figures.cursor_line(ax, at + 0.5))


def _rise(so_far: np.ndarray, k: int) -> int:
    return int(so_far[k] - so_far[k - 1]) if k else 0  # the first stop has none before it


def _sign(kind: _Kind) -> Sign:
    return "+" if kind.new else "~" if kind.changed else ""


def _compare(before: pd.DataFrame, now: pd.DataFrame) -> tuple[list[str], list[Row]]:
    """Two answers of one query, row by row; the first column names a row."""
    headers = [str(name) for name in now.columns]
    old = {row[0]: row for row in _cells(before)}
    rows, seen = [], set()
    for cells in _cells(now):
        seen.add(cells[0])
        was = old.get(cells[0])
        if was is None:
            rows.append(Row("+", cells, frozenset(range(1, len(cells)))))
        elif was != cells:
            changed = frozenset(n for n, cell in enumerate(cells) if cell != was[n])
            written = tuple(
                f"{was[n]} -> {cell}" if n in changed else cell for n, cell in enumerate(cells)
            )
            rows.append(Row("~", written, changed))
        else:
            rows.append(Row("", cells))
    rows += [Row("-", cells) for name, cells in old.items() if name not in seen]
    return headers, rows


def _cells(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    missing = frame.isna()
    columns = [
        ["" if gone else str(value) for value, gone in zip(frame[c], missing[c], strict=True)]
        for c in frame.columns
    ]
    return list(zip(*columns, strict=True))


def _us(when: datetime) -> int:
    return (when - datetime.fromtimestamp(0, UTC)) // pd.Timedelta(1, "us").to_pytimedelta()


_ROUND = (
    "1s", "10s", "1min", "5min", "15min", "30min", "1h", "3h", "6h", "12h", "1D", "2D", "7D", "28D",
)  # fmt: skip


def _round_step(length: int) -> int:
    sizes = [_step_size(text) for text in _ROUND]
    enough = (size for size in sizes if length <= size * (_MOST_STOPS - 1))
    return next(enough, -(-length // (_MOST_STOPS - 1)))


def _step_size(every: str) -> int:
    try:
        size = pd.Timedelta(every) // pd.Timedelta(1, "us")
    except ValueError:
        size = 0
    if size <= 0:
        raise InvalidEventError(
            f"every={every!r} is no length of time. Write '1h', '15min' or '1D'."
        )
    return int(size)
