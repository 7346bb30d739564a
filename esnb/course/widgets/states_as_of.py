"""Where every aggregate of a store stood at a time: found in milliseconds, for a million events.

The log is read once into columns, sorted by aggregate and sequence number. As of T, an event counts
when its occurred_at is not later (as in `store.as_of`); what an aggregate has by then is a sum over
its part of the columns. Folded are only the aggregates that a reader looks at.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np

from esnb.course.widgets.deltas import written
from esnb.errors import EsnbError, InvalidEventError
from esnb.event_json import load_json
from esnb.events import Event
from esnb.model.aggregate import replay
from esnb.model.default_fold import LatestValues
from esnb.model.state import attributes_of
from esnb.store.event_rows import COLUMNS
from esnb.store.reader import Reader

Sign = Literal["", "+", "~", "-"]

SIGNS: tuple[Sign, ...] = ("", "-", "~", "+")

FOLD_UP_TO = 2_000
_STREAMS = 2_000
_SCALARS = (str, int, float, bool, type(None))
_COLUMNS = 4
_SAMPLE = 500  # events whose data fields are counted

_AGGREGATES = """
select aggregate_id, any_value(aggregate_type) as kind from events
group by aggregate_id order by min(position)
"""

_EVENTS = """
with aggregates as (
    select aggregate_id, row_number() over (order by min(position)) - 1 as place
    from events group by aggregate_id
), types as (
    select event_type, row_number() over (order by min(position)) - 1 as type
    from events group by event_type
)
select place::integer as place, type::smallint as type, sequence_number::integer as number,
       epoch_us(occurred_at) as us
