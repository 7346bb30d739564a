"""TimeTravel on a long stream: windows against the whole fold, headers against the events.

A stream counts as long from a handful of events here, so that windows and checkpoints matter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esnb import EventStore, History, LessonClock, Upcasters, new_event, state_of
from esnb.course.widgets import deltas, long_history, long_steps, payload
from esnb.course.widgets.long_history import LongHistory
from esnb.course.widgets.timetravel import TimeTravel
from esnb.errors import AggregateNotFoundError, InvalidEventError
from esnb.events import Event
from tests.course.widgets.tapes import MOVES, Anything, texts
from tests.node import needs_node
from tests.support import Tally

SOME = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_history, "LONG_ABOVE", 8)
    monkeypatch.setattr(long_history, "SPAN", 4)
    monkeypatch.setattr(long_history, "SHORTEST", 2)
    monkeypatch.setattr(long_steps, "_CHUNK", 5)


def stored(moves: list[tuple[str, dict[str, Any]]]) -> EventStore:
    """The moves as a stream "x" of several commands, between the events of another stream."""
    store = EventStore(clock=LessonClock())
    for first in range(0, len(moves), 3):
        part = [new_event(kind, data) for kind, data in moves[first : first + 3]]
        for name, events in (("x", part), ("y", [new_event("Set", value=1)])):
            store.append(name, events, expected_version=store.version(name),
                         aggregate_type="ANYTHING")  # fmt: skip
    return store


LISTS = st.lists(MOVES, min_size=1, max_size=20)


@needs_node
@SOME
@given(moves=LISTS)
def test_windows_are_the_whole_fold(ask: Callable[..., Any], moves: list[Any]) -> None:
    with stored(moves) as store:
        whole = History(store, Anything, "x")
        past = LongHistory(store, Anything, "x", progress=False)
        n = len(past)
        assert n == len(whole)
        windows = [past.window(w) for w in range(past.window_of(n) + 1)]
        assert [w["from"] for w in windows] == list(range(0, n, past.span))
        shown = ask("windows", n=n, span=past.span, windows=windows)
        assert shown == [texts(whole.state(number)) for number in range(n + 1)]
        for number in range(n + 1):
            assert past.state(number) == whole.state(number)
        data = [text for window in windows for text in window["data"]]
        assert data == [payload.as_json(event.event_data) for event in whole.events]
        a, b = n // 3, n
        rows = {path: (one, two) for path, one, two in past.rows(a, b)}
        assert {p: one for p, (one, _) in rows.items() if one is not None} == texts(whole.state(a))
        assert {p: two for p, (_, two) in rows.items() if two is not None} == texts(whole.state(b))


@SOME
@given(moves=LISTS, number=st.integers(0, 20), field=st.sampled_from(["held", "log", "last"]))
def test_hops_and_searches_are_those_of_the_whole(
    moves: list[Any], number: int, field: str
) -> None:
    with stored(moves) as store:
        past = LongHistory(store, Anything, "x", progress=False)
        number = min(number, len(past))
        tape = {**deltas.fold(History(store, Anything, "x")), "from": 0}
        changed = long_history._changed(tape, field)
        after, before = [k for k in changed if k > number], [k for k in changed if k < number]
        assert past.hop(field, number, 1)[0] == (after[0] if after else None)
        assert past.hop(field, number, -1)[0] == (before[-1] if before else None)
        for text in ("a", "put", '"', "1"):
            wanted = []
            for event in store.events("x"):
                data, metadata = map(payload.as_json, (event.event_data, event.metadata))
                told = (event.event_type, data, metadata)
                if any(text in one.lower() for one in told):
                    wanted.append(event.sequence_number)
            assert past.mentions(f" {text.upper()} ").tolist() == wanted


def by_hand(packed: bytes, n: int) -> tuple[list[float], list[int], list[int], list[int]]:
    time = np.frombuffer(packed[: 8 * n], "<f8").tolist()
    command = np.frombuffer(packed[8 * n : 12 * n], "<u4").tolist()
    kinds = np.frombuffer(packed[12 * n : 14 * n], "<u2").tolist()
    return time, command, kinds, list(packed[14 * n :])


@SOME
@given(moves=LISTS, named=st.booleans(), lanes=st.sampled_from([None, lambda e: e.type[0]]))
def test_headers_are_those_of_the_events(moves: list[Any], named: bool, lanes: Any) -> None:
    with stored(moves) as store:
        if named:
            mine = [new_event("Set", value=1, metadata={"command_id": "c"}) for _ in range(2)]
            store.append("x", mine, expected_version=len(moves))
        past = LongHistory(store, Anything, "x", progress=False, lanes=lanes)
        whole = payload.payload(store, [History(store, Anything, "x")], "x", stops={}, lanes=lanes)
        told = long_history.payload(store, [past], "x", stops={})
        time, command, kinds, lane = by_hand(past.headers.packed(), len(past))
        assert time == whole["time"]
        assert command == whole["command"]
        assert [told["types"][k] for k in kinds] == [whole["types"][k] for k in whole["type"]]
        assert (told["lanes"], lane) == (whole["lanes"], whole["lane"])
        for event in store.events("x"):
            when = event.occurred_at
            assert when is not None
            assert past.number_at(when) == History(store, Anything, "x").number_at(when)


def test_headers_of_a_bulk_load() -> None:
    frame = pd.DataFrame({
        "id": "x", "type": "Set", "value": range(12),
        "at": pd.Timestamp("2026-03-02T09:00:00Z") + pd.to_timedelta(np.arange(12) // 2, unit="h"),
    })  # fmt: skip
    store = EventStore.from_frame(
        frame, aggregate_id="id", event_type="type", occurred_at="at", aggregate_type="ANYTHING"
    )
    past = LongHistory(store, Anything, "x", progress=False)
    assert past.headers.commands().tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert past.headers.commands().tolist() == payload.commands_of(store.events("x"))


def test_more_types_than_lanes() -> None:
    events = [new_event(f"T{k % 9}", n=k) for k in range(20)]
    with EventStore(clock=LessonClock()) as store:
        store.append("x", events, expected_version=0, aggregate_type="ANYTHING")
        past = LongHistory(store, Anything, "x", progress=False)
        names, lane = past.headers.lanes()
        assert (names, lane.tolist()) == payload.lanes_of(events, None)


@pytest.fixture
def store() -> Iterator[EventStore]:
    moves = [("Put", {"key": f"k{n % 5}", "value": n}) for n in range(30)]
    with stored(moves) as made:
        yield made


def test_a_long_stream_is_long(store: EventStore) -> None:
    tt = TimeTravel(store, "x", fold=Anything, stops={7: "seven"}, progress=False)
    assert isinstance(tt.history, LongHistory)
    assert tt._data["long"] is True
    assert len(tt._headers) == 15 * 30
    assert not {"changes", "data", "full", "time"} & set(tt._data)
    assert repr(tt) == "<time travel: x as Anything, at event 30 of 30, 1 stop>"
    tt.at = 11
    whole = History(store, Anything, "x")
    assert tt.state == whole.state(11)
    assert tt.event == whole.events[10]
    pd.testing.assert_frame_equal(tt.events, whole.df().head(11))
    tt.pins = (3, 20)
    assert tt.diff() == whole.diff(3, 20)
    assert state_of(eval(tt.code, {"store": store, "Anything": Anything})) == tt.state
    tt.at = whole.events[5].occurred_at
    assert tt.at == 6
    short = TimeTravel(store, "y", fold=Anything)
    assert (
        not isinstance(short.history, LongHistory) or len(short.history) > long_history.LONG_ABOVE
    )
    with pytest.raises(AggregateNotFoundError):
        LongHistory(store, Anything, "nobody", progress=False)


def test_a_state_is_a_short_fold_away(store: EventStore) -> None:
    applied = 0

    class Counted(Anything):
        def apply(self, event: Event) -> None:
            nonlocal applied
            applied += 1
            super().apply(event)

    past = LongHistory(store, Counted, "x", progress=False)
    assert applied == 30
    for number in (0, 3, 4, 29, 30):
        applied = 0
        past.state(number)
        assert applied <= past.every
    applied = 0
    past.window(past.window_of(29))
    assert applied <= past.every + past.span
    applied = 0
    past.window(past.window_of(30))  # the same one: it is kept
    assert applied == 0


def test_a_hop_goes_to_the_nearest(store: EventStore) -> None:
    past = LongHistory(store, Anything, "x", progress=False)
    assert [past.hop("held", 12, step) for step in (-1, 1)] == [(11, 11), (13, 13)]
    assert past.hop("held.k1", 12, -1) == (7, 7)
    assert past.hop("last", 12, 1) == (None, 30)


def test_a_long_past_ends_where_it_ends(store: EventStore) -> None:
    past = store.as_of(store.events("x")[19].position or 0)
    tt = TimeTravel(past, "x", fold=Anything, progress=False)
    assert len(tt.history) == 20
    assert tt.state == History(store, Anything, "x").state(20)


def test_the_kernel_answers_the_browser(store: EventStore) -> None:
    tt = TimeTravel(store, "x", fold=Anything, progress=False)
    sent: list[Any] = []
    tt.send = lambda *content: sent.append(content)  # type: ignore[method-assign, assignment]
    for asked in (
        {"ask": "window", "at": 9}, {"ask": "rows", "a": 2, "b": 30},
        {"ask": "hop", "field": "held.k1", "at": 9, "direction": 1},
        {"ask": "mentions", "text": "K3"}, {"ask": "window", "at": 31}, {"ask": "nonsense"},
    ):  # fmt: skip
        tt._on_message(tt, {"id": len(sent), "fold": 0, **asked}, [])
    window, rows, hop, mentions, wrong = sent
    assert json.loads(json.dumps(window[0]["result"]))["from"] == 8
    assert rows[0]["result"] == tt.history.rows(2, 30)  # type: ignore[attr-defined]
    assert hop[0]["result"] == (12, 12)
    assert np.frombuffer(mentions[1][0], np.uint32).tolist() == [4, 9, 14, 19, 24, 29]
    assert "There is no event 31" in wrong[0]["error"]


def test_what_if_is_folded_where_it_is_short(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tt = TimeTravel(store, "x", fold=Anything, progress=False)
    whole = History(store, Anything, "x")
    assert state_of(tt.what_if([6]).state) == state_of(whole.without(6).state)
    monkeypatch.setattr(long_history, "WHAT_IF_UP_TO", 10)
    assert state_of(tt.what_if([25]).state) == state_of(whole.without(25).state)
    with pytest.raises(InvalidEventError, match=r"24 events .* ask the whole history"):
        tt.what_if([6])


def test_checkpoints_get_rarer_when_states_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_history, "MOST_VALUES", 60)
    monkeypatch.setattr(long_history, "LOOKS", 60)
    with stored([("Pushed", {"value": n}) for n in range(60)]) as store:
        past = LongHistory(store, Anything, "x", progress=False)
        whole = History(store, Anything, "x")
        assert past.every > 4
        assert past.span == 2
        assert len(past._kept) == -(-60 // past.every)
        for number in (0, 1, 13, 33, 59, 60):
            assert past.state(number) == whole.state(number)
        assert past.window(past.window_of(33))["from"] == 32


def test_numbers_are_those_of_stored_events_where_an_upcaster_splits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upcasters = Upcasters()

    @upcasters.split("Both", 1)
    def both(data: Any) -> list[Any]:
        return [("Put", {"key": "k1", "value": data["n"]}), ("Pushed", {"value": data["n"]})]

    upcasters.drop("Noise")
    with EventStore(clock=LessonClock(), upcasters=upcasters) as store:
        kinds = ["Both", "Noise", "Both", "Set"] * 5
        events = [new_event(kind, n=k, value=k) for k, kind in enumerate(kinds)]
        store.append("x", events, expected_version=0, aggregate_type="ANYTHING")
        tt = TimeTravel(store, "x", fold=Anything, progress=False)
        whole = History(store, Anything, "x")
        assert len(tt.history) == len(whole) == 20
        for number in range(21):
            assert tt.history.state(number) == whole.state(number)
        tt.at = 3
        assert tt.event is not None
        assert tt.event.event_type == "Both"
        assert [kind["name"] for kind in tt._data["types"]] == ["Both", "Noise", "Set"]
        monkeypatch.setattr(long_history, "LONG_ABOVE", 100)
        short = TimeTravel(store, "x", fold=Anything)
        assert short._data["n"] == len(short._data["data"]) == 20
        assert short._data["time"] == list(by_hand(tt._headers, 20)[0])


def test_a_page_holds_the_part_that_was_looked_at(store: EventStore, tmp_path: Path) -> None:
    tt = TimeTravel(store, "x", fold=Anything, at=9, stops={21: "here"}, progress=False)
    assert [w["from"] for w in tt._page_data()["windows"][0]] == [8, 20]
    page = tt.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert '"headers":' in page.replace('": ', '":')


def test_the_progress_is_shown_and_goes(
    store: EventStore, capsys: pytest.CaptureFixture[str]
) -> None:
    TimeTravel(store, "x", fold=Anything)
    assert "folding x" in capsys.readouterr().err


class Wrong(Tally):
    """Fails at its twelfth event."""

    def apply(self, event: Event) -> None:
        if event.sequence_number == 12:
            raise KeyError("twelve")


def test_a_failing_apply_is_reported(store: EventStore) -> None:
    with pytest.raises(Exception, match="event 12"):
        TimeTravel(store, "x", fold=Wrong, progress=False)
