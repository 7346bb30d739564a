"""The event store: append to one stream, read one or all, look at the past, ask in SQL.

The floor below (`engine.py`) owns the database; `frames.py` loads whole tables. What a store
promises stands in the README of the package and each promise has a test in `tests/`.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from operator import itemgetter
from typing import Any, Final, Protocol, Self, TypeVar

import duckdb
import orjson
import pandas as pd

from esnb import frames
from esnb.clock import Clock, LessonClock, SystemClock, utc
from esnb.conditions import AppendCondition, Conditions, conditions_of
from esnb.engine import Log, Overtaken, open_log
from esnb.errors import (
    AppendConditionError,
    AppendOnlyError,
    ConcurrencyError,
    DuplicateEventError,
    InvalidEventError,
    QueryError,
    ReadOnlyError,
    StoreClosedError,
)
from esnb.events import Event, check_event, dump_json, load_json
from esnb.upcasting import Upcasters


class _Any:
    """The expected version of a writer who does not care what was written before."""

    def __repr__(self) -> str:
        return "ANY"


ANY: Final = _Any()

_COLUMNS = (
    "position, event_id, aggregate_type, aggregate_id, sequence_number, event_type, "
    "event_version, event_data, metadata, occurred_at, recorded_at"
)

# The index on aggregate_id is used only when it is the sole condition: the rest filters after it.
_STREAM = f"""
with stream as materialized (select {_COLUMNS} from events where aggregate_id = ?)
select {_COLUMNS} from stream
where sequence_number > ? and sequence_number <= ? and position <= ? and occurred_at <= ?
order by sequence_number
"""

_WHOLE_STREAM = f"select {_COLUMNS} from events where aggregate_id = ?"

_ALL = f"""
select {_COLUMNS} from events where position > ? and position <= ? and occurred_at <= ?
order by position
"""

# Without an order: what is set-based needs none, and sorting would cost as much as reading.
_ROWS = _ALL.replace("event_id", "event_id::varchar as event_id", 1).replace(
    "order by position", ""
)

_CHUNK = 10_000
_NO_LIMIT = 2**63 - 1
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did: the stream's new `version`, the log's `position` (the token with which a
    reader waits for its own write), the `events` as stored, and whether it was a `duplicate`."""

    version: int
    position: int
    events: tuple[Event, ...] = ()
    duplicate: bool = False

    def __repr__(self) -> str:
        again = ", stored before" if self.duplicate else ""
        return f"<Appended: version {self.version}, position {self.position}{again}>"


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """The newest snapshot that fits, and the newest one that does not because of its version."""

    sequence_number: int | None
    state_json: str | None
    other_sequence_number: int | None
    other_state_version: int | None


Loaded = TypeVar("Loaded", covariant=True)


class Loadable(Protocol[Loaded]):
    """What `load` and `new` ask of a class; `Aggregate` gives it."""

    def load_from(
        self, reader: Reader, aggregate_id: str, at: int | datetime | str | None
    ) -> Loaded:
        """Build the aggregate from its events."""
        ...

    def new_in(self, reader: Reader, aggregate_id: str) -> Loaded:
        """Build an empty aggregate."""
        ...


class Savable(Protocol):
    """What `save` asks of an object; `Aggregate` gives it."""

    def save_to(self, store: EventStore, condition: Conditions = None) -> Appended:
        """Append what was recorded."""
        ...


class Result:
    """The rows of a query, all read already: `df()`, `fetchall()`, `fetchone()`, `columns`."""

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        self._relation = relation
        self.columns: list[str] = list(relation.columns)
        self._rows: Iterator[tuple[Any, ...]] | None = None

    def df(self) -> pd.DataFrame:
        """The rows as a DataFrame; times are UTC without a zone, as in the tables."""
        with _still_open():
            return self._relation.df()

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows as a list of tuples."""
        with _still_open():
            return self._relation.fetchall()

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, or None after the last."""
        if self._rows is None:
            self._rows = iter(self.fetchall())
        return next(self._rows, None)

    def __repr__(self) -> str:
        return repr(self.df())

    def _repr_html_(self) -> str | None:
        html: str | None = self.df()._repr_html_()  # type: ignore[operator]
        return html


@contextmanager
def _still_open() -> Iterator[None]:
    try:
        yield
    except duckdb.ConnectionException:
        raise StoreClosedError(
            "The store of this result is closed, and its rows went with it. Take them out with "
            "df() or fetchall() before closing, or open the store and ask again."
        ) from None


