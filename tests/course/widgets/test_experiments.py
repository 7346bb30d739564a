"""What if, and orders: computed ahead where they are few, and the same as by the rules."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from esnb import EventStore, History
from esnb.course.widgets import experiments
from esnb.course.widgets.timetravel import TimeTravel
from esnb.shop import Order
from tests.node import needs_node
from tests.support import Tally, fill


def test_what_if_says_where_the_state_machine_refuses(store: EventStore) -> None:
    tt = TimeTravel(store, "order-1042", fold=Order)
    found = tt.what_if(mute=[2])
    first = found.refused[0][0]
    assert (first.sequence_number, first.event_type) == (3, "OrderShipped")
    assert found.state.status == "PENDING"
    told = tt._data["what_if"]["2"]["stop"]
    assert told["number"] == found.number == 1
    assert told["fact_at"] == 3
    rows = {path: (fact, other) for path, fact, other in told["rows"]}
    assert rows["status"] == ("'SHIPPED'", "'PENDING'")
    assert rows["paid"] == ("2690", "0")
    assert store.version("order-1042") == 4
    assert tt._muted == [2]


def test_nothing_muted_is_the_fact(store: EventStore) -> None:
    past = History(store, Order, "order-1042")
    for policy in experiments.POLICIES:
        told = experiments.what_if(past, [], policy)
        assert told["rows"] == []
        assert told["refused"] == []
        assert told["number"] == 4


def test_every_single_mute_is_ready(store: EventStore) -> None:
    past = History(store, Order, "order-1042")
    ready = experiments.single_mutes(past)
    assert ready is not None
    assert set(ready) == {"1", "2", "3", "4"}
    for number, policies in ready.items():
        for policy in experiments.POLICIES:
            assert policies[policy] == experiments.what_if(past, [int(number)], policy)
    fill(store, "t", experiments.SINGLE_MUTES_UP_TO + 1)
    assert experiments.single_mutes(History(store, Tally, "t")) is None


def test_the_kernel_answers_what_was_not_ready(store: EventStore) -> None:
    tt = TimeTravel(store, "order-1042", fold=Order)
    sent: list[Any] = []
    tt.send = sent.append  # type: ignore[method-assign]
    tt._on_message(tt, {"ask": "what-if", "id": 7, "muted": [2, 3], "policy": "skip"}, [])
    tt._on_message(tt, {"ask": "what-if", "id": 8, "muted": [99], "policy": "skip"}, [])
    tt._on_message(tt, {"ask": "something"}, [])
    assert [reply["id"] for reply in sent] == [7, 8]
    assert sent[0]["result"] == experiments.what_if(tt.history, [2, 3], "skip")
    assert "There is no event 99" in sent[1]["error"]


@needs_node
def test_an_order_is_judged_as_the_state_machine_does(
    ask: Callable[..., Any], store: EventStore
) -> None:
    past = History(store, Order, "order-1042")
    tree = experiments.order_tree(past)
    orders = [list(order) for order in itertools.permutations(range(1, 5))]
    for order, told in zip(orders, ask("legal", tree=tree, orders=orders), strict=True):
        state, want = Order(), None
        for place, number in enumerate(order):
            event = past.events[number - 1]
            reason = state.refuses(event)
            if reason is not None:
                want = {"index": place, "reason": reason}
                break
            state.apply(event)
        assert told == want
    assert ask("legal", tree=tree, orders=[[1, 2, 3, 4]]) == [None]


def test_no_task_of_order_where_there_are_no_rules(store: EventStore) -> None:
    fill(store, "t", 5)
    # 120 orders, all of them legal.
    assert experiments.order_tree(History(store, Tally, "t")) is None
    fill(store, "t", experiments.ORDER_UP_TO + 1)
    assert experiments.order_tree(History(store, Tally, "t")) is None


@needs_node
def test_bisection_in_the_browser_is_the_one_of_the_history(
    ask: Callable[..., Any], store: EventStore
) -> None:
    tt = TimeTravel(store, "order-1042", fold=Order)
    found = ask("bisect", payload=tt._data, path="paid", test=">", value="0")
    mine = tt.history.first(lambda order: order.paid > 0)
    assert mine is not None
    assert found["found"] == found["scan"] == mine.number == 2
    assert [tuple(p) for p in found["probes"]] == list(mine.probes)
