"""Events over Kafka: publish a log to a topic, and keep a read model from it. An optional extra.

Both ends promise *at least once*. `KafkaPublisher` writes down how far it got once the broker has
acknowledged it. `KafkaConsumer` keeps its offsets in the read database, in the transaction that
stores what arrived, and asks no consumer group where it was; what comes twice or too early is the
business of `Projector.deliver`. The aggregate's id is the key of a message, so the events of one
aggregate stay in one partition, in order.

Needs the client `confluent-kafka` (the extra `kafka`). Tested with the mock cluster that librdkafka
brings, and, but for `lag()`, with the broker Tansu 0.6, which both speak Kafka's protocol; not with
Apache Kafka itself.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

import orjson

from esnb.clock import Clock, SystemClock, utc
from esnb.errors import EsnbError, InvalidEventError, LagTimeoutError, QueryError
from esnb.event_json import dump_json, load_json, read_object
from esnb.events import Event, check_event, check_name
from esnb.readmodels.projection import Projection
from esnb.readmodels.projector import Projector
from esnb.store.reader import Reader
from esnb.upcasters import Upcasters

_FIELDS = (
    "position",
    "event_id",
    "aggregate_type",
    "aggregate_id",
    "sequence_number",
    "event_type",
    "event_version",
    "event_data",
    "metadata",
    "occurred_at",
    "recorded_at",
)
_CHUNK = 10_000


class KafkaDeliveryError(EsnbError):
    """The broker did not take, or did not give, an event. Trying again repeats nothing harmful."""


def _client() -> Any:
    try:
        return importlib.import_module("confluent_kafka")
    except ImportError:
        raise KafkaDeliveryError(
            "esnb.transports.kafka needs Kafka's client: pip install confluent-kafka, "
            "then try again."
        ) from None


def to_message(event: Event) -> bytes:
    """A stored event as the JSON of a message: its columns, times in UTC."""
    row = {name: getattr(event, name) for name in _FIELDS}
    return orjson.dumps(row, option=orjson.OPT_UTC_Z)


def from_message(value: bytes | None) -> Event:
    """The event of a message, checked like one that is appended.

    Raises `InvalidEventError` for a message that is not an event of esnb.
    """
    try:
        row = read_object((value or b"").decode(), "the message")
        row["event_id"] = UUID(row["event_id"])
        row["occurred_at"], row["recorded_at"] = utc(row["occurred_at"]), utc(row["recorded_at"])
        event = Event(**{name: row[name] for name in _FIELDS})
        check_event(event)
        for name in ("aggregate_type", "aggregate_id"):
            check_name(name, row[name])
        for name in ("event_data", "metadata"):
            dump_json(row[name], name)
        for name in ("position", "sequence_number"):
            if type(row[name]) is not int or row[name] < 1:
                raise ValueError(f"{name} counts from 1, found {row[name]!r:.40}")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidEventError(
            f"This message is not an event of esnb ({type(error).__name__}: {error!s:.120}): "
            f"{value!r:.80}. Give the events a topic of their own."
        ) from None
    return event


class KafkaPublisher:
    """Sends the events of a log to a topic, in order: `KafkaPublisher(store, topic, config, file)`.

    A topic keeps its messages for long, as a log does: they are sent as they were written, and
    each consumer brings upcasters of its own.

    `config` goes to the client (`bootstrap.servers` and so on). The file `checkpoint` keeps the
    position of the last event that the broker acknowledged; without it all is sent again, which
    consumers survive.
    """

    def __init__(
        self,
        store: Reader,
        topic: str,
        config: Mapping[str, Any],
        checkpoint: str | os.PathLike[str],
    ) -> None:
        self.store = store
        self.topic = topic
        self._path = Path(checkpoint)
        self._producer = _client().Producer({"enable.idempotence": True, **config})
        known = load_json(self._path.read_text()) if self._path.exists() else {"position": 0}
        self.position: int = known["position"]
        if self.position and known["event_id"] != self._id(self.position):
            raise InvalidEventError(
                f"{self._path.name!r} is the checkpoint of another log: event {self.position} is "
                f"not {known['event_id']} here. Give each log a checkpoint and a topic of its own."
            )

    def publish(self, timeout: float = 30.0) -> int:
        """Send what is new, and wait for the broker; returns the number of events acknowledged.

        `KafkaDeliveryError` after `timeout` seconds, or when the broker refuses; the checkpoint
        is then before the first event that it did not acknowledge.
        """
        done = 0
        while events := list(self.store.read_all(self.position, _CHUNK, upcast=False)):
            acknowledged: set[int | None] = set()
            refused: list[str] = []
            for event in events:
                self._send(event, acknowledged, refused)
            self._producer.flush(timeout)
            before = self.position
            for event in events:
                if event.position not in acknowledged:
                    break
                self.position = event.position or 0
            done += self.position - before
            if self.position > before:
                self._write()
            if self.position != events[-1].position:
                self._producer.purge()
                raise KafkaDeliveryError(
                    f"The broker acknowledged {self.topic!r} up to position {self.position}, "
                    f"{events[-1].position} was to come: {refused[0] if refused else 'no answer'}. "
                    f"Repair the connection and publish() again."
                )
        return done

    def _send(self, event: Event, acknowledged: set[int | None], refused: list[str]) -> None:
        def answered(error: object, _: object) -> None:
            if error is None:
                acknowledged.add(event.position)
            else:
                refused.append(str(error))

        while True:
            try:
                self._producer.produce(
                    self.topic,
                    key=event.aggregate_id,
                    value=to_message(event),
                    on_delivery=answered,
                )
                self._producer.poll(0)
                return
            except BufferError:
                self._producer.poll(0.1)

    def _id(self, position: int) -> str | None:
        event = next(self.store.read_all(position - 1, 1, upcast=False), None)
        return None if event is None else str(event.event_id)

    def _write(self) -> None:
        new = self._path.with_name(self._path.name + ".new")
        with new.open("wb") as file:
            file.write(
                orjson.dumps({"position": self.position, "event_id": self._id(self.position)})
            )
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


class KafkaConsumer:
    """Keeps the read model of a projection from a topic, without the store: `poll()` again and
    again, ask with `projector.df()` and `projector.sql()`.

    `config` goes to the client. `database` is the read database; read model, position, inbox and
    offsets are in it. `upcasters` bring old events into today's shape, as those of a store do.
    Projections with `reacts_to` are refused: side effects belong beside the store. A rebuild from
    the topic: a new database.
    """

    def __init__(
        self,
        projection: type[Projection],
        topic: str,
        config: Mapping[str, Any],
        database: str | os.PathLike[str] | None = None,
        *,
        upcasters: Upcasters | None = None,
    ) -> None:
        if projection.methods("_reacts"):
            raise InvalidEventError(
                f"{projection.__name__} has side effects. Run it with a Projector beside the store."
            )
        self.topic = topic
        source = TopicSource(Upcasters() if upcasters is None else upcasters)
        self.projector = Projector(source, projection, database)
        source.inbox = self.projector.inbox
        self._kafka = _client()
        self._consumer = self._kafka.Consumer(
            # The offsets of this consumer are in the read database; a group is never asked.
            {"group.id": f"esnb {projection.__name__}", **config, "enable.auto.commit": False}
        )
        self._assigned: set[int] = set()

    def poll(self, seconds: float = 1.0, limit: int = 500) -> int:
        """Take what has arrived within some seconds; returns the number of events processed."""
        if not self._assigned:
            self._assign()
        events, bookmarks = [], {}
        try:
            for message in self._consumer.consume(limit, seconds) if self._assigned else ():
                if message.error() is not None:
                    raise KafkaDeliveryError(
                        f"Topic {self.topic!r}: {message.error()}. poll() again."
                    )
                events.append(from_message(message.value()))
                bookmarks[f"{self.topic}/{message.partition()}"] = message.offset() + 1
            return self.projector.deliver(events, bookmarks)
        except BaseException:
            # The client has moved on, the read database has not: begin again at its offsets.
            self._assigned.clear()
            raise

    def wait_for(self, position: int, timeout: float = 5.0) -> None:
        """Poll until the read model contains a position; `LagTimeoutError` after some seconds."""
        deadline = time.monotonic() + timeout
        while self.projector.position < position:
            left = deadline - time.monotonic()
            if left <= 0:
                raise LagTimeoutError(
                    f"{self.projector.projection.__name__} is at position "
                    f"{self.projector.position}, you wait for {position}, and {timeout:g} s are "
                    f"over. Is the publisher running?"
                )
            self.poll(min(left, 0.1))

    def lag(self, timeout: float = 10.0) -> int:
        """How many messages are in the topic, and events in the inbox, that are not processed."""
        if not self._assigned:
            self._assign()
        bookmarks, waiting = self.projector.bookmarks(), len(self.projector.inbox())
        for number in self._assigned:
            partition = self._kafka.TopicPartition(self.topic, number)
            low, high = self._consumer.get_watermark_offsets(partition, timeout=timeout)
            waiting += high - bookmarks.get(f"{self.topic}/{number}", low)
        return waiting

    def close(self) -> None:
        """Close the connection and the read database."""
        self._consumer.close()
        self.projector.close()

    def _assign(self) -> None:
        topics = self._consumer.list_topics(self.topic, timeout=10).topics
        partitions = topics[self.topic].partitions
        bookmarks = self.projector.bookmarks()
        self._consumer.assign(
            [
                self._kafka.TopicPartition(
                    self.topic,
                    number,
                    bookmarks.get(f"{self.topic}/{number}", self._kafka.OFFSET_BEGINNING),
                )
                for number in partitions
            ]
        )
        self._assigned = set(partitions)


class TopicSource:
    """The log as it is seen through a topic: an `EventSource` that knows what waits in an inbox."""

    def __init__(self, upcasters: Upcasters) -> None:
        self.clock: Clock = SystemClock()
        self.upcasters = upcasters
        self.path = None  # no file to keep clear of
        self.position = 2**62  # nobody here knows where the log ends
        self.inbox: Callable[[], list[Event]] = list  # that of the projector, once there is one

    def as_stored(self, events: Iterable[Event], after: int) -> list[Event]:
        """What a topic brings is as it was stored."""
        return list(events)

    def read_all(
        self, after: int = 0, limit: int | None = None, *, upcast: bool = True
    ) -> Iterator[Event]:
        """The events of the inbox after a position, as they were stored."""
        return iter([e for e in self.inbox() if (e.position or 0) > after][:limit])

    def next_batch(self, after: int, size: int) -> tuple[int, int]:
        """How many events wait that have no gap before them, and the position of the last."""
        last = after
        for event in self.read_all(after):
            if last - after == size or event.position != last + 1:
                break
            last += 1
        return last - after, last

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise QueryError(
            "A read model that is kept from a topic cannot read the log again. poll() brings what "
            "is new; to build it afresh, give the consumer a new database."
        )

    rows = row_list = gathered = as_of = _refuse
