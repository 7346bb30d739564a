"""Handling commands: four steps, retries that decide again, ids, deciders, given/when/then."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import FrozenInstanceError, dataclass
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from esnb import (
    AppendCondition,
    AppendConditionError,
    Command,
    ConcurrencyError,
    Decider,
    EventStore,
    InvalidCommandError,
    InvalidEventError,
    LessonClock,
    RejectedError,
    given,
    handle,
    new_event,
)
from tests.model.shelf import Fill, Nothing, Overtaken, Shelf, Take, decide, evolve, shelf_decider
from tests.support import run_threads

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def store():
    with EventStore(clock=LessonClock()) as store:
        yield store


@pytest.fixture(params=["aggregate", "decider"])
def rules(request):
    """Both ways to write the rules keep the same promises."""
    return None if request.param == "aggregate" else shelf_decider


def types(store, name="s"):
    return [event.event_type for event in store.events(name)]


# ---------------------------------------------------------------- the four steps


def test_a_command_becomes_events_and_the_result_is_the_token(store, rules):
    first = handle(store, Fill("s", 2), rules)
    assert (first.version, first.position, first.attempts, first.duplicate) == (1, 1, 1, False)
    handle(store, Fill("other", 1), rules)
    done = handle(store, Take("s", "ada"), rules)
    assert (done.version, done.position, done.attempts) == (2, 3, 1)
    assert done.position == store.position
    assert list(done.events) == store.events("s", after=1)
    assert store.events("s")[0].aggregate_type == "SHELF"


def test_a_refused_command_leaves_nothing(store, rules):
    with pytest.raises(RejectedError, match="the shelf is empty"):
        handle(store, Take("s", "ada"), rules, sleep=_no_sleep)
    assert store.position == 0


def test_a_command_that_needs_nothing_gives_no_event(store, rules):
    handle(store, Fill("s", 2), rules)
    done = handle(store, Nothing("s"), rules)
    assert (done.version, done.position, done.events, done.attempts) == (1, 1, (), 1)


def test_who_and_why_go_to_the_metadata(store, rules):
    handle(store, Fill("s", 2), rules, actor="eve", reason="monday")
    handle(store, Fill("s", 2), rules)
    assert [e.metadata for e in store.events("s")] == [{"actor": "eve", "reason": "monday"}, {}]


def test_a_long_stream_goes_through_its_snapshots(store):
    handle(store, Fill("s", 20))
    for n in range(12):
        assert handle(store, Take("s", f"c{n}")).version == n + 2
    assert store.load(Shelf, "s").left == 8
    assert store.load(Shelf, "s").origin.snapshot == 10


# ---------------------------------------------------------------- conflicts


def _no_sleep(seconds):
    raise AssertionError("nobody should wait here")


def rival(store, who="ben"):
    return lambda: handle(store, Take("s", who))


def test_a_retry_decides_again_and_hears_the_true_answer(store, rules):
    handle(store, Fill("s", 1), rules)
    with pytest.raises(RejectedError, match="empty"):
        handle(store, Overtaken("s", "ada", [rival(store)]), rules, wait=0)
    assert [e.data.get("who") for e in store.events("s")] == [None, "ben"]


def test_a_retry_succeeds_when_the_rules_still_allow_it(store, rules):
    handle(store, Fill("s", 9), rules)
    rivals = [rival(store), rival(store)]
    done = handle(store, Overtaken("s", "ada", rivals), rules, wait=0)
    assert done.attempts == 3
    assert types(store) == ["Filled", "Taken", "Taken", "Taken"]
    assert store.events("s")[-1].data == {"who": "ada"}


def test_retries_0_fails_fast(store, rules):
    handle(store, Fill("s", 9), rules)
    with pytest.raises(ConcurrencyError, match="expected version 1, found version 2") as caught:
        handle(store, Overtaken("s", "ada", [rival(store)]), rules, retries=0, sleep=_no_sleep)
    assert "Gave up after 1 attempt(s) at Overtaken(" in caught.value.__notes__[0]
    assert store.version("s") == 2


def test_the_pauses_are_bounded_random_and_repeat_from_a_seed(store, rules):
    handle(store, Fill("s", 9999), rules)

    def pauses(seed, retries=5, wait=0.25):
        slept: list[float] = []
        rivals = [rival(store) for _ in range(99)]
        with pytest.raises(ConcurrencyError) as caught:
            handle(
                store, Overtaken("s", "ada", rivals), rules, retries=retries, wait=wait,
                rng=random.Random(seed), sleep=slept.append,
            )  # fmt: skip
        assert f"Gave up after {retries + 1} attempt(s)" in caught.value.__notes__[0]
        assert len(rivals) == 99 - retries - 1
        return slept

    one = pauses(7)
    assert len(one) == 5
    bounds = [0.25, 0.5, 1, 1, 1]
    assert all(0 <= pause <= most for pause, most in zip(one, bounds, strict=True))
    assert one == [random.Random(7).uniform(0, 0.25), *one[1:]]
    assert one == pauses(7) != pauses(8)
    assert len(set(one)) == 5
    assert pauses(7, wait=0) == [0] * 5
    # Over many seeds the pauses use the whole room that they have.
    first = [pauses(seed, retries=1)[0] for seed in range(40)]
    assert min(first) < 0.05
    assert max(first) > 0.2


@pytest.mark.parametrize("bad", [{"retries": -1}, {"retries": 1.5}, {"retries": True},
                                 {"wait": -1}, {"wait": float("nan")}, {"actor": ""},
                                 {"actor": 7}, {"reason": " "}, {"command_id": ""}])  # fmt: skip
def test_bad_options_are_named(store, bad):
    with pytest.raises(InvalidCommandError, match=next(iter(bad))):
        handle(store, Fill("s", 1), **bad)
    assert store.position == 0


@pytest.mark.parametrize("bad", [None, "Fill", Fill, object(), new_event("Filled")])
def test_what_is_no_command_is_refused(store, bad):
    with pytest.raises(InvalidCommandError, match=r"handle\(\) takes a command"):
        handle(store, bad)
    with pytest.raises(InvalidCommandError, match="aggregate_id"):
        handle(store, bad, shelf_decider)
    with pytest.raises(InvalidCommandError, match="decider is a Decider"):
        handle(store, Fill("s", 1), Shelf)


def test_a_command_without_a_class_or_an_id_is_refused(store):
    @dataclass(frozen=True)
    class Bare(Command):
        aggregate_id: Any = "s"

    with pytest.raises(InvalidCommandError, match="set handled_by"):
        handle(store, Bare())
    Bare.handled_by = Shelf
    with pytest.raises(NotImplementedError, match="Bare needs a method run"):
        handle(store, Bare())
    with pytest.raises(InvalidCommandError, match="aggregate_id, a text"):
        handle(store, Bare(7))
    with pytest.raises(InvalidEventError, match="aggregate_id"):
        handle(store, Bare(""))


def test_errors_that_are_no_conflict_come_through_at_once(store, rules):
    calls = []

    class Broken(Fill):
        def run(self, shelf):
            calls.append(1)
            raise ZeroDivisionError

    def broken(command, state):
        calls.append(1)
        raise ZeroDivisionError

    rules = rules and Decider((0, ()), broken, evolve, "SHELF")
    with pytest.raises(ZeroDivisionError):
        handle(store, Broken("s", 1), rules, sleep=_no_sleep)
    assert calls == [1]


@pytest.mark.parametrize("answer", [None, 7, "Filled", [None], new_event("Filled", pieces=1)])
def test_a_decide_that_returns_no_events_is_told_so(store, answer):
    wrong = Decider((0, ()), lambda command, state: answer, evolve, "SHELF")
    with pytest.raises(InvalidCommandError, match=r"decide\(\) returns a list of events"):
        handle(store, Fill("s", 1), wrong)


def test_a_decider_without_a_type_tests_rules_but_writes_nothing(store):
    loose = Decider((0, ()), decide, evolve)
    given(loose).when(Fill("s", 1)).then(new_event("Filled", pieces=1))
    with pytest.raises(InvalidCommandError, match=r"Decider\(initial, decide, evolve, 'ORDER'\)"):
        handle(store, Fill("s", 1), loose)


def test_a_decider_of_another_type_does_not_touch_the_stream(store):
    handle(store, Fill("s", 1))
    other = Decider((0, ()), decide, evolve, "OTHER")
    with pytest.raises(InvalidEventError, match="'SHELF', not 'OTHER'"):
        handle(store, Fill("s", 1), other)


def test_commands_are_records():
    assert Fill("s", 1) == Fill("s", 1)
    assert len({Fill("s", 1), Fill("s", 1), Fill("s", 2)}) == 2
    with pytest.raises(FrozenInstanceError):
        Fill("s", 1).pieces = 2
    with pytest.raises((AttributeError, TypeError)):
        Fill("s", 1).other = 2


@pytest.mark.parametrize("where", ["memory", "file"])
def test_threads_that_retry_sell_each_piece_once(where, tmp_path, rules):
    """Eight buyers, 20 pieces in all, and each buyer asks until the shelf says no."""
    path = None if where == "memory" else tmp_path / "s.duckdb"
    sold: Counter[int] = Counter()
    refused = []
    with EventStore(path) as store:
        handle(store, Fill("s", 20), rules)

        def work(number):
            while True:
                try:
                    done = handle(store, Take("s", f"b{number}"), rules, retries=200, wait=0.001)
                except RejectedError:
                    refused.append(number)
                    return
                assert store.events("s")[done.version - 1] == done.events[0]
                sold[number] += 1

        run_threads(8, work)
        assert sum(sold.values()) == 20
        assert sorted(refused) == list(range(8))
        shelf = store.load(Shelf, "s")
        assert shelf.left == 0
        assert Counter(shelf.takers) == {f"b{n}": count for n, count in sold.items()}


# ---------------------------------------------------------------- command ids


def test_a_repeated_command_returns_its_first_result(store, rules):
    handle(store, Fill("s", 9), rules)
    first = handle(store, Take("s", "ada"), rules, command_id="c-1", actor="ada")
    handle(store, Take("s", "ben"), rules, command_id="c-2")
    again = handle(store, Take("s", "ada"), rules, command_id="c-1", actor="ada")
    assert again.duplicate
    assert again.attempts == 0
    assert (again.version, again.position) == (first.version, first.position) == (2, 2)
    assert again.events == first.events
    assert store.version("s") == 3
    assert store.events("s")[1].metadata["actor"] == "ada"


def test_without_an_id_the_same_command_is_a_new_request(store, rules):
    handle(store, Fill("s", 9), rules)
    handle(store, Take("s", "ada"), rules)
    handle(store, Take("s", "ada"), rules)
    assert store.version("s") == 3


def test_a_refused_command_may_be_repeated_under_its_id(store, rules):
    with pytest.raises(RejectedError):
        handle(store, Take("s", "ada"), rules, command_id="c-1")
    handle(store, Fill("s", 1), rules)
    assert not handle(store, Take("s", "ada"), rules, command_id="c-1").duplicate


def test_an_id_names_one_request_for_ever(store, rules):
    uuid = UUID(int=7)
    handle(store, Fill("s", 9), rules, command_id=uuid)
    assert handle(store, Fill("s", 9), rules, command_id=str(uuid)).duplicate
    for other in (Fill("s", 8), Take("s", "ada")):
        with pytest.raises(InvalidCommandError, match=r"used for another command on 's' \(event 1"):
            handle(store, other, rules, command_id=uuid)
    assert store.version("s") == 1
    # The id is looked for in the stream of the command: another one is another request.
    assert not handle(store, Fill("t", 9), rules, command_id=uuid).duplicate


def test_the_same_request_from_two_sides_at_once_is_handled_once(store, rules):
    """The rival is the same request, delivered twice, and wins: the retry finds its result."""
    handle(store, Fill("s", 9), rules)
    won = []

    def same():
        won.append(handle(store, Overtaken("s", "ada"), rules, command_id="c-1"))

    command = Overtaken("s", "ada", OnceOnly([same]))
    done = handle(store, command, rules, command_id="c-1", wait=0)
    assert done.duplicate
    assert done.events == won[0].events
    assert store.version("s") == 2


class OnceOnly(list):
    """Rivals that are not part of what the command says."""

    def __repr__(self):
        return "()"


def test_a_duplicate_is_found_whole_when_a_command_made_several_events(store):
    def two(command, state):
        return [new_event("Filled", pieces=1), new_event("Filled", pieces=2)]

    several = Decider((0, ()), two, evolve, "SHELF")
    first = handle(store, Fill("s", 3), several, command_id="c")
    handle(store, Fill("s", 3), several)
    again = handle(store, Fill("s", 3), several, command_id="c")
    assert len(again.events) == 2
    assert (again.version, again.position, again.events) == (2, 2, first.events)


# ---------------------------------------------------------------- rules that span aggregates


@dataclass(frozen=True, slots=True)
class TakeWithVoucher(Take):
    voucher: str = ""
    rivals: Any = ()

    def check(self, store):
        used, condition = store.matching(AppendCondition(["Taken"], {"who": self.who}))
        if used:
            raise RejectedError(f"{self.who} took one from {used[0].aggregate_id} already")
        if self.rivals:
            self.rivals.pop()()
        return condition


def test_check_is_asked_and_its_condition_goes_to_the_append(store, rules):
    handle(store, Fill("s", 9), rules)
    handle(store, Fill("t", 9), rules)
    handle(store, TakeWithVoucher("s", "ada"), rules)
    with pytest.raises(RejectedError, match="took one from s already"):
        handle(store, TakeWithVoucher("t", "ada"), rules)
    rivals = [lambda: handle(store, Take("t", "ben"))]
    with pytest.raises(AppendConditionError, match="Taken with who 'ben'"):
        handle(store, TakeWithVoucher("s", "ben", rivals=rivals), rules, retries=0)
    rivals = [lambda: handle(store, Take("t", "eve"))]
    with pytest.raises(RejectedError, match="took one from t already"):
        handle(store, TakeWithVoucher("s", "eve", rivals=rivals), rules, wait=0)
    assert types(store) == ["Filled", "Taken"]


def test_threads_with_a_rule_over_all_shelves(rules):
    """Each of 15 customers is tried by 5 threads on 5 shelves at once: one piece each."""
    with EventStore() as store:
        for n in range(5):
            handle(store, Fill(f"s-{n}", 99), rules)
        outcomes: Counter[str] = Counter()
        lock, together = threading.Lock(), threading.Barrier(5)

        def work(number):
            for customer in range(15):
                together.wait()
                command = TakeWithVoucher(f"s-{number}", f"c{customer}")
                try:
                    handle(store, command, rules, retries=50, wait=0.001)
                    outcome = "taken"
                except RejectedError:
                    outcome = "refused"
                with lock:
                    outcomes[outcome] += 1

        run_threads(5, work)
        assert outcomes == {"taken": 15, "refused": 60}
        counts = store.sql(
            "select event_data->>'$.who', count(*) from events where event_type = 'Taken' "
            "group by all"
        ).fetchall()
        assert sorted(counts) == sorted((f"c{n}", 1) for n in range(15))


# ---------------------------------------------------------------- aggregate and decider agree

STEPS = st.lists(
    st.builds(Fill, st.sampled_from("ab"), st.integers(1, 2))
    | st.builds(Take, st.sampled_from("ab"), st.sampled_from(["ada", "ben"])),
    max_size=12,
)


@settings(max_examples=40)
@examples(STEPS)
def test_both_ways_write_the_same_log(steps):
    with EventStore(clock=LessonClock()) as one, EventStore(clock=LessonClock()) as two:
        for step in steps:
            answers = []
            for store, rules in ((one, None), (two, shelf_decider)):
                try:
                    done = handle(store, step, rules)
                    answers.append((done.version, done.position, len(done.events)))
                except RejectedError as error:
                    answers.append(str(error))
            assert answers[0] == answers[1]
        logs = [[(e.aggregate_id, e.type, e.data) for e in s.read_all()] for s in (one, two)]
        assert logs[0] == logs[1]
