"""The reading half: windows of a stream, the log as a table, the past, and SQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import (
    ANY,
    AggregateNotFoundError,
    AppendOnlyError,
    Event,
    EventStore,
    InvalidEventError,
    LessonClock,
    QueryError,
    ReadOnlyError,
    Upcasters,
    new_event,
)
from tests.support import Snapped, Tally, facts, fill, seen

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def store():
    with EventStore(clock=LessonClock(T0)) as store:
        yield store


def at(hour: int, kind: str = "Added", **data: object) -> Event:
    return new_event(kind, data, occurred_at=T0 + timedelta(hours=hour))


@pytest.fixture(scope="module")
def log():
    """The events of "a" are 1 to 8, an hour apart, with those of "b" between them."""
    with EventStore(clock=LessonClock(T0)) as store:
        for n in range(8):
            for name in "ab":
                event = new_event("Added", n=n + 1, occurred_at=T0 + timedelta(hours=n))
                store.append(name, [event], expected_version=n, aggregate_type="T")
        yield store


def numbers(events):
    return [event.sequence_number for event in events]


BOUND = st.none() | st.integers(0, 10)


@settings(max_examples=150)
@given(
    after=st.integers(0, 10), upto=BOUND, hour=BOUND, desc=st.booleans(), limit=BOUND,
    horizon=st.none() | st.integers(0, 16), name=st.sampled_from(["a", "a", "b", "nobody"]),
)  # fmt: skip
def test_any_window_from_either_end(log, after, upto, hour, desc, limit, horizon, name):
    until = None if hour is None else T0 + timedelta(hours=hour)
    reader = log if horizon is None else log.as_of(horizon)
    expected = [
        n
        for n in (range(1, 9) if name != "nobody" else ())
        if n > after
        and (upto is None or n <= upto)
        and (hour is None or n - 1 <= hour)
        and (horizon is None or 2 * n - (name == "a") <= horizon)
    ]
    if desc:
        expected.reverse()
    found = reader.events(name, after, upto, until, desc=desc, limit=limit)
    assert numbers(found) == expected[:limit]
    assert {event.aggregate_id for event in found} <= {name}
    assert [event.data["n"] for event in found] == numbers(found)


def test_the_last_event_in_one_call(log):
    (last,) = log.events("a", desc=True, limit=1)
    assert (last.sequence_number, last.data) == (8, {"n": 8})
    assert log.events("nobody", desc=True, limit=1) == []


def test_the_last_event_does_not_cost_the_whole_stream(log, monkeypatch):
    fetched = []
    rows = log._log.rows

    def counted(*arguments):
        fetched.append(rows(*arguments))
        return fetched[-1]

    monkeypatch.setattr(log._log, "rows", counted)
    log.events("a", desc=True, limit=2)
    log.events("a", limit=3)
    assert [len(found) for found in fetched] == [2, 3]


def test_a_limit_counts_events_in_todays_shape():
    """A step drops one event and splits another: the limit is of what is returned."""
    steps = Upcasters()
    steps.drop("Noise", 1, because="it says nothing")
    with EventStore(upcasters=steps) as store:
        for n, kind in enumerate(["Added", "Noise", "Added", "Noise"]):
            store.append("a", [new_event(kind)], expected_version=n, aggregate_type="T")
        assert numbers(store.events("a", desc=True, limit=1)) == [3]
        assert numbers(store.events("a", limit=2)) == [1, 3]
        assert numbers(store.events("a", desc=True, limit=1, upcast=False)) == [4]


@pytest.mark.parametrize("limit", [-1, 1.5, "2", True, float("nan")])
def test_a_limit_is_a_number(log, limit):
    with pytest.raises(InvalidEventError, match="limit is a number from 0 upwards"):
        log.events("a", limit=limit)


def test_a_window_of_a_stream_that_grows():
    with EventStore() as store:
        for n in range(1, 4):
            store.append("a", facts(1), expected_version=ANY, aggregate_type="T")
            assert numbers(store.events("a", desc=True, limit=1)) == [n]


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
