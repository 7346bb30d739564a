"""The promises of a store that every kind of it keeps: in memory or in a file, and on a server.

Each test runs against both. What only one kind has is tested beside it: SQL, files and the engine
in the other files of this folder, connections and roles in tests/outgrow.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from esnb import (
    ANY,
    ConcurrencyError,
    DuplicateEventError,
    Event,
    InvalidEventError,
    UpcastError,
    Upcasters,
    new_event,
)
from tests.support import facts, fill, seen

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def store(both):
    return both


def at(hour: int, kind: str = "Added", **data: object) -> Event:
    return new_event(kind, data, occurred_at=T0 + timedelta(hours=hour))


def test_an_append_returns_what_it_stored(store):
    done = store.append("a", facts(3), expected_version=0, aggregate_type="T")
    assert (done.version, done.position, done.duplicate) == (3, 3, False)
    assert [seen(e) for e in done.events] == [seen(e) for e in store.events("a")]
    assert [e.position for e in done.events] == [1, 2, 3]
    done = store.append("b", facts(1), expected_version=0, aggregate_type="T")
    assert (done.version, done.position) == (1, 4)


@pytest.mark.parametrize("count", [2, 5, 400])
def test_a_failed_append_leaves_nothing(store, count):
    fill(store, "a", 2)
    batch = [*facts(count - 1), Event("Bad", {"a": float("nan")})]
    with pytest.raises(InvalidEventError):
        store.append("a", batch, expected_version=2)
    assert (store.version("a"), store.position, len(store.events("a"))) == (2, 2, 2)
    assert store.append("a", facts(1), expected_version=2).position == 3


def test_a_batch_is_one_even_when_large(store):
    done = store.append("a", facts(2_500), expected_version=0, aggregate_type="T")
    assert done.version == 2_500
    assert [e.data["n"] for e in store.events("a")] == list(range(1, 2_501))
    assert [e.position for e in store.read_all()] == list(range(1, 2_501))


def test_a_stale_version_names_what_came_in_between(store):
    store.append("a", [at(0, "Opened"), at(0, "Paid"), at(0, "Shipped")], expected_version=0,
                 aggregate_type="T")  # fmt: skip
    with pytest.raises(ConcurrencyError) as caught:
        store.append("a", facts(1), expected_version=1)
    error = caught.value
    assert (error.aggregate_id, error.expected, error.actual) == ("a", 1, 3)
    assert error.between == ("Paid", "Shipped")
    for part in ("'a'", "expected version 1", "found version 3", "Paid, Shipped"):
        assert part in str(error)
    assert store.position == 3


def test_a_version_that_never_existed(store):
    with pytest.raises(ConcurrencyError) as caught:
        store.append("a", facts(1), expected_version=4, aggregate_type="T")
    assert (caught.value.expected, caught.value.actual, caught.value.between) == (4, 0, ())
    assert "never existed" in str(caught.value)
    with pytest.raises(ConcurrencyError):
        store.append("a", facts(1), expected_version=2**80, aggregate_type="T")
    assert store.position == 0


def test_zero_means_that_it_must_not_exist(store):
    fill(store, "a", 1)
    with pytest.raises(ConcurrencyError) as caught:
        store.append("a", facts(1), expected_version=0)
    assert caught.value.between == ("Added",)


def test_any_appends_whatever_came_before(store):
    for n in range(1, 4):
        assert store.append("a", facts(1), expected_version=ANY, aggregate_type="T").version == n


def test_a_conflict_is_told_even_when_an_upcaster_fails(make_store):
    steps = Upcasters()
    store = make_store(upcasters=steps)
    fill(store, "a", 2)
    steps.register("Added", 1)(lambda data: 1 / 0)
    with pytest.raises(UpcastError):
        store.events("a")
    with pytest.raises(ConcurrencyError) as caught:
        store.append("a", facts(1), expected_version=1)
    assert caught.value.between == ("Added",)


@pytest.mark.parametrize("expected", [0, 1, 2, 3, 5, 99, ANY])
def test_the_same_objects_again_change_nothing(store, expected):
    fill(store, "a", 1)
    batch = facts(2)
    first = store.append("a", batch, expected_version=1)
    fill(store, "a", 2)
    again = store.append("a", batch, expected_version=expected)
    assert again.duplicate
    assert not first.duplicate
    assert (again.version, again.position) == (first.version, first.position) == (3, 3)
    assert [seen(e) for e in again.events] == [seen(e) for e in first.events]
    assert store.position == 5


def twins(count: int, **changes: object) -> tuple[list[Event], list[Event]]:
    """Two lists of different objects for the same facts; `changes` make the second differ."""
    ids = [uuid4() for _ in range(count)]
    fields = [{"event_id": i, "occurred_at": T0, "metadata": {"by": "ada"}} for i in ids]
    return (
        [new_event("Added", {"n": n, "m": None}, **f) for n, f in enumerate(fields)],
        [new_event("Added", {"m": None, "n": n}, **{**f, **changes}) for n, f in enumerate(fields)],
    )


def test_new_objects_with_the_same_ids_and_content_change_nothing(store):
    one, two = twins(3)
    first = store.append("a", one, expected_version=0, aggregate_type="T")
    again = store.append("a", two, expected_version=0, aggregate_type="T")
    assert again.duplicate
    assert again.events == first.events
    text = [new_event("Added", e.data, event_id=str(e.event_id), metadata=e.metadata) for e in one]
    assert store.append("a", text, expected_version=ANY).duplicate  # time left open: the same
    assert store.position == 3


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"by": "eve"}},
        {"metadata": None},
        {"occurred_at": T0 + timedelta(microseconds=1)},
        {"event_version": 2},
    ],
)
@pytest.mark.parametrize("expected", [0, 3, ANY])
def test_the_same_id_with_other_content_is_an_error(store, change, expected):
    one, two = twins(3, **change)
    store.append("a", one, expected_version=0, aggregate_type="T")
    with pytest.raises(DuplicateEventError, match=str(one[0].event_id)):
        store.append("a", two, expected_version=expected)
    assert store.position == 3


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(lambda b: [new_event("Other", b[0].data, event_id=b[0].event_id), *b[1:]],
                     id="other type"),
        pytest.param(lambda b: [new_event("Added", n=1.0, event_id=b[0].event_id), *b[1:]],
                     id="1.0 for 1"),
        pytest.param(lambda b: [new_event("Added", n=True, event_id=b[0].event_id), *b[1:]],
                     id="True for 1"),
        pytest.param(lambda b: b[::-1], id="other order"),
        pytest.param(lambda b: b[:2], id="the beginning only") ,
        pytest.param(lambda b: b[1:], id="the end only"),
        pytest.param(lambda b: [b[0], b[2]], id="a hole"),
        pytest.param(lambda b: [*b, new_event("Added", n=9)], id="one more"),
        pytest.param(lambda b: [new_event("Added", n=9), *b], id="one before"),
        pytest.param(lambda b: [b[0], new_event("Added", n=2), b[2]], id="the middle replaced"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("expected", [0, 3, ANY])
def test_a_partial_overlap_is_told(store, again, expected):
    batch = facts(3)
    store.append("a", batch, expected_version=0, aggregate_type="T")
    changed = again(batch)
    if changed in (batch[:2], batch[1:]):
        # A part that is stored, in order and side by side: nothing new is asked for.
        assert store.append("a", changed, expected_version=expected).duplicate
    else:
        with pytest.raises(DuplicateEventError):
            store.append("a", changed, expected_version=expected)
    assert store.position == 3
    assert store.append("a", facts(1), expected_version=3).version == 4


def test_the_same_event_twice_in_one_append(store):
    event = new_event("Added")
    with pytest.raises(DuplicateEventError):
        store.append("a", [event, event], expected_version=0, aggregate_type="T")
    one, two = twins(1)
    with pytest.raises(DuplicateEventError):
        store.append("a", one + two, expected_version=0, aggregate_type="T")
    assert store.position == 0


def test_a_retry_after_a_conflict_is_no_duplicate(store):
    fill(store, "a", 2)
    batch = facts(1)
    with pytest.raises(ConcurrencyError):
        store.append("a", batch, expected_version=1)
    assert not store.append("a", batch, expected_version=2).duplicate
    assert store.append("a", batch, expected_version=2).duplicate


def test_ids_count_within_their_aggregate(store):
    one, two = twins(1)
    store.append("a", one, expected_version=0, aggregate_type="T")
    assert not store.append("b", two, expected_version=0, aggregate_type="T").duplicate
    assert store.position == 2


def test_a_retry_is_compared_with_what_was_written_not_with_the_upcast_form(make_store):
    steps = Upcasters()
    steps.register("Added", 1)(lambda data: {"number": data["n"]})
    store = make_store(upcasters=steps)
    batch = facts(2)
    store.append("a", batch, expected_version=0, aggregate_type="T")
    again = store.append("a", batch, expected_version=0)
    assert again.duplicate
    assert again.events[0].data == {"number": 1}
