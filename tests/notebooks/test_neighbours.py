"""What chapter 12 says, beside what it is about: Kafka's client, the checklist, the documents."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest

from esnb import LessonClock, shop
from esnb.capture import QUESTIONS, systems
from esnb.course.widgets import advise
from esnb.course.widgets.checklist import ITEMS
from esnb.store.event_store import EventStore
from tests.support import ROOT

CHAPTER = ROOT / "notebooks" / "12_neighbours.ipynb"


def cells() -> list[dict[str, Any]]:
    return list(json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"])


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def tagged(tag: str) -> str:
    [found] = [source(c) for c in cells() if tag in c["metadata"].get("tags", [])]
    return found


def prose() -> str:
    text = "\n".join(source(c) for c in cells() if c["cell_type"] == "markdown")
    return re.sub(r"\s+", " ", text)


# -- the model of a log broker -------------------------------------------------------------------


@pytest.fixture
def model() -> dict[str, Any]:
    """The names that the chapter's cell defines: partitions, send, read."""
    names: dict[str, Any] = {}
    exec("from zlib import crc32\n" + tagged("model-of-a-log"), names)
    return names


@pytest.fixture(scope="module")
def cluster() -> Any:
    """The mock cluster that librdkafka brings; how to connect to it."""
    client = pytest.importorskip("confluent_kafka", reason="the extra 'kafka' is not installed")
    owner = client.Producer({"test.mock.num.brokers": 1, "log_level": 0})
    brokers = owner.list_topics(timeout=10).brokers.values()
    yield client, {
        "bootstrap.servers": ",".join(f"{b.host}:{b.port}" for b in brokers), "log_level": 0,
    }  # fmt: skip
    owner.flush(1)


def test_kafkas_client_does_what_the_model_does(cluster: Any, model: dict[str, Any]) -> None:
    """Two writers who read before they write: both are stored, at the same places as in the model.

    And what has to be read to find one key: its whole partition.
    """
    client, config = cluster
    one, two = (client.Producer(config) for _ in "ab")
    count = len(one.list_topics("lamps", timeout=10).topics["lamps"].partitions)
    model["partitions"][:] = [[] for _ in range(count)]
    places: list[tuple[int, int]] = []

    def stored(error: object, message: Any) -> None:
        assert error is None
        places.append((message.partition(), message.offset()))

    expected = []
    with EventStore(clock=LessonClock()) as log:
        shop.simulate(log, orders=20, seed=3)
        records = [("lamp", "received"), ("lamp", "to ada"), ("lamp", "to ben")]
        records += [(str(e.aggregate_id), e.type) for e in log.read_all()]
    for n, (key, value) in enumerate(records):
        producer = two if n == 2 else one
        producer.produce("lamps", key=key, value=value, on_delivery=stored)
        producer.flush(10)
        offset = model["send"](key, value)
        number = next(
            i for i, p in enumerate(model["partitions"]) if p and p[-1] == (key, value)
            and len(p) == offset + 1
        )  # fmt: skip
        expected.append((number, offset))
    assert places == expected
    assert places[1][1] + 1 == places[2][1]  # neither writer was refused

    consumer = client.Consumer({**config, "group.id": "all", "auto.offset.reset": "earliest"})
    consumer.assign([client.TopicPartition("lamps", places[0][0], 0)])
    seen: list[tuple[str, str]] = []
    found, scanned = model["read"]("lamp")
    while len(seen) < scanned:
        for message in consumer.consume(100, 5):
            assert message.error() is None
            seen.append((message.key().decode(), message.value().decode()))
    consumer.close()
    assert seen == model["partitions"][places[0][0]]
    assert [value for key, value in seen if key == "lamp"] == found
    assert scanned > len(found)


def test_the_client_offers_no_expected_version(cluster: Any) -> None:
    client, config = cluster
    with pytest.raises(TypeError):
        client.Producer(config).produce("lamps", key="lamp", value="x", expected_version=1)
    with pytest.raises(TypeError):
        client.Producer(config).produce("lamps", key="lamp", value="x", offset=1)


# -- what the prose says -------------------------------------------------------------------------


def test_the_answers_that_decide_are_those_that_the_chapter_names() -> None:
    [cell] = [source(c) for c in cells() if "orders = Checklist(" in source(c)]
    call = ast.parse(cell).body[0]
    assert isinstance(call, ast.Assign)
    assert isinstance(call.value, ast.Call)
    answers = ast.literal_eval(call.value.args[0])
    assert answers.keys() == ITEMS.keys()
    advice = advise(answers)
    assert advice.verdict == "events"
    assert list(advice.decides) == ["running", "forms", "late", "team"]
    for reason in ("before", "why", "past", "several", "states"):
        assert advise({**answers, reason: "no"}).verdict == "events"


def test_what_the_chapter_says_of_the_systems_is_in_the_table() -> None:
    table = systems()
    assert not table.isna().to_numpy().any()
    nine = table[~table["system"].isin(["Apache Kafka", "Debezium"])]
    assert nine["system"].nunique() == 9
    have = nine[(nine["feature"] == "expected version")].set_index("system")["gives"]
    assert dict(have.value_counts()) == {"yes": 8, "partly": 1}
    assert have["Axon Framework 5"] == "partly"
    proof = nine[(nine["feature"] == "tamper evidence") & (nine["gives"] == "yes")]
    assert list(proof["system"]) == ["EventSourcingDB"]
    assert "eight have it" in prose()
    assert "documented by one" in prose()
    assert table["note"].str.len().max() <= 66


def test_the_chapter_asks_twelve_questions_and_has_its_exercises() -> None:
    assert len(QUESTIONS) == 12
    assert "all twelve questions" in prose()
    for number in (1, 2, 3):
        assert tagged(f"exercise-12-{number}").startswith("**Exercise (")
