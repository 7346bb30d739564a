"""Widgets and sliders over streams that nobody has written a class for."""

from __future__ import annotations

from typing import Any

from esnb import EventStore, LessonClock, new_event
from esnb.course.widgets import TimeTravel, time_slider


def test_widgets_do_without_a_class() -> None:
    with EventStore(clock=LessonClock()) as store:
        for name in ("case-1", "case-2"):
            steps: list[tuple[str, dict[str, Any]]] = [
                ("Received", {"amount": 50, "channel": "web"}),
                ("Assigned", {"officer": "ada"}),
                ("Raised", {"amount": 80}),
            ]
            events = [new_event(kind, data) for kind, data in steps]
            store.append(name, events, expected_version=0, aggregate_type="CASE")
        check_widgets(store)


def check_widgets(store: EventStore) -> None:
    travel = TimeTravel(store, "case-1", at=2)
    assert travel.state["latest"]["officer"] == "ada"
    assert "latest.officer" in travel._still()
    assert time_slider(store, "case-2").state["status"] == "Raised"
    assert TimeTravel.simple(store, "case-1").state["events"] == 3
    whole = TimeTravel.store(store)
    assert list(whole.rows.columns)[3:6] == ["amount", "channel", "officer"]
    assert list(whole.rows["amount"]) == ["80", "80"]
    assert whole.open_row("case-2").state["status"] == "Raised"
