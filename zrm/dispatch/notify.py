"""Tells agents: a notification for each one concerned, kept until read, and a live event for open desks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from zrm.casestore import live, notification, outbox
from zrm.casestore.outbox import Task
from zrm.casework import audience
from zrm.contract.reasons import declare
from zrm.dispatch.task_runner import leave_failed
from zrm.kit.db import Database

_NEVER_FINISHED: Final = declare("notify.never_finished", "notifying agents was started too often and never finished")


class Notify:
    """The handler of the topic `notify`: refs are ids of contacts, failed deliveries, or history lines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self, tasks: Sequence[Task]) -> None:
        """Write the notifications and announce them to the desks, in one transaction."""
        with self._database.cursor() as cursor:
            notified = notification.tell(cursor, audience.notices(cursor, [task.ref for task in tasks]))
            live.publish_change(cursor, "notification", sorted(notified))
            outbox.done(cursor, tasks)

    def give_up(self, task: Task) -> None:
        """Left for a person to replay."""
        leave_failed(self._database, task, _NEVER_FINISHED)
