"""Mechanical mutants of right answers: one small change each, as somebody might get it wrong.

A mutant is the text of an answer cell with one thing changed: an operator, a bound, a constant, a
column, a name, two arguments, a statement left out, an `except` gone, a value written down; in the
text of a query a filter, a column, a bound, a `distinct`, an order. The changes are made on the
tree of the code, so each mutant can be compiled.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Change = Callable[[ast.AST], ast.AST | None]

_COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt,), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt,),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}  # fmt: skip
_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip

#: What is taken for each other: columns, fields, functions, types of events.
NEIGHBOURS = {
    "occurred_at": ("recorded_at",),
    "recorded_at": ("occurred_at",),
    "sequence_number": ("position",),
    "position": ("sequence_number", "end_seen"),
    "min": ("max",), "max": ("min",), "any": ("all",), "all": ("any",), "first": ("last",),
    "last": ("first",), "notna": ("isna",), "isna": ("notna",), "median": ("mean",),
    "total_seconds": ("seconds",), "nunique": ("count",), "append": ("extend",),
    "events": ("read_all",), "sorted": ("list",), "set": ("list",), "round": ("int",),
    "aggregate_id": ("event_id",), "event_id": ("aggregate_id",), "version": ("position",),
    "OrderPlaced": ("OrderShipped", "ItemAdded"), "OrderShipped": ("OrderDelivered", "OrderPlaced"),
    "ItemAdded": ("OrderPlaced",), "ItemRemoved": ("ItemAdded",),
    "PaymentReceived": ("OrderPlaced",), "OrderCancelled": ("OrderShipped",),
    "CreditAdded": ("CreditSpent",), "CreditSpent": ("CreditAdded",),
    "CreditReversed": ("CreditAdded",), "OrderDelivered": ("OrderShipped",),
    "PaymentReversed": ("PaymentReceived",), "RefundIssued": ("OrderCancelled",),
    "DiscountGranted": ("PriceCorrected",), "customer": ("buyer",), "actor": ("reason",),
    "reason": ("actor",), "amount": ("total",), "method": ("carrier",), "carrier": ("method",),
    "data": ("metadata",), "metadata": ("data",), "handles": ("reacts_to",),
    "reacts_to": ("handles",), "items": ("keys",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed answer; `what` says the change in a line, and is its name in the tables."""

    what: str
    source: str


def mutants_of(source: str) -> list[Mutant]:
    """All mutants of an answer cell, each text once."""
    tree = ast.parse(source)
    seen = {ast.unparse(tree)}
    found = []
    for what, changed in _changes(tree):
        text = ast.unparse(ast.fix_missing_locations(changed))
        if text in seen:
            continue
        seen.add(text)
        try:
            compile(text, "<mutant>", "exec")
        except SyntaxError:
            continue
        found.append(Mutant(what, text + "\n"))
    return found


def _changes(tree: ast.Module) -> Iterator[tuple[str, ast.Module]]:
    nodes = [*ast.walk(tree)]
    words = {id(n.value) for n in nodes if isinstance(n, ast.Expr)}  # docstrings
    for number, node in enumerate(nodes):
        if id(node) in words and isinstance(node, ast.Constant):
            continue
        for what, replacement in _of(node, tree):
            yield what, _replaced(tree, number, replacement)


