"""Counters stored as differences: every change appends a row, `compact` adds rows up, a reader sums the rows.

Appending never waits for another transaction, and a sum over a few hundred rows costs the same for a thousand cases and
for ten million. Contacts are counted by the hour in which they came; after a week by the day (midnight UTC), so that a
year is some ten thousand rows and not three hundred thousand.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final, LiteralString
from uuid import UUID

from sqlalchemy import BigInteger, Index
from sqlmodel import Field

from zrm.kit.db import Cursor
from zrm.kit.tables import Table


class CaseCount(Table, table=True):
    """A difference in the number of cases of a unit, status and assignee. The table has no key; the class needs one."""

    __tablename__ = "case_counts"
    __mapper_args__: ClassVar = {"primary_key": ["unit_id", "status", "assignee_id"]}

    unit_id: UUID
    status: str
    assignee_id: UUID | None
    n: int = Field(sa_type=BigInteger)


class ContactCount(Table, table=True):
    """A difference in the number of raw contacts of a channel, hour and state; without a key as well."""

    __tablename__ = "contact_counts"
    __table_args__ = (Index("contact_counts_hour", "hour"),)
    __mapper_args__: ClassVar = {"primary_key": ["channel", "hour", "state"]}

    channel: str
    hour: datetime
    state: str
    n: int = Field(sa_type=BigInteger)


_FEW: Final = 200  # fewer differences are not worth adding up
_COMPACT_CASES: Final = """
WITH taken AS (DELETE FROM case_counts RETURNING *)
INSERT INTO case_counts SELECT unit_id, status, assignee_id, sum(n) FROM taken GROUP BY 1, 2, 3 HAVING sum(n) <> 0
"""
_COMPACT_CONTACTS: Final = """
WITH taken AS (DELETE FROM contact_counts WHERE hour >= date_trunc('hour', now()) - interval '2 hours' RETURNING *)
INSERT INTO contact_counts SELECT channel, hour, state, sum(n) FROM taken GROUP BY 1, 2, 3 HAVING sum(n) <> 0
"""
# A contact may change its state long after its day was folded: the difference has its hour and is folded next time.
_FOLD_DAYS: Final = """
WITH old AS MATERIALIZED (SELECT date_trunc('day', now(), 'UTC') - interval '7 days' AS until),
loose AS MATERIALIZED (
    SELECT channel, state, date_trunc('day', hour, 'UTC') AS day FROM contact_counts, old WHERE hour < until
    GROUP BY 1, 2, 3 HAVING count(*) > 1 OR min(hour) > date_trunc('day', min(hour), 'UTC')
), taken AS (
    DELETE FROM contact_counts
    WHERE hour < (SELECT until FROM old)
        AND (channel, state, date_trunc('day', hour, 'UTC')) IN (SELECT channel, state, day FROM loose)
    RETURNING channel, date_trunc('day', hour, 'UTC') AS day, state, n
)
INSERT INTO contact_counts SELECT channel, day, state, sum(n) FROM taken GROUP BY 1, 2, 3 HAVING sum(n) <> 0
"""
_RECOUNT: Final = """
WITH gone AS (DELETE FROM contact_counts WHERE hour >= %(since)s AND hour < %(until)s)
INSERT INTO contact_counts SELECT channel, date_trunc('hour', received_at, 'UTC'), state, count(*) FROM raw_contacts
WHERE received_at >= %(since)s AND received_at < %(until)s GROUP BY 1, 2, 3
"""


def recount(cursor: Cursor, since: datetime, until: datetime) -> None:
    """Count the contacts of these days (both at midnight UTC) anew: a month was taken off. May run twice.

    One statement removes and inserts, so what is counted at the same moment by another transaction stays right.
    """
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('counts.fold'))")
    cursor.execute(_RECOUNT, {"since": since, "until": until})


def compact(cursor: Cursor) -> None:
    """Add the differences up; one process at a time, the others skip it."""
    if not _alone(cursor):
        return
    if _many(cursor, "SELECT FROM case_counts"):
        cursor.execute(_COMPACT_CASES)
    if _many(cursor, "SELECT FROM contact_counts WHERE hour >= date_trunc('hour', now()) - interval '2 hours'"):
        cursor.execute(_COMPACT_CONTACTS)


def fold_days(cursor: Cursor) -> None:
    """Add the hours of days more than a week ago up to days; one process at a time, the others skip it. May run twice.

    One statement removes the hours and inserts the day, so a concurrent reader gets the same sum.
    """
    if _alone(cursor):
        cursor.execute(_FOLD_DAYS)


def _alone(cursor: Cursor) -> bool:
    """Whether no other process is adding up; none starts until the commit."""
    cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('counts.fold'))")
    row = cursor.fetchone()
    return bool(row and row[0])


def _many(cursor: Cursor, rows: LiteralString) -> bool:
    cursor.execute(f"SELECT count(*) FROM ({rows} LIMIT %s) AS sample", [_FEW + 1])  # noqa: S608  # a constant of this file
    row = cursor.fetchone()
    return bool(row and row[0] > _FEW)
