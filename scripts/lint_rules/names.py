"""No class name twice in `zrm`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from scripts.lint_rules.sources import Finding, Sources


def check_names(sources: Sources) -> Iterator[Finding]:
    """Names that stand twice."""
    first: dict[str, str] = {}
    for file, tree in sources.trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                if node.name in first:
                    yield Finding(file, node.lineno, f"defines a class {node.name}, as zrm/{first[node.name]} does")
                first.setdefault(node.name, file)
