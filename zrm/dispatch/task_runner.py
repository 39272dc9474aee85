"""What a job does: claim due tasks of one topic and hand them to the topic's handler, until none is left."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import psycopg

from zrm.casestore import live, outbox
from zrm.casestore.outbox import Task, Topic
from zrm.config import Dispatch
from zrm.contract.reasons import Reason, declare
from zrm.dispatch.queues import Queues
from zrm.errors import StoreUnavailable
from zrm.kit import log
from zrm.kit.db import Database

_log = log.get(__name__)
_LONGEST_BACKOFF = 900.0
_JOB_BUDGET = 2.0  # seconds; then the worker looks again for a topic that comes first: answers never wait for rendering
_TRUSTED = 2  # attempts together with others; a task started more often without an end may be one that kills workers


UNEXPECTED: Final = declare("task.unexpected", "Something unexpected happened")
NO_CHANNEL: Final = declare("task.no_channel", "the channel %(channel)s is not configured")

_SLOW = frozenset({Topic.DELIVER, Topic.RENDER, Topic.FETCH, Topic.STATUS, Topic.SCAN})
"""Each task may take another system's whole time limit."""


class Handler(Protocol):
    """Does one topic's work. Each call removes its tasks from the outbox in the transaction that does them."""

    def __call__(self, tasks: Sequence[Task]) -> None:
        """Do the tasks; an exception puts all of them off. Calling it twice for the same task must do no harm."""

    def give_up(self, task: Task) -> None:
        """The task was started too often: record it where a person sees it, and stop trying."""


@dataclass(frozen=True, slots=True)
class ClaimPolicy:
    """How a topic is claimed: tasks at a time, and the lease in seconds, longer than the slowest batch."""

    batch: int
    lease: float


def backoff(attempts: int) -> float:
    """Seconds until the next try after `attempts` tries: 2, 4, 8 … at most a quarter of an hour."""
    return min(_LONGEST_BACKOFF, 2.0 ** min(attempts, 12))


class TaskRunner:
    """Runs the tasks of topics with their handlers; one per worker process."""

    def __init__(
        self, database: Database, queues: Queues, handlers: Mapping[Topic, Handler], settings: Dispatch
    ) -> None:
        self._database = database
        self._queues = queues
        self._handlers = handlers
        self._settings = settings

    def __call__(self, topic: Topic) -> int:
        """Do the topic's due tasks; returns how many were handled. Errors: psycopg.OperationalError (the leases
        expire).
        """
        self._queues.started(topic)
        pace = self._pace(topic)
        handled, began = 0, time.monotonic()
        while tasks := self._claim(topic, pace):
            if len(tasks) == pace.batch:
                self._queues.wake(topic)  # there may be more: let an idle worker help
            self._handle(topic, tasks)
            handled += len(tasks)
            if time.monotonic() - began > _JOB_BUDGET:
                self._queues.wake(topic)
                break
        return handled

    def _pace(self, topic: Topic) -> ClaimPolicy:
        if topic in _SLOW:
            return ClaimPolicy(1, max(self._settings.lease, 60))
        return ClaimPolicy(self._settings.batch, self._settings.lease)

    def _claim(self, topic: Topic, pace: ClaimPolicy) -> list[Task]:
        with self._database.cursor() as cursor:
            return outbox.claim(cursor, topic, limit=pace.batch, lease=pace.lease)

    def _handle(self, topic: Topic, tasks: list[Task]) -> None:
        handler = self._handlers[topic]
        exhausted = [task for task in tasks if task.attempts > self._settings.max_attempts]
        for task in exhausted:
            handler.give_up(task)
        fresh = [task for task in tasks if task.attempts <= self._settings.max_attempts]
        suspects = [task for task in fresh if task.attempts > _TRUSTED] if len(fresh) > 1 else []
        if suspects:  # another task's crash must not be charged to these: each counts as started only when it is
            with self._database.cursor() as cursor:
                outbox.undo_attempt(cursor, suspects)
        self._try(handler, topic, [task for task in fresh if task not in suspects])
        for task in suspects:
            with self._database.cursor() as cursor:
                outbox.attempt_started(cursor, task)
            self._try(handler, topic, [task])

    def _try(self, handler: Handler, topic: Topic, fresh: list[Task]) -> None:
        if not fresh:
            return
        try:
            handler(fresh)
        except psycopg.OperationalError:
            raise
        except StoreUnavailable as error:  # an outside failure needs no traceback; it was logged already
            _log.warning("tasks put off", topic=topic.value, tasks=len(fresh), error=str(error))
            self._put_off(fresh, error)
        except Exception as error:  # noqa: BLE001  # logged, put off, and shown on the desk when it goes on
            _log.exception("tasks put off", topic=topic.value, tasks=len(fresh))
            self._put_off(fresh, error)

    def _put_off(self, tasks: list[Task], error: Exception) -> None:
        with self._database.cursor() as cursor:
            for task in tasks:
                words = f"{type(error).__name__}: {log.redact(str(error))}"[:500]
                if task.attempts >= self._settings.max_attempts:
                    outbox.fail(cursor, task, UNEXPECTED(words=words))
                    live.publish_change(cursor, "task", [task.id])
                else:
                    outbox.retry_later(cursor, task, after=backoff(task.attempts), error=words)


def leave_failed(database: Database, task: Task, reason: Reason) -> None:
    """The usual way to give up: the task stays in the outbox, marked as failed, until a person replays it."""
    with database.cursor() as cursor:
        outbox.fail(cursor, task, reason)
        live.publish_change(cursor, "task", [task.id])
