"""Append conditions: what they match, when they refuse, and that one of many threads wins."""

from __future__ import annotations

import json
import threading
from collections import Counter

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
    Upcasters,
    new_event,
)
from tests.support import TEXT, Tally, run_threads


@pytest.fixture
def store(both):
    return both


def put(store, stream, kind, data=None, condition=None, **fields):
    event = new_event(kind, data, **fields)
    return store.append(
        stream, [event], expected_version=ANY, aggregate_type="T", condition=condition
    )


SPRING = AppendCondition(["VoucherUsed"], where={"voucher": "SPRING"})


# ---------------------------------------------------------------- an oracle of its own


def oracle(event, types, where, stream):
    """Plain Python over the JSON text: two values are equal when JSON writes them the same."""
    if types and event.event_type not in types:
        return False
    if stream and event.aggregate_id != stream:
        return False
    data = json.loads(json.dumps(event.event_data))
    for path, wanted in where.items():
        values = [data]
        for step in path.split("."):
            key = step.removesuffix("[*]")
            values = [v[key] for v in values if isinstance(v, dict) and key in v]
            if step.endswith("[*]"):
                values = [item for v in values if isinstance(v, list) for item in v]
        if json.dumps(wanted) not in [json.dumps(v) for v in values]:
            return False
    return True


def test_each_value_matches_itself_and_nothing_else(store):
    stored = [*SCALARS, None, 1.0, 0.0, [], [1], {}, {"a": 1}]
    for n, value in enumerate(stored):
        put(store, "plain", "A", {"n": n, "value": value, "list": [{"x": value}, {"y": 0}]})
    events = store.events("plain")
    for value in SCALARS:
        for path in ("value", "list[*].x"):
            condition = AppendCondition(where={path: value})
            found = [e.data["n"] for e in store.matching(condition)[0]]
            right = [n for n, v in enumerate(stored) if json.dumps(v) == json.dumps(value)]
            assert found == right
            assert [e.data["n"] for e in events if condition.matches(e)] == right


NAMES = st.sampled_from(["A", "B", "C"])
STREAMS = st.sampled_from(["s-1", "s-2", "it's"])
SCALARS = [
    0, 1, -1, 2**63 - 1, -(2**63), True, False, "", "1", "a", "true", "null",
    "é\x01\"'\\/\x7f\u2028",
]  # fmt: skip
VALUES = st.sampled_from(SCALARS)
STORED = VALUES | st.none() | st.sampled_from([1.0, 0.0, [], [1], {}, {"a": 1}, {"b": {"a": 1}}])
DATA = st.dictionaries(
    st.sampled_from(["a", "b", "items"]),
    STORED | st.lists(st.dictionaries(st.sampled_from(["a", "b"]), STORED), max_size=3),
    max_size=3,
)
PATHS = st.sampled_from(["a", "b", "b.a", "items[*]", "items[*].a", "items[*].b.a", "b[*]"])
LOGS = st.lists(st.tuples(STREAMS, NAMES, DATA), max_size=8)


@settings(max_examples=100)
@given(
    log=LOGS,
    types=st.lists(NAMES, max_size=2),
    where=st.dictionaries(PATHS, VALUES | TEXT, max_size=2),
    stream=st.none() | STREAMS,
    after=st.integers(0, 8),
    expected=st.integers(0, 4),
)
def test_a_condition_agrees_with_an_oracle(log, types, where, stream, after, expected):
    after = min(after, len(log))
    condition = AppendCondition(types, where, after, stream)
    with EventStore(clock=LessonClock()) as store:
        for name, kind, data in log:
            put(store, name, kind, data)
        wanted = [e for e in store.read_all(after=after) if oracle(e, types, where, stream)]
        found, at_head = store.matching(condition)
        assert found == wanted
        assert at_head.after == store.position == len(log)
        assert [e for e in store.read_all(after=after) if condition.matches(e)] == wanted

        version = store.version("s-1")
        call = {"expected_version": expected, "aggregate_type": "T"}
        try:
            store.append("s-1", [new_event("New")], **call, condition=condition)
            outcome = "stored"
        except AppendConditionError as error:
            outcome = "condition" if error.matched == tuple(wanted) else "other events"
        except ConcurrencyError:
            outcome = "version"
        right = "version" if expected != version else "condition" if wanted else "stored"
        assert outcome == right
        assert store.position == len(log) + (right == "stored")
        # The condition that came with the events holds now, unless this very append matches it.
        fits = right == "stored" and oracle(store.events("s-1")[-1], types, where, stream)
        if fits:
            with pytest.raises(AppendConditionError):
                put(store, "s-2", "Late", condition=at_head)
        else:
            put(store, "s-2", "Late", condition=at_head)


