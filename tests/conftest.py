"""What every test may ask for: a real PostgreSQL built by the migrations, a real Valkey, an empty house."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import psycopg
import pytest
from redis import Redis

import zrm.channels.registry  # noqa: F401  # every room asks for the channels' capabilities
from tests.lab.databases import Databases
from tests.lab.small_disk import small_device
from zrm import demonstration
from zrm.casestore.schema import migrate
from zrm.config import Name, Organisation, Settings
from zrm.inbox.receive import Inbox
from zrm.kit import log
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.standalone.postgres import EmbeddedPostgres
from zrm.standalone.valkey import EmbeddedValkey

pytest_plugins = ["tests.lab.plugin"]

# How long an example takes is the machine's affair: a test never asserts time (docs/benchmarks.md measures it).
hypothesis.settings.register_profile("zrm", deadline=None)
hypothesis.settings.load_profile("zrm")

EMPTY, SEEDED = "empty", "seeded"


@dataclass(frozen=True)
class TestServers:
    """The two servers of this test run; a test that harms them starts its own."""

    __test__ = False

    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey


@pytest.fixture(autouse=True)
def own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's log hides what the test itself has it hide: "secret" is somebody's password in some."""
    monkeypatch.setattr(log, "_secrets", set())
    log._redact_short.cache_clear()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServers]:
    """Both servers."""
    folder = tmp_path_factory.mktemp("servers")
    postgres = EmbeddedPostgres(folder / "postgres", folder / "postgres.log")
    valkey = EmbeddedValkey(folder / "valkey", folder / "valkey.log")
    with postgres, valkey:
        # What has to outlive a crash is tested on hubs with servers as they are shipped (tests/faults); here the disk's
        # share in making databases would be half.
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield TestServers(postgres, valkey)


@pytest.fixture(scope="session")
def empty_databases(servers: TestServers) -> Databases:
    """Databases with the schema and nothing in them."""
    database = Database(servers.postgres.create_database(EMPTY))
    migrate(database)
    database.close()
    return Databases(servers.postgres, EMPTY)


@pytest.fixture(scope="session")
def seeded_databases(servers: TestServers, empty_databases: Databases) -> Databases:
    """Databases with the schema and the demonstration organisation."""
    database = Database(servers.postgres.create_database(SEEDED, template=EMPTY))
    demonstration.seed(database)
    database.close()
    return Databases(servers.postgres, SEEDED)


@pytest.fixture
def database_url(seeded_databases: Databases) -> Iterator[str]:
    """A database of this test's own, with the schema and the demonstration organisation."""
    with seeded_databases.lend() as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open `database_url`."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def empty(empty_databases: Databases) -> Iterator[Database]:
    """An open database of this test's own with the schema and nothing in it: no unit, no agent."""
    with empty_databases.lend() as url:
        database = Database(url)
        yield database
        database.close()


@pytest.fixture
def redis_url(servers: TestServers) -> str:
    """The Valkey of this run, emptied."""
    url = servers.valkey.url()
    with Redis.from_url(url) as redis:
        redis.flushall()
    return url


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    """An empty blob store."""
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def inbox(database: Database, blobs: BlobStore) -> Iterator[Inbox]:
    """The door record of this test's database."""
    inbox = Inbox(database, blobs)
    yield inbox
    inbox.close()


@pytest.fixture
def settings() -> Settings:
    """The settings of a Persian-speaking house."""
    return Settings(organisation=Organisation(name=Name(fa="مرکز آزمون", en="Test Centre")), mail_domain="zrm.test")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[BlobStore]:
    """A blob store on a device of four megabytes."""
    with small_device(tmp_path / "small") as folder:
        yield BlobStore(folder / "blobs")
