"""The read database: a read model's tables, the position that fits them, and what is delivered.

Each build of the read model has a schema of its own (`build_1`, `build_2`, ...), so that a new one
can grow beside the one that serves. The schema `esnb` holds one checkpoint for the build in use:
whoever moves it does so in the transaction that writes the tables.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from esnb.errors import InvalidEventError, QueryError, StoreClosedError, StoreCorruptError
from esnb.event_json import dump_json, load_json
from esnb.events import Event
from esnb.readmodels.delivery import OvertakenError, sorted_in
from esnb.readmodels.new_events import WAITING, columns_of_rows, execute, unnested
from esnb.readmodels.projection import Projection
from esnb.readmodels.read_errors import explained, is_damage, opens_later
from esnb.store.event_rows import TEXT_TYPES, event_from_row, text_row
from esnb.store.file_lock import hold_lock_beside
from esnb.store.readonly_sql import asked_to_stop, quoted, shut

_INBOX = ", ".join(f"{name} {type_}" for name, type_ in TEXT_TYPES.items())
_PARKED = "position bigint primary key, event_id uuid, event_type varchar, reason varchar"
_META = f"""
create schema esnb;
create table esnb.checkpoint (
    projection varchar, version integer, declaration varchar, build integer, position bigint,
    event_id uuid, effects bigint
);
create table esnb.inbox ({_INBOX});
create unique index inbox_by_position on esnb.inbox (position);
create table esnb.bookmarks (source varchar primary key, bookmark bigint);
"""
_CHECKPOINT = "select version, declaration, build, position, event_id, effects from esnb.checkpoint"
_MOVE = (
    "update esnb.checkpoint set position = ?, event_id = ? "
    "where build = ? and position = ? returning 1"
)

# Without these the engine reads a whole table to find the rows of more than 50 keys in it.
_SETTINGS = "set global dynamic_or_filter_threshold = 2048"


class Checkpoint(NamedTuple):
    """What is in the read database: which build, how far, and what was left out of it."""

    version: int
    declaration: dict[str, Any]
    build: int
    position: int
    event_id: Any
    effects: int
    left_out: frozenset[int]


class ReadDatabase:
    """The database of one projection, in memory or in a file.

    A damaged file is put aside, and a new one is begun; `notice` says so. Reactions of a new one
    begin after `head`: a new projection must not mail the past. `settings` are statements that set
    up the engine before it is shut: from then on it reaches no file but the read database, and
    those in `workshop`, a folder that does not exist yet.
    """

    def __init__(
        self,
        projection: type[Projection],
        path: Path | None,
        log: Path | None,
        *,
        workshop: Path | None = None,
        settings: Sequence[str] = (),
    ) -> None:
        self.projection = projection
        self.path = path
        self.log = log
        folder = Path(tempfile.gettempdir()).resolve() / f"esnb-rebuild-{secrets.token_hex(8)}"
        self.workshop = folder if workshop is None else workshop
        self._settings = settings
        self.notice = ""
        self.damaged = False
        self._unlock: Callable[[], object] | None = None

    # -- opening ---------------------------------------------------------------------------

    def open(self, head: int) -> None:
        """Open the file, or begin a new one whose side effects start after the position `head`."""
        self._connection = self._open(head)
        if self.path is None:
            return
        try:
            self.checkpoint()
        except StoreCorruptError:
            self.start_over("its file is damaged", head)

    def _open(self, head: int) -> duckdb.DuckDBPyConnection:
        if self.path is None:
            return self._connect(":memory:", head)
        if not self.path.parent.is_dir():
            raise InvalidEventError(f"The folder {self.path.parent.name!r} does not exist.")
        if self.path == self.log:
            raise InvalidEventError(
                f"{self.path.name!r} is the store's own file. A read model is a cache: give it a "
                f"file of its own, such as 'read.duckdb'."
            )
        # The engine's own lock falls as soon as anything in this process has read the file.
        self._unlock = self._unlock or hold_lock_beside(self.path, self)
        try:
            return self._connect(str(self.path), head)
        except duckdb.Error as error:
            if opens_later(error):
                raise QueryError(
                    f"The read database {self.path.name!r} cannot be opened. If another process "
                    f"has it, close it there. The engine says: {str(error)[:200]}"
                ) from None
            self._put_aside("its file is damaged", head)
            return self._connect(str(self.path), head)

    def _connect(self, name: str, head: int) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(name)
        try:
            self._prepare(connection, head)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: duckdb.DuckDBPyConnection, head: int) -> None:
        self._shut(connection)
        names = {
            f"{row[0]}.{row[1]}"
            for row in connection.execute(
                "select table_schema, table_name from information_schema.tables"
            ).fetchall()
        }
        file = "the read database" if self.path is None else self.path.name
        if "esnb.checkpoint" in names:
            rows = connection.execute(
                "select projection, declaration from esnb.checkpoint"
            ).fetchall()
            if len(rows) != 1:
                raise duckdb.Error("the checkpoint is missing")
            if rows[0][0] != self.projection.__name__:
                raise InvalidEventError(
                    f"{file!r} holds the read model of {rows[0][0]}, not "
                    f"of {self.projection.__name__}. Give each projection a database of its own."
                )
            return
        if names:
            raise InvalidEventError(
                f"{file!r} is a database of something else: it has "
                f"{sorted(names)[0]!r}. It was not touched. Give the read model a file of its own."
            )
        with transaction(connection):
            for statement in connection.extract_statements(_META):
                connection.execute(statement)
            connection.execute(
                "insert into esnb.checkpoint values (?, ?, ?, 1, 0, null, ?)",
                [self.projection.__name__, self.projection.version, self._declaration(), head],
            )
            self._create_in(connection, 1)

    def _shut(self, connection: duckdb.DuckDBPyConnection) -> None:
        locked, folders = connection.execute(
            "select current_setting('lock_configuration'), current_setting('allowed_directories')"
        ).fetchall()[0]
        if locked:  # another projector of this process has the file open: it shut the engine
            self.workshop = next(Path(f) for f in folders if "esnb-rebuild-" in f)
            return
        for setting in (_SETTINGS, *self._settings):
            connection.execute(setting)
        shut(connection, str(self.workshop))

    def _declaration(self) -> str:
        return dump_json(self.projection.declaration(), "declaration")

    def start_over(self, reason: str, head: int, known: bool = False) -> None:
        """Put the file aside, and begin a new one whose side effects start after `head`.

        `known`: `head` is where they were, and not only where the log ends.
        """
        self._connection.close()
        self._put_aside(reason, head, known)
        self._connection = self._open(head)
        self.damaged = False

    def _put_aside(self, reason: str, head: int, known: bool = False) -> None:
        self.notice = f"The read model was dropped and is rebuilt from the log: {reason}."
        if self.projection.methods("_reacts") and not known:
            self.notice += (
                f" Side effects go on with position {head + 1}; those of earlier events that had "
                f"not happened yet will not happen."
            )
        if self.path is None:
            return
        aside, number = self.path.with_name(self.path.name + ".damaged"), 1
        while aside.exists():
            number += 1
            aside = self.path.with_name(f"{self.path.name}.damaged-{number}")
        for ending in ("", ".wal"):
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + ending).replace(
                    aside.with_name(aside.name + ending)
                )

    def close(self) -> None:
        """Close the database."""
        self._connection.close()
        if self._unlock:
            self._unlock()

    # -- cursors and errors ----------------------------------------------------------------

    def cursor(self, build: int | None = None) -> duckdb.DuckDBPyConnection:
        """A fresh cursor, on the tables of a build."""
        with self.translated():
            cursor = self._connection.cursor()
            if build is not None:
                cursor.execute(f"set schema = '{schema_of(build)}'")
            return cursor

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the engine's errors into those of `errors.py`."""
        try:
            yield
        except RuntimeError as error:
            raise asked_to_stop(error) from None
        except duckdb.Error as error:
            self.damaged = self.damaged or is_damage(error)
            raise explained(error, self.projection.__name__) from None

    # -- the checkpoint --------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """What is in the database now."""
        with self.translated(), transaction(cursor := self.cursor()):
            rows = cursor.execute(_CHECKPOINT).fetchall()
            version, declaration, build, position, event_id, effects = rows[0]
            parked = cursor.execute(
                f"select position from {schema_of(build)}.esnb_parked"
            ).fetchall()
        left_out = frozenset(row[0] for row in parked)
        declared = load_json(declaration)
        return Checkpoint(version, declared, build, position, event_id, effects, left_out)

    def move(
        self, cursor: duckdb.DuckDBPyConnection, build: int, before: int, last: int, last_id: Any
    ) -> None:
        """Move the position, in the transaction of the tables; `OvertakenError` if it has moved.

        One statement takes the checkpoint for this transaction, so that no other projector can
        process the same events, and writes how far the tables are when the transaction ends.
        """
        try:
            execute(cursor, _MOVE, [last, last_id, build, before])
            mine = cursor.fetchall()
        except duckdb.TransactionException:
            mine = []
            time.sleep(0.001)  # the other one is at work: do not ask without a breath
        if not mine:
            raise OvertakenError

    def switch(
        self, cursor: duckdb.DuckDBPyConnection, build: int, position: int, last_id: Any
    ) -> None:
        """Let another build serve from now on, made by today's declaration."""
        cursor.execute(
            "update esnb.checkpoint set version = ?, declaration = ?, build = ?, position = ?, "
            "event_id = ?",
            [self.projection.version, self._declaration(), build, position, last_id],
        )

    def reacted(self, position: int) -> None:
        """Write down that the side effects of all events up to a position have happened."""
        with self.translated():
            self.cursor().execute("update esnb.checkpoint set effects = ?", [position])

    # -- builds ----------------------------------------------------------------------------

    def create(self, build: int, parked_of: int | None) -> None:
        """Make the empty tables of a build, with the list of events left out of another."""
        with self.translated():
            cursor = self.cursor()
            with transaction(cursor):
                cursor.execute(f"drop schema if exists {schema_of(build)} cascade")
                self._create_in(cursor, build)
                if parked_of is not None:
                    cursor.execute(
                        f"insert into {schema_of(build)}.esnb_parked "
                        f"from {schema_of(parked_of)}.esnb_parked"
                    )

    def _create_in(self, cursor: duckdb.DuckDBPyConnection, build: int) -> None:
        schema = schema_of(build)
        cursor.execute(f"create schema {schema}")
        cursor.execute(f"create table {schema}.esnb_parked ({_PARKED})")
        for name, columns in self.projection.tables.items():
            try:
                cursor.execute(f"create table {schema}.{quoted(name)} ({columns})")
            except duckdb.Error as error:
                if is_damage(error):
                    raise
                raise InvalidEventError(
                    f"{self.projection.__name__}.tables[{name!r}] must be a list of columns with "
                    f"their types, such as 'id varchar primary key, n bigint'. The engine does "
                    f"not take {columns!r:.200}: {error}"
                ) from None

    def drop(self, build: int) -> None:
        """Drop a build; errors of a closed or damaged database are of no interest here."""
        with suppress(duckdb.Error, QueryError, StoreClosedError, StoreCorruptError):
            self.cursor().execute(f"drop schema if exists {schema_of(build)} cascade")

    def left_out(self, build: int) -> list[tuple[Any, ...]]:
        """The events left out of a build: position, event_id, event_type, reason."""
        with self.translated():
            text = f"from {schema_of(build)}.esnb_parked order by position"
            return self.cursor().execute(text).fetchall()

    # -- what a transport brought ----------------------------------------------------------

    def take(
        self,
        cursor: duckdb.DuckDBPyConnection,
        events: Sequence[Event],
        bookmarks: Mapping[str, int],
        position: int,
    ) -> int:
        """Put events into the inbox, each once; returns how many after the position have no gap."""
        try:
            with transaction(cursor):
                found = cursor.execute(
                    "select position from esnb.inbox where position > ?", [position]
                ).fetchall()
                new, ready = sorted_in(events, position, {row[0] for row in found})
                if new:
                    rows = columns_of_rows([text_row(event) for event in new], len(TEXT_TYPES))
                    cursor.execute(f"insert into esnb.inbox {unnested(TEXT_TYPES)}", rows)
                for source, bookmark in bookmarks.items():
                    cursor.execute(
                        "insert or replace into esnb.bookmarks values (?, ?)", [source, bookmark]
                    )
        except (duckdb.TransactionException, duckdb.ConstraintException):
            # Another projector on this database was given the same event at the same time.
            raise OvertakenError from None
        return ready

    def bookmarks(self) -> dict[str, int]:
        """How far each source of a transport has been read."""
        with self.translated():
            return dict(self.cursor().execute("from esnb.bookmarks").fetchall())

    def inbox(self, position: int) -> list[Event]:
        """The delivered events that wait for those before them."""
        with self.translated():
            text = f"{WAITING} where position > ? order by position"
            rows = self.cursor().execute(text, [position]).fetchall()
        return list(map(event_from_row, rows))


def schema_of(build: int) -> str:
    """The schema of a build."""
    return f"build_{int(build)}"


@contextmanager
def transaction(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what the block does, or nothing of it."""
    cursor.execute("begin")
    try:
        yield
        cursor.execute("commit")
    except BaseException:
        with suppress(duckdb.Error):
            cursor.execute("rollback")
        raise
