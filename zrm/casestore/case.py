"""Cases: a citizen's matter that a unit owns. The row is the present; `CaseEvent` is how it came to be."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
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


class OwnCase(NamedTuple):
    """A case in the list of their own that a person is sent: nothing that anybody wrote."""

    code: str
    nature: str
    opened_at: datetime
    closed: bool


def cases_of(cursor: Cursor, person_id: UUID, address: str, *, closed_since: datetime) -> list[OwnCase]:
    """The cases of a person in which this address was given as theirs, that are open or were closed since then: open ones
    first, of each the newest first, at most a thousand.
    """
    cursor.execute(
        "SELECT code, nature, opened_at, status = 'closed' AS closed FROM cases "
        "WHERE person_id = %s AND (status <> 'closed' OR status_at >= %s) AND EXISTS (SELECT FROM contacts c "
        "WHERE c.case_id = cases.id AND c.direction = 'in' AND %s = ANY(c.address || c.other_addresses)) "
        "ORDER BY closed, opened_at DESC, id DESC LIMIT 1000",
        [person_id, closed_since, address],
    )
    return [OwnCase(*row) for row in cursor]


def case_of(cursor: Cursor, code: str) -> UUID | None:
    """The case that the contact with this tracking code belongs to; None if there is none (yet)."""
    cursor.execute("SELECT c.case_id FROM receipts r JOIN contacts c ON c.id = r.contact_id WHERE r.code = %s", [code])
    row = cursor.fetchone()
    return row[0] if row else None
