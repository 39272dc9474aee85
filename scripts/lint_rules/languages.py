"""Only `zrm/languages.py` knows which languages there are.

Code, templates and scripts ask it, instead of comparing with the code of a language or listing those there are.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scripts.lint_rules.sources import Finding, Sources

LANGUAGE_CODES: Final = frozenset({"fa", "en"})
"""The codes with which only the table of languages decides."""

TELLS_LANGUAGES_APART: Final[dict[str, str]] = {
    "languages.py": "the table itself",
    "normalizer/language.py": "recognises Persian and its neighbours in what citizens write",
}
"""Files that may compare with a language's code → why."""

_COMPARES: Final = re.compile(
    r"""[=!]==?\s*["'](?:fa|en)["']|["'](?:fa|en)["']\s*[=!]==?|\(\s*["'](?:fa|en)["'],\s*["'][^"']"""
)
_NO_COMPARISON: Final = "decides by the code of a language; ask zrm/languages.py"


def check_languages(sources: Sources) -> Iterator[Finding]:
    """Code that decides by the code of a language."""
    for file, tree in sources.trees.items():
        if file in TELLS_LANGUAGES_APART:
            continue
        for node in ast.walk(tree):
            match node:
                case ast.Compare() if any(_is_code(side) for side in [node.left, *node.comparators]):
                    yield Finding(file, node.lineno, _NO_COMPARISON)
                case ast.MatchValue(value=value) if _is_code(value):
                    yield Finding(file, node.lineno, _NO_COMPARISON)
                case ast.Subscript(value=ast.Name(id="Literal"), slice=values) if _is_code(values):
                    yield Finding(file, node.lineno, _NO_COMPARISON)


def _is_code(node: ast.expr) -> bool:
    """A language's code, or a list of several."""
    match node:
        case ast.Constant(value=value):
            return value in LANGUAGE_CODES
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return any(_is_code(part) for part in parts)
    return False


def check_pages(package: Path) -> Iterator[Finding]:
    """Templates and scripts that decide by the code of a language."""
    for path in sorted([*package.rglob("templates/**/*.html"), *package.glob("ui/static/src/**/*.js")]):
        for line, text in enumerate(path.read_text("utf-8").splitlines(), start=1):
            if _COMPARES.search(text):
                yield Finding(path.relative_to(package).as_posix(), line, _NO_COMPARISON)
