"""Cases: a citizen's matter that a unit owns. The row is the present state; `casestore.history` holds how it came
about.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import CHAR, CheckConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from zrm.contract.descriptions import Description
from zrm.kit.db import Cursor, insert_records, records
from zrm.kit.ids import new_id
from zrm.kit.tables import EMPTY_LIST, Table, one_of
from zrm.localized import Localized


class Status(StrEnum):
    """new: no assignee yet; open: being worked on; waiting: answered, the citizen's turn; closed."""

    NEW = "new"
    OPEN = "open"
    WAITING = "waiting"
    CLOSED = "closed"


_NEWEST: Final = (text("last_contact_at DESC"), text("id DESC"))
_UNASSIGNED: Final = text("assignee_id IS NULL AND status IN ('new', 'open')")


class Case(Table, table=True):
    """A matter, its code, its unit, and its status. `version` grows with every change.

    `closed_at` and `result` are of its last closing, while it is closed. `description` stands for the title of one that
    began without words. `opened_from` are the addresses its first contact gave.
    """

    __tablename__ = "cases"
    __table_args__ = (
        one_of("status", Status),
        CheckConstraint(
            "(status = 'closed') = (closed_at IS NOT NULL) AND (result = '' OR status = 'closed')", name="cases_closed"
        ),
        Index("cases_unit", "unit_id", "status", *_NEWEST),
        Index("cases_mine", "assignee_id", "status", *_NEWEST, postgresql_include=["unit_id"]),
        Index("cases_recent", "status", *_NEWEST),
        Index("cases_person", "person_id", text("last_contact_at DESC")),
        Index("cases_unassigned", *_NEWEST, postgresql_where=_UNASSIGNED),
        Index("cases_unassigned_unit", "unit_id", *_NEWEST, postgresql_where=_UNASSIGNED),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    code: str = Field(sa_type=CHAR(12), unique=True)
    reply_token: str = Field(unique=True)
    title: str
    description: list[dict[str, object]] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs={"server_default": "[]"}
    )
    nature: str | None = Field(default=None, foreign_key="natures.key")
    language: str
    channel: str
    account: str
    person_id: UUID | None = Field(default=None, foreign_key="persons.id")
    opened_from: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), sa_column_kwargs=EMPTY_LIST)
    subject_id: UUID | None = Field(default=None, foreign_key="subjects.id")
    unit_id: UUID = Field(foreign_key="units.id")
    assignee_id: UUID | None = Field(default=None, foreign_key="agents.id")
    status: str
    opened_at: datetime
    status_at: datetime
    last_contact_at: datetime
    closed_at: datetime | None = None
    result: str = ""
    version: int = 1


