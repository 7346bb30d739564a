"""The rules of a class held against a log: every case replayed, the first refusal of each named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from esnb.errors import RejectedError, ReplayError
from esnb.events import Event
from esnb.model.aggregate import Foldable, apply_to
from esnb.store.reader import Reader


@dataclass(frozen=True, slots=True)
class Conformance:
    """What the rules of a class say about every stream of a log.

    `cases` were replayed, `fitting` of them without an objection. `refusals` has one row for each
    stream that was refused: aggregate_id, sequence_number, position, event_type, `rule`
    ("rule", or the class of the error with which `apply` failed) and the reason in its words.
    `kinds` counts them.
    """

    cases: int
    refusals: pd.DataFrame

    @property
    def fitting(self) -> int:
        """How many cases the rules accept from the first event to the last."""
        return self.cases - len(self.refusals)

    @property
    def kinds(self) -> pd.DataFrame:
        """The refusals by event type and kind of error, the most frequent first."""
        counted = self.refusals.groupby(["event_type", "rule"], as_index=False).agg(
            cases=("aggregate_id", "size"),
            example=("aggregate_id", "first"),
            reason=("reason", "first"),
        )
        return counted.sort_values(
            ["cases", "event_type", "rule"], ascending=[False, True, True], ignore_index=True
        )

    def __repr__(self) -> str:
        return f"<Conformance: {self.fitting} of {self.cases} cases fit the rules>"


def conformance(
    reader: Reader, aggregate_type: str, cases: Sequence[str], rules: type[Foldable]
) -> Conformance:
    """Replay the cases with a class; see `Process.conformance`."""
    found: list[tuple[Any, ...]] = []
    states: dict[str, Foldable | None] = {name: rules() for name in cases}
    for event in reader.read_all():
        state = states.get(event.aggregate_id or "")
        if state is None or event.aggregate_type != aggregate_type:
            continue
        objection = _objection(state, event)
        if objection is not None:
            states[event.aggregate_id or ""] = None
            where = (event.aggregate_id, event.sequence_number, event.position, event.event_type)
            found.append((*where, *objection))
    columns = ["aggregate_id", "sequence_number", "position", "event_type", "rule", "reason"]
    return Conformance(len(states), pd.DataFrame(found, columns=columns))


def _objection(state: Foldable, event: Event) -> tuple[str, str] | None:
    """What speaks against this event: the kind of objection and its words; else it is applied."""
    refuses = getattr(state, "refuses", None)
    reason = refuses(event) if refuses else None
    if reason is not None:
        return "rule", reason
    try:
        apply_to(state, event)
    except ReplayError as error:
        cause = error.__cause__ or error
        kind = "rule" if isinstance(cause, RejectedError) else type(cause).__name__
        return kind, str(cause)
    return None
