"""A connection is as our statements need it, whatever the server, the role or the database has for its default."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from zrm.casestore.unit import Unit
from zrm.kit.db import Database, insert_records, record, records, session_of
from zrm.kit.ids import new_id


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


def test_a_session_and_a_cursor_share_one_transaction(database: Database) -> None:
    with database.cursor() as cursor:
        session = session_of(cursor)
        assert session_of(cursor) is session
        cursor.execute('INSERT INTO units (id, key, names) VALUES (%s, \'a\', \'{"fa": "ا", "en": "A"}\')', [new_id()])
        unit = session.exec(select(Unit).where(Unit.key == "a")).one()
        unit.names = {**unit.names, "en": "Changed"}
        session.add(Unit(key="b", names={"fa": "ب", "en": "B"}, parent_id=unit.id))
        session.flush()
        cursor.execute("SELECT key, names ->> 'en' FROM units WHERE key IN ('a', 'b') ORDER BY key")
        assert cursor.fetchall() == [("a", "Changed"), ("b", "B")]
    assert (unit.key, unit.names["en"]) == ("a", "Changed")  # as it was last read
    with database.cursor() as cursor:
        assert session_of(cursor) is not session
        assert session_of(cursor).exec(select(Unit.key).where(Unit.parent_id == unit.id)).all() == ["b"]


def test_what_a_session_wrote_ends_with_the_transaction(database: Database) -> None:
    with contextlib.suppress(ZeroDivisionError), database.cursor() as cursor:
        session_of(cursor).add(Unit(key="a", names={"fa": "ا", "en": "A"}))
        session_of(cursor).flush()
        raise ZeroDivisionError
    with database.cursor() as cursor:
        session_of(cursor).add(Unit(key="b", names={"fa": "ب", "en": "B"}))  # written with the commit at the latest
    with database.cursor() as cursor:
        assert cursor.execute("SELECT key FROM units WHERE key IN ('a', 'b')").fetchall() == [("b",)]


def test_a_session_says_what_psycopg_says_and_a_savepoint_bounds_it(database: Database) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation), database.cursor() as cursor:
        session_of(cursor).add(Unit(key="roads", names={"fa": "ا", "en": "A"}))
    with database.cursor() as cursor:
        with pytest.raises(IntegrityError), cursor.connection.transaction():
            session_of(cursor).exec(insert(Unit).values(id=new_id(), key="roads", names={"fa": "ا", "en": "A"}))
        assert session_of(cursor).exec(select(Unit.key).where(Unit.key == "roads")).one() == "roads"


def test_a_server_that_goes_away_in_the_middle_is_psycopgs_error(database: Database) -> None:
    def read_on_a_dead_connection() -> None:
        with database.cursor() as cursor:
            session = session_of(cursor)
            with database.cursor() as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [cursor.connection.info.backend_pid])
            session.exec(select(Unit.key)).all()

    with pytest.raises(psycopg.OperationalError):
        read_on_a_dead_connection()
    with database.cursor() as cursor:
        assert session_of(cursor).exec(select(Unit.key)).all()


def test_only_a_transaction_of_ours_has_a_session(database: Database) -> None:
    with database.connect() as connection, connection.cursor() as cursor, pytest.raises(TypeError):
        session_of(cursor)
    with database.cursor() as cursor:
        pass
    with pytest.raises(TypeError):
        session_of(cursor)


class Pair(NamedTuple):
    """A record of two columns."""

    word: str
    number: int


def test_rows_become_records_by_the_names_of_their_columns(empty: Database) -> None:
    with empty.cursor() as cursor:
        cursor.execute("SELECT 2 AS number, 'two' AS word UNION ALL SELECT 1, 'one' ORDER BY number")
        assert record(cursor, Pair) == Pair("one", 1)
        assert records(cursor, Pair) == [Pair("two", 2)]
        assert (record(cursor, Pair), records(cursor, Pair)) == (None, [])
        cursor.execute("SELECT 1 AS number, 'one' AS wrod")
        with pytest.raises(TypeError, match="wrod"):
            records(cursor, Pair)


def test_records_are_written_into_the_columns_of_their_names(empty: Database) -> None:
    with empty.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE pairs (number int, more text DEFAULT 'as it is', word text)")
        insert_records(cursor, "pairs", [Pair("one", 1), Pair("two", 2)])
        insert_records(cursor, "pairs", [])
        cursor.execute("SELECT word, number, more FROM pairs ORDER BY number")
        assert cursor.fetchall() == [("one", 1, "as it is"), ("two", 2, "as it is")]
