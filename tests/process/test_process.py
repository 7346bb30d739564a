"""The process lens, beside an independent computation in pandas."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import ANY, EventStore, InvalidEventError, LessonClock, new_event, shop
from esnb.process import ARROW, Process, ProcessError
from esnb.shop import Order

STORIES = st.dictionaries(
    st.sampled_from([f"case-{n}" for n in range(6)]),
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-50, 5000)), min_size=1, max_size=8),
    min_size=1,
)


def log_of(stories: dict[str, list[tuple[str, int]]]) -> EventStore:
    store = EventStore(clock=LessonClock("2026-03-02T09:00:00Z"))
    begin = pd.Timestamp("2026-03-02T09:00:00Z")
    longest = max(map(len, stories.values()))
    for n in range(longest):  # interleaved: neighbours in the log belong to different cases
        for name, steps in stories.items():
            if n < len(steps):
                kind, seconds = steps[n]
                at = (begin + pd.Timedelta(seconds=seconds)).to_pydatetime()
                event = new_event(kind, occurred_at=at)
                store.append(name, [event], aggregate_type="CASE", expected_version=n)
    return store


@settings(max_examples=40)
@given(STORIES)
def test_every_number_agrees_with_a_count_by_hand(
    stories: dict[str, list[tuple[str, int]]],
) -> None:
    process = Process(log_of(stories), "CASE")
    paths = pd.Series({name: ARROW.join(k for k, _ in steps) for name, steps in stories.items()})
    variants = process.variants().set_index("variant")
    assert variants["cases"].to_dict() == paths.value_counts().to_dict()
    assert variants["share"].sum() == pytest.approx(1)
    spans = {name: steps[-1][1] - steps[0][1] for name, steps in stories.items()}
    for path, row in variants.iterrows():
        members = paths.index[paths == path]
        assert row["median_seconds"] == pytest.approx(pd.Series(spans)[members].median())
        assert row["example"] in members
    edges = pd.DataFrame(
        [
            (name, a, b, until - since)
            for name, steps in stories.items()
            for (a, since), (b, until) in pairwise(steps)
        ],
        columns=["case", "source", "target", "wait"],
    )
    wanted = edges.groupby(["source", "target"])["wait"].agg(["size", "median", "sum"])
    found = process.follows().set_index(["source", "target"])
    assert found["count"].to_dict() == wanted["size"].to_dict()
    for pair, row in wanted.iterrows():
        assert found.loc[pair, "median_seconds"] == pytest.approx(row["median"])
        assert found.loc[pair, "total_seconds"] == pytest.approx(row["sum"])
        assert found.loc[pair, "back"] == wanted["size"].get(pair[::-1], 0)
        here = edges[(edges["source"] == pair[0]) & (edges["target"] == pair[1])]
        assert found.loc[pair, "cases"] == here["case"].nunique()
        assert found.loc[pair, "backwards"] == (here["wait"] < 0).sum()
    first = pd.Series({name: steps[0][0] for name, steps in stories.items()}).value_counts()
    last = pd.Series({name: steps[-1][0] for name, steps in stories.items()}).value_counts()
    assert process.starts().set_index("activity")["cases"].to_dict() == first.to_dict()
    assert process.ends().set_index("activity")["cases"].to_dict() == last.to_dict()
    repeats = {}
    for steps in stories.values():
        for kind, times in pd.Series([k for k, _ in steps]).value_counts().items():
            if times > 1:
                repeats[kind] = repeats.get(kind, 0) + times - 1
    assert process.rework().set_index("activity")["repeats"].to_dict() == repeats


def test_filters_keep_whole_cases() -> None:
    stories = {"x": [("a", 0), ("b", 1)], "y": [("a", 0), ("b", 1)], "z": [("a", 0), ("c", 1)]}
    process = Process(log_of(stories))
    assert process.only(top=1).cases == ["x", "y"]
    assert process.only(variant="a > c").cases == ["z"]
    assert process.only(containing="c").cases == process.only(without="b").cases == ["z"]
    assert process.only(ending_with="b", starting_with="a").cases == ["x", "y"]
    assert process.only(containing="c").activities == ["a", "c"]
    with pytest.raises(ProcessError, match=r"No activity 'paid'.*a, b, c"):
        process.only(containing="paid")
    with pytest.raises(ProcessError, match="No case meets all"):
        process.only(containing="c", ending_with="b")


def test_the_past_has_its_own_process() -> None:
    store = log_of({"x": [("a", 0), ("b", 10)]})
    assert Process(store.as_of("2026-03-02T09:00:05Z")).variants()["variant"].to_list() == ["a"]


def test_what_cannot_be_asked_is_said() -> None:
    empty = EventStore()
    with pytest.raises(ProcessError, match="no events yet"):
        Process(empty)
    store = log_of({"x": [("a", 0)]})
    store.append("o", [new_event("A")], aggregate_type="ORDER", expected_version=0)
    with pytest.raises(InvalidEventError, match=r"Process\(store, 'CASE'\).*CASE, ORDER"):
        Process(store)
    with pytest.raises(ProcessError, match=r"'order' here\. The log has: CASE, ORDER"):
        Process(store, "order")


def test_the_rules_of_the_class_name_the_first_event_they_refuse() -> None:
    store = EventStore(clock=LessonClock("2026-03-02T09:00:00Z"))
    shop.simulate(store, orders=60, seed=11)
    before = Process(store, "ORDER").conformance(Order)
    known = set(before.refusals["aggregate_id"])
    victim = next(name for name in Process(store, "ORDER").cases if name not in known)
    # Past the commands: a fact that the rules would never have produced, and one after it.
    twice = [new_event("OrderPlaced", customer="x", items=[]), new_event("OrderDelivered")]
    done = store.append(victim, twice, expected_version=ANY)
    after = Process(store, "ORDER").conformance(Order)
    new = after.refusals[~after.refusals["aggregate_id"].isin(known)]
    assert new["aggregate_id"].to_list() == [victim]
    assert new["sequence_number"].to_list() == [done.version - 1]
    assert new["event_type"].to_list() == ["OrderPlaced"]
    assert "not placed yet" in new["reason"].iloc[0]
    assert after.fitting == before.fitting - 1
    assert after.kinds["cases"].sum() == len(after.refusals)


def test_the_drawing_shows_each_arrow_and_says_what_it_leaves_out() -> None:
    from esnb.course.process_figure import process_map, span

    process = Process(log_of({"x": [("a", 0), ("b", 90), ("b", 95)], "y": [("a", 0), ("c", 9)]}))
    texts = [text.get_text() for text in process_map(process).texts]
    assert {"a\n2", "b\n2", "c\n1", "1  ~1.5 min", "1  ~5 s", "1  ~9 s"} == set(texts) - {""}
    texts = [text.get_text() for text in process_map(process, least=0.9).texts]
    assert "3 rarer arrows are not drawn" in texts
    assert [span(0), span(3600 * 30), span(-7200)] == ["0 s", "1.2 d", "-2.0 h"]
