"""What an answer is tried with varies as the exercise says, and the cases have their names."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from esnb import new_event
from esnb.clock import utc
from esnb.course.exercises import cases, check
from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.histories import account_history, order_history, shop_log
from esnb.course.exercises.engine.trial import Trial
from esnb.events import Event
from tests.course.exercises.answers.tables import code_exercises, solution
from tests.course.exercises.test_bank import BANK, answer_of

CODE = code_exercises()
#: Exercises in which the learner writes tests: what varies are the broken subjects, one a case.
SUITES = ("07-2", "write-1")
#: Built by the promises of the contract, each of which is a case.
CONTRACT = ("write-2",)


def trial_of(exercise: str) -> Trial:
    """The trial of the solution: what it was tried with, and under which names."""
    trial = Trial(exercise)
    BANK[exercise].checker(answer_of(exercise, solution(exercise)), trial)
    return trial


@pytest.mark.parametrize("exercise", CODE)
def test_what_is_tried_varies_as_declared(exercise: str) -> None:
    entry, trial = BANK[exercise], trial_of(exercise)
    if exercise not in (*SUITES, *CONTRACT, "11b-1", "11b-4", "12-3"):
        assert len(entry.varies) >= 1
        assert trial.seen, "nothing was noted with trial.case(...)"
    missing = [name for name, varies in entry.varies.items() if not varies(trial.seen)]
    assert missing == []


@pytest.mark.parametrize("exercise", BANK)
def test_the_cases_are_those_that_are_declared(exercise: str) -> None:
    named = {name for name in trial_of(exercise).names if name}
    assert named == set(BANK[exercise].cases)


@pytest.mark.parametrize("exercise", [e for e in CODE if BANK[e].cases])
def test_each_case_can_be_run_alone(exercise: str) -> None:
    answer = answer_of(exercise, solution(exercise))
    shown = repr(cases(exercise))
    for name in BANK[exercise].cases:
        feedback = check(exercise, answer, only=name)
        assert feedback.outcome == "right", feedback
        assert name in shown
        assert name in feedback.message


def test_a_case_that_is_not_there() -> None:
    feedback = check("03-2", print, only="a rival before an append")
    assert feedback.outcome == "not yet"
    assert "Did you mean 'a rival before the append'" in feedback.message
    assert "one case" in repr(cases("01-2"))
    assert "no exercise" in repr(cases("99-9"))


def test_one_case_alone_says_what_is_wrong_with_it() -> None:
    wrong = answer_of(
        "02-1", "def in_order(letters):\n    return sorted(letters, key=lambda e: e.type)\n"
    )
    assert check("02-1", wrong, only="each letter once").outcome == "not quite"


# --- the questions themselves: each can say no ----------------------------------------------------

NOON = utc("2026-03-02T12:00:00Z")


def placed(kind: str = "OrderPlaced", number: int = 1, **fields: Any) -> Event:
    event = new_event(kind, fields.pop("data", {"customer": "ada", "amount": 100}))
    event.settle(event.event_id or new_id(number), NOON)
    return replace(
        event,
        aggregate_id=fields.get("stream", "order-1"),
        sequence_number=number,
        position=fields.get("position", number),
        occurred_at=fields.get("at", NOON),
        recorded_at=fields.get("recorded", NOON + timedelta(minutes=number)),
    )


def new_id(number: int) -> UUID:
    return UUID(int=number, version=4)


TAME = [[placed(), placed(number=2, at=NOON + timedelta(minutes=5))]]
DAY = timedelta(days=2)
QUESTIONS: dict[str, tuple[Callable[[Any], bool], Any]] = {
    "types": (variety.types("OrderPlaced", "ItemAdded"), [[placed(), placed("ItemAdded", 2)]]),
    "customers": (variety.customers(2), [[placed(), placed(data={"customer": "ben"})]]),
    "streams": (variety.streams, [[placed(), placed(stream="order-2")]]),
    "positions": (variety.positions_unlike_numbers, [[placed(position=7)]]),
    "recorded": (
        variety.recorded_unlike_occurred,
        [[placed(at=NOON), placed(number=2, at=NOON - DAY)]],
    ),
    "equal times": (variety.equal_times, [[placed(recorded=NOON), placed(recorded=NOON)]]),
    "days": (variety.gaps_over_a_day, [[placed(), placed(number=2, at=NOON + DAY)]]),
    "amounts": (variety.amounts_off_the_hundred, [[placed(data={"amount": 137})]]),
    "lengths": (variety.lengths(2), [[placed()], [placed(), placed(number=2)]]),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_tells_tame_cases_from_others(name: str) -> None:
    varies, wild = QUESTIONS[name]
    assert varies(wild)
    assert not varies(TAME)


def test_some_wants_both_kinds() -> None:
    assert variety.some(bool)([0, 1])
    assert not variety.some(bool)([1, 1])
    assert not variety.some(bool)([])


def test_the_histories_are_not_tame() -> None:
    rng = random.Random(1)
    orders = [order_history(rng, n % 8 + 1) for n in range(60)]
    accounts = [account_history(rng, n % 8 + 1) for n in range(60)]
    logs = [shop_log(rng, 3) for _ in range(10)]
    for seen in (orders, accounts, logs):
        for varies in (
            variety.positions_unlike_numbers, variety.recorded_unlike_occurred,
            variety.equal_times, variety.gaps_over_a_day, variety.amounts_off_the_hundred,
            variety.customers(2) if seen is not accounts else variety.lengths(3),
        ):  # fmt: skip
            assert varies(seen)
    assert variety.types(*variety.ORDER_TYPES)(orders)
    assert variety.types(*variety.ACCOUNT_TYPES)(accounts)
    for log in logs:
        recorded = [event.recorded_at for event in log]
        assert recorded == sorted(recorded)  # type: ignore[type-var]