# ---------------------------------------------------------------- when it refuses


def test_the_error_says_what_matched_and_where(store):
    put(store, "order-1", "VoucherUsed", voucher="SPRING")
    put(store, "order-2", "VoucherUsed", voucher="SUMMER")
    with pytest.raises(AppendConditionError) as caught:
        put(store, "order-3", "VoucherUsed", voucher="SPRING", condition=SPRING)
    error = caught.value
    assert str(error) == (
        "'order-3': expected no VoucherUsed with voucher 'SPRING' after position 0, found "
        "VoucherUsed in 'order-1' at position 1. Nothing was stored. Look again at what matches, "
        "decide again, then append."
    )
    assert isinstance(error, ConcurrencyError)
    assert (error.aggregate_id, error.expected, error.actual) == ("order-3", 0, 0)
    assert [e.position for e in error.matched] == [1]
    assert error.between == ("VoucherUsed",)
    assert store.position == 2
    assert store.version("order-3") == 0


def test_the_error_counts_further_matches(store):
    for n in range(3):
        put(store, f"order-{n}", "VoucherUsed", voucher="SPRING")
    with pytest.raises(AppendConditionError, match=r"at position 1, and 2 more\. Nothing"):
        put(store, "order-9", "X", condition=SPRING)


def test_what_stood_at_the_position_is_known_and_does_not_count(store):
    put(store, "order-1", "VoucherUsed", voucher="SPRING")
    put(store, "order-2", "X", condition=AppendCondition(SPRING.event_types, SPRING.where, after=1))
    put(store, "order-3", "VoucherUsed", voucher="SPRING")
    with pytest.raises(AppendConditionError, match="at position 3"):
        put(store, "o", "X", condition=AppendCondition(SPRING.event_types, SPRING.where, after=2))


def test_the_batch_itself_does_not_count(store):
    batch = [new_event("VoucherUsed", voucher="SPRING") for _ in range(2)]
    store.append("o", batch, expected_version=0, aggregate_type="T", condition=SPRING)
    assert store.position == 2


def test_each_of_several_conditions_must_hold(store):
    put(store, "order-1", "VoucherUsed", voucher="SPRING")
    free = AppendCondition(["VoucherUsed"], {"voucher": "SUMMER"})
    for pair in ([free, SPRING], [SPRING, free], (c for c in (free, SPRING))):
        with pytest.raises(AppendConditionError, match="SPRING"):
            put(store, "order-2", "X", condition=pair)
    put(store, "order-2", "X", condition=[free, AppendCondition(["Nothing"])])


def test_an_empty_condition_is_the_whole_log(store):
    put(store, "a", "X", condition=AppendCondition())
    with pytest.raises(AppendConditionError, match="no event of any type after position 0"):
        put(store, "b", "X", condition=AppendCondition())
    put(store, "b", "X", condition=AppendCondition(after=1))


def test_a_repeated_append_is_a_no_op_whatever_came_since(store):
    event = new_event("VoucherUsed", voucher="SPRING")
    call = {"expected_version": 0, "aggregate_type": "T", "condition": SPRING}
    first = store.append("order-1", [event], **call)
    put(store, "order-2", "VoucherUsed", voucher="SPRING")
    again = store.append("order-1", [event], **call)
    assert again.duplicate
    assert (again.version, again.position) == (first.version, first.position)
    assert store.position == 2
    other = new_event("VoucherUsed", voucher="SUMMER", event_id=event.event_id)
    with pytest.raises(DuplicateEventError):
        store.append("order-1", [other], **call)


