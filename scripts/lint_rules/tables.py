"""Every table has one owner: the only file with INSERT, UPDATE, DELETE, MERGE, COPY or TRUNCATE on it, in SQL or by SQLModel.

Reads are free. What the rule cannot resolve is an error too: a table must be written out in the statement, a model
named where it is written. A new table gets its row in `OWNERS` here and in docs/architecture.md.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from scripts.lint_rules.sources import Finding, Sources, strings

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
    "detached_months": "casestore/months.py",
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
    "receipts": "inbox/receipts.py",
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
"""Files whose statements are given their table by the caller, who is looked at instead (`insert_records`)."""

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
_ORM: Final = ("sqlmodel", "sqlalchemy")
_MAKES_SESSION: Final = re.compile(r"(?:\w+\.)*(?:session|session_of|Session|AsyncSession)\(.*\)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Write:
    """A statement that writes `table`; None if the linter cannot tell which."""

    table: str | None
    file: str
    line: int


def writes(sources: Sources) -> Iterator[Write]:
    """Every statement of the sources that writes a table."""
    for file, tree in sources.trees.items():
        if file in GENERIC:
            continue
        for text, line in strings(tree):
            for match in _WRITES.finditer(_SQL_COMMENT.sub(" ", text)):
                name = next(group for group in match.groups() if group)
                yield Write(None if "{}" in name else name.replace('"', "").rpartition(".")[2].lower(), file, line)
        yield from _ModelWrites(file, tree, sources.models).found


def check_owners(sources: Sources, owners: Mapping[str, str]) -> Iterator[Finding]:
    """Writes by another file than the owner, of tables without one, and owners that write nothing."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for write in writes(sources):
        if write.table is None:
            yield Finding(write.file, write.line, "writes a table that is not named in the statement")
            continue
        found[write.table].add(write.file)
        owner = owners.get(write.table)
        if owner is None:
            yield Finding(
                write.file, write.line, f"writes {write.table}, which has no owner in scripts/lint_rules/tables.py"
            )
        elif write.file != owner:
            yield Finding(write.file, write.line, f"writes {write.table}, which only zrm/{owner} may write")
    for table, owner in owners.items():
        if owner not in found[table]:
            yield Finding(owner, 0, f"is named as the owner of {table} and does not write it")


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
            case ast.Name(id="insert_records") | ast.Attribute(attr="insert_records"):
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
