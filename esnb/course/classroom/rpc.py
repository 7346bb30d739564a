"""Values and calls over a pipe: what two processes hold of each other's things.

A value goes over as a copy (numbers, texts, lists, events, tables). Anything else, a store for
instance, stays where it is, and the other side gets a stand-in with its public methods. What comes
from the other side is read as values only, never as code. An event is one object on each side:
what code does to it, or to a list that was passed, goes back with the answer.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import math
import sys
from collections import deque
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from copy import deepcopy
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any
from uuid import UUID

import pandas as pd

from esnb import errors
from esnb.errors import EsnbError
from esnb.events import Event
from esnb.interchange import restore
from esnb.readmodels.projection import Projection
from esnb.store.event_store import EventStore
from esnb.store.expected_version import ANY

_DEEPEST = 60
_EVENT = (
    "event_type",
    "event_data",
    "event_version",
    "metadata",
    "occurred_at",
    "event_id",
    "aggregate_type",
    "aggregate_id",
    "sequence_number",
    "position",
    "recorded_at",
)
_SPECIAL = ("__len__", "__iter__", "__getitem__", "__contains__")


class Gone(BaseException):
    """The learner's process has ended, or had to be stopped: `endless` says which.

    Not an `Exception`: it is not an error of the learner's code, which a checker might expect and
    catch.
    """

    def __init__(self, message: str, endless: bool = False) -> None:
        super().__init__(message)
        self.endless = endless


class Elsewhere(Exception):
    """An error of the other side that has no class of its own here; its text names the class."""


class Peer:
    """One end of the pipe: sends requests, and serves those that come while it waits."""

    def __init__(self, send: Callable[[str], None], receive: Callable[[], str]) -> None:
        self._send, self._receive = send, receive
        self._kept: dict[int, Any] = {}
        self.verdict: BaseException | None = None
        self.is_child = False
        # An event is one object on each side; what code does to it must not get lost. So the events
        # that went over and those that came are remembered, each with a copy to compare it with.
        self._sent: dict[int, tuple[Event, Event]] = {}
        self._held: dict[int, tuple[Event, Event]] = {}
        self._refs: dict[int, int] = {}

    # -- requests --------------------------------------------------------------------------

    def ask(self, kind: str, **fields: Any) -> Any:
        """Send a request and wait for its answer; serve the other side's requests meanwhile."""
        given = [*fields.get("args", ()), *fields.get("kwargs", {}).values()]
        message = {"ask": kind, **{name: self.encode(value) for name, value in fields.items()}}
        self._send(json.dumps(message | {"news": self._news()}))
        while True:
            reply = json.loads(self._receive())
            if not isinstance(reply, dict):
                raise Gone("The learner's process sent something that is not a message.")
            if "ask" in reply:
                # Once there is a verdict, whatever is still asked on the way out is stopped too.
                self._send(json.dumps(_STOPPED if self.verdict else self._served(reply)))
                continue
            if self.verdict is not None:
                verdict, self.verdict = self.verdict, None
                raise verdict
            for mine, theirs in zip(
                given, self.decode(reply.get("given", {"l": []})), strict=False
            ):
                _take_over(mine, theirs)
            self._hear(reply.get("news"))
            if "raise" in reply:
                raise self._error(reply["raise"])
            return self.decode(reply.get("value"))

    def _served(self, message: Mapping[str, Any]) -> dict[str, Any]:
        given: list[Any] = []
        try:
            self._hear(message.get("news"))
            fields = {k: self.decode(v) for k, v in message.items() if k not in ("ask", "news")}
            given = [*fields.get("args", ()), *fields.get("kwargs", {}).values()]
            value = self.encode(self.serve(message["ask"], fields))
            return {"value": value, "given": self.encode(given), "news": self._news()}
        except Exception as error:
            told = self._told(error)
            return {"raise": told, "given": self.encode(given), "news": self._news()}
        except BaseException as verdict:  # of the judge, and none of the learner's business
            self.verdict = verdict
            return _STOPPED

    def _news(self) -> list[Any]:
        """The events that code on this side has changed: those that came, and those that went."""
        told = []
        for whose, known in (("yours", self._held), ("mine", self._sent)):
            for ref, (event, copy) in known.items():
                if event != copy:
                    known[ref] = (event, deepcopy(event))
                    told.append([whose, ref, [self.encode(getattr(event, n)) for n in _EVENT]])
        return told

    def _hear(self, news: Any) -> None:
        """Let the events here be as they are over there."""
        for whose, ref, fields in news or ():
            known = self._sent if whose == "yours" else self._held
            if ref in known:
                event, _ = known[ref]
                _take_over(event, Event(**dict(zip(_EVENT, map(self.decode, fields), strict=True))))
                known[ref] = (event, deepcopy(event))

    @staticmethod
    def _remember(known: dict[int, tuple[Event, Event]], ref: int, event: Event) -> None:
        known[ref] = (event, deepcopy(event))
        if len(known) > _EVENTS_KEPT:
            del known[next(iter(known))]

    def serve(self, kind: str, fields: Mapping[str, Any]) -> Any:
        """Do what the other side asks for: only with what it was given a stand-in for."""
        thing = self._kept[fields["ref"]]
        if kind == "call":
            return thing(*fields["args"], **fields["kwargs"])
        name = fields["name"]
        if kind == "special" and name in _SPECIAL:
            value = getattr(thing, name)(*fields["args"])
            return list(value) if name == "__iter__" else value
        if kind == "get" and isinstance(name, str) and not name.startswith("_"):
            return getattr(thing, name)
        if kind == "text":
            return repr(thing)
        raise AttributeError(f"{name!r} cannot be reached from the other side")

    # -- values ----------------------------------------------------------------------------

    def encode(self, value: Any, depth: int = 0) -> Any:
        """A value as JSON: a copy of what is plain, a reference to anything else."""
        if depth > _DEEPEST:
            raise ValueError("the value is nested too deeply to be looked at")
        kind = type(value)
        if value is None or kind in (bool, str) or (kind is float and math.isfinite(value)):
            return value
        if kind is int:
            return value if abs(value) < 2**53 else {"i": str(value)}
        if kind is float:
            return {"f": repr(value)}
        if isinstance(value, str):  # of a class of its own, whose habits a checker may count on
            return {"text": [_named(kind), str.__str__(value)]}
        if isinstance(value, int | float):
            return self.encode(int(value) if isinstance(value, int) else float(value))
        if kind in _CONTAINERS:
            return {_CONTAINERS[kind]: [self.encode(item, depth + 1) for item in value]}
        if isinstance(value, dict):
            pairs = [
                (self.encode(k, depth + 1), self.encode(v, depth + 1)) for k, v in value.items()
            ]
            return {"d": pairs}
        if kind is Event:
            held = self._held.get(self._refs.get(id(value), 0))
            if held and held[0] is value:
                return {"back": self._refs[id(value)]}
            fields = [self.encode(getattr(value, name), depth + 1) for name in _EVENT]
            self._remember(self._sent, id(value), value)
            return {"event": [id(value), fields]}
        for tag, (cls, write, _) in _PLAIN.items():
            if isinstance(value, cls):
                return {tag: write(value)}
        if isinstance(value, StandIn | _Kind):
            return {"yours": value._ref}
        if kind is EventStore and self.is_child:  # the judge looks at a copy of it
            return {"store": [self.encode(event, depth + 1) for event in value.read_all()]}
        if isinstance(value, pd.Series):
            column = [value.name, value.index.tolist(), value.tolist(), str(value.dtype)]
            return {"column": [self.encode(part, depth + 1) for part in column]}
        if isinstance(value, pd.DataFrame):
            columns = [self.encode(list(value.columns)), self.encode(value.index.tolist())]
            rows = value.astype(object).where(value.notna(), None).to_numpy().tolist()
            return {"table": [*columns, self.encode(rows, depth + 1), list(map(str, value.dtypes))]}
        if hasattr(value, "tolist") and hasattr(value, "dtype"):  # numpy, and pandas' columns
            return self.encode(value.tolist(), depth + 1)
        if isinstance(value, Iterator | _SERIES):
            return self.encode(list(value), depth + 1)
        if is_dataclass(value) and not isinstance(value, type) and _is_ours(kind):
            parts = {f.name: getattr(value, f.name) for f in dataclass_fields(value) if f.init}
            return {"ours": [_named(kind), self.encode(parts, depth + 1)]}
        if isinstance(value, BaseException):
            return {"error": self._told(value)}
        if isinstance(value, type) and _is_ours(value):
            return {"class": _named(value)}
        if isinstance(value, ModuleType):
            raise ValueError("a module cannot be handed over")
        self._kept[id(value)] = value
        if isinstance(value, type):
            declared = _declared(value) if issubclass(value, Projection) else None
            return {"kind": [id(value), value.__name__, self.encode(declared)]}
        return {"mine": [id(value), callable(value), type(value).__name__]}

    def decode(self, value: Any) -> Any:
        """The value again: of plain types, or a stand-in."""
        if not isinstance(value, dict):
            return value
        [(tag, inner)] = value.items()
        if tag in _MAKERS:
            return _MAKERS[tag](self.decode(item) for item in inner)
        if tag == "d":
            return {self.decode(k): self.decode(v) for k, v in inner}
        if tag == "event":
            ref, fields = inner
            event = Event(**dict(zip(_EVENT, map(self.decode, fields), strict=True)))
            if ref in self._held and self._held[ref][1] == event:
                return self._held[ref][0]
            self._remember(self._held, int(ref), event)
            self._refs[id(event)] = int(ref)
            return event
        if tag == "text":
            module, _, name = inner[0].partition(":")
            known = self.is_child and module.startswith("esnb.")
            made = getattr(importlib.import_module(module), name, str) if known else str
            return made(inner[1])
        if tag == "back":
            return self._sent[inner][0]
        if tag in _PLAIN:
            return _PLAIN[tag][2](inner)
        if tag == "yours":
            return self._kept[inner]
        if tag == "table":
            columns, index, rows = map(self.decode, inner[:3])
            frame = pd.DataFrame(rows, columns=columns, index=index, dtype=object)
            for name, dtype in zip(columns, inner[3], strict=True):
                with contextlib.suppress(ValueError, TypeError):
                    frame[name] = frame[name].astype(dtype)
            return frame
        if tag == "column":
            name, index, values, dtype = map(self.decode, inner)
            column = pd.Series(values, index=index, name=name, dtype=object)
            with contextlib.suppress(ValueError, TypeError):
                column = column.astype(dtype)
            return column
        if tag == "store":
            events = [self.decode(event) for event in inner]
            rows = [{name: getattr(event, name) for name in _EVENT} for event in events]
            return restore(pd.DataFrame(rows)) if rows else EventStore()
        if tag == "error":
            return self._error(inner)
        if tag == "class":
            return _our_class(inner)
        if tag == "ours":
            made = _our_class(inner[0])
            if not is_dataclass(made):
                raise ValueError(f"{inner[0]!r} is not a kind of value")
            return made(**self.decode(inner[1]))
        if tag == "kind":
            ref, name, declared = inner
            kind = _Kind(str(name), (), {"_peer": self, "_ref": int(ref)})
            return kind if declared is None else _projection(kind, self.decode(declared))
        if tag == "mine":
            ref, can_be_called, name = inner
            return (CallableStandIn if can_be_called else StandIn)(self, int(ref), str(name))
        raise ValueError(f"{tag!r} is not a kind of value")

    # -- errors ----------------------------------------------------------------------------

    def _told(self, error: BaseException) -> list[Any]:
        fields = {}
        for name, value in vars(error).items():
            with contextlib.suppress(Exception):
                fields[name] = self.encode(value)
        return [type(error).__name__, str(error), list(fields.items())]

    def _error(self, told: Any) -> BaseException:
        name, text, fields = told
        if name == "stopped" and self.is_child:
            return Gone("stopped")  # no Exception, so that no `except Exception` goes on after it
        kind = getattr(errors, str(name), None) or getattr(_BUILTINS, str(name), None)
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            return Elsewhere(f"{name}: {text}")
        if issubclass(kind, EsnbError):
            error: Exception = kind.__new__(kind, text)
            for field, value in fields:
                if str(field).isidentifier() and not str(field).startswith("_"):
                    error.__dict__[field] = self.decode(value)
            error.args = (str(text),)
            return error
        try:
            return kind(str(text))
        except TypeError:  # UnicodeDecodeError, for one, wants more than a text
            return Elsewhere(f"{name}: {text}")


