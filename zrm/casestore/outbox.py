"""The outbox: work written in the commit that makes it necessary. Topics name the handler.

A row is removed in the same commit that stores its work's result, so the work is done once. A claim is a lease, so the
rows of a worker that dies become due again. A task that failed too often stays, marked, until a person replays it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Index, text
from sqlmodel import Field

from zrm.contract.reasons import KeptReason, Reason
from zrm.kit.db import Cursor, insert_records, records
from zrm.kit.ids import new_id
from zrm.kit.tables import Table, reason_params


class Topic(StrEnum):
    """file: T2; deliver: T4; notify: tell agents; render: make pages of a fax; fetch: get a file that a provider holds;
    status: ask a provider about a delivery without a report; scan: ask the virus scanner about a file.
    """

    FILE = "file"
    DELIVER = "deliver"
    NOTIFY = "notify"
    RENDER = "render"
    FETCH = "fetch"
    STATUS = "status"
    SCAN = "scan"


_NOW: Final = {"server_default": text("now()")}


class OutboxRecord(Table, table=True):
    """A task as stored: due at `due_at`, claimed by moving that into the future, failed for good at `failed_at`."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("outbox_due", "topic", "due_at", "id", postgresql_where=text("failed_at IS NULL")),
        Index("outbox_failed", "failed_at", postgresql_where=text("failed_at IS NOT NULL")),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    topic: str
    ref: UUID
    trace: str = ""
    created_at: datetime = Field(sa_column_kwargs=_NOW)
    due_at: datetime = Field(sa_column_kwargs=_NOW)
    attempts: int = 0
    failed_at: datetime | None = None
    error: str = ""
    reason_code: str = ""
    reason_params: dict[str, Any] = reason_params()


@dataclass(frozen=True, slots=True)
class Task:
    """A claimed task: `ref` is the id of what the topic works on, `attempts` includes this one."""

    id: UUID
    ref: UUID
    trace: str
    attempts: int


@dataclass(frozen=True, slots=True)
class FailedTask(KeptReason):
    """A task that failed too often, as the desk shows it; `reason` holds no personal data."""

    id: UUID
    topic: str
    ref: UUID
    attempts: int
    failed_at: datetime


class _NewTask(NamedTuple):
    """A task as it is first stored; the fields are the columns."""

    id: UUID
    topic: str
    ref: UUID
    trace: str


def add(cursor: Cursor, topic: Topic, refs: Sequence[tuple[UUID, str]]) -> None:
    """Add tasks for (ref, trace) pairs, due at once; the commit wakes the relay. Work for later is a timer."""
    if refs:
        insert_records(cursor, "outbox", [_NewTask(new_id(), topic.value, ref, trace) for ref, trace in refs])


def insertion(topic: Topic, rows: LiteralString) -> str:
    """SQL that adds a task for each row (id, trace) of a relation, for a statement that does more than that (T1)."""
    return f"INSERT INTO outbox (id, topic, ref, trace) SELECT uuidv7(), '{topic}', id, trace FROM {rows}"  # noqa: S608  # constants


def withdraw(cursor: Cursor, topic: Topic, ref: UUID) -> None:
    """Remove tasks that are no longer wanted; call it with the lock on `ref`."""
    cursor.execute("DELETE FROM outbox WHERE topic = %s AND ref = %s", [topic, ref])


def claim(cursor: Cursor, topic: Topic, *, limit: int, lease: float) -> list[Task]:
    """Lease up to `limit` due tasks for `lease` seconds; rows another worker holds are skipped."""
    # Materialized: PostgreSQL may run a plain subquery again for each row, and then it takes other rows each time.
    cursor.execute(
        """
        WITH due AS MATERIALIZED (
            SELECT id FROM outbox WHERE topic = %(topic)s AND due_at <= now() AND failed_at IS NULL
            ORDER BY due_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        )
        UPDATE outbox SET due_at = now() + make_interval(secs => %(lease)s), attempts = attempts + 1
        FROM due WHERE outbox.id = due.id RETURNING outbox.id, ref, trace, attempts
        """,
        {"topic": topic, "limit": limit, "lease": lease},
    )
    return sorted(records(cursor, Task), key=lambda task: task.id)


def undo_attempt(cursor: Cursor, tasks: Sequence[Task]) -> None:
    """Claimed, but not started: should the worker die before `attempt_started`, the attempt does not count."""
    cursor.execute("UPDATE outbox SET attempts = attempts - 1 WHERE id = ANY(%s)", [[task.id for task in tasks]])


def attempt_started(cursor: Cursor, task: Task) -> None:
    """The attempt that `undo_attempt` took back starts now."""
    cursor.execute("UPDATE outbox SET attempts = attempts + 1 WHERE id = %s", [task.id])


def done(cursor: Cursor, tasks: Sequence[Task]) -> None:
    """Remove the tasks: their work is in this transaction."""
    cursor.execute("DELETE FROM outbox WHERE id = ANY(%s)", [[task.id for task in tasks]])


def retry_later(cursor: Cursor, task: Task, *, after: float, error: str) -> None:
    """Try the task again in `after` seconds."""
    cursor.execute(
        "UPDATE outbox SET due_at = now() + make_interval(secs => %s), error = %s WHERE id = %s",
        [after, error, task.id],
    )


def extend_lease(cursor: Cursor, tasks: Sequence[Task], *, seconds: float) -> None:
    """Extend the lease of claimed tasks to this many seconds from now: their work takes longer than that of their batch."""
    cursor.execute(
        "UPDATE outbox SET due_at = now() + make_interval(secs => %s) WHERE id = ANY(%s)",
        [seconds, [task.id for task in tasks]],
    )


