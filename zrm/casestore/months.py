"""The months into which the ever-growing tables are partitioned: the relay creates the coming ones, the operator takes old
ones off (`zrm month`).

A month that exists already, or was detached and keeps its name, is left alone. Rows of a month without a partition go
to the table's default partition, where nothing is lost and everything is found; but they cannot be detached by
themselves, and the month cannot be made beside them. The relay moves a few of them, the operator moves many.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from psycopg.errors import CheckViolation, DeadlockDetected, LockNotAvailable
from psycopg.sql import SQL, Identifier
from sqlalchemy import text
from sqlmodel import Field

from zrm.casestore import counts
from zrm.errors import Conflict, NotFound
from zrm.kit import log
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database, DatabaseAway, records
from zrm.kit.tables import Table

AHEAD: Final = 1
"""So many months after this one have their partitions, which leaves a month's time to create the next."""
TABLES: Final = ("raw_contacts", "contacts", "case_events", "delivery_events", "notifications")
"""The tables divided by month, in the order in which filing comes to them."""
_LOCK_TIMEOUT: Final = "1s"  # later users of the table wait behind us
_TRIES: Final = 24
_PAUSE: Final = 5  # seconds in which the waiting users continue
_LOCKED: Final = (LockNotAvailable.sqlstate, DeadlockDetected.sqlstate)
_MOVED_AT_ONCE: Final = 1000  # rows that the relay moves while everybody waits for the table
_LOOKED_BACK: Final = 12  # months


class DetachedMonth(Table, table=True):
    """A month that was taken off all tables: its ids are those from `first_id` to before `end_id`."""

    __tablename__ = "detached_months"

    month: date = Field(primary_key=True)
    first_id: UUID
    end_id: UUID
    detached_at: datetime = Field(sa_column_kwargs={"server_default": text("now()")})


_MISSING: Final = """
SELECT c.relname, date(coming.month) FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid,
    generate_series(date_trunc('month', %(today)s::timestamp) - make_interval(months => %(back)s),
        %(today)s::timestamp + make_interval(months => %(ahead)s), interval '1 month') AS coming (month)
WHERE c.relnamespace = to_regnamespace(current_schema())
    AND to_regclass(c.relname || to_char(coming.month, '"_"YYYY"_"MM')) IS NULL
    AND NOT EXISTS (SELECT FROM detached_months d WHERE d.month = date(coming.month))
ORDER BY 2, 1
"""
_BOUNDS: Final = """
SELECT first_id_of(%(month)s::timestamp AT TIME ZONE 'UTC'),
    first_id_of((%(month)s::timestamp + interval '1 month') AT TIME ZONE 'UTC')
"""
_STRAYS: Final = "SELECT count(*) FROM (SELECT FROM {table} WHERE id >= %s AND id < %s LIMIT %s) AS strays"
# A delivery has a task until it is sent, so the deliveries themselves need not be searched.
_UNDONE: Final = """
SELECT (SELECT count(*) FROM raw_contacts WHERE state = 'waiting' AND id >= %(first)s AND id < %(end)s) AS waiting,
    (SELECT count(*) FROM quarantine WHERE ended_at IS NULL AND contact_id >= %(first)s AND contact_id < %(end)s) AS quarantined,
    (SELECT count(*) FROM (
        SELECT ref FROM outbox WHERE topic = 'deliver' UNION SELECT ref FROM timers WHERE topic = 'deliver'
    ) AS task JOIN deliveries d ON d.id = task.ref WHERE d.state IN ('queued', 'sending') AND (
        d.id >= %(first)s AND d.id < %(end)s OR d.contact_id >= %(first)s AND d.contact_id < %(end)s
        OR d.question_id >= %(first)s AND d.question_id < %(end)s)) AS unsent
"""
_ATTACHED: Final = (
    "SELECT parent.relname FROM pg_inherits i JOIN pg_class parent ON parent.oid = i.inhparent "
    "WHERE i.inhrelid = ANY(SELECT to_regclass(name || %s) FROM unnest(%s::text[]) AS name)"
)

_log = log.get(__name__)
T = TypeVar("T")


def make_coming(database: Database, today: date | None = None) -> int:
    """Create the missing partitions of this month and the coming ones; returns how many were created.

    A month whose table is locked by others is left for the next time. A few rows of it in the default partition move
    into it; where there are many the log says so, and the operator moves them.
    """
    with database.cursor() as cursor:
        missing = _missing(cursor, today or now().date(), back=0)
    return sum(_make(database, table, month) for table, month in missing)


def _missing(cursor: Cursor, today: date, *, back: int) -> list[tuple[str, date]]:
    cursor.execute(_MISSING, {"today": today, "ahead": AHEAD, "back": back})
    return cursor.fetchall()


def _make(database: Database, table: str, month: date) -> bool:
    try:
        try:
            with database.cursor() as cursor:
                _set_lock_timeout(cursor)
                cursor.execute("SELECT make_month(%s, %s)", [table, month])
                return cursor.fetchall() == [(True,)]
        except CheckViolation:
            return _make_from_few(database, table, month)
    except DatabaseAway as error:
        if error.sqlstate not in _LOCKED:
            raise
        _log.info("a month is made later: its table is locked by others", table=table, month=str(month))
        return False


def _make_from_few(database: Database, table: str, month: date) -> bool:
    with database.cursor() as cursor:
        _set_lock_timeout(cursor)
        if _strays(cursor, table, month, most=_MOVED_AT_ONCE + 1) > _MOVED_AT_ONCE:
            _log.error(
                "a month has no partition: rows of it lie in the default partition; `zrm month make` moves them",
                table=table,
                month=f"{month:%Y-%m}",
            )
            return False
        cursor.execute("SELECT make_month_from_default(%s, %s)", [table, month])
    _log.warning("rows of a month were moved from the default partition", table=table, month=f"{month:%Y-%m}")
    return True


