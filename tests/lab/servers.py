"""The PostgreSQL and the Valkey of a test run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from zrm.standalone.postgres import EmbeddedPostgres
from zrm.standalone.valkey import EmbeddedValkey


@dataclass(frozen=True)
class TestServers:
    """The two servers of this test run; a test that disturbs them starts its own."""

    __test__ = False

    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey


def servers_in(folder: Path) -> TestServers:
    """The servers of a folder, running or not."""
    return TestServers(
        EmbeddedPostgres(folder / "postgres", folder / "postgres.log"),
        EmbeddedValkey(folder / "valkey", folder / "valkey.log"),
    )


@contextmanager
def running_servers(folder: Path) -> Iterator[TestServers]:
    """Run both while the block lasts."""
    servers = servers_in(folder)
    with servers.postgres, servers.valkey:
        # Durability is tested on hubs with unchanged servers (tests/faults). Here syncing would take half of the time to
        # make databases.
        with psycopg.connect(servers.postgres.url("postgres"), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield servers
