"""Predictions in Python: guess, fact, note, and what a page without scripts shows."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import esnb.course.predict as module
from esnb.course import guesses
from esnb.course.predict import PredictionError, predict

NOTES = {1890: "That is the poster alone.", "0": "Facts are not taken back."}
POLICIES = {True: "it is refused", False: "it is stored"}


@pytest.fixture(autouse=True)
def new_kernel() -> Iterator[list[guesses.Guessed]]:
    """Nothing is remembered; what the listeners hear is collected."""
    guesses.forget()
    heard: list[guesses.Guessed] = []
    guesses.listeners.append(heard.append)
    yield heard
    guesses.listeners.remove(heard.append)
    guesses.forget()


def total(**options: Any) -> module.Prediction:
    return predict("01-two-facts", "What is the total?", unit="cents", **options)


def html(widget: Any) -> str:
    return str(widget._repr_mimebundle_()["text/html"])


def test_examples_of_the_module() -> None:
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 2


def test_the_guess_stands_beside_the_fact_with_its_note() -> None:
    guess = total().say("1,890.00")
    assert repr(guess.reveal(2690, NOTES)).splitlines() == [
        "What is the total?",
        "Your guess: 1,890.00 cents",
        "The fact:   2690 cents",
        "That is the poster alone.",
    ]
    assert "poster" not in repr(guess.say(0).reveal(2690, NOTES))
    assert "Facts are not" in repr(guess.say(Decimal("0.0")).reveal(2690, NOTES))
    assert guess.say(17).reveal(2690, NOTES).right is False
    right = guess.say("2690 cents").reveal(2690, NOTES)
    assert right.right is True
    assert repr(right).endswith("Your guess: 2690 cents\nThe fact:   2690 cents, as you said")


def test_without_a_guess_the_usual_wrong_one_is_shown() -> None:
    shown = total().reveal(2690, NOTES)
    assert shown.right is None
    assert repr(shown).splitlines() == [
        "What is the total?",
        "The fact: 2690 cents",
        "Often guessed: 1890 cents. That is the poster alone.",
    ]
    assert repr(total().reveal(2690)) == "What is the total?\nThe fact: 2690 cents"


def test_options_are_compared_by_value_or_label() -> None:
    guess = predict("p", "What now?", options=POLICIES)
    assert repr(guess).splitlines()[1:3] == ["  - it is refused", "  - it is stored"]
    shown = guess.say("It is  STORED").reveal(True, {False: "The number did not fit."})
    assert "Your guess: it is stored\nThe fact:   it is refused\nThe number" in repr(shown)
    assert guess.say(False).reveal(False).right is True
    assert guess.say(True).reveal("it is refused").right is True
    numbers = predict("n", "How many?", options=[1, 2, 3])
    assert numbers.say("2").reveal(Decimal("2.0")).right is True


def test_a_fact_outside_the_options_and_a_note_for_the_fact_do_not_break_a_changed_cell() -> None:
    guess = predict("n", "How many?", options=[1, 2], unit="events").say(2)
    assert "The fact:   5 events" in repr(guess.reveal(5, {1: "No."}))
    assert "No." not in repr(guess.say(1).reveal(1, {1: "No."}))
    guess.say(None)
    assert "Often" not in repr(guess.reveal(1, {1: "No."}))


def test_a_guess_is_kept_in_the_kernel_and_can_be_taken_back() -> None:
    total().say(1890)
    again = total()
    assert again.guess == "1890"
    assert "Your guess: 1890 cents" in html(again)
    assert predict("01-two-facts", "Another question?").guess is None
    assert predict("01-two-facts", "Another question?").say(3).say(None).guess is None
    assert total().guess is None  # the other question took its place
    again = total().say(5)
    guesses.forget("01-two-facts")
    assert total().guess is None


def test_what_was_shown_stays_shown() -> None:
    total().reveal(2690)._shown = True
    assert total().reveal(2690)._shown
    assert "<details>" not in html(total().reveal(2690))


def test_hands_are_kept_and_shown_beside_the_fact() -> None:
    guess = total(projector=True)
    guess._hands = [["1890", 12], ["2690", 1]]
    shown = guess.reveal(2690)
    assert shown.projector
    assert repr(shown).endswith("Hands: 1890 cents 12; 2690 cents 1")
    assert "Hands: 1890 cents 12" in html(shown)


@pytest.mark.parametrize("right", [True, False])
def test_listeners_hear_of_the_first_guess_that_met_the_fact(right: bool) -> None:
    heard: list[guesses.Guessed] = []
    guesses.listeners.append(heard.append)
    guesses.listeners.append(lambda _: 1 / 0)
    try:
        guess = total()
        guess.reveal(2690, NOTES)
        assert heard == []
        guess.say(2690 if right else 1890)
        assert heard == []
        guess.reveal(2690, NOTES)
        guess.say(1).reveal(2690, NOTES)
        guess.reveal(2690, NOTES)
    finally:
        del guesses.listeners[-2:]
    (one,) = heard
    assert (one.prediction, one.right) == ("01-two-facts", right)
    assert one.mistake == (None if right else "1890")
    assert one.at.tzinfo is not None


def test_a_guess_that_no_note_knows_is_not_passed_on(new_kernel: list[guesses.Guessed]) -> None:
    total().say("my own secret").reveal(2690, NOTES)
    assert [(g.right, g.mistake) for g in new_kernel] == [(False, None)]


def test_a_guess_made_below_reaches_python(new_kernel: list[guesses.Guessed]) -> None:
    shown = total().reveal(2690, NOTES)
    shown._guess = "1890"  # as the browser sets it
    assert new_kernel[0].mistake == "1890"
    assert total().guess == "1890"


def test_stored_outputs_repeat_and_hold_no_address() -> None:
    for _ in range(2):
        bundle = total()._repr_mimebundle_()
        assert bundle["text/plain"] == (
            "Predict: What is the total?\nNo guess yet. Without a widget: guess.say(...)"
        )
        assert bundle["text/html"] == (
            "<p><b>Predict:</b> What is the total?</p>"
            "<p>Commit to an answer before you read on.</p>"
        )
        assert "application/vnd.jupyter.widget-view+json" in bundle
    covered = html(total().reveal(2690, NOTES))
    assert covered.index("<details>") < covered.index("2690 cents") < covered.index("</details>")
    assert "0x" not in covered
    guess = total().say(1890)
    assert "<details>" not in html(guess.reveal(2690, NOTES))


def test_data_is_shown_as_text() -> None:
    evil = "<img src=x onerror=alert(1)>"
    guess = predict("x", f"What {evil}?", options=[evil, "b"], unit="").say(evil)
    for widget in (guess, guess.reveal(evil), guess.say("b").reveal(evil, {"b": evil})):
        assert "<img" not in html(widget)
        assert "&lt;img" in html(widget)


def test_the_page_holds_the_rule_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    for widget in (total(), total().reveal(2690, NOTES)):
        page = widget.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
        assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"^import ", page, re.M)
        still = page.split("<noscript>")[1].split("</noscript>")[0]
        assert "What is the total?" in still


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: predict("", "Why?"), "name of a prediction is a text of 1 to 40"),
        (lambda: predict("a", " "), "The question is a text"),
        (lambda: predict("a", "b", options="yes"), "options is a list of answers"),
        (lambda: predict("a", "b", options=3), "options is a list"),  # type: ignore[arg-type]
        (lambda: predict("a", "b", options=["Yes", "y es"]), "Two options mean the same"),
        (lambda: predict("a", "b", options=[1, "1.0"]), "Two options mean the same"),
        (lambda: predict("a", "b", options=["only"]), "One option leaves no choice"),
        (lambda: predict("a", "b", unit="x" * 30), "The unit is a text"),
        (lambda: predict("a", "b", options=[1, 2]).say(3), "not one of the options of 'a'"),
        (lambda: total().say("x" * 300), "A guess is a text of 1 to 200"),
        (lambda: total().reveal(1, ["no"]), "Notes are a mapping"),  # type: ignore[arg-type]
        (lambda: total().reveal(1, {2: ""}), "note for 2 is a text"),
        (
            lambda: predict("a", "b", options=[1, 2]).reveal(1, {3: "x"}),
            "note for '3', which is not an option",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(make: Any, says: str) -> None:
    with pytest.raises(PredictionError, match=re.escape(says)):
        make()
