"""A fingerprint of a function, so that a later Python can tell whether it is still the same.

It covers the compiled code, its constants and default values, what a closure holds, and the global
names that the code uses: plain values by content, functions of the same project in the same way
again, functions and classes of other installed packages by name and version. Line numbers, file
names and comments do not count. Another Python version compiles differently, so its fingerprints
differ.

The limits: it cannot see what a function reaches only while it runs (a file, the network, an
attribute named by `getattr`), nor a change in another package that keeps its version number. Where
a function uses something whose content cannot be told (an instance or a class of one's own, an open
file), its fingerprint is unique: it equals no other, not even that of the same function asked
again.
"""

from __future__ import annotations

import builtins
import functools
import hashlib
import re
import secrets
import sys
import sysconfig
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import BuiltinFunctionType, CodeType, EllipsisType, FunctionType, ModuleType
from typing import Any
from uuid import UUID

#: Types whose values are what their repr says, and nothing else.
_PLAIN = frozenset(
    {str, int, float, complex, bool, bytes, range, Decimal, UUID, date, datetime, time, timedelta}
    | {type(None), EllipsisType}
)
_LIBRARIES = tuple(
    sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def fingerprint(function: Callable[..., Any]) -> str:
    """16 hexadecimal digits that differ wherever the function might give another result."""
    try:
        lines = list(_Walk(function).of(function))
    except RecursionError:  # data nested without end
        lines = [_unique()]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogatepass")).hexdigest()[:16]


class _Walk:
    """One pass over a function and all that it uses."""

    def __init__(self, root: object) -> None:
        top = _top(root)
        self._project = "" if top in sys.stdlib_module_names else top
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no id is given out twice during the walk

    def of(self, value: Any) -> Iterator[str]:
        """Lines that describe a value."""
        if type(value) in _PLAIN:
            yield f"{type(value).__name__} {value!r}"
        elif isinstance(value, tuple | frozenset | set):
            yield from self._items(value)
        elif id(value) in self._seen:  # two that use each other, or a list that holds itself
            yield f"again {self._seen[id(value)]}"
        else:
            self._seen[id(value)] = len(self._seen)
            self._kept.append(value)
            yield from self._described(value)

    def _described(self, value: Any) -> Iterator[str]:
        if isinstance(value, FunctionType) and not self._elsewhere(value):
            yield from self._function(value)
        elif isinstance(value, CodeType):
            yield from self._code(value)
        elif type(value) is list:
            yield from self._items(value)
        elif type(value) is dict:
            yield f"dict {len(value)}"
            for pair in value.items():
                yield from self.of(pair)
        elif isinstance(value, functools.partial):
            yield "partial"
            yield from self.of((value.func, value.args, value.keywords))
        elif isinstance(value, re.Pattern):
            yield f"pattern {value.pattern!r} {value.flags}"
        elif isinstance(value, ModuleType):
            yield f"module {value.__name__} {_version(value.__name__)}"
        elif isinstance(value, type | FunctionType | BuiltinFunctionType) and self._elsewhere(
            value
        ):
            yield f"{value.__module__}.{value.__qualname__} {_version(value.__module__)}"
        else:
            yield _unique()

    def _items(self, value: Any) -> Iterator[str]:
        yield f"{type(value).__name__} {len(value)}"
        lines = ["\n".join(self.of(item)) for item in value]
        yield from sorted(lines) if isinstance(value, set | frozenset) else lines

    def _function(self, function: FunctionType) -> Iterator[str]:
        yield "function"
        yield from self.of(function.__code__)
        yield from self.of((function.__defaults__, function.__kwdefaults__))
        for cell in function.__closure__ or ():
            try:
                yield from self.of(cell.cell_contents)
            except ValueError:
                yield "empty cell"
        names = sorted(set(_names(function.__code__)))
        used = {name: function.__globals__[name] for name in names if name in function.__globals__}
        for name, value in used.items():
            yield f"global {name}"
            yield from self.of(value)
            if isinstance(value, ModuleType) and not self._elsewhere(value):
                # Whatever the code may reach in it by a dot.
                for inner in [inner for inner in names if inner in vars(value)]:
                    yield f"{name}.{inner}"
                    yield from self.of(vars(value)[inner])

    def _code(self, code: CodeType) -> Iterator[str]:
        counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
        yield f"code {code.co_code.hex()} {code.co_exceptiontable.hex()} {counts}"
        yield f"{code.co_names} {code.co_varnames} {code.co_freevars} {code.co_cellvars}"
        for constant in code.co_consts:
            yield from self.of(constant)

    def _elsewhere(self, value: Any) -> bool:
        """Whether a thing is part of another installed package, and known by its name there."""
        name = value.__name__ if isinstance(value, ModuleType) else value.__module__ or ""
        module = sys.modules.get(name)
        if module is None or _top(value) == self._project:
            return False
        file = getattr(module, "__file__", None)
        if file is None:
            return module is builtins or name in sys.builtin_module_names
        return bool(file.startswith(_LIBRARIES))


def _names(code: CodeType) -> Iterator[str]:
    """The names that code takes from outside, those of the functions written in it included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _top(value: Any) -> str:
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return (name or "").partition(".")[0]


def _version(module: str) -> str:
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return ".".join(map(str, sys.version_info[:3]))
    return str(getattr(sys.modules.get(top), "__version__", ""))


def _unique() -> str:
    return f"unique {secrets.token_hex(16)}"
