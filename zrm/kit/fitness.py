"""Whether a PostgreSQL can be our store, asked before anything relies on it. Each answer is a line for the operator."""

from __future__ import annotations

from contextlib import closing
from typing import Final

import psycopg
from psycopg import sql

from zrm.kit.db import Connection, Database

OLDEST: Final = 18  # uuidv7() came with it
_LOOK = """
SELECT current_setting('server_encoding'), pg_is_in_recovery(),
    current_setting('default_transaction_read_only')::bool, current_user, current_schema(),
    has_schema_privilege(current_schema(), 'CREATE'), to_regclass('alembic_version') IS NULL
"""
_TRIGRAMS = """
SELECT (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'pg_trgm'),
    EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'),
    has_database_privilege(current_database(), 'CREATE'), quote_ident(current_database()), datctype
FROM pg_database WHERE datname = current_database()
"""


ENOUGH: Final = 60  # connections: what the roles of one machine hold together at their busiest
_CONNECTIONS = """
SELECT least(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - current_setting('reserved_connections')::int,
    nullif(datconnlimit, -1), nullif(rolconnlimit, -1))
FROM pg_database, pg_roles WHERE datname = current_database() AND rolname = current_user
"""


def obstacles(database: Database, *, oldest: int = OLDEST) -> list[str]:
    """What makes it useless: away, too old, of another encoding, without writes, or empty and not to be filled by us."""
    try:
        with closing(database.connect(autocommit=True)) as connection:
            return [f"database_url: {problem}" for problem in _obstacles(connection, oldest)]
    except psycopg.Error as error:
        return [f"database_url: PostgreSQL cannot be used: {reason(error)}"]


def risks(database: Database) -> list[str]:
    """What breaks the promise that a contact is durable before its sender is answered, or makes us break it off under
    load. Errors: psycopg's own.
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
    """What the server said, or libpq about it: one line, without a secret."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    spoken = [line.partition("FATAL:  ")[2] for line in lines if "FATAL:  " in line]
    return spoken[0] if spoken else lines[0].removeprefix("connection failed: ")


def _obstacles(connection: Connection, oldest: int) -> list[str]:
    version = connection.info.server_version // 10_000
    if version < oldest:
        return [f"the server is PostgreSQL {version}; {oldest} or newer is needed"]
    row = connection.execute(_LOOK).fetchone()
    if row is None:
        return []
    encoding, standby, read_only, role, schema, may_create, empty = row
    problems = []
    if encoding != "UTF8":
        problems.append(f"the database is in {encoding}; one made with ENCODING 'UTF8' is needed")
    if standby:
        problems.append("the server is a standby and takes no writes; the address of the primary is needed")
    elif read_only:
        problems.append("the database takes no writes (default_transaction_read_only)")
    if schema is None:
        problems.append(f"no schema on the search_path of {role} exists")
    elif empty and not may_create:
        grant = f'GRANT CREATE ON SCHEMA {schema} TO "{role}"'
        problems.append(f"{role} may not make tables in the schema {schema}: {grant}")
    return problems or _trigram_obstacles(connection)


def _trigram_obstacles(connection: Connection) -> list[str]:
    """Whether words can be searched. In a database whose LC_CTYPE is C, pg_trgm sees no letter beyond ASCII and says
    nothing: every search for a Persian word would find nothing.
    """
    row = connection.execute(_TRIGRAMS).fetchone()
    if row is None:
        return []
    schema, available, may_create, database, character_type = row
    if schema is None and not available:
        return ["the server has no extension pg_trgm (Debian: postgresql-18 has it, others: postgresql18-contrib)"]
    if schema is None and not may_create:
        return [
            f"the extension pg_trgm is missing: CREATE EXTENSION pg_trgm in {database}, as a superuser or its owner"
        ]
    # The extension itself is asked where it is there; until then, what it goes by.
    if schema is None:
        sees = character_type not in ("C", "POSIX")
    else:
        asking = sql.SQL("SELECT {}.similarity('رضا', 'رضا') = 1").format(sql.SQL(schema))
        sees = (connection.execute(asking).fetchone() or (False,))[0]
    if sees:
        return []
    return [
        f"the database was made with LC_CTYPE '{character_type}', so that no Persian word can be found in it; "
        "move it to one made with LC_CTYPE 'C.UTF-8' (docs/production.md, PostgreSQL)"
    ]
