"""Notifications: what an agent should know, kept until it is read and for a set time after that; being offline loses
none.

A row is one event told to one agent, so repeating a task does no harm. The list shows one line for each case and
reason (what concerns no case is one line for each reason), with the newest of its rows. `casework.audience` decides which agents are told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Final
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field

from zrm.casestore import history
from zrm.casestore.history_payloads import CaseClosed
from zrm.contract.descriptions import Description
from zrm.kit.db import Cursor, records
from zrm.kit.tables import BY_MONTH, Table

MOST: Final = 100
"""Lines of the list, and where its counter stops: "100" already says enough."""
WORDS: Final = 200
"""Characters of the newest text that a line shows."""
_MOST_ROWS: Final = 2_000
_FORGOTTEN_AT_ONCE: Final = 5_000
_NEWEST: Final = (text("at DESC"), text("id DESC"))


class NoticeKind(StrEnum):
    """Why an agent is told.

    message: a citizen wrote; answered: a colleague answered them; note: a colleague wrote a note; mention: a note names
    the agent; assigned: the case is theirs now; closed: a colleague closed the case; delivery_…: the outcome of an
    answer; sign_in: a sign-in as the agent with a browser that is new here.
    """

    MESSAGE = "message"
    ANSWERED = "answered"
    NOTE = "note"
    MENTION = "mention"
    ASSIGNED = "assigned"
    CLOSED = "closed"
    DELIVERY_FAILED = "delivery_failed"
    DELIVERY_UNKNOWN = "delivery_unknown"
    SIGN_IN = "sign_in"


class Notification(Table, table=True):
    """One event told to one agent: a contact, a line of a case's history, a delivery or a sign-in (`source_id`)."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("notifications_agent", "agent_id", *_NEWEST),
        Index("notifications_unread", "agent_id", *_NEWEST, postgresql_where=text("read_at IS NULL")),
        Index("notifications_read", "read_at", postgresql_where=text("read_at IS NOT NULL")),
        BY_MONTH,
    )

    id: UUID = Field(primary_key=True)
    agent_id: UUID = Field(foreign_key="agents.id")
    case_id: UUID | None = Field(default=None, foreign_key="cases.id")
    source_id: UUID
    kind: str
    at: datetime
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewNotice:
    """Something to tell an agent."""

    agent_id: UUID
    case_id: UUID | None
    source_id: UUID
    kind: NoticeKind

    @property
    def id(self) -> UUID:
        """Always the same for the same agent, source and kind, so that nothing is told twice. Its time is the source's,
        like the months into which the table is partitioned.
        """
        said = f"{self.agent_id} {self.source_id} {self.kind}".encode()
        tail = int.from_bytes(hashlib.blake2b(said, digest_size=10).digest())
        value = self.source_id.int >> 80 << 80 | tail
        return UUID(int=value & ~(0xF << 76) & ~(0b11 << 62) | 0x7 << 76 | 0b10 << 62)


@dataclass(frozen=True, slots=True)
class Notice:
    """A line of the list: the newest of an agent's notifications of one kind about one case.

    `unread`: how many of them the agent has not read. `words`: the text that was written, shortened, if there is one;
    of a sign-in its browser and system, empty where these are unknown.
    `unit_id` is the case's, None without a case.
    """

    id: UUID
    agent_id: UUID
    kind: str
    at: datetime
    unread: int
    case_id: UUID | None
    title: str
    unit_id: UUID | None
    description: Description
    words: str
    words_description: Description
    source_id: UUID


def tell(cursor: Cursor, notices: Collection[NewNotice]) -> set[UUID]:
    """Store the new ones of these; returns the agents who had not been told before."""
    notified: set[UUID] = set()
    if notices:
        cursor.executemany(
            "INSERT INTO notifications (id, agent_id, case_id, source_id, kind, at) "
            " VALUES (%(id)s, %(agent)s, %(case)s, %(source)s, %(kind)s, now())"
            " ON CONFLICT (id) DO NOTHING RETURNING agent_id",
            # In a fixed order, so that two transactions with the same rows do not deadlock.
            [
                {
                    "id": one.id,
                    "agent": one.agent_id,
                    "case": one.case_id,
                    "source": one.source_id,
                    "kind": one.kind.value,
                }
                for one in sorted(notices, key=attrgetter("id"))
            ],
            returning=True,
        )
        more: bool | None = True
        while more:
            notified.update(row[0] for row in cursor)
            more = cursor.nextset()
    return notified


_NEWEST_ROWS: Final = (
    "(SELECT * FROM notifications x WHERE x.agent_id = {agent} {which} ORDER BY x.at DESC, x.id DESC LIMIT %(rows)s)"
)
_LINE: Final = "n.agent_id, n.kind, n.case_id"
_COLUMNS: Final = (
    "n.id, n.agent_id, n.kind, n.at, n.unread, n.case_id, coalesce(k.title, '') AS title, k.unit_id,"
    " coalesce(k.description, '[]') AS description, coalesce(left(w.text, %(words)s), '') AS words,"
    " coalesce(w.description, '[]') AS words_description, n.source_id"
)
_JOINED: Final = "LEFT JOIN cases k ON k.id = n.case_id LEFT JOIN contacts w ON w.id = n.source_id"


