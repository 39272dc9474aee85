"""Stores of the operator's own: what is wrong with them is one line from `zrm up` and `zrm check`, without a secret."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import yaml
from psycopg import sql
from redis import Redis

from tests.lab.process import free_port
from tests.lab.servers import TestServers
from zrm.casestore.schema import migrate
from zrm.dispatch.queues import queue_obstacles, queue_risks
from zrm.errors import ConfigError
from zrm.installation import DATABASE_VARIABLE, REDIS_VARIABLE
from zrm.kit.database_checks import obstacles, risks
from zrm.kit.db import Database

PASSWORD = "p@ss:w/rd%20#"
OWNER, STRANGER, NAME = "hub-owner", "hub-stranger", "hub-installation"


@pytest.fixture
def own(servers: TestServers) -> Iterator[Callable[..., str]]:
    """An empty database with a dash in its name, owned by a role that may nothing else; gives addresses of it."""
    with _boss(servers) as boss:
        for role in (OWNER, STRANGER):
            command = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
            boss.execute(command.format(sql.Identifier(role), sql.Literal(PASSWORD)))
        boss.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(NAME), sql.Identifier(OWNER)))

    def address(role: str = OWNER, password: str = PASSWORD, name: str = NAME) -> str:
        port = servers.postgres.port()
        return f"postgresql://{role}:{quote(password, safe='')}@127.0.0.1:{port}/{name}?sslmode=disable"

    yield address
    servers.postgres.drop_database(NAME)
    with _boss(servers) as boss:
        for role in (OWNER, STRANGER):
            boss.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@contextlib.contextmanager
def _boss(servers: TestServers) -> Iterator[psycopg.Connection]:
    with psycopg.connect(servers.postgres.url("postgres"), autocommit=True) as connection:
        yield connection


def _set(servers: TestServers, setting: str) -> None:
    with _boss(servers) as boss:
        boss.execute(sql.SQL("ALTER DATABASE {} SET ").format(sql.Identifier(NAME)) + sql.SQL(setting))


def _said(url: str, look: Callable[[Database], list[str]] = obstacles) -> list[str]:
    database = Database(url)
    try:
        # The server of these tests does without the disk (conftest), and nothing is asked about that here.
        return [said for said in look(database) if "fsync is off" not in said]
    finally:
        database.close()


def test_an_owner_who_is_no_superuser_is_enough(own: Callable[..., str]) -> None:
    assert _said(own()) == []
    assert _said(own(), risks) == []
    database = Database(own())
    migrate(database)
    database.close()
    assert _said(own()) == []


def test_who_cannot_come_in_is_told_what_the_server_said(own: Callable[..., str]) -> None:
    assert _said(own(password="a wrong one")) == [
        f'database_url: PostgreSQL cannot be used: password authentication failed for user "{OWNER}"'
    ]
    assert _said(own(name="nowhere")) == ['database_url: PostgreSQL cannot be used: database "nowhere" does not exist']
    (away,) = _said(f"postgresql://zrm@127.0.0.1:{free_port()}/zrm")
    assert away.endswith("failed: Connection refused")


def test_a_server_that_is_too_old_is_named_with_what_is_needed(own: Callable[..., str]) -> None:
    assert _said(own(), lambda database: obstacles(database, oldest=99)) == [
        "database_url: the server is PostgreSQL 18; 99 or newer is needed"
    ]


def test_a_role_that_may_not_make_tables(own: Callable[..., str]) -> None:
    assert _said(own(STRANGER)) == [
        f'database_url: {STRANGER} may not make tables in the schema public: GRANT CREATE ON SCHEMA public TO "{STRANGER}"'
    ]


def test_a_database_that_takes_no_writes(servers: TestServers, own: Callable[..., str]) -> None:
    _set(servers, "default_transaction_read_only = on")
    assert _said(own()) == ["database_url: the database takes no writes (default_transaction_read_only)"]


def test_a_database_that_is_not_in_utf8(servers: TestServers, own: Callable[..., str]) -> None:
    name = "in_latin"
    with _boss(servers) as boss:
        boss.execute(
            f"CREATE DATABASE {name} OWNER \"{OWNER}\" TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc"
        )
    try:
        assert _said(own(name=name)) == [
            "database_url: the database is in LATIN1; one made with ENCODING 'UTF8' is needed"
        ]
    finally:
        servers.postgres.drop_database(name)


@pytest.mark.parametrize("installed", [False, True])
def test_a_database_in_which_no_persian_letter_counts(
    servers: TestServers, own: Callable[..., str], *, installed: bool
) -> None:
    name = "in_c"
    with _boss(servers) as boss:
        boss.execute(f"CREATE DATABASE {name} OWNER \"{OWNER}\" TEMPLATE template0 ENCODING 'UTF8' LC_CTYPE 'C'")
    address = own(name=name)
    try:
        if installed:
            with psycopg.connect(address) as connection:
                connection.execute("CREATE EXTENSION pg_trgm")
        (problem,) = _said(address)
        assert problem.startswith("database_url: the database was made with LC_CTYPE 'C', so that no Persian word")
        database = Database(address)
        with pytest.raises(ConfigError, match="no Persian word can be found"):
            migrate(database)
        with database.cursor() as cursor:
            cursor.execute("SELECT to_regclass('receipts')")
            assert cursor.fetchone() == (None,), "it stops there"
        database.close()
    finally:
        servers.postgres.drop_database(name)


def test_a_role_that_may_not_make_the_extension(own: Callable[..., str]) -> None:
    with psycopg.connect(own()) as owner:
        owner.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(STRANGER)))
    assert _said(own(STRANGER)) == [
        f'database_url: the extension pg_trgm is missing: CREATE EXTENSION pg_trgm in "{NAME}", as a superuser or its owner'
    ]


def test_commits_that_do_not_wait_for_the_disk_are_a_risk(servers: TestServers, own: Callable[..., str]) -> None:
    _set(servers, "synchronous_commit = off")
    assert _said(own()) == []
    assert _said(own(), risks) == [
        "database_url: synchronous_commit is off: what was acknowledged can be lost when the server's machine fails"
    ]


def test_few_connections_are_a_risk(servers: TestServers, own: Callable[..., str]) -> None:
    with _boss(servers) as boss:
        boss.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 17").format(sql.Identifier(OWNER)))
    assert _said(own()) == []
    (problem,) = _said(own(), risks)
    assert problem.startswith("database_url: the server lets us have 17 connections; with fewer than 60 ")


def test_a_queue_that_cannot_be_used(servers: TestServers, redis_url: str) -> None:
    assert queue_obstacles(redis_url) == []
    (wrong,) = queue_obstacles(redis_url.replace(servers.valkey.password(), "not-this-one"))
    assert wrong.startswith("redis_url: Redis or Valkey cannot be used: ")
    assert "not-this-one" not in wrong
    (away,) = queue_obstacles(f"redis://127.0.0.1:{free_port()}/0")
    assert away.endswith("Connection refused.")
    (beyond,) = queue_obstacles(redis_url.replace("db=0", "db=999"))
    assert "DB index is out of range" in beyond
    (unknown,) = queue_obstacles(redis_url + "&colour=red")
    assert "colour" in unknown


def test_a_user_who_may_only_read_the_queue(servers: TestServers, redis_url: str) -> None:
    with Redis.from_url(redis_url) as boss:
        boss.execute_command("ACL", "SETUSER", "reader", "on", ">pass-word", "~*", "&*", "+@read", "+@connection")
        try:
            (problem,) = queue_obstacles(redis_url.replace(f":{servers.valkey.password()}@", "reader:pass-word@"))
            assert "no permissions" in problem
        finally:
            boss.execute_command("ACL", "DELUSER", "reader")


def test_a_queue_that_throws_keys_away_is_a_risk(redis_url: str) -> None:
    assert queue_risks(redis_url) == []
    with Redis.from_url(redis_url) as boss:
        boss.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert queue_risks(redis_url) == [
                "redis_url: maxmemory-policy is allkeys-lru: work waits for the sweep where its call was thrown away; "
                "noeviction is wanted"
            ]
        finally:
            boss.config_set("maxmemory-policy", "noeviction")


@pytest.mark.parametrize("command", ["up", "migrate", "seed", "simulate", "check"])
def test_one_line_and_no_traceback(tmp_path: Path, own: Callable[..., str], redis_url: str, command: str) -> None:
    done = _zrm(tmp_path, own(password="a wrong one"), redis_url, command)
    assert done.returncode == (1 if command == "check" else 2)
    said = f'database_url: PostgreSQL cannot be used: password authentication failed for user "{OWNER}"'
    lines = (done.stdout + done.stderr).splitlines()
    assert [line for line in lines if "PostgreSQL" in line] == [f"- {said}" if command == "check" else said]
    assert "Traceback" not in done.stderr


def test_a_role_that_waits_for_its_store_says_why(tmp_path: Path, own: Callable[..., str], redis_url: str) -> None:
    command, environment = _command(tmp_path, own(password="a wrong one"), redis_url, "relay")
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as relay:
        try:
            line = relay.stderr.readline() if relay.stderr else ""
        finally:
            relay.terminate()
    assert json.loads(line)["reason"] == f'password authentication failed for user "{OWNER}"'


def test_a_worker_that_may_not_use_the_queue_says_so_in_one_line(
    tmp_path: Path, database_url: str, redis_url: str, servers: TestServers
) -> None:
    done = _zrm(tmp_path, database_url, redis_url.replace(servers.valkey.password(), "not-this-one"), "worker")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "redis_url: Redis or Valkey cannot be used: " in done.stderr


def test_a_worker_whose_queue_is_away_says_so_once_and_waits(tmp_path: Path, database_url: str) -> None:
    command, environment = _command(tmp_path, database_url, f"redis://127.0.0.1:{free_port()}/0", "worker")
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as worker:
        try:
            first = worker.stderr.readline() if worker.stderr else ""
            with pytest.raises(subprocess.TimeoutExpired):
                worker.wait(4)
        finally:
            worker.terminate()
        rest = worker.stderr.read() if worker.stderr else ""
    assert (json.loads(first)["event"], rest, worker.returncode) == ("queue is away", "", 0)


def test_all_that_is_wrong_with_both_is_said_at_once(tmp_path: Path, own: Callable[..., str]) -> None:
    done = _zrm(tmp_path, own(STRANGER), f"redis://:hush-hush@127.0.0.1:{free_port()}/0", "up")
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["database_url", "redis_url"]
    assert "hush-hush" not in done.stderr


def test_a_simulation_without_a_hub_says_so(tmp_path: Path, database_url: str, redis_url: str) -> None:
    done = _zrm(tmp_path, database_url, redis_url, "simulate", "--doors", "web", "--watch-desk")
    assert done.returncode == 2
    assert done.stderr.endswith("; is the hub running?\n")
    assert "Traceback" not in done.stderr


def _zrm(folder: Path, database_url: str, redis_url: str, *words: str) -> subprocess.CompletedProcess[str]:
    command, environment = _command(folder, database_url, redis_url, *words)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def _command(folder: Path, database_url: str, redis_url: str, *words: str) -> tuple[list[str], dict[str, str]]:
    settings = {
        "organisation": {"name": {"fa": "مرکز", "en": "Centre"}},
        "web": {"port": free_port()},
        "database_url": database_url,
        "redis_url": redis_url,
        "channels": {"web": {}},
    }
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k not in (DATABASE_VARIABLE, REDIS_VARIABLE)}
    return [sys.executable, "-m", "zrm", "--config", str(file), *words], environment
