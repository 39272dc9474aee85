"""Parts of messages that networks split: which have come, and in which message each was filed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field

from zrm.kit.db import Cursor, insert_records, records
from zrm.kit.tables import Table


class MessagePartRecord(Table, table=True):
    """A part of a message; `filed_as` is the raw contact under which the message was filed."""

    __tablename__ = "message_parts"
    __table_args__ = (Index("message_parts_key", "channel", "key", "received_at"),)

    raw_id: UUID = Field(primary_key=True)
    channel: str
    key: str
    number: int
    digest: str
    received_at: datetime
    filed_as: UUID | None = None


class StoredPart(NamedTuple):
    """A part under its message's key; a raw contact is one part. `digest` is that of its text, `number` counts from 1."""

    raw_id: UUID
    channel: str
    key: str
    number: int
    digest: str
    received_at: datetime
    filed_as: UUID | None = None


def add(cursor: Cursor, part: StoredPart) -> None:
    """Keep a part that waits for the others."""
    insert_records(cursor, "message_parts", [part])


def filed_as(cursor: Cursor, raw_id: UUID) -> UUID | None:
    """The raw contact whose message contains this part, if it was filed."""
    cursor.execute("SELECT filed_as FROM message_parts WHERE raw_id = %s", [raw_id])
    row = cursor.fetchone()
    return row[0] if row else None


def near(cursor: Cursor, channel: str, key: str, at: datetime, *, within: timedelta) -> list[StoredPart]:
    """The parts under a key that came not further than `within` from that moment."""
    cursor.execute(
        "SELECT raw_id, channel, key, number, digest, received_at, filed_as FROM message_parts "
        "WHERE channel = %s AND key = %s AND received_at BETWEEN %s AND %s",
        [channel, key, at - within, at + within],
    )
    return records(cursor, StoredPart)


def file_as(cursor: Cursor, channel: str, key: str, parts: Collection[UUID], raw_id: UUID) -> None:
    """Record that these parts were filed in the message of `raw_id`."""
    cursor.execute(
        "UPDATE message_parts SET filed_as = %s WHERE channel = %s AND key = %s AND raw_id = ANY(%s)",
        [raw_id, channel, key, list(parts)],
    )