from events join aggregates using (aggregate_id) join types using (event_type)
order by place, sequence_number
"""

_TYPES = "select event_type from events group by event_type order by min(position)"


class Stand(NamedTuple):
    """Where all aggregates stand at a time: how many events each has, and which is its last (an
    index into the columns; -1: it does not exist yet)."""

    events: np.ndarray
    last: np.ndarray


class Row(NamedTuple):
    """One aggregate as of T: its sign against the time before, and pairs (then, now) of texts."""

    id: str
    kind: str
    sign: Sign
    version: int
    event_type: str
    us: int
    cells: list[tuple[str | None, str | None]]


class Places:
    """A store as of any time; `folds` are classes by aggregate type, `closed` the event types after
    which an aggregate counts as closed. Events that are appended later are not in it."""

    def __init__(
        self, store: Reader, folds: Mapping[str, type[Any]], closed: Collection[str] = ()
    ) -> None:
        self.store = store.as_of(store.position)
        self.folds = dict(folds)
        names = self.store.sql(_AGGREGATES).df()
        if names.empty:
            raise InvalidEventError("The store is empty, so there is no time to move through.")
        self.ids: list[str] = names["aggregate_id"].tolist()
        self.kinds: list[str] = list(dict.fromkeys(names["kind"]))
        if not self.folds:  # nobody has written a class: the latest value of each data field
            self.folds = dict.fromkeys(self.kinds, LatestValues)
        self.kind = np.array([self.kinds.index(kind) for kind in names["kind"]], dtype=np.int16)
        self.types: list[str] = [row[0] for row in self.store.sql(_TYPES).fetchall()]
        if strange := set(closed) - set(self.types):
            raise InvalidEventError(
                f"closed names event types; the log has no {', '.join(sorted(strange))}. "
                f"It has {', '.join(self.types)}."
            )
        self.closing = np.array([name in closed for name in self.types])
        events = self.store.sql(_EVENTS).df()
        self.us = events["us"].to_numpy(dtype=np.int64)
        self.type = events["type"].to_numpy(dtype=np.int16)
        self.number = events["number"].to_numpy(dtype=np.int32)
        place = events["place"].to_numpy(dtype=np.int64)
        self._starts = np.flatnonzero(np.diff(place, prepend=-1))
        self._order = np.arange(len(place))
        self.times = np.sort(self.us)
        self.columns = self._columns()
        self._streams: OrderedDict[str, list[Event]] = OrderedDict()
        self.at = lru_cache(16)(self._at)

    def _columns(self) -> list[str]:
        """The fields shown: of each fold those that are single values in the empty state."""
        fields: dict[str, None] = {}
        for kind in self.folds.values():
            if kind is LatestValues:
                own = self._data_fields()
            else:
                empty = attributes_of(replay(kind, ()))
                own = [name for name, value in empty.items() if isinstance(value, _SCALARS)]
            fields |= dict.fromkeys(own[:_COLUMNS])
        return list(fields)

    def _data_fields(self) -> list[str]:
        """The data fields of the newest events, the most frequent ones first."""
        rows = self.store.sql(
            "select event_data from events order by position desc limit ?", [_SAMPLE]
        ).fetchall()
        counts = Counter(name for (text,) in reversed(rows) for name in load_json(text))
        return [name for name, _ in counts.most_common(_COLUMNS)]

    def _at(self, us: int) -> Stand:
        """Where everything stands at a time in microseconds since 1970, inclusive."""
        inside = self.us <= us
        count = np.add.reduceat(inside, self._starts, dtype=np.int32)
        last = np.maximum.reduceat(np.where(inside, self._order, -1), self._starts)
        return Stand(count, last)

    def signs(self, us: int, since: int) -> np.ndarray:
        """What became of each aggregate from `since` to `us`: 0 nothing, 1 closed, 2 changed, 3
        new; -1 where it does not exist yet."""
        now, then = self.at(us), self.at(since)
        signs = np.where(now.events != then.events, 2, 0)
        shut = self._shut(now) & ~self._shut(then)
        signs[shut & (then.events > 0)] = 1
        signs[then.events == 0] = 3
        signs[now.events == 0] = -1
        return signs

    def _shut(self, stand: Stand) -> np.ndarray:
        shut: np.ndarray = self.closing[self.type[stand.last]] & (stand.last >= 0)
        return shut

    def look(
        self,
        us: int,
        since: int,
        *,
        kind: int | None = None,
        text: str = "",
        changed: bool = False,
        first: int = 0,
        most: int = 12,
    ) -> dict[str, Any]:
        """What a reader sees as of `us`, compared with `since`: a summary of the whole store, and a
        page of rows, what changed last first."""
        signs, now = self.signs(us, since), self.at(us)
        counted = np.bincount(signs + 1, minlength=5)
        wanted = signs > 0 if changed else signs >= 0
        if kind is not None:
            wanted = wanted & (self.kind == kind)
        if text.strip():
            wanted = wanted & self._named(text.strip().lower())
        found = np.flatnonzero(wanted)
        when = self.us[now.last[found]]
        shown = found[_newest(signs[found] > 0, when, first + most)[first:]]
        return {
            "us": us,
            "since": since,
            "aggregates": int((now.events > 0).sum()),
            "events": int(now.events.sum()),
            "new": int(counted[4]),
            "changed": int(counted[3]),
            "closed": int(counted[2]) if self.closing.any() else None,
            "found": len(found),
            "first": first,
            "rows": [row._asdict() for row in self._rows(shown, signs, us, since)],
        }

    @lru_cache(8)  # noqa: B019 - one of these lives as long as its widget
    def _named(self, text: str) -> np.ndarray:
        return np.array([text in name.lower() for name in self.ids])

    def _rows(self, places: np.ndarray, signs: np.ndarray, us: int, since: int) -> Iterable[Row]:
        now, then = self.at(us), self.at(since)
        self._fetch([self.ids[k] for k in places if now.events[k] <= FOLD_UP_TO])
        for k in places.tolist():
            last = int(now.last[k])
            sign = SIGNS[int(signs[k])]
            yield Row(
                self.ids[k],
                self.kinds[self.kind[k]],
                sign,
                int(self.number[last]),
                self.types[self.type[last]],
                int(self.us[last]),
                self._cells(k, us, since if then.events[k] else None),
            )

    def _cells(self, place: int, us: int, since: int | None) -> list[tuple[str | None, str | None]]:
        fold = self.folds.get(self.kinds[self.kind[place]])
        events = self._streams.get(self.ids[place])
        if fold is None or events is None:
            return [(None, None)] * len(self.columns)
        now = self._state(fold, events, us)
        then = self._state(fold, events, since) if since is not None else {}
        return [(then.get(name), now.get(name)) for name in self.columns]

    def _state(self, fold: type[Any], events: Sequence[Event], us: int) -> dict[str, str]:
        limit = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
        seen = [e for e in events if e.occurred_at and e.occurred_at <= limit]
        try:
            state = attributes_of(replay(fold, seen))
        except EsnbError as error:  # of one aggregate; the others are still of use
            return dict.fromkeys(self.columns[:1], f"✕ {type(error).__name__}")
        state |= state["latest"] if fold is LatestValues else {}
        return {name: written(state[name]) for name in self.columns if name in state}

    def _fetch(self, ids: list[str]) -> None:
        """Read the streams that are not held yet, all in one query."""
        missing = [name for name in ids if name not in self._streams]
        if missing:
            rows = self.store.sql(
                f"select {COLUMNS} from events where aggregate_id = any($1) "
                "order by aggregate_id, sequence_number",
                [missing],
            ).fetchall()
            for event in self.store._events(rows):
                self._streams.setdefault(str(event.aggregate_id), []).append(event)
        while len(self._streams) > _STREAMS:
            self._streams.popitem(last=False)

    def stops(self, most: int) -> list[int]:
        """Times to stop at where no kernel answers: each at which something occurred, or so many
        at equal distances; one before the first of them is not needed."""
        times = np.unique(self.times)
        if len(times) > most:
            times = np.unique(np.linspace(times[0], times[-1], most).astype(np.int64))
        return [int(us) for us in times]


def _newest(marked: np.ndarray, when: np.ndarray, most: int) -> np.ndarray:
    """The order of the first rows: those marked before the others, the latest first."""
    if len(when) > 4 * most:
        # No need to sort a quarter of a million rows to show twelve.
        rank = when + np.where(marked, when.max() - when.min() + 1, 0)
        few = np.argpartition(-rank, most)[:most]
        order: np.ndarray = few[np.lexsort((few, -when[few], ~marked[few]))]
        return order
    return np.lexsort((np.arange(len(when)), -when, ~marked))[:most]
