"""PostgreSQL as a source: `eventsourcing` for real, the other stores by rows on their own columns.

Emmett 0.42, message-db 1.3, Marten 9.29 and django-pghistory 3.9: the tables below have the columns
that these write, and the rows were written by hand.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from esnb.interchange import InterchangeError
from esnb.interchange.from_store import from_store
from esnb.interchange.store_connections import reading
from esnb.interchange.store_kinds import Columns

psycopg = pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")

_NAMES = itertools.count()
TIME = "2026-03-02 09:00:00+00"
ID = "7a2e4f4e-6e4e-4a52-9d84-8c1b2f1c000"


@pytest.fixture
def address(server: str) -> Iterator[str]:
    """An empty database of its own."""
    name = f"source_{next(_NAMES)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
        yield server.replace("dbname=postgres", f"dbname={name}")
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def db(address: str) -> Iterator[Any]:
    with psycopg.connect(address, autocommit=True) as connection:
        yield connection


def rows(copy: Any) -> list[tuple[Any, ...]]:
    events = copy.store.read_all()
    return [(e.aggregate_type, e.aggregate_id, e.type, e.data) for e in events]


def origins(copy: Any) -> list[dict[str, Any]]:
    return [event.metadata["copied_from"] for event in copy.store.read_all()]


def test_eventsourcing(db: Any, address: str) -> None:
    """The columns of 9.5.6, whose own client for PostgreSQL needs a package that we do not have."""
    columns = (
        "originator_id uuid not null, originator_version bigint not null, topic text, state bytea"
    )
    key = "primary key (originator_id, originator_version)"
    db.execute(f"create table shop_snapshots ({columns}, {key})")
    db.execute(f"create table shop_events ({columns}, notification_id bigserial, {key})")
    state = '{"timestamp":{"_type_":"datetime_iso","_data_":"2026-03-02T09:00:00+00:00"},%s}'
    insert = f"insert into shop_events values ('{ID}1', %s, %s, %s)"
    db.execute(insert, [1, "shop:Cart.Opened", (state % '"customer":"ada"').encode()])
    copy = from_store(address, kind="eventsourcing")
    price = '"price":{"_type_":"decimal_str","_data_":"9.99"}'
    db.execute(insert, [2, "shop:Cart.ItemAdded", (state % price).encode()])
    assert copy.top_up() == 1
    assert rows(copy) == [
        ("Cart", ID + "1", "Opened", {"customer": "ada"}),
        ("Cart", ID + "1", "ItemAdded", {"price": "9.99"}),
    ]
    origin = {"origin": "eventsourcing:shop_events", "place": 2, "version": 2}
    assert origins(copy)[1] == origin
    db.execute("create table other_events as select * from shop_events")
    with pytest.raises(InterchangeError, match=r"public\.other_events, public\.shop_events"):
        from_store(address, kind="eventsourcing")
    assert from_store(address, kind="eventsourcing", table="other_events").store.position == 2


def test_emmett_and_its_open_transactions(db: Any, address: str) -> None:
    db.execute(
        "create table emt_streams (stream_id text, stream_position bigint, partition text, "
        "stream_type text, stream_metadata jsonb, is_archived boolean);"
        "create table emt_messages (stream_position bigint, global_position bigserial, "
        "transaction_id xid8, created timestamptz default now(), is_archived boolean default false,"
        "message_kind char(1) default 'E', stream_id text, partition text default 'emt:default', "
        "message_schema_version text, message_id text, message_type text, message_data jsonb, "
        "message_metadata jsonb default '{}') partition by list (partition);"
        "create table emt_messages_default partition of emt_messages default;"
        "insert into emt_streams values ('cart-1', 1, 'emt:default', 'cart', '{}', false)"
    )
    insert = (
        "insert into emt_messages (stream_id, stream_position, message_type, message_data, "
        "transaction_id) values (%s, 1, 'Added', %s, pg_current_xact_id())"
    )
    with psycopg.connect(address) as slow:
        slow.execute(insert, ["cart-1", '{"sku": "tea"}'])  # has number 1, and is not committed
        db.execute(insert, ["other-1", '{"sku": "cup"}'])
        copy = from_store(address, kind="emmett")
        assert (copy.store.position, copy.held_back) == (0, 1)
        assert "1 held back" in repr(copy)
        slow.commit()
    assert (copy.top_up(), copy.held_back) == (2, 0)
    assert rows(copy) == [
        ("cart", "cart-1", "Added", {"sku": "tea"}),
        ("EMT_MESSAGES", "other-1", "Added", {"sku": "cup"}),
    ]
    db.execute("update emt_messages set is_archived = true")
    assert copy.top_up() == 0


def test_message_db(db: Any, address: str) -> None:
    db.execute(
        "create schema message_store;"
        "create table message_store.messages (global_position bigserial, position bigint, "
        "time timestamp default now(), stream_name text, type text, data jsonb, metadata jsonb, "
        "id uuid);"
    )
    insert = (
        "insert into message_store.messages (position, time, stream_name, type, data, metadata, id)"
        " values (%s, '2026-03-02 09:00:00', %s, %s, %s, %s, %s)"
    )
    db.execute(insert, [0, "account-1", "Opened", None, None, ID + "1"])
    db.execute(insert, [0, "account:command-1", "Deposit", '{"n": 5}', None, ID + "2"])
    db.execute(insert, [1, "account-1", "Deposited", '{"n": 5}', '{"by": "ada"}', ID + "3"])
    copy = from_store(address, kind="message-db")
    assert rows(copy) == [
        ("account", "account-1", "Opened", {}),
        ("account", "account-1", "Deposited", {"n": 5}),
    ]
    last = list(copy.store.read_all())[-1]
    assert (str(last.event_id), last.metadata["by"]) == (ID + "3", "ada")
    assert last.occurred_at.isoformat() == "2026-03-02T09:00:00+00:00"
    origin = {"origin": "message-db:messages", "place": 3, "version": 1, "id": ID + "3"}
    assert last.metadata["copied_from"] == origin


def test_marten(db: Any, address: str) -> None:
    db.execute(
        "create table mt_streams (id uuid, type text, tenant_id text);"
        "create table mt_events (seq_id bigint, id uuid, stream_id uuid, version bigint, "
        "data jsonb, type text, timestamp timestamptz, tenant_id text, mt_dotnet_type text, "
        "is_archived boolean default false, user_name text, bdata bytea);"
        f"insert into mt_streams values ('{ID}1', 'order', '*DEFAULT*')"
    )
    insert = (
        "insert into mt_events (seq_id, id, stream_id, version, data, type, timestamp, tenant_id, "
        f"user_name, bdata) values (%s, %s, '{ID}1', %s, %s, %s, '{TIME}', '*DEFAULT*', 'ada', %s)"
    )
    db.execute(insert, [1, ID + "2", 1, '{"total": 12.50}', "order_placed", None])
    db.execute(insert, [2, ID + "3", 2, "{}", "tombstone", None])
    db.execute(insert, [3, ID + "4", 2, "{}", "order_paid", b"\x01"])
    copy = from_store(address, kind="marten")
    assert rows(copy) == [("order", ID + "1", "order_placed", {"total": 12.5})]
    event = next(iter(copy.store.read_all()))
    assert event.metadata["user_name"] == "ada"
    assert copy.set_aside["place"].tolist() == [3]
    assert "decode=" in copy.set_aside["cure"][0]


def test_pghistory(db: Any, address: str) -> None:
    db.execute(
        "create table pghistory_context (id uuid, metadata jsonb);"
        "create table shop_orderevent (pgh_id bigserial, pgh_created_at timestamptz, "
        "pgh_label text, id int, price numeric, pgh_obj_id int, pgh_context_id uuid);"
        f"""insert into pghistory_context values ('{ID}1', '{{"user": 7}}')"""
    )
    insert = (
        "insert into shop_orderevent (pgh_created_at, pgh_label, id, price, pgh_obj_id, "
        f"pgh_context_id) values ('{TIME}', %s, 5, %s, 5, %s)"
    )
    db.execute(insert, ["order.insert", "1.50", None])
    db.execute(insert, ["order.update", "2", ID + "1"])
    copy = from_store(address, kind="pghistory", aggregate_type="Order")
    assert rows(copy) == [
        ("Order", "5", "order.insert", {"id": 5, "price": 1.5}),
        ("Order", "5", "order.update", {"id": 5, "price": 2}),
    ]
    assert [e.metadata.get("context") for e in copy.store.read_all()] == [None, {"user": 7}]


def test_columns_of_ones_own(db: Any, address: str) -> None:
    db.execute('create schema "My Schema"')
    db.execute(
        'create table "My Schema"."log""s" (no int, who uuid, what text, at timestamp, '
        'amount numeric, "odd %s ? \'" text)'
    )
    db.execute('create table public."log""s" (no int)')
    insert = (
        """insert into "My Schema"."log""s" values (1, %s, 'Paid', '2026-07-01 10:00', 5, 'x')"""
    )
    db.execute(insert, [ID + "1"])
    columns = Columns(
        'My Schema.log"s', "no", "who", "what", "at", "ACCOUNT", timezone="Europe/Paris"
    )
    copy = from_store(address, columns=columns)
    assert rows(copy) == [("ACCOUNT", ID + "1", "Paid", {"amount": 5, "odd %s ? '": "x"})]
    assert next(iter(copy.store.read_all())).occurred_at.hour == 8
    with pytest.raises(InterchangeError, match="several schemas have a table 'log\"s'"):
        from_store(address, columns=Columns('log"s', "no", "who", "what", "at", "ACCOUNT"))
    db.execute('create view seen as select no, who, what, at from "My Schema"."log""s"')
    seen = from_store(address, columns=Columns("seen", "no", "who", "what", "at", "ACCOUNT"))
    assert (seen.store.position, seen.held_back) == (1, 0)


def test_nothing_can_be_written(db: Any, address: str) -> None:
    db.execute("create sequence numbers")
    with reading(address) as source:
        assert list(source.batches("select 1", [])) == [[(1,)]]
    with pytest.raises(InterchangeError, match="read-only"), reading(address) as source:
        list(source.batches("select nextval('numbers')", []))
