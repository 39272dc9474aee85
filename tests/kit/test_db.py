"""A connection is as our statements need it, whatever the server, the role or the database has for its default."""

from __future__ import annotations

from datetime import UTC, datetime

from psycopg import sql

from zrm.kit.db import Database


def test_a_servers_own_defaults_are_not_ours(database_url: str, database: Database) -> None:
    with database.cursor() as cursor:
        for setting in (
            "default_transaction_isolation = 'serializable'",
            "datestyle = 'German'",
            "intervalstyle = 'iso_8601'",
            "timezone = 'Asia/Tehran'",
            "client_encoding = 'LATIN1'",
            "idle_session_timeout = '1s'",
        ):
            name = sql.Identifier(cursor.connection.info.dbname)
            cursor.execute(sql.SQL("ALTER DATABASE {} SET ").format(name) + sql.SQL(setting))
    fresh = Database(database_url)
    try:
        with fresh.cursor() as cursor:
            cursor.execute("SELECT current_setting('transaction_isolation'), current_setting('idle_session_timeout')")
            assert cursor.fetchone() == ("read committed", "0")
            cursor.execute("SELECT timestamptz '2026-03-21 00:00+03:30', interval '90 s', 'سلام'")
            moment, span, word = cursor.fetchone() or (None, None, None)
            assert moment == datetime(2026, 3, 20, 20, 30, tzinfo=UTC)
            assert span is not None
            assert span.total_seconds() == 90
            assert word == "سلام"
    finally:
        fresh.close()


def test_what_the_operators_address_asks_for_is_kept(database_url: str) -> None:
    joint = "&" if "?" in database_url else "?"
    database = Database(f"{database_url}{joint}options=-csearch_path%3Dzrm%2Cpublic%20-cwork_mem%3D8MB")
    try:
        with database.cursor() as cursor:
            cursor.execute("SELECT current_setting('search_path'), current_setting('work_mem'), now()")
            path, memory, moment = cursor.fetchone() or (None, None, None)
            assert (path, memory) == ("zrm,public", "8MB")
            assert moment is not None
            assert moment.utcoffset() == datetime.now(UTC).utcoffset()
    finally:
        database.close()
