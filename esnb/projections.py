"""Projections: read models derived from the log, each in a database of its own.

A projection is declared once: its tables, and either set-based SQL over the new events or a Python
handler per event type. A projector runs that declaration to catch up, to rebuild, and to look at
the past. The position it has reached is written in the transaction that writes the read model, so
the two can never disagree. Technique: checkpointed catch-up subscriptions, as in the projections of
KurrentDB or Marten; the swap after a rebuild is a blue/green deployment.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import duckdb
import pandas as pd

from esnb.errors import (
    InvalidEventError,
    LagTimeoutError,
    ProjectionError,
    QueryError,
    StaleProjectionError,
    StoreClosedError,
    StoreCorruptError,
)
from esnb.events import Event, dump_json
from esnb.reading import Reader, Result, event_from_row, select_only

BATCH = 1_000_000
FEW = 1_000  # events that travel faster as Python values than as a stream of columns

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
# As `Reader.rows` gives them, so that a statement meets the same types however events arrive.
_COLUMNS = (
    "position bigint, event_id varchar, aggregate_type varchar, aggregate_id varchar, "
    "sequence_number bigint, event_type varchar, event_version integer, event_data varchar, "
    "metadata varchar, occurred_at timestamp, recorded_at timestamp"
)
_LOG = [column.split()[0] for column in _COLUMNS.split(", ")]
_FEW_EVENTS = (
    "create or replace temp table new_events as select * from (select "
    + ", ".join("unnest(?::{1}[]) as {0}".format(*c.split()) for c in _COLUMNS.split(", "))
    + ") where position not in (select position from esnb_parked)"
)
_PARKED = "position bigint primary key, event_id uuid, event_type varchar, reason varchar"
# The inbox from the position on, as far as it has no gap.
_READY = """
select count(*) from (select position, row_number() over (order by position) as n
                      from esnb.inbox where position > ?) where position = ? + n
"""

_META = f"""
create schema esnb;
create table esnb.checkpoint (
    projection varchar, version integer, build integer, position bigint, event_id uuid,
    effects bigint
);
create table esnb.inbox ({_COLUMNS});
create unique index inbox_by_position on esnb.inbox (position);
create table esnb.bookmarks (source varchar primary key, bookmark bigint);
"""

# The engine's words for a file that cannot be opened although nothing in it is damaged.
_NOT_DAMAGED = (
    "Could not set lock", "used by another process", "different configuration",
    "Permission denied", "No space left", "version number",
)  # fmt: skip

Handler = TypeVar("Handler", bound=Callable[..., None])


def handles(*event_types: str) -> Callable[[Handler], Handler]:
    """Decorate a method `(self, read, event)` that updates the read model.

    `read.execute(sql, values)` runs a statement on its tables.
    """

    def mark(function: Handler) -> Handler:
        function.__dict__["_handles"] = event_types
        return function

    return mark


def reacts_to(*event_types: str) -> Callable[[Handler], Handler]:
    """Decorate a method `(self, event)` with a side effect, such as a mail.

    A rebuild never calls it.
    """

    def mark(function: Handler) -> Handler:
        function.__dict__["_reacts"] = event_types
        return function

    return mark


class Projection:
    """The declaration of a read model: derive from it.

    `tables` maps each table's name to its columns (SQL); the first is what `Projector.df()` shows.
    `sql` is one or more statements over the temporary table `new_events` that bring the tables up
    to date. It has the columns of the log, ids and JSON as text, and holds a batch at a time; say
    `order by position` where the order counts. Or leave `sql` out, and write methods marked with
    `handles`. Raise `version` whenever the declaration changes. `columns` are those of new_events
    that the statements use, beside position; named, the others are not copied, which is faster.

    `gathers` maps names to queries over new_events alone, such as sums of a batch. They are run
    where the events are, and the statements find their answers, and not new_events, as temporary
    tables.
    """

    tables: ClassVar[dict[str, str]] = {}
    sql: ClassVar[str | Sequence[str]] = ()
    columns: ClassVar[Sequence[str]] = ()
    gathers: ClassVar[Mapping[str, str]] = {}
    version: ClassVar[int] = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in [*cls.tables, *cls.gathers]:
            taken = name == "new_events" or name.startswith("esnb_")
            if not _NAME.fullmatch(name) or taken:
                raise InvalidEventError(
                    f"{cls.__name__}.tables: {name!r} is no name for a table. Use small letters, "
                    f"digits and _, and neither new_events nor a name that begins with esnb_."
                )
        unknown = set(cls.columns) - set(_LOG)
        if unknown or isinstance(cls.columns, str):
            raise InvalidEventError(
                f"{cls.__name__}.columns is a list of columns of the log: {', '.join(_LOG)}. "
                f"Found {cls.columns!r}."
            )
        if not cls.tables:
            raise InvalidEventError(
                f"{cls.__name__} declares no tables. Write tables = {{'name': 'columns'}}."
            )
        handlers, reactions = cls.methods("_handles"), cls.methods("_reacts")
        if bool(cls.statements()) == bool(handlers) and (handlers or not reactions):
            found = "both" if handlers else "neither"
            raise InvalidEventError(
                f"{cls.__name__} has {found} of sql and methods marked with handles(). "
                f"Declare the read model one way."
            )

    @classmethod
    def statements(cls) -> list[str]:
        """The set-based statements, in order; empty for a projection with handlers."""
        return [cls.sql] if isinstance(cls.sql, str) else list(cls.sql)

    @classmethod
    def methods(cls, mark: str) -> dict[str, list[str]]:
        """Names of the marked methods by event type."""
        found: dict[str, list[str]] = {}
        for name in dir(cls):
            for event_type in getattr(getattr(cls, name), mark, ()):
                found.setdefault(event_type, []).append(name)
        return found


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a read model is behind: `events` not yet processed, and how long, in `seconds`, the
    oldest of them has been waiting. Both are read off the log: a dead projector shows its lag."""

    events: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.events} event{'s' * (self.events != 1)}, {self.seconds:.1f} s behind"


