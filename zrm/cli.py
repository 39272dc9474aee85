"""The command line: `zrm up` runs everything on one machine; in production there is one command for each role."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import resource
import signal
import sys
from pathlib import Path
from threading import Event
from typing import Annotated

import psycopg
import typer
from rich.console import Console

from zrm import __version__, demonstration, month_commands, one_machine, organisation_commands
from zrm import worker as worker_role
from zrm.casestore.heartbeat import Heartbeat
from zrm.casestore.installation_id import adopt_folder, claim_folder
from zrm.casestore.outbox import Topic
from zrm.casestore.schema import SchemaState
from zrm.casestore.schema import migrate as migrate_schema
from zrm.channels.channel import HasListener
from zrm.checks import findings, require
from zrm.dispatch.queues import Queues, queue_mistakes
from zrm.dispatch.relay import Relay
from zrm.errors import ConfigError, StoreUnavailable, ZrmError
from zrm.http.app import build_app
from zrm.http.server import Server
from zrm.http.server import config as serve_config
from zrm.installation import (
    CONFIG_VARIABLE,
    SAMPLE_CONFIG,
    Runtime,
    config_path,
    load_config,
    open_runtime,
)
from zrm.kit import file_permissions, listening, log, proxies
from zrm.kit.database_checks import obstacles
from zrm.languages import LANGUAGES, Language
from zrm.readiness import schema_findings

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
_CANNOT_LISTEN = {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES}
_OPEN_FILES = 65_536
cli.add_typer(organisation_commands.organisation_cli, name="organisation")
cli.add_typer(organisation_commands.unit_cli, name="unit")
cli.add_typer(organisation_commands.subject_cli, name="subject")
cli.add_typer(organisation_commands.agent_cli, name="agent")
cli.add_typer(month_commands.month_cli, name="month")
console = Console(highlight=False)
complaints = Console(stderr=True, highlight=False)


def _show_version(asked: bool) -> None:
    if asked:
        console.print(f"zrm {__version__}")
        raise typer.Exit


@cli.callback()
def configure(
    config: Annotated[Path, typer.Option(help="The operator's file.", envvar=CONFIG_VARIABLE)] = Path("config.yaml"),
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """ZRM, citiZen Relationship Management."""
    os.umask(file_permissions.PRIVATE_UMASK)
    os.environ[CONFIG_VARIABLE] = str(config.absolute())
    for problem in proxies.settle(os.environ):
        complaints.print(problem, style="yellow", markup=False, soft_wrap=True)
    # A shell's limit of 1,024 open files suits a person; a door has an open file for each waiting citizen.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, _OPEN_FILES) if most > 0 else _OPEN_FILES, most))


@cli.command()
def init() -> None:
    """Write a configuration file for a laptop, to be edited. An existing file is never changed."""
    path = config_path()
    try:
        with path.open("xb") as file:
            file.write(SAMPLE_CONFIG.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    console.print(f"{path} is written. Read it, then start `zrm up`.", soft_wrap=True)


@cli.command()
def up(
    demo: Annotated[bool, typer.Option(help="Seed the demonstration organisation into an empty database.")] = True,
) -> None:
    """Run everything on this machine: embedded PostgreSQL and Valkey unless config.yaml names others, and every role."""
    plan = load_config()
    log.configure("up", level="WARNING", json=False)
    one_machine.run(plan, console, demo=demo)


@cli.command()
def web(
    fd: Annotated[
        list[int] | None, typer.Option(help="Serve on this open socket instead of web.port.", hidden=True)
    ] = None,
) -> None:
    """Serve the citizens' pages, the webhooks and the desk."""
    doors = listening.handed_over(os.environ, fd or ())
    runtime = _open_role("web")
    app = build_app(runtime)
    _warn_of_published(runtime)
    _let_collector_rest()
    server = Server(serve_config(app, runtime.config.settings.web), app.state.end_streams)
    # uvicorn repeats the signal once it has stopped in order
    with Heartbeat(runtime.database, "web", works=server.turns), contextlib.suppress(KeyboardInterrupt):
        server.run(doors or None)
    if not server.started:  # the log says why
        sys.exit(1)


def _open_role(role: str) -> Runtime:
    """The installation for a role; from now on everything, uncaught errors too, goes to the log. Errors:
    ConfigError.
    """
    runtime = open_runtime(role)
    with contextlib.suppress(StoreUnavailable):  # away: the mark is checked again before each file is kept
        claim_folder(runtime.database, runtime.blobs)
    log.report_uncaught()
    return runtime


def _warn_of_published(runtime: Runtime) -> None:
    """Log an error at each start for each published secret, if others can reach the doors."""
    if not runtime.config.exposed:
        return
    problems = list(runtime.config.published)
    with contextlib.suppress(psycopg.Error), runtime.database.cursor() as cursor:
        problems += [f"agents: {login}: the demonstration's password" for login in demonstration.published(cursor)]
    for problem in problems:
        log.get(__name__).error("a published secret is in force", place=problem)


@cli.command()
def listen(kind: Annotated[str, typer.Argument(help="The channel: email, voice_ivr, fax …")]) -> None:
    """Run one channel's own server or poller."""
    runtime = _open_role(kind)
    _let_collector_rest()
    channel: object = runtime.config.channels.get(kind)
    if not isinstance(channel, HasListener):
        raise ConfigError(f"{runtime.config.file.name}: no channel {kind} with a listener is enabled")
    desk, inbox = runtime.desk()
    try:
        with Heartbeat(runtime.database, kind):
            channel.listen(desk, _stop_event())
    except OSError as error:
        if error.errno not in _CANNOT_LISTEN:
            raise
        raise ConfigError(
            f"{runtime.config.file.name}: channels.{kind}: cannot listen on its address "
            f"({os.strerror(error.errno)}); does another program use it?"
        ) from None
    finally:
        inbox.close()
        runtime.close()


