"""Recreates a database whose LC_CTYPE is C, as older versions made it: there `pg_trgm` sees no Persian letter.

A database's character type is set when it is made and cannot be changed, so the content moves by dump and restore into
a new database of the same cluster, while no client can reach the server (`EmbeddedPostgres` starts it on another port
for this). The old database keeps its name and its content until the new one is restored and was compared with it, table
by table. Then both are renamed in one transaction, and the old one is dropped. So at any moment, also after kill -9 or
a full disk, one complete database has the name, and the next start begins again or finishes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from zrm.kit import log
from zrm.standalone.child_process import open_log, spawn
from zrm.standalone.server import ServerFailed, last_line, plain_environment

CHARACTER_TYPE: Final = "C.UTF-8"
"""LC_CTYPE of all our databases. Sorting and comparing stay C: fast, and the same on every machine."""
_MOST_LOG: Final = 2 * 1024**3  # bytes; max_wal_size
_ROOM: Final = 64 * 1024**2
_NEW: Final = " being made anew"
_BEFORE: Final = " before it was made anew"

_NAMES: Final = """
SELECT datname FROM pg_database
WHERE NOT datistemplate AND datname <> 'postgres' AND datctype IN ('C', 'POSIX') AND pg_encoding_to_char(encoding) = 'UTF8'
ORDER BY datname
"""
_OBJECTS: Final = """
SELECT 'relation', n.nspname, c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
UNION ALL SELECT 'constraint', n.nspname, c.conname, c.conrelid::regclass::text
FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
UNION ALL SELECT 'trigger', '', t.tgname, t.tgrelid::regclass::text FROM pg_trigger t WHERE NOT t.tgisinternal
UNION ALL SELECT 'function', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
UNION ALL SELECT 'extension', '', extname, '' FROM pg_extension
UNION ALL SELECT 'sequence', schemaname, sequencename, last_value::text FROM pg_sequences
"""
_TABLES: Final = """
SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT LIKE 'pg\\_%' AND schemaname <> 'information_schema'
"""

_log = log.get(__name__)


class Recreation:
    """Recreates databases of one cluster. `address` gives the address of a database by name, with its password;
    `programs` is the folder of PostgreSQL's programs, `home` the data folder.
    """

    def __init__(self, address: Callable[[str], str], programs: Path, home: Path, log_file: Path) -> None:
        self._address = address
        self._programs = programs
        self._home = home
        self._log_file = log_file

    def __call__(self) -> None:
        """Recreate each database that needs it. Raises ServerFailed; then each is as it was."""
        try:
            with closing(psycopg.connect(self._address("postgres"), autocommit=True)) as boss:
                for name in _outdated(boss):
                    if name.endswith(_BEFORE):
                        _drop(boss, name)  # it was compared with its successor before it got this name
                    else:
                        self._recreate(boss, name)
        except psycopg.Error as error:
            raise ServerFailed(f"a database could not be recreated; the old one is unchanged: {error}") from error

    def _recreate(self, boss: psycopg.Connection, name: str) -> None:
        new, before = f"{name}{_NEW}", f"{name}{_BEFORE}"
        _drop(boss, new)
        self._require_room(boss, name)
        _log.warning("a database is recreated, so that Persian words can be found; this happens once", database=name)
        try:
            boss.execute(creation(new))
            self._copy(name, new)
            if self._content(name) != self._content(new):
                raise ServerFailed(f"the copy of the database {name} differs from it; it is not used")
        except BaseException:
            with contextlib.suppress(psycopg.Error):  # the remains are dropped at the next try
                _drop(boss, new)
            raise
        with boss.transaction():
            for old_name, new_name in ((name, before), (new, name)):
                rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
                boss.execute(rename.format(sql.Identifier(old_name), sql.Identifier(new_name)))
        _drop(boss, before)
        _log.warning("the database was recreated with all its content", database=name)

    def _require_room(self, boss: psycopg.Connection, name: str) -> None:
        row = boss.execute("SELECT pg_database_size(%s)", [name]).fetchone()
        size = int(row[0]) if row else 0
        needed, free = size + min(size, _MOST_LOG) + _ROOM, shutil.disk_usage(self._home).free
        if free < needed:
            raise ServerFailed(
                f"the database {name} must be recreated, else no Persian word in it can be found; that needs "
                f"{needed // 1024**2} MB in {self._home}, and {free // 1024**2} MB are free: nothing was changed"
            )

    def _copy(self, name: str, new: str) -> None:
        """Dump one database into the other; both programs end with us. Raises ServerFailed."""
        reader, writer = os.pipe()
        with open_log(self._log_file) as output:
            try:
                dump = spawn(
                    [str(self._programs / "pg_dump"), "--format=custom", "--compress=0", "--dbname", name],
                    output=writer,
                    errors=output,
                    on_parent_death=signal.SIGKILL,
                    env=self._environment(),
                )
                restore = spawn(
                    [str(self._programs / "pg_restore"), "--exit-on-error", "--single-transaction", "--dbname", new],
                    stdin=reader,
                    output=output,
                    on_parent_death=signal.SIGKILL,
                    env=self._environment(),
                )
            finally:
                os.close(reader)
                os.close(writer)
            ended = {"pg_restore": restore.wait(), "pg_dump": dump.wait()}
        failed = [program for program, code in ended.items() if code != 0]
        if failed:
            raise ServerFailed(
                f"{' and '.join(failed)} failed while the database {name} was recreated; nothing was changed; "
                f"the log {self._log_file} ends: {last_line(self._log_file)}"
            )
        with closing(psycopg.connect(self._address(new), autocommit=True)) as connection:
            connection.execute("ANALYZE")  # no dump contains the planner's statistics

    def _environment(self) -> dict[str, str]:
        """How the programs find the server. Every user could see a password on a command line."""
        parts = conninfo_to_dict(self._address("postgres"))
        return plain_environment() | {
            f"PG{name.upper()}": str(parts[name]) for name in ("host", "port", "user", "password")
        }

    def _content(self, name: str) -> object:
        """All objects by name, and for every table its number of rows and the sum of their hashes."""
        with closing(psycopg.connect(self._address(name))) as connection:
            objects = set(connection.execute(_OBJECTS))
            tables = connection.execute(_TABLES).fetchall()
            rows = {}
            for schema, table in tables:
                command = sql.SQL("SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM {} t")
                rows[schema, table] = connection.execute(command.format(sql.Identifier(schema, table))).fetchone()
        return objects, rows


def creation(name: str) -> sql.Composed:
    """The statement that makes an empty database with `CHARACTER_TYPE`."""
    command = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE {}"
    return sql.SQL(command).format(sql.Identifier(name), sql.Literal(CHARACTER_TYPE))


def needed(url: str) -> bool:
    """Whether a database of the cluster has to be recreated, or its recreation has to be finished.

    `url` leads to the database `postgres`, as its superuser.
    """
    with closing(psycopg.connect(url, autocommit=True)) as boss:
        return bool(_outdated(boss))


def _outdated(boss: psycopg.Connection) -> list[str]:
    return [name for (name,) in boss.execute(_NAMES)]


def _drop(boss: psycopg.Connection, name: str) -> None:
    boss.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
