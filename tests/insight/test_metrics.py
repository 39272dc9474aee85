"""What a scrape reads does not grow with the traffic."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest

from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.inbox import door_records
from zrm.insight import metrics
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id

TASKS, ANSWERS = 15_000, 20_000
BOUND = 2 * outbox.COUNTED  # rows: the tasks that are due of one topic, and those that failed
FILL = """
INSERT INTO outbox (id, topic, ref, failed_at)
SELECT gen_random_uuid(), CASE WHEN n %% 3 = 0 THEN 'deliver' ELSE 'file' END, gen_random_uuid(),
    CASE WHEN n %% 3 = 0 THEN now() END
FROM generate_series(1, 3 * %(tasks)s / 2) AS n;
CREATE TEMPORARY TABLE said AS SELECT gen_random_uuid() AS id, lpad(n::text, 12, '0') AS code, n FROM generate_series(1, %(answers)s) AS n;
INSERT INTO receipts (channel, account, external_id, contact_id, code, received_at, content)
SELECT 'sms', 'x', n, id, code, now(), 'x' FROM said;
INSERT INTO door_answers SELECT id, 'x', 'sms', now() - interval '1 hour', true FROM said;
ANALYZE
"""


class Explaining:
    """Stands in for a cursor and keeps what each statement really read: (rows, table or index scan)."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self.read: list[tuple[int, str]] = []

    def execute(self, query: str, values: Any = None) -> None:
        self._cursor.execute(
            f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) {query}".encode(), values
        )
        for (line,) in self._cursor.fetchall():
            if found := re.search(r"(\w*Scan .*?) \(actual rows=([\d.]+) loops=(\d+)", line):
                self.read.append((round(float(found[2]) * int(found[3])), found[1]))

    def fetchone(self) -> None:
        return None

    def fetchall(self) -> list[Any]:
        return []

    def __iter__(self) -> Any:
        return iter(())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


@pytest.fixture
def busy(database: Database) -> Database:
    with database.cursor() as cursor:
        for statement in FILL.split(";\n"):
            cursor.execute(statement.encode(), {"tasks": TASKS, "answers": ANSWERS} if "%" in statement else None)
    return database


def test_a_scrape_of_a_busy_store_reads_a_bounded_number_of_rows(busy: Database) -> None:
    with busy.cursor() as cursor:
        explaining = Explaining(cursor)
        list(metrics.stored(cast("Cursor", explaining)))
        assert {rows for rows, scan in explaining.read if " outbox" in scan} >= {outbox.COUNTED}, "they are read at all"
        assert not [
            scan for _, scan in explaining.read if re.search(r"Seq Scan on (outbox|door_answers|receipts)", scan)
        ]
        assert max(rows for rows, _ in explaining.read) <= BOUND, explaining.read
        families = {family.name: family for family in metrics.stored(cursor)}
    tasks = {tuple(sample.labels.values()): sample.value for sample in families["zrm_outbox_tasks"].samples}
    assert tasks == {("file", "due"): outbox.COUNTED, ("deliver", "failed"): TASKS // 2}
    assert families["zrm_answers_unkept"].samples == []


def test_a_backlog_is_counted_by_topic_and_its_age_is_of_the_oldest(database: Database) -> None:
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.SCAN, [(new_id(), "")] * 2)
        outbox.add(cursor, Topic.FETCH, [(new_id(), "")])
        cursor.execute("UPDATE outbox SET created_at = now() - interval '1 hour', attempts = 1, due_at = now() + interval '1 hour'"
                       " WHERE id = (SELECT id FROM outbox WHERE topic = 'scan' LIMIT 1)")  # fmt: skip
        cursor.execute("UPDATE outbox SET due_at = now() + interval '1 hour' WHERE topic = 'fetch'")
        backlogs = {backlog.topic: backlog for backlog in outbox.backlogs(cursor)}
    assert set(backlogs) == set(Topic)
    assert (backlogs["scan"].due, backlogs["scan"].failed) == (2, 0)
    assert backlogs["scan"].age == pytest.approx(3600), "a task that failed once still is the oldest"
    assert (backlogs["fetch"].due, backlogs["fetch"].age) == (1, None), "it waits for its moment"
    assert (backlogs["file"].due, backlogs["file"].age) == (0, None)


def test_answers_are_compared_when_written_and_again_later(database: Database) -> None:
    """A contact that gets lost after its door has written the answer shows up too, as does one that comes later."""

    def unkept(cursor: Cursor) -> dict[str, float]:
        family = next(one for one in metrics.stored(cursor) if one.name == "zrm_answers_unkept")
        return {sample.labels["channel"]: sample.value for sample in family.samples}

    stored, missing, later = new_id(), new_id(), new_id()
    receipt = "INSERT INTO receipts (channel, account, external_id, contact_id, code, received_at, content) VALUES (%s, 'x', %s, %s, %s, now(), 'x')"
    with database.cursor() as cursor:
        cursor.execute(receipt, ["sms", "1", stored, "1" * 12])
        door_records.note_answers(
            cursor, [(stored, "x", "sms", now()), (missing, "x", "fax", now()), (later, "x", "web", now())]
        )
        assert unkept(cursor) == {"fax": 1, "web": 1}
        cursor.execute(receipt, ["web", "2", later, "2" * 12])
        assert unkept(cursor) == {"fax": 1}
        door_records.compare_answers(cursor)
        cursor.execute("SELECT contact_id FROM door_answers WHERE NOT kept")
        assert cursor.fetchall() == [(missing,)]
        cursor.execute("ALTER TABLE receipts DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM receipts WHERE contact_id = %s", [stored])
        door_records.compare_answers(cursor)
        assert unkept(cursor) == {"fax": 1, "sms": 1}
