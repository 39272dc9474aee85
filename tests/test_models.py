"""The tables' classes say what the migrations build: nothing more, nothing less, nothing else.

PostgreSQL itself is asked: the classes' tables are made in a schema of their own, and the catalogue's words for both are
compared. What alembic finds is asked as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, ForeignKeyConstraint, MetaData, UniqueConstraint

from zrm.kit.db import Database
from zrm.models import METADATA

_NOT_OURS: Final = {"alembic_version"}
_PART: Final = re.compile("_(default|[0-9]{4}_[0-9]{2})$")
_MODELS: Final = "models"
_FACTS: Final = """
WITH tables AS (
    SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relkind IN ('r', 'p') AND NOT c.relispartition
)
SELECT relname, 'table', '', concat_ws(' ', relpersistence, relkind, pg_get_partkeydef(oid)) FROM tables
UNION ALL
SELECT relname, 'column', attname, concat_ws(' ', format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'not null' END,
    'default ' || pg_get_expr(adbin, adrelid), nullif(attidentity, ''), nullif(attgenerated, ''))
FROM tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
UNION ALL
SELECT relname, 'constraint', conname, pg_get_constraintdef(pg_constraint.oid)
FROM tables JOIN pg_constraint ON conrelid = tables.oid AND contype <> 'n'
UNION ALL
SELECT relname, 'index', indexrelid::regclass::text,
    replace(replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON '), ' ON ' || :schema || '.', ' ON ')
FROM tables JOIN pg_index ON indrelid = tables.oid
WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND conrelid = indrelid AND contype <> 'f')
"""
Fact = tuple[str, str, str, str]


@pytest.fixture(scope="module")
def connection(empty_databases: Any) -> Iterator[Connection]:
    """A database with the schema; what a test makes there is rolled back."""
    with empty_databases.lend() as url:
        database = Database(url)
        with database.engine.connect() as connection:
            yield connection
            connection.rollback()
        database.close()


def _facts(connection: Connection, schema: str) -> set[Fact]:
    connection.execute(sqlalchemy.text(f"SET LOCAL search_path = {schema}, public"))
    rows = connection.execute(sqlalchemy.text(_FACTS), {"schema": schema})
    return {(table, kind, name, what) for table, kind, name, what in rows if table not in _NOT_OURS}


def _differences(connection: Connection, metadata: MetaData) -> set[Fact]:
    """What only the migrations build, and what only the classes say."""
    with connection.begin_nested() as changes:
        connection.execute(sqlalchemy.text(f"CREATE SCHEMA {_MODELS}"))
        connection.execute(sqlalchemy.text(f"SET LOCAL search_path = {_MODELS}, public"))
        metadata.create_all(connection, checkfirst=False)
        differences = _facts(connection, _MODELS) ^ _facts(connection, "public")
        changes.rollback()
    return differences


def test_the_migrations_build_what_the_classes_say(connection: Connection) -> None:
    assert sorted(_differences(connection, METADATA)) == []


def test_alembic_finds_nothing_to_migrate(connection: Connection) -> None:
    options = {
        "compare_type": True,
        "compare_server_default": True,
        "include_name": lambda name, kind, _parents: (
            kind != "table" or name in METADATA.tables or (name not in _NOT_OURS and not _PART.search(name))
        ),
    }
    assert compare_metadata(MigrationContext.configure(connection, opts=options), METADATA) == []


def _changed(change: Callable[[sqlalchemy.Table], object]) -> MetaData:
    """The classes' tables, each changed."""
    metadata = MetaData()
    for table in METADATA.tables.values():
        table.to_metadata(metadata)._prefixes = table._prefixes  # UNLOGGED, which it forgets
    for table in metadata.tables.values():
        change(table)
    return metadata


def _names(differences: set[Fact]) -> set[tuple[str, str, str]]:
    return {(kind, table, name) for table, kind, name, _ in differences}


def _free_columns(table: sqlalchemy.Table) -> list[sqlalchemy.Column[Any]]:
    """The columns that can be anything by themselves: no key, index or check speaks of them."""
    bound = {column.name for index in table.indexes for column in index.columns}
    words = " ".join(
        str(part) for index in table.indexes for part in [*index.expressions, *index.dialect_kwargs.values()]
    ) + " ".join(str(check.sqltext) for check in table.constraints if isinstance(check, CheckConstraint))
    return [
        column
        for column in table.columns
        if not (
            column.primary_key or column.foreign_keys or column.unique or column.name in bound or column.name in words
        )
    ]


