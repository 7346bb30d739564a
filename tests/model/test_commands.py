"""Handling commands: four steps, retries that decide again, ids, deciders, given/when/then."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import FrozenInstanceError, dataclass
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from esnb import (
    Aggregate,
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
from tests.support import run_threads


class Shelf(Aggregate):
    """Pieces on a shelf: it can be filled, and each taking takes one while there are some."""

    aggregate_type = "SHELF"
    snapshot_every = 5

    def __init__(self) -> None:
        self.left = 0
        self.takers: list[str] = []

    def fill(self, pieces: int) -> None:
        self.record("Filled", pieces=pieces)

    def take(self, who: str) -> None:
        self.record("Taken", who=who)

    def refuses(self, event):
        return "the shelf is empty" if event.type == "Taken" and self.left < 1 else None

    def apply(self, event):
        if event.type == "Filled":
            self.left += event.data["pieces"]
        elif event.type == "Taken":
            self.left -= 1
            self.takers = [*self.takers, event.data["who"]]


class ShelfCommand(Command):
    __slots__ = ()
    handled_by: ClassVar[type[Aggregate]] = Shelf


@dataclass(frozen=True, slots=True)
class Fill(ShelfCommand):
    aggregate_id: str
    pieces: int

    def run(self, shelf):
        shelf.fill(self.pieces)


@dataclass(frozen=True, slots=True)
class Take(ShelfCommand):
    aggregate_id: str
    who: str

    def run(self, shelf):
        shelf.take(self.who)


@dataclass(frozen=True, slots=True)
class Overtaken(Take):
    """Decides, and then somebody else is faster: `rivals` are the ones still to come."""

    rivals: Any = ()

    def run(self, shelf):
        shelf.take(self.who)
        if self.rivals:
            self.rivals.pop()()


@dataclass(frozen=True, slots=True)
class Nothing(ShelfCommand):
    aggregate_id: str

    def run(self, shelf):
        pass


def decide(command, state):
    left, _ = state
    match command:
        case Fill(_, pieces):
            return [new_event("Filled", pieces=pieces)]
        case Take(_, who) if left < 1:
            raise RejectedError("the shelf is empty")
        case Take(_, who):
            if isinstance(command, Overtaken) and command.rivals:
                command.rivals.pop()()
            return [new_event("Taken", who=who)]
    return []


def evolve(state, event):
    left, takers = state
    if event.type == "Filled":
        return left + event.data["pieces"], takers
    return left - 1, (*takers, event.data["who"])


shelf_decider = Decider((0, ()), decide, evolve, "SHELF")

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


# ---------------------------------------------------------------- given / when / then

FILLED, TAKEN = new_event("Filled", pieces=1), new_event("Taken", who="ada")


@pytest.fixture(params=[Shelf, shelf_decider], ids=["aggregate", "decider"])
def subject(request):
    return request.param


def failure(check, *arguments):
    with pytest.raises(AssertionError) as caught:
        check(*arguments)
    return str(caught.value)


def test_then_holds(subject):
    given(subject, FILLED).when(Take("s", "ada")).then(TAKEN)
    given(subject).when(Take("s", "ada")).then_rejected("empty")
    given(subject).when(Take("s", "ada")).then_rejected()
    given(subject, FILLED).when(Nothing("s")).then()


def test_the_text_shows_wanted_got_and_the_first_difference(subject):
    outcome = given(subject, FILLED).when(Take("s", "ada"))
    assert failure(outcome.then, new_event("Taken", who="ben")) == "\n".join([
        'given            1 Filled {"pieces":1}',
        "when             Take(aggregate_id='s', who='ada')",
        'wanted           1 Taken {"who":"ben"}',
        'got              1 Taken {"who":"ada"}',
        "first difference event 1, data who: 'ben' wanted, 'ada' found",
    ])  # fmt: skip


def test_each_kind_of_difference_is_named(subject):
    outcome = given(subject, FILLED).when(Take("s", "ada"))

    def first(*wanted):
        return failure(outcome.then, *wanted).splitlines()[-1].removeprefix("first difference ")

    assert first(new_event("Sold", who="ada")) == "event 1, type: Sold wanted, Taken found"
    assert first(new_event("Taken", who="ada", n=1)) == "event 1, data n: 1 is missing"
    assert first(new_event("Taken")) == "event 1, data who: 'ada' was not wanted"
    assert first(TAKEN, FILLED) == "event 2, Filled: missing"
    assert first() == "event 1, Taken: not wanted"
    assert first(new_event("Taken", who="ada", event_version=2)) == (
        "event 1, version: 2 wanted, 1 found"
    )
    by_eve = new_event("Taken", who="ada", metadata={"actor": "eve"})
    assert first(by_eve) == "event 1, metadata actor: 'eve' is missing"
    outcome = given(subject, new_event("Filled", pieces=1)).when(Fill("s", 1))
    assert first(new_event("Filled", pieces=True)) == "event 1, data pieces: True wanted, 1 found"
    assert first(new_event("Filled", pieces=1.0)) == "event 1, data pieces: 1.0 wanted, 1 found"


def test_a_refusal_where_events_were_wanted_shows_the_reason(subject):
    text = failure(given(subject).when(Take("s", "ada")).then, TAKEN)
    assert "given            (nothing)\n" in text
    assert "got              rejected: the shelf is empty\n" in text
    assert text.endswith("first difference it was refused")
    # Nothing happened and refused are two things.
    assert "it was refused" in failure(given(subject).when(Take("s", "ada")).then)


def test_events_where_a_refusal_was_wanted(subject):
    outcome = given(subject, FILLED).when(Take("s", "ada"))
    text = failure(outcome.then_rejected, "empty")
    assert "wanted           rejected, with 'empty' in the reason" in text
    assert text.endswith("first difference it was not refused")
    text = failure(given(subject).when(Take("s", "a")).then_rejected, "sold out")
    assert text.endswith("first difference the reason has no 'sold out'")
    nothing = given(subject, FILLED).when(Nothing("s"))
    assert "it was not refused" in failure(nothing.then_rejected)


def test_metadata_counts_where_it_is_wanted():
    subject = Decider(
        0, lambda c, s: [new_event("X", metadata={"actor": "ada", "n": 1})], lambda s, e: s
    )
    outcome = given(subject).when("anything")
    outcome.then(new_event("X"))
    outcome.then(new_event("X", metadata={"actor": "ada"}))
    assert "'eve' wanted, 'ada' found" in failure(
        outcome.then, new_event("X", metadata={"actor": "eve"})
    )


def test_the_events_given_stay_as_they_were():
    class Greedy(Aggregate):
        def __init__(self):
            self.n = 0

        def apply(self, event):
            event.data.clear()

        def act(self):
            self.record("Acted")

    listed = new_event("Had", items=[1])
    given(Greedy, listed).when(lambda it: it.act()).then(new_event("Acted"))
    assert listed.data == {"items": [1]}


def test_an_outcome_reads_as_a_sentence(subject):
    outcome = given(subject, FILLED).when(Take("s", "ada"))
    asked = "when Take(aggregate_id='s', who='ada'), then"
    assert repr(outcome) == f'given 1 event, {asked} 1 Taken {{"who":"ada"}}'
    refused = given(subject).when(Take("s", "ada"))
    assert repr(refused) == f"given 0 events, {asked} rejected: the shelf is empty"
    assert repr(given(subject).when(Nothing("s"))).endswith("then (nothing)")


def test_a_function_may_ask_an_aggregate():
    given(Shelf, FILLED).when(lambda shelf: shelf.take("ada")).then(TAKEN)
    text = failure(given(Shelf, FILLED).when(lambda shelf: shelf.take("ada")).then)
    assert "when             a function" in text


def test_misuse_is_named():
    with pytest.raises(InvalidCommandError, match=r"given\(\) takes an aggregate class"):
        given(Shelf())
    with pytest.raises(InvalidCommandError, match=r"given\(\) takes events"):
        given(Shelf, "Filled")
    with pytest.raises(InvalidCommandError, match=r"when\(\) takes a command"):
        given(Shelf).when("Take")
    with pytest.raises(InvalidCommandError, match=r"then\(\) takes events"):
        given(Shelf).when(Fill("s", 1)).then("Filled")
    with pytest.raises(ZeroDivisionError):
        given(Shelf).when(lambda shelf: 1 / 0)


@examples(st.lists(st.sampled_from([FILLED, TAKEN]), max_size=4))
def test_then_is_true_only_for_what_happened(wanted):
    two = Decider(0, lambda c, s: [FILLED, TAKEN], lambda s, e: s)
    outcome = given(two).when("x")
    if [e.type for e in wanted] == ["Filled", "Taken"]:
        outcome.then(*wanted)
    else:
        failure(outcome.then, *wanted)
