"""Upcasters: old events in today's shape, while the log stays as it was written.

An event carries the version of its schema (`event_version`, 1 from day one). A step takes the data
of one version and returns that of the next; the store applies the chain on every read. Source of
the technique: Greg Young, *Versioning in an Event Sourced System* (2016).

One stored event may become several, or none. Its place does not change: all its parts have the
position, the sequence number, the times and the metadata of the stored event, and are read
together. The first part keeps the event id, and a further one has an id derived from it, the same
at each reading, so that a reader who remembers ids counts each part once.

A step is a pure function of the data: it reads no clock, file or random number. So what a type and
version is read as depends on the steps alone, and `signature` puts it into a few digits, by which a
snapshot knows whether it was made with the same steps (see `code_fingerprint` for the limits).

Several stored events never become one. A reader may stop between them (a version, a position, a
snapshot), and whatever it saw there would be wrong either before or after. What belongs together is
brought together where state is made: in `apply`, or in a projection.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args

import pandas as pd

from esnb.errors import UpcastError
from esnb.event_json import dump_json, load_json
from esnb.events import Event
from esnb.upcast_steps import (
    Place,
    Shape,
    Splitter,
    Step,
    Upcaster,
    check_version,
    part_id,
    shape_of_part,
    step_failed,
    where,
)

Newer = Literal["pass", "refuse"]


class Upcasters:
    """A registry of steps, one for each event type and version: `EventStore(upcasters=...)`.

    `newer` says what happens to an event whose version is above what the code knows: "pass" hands
    it over as it is, which suits a tolerant `apply`; "refuse" raises `UpcastError`. A type is known
    up to the version its steps lead to, and a type without steps is known in version 1.

    Steps are a chain. An event at a version from which no step leads on, while a later version has
    one, is an `UpcastError` when it is read; `leave` says that it is meant to stay as it is.
    """

    def __init__(self, *, newer: Newer = "pass") -> None:
        if newer not in get_args(Newer):
            raise UpcastError(f"newer is one of {get_args(Newer)}, found {newer!r:.60}.")
        self.newer = newer
        self._steps: dict[tuple[str, int | None], Step] = {}
        self._downs: dict[tuple[str, int], Step] = {}
        self._limits: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._steps) + len(self._downs)

    def __bool__(self) -> bool:
        return bool(len(self) or self._limits or self.newer == "refuse")

    # -- registering -----------------------------------------------------------------------

    def register(
        self, event_type: str, version: int, *, because: str = ""
    ) -> Callable[[Upcaster], Upcaster]:
        """Decorate the function that turns version `version` of the data into `version + 1`.

        `because` is for whoever reads the step later: why a value is known that nobody recorded.
        A second step for the same type and version raises `UpcastError`.
        """
        return self._adder("register", event_type, version, because)

    def split(
        self, event_type: str, version: int, *, because: str = ""
    ) -> Callable[[Splitter], Splitter]:
        """Decorate the function that makes several events of one: a list of (type, data).

        An empty list is allowed. A part of the same type has version `version + 1`, one of another
        type has version 1, or the third member says. Steps of the part's own type then go on.
        The parts are rows of one position in a projection's `new_events`: where their order among
        themselves counts, write handlers, which get them in order.
        """
        return self._adder("split", event_type, version, because)

    def down(self, event_type: str, version: int) -> Callable[[Upcaster], Upcaster]:
        """Decorate the function that turns version `version` into `version - 1`, for older code.

        Nothing is turned down unless a reader asks for it; see `down_to`.
        """
        if version == 1:
            raise UpcastError(f"{event_type}: there is no version before 1 to turn down to.")
        return self._adder("down", event_type, version, "")

    def rename(self, event_type: str, to: str, *, because: str = "") -> None:
        """Read events of a type, in every version, as events of another type in that version."""
        if not isinstance(to, str) or not to.strip() or to == event_type:
            raise UpcastError(f"{event_type} is renamed to another type, found {to!r:.60}.")
        self._add(Step(event_type, None, "rename", None, to, because))

    def drop(self, event_type: str, version: int | None = None, *, because: str = "") -> None:
        """Read events of a type (in one version, or in every version) as nothing.

        They stay in the log, and keep their positions and sequence numbers there.
        """
        if version is not None:
            check_version(event_type, version)
        self._add(Step(event_type, version, "drop", None, "", because))

    def leave(self, event_type: str, version: int, *, because: str = "") -> None:
        """Read events of this version as they are, although later versions have steps."""
        check_version(event_type, version)
        self._add(Step(event_type, version, "leave", None, "", because))

    def _adder(
        self, kind: str, event_type: str, version: int, because: str
    ) -> Callable[[Any], Any]:
        check_version(event_type, version)

        def add(function: Any) -> Any:
            if not callable(function):
                raise UpcastError(
                    f"The upcaster of {event_type} version {version} is a function from the old "
                    f"data to the new, found {function!r:.60}."
                )
            self._add(Step(event_type, version, kind, function, "", because))
            return function

        return add

    def _add(self, step: Step) -> None:
        steps: dict[Any, Step] = self._downs if step.kind == "down" else self._steps
        key = (step.event_type, step.version)
        if key in steps:
            which = "in every version" if step.version is None else f"version {step.version}"
            raise UpcastError(
                f"{step.event_type} {which} has an upcaster already "
                f"({steps[key].name}). One step, one function. To change it, make new "
                f"Upcasters() and register their steps again, from the first."
            )
        steps[key] = step

    def down_to(self, versions: Mapping[str, int]) -> Upcasters:
        """The same steps for a reader that knows these types up to these versions and no further.

        Older events are upcast up to that version, newer ones turned down to it by the steps
        registered with `down`.
        """
        for event_type, version in versions.items():
            check_version(event_type, version)
        twin = Upcasters(newer=self.newer)
        twin._steps, twin._downs = self._steps, self._downs
        twin._limits = {**self._limits, **versions}
        return twin

    def around(self, other: Upcasters) -> Upcasters:
        """Other steps, as the store of these ones would read with them."""
        return other

    # -- asking ----------------------------------------------------------------------------

    def newest(self, event_type: str) -> int:
        """The newest version of a type that these steps know; 1 for a type without steps."""
        if event_type in self._limits:
            return self._limits[event_type]
        known = [
            v + (step.kind != "leave")
            for (kind, v), step in self._steps.items()
            if kind == event_type and v is not None
        ]
        return max([1, *known, *(v for kind, v in self._downs if kind == event_type)])

    def keeps_number(self) -> bool:
        """Whether each stored event is read as exactly one: no step splits or drops."""
        return not any(step.kind in ("split", "drop") for step in self._steps.values())

    def touches(self, event_type: str, version: int) -> bool:
        """Whether an event of this type and version is read in another shape, or refused."""
        return (
            self._next(event_type, version) is not None
            or self._refused(event_type, version)
            or self._gap(event_type, version) is not None
        )

    def left(self, event_type: str, version: int) -> bool:
        """Whether events of this type and version are meant to stay as they are."""
        step = self._steps.get((event_type, version))
        return step is not None and step.kind == "leave"

    def sources(self) -> set[str]:
        """The stored types that some step changes."""
        return {event_type for event_type, _ in (*self._steps, *self._downs)}

    def signature(self, kinds: Iterable[tuple[str, int]]) -> dict[str, str]:
        """What these types and versions are read as, for comparison: `{"OrderPlaced 1": "5f0c.."}`.

        An empty text says: as they are stored.
        """
        return {f"{kind} {version}": self.path(kind, version) for kind, version in kinds}

    def changed_since(self, signature: Mapping[str, str]) -> str:
        """The first type and version that is not read as an earlier `signature` has it, or ""."""
        for name, path in signature.items():
            kind, _, version = name.rpartition(" ")
            if self.path(kind, int(version)) != path:
                return name
        return ""

    def path(self, event_type: str, version: int) -> str:
        """The steps from a type and version on, as a few digits; "" where there are none."""
        found: dict[tuple[str, int], str] = {}
        while (step := self._next(event_type, version)) and (event_type, version) not in found:
            found[event_type, version] = step.signature
            if step.kind in ("drop", "split"):
                break
            event_type, version = step.leads_to(event_type, version)
        lines = list(found.values())
        if step is not None and step.kind == "split":  # its parts may go on by any other step
            every = (*self._steps.values(), *self._downs.values())
            lines += [each.signature for each in every]
            lines.append(f"{sorted(self._limits.items())} {self.newer}")
        elif step is None and self._gap(event_type, version) is not None:
            lines.append("gap")
        elif step is None and not lines and self._refused(event_type, version):
            lines.append("refused")
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] if lines else ""

    def df(self) -> pd.DataFrame:
        """The steps as a table: event_type, version, step, function, because."""
        rows = [
            (s.event_type, s.version, s.kind, s.to or s.name, s.because)
            for s in (*self._steps.values(), *self._downs.values())
        ]
        names = ["event_type", "version", "step", "function", "because"]
        frame = pd.DataFrame(rows, columns=names)
        return frame.astype({"version": "Int64"})

    # -- applying --------------------------------------------------------------------------

    def __call__(self, event: Event) -> list[Event]:
        """A stored event in today's shape: mostly one event, several or none where a step says so.

        `UpcastError` names the event when a step fails.
        """
        if not self.touches(event.event_type, event.event_version):
            return [event]
        place = (event.sequence_number, event.aggregate_id, event.position)
        text = dump_json(event.event_data, "data")
        shapes = self.shapes(event.event_type, event.event_version, text, place)
        return [
            Event(
                event_type, load_json(data), version, load_json(dump_json(event.metadata, "")),
                event.occurred_at, part_id(event.event_id, part), event.aggregate_type,
                event.aggregate_id, event.sequence_number, event.position, event.recorded_at,
            )
            for part, (event_type, version, data) in enumerate(shapes, start=1)
        ]  # fmt: skip

    def shapes(self, event_type: str, version: int, text: str, place: Place) -> list[Shape]:
        """The same on the columns of a row; `place` is for the error: number, aggregate, position.

        Between two steps the data is text, so that no step can reach into the log or another event.
        """
        if self._refused(event_type, version):
            raise UpcastError(
                f"{where(place)} is {event_type} version {version}, and this code knows it up to "
                f"version {self.newest(event_type)}: newer code wrote it. Deploy that code here, "
                f"register what turns it down, or read with Upcasters(newer='pass').",
                f"this code knows {event_type} up to version {self.newest(event_type)}",
            )
        return self._walk(event_type, version, text, place, ())

    def _walk(
        self, event_type: str, version: int, text: str, place: Place,
        seen: tuple[tuple[str, int], ...],
    ) -> list[Shape]:  # fmt: skip
        while step := self._next(event_type, version):
            if (event_type, version) in seen:
                names = " -> ".join(f"{t} {v}" for t, v in (*seen, (event_type, version)))
                raise UpcastError(f"These steps go round in a circle: {names}. {where(place)}.")
            seen = (*seen, (event_type, version))
            if step.kind == "drop":
                return []
            if step.kind == "rename":
                event_type, version = step.leads_to(event_type, version)
                continue
            assert step.function is not None
            try:
                made = step.function(load_json(text))
                if step.kind == "split":
                    parts = [shape_of_part(part, event_type, version) for part in made]
                else:
                    text = dump_json(made, "upcast data")
            except Exception as error:
                raise step_failed(step, version, text, place, error) from error
            if step.kind == "split":
                return [shape for part in parts for shape in self._walk(*part, place, seen)]
            event_type, version = step.leads_to(event_type, version)
        later = self._gap(event_type, version)
        if later is not None:
            raise UpcastError(
                f"{where(place)} is read as {event_type} version {version}, and there the steps "
                f"end, while version {later} has one: the chain has a gap. Register the step of "
                f"version {version} (where nothing changed, one that returns the data as it is), "
                f"or say that the gap is meant: upcasters.leave({event_type!r}, {version}).",
                f"no step leads on from {event_type} {version}, while {event_type} {later} has one",
            )
        return [(event_type, version, text)]

    def _next(self, event_type: str, version: int) -> Step | None:
        limit = self._limits.get(event_type)
        if limit is not None and version > limit:
            return self._downs.get((event_type, version))
        if limit is not None and version == limit:
            return None
        step = self._steps.get((event_type, version)) or self._steps.get((event_type, None))
        return None if step is not None and step.kind == "leave" else step

    def _gap(self, event_type: str, version: int) -> int | None:
        """The next version with a step, when an event at this one is stuck below it."""
        if not self._steps or self._next(event_type, version) is not None:
            return None
        if self.left(event_type, version):
            return None
        later = [
            step.version
            for step in self._steps.values()
            if step.event_type == event_type and step.kind in ("register", "split")
        ]
        limit = self._limits.get(event_type, math.inf)
        return min((v for v in later if v is not None and version < v < limit), default=None)

    def _refused(self, event_type: str, version: int) -> bool:
        return (
            self.newer == "refuse"
            and version > self.newest(event_type)
            and self._next(event_type, version) is None
        )
