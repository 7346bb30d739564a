"""Group commit: many threads, one transaction; each has its own errors, nobody waits forever."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import pytest

from esnb import ANY, ConcurrencyError, EventStore, InvalidEventError, StoreClosedError, new_event
from esnb.store import group_commit
from esnb.store.group_commit import CommitQueue, Turn
from tests.support import ROOT, facts, run_threads

WAIT = 60  # seconds before a test gives up; no verdict depends on it


class Held:
    """Holds the first group of a store until others wait behind it, so that they form one."""

    def __init__(self, store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log = log = store._log
        self.groups: list[int] = []
        self.entered, self.go_on = threading.Event(), threading.Event()
        insert = log.insert

        def held(rows: Any, entries: Any, heads: Any) -> None:
            self.groups.append(len(entries))
            if not self.entered.is_set():
                self.entered.set()
                assert self.go_on.wait(WAIT)
            insert(rows, entries, heads)

        monkeypatch.setattr(log, "insert", held)

    def until_waiting(self, count: int) -> None:
        while len(self.log.queue._waiting) < count:
            threading.Event().wait(0.001)


def behind_one(
    store: EventStore, monkeypatch: pytest.MonkeyPatch, appends: Sequence[Callable[[], Any]]
) -> tuple[list[Any], list[int]]:
    """Let all appends wait behind a first one; returns what each gave or raised, and the groups."""
    held = Held(store, monkeypatch)
    monkeypatch.setattr(group_commit, "_PATIENCE", WAIT)
    results: list[Any] = [None] * len(appends)

    def run(n: int) -> None:
        try:
            results[n] = appends[n]()
        except Exception as error:
            results[n] = error

    first = threading.Thread(
        target=lambda: store.append("first", facts(1), expected_version=0, aggregate_type="T")
    )
    first.start()
    assert held.entered.wait(WAIT)
    threads: list[threading.Thread] = []
    for n in range(len(appends)):
        threads.append(threading.Thread(target=run, args=(n,)))
        threads[-1].start()
        held.until_waiting(n + 1)  # so that they wait in this order
    held.go_on.set()
    for thread in [first, *threads]:
        thread.join(WAIT)
        assert not thread.is_alive()
    return results, held.groups


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    with EventStore(None if request.param == "memory" else tmp_path / "s.duckdb") as store:
        yield store


def test_those_who_wait_are_stored_in_their_order_as_one_transaction(store, monkeypatch):
    def append(n: int) -> Callable[[], Any]:
        return lambda: store.append(
            f"s{n % 3}", facts(1 + n % 2), expected_version=ANY, aggregate_type="T"
        )

    results, groups = behind_one(store, monkeypatch, [append(n) for n in range(6)])
    assert groups == [1, 6]
    assert [done.position for done in results] == [2, 4, 5, 7, 8, 10]
    assert [done.version for done in results] == [1, 2, 1, 3, 3, 3]
    assert [e.event_id for e in store.read_all(after=1)] == [
        e.event_id for done in results for e in done.events
    ]
    for done in results:
        assert store.verify(done.proof).ok


def test_a_failing_append_fails_alone(store, monkeypatch):
    store.append("a", facts(2), expected_version=0, aggregate_type="T")

    def append(name: str, version: Any, kind: str | None = "T") -> Callable[[], Any]:
        return lambda: store.append(name, facts(1), expected_version=version, aggregate_type=kind)

    calls = [
        append("b", 0),
        append("a", 1),  # stale before the group
        append("b", 0),  # stale because of the group
        append("a", 2),
        append("c", 0, None),  # nobody says what it is
        append("a", 3),  # right because of the group
        append("a", ANY, "OTHER"),
        append("c", 0),
    ]
    results, _ = behind_one(store, monkeypatch, calls)
    kinds = [type(each).__name__ for each in results]
    assert kinds == [
        "Appended", "ConcurrencyError", "ConcurrencyError", "Appended", "InvalidEventError",
        "Appended", "InvalidEventError", "Appended",
    ]  # fmt: skip
    assert (results[1].expected, results[1].actual, results[1].between) == (1, 2, ("Added",))
    assert (results[2].expected, results[2].actual, results[2].between) == (0, 1, ("Added",))
    assert [(e.aggregate_id, e.sequence_number) for e in store.read_all(after=3)] == [
        ("b", 1), ("a", 3), ("a", 4), ("c", 1),
    ]  # fmt: skip
    assert store.verify(store.proof).ok


def test_an_error_of_the_engine_is_learned_by_the_one_whose_it_is(store, monkeypatch):
    """Another connection wrote "b" 1 past the store: only whoever appends to "b" is told."""
    writer = store._log._connection.cursor()

    def append(name: str) -> Callable[[], Any]:
        return lambda: store.append(name, facts(1), expected_version=0, aggregate_type="T")

    def forge(name: str) -> Callable[[], Any]:
        def forge_and_append() -> Any:
            writer.execute(
                "insert into events select 900, uuid(), 'T', ?, 1, 'Forged', 1, '{}', '{}', now(),"
                " now()",
                [name],
            )
            return append(name)()

        return forge_and_append

    results, _ = behind_one(store, monkeypatch, [append("a"), forge("b"), append("c")])
    assert isinstance(results[1], ConcurrencyError)
    assert [type(results[n]).__name__ for n in (0, 2)] == ["Appended", "Appended"]
    assert [store.version(name) for name in "abc"] == [1, 1, 1]


def test_the_same_append_by_two_threads_is_stored_once(store, monkeypatch):
    batch = facts(2)

    def append() -> Any:
        return store.append("a", batch, expected_version=ANY, aggregate_type="T")

    results, _ = behind_one(store, monkeypatch, [append, append])
    assert [done.duplicate for done in results] == [False, True]
    assert {done.position for done in results} == {3}
    assert store.version("a") == 2


def test_conditions_see_what_the_group_stores(store, monkeypatch):
    from esnb import AppendCondition, AppendConditionError

    used = AppendCondition(["Used"], where={"voucher": "SPRING"})

    def use(name: str) -> Callable[[], Any]:
        event = new_event("Used", voucher="SPRING")
        return lambda: store.append(
            name, [event], expected_version=ANY, aggregate_type="T", condition=used
        )

    def plain(name: str) -> Callable[[], Any]:
        return lambda: store.append(name, facts(1), expected_version=ANY, aggregate_type="T")

    calls = [plain("a"), use("b"), plain("c"), use("d"), plain("e")]
    results, _ = behind_one(store, monkeypatch, calls)
    assert isinstance(results[3], AppendConditionError)
    assert [e.aggregate_id for e in store.read_all(after=1)] == ["a", "b", "c", "e"]


def test_a_store_closed_meanwhile_takes_nobody_with_it(tmp_path, monkeypatch):
    """Two stores share the database: one that is closed does not fail those of the other."""
    path = tmp_path / "s.duckdb"
    with EventStore(path) as store:
        other = EventStore(path)

        def through_the_other() -> Any:
            return other.append("a", facts(1), expected_version=0, aggregate_type="T")

        closing = threading.Thread(target=other.close)  # it ends when nobody writes any more

        def through_this() -> Any:
            closing.start()
            while not other._is_closed:
                threading.Event().wait(0.001)
            return store.append("b", facts(1), expected_version=0, aggregate_type="T")

        results, _ = behind_one(store, monkeypatch, [through_the_other, through_this])
        assert type(results[1]).__name__ == "Appended"
        assert type(results[0]).__name__ == "Appended", "it was asked for before the closing"
        closing.join(WAIT)
        with pytest.raises(StoreClosedError):
            other.append("c", facts(1), expected_version=0, aggregate_type="T")


def test_an_interrupted_leader_leaves_its_followers_to_the_next(store, monkeypatch):
    """Ctrl-C in the thread that writes for all: its own append ends so, the others are stored."""
    insert, struck = store._log.insert, []

    def interrupted(rows: Any, entries: Any, heads: Any) -> None:
        if len(entries) > 1 and not struck:
            struck.append(threading.get_ident())
            raise KeyboardInterrupt
        insert(rows, entries, heads)

    monkeypatch.setattr(store._log, "insert", interrupted)
    ended: dict[int, int] = {}

    def append(n: int) -> Callable[[], Any]:
        def run() -> Any:
            try:
                return store.append(f"s{n}", facts(1), expected_version=0, aggregate_type="T")
            except KeyboardInterrupt:
                ended[n] = threading.get_ident()
                raise InvalidEventError("interrupted") from None

        return run

    results, _ = behind_one(store, monkeypatch, [append(n) for n in range(5)])
    assert list(ended.values()) == struck
    for n, done in enumerate(results):
        assert store.version(f"s{n}") == (0 if n in ended else 1)
        assert isinstance(done, InvalidEventError) == (n in ended)


# -- the queue itself ----------------------------------------------------------------------------


def _lines_of(code: Any) -> list[int]:
    return sorted({line for _, _, line in code.co_lines() if line and line > code.co_firstlineno})


LINES = [
    (function.__name__, line)
    for function in (
        CommitQueue.take_turn,
        CommitQueue._lead,
        CommitQueue._wake_next,
    )
    for line in _lines_of(function.__code__)
]


@pytest.mark.parametrize(("function", "line"), LINES, ids=lambda value: str(value))
def test_ctrl_c_at_any_line_strands_nobody(function, line, monkeypatch):
    """The first thread is interrupted at this line while three others come; all end."""
    monkeypatch.setattr(group_commit, "_PATIENCE", 0.01)
    queue, done, struck = CommitQueue(), [], []
    others: list[threading.Thread] = []

    def work(group: Sequence[Turn]) -> None:
        for turn in group:
            turn.is_done = True
            done.append(turn)

    def follow() -> None:
        turn = Turn()
        queue.take_turn(turn, work)
        assert turn.is_done

    def at_line(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != group_commit.__file__:
            return None
        here = event == "line" and (frame.f_code.co_name, frame.f_lineno) == (function, line)
        if here and not struck:
            struck.append(line)
            raise KeyboardInterrupt
        return at_line

    def interrupted() -> None:
        def busy(group: Sequence[Turn]) -> None:
            if not others:
                others.extend(threading.Thread(target=follow) for _ in range(3))
                for other in others:
                    other.start()
            work(group)

        sys.settrace(at_line)
        try:
            queue.take_turn(Turn(), busy)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)

    first = threading.Thread(target=interrupted)
    first.start()
    first.join(WAIT)
    for other in others:
        other.join(WAIT)
        assert not other.is_alive(), f"stranded after {function}, line {line}"
    follow()  # and the next one finds nothing in its way


def test_more_than_one_group_can_wait(monkeypatch):
    monkeypatch.setattr(group_commit, "_MOST", 2)
    queue, sizes, lock = CommitQueue(), [], threading.Lock()

    def work(group: Sequence[Turn]) -> None:
        with lock:
            sizes.append(len(group))
        for turn in group:
            turn.is_done = True

    def take(_: int) -> None:
        for _ in range(20):
            turn = Turn()
            queue.take_turn(turn, work)
            assert turn.is_done

    run_threads(8, take)
    assert sum(sizes) == 160
    assert max(sizes) <= 2


def test_who_leads_is_in_its_own_group_however_many_wait(monkeypatch):
    monkeypatch.setattr(group_commit, "_MOST", 2)
    queue = CommitQueue()
    queue._waiting = [Turn() for _ in range(5)]  # of threads that have not got the lock
    turn = Turn()

    def work(group: Sequence[Turn]) -> None:
        assert turn in group
        for each in group:
            each.is_done = True

    queue.take_turn(turn, work)
    assert turn.is_done


# -- durable -------------------------------------------------------------------------------------

WRITERS = """
import os, struct, sys, threading
from esnb import ANY, EventStore, new_event
store = EventStore(sys.argv[1])
def write(number):
    n = 0
    while True:
        n += 1
        if n % 3:
            store.append("s%d" % number, [new_event("X", n=n)], expected_version=n - 1,
                         aggregate_type="T")
        else:
            done = store.append_all({"s%d" % number: [new_event("X", n=n)],
                                     "shared": [new_event("Y", by=number, n=n)]},
                                    expected_version={"s%d" % number: n - 1, "shared": ANY},
                                    aggregate_type="T")
        os.write(1, struct.pack("<ii", number, n))
