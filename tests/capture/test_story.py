"""Row changes by triggers, the story in four ways, and the decoding of PostgreSQL's messages."""

from __future__ import annotations

import csv
import re
import struct
from dataclasses import replace
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb.capture import (
    QUESTIONS,
    STEPS,
    WAYS,
    CaptureError,
    Question,
    SlotCapture,
    Story,
    TriggerCapture,
    decode,
    sample,
    story,
    write_rows,
)


def plain(changes: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What two captures of one story have in common: all but places and times."""
    return [(c["op"], c["before"], c["after"], c["source"]["table"]) for c in changes]


@pytest.fixture
def things():
    with duckdb.connect() as db:
        db.execute('create table things (id int primary key, x int, "at" text, op text)')
        yield db


def insert(db: duckdb.DuckDBPyConnection, *ids: int) -> None:
    for n in ids:
        db.execute("insert into things values (?, 0, 'a', 'b')", [n])


# -- triggers ----------------------------------------------------------------------------------


def test_each_change_in_the_envelope_of_debezium(things: duckdb.DuckDBPyConnection) -> None:
    capture = TriggerCapture(things, ["things"], now="getvariable('now')")
    things.execute("set variable now = 5")
    insert(things, 1)
    things.execute("set variable now = 6")
    things.execute("update things set x = 7")
    things.execute("delete from things")
    old, new = {"id": 1, "x": 0, "at": "a", "op": "b"}, {"id": 1, "x": 7, "at": "a", "op": "b"}
    found = capture.changes()
    assert plain(found) == [
        ("c", None, old, "things"), ("u", old, new, "things"), ("d", new, None, "things"),
    ]  # fmt: skip
    assert [c["ts_ms"] for c in found] == [5, 6, 6] == [c["source"]["ts_ms"] for c in found]
    assert [c["source"]["position"] for c in found] == [1, 2, 3]
    assert len({c["source"]["txId"] for c in found}) == 3
    assert set(found[0]) == {"op", "before", "after", "source", "ts_ms"}
    assert capture.changes(after=2) == found[2:]


DOINGS = st.one_of(
    st.tuples(st.just("insert"), st.integers(0, 5), st.integers(0, 3)),
    st.tuples(st.just("update"), st.integers(0, 5), st.integers(0, 3)),
    st.tuples(st.just("all"), st.just(0), st.integers(0, 3)),
    st.tuples(st.just("delete"), st.integers(0, 5), st.just(0)),
    st.tuples(st.just("rollback"), st.integers(0, 5), st.just(0)),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(DOINGS, max_size=12))
def test_the_changes_applied_one_by_one_give_the_table(doings: list[tuple[str, int, int]]) -> None:
    with duckdb.connect() as db:
        db.execute("create table t (id int primary key, x int)")
        capture = TriggerCapture(db, ["t"])
        for what, n, x in doings:
            if what == "insert" and not db.execute("from t where id = ?", [n]).fetchall():
                db.execute("insert into t values (?, ?)", [n, x])
            elif what == "update":
                db.execute("update t set x = ? where id = ?", [x, n])
            elif what == "all":
                db.execute("update t set x = x + ?", [x])
            elif what == "delete":
                db.execute("delete from t where id = ?", [n])
            elif what == "rollback":
                db.begin()
                db.execute("update t set x = -1")
                db.rollback()
        copy: dict[int, Any] = {}
        for change in capture.changes():
            if change["before"] is not None:
                assert copy.pop(change["before"]["id"]) == change["before"]
            if change["after"] is not None:
                copy[change["after"]["id"]] = change["after"]
        there = db.execute("from t").fetchall()
        assert {n: (row["id"], row["x"]) for n, row in copy.items()} == {r[0]: r for r in there}


def test_a_changed_key_is_a_deletion_and_an_insertion(things: duckdb.DuckDBPyConnection) -> None:
    insert(things, 1)
    capture = TriggerCapture(things, ["things"])
    things.execute("update things set id = 2")
    assert [
        (c["op"], (c["before"] or {}).get("id"), (c["after"] or {}).get("id"))
        for c in capture.changes()
    ] == [("d", 1, None), ("c", None, 2)]


def test_keys_that_are_swapped_hide_who_is_who(things: duckdb.DuckDBPyConnection) -> None:
    """The limit that the docstring names: rows are found by their keys alone."""
    insert(things, 1, 2)
    things.execute("update things set x = id")
    capture = TriggerCapture(things, ["things"])
    things.execute("update things set id = 3 - id")
    moved = [(c["op"], c["before"]["x"], c["after"]["x"]) for c in capture.changes()]
    assert moved == [("u", 1, 2), ("u", 2, 1)]


def test_several_columns_of_a_key() -> None:
    with duckdb.connect() as db:
        db.execute("create table t (x int, a int, b int, y int unique, primary key (a, b))")
        db.execute("insert into t values (0, 2, 1, 1), (0, 1, 2, 2), (0, 1, 1, 3)")
        capture = TriggerCapture(db, ["t"])
        db.execute("update t set x = 10 * a + b")
        found = [(c["op"], c["before"]["x"], c["after"]["x"]) for c in capture.changes()]
        assert found == [("u", 0, 11), ("u", 0, 12), ("u", 0, 21)]


def test_two_tables_share_one_order() -> None:
    with duckdb.connect() as db:
        for name in ("t", 'odd "name'):
            quoted = name.replace('"', '""')
            db.execute(f'create table "{quoted}" (id int primary key)')
        capture = TriggerCapture(db, ["t", 'odd "name'])
        db.execute("insert into t values (1)")
        db.execute('insert into "odd ""name" values (2)')
        assert [c["source"]["table"] for c in capture.changes()] == ["t", 'odd "name']


def test_what_the_engine_refuses_on_a_table_with_triggers(
    things: duckdb.DuckDBPyConnection,
) -> None:
    """If DuckDB learns one of these, the docstring of the module is out of date."""
    insert(things, 1)
    TriggerCapture(things, ["things"])
    upsert = "insert into things values (1, 1, 'a', 'b') on conflict do update set x = 1"
    merge = "merge into things using (select 1 as i) on id = i when matched then update set x = 1"
    row = "create trigger r after update on things for each row insert into u values (new.id)"
    things.execute("create table u (id int)")
    for statement in (upsert, merge, row):
        with pytest.raises(duckdb.NotImplementedException):
            things.execute(statement)


def test_a_table_that_is_replaced_leaves_no_trace(things: duckdb.DuckDBPyConnection) -> None:
    """The other limit that the docstring names."""
    insert(things, 1)
    capture = TriggerCapture(things, ["things"])
    things.execute("create or replace table things as select 2 as id, 0 as x")
    assert capture.changes() == []


def test_a_table_without_a_key_is_refused() -> None:
    with duckdb.connect() as db:
        db.execute("create table t (id int)")
        with pytest.raises(CaptureError, match="'t' is not there, or has no primary key"):
            TriggerCapture(db, ["t"])
        assert db.execute("select count(*) from duckdb_triggers()").fetchone() == (0,)


# -- the story ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told():
    with Story() as told:
        yield told


def test_the_truth_follows_from_the_steps() -> None:
    """The texts beside the questions, computed from what happened, and from nothing stored."""

    def of(order: str, event: str) -> list[Any]:
        return [step for step in STEPS if (step.order, step.event) == (order, event)]

    fix = of("order-1042", "PriceCorrected")[0]
    switch, back = of("order-1043", "RefundAccountChanged")
    refund = of("order-1043", "RefundIssued")[0]
    assert switch.at < refund.at < back.at
    placed = [step for step in STEPS if step.event == "OrderPlaced"]
    price = of("order-1043", "OrderPlaced")[0].data["price"]
    job = [step for step in STEPS if step.who == "night job"]
    before = {
        step.order: [s.set["status"] for s in STEPS if s.order == step.order and s.set
                     and "status" in s.set and s.at < step.at][-1]
        for step in job
    }  # fmt: skip
    assert [question.truth for question in QUESTIONS[:-1]] == [
        str(fix.data["price"]),
        str(of("order-1042", "OrderPlaced")[0].data["price"]),
        of("order-1043", "PaymentReceived")[0].at[:5],
        fix.who,
        fix.why,
        " ".join(step.order for step in STEPS if step.event == "DiscountGranted"),
        str(len(placed)),
        f"{price} {refund.data['amount']} {switch.data['refund_to']} {refund.set['status']}",
        switch.data["refund_to"],
        switch.who,
        "; ".join(f"{order} {status}" for order, status in before.items()),
    ]
    assert switch.who == back.who


def test_who_can_answer_what(told: Story) -> None:
    expected = """
        yes yes yes yes
        -   yes yes yes
        -   yes yes yes
        -   yes -   yes
        -   -   -   yes
        -   WRONG WRONG yes
        WRONG WRONG yes yes
        WRONG WRONG yes yes
        WRONG WRONG yes yes
        -   -   -   yes
        -   -   yes -
        -   -   -   -
    """
    table = told.table()
    assert list(table.columns) == list(WAYS)
    assert [list(row) for row in table.to_numpy()] == [
        line.split() for line in expected.strip().splitlines()
    ]


def test_a_verdict_comes_from_the_answer(told: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another truth, other verdicts; an audit table that everybody knows, other answers."""
    assert told.ask(9, "state table") == "ben"
    assert list(told.answers(9)["answer"]) == ["ben", "ben", "otto", "otto", "otto"]
    other = (*QUESTIONS[:8], Question("", "ben", QUESTIONS[8].asked), *QUESTIONS[9:])
    monkeypatch.setattr(story, "QUESTIONS", other)
    assert [told.verdict(9, way) for way in WAYS] == ["yes", "yes", "WRONG", "WRONG"]
    monkeypatch.undo()
    known = tuple(replace(step, audited=True) for step in STEPS)
    monkeypatch.setattr(story, "STEPS", known)
    with Story() as careful:
        assert careful.verdict(10, "audit table") == "yes"
        assert careful.verdict(11, "audit table") == "yes"
        assert careful.verdict(8, "audit table") == "WRONG"  # rebuilt from today's row, as before


def test_every_way_is_asked_only_what_it_has(told: Story) -> None:
    """No way looks into the tables of another."""
    tables = dict(zip(WAYS, ("orders", "audit|orders", "changes", "events"), strict=True))
    for question in QUESTIONS:
        for way in WAYS:
            used = set(re.findall(r"\b(?:from|join|union) (\w+)", question.asked[way])) - {"select"}
            assert used
            assert used <= set(tables[way].split("|")), (question.text, way)


def test_the_events_tell_the_same_orders_as_the_table(told: Story) -> None:
    """But for the night job, which wrote no event."""
    folded: dict[str, dict[str, Any]] = {}
    for event in told.store.read_all():
        row = folded.setdefault(str(event.aggregate_id), {"paid": 0, "refunded": 0})
        if event.type == "OrderCancelled":
            del folded[str(event.aggregate_id)]
        elif event.type == "PaymentReceived":
            row["paid"] = event.data["amount"]
        elif event.type == "RefundIssued":
            row["refunded"] = event.data["amount"]
        else:
            row |= event.data
    rows = told.db.execute("select id, price, paid, refunded from orders order by id").fetchall()
    assert rows == [
        (name, row["price"], row["paid"], row["refunded"]) for name, row in sorted(folded.items())
    ]


def test_events_have_the_times_of_the_story(told: Story) -> None:
    times = [step.time for step in STEPS if step.event]
    assert [event.occurred_at for event in told.store.read_all()] == times
    seconds = [change["ts_ms"] / 1000 for change in told.capture.changes()]
    assert seconds == [step.time.timestamp() for step in STEPS]


def test_the_audit_line_and_the_change_are_one_transaction(monkeypatch: Any) -> None:
    """A change that fails takes its line of the audit table with it."""
    broken = replace(STEPS[4], set={"price": "no number"})
    monkeypatch.setattr(story, "STEPS", (*STEPS[:4], broken))
    kept: list[duckdb.DuckDBPyConnection] = []
    connect = duckdb.connect

    def noted(*arguments: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        kept.append(connect(*arguments, **options))  # the first one is the story's
        return kept[-1]

    monkeypatch.setattr(story.duckdb, "connect", noted)
    with pytest.raises(duckdb.ConversionException):
        Story()
    kept[0].rollback()
    assert kept[0].execute("select count(*) from audit").fetchone() == (0,)
    for each in kept:
        each.close()


def test_a_way_that_is_none(told: Story) -> None:
    with pytest.raises(CaptureError, match="row changes"):
        told.ask(1, "cdc")


def test_the_stored_changes_of_postgresql_are_those_of_the_triggers(told: Story) -> None:
    assert plain(sample()) == plain(told.capture.changes())
    assert {change["source"]["connector"] for change in sample()} == {"postgresql"}


def test_the_story_runs_on_any_database() -> None:
    with duckdb.connect() as db, Story() as told:
        db.execute(story.ORDERS)
        write_rows(db.execute)
        rows = "from orders order by id"
        assert db.execute(rows).fetchall() == told.db.execute(rows).fetchall()


# -- the messages of pgoutput, byte by byte ----------------------------------------------------


def word(text: str) -> bytes:
    return text.encode() + b"\0"


def cells(*values: str | bytes | None) -> bytes:
    """A tuple: a text, None for null, b"u" for a long value that was not sent again."""
    body = b""
    for value in values:
        if value is None:
            body += b"n"
        elif value == b"u":
            body += b"u"
        else:
            raw = str(value).encode()
            body += b"t" + struct.pack("!i", len(raw)) + raw
    return struct.pack("!h", len(values)) + body


def relation(*columns: tuple[str, int]) -> bytes:
    described = b"".join(b"\1" + word(n) + struct.pack("!Ii", kind, -1) for n, kind in columns)
    head = b"R" + struct.pack("!I", 7) + word("public") + word("t") + b"f"
    return head + struct.pack("!h", len(columns)) + described


BEGIN = b"B" + struct.pack("!qqi", 16, 1_000_000, 42)
COMMIT = b"C" + struct.pack("!bqqq", 0, 16, (1 << 32) + 255, 1_000_000)


def decoded(*messages: bytes) -> list[dict[str, Any]]:
    return list(decode((f"0/{n}", message) for n, message in enumerate(messages)))


def test_types_nulls_and_what_was_not_sent_again() -> None:
    columns = relation(("id", 23), ("ok", 16), ("f", 701), ("j", 3802), ("n", 1700), ("long", 25))
    old = cells("1", "t", "1.5", '{"a": [1]}', "2.50", "x" * 3000)
    new = cells("1", "f", None, '{"a": [1]}', "2.50", b"u")
    oid = struct.pack("!I", 7)
    [change] = decoded(BEGIN, columns, b"U" + oid + b"O" + old + b"N" + new, COMMIT)
    before = {"id": 1, "ok": True, "f": 1.5, "j": {"a": [1]}, "n": "2.50", "long": "x" * 3000}
    assert change["op"] == "u"
    assert change["before"] == before
    assert change["after"] == {**before, "ok": False, "f": None}
    assert change["source"] == {
        "connector": "postgresql", "db": "postgres", "schema": "public", "table": "t",
        "lsn": "0/2", "txId": 42, "ts_ms": 946_684_801_000, "commit": "1/FF",
    }  # fmt: skip


def test_insert_delete_truncate_and_what_is_no_change() -> None:
    oid, columns = struct.pack("!I", 7), relation(("id", 23))
    found = decoded(
        BEGIN, columns, b"O" + struct.pack("!q", 0) + word("elsewhere"),
        b"I" + oid + b"N" + cells("1"), b"D" + oid + b"K" + cells("1"),
        b"T" + struct.pack("!ib", 1, 0) + oid, COMMIT,
    )  # fmt: skip
    assert [(c["op"], c["before"], c["after"]) for c in found] == [
        ("c", None, {"id": 1}), ("d", {"id": 1}, None), ("t", None, None),
    ]  # fmt: skip


def test_a_transaction_comes_whole_or_not_at_all() -> None:
    oid, columns = struct.pack("!I", 7), relation(("id", 23))
    assert decoded(BEGIN, columns, b"I" + oid + b"N" + cells("1")) == []


def test_a_name_that_is_no_slot() -> None:
    with pytest.raises(CaptureError, match="small letters"):
        SlotCapture(None, 'x"; drop table orders; --')


# -- what known systems give -------------------------------------------------------------------


def test_every_cell_of_the_table_of_systems_has_its_source() -> None:
    path = story.FILE_OF_SYSTEMS
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 80
    assert len({(row["system"], row["feature"]) for row in rows}) == 80
    for row in rows:
        assert row["gives"] in {"yes", "partly", "no", "not documented"}, row
        assert bool(row["note"]) == (row["gives"] != "not documented"), row
        assert re.match(r"https://(github\.com/[\w-]+/[\w-]+/(blob|tree)/[0-9a-f]{12}/|pypi\.org/|"
                        r"issues\.apache\.org/)", row["source"]), row  # fmt: skip
