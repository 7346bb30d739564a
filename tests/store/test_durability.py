"""Promises 1, 5 and 8 on files: crashes, damage, and changes refused."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from esnb import (
    ANY,
    EsnbError,
    EventStore,
    NotAStoreError,
    StoreCorruptError,
    StoreLockedError,
)
from tests.store.store_files import files, noted
from tests.support import ROOT, facts, fill, seen


def put_back(path: Path, contents: dict[str, bytes]) -> None:
    for old in path.parent.iterdir():
        if old.name.startswith(path.stem):
            old.unlink()
    for name, data in contents.items():
        (path.parent / name).write_bytes(data)


def crashed(path: Path, count: int, *, checkpointed: int = 0) -> list[tuple]:
    """A store whose process died: the events after the checkpoint are in the .wal only."""
    code = """
import os, sys
from esnb import EventStore, new_event
path, count, checkpointed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
store = EventStore(path)
for n in range(1, count + 1):
    store.append("a", [new_event("Added", n=n, text="x" * 40)], expected_version=n - 1,
                 aggregate_type="TALLY")
    if n == checkpointed:
        store.close()
        store = EventStore(path)
os._exit(0)
"""
    subprocess.run(
        [sys.executable, "-c", code, str(path), str(count), str(checkpointed)],
        cwd=ROOT, check=True, timeout=60,
    )  # fmt: skip
    intact = files(path)
    with EventStore(path) as store:
        events = [seen(e) for e in store.read_all()]
    assert len(events) == count
    put_back(path, intact)
    return events


# -- 1: durable --------------------------------------------------------------------------------


def test_what_was_acknowledged_is_there_after_reopening(tmp_path):
    path = tmp_path / "s.duckdb"
    with EventStore(path) as store:
        fill(store, "a", 3)
        store.append("b", facts(50), expected_version=0, aggregate_type="T")
        before = [seen(e) for e in store.read_all()]
    for _ in range(3):
        with EventStore(path) as store:
            assert [seen(e) for e in store.read_all()] == before
            assert (store.position, store.version("a"), store.version("b")) == (53, 3, 50)
    with EventStore(path) as store:
        assert store.append("a", facts(1), expected_version=3).position == 54


# One parent forks the appenders: a fresh interpreter for each of fifty kills would take minutes.
KILLER = """
import os, random, signal, struct, sys, time
import duckdb
from esnb import ANY, EventStore, new_event
path, rounds, small = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "small"
chance = random.Random(sys.argv[4])
if small:
    # A checkpoint after every few appends, so that many kills strike in the middle of one.
    connect = duckdb.connect
    def connect_with_small_wal(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.execute("set checkpoint_threshold = '16KB'")
        return connection
    duckdb.connect = connect_with_small_wal
at_least = 0
for turn in range(rounds):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        store = EventStore(path)
        found = [e.position for e in store.read_all()]
        assert found == list(range(1, len(found) + 1)), "a gap or a double: %r" % found[-5:]
        os.write(writer, struct.pack("<q", -len(found) - 1))
        n = store.position
        while True:
            batch = [new_event("X", n=n + k + 1, text="x" * 200) for k in range(1 + n % 3)]
            done = store.append("s%d" % (n % 4), batch, expected_version=ANY, aggregate_type="T")
            n = done.position
            os.write(writer, struct.pack("<q", n))
    os.close(writer)
    pipe = os.fdopen(reader, "rb")
    first = pipe.read(8)
    assert first, "round %d: the store could not be opened" % turn
    stored = -struct.unpack("<q", first)[0] - 1
    # Every acknowledged event is there, and at most one append that was not acknowledged.
    assert at_least <= stored <= at_least + 3, (turn, at_least, stored)
    # The appends, of 1 to 3 events, end after 1, 3, 4, 6, 7, ...: none was stored in part.
    assert stored % 3 != 2, (turn, stored)
    # Wait for some appends, not for some time: a busy machine is slow. Then strike at random.
    data = pipe.read(8 * chance.randint(1, 25))
    time.sleep(chance.uniform(0, 0.01))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    data += pipe.read()
    at_least = max(stored, *struct.unpack("<%dq" % (len(data) // 8), data[: len(data) // 8 * 8]), 0)
    pipe.close()
print(at_least)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork and no SIGKILL")
@pytest.mark.parametrize(("wal", "rounds"), [("default", 25), ("small", 25)])
def test_kill_9_during_appends_loses_nothing_that_was_acknowledged(tmp_path, wal, rounds):
    """Fifty kills in all, half of them with a checkpoint every few appends."""
    path = tmp_path / "s.duckdb"
    run = subprocess.run(
        [sys.executable, "-c", KILLER, str(path), str(rounds), wal, "1"],
        cwd=ROOT, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    acknowledged = int(run.stdout)
    assert acknowledged >= rounds  # it did write in between
    with EventStore(path) as store:
        events = list(store.read_all())
        assert acknowledged <= len(events) <= acknowledged + 3
        assert [e.position for e in events] == list(range(1, len(events) + 1))
        assert [e.data["n"] for e in events] == list(range(1, len(events) + 1))
        assert len({e.event_id for e in events}) == len(events)
        for name in {e.aggregate_id for e in events}:
            own = store.events(name)
            assert [e.sequence_number for e in own] == list(range(1, len(own) + 1))
            assert store.version(name) == len(own)
        assert store.append("s0", facts(1), expected_version=ANY).position == len(events) + 1
        # Event and chain are one transaction: no kill came between them.
        assert store.verify(store.proof).ok


# -- 5: the database itself refuses ------------------------------------------------------------

CHANGES = [
    "update events set event_type = 'Forged'",
    "update events set event_data = '{}' where position = 1",
    "update events set event_type = 'x' where false",
    "delete from events",
    "delete from events where position = 2",
    "delete from events where false",
    "truncate events",
    "truncate table main.events",
    "with gone as (delete from events returning *) select * from gone",
    "with new as (update events set event_type = 'x' returning *) select * from new",
    "merge into events using (select 1 as p) s on position = s.p when matched then delete",
    "merge into events using (select 1 as p) s on position = s.p "
    "when matched then update set event_type = 'x'",
    "insert or replace into events select * from events",
    "insert or ignore into events select * from events",
    "insert into events select * from events on conflict do update set event_type = 'x'",
    "begin; delete from events; commit",
    "explain analyze delete from events",
    "delete from events using snapshots",
    "insert into events select position, event_id, aggregate_type, aggregate_id, sequence_number, "
    "'Forged', event_version, event_data, metadata, occurred_at, recorded_at from events",
]


@pytest.fixture
def closed_store(tmp_path):
    path = tmp_path / "s.duckdb"
    with EventStore(path) as store:
        fill(store, "a", 3)
        before = [seen(e) for e in store.read_all()]
    yield path
    with EventStore(path) as store:
        assert [seen(e) for e in store.read_all()] == before


@pytest.mark.parametrize("change", CHANGES)
def test_the_database_itself_refuses_to_change_events(closed_store, change):
    raw = duckdb.connect(str(closed_store))
    with pytest.raises(duckdb.Error) as caught:
        raw.execute(change)
    if "delete" in change[:9] or "update" in change[:9] or "truncate" in change[:9]:
        assert "append-only" in str(caught.value)
    with contextlib.suppress(duckdb.Error):
        raw.execute("rollback")
    assert raw.execute("select count(*) from events").fetchone() == (3,)
    raw.close()


@pytest.mark.parametrize("change", CHANGES)
def test_the_store_s_own_connections_are_refused_as_well(closed_store, change):
    with EventStore(closed_store) as store:
        for connection in (store._log._writer, store._log._connection):
            with pytest.raises(duckdb.Error):
                connection.execute(change)
            with contextlib.suppress(duckdb.Error):
                connection.execute("rollback")
        with pytest.raises(EsnbError):
            store.sql(change)


# -- 8: damaged files --------------------------------------------------------------------------


def opens_whole_or_says_so(path: Path, events: list[tuple]) -> str:
    """All acknowledged events, or StoreCorruptError, while reading at the latest."""
    try:
        with EventStore(path) as store:
            assert [seen(e) for e in store.read_all()] == events
            assert store.position == store.version("a") == len(events)
            assert [seen(e) for e in store.events("a")] == events
            return "whole"
    except StoreCorruptError:
        return "corrupt"


@pytest.mark.parametrize("checkpointed", [0, 6])
def test_a_cut_or_deleted_wal_is_noticed_at_every_length(tmp_path, checkpointed):
    path = tmp_path / "s.duckdb"
    events = crashed(path, 12, checkpointed=checkpointed)
    intact = files(path)
    wal = intact["s.duckdb.wal"]
    lengths = sorted({0, 1, 2, 7, 8, 16, len(wal) - 1, *range(0, len(wal), len(wal) // 25)})
    for length in lengths:
        put_back(path, {**intact, "s.duckdb.wal": wal[:length]})
        damaged = files(path)
        assert opens_whole_or_says_so(path, events) == "corrupt", length
        left = files(path)
        if not length:
            left.setdefault("s.duckdb.wal", b"")  # DuckDB tidies an empty one away
        assert left == damaged, "a damaged store must stay as it was found"
    put_back(path, {name: data for name, data in intact.items() if not name.endswith(".wal")})
    with pytest.raises(StoreCorruptError, match=f"{12 - checkpointed} event.s. are lost"):
        EventStore(path)
    # What the error advises works: put the missing file back, and all is there.
    (tmp_path / "s.duckdb.wal").write_bytes(wal)
    assert opens_whole_or_says_so(path, events) == "whole"


def test_going_on_without_the_lost_events_is_possible_on_purpose(tmp_path):
    path = tmp_path / "s.duckdb"
    events = crashed(path, 12, checkpointed=6)
    (tmp_path / "s.duckdb.wal").unlink()
    with pytest.raises(StoreCorruptError, match=r"accept_missing=True"):
        EventStore(path)
    with EventStore(path, accept_missing=True) as store:
        assert [seen(e) for e in store.read_all()] == events[:6]
        assert store.append("a", facts(1), expected_version=6).position == 7


@pytest.mark.parametrize("garbage", [b"\x00" * 64, b"\xff" * 64, b"more", bytes(range(256)) * 3])
def test_garbage_at_the_end_of_the_wal_loses_nothing(tmp_path, garbage):
    path = tmp_path / "s.duckdb"
    events = crashed(path, 6)
    with (tmp_path / "s.duckdb.wal").open("ab") as file:
        file.write(garbage)
    opens_whole_or_says_so(path, events)


def test_flipped_bytes_in_the_wal_lose_nothing_silently(tmp_path):
    path = tmp_path / "s.duckdb"
    events = crashed(path, 12, checkpointed=4)
    intact = files(path)
    wal = intact["s.duckdb.wal"]
    chance = random.Random(1)
    outcomes = []
    for offset in [*range(0, 24, 3), *(chance.randrange(len(wal)) for _ in range(110))]:
        flipped = bytearray(wal)
        flipped[offset] ^= chance.randrange(1, 256)
        put_back(path, {**intact, "s.duckdb.wal": bytes(flipped)})
        outcomes.append(opens_whole_or_says_so(path, events))
    assert outcomes.count("corrupt") > 90


def test_flipped_bytes_in_the_database_lose_nothing_silently(tmp_path):
    path = tmp_path / "s.duckdb"
    with EventStore(path) as store:
        fill(store, "a", 12)
        events = [seen(e) for e in store.read_all()]
    intact = files(path)
    data = intact["s.duckdb"]
    chance = random.Random(2)
    used = [n for n in range(0, len(data), 64) if any(data[n : n + 64])]
    offsets = [0, 8, 9, 12, 20, *range(4096, 4096 + 80, 16), *range(8192, 8192 + 80, 16)]
    offsets += [chance.choice(used) + chance.randrange(64) for _ in range(100)]
    outcomes = []
    for offset in offsets:
        flipped = bytearray(data)
        flipped[offset] ^= chance.randrange(1, 256)
        put_back(path, {**intact, "s.duckdb": bytes(flipped)})
        try:
            outcomes.append(opens_whole_or_says_so(path, events))
        except NotAStoreError:  # no longer to be recognised as one: said as well
            outcomes.append("unknown")
    assert outcomes.count("whole") < len(outcomes) / 2


def test_a_cut_database_file_is_noticed(tmp_path):
    path = tmp_path / "s.duckdb"
    with EventStore(path) as store:
        fill(store, "a", 12)
        events = [seen(e) for e in store.read_all()]
    intact = files(path)
    data = intact["s.duckdb"]
    outcomes = []
    for length in [0, 1, 11, 12, 100, 4096, 8192, 12288, *range(20_000, len(data), 40_000)]:
        put_back(path, {**intact, "s.duckdb": data[:length]})
        try:
            outcomes.append(opens_whole_or_says_so(path, events))
        except NotAStoreError:  # no longer to be recognised as one: said as well
            outcomes.append("unknown")
        # A file that opens whole may be written on closing; every other one stays as it is.
        if outcomes[-1] != "whole":
            assert path.read_bytes()[:length] == data[:length]
    assert outcomes[0] == "corrupt"
    assert outcomes.count("whole") < len(outcomes) / 2


def test_a_deleted_database_with_its_evidence_left_is_noticed(tmp_path):
    path = tmp_path / "s.duckdb"
    with EventStore(path) as store:
        fill(store, "a", 2)
    path.unlink()
    with pytest.raises(StoreCorruptError, match="2 event"):
        EventStore(path)
    assert not path.exists()  # and nothing was made in its place


def test_an_older_copy_put_in_place_is_noticed(tmp_path):
    path = tmp_path / "s.duckdb"
    with EventStore(path) as store:
        fill(store, "a", 2)
    shutil.copy(path, tmp_path / "old")
    with EventStore(path) as store:
        fill(store, "a", 3)
    shutil.copy(tmp_path / "old", path)
    with pytest.raises(StoreCorruptError, match="3 event"):
        EventStore(path)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe", b"12", None])
def test_evidence_that_says_less_does_no_harm(tmp_path, content):
    path, head = tmp_path / "s.duckdb", tmp_path / "s.duckdb.head"
    with EventStore(path) as store:
        fill(store, "a", 15)
    if content is None:
        head.unlink()
    else:
        head.write_bytes(content)
    with EventStore(path) as store:
        assert store.position == 15
        fill(store, "a", 1)
    assert noted(path) == 16


def test_opening_never_empties_the_evidence(tmp_path, monkeypatch):
    """A crash, or a full disk, between opening the note and writing it must not lose it."""
    path = tmp_path / "s.duckdb"
    with EventStore(path) as store:
        fill(store, "a", 7)
    monkeypatch.setattr("esnb.store.head_file.HeadFile.write", lambda *_: None)
    with EventStore(path):
        assert noted(path) == 7


def test_locked_and_damaged_are_told_apart(tmp_path):
    assert not issubclass(StoreLockedError, StoreCorruptError)
    assert not issubclass(NotAStoreError, StoreCorruptError)