def test_a_changed_type_is_found_in_every_column(connection: Connection) -> None:
    changed: set[tuple[str, str]] = set()

    def change(table: sqlalchemy.Table) -> None:
        for column in _free_columns(table):
            column.type, column.server_default = sqlalchemy.Numeric(), None
            changed.add((table.name, column.name))

    assert _names(_differences(connection, _changed(change))) == {("column", *place) for place in changed}
    assert len(changed) > 100


def test_a_changed_nullability_is_found_in_every_column(connection: Connection) -> None:
    changed: set[tuple[str, str]] = set()

    def change(table: sqlalchemy.Table) -> None:
        for column in table.columns:
            if not column.primary_key:
                column.nullable = not column.nullable
                changed.add((table.name, column.name))

    assert _names(_differences(connection, _changed(change))) == {("column", *place) for place in changed}


def test_a_changed_default_is_found_in_every_column(connection: Connection) -> None:
    changed: set[tuple[str, str]] = set()

    def change(table: sqlalchemy.Table) -> None:
        for column in table.columns:
            if column.server_default is not None:
                column.server_default = None
                changed.add((table.name, column.name))

    assert _names(_differences(connection, _changed(change))) == {("column", *place) for place in changed}
    assert len(changed) > 30


def test_an_index_or_a_constraint_that_is_missing_is_found(connection: Connection) -> None:
    kept = (ForeignKeyConstraint, CheckConstraint, UniqueConstraint)
    gone = {"index": 0, "constraint": 0}

    def change(table: sqlalchemy.Table) -> None:
        gone["index"] += len(table.indexes)
        table.indexes.clear()
        for constraint in [one for one in table.constraints if isinstance(one, kept)]:
            table.constraints.remove(constraint)
            gone["constraint"] += 1

    differences = _differences(connection, _changed(change))
    assert {kind: sum(fact[1] == kind for fact in differences) for kind in gone} == gone
    assert {fact for fact in differences if fact[1] not in gone} == set()


@pytest.mark.parametrize(("clause", "without"), [("where", None), ("include", []), ("with", {})])
def test_a_clause_that_an_index_lacks_is_found(connection: Connection, clause: str, without: Any) -> None:
    changed: set[tuple[str, str, str]] = set()

    def change(table: sqlalchemy.Table) -> None:
        for index in table.indexes:
            options = index.dialect_options["postgresql"]
            if options[clause] is not None and options[clause] != without:
                options[clause] = without
                changed.add(("index", table.name, str(index.name)))

    assert _names(_differences(connection, _changed(change))) == changed
    assert changed


def test_a_table_without_a_class_and_a_class_without_a_table_are_found(connection: Connection) -> None:
    metadata = _changed(lambda table: None)
    metadata.remove(metadata.tables["outbox"])
    sqlalchemy.Table("of_nobody", metadata, sqlalchemy.Column("id", sqlalchemy.Uuid, primary_key=True))
    assert {fact[0] for fact in _differences(connection, metadata)} == {"outbox", "of_nobody"}


def test_a_table_that_a_crash_may_empty_is_told_from_one_that_lasts(connection: Connection) -> None:
    metadata = MetaData()
    for table in METADATA.tables.values():
        table.to_metadata(metadata)  # which forgets that a table is UNLOGGED
    assert {fact[0] for fact in _differences(connection, metadata)} == {"throttles", "refused_tries", "used_challenges"}


def test_the_operator_reads_what_becomes_of_every_table_that_grows() -> None:
    text = (Path(__file__).parents[1] / "docs" / "production.md").read_text(encoding="utf-8")
    table = text.partition("| table | grows with |")[2].partition("\n\n")[0]
    listed = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1] if row else "")}
    by_hand = {
        "agents", "authenticators", "checkpoints", "installation", "natures", "passkeys", "permissions",
        "provider_accounts", "recovery_codes", "refused_tries", "subjects", "templates", "units",
    }  # fmt: skip
    assert listed | by_hand == set(METADATA.tables)
    assert not listed & by_hand
