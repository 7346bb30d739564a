"""What a stub tells: is the answer still the stub, which gaps are left, how is it checked?

The code is compared, not its text: comments and line breaks do not count, decorators do.
"""

from __future__ import annotations

import ast
import contextlib
import linecache
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any

from esnb.course.exercises.engine.time_limit import is_theirs

#: Nothing was passed to `check`.
MISSING: Any = object()

_Definition = (ast.FunctionDef, ast.ClassDef)


# --- the stub as a text ---------------------------------------------------------------------------


def names_of(stub: str) -> list[str]:
    """What the cell of the stub defines, in its order."""
    names: list[str] = []
    for node in ast.parse(stub).body:
        if isinstance(node, _Definition):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                inner = target.elts if isinstance(target, ast.Tuple) else [target]
                names += [part.id for part in inner if isinstance(part, ast.Name)]
    return names


def call_of(exercise: str, stub: str) -> str:
    """How an answer is checked: `check("03-2", buy)`."""
    names = names_of(stub)
    answer = names[0] if len(names) == 1 else f"({', '.join(names)})"
    return f'check("{exercise}", {answer})'


def wanted_of(stub: str) -> str:
    """What the answer is, in words: `a function buy(store, buyer)`."""
    node = _first_definition(stub)
    if isinstance(node, ast.FunctionDef):
        return f"a function {node.name}({', '.join(arg.arg for arg in node.args.args)})"
    if isinstance(node, ast.ClassDef):
        return f"a class {node.name}"
    names = names_of(stub)
    return names[0] if len(names) == 1 else f"{len(names)} things: ({', '.join(names)})"


def returns_something(stub: str) -> bool:
    """Whether the stub is a function that hands a value back."""
    node = _first_definition(stub)
    return isinstance(node, ast.FunctionDef) and _has_return(node)


def _first_definition(stub: str) -> ast.AST | None:
    return next((n for n in ast.parse(stub).body if isinstance(n, _Definition)), None)


def _has_return(node: ast.AST) -> bool:
    """A `return` with a value, or a `yield`, of this function and not of one inside it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.Lambda | ast.ClassDef | ast.AsyncFunctionDef):
            continue
        if isinstance(child, ast.Return) and child.value is not None:
            return True
        if isinstance(child, ast.Yield | ast.YieldFrom) or _has_return(child):
            return True
    return False


# --- gaps ----------------------------------------------------------------------------------------


def gaps_in(answer: Any, stub: str, *, none_counts: bool = False) -> list[str]:
    """The names of what is still `...`, or None where the stub has a gap: `afterwards`.

    `none_counts`: None may be an answer of this exercise.
    """
    names = names_of(stub)
    values = [answer]
    if len(names) > 1 and isinstance(answer, tuple | list) and len(answer) == len(names):
        values = list(answer)
    elif len(names) > 1:
        names = ["the answer"]
    return [
        gap
        for name, value in zip(names, values, strict=False)
        for gap in _gaps(name, value, none_counts)
    ]


def _gaps(name: str, value: Any, none_counts: bool, depth: int = 0) -> Iterator[str]:
    if value is ... or (value is None and not none_counts):
        yield name
    elif depth < 4 and isinstance(value, Mapping) and len(value) < 1_000:
        for key, item in value.items():
            yield from _gaps(f'{name}["{key}"]', item, none_counts, depth + 1)
    elif depth < 4 and isinstance(value, list | tuple | set) and len(value) < 1_000:
        for number, item in enumerate(value):
            # None in a list is a value of the learner's; only `...` is a gap there.
            yield from _gaps(f"{name}[{number}]", item, True, depth + 1)


def is_gap(value: Any) -> bool:
    """Whether a learner's function has handed back the `...` of its stub, or one in a list."""
    if value is ...:
        return True
    if isinstance(value, Mapping):
        return any(part is ... for part in value.values())
    return isinstance(value, list | tuple) and any(part is ... for part in value)


def line_with_gap(answer: Any) -> tuple[int, str] | None:
    """Number and text of the line of the learner's code in which a `...` is left."""
    found = source_of(answer)
    if found is None:
        return None
    lines, node = found
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and part.value is ...:
            return part.lineno, lines[part.lineno - 1].strip()
    return None


# --- the learner's code ---------------------------------------------------------------------------


def source_of(answer: Any) -> tuple[list[str], ast.AST] | None:
    """The lines of the learner's cell, and the function or class in it that is the answer."""
    code = next(_code_objects(answer), None)
    if code is None or not is_theirs(code.co_filename):
        return None
    lines = linecache.getlines(code.co_filename)
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError):
        return None
    name = getattr(answer, "__name__", "")
    found = [n for n in ast.walk(tree) if isinstance(n, _Definition) and n.name == name]
    return (lines, found[-1]) if found else None


