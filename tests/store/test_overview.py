"""The overview of a log, beside the same numbers counted in pandas, and each suspicion provoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import EventStore, LessonClock, new_event

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
STORIES = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]),
    st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 10**6)), min_size=1, max_size=6),
    min_size=1,
)


def log_of(stories: dict[str, list[tuple[str, int]]]) -> EventStore:
    store = EventStore(clock=LessonClock("2026-03-02T09:00:00Z"))
    for name, steps in stories.items():
        events = [new_event(k, occurred_at=BEGIN + timedelta(seconds=s)) for k, s in steps]
        store.append(name, events, aggregate_type="T", expected_version=0)
    return store


@settings(max_examples=30)
@given(STORIES)
def test_the_numbers_are_those_of_a_count_by_hand(
    stories: dict[str, list[tuple[str, int]]],
) -> None:
    seen = log_of(stories).overview()
    flat = [(name, kind, s) for name, steps in stories.items() for kind, s in steps]
    seconds = sorted(s for *_, s in flat)
    assert (seen.events, seen.streams) == (len(flat), len(stories))
    assert seen.first == (BEGIN + timedelta(seconds=seconds[0])).replace(tzinfo=None)
    assert seen.last == (BEGIN + timedelta(seconds=seconds[-1])).replace(tzinfo=None)
    kinds = pd.Series([kind for _, kind, _ in flat]).value_counts()
    assert dict(zip(seen.types["event_type"], seen.types["events"], strict=True)) == dict(kinds)
    sizes = [len(steps) for steps in stories.values()]
    row = seen.lengths.iloc[0]
    assert (row["fewest"], row["most"], row["streams"]) == (min(sizes), max(sizes), len(sizes))
    waits = [b - a for a, b in pairwise(seconds)]
    assert seen.gaps["seconds"].to_list() == pytest.approx(sorted(waits, reverse=True)[:3])
    assert sum(seen.bars) == len(flat)
    back = sum(b < a for steps in stories.values() for (_, a), (_, b) in pairwise(steps))
    told = [text for text in seen.suspicions if "runs backwards" in text]
    assert told == [] if not back else f"{back:,} times" in told[0]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([{"price": str(n)} for n in range(30)], "T.price holds numbers as text, in 30 events"),
        ([{"price": n if n else "free"} for n in range(30)], "T.price has values of several kinds"),
        ([{"note": None} for _ in range(30)], "T.note is null in all 30 events"),
        ([{"note": "x"} for _ in range(30)], "T.note has the same value in all 30 events"),
    ],
)
def test_a_suspicious_field_is_named(data: list[dict[str, object]], said: str) -> None:
    store = EventStore(clock=LessonClock("2026-03-02T09:00:00Z"))
    store.append("s", [new_event("T", **d) for d in data], aggregate_type="A", expected_version=0)
    assert any(said in text for text in store.overview().suspicions)


def test_numbers_of_both_kinds_are_not_suspicious() -> None:
    store = EventStore(clock=LessonClock("2026-03-02T09:00:00Z"))
    events = [new_event("T", n=n if n % 2 else n / 3) for n in range(30)]
    store.append("s", events, aggregate_type="A", expected_version=0)
    assert store.overview().suspicions == ()


def test_dates_without_a_time_of_day_are_noticed() -> None:
    days = [(kind, 86_400 * n - 9 * 3600) for n, kind in enumerate("x" * 30)]
    assert "happened at midnight exactly" in " ".join(log_of({"a": days}).overview().suspicions)


def test_it_is_text_and_html_and_event_data_is_never_run() -> None:
    store = EventStore(clock=LessonClock("2026-03-02T09:00:00Z"))
    store.append("<b>s", [new_event("<script>x")], aggregate_type="<i>", expected_version=0)
    seen = store.overview()
    assert "<script>x" in repr(seen)
    page = seen._repr_html_()
    assert "&lt;script&gt;x" in page
    assert "<script" not in page
    assert "<i>" not in page
    assert "<b>s" not in page
    assert 'role="img" aria-label=' in page


def test_an_empty_log_and_the_past_have_overviews() -> None:
    assert repr(EventStore().overview()) == "<Overview: no events yet>"
    assert EventStore().overview()._repr_html_() == "<p>No events yet.</p>"
    store = log_of({"a": [("x", 0), ("y", 50)]})
    assert store.as_of("2026-03-02T09:00:10Z").overview().events == 1
