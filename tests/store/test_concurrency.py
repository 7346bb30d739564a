"""Promises 4, 6 and 7: positions without a gap, one object in many threads, one process a file."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter

import duckdb
import pandas as pd
import pytest

from esnb import (
    ANY,
    ConcurrencyError,
    EsnbError,
    EventStore,
    StoreClosedError,
    StoreLockedError,
    new_event,
)
from tests.support import ROOT, Tally, expected_tally, facts, fill, public, run_threads, seen


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    path = None if request.param == "memory" else tmp_path / "s.duckdb"
    with EventStore(path) as store:
        yield store


class Poller(threading.Thread):
    """Reads on from the last position it saw, as a projection does, until it is told to stop."""

    def __init__(self, store: EventStore) -> None:
        super().__init__()
        self.store, self.seen, self.failure = store, [], None
        self.done = threading.Event()

    def run(self) -> None:
        try:
            last = False
            while not last:
                last = self.done.is_set()
                after, head = (self.seen[-1].position if self.seen else 0), self.store.position
                self.seen += self.store.read_all(after=after)
                # What the store calls its position can be read: it is never ahead of the commits.
                assert head <= (self.seen[-1].position if self.seen else 0)
                time.sleep(0.001)
        except BaseException as error:
            self.failure = error

    def finish(self):
        self.done.set()
        self.join()
        if self.failure:
            raise self.failure
        return self.seen


@pytest.mark.parametrize("threads", [2, 3, 4, 8, 16])
def test_one_winner_per_version_and_a_poller_misses_nothing(store, threads):
    """Every thread wants to write every version of one stream; and its own stream between."""
    rounds = 24 if threads > 4 else 60
    winners: Counter[int] = Counter()
    losses: Counter[int] = Counter()
    lock = threading.Lock()
    poller = Poller(store)
    poller.start()

    def work(number: int) -> None:
        for version in range(rounds):
            batch = [new_event("Raced", by=number, n=k) for k in range(1 + version % 2)]
            # The shared stream gets two events every other round: versions 0, 1, 3, 4, 6 ...
            expected = version // 2 * 3 + version % 2
            while store.version("shared") < expected:
                time.sleep(0.0005)  # a round begins when the one before is decided
            lost = None
            try:
                store.append("shared", batch, expected_version=expected, aggregate_type="T")
            except ConcurrencyError as error:
                lost = error
            with lock:
                (losses if lost else winners)[version] += 1
            if lost:
                assert lost.expected == expected < lost.actual
                assert set(lost.between) == {"Raced"}
            store.append(f"own-{number}", facts(1), expected_version=version, aggregate_type="T")

    try:
        run_threads(threads, work)
    finally:
        polled = poller.finish()
    assert winners == dict.fromkeys(range(rounds), 1)
    assert losses == dict.fromkeys(range(rounds), threads - 1)
    shared = rounds // 2 * 3
    total = shared + threads * rounds
    assert store.position == total
    assert [e.position for e in polled] == list(range(1, total + 1))
    assert [seen(e) for e in polled] == [seen(e) for e in store.read_all()]
    assert [e.sequence_number for e in store.events("shared")] == list(range(1, shared + 1))
    for number in range(threads):
        own = store.events(f"own-{number}")
        assert [e.sequence_number for e in own] == list(range(1, rounds + 1))
    ids = store.sql("select count(distinct event_id), count(*) from events").fetchone()
    assert ids == (total, total)


def test_thousands_of_appends_by_any_writer_leave_no_gap(store):
    """Eight threads append and retry at random, alone and in batches; two pollers watch."""
    count, threads = 150, 8
    pollers = [Poller(store), Poller(store)]
    for poller in pollers:
        poller.start()

    def work(number: int) -> None:
        chance = random.Random(number)
        last = None
        for _ in range(count):
            if last and chance.random() < 0.05:
                assert store.append(last[0], last[1], expected_version=0).duplicate
            name, batch = f"s{chance.randrange(40)}", facts(chance.choice([1, 1, 1, 2, 7]))
            done = store.append(name, batch, expected_version=ANY, aggregate_type="T")
            assert [e.event_id for e in done.events] == [e.event_id for e in batch]
            last = (name, batch)

    try:
        run_threads(threads, work)
    finally:
        logs = [poller.finish() for poller in pollers]
    positions = list(range(1, store.position + 1))
    assert len(positions) >= count * threads
    for log in logs:
        assert [e.position for e in log] == positions
    for n in range(40):
        numbers = [e.sequence_number for e in store.events(f"s{n}")]
        assert numbers == list(range(1, len(numbers) + 1))


def test_bulk_loads_and_single_appends_do_not_share_a_position(store):
    """A table is loaded while others append: the numbers of both still have no gap."""
    frames = [
        pd.DataFrame({"id": [f"f{k}-{n % 5}" for n in range(50)], "type": "Loaded", "n": range(50),
                      "time": pd.Timestamp("2026-01-01", tz="UTC")})
        for k in range(12)
    ]  # fmt: skip

    def work(number: int) -> None:
        if number == 0:
            for frame in frames:
                store.append_frame(frame, aggregate_id="id", event_type="type",
                                   occurred_at="time", aggregate_type="T")  # fmt: skip
        else:
            for version in range(150):
                store.append(
                    f"own-{number}", facts(1), expected_version=version, aggregate_type="T"
                )

    run_threads(3, work)
    rows = store.sql("select position from events order by 1").fetchall()
    assert [r[0] for r in rows] == list(range(1, 900 + 1))
    assert store.position == 900
    for k in range(12):
        for n in range(5):
            assert store.version(f"f{k}-{n}") == len(store.events(f"f{k}-{n}")) == 10


def test_one_object_in_many_threads_gives_each_its_own_answer(store):
    """Reads, queries, loads and writes at once; every answer must be the asker's own."""
    for n in range(10):
        store.append(f"r{n}", [new_event("Added", n=n) for _ in range(n + 1)],
                     expected_version=0, aggregate_type="TALLY")  # fmt: skip
    settled = store.position

    def work(number: int) -> None:
        chance = random.Random(number)
        for turn in range(20):
            n = chance.randrange(10)
            events = store.events(f"r{n}")
            assert {e.aggregate_id for e in events} == {f"r{n}"}
            assert len(events) == n + 1 == store.version(f"r{n}")
            tally = store.load(Tally, f"r{n}")
            assert public(tally) == expected_tally(events)
            query = "select ?::int, count(*) from events where aggregate_id = ?"
            assert store.sql(query, [turn, f"r{n}"]).fetchall() == [(turn, n + 1)]
            past = store.as_of(settled)
            assert past.sql("select max(position) from events").fetchone() == (settled,)
            assert past.version(f"w{number}") == 0
            mine = store.new(Tally, f"w{number}") if turn == 0 else store.load(Tally, f"w{number}")
            mine.add(turn)
            assert store.save(mine).version == turn + 1
            assert store.load(Tally, f"w{number}", at=turn + 1).total == turn * (turn + 1) // 2

    run_threads(8, work)
    assert store.position == settled + 8 * 20


