"""One gate: what one way in refuses, the others refuse too; what one takes, each format keeps."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import duckdb
import pandas as pd
import pytest

from esnb import ANY, EsnbError, Event, EventStore, LessonClock, interchange, new_event
from esnb.clock import EARLIEST, LATEST
from esnb.event_json import MAX_DEPTH
from esnb.events import MAX_NAME
from esnb.interchange import COLUMNS, restore
from esnb.transports.kafka import from_message
from tests.interchange.formats import FORMATS, all_of

AT = "2026-03-02T09:00:00Z"
GOOD: dict[str, Any] = {
    "aggregate_type": "T", "aggregate_id": "a", "event_type": "X", "event_version": 1,
    "event_data": "{}", "metadata": "{}", "occurred_at": AT,
}  # fmt: skip


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


BAD: dict[str, dict[str, Any]] = {
    "a key twice": {"event_data": '{"amount":1,"amount":200}'},
    "a key twice, inside": {"event_data": '{"a":[{"b":1,"b":2}]}'},
    "a key twice, escaped": {"event_data": '{"a":1,"\\u0061":2}'},
    "a key twice in metadata": {"metadata": '{"a":1,"a":2}'},
    "too deep": {"event_data": deep(MAX_DEPTH + 1)},
    "much too deep": {"event_data": deep(600)},
    "metadata too deep": {"metadata": deep(MAX_DEPTH + 1)},
    "half a character": {"event_data": '{"a":"\\ud800"}'},
    "half a character in a key": {"event_data": '{"\\udfff":1}'},
    "half a character in metadata": {"metadata": '{"a":["\\ud800"]}'},
    "beyond 64 bits": {"event_data": '{"a":9223372036854775808}'},
    "below 64 bits": {"event_data": '{"a":-9223372036854775809}'},
    "hundreds of digits": {"event_data": '{"a":' + "9" * 500 + "}"},
    "no such number": {"event_data": '{"a":1e400}'},
    "NaN": {"event_data": '{"a":NaN}'},
    "Infinity": {"metadata": '{"a":-Infinity}'},
    "a list": {"event_data": "[1]"},
    "null": {"event_data": "null"},
    "not JSON": {"event_data": "{'a':1}"},
    "a comma too many": {"event_data": '{"a":1,}'},
    "no zone": {"occurred_at": "2026-03-02T09:00:00"},
    "not a time": {"occurred_at": "infinity"},
    "a day": {"occurred_at": "2026-03-02"},
    "after the last time": {"occurred_at": "9999-12-31T23:59:59-01:00"},
    "before the first time": {"occurred_at": "0001-01-01T00:00:00+01:00"},
    "a year of five digits": {"occurred_at": "51969-01-01T00:00:00Z"},
    "version 0": {"event_version": 0},
    "version beyond 32 bits": {"event_version": 2**31},
    "an empty type": {"event_type": " "},
    "NUL in a type": {"event_type": "X\0"},
    "half a character in a type": {"event_type": "\ud800"},
    "a long type": {"event_type": "x" * (MAX_NAME + 1)},
    "an empty id": {"aggregate_id": " "},
    "NUL in an id": {"aggregate_id": "\0"},
    "half a character in an id": {"aggregate_id": "\udfff"},
    "a long id": {"aggregate_id": "é" * (MAX_NAME // 2 + 1)},
    "half a character in an aggregate type": {"aggregate_type": "\ud800"},
    "a long aggregate type": {"aggregate_type": "x" * (MAX_NAME + 1)},
}  # fmt: skip


def loose(text: str) -> Any:
    """What careless code makes of JSON text before it hands it over."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def by_append(row: dict[str, Any], folder: Path) -> EventStore:
    store = EventStore(clock=LessonClock())
    event = new_event(
        row["event_type"], loose(row["event_data"]), metadata=loose(row["metadata"]),
        occurred_at=row["occurred_at"], event_version=row["event_version"],
    )  # fmt: skip
    store.append(row["aggregate_id"], [event], expected_version=0,
                 aggregate_type=row["aggregate_type"])  # fmt: skip
    return store


