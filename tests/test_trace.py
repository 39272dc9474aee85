"""One grep for a trace shows a contact's way through the log: the door, the filing, each step at the desk, the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.agent_api.conftest import PASSWORDS, Browser, submit
from tests.casework.installation import one
from tests.lab.process import wait_until
from tests.lab.serving import serving
from tests.test_app import CONFIG
from zrm.casestore.outbox import Topic
from zrm.dispatch.queues import Queues
from zrm.http.app import build_app
from zrm.installation import DATABASE_VARIABLE, REDIS_VARIABLE, Runtime, load_config, open_runtime
from zrm.worker import build_task_runner

Line = dict[str, str]


class Journey:
    """An installation, its log, and an agent at its desk."""

    def __init__(self, installation: Runtime, client: httpx.Client, capsys: pytest.CaptureFixture[str]) -> None:
        self.installation = installation
        self._client = client
        self._capsys = capsys
        self._lines: list[Line] = []
        self._drain = build_task_runner(installation, Queues(installation.redis_url))
        client.headers["Accept-Language"] = "en"
        assert submit(client, "daniel", PASSWORDS["daniel"]).status_code == 303
        self.desk = Browser(client)
        self.desk.get("/desk/settings")

    def write(self, text: str, key: str) -> str:
        """A citizen writes by the web's door; returns the contact's trace."""
        self._client.post("/api/contacts", json={"text": text}, headers={"Idempotency-Key": key}).raise_for_status()
        with self.installation.database.cursor() as cursor:
            trace: str = one(cursor, "SELECT trace FROM raw_contacts ORDER BY received_at DESC LIMIT 1")
        return trace

    def work(self) -> None:
        """File, tell and deliver what waits."""
        for topic in (Topic.FILE, Topic.NOTIFY, Topic.DELIVER):
            self._drain(topic)

    def grep(self, trace: str, wanted: int) -> list[Line]:
        """The lines with a trace, when as many are there as are wanted: ordinary ones wait a moment for company."""

        def gather() -> bool:
            self._lines += [json.loads(line) for line in self._capsys.readouterr().err.splitlines() if line[:1] == "{"]
            return len(self._of(trace)) >= wanted

        wait_until(gather, f"{wanted} lines of the trace {trace}", seconds=10)
        return self._of(trace)

    def _of(self, trace: str) -> list[Line]:
        return [line for line in self._lines if line.get("trace") == trace]


@pytest.fixture
def journey(
    tmp_path: Path,
    database_url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Journey]:
    path = tmp_path / "config.yaml"
    path.write_text(f"{CONFIG}dispatch: {{hold: 0}}\n", encoding="utf-8")
    monkeypatch.setenv(DATABASE_VARIABLE, database_url)
    monkeypatch.setenv(REDIS_VARIABLE, redis_url)
    installation = open_runtime("test", load_config(path))
    with serving(build_app(installation), lifespan="on") as address, httpx.Client(base_url=address) as client:
        yield Journey(installation, client, capsys)
    installation.close()


def told(lines: list[Line]) -> list[str]:
    """What the lines say: the event, and at the desk the step."""
    return [f"{line['event']} {line['step']}" if "step" in line else line["event"] for line in lines]


def route_of(page: str) -> str:
    found = re.search(r'<option value="([0-9a-f]{32})"', page)
    assert found is not None
    return found[1]


def test_one_grep_shows_the_way_from_the_door_to_the_answer(journey: Journey) -> None:
    desk, database = journey.desk, journey.installation.database
    trace = journey.write("The lamp is dark.", "1")
    journey.work()
    with database.cursor() as cursor:
        case = one(cursor, "SELECT id FROM cases")
    route = route_of(desk.get(f"/desk/cases/{case}").text)
    desk.post(f"/desk/cases/{case}/claim", version="1")
    desk.post(f"/desk/cases/{case}/note", version="2", note="Ask the crew.")
    assert desk.post(f"/desk/cases/{case}/reply", version="3", route=route, text="Tomorrow.").status_code == 303
    journey.work()
    with database.cursor() as cursor:
        delivery = one(cursor, "UPDATE deliveries SET state = 'failed' RETURNING id")
    assert desk.post(f"/desk/failed-deliveries/deliveries/{delivery}/again").status_code == 303
    journey.work()
    lines = journey.grep(trace, 8)
    assert told(lines) == [
        "received", "filed", "step taken claim", "step taken note", "step taken reply", "delivered",
        "step taken again", "delivered",
    ]  # fmt: skip
    assert {line["case"] for line in lines[2:]} == {str(case)}

    # The citizen writes again: from now on what is done at the case answers that.
    newer = journey.write("And the next one, too.", "2")
    journey.work()
    with database.cursor() as cursor:
        cursor.execute("UPDATE contacts SET case_id = %s WHERE direction = 'in'", [case])
    desk.post(f"/desk/cases/{case}/note", version="0", note="They wrote again.")
    assert told(journey.grep(newer, 3)) == ["received", "filed", "step taken note"]


def test_what_is_done_to_a_contact_in_quarantine_has_its_trace(journey: Journey) -> None:
    trace = journey.write("The lamp is dark.", "1")
    database = journey.installation.database
    with database.cursor() as cursor:
        contact = one(cursor, "UPDATE raw_contacts SET body = '{}' RETURNING id")
    journey.work()
    assert journey.desk.post(f"/desk/quarantine/{contact}/take").status_code == 303
    with database.cursor() as cursor:
        cursor.execute("""UPDATE raw_contacts SET body = '{"text": "The lamp is dark.", "language": "en"}'""")
    assert journey.desk.post(f"/desk/quarantine/{contact}/replay").status_code == 303
    journey.work()
    assert told(journey.grep(trace, 5)) == ["received", "filed", "step taken take", "step taken replay", "filed"]
