"""The open database under a store: its file, schema, guards, lock, and the engine's errors.

DuckDB lets one process at a time open a file. So inside that process a lock around writes, and
the heads of all streams kept in memory, are enough to give versions and positions without gaps;
the primary key is there to prove it. What is readable here was measured: the primary key alone
never serves a lookup of one stream (hence the second index), a prepared statement run without the
optimizer is the fastest single append, and a connection must not be shared between threads (hence a
fresh cursor, 3 microseconds, for each read).
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from esnb.errors import (
    AppendOnlyError,
    EsnbError,
    NotAStoreError,
    QueryError,
    ReadOnlyError,
    StoreClosedError,
    StoreCorruptError,
    StoreFullError,
    StoreLockedError,
)
from esnb.store.hash_chain import START, Proof, chained, digest_of, marks_of
from esnb.store.readonly_sql import asked_to_stop, parsed

FORMAT = 2

# Format 2 added this table: what it holds stands in proof.py.
CHAIN = """
create table chain (
    position bigint not null,
    hash     blob   not null,
    marks    blob   not null
);
create trigger chain_refuse_update after update on chain for each statement
    insert into append_only select error('the chain is append-only: update refused');
create trigger chain_refuse_delete after delete on chain for each statement
    insert into append_only select error('the chain is append-only: delete refused');
"""

SCHEMA = """
create table esnb_format (version integer not null);
create table events (
    position        bigint    not null,
    event_id        uuid      not null,
    aggregate_type  varchar   not null,
    aggregate_id    varchar   not null,
    sequence_number bigint    not null,
    event_type      varchar   not null,
    event_version   integer   not null,
    event_data      json      not null,
    metadata        json      not null,
    occurred_at     timestamp not null,
    recorded_at     timestamp not null,
    primary key (aggregate_id, sequence_number)
);
create index events_by_aggregate on events (aggregate_id);
create table snapshots (
    snapshot_id     uuid      not null,
    aggregate_id    varchar   not null,
    aggregate_type  varchar   not null,
    sequence_number bigint    not null,
    state_json      json      not null,
    state_version   integer   not null,
    created_at      timestamp not null
);
create index snapshots_by_aggregate on snapshots (aggregate_id);
create table append_only (never varchar);
create trigger events_refuse_update after update on events for each statement
    insert into append_only select error('events are append-only: update refused');
create trigger events_refuse_delete after delete on events for each statement
    insert into append_only select error('events are append-only: delete refused');
"""

# Events and their entry in the chain are one statement: two would take half as long again.
_INSERT_ONE = """
with event as (insert into events values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?))
insert into chain values (?, ?, ?)
"""

# A column is one text, and its values are parted by the character 0, which stands in no type name
# and in no JSON: DuckDB takes one long text in half the time of a list. The columns that all events
# of one append share are plain parameters.
_INSERT_MANY = """
with added as (insert into events
select unnest(range($1::bigint, $1::bigint + $2::bigint)), unnest(string_split($3, chr(0)))::uuid,
       $4, $5, unnest(range($6::bigint, $6::bigint + $2::bigint)),
       unnest(string_split($7, chr(0))), unnest(string_split($8, chr(0)))::integer,
       unnest(string_split($9, chr(0)))::json, unnest(string_split($10, chr(0)))::json,
       unnest(string_split($11, chr(0)))::timestamp, $12::timestamp
)
insert into chain values ($13, $14, $15)
"""

_open_files: weakref.WeakValueDictionary[str, Log] = weakref.WeakValueDictionary()
_all_logs: weakref.WeakSet[Log] = weakref.WeakSet()
_inherited: list[Log] = []
_opening = threading.Lock()


class Overtaken(EsnbError):
    """Somebody else stored this version, past this object; the database's own key says so."""