def test_closing_while_others_work_gives_only_the_closed_error(tmp_path):
    for attempt in range(5):
        store = EventStore(tmp_path / f"s{attempt}.duckdb")
        fill(store, "a", 5)
        acknowledged = []

        def work(number: int, store=store, acknowledged=acknowledged) -> None:
            if number == 0:
                while len(acknowledged) < 10:
                    time.sleep(0.0005)
                store.close()
                return

            def until_closed() -> None:
                while True:
                    if number % 2:
                        done = store.append(f"w{number}", facts(1), expected_version=ANY,
                                            aggregate_type="T")  # fmt: skip
                        acknowledged.append(done.position)
                    else:
                        assert len(store.events("a")) == 5
                        store.sql("select count(*) from events").fetchall()

            with pytest.raises(StoreClosedError):
                until_closed()

        run_threads(5, work)
        with EventStore(tmp_path / f"s{attempt}.duckdb") as again:
            assert {e.position for e in again.read_all()} >= set(acknowledged)
            assert again.position - 5 - len(acknowledged) in (0, 1, 2)


# -- one process -------------------------------------------------------------------------------


def test_two_stores_on_one_path_share_their_state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with EventStore("s.duckdb") as one, EventStore(tmp_path / "." / "s.duckdb") as two:
        fill(one, "a", 2)
        assert two.version("a") == two.position == 2
        fill(two, "a", 1)
        assert [e.data["n"] for e in one.events("a")] == [1, 2, 3]
        with pytest.raises(ConcurrencyError):
            one.append("a", facts(1), expected_version=2)
        one.close()
        fill(two, "a", 1)  # the file stays open for the other
        with EventStore("s.duckdb") as three:
            assert three.version("a") == 4


