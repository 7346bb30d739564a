"""Rows by key in handlers: the same rows as a fold in plain Python, in any batch size."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import ANY, Event, EventStore, LessonClock, new_event
from esnb.errors import ProjectionError
from esnb.readmodels import projector as projector_module
from esnb.readmodels import read_tables, row_buffer
from esnb.readmodels.projection import Projection, handles
from esnb.readmodels.projector import Projector

# -- a program of random operations, run by handlers and by a model that shares nothing ------------

OPERATIONS = st.one_of(
    st.tuples(st.just("set"), st.integers(0, 9)),
    st.tuples(st.just("upsert"), st.integers(-(2**40), 2**40)),
    st.tuples(st.just("insert"), st.integers(0, 9)),
    st.tuples(st.just("add"), st.integers(-5, 5)),
    st.tuples(st.just("delete"), st.just(0)),
    st.tuples(st.just("drop"), st.just(0)),
    st.tuples(st.just("count"), st.just(0)),
    st.tuples(st.just("sum"), st.just(0)),
    st.tuples(st.just("sql"), st.integers(0, 9)),
    st.tuples(st.just("fail"), st.integers(0, 9)),
)
PROGRAMS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c'", 'd"']), st.sampled_from("xyz"), OPERATIONS),
    max_size=25,
)


class Machine(Projection):
    """Each event is an operation on a row; every other one on a row of another aggregate."""

    tables: ClassVar = {
        "order": '"group" varchar, item varchar, n bigint, note varchar, '
        'primary key ("group", item)',
        "seen": "name varchar primary key, hits bigint default 100",
    }

    @handles("Done")
    def done(self, read: Any, event: Event) -> None:
        name, item = event.data["group"], event.data["item"]
        number = event.data["number"]
        match event.data["operation"]:
            case "set":
                if (row := read.row("order", name, item)) is not None:
                    row["n"], row["note"] = number, f"set {row['note']}"
            case "upsert":
                read.upsert("order", {"item": item, "group": name, "n": number})
            case "insert":
                if read.row("order", name, item) is None:
                    read.insert("order", {"group": name, "item": item, "note": "new"})
            case "add":
                read.add("order", name, item, n=number)
            case "delete":
                read.delete("order", name, item)
            case "drop":
                read.add("seen", "dropped", hits=read.delete("order", name))
            case "count":
                read.add("seen", name, hits=len(read.rows("order", name)))
            case "sum":
                total = read.execute('select coalesce(sum(n), 0)::bigint from "order"').fetchone()
                read.upsert("seen", {"name": "sum", "hits": total[0]})
            case "sql":
                read.upsert("order", {"group": name, "item": item, "n": 1})
                read.execute('update "order" set n = n + ? where "group" = ?', [number, name])
                read.row("order", name, item)["note"] = "sql"
            case "fail":
                read.upsert("order", {"group": name, "item": item, "n": -1})
                raise ValueError("cannot")


def model(program: list[Any], without: set[int]) -> tuple[dict[Any, Any], dict[str, int]]:
    """What the operations give, in dicts."""
    order: dict[tuple[str, str], list[Any]] = {}
    seen: dict[str, int] = {}
    for position, (name, item, (operation, number)) in enumerate(program, start=1):
        if position in without:
            continue
        key, mine = (name, item), [k for k in order if k[0] == name]
        match operation:
            case "set":
                if key in order:
                    order[key] = [number, f"set {order[key][1]}"]
            case "upsert":
                order[key] = [number, order.get(key, [None, None])[1]]
            case "insert":
                order.setdefault(key, [None, "new"])
            case "add":
                before, note = order.get(key, [None, None])
                order[key] = [(before or 0) + number, note]
            case "delete":
                order.pop(key, None)
            case "drop":
                seen["dropped"] = seen.get("dropped", 100) + len(mine)
                for gone in mine:
                    del order[gone]
            case "count":
                seen[name] = seen.get(name, 100) + len(mine)
            case "sum":
                seen["sum"] = sum(n or 0 for n, _ in order.values())
            case "sql":
                order[key] = [1, None]
                for k in {*mine, key}:
                    n = order[k][0]
                    order[k][0] = None if n is None else n + number
                order[key][1] = "sql"
    return {key: tuple(values) for key, values in order.items()}, seen


def log_of(program: list[Any]) -> EventStore:
    store = EventStore(clock=LessonClock())
    for n, (name, item, (operation, number)) in enumerate(program):
        done = new_event("Done", group=name, item=item, operation=operation, number=number)
        stream = name if n % 2 else "elsewhere"
        store.append(stream, [done], expected_version=ANY, aggregate_type="T")
    return store


def found(projector: Projector) -> tuple[dict[Any, Any], dict[str, int]]:
    rows = projector.sql('from "order"').fetchall()
    return {row[:2]: row[2:] for row in rows}, dict(projector.sql("from seen").fetchall())


@settings(max_examples=60)
@given(
    program=PROGRAMS,
    size=st.sampled_from([1, 2, 3, 7, 1000]),
    bound=st.sampled_from([0, 1, 3, 1000]),
    small=st.sampled_from([-1, 2, 1000]),
)
def test_any_operations_in_any_batches_give_what_plain_python_gives(program, size, bound, small):
    """Also with little memory, with tables that are never fetched whole, and with failing events.

    A failing event leaves none of its changes, and is skipped.
    """
    with pytest.MonkeyPatch.context() as patch, log_of(program) as store:
        patch.setattr(projector_module, "HANDLED", size)
        patch.setattr(read_tables, "ROWS", bound)
        patch.setattr(row_buffer, "SMALL", small)
        projector = Projector(store, Machine)
        skipped: set[int] = set()
        while (failed := failure(projector)) is not None:
            assert program[failed - 1][2][0] == "fail"
            assert projector.position == failed - 1
            assert found(projector) == model(program[: failed - 1], skipped)
            projector.skip(failed)
            skipped.add(failed)
        assert skipped == {n for n, (*_, (what, _)) in enumerate(program, 1) if what == "fail"}
        assert found(projector) == model(program, skipped)
        projector.rebuild()
        assert found(projector) == model(program, skipped)


def failure(projector: Projector) -> int | None:
    """Catch up; the position of the event that fails, if one does."""
    try:
        projector.catch_up()
    except ProjectionError as error:
        return error.event and error.event.position
    return None


# -- one thing at a time ---------------------------------------------------------------------------


def run(body: Any, events: int = 1, **declared: Any) -> Projector:
    """Run a handler on a few events, in a read model of its own."""

    class One(Projection):
        tables: ClassVar = declared or {"t": "id varchar primary key, n integer"}

        @handles("Done")
        def done(self, read: Any, event: Event) -> None:
            body(read, event)

    store = EventStore(clock=LessonClock())
    for n in range(events):
        store.append(f"a{n}", [new_event("Done", n=n)], expected_version=0, aggregate_type="T")
    projector = Projector(store, One)
    projector.catch_up()
    return projector


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("integer", "12", 12),
        ("integer", 1.6, 2),
        ("varchar", 5, "5"),
        ("double", 3, 3.0),
        ("float", 0.1, 0.10000000149011612),
        ("decimal(9, 2)", Decimal("1.005"), Decimal("1.01")),
        ("date", "2026-03-02", date(2026, 3, 2)),
        ("timestamp", datetime(2026, 3, 2, 9, tzinfo=timezone(timedelta(hours=2))),
         datetime(2026, 3, 2, 7)),
        ("timestamp", datetime(2026, 3, 2, 9, tzinfo=UTC), datetime(2026, 3, 2, 9)),
        ("boolean", 1, True),
        ("enum('red', 'green')", "red", "red"),
    ],
)  # fmt: skip
def test_a_value_is_the_same_before_and_after_it_is_written(kind, given, kept):
    seen = []

    def body(read: Any, event: Event) -> None:
        row = read.upsert("t", {"id": "x", "v": given})
        seen.append(row["v"])
        read.execute("select 1 from t where false; update t set v = v")
        seen.append(read.row("t", "x")["v"])

    projector = run(body, t=f"id varchar primary key, v {kind}")
    assert [(type(v), v) for v in seen] == [(type(kept), kept)] * 2
    assert projector.sql("select v from t").fetchall() == [(kept,)]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda r, _: r.row("nowhere", 1), "no table 'nowhere' here, only"),
        (lambda r, _: r.row("t", "a", "b"), r"key of 't' is \['id'\], found 2 values"),
        (lambda r, _: r.row("t"), "found 0 values"),
        (lambda r, _: r.row("t", None), "found .None"),
        (lambda r, _: r.insert("t", {"n": 1}), r"needs its key: \['id'\] is missing"),
        (lambda r, _: r.upsert("t", {"id": "a", "m": 1}), "'t' has no column 'm', only"),
        (lambda r, _: r.add("t", "a", m=1), "'t' has no column 'm', only"),
        (lambda r, _: r.upsert("t", {"id": "a"}).update(id="b"), "part of the key"),
        (lambda r, _: r.upsert("t", {"id": "a", "n": "twelve"}), "twelve"),
        (lambda r, _: r.upsert("t", {"id": "a", "n": 2**31}), "2147483648"),
        (lambda r, _: [r.insert("t", {"id": "a"}) for _ in "12"], "read.upsert.. changes it"),
        (lambda r, _: r.upsert("t", {"id": "a"}).pop("n"), "columns of a row are set"),
        (lambda r, _: r.row("bare", "a"), "'bare' has no primary key"),
        (lambda r, _: r.row("odd", "a"), "type INTEGER.., which rows by key do not have"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_the_event(body, words):
    tables = {
        "t": "id varchar primary key, n integer",
        "bare": "id varchar",
        "odd": "id varchar primary key, v integer[]",
    }
    with pytest.raises(ProjectionError, match=rf"position 1: Done .*{words}"):
        run(body, **tables)


def test_a_row_is_valid_for_its_event_and_until_sql_may_have_changed_it():
    kept: list[Any] = []

    def later(read: Any, event: Event) -> None:
        if kept:
            kept[0]["n"] = 5
        kept.append(read.upsert("t", {"id": "x", "n": 1}))

    def after_sql(read: Any, event: Event) -> None:
        row = read.upsert("t", {"id": "x", "n": 1})
        read.execute("update t set n = 7")
        row["n"] = 2

    def after_delete(read: Any, event: Event) -> None:
        row = read.upsert("t", {"id": "x", "n": 1})
        read.delete("t", "x")
        row["n"] = 2

    for body, events in ((later, 2), (after_sql, 1), (after_delete, 1)):
        with pytest.raises(ProjectionError, match="Ask for it again"):
            run(body, events)


def test_a_constraint_that_fails_when_rows_are_written_is_blamed_on_its_event():
    def body(read: Any, event: Event) -> None:
        read.upsert("t", {"id": event.aggregate_id, "n": None if event.data["n"] == 3 else 1})

    with pytest.raises(ProjectionError, match="position 4: Done") as caught:
        run(body, 9, t="id varchar primary key, n integer not null")
    assert caught.value.event.position == 4


def test_many_events_cost_a_few_statements(monkeypatch):
    """The reason for all this: 500 events, and not one statement for each."""
    ran: list[str] = []

    class Counting:
        def __init__(self, cursor: Any) -> None:
            self._cursor = cursor

        def execute(self, text: str, values: Any = None) -> Any:
            ran.append(text)
            return self._cursor.execute(text, values)

    real = row_buffer.TableBuffer.__init__
    monkeypatch.setattr(
        row_buffer.TableBuffer,
        "__init__",
        lambda self, cursor, *more: real(self, Counting(cursor), *more),
    )
    projector = run(lambda read, e: read.add("t", e.aggregate_id, n=1), 500)
    assert projector.sql("select count(*), sum(n) from t").fetchall() == [(500, 500)]
    assert len(ran) < 6
    assert len([text for text in ran if text.startswith("merge")]) == 1


def test_a_read_model_that_another_projector_has_moved_is_read_again(tmp_path):
    class Count(Projection):
        tables: ClassVar = {"t": "id varchar primary key, n integer"}

        @handles("Done")
        def done(self, read: Any, event: Event) -> None:
            read.add("t", "all", n=1)

    with EventStore(clock=LessonClock()) as store:
        for n in range(12):
            store.append(f"a{n}", [new_event("Done")], expected_version=0, aggregate_type="T")
        one, two = (Projector(store, Count, tmp_path / "read.duckdb") for _ in "12")
        for n in range(6):
            (one, two)[n % 2].catch_up(limit=2)
        assert one.sql("select n from t").fetchall() == [(12,)]
