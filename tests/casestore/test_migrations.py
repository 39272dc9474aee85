"""Migrations are one line of history, in small steps that keep nobody out for long and can be begun again."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from tests.lab.process import wait_until
from tests.lab.servers import TestServers
from zrm.casestore import schema
from zrm.casestore.schema import MIGRATIONS, MigrationBlocked, SchemaState, alembic_config, migrate, state
from zrm.errors import ConfigError
from zrm.kit.db import Database

_numbers = itertools.count(1)

NEXT_VERSION = '''
"""A migration of a coming version: an index beside the writing, then what needs the table for itself for a moment."""

from alembic import op

from zrm.kit.migration_steps import create_index

revision = "next"
down_revision = {baseline!r}


def upgrade() -> None:
    create_index("persons_name", "persons (name)")
    op.execute("ALTER TABLE deliveries ADD COLUMN weight int")
'''


@pytest.fixture
def bare(servers: TestServers) -> Iterator[Database]:
    """A database in which nothing is yet."""
    name = f"migrating_{next(_numbers)}"
    database = Database(servers.postgres.create_database(name))
    yield database
    database.close()
    servers.postgres.drop_database(name)


@pytest.fixture
def next_version(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The migrations of a coming version, to which `database` is still to be brought; where they lie."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (head,) = ScriptDirectory.from_config(alembic_config()).get_heads()
    (folder / "versions" / "9999_next.py").write_text(NEXT_VERSION.format(baseline=head))
    monkeypatch.setattr(schema, "MIGRATIONS", folder)
    monkeypatch.setattr(schema, "_LOCK_PAUSE", 0.01)
    return folder


def test_one_head_and_names_that_sort() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    assert len(scripts.get_heads()) == 1
    line = [script.revision for script in scripts.walk_revisions()]
    assert line == sorted(line, reverse=True)
    for file in MIGRATIONS.glob("versions/*.py"):
        assert re.fullmatch(r"\d{4}_[a-z_]+", file.stem), "a number, then what it is about"
        assert file.stem[:4] in line, "its revision is its number"


def test_migrations_import_nothing_that_will_be_other_tomorrow() -> None:
    for file in MIGRATIONS.glob("versions/*.py"):
        ours = re.findall(r"^(?:from|import) (zrm\S*)", file.read_text("utf-8"), re.MULTILINE)
        assert set(ours) <= {"zrm.errors", "zrm.kit", "zrm.kit.migration_steps"}, file.name


def test_two_that_migrate_at_once_do_it_once(bare: Database) -> None:
    with ThreadPoolExecutor(3) as threads:
        before = [done.result() for done in [threads.submit(migrate, bare) for _ in range(3)]]
    assert sorted(before, key=lambda found: found.value) == [
        SchemaState.CURRENT,
        SchemaState.CURRENT,
        SchemaState.OLDER,
    ]
    assert state(bare) is SchemaState.CURRENT


def test_a_database_of_before_the_first_release_is_told_what_to_do(bare: Database) -> None:
    with bare.cursor() as cursor:
        cursor.execute("CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)")
        cursor.execute("INSERT INTO alembic_version VALUES ('2026_11_28_who_was_copied')")
    assert state(bare) is SchemaState.UNRELEASED
    with pytest.raises(ConfigError, match="name a new, empty database"):
        migrate(bare)
    with bare.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        assert cursor.fetchall() == [("alembic_version",)], "nothing was made"


@pytest.mark.usefixtures("next_version")
def test_who_does_not_get_a_lock_keeps_others_waiting_a_moment_only_and_says_so(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr(schema, "LOCK_TRIES", 3)
    with closing(database.connect()) as other:
        other.execute("LOCK TABLE deliveries IN ACCESS SHARE MODE")
        with pytest.raises(MigrationBlocked, match="long transactions"):
            migrate(database)
        assert state(database) is SchemaState.OLDER
    monkeypatch.setattr(schema, "LOCK_TIMEOUT", "5s")
    migrate(database)
    assert state(database) is SchemaState.CURRENT


@pytest.mark.usefixtures("next_version")
def test_a_lock_that_is_held_for_a_while_only_delays(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr(schema, "LOCK_TRIES", 10_000)
    with closing(database.connect()) as other, ThreadPoolExecutor(1) as threads:
        other.execute("LOCK TABLE deliveries IN ACCESS SHARE MODE")
        done = threads.submit(migrate, database)
        wait_until(lambda: valid_indexes(database) == [True], "the index to be made", 60)
        other.rollback()
        done.result()
    assert state(database) is SchemaState.CURRENT


def test_an_index_is_made_beside_long_transactions(
    database: Database, next_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To begin, it waits for what writes the table already: longer than a statement waits for its lock."""
    monkeypatch.setattr(schema, "LOCK_TIMEOUT", "1ms")
    monkeypatch.setattr(schema, "LOCK_TRIES", 1)
    migration = next_version / "versions" / "9999_next.py"
    migration.write_text(re.sub("    op.execute.*\n", "", migration.read_text()))
    with closing(database.connect()) as other, ThreadPoolExecutor(1) as threads:
        other.execute("UPDATE persons SET name = name")
        done = threads.submit(migrate, database)
        wait_until(lambda: waiting(database, "zrm"), "the index to wait for the writer", 60)
        with database.cursor() as cursor:  # … and a second one is not kept out by it
            cursor.execute("SET LOCAL lock_timeout = '1s'")
            cursor.execute("INSERT INTO persons (id, name, created_at) VALUES (uuidv7(), 'Sara', now())")
        other.rollback()
        done.result()
    assert valid_indexes(database) == [True]


@pytest.mark.parametrize(
    "held",
    [
        # In the middle of an index made beside the writing, which is there and not valid.
        "UPDATE persons SET name = name",
        # In the middle of what is one transaction, with the index made.
        "LOCK TABLE deliveries IN ACCESS SHARE MODE",
    ],
)
def test_who_was_killed_goes_on_where_they_were(database: Database, next_version: Path, held: str) -> None:
    with database.cursor() as cursor:
        cursor.execute("INSERT INTO persons (id, name, created_at) VALUES (uuidv7(), 'Sara', now())")
    with closing(database.connect()) as other:
        other.execute(held.encode())
        process = subprocess.Popen([sys.executable, "-c", KILLED, database.url, next_version])
        try:
            wait_until(lambda: waiting(database, "killed"), "the migration to come to what is held", 60)
        finally:
            process.kill()
            process.wait()
        # Nobody else need let go first: the server sees that who was killed is gone.
        wait_until(lambda: not waiting(database, "killed"), "the server to let go of who was killed", 60)
        assert state(database) is SchemaState.OLDER
        assert valid_indexes(database) == ["UPDATE" not in held]
    migrate(database)
    assert state(database) is SchemaState.CURRENT
    assert valid_indexes(database) == [True]


KILLED = """
import sys
from pathlib import Path
from zrm.casestore import schema
from zrm.kit.db import Database

schema.MIGRATIONS = Path(sys.argv[2])
schema.migrate(Database(sys.argv[1], application="killed"))
"""


def waiting(database: Database, application: str) -> bool:
    """Whether a connection of that name waits for a lock."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
            " AND datname = current_database()",
            [application],
        )
        return cursor.fetchone() == (1,)


def valid_indexes(database: Database) -> list[bool]:
    """Whether the index of the coming version is valid; nothing if it is not there."""
    with database.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('persons_name')")
        return [valid for (valid,) in cursor]
