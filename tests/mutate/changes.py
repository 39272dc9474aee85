"""The small faults that are made in a module, one at a time: each is what a slip or a careless edit would leave.

A comparison flipped or moved by one, a condition negated, a number or a truth changed, a statement or a `raise` gone, `None`
returned; in SQL a condition, a lock or an order gone. The tree is changed in place, so lines in a traceback stay those of
the file.

Left alone is what changes nothing that can be observed, or breaks at once:

- log lines, texts, annotations and imports for types alone;
- sizes: a number above two (a time-out, a bound, a length), a fraction, a sum of two numbers. Zero, one and two are places
  and counts, and are moved. A comparison with a size or with a time is not moved by one either, but turned around;
- `None` returned instead of something else that counts as false;
- a pause; keywords that only guard or tune (`strict` of zip, `exist_ok`, a time-out); a `raise` that only says that a place
  cannot be reached;
- columns of the tables: a test compares them with the schema.
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
_TURNED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt,
}  # fmt: skip
_SILENT: Final = ("annotation", "returns", "decorator_list")
_TUNING: Final = ("strict", "daemon", "exist_ok", "missing_ok", "repr", "kw_only", "ensure_ascii", "timeout", "maxsize")
_UNREACHABLE: Final = ("AssertionError", "NotImplementedError")
_LARGEST_COUNT: Final = 2
_TIME: Final = re.compile(
    r"\b(now|time|monotonic|today|timedelta|until|age|deadline|since|started|ended|\w+_(at|until|age|before|after))\b"
)
_SIZE: Final = re.compile(r"\b_?[A-Z][A-Z_]+\b|\b_?settings\b|\bmost\b|\blimit\b")
_SQL_TIME: Final = re.compile(r"_at\b|\bat\b|\bnow\(\)|\binterval\b|\buntil\b")
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
    (re.compile(r" ON CONFLICT( \([\w, ]+\))? DO NOTHING"), ""),
    (re.compile(r"\bNOT EXISTS\b"), "EXISTS"),
)
_SQL_COMPARISON: Final = re.compile(r"(?<=[\w)%]) (<=|<|>=|>) (?=[\w(%])")
_SQL_MOVED: Final = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_SQL_TURNED: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


@dataclass(frozen=True)
class Change:
    """One fault at a `line` of the file; `lines` are its statement's, `what` tells it to a person.

    `in_function`: it changes what a function does, not what importing the module does.
    """

    line: int
    lines: range
    what: str
    apply: Callable[[], None]
    in_function: bool = False


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
        self._in_functions = {
            id(part)
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            for statement in function.body
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
        if (isinstance(node, ast.keyword) and node.arg in _TUNING) or _is_pause(node):
            return
        if _is_unreachable(node):
            return
        if isinstance(node, ast.ClassDef) and any(keyword.arg == "table" for keyword in node.keywords):
            for part in node.body:
                if not isinstance(part, ast.AnnAssign | ast.Assign):
                    yield from self._spoken(part)
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
            inside = id(node) in self._in_functions
            return Change(node.lineno, self._lines(node), shown, partial(replace, spot), inside)  # type: ignore[attr-defined]  # so have expressions

        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                kinds = _TURNED if type(op) in _TURNED and (_is_size(left) or _is_size(right)) else _COMPARISONS
                yield change(ast.Compare(left, [kinds[type(op)]()], [right]))
            case ast.BoolOp(op=op, values=values):
                yield change(ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield change(operand)
            case ast.BinOp(left=ast.Constant(), right=ast.Constant()):
                pass
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _SUMS:
                yield change(ast.BinOp(left, _SUMS[type(op)](), right))
            case ast.Constant(value=bool(value)):
                yield change(ast.Constant(not value))
            case ast.Constant(value=int(number)) if number <= _LARGEST_COUNT:
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
                        id(node) in self._in_functions,
                    )
            case ast.IfExp(test=test, body=body, orelse=orelse):
                yield change(ast.IfExp(test, orelse, body))
            case ast.Raise() if _is_unreachable(node):
                pass
            case ast.Raise() | ast.Continue() | ast.Break() | ast.AugAssign() | ast.Delete():
                yield change(ast.Pass(), f"gone: {_short(node)}")
            case ast.Expr(value=ast.Call() | ast.Await()) if not _is_log(node.value) and not _is_pause(node.value):
                yield change(ast.Pass(), f"gone: {_short(node)}")
            case ast.Return(value=ast.expr() as value) if not _is_false(value):
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
    for found in _SQL_COMPARISON.finditer(text):
        around = text[max(0, found.start() - 30) : found.end() + 30]
        new = (_SQL_TURNED if _SQL_TIME.search(around) else _SQL_MOVED)[found[1]]
        what = f"SQL: {around!r}: {found[1]!r} -> {new!r}"
        yield f"{text[: found.start()]} {new} {text[found.end() :]}", what


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


def _is_pause(node: ast.AST) -> bool:
    called = node.value if isinstance(node, ast.Await) else node
    return isinstance(called, ast.Call) and ast.unparse(called.func).endswith("sleep")


def _is_unreachable(node: ast.AST) -> bool:
    return isinstance(node, ast.Raise) and node.exc is not None and ast.unparse(node.exc).startswith(_UNREACHABLE)


def _is_false(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return not value
        case ast.List(elts=[]) | ast.Tuple(elts=[]) | ast.Dict(keys=[]):
            return True
    return False


def _is_size(node: ast.expr) -> bool:
    """Whether it is a bound or a time, as far as its words tell."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float) or (isinstance(node.value, int) and node.value > _LARGEST_COUNT)
    words = ast.unparse(node)
    return bool(_TIME.search(words) or _SIZE.search(words))


def _short(node: ast.AST) -> str:
    words = " ".join(ast.unparse(node).split())
    return words if len(words) <= 90 else f"{words[:60]} … {words[-25:]}"
