"""Refused commands, as TimeTravel takes them: by hand, from errors, and from `handle`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from esnb import EventStore, LessonClock, RejectedError, handle
from esnb.course.widgets import Refusals, Refused, TimeTravel
from esnb.errors import InvalidEventError
from esnb.shop import Order, OrderLine, PayOrder, PlaceOrder, ShipOrder, first_orders


@pytest.fixture
def store() -> Iterator[EventStore]:
    with EventStore(clock=LessonClock()) as made:
        first_orders(made)
        yield made


def rows(store: EventStore, refused: Any) -> Any:
    tt = TimeTravel(store, "order-1042", fold=Order, refused=refused)
    assert tt._data["refused"] == tt.refused
    return tt.refused


def test_by_hand(store: EventStore) -> None:
    wanted = [[0, "PayOrder", "nothing is placed"], [3, "ShipOrder", "shipped already"]]
    assert rows(store, [(3, "ShipOrder", "shipped already"),
                        (0, PayOrder, RejectedError("nothing is placed"))]) == wanted  # fmt: skip
    assert rows(store, [
        {"after": 3, "command": "ShipOrder", "reason": "shipped already"},
        Refused(0, "PayOrder", "nothing is placed"),
        Refused(1, "PayOrder", "of another one", "order-1043"),
    ]) == wanted  # fmt: skip
    assert rows(store, ()) == []


def test_as_commands_are_handled(store: EventStore) -> None:
    refused = Refusals()
    version = store.version("order-1042")
    assert refused.handle(store, PayOrder("order-1042")) is None
    assert refused.handle(store, ShipOrder("order-1043")) is None
    assert store.version("order-1042") == version
    assert [(one.after, one.command) for one in refused] == [
        (version, "PayOrder"),
        (2, "ShipOrder"),
    ]
    with pytest.raises(RejectedError) as raised:
        handle(store, PayOrder("order-1042"))
    assert rows(store, refused) == [[version, "PayOrder", str(raised.value)]]
    assert Refused.of(PayOrder("order-1042"), raised.value, version) == refused[0]


def test_after_what_was_handled(store: EventStore) -> None:
    refused = Refusals()
    done = refused.handle(store, PlaceOrder("order-7", "ada", (OrderLine("MUG-BLUE", 1, 950),)))
    assert done is not None
    error = RejectedError("no")
    assert Refused.of(ShipOrder("order-7"), error, done) == Refused(1, "ShipOrder", "no", "order-7")
    assert refused == []


@pytest.mark.parametrize(
    "bad", [(1, "ShipOrder"), "ShipOrder", 3, {"after": 1, "reason": "no"}, (5, "X", "late"),
            (-1, "X", "early"), (True, "X", "y"), ("2", "X", "y")],
)  # fmt: skip
def test_what_is_no_refusal(store: EventStore, bad: Any) -> None:
    with pytest.raises(InvalidEventError):
        rows(store, [bad])
