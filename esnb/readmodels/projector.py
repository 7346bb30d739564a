"""Projectors: they run the declaration of a read model, to catch up, to rebuild, on any delivery.

The position that is reached is written in the transaction that writes the read model, so the two
can never disagree. Technique: checkpointed catch-up subscriptions, as in the projections of
KurrentDB or Marten; the swap after a rebuild is a blue/green deployment.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from esnb.errors import (
    ProjectionError,
    QueryError,
    StaleProjectionError,
    StoreClosedError,
    StoreCorruptError,
)
from esnb.events import Event
from esnb.readmodels.batch import Batch, Inbox, execute
from esnb.readmodels.follower import Follower, id_at
from esnb.readmodels.projection import Projection
from esnb.readmodels.read_database import OvertakenError, ReadDatabase, transaction
from esnb.store.reader import Reader
from esnb.store.readonly_sql import Result, select_only

BATCH = 1_000_000


class Projector(Follower):
    """Keeps the read model of one projection up to date: `Projector(store, OrderSummary)`.

    The read model lives in memory, or in the file `database`, never in the store's own. A file that
    is damaged, or that belongs to another log, is put aside and rebuilt; `notice` says so. A file
    that was built by another `version` keeps serving, and `catch_up` raises
    `StaleProjectionError` until `rebuild` is called.

    An event counts once, however often and in whatever order it is delivered, also after a restart
    and in a later batch. There is no list of processed event ids: the position says the same in
    one number, since positions have no gap and an event keeps its own. All up to the position are
    in the read model, none after it is, and what came too early waits in the inbox, once.
    """

    _version: int
    _build: int
    _position: int
    _effects: int
    _last_id: Any
    _left_out: frozenset[int]

    def __init__(
        self,
        store: Reader,
        projection: type[Projection],
        database: str | os.PathLike[str] | None = None,
    ) -> None:
        self.store = store
        self.projection = projection
        self._instance = projection()
        self._handlers = projection.methods("_handles")
        self._reactions = projection.methods("_reacts")
        self._once = _used_once(projection)
        self._lock = threading.RLock()
        self._rebuilding = threading.Lock()
        self._desks: dict[int, duckdb.DuckDBPyConnection] = {}
        path = None if database is None else Path(database).expanduser().resolve()
        self._db = ReadDatabase(projection, path, store._log.path)
        self._db.open(store.position)
        self._read_checkpoint()
        if self._position > store.position or not self._same_log(self._last_id):
            self._start_over("it was built from another log, or from more events than there are")

    # -- state -----------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """The position of the last event in the read model; 0 when it is empty."""
        return self._position

    @property
    def notice(self) -> str:
        """What happened to the read database that its owner should know; mostly nothing."""
        return self._db.notice

    def df(self, table: str | None = None) -> pd.DataFrame:
        """A table of the read model as a DataFrame; the first declared one if none is named."""
        name = table or next(iter(self.projection.tables))
        if name not in self.projection.tables:
            raise QueryError(
                f"{self.projection.__name__} has the tables {list(self.projection.tables)}, "
                f"not {name!r}."
            )
        return self.sql(f"select * from {name} order by all").df()

    def sql(self, query: str, parameters: Any = None) -> Result:
        """Run one SELECT over the read model's tables."""
        while True:
            build = self._build
            try:
                with self._db.translated():
                    return select_only(self._db.cursor(build), query, parameters)
            except QueryError:
                with self._lock:
                    self._read_checkpoint()
                if build == self._build:
                    raise
                # A rebuild swapped its tables in, and dropped those that were to be asked.

    # -- work ------------------------------------------------------------------------------

    def catch_up(self, limit: int | None = None) -> int:
        """Process the events that came since the last call, at most `limit`; returns how many.

        An event that cannot be processed raises `ProjectionError` with its position, type and id;
        everything before it is processed, nothing after it. `skip` or `park` it, or mend the
        projection and rebuild.
        """
        with self._lock:
            self._check_version()
            done = 0
            while limit is None or done < limit:
                size = BATCH if limit is None else min(BATCH, limit - done)
                events = Batch(self.store, self._position, size, self._left_out)
                if events.count == 0:
                    break
                try:
                    self._run(self._build, events)
                except OvertakenError:
                    self._read_checkpoint()
                    self._check_version()
                    continue
                done += events.count
            self._react()
            return done

    def deliver(self, events: Iterable[Event], bookmarks: Mapping[str, int] | None = None) -> int:
        """Process events that a transport brought: late, twice, or in another order.

        An event at or before the position, or one that waits already, is dropped; one that comes
        too early waits in an inbox, in the read database, for those before it. Returns how many
        events were processed now. `bookmarks` say how far the transport has been read (offsets by
        partition, for example); they are stored in the transaction that stores the events.
        """
        with self._lock:
            self._check_version()
            brought = [self._of_this_log(event) for event in events]
            taken = self.store.as_stored(brought, self._position)
            while True:
                self._read_checkpoint()
                before, cursor = self._position, self._db.cursor(self._build)
                try:
                    with self._db.translated():
                        ready = self._db.take(cursor, taken, bookmarks or {}, before)
                    if ready:
                        steps = self.store.upcasters
                        self._run(self._build, Inbox(cursor, before, ready, steps))
                except OvertakenError:
                    continue
                self._react()
                return self._position - before

    def bookmarks(self) -> dict[str, int]:
        """How far each source of a transport has been read, as `deliver` was told."""
        return self._db.bookmarks()

    def inbox(self) -> list[Event]:
        """The delivered events that wait for those before them, by position."""
        return self._db.inbox(self._position)

    def rebuild(
        self, *, parked_too: bool = False, workers: int = 1, progress: bool | None = None
    ) -> int:
        """Build the read model again from the first event, beside the old one, then swap.

        Until the swap, which is one transaction, `df` and `sql` answer from the old one, also from
        other threads, and writers go on writing. Side effects are not repeated. Events left out
        stay out, unless `parked_too`. Returns the number of events processed; when one fails, the
        old read model stays and `ProjectionError` names the event.

        `workers`: processes that share the work, for a projection with handlers that declares
        `by_aggregate`, in a module that they can import; else, or if one is lost, `RebuildError`.
        They get about four buckets of events each, in temporary files. `progress` shows a bar of
        their work; None shows it from 10,000 events on.
        """
        if workers != 1 or isinstance(workers, bool):
            # Here, since process pools and their queues would slow down every `import esnb`.
            from esnb.readmodels import parallel_rebuild

            parallel_rebuild.check(self.projection, workers)
        with self._rebuilding:
            if self._db.damaged:
                self._start_over("its file is damaged", self._effects)
            build = self._build + 1
            try:
                return self._rebuild(build, parked_too, workers, progress)
            except BaseException:
                self._desks.pop(build, None)
                self._db.drop(build)
                raise

    def _rebuild(self, build: int, parked_too: bool, workers: int, progress: bool | None) -> int:
        self._db.create(build, None if parked_too else self._build)
        left_out = frozenset() if parked_too else self._left_out
        start = total = 0
        if workers > 1:
            start, total = self._fill_apart(build, left_out, workers, progress)
        start, more = self._fill(build, start, left_out)
        with self._lock, self._db.translated():
            # What was written meanwhile is little now; then nobody may move the position.
            start, rest = self._fill(build, start, left_out)
            self._db.cursor().execute(
                "update esnb.checkpoint set version = ?, build = ?, position = ?, event_id = ?",
                [self.projection.version, build, start, id_at(self.store, start)],
            )
            self._desks.pop(self._build, None)
            self._db.drop(self._build)
            self._read_checkpoint()
        return total + more + rest

    def parked(self) -> pd.DataFrame:
        """The events left out: position, event_id, event_type, reason."""
        rows = [(row[0], str(row[1]), *row[2:]) for row in self._db.left_out(self._build)]
        return pd.DataFrame(rows, columns=["position", "event_id", "event_type", "reason"])

    def verify(self) -> bool:
        """Compare the table that `df()` shows with one built afresh from the log, row by row.

        Events that were left out are left out of both.
        """
        table = next(iter(self.projection.tables))
        with self._lock:
            self._check_version()
            twin = Projector(self.store.as_of(self._position), self.projection)
            twin._left_out = self._left_out
            try:
                twin.catch_up()
                return _rows(self.sql(f"from {table}")) == _rows(twin.sql(f"from {table}"))
            finally:
                twin.close()

    def close(self) -> None:
        """Close the read database."""
        with self._lock:
            self._desks.clear()
            self._db.close()

    # -- inside ----------------------------------------------------------------------------

    def _fill(self, build: int, position: int, left_out: frozenset[int]) -> tuple[int, int]:
        """Bring a new build up to the head of the log; returns the position and the events done."""
        done = 0
        while (events := Batch(self.store, position, BATCH, left_out)).count:
            self._run(build, events, save=False)
            position, done = events.last, done + events.count
        return position, done

    def _fill_apart(
        self, build: int, left_out: frozenset[int], workers: int, progress: bool | None
    ) -> tuple[int, int]:
        """What `_fill` does, by worker processes."""
        from esnb.readmodels import parallel_rebuild
        from esnb.readmodels.rebuild_worker import HandlerFailedError

        shared = self.store, self.projection, self._db, build, left_out, workers, progress
        try:
            return parallel_rebuild.fill(*shared)
        except HandlerFailedError as error:
            event = next(self.store.read_all(error.position - 1, 1))
            raise self._cannot_process(event, error.reason, self._position) from None

    def _run(self, build: int, events: Batch, save: bool = True) -> None:
        """Process a batch; if it fails, halve it until one event is left, and name that."""
        try:
            with self._db.translated():
                self._apply(self._desk(build, events.few), events, save)
        except (OvertakenError, StoreCorruptError, StoreClosedError):
            raise  # no event is to blame
        except Exception as error:
            if events.count > 1:
                for half in events.halves():
                    self._run(build, half, save)
                return
            event = next(iter(events.read()))
            raise self._cannot_process(event, error, self._position) from error

    def _desk(self, build: int, few: bool) -> duckdb.DuckDBPyConnection:
        """A cursor to work on. Few events share one: making it costs a good part of their time."""
        if not few:
            return self._db.cursor(build)
        if build not in self._desks:
            cursor = self._db.cursor(build)
            if self._once:
                # A view is worked out where it is used: cheaper than a table, if that is once.
                Batch(self.store, self.store.position, 0).into(cursor, self.projection.columns)
            for name in self._once:
                cursor.execute(f"create temp view {name} as {self.projection.gathers[name]}")
            self._desks[build] = cursor
        return self._desks[build]

    def _apply(self, cursor: duckdb.DuckDBPyConnection, events: Batch, save: bool) -> None:
        """Run the declaration over a batch, in one transaction with the position."""
        statements = self.projection.statements()
        if statements:
            events.fetch(self.projection.columns)
        with transaction(cursor):
            if save:
                self._db.move(cursor, self._build, self._position, events.last, events.last_id())
            if not statements:
                self._handle(cursor, events)
            elif not events.gather(cursor, self.projection.gathers):
                events.into(cursor, self.projection.columns)
                for name, query in self.projection.gathers.items():
                    if not (events.few and name in self._once):
                        execute(cursor, f"create or replace temp table {name} as {query}")
            for text in statements:
                execute(cursor, text)
            if save and isinstance(events, Inbox):
                cursor.execute("delete from esnb.inbox where position <= ?", [events.last])
        if save:
            self._position = events.last

    def _handle(self, cursor: duckdb.DuckDBPyConnection, events: Batch) -> None:
        for event in events.read():
            for name in self._handlers.get(event.event_type, ()):
                getattr(self._instance, name)(cursor, event)

    def _leave_out(self, event: Event, reason: str) -> None:
        cursor, position = self._db.cursor(self._build), event.position or 0
        with self._db.translated(), transaction(cursor):
            self._db.move(cursor, self._build, self._position, position, event.event_id)
            cursor.execute(
                "insert into esnb_parked values (?, ?, ?, ?)",
                [position, event.event_id, event.event_type, reason],
            )
        self._read_checkpoint()

    def _react(self) -> None:
        """Call the side effects of events that are in the read model and were not reacted to yet.

        The mark moves after each event: a crash in between repeats its effects, it never loses one.
        """
        if not self._reactions or self._effects >= self._position:
            return
        new = self.store.read_all(self._effects)
        for position, events in groupby(new, lambda event: event.position or 0):
            if position > self._position:
                break
            if position in self._left_out:
                continue
            called = False
            for event in events:
                for name in self._reactions.get(event.event_type, ()):
                    self._call(name, event)
                    called = True
            if called:
                self._reacted(position)
        self._reacted(self._position)

    def _call(self, reaction: str, event: Event) -> None:
        try:
            getattr(self._instance, reaction)(event)
        except Exception as error:
            raise ProjectionError(
                f"{self.projection.__name__}.{reaction} failed on the event at position "
                f"{event.position}: {event.event_type} {event.event_id} of "
                f"{event.aggregate_id!r}: {type(error).__name__}: {error}. The read model "
                f"is up to date; the next catch_up() tries this side effect again.",
                event,
            ) from error

    def _reacted(self, position: int) -> None:
        self._db.reacted(position)
        self._effects = position

    def _check_version(self) -> None:
        if self._version != self.projection.version:
            raise StaleProjectionError(
                f"The read model was built by version {self._version} of "
                f"{self.projection.__name__}, the code has version {self.projection.version}. It "
                f"still answers queries; rebuild() derives the new one from the log."
            )

    def _read_checkpoint(self) -> None:
        """Take note of where the read database stands: another projector may have moved it."""
        known = self._db.checkpoint()
        self._version, self._build, self._position = known.version, known.build, known.position
        self._last_id, self._effects, self._left_out = known.event_id, known.effects, known.left_out

    def _refresh(self) -> None:
        self._read_checkpoint()

    def _start_over(self, reason: str, effects: int | None = None) -> None:
        self._desks.clear()
        head = self.store.position if effects is None else effects
        self._db.start_over(reason, head, known=effects is not None)
        self._read_checkpoint()


def _used_once(projection: type[Projection]) -> list[str]:
    """The gathers that the statements name once, all told."""
    text = " ".join(projection.statements())
    return [name for name in projection.gathers if len(re.findall(rf"\b{name}\b", text)) == 1]


def _rows(result: Result) -> list[str]:
    return sorted(map(repr, result.fetchall()))
