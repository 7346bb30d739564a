"""Publishing to and consuming from Kafka, against the mock cluster that librdkafka brings.

Against a broker of your own:
`ESNB_KAFKA=127.0.0.1:9092 python run.py test tests/transports/test_kafka.py`. It
must make topics when they are asked for. Seen with Tansu 0.6.0: 17 of 21 pass; the other four ask
for the lag, and that broker names the beginning of the last batch where the end of the log is due.
"""

from __future__ import annotations

import os
import random
from typing import Any, ClassVar
from uuid import uuid4

import pytest

import esnb.transports.kafka as kafka
from esnb import (
    ANY,
    EventStore,
    InvalidEventError,
    LagTimeoutError,
    LessonClock,
    Projection,
    ProjectionError,
    Projector,
    Upcasters,
    new_event,
    reacts_to,
    shop,
)
from esnb.shop.projections import OrderSummary
from tests.support import CrashError, dying, seen

client = pytest.importorskip("confluent_kafka", reason="the extra 'kafka' is not installed")
BROKER = os.environ.get("ESNB_KAFKA", "")


@pytest.fixture(scope="module")
def cluster():
    """Three brokers in this process; the address that other clients take. Or a broker outside."""
    often = {"topic.metadata.refresh.interval.ms": 500, "log_level": 0}
    if BROKER:
        yield {"bootstrap.servers": BROKER, **often}
        return
    owner = client.Producer({"test.mock.num.brokers": 3, "log_level": 0})
    brokers = owner.list_topics(timeout=10).brokers.values()
    yield {
        "bootstrap.servers": ",".join(f"{b.host}:{b.port}" for b in brokers),
        **often,
    }
    owner.flush(1)


@pytest.fixture
def topic(request: Any) -> str:
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return f"{name}-{uuid4().hex}" if BROKER else name


@pytest.fixture
def store():
    with EventStore(clock=LessonClock()) as store:
        shop.first_orders(store)
        shop.simulate(store, orders=15, seed=4)
        yield store


@pytest.fixture
def publisher(store, cluster, topic, tmp_path):
    return kafka.KafkaPublisher(store, topic, cluster, tmp_path / "published.json")


@pytest.fixture
def connect(cluster, topic, tmp_path):
    """A consumer on the same read database, as after a restart of its process."""
    made: list[kafka.KafkaConsumer] = []

    def make(kind: type[Projection] = OrderSummary) -> kafka.KafkaConsumer:
        for old in made:
            old.close()
        made[:] = [kafka.KafkaConsumer(kind, topic, cluster, tmp_path / "read.duckdb")]
        return made[0]

    yield make
    for last in made:
        last.close()


def rows(projector: Projector) -> list[tuple]:
    return projector.sql("from orders_summary order by all").fetchall()


def truth(store: EventStore) -> list[tuple]:
    projector = Projector(store, OrderSummary)
    projector.catch_up()
    return rows(projector)


def test_an_event_comes_out_of_its_message_as_it_went_in():
    with EventStore(clock=LessonClock()) as store:
        data = {"text": "o'é\"😀", "deep": [{"n": 2**62, "x": 0.1}], "none": None}
        event = new_event("Noted", data, metadata={"actor": "ada"}, event_version=3)
        store.append("a-é", [event], expected_version=0, aggregate_type="T")
        stored = store.events("a-é")[0]
        assert seen(kafka.from_message(kafka.to_message(stored))) == seen(stored)


@pytest.mark.parametrize("value", [None, b"", b"[1]", b'{"position": 1}', b"\xff", b'{"a": 1}'])
def test_a_message_that_is_no_event_is_refused(value):
    with pytest.raises(InvalidEventError, match="not an event of esnb"):
        kafka.from_message(value)


def test_a_read_model_kept_from_a_topic_is_that_of_the_log(store, publisher, connect):
    assert publisher.publish() == store.position
    consumer = connect()
    consumer.wait_for(store.position, timeout=20)
    assert rows(consumer.projector) == truth(store)
    assert consumer.lag() == 0
    # What comes later comes too; only what is new is sent.
    order = store.new(shop.Order, "order-9000")
    order.place("ada", [shop.item("TEAPOT")])
    done = store.save(order)
    assert publisher.publish() == 1
    assert consumer.lag() == 1
    consumer.wait_for(done.position, timeout=20)
    assert rows(consumer.projector) == truth(store)
    assert publisher.publish() == 0