def test_two_stores_race_as_one(tmp_path):
    path = tmp_path / "s.duckdb"
    with EventStore(path) as one, EventStore(path) as two:
        wins: list[int] = []

        def work(number: int) -> None:
            store = (one, two)[number % 2]
            for version in range(50):
                while store.version("a") < version:
                    time.sleep(0.0005)
                try:
                    store.append("a", facts(1), expected_version=version, aggregate_type="T")
                    wins.append(version)
                except ConcurrencyError:
                    pass

        run_threads(4, work)
        assert sorted(wins) == list(range(50))
        assert [e.position for e in one.read_all()] == list(range(1, 51))


def test_many_threads_open_and_close_one_file(tmp_path):
    path = tmp_path / "s.duckdb"
    EventStore(path).close()

    def work(number: int) -> None:
        for _ in range(6):
            with EventStore(path) as store:
                store.append(f"w{number}", facts(1), expected_version=ANY, aggregate_type="T")

    run_threads(4, work)
    with EventStore(path) as store:
        assert [e.position for e in store.read_all()] == list(range(1, 25))


# -- a second process --------------------------------------------------------------------------


def python(code: str, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, **options,
    )  # fmt: skip


TRY_TO_OPEN = """
import sys
from esnb import EventStore, EsnbError, new_event
try:
    with EventStore(sys.argv[1]) as store:
        done = store.append("a", [new_event("FromOther")], expected_version=int(sys.argv[2]),
                            aggregate_type="TALLY")
        print("stored", done.position)
except EsnbError as error:
    print(type(error).__name__, getattr(error, "pid", ""), error)
"""


def test_a_second_process_is_told_who_has_the_file(tmp_path):
    path = tmp_path / "s.duckdb"
    with EventStore(path) as store:
        fill(store, "a", 1)
        output = python(TRY_TO_OPEN, path, 1).stdout
        assert output.startswith(f"StoreLockedError {os.getpid()} 's.duckdb' is open in process")
        assert "store.close()" in output
        assert store.append("a", facts(1), expected_version=1).position == 2
    assert python(TRY_TO_OPEN, path, 2).stdout == "stored 3\n"
    with EventStore(path) as store:
        assert [e.type for e in store.events("a")] == ["Added", "Added", "FromOther"]


