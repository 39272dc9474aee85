"""Work for a person: messages that did not arrive, failed tasks, quarantined contacts, and their numbers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from zrm.contract.descriptions import Description
from zrm.contract.reasons import KeptReason
from zrm.kit.db import Cursor, record, records
from zrm.localized import Localized

MOST = 100
"""Counters stop here: "100" already says enough."""
FIRST_WORDS = 160
"""How many characters of a failed message its row shows."""


@dataclass(frozen=True, slots=True)
class FailedDelivery(KeptReason):
    """A message of a case that failed or whose delivery status is unknown, not yet handled; `words` are its first ones."""

    id: UUID
    kind: str
    words: str
    case_id: UUID
    code: str
    title: str
    unit_id: UUID
    unit_names: Localized
    channel: str
    address: str
    state: str
    error_code: str
    attempts: int
    changed_at: datetime
    description: Description


@dataclass(frozen=True, slots=True)
class UndeliveredSelfAnswer(KeptReason):
    """An automatic answer without a case (a status, a confirmed STOP) that did not arrive."""

    id: UUID
    command: str
    channel: str
    address: str
    state: str
    changed_at: datetime


def failed_deliveries(cursor: Cursor, units: Collection[UUID] | None, *, limit: int = 200) -> list[FailedDelivery]:
    """Failed messages of these units (None: all), newest first."""
    cursor.execute(
        """
        SELECT d.id, d.kind,
            CASE WHEN d.kind = 'proof_link' THEN '' WHEN length(said.text) <= %(words)s THEN said.text
                ELSE left(said.text, %(words)s) || '…' END AS words,
            d.case_id, c.code, c.title, c.unit_id, u.names AS unit_names,
            d.channel, d.address, d.state, d.reason_code, d.reason_params, d.error_code, d.attempts, d.changed_at, c.description
        FROM deliveries d JOIN cases c ON c.id = d.case_id JOIN units u ON u.id = c.unit_id
        LEFT JOIN contacts w ON w.id = d.contact_id
        CROSS JOIN LATERAL (SELECT coalesce(w.text, d.text, '') AS text) AS said
        WHERE d.state IN ('failed', 'unknown') AND d.settled_by IS NULL AND d.case_id IS NOT NULL
            AND (%(units)s::uuid[] IS NULL OR c.unit_id = ANY(%(units)s))
        ORDER BY d.changed_at DESC, d.id DESC LIMIT %(limit)s
        """,
        {"units": None if units is None else list(units), "limit": limit, "words": FIRST_WORDS},
    )
    return records(cursor, FailedDelivery)


def undelivered_self_answers(cursor: Cursor, *, days: int = 7, limit: int = 100) -> list[UndeliveredSelfAnswer]:
    """Automatic answers without a case that failed or whose delivery status is unknown in the last days, newest first."""
    cursor.execute(
        "SELECT id, command, channel, address, state, reason_code, reason_params, changed_at FROM deliveries "
        "WHERE state IN ('failed', 'unknown') AND case_id IS NULL AND changed_at > now() - make_interval(days => %s) "
        "ORDER BY changed_at DESC LIMIT %s",
        [days, limit],
    )
    return records(cursor, UndeliveredSelfAnswer)


class DeliveryCase(NamedTuple):
    """The case of a delivery, and its unit."""

    case_id: UUID
    unit_id: UUID


def delivery_case(cursor: Cursor, delivery_id: UUID) -> DeliveryCase | None:
    """The case of a delivery; None if it has none."""
    cursor.execute(
        "SELECT c.id AS case_id, c.unit_id FROM deliveries d JOIN cases c ON c.id = d.case_id WHERE d.id = %s",
        [delivery_id],
    )
    return record(cursor, DeliveryCase)


@dataclass(frozen=True, slots=True)
class WorkCounts:
    """The numbers of failed answers by unit, failed tasks, and quarantined contacts (each up to `MOST`)."""

    failed_deliveries: dict[UUID, int]
    failed_tasks: int
    held: int
    overdue: bool


def work_counts(cursor: Cursor) -> WorkCounts:
    """The numbers beside the pages of the worklists; small partial indexes serve them, whatever the volume."""
    cursor.execute(
        "SELECT c.unit_id, count(*) FROM (SELECT case_id FROM deliveries WHERE state IN ('failed', 'unknown')"
        " AND settled_by IS NULL AND case_id IS NOT NULL LIMIT 1000) AS d JOIN cases c ON c.id = d.case_id GROUP BY 1"
    )
    by_unit: dict[UUID, int] = dict(cursor.fetchall())
    cursor.execute(
        """
        SELECT (SELECT count(*) FROM (SELECT FROM outbox WHERE failed_at IS NOT NULL LIMIT %(most)s) AS t) AS failed_tasks,
            (SELECT count(*) FROM (SELECT FROM quarantine q WHERE ended_at IS NULL
                AND EXISTS (SELECT FROM raw_contacts r WHERE r.id = q.contact_id) LIMIT %(most)s) AS open) AS held,
            EXISTS (SELECT FROM quarantine q WHERE ended_at IS NULL AND due_at < now()
                AND EXISTS (SELECT FROM raw_contacts r WHERE r.id = q.contact_id)) AS overdue
        """,
        {"most": MOST},
    )
    (counts,) = records(cursor, dict)
    return WorkCounts(failed_deliveries=by_unit, **counts)
