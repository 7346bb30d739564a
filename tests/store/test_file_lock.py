"""The lock of a store holds whatever its process reads, and falls with the process."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import types
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from esnb import EventStore, Projector
from esnb.shop import OrderSummary
from esnb.store import file_lock
from esnb.store.file_lock import FileLock, LockedElsewhereError, lock_beside
from tests.support import ROOT, fill

OPEN = """
import sys
from esnb import EsnbError, EventStore
try:
    with EventStore(sys.argv[1]) as store:
        print("open", store.position)
except EsnbError as error:
    print(type(error).__name__, getattr(error, "pid", None))
"""


def opened_elsewhere(path: Path) -> list[str]:
    """What another process says when it opens the store."""
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(path)],
        cwd=ROOT, check=True, timeout=120, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.split()


def read_bytes(path: Path) -> None:
    path.read_bytes()


def copy(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))


def hashed(path: Path) -> None:
    with path.open("rb") as file:
        sha256(file.read()).hexdigest()


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path.with_name("all.zip"), "w") as archive:
        for each in path.parent.glob(path.name + "*"):
            archive.write(each)


def opened_again(path: Path) -> None:
    EventStore(path).close()


@pytest.mark.parametrize("read", [read_bytes, copy, hashed, zipped, opened_again])
def test_reading_the_file_of_an_open_store_does_not_drop_its_lock(tmp_path, read):
    path = tmp_path / "s.duckdb"
    with EventStore(path) as store:
        fill(store, "a", 3)
        read(path)
        read(path.with_name("s.duckdb.wal")) if read is not opened_again else None
        assert opened_elsewhere(path) == ["StoreLockedError", str(os.getpid())]
        fill(store, "a", 1)
    assert opened_elsewhere(path) == ["open", "4"]


OWNER = """
import os, sys, time
from esnb import EventStore, new_event
store = EventStore(sys.argv[1])
store.append("a", [new_event("X")], expected_version=0, aggregate_type="T")
open(sys.argv[1], "rb").close()
if sys.argv[2] == "fork" and os.fork() == 0:
    try:  # the child cannot use its parent's store, and does not keep the lock of it either
        store.append("a", [new_event("X")], expected_version=1)
    except Exception as error:
        print(type(error).__name__, flush=True)
    time.sleep(300)
print(os.getpid(), flush=True)
time.sleep(300)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill and fork are POSIX")
@pytest.mark.parametrize("children", ["none", "fork"])
def test_a_killed_owner_leaves_no_lock(tmp_path, children):
    path = tmp_path / "s.duckdb"
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(path), children],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        said = {owner.stdout.readline().strip() for _ in range(2 if children == "fork" else 1)}
        assert said == {str(owner.pid)} | ({"StoreLockedError"} if children == "fork" else set())
        assert opened_elsewhere(path) == ["StoreLockedError", str(owner.pid)]
        owner.kill()
        owner.wait()
        assert opened_elsewhere(path) == ["open", "1"]
    finally:
        with contextlib.suppress(ProcessLookupError):  # the group, children included
            os.killpg(owner.pid, signal.SIGKILL)
        owner.wait()
        owner.stdout.close()


def test_two_locks_of_one_process_exclude_each_other(tmp_path):
    path = tmp_path / "x.lock"
    first = FileLock(path)
    assert first.created
    first.write(b"mine\n")
    with pytest.raises(LockedElsewhereError) as caught:
        FileLock(path)
    assert caught.value.content == b"mine\n"
    assert first.has_its_name()
    first.release()
    first.release()
    second = FileLock(path)
    assert not second.created
    second.release(delete=True)
    assert not path.exists()


def test_a_lock_knows_when_its_file_was_replaced(tmp_path):
    path = tmp_path / "x.lock"
    lock = FileLock(path)
    path.unlink()
    assert not lock.has_its_name()
    other = FileLock(path)
    assert not lock.has_its_name()
    assert other.has_its_name()
    lock.release(delete=True)
    assert path.exists(), "the file of the other lock"
    other.release()


def test_lock_beside_counts_its_holders_and_names_the_owner(tmp_path):
    path = tmp_path / "read.duckdb"
    code = (
        "import sys, pathlib; from esnb.store.file_lock import lock_beside\n"
        "with lock_beside(pathlib.Path(sys.argv[1])): print('mine')"
    )

    def elsewhere() -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    with lock_beside(path):
        with lock_beside(path):
            pass
        assert f"StoreLockedError: 'read.duckdb' is open in process {os.getpid()}" in elsewhere()
    assert not path.with_name("read.duckdb.lock").exists()
    assert elsewhere() == "mine"


def test_on_windows_a_far_byte_is_locked_by_handle(tmp_path, monkeypatch):
    calls = []

    class Windows(types.ModuleType):
        LK_NBLCK = 2

        @staticmethod
        def locking(number: int, mode: int, count: int) -> None:
            calls.append((os.lseek(number, 0, os.SEEK_CUR), mode, count))
            if len(calls) > 1:
                raise PermissionError(13, "Permission denied")

    monkeypatch.setitem(sys.modules, "msvcrt", Windows("msvcrt"))
    monkeypatch.setattr(file_lock, "_take_posix", file_lock._take_windows)
    first = FileLock(tmp_path / "x.lock")
    first.write(b"7\n")
    with pytest.raises(LockedElsewhereError) as caught:
        FileLock(tmp_path / "x.lock")
    assert caught.value.content == b"7\n", "the text must stay readable: the lock is behind it"
    assert calls == [(1 << 30, 2, 1)] * 2
    assert (tmp_path / "x.lock").stat().st_size == 2
    first.release()


def test_a_file_system_without_locks_is_announced(tmp_path, monkeypatch):
    def refuse(_: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(file_lock, "_take_posix", refuse)
    with pytest.warns(UserWarning, match=r"cannot lock files.*'x\.lock'|cannot lock 'x\.lock'"):
        FileLock(tmp_path / "x.lock").release()


PROJECT = """
import sys
from esnb import EsnbError, EventStore, Projector
from esnb.shop import OrderSummary
try:
    with EventStore() as store:
        Projector(store, OrderSummary, database=sys.argv[1]).close()
        print("open")
except EsnbError as error:
    print(type(error).__name__, getattr(error, "pid", None))
"""


def test_reading_the_file_of_a_read_model_does_not_drop_its_lock(tmp_path):
    path = tmp_path / "read.duckdb"

    def projected_elsewhere() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", PROJECT, str(path)],
            cwd=ROOT, check=True, timeout=120, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.split()

    with EventStore() as store:
        projector = Projector(store, OrderSummary, database=path)
        path.read_bytes()
        assert projected_elsewhere() == ["StoreLockedError", str(os.getpid())]
        projector.close()
    assert projected_elsewhere() == ["open"]
