"""given / when / then: a test of rules, in the words of the domain.

    given(Order, placed).when(PayOrder("order-1042")).then(paid)
    given(order_decider, placed, paid).when(CancelOrder(...)).then_rejected("shipped")

A check that fails raises an AssertionError whose text shows the events wanted, the events got, and
the first difference. The form comes from behaviour-driven tests; for events, from Greg Young.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from esnb.errors import InvalidCommandError, RejectedError
from esnb.event_json import dump_json
from esnb.events import Event
from esnb.model.aggregate import Aggregate, replay
from esnb.model.commands import Command, Decider
from esnb.model.state import diff_states

Subject = type[Aggregate] | Decider[Any]


@dataclass(frozen=True, slots=True)
class Given:
    """What has happened; `when` says what is asked now."""

    subject: Subject
    events: tuple[Event, ...]

    def when(self, command: object) -> Outcome:
        """Ask: a command, or for an aggregate also a function such as `lambda order: order.pay()`.

        A refusal by the rules is kept for `then_rejected`; any other error comes through.
        """
        past = deepcopy(self.events)  # an apply or evolve that changes them must not change these
        try:
            if isinstance(self.subject, Decider):
                state = self.subject.state(past)
                return Outcome(self, command, tuple(self.subject.decides(command, state)))
            aggregate = replay(self.subject, past)
            if isinstance(command, Command):
                command.run(aggregate)
            elif callable(command):
                command(aggregate)
            else:
                raise InvalidCommandError(
                    f"when() takes a command, or a function of the aggregate, found {command!r:.60}"
                )
            return Outcome(self, command, aggregate.pending)
        except RejectedError as error:
            return Outcome(self, command, (), error)


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """What came of it: the events, or the refusal. `then` and `then_rejected` compare."""

    given: Given
    command: object
    events: tuple[Event, ...]
    rejected: RejectedError | None = None

    def __repr__(self) -> str:
        count = len(self.given.events)
        asked = "a function" if callable(self.command) else repr(self.command)
        came = f"rejected: {self.rejected}" if self.rejected else "; ".join(_listed(self.events))
        return f"given {count} event{'' if count == 1 else 's'}, when {asked}, then {came}"

    def then(self, *wanted: Event) -> Outcome:
        """Exactly these events, in this order: their types, data and versions are compared.

        Metadata counts where the wanted event has some; ids and times do not. No events: nothing
        happened, and it was not refused either.
        """
        for event in wanted:
            if not isinstance(event, Event):
                raise InvalidCommandError(
                    f"then() takes events, such as new_event('OrderPaid'); found {event!r:.60}."
                )
        difference = self._difference(wanted)
        if difference:
            raise AssertionError(self._report(_listed(wanted), difference))
        return self

    def then_rejected(self, text: str = "") -> Outcome:
        """Refused by a rule, with this part in the reason."""
        wanted = [f"rejected, with {text!r} in the reason" if text else "rejected"]
        if self.rejected is None:
            raise AssertionError(self._report(wanted, "it was not refused"))
        if text not in str(self.rejected):
            raise AssertionError(self._report(wanted, f"the reason has no {text!r}"))
        return self

    def _difference(self, wanted: Sequence[Event]) -> str:
        if self.rejected is not None:
            return "it was refused"
        for number, (want, got) in enumerate(zip(wanted, self.events, strict=False), start=1):
            what = _first_difference(want, got)
            if what:
                return f"event {number}, {what}"
        if len(wanted) > len(self.events):
            return f"event {len(self.events) + 1}, {wanted[len(self.events)].event_type}: missing"
        if len(wanted) < len(self.events):
            return f"event {len(wanted) + 1}, {self.events[len(wanted)].event_type}: not wanted"
        return ""

    def _report(self, wanted: list[str], difference: str) -> str:
        got = [f"rejected: {self.rejected}"] if self.rejected else _listed(self.events)
        asked = "a function" if callable(self.command) else repr(self.command)
        parts = [
            ("given", _listed(self.given.events)),
            ("when", [asked]),
            ("wanted", wanted),
            ("got", got),
            ("first difference", [difference]),
        ]
        return "\n".join(
            f"{name:<17}{line}"
            for title, lines in parts
            for name, line in zip([title] + [""] * len(lines), lines, strict=False)
        )


def given(subject: Subject, *events: Event) -> Given:
    """Begin a test of rules: an aggregate class or a `Decider`, and what has happened to it.

    `given(Order, placed).when(PayOrder("order-1042")).then(paid)`
    """
    if not isinstance(subject, Decider) and not (
        isinstance(subject, type) and issubclass(subject, Aggregate)
    ):
        raise InvalidCommandError(
            f"given() takes an aggregate class or a Decider, and events; found {subject!r:.60}."
        )
    for event in events:
        if not isinstance(event, Event):
            raise InvalidCommandError(
                f"given() takes events, such as new_event('OrderPaid'); found {event!r:.60}."
            )
    return Given(subject, events)


def _first_difference(want: Event, got: Event) -> str:
    if want.event_type != got.event_type:
        return f"type: {want.event_type} wanted, {got.event_type} found"
    if want.event_version != got.event_version:
        return f"version: {want.event_version} wanted, {got.event_version} found"
    known = {key: got.metadata[key] for key in want.metadata if key in got.metadata}
    for where, wanted, found in (
        ("data", want.event_data, got.event_data),
        ("metadata", want.metadata, known),
    ):
        diff = diff_states(wanted, found)
        for path in diff.paths[:1]:
            if path in diff.changed:
                before, after = diff.changed[path]
                return f"{where} {path}: {before!r} wanted, {after!r} found"
            value = diff.removed[path] if path in diff.removed else diff.added[path]
            verdict = "is missing" if path in diff.removed else "was not wanted"
            return f"{where} {path}: {value!r} {verdict}"
    return ""


def _listed(events: Sequence[Event]) -> list[str]:
    return [
        f"{number} {event.event_type} {dump_json(event.event_data, 'data')}"
        for number, event in enumerate(events, start=1)
    ] or ["(nothing)"]
