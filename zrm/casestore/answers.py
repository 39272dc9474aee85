"""Whether a citizen has been answered: by an agent's text, not by a machine's, and not by the reason for closing.

An answer whose deliveries have all failed reached nobody, and is none. One that may have arrived (`unknown`) counts:
an agent is asked about it and decides. So does one that an agent put on the tracking page only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from zrm.casestore import history
from zrm.casestore.contact import HAS_LEFT
from zrm.kit.db import Cursor

CLOSING_REASON: Final = "closing_reason"
"""The label of the message that tells a citizen why their case is closed without an answer."""

_ANSWERS: Final = (
    "contacts WHERE case_id = %(case)s AND direction = 'out' AND agent_id IS NOT NULL AND public AND NOT automatic "
    "AND NOT %(closing)s = ANY(labels) AND coalesce((SELECT bool_or(state NOT IN ('failed', 'withdrawn')) "
    "FROM deliveries WHERE contact_id = contacts.id), true)"
)


def answered_at(cursor: Cursor, case_id: UUID) -> datetime | None:
    """When the newest answer left; None if there is none. An answer on hold does not count yet."""
    cursor.execute(
        f"SELECT max(coalesce(leaves_at, at)) FROM {_ANSWERS} AND {HAS_LEFT}",  # noqa: S608  # a constant of this file
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