class CaseRelation(Table, table=True):
    """Two cases that may belong together; a person decides. `reason` is the one that filing recorded."""

    __tablename__ = "case_relations"
    __table_args__ = (
        one_of("decision", ["", "kept", "dismissed"]),
        Index("case_relations_case", "case_id"),
        Index("case_relations_other", "other_case_id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    case_id: UUID = Field(foreign_key="cases.id")
    other_case_id: UUID = Field(foreign_key="cases.id")
    contact_id: UUID | None = None
    reason: str
    at: datetime
    decided_by: UUID | None = Field(default=None, foreign_key="agents.id")
    decided_at: datetime | None = None
    decision: str = ""


class OwnCase(NamedTuple):
    """A case in the list of their own that a citizen is sent: it contains nothing that anybody wrote."""

    code: str
    nature_names: Localized
    opened_at: datetime
    closed: bool


def cases_of(cursor: Cursor, person_id: UUID, address: str, *, closed_since: datetime) -> list[OwnCase]:
    """The cases of a person in which this address was given as theirs and that are open or were closed since then: open
    ones first, then the newest first, at most a thousand.
    """
    cursor.execute(
        "SELECT code, coalesce((SELECT names FROM natures WHERE key = cases.nature), '{}') AS nature_names, opened_at, "
        "status = 'closed' AS closed FROM cases "
        "WHERE person_id IN (SELECT id FROM same_person(%s)) AND (status <> 'closed' OR status_at >= %s) "
        "AND (%s = ANY(opened_from) OR EXISTS (SELECT FROM contacts c "
        "WHERE c.case_id = cases.id AND c.direction = 'in' AND %s = ANY(c.address || c.other_addresses))) "
        "ORDER BY closed, opened_at DESC, id DESC LIMIT 1000",
        [person_id, closed_since, address, address],
    )
    return records(cursor, OwnCase)


def unit_of(cursor: Cursor, case_id: UUID) -> UUID | None:
    """The unit that has the case; None if there is no such case."""
    cursor.execute("SELECT unit_id FROM cases WHERE id = %s", [case_id])
    row = cursor.fetchone()
    return row[0] if row else None


def case_of(cursor: Cursor, code: str) -> UUID | None:
    """The case that the contact with this tracking code belongs to; None if there is none (yet)."""
    cursor.execute("SELECT case_id FROM tracking_codes WHERE code = %s", [code])
    row = cursor.fetchone()
    return row[0] if row else None


class NewCase(NamedTuple):
    """A case as filing opens it; the fields are the columns."""

    id: UUID
    code: str
    reply_token: str
    title: str
    description: Jsonb
    nature: str | None
    language: str
    channel: str
    account: str
    person_id: UUID | None
    opened_from: list[str]
    subject_id: UUID | None
    unit_id: UUID
    status: str
    opened_at: datetime
    status_at: datetime
    last_contact_at: datetime


class NewRelation(NamedTuple):
    """Two cases that may belong together, found by the content of a contact; the fields are the columns."""

    id: UUID
    case_id: UUID
    other_case_id: UUID
    contact_id: UUID
    reason: str
    at: datetime


_STANDS: Final = """
    status = %(status)s,
    status_at = CASE WHEN status = %(status)s THEN status_at ELSE now() END,
    closed_at = CASE WHEN %(status)s <> 'closed' THEN NULL WHEN status = 'closed' THEN closed_at ELSE now() END,
    result = CASE WHEN %(status)s = 'closed' THEN coalesce(%(result)s, result) ELSE '' END
"""
"""The values that follow from a status: since when, and the result while the case is closed."""


def add(cursor: Cursor, cases: Sequence[NewCase]) -> None:
    """Write new cases."""
    insert_records(cursor, "cases", cases)


def join(cursor: Cursor, case_id: UUID, status: str, at: datetime) -> None:
    """Record that a contact of that moment has joined the case, which has this status now."""
    cursor.execute(
        f"UPDATE cases SET {_STANDS}, last_contact_at = greatest(last_contact_at, %(at)s), version = version + 1 "  # noqa: S608  # a constant of this file
        "WHERE id = %(id)s",
        {"status": status, "result": None, "at": at, "id": case_id},
    )


class CaseState(NamedTuple):
    """A case after a step. No `nature`: none was chosen; `contact_at`: when the step wrote to the citizen, if it did;
    `result`: the case's result, where the step closes it.
    """

    status: str
    assignee_id: UUID | None
    unit_id: UUID
    subject_id: UUID | None
    nature: str
    contact_at: datetime | None
    result: str | None


def move(cursor: Cursor, case_id: UUID, state: CaseState) -> None:
    """Store the case after a step."""
    cursor.execute(
        f"""
        UPDATE cases SET {_STANDS}, assignee_id = %(assignee_id)s, unit_id = %(unit_id)s,
            subject_id = %(subject_id)s, nature = nullif(%(nature)s, ''), version = version + 1,
            last_contact_at = coalesce(%(contact_at)s, last_contact_at)
        WHERE id = %(id)s
        """,  # noqa: S608  # a constant of this file
        {"id": case_id, **state._asdict()},
    )


def move_back(cursor: Cursor, case_id: UUID, *, status: str, assignee_id: UUID | None) -> None:
    """Store the case after a step was undone; its last contact is the newest of those that remain."""
    cursor.execute(
        f"""
        UPDATE cases SET {_STANDS}, assignee_id = %(assignee)s, version = version + 1,
            last_contact_at = coalesce((SELECT max(at) FROM contacts WHERE case_id = %(id)s
                                        AND direction IN ('in', 'out') AND NOT automatic), last_contact_at)
        WHERE id = %(id)s
        """,  # noqa: S608  # a constant of this file
        {"id": case_id, "status": status, "assignee": assignee_id, "result": None},
    )


def touch(cursor: Cursor, case_id: UUID) -> None:
    """Increase the version and change nothing else, so that an agent who is writing an answer has to look first."""
    cursor.execute("UPDATE cases SET version = version + 1 WHERE id = %s", [case_id])


def erase_openings(cursor: Cursor, contact_ids: Sequence[UUID], title: Description) -> list[UUID]:
    """Erase what cases have from the contacts that opened them: the title, in whose place `title` stands, and the addresses.
    Returns those of these cases that had any.
    """
    cursor.execute(
        "UPDATE cases SET opened_from = '{}', title = '', description = %(title)s"
        " WHERE code IN (SELECT code FROM receipts WHERE contact_id = ANY(%(ids)s))"
        " AND (opened_from, title, description) IS DISTINCT FROM ('{}'::text[], '', %(title)s::jsonb) RETURNING id",
        {"ids": list(contact_ids), "title": Jsonb(title)},
    )
    return [row[0] for row in cursor]


def relate(cursor: Cursor, relations: Sequence[NewRelation]) -> None:
    """Record that cases may belong together; a person decides."""
    insert_records(cursor, "case_relations", relations)


def decide_relation(cursor: Cursor, relation_id: UUID, agent_id: UUID, decision: str) -> None:
    """Record whether two cases belong together (kept) or not (dismissed)."""
    cursor.execute(
        "UPDATE case_relations SET decided_by = %s, decided_at = now(), decision = %s WHERE id = %s",
        [agent_id, decision, relation_id],
    )
