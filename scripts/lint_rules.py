"""Rules of this repository that no other linter knows; `make lint` runs it, `tests/test_lint_rules.py` proves that it bites.

1. Every table has one owner: the only file with INSERT, UPDATE, DELETE, MERGE, COPY or TRUNCATE on it, in SQL or by
   SQLModel. Reads are free. A new table gets its row in `OWNERS` here and in docs/architecture.md.
2. Nobody commits, or opens a connection or transaction, but the few files that `COMMITS` names with the reason; everybody
   else is lent a cursor, whose block is the transaction.
3. No class name twice in `zrm`.
4. Rows become records by the names of their columns (`record` and `records` of `kit/db.py`), never by their places
   (`Record(*row)`, or seven names and more for one row).
5. Only `zrm/languages.py` knows which languages there are: code, templates and scripts ask it, instead of comparing with
   the code of a language or listing those there are.

What it cannot resolve is an error too: a table must be written out in the statement, a model named where it is written.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

OWNERS: Final[dict[str, str]] = {
    "addresses": "casestore/person.py",
    "agents": "casestore/agent.py",
    "attachments": "casestore/attachment.py",
    "authenticators": "security/second_step.py",
    "case_counts": "casestore/counts.py",
    "case_events": "casestore/history.py",
    "case_followers": "casestore/follower.py",
    "case_relations": "casestore/case.py",
    "cases": "casestore/case.py",
    "contact_counts": "casestore/counts.py",
    "contact_search": "casestore/search.py",
    "contacts": "casestore/contact.py",
    "deliveries": "casestore/outgoing.py",
    "delivery_events": "casestore/outgoing.py",
    "delivery_parts": "casestore/outgoing.py",
    "dialogue_states": "inbox/door_records.py",
    "door_answers": "inbox/door_records.py",
    "checkpoints": "inbox/door_records.py",
    "heartbeats": "casestore/heartbeat.py",
    "installation": "casestore/installation_id.py",
    "message_ids": "casestore/contact.py",
    "message_parts": "inbox/message_parts.py",
    "natures": "casestore/nature.py",
    "notifications": "casestore/notification.py",
    "opt_outs": "casestore/person.py",
    "outbox": "casestore/outbox.py",
    "passkeys": "security/passkeys.py",
    "permissions": "casestore/agent.py",
    "persons": "casestore/person.py",
    "proof_tokens": "casestore/proof.py",
    "provider_accounts": "security/provider_accounts.py",
    "quarantine": "inbox/quarantine.py",
    "ratings": "casestore/rating.py",
    "raw_contacts": "inbox/raw_contacts.py",
    "receipts": "inbox/writer.py",
    "recovery_codes": "security/second_step.py",
    "refusals": "inbox/door_records.py",
    "refused_tries": "kit/throttle.py",
    "remote_files": "casestore/attachment.py",
    "sessions": "security/sessions.py",
    "sign_ins": "security/sign_ins.py",
    "subjects": "casestore/subject.py",
    "templates": "casestore/template.py",
    "throttles": "kit/throttle.py",
    "timers": "casestore/timers.py",
    "tracking_codes": "inbox/tracking_codes.py",
    "units": "casestore/unit.py",
    "uploads": "casestore/uploads.py",
    "used_challenges": "security/passkeys.py",
}
"""Table → the one file of `zrm` that writes it."""

GENERIC: Final = frozenset({"kit/db.py"})
"""Files whose statements are given their table by the caller, who is looked at instead (`insert_rows`, `insert_records`)."""

COMMITS: Final[dict[str, str]] = {
    "kit/db.py": "opens the transactions of everybody, and the connections whose statements commit by themselves",
    "agent_api/live_updates.py": "listens for notifications, outside any transaction",
    "kit/database_checks.py": "reads settings of the server, outside any transaction",
    "casestore/schema.py": "a migration is a transaction of its own",
    "inbox/writer.py": "T1: one statement is one transaction for a group of contacts",
    "dispatch/relay.py": "listens for notifications, outside any transaction",
    "standalone/postgres.py": "makes databases, which no transaction can",
    "standalone/recreation.py": "moves databases, which no transaction can",
}
"""Files that may commit or have statements commit by themselves → why."""

LANGUAGE_CODES: Final = frozenset({"fa", "en"})
"""The codes with which only the table of languages decides."""

TELLS_LANGUAGES_APART: Final[dict[str, str]] = {
    "languages.py": "the table itself",
    "normalizer/language.py": "recognises Persian and its neighbours in what citizens write",
}
"""Files that may compare with a language's code → why."""

