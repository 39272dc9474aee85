"""Databases that are reset instead of created again: each test still gets a database to itself.

Copying and dropping a database took nine tenths of the time of a database test. Here a test's rows are deleted, past the
triggers that forbid it, and the template's rows are copied back. A database that cannot be reset in this way (changed schema
or settings, or tables so large that their empty pages would slow the next test) is dropped, and the next test gets a fresh
copy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
from psycopg import sql

from zrm.standalone.postgres import EmbeddedPostgres

MOST_GROWN = 2 << 20  # bytes beyond the template, dead rows included: many of them would change the plans
_NAMES = count(1)

_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
ORDER BY 1
"""
_SEQUENCES = "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2"
# Every change of the schema leaves rows of another transaction in the catalogue; vacuum and analyze do not.
_SHAPE = """
SELECT (SELECT count(*) || ':' || max(xmin::text::bigint) FROM pg_class),
       (SELECT count(*) || ':' || max(xmin::text::bigint) FROM pg_attribute),
       (SELECT count(*) || ':' || max(xmin::text::bigint) FROM pg_proc),
       (SELECT count(*) || ':' || max(xmin::text::bigint) FROM pg_trigger),
       (SELECT count(*) || ':' || max(xmin::text::bigint) FROM pg_constraint),
       (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
        WHERE d.datname = current_database()),
       (SELECT datallowconn || ':' || datconnlimit FROM pg_database WHERE datname = current_database())
"""


class Databases:
    """Copies of the database `template`, lent to one test after another."""

    def __init__(self, postgres: EmbeddedPostgres, template: str) -> None:
        self._postgres = postgres
        self._template = template
        self._free: list[str] = []
        self._shapes: dict[str, tuple[object, ...] | None] = {}
        with psycopg.connect(postgres.url(template), autocommit=True) as connection:
            self._size = _size(connection)
            self._tables = [sql.SQL(name) for (name,) in connection.execute(_TABLES.encode())]
            self._sequences = connection.execute(_SEQUENCES.encode()).fetchall()
            self._rows: list[tuple[sql.SQL, bytes]] = []
            for table in self._tables:
                with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(table)) as rows:
                    if content := b"".join(rows):
                        self._rows.append((table, content))

    @contextmanager
    def lend(self) -> Iterator[str]:
        """The address of a database equal to the template; connections still open afterwards are closed."""
        name = self._free.pop() if self._free else self._make()
        try:
            yield self._postgres.url(name)
        finally:
            if self.put_back(name):
                self._free.append(name)
            else:
                self._postgres.drop_database(name)

    def _make(self) -> str:
        name = f"{self._template}_{os.getpid()}_{next(_NAMES)}"
        self._postgres.create_database(name, template=self._template)
        # Each copy is inspected when it is new: its row identifiers in the catalogue are its own.
        with psycopg.connect(self._postgres.url(name), autocommit=True) as connection:
            self._shapes[name] = _shape(connection)
        return name

    def put_back(self, name: str, *, staying: str = "") -> bool:
        """Reset the database; returns whether that was possible.

        Idle connections of the application `staying` are left open: a server that the next test uses too.
        """
        try:
            with psycopg.connect(self._postgres.url(name), options="-c session_replication_role=replica") as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    " AND NOT (starts_with(application_name, %s) AND state = 'idle')",
                    [staying or "nobody stays"],
                )
                if _shape(connection) != self._shapes[name] or _size(connection) > self._size + MOST_GROWN:
                    return False
                any_rows = sql.SQL(", ").join(
                    sql.SQL("EXISTS (SELECT FROM {})").format(table) for table in self._tables
                )
                (filled,) = connection.execute(sql.SQL("SELECT ARRAY[{}]").format(any_rows)).fetchall()
                for table, has_rows in zip(self._tables, filled[0], strict=True):
                    if has_rows:
                        connection.execute(sql.SQL("DELETE FROM {}").format(table))
                for table, content in self._rows:
                    with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(table)) as rows:
                        rows.write(content)
                for schema, sequence, last in self._sequences:
                    value = [str(sql.Identifier(schema, sequence).as_string(connection)), last or 1, last is not None]
                    connection.execute("SELECT setval(%s, %s, %s)", value)
        except psycopg.Error:
            return False
        return True


def _shape(connection: psycopg.Connection) -> tuple[object, ...] | None:
    return connection.execute(_SHAPE.encode()).fetchone()


def _size(connection: psycopg.Connection) -> int:
    ((size,),) = connection.execute("SELECT pg_database_size(current_database())").fetchall()
    return int(size)
