"""The databases that this process has open: one for each file, whatever the file is called."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

from esnb.errors import StoreCorruptError, StoreLockedError
from esnb.store.connection import Log, opening
from esnb.store.file_lock import file_id
from esnb.store.store_path import checked_path

_logs: weakref.WeakSet[Log] = weakref.WeakSet()
_inherited: list[Log] = []


def open_log(path: str | os.PathLike[str] | None, accept_missing: bool = False) -> Log:
    """The database of a path; the one that is open already if this process has it open."""
    if path is None:
        log = Log(None)
        log.users = 1
        _logs.add(log)
        return log
    where = checked_path(path)
    with opening:
        found = _already_open(where)
        log = found or Log(where, accept_missing)
        _logs.add(log)
        log.users += 1
        return log


def _already_open(where: Path) -> Log | None:
    """The open database with this file. A file is known by what it is, not by one of its names."""
    wanted = file_id(where)
    for log in list(_logs):
        same_file = wanted is not None and wanted == log.file_id
        if log.path is None or log.is_closed or not (same_file or log.path == where):
            continue
        if log.pid != os.getpid():  # a forked child shares its parent's handle
            raise StoreLockedError(where, log.pid)
        if not same_file:
            log.retire()  # its file was deleted or replaced: whoever has it can only read it
        elif log.has_its_name():
            return log
        else:
            raise StoreCorruptError(
                f"{where.name!r} is open in this process under its old path {str(log.path)!r}: it "
                f"was moved while a store had it open. Close that store, then open the file here."
            )
    return None


def _keep_inherited() -> None:
    _inherited.extend(log for log in _logs if not log.is_closed)
    for log in _inherited:
        log.never_destroy()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep_inherited)
