"""A time slider from plain ipywidgets, through a whole store.

    store_slider(store, every="1h")

What each stop needs is counted once, in SQL, when the slider is made. See `simple.py` as well.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import ipywidgets
import numpy as np
import pandas as pd

from esnb.clock import utc
from esnb.course.widgets import html_parts
from esnb.course.widgets.html_parts import Row, Sign
from esnb.course.widgets.slider import Slider, bar_picture
from esnb.course.widgets.slider_steps import (
    MOST_STOPS,
    compare_frames,
    micros_of,
    round_step,
    step_size,
)
from esnb.errors import EsnbError, InvalidEventError
from esnb.store.reader import Reader

_ROWS = 12


def store_slider(
    store: Reader,
    *,
    query: str | None = None,
    every: str | None = None,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
    at: datetime | str | None = None,
    zone: str = "UTC",
    projector: bool = False,
) -> StoreSlider:
    """A slider through the time of a whole store, a stop `every` so often: "1h", "15min", "1D".

    Without `every`, a round step that gives at most 200 stops. The first stop is before the first
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


class StoreSlider(Slider):
    """A whole store as of T; see `store_slider`.

    `at` is the time (also to be set: the last stop not after it), `stops` all times, `past` the
    store as of it, `aggregates` and `counts` the summary, `result` the query's answer (DataFrames).

    What a stop needs is counted once, when the slider is made; events that are appended later are
    not in it.
    """

    def __init__(
        self,
        store: Reader,
        *,
        query: str | None = None,
        every: str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        at: datetime | str | None = None,
        zone: str = "UTC",
        projector: bool = False,
        interval: int = 800,
    ) -> None:
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
            f"at {html_parts.moment(self._local(self.at))}>"
        )

    # -- once ------------------------------------------------------------------------------

    def _stops(
        self, every: str | None, start: datetime | str | None, end: datetime | str | None
    ) -> None:
        ends = self.store.sql("select min(occurred_at), max(occurred_at), count(*) from events")
        first, last, self._total = ends.fetchall()[0]
        if first is None:
            raise InvalidEventError("The store is empty, so there is no time to move through.")
        first, last = (micros_of(t.replace(tzinfo=UTC)) for t in (first, last))
        if start is not None:
            first = micros_of(utc(start))
        if end is not None:
            last = micros_of(utc(end))
        if last < first:
            raise InvalidEventError("The end of this slider is before its start.")
        size = round_step(last - first) if every is None else step_size(every)
        origin = first if start is not None else (first - 1) // size * size
        count = max(1, -(-(last - origin) // size))
        if count > 20 * MOST_STOPS:
            raise InvalidEventError(
                f"every={every!r} would make {count} stops. Give a longer step, or start= and end=."
            )
        self._origin, self._size = origin, size
        self._every = html_parts.span(pd.Timedelta(size, "us").to_pytimedelta())
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
        index = (micros_of(utc(when)) - self._origin) // self._size
        if not 0 <= index < len(self.stops):
            raise InvalidEventError(
                f"{when} is outside this slider: {html_parts.moment(self.stops[0])} to "
                f"{html_parts.moment(self.stops[-1])}."
            )
        return index

    def _local(self, when: datetime) -> datetime:
        return when.astimezone(self._zone)

    def _answer(self, k: int) -> pd.DataFrame:
        if k not in self._results:
            if len(self._results) > 2 * MOST_STOPS:
                self._results.clear()
            assert self.query is not None
            self._results[k] = self.store.as_of(self.stops[k]).sql(self.query).df()
        return self._results[k]

    def _draw(self) -> None:
        k = self.slider.value
        self._put(self.strip_view, html_parts.bars(self._flow[1:].tolist(), k))
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
            f"as of <b>{html_parts.moment(self._local(self.at))}</b>: "
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
        style = f"font-family:{html_parts.CODE};color:{html_parts.INK}"
        return f'{line}<br><code style="{style}">{code}</code>'

    def _kinds_table(self) -> str:
        rows = [Row(_sign(kind), tuple(map(str, kind))) for kind in self._kinds()]
        return html_parts.table(("type", "aggregates", "new", "changed"), rows, signs=False)

    def _types_table(self) -> str:
        rows = []
        for kind in self._types():
            new = f"+{kind.new}" if kind.new else ""
            cells = (kind.event_type, str(kind.events), new, str(kind.latest_of))
            rows.append(Row("~" if new else "", cells, frozenset({1, 2} if new else ())))
        heads = ("event type", "so far", "new", "latest event of")
        return html_parts.table(heads, rows, signs=False)

    def _last_events(self, k: int) -> str:
        try:
            rows = (
                self.store.as_of(self.stops[k])
                .sql(
                    "select occurred_at, aggregate_id, sequence_number, event_type from events "
                    "order by occurred_at desc, position desc limit ?",
                    [_ROWS // 2],
                )
                .fetchall()
            )
        except EsnbError as error:
            return f"<b>The last events cannot be read:</b> {html_parts.text(str(error))}"
        before = self.stops[k - 1] if k else None
        shown = []
        for when, name, number, event_type in rows:
            fresh = before is not None and when.replace(tzinfo=UTC) > before
            sign: Sign = "" if not fresh else "+" if number == 1 else "~"
            local = f"{self._local(when.replace(tzinfo=UTC)):%m-%d %H:%M:%S}"
            shown.append(Row(sign, (local, name, str(number), event_type)))
        return html_parts.table(("occurred", "aggregate", "number", "last events"), shown)

    def _query_table(self, k: int) -> str:
        if self.query is None:
            return ""
        try:
            now = self._answer(k)
            before = self._answer(k - 1) if k else now.iloc[:0]
        except EsnbError as error:
            return f"<b>The query fails at this stop:</b> {html_parts.text(str(error))}"
        headers, rows = compare_frames(before, now)
        changed = [row for row in rows if row.sign]
        shown = rows if len(rows) <= _ROWS else (changed + [r for r in rows if not r.sign])[:_ROWS]
        more = len(rows) - len(shown)
        left = f'<p style="color:{html_parts.SOFT}">and {more} more rows</p>' if more else ""
        return html_parts.table(headers, shown) + left

    def _tables(self) -> str:
        query = self._query_table(self.slider.value)
        return self._head() + query + self._kinds_table() + self._types_table()

    def _picture(self) -> bytes:
        first, last = (f"{self._local(self.stops[k]):%Y-%m-%d}" for k in (0, -1))
        label = f"events by {self._every}, {first} to {last}"
        return bar_picture(self._flow[1:].tolist(), self.slider.value, label)


def _rise(so_far: np.ndarray, k: int) -> int:
    return int(so_far[k] - so_far[k - 1]) if k else 0  # the first stop has none before it


def _sign(kind: _Kind) -> Sign:
    return "+" if kind.new else "~" if kind.changed else ""