class Log:
    """One open database. Several stores of one process may share it (a cell that is run twice)."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.name = IN_MEMORY if path is None else path.name
        self.pid = os.getpid()
        self.lock = threading.RLock()
        self.users = 0
        self.position = 0
        self.last_recorded = datetime.min.replace(tzinfo=UTC)
        self.proof = Proof(0, START)
        self._heads: dict[str, tuple[int, str]] | None = None
        self._closed = False
        self._broken = False
        self._in_doubt = False
        evidence = None if path is None else _Evidence(path)
        self._connection = _connect(path)
        try:
            with self.translated():
                # Until the file is known to be a whole store, closing it must not rewrite it.
                self._connection.execute("pragma disable_checkpoint_on_shutdown")
                _prepare(self._connection, self.name, evidence)
                self._catch_up_memory()
                if evidence is not None:
                    evidence.begin(self.position)
                self._evidence = evidence
                self._connection.execute("pragma enable_checkpoint_on_shutdown")
                self._restrict()
        except BaseException:
            self._connection.close()
            raise
        _all_logs.add(self)

    def _restrict(self) -> None:
        connection = self._connection
        # Queries come from readers: no file, no network, no extension, no other setting.
        connection.execute("set autoinstall_known_extensions = false")
        connection.execute("set autoload_known_extensions = false")
        connection.execute("set enable_external_access = false")
        self._writer = connection.cursor()
        self._writer.execute("pragma disable_optimizer")
        connection.execute("set lock_configuration = true")
        self._insert_one = connection.extract_statements(_INSERT_ONE)[0]
        self.catalog = connection.execute("select current_database()").fetchall()[0][0]

    def _catch_up_memory(self) -> None:
        """Read the head of the log from the database; the streams' heads follow when needed."""
        cursor = self._connection.cursor()
        rows = cursor.execute("select max(position), max(recorded_at) from events").fetchall()
        self.position = rows[0][0] or 0
        if rows[0][1] is not None:
            self.last_recorded = rows[0][1].replace(tzinfo=UTC)
        # Not by position alone: after a cut, an older entry may lie ahead.
        rows = cursor.execute(
            "select position, hash from chain order by position desc limit 1"
        ).fetchall()
        self.proof = Proof(*rows[0]) if rows else Proof(0, START)
        self._heads = None

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

    def head(self, aggregate_id: str) -> tuple[int, str | None]:
        """Latest sequence number and type of an aggregate; (0, None) when there is none."""
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

    # -- writing ---------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer for a while."""
        with self.lock:
            self.check_usable()
            if self._in_doubt:
                self.distrust_memory()
            yield

    def distrust_memory(self) -> None:
        """After a failure of unknown extent (or Ctrl-C) the database alone knows what is stored."""
        with suppress(duckdb.Error):
            self._writer.rollback()
        try:
            self._catch_up_memory()
            self._in_doubt = False
        except duckdb.Error:
            self._broken = True

    def insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Store the rows of one append (columns in the table's order); durable when it returns.

        Raises `Overtaken` when the stream has such a version already.
        """
        self._in_doubt = True
        try:
            with self.translated():
                digests = list(map(digest_of, rows))
                last = rows[-1]
                proof = Proof(last[0], chained(self.proof.hash, digests))
                entry = (proof.position, proof.hash, marks_of(digests))
                if len(rows) == 1:
                    self._writer.execute(self._insert_one, (*last, *entry))
                else:
                    self._insert_many(rows, entry)
            self.heads()[last[3]] = (last[4], last[2])
            self.stored(proof, last[10])
        except BaseException:
            self.distrust_memory()
            raise

    def _insert_many(self, rows: Sequence[tuple[Any, ...]], entry: tuple[Any, ...]) -> None:
        position, _, kind, aggregate_id, version, *_, recorded_at = rows[0]
        columns = list(zip(*rows, strict=True))
        texts = [
            [f"{event_id.int:032x}" for event_id in columns[1]], columns[5], map(str, columns[6]),
            columns[7], columns[8], map(str, columns[9]),
        ]  # fmt: skip
        ids, *others = map("\0".join, texts)
        self._writer.execute(
            _INSERT_MANY,
            [position, len(rows), ids, kind, aggregate_id, version, *others, recorded_at, *entry],
        )

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
        """Note in memory, and beside the file, up to where the log is committed."""
        self.position = position = proof.position
        self.proof = proof
        self.last_recorded = recorded_at.replace(tzinfo=UTC)
        if self._evidence is not None:
            self._evidence.write(position)
        self._in_doubt = False

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
        if self._closed:
            raise StoreClosedError(closed(self.name))
        if self._broken:
            raise StoreFullError(_MUST_REOPEN.format(name=self.name))
        if self.pid != os.getpid():
            raise StoreLockedError(self.name, self.pid)

    def release(self) -> None:
        """One store less uses this database; the last one closes the file."""
        if self.pid != os.getpid():
            return  # a forked child must not write to its parent's file
        with _opening, self.lock:
            self.users -= 1
            if self.users > 0 or self._closed:
                return
            self._closed = True
            if self.path is not None:
                _open_files.pop(str(self.path), None)
            with suppress(duckdb.Error):
                self._connection.close()
            if self._evidence is not None:
                self._evidence.close()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the engine's errors into those of `errors.py`."""
        try:
            yield
        except RuntimeError as error:
            raise asked_to_stop(error) from None
        except duckdb.Error as error:
            if self._closed:  # by another thread, while this one was reading
                raise StoreClosedError(closed(self.name)) from None
            text = str(error)
            # A query in error is quoted in its message: only these classes speak of the file.
            of_the_file = isinstance(error, _FILE_ERRORS) or type(error) is duckdb.Error
            if isinstance(error, duckdb.FatalException) or (
                of_the_file and "has been invalidated" in text
            ):
                self._broken = True
                raise StoreFullError(_MUST_REOPEN.format(name=self.name)) from None
            if of_the_file and "No space left" in text:
                raise StoreFullError(
                    f"The disk is full, so this append to {self.name!r} was not stored; what was "
                    f"acknowledged before is. Free some space, then append again."
                ) from None
            raise _explained(error) from None


IN_MEMORY = "in memory"

_FILE_ERRORS = (duckdb.IOException, duckdb.InternalException, duckdb.TransactionException)


def closed(name: str) -> str:
    """What to tell whoever uses a closed store; what was in memory only cannot be opened again."""
    if name == IN_MEMORY:
        return (
            "The store in memory is closed, and its events are gone with it. Make it again: run "
            "the cells from the one that made it, or open the store in a file next time."
        )
    return f"The store {name!r} is closed. Open it again: EventStore(path)."


_MUST_REOPEN = (
    "The engine stopped {name!r} after a failed write, most likely for lack of disk space. Every "
    "acknowledged event is stored. Free some space, close the store, open it again, and repeat the "
    "last append with the same events: if it was stored after all, the repeat changes nothing."
)


def open_log(path: str | os.PathLike[str] | None) -> Log:
    """The database of a path; the one that is open already if this process has it open."""
    if path is None:
        log = Log(None)
        log.users = 1
        return log
    try:
        where = Path(path).expanduser().resolve()
        is_folder = where.is_dir()
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise NotAStoreError(
            f"{path!r:.80} cannot be the path of a store ({error!s:.80}). Give it as text or as a "
            f"pathlib.Path, such as 'shop.duckdb'."
        ) from None
    if is_folder:
        raise NotAStoreError(f"{where.name!r} is a folder. Give the path of a file in it.")
    if not where.parent.is_dir():
        raise NotAStoreError(
            f"The folder {where.parent.name!r} does not exist, so {where.name!r} cannot be made "
            f"there. Create the folder first."
        )
    with _opening:
        log_or_none = _open_files.get(str(where))
        if log_or_none is not None:
            if log_or_none.pid != os.getpid():  # a forked child shares its parent's handle
                raise StoreLockedError(where, log_or_none.pid)
            log_or_none.users += 1
            return log_or_none
        log = Log(where)
        log.users = 1
        _open_files[str(where)] = log
        return log


def _keep_inherited() -> None:
    """In a forked child: never run the engine's destructors, which rewrite the parent's file."""
    _inherited.extend(_all_logs)
    for log in _inherited:
        for connection in (log._connection, log._writer):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep_inherited)


