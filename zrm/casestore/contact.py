"""Contacts: the lines of a case's conversation, both ways and every channel, and the Message-IDs that lead to the case."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from zrm.casestore import search
from zrm.casestore.search import SearchEntry
from zrm.kit.db import Cursor, insert_records, records
from zrm.kit.ids import new_id
from zrm.kit.tables import BY_MONTH, EMPTY_LIST, Table, one_of

INFECTED: Final = "infected"
"""The label of a contact with a file in which the virus scanner found something."""
UNSCANNED: Final = "unscanned"
"""The label of a contact with a file that the virus scanner has not judged yet, because it does not answer."""
ERASED: Final = "erased"
"""The label of a contact whose text was erased."""
MISSING: Final = "file_missing"
"""The label of a contact with a file that could not be fetched."""

_NOTHING: Final[list[str]] = []
_NO_LIST: Final = Jsonb([])

HAS_LEFT: Final = "coalesce(contacts.leaves_at, contacts.at) <= now()"
"""SQL: whether an outgoing contact is no longer held, so that the citizen may see it."""


class Contact(Table, table=True):
    """One line of the timeline. `direction` is in, out or note; an inbound one has the id of its raw contact.

    `address` is the first of its writer's, `other_addresses` are further ones they gave with it (a telephone beside an
    e-mail address). `reply_to` is where they want the answer, if elsewhere, and `copied` are the other recipients:
    e-mail addresses. All are in comparable form. `description` is what we say of a contact without words.

    `at` is when it was written or received, in which order the conversation stands. `leaves_at` is when an outgoing one
    can no longer be undone: it leaves, and the tracking page shows it; None if it was not held.
    """

    __tablename__ = "contacts"
    __table_args__ = (
        one_of("direction", ["in", "out", "note", "withdrawn"]),
        CheckConstraint(
            "erased_at IS NULL OR (address, title, text, folded_quote, html, message_id) = ('', '', '', '', '', '') "
            "AND description = '[]' AND headers = '[]' AND reply_to = '{}' AND copied = '{}' AND other_addresses = '{}'",
            name="contacts_erased",
        ),
        Index("contacts_case", "case_id", "at", "id"),
        Index("contacts_copied", "case_id", "at", "id", postgresql_where=text("direction = 'in' AND copied <> '{}'")),
        Index("contacts_typed", "at", postgresql_where=text("automatic AND 'typed_address' = ANY (labels)")),
        BY_MONTH,
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    case_id: UUID = Field(foreign_key="cases.id")
    direction: str
    channel: str
    account: str
    person_id: UUID | None = Field(default=None, foreign_key="persons.id")
    agent_id: UUID | None = Field(default=None, foreign_key="agents.id")
    address: str = ""
    title: str = ""
    description: list[dict[str, object]] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs={"server_default": "[]"}
    )
    text: str
    folded_quote: str = ""
    html: str = ""
    language: str = ""
    headers: list[list[str]] = Field(default_factory=list, sa_type=JSONB, sa_column_kwargs={"server_default": "[]"})
    labels: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), sa_column_kwargs=EMPTY_LIST)
    message_id: str = ""
    automatic: bool = False
    public: bool = True
    at: datetime
    leaves_at: datetime | None = None
    erased_at: datetime | None = None
    other_addresses: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), sa_column_kwargs=EMPTY_LIST)
    reply_to: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), sa_column_kwargs=EMPTY_LIST)
    copied: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), sa_column_kwargs=EMPTY_LIST)


class NewContact(NamedTuple):
    """A contact as it is first stored; the fields are the columns, but `search`, which is its search text."""

    id: UUID
    case_id: UUID
    direction: str
    channel: str
    account: str
    at: datetime
    text: str
    title: str = ""
    description: Jsonb = _NO_LIST
    address: str = ""
    person_id: UUID | None = None
    agent_id: UUID | None = None
    folded_quote: str = ""
    html: str = ""
    language: str = ""
    headers: Jsonb = _NO_LIST
    labels: list[str] = _NOTHING
    message_id: str = ""
    automatic: bool = False
    public: bool = True
    other_addresses: list[str] = _NOTHING
    reply_to: list[str] = _NOTHING
    copied: list[str] = _NOTHING
    leaves_at: datetime | None = None
    search: str = ""


_COLUMNS: Final = [name for name in NewContact._fields if name != "search"]


def add(cursor: Cursor, contacts: Sequence[NewContact]) -> None:
    """Store contacts and their search text."""
    if contacts:
        insert_records(cursor, "contacts", contacts, columns=_COLUMNS)
        search.index(cursor, [SearchEntry(c.id, c.case_id, c.at, c.person_id, c.address, c.search) for c in contacts])


def lead(cursor: Cursor, message_ids: Sequence[tuple[str, UUID]]) -> None:
    """Let replies to these Message-IDs find their case from now on; pairs (Message-ID, case id) may come twice."""
    if message_ids:
        cursor.executemany(
            "INSERT INTO message_ids (message_id, case_id) VALUES (%s, %s) ON CONFLICT DO NOTHING", message_ids
        )


def name_message(cursor: Cursor, contact_id: UUID, case_id: UUID, message_id: str, *, title: str | None = None) -> None:
    """Give a contact that becomes a mail its Message-ID, and a title if one is given. An existing id stays."""
    lead(cursor, [(message_id, case_id)])
    cursor.execute(
        "UPDATE contacts SET message_id = %s, title = coalesce(%s, title) WHERE id = %s AND message_id = ''",
        [message_id, title, contact_id],
    )


def withdraw(cursor: Cursor, contact_id: UUID | None) -> None:
    """Withdraw an answer from the conversation; the row stays, its Message-ID leads nowhere any more."""
    cursor.execute(
        "DELETE FROM message_ids WHERE message_id = (SELECT message_id FROM contacts WHERE id = %s AND message_id <> '')",
        [contact_id],
    )
    cursor.execute(
        "UPDATE contacts SET direction = 'withdrawn', public = false, message_id = '' WHERE id = %s", [contact_id]
    )


def label_missing(cursor: Cursor, contact_id: UUID) -> Collection[UUID]:
    """Label a contact if one of its files cannot be had, or no longer if all could, by its remote files; returns its
    case.
    """
    cursor.execute(
        "UPDATE contacts SET labels = array_remove(labels, %(missing)s) || CASE WHEN EXISTS "
        "(SELECT FROM remote_files WHERE contact_id = %(contact)s AND state = 'failed') "
        "THEN ARRAY[%(missing)s] ELSE '{}' END WHERE id = %(contact)s RETURNING case_id",
        {"missing": MISSING, "contact": contact_id},
    )
    return [case_id for (case_id,) in cursor]


def label_scanned(cursor: Cursor, file_id: UUID) -> Collection[UUID]:
    """Label the contact of a file with the virus scanner's results; returns its case."""
    cursor.execute(
        """
        UPDATE contacts c SET labels = array_remove(array_remove(labels, %(infected)s), %(unscanned)s)
            || CASE WHEN f.infected THEN ARRAY[%(infected)s] ELSE '{}' END
            || CASE WHEN f.waiting THEN ARRAY[%(unscanned)s] ELSE '{}' END
        FROM (SELECT contact_id, bool_or(scan = 'infected') AS infected, bool_or(scan = 'waiting') AS waiting
              FROM attachments WHERE contact_id = (SELECT contact_id FROM attachments WHERE id = %(file)s)
              GROUP BY contact_id) f
        WHERE c.id = f.contact_id RETURNING c.case_id
        """,
        {"infected": INFECTED, "unscanned": UNSCANNED, "file": file_id},
    )
    return [case_id for (case_id,) in cursor]


class MessageId(Table, table=True):
    """A Message-ID of either direction, by which In-Reply-To and References find the case."""

    __tablename__ = "message_ids"

    message_id: str = Field(primary_key=True)
    case_id: UUID = Field(primary_key=True, foreign_key="cases.id")


def erase(cursor: Cursor, ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """Erase the contacts' texts, names and addresses, and mark them as erased; returns those that were not erased before,
    by case.
    """
    cursor.execute(
        "UPDATE contacts SET address = '', title = '', text = '', folded_quote = '', html = '', message_id = '', "
        "description = '[]', headers = '[]', reply_to = '{}', copied = '{}', other_addresses = '{}', labels = labels || ARRAY[%s], "
        "erased_at = now() WHERE id = ANY(%s) AND erased_at IS NULL RETURNING id, case_id",
        [ERASED, list(ids)],
    )
    erased: dict[UUID, list[UUID]] = {}
    for row in records(cursor, dict):
        erased.setdefault(row["case_id"], []).append(row["id"])
    return erased
