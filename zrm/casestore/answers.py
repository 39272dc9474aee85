"""Whether a citizen has been answered: by an agent's own words, not by a machine's, and not by the reason for closing."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from zrm.kit.db import Cursor

CLOSING: Final = "closing"
"""The label of the message that tells a citizen why their case is closed without an answer."""


def answered_at(cursor: Cursor, case_id: UUID) -> datetime | None:
    """When the newest answer left; None if there is none. One that is still held back is none yet."""
    cursor.execute(
        "SELECT max(at) FROM contacts WHERE case_id = %s AND direction = 'out' AND agent_id IS NOT NULL AND public "
        "AND NOT automatic AND NOT %s = ANY(labels) AND at <= now()",
        [case_id, CLOSING],
    )
    row = cursor.fetchone()
    return row[0] if row else None
