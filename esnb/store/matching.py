"""The events that an append condition looks for."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from esnb.errors import InvalidEventError
from esnb.events import Event
from esnb.store.arguments import NO_LIMIT
from esnb.store.conditions import AppendCondition, conditions_of
from esnb.store.event_rows import COLUMNS, columns_of
from esnb.store.horizon import whole_stream
from esnb.store.reader import Reader

_position = columns_of("position")


class MatchingReader(Reader):
    """A reader that answers the question of a condition."""

    def matching(self, condition: AppendCondition) -> tuple[list[Event], AppendCondition]:
        """The events that match, and the condition that nothing of the kind comes after them.

        Decide on the events, then pass the condition to `append`: the same question guards the
        answer. Both stand at one position, so that no event can slip in between.
        """
        conditions_of(condition)
        position = self.position
        return self._matching(condition, position), replace(condition, after=position)

    def _matching(
        self, condition: AppendCondition, upto: int, limit: int = NO_LIMIT
    ) -> list[Event]:
        if condition.after > upto:
            raise InvalidEventError(
                f"AppendCondition(after={condition.after}) lies ahead: the log ends at position "
                f"{upto}. Take the position from this store, before you read and decide."
            )
        if condition.aggregate_id is not None:
            rows = whole_stream(self._log, condition.aggregate_id)
        else:
            # Old data meets a condition in today's shape, and SQL sees only what is stored.
            every = bool(self.upcasters)
            if every and condition.event_types:  # other types may become these
                types = (*condition.event_types, *self.upcasters.sources())
                where, values = self._log.where(replace(condition, event_types=types), False)
            else:
                where, values = self._log.where(condition, not every)
            rows = self._log.rows(
                f"select {COLUMNS} from events where {where} and position <= ? "
                "order by position limit ?",
                [*values, upto, NO_LIMIT if every else limit],
            )
        events = self._events(row for row in rows if condition.after < _position(row) <= upto)
        return list(islice(filter(condition.matches, events), limit))
