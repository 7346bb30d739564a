"""The promises of the store to one writer: appends, retries, reads, the past, and SQL."""

from __future__ import annotations

import gc
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import duckdb
import pandas as pd
import pytest

from esnb import (
    ANY,
    ConcurrencyError,
    EsnbError,
    Event,
    EventStore,
    LessonClock,
    StoreClosedError,
    Upcasters,
    new_event,
)
from tests.support import Tally, facts, fill, run_threads, seen

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def store():
    with EventStore(clock=LessonClock(T0)) as store:
        yield store


def at(hour: int, kind: str = "Added", **data: object) -> Event:
    return new_event(kind, data, occurred_at=T0 + timedelta(hours=hour))


# -- 1: an append is atomic --------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3])
def test_an_append_that_the_engine_breaks_off_leaves_nothing(store, count, monkeypatch):
    """The engine fails after it did the work, for whatever reason: nothing of it may stay."""
    fill(store, "a", 2)
    log = store._log

    class Failing:
        def __init__(self, writer):
            self.writer = writer

        def execute(self, *arguments):
            self.writer.execute("begin")
            self.writer.execute(*arguments)
            raise duckdb.IOException("IO Error: something else went wrong")

        def rollback(self):
            self.writer.rollback()

    with monkeypatch.context() as patch:
        patch.setattr(log, "_writer", Failing(log._writer))
        with pytest.raises(EsnbError):
            store.append("a", facts(count), expected_version=2)
    assert (store.version("a"), store.position, len(store.events("a"))) == (2, 2, 2)
    assert store.append("a", facts(count), expected_version=2).position == 2 + count


def test_an_interrupt_right_after_the_commit_is_no_loss_and_no_double(tmp_path, monkeypatch):
    with EventStore(tmp_path / "s.duckdb") as store:
        fill(store, "a", 2)
        event = new_event("Added", n=3)

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(store._log, "stored", interrupted)  # the first thing after the commit
            with pytest.raises(KeyboardInterrupt):
                store.append("a", [event], expected_version=2)
        assert store.version("a") == len(store.events("a")) == 3
        assert store.append("a", [event], expected_version=2).duplicate
        assert store.append("b", facts(1), expected_version=0, aggregate_type="T").position == 4
        assert [e.position for e in store.read_all()] == [1, 2, 3, 4]


# -- 2: a wrong expected version ---------------------------------------------------------------


def behind_the_back(store: EventStore, aggregate_id: str, number: int, position: int) -> None:
    """Write to the table past the store, as another connection of this process can."""
    store._log._connection.cursor().execute(
        "insert into events values (?, ?, 'T', ?, ?, 'Sneaked', 1, '{}', '{}', now()::timestamp, "
        "now()::timestamp)",
        [position, uuid4(), aggregate_id, number],
    )


@pytest.mark.parametrize("count", [1, 3])
def test_the_engine_s_own_constraint_error_is_the_same_conflict(store, count):
    fill(store, "a", 2)
    behind_the_back(store, "a", 3, 3)
    assert store.version("a") == 2  # memory has not noticed
    with pytest.raises(ConcurrencyError) as caught:
        store.append("a", facts(count), expected_version=2)
    error = caught.value
    assert (error.expected, error.actual, error.between) == (2, 3, ("Sneaked",))
    assert len(store.events("a")) == 3
    assert store.append("a", facts(1), expected_version=3).position == 4


def test_a_batch_of_which_one_row_is_refused_leaves_no_row(store):
    """The engine accepts the first row and refuses the second: neither may stay."""
    fill(store, "a", 2)
    behind_the_back(store, "a", 4, 99)
    with pytest.raises(ConcurrencyError):
        store.append("a", facts(3), expected_version=2)
    rows = store.sql("select sequence_number from events order by 1").fetchall()
    assert rows == [(1,), (2,), (4,)]


