"""Process-mining logs in XES, read with the standard library only."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from xml.parsers import expat

import pandas as pd

from esnb.clock import check_zone
from esnb.errors import InvalidEventError
from esnb.event_json import as_object
from esnb.events import check_name

from .mapping import Bad, InterchangeError, PathLike, make_frame, usable, with_zone
from .opening import Unpacked, opened

# The parser takes a million bytes at a time. What is longer than some of them (one attribute, one
# comment) it reads again and again: a limit keeps the time in proportion to the file.
_PART = 1 << 20
_LONGEST = 16 * _PART
_DECLARED = re.compile(rb"""<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")
# What expat reads by itself; the others are decoded here, if they are encodings of text.
_OWN = ("utf-8", "utf-16", "iso8859-1", "ascii")
_TEXT_CODEC = re.compile(
    r"(ascii|utf-(8|16|32)|iso8859|cp\d|koi8|mac|gb|big5|euc|shift|iso2022|johab|hz|tis|kz|ptcp)"
)
_INT = re.compile(r"\s*[+-]?[0-9]{1,19}\s*")
_FLOAT = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?\s*")
_NOT_FINITE = {"NaN", "INF", "-INF", "+INF", "nan", "inf", "-inf", "Infinity", "-Infinity"}
_FLAGS = {"true": True, "false": False, "1": True, "0": False}
_KINDS = ("string", "date", "int", "float", "boolean", "id")

Omissions = Counter[str]


def read_xes(
    path: PathLike,
    aggregate_type: str = "CASE",
    *,
    timezone: str | None = None,
    default_id: str | None = None,
    default_type: str | None = None,
    default_time: str | None = None,
    loose_id: str | None = None,
    not_finite: Literal["refuse", "null", "text"] = "refuse",
    max_bytes: int | None = None,
) -> pd.DataFrame:
    """Read a process-mining log in XES (XML, streamed): a trace is an aggregate.

    concept:name of the trace is its id, concept:name of an event its type, time:timestamp
    occurred_at; its other attributes are the data, and those of the trace are in the metadata of
    its first event, under "case". Events are ordered by time.

    - `timezone`: the IANA name of the zone of times that have none; they are refused else.
    - `default_id`: a trace without a name gets this and its number in the file, "case 7".
    - `default_type`, `default_time` (ISO 8601 with a zone): for events without a name, or a time.
      Events of one time keep the order of the file.
    - `loose_id`: the aggregate id for events that are outside of all traces; they are lost else.
    - `not_finite`: what becomes of NaN and INF, which JSON does not have: an error, null, or text.
    - `max_bytes`: a larger file (unpacked) is not read; None: a billion.

    `frame.attrs["lost"]` counts what is left out: attributes of attributes and lists, traces
    without events, loose events, and what belongs to the whole log (extensions, classifiers,
    defaults). One attribute may have 16 MB. A document type declaration is refused: entities are
    declared there, and a few lines of them fill a memory. Raises `InterchangeError` with line and
    reason.
    """
    check_zone(timezone)
    check_name("aggregate_type", aggregate_type)
    if loose_id is not None:
        check_name("loose_id", loose_id)
    if not_finite not in ("refuse", "null", "text"):
        raise InvalidEventError(f"not_finite is 'refuse', 'null' or 'text', found {not_finite!r}.")
    bad = Bad(usable(path).name)
    defaults = {"id": default_id, "type": default_type, "time": default_time, "loose": loose_id}
    reader = XesReader(aggregate_type, bad, timezone, defaults, not_finite)
    with opened(path, max_bytes) as file:
        frame = make_frame(reader.rows(file), bad, by_time=True)
    lost = sorted(f"{count} {what}" for what, count in reader.lost.items())
    frame.attrs["lost"] = tuple(lost)
    return frame


