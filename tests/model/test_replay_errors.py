"""Texts that a chapter prints: an error of replay names the event, and reads as a sentence."""

from __future__ import annotations

import pytest

from esnb import History, ImpureApplyError, RejectedError, ReplayError, new_event, replay


class Sharing:
    """Keeps the event's own list, and writes into it."""

    def __init__(self):
        self.items = []

    def apply(self, event):
        if event.type == "Placed":
            self.items = event.data["items"]
        else:
            self.items.append(event.data)


class Refusing:
    """Refuses a fact."""

    def apply(self, event):
        raise RejectedError("At most ten.")


def test_an_event_changed_by_apply_is_named_by_number_also_without_a_store():
    events = [new_event("Opened"), new_event("Placed", items=[1]), new_event("Added", sku="MUG")]
    events = events[1:]  # the first of the list is number 1
    with pytest.raises(ImpureApplyError, match=r"data of event 1 \(Placed\)"):
        History.of(events, Sharing)


def test_a_reason_that_ends_in_a_full_stop_gets_no_second_one():
    with pytest.raises(ReplayError, match=r"RejectedError: At most ten\. The event is a fact"):
        replay(Refusing, [new_event("Placed")])


def test_a_history_without_a_store_does_not_call_itself_none():
    assert repr(History.of([], Refusing)) == "<History of empty: 0 events, states 0 to 0>"
    assert "loose events" in repr(History.of([new_event("Placed", items=[])], Sharing))
