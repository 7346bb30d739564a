"""The promises of the store to one writer: appends, retries, reads, the past, and SQL."""

from __future__ import annotations

import _thread
import gc
import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import duckdb
import pandas as pd
import pytest

from esnb import (
    ANY,
    AggregateNotFoundError,
    AppendOnlyError,
    ConcurrencyError,
    EsnbError,
    Event,
    EventStore,
    LessonClock,
    QueryError,
    ReadOnlyError,
    StoreClosedError,
    new_event,
)
from tests.support import Snapped, Tally, facts, fill, run_threads, seen

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


# -- 3: a retry is safe ------------------------------------------------------------------------


def twins(count: int, **changes: object) -> tuple[list[Event], list[Event]]:
    """Two lists of different objects for the same facts; `changes` make the second differ."""
    ids = [uuid4() for _ in range(count)]
    fields = [{"event_id": i, "occurred_at": T0, "metadata": {"by": "ada"}} for i in ids]
    return (
        [new_event("Added", {"n": n, "m": None}, **f) for n, f in enumerate(fields)],
        [new_event("Added", {"m": None, "n": n}, **{**f, **changes}) for n, f in enumerate(fields)],
    )


def test_a_retry_after_reopening_the_file_changes_nothing(tmp_path):
    one, two = twins(3)
    with EventStore(tmp_path / "s.duckdb") as store:
        first = store.append("a", one, expected_version=0, aggregate_type="T")
    with EventStore(tmp_path / "s.duckdb") as store:
        for batch in (one, two):
            again = store.append("a", batch, expected_version=0)
            assert again.duplicate
            assert [seen(e) for e in again.events] == [seen(e) for e in first.events]
        assert store.position == 3


# -- reading -----------------------------------------------------------------------------------


def test_read_all_of_more_than_one_chunk(store):
    frame = pd.DataFrame({"id": [f"a{n % 7}" for n in range(25_000)], "n": range(25_000)})
    frame = frame.assign(type="Added", time=pd.Timestamp("2026-01-01", tz="UTC"))
    store.append_frame(
        frame, aggregate_id="id", event_type="type", occurred_at="time", aggregate_type="T"
    )
    assert [e.position for e in store.read_all()] == list(range(1, 25_001))
    assert [e.position for e in store.read_all(9_999, 10_002)] == list(range(10_000, 20_002))
    past = store.as_of("2026-01-01T00:00:00Z")
    assert [e.position for e in past.read_all(9_999, 10_002)] == list(range(10_000, 20_002))


def test_the_log_as_a_table(store):
    store.append("a", [at(0, n=1, position="p", x=[1])], expected_version=0, aggregate_type="T")
    store.append("a", [at(1, m=None)], expected_version=1)
    frame = store.df()
    assert list(frame.columns) == [
        "position", "event_id", "aggregate_type", "aggregate_id", "sequence_number", "event_type",
        "event_version", "event_data", "metadata", "occurred_at", "recorded_at",
    ]  # fmt: skip
    assert frame["event_id"].map(UUID).tolist() == [e.event_id for e in store.read_all()]
    wide = store.df(expand=True)
    assert wide.loc[0, "data_position"] == "p"
    assert wide.loc[0, "x"] == [1]
    assert wide["position"].tolist() == [1, 2]
    with EventStore() as empty:
        assert len(empty.df()) == 0
        assert list(empty.df(expand=True).columns)[:2] == ["position", "event_id"]


# -- the past ----------------------------------------------------------------------------------


@pytest.fixture
def story(store):
    """Three streams whose times are neither monotone nor all different."""
    hours = [("a", 0), ("b", 1), ("a", 3), ("a", 2), ("b", 3), ("c", 3), ("a", 5)]
    for aggregate_id, hour in hours:
        store.append(aggregate_id, [at(hour, n=hour)], expected_version=ANY, aggregate_type="TALLY")
    return store


@pytest.mark.parametrize("position", range(8))
def test_the_past_by_position(story, position):
    past = story.as_of(position)
    events = [e for e in story.read_all() if e.position <= position]
    assert list(past.read_all()) == events
    assert past.position == position
    assert past.df()["position"].tolist() == [e.position for e in events]
    for name in "abcd":
        own = [e for e in events if e.aggregate_id == name]
        assert past.events(name) == own
        assert past.version(name) == len(own)
    assert past.sql("select count(*) from events").fetchone() == (position,)


