"""The conservation law: per channel and hour, received = filed + joined + ignored + quarantined + waiting.

Received is counted from the receipts, which no later step writes; the rest from the outcomes of the raw contacts. The
two are kept apart on purpose: a contact lost between them shows up. What the doors confirmed is counted from their own
book (`zrm.frontdesk.doors_book`): a confirmation without a receipt for the same content is a broken promise. Months that were taken off are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zrm.casestore.agent import Permission
from zrm.kit.db import Cursor, records
from zrm.security.grants import Grants

STATES = ("filed", "joined", "ignored", "quarantined", "waiting")


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One channel in one hour (or over a span, with the span's start as `hour`)."""

    channel: str
    hour: datetime
    received: int
    filed: int
    joined: int
    ignored: int
    quarantined: int
    waiting: int
    unkept: int = 0
    """Contacts that a door confirmed and that are not in the store."""

    @property
    def missing(self) -> int:
        """Receipts without a contact (positive) or contacts without a receipt (negative); 0 when the law holds."""
        return self.received - (self.filed + self.joined + self.ignored + self.quarantined + self.waiting)

    @property
    def holds(self) -> bool:
        """Whether no contact is missing and none is counted twice."""
        return self.missing == 0 and self.unkept == 0


def by_hour(cursor: Cursor, since: datetime, until: datetime) -> list[LedgerLine]:
    """The law per channel and hour in [since, until), newest hour first. Reads the receipts and raw contacts
    themselves.
    """
    cursor.execute(
        _LAW.format(hour="date_trunc('hour', received_at, 'UTC')").encode(), {"since": since, "until": until}
    )
    return records(cursor, LedgerLine)


def for_agent(cursor: Cursor, grants: Grants, since: datetime, until: datetime) -> list[LedgerLine]:
    """The same for an agent. Errors: NotFound unless the agent may see the ledger everywhere: an hour belongs to no
    unit.
    """
    grants.require_everywhere(Permission.VIEW_LEDGER)
    return by_hour(cursor, since, until)


def by_channel(cursor: Cursor, since: datetime, until: datetime) -> list[LedgerLine]:
    """The law per channel over the whole span [since, until)."""
    cursor.execute(_LAW.format(hour="%(since)s::timestamptz").encode(), {"since": since, "until": until})
    return records(cursor, LedgerLine)


_LAW = """
WITH came AS (
    SELECT channel, {hour} AS hour, count(*) AS received FROM receipts
    WHERE received_at >= %(since)s AND received_at < %(until)s AND NOT EXISTS (
        SELECT FROM detached_months m WHERE contact_id >= m.first_id AND contact_id < m.end_id)
    GROUP BY 1, 2
), became AS (
    SELECT channel, {hour} AS hour, count(*) FILTER (WHERE state = 'filed') AS filed,
           count(*) FILTER (WHERE state = 'joined') AS joined, count(*) FILTER (WHERE state = 'ignored') AS ignored,
           count(*) FILTER (WHERE state = 'quarantined') AS quarantined,
           count(*) FILTER (WHERE state = 'waiting') AS waiting
    FROM raw_contacts c WHERE received_at >= %(since)s AND received_at < %(until)s AND NOT EXISTS (
        SELECT FROM detached_months m WHERE c.id >= m.first_id AND c.id < m.end_id)
    GROUP BY 1, 2
), lost AS (
    SELECT channel, {hour} AS hour, count(*) AS unkept FROM door_answers a
    WHERE received_at >= %(since)s AND received_at < %(until)s AND NOT EXISTS (
        SELECT FROM receipts r WHERE r.contact_id = a.contact_id AND r.content = a.content)
    GROUP BY 1, 2
)
SELECT channel, hour, coalesce(received, 0) AS received, coalesce(filed, 0) AS filed, coalesce(joined, 0) AS joined,
       coalesce(ignored, 0) AS ignored, coalesce(quarantined, 0) AS quarantined, coalesce(waiting, 0) AS waiting,
       coalesce(unkept, 0) AS unkept
FROM came FULL JOIN became USING (channel, hour) FULL JOIN lost USING (channel, hour) ORDER BY hour DESC, channel
"""
