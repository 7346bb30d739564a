"""Projections and projectors: one declaration for every way to run it, and a position that fits."""

from __future__ import annotations

import _thread
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import (
    ANY,
    Event,
    EventStore,
    InvalidEventError,
    LagTimeoutError,
    LessonClock,
    Projection,
    ProjectionError,
    Projector,
    QueryError,
    ReadOnlyError,
    StaleProjectionError,
    StoreClosedError,
    StoreCorruptError,
    Upcasters,
    handles,
    new_event,
    reacts_to,
    shop,
)
from esnb.errors import AppendOnlyError
from esnb.readmodels.projection import Lag
from esnb.shop.projections import Analytics, Inventory, OrderSummary
from tests.support import ROOT, TEXT, CrashError, dying, run_threads

# -- two declarations of one read model, and a third definition that shares nothing with them ----

TABLES = {
    "totals": "id varchar primary key, n bigint, total bigint, last varchar",
    "kinds": "kind varchar primary key, n bigint",
}


class Totals(Projection):
    """Set-based. `last` depends on the order of the events, and `total` on each counting once."""

    tables: ClassVar = TABLES
    sql: ClassVar = (
        """
        insert into totals
        select aggregate_id, count(*), sum((event_data->>'$.n')::bigint),
               arg_max(event_data->>'$.text', position)
        from new_events where event_type = 'Added' group by all
        on conflict do update set n = totals.n + excluded.n,
            total = totals.total + excluded.total, last = excluded.last
        """,
        """
        insert into kinds select event_type, count(*) from new_events group by all
        on conflict do update set n = kinds.n + excluded.n
        """,
    )


class TotalsByHand(Projection):
    """The same, a Python call an event."""

    tables: ClassVar = TABLES

    @handles("Added")
    def added(self, read: Any, event: Event) -> None:
        read.execute(
            "insert into totals values (?, 1, ?, ?) on conflict do update set n = totals.n + 1, "
            "total = totals.total + excluded.total, last = excluded.last",
            [event.aggregate_id, event.data["n"], event.data["text"]],
        )

    @handles("Added", "Noted")
    def count(self, read: Any, event: Event) -> None:
        read.execute(
            "insert into kinds values (?, 1) on conflict do update set n = kinds.n + 1",
            [event.type],
        )


def wanted(events: Any) -> tuple[dict[str, tuple], dict[str, int]]:
    """The oracle: a fold over the events of the log, in plain Python."""
    totals: dict[str, tuple] = {}
    kinds: Counter[str] = Counter()
    for event in events:
        kinds[event.event_type] += 1
        if event.event_type == "Added":
            n, total, _ = totals.get(event.aggregate_id, (0, 0, ""))
            data = event.event_data
            totals[event.aggregate_id] = (n + 1, total + data["n"], data["text"])
    return totals, dict(kinds)


def found(projector: Projector) -> tuple[dict[str, tuple], dict[str, int]]:
    totals = {row[0]: row[1:] for row in projector.sql("from totals").fetchall()}
    return totals, dict(projector.sql("from kinds").fetchall())


def log_of(facts: list[tuple[str, int, str]], **options: Any) -> EventStore:
    """A store with an Added event for each (aggregate, n, text); n of 0 makes it Noted."""
    store = EventStore(clock=LessonClock(), **options)
    for name, n, text in facts:
        event = new_event("Added", n=n, text=text) if n else new_event("Noted")
        store.append(name, [event], expected_version=ANY, aggregate_type="T")
    return store


def some(count: int, start: int = 1) -> list[tuple[str, int, str]]:
    return [(f"a{n % 3}", n, f"text {n}") for n in range(start, start + count)]


FACTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 9), TEXT | st.sampled_from(["'", '"', "é😀"])),
    max_size=14,
)
CUTS = st.lists(st.integers(1, 5), max_size=8)
BOTH = pytest.mark.parametrize("kind", [Totals, TotalsByHand])


# -- one declaration: catch-up, rebuild, as-of, SQL and handlers -----------------------------------


@BOTH
@settings(max_examples=15)
@given(facts=FACTS, cuts=CUTS, at=st.integers(0, 14))
def test_catch_up_in_any_cuts_rebuild_and_as_of_give_the_fold(kind, facts, cuts, at):
    with log_of(facts) as store:
        projector = Projector(store, kind)
        for cut in cuts:
            assert projector.catch_up(limit=cut) == min(cut, len(facts) - store_position(projector))
            assert found(projector) == wanted(store.read_all(limit=projector.position))
        projector.catch_up()
        assert (projector.position, projector.lag()) == (len(facts), Lag(0, 0.0))
        assert found(projector) == wanted(store.read_all())
        assert projector.rebuild() == len(facts)
        assert found(projector) == wanted(store.read_all())
        at = min(at, len(facts))
        past = Projector(store.as_of(at), kind)
        past.catch_up()
        assert (past.position, found(past)) == (at, wanted(store.read_all(limit=at)))


def store_position(projector: Projector) -> int:
    """Where the projector stood before the catch-up that was measured."""
    before = getattr(projector, "_test_before", 0)
    projector._test_before = projector.position  # type: ignore[attr-defined]
    return before


@BOTH
def test_as_of_a_time_follows_occurred_at_also_in_small_batches(kind):
    with EventStore(clock=LessonClock()) as store:
        for n, hour in enumerate([9, 12, 10, 15, 11], start=1):
            event = new_event("Added", n=n, text="x", occurred_at=f"2026-03-02T{hour:02}:00:00Z")
            store.append("a", [event], expected_version=ANY, aggregate_type="T")
        past = store.as_of("2026-03-02T11:00:00Z")
        for limits in ([None], [1, 1, 1, None], [2, None]):
            projector = Projector(past, kind)
            done = [projector.catch_up(limit=limit) for limit in limits]
            assert sum(done) == 3
            assert found(projector)[0] == {"a": (3, 1 + 3 + 5, "x")}
            assert projector.lag().events == 0


def test_every_way_of_arrival_gives_the_statement_the_same_columns_and_types():
    class Types(Projection):
        tables: ClassVar = {"t": "name varchar, type varchar"}
        sql: ClassVar = "insert into t select column_name, column_type from (describe new_events)"

    steps = Upcasters()
    steps.register("Old", 1)(lambda data: data)
    described = []
    for options in ({}, {"upcasters": steps}):
        with log_of(some(1), **options) as store:
            for run in (Projector.catch_up, lambda p: p.deliver(list(p.store.read_all()))):
                projector = Projector(store, Types)
                run(projector)
                described.append(projector.sql("from t").fetchall())
    assert [row[0] for row in described[0]] == [
        "position", "event_id", "aggregate_type", "aggregate_id", "sequence_number", "event_type",
        "event_version", "event_data", "metadata", "occurred_at", "recorded_at",
    ]  # fmt: skip
    assert all(each == described[0] for each in described)


