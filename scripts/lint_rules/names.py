"""No name of a class twice in `zrm`, nor of an alias of a type; `X` and `_X` count as one name."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from scripts.lint_rules.sources import Finding, Sources


def check_names(sources: Sources) -> Iterator[Finding]:
    """Names that stand twice."""
    first: dict[str, str] = {}
    for file, tree in sources.trees.items():
        for name, line in _names(tree):
            if (taken := name.lstrip("_")) in first:
                yield Finding(file, line, f"defines {name}, a name that zrm/{first[taken]} defines")
            first.setdefault(taken, file)


def _names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The classes of a module, and the names in CamelCase that it assigns."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.name, node.lineno
    for node in tree.body:
        for target in _targets(node):
            if isinstance(target, ast.Name) and _is_camel_case(target.id.lstrip("_")):
                yield target.id, target.lineno


def _targets(node: ast.stmt) -> list[ast.expr]:
    match node:
        case ast.Assign(targets=targets):
            return targets
        case ast.AnnAssign(target=target):
            return [target]
    return []


def _is_camel_case(name: str) -> bool:
    return name[:1].isupper() and any(letter.islower() for letter in name)
