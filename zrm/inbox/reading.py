"""What the desk reads of the door record: quarantined contacts, and originals as received."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zrm.contract.reasons import KeptReason
from zrm.kit.db import Cursor, record, records


@dataclass(frozen=True, slots=True)
class Held(KeptReason):
    """A contact in quarantine: why, since when, by when an agent must have looked, and the agent who took it.

    `tried_at` is when it last failed, `refiling_at` since when it is being filed again.
    """

    contact_id: UUID
    channel: str
    account: str
    entered_at: datetime
    due_at: datetime
    owner_id: UUID | None
    tries: int
    tried_at: datetime
    refiling_at: datetime | None
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Original:
    """A contact as received: its bytes in the row (`body`) or in the blob store (`body_key`)."""

    contact_id: UUID
    channel: str
    account: str
    media_type: str
    body: bytes | None
    body_key: str | None
    size: int
    trace: str
    received_at: datetime


def held(cursor: Cursor, *, limit: int = 200) -> list[Held]:
    """The contacts in quarantine, the most urgent first."""
    cursor.execute(
        "SELECT q.contact_id, q.channel, r.account, q.entered_at, q.due_at, q.owner_id, q.tries,"
        " coalesce(r.settled_at, q.entered_at) AS tried_at, q.refiling_at, r.size, r.media_type, q.reason_code,"
        " q.reason_params FROM quarantine q JOIN raw_contacts r ON r.id = q.contact_id"
        " WHERE q.ended_at IS NULL ORDER BY q.due_at, q.contact_id LIMIT %s",
        [limit],
    )
    return records(cursor, Held)


def is_held(cursor: Cursor, contact_id: UUID) -> bool:
    """Whether the contact has ever been in quarantine; agents who handle quarantine may read its original."""
    cursor.execute("SELECT 1 FROM quarantine WHERE contact_id = %s", [contact_id])
    return cursor.fetchone() is not None


def original(cursor: Cursor, contact_id: UUID) -> Original | None:
    """A contact as received; None if there is none, or it was erased."""
    cursor.execute(
        "SELECT id AS contact_id, channel, account, media_type, body, body_key, size, trace, received_at FROM raw_contacts"
        " WHERE id = %s AND erased_at IS NULL",
        [contact_id],
    )
    return record(cursor, Original)
