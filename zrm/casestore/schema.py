"""The schema's migrations: which of them the database has, and how it gets the rest. `zrm.models` has what they build."""

from __future__ import annotations

import json
import re
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
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from zrm.errors import ConfigError, ZrmError
from zrm.kit import log
from zrm.kit.db import Database

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"
LOCK_TIMEOUT = "5s"
"""How long a migration's statement waits for a lock. Later users of the same table wait behind it."""
LOCK_TRIES = 24
_LOCK_PAUSE: Final = 5  # seconds in which the waiting users continue
_SETTINGS: Final = {
    # A server's limits are meant for everyday statements, not for a new index.
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    # A killed migration releases its locks at once; servers on other systems cannot notice it.
    "client_connection_check_interval": "2s",
}
_SET: Final = """
SELECT set_config(key, value, false) FROM jsonb_each_text(CAST(:settings AS jsonb))
WHERE key <> 'client_connection_check_interval' OR version() LIKE '%linux%'
"""
_LOCK: Final = 0x5A524D  # "ZRM": two concurrent starts migrate one after the other
_ASK_AGAIN: Final = 0.2  # seconds
_UNRELEASED: Final = re.compile("2026_11_2[0-9]_")  # how migrations were named before the first release
NO_WAY: Final = (
    "the database was made by a version before the first release, and no migration leads from there to this one: name a "
    "new, empty database in database_url; where `zrm up` keeps the database, move its data folder away and start anew"
)

_log = log.get(__name__)


class SchemaState(Enum):
    """The state of the database: the newest schema this code knows, an older one, a newer one, or one from before the
    first release, which cannot be migrated.
    """

    CURRENT = "current"
    OLDER = "older"
    NEWER = "newer"
    UNRELEASED = "unreleased"


class BrokenMigrations(Exception):
    """The folder of migrations is inconsistent."""


class MigrationBlocked(ZrmError):
    """Others held a table's lock for too long; the unfinished migration was rolled back. Run it again."""


def alembic_config() -> Config:
    """The folder of the migrations."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def migrate(database: Database, to: str = "head") -> SchemaState:
    """Bring the database to the newest schema, or to the revision `to`; a database that a newer version has migrated
    further is left as it is. Returns its earlier state. Errors: BrokenMigrations, MigrationBlocked; ConfigError for a
    database from before the first release.

    Safe to call at every start, by several processes at once. Each migration is committed by itself: its locks are
    released before the next, and after a crash the unfinished one is run again. A migration that does not get a lock
    within `LOCK_TIMEOUT` is rolled back and tried again, because all others wait behind it meanwhile.
    """
    with _alone(database) as connection:
        before = _state(connection)
        connection.commit()
        if before is SchemaState.UNRELEASED:
            raise ConfigError(f"database_url: {NO_WAY}")
        if before is not SchemaState.NEWER:
            _upgrade(connection, to)
    return before


def _upgrade(connection: Connection, to: str) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    for left in reversed(range(LOCK_TRIES)):
        try:
            return command.upgrade(config, to)
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable):
                raise
            connection.rollback()
            if not left:
                raise MigrationBlocked(
                    "the database was not brought to the newest schema: others hold a lock on a table that it changes. "
                    "End long transactions (pg_stat_activity names them, a dump is one) and run `zrm migrate` again"
                ) from error
            _log.warning("a migration waits for others' locks and is tried again", tries_left=left)
            time.sleep(_LOCK_PAUSE)
    return None


@contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    """A connection for a migration, while no other process migrates; closing it lets others begin."""
    with database.alembic_connection() as connection:
        try:
            connection.execute(text(_SET), {"settings": json.dumps({**_SETTINGS, "lock_timeout": LOCK_TIMEOUT})})
            # Waiting in the statement would hold a snapshot, and CREATE INDEX CONCURRENTLY waits for every snapshot.
            while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}).scalar():
                connection.commit()
                time.sleep(_ASK_AGAIN)
            connection.commit()
            yield connection
        finally:
            connection.invalidate()  # not back into the pool: it carries settings and the lock


def state(database: Database) -> SchemaState:
    """How the database's schema relates to this code. Errors: BrokenMigrations, DatabaseAway."""
    with database.alembic_connection() as connection:
        return _state(connection)


def _state(connection: Connection) -> SchemaState:
    try:
        script = ScriptDirectory.from_config(alembic_config())
        heads = set(script.get_heads())
        known = {revision.revision for revision in script.walk_revisions()}
    except (CommandError, KeyError) as error:  # KeyError: a migration names a predecessor that does not exist
        raise BrokenMigrations(f"{type(error).__name__}: {error}") from error
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return SchemaState.OLDER
    stands = set(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())
    if stands == heads:
        return SchemaState.CURRENT
    if any(map(_UNRELEASED.match, stands)):
        return SchemaState.UNRELEASED
    return SchemaState.OLDER if stands <= known else SchemaState.NEWER
