"""What the rules read: the modules of a package, parsed, and the texts in them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """What is wrong, and where."""

    file: str
    line: int
    problem: str

    def __str__(self) -> str:
        return f"zrm/{self.file}:{self.line}: {self.problem}"


@dataclass(slots=True)
class Sources:
    """The modules of a package, parsed; `models` are its SQLModel tables by class name."""

    trees: dict[str, ast.Module] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)


def read(package: Path, *, without: Iterable[str] = ("migrations",)) -> Sources:
    """Parse a package. Errors: SyntaxError."""
    found: dict[str, str] = {}
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if not name.startswith(tuple(f"{folder}/" for folder in without)):
            found[name] = path.read_text("utf-8")
    return parse(found)


def parse(files: Mapping[str, str]) -> Sources:
    """Parse sources given by their path within the package."""
    sources = Sources({name: ast.parse(text) for name, text in files.items()})
    for tree in sources.trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and any(word.arg == "table" for word in node.keywords):
                sources.models[node.name] = _table_name(node)
    return sources


def strings(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The texts of a module with their lines; what an f-string puts in is {}. Not the docstrings, which only talk."""
    within: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.JoinedStr):
            within.update(id(part) for part in ast.walk(node.value))
        if id(node) in within or not isinstance(node, ast.expr):
            continue
        text = _text(node)
        if text is not None:
            within.update(id(part) for part in ast.walk(node))
            yield text, node.lineno


def _text(node: ast.expr) -> str | None:
    """A string, an f-string, or such added up, as one text. None for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=bytes(data)):
            return data.decode("utf-8", "replace")
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) or "{}" for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            ends = _text(left), _text(right)
            return None if ends == (None, None) else "".join("{}" if end is None else end for end in ends)
    return None


def _table_name(model: ast.ClassDef) -> str:
    for node in model.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "__tablename__" for target in targets):
                return str(node.value.value)
    return model.name.lower()
