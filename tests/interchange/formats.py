"""What the tests of the formats share: each format's writer and reader, and logs to write."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from esnb import ANY, EventStore, LessonClock, interchange, new_event
from tests.support import OBJECTS, TEXT, seen

FORMATS: dict[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
    "jsonl": (interchange.write_jsonl, interchange.read_jsonl, "log.jsonl"),
    "jsonl.gz": (interchange.write_jsonl, interchange.read_jsonl, "log.jsonl.gz"),
    "csv": (interchange.write_csv, interchange.read_csv, "log.csv"),
    "parquet": (interchange.write_parquet, interchange.read_parquet, "log.parquet"),
    "cloudevents": (interchange.write_cloudevents, interchange.read_cloudevents, "log.ce"),
    "batch": (
        lambda store, path: interchange.write_cloudevents(store, path, batch=True),
        interchange.read_cloudevents,
        "log.json",
    ),
}

# No attribute of a CloudEvent may hold a control character: there is a test of its own for these.
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda text: bool(text.strip())
)
WITH_CONTROLS = TEXT.filter(lambda text: bool(text.strip()) and "\0" not in text)
TIMES = st.datetimes(timezones=st.just(UTC)) | st.datetimes(
    datetime(2026, 3, 1), datetime(2026, 3, 2), timezones=st.just(UTC)
)


@st.composite
def logs(draw: Any, names: Any = NAMES) -> EventStore:
    """A store with interleaved streams, times in any order, and a clock that sometimes stands."""
    clock = LessonClock(step=0)
    store = EventStore(clock=clock)
    streams = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    kinds = {stream: draw(names) for stream in streams}
    for stream in draw(st.lists(st.sampled_from(streams), max_size=7)):
        event = new_event(
            draw(names), draw(OBJECTS), event_version=draw(st.integers(1, 2**31 - 1)),
            occurred_at=draw(TIMES), metadata=draw(OBJECTS),
            event_id=draw(st.uuids()),
        )  # fmt: skip
        clock.advance(microseconds=draw(st.sampled_from([0, 1, 10**9])))
        store.append(stream, [event], expected_version=ANY, aggregate_type=kinds[stream])
    return store


def all_of(store: Any) -> list[Any]:
    return [seen(event) for event in store.read_all()]


def bank() -> EventStore:
    """Two accounts, interleaved; the second event occurred before the first."""
    clock = LessonClock("2026-03-02T09:00:00Z", step=0.000001)
    store = EventStore(clock=clock)
    for stream, version, name, at in (
        ("a", 1, "Opened", "2026-03-01T10:00:00.000001Z"),
        ("b", 3, "Opened", "2026-03-01T09:00:00Z"),
        ("a", 2, "Closed", "2026-02-01T10:00:00.999999Z"),
    ):
        event = new_event(
            name, {"who": "Zoë, \"z\"\n\r'", "n": [1, {"x": None}]}, event_version=version,
            occurred_at=at, metadata={"why": "ß"}, event_id=UUID(int=version),
        )  # fmt: skip
        store.append(stream, [event], expected_version=ANY, aggregate_type="ACCOUNT")
    return store


LINE: dict[str, Any] = {
    "aggregate_type": "T", "aggregate_id": "a", "event_type": "X", "event_data": {"n": 1},
    "occurred_at": "2026-03-02T10:00:00+01:00",
}  # fmt: skip


def jsonl(*items: Any) -> bytes:
    return b"\n".join(i if isinstance(i, bytes) else json.dumps(i).encode() for i in items)