def test_a_writer_with_any_goes_on_after_the_engine_s_own_conflict(store):
    fill(store, "a", 2)
    behind_the_back(store, "a", 3, 3)
    done = store.append("a", facts(2), expected_version=ANY)
    assert (done.version, done.position) == (5, 5)
    assert [e.sequence_number for e in store.events("a")] == [1, 2, 3, 4, 5]


def test_the_engine_s_commit_conflict_is_the_same_conflict(store, monkeypatch):
    """Forced: the engine notices the double key at the commit only, with its other error class."""
    fill(store, "a", 2)
    log = store._log
    writer = log._writer

    class LateConflict:
        def execute(self, *arguments):
            writer.execute("begin")
            writer.execute(*arguments)
            other = log._connection.cursor()
            other.execute("begin")
            try:
                behind_the_back(store, "a", 3, 3)  # commits first
                writer.execute("commit")
            finally:
                other.close()

        def rollback(self):
            writer.rollback()

    monkeypatch.setattr(log, "_writer", LateConflict())
    with pytest.raises(ConcurrencyError) as caught:
        store.append("a", facts(1), expected_version=2)
    assert (caught.value.actual, caught.value.between) == (3, ("Sneaked",))
    monkeypatch.undo()
    assert store.append("a", facts(1), expected_version=3).version == 4


def test_racing_raw_connections_give_one_kind_of_error_only():
    """Raw writers and the store race for the same versions; the store's side knows one error."""
    with EventStore() as store:
        fill(store, "a", 1)
        won, lost, stop = [], [], []

        def work(number):
            if number == 0:
                for _ in range(150):
                    version = len(store._log.rows("select 1 from events"))
                    try:
                        store.append("a", facts(1), expected_version=version)
                        won.append(version + 1)
                    except ConcurrencyError:
                        lost.append(version + 1)
                stop.append(True)
            else:
                while not stop:
                    position = len(store._log.rows("select 1 from events")) + 1
                    try:
                        behind_the_back(store, "a", position, position)
                    except duckdb.Error:
                        continue

        run_threads(2, work)
        numbers = [e.sequence_number for e in store.events("a")]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(won) + len(lost) == 150
        assert len(set(won)) == len(won)


# -- 8: bad arguments --------------------------------------------------------------------------

BAD_NAMES = ["", "   ", None, 5, b"a", ["a"], "a\x00b", "\ud800", True]
BAD_COUNTS = [-1, 1.5, "1", True, None, [1]]


