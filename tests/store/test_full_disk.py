"""Promise 8 on a full disk: nothing acknowledged is lost, and with room the store goes on."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys

import duckdb
import pytest

from esnb import (
    ANY,
    EsnbError,
    EventStore,
    StoreFullError,
    new_event,
)
from tests.store.store_files import noted
from tests.support import Snapped, facts, fill, seen

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own of 6 MB: an empty store takes 2, and blocks of a quarter are written."""
    if not (IS_ROOT and sys.platform == "linux" and shutil.which("mount")):
        pytest.skip("a small disk of its own needs Linux and root")
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"mount is not possible here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("checkpoints", ["default", "often"])
@pytest.mark.parametrize("batch", [1, 4])
def test_a_full_disk_loses_nothing_that_was_acknowledged(
    small_disk, checkpoints, batch, monkeypatch
):
    path = small_disk / "s.duckdb"
    if checkpoints == "often":
        connect = duckdb.connect

        def connect_with_small_wal(*arguments, **options):
            connection = connect(*arguments, **options)
            connection.execute("set checkpoint_threshold = '64KB'")
            return connection

        monkeypatch.setattr(duckdb, "connect", connect_with_small_wal)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 3_500_000)
    acknowledged = []
    store = EventStore(path)
    number = 0
    last = []

    def fill_up() -> StoreFullError:
        nonlocal number, last
        for _ in range(20_000):
            # What cannot be compressed, so that the disk fills fast.
            number += 1
            text = random.Random(number).randbytes(400).hex()
            last = [new_event("Added", n=number, k=k, text=text) for k in range(batch)]
            try:
                done = store.append("a", last, expected_version=ANY, aggregate_type="TALLY")
            except StoreFullError as error:
                return error
            acknowledged.extend(seen(e) for e in done.events)
        raise AssertionError("the disk did not get full")

    for _ in range(2):  # full, some space, full again
        error = fill_up()
        assert "Free some space" in str(error)
        assert acknowledged
        if "open it again" in str(error):
            with pytest.raises(StoreFullError, match="open it again"):
                store.append("a", facts(1), expected_version=ANY)
            with pytest.raises(StoreFullError, match="open it again"):
                store.events("a")
            filler.write_bytes(b"")
            store.close()
            store = EventStore(path)
        else:
            # Reading goes on on a full disk, and it is still full for the next writer.
            assert [seen(e) for e in store.read_all()] == acknowledged
            filler.write_bytes(b"")
        stored = [seen(e) for e in store.read_all()]
        assert stored[: len(acknowledged)] == acknowledged
        assert len(stored) - len(acknowledged) in (0, batch)
        # The advice: repeat the same append. It is stored once, whatever had happened to it.
        done = store.append("a", last, expected_version=ANY)
        acknowledged = [seen(e) for e in store.read_all()]
        assert acknowledged[: len(stored)] == stored
        assert [seen(e) for e in done.events] == acknowledged[-batch:]
        room = shutil.disk_usage(small_disk).free
        filler.write_bytes(b"x" * max(0, room - 300_000))
    filler.unlink()
    store.close()
    with EventStore(path) as store:
        assert [seen(e) for e in store.read_all()] == acknowledged
        assert [p[0] for p in acknowledged] == list(range(1, len(acknowledged) + 1))
        assert store.append("a", facts(1), expected_version=ANY).position == len(acknowledged) + 1


def test_opening_on_a_full_disk_keeps_store_and_evidence(small_disk):
    path = small_disk / "s.duckdb"
    with EventStore(path) as store:
        fill(store, "a", 5)
    room = shutil.disk_usage(small_disk).free
    filler = small_disk / "filler"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        file.write(b"x" * room)
    for _ in range(2):
        try:
            with EventStore(path) as store:
                assert store.position == 5
                with pytest.raises(StoreFullError):
                    store.append("b", facts(500), expected_version=0, aggregate_type="T")
        except StoreFullError:
            pass  # said at once: fine as well
        assert noted(path) == 5
    with pytest.raises(EsnbError):
        EventStore(small_disk / "new.duckdb")
    filler.unlink()
    with EventStore(path) as store:
        assert [e.data["n"] for e in store.events("a")] == [1, 2, 3, 4, 5]
        fill(store, "a", 1)


def test_a_snapshot_without_room_is_no_failure_of_save(monkeypatch):
    with EventStore() as store:
        tally = store.new(Snapped, "a")
        for n in range(4):
            tally.add(n)

        def full(*_: object, **__: object) -> None:
            raise StoreFullError("full")

        monkeypatch.setattr(store, "add_snapshot", full)
        assert store.save(tally).version == 4
        assert tally.pending == ()
        monkeypatch.undo()
        tally.add(4)
        tally.add(5)
        store.save(tally)
        assert store.load(Snapped, "a").origin.snapshot == 6
