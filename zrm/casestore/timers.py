"""Timers: work for a later time, apart from the outbox, which is work to be done now.

The relay moves due timers into the outbox in one transaction, so a timer becomes a task once, even after a crash.
Timers wait on purpose: they do not count as work that is late. Timers of a topic that only another version knows stay
for a relay of that version.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field

from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.kit.db import Cursor, records
from zrm.kit.ids import new_id
from zrm.kit.tables import Table

_AT_ONCE: Final = 1000


class Timer(Table, table=True):
    """A task of `topic` for `ref` that is due at `due_at`."""

    __tablename__ = "timers"
    __table_args__ = (Index("timers_due", "due_at", "id"), Index("timers_ref", "ref"))

    id: UUID = Field(default_factory=new_id, primary_key=True)
    topic: str
    ref: UUID
    trace: str = ""
    created_at: datetime = Field(sa_column_kwargs={"server_default": text("now()")})
    due_at: datetime


@dataclass(frozen=True, slots=True)
class _DueTimer:
    topic: str
    ref: UUID
    trace: str


def add(cursor: Cursor, topic: Topic, refs: Sequence[tuple[UUID, str]], *, after: float) -> None:
    """Set a timer for each (ref, trace) pair in `after` seconds; with 0 it becomes a task at once."""
    if after <= 0:
        outbox.add(cursor, topic, refs)
    elif refs:
        cursor.executemany(
            "INSERT INTO timers (id, topic, ref, trace, due_at) "
            "VALUES (%(id)s, %(topic)s, %(ref)s, %(trace)s, now() + make_interval(secs => %(after)s))",
            [{"id": new_id(), "topic": topic.value, "ref": ref, "trace": trace, "after": after} for ref, trace in refs],
        )


def withdraw(cursor: Cursor, topic: Topic, ref: UUID) -> None:
    """Remove timers and tasks that are no longer wanted; call it with the lock on `ref`."""
    cursor.execute("DELETE FROM timers WHERE topic = %s AND ref = %s", [topic.value, ref])
    outbox.withdraw(cursor, topic, ref)


def move_due(cursor: Cursor) -> int:
    """Turn due timers into tasks, some hundreds at most; returns how many. Concurrent calls do no harm."""
    cursor.execute(
        "DELETE FROM timers WHERE id IN (SELECT id FROM timers WHERE due_at <= now() AND topic = ANY(%s) "
        "ORDER BY due_at, id LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING topic, ref, trace",
        [[topic.value for topic in Topic], _AT_ONCE],
    )
    due = records(cursor, _DueTimer)
    tasks: dict[Topic, list[tuple[UUID, str]]] = defaultdict(list)
    for one in due:
        tasks[Topic(one.topic)].append((one.ref, one.trace))
    for topic, refs in tasks.items():
        outbox.add(cursor, topic, refs)
    return len(due)


def unknown_topics(cursor: Cursor) -> set[str]:
    """The topics of due timers that this version does not know."""
    cursor.execute(
        "SELECT DISTINCT topic FROM timers WHERE due_at <= now() AND topic <> ALL(%s)",
        [[topic.value for topic in Topic]],
    )
    return {row[0] for row in cursor}


def repair_future_due_times(cursor: Cursor) -> None:
    """Repair due times after the database clock was set back; each timer keeps its remaining time."""
    cursor.execute(
        "UPDATE timers SET due_at = now() + (due_at - created_at), created_at = now() WHERE id IN ("
        "SELECT id FROM timers WHERE created_at > now() + interval '1 second' FOR UPDATE SKIP LOCKED)"
    )


def seconds_to_next(cursor: Cursor) -> float | None:
    """Seconds until the next timer is due, 0 if one is; None without timers."""
    cursor.execute(
        "SELECT greatest(extract(epoch FROM due_at - now()), 0)::float FROM timers WHERE topic = ANY(%s) "
        "ORDER BY due_at LIMIT 1",
        [[topic.value for topic in Topic]],
    )
    row = cursor.fetchone()
    return row[0] if row else None
