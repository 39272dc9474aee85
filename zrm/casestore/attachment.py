"""Files of contacts: those in the blob store, the virus scanner's result for each, and those still at a provider's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import BigInteger, Index
from sqlmodel import Field

from zrm.contract.reasons import Reason
from zrm.kit.db import Cursor, insert_records, record
from zrm.kit.ids import new_id
from zrm.kit.tables import Table, one_of, reason_params

MOST_PICTURES: Final = 30
"""At most this many pages of a file are rendered as pictures; its PDF has all."""
OUR_OWN: Final = frozenset({"recording", "pages", "rendition"})
"""Roles of the files that a door of ours makes from what it receives (a recording, a fax's pages), and of what we draw
of them: they cannot contain a program."""


class Attachment(Table, table=True):
    """A file of a contact, in the blob store under `blob_key`; size in bytes. `threat` names the virus that was found."""

    __tablename__ = "attachments"
    __table_args__ = (
        one_of("role", ["attachment", "inline", "recording", "pages", "original", "rendition"]),
        one_of("scan", ["", "waiting", "clean", "infected"]),
        Index("attachments_contact", "contact_id", "position"),
        Index("attachments_blob", "blob_key"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    contact_id: UUID
    role: str
    name: str
    media_type: str
    size: int = Field(sa_type=BigInteger)
    blob_key: str
    content_id: str = ""
    position: int = 0
    scan: str = ""
    threat: str = ""


class RemoteFile(Table, table=True):
    """A file of a contact that stays at a provider's until it is fetched, at `address`."""

    __tablename__ = "remote_files"
    __table_args__ = (
        one_of("state", ["waiting", "fetched", "failed"]),
        Index("remote_files_contact", "contact_id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    contact_id: UUID
    channel: str
    account: str
    address: str
    name: str
    media_type: str
    role: str
    content_id: str
    position: int
    state: str = "waiting"
    reason_code: str = ""
    reason_params: dict[str, Any] = reason_params()


class NewAttachment(NamedTuple):
    """A file as it is added to a contact; the fields are the columns. `scan` is "waiting" or empty, `size` in bytes."""

    id: UUID
    contact_id: UUID
    role: str
    name: str
    media_type: str
    size: int
    blob_key: str
    content_id: str = ""
    position: int = 0
    scan: str = ""


class NewRemoteFile(NamedTuple):
    """A file that a message names and a provider has, at `address`. The fields are the columns."""

    id: UUID
    contact_id: UUID
    channel: str
    account: str
    address: str
    name: str
    media_type: str
    role: str
    content_id: str
    position: int


class FetchedFile(NamedTuple):
    """A remote file that has just been fetched: the contact it belongs to, and its role."""

    contact_id: UUID
    role: str
    name: str
    content_id: str
    position: int


def attach(cursor: Cursor, files: Sequence[NewAttachment]) -> None:
    """Add files to their contacts."""
    insert_records(cursor, "attachments", files)


def lock_original(cursor: Cursor, file_id: UUID) -> bool:
    """Keep a file from being erased during this transaction; False if it was erased."""
    return cursor.execute("SELECT FROM attachments WHERE id = %s FOR KEY SHARE", [file_id]).rowcount > 0


def settle_scan(cursor: Cursor, file_id: UUID, verdict: str, threat: str) -> None:
    """Store the virus scanner's result (clean, infected, or empty: no scanner was asked) for a file that waits for it."""
    cursor.execute(
        "UPDATE attachments SET scan = %s, threat = %s WHERE id = %s AND scan = 'waiting'", [verdict, threat, file_id]
    )


def name_remote(cursor: Cursor, files: Sequence[NewRemoteFile]) -> None:
    """Record which files are still to be fetched."""
    insert_records(cursor, "remote_files", files)


def settle_fetched(cursor: Cursor, file_id: UUID) -> FetchedFile | None:
    """Mark a remote file as fetched; None if it was fetched before, or there is none."""
    cursor.execute(
        "UPDATE remote_files SET state = 'fetched', reason_code = '', reason_params = '{}' WHERE id = %s AND state <> 'fetched' "
        "RETURNING contact_id, role, name, content_id, position",
        [file_id],
    )
    return record(cursor, FetchedFile)


def settle_missing(cursor: Cursor, file_id: UUID, reason: Reason) -> UUID | None:
    """Mark a remote file as one that cannot be had; returns its contact, None if it was fetched after all."""
    cursor.execute(
        "UPDATE remote_files SET state = 'failed', reason_code = %s, reason_params = %s "
        "WHERE id = %s AND state <> 'fetched' RETURNING contact_id",
        [reason.code, Jsonb(reason.stored_params()), file_id],
    )
    row = cursor.fetchone()
    return row[0] if row else None


def erase(cursor: Cursor, contact_ids: Sequence[UUID]) -> set[str]:
    """Remove the files of contacts; returns the keys of the blobs they referred to."""
    cursor.execute("DELETE FROM remote_files WHERE contact_id = ANY(%s)", [list(contact_ids)])
    # Locked first: what is being drawn of them holds `lock_original`, and its pages are there for the next statement.
    cursor.execute("SELECT FROM attachments WHERE contact_id = ANY(%s) ORDER BY id FOR UPDATE", [list(contact_ids)])
    cursor.execute("DELETE FROM attachments WHERE contact_id = ANY(%s) RETURNING blob_key", [list(contact_ids)])
    return {row[0] for row in cursor}
