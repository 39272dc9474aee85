"""How PostgreSQL answers the desk on a full store: by the right index, and the number of cases does not matter."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from tests.casework.installation import agent, unit
from zrm.casestore import case_list, history, notification
from zrm.casestore.case_list import View
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database

FILL = """
WITH made AS (
    SELECT n, gen_random_uuid() AS id, now() - n * interval '1 minute' AS at,
        CASE WHEN n % 10 > 0 THEN 'closed' WHEN n % 40 = 0 THEN 'new' ELSE 'waiting' END AS status
    FROM generate_series(1, 6000) AS n
)
INSERT INTO cases (id, code, reply_token, title, language, channel, account, unit_id, assignee_id, status, opened_at,
    status_at, last_contact_at, closed_at)
SELECT id, lpad(n::text, 12, '0'), 'token' || n, 'Lamp', 'fa', 'email', 'a',
    (ARRAY(SELECT id FROM units ORDER BY key))[n / 7 % (SELECT count(*) FROM units) + 1],
    CASE WHEN status <> 'new' THEN (ARRAY(SELECT id FROM agents ORDER BY login))[n / 3 % 3 + 1] END,
    status, at, at, at, CASE WHEN status = 'closed' THEN at END
FROM made
"""
INDEXES = {
    View.UNASSIGNED: {"cases_unassigned", "cases_unassigned_unit"},
    View.MINE: {"cases_mine"},
    View.WAITING: {"cases_recent", "cases_unit"},
    View.OPEN: {"cases_recent", "cases_unit"},
    View.CLOSED: {"cases_recent", "cases_unit"},
}


class Explaining:
    """Stands in for a cursor and keeps PostgreSQL's plan instead of its answer."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self.plan = ""

    def execute(self, query: bytes | str, values: Any = None) -> None:
        text = query if isinstance(query, bytes) else query.encode()
        self._cursor.execute(b"EXPLAIN (COSTS OFF) " + text, values)
        self.plan = "\n".join(row[0] for row in self._cursor.fetchall())

    def __iter__(self) -> Any:
        return iter(())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


@pytest.fixture
def full(database: Database) -> Database:
    with database.cursor() as cursor:
        cursor.execute(FILL.encode())
        cursor.execute("ANALYZE")
    return database


@pytest.mark.parametrize("view", list(View))
@pytest.mark.parametrize("keys", [None, ["roads"], ["roads", "water", "waste"]])
def test_a_list_is_read_from_its_index(full: Database, view: View, keys: list[str] | None) -> None:
    with full.cursor() as cursor:
        units: list[UUID] | None = None if keys is None else [unit(cursor, key) for key in keys]
        explaining = Explaining(cursor)
        case_list.page(cast("Cursor", explaining), view, agent(cursor, "sara"), units, limit=51)
    lines = explaining.plan.splitlines()
    assert not [line for line in lines if "Seq Scan on cases" in line]
    heads = [line for line in lines if " on cases x" in line]
    assert heads
    assert all(any(f"using {name} " in line for name in INDEXES[view]) for line in heads), explaining.plan


def test_counting_reads_no_case(full: Database) -> None:
    with full.cursor() as cursor:
        explaining = Explaining(cursor)
        case_list.counted(cast("Cursor", explaining))
    assert " on cases" not in explaining.plan
    assert "case_counts" in explaining.plan


TOLD = """
WITH made AS (
    SELECT n, uuidv7(-n * interval '1 hour') AS id, (ARRAY(SELECT id FROM cases ORDER BY code LIMIT 500))[n % 500 + 1] AS case_id
    FROM generate_series(1, 8000) AS n
), told AS (
    INSERT INTO notifications (id, agent_id, case_id, source_id, kind, at, read_at)
    SELECT id, (ARRAY(SELECT id FROM agents ORDER BY login))[n % 3 + 1], case_id, id, 'note', now() - n * interval '1 hour',
        CASE WHEN n > 90 THEN now() END
    FROM made
)
INSERT INTO case_events (id, case_id, at, actor, agent_id, kind, version, data)
SELECT id, case_id, now() - n * interval '1 hour', 'agent', (SELECT id FROM agents WHERE login = 'sara'),
    (ARRAY['claimed', 'replied', 'status_changed', 'closed'])[n % 4 + 1], 1, '{}'
FROM made
"""


@pytest.fixture
def long_used(full: Database) -> Database:
    with full.cursor() as cursor:
        cursor.execute(TOLD.encode())
        cursor.execute("ANALYZE")
    return full


def scanned(cursor: Cursor, plan: str) -> set[str]:
    """The tables and partitions that the plan reads from beginning to end, but for empty ones."""
    read = re.findall(r"Seq Scan on (\w+)", plan)
    cursor.execute("SELECT relname FROM pg_class WHERE relname = ANY(%s) AND reltuples > 50", [read])
    return {row[0] for row in cursor}


def test_what_an_agent_was_told_is_read_from_its_index(long_used: Database) -> None:
    with long_used.cursor() as cursor:
        sara, explaining = agent(cursor, "sara"), Explaining(cursor)
        for ask in (
            lambda: notification.notices(cast("Cursor", explaining), sara),
            lambda: notification.newest(cast("Cursor", explaining), [sara]),
            lambda: notification.read_all(cast("Cursor", explaining), sara),
        ):
            ask()
            assert not scanned(cursor, explaining.plan), explaining.plan


def test_an_agents_steps_are_read_from_the_index_of_their_kinds(long_used: Database) -> None:
    with long_used.cursor() as cursor:
        cursor.execute("SELECT case_id FROM case_events LIMIT 1")
        (case_id,) = cursor.fetchone() or (None,)
        explaining = Explaining(cursor)
        since = now() - timedelta(days=400)
        history.steps_of(cast("Cursor", explaining), agent(cursor, "sara"), case_id, ["replied", "closed"], since=since)
        assert not scanned(cursor, explaining.plan), explaining.plan
    assert "case_id_kind_at" in explaining.plan, explaining.plan
