"""A lock on a file that holds whatever else the process does with files.

DuckDB locks its file with POSIX record locks. Those belong to the process: as soon as *any*
descriptor of that file is closed in the process (a copy, a hash, a zip of the file), they are gone
without a word, and a second process can open and write the file. The locks here belong to one
opened file, and fall only when that is closed, or its process ends, even by kill -9:

* Linux and macOS: `flock`, on a companion file (NAME.head of a store, NAME.lock otherwise). Not on
  the database itself: on macOS, `flock` and DuckDB's own locks exclude each other.
* Windows: `LockFileEx` (by `msvcrt.locking`) on one byte far behind the end of the companion file,
  so that its contents remain readable. It belongs to the handle as well. There, DuckDB itself opens
  its file so that nobody can delete, move, or replace it in the meantime.

A child made by `fork` shares the opened file, and with it the lock. It closes its copy at once, so
that the lock does not outlive the process that took it.

Network file systems: NFS passes `flock` on to the server only from version 4 on (or from Linux
2.6.12 on), some SMB and FUSE mounts keep it on one machine, and some refuse it. Where locks are
refused, a warning says so. Keep stores on a local disk; share them by export, backup or a server.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from esnb.errors import StoreLockedError

_FAR = 1 << 30
_all_locks: weakref.WeakSet[FileLock] = weakref.WeakSet()
_beside: dict[Path, tuple[FileLock, int]] = {}
_changing = threading.Lock()


class LockedElsewhereError(Exception):
    """Another opened file holds the lock; `content` is what the companion file says."""

    def __init__(self, content: bytes) -> None:
        self.content = content


def file_id(path: Path | int) -> tuple[int, int] | None:
    """What a file is whatever it is called: device and inode. None where there is no file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class FileLock:
    """An opened companion file, locked. It is created when it does not exist.

    Raises `LockedElsewhereError`, or `OSError` when the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.created = False
        while True:
            self.created = self.created or not path.exists()
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._number = os.open(path, flags, 0o666)
            try:
                _take(self._number, path)
            except OSError:
                content = self.read()
                os.close(self._number)
                raise LockedElsewhereError(content) from None
            self.file_id = file_id(self._number)
            # Whoever held the lock before may have deleted the file on the way out.
            if self.has_its_name():
                break
            os.close(self._number)
        self.is_held = True
        _all_locks.add(self)

    def has_its_name(self) -> bool:
        """Whether the path still leads to the file that is locked here."""
        return file_id(self.path) == self.file_id

    def read(self) -> bytes:
        """The first bytes of the companion file."""
        os.lseek(self._number, 0, os.SEEK_SET)
        return os.read(self._number, 200)

    def write(self, content: bytes, *, flush: bool = False) -> None:
        """Write at the beginning, in one call; `flush`: on the disk when it returns. The file is
        never cut, so a full disk cannot empty it. Raises `OSError`."""
        os.lseek(self._number, 0, os.SEEK_SET)
        os.write(self._number, content)
        if flush:
            os.fsync(self._number)

    def release(self, *, delete: bool = False) -> None:
        """Give the lock up; `delete` removes the companion file. Releasing twice is fine."""
        if not self.is_held:
            return
        self.is_held = False
        if delete and os.name != "nt" and self.has_its_name():
            self.path.unlink(missing_ok=True)  # while it is locked: nobody else can have taken it
        with suppress(OSError):
            os.close(self._number)
        if delete and os.name == "nt":  # where an open file cannot be deleted
            with suppress(OSError):
                self.path.unlink(missing_ok=True)


@contextmanager
def lock_beside(path: Path) -> Iterator[None]:
    """Keep other processes away from a file, by a lock on NAME.lock beside it.

    Within the process it may be taken several times; the file NAME.lock goes with the last.
    `StoreLockedError` names the process that has it.
    """
    name = path.with_name(path.name + ".lock")
    with _changing:
        lock, holders = _beside.get(name, (None, 0))
        if lock is None or not lock.is_held:
            lock, holders = _locked(name, path), 0
        _beside[name] = (lock, holders + 1)
    try:
        yield
    finally:
        with _changing:
            lock, holders = _beside.pop(name)
            if holders > 1:
                _beside[name] = (lock, holders - 1)
            else:
                lock.release(delete=True)


def hold_lock_beside(path: Path, owner: object) -> Callable[[], object]:
    """`lock_beside` until the function that is returned is called, or the owner is gone."""
    lock = ExitStack()
    lock.enter_context(lock_beside(path))
    return weakref.finalize(owner, lock.close)


def _locked(name: Path, path: Path) -> FileLock:
    try:
        lock = FileLock(name)
    except LockedElsewhereError as error:
        owner = error.content.strip()
        raise StoreLockedError(path, int(owner) if owner.isdigit() else None) from None
    with suppress(OSError):  # a full disk: the lock holds, it only does not say by whom
        lock.write(b"%-20d\n" % os.getpid())
    return lock


def _take_posix(number: int) -> None:
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _take_windows(number: int) -> None:
    import msvcrt

    os.lseek(number, _FAR, os.SEEK_SET)
    msvcrt.locking(number, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]


def _take(number: int, path: Path) -> None:
    try:
        (_take_windows if os.name == "nt" else _take_posix)(number)
    except (BlockingIOError, PermissionError):
        raise
    except OSError as error:
        warnings.warn(
            f"This file system cannot lock {path.name!r} ({error.strerror}). Make sure that only "
            f"one process at a time opens it, or keep it on a local disk.",
            stacklevel=2,
        )


def _close_inherited() -> None:
    """In a forked child: the lock is the parent's alone."""
    _beside.clear()
    for lock in list(_all_locks):
        if lock.is_held:
            lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)
