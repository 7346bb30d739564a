"""OCEL files, written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from esnb import InvalidEventError, interchange
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


def log_of(tmp_path: Path, **parts: Any) -> Path:
    path = tmp_path / "log.json"
    path.write_text(json.dumps(OCEL | parts))
    return path


def test_a_misspelt_object_type_is_an_error(tmp_path: Path) -> None:
    path = log_of(tmp_path)
    for wrong in ("orders", "Order", "ordr"):
        with pytest.raises(InterchangeError, match=f"no objects of type '{wrong}'.*mean 'order'"):
            interchange.read_ocel(path, wrong)
    with pytest.raises(InterchangeError, match=r"It has: 'item', 'order'"):
        interchange.read_ocel(path, "customer")
    # A type that is declared and has no object is an empty log.
    path = log_of(tmp_path, objectTypes=[*OCEL["objectTypes"], {"name": "customer"}])
    frame = interchange.read_ocel(path, "customer")
    assert len(frame) == 0
    assert frame.attrs["lost"][-1] == "3 event(s) without an object of type 'customer'"


def test_an_event_of_several_objects(tmp_path: Path) -> None:
    objects = [*OCEL["objects"], {"id": "o2", "type": "order"}]
    related = [{"objectId": name} for name in ("o1", "o2", "o1", "i1")]
    events = [OCEL["events"][1], OCEL["events"][2] | {"relationships": related}]
    path = log_of(tmp_path, objects=objects, events=events)
    first = interchange.read_ocel(path, "order")
    assert list(first["aggregate_id"]) == ["o1", "o1"]
    assert first.attrs["lost"][-1] == (
        "1 event(s) of several objects of type 'order': the first has them"
    )
    assert json.loads(first["metadata"][0])["ocel"]["relationships"] == related
    each = interchange.read_ocel(path, "order", several="each")
    assert sorted(each["aggregate_id"]) == ["o1", "o1", "o2"]
    assert each["event_id"].is_unique
    assert not [words for words in each.attrs["lost"] if "several" in words]
    with restore(each) as store:
        assert store.position == 3
    with pytest.raises(InterchangeError, match="row 1: has several objects of type 'order': 'o1'"):
        interchange.read_ocel(path, "order", several="refuse")
    with pytest.raises(InvalidEventError, match="several is"):
        interchange.read_ocel(path, "order", several="all")  # type: ignore[arg-type]


def test_an_object_of_two_types_is_an_error(tmp_path: Path) -> None:
    objects = [*OCEL["objects"], {"id": "o1", "type": "item"}]
    with pytest.raises(InterchangeError, match=r"'o1' is of type 'order' and, .* 'item'"):
        interchange.read_ocel(log_of(tmp_path, objects=objects), "order")


def test_ocel_1_is_told_from_2(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"ocel:global-log": {}, "ocel:events": {}, "ocel:objects": {}}))
    with pytest.raises(InterchangeError, match=r"is OCEL 1\.0 .*pm4py"):
        interchange.read_ocel(path, "order")


def test_ocel_times_without_a_zone_or_missing(tmp_path: Path) -> None:
    naive = [OCEL["events"][1] | {"time": "2026-07-01T10:00:00"}]
    path = log_of(tmp_path, events=naive)
    with pytest.raises(InterchangeError, match=r"row 0: .* no zone"):
        interchange.read_ocel(path, "order")
    frame = interchange.read_ocel(path, "order", timezone="Europe/Berlin")
    assert frame["occurred_at"][0] == pd.Timestamp("2026-07-01T08:00:00Z")
    path = log_of(tmp_path, events=[OCEL["events"][1] | {"time": None}])
    frame = interchange.read_ocel(path, "order", default_time="2026-01-01T00:00:00Z")
    assert frame["occurred_at"][0] == pd.Timestamp("2026-01-01T00:00:00Z")


def test_ocel_counts_what_is_lost(tmp_path: Path) -> None:
    objects = [
        *OCEL["objects"],
        {"id": "o2", "type": "order", "relationships": [{"objectId": "i1"}]},
    ]
    frame = interchange.read_ocel(log_of(tmp_path, objects=objects), "order")
    assert frame.attrs["lost"] == (
        "1 attribute value(s) of objects",
        "1 relation(s) between objects",
        "1 event(s) without an object of type 'order'",
    )
