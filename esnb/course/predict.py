"""Predict before you look: a question, your guess, and later the fact beside it.

A chapter asks in one cell, and answers in a later one:

    from esnb.course.predict import predict

    guess = predict("01-two-facts", "What is the total after the first two facts?", unit="cents")
    guess

    order = replay(facts[:2])
    guess.reveal(order.total, {
        poster: "That is the poster alone: a fact adds to the rest.",
    })

`reveal` is the last line of the cell that computes the answer, so the fact is never typed. Its
notes map wrong guesses to what to say about them, the most common one first: without a guess, that
one is shown as the usual wrong guess. A note whose key turns out to be the fact is left out, so
that the cell can be changed and run again.

With a few possible answers, name them. The fact is compared with them by value:

    guess = predict("03-second", "What happens to the second append?",
                    options=["it is stored", "it is refused", "it waits"])
    guess.reveal("it is refused" if refused else "it is stored", {
        "it waits": "Nothing waits here: the store compares a number and decides at once.",
    })

`options={value: label}` shows labels for values: `{2: "two", 3: "three"}`, `{True: "yes", ...}`.

Numbers are compared as numbers ("18.90", 18.9, Decimal("18.90")), texts without regard to case and
spaces. Without a widget, in a terminal or a plain notebook, it is all text:

    >>> from esnb.course.predict import predict
    >>> guess = predict("demo", "How many events does a paid order have?", unit="events")
    >>> guess.say(2)
    Predict: How many events does a paid order have?
    Your guess: 2 events
    >>> guess.reveal(3, {2: "Placing and paying, yes. An item was added as well."})
    How many events does a paid order have?
    Your guess: 2 events
    The fact:   3 events
    Placing and paying, yes. An item was added as well.

The kernel keeps a guess under the name of its prediction: running the cell again does not lose it.
An emptied input takes it back, `guess.say(None)` too. Until there is a guess, or "show me" is
pressed, the live view of `reveal` stays covered, on a page without a kernel as well. In projector
mode a teacher counts hands for each answer, and `reveal` shows the counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import traitlets

from esnb.course import guesses
from esnb.course.guesses import PredictionError, key_of, quantity, text_of
from esnb.course.widgets import html_parts
from esnb.course.widgets.page import PageWidget

__all__ = ["Prediction", "Reveal", "predict"]

Options = Sequence[object] | Mapping[Any, str]


def predict(
    name: str, question: str, *, unit: str = "", options: Options = (), projector: bool = False
) -> Prediction:
    """Ask for a prediction; show what it returns as the last line of the cell.

    `name` is the name of the prediction, unique in the course, such as "01-two-facts". `unit`
    follows a number. `options` are the possible answers, or a mapping of values to labels.
    `projector=True` is for a lecture hall: large, with a count of hands. Raises `PredictionError`
    for an argument that cannot be used.
    """
    return Prediction(
        Question(
            guesses.checked_text("The name of a prediction", name, 40),
            guesses.checked_text("The question", question, 300),
            unit and guesses.checked_text("The unit", unit, 20),
            _labels(options),
        ),
        projector,
    )


def _labels(options: Options) -> dict[str, str]:
    """The labels of the options by their keys."""
    if isinstance(options, str | bytes) or not isinstance(options, Sequence | Mapping):
        raise PredictionError(
            f"options is a list of answers, or a mapping of values to labels, "
            f"found {options!r:.80}."
        )
    pairs = (
        [*options.items()]
        if isinstance(options, Mapping)
        else [(value, text_of(value)) for value in options]
    )
    labels = {
        key_of(value): guesses.checked_text(f"The option {value!r:.40}", label)
        for value, label in pairs
    }
    if len(labels) < len(pairs):
        raise PredictionError(
            f"Two options mean the same: {', '.join(label for _, label in pairs)}. Texts are "
            "compared without case and spaces, numbers by value."
        )
    if len(labels) == 1:
        raise PredictionError(
            "One option leaves no choice: name two or more, or none for an input."
        )
    return labels


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `labels` maps the keys of the options to what the reader sees."""

    name: str
    text: str
    unit: str
    labels: Mapping[str, str]

    def key(self, value: object) -> str:
        """What is compared. An option may be given by its value or by its label."""
        key = key_of(value, self.unit)
        by_label = {key_of(label): option for option, label in self.labels.items()}
        return key if key in self.labels else by_label.get(key, key)

    def shown(self, value: object) -> str:
        """A guess or a fact as the reader sees it, with its unit."""
        label = self.labels.get(self.key(value))
        return (
            label if label is not None else quantity(self.without_unit(text_of(value)), self.unit)
        )

    def without_unit(self, text: str) -> str:
        """What a reader typed, without the unit that is written behind it anyway."""
        return text.strip().removesuffix(self.unit).strip() if self.unit else text.strip()

    def checked(self, guess: object) -> str:
        """A guess as it is kept: as typed, or the label of an option. "" for none."""
        if guess is None or guess == "":
            return ""
        key = self.key(guess)
        if self.labels and key not in self.labels:
            raise PredictionError(
                f"{text_of(guess)!r:.80} is not one of the options of {self.name!r}.\n"
                f"Options: {', '.join(self.labels.values())}.\n"
                "Guess one of them: guess.say(...)."
            )
        if self.labels:
            return self.labels[key]
        return guesses.checked_text("A guess", self.without_unit(text_of(guess)))

    def data(self) -> dict[str, Any]:
        """What the page needs."""
        return {
            "name": self.name,
            "question": self.text,
            "unit": self.unit,
            "options": list(self.labels.items()),
        }


