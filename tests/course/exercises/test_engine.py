"""The machinery of the exercises, tried with exercises of its own."""

from __future__ import annotations

import itertools
import linecache
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import esnb.course.exercises as course
from esnb import ConcurrencyError, Event, EventStore, LessonClock, new_event, replay
from esnb.course.exercises import Attempt, check, hint, listeners
from esnb.course.exercises.bank.capstone_write import PaperStore
from esnb.course.exercises.engine import time_limit
from esnb.course.exercises.engine.busy_store import BusyStore
from esnb.course.exercises.engine.contract import PROMISES, survives
from esnb.course.exercises.engine.histories import (
    account_history,
    is_account_history,
    is_order_history,
    is_shop_log,
    order_history,
    shop_log,
)
from esnb.course.exercises.engine.registry import _BANK, Chapter
from esnb.course.exercises.engine.showing import first_difference
from esnb.course.exercises.engine.shrinking import shrink
from esnb.course.exercises.engine.stubs import is_untouched
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.values import numbered, same
from esnb.shop import Account

ID = "03-9"
STUB = """
def total(events):
    result = 0
    return ...
"""


_numbers = itertools.count()


def paid(events: list[Event]) -> int:
    return sum(e.data["amount"] for e in events if e.type == "CreditAdded")


def paid_and_spent(events: list[Event]) -> int:
    return sum(e.data.get("amount", 0) for e in events)


