"""Side effects of a projection: a mail for each new event, and never for an old one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import groupby

from esnb.errors import ProjectionError
from esnb.events import Event
from esnb.readmodels.projection import Projection
from esnb.readmodels.source import EventSource


class SideEffects:
    """The methods of a projection that are marked with `reacts_to`."""

    def __init__(self, projection: Projection) -> None:
        self._instance = projection
        self._names = projection.methods("_reacts")

    def happen(
        self,
        source: EventSource,
        after: int,
        upto: int,
        left_out: Collection[int],
        done: Callable[[int], None],
    ) -> None:
        """Call those of the events with `after` < position <= `upto`, and say `done` after each.

        A crash between the two repeats the effects of one event; it never loses one.
        """
        if not self._names or after >= upto:
            return
        new = source.read_all(after)
        for position, events in groupby(new, lambda event: event.position or 0):
            if position > upto:
                break
            if position in left_out:
                continue
            called = False
            for event in events:
                for name in self._names.get(event.event_type, ()):
                    self._call(name, event)
                    called = True
            if called:
                done(position)
        done(upto)

    def _call(self, reaction: str, event: Event) -> None:
        try:
            getattr(self._instance, reaction)(event)
        except Exception as error:
            raise ProjectionError(
                f"{type(self._instance).__name__}.{reaction} failed on the event at position "
                f"{event.position}: {event.event_type} {event.event_id} of "
                f"{event.aggregate_id!r}: {type(error).__name__}: {error}. The read model "
                f"is up to date; the next catch_up() tries this side effect again.",
                event,
            ) from error
