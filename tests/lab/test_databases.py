"""A database that is lent again equals the template, whatever the previous test did to it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.lab.databases import Databases
from tests.lab.servers import TestServers

TEMPLATE = """
CREATE TABLE town (id int PRIMARY KEY, name text, shout text GENERATED ALWAYS AS (upper(name)) STORED);
CREATE TABLE event (id bigint GENERATED ALWAYS AS IDENTITY, town int REFERENCES town ON DELETE CASCADE, at date) PARTITION BY RANGE (at);
CREATE TABLE event_now PARTITION OF event DEFAULT;
CREATE SEQUENCE number;
CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'append only'; END $$;
CREATE TRIGGER never BEFORE DELETE ON event FOR EACH ROW EXECUTE FUNCTION never();
INSERT INTO town VALUES (1, 'شهر'), (2, E'a\\tb');
SELECT nextval('number');
"""


@pytest.fixture(scope="module")
def databases(servers: TestServers) -> Iterator[Databases]:
    with psycopg.connect(servers.postgres.create_database("lent")) as connection:
        connection.execute(TEMPLATE.encode())
    yield Databases(servers.postgres, "lent")
    servers.postgres.drop_database("lent")


def name_of(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


def is_as_the_template(url: str) -> None:
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT * FROM town ORDER BY id").fetchall() == [
            (1, "شهر", "شهر"),
            (2, "a\tb", "A\tB"),
        ]
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (0,)
        assert connection.execute("INSERT INTO event (town, at) VALUES (1, '2026-11-28') RETURNING id").fetchone() == (
            1,
        )
        assert connection.execute("SELECT nextval('number')").fetchone() == (2,)
        with pytest.raises(psycopg.errors.RaiseException, match="append only"):
            connection.execute("DELETE FROM event")


def test_rows_and_sequences_are_put_back_and_whoever_stayed_is_cut_off(databases: Databases) -> None:
    with databases.lend() as first:
        left = psycopg.connect(first, autocommit=True)
        left.execute("UPDATE town SET name = 'x'")
        left.execute("INSERT INTO town VALUES (3, 'y')")
        left.execute("INSERT INTO event (town, at) SELECT 3, '2026-11-28' FROM generate_series(1, 10)")
        left.execute("SELECT nextval('number'), nextval('number')")
        left.execute("ANALYZE")
    with pytest.raises(psycopg.OperationalError):
        left.execute("DELETE FROM town")
    left.close()
    with databases.lend() as again:
        assert name_of(again) == name_of(first)
        is_as_the_template(again)


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE more ()",
        "DROP TRIGGER never ON event",
        "ALTER TABLE event DISABLE TRIGGER never",
        "CREATE OR REPLACE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
        "ALTER TABLE town ADD CHECK (id < 100)",
        "ALTER TABLE town ALTER name SET NOT NULL",
        "ALTER TABLE event DROP CONSTRAINT event_town_fkey",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 65', current_database()); END $$",
        "INSERT INTO town SELECT n, repeat(n::text, 100) FROM generate_series(3, 30000) n",
    ],
)
def test_what_cannot_be_put_back_is_not_lent_again(change: str, databases: Databases) -> None:
    with databases.lend() as first, psycopg.connect(first, autocommit=True) as connection:
        connection.execute(change.encode())
    with databases.lend() as second:
        assert name_of(second) != name_of(first)
        is_as_the_template(second)


def test_two_at_once_are_two(databases: Databases) -> None:
    with databases.lend() as one, databases.lend() as other:
        assert name_of(one) != name_of(other)