def _connect(path: Path | None) -> duckdb.DuckDBPyConnection:
    if path is None:
        return duckdb.connect()
    if path.is_file():
        try:
            with path.open("rb") as file:
                beginning = file.read(12)
        except OSError as error:
            raise NotAStoreError(f"{path.name!r} cannot be read: {error.strerror}.") from None
        if not beginning:
            raise NotAStoreError(
                f"{path.name!r} is an empty file. Delete it: a new store makes its own file."
            )
        if beginning[8:12] != b"DUCK":
            raise NotAStoreError(
                f"{path.name!r} is not a DuckDB file, so it is no event store, or its first block "
                f"is destroyed. It was not touched. To turn a "
                f"table into a store, read it with pandas and call EventStore.from_frame."
            )
    try:
        return duckdb.connect(str(path))
    except duckdb.Error as error:
        text = str(error)
        if "Could not set lock" in text or "being used by another process" in text:
            found = re.search(r"PID (\d+)", text)
            raise StoreLockedError(path, int(found[1]) if found else None) from None
        if "different configuration" in text:
            raise StoreLockedError(path, os.getpid()) from None
        if "No space left" in text:
            raise StoreFullError(f"The disk is full: {path.name!r} cannot be opened.") from None
        if "Permission denied" in text or "read-only" in text.lower():
            raise NotAStoreError(
                f"This user may not write {path.name!r}. Copy it to a folder of yours."
            ) from None
        if "version number" in text:
            raise NotAStoreError(
                f"{path.name!r} was written by another version of DuckDB than {duckdb.__version__}."
                f" It was not touched. Engine: {_first_line(error)}"
            ) from None
        raise StoreCorruptError(
            f"{path.name!r} or its .wal file is damaged; nothing in it was changed. Keep both "
            f"files, and go on from the latest backup or export. Engine: {_first_line(error)}"
        ) from None


