"""SQLite files of other applications as a source: the real `eventsourcing`, and tables by hand."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import EventStore
from esnb.interchange import InterchangeError
from esnb.interchange.from_store import from_store
from esnb.interchange.store_kinds import Columns

OWN = Columns(
    table="audit log",
    order="no",
    aggregate_id="who",
    event_type="what",
    occurred_at="at",
    aggregate_type="ACCOUNT",
)


class Table:
    """A table of one's own, with a name that needs quotes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute(
            'create table "audit log" (no integer primary key, who, what, at, amount, "odd ""?%")'
        )

    def add(
        self, no: int, who: Any = "ada", what: Any = "Paid", at: str = "", more: Any = 1
    ) -> None:
        at = at or f"2026-03-02T09:{no % 60:02}:00"
        self.db.execute(
            'insert into "audit log" values (?, ?, ?, ?, ?, ?)', [no, who, what, at, no, more]
        )


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Table]:
    table = Table(tmp_path / "app.sqlite")
    yield table
    table.db.close()


def places(store: EventStore) -> list[int]:
    return [event.metadata["copied_from"]["place"] for event in store.read_all()]


# -- the real library ------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Any]:
    Shop = pytest.importorskip("tests.interchange.carts").Shop
    app = Shop(
        env={
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": str(tmp_path / "shop.db"),
        }
    )
    yield app
    app.close()


def test_an_application_of_eventsourcing_while_it_runs(shop: Any, tmp_path: Path) -> None:
    carts = [shop.open(name) for name in ("ada", "bob")]
    carts[0].add("tea", Decimal("9.99"))
    shop.save(carts[0])
    copy = from_store(f"sqlite:///{tmp_path}/shop.db", kind="eventsourcing")
    found = [(e.aggregate_id, e.aggregate_type, e.type, e.data) for e in copy.store.read_all()]
    first, second = (cart.id.hex for cart in carts)
    assert found == [
        (first, "Cart", "Opened", {"customer": "ada"}),
        (second, "Cart", "Opened", {"customer": "bob"}),
        (first, "Cart", "ItemAdded", {"sku": "tea", "price": "9.99"}),
    ]
    last = list(copy.store.read_all())[-1]
    assert last.metadata["copied_from"] == {
        "origin": "eventsourcing:stored_events", "place": 3, "version": 2,
    }  # fmt: skip
    assert last.occurred_at == carts[0].modified_on
    assert copy.top_up() == 0
    carts[1].add("cup", Decimal(5))
    shop.save(carts[1])
    assert (copy.top_up(), copy.bookmark, copy.store.version(second)) == (1, 4, 2)


def test_a_copy_without_its_wal_says_what_is_missing(shop: Any, tmp_path: Path) -> None:
    shop.open("ada")
    shutil.copy(tmp_path / "shop.db", tmp_path / "copied.db")
    with pytest.raises(InterchangeError, match="-wal"):
        from_store(tmp_path / "copied.db", kind="eventsourcing")