def notices(cursor: Cursor, agent_id: UUID, *, limit: int = MOST) -> list[Notice]:
    """An agent's list, the line with the newest first."""
    own = _NEWEST_ROWS.format(agent="%(agent)s", which="")
    cursor.execute(
        f"""
        SELECT {_COLUMNS} FROM (
            SELECT DISTINCT ON ({_LINE}) n.*, count(*) FILTER (WHERE n.read_at IS NULL) OVER (PARTITION BY {_LINE}) AS unread
            FROM {own} AS n ORDER BY {_LINE}, n.at DESC, n.id DESC
        ) AS n {_JOINED} ORDER BY n.at DESC, n.id DESC LIMIT %(limit)s
        """.encode(),  # noqa: S608  # constants of this file
        {"agent": agent_id, "rows": _MOST_ROWS, "words": WORDS, "limit": limit},
    )
    return _lines(cursor)


def newest(cursor: Cursor, agent_ids: Iterable[UUID]) -> dict[UUID, tuple[Notice, int]]:
    """For each of these agents with unread notifications: the newest line, and how many unread lines there are."""
    own = _NEWEST_ROWS.format(agent="wanted.id", which="AND x.read_at IS NULL")
    cursor.execute(
        f"""
        SELECT {_COLUMNS} FROM (
            SELECT DISTINCT ON (wanted.id) n.*, count(*) OVER (PARTITION BY {_LINE}) AS unread
            FROM unnest(%(agents)s::uuid[]) AS wanted (id) CROSS JOIN LATERAL {own} AS n
            ORDER BY wanted.id, n.at DESC, n.id DESC
        ) AS n {_JOINED}
        """.encode(),  # noqa: S608  # constants of this file
        {"agents": list(agent_ids), "rows": _MOST_ROWS, "words": WORDS},
    )
    return {one.agent_id: (one, unread(cursor, one.agent_id)) for one in _lines(cursor)}


def unread(cursor: Cursor, agent_id: UUID) -> int:
    """How many lines of the agent's list have unread notifications, up to `MOST`."""
    own = _NEWEST_ROWS.format(agent="%(agent)s", which="AND x.read_at IS NULL")
    cursor.execute(
        f"SELECT count(*) FROM (SELECT DISTINCT {_LINE} FROM {own} AS n LIMIT %(most)s) AS lines".encode(),  # noqa: S608  # constants of this file
        {"agent": agent_id, "rows": _MOST_ROWS, "most": MOST},
    )
    row = cursor.fetchone()
    return row[0] if row else 0


def read_line(cursor: Cursor, agent_id: UUID, notice_id: UUID) -> None:
    """Mark the line that shows this notification as read; what came after it was shown stays unread."""
    cursor.execute(
        "UPDATE notifications n SET read_at = now() FROM notifications shown WHERE shown.id = %(id)s"
        " AND shown.agent_id = %(agent)s AND n.agent_id = shown.agent_id AND n.kind = shown.kind AND n.read_at IS NULL"
        " AND n.case_id IS NOT DISTINCT FROM shown.case_id"
        " AND (n.at, n.id) <= (shown.at, shown.id)",
        {"agent": agent_id, "id": notice_id},
    )


def read_all(cursor: Cursor, agent_id: UUID, *, shown: UUID | None = None) -> None:
    """Mark all of the agent's notifications as read, up to the newest that was `shown` to them (None: all)."""
    cursor.execute(
        "UPDATE notifications n SET read_at = now() WHERE n.agent_id = %(agent)s AND n.read_at IS NULL"
        " AND (%(shown)s::uuid IS NULL OR (n.at, n.id) <= (SELECT s.at, s.id FROM notifications s"
        " WHERE s.id = %(shown)s AND s.agent_id = %(agent)s))",
        {"agent": agent_id, "shown": shown},
    )


def read_case(cursor: Cursor, agent_id: UUID, case_id: UUID) -> UUID | None:
    """Mark everything told about a case as read, because the agent opened it. Returns the first message or note they
    had not read.
    """
    cursor.execute(
        "WITH read AS (UPDATE notifications SET read_at = now() WHERE agent_id = %s AND case_id = %s AND read_at IS NULL"
        " RETURNING source_id, kind)"
        " SELECT c.id FROM read JOIN contacts c ON c.id = read.source_id AND c.direction <> 'withdrawn' ORDER BY c.at, c.id LIMIT 1",
        [agent_id, case_id],
    )
    row = cursor.fetchone()
    return row[0] if row else None


def forget_read(cursor: Cursor, *, days: float) -> bool:
    """Remove some of those read at least this many days ago; returns whether there may be more."""
    cursor.execute(
        "DELETE FROM notifications WHERE id IN (SELECT id FROM notifications"
        " WHERE read_at < now() - make_interval(secs => %s) ORDER BY read_at LIMIT %s FOR UPDATE SKIP LOCKED)",
        [days * 86_400, _FORGOTTEN_AT_ONCE],
    )
    return cursor.rowcount == _FORGOTTEN_AT_ONCE


def _lines(cursor: Cursor) -> list[Notice]:
    found = records(cursor, Notice)
    closings = history.lines(cursor, [one.source_id for one in found if one.kind == NoticeKind.CLOSED])
    results = {
        line.id: line.payload.result[:WORDS] for line in closings.values() if isinstance(line.payload, CaseClosed)
    }
    return [replace(one, words=results.get(one.source_id, one.words)) for one in found]