def by_hand(row: dict[str, Any], folder: Path) -> EventStore:
    """An event that was not made by new_event."""
    store = EventStore(clock=LessonClock())
    time: Any = row["occurred_at"]
    with suppress(ValueError):
        time = datetime.fromisoformat(time)
    event = Event(row["event_type"], loose(row["event_data"]), row["event_version"],
                  loose(row["metadata"]), time)  # fmt: skip
    store.append(row["aggregate_id"], [event], expected_version=ANY,
                 aggregate_type=row["aggregate_type"])  # fmt: skip
    return store


def by_frame(row: dict[str, Any], folder: Path) -> EventStore:
    columns = {k: v for k, v in COLUMNS.items() if k != "event_id"}
    frame = pd.DataFrame([row])
    return EventStore.from_frame(
        frame, event_version="event_version", clock=LessonClock(), **columns
    )


def by_frame_of_objects(row: dict[str, Any], folder: Path) -> EventStore:
    values = row | {name: loose(row[name]) for name in ("event_data", "metadata")}
    frame = pd.DataFrame({name: pd.Series([value], dtype=object) for name, value in values.items()})
    columns = {k: v for k, v in COLUMNS.items() if k != "event_id"}
    return EventStore.from_frame(
        frame, event_version="event_version", clock=LessonClock(), **columns
    )


def text_of(row: dict[str, Any]) -> str:
    """The row as a line of JSON, with event_data and metadata as objects, to the letter."""
    plain = {k: v for k, v in row.items() if k not in ("event_data", "metadata")}
    head = json.dumps(plain)[:-1]
    return f'{head}, "event_data": {row["event_data"]}, "metadata": {row["metadata"]}}}'


def restored(frame: pd.DataFrame) -> EventStore:
    return restore(frame, clock=LessonClock())


def by_jsonl(row: dict[str, Any], folder: Path) -> EventStore:
    (folder / "log.jsonl").write_text(text_of(row))
    return restored(interchange.read_jsonl(folder / "log.jsonl"))


def by_jsonl_of_texts(row: dict[str, Any], folder: Path) -> EventStore:
    (folder / "log.jsonl").write_text(json.dumps(row))
    return restored(interchange.read_jsonl(folder / "log.jsonl"))


def by_csv(row: dict[str, Any], folder: Path) -> EventStore:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, row)
    writer.writeheader()
    writer.writerow(row)
    (folder / "log.csv").write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
    return restored(interchange.read_csv(folder / "log.csv"))


def by_parquet(row: dict[str, Any], folder: Path) -> EventStore:
    with duckdb.connect() as engine:
        try:
            engine.from_df(pd.DataFrame([row])).write_parquet(str(folder / "log.parquet"))
        except (UnicodeError, duckdb.Error):
            return by_csv(row, folder)  # no writer of Parquet takes half a character
    return restored(interchange.read_parquet(folder / "log.parquet"))


def cloud(row: dict[str, Any]) -> str:
    source = "/esnb/" + quote(row["aggregate_type"], safe="", errors="replace")
    plain = {
        "specversion": "1.0", "id": str(UUID(int=1)), "source": source,
        "type": row["event_type"], "subject": row["aggregate_id"], "time": row["occurred_at"],
        "aggregatetype": row["aggregate_type"], "eventversion": row["event_version"],
        "metadata": row["metadata"],
    }  # fmt: skip
    return f'{json.dumps(plain)[:-1]}, "data": {row["event_data"]}}}'


def by_cloudevents(row: dict[str, Any], folder: Path) -> EventStore:
    (folder / "log.ce").write_text(cloud(row))
    return restored(interchange.read_cloudevents(folder / "log.ce"))


def by_batch(row: dict[str, Any], folder: Path) -> EventStore:
    (folder / "log.json").write_text(f"[{cloud(row)}]")
    return restored(interchange.read_cloudevents(folder / "log.json"))


def by_message(row: dict[str, Any], folder: Path) -> EventStore:
    place = {"position": 1, "sequence_number": 1, "event_id": str(UUID(int=1)), "recorded_at": AT}
    event = from_message(text_of(row | place).encode())
    store = EventStore(clock=LessonClock())
    new = new_event(
        event.event_type, event.event_data, metadata=event.metadata,
        occurred_at=event.occurred_at, event_version=event.event_version,
    )  # fmt: skip
    assert event.aggregate_id is not None
    store.append(event.aggregate_id, [new], expected_version=0, aggregate_type=event.aggregate_type)
    return store


