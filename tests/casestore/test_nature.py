"""Natures are rows: five to begin with, others as an organisation adds them, none lost when it is retired."""

from __future__ import annotations

import psycopg
import pytest

from tests.casework.installation import acting, agent, file_case, one
from zrm.casestore import nature
from zrm.casework import case_actions
from zrm.casework.context import InvalidInput
from zrm.kit.db import Database


def _change(database: Database, statement: str) -> None:
    with database.cursor() as cursor:
        cursor.execute(statement.encode())


def test_the_store_begins_with_five_in_both_languages(database: Database) -> None:
    with database.cursor() as cursor:
        found = nature.in_use(cursor)
    assert [one.key for one in found] == ["complaint", "request", "suggestion", "criticism", "report"]
    assert [one.names["fa"] for one in found] == ["شکایت", "درخواست", "پیشنهاد", "انتقاد", "گزارش"]


def test_a_new_one_can_be_chosen_and_a_retired_one_stays_with_its_cases(database: Database) -> None:
    case = file_case(database)
    _change(database, 'INSERT INTO natures VALUES (\'praise\', \'{"fa": "قدردانی", "en": "Praise"}\', 0)')
    with database.cursor() as cursor:
        me = agent(cursor, "maryam")
        assert nature.in_use(cursor)[0].key == "praise"
        case_actions.classify(cursor, acting(me, case.id, 1), subject_id=None, nature="praise")
    _change(database, "UPDATE natures SET retired_at = now() WHERE key = 'praise'")
    with database.cursor() as cursor:
        assert "praise" not in [one.key for one in nature.in_use(cursor)]
        assert "praise" in [one.key for one in nature.known(cursor)]
        subject = one(cursor, "SELECT id FROM subjects WHERE key = 'water'")
        case_actions.classify(cursor, acting(me, case.id, 2), subject_id=subject, nature="praise")  # as it was
        case_actions.classify(cursor, acting(me, case.id, 3), subject_id=subject, nature="")
        assert one(cursor, "SELECT nature FROM cases WHERE id = %s", case.id) is None
        with pytest.raises(InvalidInput):
            case_actions.classify(cursor, acting(me, case.id, 4), subject_id=subject, nature="praise")


def test_the_database_refuses_a_case_of_a_nature_that_is_none(database: Database) -> None:
    case = file_case(database)
    with pytest.raises(psycopg.errors.ForeignKeyViolation), database.cursor() as cursor:
        cursor.execute("UPDATE cases SET nature = 'wish' WHERE id = %s", [case.id])
    _change(database, "UPDATE cases SET nature = 'report'")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        _change(database, "DELETE FROM natures WHERE key = 'report'")