@pytest.mark.parametrize("hour", [-1, 0, 1, 2, 2.5, 3, 4, 5, 99])
def test_the_past_by_time(story, hour):
    when = T0 + timedelta(hours=hour)
    past = story.as_of(when)
    events = [e for e in story.read_all() if e.occurred_at <= when]
    assert list(past.read_all()) == events
    assert list(past.read_all(limit=2)) == events[:2]
    assert past.position == (events[-1].position if events else 0)
    assert past.sql("select position from events order by 1").fetchall() == [
        (e.position,) for e in events
    ]
    for name in "abc":
        own = [e for e in events if e.aggregate_id == name]
        assert past.events(name) == own
        if own:
            assert past.load(Tally, name).count == len(own)
        else:
            with pytest.raises(AggregateNotFoundError):
                past.load(Tally, name)
    assert list(story.as_of(when.isoformat()).read_all()) == events


@pytest.mark.parametrize("name", ["s.duckdb", "main.duckdb", 'a b\'s "q".duckdb', "EVENTS.duckdb"])
def test_sql_on_the_past_hides_the_future_under_every_name(tmp_path, name):
    with EventStore(tmp_path / name) as store:
        fill(store, "a", 5)
        catalog = '"' + store._log.catalog.replace('"', '""') + '"'
        quoted = catalog.replace("'", "''")
        for past in (store.as_of(2), store.as_of(store.events("a")[1].occurred_at)):
            for query in (
                "select count(*) from events",
                "select max(position) from events",
                "with e as (select * from events) select count(*) from e",
                "select count(*) from events as e join events as f using (position)",
                "select count(*) from query_table('events')",
                "from query('select count(*) from events')",
                "select count(*) from temp.events",
            ):
                assert past.sql(query).fetchone() == (2,)
            for query in (
                f"select count(*) from {catalog}.main.events",
                f"select count(*) from {catalog.upper()}.Main.Events",
                f"select (select count(*) from {catalog}.main.events)",
                f"with e as (select * from {catalog}.main.events) select count(*) from e",
                f"from query('select 1 from {quoted}.main.events')",
                f"explain select * from {catalog}.main.events",
                f"pivot {catalog}.main.events on event_type using count(*)",
                f"select * from {catalog}.main.snapshots",
            ):
                with pytest.raises((QueryError, ReadOnlyError)):
                    past.sql(query)
        assert store.sql(f"select count(*) from {catalog}.main.events").fetchone() == (5,)


def test_the_past_knows_no_snapshot_of_a_later_state(store):
    tally = store.new(Snapped, "a")
    for n in range(7):
        tally.add(n)
    store.save(tally)
    assert len(store.snapshots()) == 1
    for past in (store.as_of(2), store.as_of(T0)):
        assert len(past.snapshots()) == 0
        assert past.sql("select count(*) from snapshots").fetchone() == (0,)
        assert past.load(Snapped, "a").origin.snapshot is None


# -- sql ---------------------------------------------------------------------------------------


def test_sql_with_parameters(store):
    fill(store, "a", 3)
    by_list = store.sql("select sequence_number from events where event_data->>'$.n' = ?", ["2"])
    assert by_list.fetchall() == [(2,)]
    assert by_list.columns == ["sequence_number"]
    by_name = store.sql("select $a::int + $b::int as s", {"a": 1, "b": 2})
    assert by_name.fetchall() == [(3,)]
    evil = "'; drop table events; --"
    assert store.sql("select ? as x", [evil]).fetchone() == (evil,)
    late = store.as_of(2).sql("select count(*) from events where position >= ?", [2])
    assert late.fetchone() == (1,)


def test_a_result_can_be_read_again_and_row_by_row(store):
    fill(store, "a", 3)
    result = store.sql("select position from events order by 1")
    assert result.fetchall() == result.fetchall() == [(1,), (2,), (3,)]
    assert [result.fetchone() for _ in range(5)] == [(1,), (2,), (3,), None, None]
    assert result.df()["position"].tolist() == [1, 2, 3]
    fill(store, "a", 2)
    assert len(result.fetchall()) == 3  # read when asked, and not again later