class Projector:
    """Keeps the read model of one projection up to date: `Projector(store, OrderSummary)`.

    The read model lives in memory, or in the file `database`, never in the store's own. A file that
    is damaged, or that belongs to another log, is put aside and rebuilt; `notice` says so. A file
    that was built by another `version` keeps serving, and `catch_up` raises
    `StaleProjectionError` until `rebuild` is called.
    """

    def __init__(
        self,
        store: Reader,
        projection: type[Projection],
        database: str | os.PathLike[str] | None = None,
    ) -> None:
        self.store = store
        self.projection = projection
        self.notice = ""
        self._instance = projection()
        self._handlers = projection.methods("_handles")
        self._reactions = projection.methods("_reacts")
        self._path = None if database is None else Path(database).expanduser().resolve()
        self._lock = threading.RLock()
        self._rebuilding = threading.Lock()
        self._damaged = False
        self._runner: _Runner | None = None
        self._version = self._build = self._position = self._effects = 0
        self._last_id: Any = None
        self._connection = self._open()
        self._read_checkpoint()
        if self._position > store.position or not self._same_log():
            self._start_over("it was built from another log, or from more events than there are")

    # -- state -----------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """The position of the last event in the read model; 0 when it is empty."""
        return self._position

    def lag(self) -> Lag:
        """How far the read model is behind the log, in events and in seconds."""
        position = self._position
        waiting, _ = self.store.next_batch(position, 2**62)
        if waiting == 0:
            return Lag(0, 0.0)
        oldest = next(self.store.read_all(after=position, limit=1))
        assert oldest.recorded_at is not None
        seconds = (self.store.clock.now() - oldest.recorded_at).total_seconds()
        return Lag(waiting, max(0.0, seconds))

    def wait_for(self, position: int, timeout: float = 5.0) -> None:
        """Return once the read model contains this position: the token that `append` returned.

        Without a running background thread this call catches up itself. Raises `LagTimeoutError`
        after `timeout` seconds, and at once for a position that the log does not have.
        """
        if position > self.store.position:
            raise LagTimeoutError(
                f"Position {position} is not in the log, which ends at {self.store.position}. "
                f"Is the token from another store?"
            )
        deadline = time.monotonic() + timeout
        while self._position < position:
            runner = self._runner
            if runner is not None:
                runner.check()
            elif self.catch_up():
                continue
            if time.monotonic() > deadline:
                raise LagTimeoutError(
                    f"{self.projection.__name__} is at position {self._position}, you wait for "
                    f"{position}, and {timeout:g} s are over. Read the write model instead "
                    f"(store.load), wait longer, or find out why it is slow: {self.lag()}."
                )
            time.sleep(0.002)

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
                with self._translated():
                    return select_only(self._cursor(build), query, parameters)
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
                events = _Batch(self.store, self._position, size)
                if events.count == 0:
                    break
                try:
                    self._run(self._cursor(self._build), events)
                except _OvertakenError:
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
            rows = [_inbox_row(event, self.store.position) for event in events]
            while True:
                self._read_checkpoint()
                before, cursor = self._position, self._cursor(self._build)
                try:
                    self._into_inbox(cursor, rows, bookmarks or {})
                    ready = cursor.execute(_READY, [before, before]).fetchall()[0][0]
                    if ready:
                        self._run(cursor, _Inbox(cursor, before, ready))
                except _OvertakenError:
                    continue
                self._react()
                return self._position - before

    def _into_inbox(
        self, cursor: duckdb.DuckDBPyConnection, rows: list[list[Any]], bookmarks: Mapping[str, int]
    ) -> None:
        try:
            with _transaction(cursor):
                for row in rows:
                    cursor.execute(
                        "insert into esnb.inbox select * from "
                        "(values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) as new(position) "
                        "where position > ? "
                        "and not exists (from esnb.inbox i where i.position = new.position)",
                        [*row, self._position],
                    )
                for source, bookmark in bookmarks.items():
                    cursor.execute(
                        "insert or replace into esnb.bookmarks values (?, ?)", [source, bookmark]
                    )
        except (duckdb.TransactionException, duckdb.ConstraintException):
            # Another projector on this database was given the same event at the same time.
            raise _OvertakenError from None

    def bookmarks(self) -> dict[str, int]:
        """How far each source of a transport has been read, as `deliver` was told."""
        with self._translated():
            return dict(self._cursor().execute("from esnb.bookmarks").fetchall())

    def inbox(self) -> list[Event]:
        """The delivered events that wait for those before them, by position."""
        with self._translated():
            rows = self._cursor().execute(
                "select * replace (event_id::uuid as event_id) from esnb.inbox "
                "where position > ? order by position", [self._position],
            ).fetchall()  # fmt: skip
        return list(map(event_from_row, rows))

    def rebuild(self, *, parked_too: bool = False) -> int:
        """Build the read model again from the first event, beside the old one, then swap.

        Until the swap, which is one transaction, `df` and `sql` answer from the old one, also from
        other threads, and writers go on writing. Side effects are not repeated. Events left out
        stay out, unless `parked_too`. Returns the number of events processed; when one fails, the
        old read model stays and `ProjectionError` names the event.
        """
        with self._rebuilding:
            if self._damaged:
                self._start_over("its file is damaged")
            build = self._build + 1
            try:
                return self._rebuild(build, parked_too)
            except BaseException:
                with suppress(duckdb.Error, StoreClosedError):
                    self._cursor().execute(f"drop schema if exists build_{build} cascade")
                raise

    def _rebuild(self, build: int, parked_too: bool) -> int:
        with self._translated():
            self._create(build, None if parked_too else self._build)
            cursor = self._cursor(build)
        start, total = self._fill(cursor, 0)
        with self._lock, self._translated():
            # What was written meanwhile is little now; then nobody may move the position.
            start, rest = self._fill(cursor, start)
            old = self._build
            with _transaction(cursor):
                cursor.execute(
                    "update esnb.checkpoint set version = ?, build = ?, position = ?, event_id = ?",
                    [self.projection.version, build, start, self._event_id(start)],
                )
            self._build, self._position, self._version = build, start, self.projection.version
            cursor.execute(f"drop schema build_{old} cascade")
        return total + rest

    def skip(self, position: int) -> None:
        """Decide that the event at `position`, the next one, is left out, and go past it."""
        self._leave_out(position, "skipped")

    def park(self, position: int, reason: str = "") -> None:
        """Like `skip`, but for now: mend the projection, then `rebuild(parked_too=True)`."""
        self._leave_out(position, f"parked: {reason}")

    def parked(self) -> pd.DataFrame:
        """The events left out: position, event_id, event_type, reason."""
        with self._translated():
            return self._cursor(self._build).sql(
                "select position, event_id::varchar as event_id, event_type, reason "
                "from esnb_parked order by position"
            ).df()  # fmt: skip

    def verify(self) -> bool:
        """Compare the table that `df()` shows with one built afresh from the log, row by row.

        Events that were left out are left out of both.
        """
        table = next(iter(self.projection.tables))
        with self._lock:
            self._check_version()
            twin = Projector(self.store.as_of(self._position), self.projection)
            left_out = self._cursor(self._build).execute("from esnb_parked").fetchall()
            for row in left_out:
                twin._cursor(1).execute("insert into esnb_parked values (?, ?, ?, ?)", list(row))
            try:
                twin.catch_up()
                return _rows(self.sql(f"from {table}")) == _rows(twin.sql(f"from {table}"))
            finally:
                twin.close()

    @contextmanager
    def running(self, interval: float = 0.02) -> Iterator[Projector]:
        """Catch up in a background thread, every `interval` seconds, while the block runs."""
        runner = _Runner(self, interval)
        self._runner = runner
        runner.start()
        try:
            yield self
        finally:
            self._runner = None
            runner.stop()
        runner.check()

    def close(self) -> None:
        """Close the read database."""
        with self._lock:
            self._connection.close()

    # -- inside ----------------------------------------------------------------------------

    def _fill(self, cursor: duckdb.DuckDBPyConnection, position: int) -> tuple[int, int]:
        """Bring a new build up to the head of the log; returns the position and the events done."""
        done = 0
        while (events := _Batch(self.store, position, BATCH)).count:
            self._run(cursor, events, save=False)
            position, done = events.last, done + events.count
        return position, done

    def _run(self, cursor: duckdb.DuckDBPyConnection, events: _Batch, save: bool = True) -> None:
        """Process a batch; if it fails, halve it until one event is left, and name that."""
        try:
            with self._translated():
                self._apply(cursor, events, save)
        except (_OvertakenError, StoreCorruptError, StoreClosedError):
            raise  # no event is to blame
        except Exception as error:
            if events.count > 1:
                for half in events.halves():
                    self._run(cursor, half, save)
                return
            event = next(iter(events.read()))
            raise ProjectionError(
                f"{self.projection.__name__} cannot process the event at position "
                f"{event.position}: {event.event_type} {event.event_id} of {event.aggregate_id!r}: "
                f"{type(error).__name__}: {_first_line(error)}. Everything before it is in the "
                f"read model, which stands at position {self._position}. Mend the projection and "
                f"rebuild(), or decide to skip({event.position}) or park({event.position}).",
                event,
            ) from error

    def _apply(self, cursor: duckdb.DuckDBPyConnection, events: _Batch, save: bool) -> None:
        """Run the declaration over a batch, in one transaction with the position."""
        with _transaction(cursor):
            if save:
                self._claim(cursor)
            statements = self.projection.statements()
            if statements:
                if not events.gather(cursor, self.projection.gathers):
                    events.into(cursor, self.projection.columns)
                    for name, query in self.projection.gathers.items():
                        cursor.execute(f"create or replace temp table {name} as {query}")
                for statement in statements:
                    cursor.execute(statement)
            else:
                self._handle(cursor, events)
            if save:
                cursor.execute(
                    "update esnb.checkpoint set position = ?, event_id = ?",
                    [events.last, events.last_id(cursor)],
                )
                cursor.execute("delete from esnb.inbox where position <= ?", [events.last])
        if save:
            self._position = events.last

    def _claim(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Take the checkpoint for this transaction, or notice that another projector moved it."""
        where = [self._build, self._position]
        try:
            mine = cursor.execute(
                # A real change: only that conflicts with the change of another transaction.
                "update esnb.checkpoint set position = -1 "
                "where build = ? and position = ? returning 1",
                where,
            ).fetchall()
        except duckdb.TransactionException:
            mine = []
            time.sleep(0.001)  # the other one is at work: do not ask without a breath
        if not mine:
            raise _OvertakenError

    def _handle(self, cursor: duckdb.DuckDBPyConnection, events: _Batch) -> None:
        left_out = _left_out(cursor)
        for event in events.read():
            if event.position in left_out:
                continue
            for name in self._handlers.get(event.event_type, ()):
                getattr(self._instance, name)(cursor, event)

    def _leave_out(self, position: int, reason: str) -> None:
        with self._lock, self._translated():
            self._read_checkpoint()
            events = _Batch(self.store, self._position, 1)
            if events.count == 0 or events.last != position:
                raise InvalidEventError(
                    f"Only the next event can be left out: position "
                    f"{events.last if events.count else '(none)'}, not {position}."
                )
            event = next(events.read())
            cursor = self._cursor(self._build)
            with _transaction(cursor):
                self._claim(cursor)
                cursor.execute(
                    "insert into esnb_parked values (?, ?, ?, ?)",
                    [position, event.event_id, event.event_type, reason],
                )
                cursor.execute(
                    "update esnb.checkpoint set position = ?, event_id = ?",
                    [position, event.event_id],
                )
            self._position = position

    def _react(self) -> None:
        """Call the side effects of events that are in the read model and were not reacted to yet.

        The mark moves after each call: a crash in between repeats one effect, it never loses one.
        """
        if not self._reactions or self._effects >= self._position:
            return
        left_out = _left_out(self._cursor(self._build))
        for event in self.store.read_all(self._effects):
            position = event.position or 0
            if position > self._position:
                break
            names = self._reactions.get(event.event_type, ())
            if not names or position in left_out:
                continue
            for name in names:
                try:
                    getattr(self._instance, name)(event)
                except Exception as error:
                    raise ProjectionError(
                        f"{self.projection.__name__}.{name} failed on the event at position "
                        f"{position}: {event.event_type} {event.event_id} of "
                        f"{event.aggregate_id!r}: {type(error).__name__}: {error}. The read model "
                        f"is up to date; the next catch_up() tries this side effect again.",
                        event,
                    ) from error
            self._reacted(position)
        self._reacted(self._position)

    def _reacted(self, position: int) -> None:
        with self._translated():
            self._cursor().execute("update esnb.checkpoint set effects = ?", [position])
        self._effects = position

    def _check_version(self) -> None:
        if self._version != self.projection.version:
            raise StaleProjectionError(
                f"The read model was built by version {self._version} of "
                f"{self.projection.__name__}, the code has version {self.projection.version}. It "
                f"still answers queries; rebuild() derives the new one from the log."
            )

    def _event_id(self, position: int) -> Any:
        event = next(self.store.read_all(position - 1, 1), None) if position else None
        return None if event is None else event.event_id

    def _same_log(self) -> bool:
        known = self._event_id(self._position)
        return known is None or str(known) == str(self._last_id)

    # -- the read database -----------------------------------------------------------------

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._path is None:
            return self._connect(":memory:")
        if not self._path.parent.is_dir():
            raise InvalidEventError(f"The folder {self._path.parent.name!r} does not exist.")
        if self._path == self.store._log.path:
            raise InvalidEventError(
                f"{self._path.name!r} is the store's own file. A read model is a cache: give it a "
                f"file of its own, such as 'read.duckdb'."
            )
        try:
            return self._connect(str(self._path))
        except duckdb.Error as error:
            text = str(error)
            if any(words in text for words in _NOT_DAMAGED):
                raise QueryError(
                    f"The read database {self._path.name!r} cannot be opened. If another process "
                    f"has it, close it there. The engine says: {text[:200]}"
                ) from None
            self._put_aside("its file is damaged")
            return self._connect(str(self._path))

    def _connect(self, name: str) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(name)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        names = {
            f"{row[0]}.{row[1]}"
            for row in connection.execute(
                "select table_schema, table_name from information_schema.tables"
            ).fetchall()
        }
        if "esnb.checkpoint" in names:
            rows = connection.execute("select projection from esnb.checkpoint").fetchall()
            if len(rows) != 1:
                raise duckdb.Error("the checkpoint is missing")
            if rows[0][0] != self.projection.__name__:
                raise InvalidEventError(
                    f"{self._file()!r} holds the read model of {rows[0][0]}, not "
                    f"of {self.projection.__name__}. Give each projection a database of its own."
                )
            return
        if names:
            raise InvalidEventError(
                f"{self._file()!r} is a database of something else: it has "
                f"{sorted(names)[0]!r}. It was not touched. Give the read model a file of its own."
            )
        with _transaction(connection):
            for statement in connection.extract_statements(_META):
                connection.execute(statement)
            # Reactions begin with the events to come: a new projection must not mail the past.
            connection.execute(
                "insert into esnb.checkpoint values (?, ?, 1, 0, null, ?)",
                [self.projection.__name__, self.projection.version, self.store.position],
            )
            self._create_in(connection, 1)

    def _file(self) -> str:
        return "the read database" if self._path is None else self._path.name

    def _read_checkpoint(self) -> None:
        with self._translated():
            row = self._cursor().execute(
                "select version, build, position, event_id, effects from esnb.checkpoint"
            ).fetchall()[0]  # fmt: skip
        self._version, self._build, self._position, self._last_id, self._effects = row

    def _start_over(self, reason: str) -> None:
        self._connection.close()
        self._put_aside(reason)
        self._connection = self._open()
        self._read_checkpoint()

    def _put_aside(self, reason: str) -> None:
        self.notice = f"The read model was dropped and is rebuilt from the log: {reason}."
        if self._path is None:
            return
        aside, number = self._path.with_name(self._path.name + ".damaged"), 1
        while aside.exists():
            number += 1
            aside = self._path.with_name(f"{self._path.name}.damaged-{number}")
        for ending in ("", ".wal"):
            with suppress(FileNotFoundError):
                self._path.with_name(self._path.name + ending).replace(
                    aside.with_name(aside.name + ending)
                )

    def _create(self, build: int, parked_of: int | None) -> None:
        cursor = self._cursor()
        with _transaction(cursor):
            cursor.execute(f"drop schema if exists build_{build} cascade")
            self._create_in(cursor, build)
            if parked_of is not None:
                cursor.execute(
                    f"insert into build_{build}.esnb_parked from build_{parked_of}.esnb_parked"
                )

    def _create_in(self, cursor: duckdb.DuckDBPyConnection, build: int) -> None:
        cursor.execute(f"create schema build_{build}")
        cursor.execute(f"create table build_{build}.esnb_parked ({_PARKED})")
        for name, columns in self.projection.tables.items():
            try:
                cursor.execute(f"create table build_{build}.{name} ({columns})")
            except duckdb.Error as error:
                raise InvalidEventError(
                    f"{self.projection.__name__}.tables[{name!r}] is no list of columns that the "
                    f"engine takes: {error}"
                ) from None

    def _cursor(self, build: int | None = None) -> duckdb.DuckDBPyConnection:
        with self._translated():
            cursor = self._connection.cursor()
            if build is not None:
                cursor.execute(f"set schema = 'build_{int(build)}'")
            return cursor

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            text = re.sub(r"^\w+ Error: ", "", str(error).strip())
            if isinstance(error, duckdb.ConnectionException) and "closed" in text:
                raise StoreClosedError(
                    f"The read database of {self.projection.__name__} is closed. Make a new "
                    f"Projector: it goes on where this one stopped."
                ) from None
            if isinstance(error, _FILE_ERRORS) and ("orrupt" in text or "invalidated" in text):
                self._damaged = True
                raise StoreCorruptError(
                    f"The read database of {self.projection.__name__} is damaged; the log is not "
                    f"in it. rebuild() puts it aside and derives it again. The engine says: "
                    f"{text[:200]}"
                ) from None
            raise QueryError(text) from None


_FILE_ERRORS = (duckdb.IOException, duckdb.InternalException, duckdb.FatalException)


class _OvertakenError(Exception):
    """Another projector of this process moved the checkpoint of the same read database."""


class _Batch:
    """The next events after a position: how many, up to where, as rows for SQL or as events."""

    def __init__(self, store: Reader, after: int, size: int) -> None:
        self.store = store
        self.after = after
        self.count, self.last = store.next_batch(after, size)
        self._last_id: str | None = None

    def halves(self) -> tuple[_Batch, _Batch]:
        """The same events in two batches."""
        first = _Batch(self.store, self.after, self.count // 2)
        return first, _Batch(self.store, first.last, self.count - first.count)

    def last_id(self, cursor: duckdb.DuckDBPyConnection) -> Any:
        """The id of the last event: by it, a read model knows its log again."""
        return self._last_id or next(self.store.read_all(self.last - 1, 1)).event_id

    def gather(self, cursor: duckdb.DuckDBPyConnection, queries: Mapping[str, str]) -> bool:
        """Run the queries in the store, if that gives the same as running them here."""
        if not queries or self.count <= FEW or self.store.upcasters or _left_out(cursor):
            return False
        for name, query in queries.items():
            cursor.register("esnb_stream", self.store.gathered(query, self.after, self.last))
            cursor.execute(f"create or replace temp table {name} as from esnb_stream")
            cursor.unregister("esnb_stream")
        return True

    def into(self, cursor: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> None:
        """Put the events into the temporary table new_events."""
        if self.count <= FEW:
            self._few_into(cursor)
            return
        names = [name for name in _LOG if not columns or name in ("position", *columns)]
        cursor.register("esnb_stream", self.store.rows(self.after, self.last, names))
        # What comes through pandas has other types; else these casts cost nothing.
        types = dict(column.split() for column in _COLUMNS.split(", "))
        casts = ", ".join(f"{name}::{types[name]} as {name}" for name in names)
        cursor.execute(
            f"create or replace temp table new_events as select {casts} "
            "from esnb_stream where position not in (select position from esnb_parked)"
        )
        cursor.unregister("esnb_stream")

    def _few_into(self, cursor: duckdb.DuckDBPyConnection) -> None:
        rows = sorted(self.store.row_list(self.after, self.last))
        self._last_id = rows[-1][1]
        cursor.execute(_FEW_EVENTS, [list(column) for column in zip(*rows, strict=True)])

    def read(self) -> Iterator[Event]:
        """The events one by one."""
        return self.store.read_all(self.after, self.count)


class _Inbox(_Batch):
    """A batch that a transport delivered: it stands in the inbox of the read database."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, after: int, count: int) -> None:
        self._cursor = cursor
        self.after, self.count, self.last = after, count, after + count

    def halves(self) -> tuple[_Batch, _Batch]:
        half = self.count // 2
        return (
            _Inbox(self._cursor, self.after, half),
            _Inbox(self._cursor, self.after + half, self.count - half),
        )

    def gather(self, cursor: duckdb.DuckDBPyConnection, queries: Mapping[str, str]) -> bool:
        return False

    def last_id(self, cursor: duckdb.DuckDBPyConnection) -> Any:
        return self._cursor.execute(
            "select event_id from esnb.inbox where position = ?", [self.last]
        ).fetchall()[0][0]

    def into(self, cursor: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> None:
        cursor.execute(
            "create or replace temp table new_events as "
            "from esnb.inbox where position > ? and position <= ? order by position",
            [self.after, self.last],
        )

    def read(self) -> Iterator[Event]:
        rows = self._cursor.execute(
            "select * replace (event_id::uuid as event_id) from esnb.inbox "
            "where position > ? and position <= ? order by position",
            [self.after, self.last],
        ).fetchall()
        return map(event_from_row, rows)


class _Runner(threading.Thread):
    """The background thread of `Projector.running`."""

    def __init__(self, projector: Projector, interval: float) -> None:
        super().__init__(name=f"projector {projector.projection.__name__}", daemon=True)
        self._projector = projector
        self._interval = interval
        self._wanted = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        while not self._wanted.wait(self._interval):
            try:
                self._projector.catch_up()
            except Exception as error:
                self.error = error
                return

    def stop(self) -> None:
        self._wanted.set()
        self.join()

    def check(self) -> None:
        if self.error is not None:
            raise self.error


@contextmanager
def _transaction(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    cursor.execute("begin")
    try:
        yield
        cursor.execute("commit")
    except BaseException:
        with suppress(duckdb.Error):
            cursor.execute("rollback")
        raise


def _left_out(cursor: duckdb.DuckDBPyConnection) -> set[int]:
    return {row[0] for row in cursor.execute("select position from esnb_parked").fetchall()}


def _inbox_row(event: Event, head: int) -> list[Any]:
    if not isinstance(event, Event) or event.position is None:
        raise InvalidEventError(
            f"deliver() takes events with a position, from a store: {event!r:.80}"
        )
    if event.position > head:
        raise InvalidEventError(
            f"deliver() got position {event.position}, and the log ends at {head}: this event is "
            f"from another store."
        )
    assert event.occurred_at is not None
    assert event.recorded_at is not None
    return [
        event.position, str(event.event_id), event.aggregate_type, event.aggregate_id,
        event.sequence_number, event.event_type, event.event_version,
        dump_json(event.event_data, "data"), dump_json(event.metadata, "metadata"),
        event.occurred_at.astimezone(UTC).replace(tzinfo=None),
        event.recorded_at.astimezone(UTC).replace(tzinfo=None),
    ]  # fmt: skip


def _first_line(error: Exception) -> str:
    """The engine's message without the query below it, which is the projection's own."""
    return str(error).partition("\n")[0]


def _rows(result: Result) -> list[str]:
    return sorted(map(repr, result.fetchall()))
