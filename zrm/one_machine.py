"""`zrm up`: the stores and every role on one machine, under one supervisor."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable
from functools import partial

from rich.console import Console
from rich.markup import escape

from zrm import demonstration
from zrm.casestore.installation_id import claim_folder
from zrm.casestore.schema import migrate as migrate_schema
from zrm.channels.channel import HasListener
from zrm.checks import missing_structure, require
from zrm.dispatch.queues import queue_obstacles
from zrm.errors import ConfigError
from zrm.installation import DATABASE_VARIABLE, REDIS_VARIABLE, LoadedConfig
from zrm.kit import listening
from zrm.kit.blobs import BlobStore
from zrm.kit.database_checks import obstacles
from zrm.kit.db import Database
from zrm.languages import SOURCE
from zrm.standalone.servers import Servers, embedded
from zrm.standalone.supervisor import Supervisor


def run(plan: LoadedConfig, console: Console, *, demo: bool) -> None:
    """Run every role until Ctrl-C; with `demo` an empty database gets the demonstration organisation. Errors:
    ConfigError.
    """
    settings = plan.settings
    with contextlib.ExitStack() as stack:
        doors = [stack.enter_context(door) for door in _listen(plan)]
        servers = stack.enter_context(
            embedded(plan.data, database_url=settings.database_url, redis_url=settings.redis_url)
        )
        missing = _prepare(plan, servers, demo=demo)
        supervisor = _supervisor(plan, servers, doors, say=partial(_quiet, console))
        _welcome(console, plan, missing, demo=demo)
        supervisor.run()
    console.print("ZRM has stopped; everything is kept.")


def _prepare(plan: LoadedConfig, servers: Servers, *, demo: bool) -> list[str]:
    """Bring the stores to this version; returns what the organisation lacks. Errors: ConfigError."""
    database = Database(servers.database_url, application="zrm up")
    require(obstacles(database) + queue_obstacles(servers.redis_url))
    migrate_schema(database)
    claim_folder(database, BlobStore(plan.data / "blobs"))
    if demo:
        demonstration.seed(database)
    with database.cursor() as cursor:
        missing = [*(plan.published if plan.exposed else ()), *missing_structure(cursor, plan)]
    database.close()
    return missing


def _supervisor(
    plan: LoadedConfig, servers: Servers, doors: list[socket.socket], *, say: Callable[[str], None]
) -> Supervisor:
    zrm = [sys.executable, "-P", "-m", "zrm.cli"]  # -P: a folder "zrm" in the working folder is not ours
    roles = {
        "relay": [*zrm, "relay"],
        "worker-1": [*zrm, "worker", "file", "notify"],
        "worker-2": [*zrm, "worker", "deliver"],  # answers do not wait for other work
        "worker-3": [*zrm, "worker", "notify", "file", "fetch", "status", "scan", "render"],
        "web": [*zrm, "web", *(f"--fd={door.fileno()}" for door in doors)],
    }
    for kind, channel in plan.channels.items():
        if isinstance(channel, HasListener):
            roles[kind] = [*zrm, "listen", kind]
    environment = {**os.environ, DATABASE_VARIABLE: servers.database_url, REDIS_VARIABLE: servers.redis_url}
    return Supervisor(
        roles,
        environment,
        plan.data / "log",
        inherit={"web": [door.fileno() for door in doors]},
        tend=servers.revive,
        say=say,
    )


def _listen(plan: LoadedConfig) -> list[socket.socket]:
    """The web role's sockets, kept open when it restarts. Errors: ConfigError, now instead of in the role."""
    web = plan.settings.web
    try:
        return listening.listen(web.host, web.port)
    except OSError as error:
        raise ConfigError(
            f"{plan.file.name}: web.port: {web.host}:{web.port}: cannot listen ({error.strerror}); "
            "is ZRM running already?"
        ) from None


def _quiet(console: Console, line: str) -> None:
    """Show only what a person must know on the terminal; the logs in var/log have everything."""
    if '"level": "info"' not in line and '"level": "debug"' not in line:
        console.print(line, markup=False, soft_wrap=True)


def _welcome(console: Console, plan: LoadedConfig, missing: list[str], *, demo: bool) -> None:
    web = plan.settings.web
    address = f"http://{web.host}:{web.port}"
    console.print()
    console.print(f"[bold]{plan.settings.organisation.name.in_language(SOURCE)}[/] is open on this machine.")
    console.print(f"  Citizens     {address}/")
    console.print(f"  Desk         {address}/desk")
    for kind, channel in plan.channels.items():
        if isinstance(channel, HasListener):
            console.print(f"  {kind:12} listening; see docs/channels/{kind}.md")
    if demo:
        console.print("  Demonstration sign-ins:")
        for agent in demonstration.DEMO_AGENTS:
            console.print(f"    {agent.login:8} {agent.password:18} {agent.does}, {agent.language}")
    for problem in missing:
        console.print(f"  [bold]Missing[/]      {escape(problem)}", soft_wrap=True)
    console.print(f"  Logs         {plan.data / 'log'}")
    console.print("  Ctrl-C stops everything; the data stays.")
    console.print()
