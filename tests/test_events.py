"""Events: made from anything JSON can hold, refused with a path otherwise."""

from __future__ import annotations

import dataclasses
import enum
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from esnb import ANY, Event, EventStore, InvalidEventError, NaiveTimeError, new_event
from esnb.event_json import copy_json, dump_json, load_json
from tests.support import KEYS, OBJECTS, TEXT, exactly

NAMES = TEXT.filter(lambda text: text.strip() and "\x00" not in text)


class Colour(enum.IntEnum):
    RED = 1


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


def endless() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


@pytest.fixture(scope="module")
def store():
    with EventStore() as store:
        yield store


@given(batch=st.lists(st.tuples(OBJECTS, OBJECTS, NAMES), min_size=1, max_size=3))
@example(batch=[({"a": "\x00", "\x00": "\n"}, {"\x00": 1}, "A\nB"), ({}, {}, "'"), ({}, {}, '"')])
def test_any_json_comes_back_from_the_store_exactly_as_it_went_in(store, batch):
    """One event and several go different ways into the database."""
    events = [new_event(name, data, metadata=metadata) for data, metadata, name in batch]
    done = store.append("a", events, expected_version=ANY, aggregate_type="T")
    stored = store.events("a", after=done.version - len(batch))
    for event, (data, metadata, name) in zip(stored, batch, strict=True):
        assert exactly(event.data) == exactly(data)
        assert exactly(event.metadata) == exactly(metadata)
        assert event.type == name


@given(data=OBJECTS)
def test_json_text_and_back_changes_nothing(data):
    assert exactly(load_json(dump_json(data, "data"))) == exactly(data)


@given(
    path=st.lists(KEYS | st.integers(0, 3), min_size=1, max_size=4),
    bad=st.sampled_from(
        [float("nan"), float("inf"), -float("inf"), 2**63, -(2**63) - 1, 10**30, {1}, b"x",
         object(), Decimal("1.5"), np.int64(3), np.float64(0.5), datetime(2026, 1, 1), date.today(),
         timedelta(1), uuid4(), Colour.RED, "\ud800", 1j, {1: 2}, {None: 1}, OrderedDict(a=1),
         range(3)]
    ),
)  # fmt: skip
def test_what_json_cannot_hold_is_refused_wherever_it_stands(path, bad):
    value = bad
    for step in reversed(path):
        value = [None] * step + [value] if isinstance(step, int) else {step: value}
    data = value if isinstance(value, dict) else {"top": value}
    with pytest.raises(InvalidEventError):
        new_event("Happened", data)


def test_the_error_names_the_path_and_what_to_do():
    with pytest.raises(InvalidEventError, match=r"data\.items\[1\]\.price is nan"):
        new_event("OrderPlaced", items=[{"price": 1}, {"price": float("nan")}])
    with pytest.raises(InvalidEventError, match=r"data\.when is a datetime .*isoformat"):
        new_event("OrderPlaced", when=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(InvalidEventError, match=r"data\.n is a int64 .*value\.item"):
        new_event("OrderPlaced", n=np.int64(1))
    with pytest.raises(InvalidEventError, match=r"beyond 64 bits"):
        new_event("OrderPlaced", n=2**63)
    with pytest.raises(InvalidEventError, match=r"data has the key 7 \(int\).*Write '7'"):
        new_event("OrderPlaced", {7: 1})


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: new_event(""), id="empty type"),
        pytest.param(lambda: new_event("  "), id="blank type"),
        pytest.param(lambda: new_event(None), id="no type"),
        pytest.param(lambda: new_event(5), id="number as type"),
        pytest.param(lambda: new_event("a\x00b"), id="NUL in the type"),
        pytest.param(lambda: new_event("\ud800"), id="half a character in the type"),
        pytest.param(lambda: new_event("X", [1]), id="data is a list"),
        pytest.param(lambda: new_event("X", []), id="data is an empty list"),
        pytest.param(lambda: new_event("X", 5), id="data is a number"),
        pytest.param(lambda: new_event("X", "text"), id="data is text"),
        pytest.param(lambda: new_event("X", metadata=0), id="metadata is a number"),
        pytest.param(lambda: new_event("X", metadata=[1]), id="metadata is a list"),
        pytest.param(lambda: new_event("X", {"a": 1}, a=2), id="a key given twice"),
        pytest.param(lambda: new_event("X", event_id="no uuid"), id="id is no UUID"),
        pytest.param(lambda: new_event("X", event_id=5), id="id is a number"),
        pytest.param(lambda: new_event("X", event_version=0), id="version 0"),
        pytest.param(lambda: new_event("X", event_version=True), id="version True"),
        pytest.param(lambda: new_event("X", event_version="1"), id="version is text"),
        pytest.param(lambda: new_event("X", event_version=2**31), id="version beyond 32 bits"),
        pytest.param(lambda: new_event("X", occurred_at=datetime(2026, 1, 1)), id="naive time"),
        pytest.param(lambda: new_event("X", occurred_at="2026-01-01"), id="naive text"),
        pytest.param(lambda: new_event("X", occurred_at="yesterday"), id="no time"),
        pytest.param(lambda: new_event("X", occurred_at=5), id="time is a number"),
        pytest.param(lambda: new_event("X", a=nested(300)), id="nested too deep for the encoder"),
        pytest.param(lambda: new_event("X", a=nested(5000)), id="nested too deep for Python"),
        pytest.param(lambda: new_event("X", a=endless()), id="contains itself"),
    ],
)
def test_a_bad_argument_is_an_invalid_event(make):
    with pytest.raises(InvalidEventError):
        make()


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(Event("", {}), id="type"),
        pytest.param(Event(None, {}), id="no type"),
        pytest.param(Event("X", [1]), id="data"),
        pytest.param(Event("X", {"a": float("nan")}), id="NaN"),
        pytest.param(Event("X", {}, event_version="a"), id="version"),
        pytest.param(Event("X", {}, event_version=2**40), id="big version"),
        pytest.param(Event("X", {}, metadata=None), id="metadata"),
        pytest.param(Event("X", {}, event_id="zzz"), id="id"),
        pytest.param(Event("X", {}, occurred_at="2026-01-01T00:00:00Z"), id="time as text"),
        pytest.param(Event("X", {}, occurred_at=datetime(2026, 1, 1)), id="naive time"),
    ],
)
def test_an_event_built_without_new_event_is_checked_by_the_store(event):
    with EventStore() as store:
        with pytest.raises(InvalidEventError):
            store.append("a", [event], expected_version=ANY, aggregate_type="T")
        assert store.position == 0
        store.append("a", [new_event("X")], expected_version=0, aggregate_type="T")
        assert [e.type for e in store.events("a")] == ["X"]


