"""The whole schema: every table's model imported once, and the migrations that build it."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import text

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
_LIMITS = {"names": ["statement_timeout", "lock_timeout", "transaction_timeout"]}
_LOCK = 0x5A524D  # "ZRM": two starts at once migrate one after the other


class BrokenMigrations(Exception):
    """The folder of migrations does not fit together."""


def alembic_config() -> Config:
    """Where the migrations lie."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def migrate(database: Database) -> None:
    """Bring the database to the newest schema; safe to call at every start, by several processes at once."""
    config = alembic_config()
    with database.engine.begin() as connection:
        # A server's limits are meant for a statement of every day, not for a new index or for waiting for each other.
        connection.execute(
            text("SELECT set_config(name, '0', true) FROM unnest(CAST(:names AS text[])) AS name"), _LIMITS
        )
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(database: Database) -> bool:
    """Whether the database has exactly the newest schema this code knows; of several branches, all of them.

    Errors: BrokenMigrations.
    """
    try:
        heads = set(ScriptDirectory.from_config(alembic_config()).get_heads())
    except (CommandError, KeyError) as error:  # KeyError: a migration names one before it that is not there
        raise BrokenMigrations(f"{type(error).__name__}: {error}") from error
    with database.engine.connect() as connection:
        if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
            return False
        return set(connection.execute(text("SELECT version_num FROM alembic_version")).scalars()) == heads