@pytest.fixture
def exercise(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An exercise that compares a function with a sum, on accounts."""
    monkeypatch.setattr(time_limit, "LIMIT", 0.4)
    monkeypatch.setattr(course, "_hints_given", type(course._hints_given)())
    course.exercises()
    register = Chapter("03_conflicts").exercise(
        ID, form="Fill in", title="The sum", section="What does a good retry do?", stub=STUB,
        hints=("A nudge.", "The idea.", "def total(events):"), right="A sum forgets nothing.",
        mistakes={"adds-all": "You add what was spent as well. Look at `event.type`."},
        cases=("accounts",),
    )  # fmt: skip

    @register
    def checker(answer: Any, trial: Trial) -> None:
        trial.function(answer, "total(events)")
        cases = [account_history(trial.rng, n) for n in range(12)]
        trial.compare(
            answer, paid, {"accounts": cases}, models={"adds-all": paid_and_spent}, tidy=numbered
        )

    yield
    del _BANK[ID]


def define(text: str, name: str = "total") -> Any:
    names: dict[str, Any] = {"kept": []}
    file = f"<cell {next(_numbers)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), names)
    return names[name]


pytestmark = pytest.mark.usefixtures("exercise")


# --- the three outcomes -----------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, ..., "", define(STUB)], ids=["none", "gap", "text", "f"])
def test_untouched_is_not_yet(answer: Any) -> None:
    assert check(ID, answer).outcome == "not yet"


def test_a_stub_with_another_comment_is_not_yet() -> None:
    assert check(ID, define(STUB.replace("result = 0", "result = 0  # hm"))).outcome == "not yet"


def test_a_gap_that_comes_back_is_not_yet() -> None:
    assert check(ID, lambda events: ...).outcome == "not yet"


def test_right() -> None:
    feedback = check(ID, lambda events: paid(events))
    assert (feedback.outcome, feedback.points, feedback.mistake) == ("right", 1.0, None)
    assert "A sum forgets nothing." in repr(feedback)


def test_a_known_mistake_is_called_by_its_name_and_shown_on_the_smallest_case() -> None:
    feedback = check(ID, lambda events: sum(e.data.get("amount", 0) for e in events))
    assert (feedback.outcome, feedback.mistake) == ("not quite", "adds-all")
    given = dict(feedback.details)["given"]
    # One event is enough to see it: credit that was spent.
    assert len(given) == 1
    assert given[0].startswith("1 CreditSpent amount=")
    assert dict(feedback.details)["wanted"] == ("0",)


def test_an_unknown_mistake_shows_the_difference() -> None:
    feedback = check(ID, lambda events: [len(events)])
    assert (feedback.outcome, feedback.mistake) == ("not quite", "other")


def test_the_same_feedback_each_time() -> None:
    def wrong(events: list[Event]) -> int:
        return paid(events) + (len(events) > 6)

    first = check(ID, wrong)
    assert first == check(ID, wrong)
    assert len(dict(first.details)["given"]) == 7


# --- what learners' code does ------------------------------------------------------------------


def test_an_error_is_shown_with_its_line() -> None:
    feedback = check(ID, define("def total(events):\n    x = 1\n    return events[0].dat\n"))
    assert feedback.mistake == "error"
    said = dict(feedback.details)
    assert said["error"][0].startswith("IndexError")
    assert said["your line"][0].startswith("line 3 of your cell")
    assert said["given"] == ("[] (nothing in it)",)


def test_a_missing_name_asks_for_the_cells_above() -> None:
    feedback = check(ID, define("def total(events):\n    return left(events)\n"))
    assert feedback.mistake == "error"
    assert "run the cells above" in feedback.message


def test_generated_code_has_no_line() -> None:
    text = "from dataclasses import dataclass\n@dataclass\nclass Sum:\n    a: int\n"
    feedback = check(ID, define(text + "total = lambda events: Sum()\n"))
    assert dict(feedback.details)["your line"] == (
        "line 5 of your cell: total = lambda events: Sum()",
    )


@pytest.mark.parametrize(
    "text",
    [
        "def total(events):\n    return total(events)",
        "def total(events):\n    raise SystemExit(1)",
        "def total(events):\n    raise KeyboardInterrupt",
        "def total(events, more):\n    return 1",
        "class total:\n    def __init__(self, events): pass\n    def __eq__(self, o): 1 / 0",
        "class total:\n    def __init__(self, events): pass\n    def __repr__(self): 1 / 0",
        "class total:\n    def __init__(self, events): pass\n    def __deepcopy__(self, m): 1 / 0",
        "total = 'a text'",
        "total = {'a': [1, (2, {3})]}",
    ],
)
def test_check_never_raises(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    feedback = check(ID, define(text))
    assert feedback.outcome == "not quite"
    assert repr(feedback)
    assert feedback._repr_html_()
    assert capsys.readouterr() == ("", "")


def test_events_that_are_changed_do_no_harm() -> None:
    def total(events: list[Event]) -> int:
        for event in events:
            event.data["amount"] = 0
        return 0

    feedback = check(ID, total)
    assert feedback.mistake == "changes-events"
    assert check(ID, paid).outcome == "right"


def test_what_is_done_to_the_list_does_no_harm() -> None:
    def total(events: list[Event]) -> int:
        result = 0
        while events:
            result += paid([events.pop()])
        return result

    assert check(ID, total).outcome == "right"


def test_a_memory_between_calls_is_named() -> None:
    kept: list[int] = []

    def total(events: list[Event]) -> int:
        kept.append(paid(events))
        return sum(kept)

    assert check(ID, total).mistake == "remembers"


def test_prints_are_kept_and_shown() -> None:
    def total(events: list[Event]) -> int:
        print("seen", len(events))
        return -1

    assert dict(check(ID, total).details)["your code printed"][0] == "seen 0"


def test_data_is_escaped() -> None:
    html = check(ID, lambda events: "<script>alert(1)</script>")._repr_html_()
    assert html is not None
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


# --- tests that learners write ------------------------------------------------------------------


def scored(suite: Callable[[Any], None]) -> tuple[str | None, float]:
    def checker(answer: Any, trial: Trial) -> None:
        trial.score_tests(
            answer, paid, {"all": paid_and_spent, "none": lambda events: 0}, {"none": "adds-all"}
        )

    entry = _BANK[ID]
    _BANK[ID] = replace(entry, checker=checker, stub="def total(subject):\n    subject([])\n")
    feedback = check(ID, suite)
    return feedback.mistake, feedback.points


ADDED, SPENT = new_event("CreditAdded", amount=5), new_event("CreditSpent", amount=3)


def test_tests_are_scored_by_the_mutants_they_catch() -> None:
    def weak(total: Any) -> None:
        assert total([ADDED]) == 5

    def strong(total: Any) -> None:
        weak(total)
        assert total([ADDED, SPENT]) == 5

    def only_spent(total: Any) -> None:
        assert total([SPENT]) == 0

    def mad(total: Any) -> None:
        assert total([ADDED]) == 6

    assert scored(weak) == ("too-few-caught", 0.5)
    assert scored(only_spent) == ("adds-all", 0.5)
    assert scored(mad) == ("tests-fail-the-right-one", 0.0)
    assert scored(lambda total: None) == ("too-few-caught", 0.0)
    assert scored(strong) == (None, 1.0)


# --- hints, listeners, grades ---------------------------------------------------------------------


def test_hints_come_in_steps() -> None:
    steps = [hint(ID) for _ in range(5)]
    assert [step.step for step in steps] == [1, 2, 3, 4, 4]
    assert [step.text.splitlines()[-1] for step in steps[:3]] == [
        "A nudge.", "The idea.", "def total(events):",
    ]  # fmt: skip
    assert steps[3].link is not None
    assert steps[3].link.address.startswith("../solutions/03_conflicts.ipynb#")
    assert all(step._repr_html_() for step in steps)


def test_listeners_hear_of_attempts_and_hints() -> None:
    heard: list[Attempt] = []

    def broken(attempt: Attempt) -> None:
        raise RuntimeError("a diary without ink")

    listeners.extend([broken, heard.append])
    try:
        check(ID, None)
        check(ID, paid_and_spent)
        check(ID, paid)
        hint(ID)
        check("no such exercise", 1)
    finally:
        listeners.clear()
    assert [(a.kind, a.outcome, a.mistake, a.step) for a in heard] == [
        ("attempt", "not yet", None, None),
        ("attempt", "not quite", "adds-all", None),
        ("attempt", "right", None, None),
        ("hint", None, None, 1),
    ]
    assert all(a.exercise == ID and a.at.utcoffset() is not None for a in heard)


def test_listeners_hear_the_number_of_the_hint() -> None:
    heard: list[Attempt] = []
    listeners.append(heard.append)
    try:
        for _ in range(6):
            hint(ID)
    finally:
        listeners.clear()
    assert [attempt.step for attempt in heard] == [1, 2, 3, 4, 4, 4]


def test_an_unknown_id_is_answered() -> None:
    assert "03-2" in check("3-2", 1).message
    assert check(None, 1).outcome == "not yet"  # type: ignore[arg-type]
    assert "no exercise" in repr(hint("3-2"))


def test_a_grader_reads_the_bare_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert repr(check(ID, paid, worth=2)) == "2"
    assert check(ID, paid, worth=2)._repr_html_() is None
    assert [repr(check(ID, answer)) for answer in (None, paid_and_spent)] == ["0", "0"]


# --- tools ------------------------------------------------------------------------------------


def test_shrinking_leaves_what_is_needed() -> None:
    case = list(range(40))
    assert shrink(case, lambda c: 7 in c and 31 in c) == [7, 31]
    whole = shrink([1, 2, 3, 4], lambda c: 4 in c, legal=lambda c: 1 in c)
    assert whole == [1, 4]


@pytest.mark.parametrize(
    ("wanted", "got", "said"),
    [
        ({"a": 1}, {"a": 2}, "a: 1 wanted, 2 came back"),
        ({"a": {"b": 1}}, {"a": {}}, "a.b: 1 is missing"),
        ([1, 2], [1, 3], "place 2: 2 wanted, 3 came back"),
        ([1, 2], [1], "place 2: 2 is missing"),
        ([1], [2], ""),
        ([1], [1, 2], "place 2: 2 was not wanted"),
        (1, 2, ""),
    ],
)
def test_first_difference(wanted: Any, got: Any, said: str) -> None:
    assert first_difference(wanted, got) == said


def test_same_survives_odd_values() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError

        __hash__ = None  # type: ignore[assignment]

    assert not same(Odd(), Odd())
    assert same([1, (2,)], (1, [2]))
    assert not same([1], [1, 2])


@pytest.mark.parametrize(
    ("answer", "stub", "verdict"),
    [
        ((..., ...), "a, b = ..., ...", True),
        ((1, ...), "a, b = ..., ...", False),
        ("select 1", "a = 'select  1'", True),
        ({"x": None}, "a = {'x': None}", True),
        ({"x": True}, "a = {'x': None}", False),
        (["AAABBB"], "a = ...", False),
        ("AAABBB", "a = 'AAABBB'", True),
        (0, "a = 1", False),
        (True, "a = 1", False),
    ],
)
def test_untouched_values(answer: Any, stub: str, verdict: bool) -> None:
    assert is_untouched(answer, stub) is verdict


def test_untouched_classes() -> None:
    stub = "class A:\n    def f(self, x):\n        return x\n    @staticmethod\n    def g(): ..."
    assert is_untouched(define(stub, "A"), stub)
    assert not is_untouched(define(stub.replace("return x", "return -x"), "A"), stub)


CLASSES = {
    "plain": "class A:\n    def f(self):\n        return 1",
    "property": "class A:\n    @property\n    def f(self):\n        return 1",
    "attributes": "class A:\n    n = 1\n    text = 'x'",
    "both": "class A:\n    n = 1\n    def f(self):\n        return 1",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int = 1\n"
    "    def f(self):\n        return 1",
    "aggregate": "from esnb import Aggregate\n"
    "class A(Aggregate):\n    def f(self):\n        return 1",
}


@pytest.mark.parametrize("stub", CLASSES.values(), ids=CLASSES)
def test_untouched_classes_of_every_kind(stub: str) -> None:
    assert is_untouched(define(stub, "A"), stub)
    if "return 1" in stub:
        assert not is_untouched(define(stub.replace("return 1", "return 2"), "A"), stub)
    if "n = 1" in stub:
        assert not is_untouched(define(stub.replace("n = 1", "n = 2"), "A"), stub)
    assert not is_untouched(define(stub + "\n    more = 3", "A"), stub)


@pytest.mark.parametrize("seed", range(20))
def test_histories_keep_the_rules(seed: int) -> None:
    rng = random.Random(seed)
    order, account, log = order_history(rng, 7), account_history(rng, 7), shop_log(rng)
    assert is_order_history(order)
    assert is_account_history(account)
    assert is_shop_log(log)
    assert [e.position for e in log] == list(range(1, len(log) + 1))
    assert replay(Account, account).balance >= 0
    assert len({e.event_id for e in log}) == len(log)
    if len(order) > 2:
        assert not is_order_history(order[1:])


def append_seen(store: Any, expected: int) -> Any:
    return store.append("page", [SEEN], expected_version=expected, aggregate_type="PAGE")


SEEN = new_event("Seen")


def test_a_busy_store_lets_others_in_first() -> None:
    store = EventStore(clock=LessonClock())
    busy = BusyStore(store, [lambda real: append_seen(real, 0)])
    with pytest.raises(ConcurrencyError):
        busy.append("page", [new_event("Seen")], expected_version=0, aggregate_type="PAGE")
    assert busy.append("page", [new_event("Seen")], expected_version=1).version == 2
    assert busy.calls == ["append", "append"]


def test_a_busy_store_loses_answers() -> None:
    store = EventStore(clock=LessonClock())
    busy = BusyStore(store, lines=["dead", "lost"])
    versions = []
    for _ in range(2):
        with pytest.raises(ConnectionError):
            append_seen(busy, 0)
        versions.append(store.version("page"))
    assert versions == [0, 1]
    assert append_seen(busy, 0).version == 1


@pytest.mark.parametrize("name", PROMISES)
def test_the_stores_of_the_course_keep_the_contract(name: str) -> None:
    for store in (EventStore(clock=LessonClock()), PaperStore()):
        PROMISES[name](store)


def test_the_store_of_the_course_survives(tmp_path: Path) -> None:
    survives(lambda path: EventStore(path, clock=LessonClock()), tmp_path / "log.db")
