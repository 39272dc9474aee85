"""Telling agents: a notification for each agent concerned, kept until read, and a live event for those at the desk.

Concerned is whoever the case is assigned to; while nobody is, everyone of the case's unit who may work on its cases, or,
where that unit has nobody, of the nearest unit above it that has: a matter never waits unseen.
"""

from __future__ import annotations

from collections.abc import Sequence

from zrm.casestore import live, outbox
from zrm.casestore.agent import Permission
from zrm.casestore.outbox import Task
from zrm.dispatch.task_runner import leave_failed
from zrm.kit.db import Database

_TELL = """
WITH RECURSIVE source AS (
    SELECT c.id, c.case_id, c.at, CASE WHEN EXISTS (
               SELECT FROM contacts o WHERE o.case_id = c.case_id AND o.direction = 'in' AND (o.at, o.id) < (c.at, c.id)
           ) THEN 'message' ELSE 'case' END AS kind
    FROM contacts c WHERE c.id = ANY(%(refs)s)
    UNION ALL
    SELECT d.id, d.case_id, d.changed_at, 'delivery_' || d.state FROM deliveries d
    WHERE d.id = ANY(%(refs)s) AND d.state IN ('failed', 'unknown')
    UNION ALL
    SELECT e.id, e.case_id, e.at, 'assigned' FROM case_events e WHERE e.id = ANY(%(refs)s)
), above AS (
    SELECT DISTINCT u.id AS unit, u.id, u.parent_id, 0 AS steps
    FROM source s JOIN cases k ON k.id = s.case_id JOIN units u ON u.id = k.unit_id WHERE k.assignee_id IS NULL
    UNION ALL
    SELECT above.unit, u.id, u.parent_id, steps + 1 FROM above JOIN units u ON u.id = above.parent_id
), able AS (
    SELECT above.unit, a.id AS agent_id, steps, min(steps) OVER (PARTITION BY above.unit) AS nearest
    FROM above JOIN agents a ON a.active AND a.unit_id = above.id
    WHERE EXISTS (SELECT FROM permissions p WHERE p.agent_id = a.id AND p.permission = %(work)s
                  AND (p.unit_id IS NULL OR p.unit_id = above.unit))
)
INSERT INTO notifications (id, agent_id, case_id, source_id, kind, at)
SELECT uuidv7(), a.id, s.case_id, s.id, s.kind, s.at
FROM source s JOIN cases k ON k.id = s.case_id JOIN agents a ON a.active AND a.id IN (
    SELECT k.assignee_id UNION ALL
    SELECT able.agent_id FROM able WHERE k.assignee_id IS NULL AND able.unit = k.unit_id AND able.steps = able.nearest)
ON CONFLICT (agent_id, source_id) DO NOTHING
RETURNING agent_id
"""


class Notify:
    """The handler of the topic `notify`: refs are ids of contacts, deliveries in trouble, or assignment events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self, tasks: Sequence[Task]) -> None:
        """Write the notifications and ring the desks, in one transaction."""
        with self._database.cursor() as cursor:
            refs = [task.ref for task in tasks]
            cursor.execute(_TELL, {"refs": refs, "work": Permission.WORK_CASES.value})
            live.publish_change(cursor, "notification", sorted({row[0] for row in cursor}))
            outbox.done(cursor, tasks)

    def give_up(self, task: Task) -> None:
        """Left for a person to replay."""
        leave_failed(self._database, task, "telling agents was begun too often and never finished")
