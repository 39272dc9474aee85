"""Rows become records by the names of their columns (`record` and `records` of `kit/db.py`), never by their places."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from scripts.lint_rules.sources import Finding, Sources

_MOST_PLACES: Final = 6  # columns of a row that may be told apart by their places


def check_rows(sources: Sources) -> Iterator[Finding]:
    """Rows that are read by the places of their columns."""
    for file, tree in sources.trees.items():
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                rows = set(_rows(function))
                for node in ast.walk(function):
                    spread = isinstance(node, ast.Call) and any(_is_row(argument, rows) for argument in node.args)
                    if spread or _takes_apart(node, rows):
                        yield Finding(
                            file,
                            node.target.lineno if isinstance(node, ast.comprehension) else getattr(node, "lineno", 0),
                            "reads a row by the places of its columns; record and records of kit/db.py read it by their names",
                        )


def _rows(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """The variables of a function that hold a row, or the rest of one, as the database gave it."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[target], value=value) if _fetches(value):
                yield from _names(target)
            case ast.NamedExpr(target=target, value=value) if _fetches(value):
                yield from _names(target)
            case ast.For() | ast.AsyncFor() | ast.comprehension() if _fetches(node.iter):
                yield from _names(node.target)


def _fetches(node: ast.expr) -> bool:
    match node:
        case ast.Await(value=value) | ast.Subscript(value=value):
            return _fetches(value)
        case ast.Call(func=ast.Attribute(attr="fetchone" | "fetchall" | "fetchmany")):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lstrip("_") == "cursor"
    return False


def _names(target: ast.expr) -> Iterator[str]:
    return (part.id for part in ast.walk(target) if isinstance(part, ast.Name))


def _takes_apart(node: ast.AST, rows: set[str]) -> bool:
    """Whether a row, or the rest of one, is taken apart into so many names that two could change their places unseen."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=parts)], value=value):
            of_a_row = _fetches(value) or (isinstance(value, ast.Name) and value.id in rows)
        case (ast.For() | ast.AsyncFor() | ast.comprehension()) as loop if isinstance(loop.target, ast.Tuple):
            parts, of_a_row = loop.target.elts, _fetches(loop.iter)
        case _:
            return False
    return of_a_row and len(parts) > _MOST_PLACES


def _is_row(argument: ast.expr, rows: set[str]) -> bool:
    if not isinstance(argument, ast.Starred):
        return False
    value = argument.value.value if isinstance(argument.value, ast.Subscript) else argument.value
    return isinstance(value, ast.Name) and value.id in rows
