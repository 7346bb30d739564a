"""append_all: several streams, all or none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import (
    ANY,
    AppendCondition,
    AppendConditionError,
    ConcurrencyError,
    DuplicateEventError,
    EventStore,
    InvalidEventError,
    LessonClock,
    ReadOnlyError,
    StoreClosedError,
    new_event,
)
from tests.support import facts, seen


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    path = None if request.param == "memory" else tmp_path / "s.duckdb"
    with EventStore(path, clock=LessonClock()) as store:
        store.append("a", facts(2), expected_version=0, aggregate_type="ACCOUNT")
        yield store


def both(store, one, other, **versions):
    return store.append_all(
        {"a": one, "b": other},
        expected_version={"a": 2, "b": 0} | versions,
        aggregate_type="ACCOUNT",
    )


def unchanged(store):
    assert (store.position, store.version("a"), store.version("b")) == (2, 2, 0)
    assert len(list(store.read_all())) == 2
    assert store.append("b", facts(1), expected_version=0, aggregate_type="X").position == 3


def test_both_streams_get_their_events_at_positions_in_a_row(store):
    done = both(store, facts(2, "Taken"), facts(1, "Given"))
    assert list(done) == ["a", "b"]
    assert [(d.version, d.position, d.duplicate) for d in done.values()] == [
        (4, 4, False),
        (1, 5, False),
    ]
    assert [seen(e) for d in done.values() for e in d.events] == [
        seen(e) for e in store.read_all(after=2)
    ]
    assert len({e.recorded_at for e in store.read_all(after=2)}) == 1
    assert [e.event_type for e in store.events("b")] == ["Given"]
    assert {d.proof for d in done.values()} == {store.proof}
    assert store.verify(store.proof).ok
    assert store.append("a", facts(1), expected_version=4).position == 6


def test_types_one_for_all_or_one_for_each_new_stream(store):
    store.append_all(
        {"a": facts(1), "b": facts(1), "c": facts(1)},
        expected_version={"a": ANY, "b": 0, "c": 0},
        aggregate_type={"b": "B", "c": "C"},
    )
    assert [store.events(name)[0].aggregate_type for name in "abc"] == ["ACCOUNT", "B", "C"]


@pytest.mark.parametrize(
    ("versions", "name", "expected", "actual", "between"),
    [
        ({"a": 1}, "a", 1, 2, ("Added",)),
        ({"a": 3}, "a", 3, 2, ()),
        ({"b": 1}, "b", 1, 0, ()),
        ({"a": 0, "b": 5}, "a", 0, 2, ("Added", "Added")),
    ],
)
def test_one_wrong_version_stores_nothing_of_any(store, versions, name, expected, actual, between):
    with pytest.raises(ConcurrencyError) as caught:
        both(store, facts(1), facts(1), **versions)
    error = caught.value
    assert (error.aggregate_id, error.expected, error.actual) == (name, expected, actual)
    assert error.between == between
    unchanged(store)


def test_conditions_guard_all_of_it(store):
    condition = AppendCondition(["Added"], where={"n": 2}, after=1)
    with pytest.raises(AppendConditionError):
        store.append_all(
            {"a": facts(1), "b": facts(1)},
            expected_version={"a": 2, "b": 0},
            aggregate_type="ACCOUNT",
            condition=condition,
        )
    assert store.position == 2
    store.append_all(
        {"a": facts(1), "b": facts(1)},
        expected_version={"a": 2, "b": 0},
        aggregate_type="ACCOUNT",
        condition=[AppendCondition(["Added"], after=2), AppendCondition(["Other"])],
    )
    assert store.position == 4


@pytest.mark.parametrize("again", [{}, {"a": 0, "b": 0}, {"a": 9, "b": 9}, {"a": ANY, "b": ANY}])
def test_a_retry_changes_nothing_and_gives_the_first_results(store, again):
    one, other = facts(2), facts(1)
    first = both(store, one, other)
    store.append("b", facts(3), expected_version=1)
    result = both(store, one, other, **again)
    assert all(done.duplicate for done in result.values())
    assert [(d.version, d.position) for d in result.values()] == [(4, 4), (1, 5)]
    assert [d.events for d in result.values()] == [d.events for d in first.values()]
    assert store.position == 8


def test_a_retry_of_a_part_is_told(store):
    one, other = facts(1), facts(1)
    both(store, one, other)
    for streams in ({"a": one, "c": facts(1)}, {"b": other, "a": facts(1)}):
        with pytest.raises(DuplicateEventError, match="1 of the 2 streams"):
            store.append_all(
                streams, expected_version=dict.fromkeys(streams, ANY), aggregate_type="ACCOUNT"
            )
    changed = [new_event("Other", event_id=one[0].event_id)]
    with pytest.raises(DuplicateEventError, match="with other content"):
        both(store, changed, other, a=ANY, b=ANY)
    with pytest.raises(DuplicateEventError, match="beside it in this append"):
        both(store, [*one, *facts(1)], other, a=ANY, b=ANY)
    assert store.position == 4


def test_the_same_event_in_two_streams_of_one_append(store):
    event = new_event("Added")
    with pytest.raises(DuplicateEventError, match="two streams of one append"):
        both(store, [event], [event])
    name = "0b1e5a52-0000-4000-8000-000000000001"
    with pytest.raises(DuplicateEventError, match="two streams of one append"):
        both(store, [new_event("A", event_id=name)], [new_event("B", event_id=name)])
    with pytest.raises(DuplicateEventError, match="twice in one append"):
        both(store, [event, event], facts(1))
    unchanged(store)


def test_the_same_event_id_in_two_appends_of_two_streams_is_taken(store):
    """The docstring of append says it: ids are compared within their stream."""
    name = "0b1e5a52-0000-4000-8000-000000000001"
    store.append("b", [new_event("A", event_id=name)], expected_version=0, aggregate_type="T")
    done = store.append("c", [new_event("A", event_id=name)], expected_version=0,
                        aggregate_type="T")  # fmt: skip
    assert not done.duplicate
    assert "within the stream" in str(EventStore.append.__doc__)


class MyDict(dict):
    pass


@pytest.mark.parametrize(
    ("events", "versions", "says"),
    [
        ({}, {}, "mapping of aggregate ids to lists"),
        ([], {}, "mapping of aggregate ids to lists"),
        (facts(1), 0, "mapping of aggregate ids to lists"),
        ("a", {"a": 2}, "mapping of aggregate ids to lists"),
        ({"a": facts(1)}, {}, r"one version for each stream, \['a'\]"),
        ({"a": facts(1)}, 2, r"one version for each stream, \['a'\]"),
        ({"a": facts(1)}, {"a": 2, "b": 0}, r"one version for each stream"),
        ({"a": facts(1), "b": []}, {"a": 2, "b": 0}, "got no events"),
        ({"a": facts(1), "b": new_event("X")}, {"a": 2, "b": 0}, "takes a list of events"),
        ({"a": facts(1), "b": [3]}, {"a": 2, "b": 0}, "takes events, found int"),
        ({"a": facts(1), "": facts(1)}, {"a": 2, "": 0}, "aggregate_id"),
        ({"a": facts(1), 7: facts(1)}, {"a": 2, 7: 0}, "aggregate_id"),
        ({"a": facts(1)}, {"a": -1}, "expected_version"),
        ({"a": facts(1)}, {"a": None}, "expected_version"),
        ({"a": facts(1)}, {"a": True}, "expected_version"),
    ],
)
def test_bad_arguments_are_told_and_nothing_is_stored(store, events, versions, says):
    with pytest.raises(InvalidEventError, match=says):
        store.append_all(events, expected_version=versions, aggregate_type="T")
    unchanged(store)


@pytest.mark.parametrize("kind", [None, {}, {"a": "ACCOUNT"}, {"b": ""}, "OTHER", 7])
def test_a_bad_type_of_one_stream_stores_nothing_of_any(store, kind):
    with pytest.raises(InvalidEventError):
        store.append_all(
            {"a": facts(1), "b": facts(1)},
            expected_version={"a": 2, "b": 0},
            aggregate_type=kind,
        )
    unchanged(store)


def test_the_engine_s_error_in_the_second_stream_leaves_nothing_of_the_first(store):
    """Another connection has written "b" 1, past the store."""
    store._log._connection.cursor().execute(
        "insert into events select 900, uuid(), 'ACCOUNT', 'b', 1, 'Forged', 1, '{}', '{}', now(),"
        " now()"
    )
    with pytest.raises(ConcurrencyError) as caught:
        both(store, facts(1), facts(1))
    assert (caught.value.aggregate_id, caught.value.actual) == ("b", 1)
    assert store.version("a") == 2
    assert len(store.events("a")) == 2


def test_the_past_and_a_closed_store_refuse(store):
    with pytest.raises(ReadOnlyError):
        both(store.as_of(1), facts(1), facts(1))
    store.close()
    with pytest.raises(StoreClosedError):
        both(store, facts(1), facts(1))


PART = st.dictionaries(
    st.sampled_from("abcd"),
    st.tuples(st.integers(1, 3), st.sampled_from(["any", "right", "right", "right", "wrong"])),
    min_size=1,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(PART, st.booleans()), min_size=1, max_size=8))
def test_any_sequence_is_what_a_plain_list_says(steps):
    """A list of (stream, event type) is the model; a step that has a wrong version adds nothing."""
    model: list[tuple[str, str]] = []
    with EventStore() as store:
        for number, (part, repeat) in enumerate(steps):
            counts = {name: sum(own == name for own, _ in model) for name in "abcd"}
            streams = {name: facts(count, f"E{number}") for name, (count, _) in part.items()}
            versions = {
                name: ANY if how == "any" else counts[name] + (how == "wrong")
                for name, (_, how) in part.items()
            }

            def call(streams=streams, versions=versions):
                return store.append_all(streams, expected_version=versions, aggregate_type="T")

            if any(how == "wrong" for _, how in part.values()):
                with pytest.raises(ConcurrencyError):
                    call()
            else:
                done = call()
                model += [(name, f"E{number}") for name in streams for _ in streams[name]]
                assert [d.version for d in done.values()] == [
                    sum(own == name for own, _ in model) for name in streams
                ]
                if repeat:
                    assert all(d.duplicate for d in call().values())
            found = [(e.aggregate_id, e.event_type) for e in store.read_all()]
            assert found == model
        assert store.verify(store.proof).ok
