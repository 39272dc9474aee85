"""A whole hub on a PostgreSQL and a Valkey of the operator's own, neither of which is as we would have set it up."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
import pytest
from psycopg import sql
from redis import Redis

from tests.journeys.hub import Hub
from tests.lab.mailer import compose, send
from tests.lab.process import wait_until
from tests.lab.servers import TestServers
from tests.lab.smtp_sink import SmtpSink

PASSWORD = "p@ss:w/rd%20#"
OWNER, NAME = "zrm-owner", "zrm-prod"
DEFAULTS = (
    "default_transaction_isolation = 'serializable'",
    "datestyle = 'German'",
    "timezone = 'Asia/Tehran'",
    "statement_timeout = '10s'",
    "idle_session_timeout = '3s'",
)
_HIDDEN = re.compile(r'name="(csrf_token|version)" value="([^"]*)"')
_ROUTE = re.compile(r'<select[^>]*name="route".*?<option value="([^"]*)"', re.DOTALL)


@pytest.fixture
def stores(servers: TestServers) -> Iterator[dict[str, str]]:
    """Settings that name them: a database by TCP that belongs to no superuser, a Valkey by its socket and a user of it."""
    owner, name = sql.Identifier(OWNER), sql.Identifier(NAME)
    with psycopg.connect(servers.postgres.url("postgres"), autocommit=True) as boss:
        boss.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(owner, sql.Literal(PASSWORD)))
        boss.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, owner))
        for setting in DEFAULTS:
            boss.execute(sql.SQL("ALTER DATABASE {} SET ").format(name) + sql.SQL(setting))
    password = quote(PASSWORD, safe="")
    with Redis.from_url(servers.valkey.url()) as keeper:
        keeper.execute_command(
            "ACL", "SETUSER", "hub", "on", f">{PASSWORD}", "~rq:*", "~zrm:*", "&*", "+@all", "-@dangerous"
        )
        yield {
            "database_url": f"postgresql://{OWNER}:{password}@127.0.0.1:{servers.postgres.port()}/{NAME}?sslmode=disable",
            "redis_url": servers.valkey.url().replace(f":{servers.valkey.password()}@", f"hub:{password}@")[:-1] + "3",
        }
        keeper.execute_command("ACL", "DELUSER", "hub")
    servers.postgres.drop_database(NAME)
    with psycopg.connect(servers.postgres.url("postgres"), autocommit=True) as boss:
        boss.execute(sql.SQL("DROP ROLE {}").format(owner))


@pytest.mark.timeout(300)
def test_a_citizen_is_answered(tmp_path: Path, stores: dict[str, str]) -> None:
    with SmtpSink() as sink, Hub(tmp_path, submit=("127.0.0.1", sink.port), settings=stores) as hub:
        said = [line for line in _zrm(hub, "check").stdout.splitlines() if "_url" in line]
        assert [line for line in said if "fsync is off" not in line] == []  # the tests' server does without the disk

        citizen = "citizen@example.org"
        mail = compose(subject="A broken lamp", text="It has been dark for a week.", sender=citizen, to=hub.mailbox)
        assert send(hub.smtp_port, mail, sender=citizen, recipients=[hub.mailbox]) == {}
        find = "SELECT case_id::text FROM contacts WHERE direction = 'in' AND address = %s"
        wait_until(lambda: bool(hub.ask(find, citizen)), "the case", 60)
        ((case_id,),) = hub.ask(find, citizen)
        with httpx.Client(base_url=hub.web, timeout=30, trust_env=False) as agent:
            hub.sign_in(agent, "daniel")
            page = agent.get(f"/desk/cases/{case_id}").text
            route = _ROUTE.search(page)
            assert route is not None
            form = {
                **dict(_HIDDEN.findall(page)),
                "route": html.unescape(route[1]),
                "title": "Your lamp",
                "text": "It burns.",
            }
            assert agent.post(f"/desk/cases/{case_id}/reply", data=form).status_code == 303
        wait_until(lambda: any("It burns." in mail.text for mail in sink.mails), "the answer", 60)

        done = _zrm(hub, "simulate", "--seconds", "4", "--rate", "10", "--doors", "web,email,sms,fax")
        assert done.returncode == 0, done.stdout + done.stderr
        assert not {"postgres", "valkey"} & set(hub.pids), "it starts none of its own"
    told = "".join(log.read_text(errors="replace") for log in (hub.output, *(hub.var / "log").glob("*.log")))
    assert "Traceback" not in told
    assert "lost the store" not in told
    assert "store is away" not in told
    assert PASSWORD not in told
    assert quote(PASSWORD, safe="") not in told


def _zrm(hub: Hub, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zrm", "--config", str(hub.config), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
