"""Whether a citizen has been answered: by an agent's text, not by a machine's, and not by the reason for closing."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from zrm.casestore import history
from zrm.kit.db import Cursor

CLOSING_REASON: Final = "closing_reason"
"""The label of the message that tells a citizen why their case is closed without an answer."""

_ANSWERS: Final = (
    "contacts WHERE case_id = %(case)s AND direction = 'out' AND agent_id IS NOT NULL AND public AND NOT automatic "
    "AND NOT %(closing)s = ANY(labels)"
)


def answered_at(cursor: Cursor, case_id: UUID) -> datetime | None:
    """When the newest answer left; None if there is none. An answer on hold does not count."""
    cursor.execute(
        f"SELECT max(at) FROM {_ANSWERS} AND at <= now()",  # noqa: S608  # a constant of this file
        {"case": case_id, "closing": CLOSING_REASON},
    )
    row = cursor.fetchone()
    return row[0] if row else None


def is_unanswered(cursor: Cursor, case_id: UUID) -> bool:
    """Whether a citizen wrote and no agent answered since the case was opened or reopened; an answer on hold counts."""
    cursor.execute(
        "SELECT EXISTS (SELECT FROM contacts "  # noqa: S608  # constants
        "WHERE case_id = %(case)s AND direction = 'in' AND NOT automatic "
        "AND NOT labels && ARRAY['robot', 'bounce', 'list', 'newsletter']) "
        f"AND NOT EXISTS (SELECT FROM {_ANSWERS} AND at > coalesce(({history.REOPENED_AT}), '-infinity'))",
        {"case": case_id, "closing": CLOSING_REASON},
    )
    row = cursor.fetchone()
    return bool(row and row[0])