def test_the_events_of_an_aggregate_stay_in_one_partition_in_order(
    store, publisher, cluster, topic
):
    publisher.publish()
    reader = client.Consumer({**cluster, "group.id": "look"})
    partitions = reader.list_topics(topic, timeout=10).topics[topic].partitions
    reader.assign([client.TopicPartition(topic, n, client.OFFSET_BEGINNING) for n in partitions])
    where: dict[str, list[tuple[int, int]]] = {}
    total = 0
    while total < store.position:
        for message in reader.consume(500, 1):
            event = kafka.from_message(message.value())
            assert message.key().decode() == event.aggregate_id
            where.setdefault(event.aggregate_id, []).append(
                (message.partition(), event.sequence_number)
            )
            total += 1
    reader.close()
    for places in where.values():
        assert len({partition for partition, _ in places}) == 1
        assert [number for _, number in places] == list(range(1, len(places) + 1))
    assert len({places[0][0] for places in where.values()}) > 1  # so the log's order was lost


def test_a_lost_checkpoint_sends_all_again_and_nothing_counts_twice(
    store, publisher, connect, cluster, topic, tmp_path
):
    publisher.publish()
    consumer = connect()
    consumer.wait_for(store.position, timeout=20)
    (tmp_path / "published.json").unlink()
    again = kafka.KafkaPublisher(store, topic, cluster, tmp_path / "published.json")
    assert again.publish() == store.position
    assert consumer.lag() == store.position
    while consumer.lag():
        assert consumer.poll(0.2) == 0
    assert rows(consumer.projector) == truth(store)


def test_a_restart_goes_on_at_the_offsets_stored_with_the_read_model(store, publisher, connect):
    publisher.publish()
    consumer = connect()
    for _ in range(60):
        if sum(consumer.projector.bookmarks().values()) < 10:
            consumer.poll(1, limit=10)
    before = consumer.projector.bookmarks()
    assert 10 <= sum(before.values()) < store.position
    consumer = connect()
    assert consumer.projector.bookmarks() == before
    waiting = len(consumer.projector.inbox())
    assert consumer.lag() == store.position - sum(before.values()) + waiting
    consumer.wait_for(store.position, timeout=20)
    assert rows(consumer.projector) == truth(store)


@pytest.mark.parametrize("where", ["before the inbox", "between inbox and read model", "position"])
def test_a_crash_anywhere_loses_nothing_and_doubles_nothing(store, publisher, connect, where):
    """The offsets move with what arrived: in one transaction, or not at all."""
    publisher.publish()
    rng, crashes = random.Random(7), 0
    consumer = connect()
    for _ in range(200):
        with pytest.MonkeyPatch.context() as patch:
            if rng.random() < 0.5 and crashes < 8:

                def crash(*_: object) -> None:
                    raise CrashError

                patch.setattr(*{
                    "before the inbox": ("esnb.readmodels.read_database.text_row", crash),
                    "between inbox and read model": (
                        "esnb.readmodels.projector.Projector._run", crash
                    ),
                    "position": ("esnb.readmodels.projector.transaction", dying),
                }[where])  # fmt: skip
            try:
                consumer.poll(0.3, limit=rng.randrange(1, 12))
            except CrashError:
                crashes += 1
                consumer = connect()
        if consumer.projector.position == store.position:
            break
    assert crashes
    assert consumer.projector.position == store.position
    assert rows(consumer.projector) == truth(store)


def test_a_damaged_read_database_is_built_again_from_the_topic(store, publisher, connect, tmp_path):
    publisher.publish()
    connect().wait_for(store.position, timeout=20)
    connect().close()
    (tmp_path / "read.duckdb").write_bytes(b"coffee" * 1000)
    consumer = connect()
    assert "damaged" in consumer.projector.notice
    consumer.wait_for(store.position, timeout=20)
    assert rows(consumer.projector) == truth(store)


class Strict(Projection):
    """Cannot read one event."""

    tables: ClassVar = {"seen": "position bigint"}
    sql: ClassVar = (
        "insert into seen select position from new_events",
        "select error('cannot read this') from new_events where position = 5",
    )


def test_an_event_that_cannot_be_processed_is_named_and_can_be_skipped(store, publisher, connect):
    publisher.publish()
    consumer = connect(Strict)
    with pytest.raises(ProjectionError, match="position 5"):
        consumer.wait_for(store.position, timeout=20)
    consumer = connect(Strict)
    with pytest.raises(ProjectionError, match="position 5"):
        consumer.wait_for(store.position, timeout=20)
    assert consumer.projector.position == 4
    with pytest.raises(InvalidEventError, match=r"position 5.*not position 6"):
        consumer.projector.skip(6)
    consumer.projector.skip(5)
    consumer.wait_for(store.position, timeout=20)
    assert len(consumer.projector.df()) == store.position - 1