@BOTH
def test_an_upcast_log_is_projected_in_today_s_shape(kind):
    steps = Upcasters()
    steps.register("Added", 1)(lambda data: {"n": data["amount"], "text": "new " + data["text"]})
    with EventStore(clock=LessonClock(), upcasters=steps) as store:
        for n in (1, 2):
            old = new_event("Added", {"amount": n, "text": "'é\""})
            store.append("a", [old], expected_version=ANY, aggregate_type="T")
        new = new_event("Added", n=10, text="now", event_version=2)
        store.append("a", [new], expected_version=ANY)
        for limit in (None, 1):
            projector = Projector(store, kind)
            while projector.catch_up(limit=limit):
                pass
            assert found(projector)[0] == {"a": (3, 13, "now")}
        half = Projector(store.as_of(2), kind)
        half.catch_up()
        assert found(half)[0] == {"a": (2, 3, "new 'é\"")}


# -- position and read model commit together -------------------------------------------------------

KILLER = """
import os, random, signal, sys, time
from esnb import EventStore, Projector
from tests.readmodels.test_projector import Totals, TotalsByHand, found, wanted
log, read, kind, rounds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
kind = {"sql": Totals, "handlers": TotalsByHand}[kind]
chance = random.Random(5)
positions = []
for turn in range(rounds):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        store = EventStore(log)
        projector = Projector(store, kind, read)
        events = list(store.read_all())
        # What is there now was left by the child that was killed before.
        assert found(projector) == wanted(events[:projector.position]), projector.position
        assert not projector.notice, projector.notice
        os.write(writer, b"%d\\n" % projector.position)
        if turn == rounds - 1:
            os._exit(0)
        while True:
            if projector.position > len(events) - 8 or chance.random() < 0.2:
                projector.rebuild()
                projector.deliver(events[:3])
            projector.catch_up(limit=chance.randrange(1, 4))
            waiting = [e for e in events if projector.position < e.position]
            projector.deliver(chance.sample(waiting[:6], min(4, len(waiting))))
            if projector.position == len(events):
                # Begin again, so that there is always work to be killed in.
                cursor = projector._db.cursor(projector._build)
                cursor.execute("begin; delete from totals; delete from kinds; "
                               "update esnb.checkpoint set position = 0, event_id = null; commit")
                projector._refresh()
    os.close(writer)
    pipe = os.fdopen(reader)
    line = pipe.readline()
    assert line, "round %d: the read model does not fit its position" % turn
    positions.append(int(line))
    time.sleep(chance.uniform(0, 0.09))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pipe.close()
print(len(set(positions)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork and no SIGKILL")
@pytest.mark.parametrize("kind", ["sql", "handlers"])
def test_kill_9_leaves_a_read_model_that_fits_its_position(tmp_path, kind):
    """Fifty kills in all: catch-up, delivery, rebuild."""
    with EventStore(tmp_path / "log.duckdb") as store:
        for name, n, text in some(120):
            event = new_event("Added", n=n, text=text)
            store.append(name, [event], expected_version=ANY, aggregate_type="T")
    run = subprocess.run(
        [sys.executable, "-c", KILLER, str(tmp_path / "log.duckdb"), str(tmp_path / "read.duckdb"),
         kind, "26"],
        cwd=ROOT, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    assert int(run.stdout) > 1  # the kills struck at different places; on a busy machine at few


@BOTH
def test_a_crash_before_the_commit_leaves_neither_read_model_nor_position(kind, monkeypatch):
    """The batch is written and the position is moved: nothing of either may stay."""
    with log_of(some(6)) as store:
        projector = Projector(store, kind)
        projector.catch_up(limit=2)
        with monkeypatch.context() as patch:
            patch.setattr("esnb.readmodels.projector.transaction", dying)
            with pytest.raises(CrashError):
                projector.catch_up()
            with pytest.raises(CrashError):
                projector.deliver(list(store.read_all()))
        assert (projector.position, found(projector)) == (2, wanted(store.read_all(limit=2)))
        assert projector.sql("select position from esnb.checkpoint").fetchall() == [(2,)]
        projector.catch_up()
        assert found(projector) == wanted(store.read_all())


def test_a_cut_wal_takes_position_and_read_model_back_together(tmp_path):
    code = """
import os, sys
from esnb import Projector
from tests.readmodels.test_projector import Totals, log_of, some
projector = Projector(log_of(some(9)), Totals, sys.argv[1])
for n in range(9):
    projector.catch_up(limit=1)
