"""A whole store as of a time: what is new, what changed, and every aggregate in a table.

    TimeTravel.store(store, as_of="2026-03-02T15:00:00Z", fold=Order)

The summary comes first, against a time before. A row opens the aggregate's own TimeTravel below.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from esnb.clock import utc
from esnb.course import figures
from esnb.course.widgets import html_parts, page, payload
from esnb.course.widgets.states_as_of import Places
from esnb.errors import EsnbError, InvalidEventError
from esnb.model.default_fold import LatestValues
from esnb.store.reader import Reader

STOPS = 200
_BARS = 120
_ROWS = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Folds = type[Any] | Sequence[type[Any]] | Mapping[str, type[Any]]


class StoreTable(page.PageWidget, view="whole"):
    """The table of a `StoreTravel`."""

    _begins_with: ClassVar[tuple[str, ...]] = ("_at", "_pin", "_since")
    _times = traitlets.Bytes(b"").tag(sync=True)
    _at = traitlets.Float(0).tag(sync=True)
    _since = traitlets.Float(0).tag(sync=True)
    _pin = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(
        self,
        places: Places,
        at: int,
        since: int | None,
        projector: bool,
        open_row: Callable[[str, int], Any],
    ) -> None:
        self.places = places
        self._open = open_row
        answer = places.look(at, before(places, at) if since is None else since)
        data: dict[str, Any] = {
            "kinds": places.kinds,
            "columns": places.columns,
            "types": {one["name"]: one for one in payload.drawings(places.types)},
            "answer": answer,
        }
        super().__init__(
            data,
            _times=places.times.astype("<f8").tobytes(),
            _at=at,
            _pin=since,
            _since=answer["since"],
            projector=projector,
        )
        self.on_msg(self._on_message)

    def look(self, **options: Any) -> dict[str, Any]:
        """What is shown: `Places.look` at the times of the view."""
        return self.places.look(int(self._at), int(self._since), **options)

    def __repr__(self) -> str:
        seen = self.look(most=0)
        return (
            f"<store as of {html_parts.moment(time_of(self._at))}: "
            f"{seen['aggregates']} aggregates, "
            f"{seen['events']} events; {summary(seen)}>"
        )

    def _title(self) -> str:
        return "the whole store as of a time"

    def _page_data(self) -> dict[str, Any]:
        """A page without a kernel holds at most 200 places, each compared with the one before."""
        times = self.places.stops(STOPS)
        start = times[0] - 1
        answers = {start: self.places.look(start, start)}
        for then, us in pairwise([start, *times]):
            answers[us] = self.places.look(us, then)
        answers[int(self._at)] = self.look()
        return {
            **self._data,
            "times": base64.b64encode(self._times).decode("ascii"),
            "stops": [answers[us] for us in sorted(answers)],
        }

    def _still(self) -> str:
        seen = self.look(most=_ROWS)
        when = html_parts.moment(time_of(self._at))
        headers = ("aggregate", *self.places.columns, "last event", "version")
        rows = []
        for row in seen["rows"]:
            cells = [row["id"]]
            changed = set()
            for place, (then, now) in enumerate(row["cells"], start=1):
                new = row["sign"] and now is not None and then != now
                changed |= {place} if new else set()
                cells.append(f"{then} -> {now}" if new and then is not None else now or "")
            closed = ", closed" if row["sign"] == "-" else ""
            cells += [f"{row['event_type']}{closed}", str(row["version"])]
            sign: html_parts.Sign = "" if row["sign"] == "-" else row["sign"]
            rows.append(html_parts.Row(sign, tuple(cells), frozenset(changed)))
        more = seen["found"] - len(rows)
        return (
            f"<p>As of <b>{html_parts.text(when)}</b>, {html_parts.text(summary(seen))}. "
            f"{seen['aggregates']} aggregates, {seen['events']} events. "
            f"Run this notebook to move through them.</p>"
            f"<p>{page.image(self._picture(), f'events over time, with a line at {when}')}</p>"
            f"{html_parts.table(headers, rows)}{f'<p>and {more} more</p>' if more > 0 else ''}"
            f"<p><code>{html_parts.text(code(self._at))}</code></p>"
        )

    def _picture(self) -> bytes:
        times = self.places.times
        counts, edges = np.histogram(times, bins=_BARS)
        ax = figures.chart(8, 1.2)
        colour = [figures.SOFT if e <= self._at else figures.GREY for e in edges[:-1]]
        ax.bar(edges[:-1], counts, width=np.diff(edges) * 0.9, align="edge", color=colour)
        ax.axvline(self._at, color=figures.INK, lw=1.4)
        ax.set(xticks=[], yticks=[])
        ax.set_xlabel("events over time")
        ax.spines["left"].set_visible(False)
        return figures.png(ax)

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        if not isinstance(content, dict) or content.get("ask") not in ("look", "open"):
            return
        reply: dict[str, Any] = {"ask": content["ask"], "id": content.get("id")}
        try:
            if content["ask"] == "open":
                self._open(content["aggregate"], int(content["us"]))
                reply["result"] = None
            else:
                reply["result"] = self.places.look(
                    int(content["us"]),
                    int(content["since"]),
                    kind=content["kind"],
                    text=content["text"],
                    changed=content["changed"],
                    first=content["first"],
                )
        except EsnbError as error:
            reply["error"] = str(error)
        self.send(reply)


class StoreTravel(ipywidgets.VBox):  # type: ignore[misc]
    """A whole store as of a time; see `TimeTravel.store`.

    `at` is the time (also to be set), `since` the time that it is compared with (set it to pin one;
    None: the event before), `past` the store as of `at`, `summary` the counts, `rows` the table as
    a DataFrame, `opened` the TimeTravel below, if there is one.
    """

    def __init__(
        self,
        store: Reader,
        travel: type[Any],
        *,
        fold: Folds | None = None,
        as_of: datetime | str | None = None,
        since: datetime | str | None = None,
        closed: Collection[str] = (),
        projector: bool = False,
    ) -> None:
        self.store = store
        self._travel = travel
        self.places = Places(store, folds_of(fold), closed)
        at = int(self.places.times[-1]) if as_of is None else micros(as_of)
        pinned = None if since is None else micros(since)
        self.table = StoreTable(self.places, at, pinned, projector, self._open)
        self.opened: Any = None
        super().__init__([self.table])

    @property
    def at(self) -> datetime:
        """The time of the view (UTC): all that occurred up to it counts."""
        return time_of(self.table._at)

    @at.setter
    def at(self, when: datetime | str) -> None:
        us = micros(when)
        if self.table._pin is None:
            self.table._since = before(self.places, us)
        self.table._at = us

    @property
    def since(self) -> datetime:
        """The time that the view is compared with."""
        return time_of(self.table._since)

    @since.setter
    def since(self, when: datetime | str | None) -> None:
        pinned = None if when is None else micros(when)
        self.table._since = before(self.places, int(self.table._at)) if pinned is None else pinned
        self.table._pin = pinned

    @property
    def past(self) -> Reader:
        """The store as of the time of the view."""
        return self.places.store.as_of(self.at)

    @property
    def summary(self) -> dict[str, int]:
        """How many aggregates are new, changed and closed against the time before; and how many
        there are, with how many events."""
        seen = self.table.look(most=0)
        names = ("new", "changed", "closed", "aggregates", "events")
        return {name: seen[name] for name in names if seen[name] is not None}

    @property
    def rows(self) -> pd.DataFrame:
        """A row an aggregate, the changed ones first: aggregate_id, aggregate_type, change (+ ~ -),
        the fields, last_event, version."""
        rows = [
            (
                row["id"],
                row["kind"],
                row["sign"],
                *(now for _, now in row["cells"]),
                row["event_type"],
                row["version"],
            )
            for row in self.table.look(most=len(self.places.ids))["rows"]
        ]
        names = ["aggregate_id", "aggregate_type", "change"]
        return pd.DataFrame(rows, columns=[*names, *self.places.columns, "last_event", "version"])

    def open_row(self, aggregate_id: str) -> Any:
        """Show the TimeTravel of one aggregate below the table, at the time of the view."""
        return self._open(aggregate_id, int(self.table._at))

    def _open(self, aggregate_id: str, us: int) -> Any:
        kinds = dict(zip(self.places.ids, self.places.kind.tolist(), strict=True))
        if aggregate_id not in kinds:
            raise InvalidEventError(f"There is no aggregate {aggregate_id!r} in this table.")
        kind = self.places.kinds[kinds[aggregate_id]]
        fold = self.places.folds.get(kind, LatestValues)
        count = int(self.places.at(us).events[self.places.ids.index(aggregate_id)])
        self.opened = self._travel(
            self.places.store, aggregate_id, fold=fold, at=count, projector=self.table.projector
        )
        self.children = [self.table, self.opened]
        return self.opened

    def to_html(self, path: str | Path, theme: page.Theme = "auto") -> Path:
        """Write one page that works without a kernel, with at most 200 places in time; its path."""
        return self.table.to_html(path, theme)

    def static(self, height: int = 760) -> page.StaticPage:
        """The page of `to_html` inside the cell, for a published notebook; it runs in a sandbox."""
        return self.table.static(height)

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_mimebundle_(self, **arguments: Any) -> dict[str, Any]:
        """The live view, and beside it what a place without widgets can show."""
        below = self.opened._still() if self.opened is not None else ""
        return {
            **(super()._repr_mimebundle_(**arguments) or {}),
            "text/plain": repr(self),
            "text/html": self.table._still() + below,
        }


def folds_of(fold: Folds | None) -> dict[str, type[Any]]:
    """Classes by aggregate type, from one class, several, or a mapping."""
    if fold is None:
        return {}
    if isinstance(fold, Mapping):
        return dict(fold)
    kinds = fold if isinstance(fold, Sequence) else [fold]
    found = {}
    for kind in kinds:
        name = getattr(kind, "aggregate_type", None)
        if not isinstance(name, str) or not name:
            raise InvalidEventError(
                f"{getattr(kind, '__name__', kind)!s} has no aggregate_type. Say which streams it "
                f'folds: fold={{"ORDER": {getattr(kind, "__name__", kind)!s}}}.'
            )
        found[name] = kind
    return found


def before(places: Places, us: int) -> int:
    """The time of the event before the last one that counts; just before all, if there is none."""
    times = places.times
    last = int(np.searchsorted(times, us, side="right"))
    if last == 0:
        return int(times[0]) - 1
    earlier = int(np.searchsorted(times, times[last - 1], side="left"))
    return int(times[earlier - 1]) if earlier else int(times[0]) - 1


def summary(seen: Mapping[str, Any]) -> str:
    """The counts in words: "since 2026-03-02 14:00:00 UTC: 3 new, 5 changed, 1 closed"."""
    counts = [
        f"{seen[name]} {name}" for name in ("new", "changed", "closed") if seen[name] is not None
    ]
    return f"since {html_parts.moment(time_of(seen['since']))}: {', '.join(counts)}"


def code(us: float) -> str:
    """The Python that gives the store as of a time."""
    return f'store.as_of("{time_of(us).isoformat().replace("+00:00", "Z")}")'


def micros(when: datetime | str) -> int:
    """A time in microseconds since 1970."""
    return (utc(when) - _EPOCH) // timedelta(microseconds=1)


def time_of(us: float) -> datetime:
    """A time from microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=int(us))
