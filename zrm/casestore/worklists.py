"""What asks for a person: notices to an agent, answers in trouble, and the numbers of both."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zrm.kit.db import Cursor, records
from zrm.kit.ids import new_id
from zrm.localized import Localized

MOST = 100
"""Counters stop here: "100" already says enough."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification with the case it is about; `unit_id` None when it has no case."""

    id: UUID
    agent_id: UUID
    kind: str
    at: datetime
    read_at: datetime | None
    case_id: UUID | None
    title: str
    unit_id: UUID | None
    case_channel: str


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """An answer that failed or whose fate is unknown, not yet dealt with."""

    id: UUID
    case_id: UUID
    code: str
    title: str
    unit_id: UUID
    unit_names: Localized
    channel: str
    address: str
    state: str
    error: str
    error_code: str
    attempts: int
    changed_at: datetime
    case_channel: str


@dataclass(frozen=True, slots=True)
class UndeliveredSelfAnswer:
    """An automatic answer that belongs to no case (a state, a STOP confirmed) and did not arrive."""

    id: UUID
    wish: str
    channel: str
    address: str
    state: str
    error: str
    changed_at: datetime


_NOTICE = """
SELECT n.id, n.agent_id, n.kind, n.at, n.read_at, n.case_id, coalesce(c.title, '') AS title, c.unit_id,
    coalesce(c.channel, '') AS case_channel
FROM notifications n LEFT JOIN cases c ON c.id = n.case_id
"""


def notices(cursor: Cursor, agent_id: UUID, *, limit: int = 100) -> list[Notice]:
    """An agent's notices, newest first."""
    cursor.execute(
        (_NOTICE + "WHERE n.agent_id = %s ORDER BY n.at DESC, n.id DESC LIMIT %s").encode(), [agent_id, limit]
    )
    return records(cursor, Notice)


def newest(cursor: Cursor, agent_ids: Iterable[UUID]) -> dict[UUID, tuple[Notice, int]]:
    """For each of these agents with unread notices: the newest one and how many there are."""
    cursor.execute(
        """
        SELECT n.id, n.agent_id, n.kind, n.at, n.read_at, n.case_id, coalesce(c.title, '') AS title, c.unit_id,
            coalesce(c.channel, '') AS case_channel, unread.n AS unread
        FROM unnest(%(agents)s::uuid[]) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT * FROM notifications x WHERE x.agent_id = wanted.id AND x.read_at IS NULL
            ORDER BY x.at DESC, x.id DESC LIMIT 1
        ) AS n
        CROSS JOIN LATERAL (
            SELECT count(*) AS n FROM (
                SELECT FROM notifications y WHERE y.agent_id = wanted.id AND y.read_at IS NULL LIMIT %(most)s
            ) AS capped
        ) AS unread
        LEFT JOIN cases c ON c.id = n.case_id
        """,
        {"agents": list(agent_ids), "most": MOST},
    )
    found = {}
    for row in records(cursor, dict):
        unread = row.pop("unread")
        found[row["agent_id"]] = (Notice(**row), unread)
    return found


def tell_of_sign_in(cursor: Cursor, agent_id: UUID, session_id: UUID) -> None:
    """A notice to an agent that somebody has signed in as them with a browser not seen before."""
    cursor.execute(
        "INSERT INTO notifications (id, agent_id, source_id, kind, at) VALUES (%s, %s, %s, 'sign_in', now())"
        " ON CONFLICT (agent_id, source_id) DO NOTHING",
        [new_id(), agent_id, session_id],
    )


def read_notices(cursor: Cursor, agent_id: UUID, notice_id: UUID | None = None) -> None:
    """Mark one notice of the agent as read, or (None) all of them."""
    cursor.execute(
        "UPDATE notifications SET read_at = now() WHERE agent_id = %(agent)s AND read_at IS NULL"
        " AND (%(notice)s::uuid IS NULL OR id = %(notice)s)",
        {"agent": agent_id, "notice": notice_id},
    )