ESCAPES = [
    "select 1; delete from events",
    "begin; delete from events; commit",
    "select 1; commit; drop table snapshots",
    "select 1; rollback; create table t as select 1",
    "select 1; commit; insert into events select position + 9, event_id, aggregate_type, "
    "aggregate_id || 'x', sequence_number, event_type, event_version, event_data, metadata, "
    "occurred_at, recorded_at from events; select 1",
    "copy events to '{out}'",
    "copy (select 1) to '{out}'",
    "explain analyze copy events to '{out}'",
    "export database '{out}'",
    "attach '{out}' as other",
    "detach memory",
    "use other",
    "select * from read_text('/etc/passwd')",
    "select * from read_csv('/etc/passwd')",
    "select * from '/etc/passwd'",
    "select * from glob('/*')",
    "select * from read_blob('{out}')",
    "pragma database_size",
    "pragma enable_profiling",
    "call pragma_version()",
    "set threads = 1",
    "set enable_external_access = true",
    "reset lock_configuration",
    "set variable x = 1",
    "install httpfs",
    "load httpfs",
    "create table t (a int)",
    "create temp table t (a int)",
    "create temp view events as select 1",
    "create or replace table events (a int)",
    "create macro f() as 1",
    "drop table events",
    "drop trigger events_refuse_update on events",
    "alter table events drop column metadata",
    "alter table events rename to other",
    "insert into events select * from events",
    "insert or replace into events select * from events",
    "merge into events using (select 1 as x) on true when matched then delete",
    "with x as (insert into events select * from events returning 1) select * from x",
    "explain analyze insert into events select * from events",
    "vacuum",
    "checkpoint",
    "force checkpoint",
    "begin",
    "commit",
    "rollback",
    "prepare p as select 1",
    "execute p",
    "deallocate p",
]


@pytest.mark.parametrize("where", ["store", "past"])
@pytest.mark.parametrize("query", ESCAPES)
def test_sql_cannot_escape(tmp_path, query, where):
    out = tmp_path / "out"
    with EventStore(tmp_path / "s.duckdb") as store:
        fill(store, "a", 2)
        before = [seen(e) for e in store.read_all()]
        reader = store if where == "store" else store.as_of(1)
        with pytest.raises((ReadOnlyError, QueryError)):
            reader.sql(query.format(out=out))
        assert not out.exists()
        assert [seen(e) for e in store.read_all()] == before
        assert store.append("a", facts(1), expected_version=2).position == 3
        tables = {r[0] for r in store.sql("show tables").fetchall()}
        assert tables == {"append_only", "chain", "esnb_format", "events", "session", "snapshots"}


@pytest.mark.parametrize(
    "query",
    ["update events set event_type = 'x'", "delete from events", "truncate events",
     "update events set event_type = 'x' where false", "delete from events where position = 1"],
)  # fmt: skip
def test_changing_events_through_sql_is_an_append_only_error(store, query):
    fill(store, "a", 2)
    for reader in (store, store.as_of(1)):
        with pytest.raises(AppendOnlyError, match="append an event"):
            reader.sql(query)
    with pytest.raises((AppendOnlyError, ReadOnlyError, QueryError)):
        store.sql(f"with x as ({query} returning 1) select * from x")
    assert len(store.events("a")) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        (5,), (None,), ("",), ("  ",), ("-- nothing",), ("selec 1",), ("select * from nowhere",),
        ("select nothing from events",), ("select 1/0 from",), ("select '\ud800'",),
        ("select error('no')",), ("select 'x'::int",),
        ("select ?",), ("select ?", [1, 2]), ("select 1", [1]), ("select ?", 5),
        ("select ?", [object()]), ("select ?", ["\ud800"]), ("select ?", [2**200]),
        ("select $a", {"b": 1}), ("select $a", [1, 2]),
    ],
)  # fmt: skip
def test_a_query_in_error_is_a_query_error(store, arguments):
    with pytest.raises(QueryError):
        store.sql(*arguments)
    assert store.sql("select 1").fetchone() == (1,)


@pytest.mark.parametrize(
    "text",
    ["events are append-only", "No space left on device", "the database has been invalidated",
     "read-only mode", "Could not set lock", "Duplicate key", "configuration is disabled"],
)  # fmt: skip
def test_words_in_a_query_do_not_pass_for_the_engine_s(store, text):
    with pytest.raises(QueryError):
        store.sql(f"selec '{text}'")
    with pytest.raises(QueryError):
        store.sql(f'select * from "{text}"')
    assert store.append("a", facts(1), expected_version=0, aggregate_type="T").position == 1


def test_python_variables_are_no_tables(store):
    frame = pd.DataFrame({"a": [1]})
    with pytest.raises(QueryError):
        store.sql("select * from frame")
    assert len(frame) == 1


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


def test_an_interrupt_in_a_query_is_a_keyboard_interrupt():
    with EventStore() as store:
        fill(store, "a", 2)
        threading.Timer(0.1, _thread.interrupt_main).start()
        with pytest.raises(KeyboardInterrupt):
            store.sql("select count(*) from range(1000000000000)").fetchone()
        assert store.sql("select count(*) from events").fetchone() == (2,)
        assert store.verify().ok


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
