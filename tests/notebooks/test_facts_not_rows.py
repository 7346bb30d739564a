"""Chapter 01: its fold is right on any legal story, and its story is told once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from esnb.errors import RejectedError
from esnb.model.aggregate import replay
from esnb.shop import Order
from tests.shop.test_shop import COMMANDS, PRICES, SKU, obey
from tests.support import ROOT

Fold = Callable[[list[tuple[str, dict[str, Any]]]], dict[str, Any]]
BASKET = st.lists(st.tuples(SKU, st.integers(1, 4)), min_size=1, max_size=3,
                  unique_by=lambda line: line[0])  # fmt: skip


@pytest.fixture(scope="module")
def fold() -> Fold:
    """The function as it is in the chapter, with nothing else of the chapter."""
    text = (ROOT / "notebooks" / "01_facts_not_rows.ipynb").read_text(encoding="utf-8")
    sources = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    [cell] = [source for source in sources if "def fold(" in source]
    names: dict[str, Any] = {}
    exec(f"from collections import Counter\n{cell}", names)
    found: Fold = names["fold"]
    return found


def add(sku: str, quantity: int) -> tuple[Any, ...]:
    return ("add_item", sku, quantity, 0)


@settings(deadline=None, max_examples=300)
@given(BASKET, st.lists(COMMANDS, max_size=14))
@example([("A", 2)], [add("A", 1)])
@example([("A", 2)], [add("B", 1), ("remove_item", "A"), add("A", 1), ("pay", None)])
@example(
    [("A", 2), ("B", 1)], [("pay", None), ("ship", {"A": 2}), ("ship", {"B": 1}), ("deliver",)]
)
def test_the_fold_says_what_order_says_at_every_point(
    fold: Fold, basket: list[tuple[str, int]], commands: list[tuple[Any, ...]]
) -> None:
    order = Order()
    for command in [("place", basket), *commands]:
        try:
            obey(order, command)
        except RejectedError:
            continue  # a refused command leaves no fact: what is left is a legal story
    events = order.pending
    for n in range(1, len(events) + 1):
        theirs = replay(Order, events[:n])
        ours = fold([(event.event_type, event.event_data) for event in events[:n]])
        assert ours == {"status": theirs.status, "total": theirs.total}


def test_three_mugs_cost_three_mugs(fold: Fold) -> None:
    mugs = {"sku": "A", "quantity": 2, "price": PRICES["A"]}
    story: list[tuple[str, dict[str, Any]]] = [
        ("OrderPlaced", {"customer": "ada", "items": [mugs]}),
        ("ItemAdded", {**mugs, "quantity": 1}),
    ]
    assert fold(story)["total"] == 3 * PRICES["A"]
