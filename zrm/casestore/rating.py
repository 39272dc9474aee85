"""How content citizens are with how their case was handled: one rating each time a case is closed, by any channel."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from zrm.casestore import history, live
from zrm.casestore.case import Status
from zrm.casestore.history_payloads import CaseRated
from zrm.kit.db import Cursor, insert_records, record
from zrm.kit.ids import new_id
from zrm.kit.tables import Table

SCORES = range(1, 6)
"""From not at all content to very content."""


class RatingRecord(Table, table=True):
    """One rating of how a case was handled."""

    __tablename__ = "ratings"
    __table_args__ = (
        CheckConstraint(f"score BETWEEN {min(SCORES)} AND {max(SCORES)}"),
        Index("ratings_case", "case_id", text("at DESC")),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    case_id: UUID = Field(foreign_key="cases.id")
    channel: str
    score: int
    at: datetime


class _NewRating(NamedTuple):
    """A rating as it is stored; the fields are the columns."""

    id: UUID
    case_id: UUID
    channel: str
    score: int
    at: datetime


class _RatedCase(NamedTuple):
    """A case's status, and whether it has been rated since."""

    status: str
    rated: bool


def rate(cursor: Cursor, case_id: UUID, *, channel: str, score: int) -> bool:
    """Record a rating, and a line of the case's history that shows it to its agents.

    False, and nothing is written, if the case is not closed or has been rated since: the first rating counts, and a
    button pressed twice counts once. The row is locked, so two concurrent ratings follow each other.
    """
    cursor.execute(
        "SELECT status, EXISTS (SELECT FROM ratings WHERE case_id = k.id AND at >= k.status_at) AS rated FROM cases k "
        "WHERE id = %s FOR UPDATE",
        [case_id],
    )
    case = record(cursor, _RatedCase)
    if case is None or case.status != Status.CLOSED or case.rated or score not in SCORES:
        return False
    line = history.append(cursor, case_id, history.CITIZEN, CaseRated(score=score, channel=channel))
    insert_records(cursor, "ratings", [_NewRating(new_id(), case_id, channel, score, line.at)])
    live.publish_change(cursor, "case", [case_id])
    return True
