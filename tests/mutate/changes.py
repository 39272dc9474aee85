"""The small faults that are made in a module, one at a time: each is what a slip or a careless edit would leave.

A comparison flipped or moved by one, a condition negated, a number or a truth changed, a statement or a `raise` gone, `None`
returned; in SQL a condition, a lock or an order gone. Log lines, annotations and texts are left alone: changing them harms
nobody, or breaks at once. The tree is changed in place, so lines in a traceback stay those of the file.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

_COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_SUMS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
}  # fmt: skip
_SILENT: Final = ("annotation", "returns", "decorator_list")
_SQL: Final = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|WHERE|VALUES|ORDER BY|SET) ?")
_CLAUSE_ENDS: Final = re.compile(
    r"\b(AND|OR|ORDER BY|GROUP BY|LIMIT|OFFSET|FOR|RETURNING|UNION|ON CONFLICT|THEN|ELSE|END|WHERE|HAVING|SELECT)\b"
)
_OPEN_BETWEEN: Final = re.compile(r"\bBETWEEN (?:(?!\bAND\b).)*$", re.DOTALL)
_SQL_SWAPS: Final = (
    (re.compile(r" FOR (NO KEY )?(UPDATE|SHARE)( OF \w+)?( SKIP LOCKED| NOWAIT)?"), ""),
    (re.compile(r" SKIP LOCKED"), ""),
    (re.compile(r"\bIS NULL\b"), "IS NOT NULL"),
    (re.compile(r"\bIS NOT NULL\b"), "IS NULL"),
    (re.compile(r" DESC\b"), " ASC"),
    (re.compile(r"(?<=[\w)%]) <= (?=[\w(%])"), " < "),
    (re.compile(r"(?<=[\w)%]) < (?=[\w(%])"), " <= "),
    (re.compile(r"(?<=[\w)%]) >= (?=[\w(%])"), " > "),
    (re.compile(r"(?<=[\w)%]) > (?=[\w(%])"), " >= "),
    (re.compile(r" ON CONFLICT( \([\w, ]+\))? DO NOTHING"), ""),
    (re.compile(r"\bNOT EXISTS\b"), "EXISTS"),
)


@dataclass(frozen=True)
class Change:
    """One fault at a `line` of the file; `lines` are its statement's, `what` tells it to a person."""

    line: int
    lines: range
    what: str
    apply: Callable[[], None]


def changes(source: str) -> tuple[ast.Module, list[Change]]:
    """The module's tree, and every fault that may be made in it, always in the same order."""
    tree = ast.parse(source)
    return tree, list(_Finder(tree).all())


