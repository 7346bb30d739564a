"""Backups while writers write, restores that verify, copies that say that they are not whole."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from esnb import ANY, EsnbError, EventStore, NotAStoreError, StoreCorruptError, new_event
from tests.support import ROOT, Snapped, facts, fill, seen


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.duckdb"


def test_a_backup_taken_while_writers_write_is_the_log_at_one_position(path):
    stop = threading.Event()
    with EventStore(path) as store:
        store.append("start", facts(500), expected_version=0, aggregate_type="T")

        def write(name: str) -> None:
            while not stop.is_set():
                store.append(name, facts(2), expected_version=ANY, aggregate_type="T")

        writers = [threading.Thread(target=write, args=(f"w{n}",)) for n in range(3)]
        for writer in writers:
            writer.start()
        try:
            copies = [path.with_name(f"copy-{n}.duckdb") for n in range(3)]
            proofs = [store.backup(copy) for copy in copies]
        finally:
            stop.set()
            for writer in writers:
                writer.join()
        events = [seen(event) for event in store.read_all()]
        for copy, proof in zip(copies, proofs, strict=True):
            with EventStore(copy) as kept:
                assert kept.proof == proof
                assert [seen(event) for event in kept.read_all()] == events[: proof.position]
                assert kept.verify(proof).ok
            assert store.verify(proof).ok
    assert proofs[0].position < proofs[-1].position


def test_a_backup_can_be_gone_on_with_as_a_store(path):
    with EventStore(path) as store:
        fill(store, "a", 3)
        copy = path.with_name("copy.duckdb")
        store.backup(copy)
        assert not copy.with_name("copy.duckdb.wal").exists()
        fill(store, "a", 1)
    with EventStore(copy) as kept:
        assert kept.version("a") == 3
        fill(kept, "a", 2)
        assert kept.verify().ok


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_store_in_memory_and_an_empty_one_have_backups_too(path, count):
    with EventStore() as store:
        fill(store, "a", count)
        proof = store.backup(path)
        with EventStore.restore(path, path.with_name("r"), proof=str(proof)) as restored:
            assert [seen(e) for e in restored.read_all()] == [seen(e) for e in store.read_all()]


def test_snapshots_stay_behind_and_no_answer_changes(path):
    with EventStore(path) as store:
        tally = store.new(Snapped, "a")
        for n in range(9):
            tally.add(n)
        store.save(tally)
        assert len(store.snapshots())
        store.backup(path.with_name("copy"))
        with EventStore(path.with_name("copy")) as copy:
            assert not len(copy.snapshots())
            assert copy.load(Snapped, "a").total == store.load(Snapped, "a").total


@pytest.mark.parametrize("suffix", ["", ".wal", ".head"])
def test_nothing_is_overwritten(path, suffix):
    taken = path.with_name("copy" + suffix)
    taken.write_bytes(b"precious")
    with EventStore(path) as store:
        fill(store, "a", 1)
        with pytest.raises(NotAStoreError, match="exists already"):
            store.backup(path.with_name("copy"))
        with pytest.raises(NotAStoreError, match="exists already"):
            store.backup(path)
    with pytest.raises(NotAStoreError, match="exists already"):
        EventStore.restore(path, path.with_name("copy"))
    assert taken.read_bytes() == b"precious"
    assert sorted(p.name for p in path.parent.iterdir()) == sorted(
        [taken.name, "s.duckdb", "s.duckdb.head"]
    )


def test_a_source_that_was_changed_gives_no_backup(path):
    with EventStore(path) as store:
        fill(store, "a", 5)
        store._log._connection.execute("drop trigger events_refuse_update on events")
        store._log._connection.execute("update events set event_data = '{}' where position = 3")
        with pytest.raises(StoreCorruptError, match="position 3, a: changed"):
            store.backup(path.with_name("copy"))
    assert not list(path.parent.glob("copy*"))


def test_a_backup_is_not_a_store_until_it_is_whole(path):
    """kill -9 at random points of a backup: under the name there is nothing, or all of it."""
    code = """
