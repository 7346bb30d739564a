"""What the tests of TimeTravel's data share: shapes of change, a store, the core in node."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from esnb import Aggregate, Event, History, new_event
from esnb.course.widgets import deltas
from esnb.model.state import diff_states
from tests.support import JSON, KEYS


class Anything(Aggregate):
    """Sets and removes whatever an event says, in place too: every shape of change."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}
        self.log: list[Any] = []
        self.last: Any = None

    def apply(self, event: Event) -> None:
        data = json.loads(json.dumps(event.data))
        match event.type:
            case "Put":
                self.held[data["key"]] = data["value"]
            case "Removed":
                self.held.pop(data["key"], None)
            case "Pushed":
                self.log.append(data["value"])
            case "Popped" if self.log:
                self.log.pop(0)
            case "Set":
                self.last = data["value"]


MOVES = st.one_of(
    st.builds(lambda k, v: ("Put", {"key": k, "value": v}), KEYS, JSON),
    st.builds(lambda k: ("Removed", {"key": k}), KEYS),
    st.builds(lambda v: ("Pushed", {"value": v}), JSON),
    st.just(("Popped", {})),
    st.builds(lambda v: ("Set", {"value": v}), JSON),
)


def history(moves: list[tuple[str, dict[str, Any]]]) -> History[Anything]:
    return History.of([new_event(kind, data) for kind, data in moves], Anything)


def texts(state: dict[str, Any]) -> dict[str, str]:
    """A state, leaf by leaf, by the code of `History.diff`: not by the one under test."""
    return {path: repr(value) for path, value in diff_states({}, state).added.items()}


def tape_of(past: History[Any], every: int = 3) -> dict[str, Any]:
    """A tape with full states so close together that they matter in a short history."""
    before, deltas.EVERY = deltas.EVERY, every
    try:
        return {"n": len(past), **deltas.fold(past), "data": [
            json.dumps(e.event_data) for e in past.events
        ]}  # fmt: skip
    finally:
        deltas.EVERY = before


SOME = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
