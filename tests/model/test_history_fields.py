"""`changes` of a field that is not there: the error names the fields that are near."""

from __future__ import annotations

import pytest

from esnb import History, LessonClock, new_event
from esnb.errors import InvalidEventError
from esnb.events import Event
from esnb.model.default_fold import LatestValues
from esnb.shop import Order
from esnb.store.event_store import EventStore


@pytest.fixture
def history() -> History[Order]:
    from esnb import shop

    store = EventStore(clock=LessonClock("2026-03-02T09:00:00Z"))
    shop.first_orders(store)
    return History(store, Order, "order-1042")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("tottal", "No state has a field 'tottal'. Did you mean 'total'"),
        ("Status", "Did you mean 'status'"),
        ("zzz", "has a field 'zzz'. Its fields are: "),
        ("total.cents", "Did you mean 'total'"),
    ],
)
def test_a_field_that_no_state_has(history: History[Order], path: str, words: str) -> None:
    with pytest.raises(InvalidEventError) as error:
        history.changes(path)
    assert words in str(error.value)


def test_fields_that_never_changed_or_have_parts_are_fields(history: History[Order]) -> None:
    assert history.changes("total")["after"].tolist() == [2690]
    assert len(history.changes("items")) > 0
    constant = [name for name in history.state(0) if history.changes(name).empty]
    assert constant != []


def test_a_part_is_found_by_its_last_name() -> None:
    events: list[Event] = [new_event("Paid", amount=5)]
    history = History.of(events, LatestValues)
    with pytest.raises(InvalidEventError, match=r"Did you mean 'latest\.amount'"):
        history.changes("amount")