class StandIn:
    """What one side holds of a thing on the other: its public attributes, calls, and text."""

    def __init__(self, peer: Peer, ref: int, name: str) -> None:
        self._peer, self._ref, self._name = peer, ref, name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{self._name} has no {name!r} from here")
        return self._peer.ask("get", ref=self._ref, name=name)

    def _special(self, name: str, *args: Any) -> Any:
        return self._peer.ask("special", ref=self._ref, name=name, args=list(args))

    def __len__(self) -> int:
        return int(self._special("__len__"))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._special("__iter__"))

    def __getitem__(self, key: Any) -> Any:
        return self._special("__getitem__", key)

    def __contains__(self, item: Any) -> bool:
        return bool(self._special("__contains__", item))

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __repr__(self) -> str:
        return str(self._peer.ask("text", ref=self._ref, name=""))


class CallableStandIn(StandIn):
    """A stand-in for a function, a method or a class."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it, over there."""
        return self._peer.ask("call", ref=self._ref, args=list(args), kwargs=kwargs)


class _Kind(type):
    """A stand-in for a class: a class here as well, whose objects are made on the other side."""

    _peer: Peer
    _ref: int

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._peer.ask("call", ref=cls._ref, args=list(args), kwargs=kwargs)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{cls.__name__} has no {name!r} from here")
        return cls._peer.ask("get", ref=cls._ref, name=name)


