"""OCEL files, written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from esnb import interchange
from esnb.interchange import (
    InterchangeError,
    restore,
)

OCEL: dict[str, Any] = {
    "objectTypes": [{"name": "order", "attributes": []}, {"name": "item", "attributes": []}],
    "eventTypes": [{"name": "place", "attributes": [{"name": "n", "type": "integer"}]}],
    "objects": [
        {"id": "o1", "type": "order", "attributes": [{"name": "x", "time": "", "value": 1}]},
        {"id": "i1", "type": "item"},
    ],
    "events": [
        {"id": "e2", "type": "pack", "time": "2026-03-02T11:00:00Z",
         "relationships": [{"objectId": "i1", "qualifier": "what"}]},
        {"id": "e3", "type": "ship", "time": "2026-03-02T12:00:00Z",
         "relationships": [{"objectId": "o1", "qualifier": ""}]},
        {"id": "e1", "type": "place", "time": "2026-03-02T10:00:00.25Z",
         "attributes": [{"name": "n", "value": 3}],
         "relationships": [{"objectId": "i1", "qualifier": "what"},
                           {"objectId": "o1", "qualifier": "order"}]},
    ],
}  # fmt: skip


def test_ocel(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonocel"
    path.write_text(json.dumps(OCEL))
    frame = interchange.read_ocel(path, "order")
    with restore(frame) as store:
        events = list(store.read_all())
    assert [(e.aggregate_id, e.event_type, e.data) for e in events] == [
        ("o1", "place", {"n": 3}), ("o1", "ship", {}),
    ]  # fmt: skip
    assert events[0].metadata["ocel"] == {
        "id": "e1", "relationships": OCEL["events"][2]["relationships"],
    }  # fmt: skip
    assert frame.attrs["lost"][-1] == "1 event(s) without an object of type 'order'"
    assert list(interchange.read_ocel(path, "item")["event_type"]) == ["place", "pack"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"time": "2026-03-02"}, "row 1: .* no zone"),
        ({"type": None}, "row 1: event_type is missing"),
        ({"relationships": [{"objectId": "gone"}]}, "row 1: object 'gone' is not among"),
        ({"relationships": [{}]}, "row 1: is not an event of OCEL 2.0"),
        ({"attributes": [{"name": "n", "value": 1}] * 2}, "row 1: the key 'n' comes twice"),
        ({"attributes": 7}, "row 1: is not an event of OCEL 2.0"),
    ],
)
def test_bad_ocel(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    events = [OCEL["events"][0], OCEL["events"][1] | change]
    path.write_text(json.dumps(OCEL | {"events": events}))
    with pytest.raises(InterchangeError, match=reason):
        interchange.read_ocel(path, "order")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"objects": 1, "events": []}', "7"])
def test_what_is_no_ocel(text: str, tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text(text)
    with pytest.raises(InterchangeError, match="is not OCEL"):
        interchange.read_ocel(tmp_path / "log.json", "order")