def read_notices_of_case(cursor: Cursor, agent_id: UUID, case_id: UUID) -> UUID | None:
    """Opening a case is reading what was said about it. Returns the first message the agent was told of and had not read."""
    cursor.execute(
        "WITH read AS (UPDATE notifications SET read_at = now() WHERE agent_id = %s AND case_id = %s AND read_at IS NULL"
        " RETURNING source_id, kind, at)"
        " SELECT source_id FROM read WHERE kind IN ('case', 'message') ORDER BY at, source_id LIMIT 1",
        [agent_id, case_id],
    )
    row = cursor.fetchone()
    return row[0] if row else None


def failed_deliveries(cursor: Cursor, units: Collection[UUID] | None, *, limit: int = 200) -> list[FailedDelivery]:
    """Answers in trouble of these units (None: all), newest first."""
    cursor.execute(
        """
        SELECT d.id, d.case_id, c.code, c.title, c.unit_id, u.names AS unit_names,
            d.channel, d.address, d.state, d.error, d.error_code, d.attempts, d.changed_at, c.channel AS case_channel
        FROM deliveries d JOIN cases c ON c.id = d.case_id JOIN units u ON u.id = c.unit_id
        WHERE d.state IN ('failed', 'unknown') AND d.settled_by IS NULL AND d.case_id IS NOT NULL
            AND (%(units)s::uuid[] IS NULL OR c.unit_id = ANY(%(units)s))
        ORDER BY d.changed_at DESC, d.id DESC LIMIT %(limit)s
        """,
        {"units": None if units is None else list(units), "limit": limit},
    )
    return records(cursor, FailedDelivery)


def undelivered_self_answers(cursor: Cursor, *, days: int = 7, limit: int = 100) -> list[UndeliveredSelfAnswer]:
    """Automatic answers without a case that failed or whose fate is unknown in the last days, newest first."""
    cursor.execute(
        "SELECT id, wish, channel, address, state, error, changed_at FROM deliveries "
        "WHERE state IN ('failed', 'unknown') AND case_id IS NULL AND changed_at > now() - make_interval(days => %s) "
        "ORDER BY changed_at DESC LIMIT %s",
        [days, limit],
    )
    return records(cursor, UndeliveredSelfAnswer)


def delivery_case(cursor: Cursor, delivery_id: UUID) -> tuple[UUID, UUID] | None:
    """The case of a delivery and its unit, as (case id, unit id)."""
    cursor.execute(
        "SELECT c.id, c.unit_id FROM deliveries d JOIN cases c ON c.id = d.case_id WHERE d.id = %s", [delivery_id]
    )
    row = cursor.fetchone()
    return (row[0], row[1]) if row else None


@dataclass(frozen=True, slots=True)
class Attention:
    """What waits for a person: troubled answers by unit, failed tasks, held contacts (each up to `MOST`)."""

    failed_deliveries: dict[UUID, int]
    failed_tasks: int
    held: int
    overdue: bool


def attention(cursor: Cursor) -> Attention:
    """The numbers beside the oversight pages; small partial indexes answer, whatever the volume."""
    cursor.execute(
        "SELECT c.unit_id, count(*) FROM (SELECT case_id FROM deliveries WHERE state IN ('failed', 'unknown')"
        " AND settled_by IS NULL AND case_id IS NOT NULL LIMIT 1000) AS d JOIN cases c ON c.id = d.case_id GROUP BY 1"
    )
    by_unit = {row[0]: row[1] for row in cursor}
    cursor.execute(
        """
        SELECT (SELECT count(*) FROM (SELECT FROM outbox WHERE failed_at IS NOT NULL LIMIT %(most)s) AS t),
            (SELECT count(*) FROM (SELECT FROM quarantine WHERE ended_at IS NULL LIMIT %(most)s) AS q),
            EXISTS (SELECT FROM quarantine WHERE ended_at IS NULL AND due_at < now())
        """,
        {"most": MOST},
    )
    tasks, held, overdue = cursor.fetchone() or (0, 0, False)
    return Attention(by_unit, tasks, held, overdue)


def unread(cursor: Cursor, agent_id: UUID) -> int:
    """How many notices the agent has not read, up to `MOST`."""
    cursor.execute(
        "SELECT count(*) FROM (SELECT FROM notifications WHERE agent_id = %s AND read_at IS NULL LIMIT %s) AS capped",
        [agent_id, MOST],
    )
    row = cursor.fetchone()
    return row[0] if row else 0
