"""Calls over a pipe: what two processes do with each other's things.

A value goes over as a copy (see `codec`). Anything else, a store for instance, stays where it is,
and the other side gets a stand-in with its public methods. What comes from the other side is read
as values only, never as code. An event is one object on each side: what code does to it, or to a
list that was passed, goes back with the answer.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from types import ModuleType
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from esnb import errors
from esnb.course.exercises.engine.time_limit import lesson_time
from esnb.errors import EsnbError
from esnb.events import Event
from esnb.interchange import restore
from esnb.readmodels.projection import Projection
from esnb.store.event_store import EventStore

from .codec import Codec, Kind, Malformed, of
from .stand_ins import CallableStandIn, KindStandIn, StandIn, declared_by, projection
from .value_kinds import VALUES, name_of

_EVENTS_KEPT = 256
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
_STOPPED: dict[str, Any] = {"raise": ["stopped", "it was stopped", []], "given": {"l": []}}


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


class Peer(Codec):
    """One end of the pipe: sends requests, and serves those that come while it waits."""

    def __init__(self, send: Callable[[str], None], receive: Callable[[], str]) -> None:
        super().__init__((*FIRST, *VALUES, *LAST))
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
            reply = message_in(self._receive())
            if "ask" in reply:
                # Once there is a verdict, whatever is still asked on the way out is stopped too.
                self._send(json.dumps(_STOPPED if self.verdict else self.served(reply)))
                continue
            if self.verdict is not None:
                verdict, self.verdict = self.verdict, None
                raise verdict
            try:
                after = self.decode(reply.get("given", {"l": []}))
                self._hear(reply.get("news"))
                error = self.read_error(reply["raise"]) if "raise" in reply else None
                value = self.decode(reply.get("value"))
            except Malformed as problem:
                _not_a_message(problem)
            for mine, theirs in zip(given, after, strict=False):
                _take_over(mine, theirs)
            if error is not None:
                raise error
            return value

    def served(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request of the other side: a value, or an error of this side."""
        given: list[Any] = []
        try:
            self._hear(message.get("news"))
            fields = {k: self.decode(v) for k, v in message.items() if k not in ("ask", "news")}
            given = [*fields.get("args", ()), *fields.get("kwargs", {}).values()]
            value = self.encode(self.serve(message["ask"], fields))
            return {"value": value, "given": self.encode(given), "news": self._news()}
        except Exception as error:
            after: Any = {"l": []}
            with contextlib.suppress(ValueError):  # too deep, which may be the error
                after = self.encode(given)
            return {"raise": self.write_error(error), "given": after, "news": self._news()}
        except BaseException as verdict:  # of the judge, and none of the learner's business
            self.verdict = verdict
            return _STOPPED

    def _news(self) -> list[Any]:
        """The events that code on this side has changed: those that came, and those that went."""
        told = []
        for whose, known in (("yours", self._held), ("mine", self._sent)):
            for ref, (event, copy) in known.items():
                # An event is frozen: only these can differ. (Asked for each event at each call.)
                if (
                    event.event_data != copy.event_data
                    or event.metadata != copy.metadata
                    or event.event_id is not copy.event_id
                    or event.occurred_at is not copy.occurred_at
                ):
                    known[ref] = (event, _copied(event))
                    told.append([whose, ref, [self.encode(getattr(event, n)) for n in _EVENT]])
        return told

    def _hear(self, news: Any) -> None:
        """Let the events here be as they are over there."""
        try:
            for whose, ref, fields in news or ():
                known = self._sent if whose == "yours" else self._held
                if ref in known:
                    event, _ = known[ref]
                    _take_over(event, _event_of(self, fields))
                    known[ref] = (event, _copied(event))
        except (TypeError, ValueError, AttributeError) as error:
            raise Malformed(f"news of an event are written wrongly: {error!r:.80}") from None

    @staticmethod
    def _remember(known: dict[int, tuple[Event, Event]], ref: int, event: Event) -> None:
        known[ref] = (event, _copied(event))
        if len(known) > _EVENTS_KEPT:
            del known[next(iter(known))]

    def serve(self, kind: str, fields: Mapping[str, Any]) -> Any:
        """Do what the other side asks for: only with what it was given a stand-in for."""
        thing = self._kept[fields["ref"]]
        if kind == "call":
            # Where the judge lets time pass only as somebody looks, so it passes over there.
            with lesson_time() if fields.get("lesson") is True else contextlib.nullcontext():
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

    # -- what is remembered ----------------------------------------------------------------

    def ref_of(self, event: Event) -> int | None:
        """The number that the other side has for an event that came from it."""
        ref = self._refs.get(id(event), 0)
        held = self._held.get(ref)
        return ref if held and held[0] is event else None

    def sent(self, ref: int) -> Event:
        """The event that went over under this number."""
        return self._sent[ref][0]

    def send_event(self, event: Event) -> list[Any]:
        """Write an event, and remember it."""
        self._remember(self._sent, id(event), event)
        return [id(event), [self.encode(getattr(event, name)) for name in _EVENT]]

    def hold_event(self, inner: Any) -> Event:
        """Read an event: the one that is here already, when it is the same."""
        ref, fields = inner
        event = _event_of(self, fields)
        if ref in self._held and self._held[ref][1] == event:
            return self._held[ref][0]
        self._remember(self._held, int(ref), event)
        self._refs[id(event)] = int(ref)
        return event

    def keep(self, value: Any) -> int:
        """Keep a thing that stays here; the number under which the other side asks for it."""
        self._kept[id(value)] = value
        return id(value)

    def kept(self, ref: int) -> Any:
        """The thing kept under a number."""
        return self._kept[ref]

    # -- errors ----------------------------------------------------------------------------

    def write_error(self, error: BaseException) -> list[Any]:
        """An error as its name, its text, and its fields."""
        fields = {}
        for name, value in vars(error).items():
            with contextlib.suppress(Exception):
                fields[name] = self.encode(value)
        return [type(error).__name__, str(error), list(fields.items())]

    def read_error(self, told: Any) -> BaseException:
        """An error of esnb or of Python again; `Elsewhere` for any other."""
        if type(told) is not list or len(told) != 3 or type(told[2]) is not list:
            raise Malformed("an error is written wrongly")
        name, text, fields = str(told[0]), str(told[1]), told[2]
        if name == "stopped" and self.is_child:
            return Gone("stopped")  # no Exception, so that no `except Exception` goes on after it
        kind = getattr(errors, name, None) or getattr(builtins, name, None)
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            return Elsewhere(f"{name}: {text}")
        if issubclass(kind, EsnbError):
            error: Exception = kind.__new__(kind, text)
            for field in fields:
                if type(field) is not list or len(field) != 2:
                    raise Malformed("the fields of an error are written wrongly")
                if str(field[0]).isidentifier() and not str(field[0]).startswith("_"):
                    error.__dict__[field[0]] = self.decode(field[1])
            error.args = (text,)
            return error
        try:
            return kind(text)
        except TypeError:  # UnicodeDecodeError, for one, wants more than a text
            return Elsewhere(f"{name}: {text}")


