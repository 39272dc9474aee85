"""Notifying agents of 1,000 contacts in a unit of 52: rows, bytes and the worker's seconds, compared with notifying everybody
of the unit.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg

from bench.figures import Figure, Result, Sizes
from tests.casework.installation import Filed, file_case
from zrm import demonstration
from zrm.casestore import outbox
from zrm.casestore.outbox import Task, Topic
from zrm.casestore.schema import migrate
from zrm.dispatch.notify import Notify
from zrm.kit.clock import now
from zrm.kit.db import Database
from zrm.kit.ids import new_id
from zrm.standalone.postgres import EmbeddedPostgres

TITLE: Final = "Telling agents"
_AGENTS: Final = 52
_BATCH: Final = 64
_UNIT: Final = "roads"
_COLLEAGUES: Final = """
WITH added AS (
    INSERT INTO agents SELECT (jsonb_populate_record(a, jsonb_build_object('id', uuidv7(), 'login', 'agent' || n))).*
    FROM agents a, generate_series(1, %(agents)s - (SELECT count(*) FROM agents WHERE unit_id = %(unit)s)) AS n
    WHERE a.login = 'sara' RETURNING id
)
INSERT INTO permissions (id, agent_id, permission, unit_id)
SELECT uuidv7(), added.id, p.permission, p.unit_id FROM added, permissions p JOIN agents s ON s.id = p.agent_id
WHERE s.login = 'sara'
"""
# The control: a notification for everybody of the unit who may work there.
_EVERYBODY: Final = """
INSERT INTO notifications (id, agent_id, case_id, source_id, kind, at)
SELECT uuidv7(), a.id, c.case_id, c.id, 'message', c.at
FROM contacts c JOIN cases k ON k.id = c.case_id JOIN agents a ON a.active AND a.unit_id = k.unit_id
WHERE c.id = ANY(%s) AND EXISTS (SELECT FROM permissions p WHERE p.agent_id = a.id AND p.permission = 'case.work'
    AND (p.unit_id IS NULL OR p.unit_id = k.unit_id))
"""


def measure(sizes: Sizes) -> Result:
    """Measured on a separate store without other traffic."""
    contacts = 100 if sizes.quick else 1_000
    result = Result(
        TITLE,
        f"{contacts:,} contacts in the cases of a unit of {_AGENTS} agents, told by one worker in batches of {_BATCH}, on a store of its "
        "own. The control writes a notification for every agent of the unit who may work there.",
    )
    with tempfile.TemporaryDirectory(prefix="zrm-bench-") as folder:
        home = Path(folder)
        with EmbeddedPostgres(home / "postgres", home / "postgres.log") as server:
            database = Database(server.create_database("telling"))
            try:
                migrate(database)
                demonstration.seed(database)
                _measure(database, contacts, result)
            finally:
                database.close()
    return result


def _measure(database: Database, contacts: int, result: Result) -> None:
    agents = _agents(database)
    unassigned = [file_case(database, unit_key=_UNIT) for _ in range(contacts)]
    everybody = _run(database, [case.contact_id for case in unassigned], lambda tasks: _tell_everybody(database, tasks))
    result.figures += _figures(
        "new cases of the unit",
        0,
        _run(database, [case.contact_id for case in unassigned], Notify(database)),
        everybody,
    )
    held = [
        file_case(database, unit_key=_UNIT, status="open", assignee=agents[n % len(agents)]) for n in range(contacts)
    ]
    again = [_write(database, case) for case in held]
    everybody = _run(database, again, lambda tasks: _tell_everybody(database, tasks))
    result.figures += _figures(
        "messages in cases that agents have", contacts, _run(database, again, Notify(database)), everybody
    )


def _agents(database: Database) -> list[UUID]:
    """Add agents to the unit until there are `_AGENTS`."""
    with database.cursor() as cursor:
        cursor.execute("SELECT id FROM units WHERE key = %s", [_UNIT])
        (unit_id,) = cursor.fetchone() or (None,)
        cursor.execute(_COLLEAGUES, {"agents": _AGENTS, "unit": unit_id})
        cursor.execute("SELECT id FROM agents WHERE unit_id = %s", [unit_id])
        found = [row[0] for row in cursor]
    if len(found) != _AGENTS:
        raise RuntimeError(f"the unit has {len(found)} agents")
    return found


def _write(database: Database, case: Filed) -> UUID:
    """Another message of the case's citizen."""
    contact_id = new_id()
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contacts (id, case_id, direction, channel, account, text, at) VALUES (%s, %s, 'in', 'email', 'x', 'x', %s)",
            [contact_id, case.id, now()],
        )
    return contact_id


def _run(database: Database, refs: Sequence[UUID], handler: Callable[[Sequence[Task]], None]) -> tuple[int, int, float]:
    """(rows, bytes, seconds) of notifying agents of these contacts, in an empty table."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("TRUNCATE notifications")
        connection.execute("DELETE FROM outbox")
        with database.cursor() as cursor:
            outbox.add(cursor, Topic.NOTIFY, [(ref, "") for ref in refs])
        seconds = 0.0
        for _ in range(0, len(refs), _BATCH):
            with database.cursor() as cursor:
                tasks = outbox.claim(cursor, Topic.NOTIFY, limit=_BATCH, lease=600)
            began = time.perf_counter()
            handler(tasks)
            seconds += time.perf_counter() - began
        rows = connection.execute("SELECT count(*) FROM notifications").fetchone()
        # Includes all partitions of a partitioned table.
        size = connection.execute(
            "SELECT coalesce((SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('notifications')),"
            " pg_total_relation_size('notifications'))"
        ).fetchone()
    return rows[0] if rows else 0, int(size[0]) if size else 0, seconds


def _tell_everybody(database: Database, tasks: Sequence[Task]) -> None:
    with database.cursor() as cursor:
        cursor.execute(_EVERYBODY, [[task.ref for task in tasks]])
        outbox.done(cursor, tasks)


def _figures(name: str, most: int, told: tuple[int, int, float], everybody: tuple[int, int, float]) -> list[Figure]:
    (rows, size, seconds), (all_rows, all_size, all_seconds) = told, everybody
    return [
        Figure(f"{name}: rows", f"{rows:,}", f"{all_rows:,}", target=f"≤ {most:,}" if most else "0", met=rows <= most),
        Figure(f"{name}: table and indexes", f"{size / 1e6:.2f} MB", f"{all_size / 1e6:.2f} MB"),
        Figure(f"{name}: the worker", f"{seconds:.2f} s", f"{all_seconds:.2f} s", f"{seconds / all_seconds:.2f}"),
    ]