os._exit(0)
"""
    path = tmp_path / "read.duckdb"
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=True, timeout=60)
    wal = (tmp_path / "read.duckdb.wal").read_bytes()
    database = path.read_bytes()
    positions = set()
    with log_of(some(9)) as store:
        for part in range(0, 11):
            path.write_bytes(database)
            (tmp_path / "read.duckdb.wal").write_bytes(wal[: len(wal) * part // 10])
            projector = Projector(store, Totals, path)
            positions.add(projector.position)
            assert found(projector) == wanted(store.read_all(limit=projector.position))
            projector.catch_up()
            assert found(projector) == wanted(store.read_all())
            projector.close()
    assert len(positions) > 3


# -- events that arrive late, twice, in another order ----------------------------------------------


@BOTH
@settings(max_examples=15)
@given(data=st.data(), facts=FACTS)
def test_any_interleaving_with_duplicates_gives_the_fold_once_all_arrived(kind, data, facts):
    with log_of(facts) as store:
        events = list(store.read_all())
        again = data.draw(st.lists(st.sampled_from(events), max_size=10)) if events else []
        sent = data.draw(st.permutations(events + again))
        projector = Projector(store, kind)
        done = 0
        while sent:
            size = data.draw(st.integers(1, len(sent)))
            batch, sent = sent[:size], sent[size:]
            if data.draw(st.integers(0, 4)) == 0:
                batch += batch
            done += projector.deliver(batch)
            # At each moment it is the fold of the gapless part: never a half of anything.
            assert found(projector) == wanted(events[: projector.position])
        assert done == projector.position == len(events)
        assert projector.deliver(events) == 0
        assert found(projector) == wanted(events)
        assert projector.verify()


@BOTH
def test_a_re_delivered_event_is_harmless_after_a_restart(tmp_path, kind):
    with log_of(some(8)) as store:
        events = list(store.read_all())
        projector = Projector(store, kind, tmp_path / "read.duckdb")
        assert projector.deliver([events[0], events[0], events[1]]) == 2
        assert projector.deliver([events[4], events[3], events[6]]) == 0  # they wait
        projector.close()
        projector = Projector(store, kind, tmp_path / "read.duckdb")
        assert projector.position == 2
        assert projector.deliver(events[:2]) == 0
        assert projector.deliver([events[4], events[2]]) == 3  # the inbox was kept as well
        assert found(projector) == wanted(events[:5])
        assert projector.deliver(events) == 3
        assert found(projector) == wanted(events)
        assert projector.sql("select count(*) from esnb.inbox").fetchall() == [(0,)]


@BOTH
def test_processed_event_ids_make_a_re_delivered_event_harmless(tmp_path, kind):
    """The promise by ids: whichever way an event with a known id comes again, it counts once.

    By catch-up and by delivery, in the same batch, in a later one, after a restart, after a
    rebuild; also in a stream that holds the id already, where the store keeps it out of the log.
    """
    path = tmp_path / "read.duckdb"
    with log_of(some(6)) as store:
        events = list(store.read_all())
        ids = [event.event_id for event in events]

        def check(projector: Projector, count: int) -> None:
            done = [e for e in store.read_all() if e.event_id in ids[:count]]
            assert found(projector) == wanted(done)

        projector = Projector(store, kind, path)
        assert projector.catch_up(limit=2) == 2
        assert projector.deliver([events[1], events[2], events[2], events[0]]) == 1
        check(projector, 3)
        assert projector.deliver([events[4], events[4]]) == 0  # too early, and twice
        assert projector.deliver([events[4], events[0]]) == 0  # and in a later batch
        projector.close()
        projector = Projector(store, kind, path)
        assert projector.deliver(events[:3]) == 0  # after a restart
        check(projector, 3)
        assert projector.deliver([events[3], events[4]]) == 2
        check(projector, 5)
        assert projector.catch_up() == 1
        projector.rebuild()
        assert projector.deliver(reversed(events)) == 0
        again = new_event("Added", n=1, text="text 1", event_id=ids[0])
        again = replace(again, occurred_at=events[0].occurred_at)
        assert store.append(events[0].aggregate_id, [again], expected_version=ANY).duplicate
        assert projector.catch_up() == 0
        check(projector, 6)
        assert len(set(ids)) == 6 == store.position


def test_catch_up_rebuild_and_delivery_mix():
    with log_of(some(9)) as store:
        events = list(store.read_all())
        projector = Projector(store, Totals)
        projector.deliver([events[4], events[7]])
        projector.catch_up(limit=3)
        assert projector.deliver([events[3]]) == 2
        projector.rebuild()
        assert projector.deliver([events[7], events[8]]) == 0
        assert found(projector) == wanted(events)


def test_delivery_takes_events_of_this_log_only():
    with log_of(some(2)) as store, log_of(some(3)) as other:
        projector = Projector(store, Totals)
        with pytest.raises(InvalidEventError, match="with a position"):
            projector.deliver([new_event("Added", n=1, text="x")])
        with pytest.raises(InvalidEventError, match="another store"):
            projector.deliver(list(other.read_all()))
        assert projector.position == 0


# -- rebuild -----------------------------------------------------------------------------------


def test_a_rebuild_beside_writers_and_readers_never_shows_an_empty_or_half_table(tmp_path):
    with log_of(some(60)) as store:
        projector = Projector(store, Totals, tmp_path / "read.duckdb")
        projector.catch_up()
        stop = threading.Event()
        looks: list[int] = []

        def work(number: int) -> None:
            if number == 0:
                try:
                    for _ in range(12):
                        projector.rebuild()
                finally:
                    stop.set()
            elif number == 1:
                while not stop.is_set():
                    event = new_event("Added", n=1, text="x")
                    store.append("b", [event], expected_version=ANY, aggregate_type="T")
                    projector.catch_up()
            else:
                seen = 60
                while not stop.is_set():
                    rows = projector.sql("select sum(n) from totals").fetchall()
                    assert rows[0][0] is not None
                    assert rows[0][0] >= seen, "the read model went back"
                    seen = rows[0][0]
                    looks.append(seen)

        run_threads(4, work)
        projector.catch_up()
        assert found(projector) == wanted(store.read_all())
        assert len(looks) > 20
        schemas = projector.sql(
            "select count(*) from information_schema.schemata where schema_name like 'build%'"
        )
        assert schemas.fetchall() == [(1,)]


@BOTH
def test_a_failing_rebuild_leaves_the_old_read_model(kind):
    with log_of(some(7)) as store:
        projector = Projector(store, kind)
        projector.catch_up()
        before = found(projector)
        broken: type[Projection] = broken_at(5)
        broken.__name__ = kind.__name__
        projector.projection, projector._instance = broken, broken()
        with pytest.raises(ProjectionError, match="position 5: Added") as caught:
            projector.rebuild()
        assert caught.value.event.position == 5
        projector.projection, projector._instance = kind, kind()
        assert (projector.position, found(projector)) == (7, before)
        projector.rebuild()
        assert found(projector) == before


def broken_at(*positions: int) -> type[Projection]:
    """Totals, with a statement that fails at some positions."""

    class Broken(Projection):
        tables: ClassVar = TABLES
        sql: ClassVar = (
            *Totals.sql,
            f"select error('cannot read this') from new_events where position in {(0, *positions)}",
        )

    return Broken


def test_another_version_serves_on_and_asks_for_a_rebuild(tmp_path):
    class Second(Totals):
        version: ClassVar = 2
        tables: ClassVar = {"totals": "id varchar primary key, total bigint"}
        sql: ClassVar = "insert into totals select aggregate_id, 0 from new_events group by all"

    Second.__name__ = "Totals"
    with log_of(some(5)) as store:
        with_old = Projector(store, Totals, tmp_path / "read.duckdb")
        with_old.catch_up(limit=3)
        with_old.close()
        projector = Projector(store, Second, tmp_path / "read.duckdb")
        for refused in (projector.catch_up, projector.verify, lambda: projector.deliver([])):
            with pytest.raises(StaleProjectionError, match=r"version 1 .* version 2.*rebuild"):
                refused()
        assert found(projector) == wanted(store.read_all(limit=3))
        assert projector.lag().events == 2
        projector.rebuild()
        assert projector.df().columns.tolist() == ["id", "total"]
        assert (projector.position, projector.catch_up()) == (5, 0)
        projector.close()
        assert Projector(store, Second, tmp_path / "read.duckdb").catch_up() == 0


# -- the read database is a file like any other ----------------------------------------------------


def damage(path: Any, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "cut":
        data = data[: len(data) // 3]
    elif how == "header":
        data[:4096] = os.urandom(4096)
    elif how == "empty":
        data = bytearray()
    else:
        for offset in range(12288, len(data), 4096):
            data[offset + 100] ^= 0xFF
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("how", ["cut", "header", "blocks"])
def test_a_damaged_read_database_is_put_aside_and_rebuilt(tmp_path, how):
    path = tmp_path / "read.duckdb"
    with log_of(some(30)) as store:
        for times in (1, 2):
            projector = Projector(store, Totals, path)
            projector.catch_up()
            projector.close()
            damage(path, how)
            damaged = path.read_bytes()
            projector = Projector(store, Totals, path)
            assert "rebuilt from the log" in projector.notice
            assert "damaged" in projector.notice
            projector.catch_up()
            assert found(projector) == wanted(store.read_all())
            projector.close()
            # Nothing is thrown away, not even at the second time.
            aside = sorted(p for p in tmp_path.iterdir() if "damaged" in p.name)
            assert len(aside) == times
            assert aside[-1].read_bytes() == damaged


def test_damage_that_shows_only_later_names_no_event_and_rebuild_mends_it():
    with log_of(some(9)) as store:
        projector = Projector(store, Totals)
        projector.catch_up(limit=4)

        def damaged(*_: object) -> None:
            raise duckdb.IOException("Corrupt database file: computed checksum 1")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("esnb.readmodels.new_events.FromLog.into", damaged)
            with pytest.raises(StoreCorruptError, match=r"No event is to blame.*rebuild\(\) puts"):
                projector.catch_up()
        assert projector.rebuild() == 9
        assert "damaged" in projector.notice
        assert found(projector) == wanted(store.read_all())


def test_a_read_database_of_another_log_is_noticed(tmp_path):
    path = tmp_path / "read.duckdb"
    with log_of(some(5)) as store:
        projector = Projector(store, Totals, path)
        projector.catch_up()
        projector.close()
        assert not Projector(store, Totals, path).notice
    others = [EventStore(clock=LessonClock(seed=9)), EventStore(clock=LessonClock())]
    for other, count in zip(others, (8, 2), strict=True):
        for name, n, text in some(count):
            event = new_event("Added", n=n, text=text)
            other.append(name, [event], expected_version=ANY, aggregate_type="T")
        projector = Projector(other, Totals, path)
        assert "another log" in projector.notice
        projector.catch_up()
        assert found(projector) == wanted(other.read_all())
        projector.close()
        other.close()


def test_files_that_are_no_read_database_of_this_projection_are_left_alone(tmp_path):
    log, read, other = (tmp_path / name for name in ("log.duckdb", "read.duckdb", "other.duckdb"))
    with EventStore(log) as store:
        store.append("a", [new_event("Added", n=1, text="x")], expected_version=0,
                     aggregate_type="T")  # fmt: skip
        with pytest.raises(InvalidEventError, match="the store's own file"):
            Projector(store, Totals, log)
        projector = Projector(store, Totals, read)
        projector.catch_up()
        projector.close()
        with pytest.raises(InvalidEventError, match="read model of Totals, not of TotalsByHand"):
            Projector(store, TotalsByHand, read)
        connection = duckdb.connect(str(other))
        connection.execute("create table mine (a int)")
        connection.close()
        with pytest.raises(InvalidEventError, match="a database of something else"):
            Projector(store, Totals, other)
        with pytest.raises(InvalidEventError, match="does not exist"):
            Projector(store, Totals, tmp_path / "nowhere" / "read.duckdb")
    with EventStore(tmp_path / "second.duckdb") as second:
        with pytest.raises(InvalidEventError, match="something else"):
            Projector(second, Totals, log)
        assert second.position == 0
    with EventStore(log) as store:
        assert store.position == 1
    assert not [p for p in tmp_path.iterdir() if "damaged" in p.name]


def test_a_read_database_in_use_by_another_process_is_not_taken_for_a_damaged_one(tmp_path):
    path = tmp_path / "read.duckdb"
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    owner = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "open\n"
        with log_of(some(1)) as store, pytest.raises(QueryError, match="another process"):
            Projector(store, Totals, path)
    finally:
        owner.communicate("\n")
    assert not [p for p in tmp_path.iterdir() if "damaged" in p.name]


def test_two_projectors_on_one_read_database_never_count_twice(tmp_path):
    """A cell that is run again makes a second one while the first is still there."""
    path = tmp_path / "read.duckdb"
    with log_of(some(40)) as store:
        first, second = Projector(store, Totals, path), Projector(store, Totals, path)
        first.catch_up(limit=7)
        second.catch_up(limit=5)
        assert found(second) == wanted(store.read_all(limit=second.position))
        first.rebuild()
        assert found(second) == found(first) == wanted(store.read_all())
        for name, n, text in some(30, start=41):
            event = new_event("Added", n=n, text=text)
            store.append(name, [event], expected_version=ANY, aggregate_type="T")

        def work(number: int) -> None:
            projector = (first, second)[number % 2]
            while projector.position < store.position:
                projector.catch_up(limit=1)

        run_threads(4, work)
        assert found(first) == found(second) == wanted(store.read_all())


def test_two_projectors_on_one_read_database_share_one_inbox(tmp_path):
    path = tmp_path / "read.duckdb"
    with log_of(some(30)) as store:
        events = list(store.read_all())
        pair = [Projector(store, Totals, path) for _ in range(2)]

        def work(number: int) -> None:
            mine = events + events[:10]
            random.Random(number).shuffle(mine)
            for first in range(0, len(mine), 3):
                pair[number % 2].deliver(mine[first : first + 3])

        run_threads(4, work)
        assert found(pair[0]) == found(pair[1]) == wanted(events)
        for projector in pair:
            assert projector.deliver([]) == 0
            assert projector.position == 30


def test_a_closed_projector_says_so():
    with log_of(some(2)) as store:
        projector = Projector(store, Totals)
        projector.close()
        for use in (projector.df, projector.catch_up, projector.rebuild, projector.parked):
            with pytest.raises(StoreClosedError, match="read database of Totals is closed"):
                use()


# -- an event that cannot be processed ----------------------------------------------------------


class ByHandFailing(TotalsByHand):
    """A handler that cannot read one event."""

    @handles("Added")
    def strict(self, read: Any, event: Event) -> None:
        if event.position == 5:
            raise ValueError("cannot read this")


@pytest.mark.parametrize("kind", [broken_at(5), ByHandFailing])
@pytest.mark.parametrize("way", ["catch_up", "one by one", "deliver"])
def test_the_failing_event_is_named_and_nothing_after_it_is_processed(kind, way):
    with log_of(some(9)) as store:
        projector = Projector(store, kind)

        def run() -> None:
            if way == "deliver":
                projector.deliver(list(store.read_all()))
            while way != "deliver" and projector.catch_up(limit=None if way == "catch_up" else 1):
                pass

        for _ in range(2):  # and again, when it is tried again
            with pytest.raises(ProjectionError) as caught:
                run()
            event = caught.value.event
            text = str(caught.value)
            assert event == list(store.read_all())[4]
            for part in ("position 5", "Added", str(event.event_id), "'a2'", "cannot read this"):
                assert part in text
            assert projector.position == 4
            assert found(projector) == wanted(store.read_all(limit=4))
            assert projector.lag().events == 5


def without(events: Any, *positions: int) -> list[Event]:
    return [event for event in events if event.position not in positions]


@pytest.mark.parametrize("kind", [broken_at(5, 7), ByHandFailing])
def test_skip_and_park_are_decisions_that_a_rebuild_and_verify_keep(kind):
    with log_of(some(9)) as store:
        projector = Projector(store, kind)
        with pytest.raises(ProjectionError):
            projector.catch_up()
        for wrong in (4, 6, 99):
            with pytest.raises(InvalidEventError, match=rf"\(position 5\), not position {wrong}"):
                projector.skip(wrong)
        projector.park(5, "price missing")
        left_out = [5]
        if kind is not ByHandFailing:
            with pytest.raises(ProjectionError, match="position 7"):
                projector.catch_up()
            projector.skip(7)
            left_out.append(7)
        projector.catch_up()
        assert projector.parked()["position"].tolist() == left_out
        assert (
            projector.parked()["reason"].tolist()
            == ["parked: price missing", "skipped"][: len(left_out)]
        )
        assert found(projector) == wanted(without(store.read_all(), *left_out))
        assert projector.verify()
        projector.rebuild()
        assert found(projector) == wanted(without(store.read_all(), *left_out))
        with pytest.raises(InvalidEventError, match=r"none is there after .*comes later"):
            projector.skip(10)
        with pytest.raises(InvalidEventError, match="not position 5, which was passed before"):
            projector.park(5, "again")
        # The wish to take them in fails; then the list must still be there.
        with pytest.raises(ProjectionError, match="position 5"):
            projector.rebuild(parked_too=True)
        assert projector.parked()["position"].tolist() == left_out
        projector.rebuild()
        assert found(projector) == wanted(without(store.read_all(), *left_out))


def test_an_interrupt_stops_catching_up_and_blames_no_event():
    """The stop button in the middle of a handler's query: it was taken for a failing event once."""

    class Slow(Projection):
        tables: ClassVar = {"seen": "n bigint"}
        stops: ClassVar = [True]

        @handles("Added")
        def added(self, read: Any, event: Event) -> None:
            if self.stops:
                self.stops.clear()
                threading.Timer(0.1, _thread.interrupt_main).start()
                # Some seconds of work: the engine's client looks for signals only when its own
                # thread has had a part of it, which on a busy machine may be at the end.
                read.execute("select count(*) from range(10000000000)")
            read.execute("insert into seen values (1)")

    with log_of(some(9)) as store:
        projector = Projector(store, Slow)
        with pytest.raises(KeyboardInterrupt):
            projector.catch_up()
        assert projector.position == 0
        assert projector.catch_up() == 9
        assert projector.verify()


