"""The engine's errors, translated into those of `errors.py`."""

from __future__ import annotations

import os
import re
from pathlib import Path

import duckdb

from esnb.errors import (
    AppendOnlyError,
    EsnbError,
    NotAStoreError,
    QueryError,
    ReadOnlyError,
    StoreCorruptError,
    StoreFullError,
    StoreLockedError,
)

IN_MEMORY = "in memory"

_FILE_ERRORS = (duckdb.IOException, duckdb.InternalException, duckdb.TransactionException)


class VersionTakenError(EsnbError):
    """Another connection of this process stored this version first; the primary key noticed."""


def stops_the_engine(error: duckdb.Error) -> bool:
    """Whether the engine accepts no further call until the file is opened again."""
    return isinstance(error, duckdb.FatalException) or (
        _is_of_the_file(error) and "has been invalidated" in str(error)
    )


def closed(name: str) -> str:
    """What to tell whoever uses a closed store; what was in memory only cannot be opened again."""
    if name == IN_MEMORY:
        return (
            "The store in memory is closed, and its events are gone with it. Make it again: run "
            "the cells from the one that made it, or open the store in a file next time."
        )
    again = "EventStore.connect(url)" if "://" in name else "EventStore(path)"
    return f"The store {name!r} is closed. Open it again: {again}."


def must_reopen(name: str) -> StoreFullError:
    """The error for a database that the engine stopped."""
    return StoreFullError(
        f"The engine stopped {name!r} after a failed write, most likely for lack of disk space. "
        f"Every acknowledged event is stored. Free some space, close the store, open it again, and "
        f"repeat the last append with the same events: if it was stored after all, the repeat "
        f"changes nothing."
    )


def explained(error: duckdb.Error, name: str, *, of_a_query: bool) -> EsnbError:
    """The error that a reader can act on. `of_a_query`: the statement was written by a reader."""
    text = str(error).strip()
    if _is_of_the_file(error) and "No space left" in text:
        return StoreFullError(
            f"The disk is full, so this append to {name!r} was not stored; what was "
            f"acknowledged before is. Free some space, then append again."
        )
    if "events are append-only" in text and isinstance(error, duckdb.InvalidInputException):
        return AppendOnlyError(
            "The database refused to change stored events: they are append-only. "
            "To correct a wrong fact, append an event that says so."
        )
    if isinstance(error, duckdb.ConstraintException | duckdb.TransactionException) and (
        "uplicate key" in text
    ):
        return VersionTakenError(
            "Another connection of this process stored such a version at the same moment. Nothing "
            f"was stored here: load again, decide again. Engine: {first_line(error)}"
        )
    if "read-only mode" in text and isinstance(error, duckdb.TransactionException):
        return ReadOnlyError(
            "sql() only reads, so nothing was changed. Events are added with store.append()."
        )
    if "configuration" in text and ("disabled" in text or "locked" in text):
        return QueryError(
            "A store's queries read the store only: no files, no network, no settings. "
            f"Engine: {first_line(error)}"
        )
    # What was read from a damaged file fails as anything, wherever it is first used. A statement
    # of the package itself is right, and so is the file where only memory is short.
    damaged = isinstance(error, duckdb.IOException | duckdb.InternalException)
    own = not of_a_query and not isinstance(error, duckdb.OutOfMemoryException)
    if damaged or own or type(error) is duckdb.Error:  # a wrong checksum comes as the bare class
        return StoreCorruptError(
            f"The file of {name!r} cannot be read or written. Keep it, and go on from a backup or "
            f"an export. Engine: {first_line(error)}"
        )
    return QueryError(re.sub(r"^\w+ Error: ", "", text))


def explained_opening(error: duckdb.Error, path: Path) -> EsnbError:
    """The error for a file that the engine cannot open."""
    text = str(error)
    if "Could not set lock" in text or "being used by another process" in text:
        found = re.search(r"PID (\d+)", text)
        return StoreLockedError(path, int(found[1]) if found else None)
    if "different configuration" in text:
        return StoreLockedError(path, os.getpid())
    if "No space left" in text:
        return StoreFullError(f"The disk is full: {path.name!r} cannot be opened.")
    if "Permission denied" in text or "read-only" in text.lower():
        return NotAStoreError(
            f"This user may not write {path.name!r}. Copy it to a folder of yours."
        )
    if "version number" in text:
        return NotAStoreError(
            f"{path.name!r} was written by another version of DuckDB than {duckdb.__version__}."
            f" It was not touched. Engine: {first_line(error)}"
        )
    return StoreCorruptError(
        f"{path.name!r} or its .wal file is damaged; nothing in it was changed. Keep both "
        f"files, and go on from the latest backup or export. Engine: {first_line(error)}"
    )


def first_line(error: BaseException) -> str:
    """The first line of the engine's message."""
    return str(error).strip().splitlines()[0][:300]


def _is_of_the_file(error: duckdb.Error) -> bool:
    # A query in error is quoted in its message: only these classes speak of the file.
    return isinstance(error, _FILE_ERRORS) or type(error) is duckdb.Error
