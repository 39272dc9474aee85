"""Rows become records by the names of their columns (`record` and `records` of `kit/db.py`), never by their places.

Refused: `Record(*row)`, `row[1]`, more than two names for one row, and a row to be written that is given by the places
of its values (`insert_records` of `kit/db.py` writes records whose fields are the columns).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from scripts.lint_rules.sources import Finding, Sources

_MOST_PLACES: Final = 2  # columns of a row that may be told apart by their places: a key and its value
_READS: Final = "reads a row by the places of its columns; record and records of kit/db.py read it by their names"
_WRITES: Final = "writes rows by the places of their values; insert_records of kit/db.py writes records by their names"
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def check_rows(sources: Sources) -> Iterator[Finding]:
    """Rows that are read or written by the places of their columns."""
    for file, tree in sources.trees.items():
        for function in ast.walk(tree):
            if isinstance(function, _Function):
                known = _rows(function)
                for node in ast.walk(function):
                    if _by_place(node, known):
                        line = node.target.lineno if isinstance(node, ast.comprehension) else getattr(node, "lineno", 0)
                        yield Finding(file, line, _READS)
                    elif _writes_tuples(node):
                        yield Finding(file, getattr(node, "lineno", 0), _WRITES)


def _rows(function: _Function) -> set[str]:
    """The variables of a function that hold a row, the rest of one, or a list of rows, as the database gave them."""
    known: set[str] = set()
    while True:
        before = len(known)
        for node in ast.walk(function):
            match node:
                case (
                    ast.Assign(targets=[target], value=source)
                    | ast.NamedExpr(target=target, value=source)
                    | ast.For(target=target, iter=source)
                    | ast.AsyncFor(target=target, iter=source)
                    | ast.comprehension(target=target, iter=source)
                ) if _is_of_rows(source, known):
                    known.update(_names(target))
        if len(known) == before:
            return known


def _is_of_rows(node: ast.expr, known: set[str]) -> bool:
    """Whether an expression is a row, a part of one, or several, as the database gave them."""
    match node:
        case ast.Await(value=value) | ast.Subscript(value=value):
            return _is_of_rows(value, known)
        case ast.Call(func=ast.Attribute(attr="fetchone" | "fetchall" | "fetchmany")):
            return True
        case ast.Call(func=ast.Attribute(attr="execute", value=on)):
            return _is_of_rows(on, known)
        case ast.Call(func=ast.Name(id="list" | "reversed" | "sorted"), args=[value, *_]):
            return _is_of_rows(value, known)
        case ast.BoolOp(values=values):
            return any(_is_of_rows(value, known) for value in values)
        case ast.Name(id=name):
            return name in known or name.lstrip("_") == "cursor"
        case ast.Attribute(attr=name):
            return name.lstrip("_") == "cursor"
    return False


def _names(target: ast.expr) -> Iterator[str]:
    """A whole row, or the rest of one; a column that was given a name is no row."""
    match target:
        case ast.Name(id=name):
            yield name
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            for part in parts:
                if isinstance(part, ast.Starred):
                    yield from _names(part.value)


def _by_place(node: ast.AST, known: set[str]) -> bool:
    """Whether a node reads a column of a row by its place."""
    match node:
        case ast.Call(args=arguments):
            return any(isinstance(one, ast.Starred) and _is_of_rows(one.value, known) for one in arguments)
        case ast.Subscript(value=row, slice=ast.Constant(value=int(place))) if place > 0:
            return _is_of_rows(row, known)
        case ast.Assign(targets=[target], value=source):
            return _is_long(target) and _is_of_rows(source, known)
        case ast.For(target=target, iter=source) | ast.AsyncFor(target=target, iter=source):
            return _is_long(target) and _is_of_rows(source, known)
        case ast.comprehension(target=target, iter=source):
            return _is_long(target) and _is_of_rows(source, known)
    return False


def _is_long(target: ast.expr) -> bool:
    """Whether a row is taken apart into so many names that two could change their places unseen."""
    return any(isinstance(part, ast.Tuple) and len(part.elts) > _MOST_PLACES for part in ast.walk(target))


def _writes_tuples(node: ast.AST) -> bool:
    """Whether rows of more than two values, or of an unknown number, are given to a statement as tuples."""
    match node:
        case ast.Call(func=ast.Attribute(attr="executemany"), args=[_, *rows]):
            return any(
                isinstance(part, ast.Tuple)
                and isinstance(part.ctx, ast.Load)
                and (len(part.elts) > _MOST_PLACES or any(isinstance(one, ast.Starred) for one in part.elts))
                for row in rows
                for part in ast.walk(row)
            )
    return False
