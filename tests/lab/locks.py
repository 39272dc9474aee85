"""Tests of locks: two transactions at once, the second held up by the first until the test lets it go on."""

from __future__ import annotations

from tests.lab.process import wait_until
from zrm.kit.db import Database


def waiting_for_locks(database: Database) -> int:
    """How many transactions of this database wait for another."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(next(row[0] for row in cursor))


def wait_for_waiting(database: Database, many: int = 1) -> None:
    """Until so many wait."""
    wait_until(lambda: waiting_for_locks(database) >= many, f"{many} to wait for a lock")