def _prepare(connection: duckdb.DuckDBPyConnection, name: str, evidence: _Evidence | None) -> None:
    tables = {
        row[0]
        for row in connection.execute(
            "select if(schema_name = 'main', '', schema_name || '.') || table_name "
            "from (select schema_name, table_name, internal from duckdb_tables() union all "
            "select schema_name, view_name, internal from duckdb_views()) where not internal"
        ).fetchall()
    }
    if not tables:
        if evidence is not None:
            evidence.check(0)
        connection.execute("begin")
        for statement in connection.extract_statements(SCHEMA + CHAIN):
            connection.execute(statement)
        connection.execute("insert into esnb_format values (?)", [FORMAT])
        connection.execute("commit")
        return
    if "esnb_format" not in tables or "events" not in tables:
        raise NotAStoreError(
            f"{name!r} is a DuckDB database, but no event store: it has the tables "
            f"{sorted(tables)}. It was not changed. To turn a table into a store, read it as a "
            f"DataFrame and call EventStore.from_frame."
        )
    version = connection.execute("select max(version) from esnb_format").fetchall()[0][0]
    if version == 1:
        _add_chain(connection)
    elif version == FORMAT and "chain" not in tables:
        raise StoreCorruptError(
            f"{name!r} has no table 'chain', which belongs to the store: somebody removed it. "
            f"Keep the file, and go on from a backup or an export."
        )
    elif version != FORMAT:
        raise NotAStoreError(
            f"{name!r} has the store format {version}, this esnb reads 1 and {FORMAT}. "
            f"It was not changed. Open it with the esnb that wrote it."
        )


