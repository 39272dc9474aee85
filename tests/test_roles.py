"""Roles as real processes: one that is killed is told in each place where somebody looks, and a restart alarms nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.agent_api.conftest import PASSWORDS, submit
from tests.lab.process import LOOPBACK, Child, free_port, wait_until
from zrm.installation import DATABASE_VARIABLE, REDIS_VARIABLE
from zrm.kit.db import Database

pytestmark = pytest.mark.timeout(180)

CONFIG = """\
organisation: {name: {fa: "مرکز", en: "Centre"}}
public_url: http://%s:%d
web: {host: %s, port: %d}
channels: {web: {}, voice_ivr: {port: %d}}
default_unit: contact-centre
"""
DEAD = "the relay gives no heartbeat; contacts are kept but not filed"


@dataclass
class SmallInstallation:
    """The roles of an installation, a process each."""

    command: list[str]
    environment: dict[str, str]
    web: str
    database: Database
    folder: Path

    @contextmanager
    def role(self, *words: str) -> Iterator[Child]:
        """A running role; ended at the end."""
        process = Child([*self.command, *words], log=self.folder / f"{words[-1]}.log", env=self.environment)
        try:
            yield process
        finally:
            process.stop(20)

    def beats(self, role: str) -> bool:
        """Whether a process of the role is alive."""
        with self.database.cursor() as cursor:
            cursor.execute(
                "SELECT FROM heartbeats WHERE role = %s AND NOT ended AND at > now() - interval '12 s'", [role]
            )
            return cursor.fetchone() is not None

    def later(self, seconds: int) -> None:
        """Let time go by for what has been written: who lives writes again."""
        with self.database.cursor() as cursor:
            cursor.execute("UPDATE heartbeats SET at = at - make_interval(secs => %s)", [seconds])
        wait_until(lambda: self.beats("worker") and self.beats("voice_ivr"), "those who live to write again", 30)

    def ready(self) -> tuple[int, list[str]]:
        """What /readyz says."""
        answer = httpx.get(f"{self.web}/readyz", trust_env=False)
        return answer.status_code, answer.json()["degraded"]

    def check(self) -> list[str]:
        """What `zrm check` says of heartbeats."""
        done = subprocess.run(
            [*self.command, "check"], env=self.environment, capture_output=True, text=True, check=False
        )
        return [line for line in done.stdout.splitlines() if "heartbeat" in line or "alive" in line]


@pytest.fixture
def installation(tmp_path: Path, database: Database, redis_url: str) -> SmallInstallation:
    port = free_port()
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG % (LOOPBACK, port, LOOPBACK, port, free_port()), encoding="utf-8")
    stores = {DATABASE_VARIABLE: database.url, REDIS_VARIABLE: redis_url}
    command = [sys.executable, "-m", "zrm.cli", "--config", str(file)]
    return SmallInstallation(command, {**os.environ, **stores}, f"http://{LOOPBACK}:{port}", database, tmp_path)


def kill(process: Child) -> None:
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(30)


def test_a_relay_that_is_killed_is_told_everywhere_and_a_restart_nowhere(installation: SmallInstallation) -> None:
    with ExitStack() as stack:
        for words in (["web"], ["worker"], ["listen", "voice_ivr"]):
            stack.enter_context(installation.role(*words))
        relay = stack.enter_context(installation.role("relay"))
        wait_until(lambda: all(map(installation.beats, ("web", "worker", "voice_ivr", "relay"))), "every role", 60)
        browser = stack.enter_context(httpx.Client(base_url=installation.web, trust_env=False))
        submit(browser, "daniel", PASSWORDS["daniel"])
        assert (installation.ready(), installation.check()) == ((200, []), [])
        assert 'data-shown-by="problems" hidden' in browser.get("/desk/queue/open").text

        kill(relay)
        installation.later(40)
        assert (installation.ready(), installation.check()) == ((200, [DEAD]), [f"- {DEAD}"])
        metrics = text_string_to_metric_families(browser.get("/metrics").text)
        alive = next(family for family in metrics if family.name == "zrm_roles_alive").samples
        assert {sample.labels["role"]: sample.value for sample in alive} == {
            "relay": 0, "voice_ivr": 1, "web": 1, "worker": 1
        }  # fmt: skip
        assert 'data-shown-by="problems">' in browser.get("/desk/queue/open").text
        assert "The relay is not running" in browser.get("/desk/failed-deliveries").text

        relay = stack.enter_context(installation.role("relay"))
        wait_until(lambda: installation.ready() == (200, []), "the relay to be back", 60)
        relay.stop(30)
        assert (installation.ready(), installation.check()) == ((200, []), []), "it was stopped a moment ago"
        stack.enter_context(installation.role("relay"))
        wait_until(lambda: installation.beats("relay"), "the relay after its restart", 60)


def test_a_listener_is_missed_when_it_is_killed_and_not_when_it_is_stopped(installation: SmallInstallation) -> None:
    def listen(stack: ExitStack) -> Child:
        process = stack.enter_context(installation.role("listen", "voice_ivr"))
        wait_until(lambda: installation.beats("voice_ivr"), "the listener", 60)
        return process

    def an_hour_later() -> list[str]:
        with installation.database.cursor() as cursor:
            cursor.execute("UPDATE heartbeats SET at = at - interval '1 h'")
        return [line for line in installation.check() if "voice_ivr" in line]

    with ExitStack() as stack:
        assert an_hour_later() == [], "it was never there"
        kill(listen(stack))
        assert an_hour_later() == ["- `zrm listen voice_ivr` gives no heartbeat; nothing comes in there"]
        listen(stack).stop(30)
        assert an_hour_later() == []