class _Finder:
    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        # Of a statement over several lines Python does not note each one as run.
        self._statements = {
            id(part): statement
            for statement in ast.walk(tree)
            if isinstance(statement, ast.stmt) and not hasattr(statement, "body")
            for part in ast.walk(statement)
        }

    def all(self) -> Iterator[Change]:
        for parent in self._spoken(self._tree):
            for name, value in ast.iter_fields(parent):
                if name in _SILENT:
                    continue
                if isinstance(value, ast.AST):
                    yield from self._of(value, partial(setattr, parent, name))
                elif isinstance(value, list):
                    for place, one in enumerate(value):
                        if isinstance(one, ast.AST):
                            yield from self._of(one, partial(value.__setitem__, place))

    def _spoken(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes whose children may change: no annotation, no log line, no import for types alone."""
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Expr) and (isinstance(node.value, ast.Constant) or _is_log(node.value)):
            return
        yield node
        for name, value in ast.iter_fields(node):
            if name in _SILENT:
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self._spoken(child)

    def _lines(self, node: ast.AST) -> range:
        whole = self._statements.get(id(node), node)
        return range(whole.lineno, (whole.end_lineno or whole.lineno) + 1)  # type: ignore[attr-defined]  # statements have places

    def _of(self, node: ast.AST, replace: Callable[[ast.AST], None]) -> Iterator[Change]:  # noqa: C901  # a table, told as one
        def change(new: ast.AST, what: str = "") -> Change:
            before = _short(node)
            spot = ast.copy_location(new, node) if hasattr(node, "lineno") else new
            ast.fix_missing_locations(spot)
            shown = what or f"{before}  ->  {_short(new)}"
            return Change(node.lineno, self._lines(node), shown, partial(replace, spot))  # type: ignore[attr-defined]  # so have expressions

        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                yield change(ast.Compare(left, [_COMPARISONS[type(op)]()], [right]))
            case ast.BoolOp(op=op, values=values):
                yield change(ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield change(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _SUMS:
                yield change(ast.BinOp(left, _SUMS[type(op)](), right))
            case ast.Constant(value=bool(value)):
                yield change(ast.Constant(not value))
            case ast.Constant(value=int(number) | float(number)):
                yield change(ast.Constant(number + 1))
            case ast.Constant(value=str(text)) if _SQL.search(text):
                for new, what in sql_changes(text):
                    yield change(ast.Constant(new), what)
            case ast.Constant(value=bytes(raw)) if _SQL.search(text := raw.decode("utf-8", "replace")):
                for new, what in sql_changes(text):
                    yield change(ast.Constant(new.encode()), what)
            case ast.If(test=test) | ast.While(test=test) if isinstance(test, ast.Name | ast.Call | ast.Attribute):
                if ast.unparse(test) != "TYPE_CHECKING":
                    negated = ast.fix_missing_locations(ast.copy_location(ast.UnaryOp(ast.Not(), test), test))
                    yield Change(
                        test.lineno,
                        self._lines(test),
                        f"negated: {_short(test)}",
                        partial(setattr, node, "test", negated),
                    )
            case ast.IfExp(test=test, body=body, orelse=orelse):
                yield change(ast.IfExp(test, orelse, body))
            case ast.Raise() | ast.Continue() | ast.Break() | ast.AugAssign() | ast.Delete():
                yield change(ast.Pass(), f"gone: {_short(node)}")
            case ast.Expr(value=ast.Call() | ast.Await()) if not _is_log(node.value):
                yield change(ast.Pass(), f"gone: {_short(node)}")
            case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
                yield change(ast.Return(ast.Constant(None)), f"{_short(node)}  ->  return None")
            case _:
                pass


def sql_changes(text: str) -> Iterator[tuple[str, str]]:
    """Faulty forms of a statement or a part of one, each with what was done."""
    for found in re.finditer(r"(?<= )(AND|WHERE) ", text):
        if found[1] == "AND" and _OPEN_BETWEEN.search(text[: found.start()]):
            continue
        end = _end_of_condition(text, found.end())
        condition = text[found.end() : end]
        if condition.strip() and "%" not in condition.replace("%s", "").replace("%(", ""):
            # A parameter stays where it is, or the statement would only be refused.
            kept = f"({condition.strip()} OR true) " if "%" in condition else "true "
            yield text[: found.end()] + kept + text[end:], f"SQL without: {found[1]} {' '.join(condition.split())}"
    for pattern, new in _SQL_SWAPS:
        for found in pattern.finditer(text):
            what = (
                f"SQL: {text[max(0, found.start() - 25) : found.end() + 15]!r}: {found[0].strip()!r} -> {new.strip()!r}"
            )
            yield text[: found.start()] + new + text[found.end() :], what


def _end_of_condition(text: str, start: int) -> int:
    depth, place = 0, start
    while place < len(text):
        if text[place] == "(":
            depth += 1
        elif text[place] == ")":
            if depth == 0:
                return place
            depth -= 1
        elif (
            depth == 0
            and text[place - 1] in " \n)"
            and (end := _CLAUSE_ENDS.match(text, place))
            and not (end[0] == "AND" and _OPEN_BETWEEN.search(text[start:place]))
        ):
            return place
        place += 1
    return place if depth == 0 else start


def _is_log(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("_log.", "log.", "warnings.", "print"))


def _short(node: ast.AST) -> str:
    words = " ".join(ast.unparse(node).split())
    return words if len(words) <= 90 else f"{words[:60]} … {words[-25:]}"
