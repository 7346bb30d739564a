"""Clocks: the real one, and the one of a lesson, which repeats."""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esnb import ANY, EventStore, InvalidEventError, LessonClock, NaiveTimeError, new_event
from esnb.clock import SystemClock, utc
from tests.support import Tally, run_threads

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
def in_new_york(monkeypatch):
    """The machine itself is in another zone: a guess by it would be wrong by hours."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
    assert os.environ.get("TZ") != "America/New_York"


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 3, 2, 9),
        "2026-03-02T09:00:00",
        "2026-03-02",
        "2026-W10-1",
        date(2026, 3, 2),
        pd.Timestamp("2026-03-02 09:00"),
        pd.NaT,
        None,
        5,
        1.5,
        "",
        "nonsense",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_what_is_no_moment_is_refused_and_never_guessed(value):
    with pytest.raises(NaiveTimeError):
        utc(value)


def test_naive_times_are_refused_everywhere():
    naive, text = datetime(2026, 3, 2, 9), "2026-03-02T09:00:00"
    with EventStore(clock=LessonClock()) as store:
        store.append("a", [new_event("Added")], expected_version=0, aggregate_type="TALLY")
        for value in (naive, text):
            for use in (
                lambda v: new_event("X", occurred_at=v),
                lambda v: store.events("a", until=v),
                lambda v: store.as_of(v),
                lambda v: store.load(Tally, "a", at=v),
                lambda v: LessonClock(v),
                lambda v: LessonClock().set(v),
                lambda v: store.new(Tally, "b").record("Added", occurred_at=v),
            ):
                with pytest.raises(NaiveTimeError):
                    use(value)
        assert store.position == 1


def test_a_clock_without_a_zone_is_refused_at_the_append():
    class Careless:
        def now(self):
            return datetime(2026, 3, 2, 9)

        def new_id(self):
            return SystemClock().new_id()

    with EventStore(clock=Careless()) as store:
        with pytest.raises(NaiveTimeError):
            store.append("a", [new_event("X")], expected_version=0, aggregate_type="T")
        assert store.position == 0


@given(
    moment=st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)),
    zone=st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati"]),
    fold=st.sampled_from([0, 1]),
)
def test_every_zone_is_converted_and_the_moment_stays(moment, zone, fold):
    aware = moment.replace(tzinfo=ZoneInfo(zone), fold=fold)
    assert utc(aware) == aware.astimezone(UTC)
    assert utc(aware).tzinfo is UTC
    assert utc(aware.isoformat()) == utc(aware)


def test_the_hour_that_exists_twice_is_told_apart():
    # On 1 November 2026 New York's clocks go from 2:00 back to 1:00.
    first = utc(datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK, fold=0))
    second = utc(datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK, fold=1))
    assert second - first == timedelta(hours=1)
    with EventStore() as store:
        for when in (first, second):
            store.append(
                "a", [new_event("X", occurred_at=when)], expected_version=ANY, aggregate_type="T"
            )
        assert len(store.events("a", until=first)) == 1
        assert [e.occurred_at for e in store.events("a")] == [first, second]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system cannot change its zone")
@pytest.mark.usefixtures("in_new_york")
def test_the_zone_of_the_machine_does_not_matter(tmp_path):
    when = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    with EventStore(tmp_path / "s.duckdb", clock=LessonClock()) as store:
        store.append(
            "a", [new_event("X", occurred_at=when)], expected_version=0, aggregate_type="T"
        )
        rows = store.sql("select occurred_at, recorded_at from events").fetchall()
        assert rows == [(datetime(2026, 7, 1, 10), datetime(2026, 3, 2, 9))]
        assert store.events("a")[0].occurred_at == when
        assert len(store.events("a", until="2026-07-01T10:00:00Z")) == 1
        assert store.events("a", until="2026-07-01T09:59:59.999999Z") == []
        assert str(store.df()["occurred_at"].dtype) == "datetime64[us, UTC]"
    with EventStore(tmp_path / "s.duckdb") as store:
        assert store.events("a")[0].occurred_at == when


def test_times_keep_microseconds_and_the_ends_of_the_calendar():
    times = ["0001-01-01T00:00:00Z", "2026-03-02T09:00:00.000001Z", "9999-12-31T23:59:59.999999Z"]
    with EventStore() as store:
        for when in times:
            store.append(
                "a", [new_event("X", occurred_at=when)], expected_version=ANY, aggregate_type="T"
            )
        assert [e.occurred_at for e in store.events("a")] == [utc(t) for t in times]
        assert len(list(store.read_all())) == 3
        assert len(list(store.as_of(times[2]).read_all())) == 3
        assert len(list(store.as_of(times[1]).read_all())) == 2


def test_nanoseconds_of_pandas_do_not_break_a_retry():
    event = new_event("X", occurred_at=pd.Timestamp("2026-01-01T00:00:00.123456789Z"))
    with EventStore() as store:
        store.append("a", [event], expected_version=0, aggregate_type="T")
        assert store.append("a", [event], expected_version=0).duplicate


def test_the_lesson_clock_repeats():
    def run(seed):
        clock = LessonClock("2026-03-02T09:00:00Z", step=2, seed=seed)
        return [(clock.now(), clock.new_id()) for _ in range(5)]

    assert run(0) == run(0)
    assert [t for t, _ in run(0)] == [t for t, _ in run(1)]
    assert {i for _, i in run(0)}.isdisjoint(i for _, i in run(1))
    assert run(0)[1][0] - run(0)[0][0] == timedelta(seconds=2)


def test_the_lesson_clock_advances_and_jumps():
    clock = LessonClock()
    assert clock.now() == datetime(2026, 3, 2, 9, tzinfo=UTC)
    clock.advance(hours=1, minutes=30)
    assert clock.now() == datetime(2026, 3, 2, 10, 30, 1, tzinfo=UTC)
    clock.set("2026-01-01T00:00:00+01:00")
    assert clock.now() == datetime(2025, 12, 31, 23, tzinfo=UTC)


def test_the_log_s_own_time_never_runs_backwards(tmp_path):
    clock = LessonClock()
    path = tmp_path / "s.duckdb"
    with EventStore(path, clock=clock) as store:
        store.append("a", [new_event("X")], expected_version=0, aggregate_type="T")
        clock.set("2020-01-01T00:00:00Z")
        store.append("a", [new_event("X")], expected_version=1)
    with EventStore(path, clock=LessonClock("2019-01-01T00:00:00Z")) as store:
        store.append("a", [new_event("X", occurred_at="1999-01-01T00:00:00Z")], expected_version=2)
        times = [e.recorded_at for e in store.events("a")]
        assert times == sorted(times)
        assert store.events("a")[2].occurred_at.year == 1999


def test_one_append_takes_one_reading_of_the_clock():
    with EventStore(clock=LessonClock()) as store:
        done = store.append("a", [new_event("X"), new_event("Y")], expected_version=0,
                            aggregate_type="T")  # fmt: skip
        assert {e.occurred_at for e in done.events} == {datetime(2026, 3, 2, 9, tzinfo=UTC)}
        assert {e.recorded_at for e in done.events} == {datetime(2026, 3, 2, 9, tzinfo=UTC)}
        assert store.clock.now() == datetime(2026, 3, 2, 9, 0, 1, tzinfo=UTC)


def test_the_system_clock_is_utc_and_its_ids_are_new():
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert len({clock.new_id() for _ in range(100)}) == 100


def test_a_lesson_that_goes_on_with_its_file_gets_no_id_twice(tmp_path):
    """Each session begins with the same seed; the ids it gives must be new all the same."""

    def sessions(path):
        for _ in range(4):
            with EventStore(path, clock=LessonClock()) as store:
                for _ in range(3):
                    event = new_event("X")
                    store.append("a", [event], expected_version=ANY, aggregate_type="T")
                    assert store.append("a", [event], expected_version=ANY).duplicate
        with EventStore(path) as store:
            return [e.event_id for e in store.read_all()]

    ids = sessions(tmp_path / "one.duckdb")
    assert len(set(ids)) == len(ids) == 12
    assert sessions(tmp_path / "two.duckdb") == ids  # and they repeat


def test_clocks_may_be_used_by_many_threads():
    clock = LessonClock()
    readings, ids = [], []

    def work(_):
        for _ in range(200):
            readings.append(clock.now())
            ids.append(clock.new_id())

    run_threads(8, work)
    assert len(set(readings)) == len(set(ids)) == 1600


@pytest.mark.parametrize(
    "move",
    [
        lambda: LessonClock(step=float("inf")),
        lambda: LessonClock(step="x"),
        lambda: LessonClock().advance(days=10**12),
        lambda: LessonClock().advance(weeks="x"),
        lambda: LessonClock().advance(years=1),
        lambda: LessonClock().advance(days=9_000_000),
        lambda: LessonClock("9999-12-31T23:59:59.5Z").now(),
        lambda: LessonClock().set("9999-12-31T23:59:59-01:00"),
    ],
)
def test_a_clock_that_cannot_move_says_so(move):
    with pytest.raises(InvalidEventError, match=r"duration|years 1 to 9999"):
        move()


def test_times_of_pandas_beyond_python_are_named():
    late = pd.to_datetime(1577836800000, unit="s", utc=True)
    with pytest.raises(NaiveTimeError, match=r"51969.*outside the years 1 to 9999.*milliseconds"):
        utc(late)
    with pytest.raises(NaiveTimeError, match="not a time"):
        utc(pd.NaT)
