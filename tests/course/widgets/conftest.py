"""A store of the shop's first orders, and the page's code in node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from esnb import EventStore, LessonClock
from esnb.shop import first_orders
from tests.node import node


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[..., Any]]:
    """Ask the core in node: `ask("states", payload=...)`."""
    with node("answer.mjs") as question:
        yield question


@pytest.fixture
def store() -> Iterator[EventStore]:
    with EventStore(clock=LessonClock()) as made:
        first_orders(made)
        yield made
