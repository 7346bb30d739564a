"""Fingerprints of functions: equal where the code is, different wherever the result might be."""

from __future__ import annotations

import functools
import itertools
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esnb.code_fingerprint import fingerprint

ROOT = Path(__file__).resolve().parent.parent

BASE = """
import math
import re
from decimal import Decimal

RATE = 100
TABLE = {"a": [1, 2]}
WORD = re.compile("x+")

def helper(value):
    return value * RATE

def step(data, factor=2, *, plus=0):
    inner = [helper(item) + plus for item in data["items"] if WORD.match(item)]
    try:
        return {**data, "sum": math.floor(sum(inner)) * factor, "table": TABLE, "d": Decimal("1")}
    except ValueError:
        return data
"""


def module(source: str, name: str = "made_by_a_test") -> ModuleType:
    made = ModuleType(name)
    sys.modules[name] = made
    exec(compile(textwrap.dedent(source), f"{name}.py", "exec"), vars(made))
    return made


def print_of(source: str) -> str:
    return fingerprint(module(source).step)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RATE = 100", "RATE = 101"),
        ('{"a": [1, 2]}', '{"a": [1, 2.0]}'),
        ('{"a": [1, 2]}', '{"a": (1, 2)}'),
        ('compile("x+")', 'compile("x*")'),
        ('compile("x+")', 'compile("x+", re.I)'),
        ("value * RATE", "value + RATE"),
        ("factor=2", "factor=3"),
        ("plus=0", "plus=1"),
        ("if WORD.match(item)", "if WORD.search(item)"),
        ("ValueError", "KeyError"),
        ('Decimal("1")', 'Decimal("1.0")'),
        ("math.floor", "math.ceil"),
        ("import math", "import cmath as math"),
        ("        return data\n", "        raise\n"),
    ],
)
def test_what_may_change_the_result_changes_the_fingerprint(old: str, new: str) -> None:
    assert old in BASE
    assert print_of(BASE.replace(old, new)) != print_of(BASE)


def test_what_cannot_change_the_result_does_not() -> None:
    moved = BASE.replace("def step", "# a comment\n\n\ndef unused():\n    return 1\n\ndef step")
    assert print_of(moved) == print_of(BASE)


def test_it_is_the_same_in_another_process_and_from_stored_bytecode(tmp_path: Path) -> None:
    (tmp_path / "steps_of_a_test.py").write_text(BASE)
    code = (
        "import sys; sys.dont_write_bytecode = False; sys.path.insert(0, '.'); "
        "from steps_of_a_test import step; from esnb.code_fingerprint import fingerprint; "
        "print(fingerprint(step))"
    )
    found = set()
    for seed in ("1", "2", "3"):  # the order of sets and of hashes is another in each
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
            env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
        )  # fmt: skip
        found.add(done.stdout.strip())
    assert len(found) == 1
    assert list(tmp_path.glob("__pycache__/*.pyc"))


def test_a_helper_in_another_module_of_the_project_counts() -> None:
    def with_helper(body: str) -> str:
        module(f"LIMIT = 5\ndef double(value):\n    return {body}", "helpers_of_a_test")
        return print_of(
            "import helpers_of_a_test\ndef step(data):\n"
            "    return helpers_of_a_test.double(data['a']) + helpers_of_a_test.LIMIT"
        )

    assert with_helper("value * 2") == with_helper("value * 2")
    assert with_helper("value * 2") != with_helper("value * 3")


def test_what_a_closure_holds_counts() -> None:
    def made(rate: Any) -> Any:
        return lambda data: {"a": data["a"] * rate}

    assert fingerprint(made(2)) == fingerprint(made(2))
    assert fingerprint(made(2)) != fingerprint(made(2.0))
    assert fingerprint(made({1, 2})) == fingerprint(made({2, 1}))
    assert fingerprint(functools.partial(made, 1)) != fingerprint(functools.partial(made, 2))


def test_two_functions_that_use_each_other() -> None:
    source = "def step(d):\n    return other(d)\ndef other(d):\n    return step(d) if d else {}"
    assert print_of(source) == print_of(source)
    assert print_of(source) != print_of(source.replace("if d", "if not d"))
    looped = "LOOP = []\nLOOP.append(LOOP)\ndef step(d):\n    return LOOP"
    assert print_of(looped) == print_of(looped)


class Rate:
    def __init__(self, value: int) -> None:
        self.value = value

    def __call__(self, data: Any) -> Any:
        return data


RATE = Rate(2)


@pytest.mark.parametrize(
    "function",
    [Rate(2), Rate(2).__call__, lambda data, rate=RATE: rate.value, lambda data: Rate(2).value],
    ids=["instance", "method", "default", "class"],
)
def test_what_cannot_be_told_is_never_the_same(function: Any) -> None:
    assert fingerprint(function) != fingerprint(function)


def test_functions_of_other_packages_are_known_by_name() -> None:
    import json

    assert fingerprint(json.loads) == fingerprint(json.loads) != fingerprint(json.dumps)
    assert fingerprint(len) == fingerprint(len) != fingerprint(sum)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.0, -0.0, 1.0, "", "a", b"a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=5,
)


@given(VALUES, VALUES)
def test_values_are_told_apart_as_their_reprs_are(one: Any, other: Any) -> None:
    def holding(value: Any) -> Any:
        return lambda data: value

    assert (fingerprint(holding(one)) == fingerprint(holding(other))) == (repr(one) == repr(other))


def test_the_oracle_of_the_property_tells_these_apart() -> None:
    nasty = [0, 0.0, -0.0, False, "0", b"0", (), [], {}, None, [()], ([],), {"a": 1}, {"a": True}]
    assert all(repr(a) != repr(b) for a, b in itertools.combinations(nasty, 2))
