"""Nobody commits, or opens a connection or transaction, but the few files that `COMMITS` names with the reason.

Everybody else is lent a cursor, whose block is the transaction.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Final

from scripts.lint_rules.sources import Finding, Sources, strings

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

_COMMIT: Final = re.compile(r"\s*COMMIT\s*(?:WORK|TRANSACTION)?\s*;?\s*", re.IGNORECASE)
_OPENS: Final = re.compile(r"\b_?(?:database|engine|psycopg|Connection)$")


def check_commits(sources: Sources, commits: Mapping[str, str]) -> Iterator[Finding]:
    """Files that commit and are not among `commits`, and the other way round."""
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
    for text, line in strings(tree):
        if _COMMIT.fullmatch(text):
            yield line


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False
