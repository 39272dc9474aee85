"""Contacts that could not be understood: each a work item with a reason, an owner and a due time, never thrown away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field

from zrm.contract.reasons import Reason, declare
from zrm.inbox import raw_contacts
from zrm.inbox.raw_contacts import Settled
from zrm.kit.db import Cursor
from zrm.kit.tables import Table, one_of, reason_params


class QuarantineRecord(Table, table=True):
    """A raw contact that could not be understood, as a work item: `owner_id` is the agent who took it, and
    `refiling_at` when an agent had it filed again, until that has succeeded or failed.
    """

    __tablename__ = "quarantine"
    __table_args__ = (
        one_of("ended_how", ["", "replayed", "ignored"]),
        Index("quarantine_open", "due_at", postgresql_where=text("ended_at IS NULL")),
    )

    contact_id: UUID = Field(primary_key=True)
    channel: str
    reason_code: str
    reason_params: dict[str, Any] = reason_params()
    entered_at: datetime
    due_at: datetime
    owner_id: UUID | None = None
    tries: int = 1
    refiling_at: datetime | None = None
    ended_at: datetime | None = None
    ended_how: str = ""


_SET_ASIDE: Final = declare("quarantine.set_aside", "An agent set it aside: %(words)s")


def enter(cursor: Cursor, contact_id: UUID, *, reason: Reason, due_at: datetime) -> None:
    """Put a raw contact into quarantine, or back into it after a replay that failed again.

    The time by which an agent must have looked stays the first one: filing it again does not put it off. A contact that
    a slower worker has filed meanwhile, or an agent has set aside, stays as it is.
    """
    if not raw_contacts.quarantine(cursor, contact_id, reason):
        return
    cursor.execute(
        """
        INSERT INTO quarantine AS q (contact_id, channel, reason_code, reason_params, entered_at, due_at)
        SELECT id, channel, reason_code, reason_params, now(), %s FROM raw_contacts WHERE id = %s
        ON CONFLICT (contact_id) DO UPDATE SET reason_code = excluded.reason_code,
            reason_params = excluded.reason_params, tries = q.tries + 1,
            refiling_at = NULL, ended_at = NULL, ended_how = ''
        """,
        [due_at, contact_id],
    )


def take(cursor: Cursor, contact_id: UUID, agent_id: UUID) -> bool:
    """Make an agent the owner; False if it is no longer in quarantine."""
    cursor.execute(
        "UPDATE quarantine SET owner_id = %s WHERE contact_id = %s AND ended_at IS NULL RETURNING contact_id",
        [agent_id, contact_id],
    )
    return cursor.fetchone() is not None


def refile(cursor: Cursor, contact_id: UUID) -> bool:
    """Record that it is being filed again; False if it is already, or is no longer in quarantine."""
    cursor.execute(
        "UPDATE quarantine SET refiling_at = now() "
        "WHERE contact_id = %s AND ended_at IS NULL AND refiling_at IS NULL RETURNING contact_id",
        [contact_id],
    )
    return cursor.fetchone() is not None


def end(cursor: Cursor, contact_id: UUID, how: str) -> bool:
    """Take a contact out, `how` being replayed or ignored; False if another agent was faster."""
    cursor.execute(
        "UPDATE quarantine SET ended_at = now(), ended_how = %s WHERE contact_id = %s AND ended_at IS NULL "
        "RETURNING contact_id",
        [how, contact_id],
    )
    return cursor.fetchone() is not None


def ignore(cursor: Cursor, contact_id: UUID, words: str) -> bool:
    """Record that an agent decided to do nothing about the contact; it stays, with the agent's reason."""
    if not end(cursor, contact_id, "ignored"):
        return False
    raw_contacts.settle(cursor, [Settled(contact_id, "ignored", _SET_ASIDE(words=words))])
    return True


def erase(cursor: Cursor, ids: Sequence[UUID]) -> None:
    """Erase why these contacts were in quarantine: the reasons may repeat what they say."""
    cursor.execute(
        "UPDATE quarantine SET reason_code = '', reason_params = '{}' WHERE contact_id = ANY(%s)", [list(ids)]
    )
