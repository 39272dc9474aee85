"""A schema is built once, and history refuses to be edited."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from zrm.casestore.schema import SchemaState, migrate, state
from zrm.kit.db import Database, DatabaseAway


def test_migrating_twice_changes_nothing(database: Database) -> None:
    assert state(database) is SchemaState.CURRENT
    assert migrate(database) is SchemaState.CURRENT
    assert state(database) is SchemaState.CURRENT


def test_a_database_that_a_newer_version_has_brought_further_is_left_as_it_is(database: Database) -> None:
    with database.cursor() as cursor:
        cursor.execute("UPDATE alembic_version SET version_num = 'of a newer version'")
    assert migrate(database) is SchemaState.NEWER
    with database.cursor() as cursor:
        assert cursor.execute("SELECT version_num FROM alembic_version").fetchall() == [("of a newer version",)]


@pytest.mark.parametrize("ask", [state, migrate])
def test_a_database_that_is_away_is_told_as_such(ask: Callable[[Database], SchemaState]) -> None:
    with closing(Database("postgresql://127.0.0.1:1/nowhere")) as away, pytest.raises(DatabaseAway):
        ask(away)


@pytest.mark.parametrize("table", ["case_events", "delivery_events", "receipts", "tracking_codes", "refusals"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET at = at", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_history_cannot_be_edited(database: Database, table: str, statement: str) -> None:
    if table in ("receipts", "tracking_codes"):
        statement = statement.replace("at = at", "code = code")
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"), database.cursor() as cursor:
        cursor.execute(statement.format(table).encode())


def test_filing_tells_a_code_its_case_and_nothing_more(database: Database) -> None:
    with database.cursor() as cursor:
        cursor.execute("UPDATE tracking_codes SET case_id = case_id")
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"), database.cursor() as cursor:
        cursor.execute("UPDATE tracking_codes SET case_id = case_id, contact_id = contact_id")


def test_nothing_in_the_schema_can_rank_a_person(database: Database) -> None:
    """The seed's principle: no grading of people. Urgency belongs to a matter, a rating is the citizen's of us."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND column_name ~ '(vip|priority|rank|grade|tier|importan|score|segment|loyal)'"
        )
        assert [row[0] for row in cursor] == ["ratings.score"]
