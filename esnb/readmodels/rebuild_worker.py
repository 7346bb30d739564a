"""One bucket of events, and the tables that its worker makes of it; see `parallel_rebuild.py`.

A bucket holds the events of some aggregates, chosen by a hash of their ids, in Parquet files. The
tables that come out of it are in a database file beside them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from multiprocessing.connection import wait
from pathlib import Path

import duckdb

from esnb.errors import RebuildError
from esnb.events import Event
from esnb.readmodels.follower import words_of
from esnb.readmodels.projection import Projection
from esnb.readmodels.read_database import ReadDatabase, schema_of, transaction
from esnb.readmodels.read_tables import ReadTables
from esnb.store.event_rows import COLUMNS, event_from_row
from esnb.store.readonly_sql import quoted

_STEP = 10_000  # events in a transaction


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker needs to know of a bucket; the classes travel by name."""

    projection: type[Projection]
    folder: str
    bucket: int
    buckets: int
    events: int
    upto: int


class HandlerFailedError(Exception):
    """The event with the lowest position that a handler could not process, and its words."""

    def __init__(self, position: int, reason: str) -> None:
        self.position = position
        self.reason = reason
        super().__init__(position, reason)


def bucket_of(column: str, buckets: int) -> str:
    """The number of a bucket in SQL.

    In Python: `int.from_bytes(hashlib.md5(text.encode()).digest(), "little") % buckets`.
    """
    return f"(md5_number({column}::varchar) % {buckets:d})::integer"


def work(task: Task) -> HandlerFailedError | None:
    """Run the declaration over one bucket, and write its tables to a file.

    Returns the first event that fails; later ones of the bucket are not tried.
    """
    # One thread: the other cores have workers of their own.
    settings = ("set threads = 1", "set enable_progress_bar = false")
    folder = Path(task.folder)
    db = ReadDatabase(task.projection, None, None, workshop=folder, settings=settings)
    db.open(0)
    try:
        cursor = db.cursor(1)
        failure = _handle_all(task, db, cursor)
        if failure is None and not (folder / "stop").exists():
            _check_rows(task, cursor)
            file = sql_text(result_file(folder, task.bucket))
            cursor.execute(f"attach '{file}' as esnb_result")
            for table in task.projection.tables:
                name = quoted(table)
                cursor.execute(f"create table esnb_result.main.{name} as from {name}")
            cursor.execute("detach esnb_result")
        return failure
    finally:
        db.close()


def _handle_all(
    task: Task, db: ReadDatabase, cursor: duckdb.DuckDBPyConnection
) -> HandlerFailedError | None:
    instance = task.projection()
    handlers = {
        kind: [getattr(instance, name) for name in names]
        for kind, names in task.projection.methods("_handles").items()
    }

    read = ReadTables(cursor, schema_of(1), task.projection.tables)
    position = 0

    def handle(events: list[Event]) -> None:
        read.begin(position)
        with db.translated(), transaction(cursor):
            read.expect(events)
            for event in events:
                for handler in handlers.get(event.event_type, ()):
                    handler(read, event)
                read.next_event()
            read.flush()
        read.position = events[-1].position

    for events in _events(task):
        try:
            handle(events)
        except Exception:
            # One by one: what fails on its own is to blame. Parts of a split event are one.
            for position, parts in groupby(events, lambda event: event.position or 0):
                try:
                    handle(list(parts))
                except Exception as error:
                    return HandlerFailedError(position, words_of(error))
        position = events[-1].position or 0
    return None


def _events(task: Task) -> Iterator[list[Event]]:
    """The events of a bucket in order, some at a time; none when the others have given up."""
    folder = Path(task.folder)
    files = [str(f) for f in folder.glob(f"piece_*/bucket={task.bucket}/*.parquet")]
    with scratch(folder) as reader:
        reader.execute("set threads = 1")
        names = COLUMNS.replace("event_id", "event_id::uuid", 1)
        reader.execute(
            f"select {names} from read_parquet(?, hive_partitioning = false) "
            "order by position, part",
            [files],
        )
        while rows := reader.fetchmany(_STEP):
            if (folder / "stop").exists():
                return
            yield list(map(event_from_row, rows))


def _check_rows(task: Task, cursor: duckdb.DuckDBPyConnection) -> None:
    """A row that names an aggregate of another bucket shows that the declaration is not true."""
    column = quoted(task.projection.by_aggregate)
    bucket = bucket_of(column, task.buckets)
    for table in task.projection.tables:
        strangers = cursor.execute(
            f"select {column} from {quoted(table)} where {bucket} is distinct from ? "
            "order by 1 limit 1",
            [task.bucket],
        ).fetchall()
        if strangers:
            raise RebuildError(
                f"{task.projection.__name__} says that each row of {table!r} belongs to the "
                f"aggregate in its column {task.projection.by_aggregate!r}. But events of another "
                f"aggregate wrote the row of {strangers[0][0]!r}, so the rows cannot be built "
                f"apart. Call rebuild() without workers, or declare the table as SQL."
            )


def end_with_parent() -> None:
    """Begin a worker: without this, one whose parent was killed would wait for work indefinitely.

    The parent hears Ctrl-C, and tells the workers by the file `stop`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def scratch(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that, if it must, spills into the folder."""
    with duckdb.connect() as connection:
        connection.execute("set temp_directory = ?", [str(folder / f"spill_{os.getpid()}")])
        # A worker counts as interactive and fetches slowly: the engine would draw a bar.
        connection.execute("set enable_progress_bar = false")
        yield connection


def result_file(folder: Path, bucket: int) -> Path:
    """Where the tables of a bucket end up."""
    return folder / f"result_{bucket}.duckdb"


def sql_text(path: Path) -> str:
    """A path as the inside of a text in SQL."""
    return str(path).replace("'", "''")
