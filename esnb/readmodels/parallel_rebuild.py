"""A rebuild by several worker processes, for projections with handlers in Python.

Python runs one handler at a time, whatever the machine has. A projection whose rows each belong to
one aggregate can be cut: the events go into buckets by a hash of the aggregate's id, and no bucket
needs to know of another. Only one process may open the store's file. So the parent writes the
events of each bucket to Parquet files, once and in today's shape; workers run the declaration over
their buckets, in a read database of their own in memory; and the parent puts the tables together.

The files lie in a temporary folder that only this user can read, and are deleted with it. Of a
store with a vault they hold what is sealed in the log in the clear; so when the parent is killed
and cannot delete them, delete what `esnb-rebuild-` it left in the temporary folder.
Technique: data parallelism over hash partitions, as in MapReduce (Dean and Ghemawat 2004).
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
from tqdm.auto import tqdm

from esnb.errors import RebuildError
from esnb.readmodels.projection import Projection
from esnb.readmodels.read_database import ReadDatabase, transaction
from esnb.readmodels.rebuild_worker import (
    HandlerFailedError,
    Task,
    bucket_of,
    end_with_parent,
    result_file,
    scratch,
    sql_text,
    work,
)
from esnb.readmodels.source import EventSource
from esnb.store.event_rows import COLUMNS
from esnb.store.readonly_sql import quoted

BUCKETS = 4  # a worker: it is done sooner if its last bucket is small, and needs less memory
_PIECE = 1_000_000  # positions that are exported at once
_QUIET_BELOW = 10_000  # handled events; a bar for less work would be gone at once


def check(projection: type[Projection], workers: object) -> None:
    """Refuse a rebuild with workers that cannot work, with `RebuildError`."""
    name = projection.__name__
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise RebuildError(f"workers is a number from 1 upwards, found {workers!r}.")
    if workers == 1:
        return
    if projection.statements():
        raise RebuildError(
            f"{name} is declared as SQL. The engine runs that on all cores already, and much "
            f"faster than handlers. Call rebuild() without workers."
        )
    if not projection.by_aggregate:
        raise RebuildError(
            f"{name} does not say that its rows can be built apart. A worker sees the events of "
            f"some aggregates, and never those of the others. If each row comes from the events "
            f"of one aggregate, keep its id in a column of each table, and name that column: "
            f"by_aggregate = 'order_id'. If a row sums over aggregates, declare it as SQL."
        )
    found: Any = sys.modules.get(projection.__module__)
    for part in projection.__qualname__.split("."):
        found = getattr(found, part, None)
    if projection.__module__ == "__main__" or found is not projection:
        raise RebuildError(
            f"{name} is defined in a notebook, a script or a function. A worker is a fresh "
            f"Python: it imports the declaration by name, and finds none there. Move the class to "
            f"a file of its own, such as read_models.py, and import it from there."
        )


def fill(
    store: EventSource,
    projection: type[Projection],
    db: ReadDatabase,
    build: int,
    left_out: Collection[int],
    workers: int,
    progress: bool | None = None,
) -> tuple[int, int]:
    """Fill the empty tables of a build with worker processes.

    Returns the position reached and the number of events up to it, those that no handler wants
    among them. Raises `HandlerFailedError`, and `RebuildError` when the rows cannot be put together
    or a worker is lost. What came into the tables until then is of no use.
    """
    columns = _columns(db, projection, build)
    count, last = store.next_batch(0, 2**62)
    buckets = workers * BUCKETS
    with db.translated(), _workshop(db) as name:
        folder = Path(name)
        sizes = _export(store, projection, folder, last, buckets, left_out)
        # The big ones first: a big one at the end would leave the others idle.
        order = sorted(sizes, key=lambda bucket: (-sizes[bucket], bucket))
        tasks = [Task(projection, name, b, buckets, sizes[b], last) for b in order]
        total = sum(sizes.values())
        show = total >= _QUIET_BELOW if progress is None else progress
        with tqdm(total=total, unit=" events", disable=not show, leave=False) as bar:
            _run_all(tasks, min(workers, len(tasks)), bar.update)
        _put_together(db.cursor(build), folder, order, columns, projection)
    return last, count


@contextmanager
def _workshop(db: ReadDatabase) -> Iterator[str]:
    """A new folder that only this user can read, where the read database may reach files."""
    db.workshop.mkdir(mode=0o700, exist_ok=True)
    try:
        made = tempfile.TemporaryDirectory(dir=db.workshop, ignore_cleanup_errors=True)
        with made as name:
            yield name
    finally:
        with suppress(OSError):  # another rebuild on the same database may be at work in it
            db.workshop.rmdir()


# -- the parent ----------------------------------------------------------------------------


def _columns(db: ReadDatabase, projection: type[Projection], build: int) -> dict[str, str]:
    """The columns of each table that are written, as SQL names; the generated ones are not."""
    names = {}
    for table in projection.tables:
        rows = (
            db.cursor(build)
            .execute(
                "select column_name, is_generated from information_schema.columns where "
                "table_schema = ? and table_name = ? order by ordinal_position",
                [f"build_{build}", table],
            )
            .fetchall()
        )
        if projection.by_aggregate not in [row[0] for row in rows]:
            raise RebuildError(
                f"{projection.__name__}.by_aggregate is {projection.by_aggregate!r}, and the table "
                f"{table!r} has no such column. Each of its rows must name its aggregate."
            )
        names[table] = ", ".join(quoted(row[0]) for row in rows if row[1] != "ALWAYS")
    return names


def _export(
    store: EventSource,
    projection: type[Projection],
    folder: Path,
    last: int,
    buckets: int,
    left_out: Collection[int],
) -> dict[int, int]:
    """Write the events that have handlers into a folder a bucket; returns how many each has."""
    bucket = bucket_of("aggregate_id", buckets)
    part = "part" if store.upcasters else "1 as part"
    names = [*COLUMNS.split(", "), *(["part"] if store.upcasters else [])]
    sizes: dict[int, int] = {}
    with scratch(folder) as cursor:
        for number, after in enumerate(range(0, last, _PIECE)):
            cursor.register("esnb_stream", store.rows(after, min(after + _PIECE, last), names))
            cursor.execute(
                f"create or replace temp table piece as select {COLUMNS}, {part}, {bucket} as "
                "bucket from esnb_stream where event_type in (select unnest(?::varchar[])) "
                "and position not in (select unnest(?::bigint[]))",
                [list(projection.methods("_handles")), list(left_out)],
            )
            cursor.unregister("esnb_stream")
            cursor.execute(
                f"copy piece to '{sql_text(folder / f'piece_{number}')}' "
                "(format parquet, compression zstd, partition_by (bucket))"
            )
            for found, events in cursor.execute(
                "select bucket, count(*) from piece group by bucket"
            ).fetchall():
                sizes[found] = sizes.get(found, 0) + events
    return sizes


def _run_all(tasks: list[Task], workers: int, done: Callable[[int], Any]) -> None:
    """Give the tasks to worker processes; raises what stopped the first of them, by position."""
    if not tasks:
        return
    stop = Path(tasks[0].folder, "stop")
    # Never fork: the engine has threads, and a fork copies their locks without them.
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent
    )
    waiting, running = list(reversed(tasks)), dict[Future[HandlerFailedError | None], Task]()
    failure: HandlerFailedError | None = None
    refusals: dict[int, RebuildError] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                task = waiting.pop()
                running[pool.submit(work, task)] = task
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                try:
                    found = future.result()
                except RebuildError as error:
                    refusals[task.bucket] = error
                    waiting.clear()
                    continue
                done(task.events)
                if found and (failure is None or found.position < failure.position):
                    failure = found
        if refusals:  # the same one each time, whoever was first
            raise refusals[min(refusals)]
        if failure:
            raise failure
    except BrokenProcessPool:
        raise RebuildError(
            f"A worker ended before its work was done; the old read model stays. Did the system "
            f"kill it, for want of memory? Use fewer workers. Is this a script? It needs "
            f"if __name__ == '__main__': around what it does, since each of the {workers} workers "
            f"imports it."
        ) from None
    except BaseException:
        stop.touch()  # the others look for it, and need not finish
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _put_together(
    cursor: duckdb.DuckDBPyConnection,
    folder: Path,
    buckets: list[int],
    columns: dict[str, str],
    projection: type[Projection],
) -> None:
    for bucket in buckets:
        file = sql_text(result_file(folder, bucket))
        cursor.execute(f"attach '{file}' as esnb_bucket (read_only)")
        try:
            with transaction(cursor):
                for table, names in columns.items():
                    cursor.execute(
                        f"insert into {quoted(table)} ({names}) "
                        f"select {names} from esnb_bucket.{quoted(table)}"
                    )
        except duckdb.ConstraintException as error:
            raise RebuildError(
                f"{projection.__name__}: two aggregates wrote the same row, so its rows cannot be "
                f"built apart. Call rebuild() without workers. The engine says: {error}"
            ) from None
        finally:
            cursor.execute("detach esnb_bucket")
