"""The months into which the ever-growing tables are partitioned; the relay creates the coming ones.

A month that exists already, or was detached and keeps its name, is left alone. Rows of a month without a partition go
to the table's default partition, where nothing is lost and everything is found; but they cannot be detached by
themselves, and the month is not made beside them: the operator moves them (docs/production.md).
"""

from __future__ import annotations

from datetime import date
from typing import Final

from psycopg.errors import CheckViolation, LockNotAvailable

from zrm.kit import log
from zrm.kit.clock import now
from zrm.kit.db import Database, DatabaseAway

AHEAD: Final = 1
"""So many months after this one have their partitions, which leaves a month's time to create the next."""
_LOCK_TIMEOUT: Final = "1s"  # later users of the table wait behind us

_MISSING: Final = """
SELECT c.relname, date(month) FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid,
    generate_series(date_trunc('month', %(today)s::timestamp), %(today)s::timestamp + make_interval(months => %(ahead)s),
        interval '1 month') AS month
WHERE c.relnamespace = to_regnamespace(current_schema())
    AND to_regclass(c.relname || to_char(month, '"_"YYYY"_"MM')) IS NULL
ORDER BY 2, 1
"""

_log = log.get(__name__)


def make_coming(database: Database, today: date | None = None) -> int:
    """Create the missing partitions of this month and the coming ones; returns how many were created.

    A month whose table is locked by others is left for the next time, and so is one with rows in the default partition
    already: the log says so.
    """
    with database.cursor() as cursor:
        cursor.execute(_MISSING, {"today": today or now().date(), "ahead": AHEAD})
        missing: list[tuple[str, date]] = cursor.fetchall()
    return sum(_make(database, table, month) for table, month in missing)


def _make(database: Database, table: str, month: date) -> bool:
    try:
        with database.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])
            cursor.execute("SELECT make_month(%s, %s)", [table, month])
    except DatabaseAway as error:
        if error.sqlstate != LockNotAvailable.sqlstate:
            raise
        _log.info("a month is made later: its table is locked by others", table=table, month=str(month))
        return False
    except CheckViolation:
        _log.error("a month has no partition: rows of it lie in the default partition", table=table, month=str(month))
        return False
    return True
