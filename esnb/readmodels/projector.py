"""Projectors: they run the declaration of a read model, to catch up, to rebuild, on any delivery.

The position that is reached is written in the transaction that writes the read model, so the two
can never disagree. Technique: checkpointed catch-up subscriptions, as in the projections of
KurrentDB or Marten; the swap after a rebuild is a blue/green deployment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from esnb.errors import QueryError, StoreClosedError, StoreCorruptError, StoreFullError
from esnb.events import Event
from esnb.readmodels.delivery import OvertakenError
from esnb.readmodels.follower import Follower
from esnb.readmodels.new_events import FromInbox, FromLog, NewEvents, execute
from esnb.readmodels.projection import Projection
from esnb.readmodels.read_database import ReadDatabase, schema_of, transaction
from esnb.readmodels.read_errors import damaged, is_damage
from esnb.readmodels.read_tables import ReadTables
from esnb.readmodels.side_effects import SideEffects
from esnb.readmodels.source import EventSource, id_at
from esnb.store.readonly_sql import Result, quoted, select_only

BATCH = 1_000_000  # events in a transaction, for statements
HANDLED = 10_000  # the same for handlers: their rows are in memory until then
_NO_EVENT_TO_BLAME = (OvertakenError, StoreCorruptError, StoreClosedError, StoreFullError)


@dataclass
class _Build:
    """A build of the read model that does not serve yet."""

    number: int
    left_out: frozenset[int]
    position: int = 0


class Projector(Follower[_Build]):
    """Keeps the read model of one projection up to date: `Projector(store, OrderSummary)`.

    The read model is in memory, or in the file `database`, never in the store's own. A file that is
    damaged, or that belongs to another log, is put aside and rebuilt; `notice` says so. A file that
    was built by another `version`, or by another declaration, keeps serving, and `catch_up` raises
    `StaleProjectionError` until `rebuild` is called.

    An event counts once, however often and in whatever order it is delivered: see `delivery`.
    """

    _version: int
    _declared: dict[str, Any]
    _build: int
    _position: int
    _effects: int
    _last_id: Any
    _left_out: frozenset[int]

    def __init__(
        self,
        store: EventSource,
        projection: type[Projection],
        database: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(store, projection)
        self._instance = projection()
        self._handlers = projection.methods("_handles")
        self._side_effects = SideEffects(self._instance)
        self._once = projection.used_once()
        self._code = projection.declaration()
        self._size = HANDLED if self._handlers else BATCH
        self._desks: dict[int, duckdb.DuckDBPyConnection] = {}
        self._reads: dict[int, ReadTables] = {}
        path = None if database is None else Path(database).expanduser().resolve()
        self._db = ReadDatabase(projection, path, store.path)
        self._db.open(store.position)
        self._refresh()
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

    def bookmarks(self) -> dict[str, int]:
        """How far each source of a transport has been read, as `deliver` was told."""
        return self._db.bookmarks()

    def inbox(self) -> list[Event]:
        """The delivered events that wait for those before them, by position."""
        return self._db.inbox(self._position)

    def df(self, table: str | None = None) -> pd.DataFrame:
        """A table of the read model as a DataFrame; the first declared one if none is named."""
        name = table or next(iter(self.projection.tables))
        if name not in self.projection.tables:
            raise QueryError(
                f"{self.projection.__name__} has the tables {list(self.projection.tables)}, "
                f"not {name!r}."
            )
        return self.sql(f"select * from {quoted(name)} order by all").df()

    def sql(self, query: str, parameters: Any = None) -> Result:
        """Run one SELECT over the read model's tables."""
        while True:
            build = self._build
            try:
                with self._db.translated():
                    return select_only(self._db.cursor(build), query, parameters)
            except QueryError:
                with self._lock:
                    self._refresh()
                if build == self._build:
                    raise
                # A rebuild swapped its tables in, and dropped those that were to be asked.

    def verify(self) -> bool:
        """Compare the table that `df()` shows with one built afresh from the log, row by row.

        Events that were left out are left out of both.
        """
        table = quoted(next(iter(self.projection.tables)))
        with self._lock:
            self._check_declaration()
            twin = Projector(self.store.as_of(self._position), self.projection)
            twin._left_out = self._left_out
            try:
                twin.catch_up()
                rows = [p.sql(f"from {table}").fetchall() for p in (self, twin)]
                return sorted(map(repr, rows[0])) == sorted(map(repr, rows[1]))
            finally:
                twin.close()

    def close(self) -> None:
        """Close the read database."""
        with self._lock:
            self._forget_desks(*list(self._desks))
            self._db.close()

    # -- rebuild ---------------------------------------------------------------------------

    def rebuild(
        self, *, parked_too: bool = False, workers: int = 1, progress: bool | None = None
    ) -> int:
        """Build the read model again from the first event, beside the old one, then swap.

        Until the swap, which is one transaction, `df` and `sql` answer from the old one, also from
        other threads; `catch_up` and `deliver` go on moving it, and writers go on writing. Only for
        the last few events and the swap itself does `catch_up` wait. Side effects are not repeated.
        Events left out stay out, unless `parked_too`. Returns the number of events processed; when
        one fails, the old read model stays and `ProjectionError` names the event.

        A damaged read database is put aside, and the new one begins without decisions: events that
        were left out are processed again.

        `workers`: processes that share the work, for a projection with handlers that declares
        `by_aggregate`, in a module that they can import; else, or if one is lost, `RebuildError`.
        They get about four buckets of events each, in temporary files. `progress` shows a bar of
        their work; None shows it from 10,000 events on.
        """
        head_start = None
        if workers != 1 or isinstance(workers, bool):
            # Here, since process pools and their queues would slow down every `import esnb`.
            from esnb.readmodels import parallel_rebuild

            parallel_rebuild.check(self.projection, workers)

            def head_start(build: _Build) -> int:
                return self._fill_apart(build, workers, progress)

        if not self._db.damaged:
            try:
                return self._rebuild(parked_too, head_start)
            except StoreCorruptError:
                if not self._db.damaged:  # then it is the log
                    raise
        with self._lock:
            self._start_over("its file is damaged", self._effects)
        return self._rebuild(parked_too, head_start)

    def _begin_build(self, parked_too: bool) -> _Build:
        with self._lock:
            self._refresh()
            build = _Build(self._build + 1, frozenset() if parked_too else self._left_out)
            self._forget_desks(build.number)
            self._db.create(build.number, None if parked_too else self._build)
            return build

    def _fill(self, build: _Build, upto: int | None) -> int:
        done, size = 0, self._size
        while upto is None or build.position < upto:
            events = FromLog(self.store, build.position, size, build.left_out)
            if events.count:
                self._run(build.number, events, save=False)
            build.position, done = events.last, done + events.count
            if events.count < size:
                break
        return done

    def _fill_apart(self, build: _Build, workers: int, progress: bool | None) -> int:
        """The head start of a new build, by worker processes."""
        from esnb.readmodels import parallel_rebuild
        from esnb.readmodels.rebuild_worker import HandlerFailedError

        db, number, left_out = self._db, build.number, build.left_out
        try:
            build.position, count = parallel_rebuild.fill(
                self.store, self.projection, db, number, left_out, workers, progress
            )
        except HandlerFailedError as error:
            event = next(self.store.read_all(error.position - 1, 1))
            raise self._cannot_process(event, error.reason, self._position) from None
        return count

    def _swap(self, build: _Build) -> None:
        with self._db.translated():
            last_id = id_at(self.store, build.position)
            self._db.switch(self._db.cursor(), build.number, build.position, last_id)
        self._forget_desks(self._build)
        self._db.drop(self._build)
        self._code = self.projection.declaration()
        self._refresh()

    def _drop_build(self, build: _Build) -> None:
        self._forget_desks(build.number)
        self._db.drop(build.number)

    # -- work ------------------------------------------------------------------------------

    def _advance(self, limit: int | None) -> int:
        size = self._size if limit is None else min(self._size, limit)
        events = FromLog(self.store, self._position, size, self._left_out)
        if events.count:
            self._run(self._build, events)
        return events.count

    def _take(self, events: list[Event], bookmarks: Mapping[str, int]) -> None:
        before, cursor = self._position, self._db.cursor(self._build)
        with self._db.translated():
            ready = self._db.take(cursor, events, bookmarks, before)
        if ready:
            self._run(self._build, FromInbox(cursor, before, ready, self.store.upcasters))

    def _run(self, build: int, events: NewEvents, save: bool = True) -> None:
        """Process a batch; if it fails, halve it until one event is left, and name that."""
        try:
            with self._db.translated():
                self._apply(self._desk(build, events.few), events, save)
        except _NO_EVENT_TO_BLAME:
            raise
        except Exception as error:
            if is_damage(error):
                self._db.damaged = True
                raise damaged(self.projection.__name__, error) from None
            if events.count > 1:
                for half in events.halves():
                    self._run(build, half, save)
                return
            event = next(iter(events.read()))
            raise self._cannot_process(event, error, self._position) from error

    def _desk(self, build: int, few: bool) -> duckdb.DuckDBPyConnection:
        """A cursor to work on. Making one costs a good part of the time of a few events."""
        if not few and not self._handlers:
            return self._db.cursor(build)
        if build not in self._desks:
            cursor = self._db.cursor(build)
            if self._once:
                # A view is worked out where it is used: cheaper than a table, if that is once.
                FromLog(self.store, self.store.position, 0).into(cursor, self.projection.columns)
            for name in self._once:
                query = self.projection.gathers[name]
                cursor.execute(f"create temp view {quoted(name)} as {query}")
            self._reads[build] = ReadTables(cursor, schema_of(build), self.projection.tables)
            self._desks[build] = cursor
        return self._desks[build]

    def _forget_desks(self, *builds: int) -> None:
        for build in builds:
            self._desks.pop(build, None)
            self._reads.pop(build, None)

    def _apply(self, cursor: duckdb.DuckDBPyConnection, events: NewEvents, save: bool) -> None:
        """Run the declaration over a batch, in one transaction with the position."""
        statements = self.projection.statements()
        # 1. What can be read before the transaction begins.
        if statements:
            events.fetch(self.projection.columns)
        with transaction(cursor):
            # 2. The position first: who moves it has the read model for this transaction.
            if save:
                before, last_id = self._position, events.last_id()
                self._db.move(cursor, self._build, before, events.last, last_id)
            # 3. The rows, by statements or by handlers.
            if statements:
                self._state(cursor, events, statements)
            else:
                self._handle_all(cursor, events)
            # 4. What waited in the inbox and is processed now.
            if save and isinstance(events, FromInbox):
                cursor.execute("delete from esnb.inbox where position <= ?", [events.last])
        if save:
            self._position = events.last

    def _state(
        self, cursor: duckdb.DuckDBPyConnection, events: NewEvents, statements: list[str]
    ) -> None:
        """Run the statements over a batch."""
        if not events.gather(cursor, self.projection.gathers):
            events.into(cursor, self.projection.columns)
            for name, query in self.projection.gathers.items():
                if not (events.few and name in self._once):
                    execute(cursor, f"create or replace temp table {quoted(name)} as {query}")
        for text in statements:
            execute(cursor, text)

    def _handle_all(self, cursor: duckdb.DuckDBPyConnection, events: NewEvents) -> None:
        """Run the handlers over a batch; what they changed by key is written at its end."""
        if not self._handlers:
            return
        read = next(read for read in self._reads.values() if read.cursor is cursor)
        # Rows in memory are those of a position. If this batch fails, they are of none.
        read.begin(events.after)
        self._handle(read, events)
        read.flush()
        read.position = events.last

    def _handle(self, read: ReadTables, events: NewEvents) -> None:
        """Run the handlers, event by event."""
        batch = list(events.read())
        read.expect(batch)
        handlers = {
            kind: [getattr(self._instance, name) for name in names]
            for kind, names in self._handlers.items()
        }
        for event in batch:
            for handler in handlers.get(event.event_type, ()):
                handler(read, event)
            read.next_event()

    # -- decisions and side effects --------------------------------------------------------

    def _decisions(self) -> list[tuple[Any, ...]]:
        return self._db.left_out(self._build)

    def _leave_out(self, event: Event, reason: str) -> None:
        self._check_damage()
        cursor, position = self._db.cursor(self._build), event.position or 0
        with self._db.translated(), transaction(cursor):
            self._db.move(cursor, self._build, self._position, position, event.event_id)
            cursor.execute(
                "insert into esnb_parked values (?, ?, ?, ?)",
                [position, event.event_id, event.event_type, reason],
            )
        self._refresh()

    def _react(self) -> None:
        after, upto = self._effects, self._position
        self._side_effects.happen(self.store, after, upto, self._left_out, self._reacted)

    def _reacted(self, position: int) -> None:
        self._db.reacted(position)
        self._effects = position

    # -- inside ----------------------------------------------------------------------------

    def _check_declaration(self) -> None:
        self._check_damage()
        self._refuse_changed(self._declared, self._version, self._code)

    def _check_damage(self) -> None:
        if self._db.damaged:
            raise damaged(self.projection.__name__)

    def _refresh(self) -> None:
        known = self._db.checkpoint()
        self._version, self._declared = known.version, known.declaration
        self._build, self._position = known.build, known.position
        self._last_id, self._effects, self._left_out = known.event_id, known.effects, known.left_out

    def _start_over(self, reason: str, effects: int | None = None) -> None:
        self._forget_desks(*list(self._desks))
        head = self.store.position if effects is None else effects
        self._db.start_over(reason, head, known=effects is not None)
        self._refresh()
