"""Cases: a citizen's matter that a unit owns. The row is the present; `CaseEvent` is how it came to be."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from zrm.kit.clock import now
from zrm.kit.db import Cursor
from zrm.kit.ids import new_id


class Status(StrEnum):
    """new: nobody has it yet; open: being worked on; waiting: answered, the citizen's turn; closed."""

    NEW = "new"
    OPEN = "open"
    WAITING = "waiting"
    CLOSED = "closed"


class Case(SQLModel, table=True):
    """A matter, its code, its unit, and where it stands. `version` grows with every change."""

    __tablename__ = "cases"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    code: str
    reply_token: str
    title: str
    nature: str = ""
    language: str
    channel: str
    account: str
    person_id: UUID | None = None
    subject_id: UUID | None = None
    unit_id: UUID
    assignee_id: UUID | None = None
    status: str
    opened_at: datetime
    status_at: datetime
    last_contact_at: datetime
    version: int = 1


class CaseRelation(SQLModel, table=True):
    """Two cases that may belong together; a person decides. `reason` says why, as the filing wrote it."""

    __tablename__ = "case_relations"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    case_id: UUID
    other_case_id: UUID
    contact_id: UUID | None = None
    reason: str
    at: datetime
    decided_by: UUID | None = None
    decided_at: datetime | None = None
    decision: str = ""


class CaseEvent(SQLModel, table=True):
    """One thing that happened to a case. Appended only: the database refuses anything else."""

    __tablename__ = "case_events"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    case_id: UUID
    at: datetime = Field(default_factory=now)
    agent_id: UUID | None = None
    kind: str
    data: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))


def case_of(cursor: Cursor, code: str) -> UUID | None:
    """The case that the contact with this tracking code belongs to; None if there is none (yet)."""
    cursor.execute("SELECT c.case_id FROM receipts r JOIN contacts c ON c.id = r.contact_id WHERE r.code = %s", [code])
    row = cursor.fetchone()
    return row[0] if row else None
