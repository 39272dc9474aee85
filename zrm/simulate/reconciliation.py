"""The reconciliation after a run: does the conservation law hold, and does the store have every acknowledged
contact?
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from zrm.casestore.outbox import Topic
from zrm.insight import ledger
from zrm.insight.ledger import LedgerLine
from zrm.kit.db import Cursor, Database, records
from zrm.simulate.simulator import Tally

_STAGES = (Topic.FILE, Topic.NOTIFY, Topic.RENDER)
"""What the hub does by itself; deliveries wait for other servers."""


@dataclass(frozen=True, slots=True)
class Reckoning:
    """One channel's reconciliation over a run.

    `lost` were acknowledged and are not in the store. `strange` came in the same time but were not acknowledged to a
    sender of ours: other traffic, conversations that broke after the hub had the contact, or duplicates.
    """

    channel: str
    line: LedgerLine
    reports: int
    acknowledged: int
    left: int
    lost: frozenset[str]

    @property
    def strange(self) -> int:
        """Contacts received beyond those acknowledged (negative when some are missing)."""
        return self.line.received - self.reports - (self.acknowledged - len(self.lost))

    @property
    def holds(self) -> bool:
        """The law holds, nothing acknowledged is missing, and nothing came that our senders did not send."""
        return self.line.holds and not self.lost and 0 <= self.strange <= self.left


def store_time(database: Database) -> datetime:
    """The store's own clock now: the beginning or end of a run's span."""
    with database.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    if row is None or not isinstance(row[0], datetime):
        raise TypeError("the store returned no time")
    return row[0]


def wait_until_quiet(database: Database, seconds: float, *, look: Callable[[int], None] | None = None) -> bool:
    """Wait until nothing is left to be filed, sent or rendered; False after `seconds`. `look` is told what is left."""
    until = time.monotonic() + seconds
    while True:
        with database.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM outbox WHERE topic = ANY(%s) AND failed_at IS NULL",
                [[topic.value for topic in _STAGES]],
            )
            row = cursor.fetchone()
        left = int(row[0]) if row else 0
        if look is not None:
            look(left)
        if not left:
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.1)


def reckon(cursor: Cursor, tally: Tally, since: datetime, until: datetime) -> list[Reckoning]:
    """Each channel's reconciliation for the span of a run, in the order of the tally."""
    lines = {line.channel: line for line in ledger.by_channel(cursor, since, until)}
    cursor.execute(
        "SELECT channel, count(*) FROM raw_contacts WHERE kind = 'report' AND received_at >= %s AND received_at < %s "
        "GROUP BY 1",
        [since, until],
    )
    reports: dict[str, int] = dict(cursor.fetchall())
    found = []
    for channel, references in tally.acknowledged.items():
        nothing = LedgerLine(channel, since, 0, 0, 0, 0, 0, 0)
        found.append(
            Reckoning(
                channel=channel,
                line=lines.get(channel, nothing),
                reports=reports.get(channel, 0),
                acknowledged=len(references),
                left=tally.left[channel],
                lost=frozenset(references - _known(cursor, channel, references)),
            )
        )
    return found


def _known(cursor: Cursor, channel: str, references: set[str]) -> set[str]:
    """The references that have a receipt and a raw contact."""
    cursor.execute(
        "SELECT r.code, r.external_id FROM receipts r JOIN raw_contacts w ON w.id = r.contact_id "
        "WHERE r.channel = %s AND (r.code = ANY(%s) OR r.external_id = ANY(%s))",
        [channel, list(references), list(references)],
    )
    return {str(value) for row in cursor for value in row}


class _OpenedCase(NamedTuple):
    """A receipt's code and external id, and the case its contact opened."""

    code: str
    external_id: str
    case_id: UUID


def cases_of(cursor: Cursor, references: set[str]) -> dict[str, UUID]:
    """The case each reference opened; references that joined a case are left out."""
    cursor.execute(
        "SELECT r.code, r.external_id, c.case_id FROM receipts r JOIN raw_contacts w ON w.id = r.contact_id "
        "JOIN contacts c ON c.id = r.contact_id "
        "WHERE w.state = 'filed' AND (r.code = ANY(%s) OR r.external_id = ANY(%s))",
        [list(references), list(references)],
    )
    return {
        reference: one.case_id
        for one in records(cursor, _OpenedCase)
        for reference in (one.code, one.external_id)
        if reference in references
    }


def filing_seconds(cursor: Cursor, since: datetime, until: datetime) -> list[float]:
    """For each contact of a span, the seconds from its receipt until it is filed in a case."""
    cursor.execute(
        "SELECT extract(epoch FROM settled_at - received_at)::float8 FROM raw_contacts "
        "WHERE received_at >= %s AND received_at < %s AND settled_at IS NOT NULL",
        [since, until],
    )
    return [float(row[0]) for row in cursor]
