"""Contacts: the lines of a case's conversation, both ways and every channel, and the files they carry."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Column, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from zrm.kit.ids import new_id

MOST_PICTURES: Final = 30
"""Pages of one file that are drawn as pictures at most; its PDF has all."""

INFECTED: Final = "infected"
"""The label of a contact in one of whose files the virus scanner found something."""
UNSCANNED: Final = "unscanned"
"""The label of a contact one of whose files the virus scanner could not be asked about yet."""
OUR_OWN: Final = frozenset({"recording", "fax", "rendition"})
"""Roles of the files our own telephone and fax make of what they hear; nobody could hide a program there."""


class Contact(SQLModel, table=True):
    """One line of the timeline. `direction` is in, out or note; an inbound one has the id of its raw contact.

    `address` is the first of its writer's, `other_addresses` are the further ones they gave with it (a telephone beside an
    e-mail address). `reply_to` is where they want the answer, if elsewhere, and `copied` whom else they addressed: e-mail
    addresses. All are in comparable form.
    """

    __tablename__ = "contacts"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    case_id: UUID
    direction: str
    channel: str
    account: str
    person_id: UUID | None = None
    agent_id: UUID | None = None
    address: str = ""
    title: str = ""
    text: str
    folded_quote: str = ""
    html: str = ""
    language: str = ""
    search: str = ""
    headers: list[list[str]] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    labels: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    message_id: str = ""
    automatic: bool = False
    public: bool = True
    at: datetime
    other_addresses: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    reply_to: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    copied: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))


class Attachment(SQLModel, table=True):
    """A file of a contact, in the blob store under `blob_key`; size in bytes. `threat` is what the virus scanner found."""

    __tablename__ = "attachments"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    contact_id: UUID
    role: str
    name: str
    media_type: str
    size: int
    blob_key: str
    content_id: str = ""
    position: int = 0
    scan: str = ""
    threat: str = ""