def test_a_refused_append_can_be_repeated_with_the_same_events(store):
    put(store, "order-1", "VoucherUsed", voucher="SPRING")
    event = new_event("Noted")
    with pytest.raises(AppendConditionError):
        store.append("n", [event], expected_version=0, aggregate_type="T", condition=SPRING)
    done = store.append("n", [event], expected_version=0, aggregate_type="T")
    assert not done.duplicate


def test_save_takes_a_condition_and_keeps_what_was_recorded(store):
    put(store, "order-1", "VoucherUsed", voucher="SPRING")
    tally = store.new(Tally, "t")
    tally.add(1)
    with pytest.raises(AppendConditionError):
        store.save(tally, condition=SPRING)
    assert len(tally.pending) == 1
    assert store.save(tally).version == 1


def test_old_data_meets_a_condition_in_todays_shape(make_store):
    upcasters = Upcasters()

    @upcasters.register("VoucherUsed", 1)
    def rename(data):
        return {"voucher": data["code"]}

    store = make_store(upcasters=upcasters)
    put(store, "order-1", "VoucherUsed", code="SPRING")
    put(store, "order-2", "VoucherUsed", code="SUMMER")
    with pytest.raises(AppendConditionError, match="position 1"):
        put(store, "order-3", "X", condition=SPRING)
    events, _ = store.matching(AppendCondition(where={"voucher": "SUMMER"}))
    assert [e.aggregate_id for e in events] == ["order-2"]


def test_an_event_that_comes_while_matching_reads_is_caught_later(store, monkeypatch):
    read = EventStore._matching

    def slowly(self, condition, upto, limit=2**62):
        found = read(self, condition, upto, limit)
        if store.position == 0:
            put(store, "order-1", "VoucherUsed", voucher="SPRING")
        return found

    monkeypatch.setattr(EventStore, "_matching", slowly)
    used, condition = store.matching(SPRING)
    assert (used, condition.after) == ([], 0)
    with pytest.raises(AppendConditionError):
        put(store, "order-2", "VoucherUsed", voucher="SPRING", condition=condition)


def test_a_position_of_the_future_is_refused(store):
    put(store, "a", "X")
    ahead = AppendCondition(after=2)
    with pytest.raises(InvalidEventError, match="lies ahead: the log ends at position 1"):
        put(store, "a", "X", condition=ahead)
    with pytest.raises(InvalidEventError, match="lies ahead"):
        store.matching(ahead)


@pytest.mark.parametrize(
    "bad",
    [
        {"where": {"a'b": 1}}, {"where": {"a-b": 1}}, {"where": {"": 1}}, {"where": {"a.": 1}},
        {"where": {"1a": 1}}, {"where": {"a[0]": 1}}, {"where": {"a[*]b": 1}}, {"where": {1: 1}},
        {"where": {"a\n": 1}}, {"where": {"a": 1.5}}, {"where": {"a": None}}, {"where": {"a": []}},
        {"where": {"a": 2**63}}, {"where": ["a"]}, {"event_types": [""]}, {"event_types": [1]},
        {"after": -1}, {"after": True}, {"after": "1"}, {"aggregate_id": ""}, {"aggregate_id": 5},
    ],
)  # fmt: skip
def test_a_malformed_condition_is_refused_when_it_is_made(bad):
    with pytest.raises(InvalidEventError):
        AppendCondition(**bad)


@pytest.mark.parametrize("bad", ["VoucherUsed", 7, ["VoucherUsed"], [None], {"a": 1}])
def test_what_is_no_condition_is_refused(store, bad):
    with pytest.raises(InvalidEventError, match="AppendCondition"):
        put(store, "a", "X", condition=bad)
    assert store.position == 0


def test_values_reach_sql_as_parameters(store):
    nasty = "x' or true --"
    put(store, "a", "X", voucher=nasty)
    put(store, "b", "X", voucher="y")
    assert len(store.matching(AppendCondition(["X"], {"voucher": nasty}))[0]) == 1
    assert store.matching(AppendCondition([nasty]))[0] == []
    assert store.matching(AppendCondition(aggregate_id=nasty))[0] == []