class EventRows:
    """Rows on their way from one database to another, in batches, over Arrow's C interface.

    DuckDB streams both ways through it at millions of rows a second, and needs no other library.
    """

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        self._relation = relation

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._relation.__arrow_c_stream__(requested_schema)


class Reader:
    """The reading half, shared by a store and its past: everything up to a horizon."""

    def __init__(
        self, log: Log, clock: Clock, upcasters: Upcasters,
        position: int | None = None, until: datetime | None = None,
    ) -> None:  # fmt: skip
        self._log = log
        self.clock = clock
        self.upcasters = upcasters
        self._horizon = position
        self._until = until

    @property
    def position(self) -> int:
        """The position of the last event, 0 for an empty log."""
        self._log.check_usable()
        if self._until is None:
            return min(self._log.position, self._head())
        rows = self._log.rows(
            "select max(position) from events where position <= ? and occurred_at <= ?",
            (self._head(), _naive(self._until)),
        )
        return rows[0][0] or 0

    def version(self, aggregate_id: str) -> int:
        """The latest sequence number of an aggregate; 0 when it has no event."""
        _check_name("aggregate_id", aggregate_id)
        self._log.check_usable()
        if self._horizon is None and self._until is None:
            return self._log.head(aggregate_id)[0]
        events = self.events(aggregate_id)
        return events[-1].sequence_number or 0 if events else 0

    def events(
        self, aggregate_id: str, after: int = 0, upto: int | None = None,
        until: datetime | str | None = None,
    ) -> list[Event]:  # fmt: skip
        """The events of one aggregate in order: `after` < sequence number <= `upto`, and not later
        than `until` (compared with occurred_at). An unknown aggregate has none."""
        _check_name("aggregate_id", aggregate_id)
        first = _count("after", after)
        last = _NO_LIMIT if upto is None else _count("upto", upto)
        bounds = (upto, until, self._horizon, self._until)
        if first == 0 and all(bound is None for bound in bounds):
            rows = _whole_stream(self._log, aggregate_id)
        else:
            rows = self._log.rows(
                _STREAM, (aggregate_id, first, last, self._head(), self._time_limit(until))
            )
        return [self._event(row) for row in rows]

    def read_all(self, after: int = 0, limit: int | None = None) -> Iterator[Event]:
        """The events of all aggregates by position, those after `after`, at most `limit`.

        A reader that remembers the position of the last event it got, and asks again with it,
        misses nothing: positions have no gap and follow the order of the commits.
        """
        after = _count("after", after)
        left = _NO_LIMIT if limit is None else _count("limit", limit)
        return self._read_all(after, left)

    def _read_all(self, after: int, left: int) -> Iterator[Event]:
        self._log.check_usable()
        end = min(self._log.position, self._head())
        limit = self._time_limit(None)
        while after < end and left > 0:
            step = min(_CHUNK, left) if self._until is None else _CHUNK
            rows = self._log.rows(_ALL, (after, min(after + step, end), limit))
            for row in rows[:left]:
                yield self._event(row)
            after += step
            left -= len(rows)

    def sql(
        self, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> Result:
        """Run one SELECT over the tables `events` and `snapshots`, read only.

        Values go in as parameters (`?` or `$name`). Times in the tables are UTC. A view of the past
        answers the same text from the events up to its horizon. UPDATE and DELETE raise
        `AppendOnlyError`, other writes `ReadOnlyError`, a query in error `QueryError`.
        """
        self._log.check_usable()
        with self._log.translated():
            cursor = self._log.cursor()
            if self._horizon is not None or self._until is not None:
                self._refuse_detours(cursor, query)
                self._hide_the_future(cursor)
            return select_only(cursor, query, parameters)

    def _refuse_detours(self, cursor: duckdb.DuckDBPyConnection, query: str) -> None:
        """A table named with its database is the table itself, and not the view of the past."""
        catalog = self._log.catalog.casefold()
        prefixes = (f"{catalog}.", f"{_quoted(catalog)}.")
        _check_query(query)
        try:
            names = cursor.get_table_names(query, qualified=True)
        except duckdb.Error:  # a text of which the engine cannot say; be strict
            names = set(prefixes) if any(p in query.casefold() for p in prefixes) else set()
        for name in names:
            if name.casefold().startswith(prefixes):
                raise QueryError(
                    f"A view of the past answers from its own tables: write 'events', not {name!r}."
                )

    def _hide_the_future(self, cursor: duckdb.DuckDBPyConnection) -> None:
        catalog = _quoted(self._log.catalog)
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
        _check_loadable(kind)
        return kind.load_from(self, aggregate_id, at)

    def as_of(self, when: int | datetime | str) -> Past:
        """The log as it stood: up to a position, or with all that had occurred by a time.

        Both are inclusive. A position ahead of the log is an `InvalidEventError`."""
        position, until = self._horizon, self._until
        if isinstance(when, int):
            if when > self._log.position:
                raise InvalidEventError(
                    f"as_of({when}) lies ahead: the log ends at position {self._log.position}."
                )
            position = min(_count("as_of", when), self._head())
        else:
            until = utc(when) if until is None else min(utc(when), until)
        return Past(self._log, self.clock, self.upcasters, position, until)

    def snapshot(
        self, aggregate_id: str, aggregate_type: str, upto: int | None, state_version: int
    ) -> SnapshotRow:
        """The newest snapshot of `state_version` at or before `upto`; `Aggregate` starts from it.

        A view of the past has none: it replays, so that no later state can leak into it.
        """
        if self._horizon is not None or self._until is not None:
            return SnapshotRow(None, None, None, None)
        rows = self._log.rows(
            """
            with own as materialized (select * from snapshots where aggregate_id = ?)
            select max(sequence_number) filter (state_version = $2),
                   arg_max(state_json, sequence_number) filter (state_version = $2),
                   max(sequence_number) filter (state_version <> $2),
                   arg_max(state_version, sequence_number) filter (state_version <> $2)
            from own where sequence_number <= $3 and aggregate_type = $4
            """.replace("= ?)", "= $1)"),
            (aggregate_id, state_version, _NO_LIMIT if upto is None else upto, aggregate_type),
        )
        return SnapshotRow(*rows[0])

    def snapshots(self, aggregate_id: str | None = None) -> pd.DataFrame:
        """The stored snapshots, of one aggregate or of all, as a DataFrame; the past has none."""
        if aggregate_id is not None:
            _check_name("aggregate_id", aggregate_id)
        return self.sql(
            "select snapshot_id::varchar as snapshot_id, aggregate_type, aggregate_id, "
            "sequence_number, state_version, state_json, created_at from snapshots "
            "where $1::varchar is null or aggregate_id = $1 order by aggregate_id, sequence_number",
            [aggregate_id],
        ).df()

    # -- batches, for projections ----------------------------------------------------------

    def next_batch(self, after: int, size: int) -> tuple[int, int]:
        """How many events follow a position, at most `size`, and the position of the last."""
        if self._until is None:
            last = min(after + size, self._log.position, self._head())
            return max(0, last - after), max(last, after)
        count, end = self._log.rows(
            "select count(*), max(position) from (select position from events where position > ? "
            "and position <= ? and occurred_at <= ? order by position limit ?)",
            (after, self._head(), self._time_limit(None), size),
        )[0]
        return count, end or after

    def rows(self, after: int, upto: int, columns: Sequence[str] = ()) -> EventRows | pd.DataFrame:
        """The events with `after` < position <= `upto` as rows that another database can scan.

        The columns are those of the log, or some of them: ids and JSON as text, times in UTC
        without a zone.
        """
        if self.upcasters:
            events = (e for e in self.read_all(after) if (e.position or 0) <= upto)
            return pd.DataFrame([_text_row(e) for e in events], columns=_COLUMNS.split(", "))
        relation = self._log.cursor().sql(_ROWS, params=[after, upto, self._time_limit(None)])
        return EventRows(relation.select(*columns) if columns else relation)

    def row_list(self, after: int, upto: int) -> list[tuple[Any, ...]]:
        """What `rows` gives, as tuples: for a few events this is faster."""
        if self.upcasters:
            events = self.read_all(after, upto - after)
            return [_text_row(e) for e in events if (e.position or 0) <= upto]
        return self._log.rows(_ROWS, (after, upto, self._time_limit(None)))

    def gathered(self, query: str, after: int, upto: int) -> EventRows:
        """The rows of a query over `new_events`, which are those that `rows` gives.

        It is run here, where the events are, so that only its answer travels. What upcasters would
        change it does not see.
        """
        # A query that is still at work while its rows are fetched takes three times as long.
        with self._log.translated():
            relation = self._log.cursor().sql(
                f"with new_events as ({_ROWS}) from ({query})",
                params=[after, upto, self._time_limit(None)],
            )
            return EventRows(relation.materialize())

    def _head(self) -> int:
        return _NO_LIMIT if self._horizon is None else self._horizon

    def _time_limit(self, until: datetime | str | None) -> datetime:
        limit = _END_OF_TIME if self._until is None else self._until
        return _naive(limit if until is None else min(utc(until), limit))

    def _event(self, row: tuple[Any, ...]) -> Event:
        return self.upcasters(event_from_row(row))


class Past(Reader):
    """The log as it stood at a position or a time. It reads like a store and never writes."""

    def _refuse(self, *_: object, **__: object) -> None:
        raise ReadOnlyError("This is the past: it can be read, not changed. Write to the store.")

    append = append_frame = save = new = delete_snapshots = _refuse

    def __repr__(self) -> str:
        parts = [] if self._horizon is None else [f"position {self._horizon}"]
        parts += [] if self._until is None else [self._until.isoformat()]
        return f"<{self._log.name} as of {' and '.join(parts)}>"


class EventStore(Reader):
    """An append-only log of events, one stream an aggregate, kept in DuckDB.

    `EventStore()` lives in memory, `EventStore("shop.duckdb")` in a file. One object may be used
    from many threads. A second process gets `StoreLockedError`; a damaged file
    `StoreCorruptError`; a file that is no store `NotAStoreError`.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *,
        clock: Clock | None = None, upcasters: Upcasters | None = None,
    ) -> None:  # fmt: skip
        if clock is not None and not (hasattr(clock, "now") and hasattr(clock, "new_id")):
            raise InvalidEventError(
                f"clock has now() and new_id(), such as LessonClock(); found {clock!r:.60}."
            )
        if upcasters is not None and not isinstance(upcasters, Upcasters):
            raise InvalidEventError(f"upcasters is an Upcasters(), found {upcasters!r:.60}.")
        log = open_log(path)
        # An empty registry is kept as well: its owner may register steps later.
        super().__init__(
            log, clock or SystemClock(), Upcasters() if upcasters is None else upcasters
        )
        if isinstance(self.clock, LessonClock) and log.position:
            self.clock.continue_after(log.position)
        self._finalizer = weakref.finalize(self, log.release)

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, path: str | os.PathLike[str] | None = None, *,
        clock: Clock | None = None, **columns: Any,
    ) -> Self:  # fmt: skip
        """A store with the events of a table; the keywords are those of `append_frame`."""
        store = cls(path, clock=clock)
        try:
            store.append_frame(frame, **columns)
        except BaseException:
            store.close()
            raise
        return store

    def append(
        self, aggregate_id: str, events: Sequence[Event] | Iterable[Event], *,
        expected_version: int | _Any, aggregate_type: str | None = None,
        condition: Conditions = None,
    ) -> Appended:  # fmt: skip
        """Add events to one stream, all or none, durable when this returns.

        `expected_version` is the sequence number that the writer believes to be the latest: 0 for a
        new stream, or `ANY`. If it is not, `ConcurrencyError` says what came in between. The
        `aggregate_type` (such as "ORDER") is needed with the first event of a stream. Appending
        events that are stored in this stream already, the same in the same order, changes nothing
        and returns the first result; the same id with other content is a `DuplicateEventError`.
        A `condition` (or several) guards a rule that spans streams: an event that matches it, after
        the position at which it was checked, is an `AppendConditionError`.
        """
        _check_name("aggregate_id", aggregate_id)
        batch = _batch(events)
        _check_expected(expected_version)
        conditions = conditions_of(condition)
        if aggregate_type is not None:
            _check_name("aggregate_type", aggregate_type)
        log = self._log
        with log.writing():
            while True:
                actual, known_type = log.head(aggregate_id)
                if actual and any(event.event_id for event in batch):
                    earlier = self._stored_already(aggregate_id, batch)
                    if earlier is not None:
                        return earlier
                if expected_version is not ANY and expected_version != actual:
                    raise self._conflict(aggregate_id, expected_version, actual)  # type: ignore[arg-type]
                for each in conditions:
                    # Nobody else writes meanwhile: what holds here holds when the events are in.
                    matched = self._matching(each, log.position, limit=100)
                    if matched:
                        raise AppendConditionError(aggregate_id, actual, each, matched)
                kind = _agree(aggregate_id, aggregate_type, known_type)
                stored = self._place(aggregate_id, kind, actual, batch)
                try:
                    log.insert([_row(event) for event in stored])
                except Overtaken:
                    # Another connection wrote past this object, and the primary key noticed. What
                    # it wrote counts: look again, as if it had been there from the beginning.
                    if log.head(aggregate_id)[0] == actual:
                        raise
                    continue
                return Appended(actual + len(stored), log.position, tuple(stored))

    def _place(self, aggregate_id: str, kind: str, version: int, batch: list[Event]) -> list[Event]:
        # The log's own time never runs backwards, even where the machine's clock does.
        now = max(utc(self.clock.now()), self._log.last_recorded)
        for event in batch:
            if event.event_id is None or event.occurred_at is None:
                event.settle(event.event_id or self.clock.new_id(), now)
        position = self._log.position
        # Spelled out: dataclasses.replace takes three times as long, for each event.
        return [
            Event(
                event.event_type, event.event_data, event.event_version, event.metadata,
                event.occurred_at, event.event_id, kind, aggregate_id,
                version + n, position + n, now,
            )
            for n, event in enumerate(batch, start=1)
        ]  # fmt: skip

    def matching(self, condition: AppendCondition) -> tuple[list[Event], AppendCondition]:
        """The events that match, and the condition that nothing of the kind comes after them.

        Decide on the events, then pass the condition to `append`: the same question guards the
        answer. Both stand at one position, so that no event can slip in between.
        """
        conditions_of(condition)
        position = self.position
        return self._matching(condition, position), replace(condition, after=position)

    def _matching(
        self, condition: AppendCondition, upto: int, limit: int = _NO_LIMIT
    ) -> list[Event]:
        if condition.after > upto:
            raise InvalidEventError(
                f"AppendCondition(after={condition.after}) lies ahead: the log ends at position "
                f"{upto}. Take the position from this store, before you read and decide."
            )
        if condition.aggregate_id is not None:
            rows = _whole_stream(self._log, condition.aggregate_id)
        else:
            # Old data meets a condition in today's shape, and SQL sees only what is stored.
            every = bool(self.upcasters)
            where, values = condition.sql(data=not every)
            rows = self._log.rows(
                f"select {_COLUMNS} from events where {where} and position <= ? "
                "order by position limit ?",
                [*values, upto, _NO_LIMIT if every else limit],
            )
        events = (self._event(row) for row in rows if condition.after < row[0] <= upto)
        return list(islice(filter(condition.matches, events), limit))

    def _conflict(self, aggregate_id: str, expected: int, actual: int) -> ConcurrencyError:
        after = min(expected, _NO_LIMIT)
        rows = self._log.rows(
            _STREAM, (aggregate_id, after, _NO_LIMIT, _NO_LIMIT, _naive(_END_OF_TIME))
        )
        return ConcurrencyError(aggregate_id, expected, actual, [row[5] for row in rows])

    def _stored_already(self, aggregate_id: str, batch: list[Event]) -> Appended | None:
        """The first result, when these very events are in the stream; None when none of them is."""
        ids = {event.event_id for event in batch if event.event_id is not None}
        rows = _whole_stream(self._log, aggregate_id)
        found = [event_from_row(row) for row in rows if row[1] in ids]
        if not found:
            return None
        first, last = found[0], found[-1]
        together = last.sequence_number == (first.sequence_number or 0) + len(batch) - 1
        if len(found) == len(batch) and together and all(map(_same, batch, found)):
            return Appended(
                last.sequence_number or 0,
                last.position or 0,
                tuple(map(self.upcasters, found)),
                True,
            )
        if len(found) < len(batch):
            how = f"but {len(batch) - len(found)} of the events beside it in this append are not"
        elif not together or [e.event_id for e in batch] != [e.event_id for e in found]:
            how = "in another order"
        else:
            how = "with other content"
        raise DuplicateEventError(
            f"{aggregate_id!r}: event id {first.event_id} is stored already, as "
            f"{first.event_type}, sequence number {first.sequence_number}, {how}. An id names one "
            f"fact for ever. To repeat an append, repeat it whole and unchanged; for another fact, "
            f"make a new event."
        )

    def save(self, aggregate: Savable, *, condition: Conditions = None) -> Appended:
        """Append what an aggregate recorded, at the version it was loaded; then perhaps a snapshot.

        `condition` is that of `append`. On a `ConcurrencyError` nothing is stored, and the
        aggregate keeps what it recorded.
        """
        if not hasattr(aggregate, "save_to"):
            raise InvalidEventError(
                f"save() takes an Aggregate, found {type(aggregate).__name__}. "
                f"Events are stored with append()."
            )
        return aggregate.save_to(self, condition)

    def new(self, kind: Loadable[Loaded], aggregate_id: str) -> Loaded:
        """An empty aggregate with this id, to be filled by its commands and saved."""
        _check_name("aggregate_id", aggregate_id)
        _check_loadable(kind)
        return kind.new_in(self, aggregate_id)

    def append_frame(self, frame: pd.DataFrame, **columns: Any) -> Appended:
        """Load the rows of a DataFrame as events, all or none; see `esnb.frames.append_frame`."""
        version, position, duplicate = frames.append_frame(self._log, self.clock, frame, **columns)
        return Appended(version, position, (), duplicate)

    def add_snapshot(
        self,
        aggregate_id: str,
        aggregate_type: str,
        sequence_number: int,
        state: Mapping[str, Any],
        state_version: int,
    ) -> None:
        """Keep a state as a shortcut for later loads. `Aggregate` calls this."""
        text = dump_json(state, f"snapshot of {aggregate_id!r}: state")
        with self._log.transaction() as cursor:
            cursor.execute(
                "insert into snapshots values (?, ?, ?, ?, ?, ?, ?)",
                [self.clock.new_id(), aggregate_id, aggregate_type, sequence_number, text,
                 state_version, _naive(utc(self.clock.now()))],
            )  # fmt: skip

    def delete_snapshots(self, aggregate_id: str | None = None) -> int:
        """Delete the snapshots of one aggregate or of all; returns how many. No answer changes."""
        if aggregate_id is not None:
            _check_name("aggregate_id", aggregate_id)
        with self._log.transaction() as cursor:
            rows = cursor.execute(
                "delete from snapshots where $1::varchar is null or aggregate_id = $1 returning 1",
                [aggregate_id],
            ).fetchall()
        return len(rows)

    def close(self) -> None:
        """Close the store; a file can then be opened by another process. Closing twice is fine."""
        self._finalizer()
        self._log_after_close()

    def _log_after_close(self) -> None:
        # The database itself stays open while another store of this process uses the same file.
        self._log = _Closed(self._log.name)  # type: ignore[assignment]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if isinstance(self._log, _Closed):
            return f"<EventStore {self._log.name}, closed>"
        return f"<EventStore {self._log.name}, {self._log.position} events>"


class _Closed:
    """What a store holds once it is closed: every use says so."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, _: str) -> Any:
        raise StoreClosedError(
            f"The store {self.name!r} is closed. Open it again: EventStore(path)."
        )


def select_only(
    cursor: duckdb.DuckDBPyConnection,
    query: str,
    parameters: Sequence[Any] | Mapping[str, Any] | None = None,
) -> Result:
    """Run one SELECT in a read-only transaction; another statement gets the error it deserves."""
    _check_query(query)
    cursor.execute("begin transaction read only")
    try:
        relation = cursor.sql(query, params=parameters)
        if relation is None:
            raise QueryError("This statement gives no rows. Ask with SELECT.")
        return Result(relation.materialize())
    except TypeError as error:
        raise QueryError(f"The parameters do not fit the query: {error}") from None
    finally:
        cursor.rollback()


def _text_row(event: Event) -> tuple[Any, ...]:
    row = list(_row(event))
    row[1] = str(row[1])
    return tuple(row)


def _whole_stream(log: Log, aggregate_id: str) -> list[tuple[Any, ...]]:
    # Most loads want all of a stream. Put in order here and not by the engine, a load of 100 events
    # takes a fifth to a third less time: much of it is the planning of the query.
    return sorted(log.rows(_WHOLE_STREAM, (aggregate_id,)), key=itemgetter(4))


def event_from_row(row: tuple[Any, ...]) -> Event:
    """An event from a row of the table `events`, as it was written."""
    return Event(
        row[5], load_json(row[7]), row[6], load_json(row[8]), row[9].replace(tzinfo=UTC),
        row[1], row[2], row[3], row[4], row[0], row[10].replace(tzinfo=UTC),
    )  # fmt: skip


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _naive(time: datetime) -> datetime:
    return (time if time.tzinfo is UTC else time.astimezone(UTC)).replace(tzinfo=None)


def _row(event: Event) -> tuple[Any, ...]:
    where = f"event {event.event_type!r}"
    return (
        event.position, event.event_id, event.aggregate_type, event.aggregate_id,
        event.sequence_number, event.event_type, event.event_version,
        dump_json(event.event_data, f"{where}: data"),
        dump_json(event.metadata, f"{where}: metadata"),
        _naive(event.occurred_at), _naive(event.recorded_at),  # type: ignore[arg-type]
    )  # fmt: skip


def _same(new: Event, stored: Event) -> bool:
    def content(event: Event) -> bytes:
        return orjson.dumps([event.event_data, event.metadata], option=orjson.OPT_SORT_KEYS)

    return (
        new.event_id == stored.event_id
        and new.event_type == stored.event_type
        and new.event_version == stored.event_version
        and (new.occurred_at is None or new.occurred_at == stored.occurred_at)
        and content(new) == content(stored)
    )


def _batch(events: Sequence[Event] | Iterable[Event]) -> list[Event]:
    if isinstance(events, Event | str | Mapping) or not isinstance(events, Iterable):
        raise InvalidEventError(
            f"append() takes a list of events, found {type(events).__name__}. "
            f"Write [new_event(...)], also for one."
        )
    batch = list(events)
    if not batch:
        raise InvalidEventError("append() got no events. Nothing happened, so nothing is stored.")
    for event in batch:
        if not isinstance(event, Event):
            raise InvalidEventError(
                f"append() takes events, found {type(event).__name__} {event!r:.60}. "
                f"Make one with new_event('OrderPlaced', ...)."
            )
        check_event(event)
    ids = [event.event_id for event in batch if event.event_id is not None]
    if len(set(ids)) < len(ids) or len({id(event) for event in batch}) < len(batch):
        raise DuplicateEventError(
            "The same event stands twice in one append. Make a new event for each fact."
        )
    return batch


def _check_expected(expected: int | _Any) -> None:
    if expected is ANY:
        return
    if not isinstance(expected, int) or isinstance(expected, bool) or expected < 0:
        raise InvalidEventError(
            f"expected_version is the sequence number you believe to be the latest: 0 for a new "
            f"stream, n for one with n events, or ANY. Found {expected!r}."
        )


def _agree(aggregate_id: str, given: str | None, known: str | None) -> str:
    if known is None and given is None:
        raise InvalidEventError(
            f"{aggregate_id!r} is new, so the store must be told what it is: "
            f"append(..., aggregate_type='ORDER')."
        )
    if known is not None and given is not None and known != given:
        raise InvalidEventError(
            f"{aggregate_id!r} is stored as {known!r}, not {given!r}. An aggregate keeps its type."
        )
    return known or given or ""


def _check_name(what: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip() or "\x00" in value:
        raise InvalidEventError(
            f"{what} must be a non-empty text such as 'order-1042', found {value!r}."
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidEventError(f"{what} {value!r} holds half a character.") from None


def _count(what: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidEventError(f"{what} is a number from 0 upwards, found {value!r}.")
    return min(value, _NO_LIMIT)


def _check_loadable(kind: object) -> None:
    if not hasattr(kind, "load_from"):
        name = getattr(kind, "__name__", repr(kind))
        raise InvalidEventError(
            f"{name} is no Aggregate. Derive it from esnb.Aggregate, or fold the events yourself: "
            f"replay({name}, store.events(...))."
        )


def _check_query(query: object) -> None:
    if not isinstance(query, str):
        raise QueryError(f"sql() takes the text of a query, found {type(query).__name__}.")
    if query != query.encode(errors="ignore").decode():
        raise QueryError("The query holds half a character (a lone surrogate).")
    statements = duckdb.extract_statements(query)
    if len(statements) != 1:
        raise QueryError(f"sql() runs one query at a time, found {len(statements)} statements.")
    kind = statements[0].type
    if kind in (duckdb.StatementType.UPDATE, duckdb.StatementType.DELETE):
        raise AppendOnlyError(
            "Events are never changed or removed, and sql() only reads. To correct a wrong fact, "
            "append an event that says so."
        )
    if kind not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise ReadOnlyError(
            f"sql() only reads: it runs SELECT, found {kind.name}. Events are added with append()."
        )
