"""The checkers are judged: every mutant of a right answer is rejected, or known to be right too.

In a normal run some mutants of each exercise are tried, always the same; with ESNB_ALL_MUTANTS=1
in the environment all of them are.
"""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest

from esnb.course.exercises.engine import time_limit
from tests.course.exercises.answers.tables import code_exercises, mutants
from tests.course.exercises.equivalent import EQUIVALENT
from tests.course.exercises.mutants import Mutant
from tests.course.exercises.test_bank import BANK, tried

ALL = bool(os.environ.get("ESNB_ALL_MUTANTS"))
SAMPLE = 5


@pytest.fixture(autouse=True)
def _short_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # a mutant with a file of its own takes another name for it
    monkeypatch.setattr(time_limit, "LIMIT", 0.5)
    monkeypatch.setattr(time_limit, "IDLE", 2.0)


def chosen(exercise: str) -> list[tuple[int, Mutant]]:
    found = mutants(exercise)
    return found if ALL else random.Random(exercise).sample(found, min(SAMPLE, len(found)))


def reason_for(exercise: str, number: int, mutant: Mutant) -> str | None:
    """Why this mutant is right as well; None where it has to be rejected."""
    name = f"{number}: {mutant.what}"
    found = (
        r for pattern, r in EQUIVALENT.get(exercise, {}).items() if re.fullmatch(pattern, name)
    )
    return next(found, None)


def passes(exercise: str, mutant: Mutant) -> bool:
    """Whether the check takes it for right; a cell that does not even run is none."""
    try:
        feedback = tried(exercise, mutant.source)
    except Exception:  # of the answer cell, such as a name that is not there any more
        return False
    assert "The check itself failed" not in feedback.message, mutant
    return feedback.outcome == "right"


@pytest.mark.parametrize("exercise", code_exercises())
def test_a_mutant_is_rejected_unless_it_is_right_as_well(exercise: str) -> None:
    survivors = []
    for number, mutant in chosen(exercise):
        if reason_for(exercise, number, mutant) is None and passes(exercise, mutant):
            survivors.append(f"answer {number}: {mutant.what}\n{mutant.source}")
    assert not survivors, "\n".join(survivors)


@pytest.mark.parametrize("exercise", code_exercises())
def test_there_are_many_mutants(exercise: str) -> None:
    assert len(mutants(exercise)) >= 20


def test_every_equivalent_mutant_is_one() -> None:
    for exercise, reasons in EQUIVALENT.items():
        names = [f"{number}: {mutant.what}" for number, mutant in mutants(exercise)]
        for pattern, reason in reasons.items():
            assert any(re.fullmatch(pattern, name) for name in names), f"{exercise}: {pattern}"
            assert len(reason.split()) > 1
    assert EQUIVALENT.keys() <= BANK.keys()
