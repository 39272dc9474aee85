"""A hub that really runs: `zrm up` in a folder of its own, on free ports, with its own PostgreSQL and Valkey.

    with Hub(tmp_path) as hub:
        hub.web, hub.smtp_port, hub.agi_port      where its doors are
        hub.database()                            its store, opened for looking into
        hub.pids["worker-1"], hub.kill("relay")   its processes: relay, worker-1 to worker-3, web, email, voice_ivr, fax, postgres, valkey
        hub.restart_postgres(), hub.restart_valkey(flush=True)
        hub.sign_in(client, "maryam")             a browser's cookie for the desk

Answers go to a Twilio stand-in and to a folder (or the mail server given as `submit`), never off this machine.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
import yaml
from psycopg import sql
from redis import Redis, RedisError

from tests.lab.process import LOOPBACK, PeerError, alive, free_port, listening, tail, wait_until
from tests.lab.twilio import TwilioStandIn
from zrm.demonstration import DEMO_AGENTS
from zrm.kit.db import Database
from zrm.standalone.servers import Servers, running

CHECKOUT = Path(__file__).parents[2]
PROMPTS = CHECKOUT / "var" / "lab" / "prompts"
"""Spoken once for all hubs of this checkout: it takes some seconds."""

START_SECONDS = 90.0
STOP_SECONDS = 60.0
ROLES = ("relay", "worker-1", "worker-2", "worker-3", "web", "email", "voice_ivr", "fax")
_TOKEN = re.compile(r'name="token"[^>]*value="([^"]+)"|value="([^"]+)"[^>]*name="token"')


class Hub:
    """One running hub below `folder`. Enter to start it (ready when entered), leave to stop it in order.

    `twilio` is the stand-in that answers by SMS go to (one of its own by default); `submit` the host and port of a mail
    server for answers by e-mail (by default they become files in `mail_folder`). `settings` are merged over config.yaml,
    for instance `{"dispatch": {"lease": 2}, "channels": {"fax": {"spool": "…"}}}`; `environment` over the processes' own.
    Without `demo` it has no unit and no agent. `python` is the interpreter of an environment that has ZRM installed, by
    default this checkout's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        twilio: TwilioStandIn | None = None,
        submit: tuple[str, int] | None = None,
        settings: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        demo: bool = True,
        python: Path = Path(sys.executable),
    ) -> None:
        self.folder = folder
        self.var = folder / "var"
        self.config = folder / "config.yaml"
        self.web_port, self.smtp_port, self.agi_port = free_port(), free_port(), free_port()
        self.web = f"http://{LOOPBACK}:{self.web_port}"
        self.mailbox = "info@zrm.test"
        self.sms_number = "3000123"
        self.fax_token = "fax-token-of-the-tests"
        self.fax_spool = self.var / "spool" / "fax"
        self.recordings = self.var / "recordings"
        self.mail_folder = self.var / "outgoing" / "mail"
        self.twilio = twilio or TwilioStandIn()
        self.environment = dict(environment or {})
        self._own_twilio = twilio is None
        self._python = python
        self._up = ["up"] if demo else ["up", "--no-demo"]
        self._settings = _merged(self._plain_settings(submit), settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._database: Database | None = None

    # ------------------------------------------------------------ start and stop

    def __enter__(self) -> Self:
        if self._own_twilio:
            self.twilio.__enter__()
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start it, or start it again on the same folder; returns when /readyz says so. Errors: PeerError."""
        self._speak_prompts()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(yaml.safe_dump(self._settings, allow_unicode=True), encoding="utf-8")
        environment = {**os.environ, **self.environment}
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [str(self._python), "-P", "-m", "zrm.cli", "--config", str(self.config), *self._up],
                cwd=CHECKOUT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o022,  # what most machines have
            )
        self.wait_until_ready(START_SECONDS)

    def wait_until_ready(self, seconds: float = 30.0) -> None:
        """Wait until every door answers and /readyz has nothing to say. Errors: PeerError with the end of the log."""

        def ready() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise PeerError(f"zrm up ended; it said:\n{tail(self.output)}")
            return self.is_ready()

        try:
            wait_until(ready, "the hub to be ready", seconds)
        except PeerError as problem:
            logs = "\n".join(f"--- {role}\n{self.log(role, 8)}" for role in ROLES)
            raise PeerError(f"{problem}\n{tail(self.output)}\n{logs}") from None

    def is_ready(self) -> bool:
        """Whether contacts are kept, nothing is degraded, and the SMTP and AGI doors listen, now."""
        try:
            answer = httpx.get(f"{self.web}/readyz", timeout=5, trust_env=False)
            if answer.status_code != 200 or answer.json()["degraded"]:
                return False
        except httpx.TransportError:
            return False
        kinds = [
            kind for kind, port in (("email", self.smtp_port), ("voice_ivr", self.agi_port)) if not listening(port)
        ]
        return not [kind for kind in kinds if self._settings["channels"].get(kind, {}).get("enabled", True)]

    def stop(self) -> None:
        """Stop it in order, as Ctrl-C does; the data stays. Errors: PeerError if it does not end."""
        if self._database is not None:
            self._database.close()
            self._database = None
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise PeerError(f"zrm up did not end in {STOP_SECONDS:.0f} s:\n{tail(self.output)}") from None
        finally:
            self._process = None

    def kill_all(self) -> None:
        """`kill -9` of `zrm up` itself, as a power cut would: every role and server dies with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        wait_until(lambda: running(self.var) is None, "the servers to die", STOP_SECONDS)

    def close(self) -> None:
        """Stop it, and the stand-in that belongs to it."""
        try:
            self.stop()
        finally:
            if self._own_twilio:
                self._own_twilio = False
                self.twilio.__exit__(*sys.exc_info())

    # ------------------------------------------------------------ processes

    @property
    def pid(self) -> int:
        """The process id of `zrm up`. Errors: PeerError if it does not run."""
        if self._process is None:
            raise PeerError("the hub is not running")
        return self._process.pid

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of what runs at this moment, by role; also `postgres` and `valkey`."""
        found = {}
        for pid, program, words in _children(self.pid):
            if (role := _role(program, words)) is not None:
                found[role] = pid
        return found

    def kill(self, role: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send `number` to a role and wait until that process is gone; its id. `zrm up` starts it again by itself."""
        pid = self.pids[role]
        os.kill(pid, number)
        wait_until(lambda: not alive(pid), f"{role} to die", STOP_SECONDS)
        return pid

    def suspend(self, role: str) -> Callable[[], None]:
        """Freeze a role (SIGSTOP) until the function returned is called."""
        pid = self.pids[role]
        os.kill(pid, signal.SIGSTOP)
        return lambda: os.kill(pid, signal.SIGCONT)

    def wait_for(self, role: str, seconds: float = 60.0) -> int:
        """The process id of a role once it runs (again)."""
        wait_until(lambda: role in self.pids, f"{role} to run", seconds)
        return self.pids[role]

    def restart_postgres(self, number: signal.Signals = signal.SIGINT) -> None:
        """End PostgreSQL (in order by SIGINT, or by SIGKILL) and wait until `zrm up` has it answering again."""
        self.kill("postgres", number)
        wait_until(self._store_answers, "PostgreSQL to be back", STOP_SECONDS)

    @contextlib.contextmanager
    def store_closed(self) -> Iterator[None]:
        """Meanwhile the database takes nobody in, and who was in is out."""
        address = self.servers.database_url
        name = psycopg.conninfo.conninfo_to_dict(address)["dbname"]
        with psycopg.connect(address, dbname="postgres", autocommit=True) as boss:
            close = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
            boss.execute(close.format(sql.Identifier(str(name)), sql.SQL("false")))
            try:
                boss.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
                yield
            finally:
                boss.execute(close.format(sql.Identifier(str(name)), sql.SQL("true")))

    def restart_valkey(self, *, flush: bool = False, number: signal.Signals = signal.SIGTERM) -> None:
        """End Valkey and wait until `zrm up` has it answering again; `flush` empties it before, as if its disk was lost."""
        if flush:
            with Redis.from_url(self.servers.redis_url) as redis:
                redis.flushall()
        self.kill("valkey", number)
        wait_until(self._queue_answers, "Valkey to be back", STOP_SECONDS)

    def _store_answers(self) -> bool:
        try:
            with psycopg.connect(self.servers.database_url, connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _queue_answers(self) -> bool:
        try:
            with Redis.from_url(self.servers.redis_url, socket_connect_timeout=2) as redis:
                return bool(redis.ping())
        except RedisError:
            return False

    # ------------------------------------------------------------ looking in

    @property
    def servers(self) -> Servers:
        """Where its PostgreSQL and Valkey are: those its settings name, or its own. Errors: PeerError if they do not run."""
        if "database_url" in self._settings and "redis_url" in self._settings:
            return Servers(self._settings["database_url"], self._settings["redis_url"])
        servers = running(self.var)
        if servers is None:
            raise PeerError("the hub's servers do not run")
        return servers

    def database(self) -> Database:
        """Its store, opened once; closed with the hub. After a restart of PostgreSQL, retry as any client must."""
        if self._database is None:
            self._database = Database(self.servers.database_url, application="zrm test", pool_size=4)
        return self._database

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, on a fresh connection that survives nothing and is confused by nothing."""
        with psycopg.connect(self.servers.database_url, options="-c timezone=UTC") as connection:
            return connection.execute(query.encode(), values).fetchall()

    @property
    def output(self) -> Path:
        """What `zrm up` itself printed."""
        return self.folder / "up.log"

    def log(self, role: str, lines: int = 30) -> str:
        """The end of a role's log."""
        return tail(self.var / "log" / f"{role}.log", lines)

    def log_lines(self) -> dict[str, list[str]]:
        """Every line our own roles have written so far, by role."""
        logs = {file.stem: file for file in (self.var / "log").glob("*.log")}
        return {role: file.read_text(encoding="utf-8").splitlines() for role, file in logs.items() if role in ROLES}

    def sign_in(self, client: httpx.Client, login: str, password: str = "") -> None:
        """Sign a client in at the desk, by default as a demonstration agent. Errors: PeerError if the desk refuses."""
        password = password or next(agent.password for agent in DEMO_AGENTS if agent.login == login)
        page = client.get(f"{self.web}/desk/sign-in")
        match = _TOKEN.search(page.text)
        if match is None:
            raise PeerError(f"no sign-in form at /desk/sign-in ({page.status_code})")
        form = {"login": login, "password": password, "token": match[1] or match[2], "next": ""}
        answer = client.post(f"{self.web}/desk/sign-in", data=form)
        if answer.status_code != 303 and not answer.history:
            raise PeerError(f"the desk did not let {login} in ({answer.status_code})")

    @property
    def twilio_token(self) -> str:
        """The secret its webhooks are signed with."""
        return self.twilio.token

    # ------------------------------------------------------------ settings

    def _plain_settings(self, submit: tuple[str, int] | None) -> dict[str, Any]:
        way_out = {"host": submit[0], "port": submit[1]} if submit else {"folder": str(self.mail_folder)}
        return {
            "organisation": {"name": {"fa": "مرکز آزمون", "en": "Test Centre"}},
            "public_url": self.web,
            "data_dir": str(self.var),
            "mail_domain": "zrm.test",
            "web": {"host": LOOPBACK, "port": self.web_port},
            "dispatch": {"sweep": 1, "hold": 0},
            "channels": {
                "web": {},
                "email": {
                    "host": LOOPBACK,
                    "port": self.smtp_port,
                    "mailboxes": {"info": {"address": self.mailbox}},
                    "submit": way_out,
                },
                "sms": {
                    "accounts": {
                        self.sms_number: {"account_sid": self.twilio.account, "auth_token": self.twilio.token}
                    },
                    "api_base": self.twilio.url,
                },
                "voice_ivr": {"host": LOOPBACK, "port": self.agi_port, "settle_seconds": 2, "finish_seconds": 2},
                "fax": {"token": self.fax_token, "spool": str(self.fax_spool), "poll": 0.2, "orphan_seconds": 5},
            },
        }

    def _speak_prompts(self) -> None:
        spoken = self.var / "prompts"
        if spoken.exists():
            return
        PROMPTS.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [str(self._python), "-P", "-m", "zrm.channels.voice_ivr.prompts", "--out", str(PROMPTS)],
            cwd=CHECKOUT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self.var.mkdir(parents=True, exist_ok=True)
        spoken.symlink_to(PROMPTS, target_is_directory=True)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged


def _children(parent: int) -> list[tuple[int, str, list[str]]]:
    """The live child processes of `parent`: id, name of the program's file, command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # ended meanwhile
            state, ppid = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(ppid) == parent and state != "Z":
                words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                found.append((int(entry.name), (entry / "exe").readlink().name, words[:-1]))
    return found


def _role(program: str, words: list[str]) -> str | None:
    """The name `zrm up` gives the process of this program and command line."""
    if program in ("postgres", "valkey-server"):
        return program.removesuffix("-server")
    if "zrm.cli" not in words:
        return None
    role, *rest = words[words.index("zrm.cli") + 1 :]
    if role == "listen":
        return rest[0]
    if role == "worker":
        return {"file": "worker-1", "deliver": "worker-2"}.get(rest[0], "worker-3")
    return role


def wait_until_quiet(hub: Hub, seconds: float = 60.0) -> None:
    """Wait until the outbox holds nothing that is not marked as failed. Errors: PeerError."""

    def quiet() -> bool:
        try:
            return hub.ask(
                "SELECT (SELECT count(*) FROM outbox WHERE failed_at IS NULL) + (SELECT count(*) FROM timers)"
            ) == [(0,)]
        except psycopg.OperationalError:
            return False
        finally:
            time.sleep(0.1)

    wait_until(quiet, "the outbox to be empty", seconds)
