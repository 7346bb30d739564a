"""Process-mining logs, read: XES and OCEL 2.0, with the standard library only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

import pandas as pd

from .files import opened
from .mapping import Bad, InterchangeError, PathLike, as_object, made_id, make_frame, strict_json


def read_xes(path: PathLike, aggregate_type: str = "CASE") -> pd.DataFrame:
    """Read a process-mining log in XES (XML, streamed): a trace is an aggregate.

    concept:name of the trace is its id, concept:name of an event its type, time:timestamp
    occurred_at; its other attributes are the data, and those of the trace are in the metadata of
    its first event, under "case". Events are ordered by time. Lost: attributes of attributes and
    inside lists, and what belongs to the whole log (extensions, classifiers, defaults). A document
    type declaration is refused: entities are declared there, and a few lines of them fill a memory.
    """
    bad = Bad(Path(path).name)
    reader = _Xes(aggregate_type, bad)
    with opened(path) as file:
        frame = make_frame(reader.rows(file), bad, by_time=True)
    frame.attrs["lost"] = tuple(sorted(reader.lost))
    return frame


def read_ocel(path: PathLike, aggregate_type: str) -> pd.DataFrame:
    """Read an OCEL 2.0 log in JSON; events become those of their first object of `aggregate_type`.

    event and object ids, the other objects included, are kept in metadata, under "ocel"; attributes
    are the data. Events are ordered by time. Lost: attributes of objects, relations between them,
    and the events without an object of this type. The file is read whole. In an error, "row" is
    the place in the list of events, from 0.
    """
    bad = Bad(Path(path).name, "row")
    with opened(path) as file:
        try:
            log = strict_json(file.read())
            types = {item["id"]: item["type"] for item in log["objects"]}
            events = list(log["events"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InterchangeError(f"{bad.name}: is no OCEL 2.0 in JSON ({error!r}).") from None
    left_out = 0

    def rows() -> Iterator[tuple[int, Mapping[str, Any]]]:
        nonlocal left_out
        for n, event in enumerate(events):
            try:
                related = event.get("relationships") or []
                unknown = [o["objectId"] for o in related if o["objectId"] not in types]
                own = [o["objectId"] for o in related if types.get(o["objectId"]) == aggregate_type]
                if unknown:
                    raise ValueError(f"object {unknown[0]!r} is not among the objects")
                if not own:
                    left_out += 1
                    continue
                pairs = [(a["name"], a["value"]) for a in event.get("attributes") or []]
                note = {"id": event["id"], "relationships": related}
                yield n, {
                    "aggregate_type": aggregate_type, "aggregate_id": own[0],
                    "event_type": event["type"], "occurred_at": event["time"],
                    "event_data": as_object(pairs), "metadata": {"ocel": note},
                    "event_id": made_id(event["id"], aggregate_type),
                }  # fmt: skip
            except (KeyError, TypeError, AttributeError) as error:
                bad.add(n, f"is no event of OCEL 2.0 ({error!r})")
            except ValueError as error:
                bad.add(n, str(error))

    frame = make_frame(rows(), bad, by_time=True)
    lost = ["attributes of objects", "relations between objects"]
    lost += [f"{left_out} events without an object of type {aggregate_type!r}"] if left_out else []
    frame.attrs["lost"] = tuple(lost)
    return frame


class _Xes:
    """The events of an XES file, trace by trace, as the parser comes past them."""

    def __init__(self, aggregate_type: str, bad: Bad) -> None:
        self.kind, self.bad = aggregate_type, bad
        self.lost: set[str] = set()
        self.path: list[str] = []
        self.names: set[str] = set()
        self.case: list[tuple[str, Any]] = []
        self.events: list[tuple[int, list[tuple[str, Any]]]] = []
        self.done: list[tuple[int, Mapping[str, Any]]] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.refuse

    def rows(self, file: IO[bytes]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        last = False
        while not last:
            part = file.read(1 << 18)
            last = not part
            try:
                self.parser.Parse(part, last)
            except (expat.ExpatError, UnicodeError) as error:
                raise InterchangeError(f"{self.bad.name}: is no XML ({error}).") from None
            yield from self.done
            self.done.clear()

    def refuse(self, *_: object) -> None:
        raise InterchangeError(
            f"{self.bad.name}, line {self.parser.CurrentLineNumber}: a document type declaration "
            "is refused, since it can hold entities. Remove it: XES has none."
        )

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name, parent = name.rpartition(":")[2], self.path[-1] if self.path else ""
        if not self.path and name != "log":
            raise InterchangeError(f"{self.bad.name}: is no XES, it begins with <{name}>.")
        self.path.append(name)
        line = self.parser.CurrentLineNumber
        if name == "trace":
            self.line, self.case, self.events = line, [], []
        elif name == "event":
            self.events.append((line, []))
        elif parent == "trace":
            self.case.append(self.attribute(name, attributes, line))
        elif parent == "event":
            self.events[-1][1].append(self.attribute(name, attributes, line))
        elif "trace" in self.path:
            self.lost.add("attributes of attributes, and in lists")
        elif name != "log":
            self.lost.add("what belongs to the whole log")

    def attribute(self, kind: str, attributes: dict[str, str], line: int) -> tuple[str, Any]:
        text = attributes.get("value", "")
        try:
            value = _TYPES.get(kind, str)(text)
        except ValueError:
            self.bad.add(line, f"{attributes.get('key')!r} is no {kind}: {text!r:.60}")
            value = None
        return attributes.get("key", ""), value

    def end(self, name: str) -> None:
        self.path.pop()
        if name.rpartition(":")[2] != "trace":
            return
        try:
            case = as_object(self.case)
            name = case.pop("concept:name", None)
            if name in self.names:
                raise ValueError(f"the trace {name!r} stands twice")
            self.names.add(name)
        except ValueError as error:
            self.bad.add(self.line, str(error))
            return
        for n, (line, pairs) in enumerate(self.events):
            try:
                data = as_object(pairs)
            except ValueError as error:
                self.bad.add(line, str(error))
                continue
            row = {"aggregate_type": self.kind, "aggregate_id": name, "event_data": data}
            row["event_type"] = data.pop("concept:name", None)
            row["occurred_at"] = data.pop("time:timestamp", None)
            self.done.append((line, row | {"metadata": {"case": case} if case and not n else {}}))


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


_TYPES: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "boolean": _flag}
