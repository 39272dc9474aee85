"""How content citizens are with how their case was handled: one rating each time a case is closed, by any channel."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from zrm.casestore import history, live
from zrm.casestore.case import Status
from zrm.casestore.history_payloads import CaseRated
from zrm.kit.db import Cursor, insert_rows
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


def rate(cursor: Cursor, case_id: UUID, *, channel: str, score: int) -> bool:
    """Record a rating, and a line of the case's history that shows it to its agents.

    False, and nothing is written, if the case is not closed or has been rated since: the first rating counts, and a
    button pressed twice counts once. The row is locked, so two concurrent ratings follow each other.
    """
    cursor.execute(
        "SELECT status, EXISTS (SELECT FROM ratings WHERE case_id = k.id AND at >= k.status_at) FROM cases k "
        "WHERE id = %s FOR UPDATE",
        [case_id],
    )
    row = cursor.fetchone()
    if row is None or row[0] != Status.CLOSED or row[1] or score not in SCORES:
        return False
    line = history.append(cursor, case_id, history.CITIZEN, CaseRated(score=score, channel=channel))
    insert_rows(
        cursor, "ratings", ("id", "case_id", "channel", "score", "at"), [(new_id(), case_id, channel, score, line.at)]
    )
    live.publish_change(cursor, "case", [case_id])
    return True