_DECLARATION = ("tables", "sql", "columns", "gathers", "version")
_MARKS = ("_handles", "_reacts")


def _declared(kind: type[Projection]) -> dict[str, Any]:
    """What a projection says of itself, and its marked methods: {name: (handles, reacts)}."""
    marked = {
        name: tuple(tuple(getattr(vars_of, mark, ())) for mark in _MARKS)
        for name in dir(kind)
        if any(hasattr(vars_of := getattr(kind, name), mark) for mark in _MARKS)
    }
    lists = {
        name: value
        for name, value in vars(kind).items()
        if type(value) is list and name not in _DECLARATION and not name.startswith("_")
    }
    said = {name: getattr(kind, name) for name in _DECLARATION}
    return said | {"marked": marked, "lists": lists}


def _projection(kind: _Kind, declared: dict[str, Any]) -> type[Projection]:
    """A real projection here: its SQL runs here, its methods on the other side."""
    lists = {str(name): list(value) for name, value in declared["lists"].items()}
    fields = lists | {name: declared[name] for name in _DECLARATION}
    if fields["sql"]:
        # Whatever the SQL says: it reaches no file of the judge.
        given = [fields["sql"]] if isinstance(fields["sql"], str) else list(fields["sql"])
        fields["sql"] = [*given]
    for name, (handled, reacted) in declared["marked"].items():

        def method(self: Any, *args: Any, _name: str = name) -> None:
            if "_there" not in self.__dict__:
                self.__dict__["_there"] = kind()
            # The first argument of a handler is a cursor, of which `execute` is all it needs.
            passed = [_Tables(args[0]), args[1]] if len(args) == 2 else args
            there = self.__dict__["_there"]._ref
            kind._peer.ask("method", ref=there, name=_name, args=list(passed), kwargs=lists)

        method.__dict__.update({k: v for k, v in zip(_MARKS, (handled, reacted), strict=True) if v})
        fields[str(name)] = method
    return type(kind.__name__, (Projection,), fields)


