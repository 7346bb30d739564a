"""The stores that keep the same promises: what takes `make_store` or `both` runs against each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from esnb import EventStore, LessonClock
from tests.postgres import shared_store

T0 = "2026-03-02T09:00:00Z"


@pytest.fixture(params=["embedded", "postgres"])
def make_store(request: pytest.FixtureRequest) -> Iterator[Callable[..., EventStore]]:
    """Make a new, empty store with the keywords of `EventStore`; closed after the test."""
    server = request.getfixturevalue("postgres") if request.param == "postgres" else None
    with ExitStack() as opened:

        def make(**options: Any) -> EventStore:
            options.setdefault("clock", LessonClock(T0))
            store = EventStore(**options) if server is None else shared_store(server, **options)
            return opened.enter_context(store)

        yield make


@pytest.fixture
def both(make_store: Callable[..., EventStore]) -> EventStore:
    """An empty store with a lesson's clock, of each kind."""
    return make_store()
