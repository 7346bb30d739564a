"""What one side of the pipe holds of a thing that stays on the other: its stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from esnb.course.exercises.engine.time_limit import is_lesson_time
from esnb.readmodels.projection import Projection


class StandIn:
    """A stand-in for a thing on the other side: its public attributes, its length, items and text.

    Two of them are never equal, and none equals a plain value, whatever the class over there says.
    """

    def __init__(self, peer: Any, ref: int, name: str) -> None:
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
        fields = {"ref": self._ref, "args": list(args), "kwargs": kwargs}
        return self._peer.ask("call", **fields, lesson=is_lesson_time())


class KindStandIn(type):
    """A stand-in for a class: a class here as well, whose objects are made on the other side."""

    _peer: Any
    _ref: int

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make an object, over there."""
        return cls._peer.ask("call", ref=cls._ref, args=list(args), kwargs=kwargs)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{cls.__name__} has no {name!r} from here")
        return cls._peer.ask("get", ref=cls._ref, name=name)


_DECLARATION = ("tables", "sql", "columns", "gathers", "version")
_MARKS = ("_handles", "_reacts")


def declared_by(kind: type[Projection]) -> dict[str, Any]:
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


def projection(kind: KindStandIn, declared: dict[str, Any]) -> type[Projection]:
    """A real projection here: its SQL runs here, its methods on the other side."""
    for name in (*declared["lists"], *declared["marked"]):
        if not name.isidentifier() or name.startswith("_"):
            raise ValueError(f"{name!r:.40} is not the name of a public attribute")
    lists = {name: list(value) for name, value in declared["lists"].items()}
    fields = lists | {name: declared[name] for name in _DECLARATION}
    if fields["sql"]:
        fields["sql"] = [fields["sql"]] if isinstance(fields["sql"], str) else [*fields["sql"]]
    for name, (handled, reacted) in declared["marked"].items():

        def method(self: Any, *args: Any, _name: str = name) -> None:
            if "_there" not in self.__dict__:
                self.__dict__["_there"] = kind()
            # The first argument of a handler is a cursor, of which `execute` is all it needs.
            passed = [_Tables(args[0]), args[1]] if len(args) == 2 else args
            there = self.__dict__["_there"]._ref
            kind._peer.ask("method", ref=there, name=_name, args=list(passed), kwargs=lists)

        method.__dict__.update({k: v for k, v in zip(_MARKS, (handled, reacted), strict=True) if v})
        fields[name] = method
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