def test_a_condition_is_a_value():
    assert AppendCondition("A", {"b": 1}) == AppendCondition(["A"], {"b": 1}, 0)
    assert len({AppendCondition("A", {"b": 1}), AppendCondition(("A",), {"b": 1})}) == 1
    where = {"b": 1}
    condition = AppendCondition("A", where)
    where["b"] = 2
    assert condition.where == {"b": 1}
    text = str(AppendCondition(["A", "B"], {"b": 1, "c.d": "x"}, aggregate_id="s"))
    assert text == "A or B with b 1 and c.d 'x' in 's'"


# ---------------------------------------------------------------- real threads


@pytest.mark.parametrize("where", ["memory", "file"])
def test_one_of_many_threads_gets_the_voucher(where, tmp_path):
    """Each thread writes to a stream of its own, so that only the condition can stop it."""
    rounds, threads = 40, 6
    path = None if where == "memory" else tmp_path / "s.duckdb"
    outcomes: Counter[tuple[int, str]] = Counter()
    lock, all_have_looked = threading.Lock(), threading.Barrier(threads)
    # Two objects on one file: their writers must know of each other too.
    with EventStore(path) as one, EventStore(path) as two:
        two = one if path is None else two

        def work(number):
            store = (one, two)[number % 2]
            for turn in range(rounds):
                voucher = f"V{turn}"
                used, condition = store.matching(AppendCondition("Used", {"voucher": voucher}))
                assert used == []
                all_have_looked.wait()
                try:
                    put(store, f"order-{number}", "Used", voucher=voucher, condition=condition)
                    outcome = "won"
                except AppendConditionError as error:
                    outcome = "refused"
                    assert [e.data for e in error.matched] == [{"voucher": voucher}]  # noqa: PT017
                with lock:
                    outcomes[turn, outcome] += 1

        run_threads(threads, work)
        counts = one.sql(
            "select event_data->>'$.voucher', count(*) from events group by all"
        ).fetchall()
    assert sorted(counts) == sorted((f"V{turn}", 1) for turn in range(rounds))
    assert all(outcomes[turn, "won"] == 1 for turn in range(rounds))
    assert all(outcomes[turn, "refused"] == threads - 1 for turn in range(rounds))


# ---------------------------------------------------------------- several values of one list

TAGS = st.lists(st.sampled_from(["s-1", "c-1", "c-2", 1, True]), max_size=4)


@settings(max_examples=60)
@given(
    stored=st.lists(TAGS, min_size=1, max_size=5),
    asked=st.lists(st.sampled_from(["s-1", "c-1", "c-2", 1, True]), min_size=1, max_size=3),
    upcasting=st.booleans(),
)
def test_several_values_must_all_be_in_the_list(stored, asked, upcasting):
    steps = Upcasters()
    if upcasting:
        steps.rename("Unheard", "Of")  # then the question is answered in Python, not in SQL
    condition = AppendCondition(where={"tags[*]": asked})
    with EventStore(upcasters=steps) as store:
        for tags in stored:
            put(store, "a", "Tagged", {"tags": tags})
        texts = [[json.dumps(tag) for tag in tags] for tags in stored]
        right = [n for n, has in enumerate(texts, 1) if all(json.dumps(v) in has for v in asked)]
        assert [e.position for e in store.matching(condition)[0]] == right
        outcome = "stored"
        try:
            put(store, "b", "New", condition=condition)
        except AppendConditionError:
            outcome = "refused"
        assert outcome == ("refused" if right else "stored")


def test_several_values_are_said_in_words():
    condition = AppendCondition(["Booked"], where={"tags[*]": ["s-1", "c-1"]})
    assert str(condition) == "Booked with tags[*] 's-1' and tags[*] 'c-1'"


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"tag": ["a", "b"]}, r"write tag\[\*\]"),
        ({"tags[*]": []}, "at least one value"),
        ({"tags[*]": ["a", None]}, "found None"),
        ({"tags[*]": [["a"]]}, r"found \['a'\]"),
        ({"tags[*]": {"a"}}, "must be compared with a text"),
    ],
)
def test_several_values_that_cannot_be_asked_for_are_told(where, says):
    with pytest.raises(InvalidEventError, match=says):
        AppendCondition(where=where)
