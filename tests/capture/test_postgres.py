"""Row changes out of the log of a real PostgreSQL, beside those of the triggers.

They are skipped where no server is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from esnb.capture import CaptureError, SlotCapture, Story, sample, write_rows
from esnb.capture.__main__ import record
from esnb.capture.story import ORDERS
from tests.capture.test_story import plain

psycopg = pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")


@pytest.fixture
def db(server: str) -> Iterator[Any]:
    """A connection, with an empty table `orders`, which no slot outlives."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(ORDERS)
        yield connection
        connection.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots;"
            "drop publication if exists esnb; drop schema public cascade; create schema public"
        )


@pytest.fixture
def capture(db: Any) -> SlotCapture:
    capture = SlotCapture(db)
    capture.start(["orders"])
    return capture


def place(db: Any, *ids: str) -> None:
    for name in ids:
        db.execute("insert into orders (id, price) values (%s, 1)", [name])


def test_the_same_story_gives_the_same_changes_as_the_triggers(
    db: Any, capture: SlotCapture
) -> None:
    write_rows(lambda sql, values: db.execute(sql.replace("?", "%s"), values))
    with Story() as told:
        assert plain(capture.changes()) == plain(told.capture.changes())
        assert len(capture.changes()) == 17


def test_the_stored_file_is_what_a_server_gives(server: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        assert plain(record(connection)) == plain(sample())
        left = (
            "select (select count(*) from pg_replication_slots), "
            "(select count(*) from pg_tables where tablename = 'orders')"
        )
        assert connection.execute(left).fetchone() == (0, 0)


def test_a_change_comes_again_until_it_is_confirmed(db: Any, capture: SlotCapture) -> None:
    place(db, "a", "b", "c")
    first = capture.changes()
    assert [c["after"]["id"] for c in first] == ["a", "b", "c"]
    assert capture.changes() == first
    capture.confirm(first[0])
    assert capture.changes() == first[1:]
    capture.confirm(first[2])
    assert capture.changes() == []
    place(db, "d")
    assert [c["after"]["id"] for c in capture.changes()] == ["d"]


def test_only_what_was_committed_and_in_that_order(
    db: Any, capture: SlotCapture, server: str
) -> None:
    with psycopg.connect(server) as slow:
        place(slow, "slow")  # begins first, commits last
        place(db, "fast")
        assert [c["after"]["id"] for c in capture.changes()] == ["fast"]
        slow.commit()
        place(slow, "never")
        slow.rollback()
    assert [c["after"]["id"] for c in capture.changes()] == ["fast", "slow"]


def test_rows_of_one_transaction_are_told_apart_by_its_number(
    db: Any, capture: SlotCapture
) -> None:
    with db.transaction():
        place(db, "a", "b")
        db.execute("update orders set price = 2")
    place(db, "c")
    found = capture.changes()
    assert [c["op"] for c in found] == ["c", "c", "u", "u", "c"]
    assert [c["before"]["price"] for c in found[2:4]] == [1, 1]
    numbers = [c["source"]["txId"] for c in found]
    assert len(set(numbers[:4])) == 1
    assert numbers[4] != numbers[0]
    capture.confirm(found[0])  # a transaction is confirmed as a whole
    assert capture.changes() == found[4:]


def test_a_long_value_that_did_not_change_is_there(db: Any, capture: SlotCapture) -> None:
    db.execute("create table notes (id int primary key, note text, n int)")
    db.execute("alter table notes alter note set storage external, replica identity full")
    db.execute("alter publication esnb add table notes")
    db.execute("insert into notes values (1, repeat('x', 9000), 1)")
    db.execute("update notes set n = 2")
    inserted, updated = capture.changes()
    assert updated["after"] == {"id": 1, "note": "x" * 9000, "n": 2}
    assert updated["before"] == inserted["after"]


def test_truncate(db: Any, capture: SlotCapture) -> None:
    place(db, "a")
    db.execute("truncate orders")
    assert [c["op"] for c in capture.changes()] == ["c", "t"]


def test_only_the_tables_that_were_named(db: Any, capture: SlotCapture) -> None:
    db.execute("create table other (id int primary key)")
    db.execute("insert into other values (1)")
    place(db, "a")
    assert [c["source"]["table"] for c in capture.changes()] == ["orders"]


def test_nothing_is_left_when_a_capture_ends_or_cannot_begin(db: Any) -> None:
    slots = "select count(*) from pg_replication_slots"
    capture = SlotCapture(db)
    capture.start(["orders"])
    with pytest.raises(psycopg.errors.DuplicateObject):
        SlotCapture(db).start(["orders"])
    assert db.execute(slots).fetchone() == (1,)
    capture.drop()
    assert db.execute(slots).fetchone() == (0,)
    db.execute("create publication esnb for table orders")
    with pytest.raises(psycopg.errors.DuplicateObject):
        capture.start(["orders"])
    assert db.execute(slots).fetchone() == (0,)


def test_a_server_without_logical_decoding_is_told_apart() -> None:
    class Server:
        def execute(self, *_: object) -> Server:
            return self

        def fetchone(self) -> tuple[str]:
            return ("replica",)

    with pytest.raises(CaptureError, match="wal_level = replica"):
        SlotCapture(Server()).start(["orders"])
