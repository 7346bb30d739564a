"""Time travel without a class: the latest value of each data field, and no rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esnb import EventStore, History, LessonClock, new_event
from esnb.errors import AggregateNotFoundError
from esnb.model.default_fold import NO_RULES, LatestValues
from tests.support import JSON, KEYS

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def store() -> Iterator[EventStore]:
    """Two cases, as a log without any class has them."""
    with EventStore(clock=LessonClock()) as made:
        for name in ("case-1", "case-2"):
            steps: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
                ("Received", {"amount": 50, "channel": "web"}, {}),
                ("Assigned", {"officer": "ada"}, {"actor": "lead"}),
                ("Raised", {"amount": 80}, {"actor": "ada"}),
            ]
            events = [
                new_event(kind, data, occurred_at=START + timedelta(hours=n), metadata=metadata)
                for n, (kind, data, metadata) in enumerate(steps)
            ]
            made.append(name, events, expected_version=0, aggregate_type="CASE")
        yield made


def test_the_state_is_the_latest_of_everything(store: EventStore) -> None:
    history = History(store, "case-1")
    assert history.kind is LatestValues
    assert history.state(0) == {"status": None, "events": 0, "actor": None, "latest": {}}
    assert history.state(2) == {
        "status": "Assigned",
        "events": 2,
        "actor": "lead",
        "latest": {"amount": 50, "channel": "web", "officer": "ada"},
    }
    assert history.at(3).latest["amount"] == 80
    assert list(history.changes("latest.amount")["sequence_number"]) == [1, 3]
    with pytest.raises(AggregateNotFoundError, match="case-9"):
        History(store, "case-9")


@given(st.lists(st.dictionaries(KEYS, JSON, max_size=4), max_size=8))
def test_it_is_the_dict_that_is_updated(datas: list[dict[str, Any]]) -> None:
    events = [new_event(f"Step{n}", data) for n, data in enumerate(datas)]
    wanted: dict[str, Any] = {}
    for data in datas:
        wanted = {**wanted, **data}
    history = History.of(events, LatestValues)
    assert history.at(len(events)).latest == wanted
    assert history.at(len(events)).events == len(events)


def test_what_if_says_that_it_cannot_refuse(store: EventStore) -> None:
    result = History(store, "case-1").without(1)
    assert result.refused == ()
    assert result.state.latest == {"officer": "ada", "amount": 80}
    assert str(result).endswith(NO_RULES)
    assert NO_RULES == "no rules: what-if cannot refuse"