_NAME: Final = r'((?:"?\w+"?\.)?(?:"?\w+"?|\{\}))'
_WRITES: Final = re.compile(
    rf"""
      \bINSERT \s+ INTO \s+ {_NAME}
    | \bUPDATE \s+ (?:ONLY\s+)? {_NAME} (?:\s*\*)? (?:\s+ (?:AS\s+)? (?!SET\b)\w+)? \s+ SET \b
    | \bDELETE \s+ FROM \s+ (?:ONLY\s+)? {_NAME}
    | \bMERGE \s+ INTO \s+ (?:ONLY\s+)? {_NAME}
    | \bTRUNCATE \s+ (?:TABLE\s+)? (?:ONLY\s+)? {_NAME}
    | \bCOPY \s+ {_NAME} \s* (?:\([^)]*\)\s*)? FROM \b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SQL_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_COMMIT: Final = re.compile(r"\s*COMMIT\s*(?:WORK|TRANSACTION)?\s*;?\s*", re.IGNORECASE)
_OPENS: Final = re.compile(r"\b_?(?:database|engine|psycopg|Connection)$")
_CALLS: Final = {
    "add",
    "add_all",
    "merge",
    "delete",
    "bulk_save_objects",
    "bulk_insert_mappings",
    "bulk_update_mappings",
}
_STATEMENTS: Final = {"insert", "update", "delete"}
_MOST_PLACES: Final = 6  # columns of a row that may be told apart by their places
_ORM: Final = ("sqlmodel", "sqlalchemy")
_MAKES_SESSION: Final = re.compile(r"(?:\w+\.)*(?:session|session_of|Session|AsyncSession)\(.*\)$", re.DOTALL)


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """What is wrong, and where."""

    file: str
    line: int
    problem: str

    def __str__(self) -> str:
        return f"zrm/{self.file}:{self.line}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Write:
    """A statement that writes `table`; None if the linter cannot tell which."""

    table: str | None
    file: str
    line: int


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


def check(
    sources: Sources,
    owners: Mapping[str, str] = OWNERS,
    commits: Mapping[str, str] = COMMITS,
) -> list[Finding]:
    """Everything that is wrong, in order."""
    return sorted(
        [
            *_check_owners(sources, owners),
            *_check_commits(sources, commits),
            *_check_class_names(sources),
            *_check_rows(sources),
            *_check_languages(sources),
        ]
    )


# ---------------------------------------------------------------------- tables


def writes(sources: Sources) -> Iterator[Write]:
    """Every statement of the sources that writes a table."""
    for file, tree in sources.trees.items():
        if file in GENERIC:
            continue
        for text, line in _strings(tree):
            for match in _WRITES.finditer(_SQL_COMMENT.sub(" ", text)):
                name = next(group for group in match.groups() if group)
                yield Write(None if "{}" in name else name.replace('"', "").rpartition(".")[2].lower(), file, line)
        yield from _ModelWrites(file, tree, sources.models).found


def _check_owners(sources: Sources, owners: Mapping[str, str]) -> Iterator[Finding]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for write in writes(sources):
        if write.table is None:
            yield Finding(write.file, write.line, "writes a table that is not named in the statement")
            continue
        found[write.table].add(write.file)
        owner = owners.get(write.table)
        if owner is None:
            yield Finding(write.file, write.line, f"writes {write.table}, which has no owner in scripts/lint_rules.py")
        elif write.file != owner:
            yield Finding(write.file, write.line, f"writes {write.table}, which only zrm/{owner} may write")
    for table, owner in owners.items():
        if owner not in found[table]:
            yield Finding(owner, 0, f"is named as the owner of {table} and does not write it")


def _strings(tree: ast.Module) -> Iterator[tuple[str, int]]:
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


class _ModelWrites(ast.NodeVisitor):
    """The writes of one module that name a model, and the calls of the helpers in `kit/db.py`."""

    def __init__(self, file: str, tree: ast.Module, models: Mapping[str, str]) -> None:
        self._file = file
        self._models = models
        self._statements = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _ORM
            for alias in node.names
            if alias.name in _STATEMENTS
        }
        self._kinds: list[dict[str, str]] = [{}]  # of the functions around: variable → model
        self._sessions: list[set[str]] = [set()]
        self.found: list[Write] = []
        self.visit(tree)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """The variables of a function are its own."""
        kinds, sessions = dict(self._kinds[-1]), set(self._sessions[-1])
        for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
            annotation = ast.unparse(argument.annotation) if argument.annotation else ""
            if re.search(r"\b(Async)?Session\b", annotation):
                sessions.add(argument.arg)
            elif model := self._model_in(argument.annotation):
                kinds[argument.arg] = model
        self._kinds.append(kinds)
        self._sessions.append(sessions)
        self.generic_visit(node)
        self._kinds.pop()
        self._sessions.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815  # ast's name

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            called = ast.unparse(item.context_expr)
            if isinstance(item.optional_vars, ast.Name) and _MAKES_SESSION.search(called):
                self._sessions[-1].add(item.optional_vars.id)
        self.generic_visit(node)

    visit_AsyncWith = visit_With  # noqa: N815  # ast's name

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self._assigned(target, node.value, node.lineno)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.generic_visit(node)
        if isinstance(node.target, ast.Name) and (model := self._model_in(node.annotation)):
            self._kinds[-1][node.target.id] = model
        elif node.value is not None:
            self._assigned(node.target, node.value, node.lineno)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.generic_visit(node)
        self._assigned(node.target, node.value, node.lineno)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.generic_visit(node)
        self._assigned(node.target, node.value, node.lineno)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self._assigned(node.target, node.iter, node.lineno)
        self.generic_visit(node)

    visit_AsyncFor = visit_For  # noqa: N815  # ast's name

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        match node.func:
            case ast.Name(id="insert_rows" | "insert_records") | ast.Attribute(attr="insert_rows" | "insert_records"):
                table = node.args[1] if len(node.args) > 1 else None
                named = isinstance(table, ast.Constant) and isinstance(table.value, str)
                self._write(str(table.value) if named and isinstance(table, ast.Constant) else None, node.lineno)
            case ast.Name(id=name) if name in self._statements:
                self._write(self._table_of(node.args[0]) if node.args else None, node.lineno)
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in _ORM and name in _STATEMENTS:
                self._write(self._table_of(node.args[0]) if node.args else None, node.lineno)
            case ast.Attribute(value=ast.Attribute(attr="__table__", value=model), attr=name) if name in _STATEMENTS:
                self._write(self._table_of(model), node.lineno)
            case ast.Attribute(value=receiver, attr=name) if name in _CALLS and self._is_session(receiver):
                self._write(self._table_of(node.args[0]) if node.args else None, node.lineno)

    def _write(self, table: str | None, line: int) -> None:
        self.found.append(Write(table, self._file, line))

    def _assigned(self, target: ast.expr, value: ast.expr, line: int) -> None:
        """A variable that holds a row of a model; or a column of such a row that is changed, which the session writes."""
        match target:
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    self._assigned(part, value, line)
            case ast.Name(id=name):
                if _MAKES_SESSION.match(ast.unparse(value)):
                    self._sessions[-1].add(name)
                if model := self._model_in(value):
                    self._kinds[-1][name] = model
                else:
                    self._kinds[-1].pop(name, None)
            case ast.Attribute(value=row) if (changed := self._model_in(row)) is not None:
                self._write(self._models[changed], line)

    def _is_session(self, receiver: ast.expr) -> bool:
        match receiver:
            case ast.Name(id=name):
                return name in self._sessions[-1] or name.lstrip("_") == "session"
            case ast.Attribute(attr=name):
                return name.lstrip("_") == "session"
        return bool(_MAKES_SESSION.match(ast.unparse(receiver)))

    def _table_of(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name) and node.id in self._kinds[-1]:
            return self._models[self._kinds[-1][node.id]]
        model = self._model_in(node)
        return self._models[model] if model else None

    def _model_in(self, node: ast.expr | None) -> str | None:
        """The one model that an expression names: `Unit(…)`, `session.get(Unit, …)`, `list[Unit]`, a variable of one."""
        if node is None:
            return None
        named = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        named |= {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
        models = (named & self._models.keys()) | {self._kinds[-1][name] for name in named if name in self._kinds[-1]}
        return models.pop() if len(models) == 1 else None


# ---------------------------------------------------------------------- commits


def _check_commits(sources: Sources, commits: Mapping[str, str]) -> Iterator[Finding]:
    used: set[str] = set()
    for file, tree in sources.trees.items():
        for line in _commits(tree):
            used.add(file)
            if file not in commits:
                yield Finding(
                    file, line, "commits, or opens a transaction; whoever lends the cursor does that (Database.cursor)"
                )
    for file in commits.keys() - used:
        yield Finding(file, 0, "is named as a file that commits and does not: take it off the list")


def _commits(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="commit" | "set_autocommit" | "connect_async" | "transaction")):
                yield node.lineno
            case ast.Call(func=ast.Attribute(value=source, attr="connect" | "begin")) if _OPENS.search(
                ast.unparse(source)
            ):
                yield node.lineno
            case ast.keyword(arg="autocommit", value=value) if not _is_false(value):
                yield value.lineno
            case ast.keyword(arg="isolation_level", value=ast.Constant(value="AUTOCOMMIT")):
                yield node.value.lineno
            case ast.Assign(targets=[ast.Attribute(attr="autocommit")]):
                yield node.lineno
    for text, line in _strings(tree):
        if _COMMIT.fullmatch(text):
            yield line


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


# ---------------------------------------------------------------------- names


def _check_class_names(sources: Sources) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for file, tree in sources.trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                if node.name in first:
                    yield Finding(file, node.lineno, f"defines a class {node.name}, as zrm/{first[node.name]} does")
                first.setdefault(node.name, file)


# ---------------------------------------------------------------------- rows


def _check_rows(sources: Sources) -> Iterator[Finding]:
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


# ---------------------------------------------------------------------- languages

_COMPARES: Final = re.compile(
    r"""[=!]==?\s*["'](?:fa|en)["']|["'](?:fa|en)["']\s*[=!]==?|\(\s*["'](?:fa|en)["'],\s*["'][^"']"""
)
_NO_COMPARISON: Final = "decides by the code of a language; ask zrm/languages.py"


def _check_languages(sources: Sources) -> Iterator[Finding]:
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


def main() -> int:
    """Print what is wrong; the number of findings is the exit's."""
    package = Path(__file__).parent.parent / "zrm"
    found = [*check(read(package)), *check_pages(package)]
    for finding in found:
        print(finding)
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main())