@cli.command()
def relay() -> None:
    """Wake the workers when the outbox has due tasks, and sweep for tasks that woke none."""
    runtime = _open_role("relay")
    runtime.blobs.sweep()
    settings = runtime.config.settings
    carrier = Relay(
        runtime.database,
        Queues(runtime.redis_url),
        settings.dispatch,
        runtime.blobs,
        keep_read=settings.notifications.keep_read,
    )
    with Heartbeat(runtime.database, "relay"):
        carrier.run(_stop_event())
    runtime.close()


def _topic(name: str) -> Topic:
    if name not in list(Topic):
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(Topic)}.")
    return Topic(name)


@cli.command()
def worker(
    topics: Annotated[
        list[str] | None,
        typer.Argument(help=f"Topics in order of preference: {', '.join(Topic)}."),
    ] = None,
) -> None:
    """Run the tasks of the outbox's topics, by default of all topics."""
    runtime = _open_role("worker")
    require(queue_mistakes(runtime.redis_url))
    _let_collector_rest()
    worker_role.run(runtime, [_topic(name) for name in topics or Topic])


@cli.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    runtime = open_runtime("migrate")
    require(obstacles(runtime.database))
    if migrate_schema(runtime.database) is SchemaState.NEWER:
        console.print("The database has a newer schema than this version of ZRM knows; nothing was changed.")
    else:
        console.print("The database has the newest schema.")


@cli.command()
def adopt() -> None:
    """Mark the blob folder as this installation's, whatever it contains: after a restore without the files."""
    runtime = open_runtime("adopt")
    require(obstacles(runtime.database) or schema_findings(runtime)[0])
    identity = adopt_folder(runtime.database, runtime.blobs)
    console.print(f"{runtime.blobs.root} is the folder of installation {identity}.", soft_wrap=True)
    runtime.close()


@cli.command()
def seed() -> None:
    """Make the demonstration organisation in an empty database."""
    runtime = open_runtime("seed")
    require(obstacles(runtime.database))
    made = demonstration.seed(runtime.database)
    console.print(
        "The demonstration organisation is there." if made else "The database is in use; nothing was changed."
    )


@cli.command()
def check() -> None:
    """Report what is misconfigured or missing; exits with 1 if anything is. Writes nothing, so it is safe to run."""
    plan = load_config(begin=False)
    problems = findings(plan)
    for problem in problems:
        console.print(f"- {problem}", markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    console.print(f"{plan.file.name}: all is well.")


@cli.command()
def simulate(
    rate: Annotated[float, typer.Option(min=0.01, help="Contacts a second, at all doors together.")] = 5.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to send.")] = 60.0,
    doors: Annotated[str, typer.Option(help="Channels, separated by commas; by default all open channels.")] = "",
    seed: Annotated[int, typer.Option(help="The same seed produces the same citizens and contacts.")] = 1,
    languages: Annotated[str, typer.Option(help="fa, en or both.")] = "fa,en",
    patience: Annotated[
        float, typer.Option(min=1, help="Seconds for which a sender retries after temporary refusals.")
    ] = 120.0,
    watch_desk: Annotated[
        bool, typer.Option("--watch-desk", help="Also measure how soon an open desk shows each contact.")
    ] = False,
    agent: Annotated[
        str, typer.Option(help="The login of the agent whose desk is watched; the password is asked for.")
    ] = demonstration.DEMO_AGENTS[0].login,
) -> None:
    """Send real traffic to the doors of the running hub, then count; exits with 1 if a contact was lost or doubled."""
    # image libraries and progress bars that no role should load
    from zrm.simulate.command import simulate as send_and_reckon
    from zrm.simulate.endpoints import open_kinds
    from zrm.simulate.simulator import Simulator

    chosen: list[Language] = [name for name in LANGUAGES if name in languages.split(",")]
    if not chosen or set(languages.split(",")) - set(LANGUAGES):
        raise typer.BadParameter(f"--languages: expected some of {', '.join(LANGUAGES)}")
    runtime = open_runtime("simulate")
    require(obstacles(runtime.database))
    log.configure("simulate", level="WARNING", json=False)
    simulator = Simulator(
        runtime.config,
        doors.split(",") if doors else open_kinds(runtime.config),
        rate=rate,
        seconds=seconds,
        seed=seed,
        languages=chosen,
        patience=patience,
    )
    try:
        holds = send_and_reckon(runtime, simulator, console, watch_as=_sign_in_of(agent) if watch_desk else None)
    finally:
        runtime.close()
    if not holds:
        raise typer.Exit(1)


def _sign_in_of(login: str) -> tuple[str, str]:
    """Login and password: those of the demonstration are known, others are asked for."""
    known = {agent.login: agent.password for agent in demonstration.DEMO_AGENTS}
    return login, known.get(login) or str(typer.prompt(f"Password of {login}", hide_input=True))


def _let_collector_rest() -> None:
    """Exclude the objects made at start from garbage collection: they live as long as the process.

    A full collection visited all of them, half a million objects of the libraries, every few thousand contacts: it
    stopped the doors for 100 ms and took a sixth of their time.
    """
    gc.collect()
    gc.freeze()


def _stop_event() -> Event:
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def main() -> None:
    """The entry point: our own errors are one clear line, not a traceback."""
    try:
        cli()
    except ZrmError as error:
        complaints.print(str(error), style="red", markup=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
