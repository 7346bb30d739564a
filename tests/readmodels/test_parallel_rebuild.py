"""A rebuild by worker processes gives what one process gives, row for row, or changes nothing."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import (
    ANY,
    Event,
    EventStore,
    LessonClock,
    Projection,
    ProjectionError,
    Projector,
    RebuildError,
    Upcasters,
    handles,
    new_event,
    shop,
)
from esnb.errors import UpcastError
from esnb.readmodels import parallel_rebuild
from tests import read_models
from tests.read_models import Mortal, Picky, Totals
from tests.support import ROOT, TEXT

BIG = 10_000_000_000_000_000_000
IDS = [f"id-{n}" for n in range(12)] + ["", "é😀", "'; drop", "a/b\\c"]


class Inline:
    """A pool without processes: what goes in and comes out is pickled all the same."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def submit(self, work: Callable[..., Any], task: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            sent = pickle.loads(pickle.dumps((work, task)))
            future.set_result(pickle.loads(pickle.dumps(sent[0](sent[1]))))
        except Exception as error:
            future.set_exception(pickle.loads(pickle.dumps(error)))
        return future

    def shutdown(self, **kwargs: Any) -> None:
        pass


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_rebuild, "ProcessPoolExecutor", Inline)


@pytest.fixture(autouse=True)
def leftovers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterable[Path]:
    """The folder for temporary files; whatever happened, it is empty afterwards."""
    folder = tmp_path / "it's temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture(scope="module", autouse=True)
def no_helper_is_left() -> Iterable[None]:
    """Python keeps a process that looks after semaphores until pytest ends; not here."""
    yield
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]


def log_of(facts: Iterable[tuple[str, int, str]], **options: Any) -> EventStore:
    """A store with an Added event for each (aggregate, n, text); n of 0 makes it Noted."""
    store = EventStore(clock=LessonClock(), **options)
    for name, n, text in facts:
        event = new_event("Added", n=n, text=text) if n else new_event("Noted")
        store.append(f"T {name}", [event], expected_version=ANY, aggregate_type="T")
    return store


def some(count: int) -> list[tuple[str, int, str]]:
    return [(IDS[n % 7], n, f"text {n}") for n in range(1, count + 1)]


def wanted(events: Iterable[Event]) -> dict[str, list[tuple[Any, ...]]]:
    """The oracle: a fold in plain Python."""
    totals: dict[str, tuple[Any, ...]] = {}
    texts = []
    for event in events:
        data = event.event_data
        if event.event_type in ("Added", "Noted"):
            time = event.occurred_at.replace(tzinfo=None)
            texts.append((event.aggregate_id, data.get("text"), time))
        if event.event_type == "Added":
            n, total, _, _ = totals.get(event.aggregate_id, (0, 0, "", 0))
            totals[event.aggregate_id] = (n + 1, total + data["n"] * BIG, data["text"], 2 * n + 2)
    rows = [(key, *row) for key, row in totals.items()]
    return {"totals": sorted(rows), "texts": sorted(texts, key=repr)}


def found(projector: Projector) -> dict[str, list[tuple[Any, ...]]]:
    rows = {name: projector.sql(f"from {name}").fetchall() for name in ("totals", "texts")}
    return {"totals": sorted(rows["totals"]), "texts": sorted(rows["texts"], key=repr)}


def steps() -> Upcasters:
    up = Upcasters()
    up.rename("Put", "Added")

    @up.split("Both", 1)
    def both(data: dict[str, Any]) -> list[Any]:
        return [("Added", data), ("Noted", {"text": "second"}), ("Added", {**data, "text": "3rd"})]

    up.drop("Gone")
    return up


# -- the same as one process, and as a fold --------------------------------------------------------


@settings(max_examples=10)
@given(
    facts=st.lists(
        st.tuples(st.sampled_from(IDS[9:14]), st.integers(0, 9), TEXT,
                  st.sampled_from(["Added", "Noted", "Put", "Both", "Gone", "Other"])),
        min_size=6, max_size=25,
    ),
    workers=st.integers(2, 3), left_out=st.sets(st.integers(1, 6), max_size=3),
    steps_too=st.booleans(), until=st.integers(0, 25),
)  # fmt: skip
def test_workers_give_what_one_process_and_a_fold_give(facts, workers, left_out, steps_too, until):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel_rebuild, "ProcessPoolExecutor", Inline)
        patch.setattr(parallel_rebuild, "_PIECE", 7)
        patch.setattr(parallel_rebuild, "BUCKETS", 2)
        with EventStore(clock=LessonClock(), upcasters=steps() if steps_too else None) as store:
            for name, n, text, kind in facts:
                event = new_event(kind, n=n, text=text)
                store.append(f"T {name}", [event], expected_version=ANY, aggregate_type="T")
            at = store.as_of(min(until, store.position))
            for log in (store, at):
                one, many = Projector(log, Totals), Projector(log, Totals)
                for projector in (one, many):
                    for position in sorted(left_out):
                        if position <= log.position:
                            _leave_out(projector, position)
                assert many.rebuild(workers=workers) == one.rebuild() == log.position
                assert many.position == one.position == log.position
                assert found(many) == found(one)
                kept = [event for event in log.read_all() if event.position not in left_out]
                assert found(many) == wanted(kept)
                assert many.parked()["position"].tolist() == one.parked()["position"].tolist()


