"""A stream to travel through, and how to open it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from esnb import EventStore, LessonClock
from esnb.course.widgets import TimeTravel
from tests.browser.timetravel.shown import STOPS, Opened, Shown, Snapshotted, ten_events


@pytest.fixture(scope="module")
def store() -> Iterator[EventStore]:
    with EventStore(clock=LessonClock()) as made:
        ten_events(made)
        yield made


@pytest.fixture
def opened(open_page: Callable[..., Page], store: EventStore) -> Opened:
    """Open the page of a TimeTravel: `opened(at=3, theme="dark", size=(1280, 720))`."""

    def open_travel(
        tt: TimeTravel | None = None, *, size: tuple[int, int] = (1100, 1000),
        motion: str = "no-preference", theme: Any = "light", **options: Any,
    ) -> Shown:  # fmt: skip
        tt = tt or TimeTravel(store, "order-17", **{"fold": Snapshotted, "stops": STOPS, **options})
        return Shown(open_page(tt, size=size, theme=theme, motion=motion))

    return open_travel
