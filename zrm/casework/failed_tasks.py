"""Failed work that belongs to no unit: tasks of the outbox, jobs of the queue, automatic answers without a case.

It is for agents who handle deliveries everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from zrm.casestore import live, outbox, worklists
from zrm.casestore.agent import Permission
from zrm.casestore.outbox import FailedTask
from zrm.casestore.worklists import UndeliveredSelfAnswer
from zrm.casework.context import ActingAgent
from zrm.errors import Conflict
from zrm.kit.db import Cursor
from zrm.security.masking import masked


def handles(actor: ActingAgent) -> bool:
    """Whether the agent may see and handle this work."""
    return actor.grants.everywhere(Permission.HANDLE_DELIVERIES)


def listing(cursor: Cursor, actor: ActingAgent) -> list[FailedTask]:
    """The tasks that failed. Errors: NotFound."""
    actor.grants.require_everywhere(Permission.HANDLE_DELIVERIES)
    return outbox.failed(cursor)


def undelivered_self_answers(cursor: Cursor, actor: ActingAgent) -> list[UndeliveredSelfAnswer]:
    """Automatic answers without a case that did not arrive; addresses are masked for agents who may not see them
    everywhere.

    Errors: NotFound.
    """
    actor.grants.require_everywhere(Permission.HANDLE_DELIVERIES)
    rows = worklists.undelivered_self_answers(cursor)
    if actor.grants.everywhere(Permission.VIEW_ADDRESSES):
        return rows
    return [replace(row, address=masked(row.address)) for row in rows]


def replay_task(cursor: Cursor, actor: ActingAgent, task_id: UUID) -> None:
    """Run a failed task once more. Errors: NotFound; Conflict if it has not failed (any more)."""
    actor.grants.require_everywhere(Permission.HANDLE_DELIVERIES)
    if not outbox.replay(cursor, task_id):
        raise Conflict("not failed any more")
    live.publish_change(cursor, "task", [task_id])


def requeue_job(actor: ActingAgent, requeue: Callable[[str, str], bool] | None, topic: str, job_id: str) -> None:
    """Put a failed job of the queue back by `requeue` (topic, job), which returns whether the job exists.

    Errors: NotFound; Conflict if there is no such job, or no queue is configured (None).
    """
    actor.grants.require_everywhere(Permission.HANDLE_DELIVERIES)
    if requeue is None or not requeue(topic, job_id):
        raise Conflict("no such job")
