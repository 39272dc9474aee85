"""The whole schema: every table's model imported once, and the migrations that build it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text

from zrm.casestore import (  # noqa: F401  # registers the tables with SQLModel's metadata
    agent,
    case,
    contact,
    delivery,
    notification,
    person,
    subject,
    unit,
)
from zrm.kit.db import Database

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
_SETTINGS: Final = {
    # A server's limits are meant for a statement of every day, not for a new index.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    # What a killed migration holds or waits for is let go of at once; servers on other systems cannot see it.
    "client_connection_check_interval": "2s",
}
_SET: Final = """
SELECT set_config(key, value, false) FROM jsonb_each_text(CAST(:settings AS jsonb))
WHERE key <> 'client_connection_check_interval' OR version() LIKE '%linux%'
"""
_LOCK: Final = 0x5A524D  # "ZRM": two starts at once migrate one after the other
_ASK_AGAIN: Final = 0.2  # seconds


class SchemaState(Enum):
    """What the database has: the newest schema this code knows, less than that, or something newer."""

    CURRENT = "current"
    OLDER = "older"
    NEWER = "newer"


class BrokenMigrations(Exception):
    """The folder of migrations does not fit together."""


def alembic_config() -> Config:
    """Where the migrations lie."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def migrate(database: Database, to: str = "head") -> SchemaState:
    """Bring the database to the newest schema, or to the revision `to`; one that a newer version has brought further is left
    as it is. Returns what it had before. Errors: BrokenMigrations.

    Safe to call at every start, by several processes at once. Each migration is committed by itself: what one locks is
    free before the next, and who was killed goes on with the one that was not finished.
    """
    config = alembic_config()
    with _alone(database) as connection:
        before = _state(connection)
        connection.commit()
        if before is not SchemaState.NEWER:
            config.attributes["connection"] = connection
            command.upgrade(config, to)
    return before


@contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    """A connection for a migration, with nobody else migrating meanwhile; closed at the end, which lets others begin."""
    with database.engine.connect() as connection:
        try:
            connection.execute(text(_SET), {"settings": json.dumps(_SETTINGS)})
            # Who waited inside the statement would hold a snapshot, and CREATE INDEX CONCURRENTLY waits for every one.
            while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}).scalar():
                connection.commit()
                time.sleep(_ASK_AGAIN)
            connection.commit()
            yield connection
        finally:
            connection.invalidate()  # not back into the pool: settings and lock are the connection's


def state(database: Database) -> SchemaState:
    """How the database's schema stands to this code. Errors: BrokenMigrations."""
    with database.engine.connect() as connection:
        return _state(connection)


def _state(connection: Connection) -> SchemaState:
    try:
        script = ScriptDirectory.from_config(alembic_config())
        heads = set(script.get_heads())
        known = {revision.revision for revision in script.walk_revisions()}
    except (CommandError, KeyError) as error:  # KeyError: a migration names one before it that is not there
        raise BrokenMigrations(f"{type(error).__name__}: {error}") from error
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return SchemaState.OLDER
    stands = set(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())
    if stands == heads:
        return SchemaState.CURRENT
    return SchemaState.OLDER if stands <= known else SchemaState.NEWER