def test_compressed_payloads_are_set_aside_and_then_decoded(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as db:
        db.execute(
            "create table stored_events (originator_id text, originator_version integer, "
            "topic text, state blob, primary key (originator_id, originator_version))"
        )
        state = b'{"timestamp":"2026-03-02T09:00:00+00:00","n":123456789012345678}'
        for n, payload in enumerate([state, zlib.compress(state)], 1):
            db.execute("insert into stored_events values ('x', ?, 'app:Cart.Set', ?)", [n, payload])
    db.close()
    path = tmp_path / "a.db"
    copy = from_store(path, kind="eventsourcing")
    assert copy.store.position == 1
    [row] = copy.set_aside.to_dict("records")
    assert (row["place"], row["stream"]) == (2, "x")
    assert "binary" in row["reason"]
    assert "zlib.decompress" in row["cure"]
    assert copy.top_up() == 0

    def unpack(stored: bytes) -> bytes:
        return stored if stored.startswith(b"{") else zlib.decompress(stored)

    copy = from_store(path, kind="eventsourcing", decode=unpack)
    assert [e.data for e in copy.store.read_all()] == [{"n": 123456789012345678}] * 2
    assert copy.set_aside.empty


# -- Emmett, rows by hand on the columns of 0.38.5 --------------------------------------------


def test_emmett_in_sqlite(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "emmett.db") as db:
        db.executescript(
            """
            create table emt_streams (stream_id text, stream_position bigint, partition text,
                stream_type text, stream_metadata json, is_archived boolean);
            create table emt_messages (stream_id text, stream_position bigint, partition text,
                message_kind char(1), message_data json, message_metadata json,
                message_schema_version text, message_type text, message_id text,
                is_archived boolean, global_position integer primary key, created datetime);
            insert into emt_streams values ('cart-1', 2, '[object Object]', 'cart', '{}', false);
            insert into emt_messages values
            ('cart-1', 1, 'global', 'E', '{"sku":"tea"}', '{"user":"ada"}', '1', 'Added',
             '7a2e4f4e-6e4e-4a52-9d84-8c1b2f1c0001', false, 1, '2026-03-02 09:00:00'),
            ('cart-1', 2, 'global', 'C', '{}', '{}', '1', 'Add', 'x', false, 2,
             '2026-03-02 09:00:00'),
            ('cart-1', 2, 'global', 'E', '{"sku":"cup"}', '{}', '1', 'Added', 'm3', false, 3,
             '2026-03-02 09:00:01');
            """
        )
    db.close()
    copy = from_store(tmp_path / "emmett.db", kind="emmett")
    first, last = copy.store.read_all()
    assert (first.aggregate_type, first.type, first.metadata["user"]) == ("cart", "Added", "ada")
    assert str(first.event_id) == "7a2e4f4e-6e4e-4a52-9d84-8c1b2f1c0001"
    assert first.occurred_at.isoformat() == "2026-03-02T09:00:00+00:00"
    assert last.metadata["copied_from"] == {
        "origin": "emmett:emt_messages", "place": 3, "version": 2, "id": "m3",
    }  # fmt: skip


# -- a table of one's own --------------------------------------------------------------------


def test_columns_of_ones_own(own: Table) -> None:
    own.add(7, "ada", "Opened", "2026-07-01 10:00", b"\x01\xff")
    own.add(9, "bob", "Paid", "2026-07-01T11:00:00+02:00", None)
    zone = Columns(**{**_fields(OWN), "timezone": "Europe/Paris"})
    copy = from_store(own.path, columns=zone)
    first, last = copy.store.read_all()
    assert first.data == {"amount": 7, 'odd "?%': "01FF"}
    assert last.data == {"amount": 9, 'odd "?%': None}
    assert [e.occurred_at.hour for e in (first, last)] == [8, 9]
    assert first.aggregate_type == "ACCOUNT"
    only = from_store(own.path, columns=Columns(**{**_fields(OWN), "data": ["amount"]}))
    assert [e.data for e in only.store.read_all()] == [{"amount": 7}, {"amount": 9}]


def _fields(columns: Columns) -> dict[str, Any]:
    return {name: getattr(columns, name) for name in columns.__slots__}


def test_rows_that_cannot_become_events_are_listed(own: Table) -> None:
    own.add(1)
    own.add(2, who=None)
    own.add(3, at="yesterday")
    own.add(4, what="")
    own.add(5, more=float("inf"))
    copy = from_store(own.path, columns=OWN)
    assert places(copy.store) == [1]
    assert copy.set_aside["place"].tolist() == [2, 3, 4, 5]
    assert "yesterday" in copy.set_aside["reason"][1]
    assert repr(copy) == "<StoreCopy of columns:audit log: 1 events, 4 rows set aside>"


def test_the_bookmark_is_in_the_log(own: Table, tmp_path: Path) -> None:
    kept = tmp_path / "copy.duckdb"
    own.add(1)
    own.add(3)
    from_store(own.path, kept, columns=OWN).close()
    own.add(2)  # its number was given out before, and it committed late
    own.add(4)
    copy = from_store(own.path, kept, columns=OWN)
    assert places(copy.store) == [1, 3, 2, 4]
    copy.close()
    own.db.execute('delete from "audit log" where no = 4')
    own.add(4, who="eve")
    with pytest.raises(InterchangeError, match="'eve' at place 4"):
        from_store(own.path, kept, columns=OWN)
    EventStore(kept).close()  # it was closed, not left locked


@settings(max_examples=6, deadline=None)
@given(
    order=st.permutations(range(1, 17)),
    cuts=st.sets(st.integers(1, 15), max_size=3),
    gaps=st.sets(st.integers(1, 16), max_size=6),
)
def test_topping_up_in_any_slices_gives_each_row_once(
    order: list[int], cuts: set[int], gaps: set[int]
) -> None:
    """Rows appear in any order, with numbers that never come; no slice loses or repeats one."""

    with tempfile.TemporaryDirectory() as folder:
        table = Table(Path(folder, "app.sqlite"))
        copy = from_store(table.path, columns=OWN)
        wanted: list[int] = []
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(order)], strict=True):
            slice_ = [no for no in order[start:end] if no not in gaps]
            for no in slice_:
                table.add(no, who=f"stream-{no % 3}")
            assert copy.top_up() == len(slice_)
            wanted += sorted(slice_)
            assert places(copy.store) == wanted
        assert copy.top_up() == 0
        assert [e.data["amount"] for e in copy.store.read_all()] == wanted
        table.db.close()