@pytest.mark.parametrize(
    "call",
    [
        *[pytest.param(lambda s, v=v: s.append(v, facts(1), expected_version=0, aggregate_type="T"),
                       id=f"append id {v!a}") for v in BAD_NAMES],
        *[pytest.param(lambda s, v=v: s.append("n", facts(1), expected_version=0, aggregate_type=v),
                       id=f"append type {v!a}") for v in BAD_NAMES],
        *[pytest.param(lambda s, v=v: s.append("a", facts(1), expected_version=v),
                       id=f"expected {v!a}") for v in BAD_COUNTS],
        *[pytest.param(lambda s, v=v: s.append("a", v, expected_version=2), id=f"events {i}")
          for i, v in enumerate([[], (), None, 5, "text", b"x", {}, new_event("X"), [None], [1],
                                 ["x"], [{"type": "X"}], [new_event("X"), None], iter([])])],
        *[pytest.param(lambda s, v=v: s.events(v), id=f"events id {v!a}") for v in BAD_NAMES],
        *[pytest.param(lambda s, v=v: s.version(v), id=f"version id {v!a}") for v in BAD_NAMES],
        *[pytest.param(lambda s, v=v: s.load(Tally, v), id=f"load id {v!a}") for v in BAD_NAMES],
        *[pytest.param(lambda s, v=v: s.new(Tally, v), id=f"new id {v!a}") for v in BAD_NAMES],
        *[pytest.param(lambda s, v=v: s.events("a", after=v), id=f"after {v!a}")
          for v in BAD_COUNTS],
        *[pytest.param(lambda s, v=v: s.events("a", upto=v), id=f"upto {v!a}")
          for v in BAD_COUNTS if v is not None],
        *[pytest.param(lambda s, v=v: s.read_all(after=v), id=f"all after {v!a}")
          for v in BAD_COUNTS],
        *[pytest.param(lambda s, v=v: s.read_all(limit=v), id=f"limit {v!a}")
          for v in BAD_COUNTS if v is not None],
        *[pytest.param(lambda s, v=v: s.events("a", until=v), id=f"until {v!a}")
          for v in (5, "soon", "2026-01-01T00:00:00", datetime(2026, 1, 1), [])],
        *[pytest.param(lambda s, v=v: s.as_of(v), id=f"as_of {v!a}")
          for v in (-1, 99, 1.5, None, "soon", "2026-01-01", datetime(2026, 1, 1), [])],
        *[pytest.param(lambda s, v=v: s.load(Tally, "a", at=v), id=f"load at {v!a}")
          for v in (-1, 3, True, 1.5, "soon", datetime(2026, 1, 1), [])],
        *[pytest.param(lambda s, v=v: s.load(v, "a"), id=f"load class {v!a}")
          for v in (None, 5, dict, "Tally")],
        *[pytest.param(lambda s, v=v: s.new(v, "a"), id=f"new class {v!a}")
          for v in (None, 5, dict)],
        *[pytest.param(lambda s, v=v: s.save(v), id=f"save {v!a}") for v in (None, 5, {}, "x")],
        *[pytest.param(lambda s, v=v: s.snapshots(v), id=f"snapshots {v!a}")
          for v in BAD_NAMES if v is not None],
        *[pytest.param(lambda s, v=v: s.delete_snapshots(v), id=f"delete_snapshots {v!a}")
          for v in BAD_NAMES if v is not None],
        pytest.param(lambda s: s.save(Tally()), id="save without id and events"),
        pytest.param(lambda s: s.append("new", facts(1), expected_version=0),
                     id="no type for a new one"),
        pytest.param(lambda s: s.append("a", facts(1), expected_version=2, aggregate_type="OTHER"),
                     id="another type"),
        pytest.param(lambda s: s.load(Tally, "nobody"), id="load an unknown one"),
        pytest.param(lambda s: s.load(Tally, "nobody", at=0), id="load an unknown one at 0"),
        pytest.param(lambda s: s.load(Tally, "a", at="2020-01-01T00:00:00Z"),
                     id="load before it was"),
        pytest.param(lambda s: EventStore(clock="now"), id="clock"),
        pytest.param(lambda s: EventStore(upcasters={"a": 1}), id="upcasters"),
        pytest.param(lambda s: EventStore(upcasters={}), id="empty dict as upcasters"),
    ],
)  # fmt: skip
def test_every_bad_argument_gets_an_error_of_this_package(store, call):
    fill(store, "a", 2)
    before = [seen(e) for e in store.read_all()]
    with pytest.raises(EsnbError) as caught:
        call(store)
    assert str(caught.value)
    assert type(caught.value).__module__ == "esnb.errors"
    assert [seen(e) for e in store.read_all()] == before
    assert store.append("a", facts(1), expected_version=2).position == 3


# -- closing -----------------------------------------------------------------------------------


