"""Backups: the log as one whole, verified file, taken while writers write; and the way back.

A backup is a store file, closed, and holds the proof of the log at its position. Snapshots are
caches, and are not in it. Nor are the keys of a vault: they have a file of their own, so that a
person who is forgotten stays forgotten in every backup.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from esnb.errors import NotAStoreError, StoreCorruptError, StoreFullError
from esnb.store import schema
from esnb.store.connection import Log
from esnb.store.engine_errors import explained
from esnb.store.event_rows import TEXT_COLUMNS, EventRows
from esnb.store.hash_chain import Proof, verify
from esnb.store.store_path import check_is_database, checked_path

_CHUNK = 100_000
_QUIET_BELOW = 200_000


def write_backup(log: Log, path: str | os.PathLike[str], progress: bool | None) -> Proof:
    """Copy the log of an open database, as it is now, to a new file; returns its proof."""
    log.check_usable()
    proof = log.proof  # what is stored up to here never changes, so writers need not wait
    with (
        _new_file(path) as (part, name),
        _engine_errors(name),
        duckdb.connect(str(part)) as target,
    ):
        schema.prepare(target, name, set())
        _copy(log, target, proof, progress)
        _refuse_findings(target, proof, name, progress)
        schema.mark_closed(target, proof)
        target.execute("checkpoint")
    return proof


def restore_backup(
    backup: str | os.PathLike[str], path: str | os.PathLike[str], proof: Proof | None
) -> None:
    """Copy a backup, or any store file that was closed, to a new place, and verify the copy."""
    source = checked_path(backup)
    if not source.is_file():
        raise NotAStoreError(f"There is no backup {source.name!r} in {str(source.parent)!r}.")
    check_is_database(source)
    if source.with_name(source.name + ".wal").exists():
        raise StoreCorruptError(
            f"{source.name!r} is not a backup, but a store that is open, or was not closed: "
            f"{source.name + '.wal'!r} is beside it. Open it as a store, close it, then restore it."
        )
    with _new_file(path) as (part, name), _engine_errors(name):
        shutil.copyfile(source, part)
        with duckdb.connect(str(part), read_only=True) as target:
            if "session" not in schema.tables_of(target):
                raise NotAStoreError(f"{source.name!r} is not a backup made by backup().")
            kept = schema.proof_when_closed(target)
            if kept is None:
                raise StoreCorruptError(
                    f"{source.name!r} was copied from a store while it was in use, so events "
                    f"may be missing. Take a backup with store.backup(path)."
                )
            _refuse_findings(target, kept, source.name, None)
            if proof is not None:
                _refuse_findings(target, proof, source.name, None)


def _copy(log: Log, target: duckdb.DuckDBPyConnection, proof: Proof, progress: bool | None) -> None:
    from tqdm.auto import tqdm  # here, since it loads asyncio, and few programs make backups

    show = proof.position >= _QUIET_BELOW if progress is None else progress
    with tqdm(total=proof.position, unit=" events", disable=not show, leave=False) as bar:
        for after in range(0, proof.position, _CHUNK):
            upto = min(after + _CHUNK, proof.position)
            for columns, table in ((TEXT_COLUMNS, "events"), ("*", "chain")):
                source = log.cursor().sql(
                    f"select {columns} from {table} where position > ? and position <= ?",
                    params=[after, upto],
                )
                target.register("esnb_rows", EventRows(source))
                target.execute(f"insert into {table} select * from esnb_rows order by position")
                target.unregister("esnb_rows")
            bar.update(upto - after)


def _refuse_findings(
    target: duckdb.DuckDBPyConnection, proof: Proof, name: str, progress: bool | None
) -> None:
    result = verify(target, proof, progress)
    if not result.ok:
        raise StoreCorruptError(f"{name!r} is not what was stored, so nothing was kept: {result}")


@contextmanager
def _new_file(path: str | os.PathLike[str]) -> Iterator[tuple[Path, str]]:
    """A temporary file beside a path, moved there, durable, when all went well."""
    where = checked_path(path)
    for taken in (where, *(where.with_name(where.name + end) for end in (".wal", ".head"))):
        if taken.exists():
            raise NotAStoreError(
                f"{taken.name!r} exists already, and nothing is overwritten. Choose another name, "
                f"or move that file away first."
            )
    part = where.with_name(f"{where.name}.part-{os.getpid()}")
    try:
        yield part, where.name
        _flush(part)
        if where.exists():
            raise NotAStoreError(f"{where.name!r} was made by somebody else in the meantime.")
        part.rename(where)
        _flush(where.parent)
    finally:
        for left in (part, part.with_name(part.name + ".wal")):
            with suppress(OSError):
                left.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    if path.is_dir() and os.name == "nt":
        return  # a folder cannot be opened there; its names are written with the file
    number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def _engine_errors(name: str) -> Iterator[None]:
    """Errors of the new file, not of the store that is copied."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        if "No space left" in str(error):
            raise StoreFullError(
                f"The disk is full, so {name!r} was not written. The source is unchanged."
            ) from None
        if isinstance(error, OSError):
            raise NotAStoreError(f"{name!r} cannot be written: {error.strerror}.") from None
        raise explained(error, name, of_a_query=False) from None
