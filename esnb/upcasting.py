"""Upcasters: old events in today's shape, while the log stays as it was written.

An event carries the version of its schema (`event_version`, 1 from day one). An upcaster takes
the data of one version and returns the data of the next; the store applies the chain on every
read. Source of the technique: Greg Young, *Versioning in an Event Sourced System* (2016).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from esnb.errors import UpcastError
from esnb.events import Event, Json, copy_json

Upcaster = Callable[[Json], Json]


class Upcasters:
    """A registry of upcasters, one for each event type and version: `EventStore(upcasters=...)`."""

    def __init__(self) -> None:
        self._steps: dict[tuple[str, int], Upcaster] = {}

    def __len__(self) -> int:
        return len(self._steps)

    def register(self, event_type: str, version: int) -> Callable[[Upcaster], Upcaster]:
        """Decorate the function that turns version `version` of the data into `version + 1`.

        A second upcaster for the same type and version raises `UpcastError`.
        """
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise UpcastError(f"{event_type}: versions count from 1, found {version!r}.")

        def add(function: Upcaster) -> Upcaster:
            if not callable(function):
                raise UpcastError(
                    f"The upcaster of {event_type} version {version} is a function from the old "
                    f"data to the new, found {function!r:.60}."
                )
            if (event_type, version) in self._steps:
                raise UpcastError(
                    f"{event_type} version {version} has an upcaster already "
                    f"({_name(self._steps[event_type, version])}). One step, one function."
                )
            self._steps[event_type, version] = function
            return function

        return add

    def __call__(self, event: Event) -> Event:
        """The event in its newest version; `UpcastError` names the event when a step fails."""
        data, version = event.event_data, event.event_version
        while step := self._steps.get((event.event_type, version)):
            try:
                data = copy_json(step(copy_json(data, "data")), "upcast data")
            except Exception as error:
                raise UpcastError(
                    f"The upcaster {_name(step)} of {event.event_type} version {version} failed "
                    f"on event {event.sequence_number} of {event.aggregate_id!r} (position "
                    f"{event.position}): {type(error).__name__}: {error}. The log is unchanged."
                ) from error
            version += 1
        if version == event.event_version:
            return event
        return replace(event, event_data=data, event_version=version)


def _name(step: Upcaster) -> str:
    return getattr(step, "__name__", repr(step))