def _replaced(tree: ast.Module, number: int, replacement: ast.AST | None) -> ast.Module:
    """A copy of the tree in which the node of this number is another one; None: it is gone."""
    made = copy.deepcopy(tree)
    old = [*ast.walk(made)][number]

    class Swap(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST | None:
            if node is old:
                return copy.deepcopy(replacement)
            return self.generic_visit(node)

    changed = Swap().visit(made)
    for node in ast.walk(changed):
        for body in ("body", "orelse", "handlers"):
            if (
                getattr(node, body, None) == []
                and body == "body"
                and not isinstance(node, ast.Module)
            ):
                node.body = [ast.Pass()]  # type: ignore[attr-defined]
    return changed


def _of(node: ast.AST, tree: ast.Module) -> Iterator[tuple[str, ast.AST | None]]:
    """What may become of one node, and what to call it."""
    yield from _expressions(node)
    yield from _constants(node, tree)
    yield from _names(node, tree)
    yield from _statements(node)


def _expressions(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    if isinstance(node, ast.Compare):
        for place, op in enumerate(node.ops):
            for other in _COMPARE.get(type(op), ()):
                new = copy.deepcopy(node)
                new.ops[place] = other()
                yield _said(node, new), new
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        new = copy.deepcopy(node)
        new.op = _BINARY[type(node.op)]()
        yield _said(node, new), new
    elif isinstance(node, ast.BoolOp):
        new = copy.deepcopy(node)
        new.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield _said(node, new), new
        for value in node.values:
            yield _said(node, value), value
    elif isinstance(node, ast.UnaryOp):
        yield _said(node, node.operand), node.operand
    elif isinstance(node, ast.IfExp):
        yield _said(node, node.body), node.body
        yield _said(node, node.orelse), node.orelse
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif isinstance(node, ast.Tuple | ast.List) and len(node.elts) == 2:
        new = copy.deepcopy(node)
        new.elts = new.elts[::-1]
        yield _said(node, new), new
    elif isinstance(node, ast.comprehension):
        for place in range(len(node.ifs)):
            fewer = copy.deepcopy(node)
            del fewer.ifs[place]
            yield f"without the filter {ast.unparse(node.ifs[place])}", fewer
    elif isinstance(node, ast.Dict):
        for place, key in enumerate(node.keys):
            less = copy.deepcopy(node)
            del less.keys[place], less.values[place]
            name = ast.unparse(key) if key else f"**{ast.unparse(node.values[place])}"
            yield f"a dict without {name}", less


def _calls(node: ast.Call) -> Iterator[tuple[str, ast.AST | None]]:
    if len(node.args) == 2:
        new = copy.deepcopy(node)
        new.args = new.args[::-1]
        yield _said(node, new), new
    for place, keyword in enumerate(node.keywords):
        less = copy.deepcopy(node)
        del less.keywords[place]
        yield f"{ast.unparse(node.func)} without {keyword.arg}", less
    if len(node.args) == 1 and not node.keywords and isinstance(node.func, ast.Name):
        yield _said(node, node.args[0]), node.args[0]


def _constants(node: ast.AST, tree: ast.Module) -> Iterator[tuple[str, ast.AST | None]]:
    if not isinstance(node, ast.Constant) or node.value is ...:
        return
    value = node.value
    if isinstance(value, bool):
        yield _said(node, ast.Constant(not value)), ast.Constant(not value)
    elif isinstance(value, int):
        for other in (value + 1, value - 1):
            yield _said(node, ast.Constant(other)), ast.Constant(other)
    elif isinstance(value, str) and re.search(r"\b(select|insert|delete|from)\b", value):
        for what, text in sql_mutants(value):
            yield what, ast.Constant(text)
    elif isinstance(value, str) and value:
        texts = {
            n.value
            for n in ast.walk(tree)
            if isinstance(n, ast.Constant) and isinstance(n.value, str) and " " not in n.value
        }
        for other in [*NEIGHBOURS.get(value, ()), *sorted(texts - {value, ""})[:2]]:
            yield _said(node, ast.Constant(other)), ast.Constant(other)


def _names(node: ast.AST, tree: ast.Module) -> Iterator[tuple[str, ast.AST | None]]:
    if isinstance(node, ast.Attribute):
        for other in NEIGHBOURS.get(node.attr, ()):
            new = copy.deepcopy(node)
            new.attr = other
            yield _said(node, new), new
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for other in NEIGHBOURS.get(node.id, ()):
            yield _said(node, ast.Name(other)), ast.Name(other, ast.Load())
        parameters = [
            a.arg for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) for a in n.args.args
        ]
        if node.id in parameters:
            for other in dict.fromkeys(parameters):
                if other != node.id and other != "self":
                    yield _said(node, ast.Name(other)), ast.Name(other, ast.Load())
        if node.id in ("buyer", "customer"):
            yield f"{node.id} written down", ast.Constant("ben")
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        yield _said(node, node.value), node.value


def _statements(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    if isinstance(node, ast.Assign | ast.AugAssign | ast.Expr | ast.Continue | ast.Break):
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            yield f"without {_brief(node)}", None
    elif isinstance(node, ast.Return) and node.value is not None:
        yield f"{_brief(node)} -> nothing is returned", ast.Expr(node.value)
        for value in (0, 1, True, "", None):  # written down in place of being worked out
            yield f"{_brief(node)} -> return {value!r}", ast.Return(ast.Constant(value))
    elif isinstance(node, ast.If | ast.While):
        new = copy.deepcopy(node)
        new.test = ast.UnaryOp(ast.Not(), new.test)
        yield f"not {ast.unparse(node.test)}", new
        if isinstance(node, ast.If):
            always = copy.deepcopy(node)
            always.test = ast.Constant(True)
            yield f"always {ast.unparse(node.test)}", always
            never = copy.deepcopy(node)
            never.test = ast.Constant(False)
            yield f"never {ast.unparse(node.test)}", never
        else:
            once = ast.If(node.test, node.body, node.orelse)
            yield f"while {ast.unparse(node.test)}: once", once
    elif isinstance(node, ast.Try):
        yield "without the except", ast.If(ast.Constant(True), node.body, [])
        for place, handler in enumerate(node.handlers):
            new_try = copy.deepcopy(node)
            new_try.handlers[place].body = [ast.Raise()]
            yield f"except {ast.unparse(handler.type) if handler.type else ''}: raise", new_try
    elif isinstance(node, ast.For):
        first = copy.deepcopy(node)
        first.body = [*first.body, ast.Break()]
        yield f"{_brief(node)} once", first


def _said(old: ast.AST, new: ast.AST) -> str:
    return f"{_brief(old)} -> {_brief(new)}"


def _brief(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:57] + "..."


# --- queries -------------------------------------------------------------------------------------

_SQL: tuple[tuple[str, str, str], ...] = (
    ("without where", r"\bwhere\b.*?(?=\bgroup by\b|\border by\b|\bon conflict\b|\)|$)", ""),
    ("without group by", r"\bgroup by [^)\n]*", ""),
    ("without order by", r"\border by [^)\n]*", ""),
    ("without on conflict", r"\bon conflict\b.*", ""),
    ("do nothing", r"\bdo update set\b.*", "do nothing"),
    ("without distinct", r"\bdistinct\b", ""),
    ("distinct", r"\bcount\(\*\)", "count(distinct event_type)"),
    ("count -> sum", r"\bcount\(\*\)", "sum(1) + 1"),
    ("count -> 1", r"\bcount\(\*\)", "1"),
    ("= -> <>", r"(?<![<>!])=(?!=)", "<>"),
    ("> -> >=", r"(?<![-<])>(?![>=])", ">="),
    (">= -> >", r">=", ">"),
    ("< -> <=", r"<(?![>=])", "<="),
    ("+ -> -", r"\+", "-"),
    ("min -> max", r"\bmin\(", "max("),
    ("and -> or", r"\band\b", "or"),
    ("or -> and", r"\bor\b", "and"),
    ("excluded -> 1", r"\bexcluded\.(\w+)", "1"),
    ("without the old value", r"\b\w+\.orders \+ ", ""),
    ("new_events -> nothing new", r"\bfrom new_events\b", "from new_events limit 0"),
)


def sql_mutants(query: str) -> Iterator[tuple[str, str]]:
    """Changed queries, each with what was changed."""
    for what, pattern, other in _SQL:
        for match in re.finditer(pattern, query, re.S):
            text = query[: match.start()] + match.expand(other) + query[match.end() :]
            if text != query:
                yield f"{what} at {match.start()}", text
    for name, others in NEIGHBOURS.items():
        for match in re.finditer(rf"\b{name}\b", query):
            for other in others:
                yield (
                    f"{name} -> {other} at {match.start()}",
                    (query[: match.start()] + other + query[match.end() :]),
                )