def test_data_is_copied_so_later_changes_do_not_reach_the_event():
    items = [{"sku": "A"}]
    event = new_event("OrderPlaced", items=items)
    items.append({"sku": "B"})
    items[0]["sku"] = "C"
    assert event.data == {"items": [{"sku": "A"}]}
    again = copy_json(event.data, "data")
    assert again == event.data
    assert again is not event.data


def test_reserved_names_and_odd_keys_go_into_the_mapping():
    event = new_event("X", {"event_id": 1, "occurred_at": "soon", "a b": 2}, more=3)
    assert event.data == {"event_id": 1, "occurred_at": "soon", "a b": 2, "more": 3}
    assert event.event_id is None


def test_a_tuple_becomes_a_list():
    assert new_event("X", a=(1, (2,))).data == {"a": [1, [2]]}


def test_fields_of_a_new_event_and_of_a_stored_one():
    event = new_event("X", event_id="12345678-1234-5678-1234-567812345678", a=1)
    assert event.event_id == UUID("12345678-1234-5678-1234-567812345678")
    assert (event.type, event.data) == (event.event_type, event.event_data)
    assert (event.position, event.aggregate_id, event.sequence_number) == (None, None, None)
    with EventStore() as store:
        done = store.append("a", [event], expected_version=0, aggregate_type="T")
        stored = done.events[0]
        assert store.events("a") == [stored]
    assert (stored.position, stored.aggregate_id, stored.aggregate_type) == (1, "a", "T")
    assert stored.occurred_at.tzinfo is UTC
    assert stored.recorded_at.tzinfo is UTC


def test_an_event_is_frozen():
    event = new_event("X", a=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.event_type = "Y"


def test_markup_in_data_stays_text():
    event = new_event("<b>X</b>", a="<script>alert(1)</script>")
    assert "<script>" in repr(event)  # text, as it is; escaping belongs to what shows HTML
    with EventStore() as store:
        store.append("<i>a</i>", [event], expected_version=0, aggregate_type="T")
        result = store.sql("select aggregate_id, event_type, event_data->>'$.a' as a from events")
        html = result._repr_html_()
        assert "<script>" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "<i>a</i>" not in html
        assert not hasattr(event, "_repr_html_")
        assert not hasattr(store, "_repr_html_")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-03-02T09:00:00Z", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("2026-03-02T09:00:00+05:30", datetime(2026, 3, 2, 3, 30, tzinfo=UTC)),
        (datetime(2026, 3, 2, 9, tzinfo=timezone(timedelta(hours=-8))),
         datetime(2026, 3, 2, 17, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_occurred_at_is_converted_to_utc(given, expected):
    event = new_event("X", occurred_at=given)
    assert event.occurred_at == expected
    assert event.occurred_at.tzinfo is UTC
    with EventStore() as store:
        store.append("a", [event], expected_version=0, aggregate_type="T")
        assert store.events("a")[0].occurred_at == expected


def test_the_naive_error_shows_how_to_write_it():
    with pytest.raises(NaiveTimeError, match=r"has no zone.*Write '2026-03-02T09:00:00Z'"):
        new_event("X", occurred_at="2026-03-02T09:00:00")