def never_returns(answer: Any) -> bool:
    """Whether the learner's function has no `return` with a value at all."""
    found = source_of(answer)
    return found is not None and isinstance(found[1], ast.FunctionDef) and not _has_return(found[1])


def is_untouched(answer: Any, stub: str) -> bool:
    """Whether the answer is what the stub's cell makes of itself.

    A value is: `None`, an empty text, `...`, what has the gaps that the stub has, or a literal that
    the stub assigns. A function or class is, when its code is the code of the stub.
    """
    if answer is MISSING or answer is None or answer is ...:
        return True
    if isinstance(answer, str):
        return not answer.strip() or any(
            isinstance(value, str) and answer.split() == value.split() for value in _literals(stub)
        )
    if isinstance(answer, int | float | list | tuple | dict | set):
        literals = [*_literals(stub)]
        whole = tuple(literals) if len(literals) > 1 else ()
        return any(type(answer) is type(value) and answer == value for value in [*literals, whole])
    return _is_the_code_of(answer, stub)


def _literals(stub: str) -> Iterator[Any]:
    for node in ast.parse(stub).body:
        if isinstance(node, ast.Assign):
            with contextlib.suppress(ValueError):
                yield ast.literal_eval(node.value)


def _is_the_code_of(answer: Any, stub: str) -> bool:
    name = getattr(answer, "__name__", "")
    wanted = next(
        (n for n in ast.parse(stub).body if isinstance(n, _Definition) and n.name == name), None
    )
    if wanted is None:
        return False
    found = source_of(answer)
    if found is not None:
        return _dumped(found[1]) == _dumped(wanted)
    return _same_code(answer, stub, name)


def _dumped(node: ast.AST) -> str:
    """The code without its docstrings and annotations' quirks, to compare."""
    node = ast.parse(ast.unparse(node))
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(part) is not None:
            part.body = part.body[1:]
    return ast.dump(node)


# --- without a source: by the compiled code -----------------------------------------------------


def _same_code(answer: Any, stub: str, name: str) -> bool:
    theirs = {key: _print(code) for key, code in _named_codes(answer)}
    if not theirs and isinstance(answer, type):
        return _attributes(answer) == dict(_class_literals(stub, name))
    module = compile(stub, "<stub>", "exec")
    ours: dict[str, Any] = {}
    for code in module.co_consts:
        if isinstance(code, CodeType) and code.co_name == name:
            if code.co_flags & 0x02:  # a function has fast locals, the body of a class has not
                ours[""] = _print(code)
            else:
                inner = [c for c in code.co_consts if isinstance(c, CodeType)]
                ours |= {c.co_name: _print(c) for c in inner if _is_written(c)}
    return bool(theirs) and theirs == ours


def _attributes(answer: type) -> dict[str, Any]:
    # A class derived from Aggregate is given its aggregate_type.
    return {
        key: value
        for key, value in vars(answer).items()
        if not key.startswith("_") and key != "aggregate_type"
    }


def _class_literals(stub: str, name: str) -> Iterator[tuple[str, Any]]:
    for node in ast.parse(stub).body:
        for line in node.body if isinstance(node, ast.ClassDef) and node.name == name else ():
            if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                with contextlib.suppress(ValueError):
                    yield line.targets[0].id, ast.literal_eval(line.value)


def _named_codes(answer: Any) -> Iterator[tuple[str, CodeType]]:
    """Name and code of each function of an answer: itself, or the methods of a class."""
    code = getattr(answer, "__code__", None)
    if isinstance(code, CodeType):
        yield "", code
    elif isinstance(answer, type):
        for name, value in vars(answer).items():
            function = getattr(value, "fget", None) or getattr(value, "__func__", value)
            code = getattr(function, "__code__", None)
            # Not what a decorator such as dataclass has written.
            if isinstance(code, CodeType) and _is_written(code):
                yield name, code


def _code_objects(answer: Any) -> Iterator[CodeType]:
    yield from (code for _, code in _named_codes(getattr(answer, "__wrapped__", answer)))


def _is_written(code: CodeType) -> bool:
    generated = code.co_filename == "<string>" or code.co_name.startswith("__annotate")
    return not generated and is_theirs(code.co_filename)


def _print(code: CodeType) -> Any:
    """What a piece of code does, without where it stands."""
    consts = [_print(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    # A class inside IPython and one in a stub have the same name.
    return (code.co_code, code.co_names, code.co_varnames, tuple(consts))
