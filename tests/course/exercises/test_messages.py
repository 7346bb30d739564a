"""What is said of an answer that is half done, of another shape, or stopped by an error."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from esnb.course.exercises import check
from esnb.course.exercises.engine.showing import shown, value_lines
from esnb.course.exercises.engine.stubs import call_of, gaps_in, names_of, wanted_of
from esnb.course.exercises.engine.values import as_list, same, whole
from tests.course.exercises.answers.tables import code_exercises
from tests.course.exercises.test_bank import BANK, tried

VALUES = [e for e in BANK if e not in code_exercises()]


def test_no_answer_was_passed() -> None:
    feedback = check("03-2")
    assert feedback.outcome == "not yet"
    assert '`check("03-2", buy)`' in feedback.message
    assert '`check("03-1", (expected, afterwards))`' in check("03-1").message


@pytest.mark.parametrize(
    ("exercise", "answer", "gap"),
    [
        ("03-1", (7, ...), "`afterwards`"),
        ("03-1", (None, 9), "`expected`"),
        ("06-1", ([1], {"status": "~", "delivered": ..., "shipped.MUG-BLUE": "-"}),
         '`marks["delivered"]`'),
        ("01-4", {"OrderShipped": True, "CreateOrder": None}, '`names["CreateOrder"]`'),
        ("shop-1", {"order": "order-2001", "event": ..., "by": ...}, '`below_zero["event"]`'),
    ],
)  # fmt: skip
def test_a_half_filled_answer_names_its_gap(exercise: str, answer: Any, gap: str) -> None:
    feedback = check(exercise, answer)
    assert feedback.outcome == "not yet"
    assert gap in feedback.message


def test_a_gap_in_code_is_named_by_its_line() -> None:
    feedback = tried(
        "02-2", "def catch_up(store, bookmark):\n    new = list(store.read_all(bookmark))\n"
        "    return new, ...\n"
    )  # fmt: skip
    assert feedback.outcome == "not yet"
    assert "line 3 of your cell: `return new, ...`" in feedback.message


def test_none_may_be_an_answer() -> None:
    arrives = {"adds all": [1, 1, 2, 3], "ids in memory": [1, "restart", 1, 2, 3],
               "newer only": [2, 1, 3], "inbox on disk": None}  # fmt: skip
    assert check("read-1", arrives).outcome == "right"


ODD: list[Any] = [
    1, 2.5, "text", [], [1], (1, 2, 3, 4, 5), {}, {"a": [1]}, [[1], [2]], object(), {1, 2},
    [{"a": {}}], np.arange(3), pd.DataFrame({"a": [1]}), float("nan"), lambda: 1, int, b"x",
    ({}, []), ([], {}), ("a", None), [None, None],
]  # fmt: skip


@pytest.mark.parametrize("exercise", VALUES)
def test_an_answer_of_another_shape_is_never_an_error_of_the_learner(exercise: str) -> None:
    for odd in ODD:
        feedback = check(exercise, odd)
        assert feedback.outcome in ("not quite", "not yet"), (odd, feedback)
        assert feedback.mistake != "error", (odd, feedback)
        assert "stopped with an error" not in feedback.message


RETURNED = ["1", "'text'", "[]", "[1]", "(1, 2, 3, 4)", "{}", "{'a': [1]}", "object()", "[[1]]"]


@pytest.mark.parametrize("exercise", code_exercises())
def test_what_another_shape_comes_back_is_not_an_error_either(exercise: str) -> None:
    if not BANK[exercise].stub.startswith("def "):
        return
    head = BANK[exercise].stub.splitlines()[0]
    for value in RETURNED:
        feedback = tried(exercise, f"{head}\n    return {value}\n")
        assert feedback.outcome != "right" or exercise == "13-2", (value, feedback)
        assert feedback.mistake != "error", (value, feedback)
        assert "check itself failed" not in feedback.message


@pytest.mark.parametrize(
    "exercise", [e for e in code_exercises() if "\n    return " in BANK[e].stub]
)
def test_a_forgotten_return_has_its_own_message(exercise: str) -> None:
    head = BANK[exercise].stub.splitlines()[0]
    feedback = tried(exercise, f"{head}\n    print('something')\n")
    assert feedback.mistake == "no-return", feedback
    assert "`return`" in feedback.message


def test_other_parameters_are_named() -> None:
    feedback = tried("03-2", "def buy(store):\n    return 'bought'\n")
    assert feedback.mistake == "wrong-arguments"
    assert "buy(store, buyer)" in repr(feedback)


def test_a_typo_is_named_with_what_is_near() -> None:
    text = "def in_order(letters):\n    return sorted(leters)\n"
    assert "Did you mean `letters`?" in tried("02-1", text).message
    text = "def in_order(letters):\n    return [x.sequence_numbr for x in letters]\n"
    assert "Did you mean `sequence_number`?" in tried("02-1", text).message
    text = "def in_order(letters):\n    return zebra(letters)\n"
    assert "run the cells above" in tried("02-1", text).message


def test_a_changed_decorator_is_a_change() -> None:
    stub = BANK["08-3"].stub
    assert tried("08-3", stub).outcome == "not yet"
    assert tried("08-3", stub.replace('@handles("', '@reacts_to("')).outcome == "not quite"


def test_none_and_a_text_are_told_apart() -> None:
    assert value_lines(None) == ["None"]
    assert value_lines("None") == ["'None'"]
    assert value_lines(["a", None]) == ["'a'", "None"]
    assert shown("a sentence") == ["a sentence"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (math.nan, math.nan), (pd.NaT, pd.NaT), ([1, math.nan], (1, np.nan)), (2, np.int64(2)),
        (2.0, Decimal(2)), (np.float32(0.1), 0.1), ({"a": math.nan}, {"a": math.nan}),
        (np.array([1, 2]), [1, 2]), (1, True),
        (pd.DataFrame({"a": [1.0, None]}), pd.DataFrame({"a": [1.0, None]})),
    ],
)  # fmt: skip
def test_values_that_say_the_same(one: Any, other: Any) -> None:
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 2), (1, "1"), (None, math.nan), ("None", None), (1.0, 1.001), ([1], 1), ({}, []),
     ({"a": 1}, {"b": 1}), (pd.Series([1]), [1])],
)  # fmt: skip
def test_values_that_do_not(one: Any, other: Any) -> None:
    assert not same(one, other)


def test_whole_numbers_and_lists_of_any_type() -> None:
    assert [whole(x) for x in (2, 2.0, np.int8(2), Decimal(2))] == [2, 2, 2, 2]
    assert [whole(x) for x in (2.5, True, "2", None, math.nan, math.inf)] == [None] * 6
    assert as_list(x for x in (1, 2)) == as_list(np.array([1, 2])) == [1, 2]
    assert as_list("ab") is None


def test_what_a_stub_tells() -> None:
    stub = "a, b = ..., ...\nc = 1"
    assert names_of(stub) == ["a", "b", "c"]
    assert call_of("99-1", stub) == 'check("99-1", (a, b, c))'
    assert gaps_in((1, [2, ...], None), stub) == ["b[1]", "c"]
    assert wanted_of("def f(x, y):\n    return x") == "a function f(x, y)"
    assert wanted_of("class A:\n    pass") == "a class A"