def test_many_gaps_are_asked_for_in_one_range(own: Table) -> None:
    for no in range(2, 902, 2):
        own.add(no)
    copy = from_store(own.path, columns=OWN)
    assert copy.store.position == 450
    own.add(3)
    own.add(899)
    assert (copy.top_up(), copy.top_up()) == (2, 0)
    assert places(copy.store)[-2:] == [3, 899]


# -- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "how", "words"),
    [
        ("{own}", {}, "kind= one of eventsourcing, emmett, message-db, marten, pghistory"),
        ("{own}", {"kind": "kafka"}, "'kafka' is not a kind"),
        ("{own}", {"kind": "marten"}, "PostgreSQL only"),
        ("{own}", {"kind": "eventsourcing"}, "There are: audit log"),
        ("{own}", {"kind": "emmett", "table": "x"}, "no table 'x'. There are: audit log"),
        (
            "{own}",
            {"kind": "emmett", "table": "audit log"},
            "no column 'stream_id'. It has: no, who",
        ),
        ("{own}x", {"kind": "emmett"}, "There is no file"),
        ("mysql://localhost/app", {"kind": "emmett"}, "'mysql' databases cannot be read"),
        ("{text}", {"kind": "emmett"}, "is not a database"),
        ("host=/nowhere dbname=x", {"kind": "marten"}, "PostgreSQL: "),
    ],
)
def test_errors_teach(
    own: Table, tmp_path: Path, address: str, how: dict[str, Any], words: str
) -> None:
    text = tmp_path / "text.db"
    text.write_text("no database " * 100)
    with pytest.raises(InterchangeError) as error:
        from_store(address.format(own=own.path, text=text), **how)
    assert words in str(error.value)


def test_an_order_that_repeats_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as db:
        db.execute("create table t (no, who, what, at)")
        db.executemany("insert into t values (?, 'a', 'b', '2026-01-01')", [[1], [1]])
    db.close()
    columns = Columns("t", "no", "who", "what", "at", "ROW")
    with pytest.raises(InterchangeError, match="have the same place, 1"):
        from_store(tmp_path / "a.db", columns=columns)
    with pytest.raises(InterchangeError, match="holds 'b'"):
        from_store(tmp_path / "a.db", columns=Columns("t", "what", "who", "what", "at", "ROW"))


def test_the_source_is_only_read(own: Table) -> None:
    own.add(1)
    before = own.path.read_bytes()
    from_store(own.path, columns=OWN)
    assert own.path.read_bytes() == before