class _Tables:
    """The tables of a read model, for a handler on the other side: a database shut to files."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def execute(self, sql: str, values: Any = None) -> _Rows:
        """Run a statement on them."""
        return _Rows(self._cursor.execute(sql, values))


class _Rows:
    def __init__(self, result: Any) -> None:
        self._result = result

    def fetchone(self) -> Any:
        return self._result.fetchone()

    def fetchall(self) -> Any:
        return self._result.fetchall()


class _Never:
    """Nothing is one: whole numbers beyond those of JSON, and nan, are written by `encode`."""


_STOPPED: dict[str, Any] = {"raise": ["stopped", "it was stopped", []], "given": {"l": []}}
_SERIES = KeysView | ValuesView | ItemsView | range | deque
_EVENTS_KEPT = 256
_BUILTINS = importlib.import_module("builtins")
_CONTAINERS: dict[type, str] = {list: "l", tuple: "t", set: "s", frozenset: "z"}
_MAKERS: dict[str, Callable[[Any], Any]] = {"l": list, "t": tuple, "s": set, "z": frozenset}
_PLAIN: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "i": (_Never, str, int),
    "f": (_Never, repr, float),
    "gap": (type(...), lambda _: 0, lambda _: ...),
    "any": (type(ANY), lambda _: 0, lambda _: ANY),
    "dt": (datetime, lambda t: t.isoformat(), datetime.fromisoformat),
    "date": (date, lambda t: t.isoformat(), date.fromisoformat),
    "span": (
        timedelta,
        lambda t: [t.days, t.seconds, t.microseconds],
        lambda parts: timedelta(*map(int, parts)),
    ),
    "path": (PurePath, str, Path),
    "uuid": (UUID, str, UUID),
    "dec": (Decimal, str, Decimal),
    "b": (bytes, lambda b: base64.b64encode(b).decode(), base64.b64decode),
}


def _is_ours(kind: type) -> bool:
    parts = kind.__module__.split(".")
    return (
        parts[0] == "esnb"
        and parts[1:2] not in (["exercises"], ["classroom"])
        and (getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind)
    )


def _named(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _our_class(name: str) -> type:
    module, _, qualname = str(name).partition(":")
    kind = (
        getattr(importlib.import_module(module), qualname) if module.startswith("esnb.") else None
    )
    if not (isinstance(kind, type) and _is_ours(kind)):
        raise ValueError(f"{name!r} is not a class of esnb")
    return kind


def _take_over(mine: Any, theirs: Any) -> None:
    """Make what was passed look as it does on the other side after the call."""
    if isinstance(mine, Event) and isinstance(theirs, Event):
        if theirs.event_id is not None and theirs.occurred_at is not None:
            mine.settle(theirs.event_id, theirs.occurred_at)
        for own, other in ((mine.event_data, theirs.event_data), (mine.metadata, theirs.metadata)):
            if own != other:
                own.clear()
                own.update(other)
    elif isinstance(mine, list) and isinstance(theirs, list):
        if len(mine) != len(theirs):
            mine[:] = theirs
        for n, (own, other) in enumerate(zip(mine, theirs, strict=True)):
            if own is other:
                continue
            if isinstance(own, list | dict) and type(own) is type(other):
                _take_over(own, other)
            elif own != other and not isinstance(other, StandIn):
                mine[n] = other
    elif isinstance(mine, dict) and isinstance(theirs, dict):
        if mine.keys() != theirs.keys():
            mine.clear()
            mine.update(theirs)
        for key, other in theirs.items():
            if isinstance(mine[key], list | dict) and type(mine[key]) is type(other):
                _take_over(mine[key], other)
            elif mine[key] != other and not isinstance(other, StandIn):
                mine[key] = other