class _Guessing(PageWidget):
    """What the question and the answer have in common: a guess, and hands that were counted."""

    _begins_with: ClassVar[tuple[str, ...]] = ("_guess", "_hands")
    _guess = traitlets.Unicode("").tag(sync=True)
    _hands: Any = traitlets.List().tag(sync=True)

    def __init__(self, question: Question, data: dict[str, Any], **values: Any) -> None:
        self.question = question
        self._memory = guesses.kept(question.name, question.text)
        super().__init__(
            {**question.data(), **data},
            _guess=self._memory.guess,
            _hands=[list(pair) for pair in self._memory.hands],
            **values,
        )

    @property
    def guess(self) -> str | None:
        """The guess as the reader gave it, or None."""
        return self._guess or None

    def _title(self) -> str:
        return self.question.text

    @traitlets.observe("_guess", "_hands")
    def _remember(self, change: Any) -> None:
        self._memory.guess = self._guess
        self._memory.hands = tuple((str(key), int(count)) for key, count in self._hands)


class Prediction(_Guessing, view="predict"):
    """A question that waits for a guess; made by `predict`."""

    def __init__(self, question: Question, projector: bool) -> None:
        super().__init__(question, {"kind": "question"}, projector=projector)

    def say(self, guess: object) -> Prediction:
        """Guess without the widget; None takes the guess back.

        Raises `PredictionError` where there are options and it is not one of them.
        """
        self._guess = self.question.checked(guess)
        return self

    def reveal(self, truth: object, notes: Mapping[Any, str] | None = None) -> Reveal:
        """Show the fact beside the guess, and the note for that very wrong guess.

        `truth` is what the cell computed. `notes` maps wrong guesses to what to say about them, the
        most common first. Raises `PredictionError` for a note about what is not an option.
        """
        return Reveal(self.question, truth, notes or {}, self.projector)

    def __repr__(self) -> str:
        lines = [f"Predict: {self.question.text}"]
        if self.guess is not None:
            return "\n".join([*lines, f"Your guess: {self.question.shown(self.guess)}"])
        lines += [f"  - {label}" for label in self.question.labels.values()]
        return "\n".join([*lines, "No guess yet. Without a widget: guess.say(...)"])

    def _still(self) -> str:
        question = self.question
        rows = "".join(f"<li>{html_parts.text(label)}</li>" for label in question.labels.values())
        given = (
            f"Your guess: {html_parts.text(question.shown(self.guess))}"
            if self.guess is not None
            else "Commit to an answer before you read on."
        )
        return (
            f"<p><b>Predict:</b> {html_parts.text(question.text)}</p>"
            f"{f'<ul>{rows}</ul>' if rows else ''}<p>{given}</p>"
        )