def test_a_mended_projection_takes_the_parked_event_in():
    with log_of(some(9)) as store:
        kind = broken_at(5)
        projector = Projector(store, kind)
        with pytest.raises(ProjectionError):
            projector.catch_up()
        projector.park(5)
        projector.catch_up()
        kind.sql = Totals.sql
        projector.rebuild(parked_too=True)
        assert found(projector) == wanted(store.read_all())
        assert projector.parked().empty


def test_a_parked_event_of_a_delivery_is_not_delivered_again():
    with log_of(some(9)) as store:
        events = list(store.read_all())
        projector = Projector(store, broken_at(5))
        with pytest.raises(ProjectionError):
            projector.deliver(reversed(events))
        projector.park(5)
        assert projector.deliver(events) == 4
        assert found(projector) == wanted(without(events, 5))


# -- side effects --------------------------------------------------------------------------------


class Mailing(Totals):
    """Writes to the customer; the outbox is the world outside."""

    sent: ClassVar[list[int]] = []
    fails: ClassVar[set[int]] = set()

    @reacts_to("Added")
    def mail(self, event: Event) -> None:
        assert event.position is not None
        if event.position in self.fails:
            raise ConnectionError("no mail server")
        self.sent.append(event.position)


@pytest.fixture
def outbox():
    Mailing.sent.clear()
    Mailing.fails.clear()
    yield Mailing.sent
    Mailing.fails.clear()


