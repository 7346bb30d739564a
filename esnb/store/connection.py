"""The open database under a store: reading, writing, and who may.

DuckDB lets one process at a time open a file. So inside that process a lock around writes, and
the heads of all streams kept in memory, are enough to give versions and positions without gaps;
the primary key is there to prove it. Measured: the primary key alone never serves a lookup of one
stream (hence the second index), a prepared statement run without the optimizer is the fastest
single append, and a connection must not be shared between threads (hence a fresh cursor,
3 microseconds, for each read).
"""

from __future__ import annotations

import ctypes
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from esnb.errors import StoreClosedError, StoreLockedError
from esnb.store import schema
from esnb.store.conditions import AppendCondition
from esnb.store.engine_errors import (
    IN_MEMORY,
    closed,
    explained,
    explained_opening,
    must_reopen,
    stops_the_engine,
)
from esnb.store.event_rows import EventRow
from esnb.store.file_lock import file_id
from esnb.store.group_commit import CommitQueue
from esnb.store.hash_chain import START, Proof, chained, marks_of
from esnb.store.head_file import HeadFile
from esnb.store.insert_rows import INSERT_ONE, insert_many, insert_several
from esnb.store.readonly_sql import asked_to_stop, parsed
from esnb.store.store_path import (
    check_companions,
    check_complete,
    check_is_database,
    check_still_there,
)
from esnb.store.stored_before import StreamIds

_ROOM_FOR_A_CHECKPOINT = 64 * 2**20

#: Held while a file is opened or closed, so that no two threads do both with one file.
opening = threading.RLock()


