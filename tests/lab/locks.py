"""Helpers for tests of locks: two concurrent transactions, the second blocked by the first until the test releases it."""

from __future__ import annotations

from tests.lab.process import wait_until
from zrm.kit.db import Database


def waiting_for_locks(database: Database) -> int:
    """The number of transactions of this database that wait for another."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(next(row[0] for row in cursor))


def wait_for_waiting(database: Database, many: int = 1) -> None:
    """Wait until this many are blocked."""
    wait_until(lambda: waiting_for_locks(database) >= many, f"{many} to wait for a lock")