import sys
from esnb import EventStore
store = EventStore(sys.argv[1])
print("ready", flush=True)
for n in range(1000):
    store.backup(f"{sys.argv[1]}.copy-{n}")
"""
    with EventStore(path) as store:
        store.append("a", facts(4_000), expected_version=0, aggregate_type="T")
        proof = store.proof
    for turn in range(6):
        copier = subprocess.Popen(
            [sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE
        )
        copier.stdout.readline()
        time.sleep(0.05 + 0.11 * turn)
        os.kill(copier.pid, signal.SIGKILL)
        copier.wait()
        copier.stdout.close()
        for copy in path.parent.glob("s.duckdb.copy-*"):
            if ".part-" not in copy.name:
                with EventStore(copy) as kept:
                    assert kept.proof == proof
        for copy in path.parent.glob("s.duckdb.copy-*"):
            copy.unlink()
    with EventStore(path) as store:
        assert store.proof == proof


def test_a_flipped_byte_in_a_backup_is_found_when_it_is_restored(path):
    copy = path.with_name("copy")
    with EventStore(path) as store:
        store.append("a", facts(3_000), expected_version=0, aggregate_type="T")
        proof = store.backup(copy)
    whole = copy.read_bytes()
    outcomes = []
    for place in range(20_000, len(whole), len(whole) // 25):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        copy.write_bytes(damaged)
        target = path.with_name(f"restored-{place}")
        try:
            with EventStore.restore(copy, target, proof=proof) as store:
                assert [e.data["n"] for e in store.events("a")] == list(range(1, 3_001))
            outcomes.append("whole")  # the byte was in no block that is used
        except EsnbError:
            outcomes.append("refused")
            assert not target.exists()
    assert "refused" in outcomes


def test_a_restore_compares_with_a_proof_kept_elsewhere(path):
    copy, other = path.with_name("copy"), path.with_name("other")
    with EventStore(path) as store, EventStore(other) as another:
        fill(store, "a", 2)
        fill(another, "b", 2)
        store.backup(copy)
        with pytest.raises(StoreCorruptError, match="rewritten"):
            EventStore.restore(copy, path.with_name("r"), proof=another.proof)
    assert not path.with_name("r").exists()


def test_restore_says_what_is_not_a_backup(path):
    with pytest.raises(NotAStoreError, match="There is no backup"):
        EventStore.restore(path, path.with_name("r"))
    path.write_text("hello")
    with pytest.raises(NotAStoreError, match="not a DuckDB file"):
        EventStore.restore(path, path.with_name("r"))
    path.unlink()
    with EventStore(path) as store:
        fill(store, "a", 1)
        with pytest.raises(StoreCorruptError, match="is not a backup, but a store that is open"):
            EventStore.restore(path, path.with_name("r"))
        shutil.copy(path, path.with_name("part"))
    with pytest.raises(StoreCorruptError, match="while it was in use"):
        EventStore.restore(path.with_name("part"), path.with_name("r"))
    with EventStore.restore(path, path.with_name("r")) as store:  # closed: as good as a backup
        assert store.position == 1


# --- which files belong together ---------------------------------------------------------------


def copied(path: Path, *suffixes: str) -> Path:
    target = path.parent / "elsewhere" / path.name
    target.parent.mkdir()
    for suffix in suffixes:
        shutil.copy(str(path) + suffix, str(target) + suffix)
    return target


@pytest.mark.parametrize("sessions", [1, 2])
@pytest.mark.parametrize("suffixes", [("",), ("", ".head"), ("", ".wal")])
def test_an_incomplete_copy_of_an_open_store_says_so(path, suffixes, sessions):
    for _ in range(sessions):
        store = EventStore(path)
        fill(store, "a", 50)
        if sessions == 2 and store.position == 50:
            store.close()
    copy = copied(path, *suffixes)
    store.close()
    before = {p.name: p.read_bytes() for p in copy.parent.iterdir()}
    for _ in range(2):
        with pytest.raises(StoreCorruptError, match=r"(lost|missing).*accept_missing=True"):
            EventStore(copy)
        assert {p.name: p.read_bytes() for p in copy.parent.iterdir()} == before
    with EventStore(copy, accept_missing=True) as kept:
        count = kept.position
        assert count in (0, 50, 100)
        fill(kept, "a", 1)
    with EventStore(copy) as kept:  # said once: from here on it is a store like any other
        assert kept.position == count + 1


def test_the_note_of_an_earlier_session_beside_an_open_main_file_says_so(path):
    with EventStore(path) as store:
        fill(store, "a", 12)
    earlier = path.with_name("s.duckdb.head").read_bytes()
    store = EventStore(path)
    fill(store, "a", 30)
    copy = copied(path, "")
    store.close()
    copy.with_name("s.duckdb.head").write_bytes(earlier)
    with pytest.raises(StoreCorruptError, match="ends at position 12, but events after it may be"):
        EventStore(copy)
    with EventStore(copy, accept_missing=True) as kept:
        assert kept.position == 12
    with EventStore(copy) as kept:  # said once
        assert kept.position == 12


@pytest.mark.parametrize("moment", ["before the note", "before the mark", "before the checkpoint"])
def test_a_crash_while_the_main_file_is_marked_loses_nothing(path, moment):
    with EventStore(path) as store:
        fill(store, "a", 12)
    code = (
        "import os, sys\n"
        "from esnb import EventStore, new_event\n"
        "from esnb.store import connection, head_file, schema\n"
        "store, die = EventStore(sys.argv[1]), lambda *_: os._exit(7)\n"
        "if sys.argv[2] == 'before the note': head_file.HeadFile.mark = die\n"
        "if sys.argv[2] == 'before the mark': schema.mark_in_use = die\n"
        "if sys.argv[2] == 'before the checkpoint':\n"
        "    mark = schema.mark_in_use\n"
        "    schema.mark_in_use = lambda cursor: (mark(cursor), die())\n"
        "store.append('a', [new_event('X')], expected_version=12, aggregate_type='T')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path), moment], cwd=ROOT, check=False)
    assert done.returncode == 7
    with EventStore(path) as store:
        assert store.position == 12
        fill(store, "b", 1)
    with EventStore(path) as store:
        assert store.position == 13
        assert store.verify().ok


def test_all_files_of_an_open_store_are_a_whole_copy(path):
    with EventStore(path) as store:
        fill(store, "a", 5)
        with EventStore(copied(path, "", ".wal", ".head")) as copy:
            assert copy.position == 5


def test_the_file_of_a_closed_store_is_whole_alone(path):
    for turn in range(1, 4):
        with EventStore(path) as store:
            fill(store, "a", 5)
        assert not path.with_name("s.duckdb.wal").exists()
        with EventStore(copied(path, "")) as copy:
            assert copy.position == 5 * turn
            assert copy.verify().ok
        shutil.rmtree(path.parent / "elsewhere")


def test_a_store_that_was_only_read_stays_whole_alone(path):
    with EventStore(path) as store:
        fill(store, "a", 5)
    with EventStore(path) as store:
        assert store.version("a") == 5
        with EventStore(copied(path, "")) as copy:
            assert copy.position == 5


def test_after_a_crash_the_main_file_alone_says_that_events_may_be_missing(path):
    code = (
        "import os, sys; from esnb import EventStore, new_event; s = EventStore(sys.argv[1]);"
        "s.append('a', [new_event('X')], expected_version=0, aggregate_type='T'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=True)
    with pytest.raises(StoreCorruptError, match="may be missing"):
        EventStore(copied(path, ""))
    with EventStore(path) as store:
        assert store.position == 1


@pytest.mark.parametrize("bit", range(0, 40 * 8, 7))
def test_a_flipped_bit_beside_the_store_is_called_damage(path, bit):
    with EventStore(path) as store:
        store.append("a", [new_event("X")], expected_version=0, aggregate_type="T")
        copy = copied(path, "", ".wal", ".head")
    head = copy.with_name("s.duckdb.head")
    content = bytearray(head.read_bytes())
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    head.write_bytes(content)
    with pytest.raises(StoreCorruptError, match=r"'s\.duckdb\.head' is damaged"):
        EventStore(copy)
    with EventStore(copy, accept_missing=True) as store:
        assert store.position == 1