class Log:
    """One open database. Several stores of one process may share it (a cell that is run twice)."""

    def __init__(self, path: Path | None, accept_missing: bool = False) -> None:
        self.path = path
        self.name = IN_MEMORY if path is None else path.name
        self.pid = os.getpid()
        self.lock = threading.RLock()
        self.queue = CommitQueue()
        self.ids = StreamIds()
        self.users = 0
        self.position = 0
        self.last_recorded = datetime.min.replace(tzinfo=UTC)
        self.proof = Proof(0, START)
        self._heads: dict[str, tuple[int, str]] | None = None
        self._snapshot_ids: set[str] | None = None
        self._why_closed = ""
        self._broken = False
        self._in_doubt = False
        self._main_is_marked = False
        self._head_file: HeadFile | None = None
        self.file_id: tuple[int, int] | None = None
        if path is None:
            self._open(duckdb.connect(), accept_missing=True)
        else:
            self._open_file(path, accept_missing)

    def _open_file(self, path: Path, accept_missing: bool) -> None:
        check_is_database(path)
        self._head_file = HeadFile(path)  # from here on, no other process can open the store
        try:
            check_companions(path, self._head_file, accept_missing)
            try:
                connection = duckdb.connect(str(path))
            except duckdb.Error as error:
                raise explained_opening(error, path) from None
            self.file_id = file_id(path)
            self._open(connection, accept_missing)
            self._head_file.write(self.position)
        except BaseException:
            self._head_file.close(unused=True)
            raise

    def _open(self, connection: duckdb.DuckDBPyConnection, accept_missing: bool) -> None:
        self._connection = connection
        try:
            with self.translated():
                # `release` makes the checkpoint, or leaves alone what is not a whole store.
                connection.execute("pragma disable_checkpoint_on_shutdown")
                tables = schema.tables_of(connection)
                if not tables and self._head_file is not None and not accept_missing:
                    self._head_file.check(0)
                schema.prepare(connection, self.name, tables)
                self._catch_up_memory()
                in_use = schema.is_in_use(connection)
                if self._head_file is not None:
                    if not accept_missing:
                        check_complete(self.name, self.position, self._head_file, in_use)
                    self._head_file.main_is_marked = in_use
                self._restrict()
        except BaseException:
            connection.close()
            raise

    def _restrict(self) -> None:
        connection = self._connection
        # Queries come from readers: no file, no network, no extension, no other setting.
        connection.execute("set autoinstall_known_extensions = false")
        connection.execute("set autoload_known_extensions = false")
        connection.execute("set enable_external_access = false")
        self._writer = connection.cursor()
        self._writer.execute("pragma disable_optimizer")
        connection.execute("set lock_configuration = true")
        self._insert_one = connection.extract_statements(INSERT_ONE)[0]
        self.catalog = connection.execute("select current_database()").fetchall()[0][0]

    def _catch_up_memory(self) -> None:
        """Read the head of the log from the database; the streams' heads follow when needed."""
        cursor = self._connection.cursor()
        rows = cursor.execute("select max(position), max(recorded_at) from events").fetchall()
        self.position = rows[0][0] or 0
        if rows[0][1] is not None:
            self.last_recorded = rows[0][1].replace(tzinfo=UTC)
        # Not by position alone: after a cut, an older entry may be ahead.
        rows = cursor.execute(
            "select position, hash from chain order by position desc limit 1"
        ).fetchall()
        self.proof = Proof(*rows[0]) if rows else Proof(0, START)
        self._heads = None
        self._snapshot_ids = None
        self.ids.clear()

    # -- reading ---------------------------------------------------------------------------

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A fresh cursor for one read by one thread."""
        self.check_usable()
        return self._connection.cursor()

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one of the package's own queries."""
        with self.translated():
            cursor = self.cursor()
            try:
                return cursor.execute(parsed(query)[0], list(parameters)).fetchall()
            finally:
                cursor.close()

    def where(self, condition: AppendCondition, data: bool) -> tuple[str, list[Any]]:
        """A condition in SQL with its values; `data=False` leaves its `where` out."""
        return condition.sql(data)

    def head(self, aggregate_id: str) -> tuple[int, str | None]:
        """Latest sequence number and type of an aggregate; (0, None) for an unknown one."""
        return self.heads().get(aggregate_id, (0, None))

    def heads(self) -> dict[str, tuple[int, str]]:
        """The heads of all streams: read once, kept up to date by each append."""
        with self.lock:
            if self._heads is None:
                self._heads = {
                    aggregate_id: (version, aggregate_type)
                    for aggregate_id, version, aggregate_type in self.rows(
                        "select aggregate_id, max(sequence_number), any_value(aggregate_type) "
                        "from events group by aggregate_id"
                    )
                }
            return self._heads

    def snapshot_ids(self) -> set[str]:
        """The aggregates that have snapshots: read once, kept up to date by `snapshots.py`."""
        known = self._snapshot_ids
        if known is None:
            with self.lock:
                rows = self.rows("select distinct aggregate_id from snapshots")
                known = self._snapshot_ids = {row[0] for row in rows}
        return known

    # -- writing ---------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer until the end of the block."""
        with self.lock:
            self.check_usable()
            self._check_name()
            if self._in_doubt:
                self.distrust_memory()
            if self._head_file is not None and not self._main_is_marked:
                self._main_is_marked = self._mark_in_use(self._head_file)
            yield

    def _mark_in_use(self, head_file: HeadFile) -> bool:
        """Before the first write: have the main file say that it is not the whole store any more.

        Somebody may copy it alone, without the .wal, where new events are until a checkpoint.
        """
        # A checkpoint that runs out of space stops the engine. Then rather without the mark.
        if shutil.disk_usage(head_file.path.parent).free < _ROOM_FOR_A_CHECKPOINT:
            return False
        if not head_file.mark(self.position):
            return False
        with self.translated():
            cursor = self._connection.cursor()
            schema.mark_in_use(cursor)
            try:
                cursor.execute("checkpoint")
            except duckdb.TransactionException:  # a raw connection of this process is writing
                return False
        return True

    def distrust_memory(self) -> None:
        """After a failure of unknown extent (or Ctrl-C) the database alone knows what is stored."""
        with suppress(duckdb.Error):
            self._writer.rollback()
        try:
            self._catch_up_memory()
            self._in_doubt = False
        except duckdb.Error:
            self._broken = True

    def insert(
        self,
        rows: Sequence[EventRow],
        entries: Sequence[tuple[int, bytes, bytes]],
        heads: Mapping[str, tuple[int, str]],
    ) -> None:
        """Store the rows of appends, each with its entry in the chain; durable when it returns.

        `heads` are those after it. Raises `VersionTakenError` when a stream has such a version
        already; then, as after any error, nothing is stored.
        """
        self._in_doubt = True
        try:
            with self.translated():
                if len(rows) == 1:
                    self._writer.execute(self._insert_one, (*rows[0], *entries[0]))
                elif len(entries) == 1 and len(heads) == 1:
                    insert_many(self._writer, rows, entries[0])
                else:
                    insert_several(self._writer, rows, entries)
            self.heads().update(heads)
            self.ids.add(rows)
            position, value, _ = entries[-1]
            self.stored(Proof(position, value), rows[-1].recorded_at)
        except BaseException:
            self.distrust_memory()
            raise

    def chain(
        self, cursor: duckdb.DuckDBPyConnection, proof: Proof, rows: list[tuple[int, bytes]]
    ) -> Proof:
        """Add the entry of events that a transaction inserted: (position, hash), in any order.

        `proof` is the one before them; returns the one after them, for `stored`.
        """
        rows.sort()
        digests = [digest for _, digest in rows]
        proof = Proof(rows[-1][0], chained(proof.hash, digests))
        entry = [proof.position, proof.hash, marks_of(digests)]
        cursor.execute("insert into chain values (?, ?, ?)", entry)
        return proof

    def stored(self, proof: Proof, recorded_at: datetime) -> None:
        """Note in memory, and in the head file, up to where the log is committed."""
        self.position = position = proof.position
        self.proof = proof
        self.last_recorded = recorded_at.replace(tzinfo=UTC)
        if self._head_file is not None:
            self._head_file.write(position)
        self._in_doubt = False
        self._check_name()  # last of all: what has no name any more is not acknowledged

    def forget_heads(self) -> None:
        """Read the heads of the streams again when they are next needed."""
        self._heads = None

    @contextmanager
    def transaction(self, *, of_events: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction of the package's own, all or nothing, with the optimizer on.

        One that adds events ends with `stored`, inside the same `writing`.
        """
        with self.writing(), self.translated():
            cursor = self.cursor()
            cursor.execute("begin")
            self._in_doubt = of_events
            try:
                yield cursor
                cursor.execute("commit")
            except BaseException:
                with suppress(duckdb.Error):
                    cursor.execute("rollback")
                self.distrust_memory()
                raise
            finally:
                cursor.close()

    # -- life ------------------------------------------------------------------------------

    def check_usable(self) -> None:
        """Raise the error that says why this database cannot be used, if it cannot."""
        if self._why_closed:
            raise StoreClosedError(self._why_closed)
        if self._broken:
            raise must_reopen(self.name)
        if self.pid != os.getpid():
            raise StoreLockedError(self.name, self.pid)

    def has_its_name(self) -> bool:
        """Whether the path still leads to the file that is open here."""
        return self.path is None or file_id(self.path) == self.file_id

    def _check_name(self) -> None:
        """Refuse to write what nobody will find again."""
        if self.path is None:
            return
        check_still_there(self.name, self.has_its_name(), self._head_file)

    def release(self) -> None:
        """One store less uses this database; the last one closes the file."""
        if self.pid != os.getpid():
            return  # a forked child must not write to its parent's file
        with opening, self.lock:
            self.users -= 1
            if self.users > 0 or self._why_closed:
                return
            if not self._broken and self.path is not None and self.has_its_name():
                with suppress(duckdb.Error):  # what cannot be checkpointed now is in the .wal
                    self._make_whole(self.path)
            self._close(closed(self.name))

    def _make_whole(self, path: Path) -> None:
        """Bring everything into the main file, and note there that it is the whole store."""
        head_file = self._head_file
        wal = path.with_name(path.name + ".wal")
        if head_file and (head_file.main_is_marked or wal.exists()):
            if self._in_doubt:
                self.distrust_memory()
            cursor = self._connection.cursor()
            schema.mark_closed(cursor, self.proof)
            cursor.execute("checkpoint")
            head_file.main_is_marked = False
            head_file.write(self.position)

    @property
    def is_closed(self) -> bool:
        """Whether its file may be opened again."""
        return bool(self._why_closed)

    def never_destroy(self) -> None:
        """In a forked child: never run the engine's destructors; they rewrite the parent's file."""
        for connection in (self._connection, self._writer):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))

    def retire(self) -> None:
        """Close what has lost its name, because another file of that name is to be opened."""
        with self.lock:
            self._close(
                f"The file of this store, {self.name!r}, was deleted or replaced, and the path was "
                f"opened again: use the store that was opened last."
            )

    def _close(self, why: str) -> None:
        self._why_closed = why
        with suppress(duckdb.Error):
            self._connection.close()
        if self._head_file is not None:
            self._head_file.close()

    @contextmanager
    def translated(self, *, of_a_query: bool = False) -> Iterator[None]:
        """Turn the engine's errors into those of `errors.py`; `of_a_query`: a reader's query."""
        try:
            yield
        except RuntimeError as error:
            raise asked_to_stop(error) from None
        except duckdb.Error as error:
            if self._why_closed:  # by another thread, while this one was reading
                raise StoreClosedError(self._why_closed) from None
            if stops_the_engine(error):
                self._broken = True
                raise must_reopen(self.name) from None
            raise explained(error, self.name, of_a_query=of_a_query) from None