def more(store: EventStore, count: int) -> None:
    for name, n, text in some(count, start=store.position + 1):
        event = new_event("Added", n=n, text=text)
        store.append(name, [event], expected_version=ANY, aggregate_type="T")


def test_what_damage_does_to_side_effects_is_said(tmp_path, outbox):
    """Where they were is in the damaged file: they go on at the end of the log, and it says so."""
    path = tmp_path / "read.duckdb"
    with log_of([]) as store:
        projector = Projector(store, Mailing, path)
        more(store, 3)
        projector.catch_up()
        more(store, 2)  # nobody is written to before the damage
        projector.close()
        damage(path, "header")
        projector = Projector(store, Mailing, path)
        assert "Side effects go on with position 6; those of earlier events" in projector.notice
        more(store, 1)
        projector.catch_up()
        assert outbox == [1, 2, 3, 6]
        projector.close()
        damage(path, "header")
        plain = Totals
        plain_path = tmp_path / "plain.duckdb"
        Projector(store, plain, plain_path).close()
        damage(plain_path, "header")
        assert "Side effects" not in Projector(store, plain, plain_path).notice


def test_damage_that_shows_while_the_projector_runs_loses_no_side_effect(outbox):
    with log_of([]) as store:
        projector = Projector(store, Mailing)
        more(store, 2)
        projector.catch_up()
        more(store, 2)

        def damaged(*_: object) -> None:
            raise duckdb.IOException("Corrupt database file: computed checksum 1")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("esnb.readmodels.new_events.FromLog.into", damaged)
            with pytest.raises(StoreCorruptError):
                projector.catch_up()
        projector.rebuild()
        assert "damaged" in projector.notice
        assert "Side effects" not in projector.notice
        projector.catch_up()
        assert outbox == [1, 2, 3, 4]


