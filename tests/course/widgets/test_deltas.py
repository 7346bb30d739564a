"""The tape that the browser moves through is the fold, at every position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb import Event, History, new_event
from esnb.course.widgets import deltas
from tests.course.widgets.tapes import MOVES, SOME, history, tape_of, texts
from tests.node import needs_node


@needs_node
@SOME
@given(moves=st.lists(MOVES, max_size=12), seed=st.randoms(use_true_random=False))
def test_the_core_equals_the_fold_everywhere(
    ask: Callable[..., Any], moves: list[Any], seed: Any
) -> None:
    past = history(moves)
    payload = tape_of(past)
    n = len(past)
    order = [*range(n + 1), *range(n, -1, -1), *(seed.randrange(n + 1) for _ in range(12))]
    want = [texts(past.state(i)) for i in range(n + 1)]
    assert ask("states", payload=payload, order=order) == [want[i] for i in order]
    pairs = [(seed.randrange(n + 1), seed.randrange(n + 1)) for _ in range(6)]
    for (a, b), found in zip(pairs, ask("diffs", payload=payload, pairs=pairs), strict=True):
        gone = {p for p in want[a] if want[b].get(p) != want[a][p]}
        new = {p for p in want[b] if want[a].get(p) != want[b][p]}
        told = {c["path"] for c in found}
        assert told <= gone | new
        # An empty shell that gets its first entry is not a change to a reader, and is left out.
        assert all((want[a].get(p) or want[b].get(p)) in ("{}", "[]") for p in (gone | new) - told)
        for change in found:
            assert (change["before"], change["after"]) == (
                want[a].get(change["path"]), want[b].get(change["path"]),
            )  # fmt: skip


@given(st.lists(MOVES, max_size=12))
@settings(max_examples=60)
def test_changes_and_full_states_are_the_fold(moves: list[Any]) -> None:
    past = history(moves)
    payload = tape_of(past, every=4)
    paths, names = payload["paths"], payload["texts"]
    want = [texts(past.state(i)) for i in range(len(past) + 1)]
    for block, pairs in enumerate(payload["full"]):
        pair = zip(pairs[::2], pairs[1::2], strict=True)
        assert {paths[p]: names[t] for p, t in pair} == want[block * payload["every"]]
    now = dict(want[0])
    for number, row in enumerate(payload["changes"], start=1):
        for p, before, after in zip(row[::3], row[1::3], row[2::3], strict=True):
            assert now.pop(paths[p], None) == (names[before] if before >= 0 else None)
            if after >= 0:
                now[paths[p]] = names[after]
        assert now == want[number]


def test_full_states_get_rarer_when_they_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deltas, "MOST_PAIRS", 200)
    past = history([("Pushed", {"value": n}) for n in range(300)])
    payload = tape_of(past, every=1)
    assert payload["every"] > 8
    assert sum(map(len, payload["full"])) < 3_000
    for block, pairs in enumerate(payload["full"]):
        assert len(pairs) // 2 == len(texts(past.state(block * payload["every"])))


def test_an_apply_that_changes_in_place_and_values_that_are_no_json() -> None:
    class Inner:
        n = 0

    class Odd:
        def __init__(self) -> None:
            self.seen: set[str] = set()
            self.when: Any = None
            self.inner = Inner()

        def apply(self, event: Event) -> None:
            self.seen.add(event.type)
            self.when = event.occurred_at
            self.inner.n += 1

    events = [new_event(name, occurred_at="2026-03-02T09:00:00Z") for name in ("B", "A")]
    payload = deltas.fold(History.of(events, Odd))
    assert "{'A', 'B'}" in payload["texts"]
    assert "set()" in payload["texts"]
    assert "Inner(n=2)" in payload["texts"]
    assert not any("0x" in text for text in payload["texts"])
    assert deltas.fold(History.of(events, Odd)) == payload
