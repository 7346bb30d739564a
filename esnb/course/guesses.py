"""Guesses and facts: when two of them are the same, and who is told of a guess.

A guess is text that a reader typed, a fact is a value that a cell computed. Both become a key, and
equal keys mean equal: numbers by value ("18.90", 18.9 and Decimal("18.900") are one number),
everything else by its letters, without case and spaces. `widgets/static/guess.js` follows the same
rule where no Python runs; the tests compare the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from esnb.errors import EsnbError

MAX_TEXT = 200
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]{1,2})?")
_GROUPED = re.compile(r"([+-]?[0-9]{1,3}(?:,[0-9]{3})+)(\.[0-9]*)?")
_DECIMAL_COMMA = re.compile(r"([+-]?[0-9]+),([0-9]+)")
_WORDS = {"true": "yes", "false": "no"}


class PredictionError(EsnbError, ValueError):
    """A prediction, a guess or a note that cannot be used as it was given."""


@dataclass(frozen=True, slots=True)
class Guessed:
    """That somebody's guess met the fact for the first time; what was guessed is not in it.

    `mistake` is the key of the note that speaks to this wrong guess, or None. `at` is in UTC.
    """

    prediction: str
    right: bool
    mistake: str | None
    at: datetime


#: Called with each `Guessed`; empty unless somebody asked for it. What they raise is dropped.
listeners: list[Callable[[Guessed], None]] = []


@dataclass(slots=True)
class Kept:
    """What this kernel remembers of one prediction, so that its cells can run again."""

    question: str
    guess: str = ""
    hands: tuple[tuple[str, int], ...] = ()
    shown: bool = False
    told: bool = False


_kept: dict[str, Kept] = {}


def kept(prediction: str, question: str) -> Kept:
    """The memory of a prediction; another question under the same name begins anew."""
    found = _kept.get(prediction)
    if found is None or found.question != question:
        found = _kept[prediction] = Kept(question)
    return found


def forget(prediction: str | None = None) -> None:
    """Forget the guess for one prediction, or for all, as a new kernel would."""
    if prediction is None:
        _kept.clear()
    else:
        _kept.pop(prediction, None)


def tell(guessed: Guessed) -> None:
    """Pass it on to everybody who listens."""
    for listener in [*listeners]:
        try:
            listener(guessed)
        except Exception:
            continue  # a diary that fails must not stop the lesson


def text_of(value: object) -> str:
    """A fact or an option as a reader sees it: 2690, 18.90, yes, PAID."""
    plain = _plain(value)
    if isinstance(plain, bool):
        return "yes" if plain else "no"
    if plain is None:
        return "nothing"
    return plain if isinstance(plain, str) else str(plain)


def key_of(value: object, unit: str = "") -> str:
    """What is compared: equal for a guess and a fact that mean the same."""
    plain = _plain(value)
    if isinstance(plain, Fraction):
        plain = Decimal(plain.numerator) / Decimal(plain.denominator)
    text = _squeezed(text_of(plain))
    for ending in (_squeezed(unit), _squeezed(_singular(unit)), ""):
        number = _number(text.removesuffix(ending))
        if number is not None:
            return number
    return _WORDS.get(text, text)


def quantity(text: str, unit: str) -> str:
    """A number with its unit, in the singular after 1."""
    return f"{text} {_singular(unit) if text == '1' else unit}".rstrip()


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text).lower().replace("\u2212", "-")


def _singular(unit: str) -> str:
    if unit.endswith("ies"):
        return f"{unit[:-3]}y"
    return unit[:-1] if unit.endswith("s") and not unit.endswith("ss") and len(unit) > 2 else unit


def _plain(value: object) -> object:
    """A value of numpy or pandas as Python's own."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", None) == 0 else value


def _number(text: str) -> str | None:
    """A number in one spelling: no sign of plus, no exponent, no zeros that say nothing."""
    if grouped := _GROUPED.fullmatch(text):
        text = grouped[1].replace(",", "") + (grouped[2] or "")
    elif comma := _DECIMAL_COMMA.fullmatch(text):
        text = f"{comma[1]}.{comma[2]}"
    if not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    if not number:
        return "0"
    spelled = f"{number:f}"
    return spelled.rstrip("0").rstrip(".") if "." in spelled else spelled


def checked_text(what: str, value: Any, most: int = MAX_TEXT) -> str:
    """A short text on one line, or `PredictionError` that says which is not one."""
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > most or not text.isprintable():
        raise PredictionError(
            f"{what} is a text of 1 to {most} characters on one line, found {value!r:.80}."
        )
    return text
