"""How long an answer may take: its own work counts, a call at a time; sleeping is told apart."""

from __future__ import annotations

import threading
import time

import pytest

from esnb import Event
from esnb.course.exercises import check
from esnb.course.exercises.engine import time_limit
from esnb.course.exercises.engine.verdicts import attempt
from tests.course.exercises.test_engine import ID, define, exercise, paid

__all__ = ["exercise"]  # the fixture

pytestmark = pytest.mark.usefixtures("exercise")


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "while True:\n        try: kept.append(1); kept.clear()\n        except Exception: pass",
        "while True:\n        try: print('x')\n        except: pass",
        "from esnb import EventStore\n    store = EventStore()\n    while True: store.version('a')",
    ],
)
def test_an_endless_loop_is_stopped(body: str) -> None:
    before = threading.active_count()
    feedback = check(ID, define(f"def total(events):\n    {body}\n"))
    assert (feedback.outcome, feedback.mistake) == ("not quite", "endless")
    assert "restart" not in feedback.message
    assert "Stopped" not in repr(feedback)
    assert threading.active_count() <= before


def test_the_stop_button_ends_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time_limit, "_wait", pressed)
    assert check(ID, lambda events: time.sleep(0.05)).mistake == "endless"


def test_a_call_that_never_comes_back_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "IDLE", 0.1)
    monkeypatch.setattr(time_limit, "LIMIT", 0.1)
    monkeypatch.setattr(time_limit, "STUBBORN", 0.1)
    lock = threading.Lock()
    lock.acquire()
    feedback = check(ID, lambda events: lock.acquire(timeout=3))
    assert feedback.mistake == "asleep"
    assert "restart the kernel" in feedback.message


def test_sleeping_is_not_looping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "IDLE", 0.2)
    monkeypatch.setattr(time_limit, "LIMIT", 0.2)
    before = threading.active_count()
    feedback = check(ID, define("import time\ndef total(events):\n    time.sleep(60)\n"))
    assert feedback.mistake == "asleep"
    assert "loop" not in feedback.message
    assert "restart" not in feedback.message  # it sleeps in naps, so it could be stopped
    assert threading.active_count() <= before
    assert time.sleep is time_limit.real_sleep


def test_a_short_nap_is_no_mistake() -> None:
    def total(events: list[Event]) -> int:
        time.sleep(0.001)
        return paid(events)

    assert check(ID, total).outcome == "right"


@pytest.mark.parametrize(
    "query",
    [
        "from esnb import EventStore\n    EventStore().sql(QUERY).fetchall()",
        "import duckdb\n    duckdb.connect().execute(QUERY).fetchall()",
        "import duckdb\n    duckdb.sql(QUERY).fetchall()",
    ],
    ids=["store", "connection", "default"],
)
def test_a_query_that_never_ends_is_stopped_too(
    query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_limit, "STUBBORN", 60.0)
    monkeypatch.setattr(time_limit, "IDLE", 1.0)
    long = (
        "'select count(*) from range(1000000) a, range(1000000) b where a.range * b.range % 7 = 3'"
    )
    before = threading.active_count()
    feedback = check(ID, define(f"def total(events):\n    {query.replace('QUERY', long)}\n"))
    assert feedback.mistake == "endless", feedback
    assert "restart" not in feedback.message
    assert threading.active_count() <= before


def test_the_work_of_others_does_not_make_an_answer_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "LIMIT", 0.2)
    done = threading.Event()

    def busy() -> None:
        while not done.is_set():
            sum(range(1_000))

    others = [threading.Thread(target=busy, daemon=True) for _ in range(2)]
    for other in others:
        other.start()
    try:
        assert check(ID, paid).outcome == "right"
    finally:
        done.set()
        for other in others:
            other.join()


def test_each_call_of_an_answer_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "slowness", lambda: 1.0)

    def slow() -> None:
        for _ in range(6):
            attempt(lambda: sum(range(1_500_000)))

    each = time_limit.run(lambda: attempt(lambda: sum(range(1_500_000))), limit=60.0)
    assert not each.endless
    began = time.thread_time()
    sum(range(1_500_000))
    once = time.thread_time() - began
    assert not time_limit.run(slow, limit=4 * once).endless  # all together take 6 times as long


def test_a_sign_of_life_and_then_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(time_limit, "SILENCE", 0.05)
    check(ID, define("def total(events):\n    while True: pass\n"))
    assert capsys.readouterr().out.count("Still trying your answer") == 1


def test_time_passes_as_one_looks_at_the_clock() -> None:
    with time_limit.lesson_time():
        began, looks = time.monotonic(), 0
        while time.monotonic() < began + 0.05:
            looks += 1
        time.sleep(3600)
        assert time.monotonic() - began > 3600
    assert 100 < looks < 1000
    assert time.sleep is time_limit.real_sleep
