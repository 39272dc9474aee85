"""Whether a PostgreSQL can be our store, checked before anything relies on it. Each finding is a line for the
operator.
"""

from __future__ import annotations

from contextlib import closing
from typing import Final, NamedTuple

import psycopg
from psycopg import sql

from zrm.kit.db import Connection, Database, record

OLDEST: Final = 18  # uuidv7() came with it
_LOOK = """
SELECT current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby,
    current_setting('default_transaction_read_only')::bool AS read_only, current_user AS role, current_schema() AS schema,
    has_schema_privilege(current_schema(), 'CREATE') AS may_create, to_regclass('alembic_version') IS NULL AS empty
"""
_TRIGRAMS = """
SELECT (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'pg_trgm') AS schema,
    EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') AS available,
    has_database_privilege(current_database(), 'CREATE') AS may_create, quote_ident(current_database()) AS database,
    datctype AS character_type
FROM pg_database WHERE datname = current_database()
"""


ENOUGH: Final = 60  # connections: what the roles of one machine use together at peak
_CONNECTIONS = """
SELECT least(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - current_setting('reserved_connections')::int,
    nullif(datconnlimit, -1), nullif(rolconnlimit, -1))
FROM pg_database, pg_roles WHERE datname = current_database() AND rolname = current_user
"""


def obstacles(database: Database, *, oldest: int = OLDEST) -> list[str]:
    """What makes it unusable: away, too old, another encoding, read-only, or empty and without the right to make
    tables.
    """
    try:
        with closing(database.connect(autocommit=True)) as connection:
            return [f"database_url: {problem}" for problem in _obstacles(connection, oldest)]
    except psycopg.Error as error:
        return [f"database_url: PostgreSQL cannot be used: {reason(error)}"]


def risks(database: Database) -> list[str]:
    """What endangers the promise that a contact is durable before its sender is answered, or fails under load. Errors:
    psycopg's own.
    """
    with closing(database.connect(autocommit=True)) as connection:
        rows = connection.execute(
            "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
            " AND setting = 'off' ORDER BY name"
        ).fetchall()
        (connections,) = connection.execute(_CONNECTIONS).fetchone() or (ENOUGH,)
    problems = [
        f"database_url: {name} is off: what was acknowledged can be lost when the server's machine fails"
        for (name,) in rows
    ]
    if connections < ENOUGH:
        problems.append(
            f"database_url: the server lets us have {connections} connections; with fewer than {ENOUGH} citizens are told "
            "to come again when many come at once"
        )
    return problems


def reason(error: Exception) -> str:
    """The message of the server or of libpq: one line, without secrets."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    spoken = [line.partition("FATAL:  ")[2] for line in lines if "FATAL:  " in line]
    return spoken[0] if spoken else lines[0].removeprefix("connection failed: ")


class _CheckedServer(NamedTuple):
    """The server and our rights on it; `schema` is the first existing one of our search_path, `empty` without tables of
    ours.
    """

    encoding: str
    standby: bool
    read_only: bool
    role: str
    schema: str | None
    may_create: bool | None
    empty: bool


def _obstacles(connection: Connection, oldest: int) -> list[str]:
    version = connection.info.server_version // 10_000
    if version < oldest:
        return [f"the server is PostgreSQL {version}; {oldest} or newer is needed"]
    with connection.cursor() as cursor:
        found = record(cursor.execute(_LOOK), _CheckedServer)
    if found is None:
        return []
    problems = []
    if found.encoding != "UTF8":
        problems.append(f"the database is in {found.encoding}; one made with ENCODING 'UTF8' is needed")
    if found.standby:
        problems.append("the server is a standby and takes no writes; the address of the primary is needed")
    elif found.read_only:
        problems.append("the database takes no writes (default_transaction_read_only)")
    if found.schema is None:
        problems.append(f"no schema on the search_path of {found.role} exists")
    elif found.empty and not found.may_create:
        grant = f'GRANT CREATE ON SCHEMA {found.schema} TO "{found.role}"'
        problems.append(f"{found.role} may not make tables in the schema {found.schema}: {grant}")
    return problems or _trigram_obstacles(connection)


class _TrigramSupport(NamedTuple):
    """Whether the database can search words: the extension's schema, if it is installed, and what decides otherwise."""

    schema: str | None
    available: bool
    may_create: bool
    database: str
    character_type: str


def _trigram_obstacles(connection: Connection) -> list[str]:
    """Whether words can be searched. In a database whose LC_CTYPE is C, pg_trgm sees no letter beyond ASCII and reports
    no error: every search for a Persian word would find nothing.
    """
    found = record(connection.execute(_TRIGRAMS), _TrigramSupport)
    if found is None:
        return []
    if found.schema is None and not found.available:
        return ["the server has no extension pg_trgm (Debian: postgresql-18 has it, others: postgresql18-contrib)"]
    if found.schema is None and not found.may_create:
        return [
            f"the extension pg_trgm is missing: CREATE EXTENSION pg_trgm in {found.database}, as a superuser or its owner"
        ]
    # The extension itself is asked where it exists; before that, the setting it depends on.
    if found.schema is None:
        sees = found.character_type not in ("C", "POSIX")
    else:
        asking = sql.SQL("SELECT {}.similarity('رضا', 'رضا') = 1").format(sql.SQL(found.schema))
        sees = (connection.execute(asking).fetchone() or (False,))[0]
    if sees:
        return []
    return [
        f"the database was made with LC_CTYPE '{found.character_type}', so that no Persian word can be found in it; "
        "move it to one made with LC_CTYPE 'C.UTF-8' (docs/production.md, PostgreSQL)"
    ]