def _set_lock_timeout(cursor: Cursor) -> None:
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])


def _bounds(cursor: Cursor, month: date) -> tuple[UUID, UUID]:
    cursor.execute(_BOUNDS, {"month": month})
    ((first, end),) = cursor.fetchall()
    return first, end


def _strays(cursor: Cursor, table: str, month: date, *, most: int) -> int:
    """How many rows of the month lie in the default partition, counted up to `most`."""
    first, end = _bounds(cursor, month)
    cursor.execute(SQL(_STRAYS).format(table=Identifier(f"{table}_default")), [first, end, most])
    ((rows,),) = cursor.fetchall()
    return int(rows)


def in_default(cursor: Cursor, today: date | None = None) -> list[tuple[str, date]]:
    """The tables and months, of the last year and the coming ones, that were not made and have rows in the default
    partition.
    """
    missing = _missing(cursor, today or now().date(), back=_LOOKED_BACK)
    return [(table, month) for table, month in missing if _strays(cursor, table, month, most=1)]


def make_from_default(database: Database, month: date) -> dict[str, int]:
    """Make a month in every table that lacks it, with its rows from the default partition; returns how many moved, by
    table. Nobody reads or writes the table meanwhile. May run twice. Errors: Conflict for a month that was taken off, or
    while others hold a lock for too long.
    """

    def make(cursor: Cursor) -> dict[str, int]:
        cursor.execute("SELECT month FROM detached_months WHERE month = %s", [month])
        if cursor.fetchall():
            raise Conflict(f"{month:%Y-%m} was taken off and is not made again")
        cursor.execute(
            "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name || %s) IS NULL",
            [list(TABLES), f"{month:_%Y_%m}"],
        )
        moved = {}
        for table in [name for (name,) in cursor]:
            cursor.execute("SELECT make_month_from_default(%s, %s)", [table, month])
            ((moved[table],),) = cursor.fetchall()
        return moved

    return _patiently(database, make)


def detach(database: Database, month: date) -> list[str]:
    """Take a month off all its tables in one transaction; returns the names of the tables that hold it now. The counters
    leave it out from then on. May run twice.

    Errors: NotFound if no table has the month; Conflict if it is not over, if something in it is still to be done, or
    while others hold a lock for too long.
    """
    if month >= now().date().replace(day=1):
        raise Conflict(f"{month:%Y-%m} is not over; only an earlier month can be taken off")
    with database.cursor() as cursor:
        _refuse_undone(cursor, month)  # before anybody has to wait
    parts = _patiently(database, lambda cursor: _detach(cursor, month))
    with database.cursor() as cursor:
        since = datetime(month.year, month.month, 1, tzinfo=UTC)
        # A contact's id and the time at which it was received may lie on either side of midnight.
        counts.recount(cursor, since - timedelta(days=1), (since + timedelta(days=33)).replace(day=2))
    return parts


def _detach(cursor: Cursor, month: date) -> list[str]:
    if _attached(cursor, month):
        cursor.execute(SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(SQL(", ").join(map(Identifier, TABLES))))
        _refuse_undone(cursor, month)
        for table in _attached(cursor, month):
            part = Identifier(f"{table}{month:_%Y_%m}")
            cursor.execute(SQL("ALTER TABLE {} DETACH PARTITION {}").format(Identifier(table), part))
    cursor.execute(
        "SELECT name || %s FROM unnest(%s::text[]) AS name WHERE to_regclass(name || %s) IS NOT NULL ORDER BY 1",
        [f"{month:_%Y_%m}", list(TABLES), f"{month:_%Y_%m}"],
    )
    parts = [name for (name,) in cursor]
    if not parts:
        raise NotFound(
            f"no table has a part for {month:%Y-%m}; if it lies in the default partitions, `zrm month make` makes it"
        )
    cursor.execute(
        "INSERT INTO detached_months (month, first_id, end_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [month, *_bounds(cursor, month)],
    )
    return parts


def _attached(cursor: Cursor, month: date) -> list[str]:
    """The tables that have the month."""
    cursor.execute(_ATTACHED, [f"{month:_%Y_%m}", list(TABLES)])
    return [table for (table,) in cursor]


def _refuse_undone(cursor: Cursor, month: date) -> None:
    first, end = _bounds(cursor, month)
    cursor.execute(_UNDONE, {"first": first, "end": end})
    (undone,) = records(cursor, dict)
    if any(undone.values()):
        raise Conflict(
            f"{month:%Y-%m} cannot be taken off yet: {undone['waiting']} contacts wait to be filed, "
            f"{undone['quarantined']} are in quarantine, {undone['unsent']} deliveries have not been sent"
        )


def _patiently(database: Database, change: Callable[[Cursor], T]) -> T:
    """Make a change that locks whole tables. Where others hold a lock it is rolled back and tried again, because everybody
    else waits behind it. Errors: Conflict after `_TRIES`.
    """
    left = _TRIES
    while True:
        try:
            with database.cursor() as cursor:
                _set_lock_timeout(cursor)
                return change(cursor)
        except DatabaseAway as error:
            if error.sqlstate not in _LOCKED:
                raise
            left -= 1
            if not left:
                raise Conflict(
                    "others hold a lock on one of the tables. End long transactions (pg_stat_activity names them, a dump is "
                    "one) and run the command again"
                ) from error
            _log.warning("a change of months waits for others' locks and is tried again", tries_left=left)
            time.sleep(_PAUSE)