WAYS: list[Callable[[dict[str, Any], Path], EventStore]] = [
    by_append, by_hand, by_frame, by_frame_of_objects, by_jsonl, by_jsonl_of_texts, by_csv,
    by_parquet, by_cloudevents, by_batch, by_message,
]  # fmt: skip
# After json.loads, a key that came twice is there once: Python's objects cannot have it.
OBJECTS_ONLY = (by_append, by_hand, by_frame_of_objects)


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("way", WAYS)
def test_each_way_in_refuses_it(
    way: Callable[[dict[str, Any], Path], EventStore], name: str, tmp_path: Path
) -> None:
    if "key twice" in name and way in OBJECTS_ONLY:
        return
    if name == "null" and way is by_append:  # no data at all is an event without data
        return
    with pytest.raises(EsnbError) as caught:
        way(GOOD | BAD[name], tmp_path)
    assert len(str(caught.value)) > 20


EDGES: dict[str, dict[str, Any]] = {
    "the first time": {"occurred_at": EARLIEST.isoformat()},
    "the last time": {"occurred_at": LATEST.isoformat()},
    "the deepest data": {"event_data": deep(MAX_DEPTH), "metadata": deep(MAX_DEPTH)},
    "the longest names": {
        "aggregate_id": "é" * (MAX_NAME // 2), "event_type": "x" * MAX_NAME,
        "aggregate_type": "t" * MAX_NAME,
    },
    "numbers": {"event_data": '{"a":9223372036854775807,"b":-9223372036854775808,"c":5e-324,'
                              '"d":1.7976931348623157e308,"e":-0.0,"f":1e22,"g":0.1}'},
    "texts": {"event_data": '{"":"\\u0000\\u001f\\u2028\\ufeff\\ud83d\\ude00","\\u0000":"it\'s"}'},
    "metadata": {"metadata": '{"a":{"b":[null,true,{}]},"a ":[]}'},
    "the largest version": {"event_version": 2**31 - 1},
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
def test_each_way_in_takes_it_and_each_format_gives_it_back(name: str, tmp_path: Path) -> None:
    row = GOOD | EDGES[name]
    for way in WAYS:
        with way(row, tmp_path) as store:
            event = next(store.read_all())
            assert event.event_data == json.loads(row["event_data"])
            assert event.metadata == json.loads(row["metadata"])
            assert event.occurred_at == datetime.fromisoformat(row["occurred_at"]).astimezone(UTC)
            found = (
                event.aggregate_id,
                event.aggregate_type,
                event.event_type,
                event.event_version,
            )
            assert found == tuple(
                row[k] for k in ("aggregate_id", "aggregate_type", "event_type", "event_version")
            )
            if way in (by_append, by_frame):
                for write, read, file in FORMATS.values():
                    write(store, tmp_path / file)
                    frame = read(tmp_path / file)
                    with restore(frame) as copy:
                        assert all_of(copy) == all_of(store)
                    with EventStore() as other:
                        other.append_frame(frame, **COLUMNS, event_version="event_version")
                        assert next(other.read_all()).event_data == event.event_data


SCRIPT = """
import sys
from pathlib import Path
from tests.interchange.formats import FORMATS, all_of
from esnb import EventStore, new_event
from esnb.interchange import restore
with EventStore() as store:
    for n, at in enumerate(sys.argv[2:]):
        store.append("a", [new_event("X", occurred_at=at)], expected_version=n, aggregate_type="T")
    for write, read, file in FORMATS.values():
        write(store, Path(sys.argv[1]) / file)
        with restore(read(Path(sys.argv[1]) / file)) as copy:
            assert all_of(copy) == all_of(store), file
    assert [e.occurred_at.isoformat() for e in store.read_all()] == sys.argv[2:]
    assert [t.isoformat() for t in store.df()["occurred_at"]][1] == sys.argv[3]
"""


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "Pacific/Kiritimati"])
def test_the_zone_of_the_machine_changes_nothing(zone: str, tmp_path: Path) -> None:
    times = [t.isoformat() for t in (EARLIEST, datetime(2026, 11, 1, 5, 30, tzinfo=UTC), LATEST)]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), *times],
        env={**os.environ, "TZ": zone}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
