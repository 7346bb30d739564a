"""Is the answer still the stub? Asked of the code, not of its text: comments do not count."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any

from esnb.course.exercises.engine.time_limit import is_theirs


def is_untouched(answer: Any, stub: str) -> bool:
    """Whether the answer is what the stub's cell makes of itself.

    A value is: `None`, an empty text, `...` or a container with one in it, or a literal that the
    stub assigns. A function or class is, when its code is the code of the stub.
    """
    if answer is None or answer is ... or (isinstance(answer, str) and not answer):
        return True
    if isinstance(answer, str | int | float | list | tuple | dict | set):
        return _has_gap(answer) or any(
            type(answer) is type(value) and answer == value for value in _literals(stub)
        )
    name = getattr(answer, "__name__", "")
    codes = dict(_codes_of(answer))
    if isinstance(answer, type):
        literals = _class_literals(stub, name)
        mine = {k: v for k, v in vars(answer).items() if isinstance(v, _PLAIN) and k in literals}
        more = {k for k, v in vars(answer).items() if isinstance(v, _PLAIN) and _is_theirs(k)}
        if mine != literals or more - literals.keys() or not (codes or literals):
            return False
    elif not codes:
        return False
    return codes == dict(_codes_in(compile(stub, "<stub>", "exec"), name))


_PLAIN = (str, int, float, list, tuple, dict, set, type(None))


def _is_theirs(attribute: str) -> bool:
    # A class derived from Aggregate is given its aggregate_type.
    return not attribute.startswith("_") and attribute != "aggregate_type"


def _class_literals(stub: str, name: str) -> dict[str, Any]:
    """What the body of the class assigns, as far as it is literal."""
    found: dict[str, Any] = {}
    for node in ast.parse(stub).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            for line in node.body:
                target = line.targets[0] if isinstance(line, ast.Assign) else None
                if isinstance(line, ast.AnnAssign):
                    target = line.target
                value = getattr(line, "value", None)
                if isinstance(target, ast.Name) and value is not None:
                    with contextlib.suppress(ValueError):
                        found[target.id] = ast.literal_eval(value)
    return found


def _has_gap(value: Any, depth: int = 0) -> bool:
    if value is ...:
        return True
    if depth > 5 or len(_items(value)) > 1_000:
        return False
    return any(_has_gap(item, depth + 1) for item in _items(value))


def _items(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value.values()]
    return [*value] if isinstance(value, list | tuple | set) else []


def _literals(stub: str) -> Iterator[Any]:
    for node in ast.parse(stub).body:
        if isinstance(node, ast.Assign):
            try:
                yield ast.literal_eval(node.value)
            except ValueError:
                continue


def _codes_of(answer: Any) -> Iterator[tuple[str, Any]]:
    """Name and print of each function of an answer: itself, or the methods of a class."""
    code = getattr(answer, "__code__", None)
    if isinstance(code, CodeType):
        yield "", _print(code)
    elif isinstance(answer, type):
        for name, value in vars(answer).items():
            function = getattr(value, "fget", None) or getattr(value, "__func__", value)
            code = getattr(function, "__code__", None)
            # Not what a decorator such as dataclass has written.
            if isinstance(code, CodeType) and _is_written(code):
                yield name, _print(code)


def _codes_in(module: CodeType, name: str) -> Iterator[tuple[str, Any]]:
    """The same of the function or class `name` in a compiled stub."""
    for code in module.co_consts:
        if isinstance(code, CodeType) and code.co_name == name:
            inner = [c for c in code.co_consts if isinstance(c, CodeType) and _is_written(c)]
            if code.co_flags & 0x02:  # a function has fast locals, the body of a class has not
                yield "", _print(code)
            else:
                yield from ((c.co_name, _print(c)) for c in inner)


def _is_written(code: CodeType) -> bool:
    generated = code.co_filename == "<string>" or code.co_name.startswith("__annotate")
    return not generated and is_theirs(code.co_filename)


def _print(code: CodeType) -> Any:
    """What a piece of code does, without where it stands."""
    consts = [_print(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    # A class inside IPython and one in a stub are called the same; a docstring is no change.
    return (code.co_code, code.co_names, code.co_varnames, tuple(consts))


def is_gap(value: Any) -> bool:
    """Whether a learner's function has handed back the `...` of its stub."""
    return value is ... or (isinstance(value, list | tuple) and any(v is ... for v in value))
