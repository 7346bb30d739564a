"""Whether a path can be that of a store: asked before the engine touches anything.

The files of a store in "shop.duckdb" belong together: `shop.duckdb` (the database),
`shop.duckdb.wal` (what was appended since the last checkpoint; only while the store is open, or
after a crash) and `shop.duckdb.head` (the last position, and the lock).
"""

from __future__ import annotations

import os
from pathlib import Path

from esnb.errors import NotAStoreError, StoreCorruptError
from esnb.store.head_file import HeadFile


def checked_path(path: str | os.PathLike[str]) -> Path:
    """The path, made absolute, links followed. `NotAStoreError` for what cannot be a store."""
    try:
        given = Path(path).expanduser()
        where = given.resolve()
        is_folder = where.is_dir()
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise NotAStoreError(
            f"{path!r:.80} cannot be the path of a store ({error!s:.80}). Give it as text or as a "
            f"pathlib.Path, such as 'shop.duckdb'."
        ) from None
    if given.is_symlink() and not where.exists():
        raise NotAStoreError(
            f"{given.name!r} is a symbolic link to {str(where)!r}, which does not exist. Nothing "
            f"was created there. If the store is on a disk that is not mounted, mount it; to "
            f"begin a new store, delete the link."
        )
    if is_folder:
        raise NotAStoreError(f"{where.name!r} is a folder. Give the path of a file in it.")
    if not where.parent.is_dir():
        raise NotAStoreError(
            f"The folder {where.parent.name!r} does not exist, so {where.name!r} cannot be made "
            f"there. Create the folder first."
        )
    return where


def check_is_database(path: Path) -> None:
    """Refuse a file that is not a DuckDB database, with `NotAStoreError`."""
    if not path.is_file():
        return
    try:
        with path.open("rb") as file:
            beginning = file.read(12)
    except OSError as error:
        raise NotAStoreError(f"{path.name!r} cannot be read: {error.strerror}.") from None
    if beginning and beginning[8:12] != b"DUCK":
        raise NotAStoreError(
            f"{path.name!r} is not a DuckDB file, so it is not an event store, or its first block "
            f"is destroyed. It was not touched. To turn a "
            f"table into a store, read it with pandas and call EventStore.from_frame."
        )


def check_companions(path: Path, head_file: HeadFile, accept_missing: bool) -> None:
    """Refuse to open a database in a way that would lose what is beside it."""
    wal = path.with_name(path.name + ".wal")
    is_empty = path.is_file() and path.stat().st_size == 0
    if not path.exists() and wal.exists():
        raise StoreCorruptError(
            f"{path.name!r} does not exist, but {wal.name!r} does, and it may hold events: opening "
            f"the store now would delete it. Put {path.name!r} back. To begin a new store, delete "
            f"{wal.name!r} and {head_file.name!r} as well."
        )
    if not path.exists() and (head_file.position or head_file.is_damaged) and not accept_missing:
        count = head_file.position or "an unknown number of"
        raise StoreCorruptError(
            f"{path.name!r} does not exist, but {count} event(s) were stored in it (according to "
            f"{head_file.name!r}). Put it back, or restore a backup. To begin a new store here, "
            f"delete {head_file.name!r}, or say EventStore(path, accept_missing=True)."
        )
    if is_empty and not accept_missing:
        head_file.check(0)
    if is_empty:
        raise NotAStoreError(
            f"{path.name!r} is an empty file. Delete it: a new store makes its own file."
        )
    if head_file.was_missing and path.exists() and path.stat().st_nlink > 1:
        raise NotAStoreError(
            f"{path.name!r} is one of several names of a file (hard links). New events are written "
            f"to a .wal file, which belongs to one name only: open the store by its first name, "
            f"beside which its .head file is. For a copy, use store.backup(path)."
        )


def check_complete(name: str, position: int, head_file: HeadFile, in_use: bool) -> None:
    """Refuse a database, opened and found to end at `position`, that may lack events."""
    # A main file that was closed is whole, and says so itself: then a damaged note does no harm.
    if in_use or not head_file.is_damaged:
        head_file.check(position)
    if in_use and head_file.says_closed:
        raise StoreCorruptError(
            f"{name!r} ends at position {position}, but events after it may be missing: the store "
            f"was in use when this file was copied or left, and {head_file.name!r} is older: it "
            f"says that the store was closed. An open store is three files that belong together, "
            f"{name}, {name}.wal and {head_file.name}: bring the other two of the same moment, or "
            f"restore a backup. Nothing was changed. To go on with the events that are here: "
            f"EventStore(path, accept_missing=True)."
        )
    if in_use and head_file.was_missing:
        raise StoreCorruptError(
            f"{name!r} ends at position {position}, but events after it may be missing: the store "
            f"was in use when this file was copied or moved, and {head_file.name!r}, which says "
            f"where it ends, is not beside it. An open store is three files that belong together, "
            f"{name}, {name}.wal and {head_file.name}: bring the other two, or take a backup with "
            f"store.backup(path), which is one whole file. Nothing was changed. To go on with the "
            f"events that are here: EventStore(path, accept_missing=True)."
        )


def check_still_there(name: str, has_its_name: bool, head_file: HeadFile | None) -> None:
    """Refuse to write what nobody will find again."""
    if not has_its_name:
        raise StoreCorruptError(
            f"{name!r} was deleted, moved, or replaced while this store had it open, so "
            f"nothing is written any more: what you append is not stored. Reading still "
            f"works. Keep what is here with store.backup(other_path), close this store, then "
            f"open the file at its new place (or the path again, for a new store)."
        )
    if head_file is not None and not head_file.has_its_name():
        raise StoreCorruptError(
            f"{head_file.name!r} was deleted or replaced while the store was open, and "
            f"the lock of the store is in it. What you append is not stored: close the store, "
            f"and open it again."
        )
