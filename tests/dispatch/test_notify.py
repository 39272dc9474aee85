"""Telling agents: whoever has the case, else their unit, else the nearest unit above that has somebody."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.dispatch.test_deliver import make_case
from zrm.casestore.outbox import Task
from zrm.dispatch.notify import Notify
from zrm.kit.db import Database


def told(database: Database, *, unit: str, assignee: str | None = None) -> set[str]:
    """Who is told of a first message to `unit`, twice in a row as jobs may run."""
    make_case(database)
    with database.cursor() as cursor:
        cursor.execute(
            "UPDATE cases SET unit_id = (SELECT id FROM units WHERE key = %s), "
            "assignee_id = (SELECT id FROM agents WHERE login = %s)",
            [unit, assignee],
        )
        cursor.execute("SELECT id FROM contacts WHERE direction = 'in'")
        ((contact,),) = cursor.fetchall()
    task = Task(UUID(int=1), contact, "", 1)
    for _ in range(2):
        Notify(database)([task])
    with database.cursor() as cursor:
        cursor.execute("SELECT login FROM notifications JOIN agents ON agents.id = agent_id WHERE kind = 'case'")
        logins = [row[0] for row in cursor]
    assert len(logins) == len(set(logins))
    return set(logins)


@pytest.mark.parametrize(
    ("unit", "assignee", "who"),
    [
        ("contact-centre", None, {"maryam", "daniel"}),  # everyone of the unit who may work there
        ("roads", None, {"sara"}),  # the unit's own people, not those above it
        ("water", None, {"maryam", "daniel"}),  # nobody there: the unit above
        ("roads", "daniel", {"daniel"}),  # whoever has it, and nobody else
    ],
)
def test_somebody_is_always_told(database: Database, unit: str, assignee: str | None, who: set[str]) -> None:
    assert told(database, unit=unit, assignee=assignee) == who


def test_who_may_not_work_there_is_not_told(database: Database) -> None:
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM permissions WHERE permission = 'case.work' AND unit_id IS NOT NULL")
    assert told(database, unit="roads") == {"maryam", "daniel"}