def test_reactions_happen_once_for_new_events_and_never_for_old_ones(tmp_path, outbox):
    path = tmp_path / "read.duckdb"
    with log_of(some(4)) as store:
        projector = Projector(store, Mailing, path)
        projector.catch_up()
        assert outbox == []  # a new projection is derived from old events: nobody is written to
        more(store, 2)
        projector.catch_up(limit=1)
        assert outbox == [5]
        projector.deliver([*store.read_all(), *store.read_all()])
        projector.rebuild()
        projector.verify()
        projector.catch_up()
        assert outbox == [5, 6]
        more(store, 2)
        projector.rebuild()  # goes past events that nobody reacted to yet
        assert outbox == [5, 6]
        projector.close()
        projector = Projector(store, Mailing, path)
        projector.catch_up()
        assert outbox == [5, 6, 7, 8]
        projector.catch_up()
        past = Projector(store.as_of(8), Mailing)
        past.catch_up()
        assert outbox == [5, 6, 7, 8]


def test_a_failing_reaction_is_named_and_tried_again_and_none_is_lost(outbox):
    with log_of([]) as store:
        projector = Projector(store, Mailing)
        more(store, 4)
        Mailing.fails.add(3)
        for _ in range(2):
            with pytest.raises(ProjectionError, match=r"Mailing\.mail failed .* position 3.*again"):
                projector.catch_up()
            assert (projector.position, outbox) == (4, [1, 2])
        Mailing.fails.clear()
        projector.catch_up()
        assert outbox == [1, 2, 3, 4]


def test_a_crash_after_a_mail_repeats_it_at_most(tmp_path, outbox, monkeypatch):
    """The mail is out, its mark is not: at least once means twice here, and never not at all."""
    path = tmp_path / "read.duckdb"
    with log_of([]) as store:
        projector = Projector(store, Mailing, path)
        more(store, 3)
        marked = projector._reacted

        def crash(position: int) -> None:
            if position == 2:
                raise KeyboardInterrupt
            marked(position)

        monkeypatch.setattr(projector, "_reacted", crash)
        with pytest.raises(KeyboardInterrupt):
            projector.catch_up()
        projector.close()
        projector = Projector(store, Mailing, path)
        projector.catch_up()
        assert outbox == [1, 2, 2, 3]


def test_an_event_that_was_left_out_gets_no_mail(outbox):
    class Broken(Mailing):
        sql: ClassVar = broken_at(2).sql

    with log_of([]) as store:
        projector = Projector(store, Broken)
        more(store, 3)
        with pytest.raises(ProjectionError):
            projector.catch_up()
        projector.skip(2)
        projector.catch_up()
        assert outbox == [1, 3]


# -- lag and waiting -------------------------------------------------------------------------------


def test_lag_counts_events_and_seconds_and_grows_while_nobody_works():
    clock = LessonClock()
    with EventStore(clock=clock) as store:
        projector = Projector(store, Totals)
        assert projector.lag() == Lag(0, 0.0)
        for n in (1, 2, 3):
            event = new_event("Added", n=n, text="x", occurred_at="2020-01-01T00:00:00Z")
            store.append("a", [event], expected_version=ANY, aggregate_type="T")
        assert projector.lag() == Lag(3, 3.0)  # since the first was recorded, not since 2020
        clock.advance(seconds=60)
        assert projector.lag() == Lag(3, 64.0)
        projector.catch_up(limit=2)
        assert projector.lag() == Lag(1, 63.0)
        projector.catch_up()
        clock.advance(hours=1)
        assert projector.lag() == Lag(0, 0.0)
        assert str(Lag(3, 64.04)) == "3 events, 64.0 s behind"
        assert str(Lag(1, 0.5)) == "1 event, 0.5 s behind"


def test_a_stalled_projector_shows_growing_lag():
    clock = LessonClock()
    with EventStore(clock=clock) as store:
        projector = Projector(store, broken_at(2))
        lags = []
        for n in range(1, 7):
            event = new_event("Added", n=n, text="x")
            store.append("a", [event], expected_version=ANY, aggregate_type="T")
            clock.advance(seconds=10)
            if n >= 2:
                with pytest.raises(ProjectionError):
                    projector.catch_up()
                lags.append(projector.lag())
        assert [lag.events for lag in lags] == [1, 2, 3, 4, 5]
        assert [lag.seconds for lag in lags] == sorted({lag.seconds for lag in lags})
        assert lags[-1].seconds > 50


def test_wait_for_catches_up_itself_when_nobody_else_does():
    with log_of(some(5)) as store:
        projector = Projector(store, Totals)
        projector.wait_for(3, timeout=0)
        assert projector.position == 5
        projector.wait_for(0)


def test_wait_for_a_background_projector():
    with log_of(some(5)) as store:
        projector = Projector(store, Totals)
        with projector.running(interval=0.005):
            for n in range(6, 16):
                event = new_event("Added", n=n, text="x")
                done = store.append("b", [event], expected_version=ANY, aggregate_type="T")
                projector.wait_for(done.position)
                assert found(projector)[1] == {"Added": n}
        assert found(projector) == wanted(store.read_all())


def test_wait_for_gives_up_with_what_to_do():
    with log_of(some(5)) as store:
        projector = Projector(store, Totals)
        with projector.running(interval=3600):
            with pytest.raises(LagTimeoutError, match=r"at position 0, you wait for 4.*\.load"):
                projector.wait_for(4, timeout=0.02)
            assert issubclass(LagTimeoutError, TimeoutError)
        with pytest.raises(LagTimeoutError, match=r"which ends at 5.*another store"):
            projector.wait_for(6)


def test_a_background_projector_that_died_is_reported_to_who_waits_and_at_the_end():
    with log_of(some(5)) as store:
        projector = Projector(store, broken_at(3))

        def work() -> None:
            with projector.running(interval=0.001):
                deadline = time.monotonic() + 5
                while projector._runner.error is None and time.monotonic() < deadline:
                    time.sleep(0.002)
                with pytest.raises(ProjectionError, match="position 3"):
                    projector.wait_for(5)

        with pytest.raises(ProjectionError, match="position 3"):
            work()
        assert projector.lag().events == 3