def _leave_out(projector: Projector, position: int) -> None:
    while projector.position < position - 1:
        try:
            projector.catch_up(1)
        except ProjectionError:  # the side effect, which has no business here
            projector._reacted(projector.position)
    projector._reacted(projector.position)
    projector.skip(position)
    projector._reacted(position)


def test_order_and_events_left_out_are_kept(inline):
    store = log_of(some(40))
    projector = Projector(store, Totals)
    for position in (3, 17):
        _leave_out(projector, position)
    projector.rebuild(workers=2)
    assert found(projector) == wanted(e for e in store.read_all() if e.position not in (3, 17))
    projector.rebuild(workers=2, parked_too=True)
    assert found(projector) == wanted(store.read_all())


def test_the_parts_of_a_split_event_stay_in_order(inline):
    with EventStore(clock=LessonClock(), upcasters=steps()) as store:
        event = new_event("Both", n=1, text="1st")
        store.append("a", [event], expected_version=0, aggregate_type="T")
        projector = Projector(store, Totals)
        projector.rebuild(workers=2)
        assert projector.sql("select id, n, last from totals").fetchall() == [("a", 2, "3rd")]


def test_real_processes_put_the_shop_s_page_together(tmp_path):
    with EventStore(tmp_path / "log.duckdb", clock=LessonClock()) as store:
        shop.simulate(store, orders=120, seed=5)
        by_sql = Projector(store, shop.OrderSummary)
        by_sql.catch_up()
        place = tmp_path / "read.duckdb"
        by_workers = Projector(store, shop.OrderSummaryByHandler, place)
        assert by_workers.rebuild(workers=2) == store.position == by_workers.position
        for table in shop.OrderSummary.tables:
            query = f"from {table} order by all"
            assert by_workers.sql(query).fetchall() == by_sql.sql(query).fetchall() != []
        assert by_workers.verify()
        # It goes on from there, also after the file was closed.
        by_workers.close()
        order = store.new(shop.Order, "order-new")
        order.place("ada", [{"sku": "TEAPOT", "quantity": 1, "price": 2950}])
        store.save(order)
        again = Projector(store, shop.OrderSummaryByHandler, place)
        assert again.catch_up() == 1
        assert again.verify()
        again.close()


def test_the_handlers_of_the_shop_write_what_the_sql_writes():
    with EventStore(clock=LessonClock()) as store:
        shop.first_orders(store)
        shop.simulate(store, orders=150, seed=8)
        for at in (40, store.position):
            both = [Projector(store.as_of(at), kind)
                    for kind in (shop.OrderSummary, shop.OrderSummaryByHandler)]  # fmt: skip
            rows = []
            for projector in both:
                projector.catch_up()
                rows.append([projector.sql(f"from {t} order by all").fetchall()
                             for t in projector.projection.tables])  # fmt: skip
            assert rows[0] == rows[1]


def test_events_that_come_meanwhile_are_in_the_new_read_model(inline, monkeypatch):
    store = log_of(some(20))
    put_together = parallel_rebuild._put_together

    def late(*args: Any) -> None:
        store.append("T late", [new_event("Added", n=1, text="late")], expected_version=0,
                     aggregate_type="T")  # fmt: skip
        put_together(*args)

    monkeypatch.setattr(parallel_rebuild, "_put_together", late)
    projector = Projector(store, Totals)
    assert projector.rebuild(workers=2) == 21 == projector.position
    assert found(projector) == wanted(store.read_all())


def test_side_effects_are_not_repeated(inline):
    Totals.mails.clear()
    projector = Projector(log_of(some(20)), Totals)
    projector.rebuild(workers=3)
    assert Totals.mails == []


def test_an_empty_log_and_one_without_events_for_the_handlers(inline):
    assert Projector(log_of([]), Totals).rebuild(workers=2) == 0
    with EventStore(clock=LessonClock()) as store:
        store.append("a", [new_event("Other")], expected_version=0, aggregate_type="T")
        projector = Projector(store, Totals)
        assert projector.rebuild(workers=2) == 1 == projector.position
        assert found(projector) == {"totals": [], "texts": []}


# -- when it cannot be -----------------------------------------------------------------------------


def stays_after(error: type[Exception], projector: Projector, match: str, workers: int = 2) -> Any:
    """The rebuild raises; rows, position and build are as they were. Returns the error."""
    before = (found(projector), projector.position, projector._build)
    with pytest.raises(error, match=match) as raised:
        projector.rebuild(workers=workers)
    assert (found(projector), projector.position, projector._build) == before
    schemas = projector._db.cursor().execute("select schema_name from duckdb_schemas()").fetchall()
    assert [name for (name,) in schemas if name.startswith("build_")] == [f"build_{before[2]}"]
    return raised.value


