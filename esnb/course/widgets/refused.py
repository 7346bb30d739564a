"""Commands that were refused. They left no event, so a log knows nothing of them.

refused = Refusals()
refused.handle(store, PayOrder("order-17"))
refused.handle(store, PayOrder("order-17"))     # paid already: noted, not raised
TimeTravel(store, "order-17", fold=Order, refused=refused)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from esnb.errors import InvalidEventError, RejectedError
from esnb.model.commands import Handled, handle
from esnb.store.event_store import EventStore


@dataclass(frozen=True, slots=True)
class Refused:
    """A command that a rule said no to: after which event (0: before the first), its name, why.

    `aggregate_id` None means: of the aggregate that is looked at.
    """

    after: int
    command: str
    reason: str
    aggregate_id: str | None = None

    @classmethod
    def of(cls, command: object, error: RejectedError, after: Handled | int) -> Refused:
        """From a command, the error that it raised, and what was handled before it."""
        number = after.version if isinstance(after, Handled) else after
        return cls(number, _name(command), str(error), getattr(command, "aggregate_id", None))


class Refusals(list[Refused]):
    """A list of refused commands that grows as commands are handled."""

    def handle(self, store: EventStore, command: Any, *args: Any, **options: Any) -> Handled | None:
        """Like `esnb.handle`; a command that is refused is noted, and None returned."""
        try:
            return handle(store, command, *args, **options)
        except RejectedError as error:
            self.append(Refused.of(command, error, store.version(command.aggregate_id)))
            return None


def rows_of(items: Iterable[Any], aggregate_id: str, last: int) -> list[list[Any]]:
    """Refused commands as the view draws them, in order: [after, command, reason].

    An item is a `Refused`, a triple of the same, or a mapping with these names. Those of other
    aggregates are left out. Raises `InvalidEventError` for what is neither, or not in the stream.
    """
    found = []
    for item in items:
        one = _refused(item)
        if one.aggregate_id not in (None, aggregate_id):
            continue
        if isinstance(one.after, bool) or not isinstance(one.after, int):
            raise InvalidEventError(f"after is the number of an event, found {one.after!r}.")
        if not 0 <= one.after <= last:
            raise InvalidEventError(
                f"{one.command} was refused after event {one.after}, but {aggregate_id} has only "
                f"0 to {last}."
            )
        found.append([one.after, one.command, one.reason])
    return sorted(found, key=lambda row: int(row[0]))


def _refused(item: Any) -> Refused:
    if isinstance(item, Refused):
        return item
    try:
        values = dict(item) if isinstance(item, Mapping) else dict(zip(_NAMES, item, strict=True))
        return Refused(
            values.pop("after"), _name(values.pop("command")), str(values.pop("reason")), **values
        )
    except (KeyError, TypeError, ValueError):
        raise InvalidEventError(
            "A refused command is written (after, command, reason), such as "
            f'(3, "ShipOrder", "not paid yet"); found {item!r:.100}.'
        ) from None


_NAMES = ("after", "command", "reason")


def _name(command: object) -> str:
    if isinstance(command, str):
        return command
    return command.__name__ if isinstance(command, type) else type(command).__name__