class XesReader:
    """The events of an XES file, trace by trace, as the parser comes past them."""

    def __init__(
        self,
        aggregate_type: str,
        bad: Bad,
        timezone: str | None = None,
        defaults: Mapping[str, str | None] | None = None,
        not_finite: str = "refuse",
    ) -> None:
        self.kind, self.bad, self.timezone = aggregate_type, bad, timezone
        self.defaults = defaults or {}
        self.not_finite = not_finite
        self.lost = Omissions()
        self.depth = 0
        self.number = 0
        self.names: set[str] = set()
        self.trace: _Element | None = None
        self.event: _Element | None = None
        self.events: list[_Element] = []
        self.loose = False
        self.done: list[tuple[int, Mapping[str, Any]]] = []

    def rows(self, file: Unpacked) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """The rows of the events, a trace at a time."""
        part = file.read(_PART)
        feed, decoder = self._begin(part)
        waiting = stood = 0
        while True:
            try:
                feed(decoder.decode(part, not part).encode() if decoder else part, not part)
            except (expat.ExpatError, ValueError) as error:
                if isinstance(error, InterchangeError):
                    raise
                raise InterchangeError(f"{self.bad.name}: is not XML ({error}).") from None
            yield from self.done
            self.done.clear()
            if not part:
                return
            # The parser begins a piece again with each part, until it is complete.
            at = self.parser.CurrentByteIndex
            waiting = waiting + len(part) if at == stood else len(part)
            stood = at
            if waiting > _LONGEST:
                raise InterchangeError(
                    f"{self.bad.name}, line {self.parser.CurrentLineNumber}: a text or "
                    f"attribute of more than {_LONGEST:,} bytes. Keep it in a file of its own."
                )
            part = file.read(_PART)

    def _begin(self, part: bytes) -> tuple[Any, codecs.IncrementalDecoder | None]:
        """A parser for the encoding that the file declares."""
        declared = _DECLARED.match(part.removeprefix(b"\xef\xbb\xbf")[:1000])
        decoder = None
        name = declared[1].decode() if declared else "utf-8"
        try:
            known = codecs.lookup(name).name
        except (LookupError, ValueError):
            known = ""
        if not _TEXT_CODEC.match(known):
            raise InterchangeError(
                f"{self.bad.name}: declares the encoding {name!r:.60}, which is not known here. "
                f"Save it as UTF-8, and declare that."
            )
        if known not in _OWN:
            decoder = codecs.getincrementaldecoder(known)()
        self.parser = parser = expat.ParserCreate("utf-8" if decoder else None)
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.StartDoctypeDeclHandler = self.refuse
        return parser.Parse, decoder

    def refuse(self, *_: object) -> None:
        """Stop at a document type declaration."""
        raise InterchangeError(
            f"{self.bad.name}, line {self.parser.CurrentLineNumber}: a document type declaration "
            "is refused, since it can hold entities. Remove it: XES has none."
        )

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = name.rpartition(":")[2]
        if self.depth == 0 and name != "log":
            raise InterchangeError(f"{self.bad.name}: is not XES, it begins with <{name:.60}>.")
        self.depth += 1
        line = self.parser.CurrentLineNumber
        inside = self.event or self.trace
        if inside is None:
            if name == "trace" and self.depth == 2:
                self.number += 1
                self.trace, self.events = _Element(line, self.depth), []
            elif name == "event" and self.depth == 2:
                self.event, self.loose = _Element(line, self.depth), True
            elif self.depth > 1:
                self.lost["element(s) that belong to the whole log"] += 1
        elif self.event is None and name == "event" and self.depth == inside.depth + 1:
            self.event = _Element(line, self.depth)
        elif self.depth == inside.depth + 1:
            self._attribute(inside, name, attributes, line)
        else:
            self.lost["attribute(s) of attributes, and in lists"] += 1

    def _attribute(
        self, inside: _Element, kind: str, attributes: dict[str, str], line: int
    ) -> None:
        key, text = attributes.get("key"), attributes.get("value")
        if key is None or text is None or kind not in _KINDS:
            if kind in _KINDS:
                self.bad.add(line, f"a <{kind}> without a key, or without a value")
            else:
                self.lost[f"<{kind:.30}> element(s)"] += 1
            return
        try:
            inside.pairs.append((key, self._value(kind, text)))
        except ValueError as error:
            self.bad.add(line, f"{key!r:.60} is not a valid {kind}: {text!r:.60}{error}")

    def _value(self, kind: str, text: str) -> Any:
        if kind == "int":
            if _INT.fullmatch(text):
                return int(text)
            raise ValueError("")
        if kind == "boolean":
            if text.strip() in _FLAGS:
                return _FLAGS[text.strip()]
            raise ValueError("")
        if kind != "float":
            return text
        if _FLOAT.fullmatch(text):
            return float(text)
        if text.strip() not in _NOT_FINITE:
            raise ValueError("")
        if self.not_finite == "refuse":
            raise ValueError("; not_finite='null' or 'text' keeps it as such")
        self.lost[f"number(s) NaN or INF, kept as {self.not_finite}"] += 1
        return text if self.not_finite == "text" else None

    def end(self, name: str) -> None:
        """An element ends; with a trace, its events are done."""
        depth, self.depth = self.depth, self.depth - 1
        if self.event is not None and depth == self.event.depth:
            if not self.loose:
                self.events.append(self.event)
            elif self.defaults.get("loose") is None:
                self.lost["event(s) outside of all traces; loose_id=... keeps them"] += 1
            else:
                self._take(self.event, str(self.defaults["loose"]), {})
            self.event, self.loose = None, False
        elif self.trace is not None and depth == self.trace.depth:
            self._take_trace(self.trace)
            self.trace = None

    def _take_trace(self, trace: _Element) -> None:
        if not self.events:
            self.lost["trace(s) without events"] += 1
        try:
            case = as_object(trace.pairs)
            name = _named(case.pop("concept:name", None))
            if name in (None, "") and self.defaults.get("id") is not None:
                name = f"{self.defaults['id']} {self.number}"
            if name in (None, ""):
                raise ValueError("a trace without concept:name; default_id=... gives it one")
            if name in self.names:
                raise ValueError(f"the trace {name!r:.60} comes twice")
            self.names.add(name)
        except ValueError as error:
            self.bad.add(trace.line, str(error))
            return
        for n, event in enumerate(self.events):
            self._take(event, name, {"case": case} if case and not n else {})

    def _take(self, event: _Element, name: str, metadata: dict[str, Any]) -> None:
        try:
            data = as_object(event.pairs)
            kind, time = _named(data.pop("concept:name", None)), data.pop("time:timestamp", None)
            row = {
                "aggregate_type": self.kind,
                "aggregate_id": name,
                "event_data": data,
                "event_type": self._or_default(kind, "type", "concept:name"),
                "occurred_at": self._or_default(
                    with_zone(time, self.timezone), "time", "time:timestamp"
                ),
                "metadata": metadata,
            }
        except (ValueError, OverflowError) as error:
            self.bad.add(event.line, str(error))
            return
        self.done.append((event.line, row))

    def _or_default(self, value: Any, default: str, attribute: str) -> Any:
        if value is not None and value != "":
            return value
        if self.defaults.get(default) is None:
            field = {"type": "event_type", "time": "occurred_at"}[default]
            raise ValueError(f"{field} is missing ({attribute}); default_{default}=... fills it in")
        return self.defaults[default]


class _Element:
    """A trace or an event that is open: where it begins, and its attributes so far."""

    __slots__ = ("depth", "line", "pairs")

    def __init__(self, line: int, depth: int) -> None:
        self.line, self.depth = line, depth
        self.pairs: list[tuple[str, Any]] = []


def _named(value: Any) -> Any:
    """A name; whole numbers are names too."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
