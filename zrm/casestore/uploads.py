"""Uploaded files that may never belong to a contact: their form was refused or never sent.

Each is registered before it is stored, and the registration is removed once a contact or an attachment refers to the
file. A file without a reference a day later is removed; a form that is shown again keeps its files for six hours. The
folder is never listed.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import Index
from sqlmodel import Field

from zrm.kit.blobs import BlobStore
from zrm.kit.db import Cursor, Database
from zrm.kit.tables import Table

KEPT_SECONDS: Final = 24 * 3600.0
_AT_ONCE: Final = 200  # files

_OLD: Final = """
WITH old AS (
    SELECT blob_key FROM uploads WHERE uploaded_at < now() - make_interval(secs => %(age)s)
    ORDER BY uploaded_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
SELECT blob_key,
    EXISTS (SELECT FROM attachments a WHERE a.blob_key = old.blob_key)
    OR EXISTS (SELECT FROM raw_contacts w WHERE w.body_key = old.blob_key)
    OR EXISTS (SELECT FROM raw_contacts w WHERE w.files <> '[]'
               AND w.files @> jsonb_build_array(jsonb_build_object('key', old.blob_key)))
FROM old
"""


class UploadRecord(Table, table=True):
    """A file that no contact refers to yet, and when it was last uploaded."""

    __tablename__ = "uploads"
    __table_args__ = (Index("uploads_at", "uploaded_at"),)

    blob_key: str = Field(primary_key=True)
    uploaded_at: datetime


def register(cursor: Cursor, blob_key: str) -> None:
    """Register that this file is being uploaded, perhaps again."""
    cursor.execute(
        "INSERT INTO uploads VALUES (%s, now()) ON CONFLICT (blob_key) DO UPDATE SET uploaded_at = excluded.uploaded_at",
        [blob_key],
    )


def sweep(database: Database, blobs: BlobStore) -> int:
    """Remove up to 200 old uploads without references; returns how many went. Errors: StoreUnavailable.

    A process about to refer to one has stored or touched it just now, and then the blob store keeps it, whatever this
    transaction has seen. After a crash in the middle, registrations of removed files are left; the next sweep removes
    them.
    """
    with database.cursor() as cursor:
        cursor.execute(_OLD, {"age": KEPT_SECONDS, "most": _AT_ONCE})
        found = cursor.fetchall()
        unused = [key for key, referred in found if not referred]
        removed = [key for key in unused if blobs.remove(key, unused_for=KEPT_SECONDS)]
        settled = [key for key, referred in found if referred] + removed
        cursor.execute("DELETE FROM uploads WHERE blob_key = ANY(%s)", [settled])
        touched = [key for key in unused if key not in set(removed)]
        cursor.execute("UPDATE uploads SET uploaded_at = now() WHERE blob_key = ANY(%s)", [touched])
    return len(removed)


def release(cursor: Cursor, blob_keys: Collection[str]) -> None:
    """Register that a reference to each of these files has gone: the next sweep removes files without other references."""
    cursor.execute(
        "INSERT INTO uploads SELECT key, now() - make_interval(secs => %s) FROM unnest(%s::text[]) AS key "
        "ON CONFLICT (blob_key) DO NOTHING",
        [KEPT_SECONDS, sorted(blob_keys)],
    )