def _add_chain(connection: duckdb.DuckDBPyConnection) -> None:
    """From format 1 to 2: what is there stays unchecked, the chain begins after it."""
    connection.execute("begin")
    for statement in connection.extract_statements(CHAIN):
        connection.execute(statement)
    connection.execute(
        "insert into chain select max(position), $1, ''::blob from events having count(*) > 0",
        [START],
    )
    connection.execute("update esnb_format set version = ?", [FORMAT])
    connection.execute("commit")


class _Evidence:
    """The last acknowledged position, in a small file beside the store.

    DuckDB opens a database whose write-ahead log was cut or deleted without a word, and the events
    in it are gone. With the last position written down beside it, a store can say so. It is written
    after the commit and not flushed, so after a power failure it may lag behind, never run ahead.
    """

    def __init__(self, path: Path) -> None:
        self.store = path.name
        self.path = path.with_name(path.name + ".head")
        try:
            self.expected = int(self.path.read_bytes())
        except (OSError, ValueError):
            self.expected = 0
        if not path.exists() or (path.is_file() and path.stat().st_size == 0):
            self.check(0)

    def check(self, found: int) -> None:
        """Raise `StoreCorruptError` when the store ends before the last acknowledged position."""
        expected = self.expected
        if expected > found:
            raise StoreCorruptError(
                f"{self.store!r} ends at position {found}, but position {expected} was "
                f"acknowledged (it stands in {self.path.name!r}): {expected - found} event(s) are "
                f"lost. A .wal file cut, deleted or not copied does this. Nothing was changed: put "
                f"the missing file back, or take a backup. To go on without the lost events, "
                f"delete {self.path.name!r}."
            )

    def begin(self, found: int) -> None:
        """Check, then write from now on. The file is never cut: a full disk cannot empty it."""
        self.check(found)
        try:
            number = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise StoreFullError(
                    f"The disk is full: {self.store!r} cannot be opened."
                ) from None
            raise NotAStoreError(
                f"{self.path.name!r} cannot be written beside {self.store!r}: {error.strerror}. "
                f"Copy the store to a folder of yours."
            ) from None
        self._file = os.fdopen(number, "r+b", buffering=0)
        self.write(found)

    def write(self, position: int) -> None:
        """Note a position; a full disk makes the note older, never wrong."""
        try:
            self._file.seek(0)
            self._file.write(b"%020d\n" % position)
        except OSError:
            pass  # a full disk: the event is durable, only the evidence is older

    def close(self) -> None:
        """Stop writing."""
        self._file.close()


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:300]


def _explained(error: duckdb.Error) -> EsnbError:
    text = str(error).strip()
    if "events are append-only" in text and isinstance(error, duckdb.InvalidInputException):
        return AppendOnlyError(
            "The database refused to change stored events: they are append-only. "
            "To correct a wrong fact, append an event that says so."
        )
    if isinstance(error, duckdb.ConstraintException | duckdb.TransactionException) and (
        "uplicate key" in text
    ):
        return Overtaken(
            "Another connection of this process stored such a version at the same moment. Nothing "
            f"was stored here: load again, decide again. Engine: {_first_line(error)}"
        )
    if "read-only mode" in text and isinstance(error, duckdb.TransactionException):
        return ReadOnlyError(
            "sql() only reads, so nothing was changed. Events are added with store.append()."
        )
    if "configuration" in text and ("disabled" in text or "locked" in text):
        return QueryError(
            "A store's queries read the store only: no files, no network, no settings. "
            f"Engine: {_first_line(error)}"
        )
    # A checksum that does not fit comes as the bare class.
    if isinstance(error, duckdb.IOException | duckdb.InternalException) or (
        type(error) is duckdb.Error
    ):
        return StoreCorruptError(
            f"The store's file cannot be read or written. Keep it, and go on from a backup or "
            f"export. Engine: {_first_line(error)}"
        )
    return QueryError(re.sub(r"^\w+ Error: ", "", text))
