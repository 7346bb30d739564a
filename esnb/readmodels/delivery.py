"""How delivered events are sorted: late, twice, or in another order. One rule for every follower.

An event counts once, however often and in whatever order it is delivered, also after a restart and
in a later batch. No list of processed event ids is needed for that: the position says the same in
one number, since positions have no gap and an event keeps its own. All events up to the position
are in the read model and none after it is; what came too early waits in an inbox, once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from esnb.events import Event


class OvertakenError(Exception):
    """Another projector of the same read model was quicker: look where it stands, then go on."""


def sorted_in(
    events: Iterable[Event], position: int, waiting: Collection[int]
) -> tuple[list[Event], int]:
    """Sort what a transport brought, for a read model at `position` whose inbox holds `waiting`.

    Returns the events that were not known yet, each once, and how many events there are now after
    the position without a gap: those can be processed.
    """
    new: dict[int, Event] = {}
    for event in events:
        place = event.position or 0
        if place > position and place not in waiting:
            new.setdefault(place, event)
    ready = 0
    while (place := position + ready + 1) in new or place in waiting:
        ready += 1
    return list(new.values()), ready