class Reveal(_Guessing, view="predict", root="esnb-predict"):
    """The fact beside the guess; made by `Prediction.reveal`."""

    _begins_with: ClassVar[tuple[str, ...]] = ("_guess", "_hands", "_shown")
    _shown = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self, question: Question, truth: object, notes: Mapping[Any, str], projector: bool
    ) -> None:
        self.truth = truth
        self.fact = question.shown(truth)
        self._key = question.key(truth)
        self.notes = _notes(question, notes, self._key)
        data = {
            "kind": "answer",
            "fact": self.fact,
            "key": self._key,
            "notes": [[key, *note] for key, note in self.notes.items()],
        }
        shown = guesses.kept(question.name, question.text).shown
        super().__init__(question, data, projector=projector, _shown=shown)
        self._tell()

    @property
    def right(self) -> bool | None:
        """Whether the guess is the fact; None without a guess."""
        return None if self.guess is None else self.question.key(self.guess) == self._key

    def __repr__(self) -> str:
        return "\n".join([self.question.text, *self._lines(), *self._counted()])

    def _lines(self) -> list[str]:
        """Guess, fact and note, a line each."""
        if self.guess is not None:
            said = f"Your guess: {self.question.shown(self.guess)}"
            note = self.notes.get(self.question.key(self.guess))
            return [said, f"The fact:   {self.fact}{', as you said' if self.right else ''}"] + (
                [note[1]] if note else []
            )
        usual = next(iter(self.notes.values()), None)
        fact = f"The fact: {self.fact}"
        return [fact] + ([f"Often guessed: {usual[0]}. {usual[1]}"] if usual else [])

    def _counted(self) -> list[str]:
        if not self._hands:
            return []
        return [f"Hands: {'; '.join(f'{self.question.shown(a)} {n}' for a, n in self._hands)}"]

    def _still(self) -> str:
        """On a page without scripts the fact waits behind a fold, unless a guess was made."""
        question = f"<b>{html_parts.text(self.question.text)}</b>"
        lines = "<br>".join(html_parts.text(line) for line in [*self._lines(), *self._counted()])
        if self.guess is not None or self._shown:
            return f"<p>{question}<br>{lines}</p>"
        return (
            f"<p>{question}</p><details><summary>Guess first, then open this</summary>"
            f"<p>{lines}</p></details>"
        )

    @traitlets.observe("_guess", "_shown")
    def _note_what_was_seen(self, change: Any) -> None:
        self._memory.shown = self._memory.shown or self._shown
        self._tell()

    def _tell(self) -> None:
        """Tell the listeners of the first guess that met the fact, and of no later one."""
        if self.right is None or self._memory.told:
            return
        self._memory.told = True
        mistake = self.question.key(self.guess)
        guesses.tell(
            guesses.Guessed(
                self.question.name,
                self.right,
                mistake if not self.right and mistake in self.notes else None,
                datetime.now(UTC),
            )
        )


def _notes(question: Question, notes: Mapping[Any, str], truth: str) -> dict[str, tuple[str, str]]:
    """The notes by the keys of their guesses: how the guess is shown, and what to say to it."""
    if not isinstance(notes, Mapping):
        raise PredictionError(
            f"Notes are a mapping of wrong guesses to texts, found {notes!r:.80}.\n"
            'Write it so: guess.reveal(truth, {1890: "That is the poster alone."}).'
        )
    found = {}
    for guess, text in notes.items():
        key = question.key(guess)
        if question.labels and key not in question.labels:
            raise PredictionError(
                f"There is a note for {text_of(guess)!r:.80}, which is not an option of "
                f"{question.name!r}.\nOptions: {', '.join(question.labels.values())}."
            )
        if key != truth:
            note = guesses.checked_text(f"The note for {guess!r:.40}", text, 400)
            found[key] = (question.shown(guess), note)
    return found
