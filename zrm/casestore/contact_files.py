"""What the desk reads of one contact besides its line in the timeline: its files, its HTML and its whole text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from zrm.kit.db import Cursor, record, records

UNSAFE: Final = frozenset({"infected", "waiting"})
"""Scan results of files that need the deliberate step: infected, or not scanned yet."""


@dataclass(frozen=True, slots=True)
class StoredFileRow:
    """Where a file's bytes are, and the unit whose permission guards it. `scan` and `threat` as in `Attachment`."""

    case_id: UUID
    unit_id: UUID
    role: str
    name: str
    media_type: str
    size: int
    blob_key: str
    scan: str
    threat: str

    @property
    def unsafe(self) -> bool:
        """Whether it has a virus, or may have one: it is given out only by a deliberate step."""
        return self.scan in UNSAFE


@dataclass(frozen=True, slots=True)
class UnsafeOriginal:
    """A contact as received that contains a file with a virus (`threat` names it), or perhaps one (empty)."""

    case_id: UUID
    threat: str


@dataclass(frozen=True, slots=True)
class EmbeddedPicture:
    """A file that a contact's HTML may refer to by its Content-ID; `size` in bytes."""

    content_id: str
    media_type: str
    blob_key: str
    size: int


@dataclass(frozen=True, slots=True)
class ContactText:
    """A contact's whole text and the quotation folded below it; the unit's permission guards them."""

    unit_id: UUID
    text: str
    folded_quote: str


@dataclass(frozen=True, slots=True)
class SentHtml:
    """A contact's HTML as it was sent; the unit's permission guards it."""

    unit_id: UUID
    html: str


def unit_of_contact(cursor: Cursor, contact_id: UUID) -> UUID | None:
    """The unit that has the contact's case; None if it belongs to no case."""
    cursor.execute("SELECT k.unit_id FROM contacts c JOIN cases k ON k.id = c.case_id WHERE c.id = %s", [contact_id])
    row = cursor.fetchone()
    return row[0] if row else None


def stored_file(cursor: Cursor, file_id: UUID) -> StoredFileRow | None:
    """A file of a contact by id."""
    cursor.execute(
        "SELECT k.id AS case_id, k.unit_id, f.role, f.name, f.media_type, f.size, f.blob_key, f.scan, f.threat FROM attachments f"
        " JOIN contacts c ON c.id = f.contact_id JOIN cases k ON k.id = c.case_id WHERE f.id = %s",
        [file_id],
    )
    return record(cursor, StoredFileRow)


def unsafe_in_original(cursor: Cursor, contact_id: UUID) -> UnsafeOriginal | None:
    """Whether a contact as received contains a file that has or may have a virus; None if not."""
    cursor.execute(
        "SELECT c.case_id, max(f.threat) AS threat FROM attachments f JOIN contacts c ON c.id = f.contact_id"
        " WHERE c.id = %s AND f.scan = ANY(%s) GROUP BY 1",
        [contact_id, list(UNSAFE)],
    )
    return record(cursor, UnsafeOriginal)


def pictures_in(cursor: Cursor, contact_id: UUID) -> dict[str, EmbeddedPicture]:
    """The files that a contact's HTML may refer to, by Content-ID."""
    cursor.execute(
        "SELECT content_id, media_type, blob_key, size FROM attachments"
        " WHERE contact_id = %s AND content_id <> '' AND role = 'inline' AND scan <> ALL(%s)",
        [contact_id, list(UNSAFE)],
    )
    return {picture.content_id: picture for picture in records(cursor, EmbeddedPicture)}


def contact_text(cursor: Cursor, contact_id: UUID) -> ContactText | None:
    """A contact's whole text."""
    cursor.execute(
        "SELECT k.unit_id, c.text, c.folded_quote FROM contacts c JOIN cases k ON k.id = c.case_id WHERE c.id = %s",
        [contact_id],
    )
    return record(cursor, ContactText)


def contact_html(cursor: Cursor, contact_id: UUID) -> SentHtml | None:
    """A contact's HTML; None if it has none."""
    cursor.execute(
        "SELECT k.unit_id, c.html FROM contacts c JOIN cases k ON k.id = c.case_id WHERE c.id = %s AND c.html <> ''",
        [contact_id],
    )
    return record(cursor, SentHtml)
