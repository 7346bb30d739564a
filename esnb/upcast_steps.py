"""One step of an upcaster: what it is, what it makes of an event, and how it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID, uuid5

from esnb.code_fingerprint import fingerprint
from esnb.errors import InvalidEventError, UpcastError
from esnb.event_json import Json, dump_json, load_json

Upcaster = Callable[[Json], Json]
#: What a splitter returns: (type, data), or (type, data, version).
Part = tuple[str, Json] | tuple[str, Json, int]
Splitter = Callable[[Json], Iterable[Part]]

#: Type, version and data (JSON text) of an event in today's shape.
Shape = tuple[str, int, str]
#: Where a stored event stands: sequence number, aggregate, position.
Place = tuple[int | None, str | None, int | None]


@dataclass(frozen=True)
class Step:
    """One registered step: what it does to `event_type` in `version` (None: in every version).

    `kind` is register, split, down, rename, drop or leave.
    """

    event_type: str
    version: int | None
    kind: str
    function: Callable[[Json], Any] | None = None
    to: str = ""
    because: str = ""

    @property
    def name(self) -> str:
        """What a table or an error calls it."""
        if self.function is None:
            return self.kind
        return getattr(self.function, "__name__", repr(self))

    @cached_property
    def signature(self) -> str:
        """What the step does, for comparison; a function counts by its code, not by its name."""
        code = "" if self.function is None else fingerprint(self.function)
        return f"{self.kind} {self.event_type!r} {self.version} {self.to!r} {code}"

    def leads_to(self, event_type: str, version: int) -> tuple[str, int]:
        """The type and version after it; not for a drop or a split."""
        if self.kind == "rename":
            return self.to, version
        return event_type, version + (1 if self.kind == "register" else -1)


def part_id(event_id: UUID | None, part: int) -> UUID | None:
    """The id of the parts of a split event: its own for the first, derived ones after it."""
    return event_id if part == 1 or event_id is None else uuid5(event_id, f"part {part}")


def shape_of_part(part: Part, event_type: str, version: int) -> Shape:
    """What a splitter returned, as a shape; `InvalidEventError` where it is none."""
    if not isinstance(part, tuple) or not 2 <= len(part) <= 3 or not isinstance(part[0], str):
        raise InvalidEventError(
            f"a split returns a list of (type, data) or (type, data, version), found {part!r:.60}"
        )
    own = version + 1 if part[0] == event_type else 1
    number = part[2] if len(part) == 3 else own
    check_version(part[0], number)
    return part[0], number, dump_json(part[1], "upcast data")


def step_failed(step: Step, version: int, text: str, place: Place, error: Exception) -> UpcastError:
    """The error for an event on which a step's function failed."""
    keys = ""
    if isinstance(error, KeyError):
        keys = f" This event has {', '.join(load_json(text)) or 'no data'}."
    cause = f"{type(error).__name__}: {error}"
    return UpcastError(
        f"The upcaster {step.name} of {step.event_type} version {version} failed on "
        f"{where(place)}: {cause}.{keys} The log is unchanged. Correct the step so that it takes "
        f"what was really written; dry_run() lists all events like this one.",
        cause,
    )


def where(place: Place) -> str:
    """A place in words, for errors."""
    number, aggregate_id, position = place
    return f"event {number} of {aggregate_id!r} (position {position})"


def check_version(event_type: str, version: object) -> None:
    """Refuse what is not a version of an event type, with `UpcastError`."""
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise UpcastError(f"{event_type}: versions count from 1, found {version!r}.")
