"""What every test may ask for: a real PostgreSQL built by the migrations, a real Valkey, an empty installation."""

from __future__ import annotations

import os
import resource
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import hypothesis
import jinja2
import psycopg
import pytest
from redis import Redis

import zrm.channels.registry  # noqa: F401  # every room asks for the channels' capabilities
from tests.lab.databases import Databases
from tests.lab.servers import TestServers, running_servers, servers_in
from tests.lab.small_disk import small_device
from zrm import demonstration
from zrm.casestore.schema import migrate
from zrm.config import Name, Organisation, Settings
from zrm.inbox.receive import Inbox
from zrm.kit import log
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.languages import Language
from zrm.ui import pages

pytest_plugins = ["tests.lab.plugin", "tests.lab.durations"]

# How long an example takes is the machine's affair: a test never asserts time (docs/benchmarks.md measures it).
# `FULL=1` looks eight times as long.
hypothesis.settings.register_profile("quick", deadline=None, max_examples=50)
hypothesis.settings.register_profile("full", deadline=None, max_examples=400)
hypothesis.settings.load_profile("full" if os.environ.get("FULL") else "quick")

EMPTY, SEEDED = "empty", "seeded"


class _CompiledTemplates(jinja2.BytecodeCache):
    """Compiled templates of this run, by their source: every desk that a test opens compiles the same ones."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        """Take what is known of this source."""
        if code := self._known.get((bucket.key, bucket.checksum)):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        """Keep it."""
        self._known[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


@pytest.fixture(scope="session", autouse=True)
def compiled_templates() -> Iterator[None]:
    """Templates are compiled once a run and language instead of once a desk: constants are folded in the language."""
    known: defaultdict[Language, _CompiledTemplates] = defaultdict(_CompiledTemplates)
    build = pages.Pages._build

    def build_from_known(self: pages.Pages, language: Language) -> jinja2.Environment:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pages, "Environment", partial(jinja2.Environment, bytecode_cache=known[language]))
            return build(self, language)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages.Pages, "_build", build_from_known)
        yield


@pytest.fixture(autouse=True)
def process_state() -> Iterator[None]:
    """A command run within the test's own process leaves neither its umask nor its limit of open files to later tests:
    Postfix, say, does not start under the umask that `zrm` sets.
    """
    umask = os.umask(0o022)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        yield
    finally:
        os.umask(umask)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)


@pytest.fixture(autouse=True)
def own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's log hides what the test itself has it hide: "secret" is somebody's password in some."""
    monkeypatch.setattr(log, "_secrets", set())
    log._redact_short.cache_clear()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServers]:
    """Both servers; those of ZRM_TEST_SERVERS, a folder, if somebody runs them for several sessions (tests/mutate)."""
    if folder := os.environ.get("ZRM_TEST_SERVERS"):
        yield servers_in(Path(folder))
        return
    with running_servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


def make_template(servers: TestServers, name: str, fill: Callable[[Database], object], template: str = "") -> None:
    """Make a database and what is in it, unless it is there."""
    with psycopg.connect(servers.postgres.url("postgres")) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return
    with closing(Database(servers.postgres.create_database(name, template=template))) as database:
        fill(database)


def make_empty(servers: TestServers) -> None:
    """The schema and nothing in it."""
    make_template(servers, EMPTY, migrate)


def make_seeded(servers: TestServers) -> None:
    """The schema and the demonstration organisation."""
    make_empty(servers)
    make_template(servers, SEEDED, demonstration.seed, template=EMPTY)


@pytest.fixture(scope="session")
def empty_databases(servers: TestServers) -> Databases:
    """Databases with the schema and nothing in them."""
    make_empty(servers)
    return Databases(servers.postgres, EMPTY)


@pytest.fixture(scope="session")
def seeded_databases(servers: TestServers) -> Databases:
    """Databases with the schema and the demonstration organisation."""
    make_seeded(servers)
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


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The settings of a Persian-speaking installation."""
    return Settings(organisation=Organisation(name=Name(fa="مرکز آزمون", en="Test Centre")), mail_domain="zrm.test")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[BlobStore]:
    """A blob store on a device of four megabytes."""
    with small_device(tmp_path / "small") as folder:
        yield BlobStore(folder / "blobs")
