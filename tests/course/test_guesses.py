"""When a guess is the fact: by value, by letters, and the same on a page without Python."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb.course.guesses import key_of, quantity, text_of
from tests.node import node

SAME: list[tuple[Any, Any]] = [
    ("18.90", Decimal("18.9")), ("18.90", 18.9), ("18,90", 18.9), ("1,890", 1890),
    ("1,890.50", 1890.5), ("1890.0", np.int64(1890)), (" 1890 ", 1890), ("1e3", 1000),
    ("+7", 7), ("-0", 0), ("\u22123", -3), (Fraction(1, 4), 0.25), (np.float64(0.5), "0.5"),
    ("True", True), ("yes", np.bool_(True)), ("No", False), (" Order Placed", "orderplaced"),
    (None, "Nothing"), ([1, 2], "[1,2]"),
]  # fmt: skip
OTHER: list[tuple[Any, Any]] = [
    ("18.90", 1890), ("18,900", 18.9), ("1", True), ("paid", "placed"), ("", 0), ("1,89", 189),
    ("1.2.3", "123"), ("12e999", "12"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_same(one: Any, other: Any) -> None:
    assert key_of(one) == key_of(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_not_the_same(one: Any, other: Any) -> None:
    assert key_of(one) != key_of(other)


def test_a_unit_may_be_typed() -> None:
    assert {key_of(text, "cents") for text in ("1890", "1890 cents", "1,890 Cent")} == {"1890"}
    assert key_of("1 entry", "entries") == "1"
    assert key_of("cents", "cents") == "cents"
    assert key_of("sales", "s") == "sales"


def test_a_number_is_shown_with_its_unit() -> None:
    assert quantity("2", "events") == "2 events"
    assert quantity("1", "events") == "1 event"
    assert quantity("1", "") == "1"
    assert [text_of(v) for v in (np.int64(3), True, None, Decimal("18.90"))] == [
        "3", "yes", "nothing", "18.90",
    ]  # fmt: skip


NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(
    lambda d: abs(d.adjusted()) < 60
)


@settings(max_examples=200, deadline=None)
@given(NUMBERS, NUMBERS)
def test_numbers_are_the_same_when_their_values_are(one: Decimal, other: Decimal) -> None:
    assert (key_of(f"{one:f}") == key_of(f"{other:f}")) == (one == other)
    assert Decimal(key_of(f"{one:f}")) == one
    assert key_of(one) == key_of(f"{one:f}")


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.text("0123456789+-.,eE \u2212trufalsyno", max_size=9)
        | NUMBERS.map(lambda d: f"{d:e}")
        | st.text(st.characters(max_codepoint=0x250, exclude_categories=("C", "Z")), max_size=9),
        min_size=30,
        max_size=200,
    ),
    st.sampled_from(["", "cents", "entries", "s"]),
)
def test_the_page_compares_as_python_does(texts: list[str], unit: str) -> None:
    with node("answer.mjs") as ask:
        pages = ask("keys", texts=texts, unit=unit)
    for text, (key, shown) in zip(texts, pages, strict=True):
        assert key == key_of(text, unit), text
        assert shown == quantity(text, unit).rstrip()