def test_this_process_is_told_when_another_has_the_file(tmp_path):
    path = tmp_path / "s.duckdb"
    owner = subprocess.Popen(
        [sys.executable, "-c",
         "import sys; from esnb import EventStore; s = EventStore(sys.argv[1]); print('open', "
         "flush=True); sys.stdin.read()", str(path)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert owner.stdout.readline() == "open\n"
        for _ in range(2):
            with pytest.raises(StoreLockedError) as caught:
                EventStore(path)
            assert caught.value.pid == owner.pid
            assert str(owner.pid) in str(caught.value)
    finally:
        owner.communicate("")
    with EventStore(path) as store:
        assert store.position == 0


def test_processes_take_turns_and_a_stale_version_is_told(tmp_path):
    """Two processes, one file: each opens, appends with what it believes, and closes."""
    path = tmp_path / "s.duckdb"
    with EventStore(path) as store:
        fill(store, "a", 1)
    believed = 1
    for turn in range(2):
        answer = python(TRY_TO_OPEN, path, believed).stdout
        assert answer == f"stored {believed + 1}\n"
        with EventStore(path) as store:
            with pytest.raises(ConcurrencyError) as caught:
                store.append("a", facts(1), expected_version=believed)
            assert caught.value.between == ("FromOther",)
            believed = store.append("a", facts(1), expected_version=believed + 1).version
        answer = python(TRY_TO_OPEN, path, believed - 1).stdout
        assert answer.startswith("ConcurrencyError")
        assert "Written in between: Added" in answer
        assert turn * 2 + 3 == believed
    with EventStore(path) as store:
        assert [e.position for e in store.read_all()] == list(range(1, believed + 1))


def test_two_processes_race_for_one_file(tmp_path):
    """Both want 8 turns with the file; whoever finds it locked tries again. Nothing gets lost."""
    code = """
import sys, time
from esnb import ANY, EventStore, StoreLockedError, new_event
done = 0
while done < 8:
    try:
        with EventStore(sys.argv[1]) as store:
            store.append("a", [new_event("X", by=sys.argv[2])], expected_version=ANY,
                         aggregate_type="T")
            done += 1
    except StoreLockedError:
        time.sleep(0.002)
"""
    path = tmp_path / "s.duckdb"
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name], cwd=ROOT) for name in "xy"
    ]
    assert [process.wait(60) for process in both] == [0, 0]
    with EventStore(path) as store:
        events = store.events("a")
        assert [e.position for e in events] == list(range(1, 17))
        assert Counter(e.data["by"] for e in events) == {"x": 8, "y": 8}


FORK = """
import os, sys
from esnb import ANY, EventStore, EsnbError, new_event
path, ending = sys.argv[1:]
store = EventStore(path)
for n in range(20):
    store.append("a", [new_event("X", n=n)], expected_version=n, aggregate_type="T")
memory = EventStore()
child = os.fork()
if child == 0:
    for use in (
        lambda: store.position,
        lambda: store.events("a"),
        lambda: store.sql("select 1"),
        lambda: store.append("a", [new_event("Child")], expected_version=ANY),
        lambda: EventStore(path),
        lambda: memory.events("a"),
    ):
        try:
            use()
            print("the child could use it")
        except EsnbError as error:
            print(type(error).__name__, error.pid == os.getppid())
    store.close()
    try:
        EventStore(path)
        print("the child could open it")
    except EsnbError as error:
        print(type(error).__name__, error.pid == os.getppid())
    del store
    sys.stdout.flush()
    if ending == "at once":
        os._exit(0)
    sys.exit(0)
os.waitpid(child, 0)
sys.stdout.flush()
store.append("a", [new_event("After", n=20)], expected_version=20)
os.kill(os.getpid(), 9)  # the parent itself never gets to close its file
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("ending", ["at once", "as a program ends"])
def test_a_forked_child_can_neither_use_nor_harm_its_parent_s_store(tmp_path, ending):
    path = tmp_path / "s.duckdb"
    run = python(FORK, path, ending)
    assert run.stdout.splitlines() == ["StoreLockedError True"] * 7, run.stderr
    with EventStore(path) as store:
        assert [e.data["n"] for e in store.events("a")] == list(range(21))


def test_errors_of_the_lock_are_errors_of_this_package(tmp_path):
    path = tmp_path / "s.duckdb"
    raw = duckdb.connect(str(path), config={"threads": 1})
    with pytest.raises(EsnbError) as caught:
        EventStore(path)
    assert isinstance(caught.value, StoreLockedError)
    assert caught.value.pid == os.getpid()
    raw.close()
    EventStore(path).close()