def test_an_event_that_has_not_arrived_cannot_be_skipped_over(store, connect):
    consumer = connect()
    events = list(store.read_all(limit=8))
    consumer.projector.deliver([events[0], events[5]])
    with pytest.raises(InvalidEventError, match=r"none is there after 1\), not position 6"):
        consumer.projector.skip(6)
    consumer.projector.deliver(events)
    assert consumer.projector.position == 8


def test_what_cannot_work_says_so(store, cluster, topic, publisher, connect, tmp_path):
    class Mailing(OrderSummary):
        @reacts_to("OrderPlaced")
        def mail(self, event: Any) -> None: ...

    with pytest.raises(InvalidEventError, match="side effects"):
        kafka.KafkaConsumer(Mailing, topic, cluster)
    publisher.publish()
    with EventStore(clock=LessonClock(seed=3)) as other:
        for _ in range(200):
            event = new_event("X")
            other.append("a", [event], expected_version=ANY, aggregate_type="T")
        with pytest.raises(InvalidEventError, match="checkpoint of another log"):
            kafka.KafkaPublisher(other, topic, cluster, tmp_path / "published.json")
    consumer = connect()
    with pytest.raises(LagTimeoutError, match=r"you wait for 99999.*publisher"):
        consumer.wait_for(99_999, timeout=1)
    silent = {"bootstrap.servers": "127.0.0.1:9", "log_level": 0}
    nowhere = kafka.KafkaPublisher(store, topic, silent, tmp_path / "new.json")
    with pytest.raises(kafka.KafkaDeliveryError, match=r"up to position 0.*no answer"):
        nowhere.publish(timeout=0.3)
    assert nowhere.position == 0
    assert not (tmp_path / "new.json").exists()


def test_the_checkpoint_stands_before_the_first_event_that_was_not_acknowledged(
    store, cluster, topic, tmp_path, monkeypatch
):
    publisher = kafka.KafkaPublisher(store, topic, cluster, tmp_path / "published.json")
    send = publisher._send

    def unreliable(event: Any, acknowledged: set, refused: list) -> None:
        if event.position == 8:
            refused.append("no room")
        else:
            send(event, acknowledged, refused)

    monkeypatch.setattr(publisher, "_send", unreliable)
    with pytest.raises(kafka.KafkaDeliveryError, match=r"position 7.*no room"):
        publisher.publish()
    again = kafka.KafkaPublisher(store, topic, cluster, tmp_path / "published.json")
    assert again.position == 7
    assert again.publish() == store.position - 7
    consumer = kafka.KafkaConsumer(OrderSummary, topic, cluster)
    consumer.wait_for(store.position, timeout=20)
    assert rows(consumer.projector) == truth(store)
    consumer.close()


def test_a_message_of_somebody_else_stops_the_consumer_and_loses_nothing(
    store, publisher, connect, cluster, topic
):
    publisher.publish()
    stranger = client.Producer(cluster)
    first = next(store.read_all())
    stranger.produce(topic, key=first.aggregate_id, value=b"hello")
    assert stranger.flush(10) == 0
    consumer = connect()
    for _ in range(2):
        with pytest.raises(InvalidEventError, match="topic of their own"):
            consumer.wait_for(10**6, timeout=20)
    # What had arrived beside it was not taken for read: it comes again each time.
    waiting = consumer.lag()
    assert waiting >= 1
    held = consumer.projector.position + len(consumer.projector.inbox())
    assert held + waiting - len(consumer.projector.inbox()) >= store.position


def test_a_topic_carries_what_is_stored_and_each_consumer_brings_its_upcasters(
    cluster, topic, tmp_path
):
    steps = Upcasters()
    steps.split("Both", 1)(lambda data: [("Added", data), ("Added", {"n": 10})])
    steps.register("Added", 1)(lambda data: {"n": data["n"] * 100})
    steps.drop("Clicked")

    class Sums(Projection):
        tables: ClassVar = {"sums": "position bigint, n bigint"}
        sql: ClassVar = (
            "insert into sums select position, (event_data->>'$.n')::bigint from new_events"
        )

    with EventStore(upcasters=steps) as store:
        kinds = ["Added", "Clicked", "Both", "Clicked", "Added"]
        new = [new_event(kind, n=n) for n, kind in enumerate(kinds, start=1)]
        store.append("a", new, expected_version=0, aggregate_type="T")
        kafka.KafkaPublisher(store, topic, cluster, tmp_path / "sent.json").publish()
        consumer = kafka.KafkaConsumer(Sums, topic, cluster, upcasters=steps)
        consumer.wait_for(store.position, timeout=20)
        found = consumer.projector.sql("from sums order by all").fetchall()
        consumer.close()
        assert found == [(1, 100), (3, 300), (3, 1000), (5, 500)]
        beside = Projector(store, Sums)
        beside.catch_up()
        assert beside.sql("from sums order by all").fetchall() == found
