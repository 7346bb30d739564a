"""History: every state, what separates them, what if; and which apply cannot be trusted."""

from __future__ import annotations

import copy
import random
import re
from ast import literal_eval
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from esnb import (
    ANY,
    Aggregate,
    AggregateNotFoundError,
    EsnbError,
    EventStore,
    History,
    ImpureApplyError,
    InvalidEventError,
    NaiveTimeError,
    ReplayError,
    diff_states,
    new_event,
    state_of,
)
from esnb.model.state import Diff
from tests.model.door import T0, Door, stored
from tests.support import OBJECTS, Tally, exactly, expected_tally, facts, public

KINDS = st.lists(
    st.tuples(st.sampled_from(["Added", "Noted", "Reset", "Unknown"]), st.integers(-9, 9),
              st.integers(0, 5)), min_size=1, max_size=25,
)  # fmt: skip


@pytest.fixture(scope="module")
def store():
    with EventStore() as store:
        yield store


# -- states ------------------------------------------------------------------------------------


@given(steps=KINDS)
def test_every_prefix_is_the_fold_and_equals_the_load(store, steps):
    name = stored(store, steps)
    history = History(store, Tally, name)
    events = store.events(name)
    assert len(history) == len(steps)
    for number, state in enumerate(history.states()):
        expected = expected_tally(events[:number])
        assert state == history.state(number) == public(history.at(number)) == expected
    for number in (0, len(events) // 2, len(events)):
        assert public(store.load(Tally, name, at=number)) == expected_tally(events[:number])
        assert history.at(number).version == number


@given(steps=KINDS, hour=st.integers(-1, 6))
def test_a_time_is_inclusive_also_where_clocks_disagree(store, steps, hour):
    name = stored(store, steps)
    when = T0 + timedelta(hours=hour)
    inside = [e for e in store.events(name) if e.occurred_at <= when]
    history = History(store, Tally, name)
    assert public(history.at(when)) == expected_tally(inside)
    assert history.state(when.isoformat()) == expected_tally(inside)
    number = history.number_at(when)
    numbers = [e.sequence_number for e in inside]
    assert number == (len(inside) if numbers == list(range(1, len(inside) + 1)) else None)
    if inside:
        assert public(store.load(Tally, name, at=when)) == expected_tally(inside)


def test_states_handed_out_are_copies(store):
    history = History(store, Tally, stored(store, [("Added", n, 0) for n in range(130)]))
    for number in (0, 1, 64, 65, 128, 130):
        before = history.state(number)
        state = history.at(number)
        state.last["n"] = "changed"
        state.seen.append("changed")
        history.state(number)["last"]["n"] = "changed"
        assert history.state(number) == before


def test_a_history_without_a_store():
    history = History.of(facts(5), Tally)
    assert history.state(5)["total"] == 15
    assert "states 0 to 5" in repr(history)
    empty = History.of([], Tally)
    assert (len(empty), empty.state(0), empty.first(lambda s: s.total > 0)) == (
        0, expected_tally([]), None,
    )  # fmt: skip
    assert public(empty.without().state) == expected_tally([])


@pytest.mark.parametrize(
    "ask",
    [
        lambda h: h.at(-1), lambda h: h.at(6), lambda h: h.at(True), lambda h: h.at(2.5),
        lambda h: h.at(None), lambda h: h.at("soon"), lambda h: h.at(datetime(2026, 1, 1)),
        lambda h: h.state(99), lambda h: h.diff(0, 99), lambda h: h.diff(-1, 2),
        lambda h: h.without(0), lambda h: h.without(6), lambda h: h.without(-1),
        lambda h: h.without("x"), lambda h: h.without(1.5), lambda h: h.without(True),
        lambda h: h.without(1, policy="ignore"), lambda h: h.without(1, policy=None),
    ],
)  # fmt: skip
def test_every_bad_argument_gets_an_error_of_this_package(ask):
    history = History.of(facts(5), Tally)
    with pytest.raises((InvalidEventError, NaiveTimeError)):
        ask(history)
    assert history.state(5)["total"] == 15


def test_an_unknown_aggregate_and_a_failing_apply(store):
    with pytest.raises(AggregateNotFoundError, match="nobody"):
        History(store, Tally, "nobody")

    class Fragile(Tally):
        def apply(self, event):
            raise ValueError("no")

    with pytest.raises(ReplayError, match="ValueError: no"):
        History.of(facts(2), Fragile)


def test_ten_thousand_events(store):
    """Correct at every distance from a kept state, and whole in a store."""
    steps = [("Added" if n % 3 else "Noted", n, n // 1000) for n in range(1, 10_001)]
    name = stored(store, steps)
    history = History(store, Tally, name)
    events = store.events(name)
    assert len(history) == len(events) == 10_000
    chance = random.Random(3)
    asked = [0, 1, 63, 64, 65, 127, 128, 9_983, 9_984, 9_999, 10_000]
    for number in asked + [chance.randrange(10_001) for _ in range(30)]:
        assert history.state(number) == expected_tally(events[:number])
    found = history.first(lambda s: s.total >= 1_000_000)
    totals = list(np.cumsum([n if kind == "Added" else 0 for kind, n, _ in steps]))
    assert found.number == next(n for n, t in enumerate(totals, start=1) if t >= 1_000_000)
    assert len(found.probes) <= 15
    assert history.at(T0 + timedelta(hours=4)).version == 4_999
    assert public(history.without(5_000).fact) == expected_tally(events)
    assert history.without(5_000).state.total == totals[-1] - steps[4_999][1]


# -- diff --------------------------------------------------------------------------------------


def steps_of(path: str) -> list[str | int]:
    """Read a path: plain names after dots, `[3]` an index, `['...']` any other key."""
    steps: list[str | int] = []
    while path:
        if path[0] == "[":
            end = 1
            while True:  # to the first bracket at which what is inside reads as a literal
                end = path.index("]", end) + 1
                try:
                    steps.append(literal_eval(path[1 : end - 1]))
                    break
                except (SyntaxError, ValueError):
                    continue
            path = path[end:]
        else:
            found = re.match(r"\.?([\w-]+)", path)
            assert found, path
            steps.append(found[1])
            path = path[found.end() :]
    return steps


def leaves(value: Any, at: tuple[str | int, ...] = ()) -> dict[tuple[Any, ...], Any]:
    """All leaves of a state by their steps; independent of the package's own paths."""
    if isinstance(value, dict) and value:
        items: Any = value.items()
    elif isinstance(value, list) and value:
        items = enumerate(value)
    else:
        return {at: value} if at else {}
    return {k: v for key, item in items for k, v in leaves(item, (*at, key)).items()}


def built(parts: dict[tuple[Any, ...], Any]) -> Any:
    """The inverse of `leaves`."""
    if not parts:
        return {}
    if () in parts:
        return parts[()]
    keys = list(dict.fromkeys(path[0] for path in parts))
    inner = {
        key: built({path[1:]: v for path, v in parts.items() if path[0] == key
                    and type(path[0]) is type(key)})
        for key in keys
    }  # fmt: skip
    if isinstance(keys[0], int):
        return [inner[n] for n in range(len(keys))]
    return inner


def applied(diff: Diff, state: dict[str, Any]) -> Any:
    parts = leaves(state)
    for path in diff.removed:
        del parts[tuple(steps_of(path))]
    for path, value in diff.added.items():
        assert tuple(steps_of(path)) not in parts
        parts[tuple(steps_of(path))] = value
    for path, (old, new) in diff.changed.items():
        assert exactly(parts[tuple(steps_of(path))]) == exactly(old)
        parts[tuple(steps_of(path))] = new
    return built(parts)


@settings(max_examples=150)
@given(before=OBJECTS, after=OBJECTS)
@example({"a.b": 1}, {"a": {"b": 1}})
@example({"a": [1]}, {"a": {"[0]": 1}})
@example({"[0]": 1}, {"['[0]']": 1})
@example({"": 1}, {"": {"": 1}})
@example({"a": {"0": 1}}, {"a": [1]})
@example({"a\n": 1}, {"a": 1})
@example({"x']['y": 1}, {"x": {"y": 1}})
@example({"a": 1}, {"a": True})
@example({"a": 1}, {"a": 1.0})
@example({"a": []}, {"a": {}})
@example({"a": []}, {"a": [None]})
def test_a_diff_applied_to_one_state_gives_the_other(before, after):
    diff = diff_states(before, after)
    assert leaves(applied(diff, before)) == leaves(after)
    assert exactly(applied(diff, before)) == exactly(after) or list(after) != list(before)
    mirror = diff_states(after, before)
    assert (mirror.added, mirror.removed) == (diff.removed, diff.added)
    assert mirror.changed == {p: (new, old) for p, (old, new) in diff.changed.items()}
    assert bool(diff) == (exactly(leaves(before)) != exactly(leaves(after)))
    assert not diff_states(before, copy.deepcopy(before))
    # One line per path; only an empty list or dict whose items have lines of their own has none.
    hidden = len(diff.paths) - len(str(diff).splitlines()) if diff else 0
    values = {**diff.added, **diff.removed}
    emptied = [p for p in diff.paths if p in values and values[p] in ([], {})]
    assert (
        0
        <= hidden
        <= len([p for p in emptied if any(q.startswith(p) for q in diff.paths if q != p)])
    )


def test_the_text_of_a_diff_leaves_out_a_container_whose_items_speak():
    diff = diff_states({"shipped": {}, "tags": ["x"]}, {"shipped": {"mug": 2}, "tags": []})
    assert diff.paths == ["shipped", "shipped.mug", "tags", "tags[0]"]
    assert str(diff) == "+ shipped.mug  2\n- tags[0]  'x'"
    assert str(diff_states({"a": []}, {"a": {}})) == "~ a  [] -> {}"


@given(state=OBJECTS)
def test_paths_are_unambiguous(state):
    paths = diff_states({}, state).added
    assert len(paths) == len(leaves(state))
    assert {tuple(steps_of(p)): exactly(v) for p, v in paths.items()} == {
        k: exactly(v) for k, v in leaves(state).items()
    }


def test_how_a_diff_reads():
    diff = diff_states(
        {"status": "PENDING", "items": [{"sku": "A", "n": 1}], "note": "x"},
        {"status": "PAID", "items": [{"sku": "A", "n": 2}, {"sku": "B"}]},
    )
    assert str(diff) == (
        "~ items[0].n  1 -> 2\n+ items[1].sku  'B'\n- note  'x'\n~ status  'PENDING' -> 'PAID'"
    )
    assert str(Diff()) == "no difference"
    nan = float("nan")
    assert not diff_states({"a": nan}, {"a": float("nan")})


@given(steps=KINDS, data=st.data())
def test_history_diff_changes_and_df_agree(store, steps, data):
    history = History(store, Tally, stored(store, steps))
    a = data.draw(st.integers(0, len(steps)))
    b = data.draw(st.integers(0, len(steps)))
    diff, mirror = history.diff(a, b), history.diff(b, a)
    assert applied(diff, history.state(a)) == history.state(b)
    assert (diff.added, diff.removed) == (mirror.removed, mirror.added)
    leaves = {p for n in range(len(steps) + 1) for p in diff_states({}, history.state(n)).paths}
    for path in ("total", "last", "seen", "last.n", "tot", "nothing"):
        if not any(p == path or p.startswith((path + ".", path + "[")) for p in leaves):
            with pytest.raises(InvalidEventError, match=f"has a field '{path}'"):
                history.changes(path)
            continue
        changes = history.changes(path)
        expected = []
        for number in range(1, len(steps) + 1):
            step = history.diff(number - 1, number)
            below = [p for p in step.paths if p == path or p.startswith((path + ".", path + "["))]
            expected += [(number, p) for p in below]
        assert list(zip(changes["sequence_number"], changes["path"], strict=True)) == expected
    frame = history.df()
    assert frame["sequence_number"].tolist() == list(range(1, len(steps) + 1))
    for number, changed in zip(frame["sequence_number"], frame["changed"], strict=True):
        assert changed == ", ".join(history.diff(number - 1, number).paths)


# -- first -------------------------------------------------------------------------------------


@given(steps=KINDS, wanted=st.integers(0, 12))
def test_first_equals_a_linear_scan_for_a_monotone_predicate(store, steps, wanted):
    history = History(store, Tally, stored(store, steps))
    predicate = lambda state: state.count >= wanted  # noqa: E731
    linear = next((n for n in range(len(steps) + 1) if predicate(history.at(n))), None)
    found, scanned = history.first(predicate), history.first(predicate, scan=True)
    if linear is None:
        assert found is None
        assert scanned is None
        return
    assert found.number == scanned.number == linear
    assert found.event == (history.events[linear - 1] if linear else None)
    assert len(found.probes) <= 2 + len(steps).bit_length()
    assert [n for n, _ in scanned.probes] == list(range(linear + 1))
    for number, answer in found.probes:
        assert answer == predicate(history.at(number))


@given(steps=KINDS)
def test_first_with_scan_is_right_for_any_predicate(store, steps):
    history = History(store, Tally, stored(store, steps))
    predicate = lambda state: state.total % 3 == 1  # noqa: E731
    linear = next((n for n in range(len(steps) + 1) if predicate(history.at(n))), None)
    found = history.first(predicate, scan=True)
    assert (found.number if found else None) == linear


# -- what if -----------------------------------------------------------------------------------

DOORS = st.lists(st.sampled_from(list(Door.ALLOWED)), max_size=20)


def door_story(kinds: list[str], *, legal: bool) -> list[Any]:
    """The events of a door; `legal` leaves out what the state machine would refuse."""
    door, events = Door(), []
    for kind in kinds:
        event = new_event(kind)
        if not legal or door.refuses(event) is None:
            door.apply(event)
            events.append(event)
    return events


def oracle(events: list[Any], muted: set[int], policy: str) -> tuple[dict[str, Any], list[tuple]]:
    """What if, by hand: two doors side by side, one as it was and one as it would have been."""
    fact, trial, refused, stopped = Door(), Door(), [], False
    for number, event in enumerate(events, start=1):
        in_fact = fact.refuses(event)
        fact.apply(event)
        if number in muted:
            continue
        reason = trial.refuses(event)
        if reason and not in_fact:
            refused.append((number, reason))
            stopped = stopped or policy == "stop"
            if policy != "force":
                continue
        if not stopped:
            trial.apply(event)
    return state_of(trial), refused


@given(kinds=DOORS, legal=st.booleans(), policy=st.sampled_from(["skip", "stop", "force"]),
       data=st.data())  # fmt: skip
def test_without_blames_the_state_machine_s_later_refusals(kinds, legal, policy, data):
    events = door_story(kinds, legal=legal)
    assume(events)
    muted = data.draw(st.sets(st.integers(1, len(events)), max_size=3))
    history = History.of(events, Door)
    result = history.without(*muted, policy=policy)
    state, refused = oracle(events, muted, policy)
    assert state_of(result.state) == state
    assert state_of(result.fact) == history.state(len(events))
    numbers = {id(e): n for n, e in enumerate(events, start=1)}
    assert [(numbers[id(e)], why) for e, why in result.refused] == refused
    assert all(n > min(muted) for n, _ in refused)
    assert result.muted == tuple(sorted(muted))
    assert result.diff.paths == diff_states(history.state(len(events)), state).paths
    assert history.state(len(events)) == state_of(History.of(events, Door).at(len(events)))


@given(kinds=DOORS, legal=st.booleans(), policy=st.sampled_from(["skip", "stop", "force"]))
def test_without_nothing_is_the_fact(kinds, legal, policy):
    history = History.of(door_story(kinds, legal=legal), Door)
    result = history.without(policy=policy)
    assert state_of(result.state) == state_of(result.fact) == history.state(len(history))
    assert not result.diff
    assert result.refused == ()


def test_without_an_event_on_which_later_ones_stand(store):
    class Cart(Aggregate):
        aggregate_type = "CART"

        def __init__(self):
            self.items = {}

        def apply(self, event):
            if event.type == "Placed":
                self.items[event.data["sku"]] = 1
            else:
                self.items[event.data["sku"]] += 1

        def refuses(self, event):
            return None if event.type == "Placed" or self.items[event.data["sku"]] else "no"

    events = [
        new_event("Placed", sku="A"),
        new_event("More", sku="A"),
        new_event("Placed", sku="B"),
    ]
    result = History.of(events, Cart).without(1)
    assert result.state.items == {"B": 1}
    assert [(e.type, why) for e, why in result.refused] == [
        ("More", "refuses fails: KeyError: 'A'")
    ]
    forced = History.of(events, Cart).without(1, policy="force")
    assert forced.state.items == {"B": 1}  # apply failed there, so nothing of it was kept
    stopped = History.of(events, Cart).without(1, policy="stop")
    assert stopped.state.items == {}
    assert "Without 1 (nothing is stored)" in str(result)
    assert "More" in str(result)


def test_without_stores_nothing(store):
    name = stored(store, [("Added", n, 0) for n in range(5)])
    before = store.position
    History(store, Tally, name).without(2)
    assert store.position == before
    assert len(store.events(name)) == 5


def test_errors_are_this_package_s(store):
    store.append("x", facts(1), expected_version=ANY, aggregate_type="TALLY")
    assert issubclass(ImpureApplyError, EsnbError)
