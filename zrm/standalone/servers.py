"""PostgreSQL 18 and Valkey as child processes, for a laptop, a demonstration and the tests. Linux only.

    var/postgres/   data/  password  port  lock       var/valkey/   appendonlydir/  valkey.conf  password  port  lock

Both listen only on loopback or on a socket in their own folder, and ask for a random password that only the owner of
`var` can read. Both are durable by default: fsync on, every commit waits for the disk.

The next start repairs what a killed one left behind: the process that holds `lock` owns the folder, so a server found
running there belongs to a dead parent and is stopped first, and a pid file left in it is stale. (PostgreSQL's own test
of a stale pid file is fooled by zombies and by reused process ids.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zrm.kit import log
from zrm.standalone.postgres import USER, EmbeddedPostgres
from zrm.standalone.server import EmbeddedServer, ServerFailed
from zrm.standalone.valkey import EmbeddedValkey

__all__ = ["EmbeddedPostgres", "EmbeddedServer", "EmbeddedValkey", "ServerFailed", "Servers", "embedded", "running"]

_log = log.get(__name__)


@dataclass(frozen=True)
class Servers:
    """Where the two servers are. The addresses hold passwords and stay out of `repr`."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    revive: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)
    """Restart each server that has died; call it about once a second."""


@contextlib.contextmanager
def embedded(var: Path, *, database_url: str | None = None, redis_url: str | None = None) -> Iterator[Servers]:
    """Run each server that has no address given below `var`, PostgreSQL with a database `zrm`, until the block ends.

    Raises ServerFailed.
    """
    postgres, valkey = _both(var)
    own = [server for server, given in ((postgres, database_url), (valkey, redis_url)) if not given]
    with contextlib.ExitStack() as stack:
        for server in own:
            stack.enter_context(server)
        if not database_url:
            postgres.create_database(USER)

        def revive() -> None:
            for server in own:
                if server.pid is None:
                    _log.warning("server died and is started again", server=server.program)
                    try:
                        server.start()
                    except ServerFailed as problem:
                        _log.error("server cannot be started and is tried again", reason=str(problem))

        yield Servers(database_url or postgres.url(), redis_url or valkey.url(), revive)


def running(var: Path, *, database_url: str | None = None, redis_url: str | None = None) -> Servers | None:
    """The addresses of the two: as given, or as another process runs them below `var`; None if one of them does not
    run.
    """
    postgres, valkey = _both(var)
    if (database_url or postgres.owned_elsewhere()) and (redis_url or valkey.owned_elsewhere()):
        return Servers(database_url or postgres.url(), redis_url or valkey.url())
    return None


def _both(var: Path) -> tuple[EmbeddedPostgres, EmbeddedValkey]:
    logs = var / "log"
    return EmbeddedPostgres(var / "postgres", logs / "postgres.log"), EmbeddedValkey(
        var / "valkey", logs / "valkey.log"
    )