def reset_attempts(cursor: Cursor, task: Task) -> None:
    """Reset the attempt counter: the failure was not the task's fault."""
    cursor.execute("UPDATE outbox SET attempts = 0 WHERE id = %s", [task.id])


def fail(cursor: Cursor, task: Task, reason: Reason) -> None:
    """Mark the task as failed until a person replays it."""
    cursor.execute(
        "UPDATE outbox SET failed_at = now(), reason_code = %s, reason_params = %s WHERE id = %s",
        [reason.code, Jsonb(reason.stored_params()), task.id],
    )


def failed(cursor: Cursor, *, limit: int = 100) -> list[FailedTask]:
    """The failed tasks, newest first."""
    cursor.execute(
        "SELECT id, topic, ref, attempts, failed_at, reason_code, reason_params FROM outbox WHERE failed_at IS NOT NULL "
        "ORDER BY failed_at DESC LIMIT %s",
        [limit],
    )
    return records(cursor, FailedTask)


def replay(cursor: Cursor, task_id: UUID) -> bool:
    """Make a failed task due again; False if it is no longer failed."""
    cursor.execute(
        "UPDATE outbox SET failed_at = NULL, attempts = 0, due_at = now(), error = '', reason_code = '', "
        "reason_params = '{}' "
        "WHERE id = %s AND failed_at IS NOT NULL RETURNING topic",
        [task_id],
    )
    row = cursor.fetchone()
    if row is not None:
        cursor.execute("SELECT pg_notify('zrm_outbox', %s)", [row[0]])
    return row is not None


def repair_future_due_times(cursor: Cursor) -> None:
    """Repair due times after the database clock was set back, so that nothing waits for it to catch up.

    A lease keeps its length, so tasks that a worker holds now stay its own. Concurrent calls do no harm.
    """
    cursor.execute(
        """
        UPDATE outbox SET due_at = now() + (due_at - created_at), created_at = now() WHERE id IN (
            SELECT id FROM outbox WHERE topic = ANY(%s) AND due_at > now() + interval '1 second'
            AND created_at > now() + interval '1 second' AND failed_at IS NULL FOR UPDATE SKIP LOCKED
        )
        """,
        [[topic.value for topic in Topic]],
    )


def due_topics(cursor: Cursor) -> list[Topic]:
    """The topics with due tasks, for the sweep."""
    cursor.execute(
        "SELECT topic FROM unnest(%s::text[]) AS topic WHERE EXISTS "
        "(SELECT FROM outbox o WHERE o.topic = topic.topic AND o.due_at <= now() AND o.failed_at IS NULL)",
        [[topic.value for topic in Topic]],
    )
    return [Topic(row[0]) for row in cursor]


def unknown_topics(cursor: Cursor) -> set[str]:
    """The topics of tasks that this version does not know. Reads the whole backlog."""
    cursor.execute("SELECT DISTINCT topic FROM outbox WHERE topic <> ALL(%s)", [[topic.value for topic in Topic]])
    return {row[0] for row in cursor}


def seconds_to_next(cursor: Cursor) -> float | None:
    """Seconds until the next task becomes due; None if no task waits."""
    cursor.execute(
        "SELECT extract(epoch FROM min(next.due_at) - now())::float FROM unnest(%s::text[]) AS topic CROSS JOIN LATERAL "
        "(SELECT o.due_at FROM outbox o WHERE o.topic = topic.topic AND o.due_at > now() AND o.failed_at IS NULL "
        "ORDER BY o.due_at LIMIT 1) AS next",
        [[topic.value for topic in Topic]],
    )
    row = cursor.fetchone()
    return row[0] if row else None


COUNTED: Final = 10_000
"""So many tasks of a topic are looked at by `backlogs`; a longer backlog counts as this."""


class Backlog(NamedTuple):
    """What a topic has to do. `age`: seconds since the oldest task was written, without those that wait for their moment."""

    topic: str
    due: int
    failed: int
    age: float | None


def backlogs(cursor: Cursor) -> list[Backlog]:
    """The backlog of every topic, from the `COUNTED` tasks that are due first and as many that failed for good last."""
    cursor.execute(
        """
        WITH gone AS MATERIALIZED (
            SELECT topic FROM outbox WHERE failed_at IS NOT NULL ORDER BY failed_at DESC LIMIT %(counted)s)
        SELECT topic.topic, waits.due, (SELECT count(*) FROM gone WHERE gone.topic = topic.topic) AS failed, waits.age
        FROM unnest(%(topics)s::text[]) AS topic CROSS JOIN LATERAL (
            SELECT count(*) AS due, extract(epoch FROM now() - min(created_at)
                FILTER (WHERE NOT (attempts = 0 AND due_at > now())))::float8 AS age
            FROM (SELECT created_at, attempts, due_at FROM outbox o
                WHERE o.topic = topic.topic AND failed_at IS NULL ORDER BY due_at, id LIMIT %(counted)s) AS first
        ) AS waits
        """,
        {"topics": [topic.value for topic in Topic], "counted": COUNTED},
    )
    return records(cursor, Backlog)


def waiting(cursor: Cursor) -> dict[Topic, float]:
    """For each topic with due tasks that no worker has claimed: seconds since the oldest became due."""
    cursor.execute(
        """
        SELECT topic, extract(epoch FROM now() - oldest.due_at)::float8 FROM unnest(%s::text[]) AS topic
        CROSS JOIN LATERAL (
            SELECT due_at FROM outbox o WHERE o.topic = topic.topic AND o.due_at <= now() AND o.failed_at IS NULL
            ORDER BY due_at LIMIT 1
        ) AS oldest
        """,
        [[topic.value for topic in Topic]],
    )
    return {Topic(topic): seconds for topic, seconds in cursor}
