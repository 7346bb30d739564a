"""CloudEvents of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from esnb import interchange
from esnb.interchange import (
    InterchangeError,
)
from tests.interchange.formats import (
    jsonl,
)

CLOUD: dict[str, Any] = {
    "specversion": "1.0", "id": "77", "source": "https://example.com/orders/", "type": "com.x.paid",
    "subject": "order-1", "time": "2026-03-02T10:00:00.5Z", "data": {"n": 1}, "traceparent": "00-a",
}  # fmt: skip


def test_cloudevents_of_others(tmp_path: Path) -> None:
    path = tmp_path / "log.ce"
    path.write_bytes(jsonl(CLOUD | {"sequence": "0"}, CLOUD | {"id": "78"}))
    frame = interchange.read_cloudevents(path)
    assert list(frame["aggregate_type"]) == ["orders"] * 2
    assert frame["event_id"].is_unique
    note = json.loads(frame["metadata"][0])["cloudevents"]
    assert note == {
        "id": "77", "source": CLOUD["source"], "traceparent": "00-a", "sequence": "0",
    }  # fmt: skip
    path.write_bytes(jsonl([CLOUD | {"sequence": "0"}, CLOUD | {"id": "78"}]))
    assert interchange.read_cloudevents(path).equals(frame)
    path.write_bytes(jsonl({key: value for key, value in CLOUD.items() if key != "data"}))
    assert list(interchange.read_cloudevents(path)["event_data"]) == ["{}"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"specversion": "0.3"}, "not a CloudEvent of version 1.0"),
        ({"subject": None}, "subject is missing"),
        ({"id": 7}, "id is missing"),
        ({"data": "text"}, "data is not a JSON object"),
        ({"time": "2026-03-02"}, "no zone"),
        ({"data": None, "data_base64": "AA=="}, "data is not a JSON object"),
        ({"source": "/esnb/T", "sequence": "x"}, "sequence_number counts from 1"),
        ({"source": "/esnb/T", "sequence": "2"}, "sequence_number is in some lines only"),
        ({"source": "/esnb/T", "metadata": "{"}, "line 2"),
    ],
)
def test_bad_cloudevents(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "log.ce"
    path.write_bytes(jsonl(CLOUD, CLOUD | {"sequence": "2"} | change))
    with pytest.raises(InterchangeError, match=reason) as error:
        interchange.read_cloudevents(path)
    assert [number for number, _ in error.value.problems] == [2]


def test_cloudevents_without_subject_or_time(tmp_path: Path) -> None:
    path = tmp_path / "log.ce"
    bare = {key: value for key, value in CLOUD.items() if key not in ("subject", "time")}
    path.write_bytes(jsonl(bare))
    with pytest.raises(InterchangeError, match=r"subject is missing.*default_id="):
        interchange.read_cloudevents(path)
    with pytest.raises(InterchangeError, match=r"time is missing.*default_time="):
        interchange.read_cloudevents(path, default_id="all")
    at = "2026-03-02T10:00:00Z"
    frame = interchange.read_cloudevents(path, default_id="all", default_time=at)
    assert list(frame["aggregate_id"]) == ["all"]
    assert frame["occurred_at"][0] == pd.Timestamp(at)


@pytest.mark.parametrize("metadata", ["text", "{", {"a": 1}, 7, [1], None])
def test_metadata_of_others_is_an_extension_like_any_other(metadata: Any, tmp_path: Path) -> None:
    path = tmp_path / "log.ce"
    path.write_bytes(jsonl(CLOUD | {"metadata": metadata}))
    frame = interchange.read_cloudevents(path)
    assert json.loads(frame["metadata"][0])["cloudevents"]["metadata"] == metadata


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_one_event_over_several_lines(indent: int | None, tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    path.write_text("\n\n" + json.dumps(CLOUD, indent=indent))
    assert list(interchange.read_cloudevents(path)["aggregate_id"]) == ["order-1"]
    path.write_text("\n" + json.dumps([CLOUD, CLOUD | {"id": "78"}], indent=indent))
    assert len(interchange.read_cloudevents(path)) == 2