@pytest.fixture
def with_thirteens() -> EventStore:
    """Thirty good events, then a failing one in each of many buckets."""
    late = [(name, 13, "thirteen") for name in IDS]
    return log_of([(name, n % 13, text) for name, n, text in some(30)] + late + some(12))


def test_the_first_event_that_fails_is_named_and_the_old_model_stays(inline, with_thirteens):
    projector = Projector(with_thirteens, Picky)
    projector._reacted(30)
    projector.catch_up(30)
    for workers in (1, 2, 4):
        error = stays_after(ProjectionError, projector, "position 31: Added", workers)
        assert error.event == next(with_thirteens.read_all(30))
        assert "QueryError: Could not convert string 'thirteen'" in str(error)
        assert "which stands at position 30" in str(error)


def test_real_processes_report_a_failing_handler(with_thirteens):
    projector = Projector(with_thirteens, Picky)
    stays_after(ProjectionError, projector, "Picky cannot process the event at position 31: Added")


def test_a_worker_that_dies_leaves_the_old_model(with_thirteens):
    projector = Projector(with_thirteens, Mortal)
    projector._reacted(30)
    projector.catch_up(30)
    stays_after(RebuildError, projector, "A worker ended before its work was done")


def test_an_upcaster_that_fails_is_named():
    up = Upcasters()
    up.register("Added", 1)(lambda data: data["missing"])
    projector = Projector(log_of(some(5), upcasters=up), Totals)
    stays_after(UpcastError, projector, "failed on event 1 of")


class Local(Totals):
    """Importable, until a test hides it."""


def nested() -> type[Projection]:
    class Inner(Totals):
        pass

    return Inner


def in_a_notebook() -> type[Projection]:
    class Mine(Projection):
        tables = {"t": "id varchar"}  # noqa: RUF012
        by_aggregate = "id"

        @handles("Added")
        def added(self, read: Any, event: Event) -> None:
            pass

    Mine.__module__, Mine.__qualname__ = "__main__", "Mine"
    sys.modules["__main__"].Mine = Mine  # type: ignore[attr-defined]
    return Mine


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (read_models.BySql, "declared as SQL. The engine runs that on all cores already"),
        (read_models.Plain, "by_aggregate = 'order_id'"),
        (read_models.NoColumn, "the table 'totals' has no such column"),
        (nested(), "Move the class to a file of its own"),
        (in_a_notebook(), "defined in a notebook, a script or a function"),
    ],
)
def test_what_cannot_be_shared_out_is_refused_in_words(kind, words):
    projector = Projector(log_of(some(3)), kind)
    with pytest.raises(RebuildError, match=words):
        projector.rebuild(workers=2)
    assert projector.rebuild() == 3  # one process can


def test_a_class_that_was_declared_again_is_refused(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "Local", Totals)
    with pytest.raises(RebuildError, match="imports the declaration by name"):
        Projector(log_of(some(3)), _LOCAL).rebuild(workers=2)


_LOCAL = Local


@pytest.mark.parametrize("workers", [0, -1, True, 1.5, "2", None])
def test_workers_is_a_number(workers):
    with pytest.raises(RebuildError, match="from 1 upwards"):
        Projector(log_of(some(3)), Totals).rebuild(workers=workers)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (read_models.Days, "events of another aggregate wrote the row of 'all'"),
        (read_models.OneLast, "two aggregates wrote the same row"),
    ],
)
def test_a_declaration_that_is_not_true_is_found_out(inline, kind, words):
    store = log_of([(name, 1, "the same") for name in IDS])
    projector = Projector(store, kind)
    projector.catch_up()
    before = projector.df()
    with pytest.raises(RebuildError, match=words):
        projector.rebuild(workers=2)
    assert projector.df().equals(before)


# -- nobody is left behind -------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="processes end in another way there")
def test_workers_end_with_a_parent_that_was_killed(tmp_path):
    program = """
        from esnb import Projector
        from tests.read_models import Slow
        from tests.readmodels.test_parallel_rebuild import log_of, some
        if __name__ == "__main__":
            Projector(log_of(some(20)), Slow).rebuild(workers=2)
    """
    script, pids = tmp_path / "script.py", tmp_path / "pids"
    script.write_text(textwrap.dedent(program))
    pids.mkdir()
    env = {"PYTHONPATH": str(ROOT), "ESNB_TEST_FOLDER": str(pids), "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, script], env=env)
    try:
        workers = _wait(lambda: len(found_pids := list(pids.iterdir())) == 2 and found_pids)
    finally:
        parent.kill()
        parent.wait()
    _wait(lambda: not any(_runs(int(pid.name)) for pid in workers))


def _wait(for_what: Callable[[], Any]) -> Any:
    end = time.monotonic() + 60
    while not (answer := for_what()):
        assert time.monotonic() < end, "waited for a minute"
        time.sleep(0.05)
    return answer


def _runs(pid: int) -> bool:
    """Is there such a process, and not only its remains that nobody has asked for?"""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return shown.stdout.strip()[:1] not in ("", "Z")
