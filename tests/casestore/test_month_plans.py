"""What is asked by an id reads the month the id is of; what is asked by a case reads each month by its index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID

import pytest

from zrm.casestore import timeline
from zrm.casestore.case import case_of
from zrm.inbox import raw_contacts, tracking_codes
from zrm.inbox.raw_contacts import Settled
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id

MONTHS = 6
FILL = """
SELECT make_month(parent, date(date_trunc('month', now()) - make_interval(months => n)))
FROM unnest(ARRAY['raw_contacts', 'contacts', 'case_events']) AS parent, generate_series(1, %(months)s) AS n;
CREATE TEMPORARY TABLE drawn AS
SELECT n, at, gen_random_uuid() AS case_id, lpad(n::text, 12, '0') AS code,
    (left(first_id_of(at)::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid AS id
FROM (SELECT n, date_trunc('month', now()) - make_interval(months => n %% %(months)s + 1) + n * interval '1 minute' AS at
      FROM generate_series(1, 3000) AS n) AS numbers;
INSERT INTO cases (id, code, reply_token, title, language, channel, account, unit_id, status, opened_at, status_at, last_contact_at)
SELECT case_id, code, 't' || n, 'x', 'fa', 'sms', 'x', (SELECT id FROM units ORDER BY key LIMIT 1), 'open', at, at, at FROM drawn;
INSERT INTO raw_contacts (id, channel, account, kind, media_type, body, size, envelope, files, trace, received_at, state)
SELECT id, 'sms', 'x', 'contact', 'text/plain', 'x', 1, '{}', '[]', '', at, 'filed' FROM drawn;
INSERT INTO receipts (channel, account, external_id, contact_id, code, received_at, content) SELECT 'sms', 'x', n, id, code, at, '' FROM drawn;
INSERT INTO tracking_codes SELECT code, id, case_id FROM drawn;
INSERT INTO contacts (id, case_id, direction, channel, account, text, at) SELECT id, case_id, 'in', 'sms', 'x', 'x', at FROM drawn;
ANALYZE
"""


class Explained:
    """Stands in for a cursor and keeps what each statement really read, by table."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self.plans: list[str] = []

    def execute(self, query: Any, values: Any = None) -> None:
        text = query if isinstance(query, bytes) else str(query).encode()
        self._cursor.execute(b"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) " + text, values)
        self.plans.append("\n".join(row[0] for row in self._cursor.fetchall()))

    def parts_read(self, table: str) -> set[str]:
        """The partitions of the table that were read, and how: (index or table scan) and month."""
        lines = [line for plan in self.plans for line in plan.splitlines() if "never executed" not in line]
        return {
            f"{'seq' if 'Seq Scan' in line else 'index'} {found[1]}"
            for line in lines
            if "Scan" in line and (found := re.search(rf" on ({table}_(?:default|\d+_\d+))\b", line))
        }

    def fetchone(self) -> None:
        return None

    def fetchall(self) -> list[Any]:
        return []

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


@pytest.fixture
def years(database: Database) -> Database:
    """A store that has run for some months."""
    with database.cursor() as cursor:
        for statement in FILL.split(";\n"):
            cursor.execute(statement.encode(), {"months": MONTHS} if "%" in statement else None)
    return database


def some_of_one_month(cursor: Cursor) -> tuple[list[UUID], str]:
    cursor.execute("SELECT contact_id, code FROM receipts ORDER BY contact_id LIMIT 5")
    rows = cursor.fetchall()
    return [row[0] for row in rows], rows[0][1]


def test_what_has_an_id_is_read_from_its_month(years: Database) -> None:
    with years.cursor() as cursor:
        ids, _ = some_of_one_month(cursor)
        for ask in (
            lambda one: raw_contacts.load(one, ids),
            lambda one: raw_contacts.lock_unfiled(one, ids),
        ):
            explained = Explained(cursor)
            ask(cast("Cursor", explained))
            read = explained.parts_read("raw_contacts") | explained.parts_read("contacts")
            assert len(read) == 1, (explained.plans, read)
            assert not any(part.startswith("seq") for part in read), explained.plans


def test_a_code_leads_to_its_case_without_any_month(years: Database) -> None:
    with years.cursor() as cursor:
        _, code = some_of_one_month(cursor)
        explained = Explained(cursor)
        case_of(cast("Cursor", explained), code)
        tracking_codes.lead(cast("Cursor", explained), [(code, new_id())])
        read = explained.parts_read("raw_contacts") | explained.parts_read("contacts")
        assert not read
        assert all("tracking_codes_pkey" in plan for plan in explained.plans), explained.plans


def test_settling_writes_to_the_month_it_is_of(years: Database) -> None:
    with years.cursor() as cursor:
        ids, _ = some_of_one_month(cursor)
        explained = Explained(cursor)
        raw_contacts.settle(cast("Cursor", explained), [Settled(ids[0], "filed")])
        assert len(explained.parts_read("raw_contacts")) == 1, explained.plans


def test_a_case_is_read_by_its_index_in_every_month(years: Database) -> None:
    with years.cursor() as cursor:
        cursor.execute("SELECT id FROM cases LIMIT 1")
        ((case_id,),) = cursor.fetchall()
        cursor.execute("SET LOCAL enable_seqscan = off")  # the empty months of this month and the next are small
        explained = Explained(cursor)
        timeline.head(cast("Cursor", explained), case_id)
        explained.execute("SELECT id FROM contacts WHERE case_id = %s ORDER BY at DESC, id DESC LIMIT 40", [case_id])
        read = explained.parts_read("contacts")
        assert not any(part.startswith("seq") for part in read), explained.plans
        assert len(read) >= MONTHS, explained.plans
