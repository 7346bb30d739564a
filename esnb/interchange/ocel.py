"""Object-centric logs in OCEL 2.0 (JSON), read with the standard library only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Literal

import pandas as pd

from esnb.clock import check_zone
from esnb.errors import InvalidEventError
from esnb.event_json import as_object, read_json
from esnb.events import check_name

from .mapping import Bad, InterchangeError, PathLike, made_id, make_frame, usable, with_zone
from .opening import opened


def read_ocel(
    path: PathLike,
    aggregate_type: str,
    *,
    several: Literal["first", "each", "refuse"] = "first",
    timezone: str | None = None,
    default_time: str | None = None,
    max_bytes: int | None = None,
) -> pd.DataFrame:
    """Read an OCEL 2.0 log in JSON; its objects of the type `aggregate_type` become the aggregates.

    event and object ids, the other objects included, are kept in metadata, under "ocel"; attributes
    are the data. Events are ordered by time.

    - `several`: an event of several objects of this type belongs to its "first" one (the others
      are in its metadata, and `lost` counts such events), to "each" of them, or is an error.
    - `timezone`: the IANA name of the zone of times that have none; they are refused else.
    - `default_time`: the time (ISO 8601 with a zone) of events that have none.
    - `max_bytes`: a larger file (unpacked) is not read; None: a billion.

    `frame.attrs["lost"]` counts what is left out: attributes of objects, relations between them,
    and events without an object of this type. The file is read whole. In an error, "row" is the
    place in the list of events, from 0.
    """
    check_zone(timezone)
    check_name("aggregate_type", aggregate_type)
    if several not in ("first", "each", "refuse"):
        raise InvalidEventError(f"several is 'first', 'each' or 'refuse', found {several!r:.60}.")
    bad = Bad(usable(path).name, "row")
    log = _Log(path, aggregate_type, bad, max_bytes)
    reading = _Reading(log, several, timezone, default_time, bad)
    frame = make_frame(reading.rows(), bad, by_time=True)
    frame.attrs["lost"] = tuple(log.lost() + reading.lost())
    return frame


class _Log:
    """The parts of an OCEL file."""

    def __init__(self, path: PathLike, wanted: str, bad: Bad, max_bytes: int | None) -> None:
        self.wanted = wanted
        with opened(path, max_bytes) as file:
            text = file.read_all()
        try:
            log = read_json(text, "it")
        except ValueError as error:
            raise InterchangeError(f"{bad.name}: is not OCEL 2.0 in JSON ({error}).") from None
        if isinstance(log, dict) and any(str(key).startswith("ocel:") for key in log):
            raise InterchangeError(
                f"{bad.name}: is OCEL 1.0 (its keys begin with 'ocel:'), and 2.0 is read here. "
                f"Convert it, with pm4py for example: read_ocel_json, then write_ocel2_json."
            )
        try:
            self.objects = list(log["objects"])
            self.events = list(log["events"])
            self.types = self._types(bad)
            declared = [item["name"] for item in log.get("objectTypes") or []]
        except (KeyError, TypeError, AttributeError) as error:
            raise InterchangeError(
                f"{bad.name}: is not OCEL 2.0 in JSON ({error!r:.80})."
            ) from None
        self._check_wanted({str(name) for name in (*declared, *self.types.values())}, bad)

    def _types(self, bad: Bad) -> dict[str, str]:
        types: dict[str, str] = {}
        for item in self.objects:
            name, kind = item["id"], item["type"]
            if types.setdefault(name, kind) != kind:
                raise InterchangeError(
                    f"{bad.name}: the object {name!r:.60} is of type {types[name]!r:.40} and, in "
                    f"another place, {kind!r:.40}. An object has one type: give one another id."
                )
        return types

    def _check_wanted(self, known: set[str], bad: Bad) -> None:
        if self.wanted in known or not known:
            return
        near = get_close_matches(self.wanted, known, n=3, cutoff=0.5)
        near += get_close_matches(self.wanted.casefold(), known, n=3, cutoff=0.5)
        hint = f" Did you mean {', '.join(map(repr, dict.fromkeys(near)))}?" if near else ""
        shown = ", ".join(map(repr, sorted(known)[:20]))
        raise InterchangeError(
            f"{bad.name}: has no objects of type {self.wanted!r:.60}.{hint} It has: {shown}."
        )

    def objects_of(self, event: Mapping[str, Any]) -> list[str]:
        """The objects of the wanted type, each once, in the order of the event's relations."""
        related = [item["objectId"] for item in event.get("relationships") or []]
        for name in related:
            if name not in self.types:
                raise ValueError(f"object {name!r:.60} is not among the objects")
        return list(dict.fromkeys(name for name in related if self.types[name] == self.wanted))

    def row(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """What is the same for each object of an event."""
        pairs = [(item["name"], item["value"]) for item in event.get("attributes") or []]
        related = event.get("relationships") or []
        return {
            "aggregate_type": self.wanted,
            "event_type": event["type"],
            "event_data": as_object(pairs),
            "metadata": {"ocel": {"id": event["id"], "relationships": related}},
        }

    def lost(self) -> list[str]:
        """What objects have, and events do not."""
        found = []
        for key, words in (
            ("attributes", "attribute value(s) of objects"),
            ("relationships", "relation(s) between objects"),
        ):
            count = sum(len(item.get(key) or ()) for item in self.objects)
            if count:
                found.append(f"{count} {words}")
        return found


class _Reading:
    """The rows of a log, and how many events fitted no aggregate, or more than one."""

    def __init__(
        self, log: _Log, several: str, timezone: str | None, default_time: str | None, bad: Bad
    ) -> None:
        self.log, self.several, self.bad = log, several, bad
        self.timezone, self.default_time = timezone, default_time
        self.left_out = self.shared = 0

    def rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Each event with its place in the list, once for each aggregate that has it."""
        for n, event in enumerate(self.log.events):
            try:
                yield from ((n, row) for row in self._rows_of(event))
            except (KeyError, TypeError, AttributeError) as error:
                self.bad.add(n, f"is not an event of OCEL 2.0 ({error!r:.80})")
            except (ValueError, OverflowError) as error:
                self.bad.add(n, str(error))

    def _rows_of(self, event: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        wanted, own = self.log.wanted, self.log.objects_of(event)
        self.left_out += not own
        self.shared += len(own) > 1
        if len(own) > 1 and self.several == "refuse":
            raise ValueError(
                f"has several objects of type {wanted!r}: {own[0]!r:.40}, "
                f"{own[1]!r:.40}; several='first' or 'each' takes it"
            )
        row, time = self.log.row(event), event.get("time")
        row["occurred_at"] = (
            self.default_time if time in (None, "") else with_zone(time, self.timezone)
        )
        for number, name in enumerate(own if self.several == "each" else own[:1]):
            parts = (event["id"], wanted, *([name] if number else []))
            yield row | {"aggregate_id": name, "event_id": made_id(*parts)}

    def lost(self) -> list[str]:
        """What these rows do not say of the events."""
        found = []
        if self.left_out:
            found.append(f"{self.left_out} event(s) without an object of type {self.log.wanted!r}")
        if self.shared and self.several == "first":
            found.append(
                f"{self.shared} event(s) of several objects of type {self.log.wanted!r}: "
                f"the first has them"
            )
        return found