def message_in(line: str) -> dict[str, Any]:
    """A message from a line. Raises `Gone` where there is none in it."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        _not_a_message(error)
    if type(message) is not dict:
        _not_a_message(f"found {message!r:.40}")
    return message


def _not_a_message(problem: object) -> NoReturn:
    raise Gone(
        f"The learner's process sent something that is not a message: {problem!s:.120}"
    ) from None


# --- the rows of the table that need a peer ---------------------------------------------------


def _event_of(peer: Peer, fields: Any) -> Event:
    return Event(**dict(zip(_EVENT, map(peer.decode, fields), strict=True)))


def _copied(event: Event) -> Event:
    """An event with data of its own, to compare the first one with later."""
    data, metadata = _json_copy(event.event_data), _json_copy(event.metadata)
    return replace(event, event_data=data, metadata=metadata)


def _json_copy(value: Any) -> Any:
    """A copy of JSON, in a quarter of the time that `deepcopy` takes."""
    kind = type(value)
    if kind is dict:
        return {key: _json_copy(item) for key, item in value.items()}
    if kind is list:
        return [_json_copy(item) for item in value]
    return value if kind in (str, int, float, bool, type(None)) else deepcopy(value)


def _text(peer: Peer, inner: Any) -> str:
    """A text of a class of its own. Only the child makes it: what comes from there is plain."""
    module, _, name = str(inner[0]).partition(":")
    known = peer.is_child and module.startswith("esnb.")
    made = getattr(importlib.import_module(module), name, str) if known else str
    return made(str(inner[1]))


def _store(peer: Peer, inner: Any) -> EventStore:
    events = [peer.decode(event) for event in inner]
    rows = [{name: getattr(event, name) for name in _EVENT} for event in events]
    return restore(pd.DataFrame(rows)) if rows else EventStore()


def _class(peer: Peer, value: type) -> list[Any]:
    declared = declared_by(value) if issubclass(value, Projection) else None
    return [peer.keep(value), value.__name__, peer.encode(declared)]


def _read_class(peer: Peer, inner: Any) -> Any:
    ref, name, declared = inner
    kind = KindStandIn(str(name), (), {"_peer": peer, "_ref": int(ref)})
    return kind if declared is None else projection(kind, peer.decode(declared))


def _thing(peer: Peer, value: Any) -> list[Any]:
    if isinstance(value, ModuleType):
        raise ValueError("a module cannot be handed over")
    return [peer.keep(value), callable(value), type(value).__name__]


def _read_thing(peer: Peer, inner: Any) -> StandIn:
    ref, can_be_called, name = inner
    return (CallableStandIn if can_be_called else StandIn)(peer, int(ref), str(name))


def _own_text(peer: Peer, value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, np.generic)


FIRST: tuple[Kind, ...] = (
    Kind(
        "back",
        lambda p, x: type(x) is Event and p.ref_of(x) is not None,
        lambda p, x: p.ref_of(x),
        lambda p, x: p.sent(x),
    ),
    Kind(
        "event",
        lambda p, x: type(x) is Event,
        lambda p, x: p.send_event(x),
        lambda p, x: p.hold_event(x),
    ),
    Kind("yours", of(StandIn, KindStandIn), lambda p, x: x._ref, lambda p, x: p.kept(x)),
    # A learner's store goes over as its events: the judge looks at a copy of it.
    Kind(
        "store",
        lambda p, x: type(x) is EventStore and p.is_child,
        lambda p, x: [p.encode(event) for event in x.read_all()],
        _store,
    ),
    Kind("text", _own_text, lambda p, x: [name_of(type(x)), str.__str__(x)], _text),
)
LAST: tuple[Kind, ...] = (
    Kind("error", of(BaseException), lambda p, x: p.write_error(x), lambda p, x: p.read_error(x)),
    Kind("kind", of(type), _class, _read_class),
    Kind("mine", lambda p, x: True, _thing, _read_thing),
)


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