# -- questions and declarations --------------------------------------------------------------------


def test_sql_only_reads_and_df_knows_its_tables():
    with log_of(some(4)) as store:
        projector = Projector(store, Totals)
        projector.catch_up()
        rows = projector.sql("select total from totals where id = ?", ["a1"]).fetchall()
        assert rows == [(1 + 4,)]
        for change, error in {
            "insert into totals values ('x', 1, 1, 'x')": ReadOnlyError,
            "delete from totals": AppendOnlyError,
            "update esnb.checkpoint set position = 99": AppendOnlyError,
            "drop table totals": ReadOnlyError,
            "with x as (delete from totals returning *) from x": QueryError,
            "from totals; drop table totals": QueryError,
            "from nowhere": QueryError,
        }.items():
            with pytest.raises(error):
                projector.sql(change)
        assert found(projector) == wanted(store.read_all())
        assert projector.df()["id"].tolist() == ["a0", "a1", "a2"]
        assert projector.df("kinds")["n"].tolist() == [4]
        with pytest.raises(QueryError, match=r"tables \['totals', 'kinds'\], not 'kind; drop"):
            projector.df("kind; drop table kinds")


def test_names_and_declarations_are_checked_when_the_class_is_made():
    good = "insert into t select 1 from new_events"
    for name in ("Totals", "1st", "a b", "a;drop", "new_events", "", "esnb_parked", "é"):
        with pytest.raises(InvalidEventError, match="cannot be named"):
            type("P", (Projection,), {"tables": {name: "a int"}, "sql": good})
    with pytest.raises(InvalidEventError, match="declares no tables"):
        type("P", (Projection,), {"sql": good})
    with pytest.raises(InvalidEventError, match="neither of sql and methods"):
        type("P", (Projection,), {"tables": {"t": "a int"}})
    with pytest.raises(InvalidEventError, match="both of sql and methods"):
        type("P", (TotalsByHand,), {"sql": good})


def test_columns_that_the_engine_does_not_take_are_no_damaged_file(tmp_path):
    kind = type("P", (Projection,), {"tables": {"t": "a nonsense("}, "sql": "select 1"})
    with EventStore() as store:
        for database in (None, tmp_path / "read.duckdb"):
            with pytest.raises(
                InvalidEventError, match=r"P\.tables\['t'\] must be a list of columns"
            ):
                Projector(store, kind, database)
    assert not [p for p in tmp_path.iterdir() if "damaged" in p.name]


@BOTH
def test_verify_notices_tampering(tmp_path, kind):
    path = tmp_path / "read.duckdb"
    with log_of(some(6)) as store:
        projector = Projector(store, kind, path)
        projector.catch_up(limit=5)
        assert projector.verify()
        schema = f"build_{projector._build}"
        projector.close()
        for change in ("update {}.totals set total = total + 1 where id = 'a1'",
                       "delete from {}.totals where id = 'a2'",
                       "insert into {}.totals values ('x', 0, 0, '')"):  # fmt: skip
            connection = duckdb.connect(str(path))
            connection.execute(change.format(schema))
            connection.close()
            projector = Projector(store, kind, path)
            assert not projector.verify()
            projector.rebuild()
            assert projector.verify()
            schema = f"build_{projector._build}"
            projector.close()


@BOTH
@settings(max_examples=10)
@given(text=TEXT, name=TEXT.filter(lambda t: t.strip() and "\0" not in t))
def test_quotes_and_unicode_in_ids_and_data_come_through(kind, text, name):
    with log_of([(name, 1, text), (name, 2, f"'{text}\" ; drop table totals --")]) as store:
        one, two = Projector(store, kind), Projector(store, kind)
        one.catch_up()
        two.deliver(list(store.read_all()))
        assert found(one) == found(two) == wanted(store.read_all())
        assert one.verify()


def test_a_long_log_is_read_in_batches(monkeypatch):
    monkeypatch.setattr("esnb.readmodels.projector.BATCH", 7)
    rng = random.Random(3)
    with log_of([(rng.choice("abc"), rng.randrange(9), "x") for _ in range(50)]) as store:
        for kind in (Totals, TotalsByHand):
            projector = Projector(store, kind)
            assert projector.catch_up() == 50
            assert found(projector) == wanted(store.read_all())
            assert projector.rebuild() == 50
            assert found(projector) == wanted(store.read_all())


# -- the shop's read models ------------------------------------------------------------------------


def order_rows(events: list[Event]) -> dict[str, tuple]:
    """OrderSummary from the payload table alone, with no line of the package's or of `Order`."""
    orders: dict[str, dict[str, Any]] = {}
    for e in events:
        if e.aggregate_type != "ORDER":
            continue
        o = orders.setdefault(
            e.aggregate_id,
            {"customer": None, "lines": {}, "sent": 0, "paid": 0, "back": 0, "payments": 0,
             "cancelled": False, "placed": None, "n": 0},
        )  # fmt: skip
        d, lines = e.event_data, o["lines"]
        if e.event_type == "OrderPlaced":
            o["customer"], o["placed"] = d["customer"], e.occurred_at
        for item in d["items"] if e.event_type == "OrderPlaced" else [d]:
            if e.event_type in ("OrderPlaced", "ItemAdded"):
                pieces, _ = lines.get(item["sku"], (0, 0))
                lines[item["sku"]] = (pieces + item["quantity"], item["price"])
        if e.event_type == "ItemRemoved":
            lines.pop(d["sku"], None)
        elif e.event_type == "OrderShipped":
            o["sent"] += sum(item["quantity"] for item in d["items"])
        elif e.event_type == "PaymentReceived":
            o["paid"], o["payments"] = o["paid"] + d["amount"], o["payments"] + 1
        elif e.event_type == "RefundIssued":
            o["back"] += d["amount"]
        elif e.event_type == "OrderCancelled":
            o["cancelled"] = True
        o["changed"], o["n"] = e.occurred_at, o["n"] + 1
    rows = {}
    for key, o in orders.items():
        pieces = sum(quantity for quantity, _ in o["lines"].values())
        if o["cancelled"]:
            status = "CANCELLED"
        elif pieces and o["sent"] >= pieces:
            status = "SHIPPED"
        else:
            status = "PAID" if o["payments"] else "PENDING"
        total = sum(quantity * price for quantity, price in o["lines"].values())
        rows[key] = (
            o["customer"], status, pieces, o["sent"], total, o["paid"], o["back"],
            naive(o["placed"]), naive(o["changed"]), o["n"],
        )  # fmt: skip
    return rows


