"""TimeTravel: move through every state of one aggregate, and ask what if.

    tt = TimeTravel(store, "order-1042", fold=Order, stops={2: "the payment arrives"})
    tt
    tt.at, tt.state, tt.diff()

Python folds once, with your own `apply`, and the browser moves (`deltas.py`). So the widget works
while the kernel is busy, after it has gone, and in the page that `to_html` writes. Position 0 is
before anything happened. The keys are listed under `?` in the widget.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import pandas as pd
import traitlets

from esnb.course import figures
from esnb.course.widgets import deltas, experiments, html_parts, long_history, page, payload
from esnb.course.widgets.long_history import LongHistory
from esnb.course.widgets.long_steps import length
from esnb.course.widgets.refused import rows_of
from esnb.course.widgets.store_travel import StoreTravel
from esnb.course.widgets.time_slider import time_slider
from esnb.errors import EsnbError, InvalidEventError
from esnb.events import Event
from esnb.model.default_fold import LatestValues
from esnb.model.history import History, Policy, WhatIf
from esnb.model.state import Diff
from esnb.store.reader import Reader

Guide = Literal["full", "partial", "off"]

CHECK_UP_TO = 2_000
_MARKS_UP_TO = 60
_BARS = 120
_FRAMES = 5
_ROWS = 1_000


class TimeTravel(page.PageWidget, view="timetravel", root="esnb-tt"):
    """Every state of one aggregate under one playhead: `TimeTravel(store, "order-17", fold=Order)`.

    `fold` is any class with `apply(event)`, or a list of them to swap under one playhead; without
    it, the state is the latest value of each data field, and nothing is ever refused. `stops`
    maps event numbers to a sentence each; play halts there. `guide` is "full" (each step is put
    into words), "partial" (a step forward asks for a prediction first) or "off". `lanes` names the
    lane of an event, by default its type. `projector=True` is for a lecture hall. Raises what
    `History` raises; a stream of more than 2,000 events is not folded a second time to look for an
    impure `apply`.

    `at` (a number; also set it to a time), `pins` (a pair of numbers or None), `state`, `event`,
    `events`, `diff()` and `answers` are what the view shows.
    """

    _begins_with: ClassVar[tuple[str, ...]] = (
        "at",
        "pins",
        "guide",
        "_muted",
        "_policy",
        "_fold",
    )
    _columns: ClassVar[tuple[str, ...]] = (
        "number",
        "event_type",
        "question",
        "answer",
        "actual",
        "match",
        "why",
    )
    _headers = traitlets.Bytes(b"").tag(sync=True)
    _muted: Any = traitlets.List().tag(sync=True)
    _fold = traitlets.Int(0).tag(sync=True)
    _policy = traitlets.Unicode("stop").tag(sync=True)
    at: Any = traitlets.TraitType(0).tag(sync=True)
    pins: Any = traitlets.TraitType((None, None)).tag(sync=True)
    guide = traitlets.Unicode("full").tag(sync=True)

    def __init__(
        self,
        store: Reader,
        aggregate_id: str,
        fold: type[Any] | Sequence[type[Any]] = LatestValues,
        *,
        stops: Mapping[int, str] | None = None,
        guide: Guide = "full",
        projector: bool = False,
        at: int | datetime | str | None = None,
        lanes: Callable[[Event], str] | None = None,
        refused: Iterable[Any] = (),
        progress: bool = True,
    ) -> None:
        kinds: list[Any] = list(fold) if isinstance(fold, list | tuple) else [fold]
        if not kinds:
            raise InvalidEventError("fold needs at least one class with apply(event), found none.")
        if guide not in get_args(Guide):
            raise InvalidEventError(f"guide is one of {get_args(Guide)}, found {guide!r}.")
        self.name = aggregate_id
        self.histories = _histories(store, kinds, aggregate_id, lanes, progress)
        self.stops = {self._number(n): str(text) for n, text in (stops or {}).items()}
        self.refused = rows_of(refused, aggregate_id, len(self.history))
        data, headers = self._contents(store, lanes)
        begin = len(self.history) if at is None else self._number(at)
        super().__init__(data, _headers=headers, at=begin, guide=guide, projector=projector)
        self.on_msg(self._on_message)

    def _contents(
        self, store: Reader, lanes: Callable[[Event], str] | None
    ) -> tuple[dict[str, Any], bytes]:
        first = self.histories[0]
        told: Any = {"stops": self.stops, "refused": self.refused}
        if not isinstance(first, LongHistory):
            return payload.payload(store, self.histories, self.name, lanes=lanes, **told), b""
        longs: Any = self.histories
        return long_history.payload(store, longs, self.name, **told), first.headers.packed()

    @classmethod
    def simple(
        cls, store: Reader, aggregate_id: str, fold: type[Any] = LatestValues, **options: Any
    ) -> Any:
        """The same with plain ipywidgets, where nothing can be installed; see `time_slider`."""
        return time_slider(store, aggregate_id, fold, **options)

    @classmethod
    def store(cls, store: Reader, **options: Any) -> StoreTravel:
        """A whole store as of a time: `TimeTravel.store(store, as_of="2026-03-02T15:00:00Z")`.

        A summary against a time before, and a table of all aggregates; a row opens its own
        TimeTravel below. `fold` is the class that folds them, or several, or a mapping from
        aggregate types to classes; without it the table shows the latest data. `since` is the time
        to compare with (left out: the event before), `closed` the event types after which an
        aggregate counts as closed. Also `projector`. Plain ipywidgets do: see `store_slider`.
        """
        return StoreTravel(store, cls, **options)

    # -- what is shown ---------------------------------------------------------------------

    @property
    def history(self) -> History[Any]:
        """The history behind the view, of the fold that is shown."""
        return self.histories[self._fold]

    @property
    def state(self) -> dict[str, Any]:
        """The state at the playhead."""
        return self.history.state(self.at)

    @property
    def event(self) -> Event | None:
        """The event at the playhead; None at 0."""
        return self.history.label(self.at) if self.at else None

    @property
    def events(self) -> pd.DataFrame:
        """A row an event up to the playhead: number, type, time, data, and the paths it changed.

        Of a stream of more than 20,000 events, the last 1,000 of these rows."""
        history = self.history
        if isinstance(history, LongHistory):
            return history.recent(self.at, _ROWS)
        return history.df().head(self.at)

    def diff(self) -> Diff:
        """What separates the two pins; without both, what the event at the playhead changed."""
        a, b = self.pins
        if a is not None and b is not None:
            return self.history.diff(a, b)
        return self.history.diff(max(self.at - 1, 0), self.at)

    def what_if(self, mute: Iterable[int], policy: Policy = "stop") -> WhatIf[Any]:
        """Fold again without some events, and show it in the view. Nothing is stored.

        `policy` says what happens when the state machine refuses a later event: "stop" there,
        "skip" it, or "force" it. See `History.without`.
        """
        muted = [self._number(number) for number in mute]
        result = self.history.without(*muted, policy=policy)
        self._policy = policy
        self._muted = muted
        return result

    @property
    def code(self) -> str:
        """The Python that gives the state at the playhead."""
        name = json.dumps(self.name, ensure_ascii=False)
        kind = self.history.kind.__name__
        if ([self._data, *self._data["others"]])[self._fold]["loads"]:
            return f"store.load({kind}, {name}, at={self.at})"
        return f"History(store, {kind}, {name}).at({self.at})"

    def __repr__(self) -> str:
        n, kind = len(self.history), self.history.kind.__name__
        stops = (
            f", {len(self.stops)} stop{'' if len(self.stops) == 1 else 's'}" if self.stops else ""
        )
        return f"<time travel: {self.name} as {kind}, at event {self.at} of {n}{stops}>"

    # -- without a kernel ------------------------------------------------------------------

    def _title(self) -> str:
        return f"{self.name}: time travel"

    def _page_data(self) -> dict[str, Any]:
        if not self._headers:
            return self._data
        seen = (self.at, *self.stops, *(pin for pin in self.pins if pin is not None))
        headers = base64.b64encode(self._headers).decode("ascii")
        longs: list[Any] = self.histories
        windows = [long_history.around(history, seen) for history in longs]
        return {**self._data, "headers": headers, "windows": windows}

    def _still(self) -> str:
        """A film strip for places without JavaScript: a picture, and the states in a table."""
        alt = f"{self.name}: its events in order, with the playhead after event {self.at}"
        picture = page.image(self._picture(), alt)
        kind = html_parts.text(self.history.kind.__name__)
        stops = "".join(
            f"<li>{html_parts.text(str(number))}: {html_parts.text(text)}</li>"
            for number, text in sorted(self.stops.items())
        )
        return (
            f"<p><b>{html_parts.text(self.name)}</b>: {len(self.history)} events, "
            f"folded with {kind}. "
            "Run this notebook to move through them.</p>"
            f"<p>{picture}</p>{f'<ul>{stops}</ul>' if stops else ''}{self._film()}"
            f"<p><code>{html_parts.text(self.code)}</code></p>"
        )

    def _film(self) -> str:
        """The states at the stops (else at both ends), a column each; what changed is marked."""
        n = len(self.history)
        chosen = sorted({*(self.stops or {0, n}), self.at})
        if len(chosen) > _FRAMES:
            chosen = sorted({self.at, *chosen[: _FRAMES - 1]})
        states = [
            {path: text for path, _, text in deltas.Shadow().look(self.history.state(number))}
            for number in chosen
        ]
        rows = []
        for path in dict.fromkeys(p for state in states for p in state):
            cells, changed = [], set()
            for column, state in enumerate(states, start=1):
                text = state.get(path, "")
                cells.append(text)
                if column > 1 and text != cells[column - 2]:
                    changed.add(column)
            if any(cells):
                rows.append(
                    html_parts.Row("~" if changed else "", (path, *cells), frozenset(changed))
                )
        more = len(rows) - html_parts.MAX_ROWS
        left = f"<p>and {more} more fields</p>" if more > 0 else ""
        headers = ("field", *(f"at {number}" for number in chosen))
        return html_parts.table(headers, rows[: html_parts.MAX_ROWS], signs=False) + left

    def _picture(self) -> bytes:
        n, at = len(self.history), self.at
        if n <= _MARKS_UP_TO:
            events = payload.labels(self.history)
            ax = figures.canvas(max(n, 4), top=0.7, bottom=-0.8)
            return figures.png(figures.stream(ax, events, cursor=at))
        edges = np.linspace(0, n, _BARS + 1)
        counts = np.diff(np.floor(edges))
        ax = figures.chart(8, 1.2)
        colour = [figures.SOFT if e <= at else figures.GREY for e in edges[1:]]
        ax.bar((edges[:-1] + edges[1:]) / 2, counts, width=np.diff(edges) * 0.9, color=colour)
        ax.axvline(at, color=figures.INK, lw=1.4)
        ax.set_xlabel("event")
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        return figures.png(ax)

    # -- how -------------------------------------------------------------------------------

    def _number(self, when: int | datetime | str) -> int:
        n = len(self.history)
        if isinstance(when, bool) or not isinstance(when, int | str | datetime):
            raise InvalidEventError(
                f"A position is a number from 0 to {n} or a time, found {when!r}."
            )
        if isinstance(when, int):
            if not 0 <= when <= n:
                raise InvalidEventError(f"There is no event {when}: {self.name} has 0 to {n}.")
            return when
        number = self.history.number_at(when)
        if number is None:
            raise InvalidEventError(
                f"At {when} the events of {self.name} are not the beginning of the stream, because "
                f"their clocks disagreed. Ask the history: History(...).at({when!r})."
            )
        return number

    @traitlets.validate("at")
    def _check_at(self, proposal: dict[str, Any]) -> int:
        return self._number(proposal["value"])

    @traitlets.validate("pins")
    def _check_pins(self, proposal: dict[str, Any]) -> tuple[int | None, int | None]:
        value = proposal["value"]
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise InvalidEventError(f"pins is a pair such as (12, 23), found {value!r}.")
        a, b = (None if pin is None else self._number(pin) for pin in value)
        return a, b

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        """A question from the browser; the answer, or the error, goes back by its id."""
        ask = _ASKED.get(content.get("ask")) if isinstance(content, dict) else None
        if ask is None:
            return
        reply: dict[str, Any] = {"ask": content["ask"], "id": content.get("id")}
        buffers: list[bytes] = []
        try:
            reply["result"] = ask(self, self.histories[content.get("fold", 0)], content)
            if isinstance(reply["result"], bytes):
                buffers, reply["result"] = [reply["result"]], None
        except EsnbError as error:
            reply["error"] = str(error)
        self.send(reply, buffers) if buffers else self.send(reply)

    def _asked_what_if(self, history: History[Any], content: dict[str, Any]) -> Any:
        muted = [self._number(number) for number in content["muted"]]
        return experiments.what_if(history, muted, content["policy"])

    def _asked_window(self, history: Any, content: dict[str, Any]) -> Any:
        return history.window(history.window_of(self._number(content["at"])))

    def _asked_rows(self, history: Any, content: dict[str, Any]) -> Any:
        return history.rows(self._number(content["a"]), self._number(content["b"]))

    def _asked_hop(self, history: Any, content: dict[str, Any]) -> Any:
        return history.hop(content["field"], self._number(content["at"]), content["direction"])

    def _asked_mentions(self, history: Any, content: dict[str, Any]) -> Any:
        return history.mentions(content["text"]).tobytes()


_ASKED: dict[Any, Callable[[TimeTravel, Any, dict[str, Any]], Any]] = {
    "what-if": TimeTravel._asked_what_if,
    "window": TimeTravel._asked_window,
    "rows": TimeTravel._asked_rows,
    "hop": TimeTravel._asked_hop,
    "mentions": TimeTravel._asked_mentions,
}


def _histories(
    store: Reader,
    kinds: Sequence[type[Any]],
    aggregate_id: str,
    lanes: Callable[[Event], str] | None,
    progress: bool,
) -> list[History[Any]]:
    count = length(store, aggregate_id)
    if count > long_history.LONG_ABOVE:
        return [LongHistory(store, k, aggregate_id, lanes=lanes, progress=progress) for k in kinds]
    return [History(store, kind, aggregate_id, check=count <= CHECK_UP_TO) for kind in kinds]
