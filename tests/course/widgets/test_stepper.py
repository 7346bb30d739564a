"""The stepper: what each step shows, what counts as changed, and steps that do not fit together."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from esnb import new_event
from esnb.course.widgets import Stepper
from esnb.course.widgets.stepper import MOST_STEPS
from esnb.errors import InvalidEventError

ROWS = [("order-1", "PENDING"), ("order-1", "PAID")]
FACTS: list[Any] = [("OrderPlaced", {"customer": "ada"}), new_event("PaymentReceived", amount=5)]


def frame(n: int) -> pd.DataFrame:
    return pd.DataFrame([ROWS[n]], columns=["id", "status"])


def two() -> Stepper:
    return Stepper(
        [{"table": frame(n), "log": FACTS[: n + 1], "now": {"n": n}} for n in (0, 1)],
        labels=["first", "second"], title="Both",
    )  # fmt: skip


def panels(stepper: Stepper, step: int) -> list[dict[str, Any]]:
    return list(stepper._data["steps"][step])


def test_a_step_shows_each_panel_as_text() -> None:
    table, log, fields = panels(two(), 1)
    assert (table["head"], table["rows"]) == (["id", "status"], [["order-1", "PAID"]])
    assert log["rows"] == [["OrderPlaced", "customer: ada"], ["PaymentReceived", "amount: 5"]]
    assert fields["rows"] == [["n", "1"]]
    assert set(two()._data["types"]) == {"OrderPlaced", "PaymentReceived"}


def test_what_changed_is_marked_and_the_first_step_has_no_mark() -> None:
    first = panels(two(), 0)
    assert {sign for panel in first for row in panel["signs"] for sign in row} == {""}
    table, log, fields = panels(two(), 1)
    assert table["signs"] == [["", "~"]]
    assert log["signs"] == [["", ""], ["+", "+"]]
    assert fields["signs"] == [["", "~"]]


def test_a_missing_value_is_empty_and_a_long_text_is_cut() -> None:
    made = Stepper([{"a": pd.DataFrame({"x": [None, float("nan")]}), "b": "y" * 500}])
    table, text = panels(made, 0)
    assert table["rows"] == [[""], [""]]
    assert len(text["rows"][0][0]) == 120


def test_data_is_escaped_where_it_becomes_html() -> None:
    evil = "<img src=x onerror=alert(1)>"
    made = Stepper([{evil: frame(0), "log": [(evil, {evil: evil})]}], labels=[evil], title=evil)
    assert evil not in made._repr_mimebundle_()["text/html"]
    assert evil not in made._page("light")


def test_it_says_where_it_stands_and_the_still_has_every_step() -> None:
    made = two()
    assert repr(made) == "<stepper: Both; step 0 of 1: first>"
    made.at = 1
    assert repr(made) == "<stepper: Both; step 1 of 1: second>"
    still = made._repr_mimebundle_()["text/html"]
    for text in ("order-1 PENDING", "order-1 PAID", "OrderPlaced, PaymentReceived", "n: 1"):
        assert text in still


@pytest.mark.parametrize(
    ("steps", "labels", "said"),
    [
        ([], None, "1 to 200 steps, found 0"),
        ([{"a": 1}] * (MOST_STEPS + 1), None, "found 201"),
        ([{"a": 1}, {"b": 1}], None, "step 0 has a, step 1 has b"),
        ([{"a": 1}, 7], None, "Step 1 is a mapping"),
        ([{"a": 1}], ["one", "two"], "1 steps need as many labels, found 2"),
    ],
)
def test_steps_that_do_not_fit_together(steps: Any, labels: Any, said: str) -> None:
    with pytest.raises(InvalidEventError, match=said):
        Stepper(steps, labels)


def test_a_step_that_is_not_there() -> None:
    with pytest.raises(InvalidEventError, match="from 0 to 1: there is no step 2"):
        Stepper([{"a": 1}, {"a": 2}], at=2)
