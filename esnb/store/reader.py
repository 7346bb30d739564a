"""The reading half of the store: one stream, the whole log, the past, and questions in SQL.

`Reader` is what a store and its past have in common. Projections, time travel and the ways out
need no more than this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import duckdb
import orjson
import pandas as pd

from esnb.clock import utc
from esnb.errors import InvalidEventError, QueryError, ReadOnlyError
from esnb.events import Event, check_name
from esnb.store import snapshots
from esnb.store.arguments import count
from esnb.store.event_rows import EVENT_COLUMNS, event_from_row, naive_utc
from esnb.store.horizon import UP_TO_HORIZON
from esnb.store.overview import Overview, look_over
from esnb.store.readonly_sql import Result, check_query, names_database, quoted, select_only
from esnb.store.snapshots import Snapshot
from esnb.store.stream_reader import StreamReader
from esnb.upcasters import Upcasters

_CHUNK = 10_000
Loaded = TypeVar("Loaded", covariant=True)


class Loadable(Protocol[Loaded]):
    """What `load` and `new` ask of a class; `Aggregate` gives it."""

    def load_from(
        self, reader: Reader, aggregate_id: str, at: int | datetime | str | None
    ) -> Loaded:
        """Build the aggregate from its events."""
        ...

    def load_many_from(
        self, reader: Reader, aggregate_ids: Sequence[str] | None
    ) -> Mapping[str, Loaded]:
        """Build several aggregates, or all of the type."""
        ...

    def new_in(self, reader: Reader, aggregate_id: str) -> Loaded:
        """Build an empty aggregate."""
        ...


class Reader(StreamReader):
    """The reading half, shared by a store and its past: everything up to a horizon."""

    @property
    def path(self) -> Path | None:
        """The file of the log; None for a store in memory."""
        return self._database.path

    @property
    def position(self) -> int:
        """The position of the last event, 0 for an empty log."""
        self._log.check_usable()
        if self._until is None:
            return min(self._log.position, self._head())
        rows = self._log.rows(
            "select max(position) from events where position <= ? and occurred_at <= ?",
            (self._head(), naive_utc(self._until)),
        )
        return rows[0][0] or 0

    def as_stored(self, events: Iterable[Event], after: int) -> list[Event]:
        """Events of this log that somebody brings, in the form in which they can be counted.

        Where steps split or drop, several events have one position, or a position has none. Then
        the stored ones stand for them, and those that are nothing today count as brought.
        """
        brought = list(events)
        if self.upcasters.keeps_number():
            return brought
        positions = {event.position for event in brought}
        last = max((position or 0 for position in positions), default=0)
        taken = []
        for stored in self.read_all(after, upcast=False):
            if stored.position in positions or not self.upcasters(stored):
                taken.append(stored)
            elif (stored.position or 0) > last:
                break
        return taken

    def sql(
        self, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> Result:
        """Run one SELECT over the tables `events`, `events_now` and `snapshots`, read only.

        `events` is the log as it was written. `events_now` is the log in today's shape: the same
        columns, and `part`, which counts the parts of an event that an upcaster splits. Values go
        in as parameters (`?` or `$name`). Times in the tables are UTC. A view of the past answers
        the same text from the events up to its horizon. UPDATE and DELETE raise `AppendOnlyError`,
        other writes `ReadOnlyError`, a query in error `QueryError`.
        """
        self._log.check_usable()
        with self._log.translated(of_a_query=True):
            cursor = self._log.cursor()
            if self._horizon is not None or self._until is not None:
                self._refuse_detours(cursor, query)
                self._hide_the_future(cursor)
            if isinstance(query, str) and "events_now" in query.casefold():
                head = min(self._log.position, self._head())
                now = self._now(cursor, 0, head)
                cursor.execute(f"create temp view events_now as {now}")
            result = select_only(cursor, query, parameters)
            result.owner = self
            return result

    def _refuse_detours(self, cursor: duckdb.DuckDBPyConnection, query: str) -> None:
        """A table named with its database is the table itself, and not the view of the past."""
        catalog = self._log.catalog.casefold()
        check_query(query)
        prefixes = (f"{catalog}.", f"{quoted(catalog)}.")
        try:
            names = cursor.get_table_names(query, qualified=True)
        except duckdb.Error:  # the engine cannot say it of a PIVOT: be strict
            names = set(prefixes[:1]) if names_database(query, catalog) else set()
        for name in names:
            if name.casefold().startswith(prefixes):
                raise QueryError(
                    f"A view of the past answers from its own tables: write 'events', not {name!r}."
                )

    def _hide_the_future(self, cursor: duckdb.DuckDBPyConnection) -> None:
        catalog = quoted(self._log.catalog)
        cursor.execute("set variable esnb_position = ?::bigint", [self._head()])
        cursor.execute("set variable esnb_until = ?::timestamp", [self._time_limit(None)])
        cursor.execute(
            f"create temp view events as select * from {catalog}.main.events "
            "where position <= getvariable('esnb_position') "
            "and occurred_at <= getvariable('esnb_until')"
        )
        # No snapshot belongs to the past: it may hold a later state.
        cursor.execute(
            f"create temp view snapshots as select * from {catalog}.main.snapshots where false"
        )

    def overview(self) -> Overview:
        """A first look: streams, types, span, events per stream, gaps, and what is suspicious.

        In a notebook a table with a picture, elsewhere text. Reads the whole log once.
        """
        return look_over(self)

    def df(self, expand: bool = False) -> pd.DataFrame:
        """The log as a DataFrame, a row an event, by position; times are aware, in UTC.

        `expand=True` puts each key of event_data into a column of its own (a key named like a
        column of the log gets the prefix `data_`).
        """
        frame = self.sql(
            "select position, event_id::varchar as event_id, aggregate_type, aggregate_id, "
            "sequence_number, event_type, event_version, event_data, metadata, occurred_at, "
            "recorded_at from events order by position"
        ).df()
        for column in ("occurred_at", "recorded_at"):
            frame[column] = frame[column].dt.tz_localize("UTC")
        if not expand:
            return frame
        data = pd.DataFrame([orjson.loads(text) for text in frame.pop("event_data")])
        data.columns = [f"data_{c}" if c in frame.columns else c for c in data.columns]
        return frame.join(data)

    def load(
        self, kind: Loadable[Loaded], aggregate_id: str, at: int | datetime | str | None = None
    ) -> Loaded:
        """Build an aggregate from its events: `store.load(Order, "order-1042")`.

        `at` is a sequence number, a datetime or ISO text, inclusive; 0 is the empty state. Raises
        `AggregateNotFoundError` when it does not exist, or did not at that time.
        """
        check_loadable(kind)
        return kind.load_from(self, aggregate_id, at)

    def load_many(
        self, kind: Loadable[Loaded], aggregate_ids: Iterable[str] | None = None
    ) -> dict[str, Loaded]:
        """Build many aggregates by few queries: `store.load_many(Order, ids)`, by their ids.

        Without ids: all of the type of `kind`, ordered by id. Each is what `load` gives. For those
        of another time ask a view of the past. Raises `AggregateNotFoundError` for an id that does
        not exist; then none is returned.
        """
        check_loadable(kind)
        if aggregate_ids is None:
            return dict(kind.load_many_from(self, None))
        if isinstance(aggregate_ids, str):
            raise InvalidEventError(
                f"load_many takes several ids, found one text, {aggregate_ids!r:.60}. Write "
                f"store.load_many(Order, [{aggregate_ids!r:.60}]), or store.load for one."
            )
        names = list(dict.fromkeys(aggregate_ids))
        for name in names:
            check_name("aggregate_id", name)
        return dict(kind.load_many_from(self, names))

    def as_of(self, when: int | datetime | str) -> Past:
        """The log as it stood: up to a position, or with all that had occurred by a time.

        Both are inclusive. A position ahead of the log is an `InvalidEventError`."""
        position, until = self._horizon, self._until
        if isinstance(when, int):
            if when > self._log.position:
                raise InvalidEventError(
                    f"as_of({when}) lies ahead: the log ends at position {self._log.position}."
                )
            position = min(count("as_of", when), self._head())
        else:
            until = utc(when) if until is None else min(utc(when), until)
        return self._past(self.upcasters, position, until)

    def known_by(self, when: datetime | str) -> Past:
        """The log as it was known by a time: all that had been recorded, inclusive.

        `as_of` asks what had occurred by a time, whenever it was recorded. The two can be chained:
        `store.known_by("2026-02-01T00:00:00Z").as_of("2026-01-31T00:00:00Z")`.
        """
        # The store's own time never runs backwards, so this is a position.
        rows = self._log.rows(
            "select max(position) from events where recorded_at <= ? and position <= ?",
            (naive_utc(utc(when)), self._head()),
        )
        return self._past(self.upcasters, rows[0][0] or 0, self._until)

    def read_with(self, upcasters: Upcasters) -> Past:
        """The same log, read with other steps: as newer or older code would. It cannot write."""
        steps = self.upcasters.around(upcasters)
        return self._past(steps, self._horizon, self._until)

    def _past(self, steps: Upcasters, position: int | None, until: datetime | None) -> Past:
        past = Past(self._log, self.clock, steps, position, until)
        past.owner = self
        return past

    def snapshots_of(self, *aggregate_ids: str) -> dict[str, list[Snapshot]]:
        """The snapshots of some aggregates, in no order; `Aggregate` starts from the newest.

        A view of the past has none: it replays, so that no later state can leak into it.
        """
        if self._horizon is not None or self._until is not None:
            return {}
        return snapshots.find(self._log, aggregate_ids)

    def snapshots(self, aggregate_id: str | None = None) -> pd.DataFrame:
        """The stored snapshots, of one aggregate or of all, as a DataFrame; the past has none."""
        if aggregate_id is not None:
            check_name("aggregate_id", aggregate_id)
        return self.sql(
            "select snapshot_id::varchar as snapshot_id, aggregate_type, aggregate_id, "
            "sequence_number, state_version, state_json, created_at from snapshots "
            "where $1::varchar is null or aggregate_id = $1 order by aggregate_id, sequence_number",
            [aggregate_id],
        ).df()

    def of_type(self, event_type: str) -> list[Event]:
        """All events of a type as they were written, by position."""
        rows = self._log.rows(
            f"select {EVENT_COLUMNS} {UP_TO_HORIZON} and event_type = ? order by position",
            [0, self._head(), self._time_limit(None), event_type],
        )
        return list(map(event_from_row, rows))

    def data_with(self, text: str) -> list[str]:
        """The data of the events in whose JSON a text stands, as it is stored."""
        rows = self._log.rows(
            f"select event_data::varchar {UP_TO_HORIZON} and strpos(event_data::varchar, ?) > 0",
            [0, self._head(), self._time_limit(None), text],
        )
        return [data for (data,) in rows]

    def stored(self, aggregate_type: str, ids: Sequence[str] | None = None) -> Iterator[Event]:
        """The events of a type of aggregate as they were written, by position: of all, or of
        those named."""
        among = "" if ids is None else "and aggregate_id in (select unnest(?::varchar[]))"
        with self._log.translated():
            values = [0, self._head(), self._time_limit(None), aggregate_type]
            rows = self._log.cursor().execute(
                f"select {EVENT_COLUMNS} {UP_TO_HORIZON} and aggregate_type = ? {among} "
                f"order by position",
                values if ids is None else [*values, list(ids)],
            )
            while chunk := rows.fetchmany(_CHUNK):
                yield from map(event_from_row, chunk)


class Past(Reader):
    """The log as it stood at a position or a time. It reads like a store and never writes."""

    owner: object = None  #: the store, which closes when nobody has it any more

    def _refuse(self, *_: object, **__: object) -> None:
        raise ReadOnlyError("This is the past: it can be read, not changed. Write to the store.")

    append = append_all = append_frame = save = new = delete_snapshots = _refuse

    def __repr__(self) -> str:
        parts = [] if self._horizon is None else [f"position {self._horizon}"]
        parts += [] if self._until is None else [self._until.isoformat()]
        return f"<{self._log.name} {'as of ' if parts else ''}{' and '.join(parts) or 'to read'}>"


def check_loadable(kind: object) -> None:
    """Refuse a class that is not an `Aggregate`, with `InvalidEventError`."""
    if not hasattr(kind, "load_from"):
        name = getattr(kind, "__name__", repr(kind))
        raise InvalidEventError(
            f"{name} is not an Aggregate. Derive it from esnb.Aggregate, or fold the events "
            f"yourself: replay({name}, store.events(...))."
        )