def test_a_closed_store_says_so_everywhere(tmp_path):
    store = EventStore(tmp_path / "s.duckdb")
    fill(store, "a", 2)
    past = store.as_of(1)
    result = store.sql("select * from events")
    reading = store.read_all()
    next(reading)
    tally = store.load(Tally, "a")
    store.close()
    store.close()
    assert "closed" in repr(store)
    tally.add(1)
    for use in (
        lambda: store.append("a", facts(1), expected_version=2),
        lambda: store.events("a"),
        lambda: next(store.read_all()),
        lambda: store.version("a"),
        lambda: store.position,
        lambda: store.sql("select 1"),
        lambda: store.df(),
        lambda: store.load(Tally, "a"),
        lambda: store.save(tally),
        lambda: store.as_of(1),
        lambda: store.snapshots(),
        lambda: store.delete_snapshots(),
        lambda: store.append_frame(
            pd.DataFrame({"i": ["x"], "t": ["X"], "w": ["2026-01-01T00:00:00Z"]}),
            aggregate_id="i", event_type="t", occurred_at="w", aggregate_type="T",
        ),
        lambda: past.events("a"),
        lambda: past.sql("select 1"),
        lambda: past.version("a"),
        lambda: result.fetchall(),
        lambda: result.fetchone(),
        lambda: result.df(),
        lambda: result._repr_html_(),
        lambda: repr(result),
    ):  # fmt: skip
        with pytest.raises(StoreClosedError, match=r"open it again|Open it again|open the store"):
            use()
    assert tally.pending  # what was not saved is still there
    with EventStore(tmp_path / "s.duckdb") as again:
        assert again.save(tally).version == 3


def test_an_interrupt_in_a_query_is_a_keyboard_interrupt(monkeypatch):
    """The engine turns Ctrl-C into a RuntimeError of its own. Said by a stand-in: when it listens
    to a real signal depends on the machine and its load."""
    said = []

    def broken_off(*_: object) -> None:
        raise RuntimeError(said[-1])

    with EventStore() as store:
        fill(store, "a", 2)
        with monkeypatch.context() as patch:
            patch.setattr("esnb.store.reader.select_only", broken_off)
            said.append("Query interrupted")
            with pytest.raises(KeyboardInterrupt):
                store.sql("select 1")
            said.append("something else")
            with pytest.raises(RuntimeError, match="something else"):
                store.sql("select 1")
        assert store.sql("select count(*) from events").fetchone() == (2,)
        assert store.verify().ok


def test_a_result_keeps_its_store_open():
    """Nobody else has the store: it was never named."""

    def stored() -> EventStore:
        store = EventStore()
        fill(store, "a", 2)
        return store

    query = "select count(*) from events"
    result = stored().sql(query)
    gc.collect()
    assert result.fetchall() == [(2,)]
    assert stored().as_of(1).sql(query).df().iloc[0, 0] == 1
    assert stored().as_of(1).as_of(1).sql(query).fetchone() == (1,)
    assert len(stored().known_by("2100-01-01T00:00:00Z").read_with(Upcasters()).events("a")) == 2
    past = stored().as_of(2)
    gc.collect()
    assert [event.data["n"] for event in past.events("a")] == [1, 2]


def test_a_closed_store_in_memory_does_not_ask_to_be_opened_again():
    store = EventStore()
    store.close()
    with pytest.raises(StoreClosedError, match="its events are gone with it"):
        store.events("a")


def test_with_closes_the_store_and_a_forgotten_one_closes_itself(tmp_path):
    path = tmp_path / "s.duckdb"
    with EventStore(path) as store:
        fill(store, "a", 1)
    with pytest.raises(StoreClosedError):
        store.events("a")
    forgotten = EventStore(path)
    fill(forgotten, "a", 1)
    del forgotten
    gc.collect()
    duckdb.connect(str(path), config={"threads": 1}).close()  # another configuration: it is free
    with EventStore(path) as store:
        assert store.version("a") == 2


def test_from_frame_that_fails_closes_its_file(tmp_path):
    path = tmp_path / "s.duckdb"
    with pytest.raises(EsnbError):
        EventStore.from_frame(
            pd.DataFrame({"i": []}), path, aggregate_id="i", event_type="t", occurred_at="w",
            aggregate_type="T",
        )  # fmt: skip
    duckdb.connect(str(path), config={"threads": 1}).close()


def test_reprs_are_text(store):
    fill(store, "a", 2)
    assert repr(store) == "<EventStore in memory, 2 events>"
    assert repr(store.as_of(1)) == "<in memory as of position 1>"
    assert "2026-03-02T09:00:00" in repr(store.as_of(T0))
    assert repr(ANY) == "ANY"
