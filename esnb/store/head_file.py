"""What a store keeps beside its database, in NAME.head: its last position, and its lock.

DuckDB opens a database whose write-ahead log (NAME.wal) was cut or deleted without a word, and the
events in it are gone. With the last acknowledged position written down beside it, a store can tell.
The position is written after the commit and not flushed, so after a power failure it may lag
behind, but never runs ahead. A line holds the position, the process id of the owner, whether the
main file says that it is in use, and a checksum of these, because a damaged position must not be
taken for a true one.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from esnb.errors import NotAStoreError, StoreCorruptError, StoreFullError, StoreLockedError
from esnb.store.file_lock import FileLock, LockedElsewhereError

_LINE = re.compile(rb"(\d{20} \d{10} [01]) ([0-9a-f]{8})\n")


class HeadFile:
    """The file NAME.head of an open store. Opening it takes the lock of the store.

    `position` is the last acknowledged position as it was found: None when the file was not there
    or is empty. Raises `StoreLockedError`, `StoreFullError`, or `NotAStoreError`.
    """

    def __init__(self, store: Path) -> None:
        self.store = store.name
        self.path = path = store.with_name(store.name + ".head")
        self.name = path.name
        try:
            self._lock = FileLock(path)
        except LockedElsewhereError as error:
            found = _parsed(error.content)
            raise StoreLockedError(store, found and found[1]) from None
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise StoreFullError(
                    f"The disk is full: {self.store!r} cannot be opened."
                ) from None
            raise NotAStoreError(
                f"{self.name!r} cannot be written beside {self.store!r}: {error.strerror}. "
                f"Copy the store to a folder of yours."
            ) from None
        content = self._lock.read()
        found = _parsed(content)
        self.is_damaged = bool(content.strip()) and found is None
        self.position = found[0] if found else None
        #: Whether the main file, and not only the .wal, says that the store is in use. It is noted
        #: here first, so a main file that says so beside a note that does not is the newer one.
        self.main_is_marked = bool(found and found[2])
        self.says_closed = bool(found and not found[2])

    @property
    def was_missing(self) -> bool:
        """Whether nothing was known of the store's last position."""
        return self.position is None and not self.is_damaged

    def check(self, found: int) -> None:
        """Raise `StoreCorruptError` when the store ends before the last acknowledged position."""
        if self.is_damaged:
            raise StoreCorruptError(
                f"{self.name!r} is damaged: its checksum does not match. It says where "
                f"{self.store!r} should end, so nobody can tell whether events are missing; the "
                f"store ends at position {found}. Nothing was changed: compare that with what you "
                f"expect, put {self.name!r} back from a backup, or go on with what is there: "
                f"EventStore(path, accept_missing=True)."
            )
        expected = self.position or 0
        if expected > found:
            raise StoreCorruptError(
                f"{self.store!r} ends at position {found}, but position {expected} was "
                f"acknowledged (according to {self.name!r}): {expected - found} event(s) are "
                f"lost. A .wal file that was cut, deleted, or not copied does this. Nothing was "
                f"changed: put the missing file back, or restore a backup. To go on without the "
                f"lost events: EventStore(path, accept_missing=True)."
            )

    def has_its_name(self) -> bool:
        """Whether the file is still there, under its name, so that others see the lock."""
        return self._lock.has_its_name()

    def write(self, position: int) -> None:
        """Note a position. A full disk makes the note older, never wrong."""
        with suppress(OSError):  # the event is durable, only the note is older
            self._lock.write(self._line(position))

    def mark(self, position: int) -> bool:
        """Note, on the disk, that the main file is about to be marked; False: it is not noted."""
        self.main_is_marked = True
        try:
            self._lock.write(self._line(position), flush=True)
        except OSError:
            self.main_is_marked = False
        return self.main_is_marked

    def _line(self, position: int) -> bytes:
        line = b"%020d %010d %d" % (position, os.getpid(), self.main_is_marked)
        return b"%s %08x\n" % (line, crc32(line))

    def close(self, *, unused: bool = False) -> None:
        """Give the lock up. `unused`: nothing was opened, so leave no new file behind."""
        self._lock.release(delete=unused and self._lock.created)


def _parsed(content: bytes) -> tuple[int, int, int] | None:
    """Position, process id, and mark; None for what is not a whole line of these."""
    found = _LINE.match(content)
    if found is None or crc32(found[1]) != int(found[2], 16):
        return None
    position, owner, marked = map(int, found[1].split())
    return position, owner, marked