def naive(time: Any) -> Any:
    return time and time.replace(tzinfo=None)


def stock_rows(events: list[Event]) -> dict[str, tuple[int, int]]:
    """Inventory: pieces reserved for open orders, and shipped, by sku."""
    held: dict[str, Counter[str]] = {}
    gone: set[str] = set()
    shipped: Counter[str] = Counter()
    skus = set()
    for e in events:
        if e.aggregate_type != "ORDER":
            continue
        mine, d = held.setdefault(e.aggregate_id, Counter()), e.event_data
        if e.event_type == "OrderPlaced":
            for item in d["items"]:
                mine[item["sku"]] += item["quantity"]
        elif e.event_type == "ItemAdded":
            mine[d["sku"]] += d["quantity"]
        elif e.event_type == "ItemRemoved":
            mine[d["sku"]] = 0
        elif e.event_type == "OrderShipped":
            for item in d["items"]:
                mine[item["sku"]] -= item["quantity"]
                shipped[item["sku"]] += item["quantity"]
        elif e.event_type == "OrderCancelled":
            gone.add(e.aggregate_id)
        skus |= set(mine)
    reserved = Counter(dict.fromkeys(skus, 0))
    for key, mine in held.items():
        if key not in gone:
            reserved.update(mine)
    return {sku: (reserved[sku], shipped[sku]) for sku in skus}


def day_rows(events: list[Event]) -> dict[Any, tuple[int, ...]]:
    days: dict[Any, Counter[str]] = {}
    for e in events:
        if e.aggregate_type == "ORDER":
            day = days.setdefault(e.occurred_at.date(), Counter())
            day[e.event_type] += 1
            if e.event_type in ("PaymentReceived", "RefundIssued"):
                day[e.event_type + " cents"] += e.event_data["amount"]
    keys = ("OrderPlaced", "PaymentReceived", "OrderShipped", "OrderCancelled",
            "PaymentReceived cents", "RefundIssued cents")  # fmt: skip
    return {date: tuple(day[key] for key in keys) for date, day in days.items()}


SHOP: dict[type[Projection], tuple[Any, str]] = {
    OrderSummary: (order_rows, "from orders_summary"),
    Inventory: (stock_rows, "from inventory"),
    Analytics: (day_rows, "from daily"),
}


def check_shop(projector: Projector, events: list[Event]) -> None:
    oracle, query = SHOP[projector.projection]
    rows = {row[0]: row[1:] for row in projector.sql(query).fetchall()}
    assert rows == oracle(events[: projector.position])


@pytest.fixture(scope="module")
def shop_store():
    with EventStore(clock=LessonClock()) as store:
        shop.first_orders(store)
        shop.simulate(store, orders=120, seed=5)
        yield store


@pytest.mark.parametrize("kind", SHOP)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_shop_s_read_models_agree_with_a_fold_in_plain_python(shop_store, kind, seed):
    events = list(shop_store.read_all())
    rng = random.Random(seed)
    projector = Projector(shop_store, kind)
    while projector.catch_up(limit=rng.choice([1, 2, 5, 20, 90])):
        check_shop(projector, events)
    assert projector.position == len(events) > 500
    assert projector.verify()
    projector.rebuild()
    check_shop(projector, events)
    delivered = Projector(shop_store, kind)
    sent = events[:80] + events[20:60]
    rng.shuffle(sent)
    while sent:
        delivered.deliver([sent.pop() for _ in range(min(rng.randrange(1, 12), len(sent)))])
    assert delivered.position == 80
    check_shop(delivered, events)


def orders_at_random(rng: random.Random, count: int) -> list[tuple[str, Event]]:
    """Events of a few orders as the rules allow them, made without `Order`: wilder than a shop."""
    prices = {"A": 100, "B": 250, "C": 7}
    lines: dict[str, Counter[str]] = {}
    open_: dict[str, str] = {}
    log = []

    def tell(key: str, kind: str, **data: Any) -> None:
        log.append((key, new_event(kind, data)))

    while len(log) < count:
        key = f"o{rng.randrange(4)}"
        if key not in lines:
            skus = rng.sample("ABC", rng.randrange(1, 4))
            lines[key], open_[key] = Counter({sku: rng.randrange(1, 4) for sku in skus}), "PENDING"
            items = [{"sku": s, "quantity": lines[key][s], "price": prices[s]} for s in skus]
            tell(key, "OrderPlaced", customer=rng.choice(["ada", "o'brien", "zoë"]), items=items)
            continue
        move, state, sku = rng.random(), open_[key], rng.choice("ABC")
        if state == "PENDING" and move < 0.35:
            lines[key][sku] += (pieces := rng.randrange(1, 3))
            tell(key, "ItemAdded", sku=sku, quantity=pieces, price=prices[sku])
        elif state == "PENDING" and move < 0.65 and len(+lines[key]) > 1 and lines[key][sku]:
            lines[key][sku] = 0
            tell(key, "ItemRemoved", sku=sku)
        elif state == "PENDING" and move < 0.85:
            open_[key] = "PAID"
            amount = sum(n * prices[s] for s, n in lines[key].items())
            tell(key, "PaymentReceived", amount=amount, method="card")
        elif state in ("PENDING", "PAID") and move > 0.93:
            open_[key] = "CANCELLED"
            tell(key, "OrderCancelled", reason="changed my mind")
        elif state in ("PAID", "PARTLY") and move < 0.7:
            rest = +lines[key]
            if rest:
                parcel = {s: rng.randrange(1, n + 1) for s, n in rest.items() if rng.random() < 0.7}
                parcel = parcel or dict(rest)
                lines[key].subtract(parcel)
                open_[key] = "PARTLY"
                items = [{"sku": s, "quantity": n} for s, n in parcel.items()]
                tell(key, "OrderShipped", items=items, carrier="post")
            else:
                tell(key, "RefundIssued", amount=1, reason="broken")
        elif state == "CANCELLED" and move < 0.2:
            tell(key, "RefundIssued", amount=1, reason="cancelled")
    return log


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6), cuts=CUTS)
def test_wild_orders_agree_with_the_fold_in_any_cuts(seed, cuts):
    with EventStore(clock=LessonClock()) as store:
        for key, event in orders_at_random(random.Random(seed), 30):
            store.append(key, [event], expected_version=ANY, aggregate_type="ORDER")
        events = list(store.read_all())
        for kind in SHOP:
            projector = Projector(store, kind)
            for cut in [*cuts, None]:
                projector.catch_up(limit=cut)
                check_shop(projector, events)
            assert projector.verify()