for number in range(8):
    threading.Thread(target=write, args=(number,), daemon=True).start()
threading.Event().wait()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("wanted", [40, 150, 300])
def test_what_a_group_acknowledged_is_there_after_kill_9(tmp_path, wanted):
    path = tmp_path / "s.duckdb"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITERS, str(path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    said = writer.stdout.read(8 * wanted)  # so many appends, however long they take
    writer.kill()
    said += writer.stdout.read()
    writer.wait()
    writer.stdout.close()
    assert len(said) >= 8 * wanted
    numbers = memoryview(said[: len(said) // 8 * 8]).cast("i").tolist()
    last: dict[int, int] = {}
    for number, n in zip(numbers[::2], numbers[1::2], strict=True):
        assert n == last.get(number, 0) + 1
        last[number] = n
    with EventStore(path) as store:
        assert store.verify(store.proof).ok
        shared = [(e.data["by"], e.data["n"]) for e in store.events("shared")]
        for number, n in last.items():
            own = [e.data["n"] for e in store.events(f"s{number}")]
            assert own == list(range(1, len(own) + 1))
            assert n <= len(own) <= n + 1, "one append more, at most, was stored unacknowledged"
            # Both streams of an append_all, or none.
            assert [k for by, k in shared if by == number] == [k for k in own if k % 3 == 0]
