"""Adding a channel takes its module and one line of the registry: everything else asks for its capabilities."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from tests.agent_api.conftest import PASSWORDS, submit
from tests.casework.installation import one
from tests.channels.kiosk import DRAWING, KioskChannel
from tests.lab.serving import serving
from zrm.casestore.outbox import Topic
from zrm.channels import registry
from zrm.contract import capabilities
from zrm.dispatch.queues import Queues
from zrm.errors import ConfigError
from zrm.http.app import build_app
from zrm.installation import DATABASE_VARIABLE, REDIS_VARIABLE, Runtime, load_config, open_runtime
from zrm.worker import build_task_runner

CONFIG = """\
organisation: {name: {fa: "مرکز", en: "Centre"}}
dispatch: {hold: 0}
channels:
  web: {}
  kiosk: {url: "%s", token: "a token of the halls", halls: [east, west]}
"""


@pytest.fixture
def kiosk() -> Iterator[None]:
    """The line of the registry."""
    registry.register(KioskChannel)
    yield
    del registry.CHANNELS["kiosk"]
    capabilities.unregister("kiosk")


class Terminals:
    """The terminals' own server: what it was handed, and what it brings to us."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []
        self.emptied = False
        self.app = FastAPI(openapi_url=None)
        self.app.add_api_route("/", self._show, methods=["POST"])

    async def _show(self, request: Request) -> Response:
        self.shown.append(await request.json())
        return Response(status_code=404 if self.emptied else 202)


@pytest.fixture
def terminals() -> Iterator[tuple[Terminals, str]]:
    server = Terminals()
    with serving(server.app) as url:
        yield server, url


@pytest.fixture
def runtime(
    kiosk: None,
    terminals: tuple[Terminals, str],
    tmp_path: Path,
    database_url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Runtime]:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG % terminals[1], encoding="utf-8")
    monkeypatch.setenv(DATABASE_VARIABLE, database_url)
    monkeypatch.setenv(REDIS_VARIABLE, redis_url)
    runtime = open_runtime("test", load_config(path))
    yield runtime
    runtime.close()


def test_a_new_channel_is_received_filed_shown_answered_and_reported_on(
    runtime: Runtime, terminals: tuple[Terminals, str]
) -> None:
    server, _ = terminals
    drain = build_task_runner(runtime, Queues(runtime.redis_url))
    app = build_app(runtime)
    with serving(app, lifespan="on") as url, httpx.Client(base_url=url, timeout=20) as client:

        def bring(path: str, key: str, **said: Any) -> httpx.Response:
            headers = {"Token": "a token of the halls", "Idempotency-Key": key}
            return client.post(f"/hooks/kiosk/east{path}", json=said, headers=headers)

        written = {"card": "C-77", "name": "Sara", "text": "The lamp in the hall is dark", "language": "en"}
        written["scan"] = base64.b64encode(b"a photograph").decode()
        receipt = bring("", "1", **written)
        assert receipt.status_code == 201
        assert bring("", "1", **written).json() == receipt.json(), "one receipt for one message"
        drain(Topic.FILE)
        drain(Topic.RENDER)
        drain(Topic.DELIVER)
        (acknowledgement,) = server.shown
        code = receipt.json()["code"]
        assert (acknowledgement["hall"], acknowledgement["card"]) == ("east", "C-77")
        assert f"{code[:4]}-{code[4:8]}-{code[8:]}" in acknowledgement["text"]

        submit(client, "daniel", PASSWORDS["daniel"])
        listed = client.get("/desk", follow_redirects=True).text
        assert 'title="Hall terminal"' in listed
        assert f'<path d="{DRAWING}"/>' in listed, "an icon of its own"
        case = re.search(r"/desk/cases/([0-9a-f-]{36})", listed)
        assert case is not None
        page = client.get(f"/desk/cases/{case[1]}").text
        assert "The case was opened at a hall terminal" in page
        assert f'<path d="{DRAWING}"/></svg> <bdi class="z-ltr">C-77</bdi>' in page, (
            "its kind of address is shown as it is"
        )
        drawn = re.search(r'href="(/desk/files/[0-9a-f-]{36})#page=1".*?<img src="([^"]+)"', page)
        assert drawn is not None, "its renderer drew the pages"
        assert client.get(drawn[1]).content == b"%PDF-1.4 of a photograph"
        assert client.get(drawn[2]).content == b"\x89PNG\r\n of a photograph"
        with runtime.database.cursor() as cursor:
            contact = one(cursor, "SELECT id FROM contacts WHERE channel = 'kiosk' AND direction = 'in'")
        saved = client.get(f"/desk/contacts/{contact}/original")
        assert f"kiosk-{contact}.json" in saved.headers["content-disposition"]
        route = re.search(r'<option value="([0-9a-f]{32})" data-channel="kiosk" selected>([^<]+)<', page)
        assert route is not None, "without a subject line, files or segments"
        assert route[2] == "Hall terminal to \u2066C-77\u2069, from \u2066east\u2069"

        def act(name: str, **fields: str) -> None:
            page = client.get(f"/desk/cases/{case[1]}").text
            hidden = dict(re.findall(r'name="(csrf_token|version)" value="([^"]+)"', page))
            answer = client.post(f"/desk/cases/{case[1]}/{name}", data={**hidden, **fields})
            assert answer.status_code == 303, answer.text

        act("reply", route=route[1], text="A new lamp comes today.")
        drain(Topic.DELIVER)
        assert server.shown[-1]["text"] == "A new lamp comes today."
        assert bring("/reports", "r1", ref=server.shown[-1]["ref"], state="delivered").status_code == 201
        drain(Topic.FILE)
        assert _states(client.get(f"/desk/cases/{case[1]}").text)[-1] == "Delivered"

        server.emptied = True
        act("reply", route=route[1], text="Are you still there?")
        drain(Topic.DELIVER)
        page = client.get(f"/desk/cases/{case[1]}").text
        assert "No such card is in the hall." in page
        assert "messages come back" in page, "an address of any kind becomes doubtful"
        server.emptied = False

        act("close", result="answered")
        drain(Topic.DELIVER)
        assert "Answer with one digit" in server.shown[-1]["text"], "the closing message asks for a rating"

        client.cookies.clear()
        submit(client, "maryam", PASSWORDS["maryam"])
        page = client.get(f"/desk/cases/{case[1]}").text
        assert "پایانهٔ سالن" in page
        assert "چنین کارتی در سالن نیست." in page, "its translations stand beside it"
        app.state.end_streams()


def _states(page: str) -> list[str]:
    """The delivery states on a case's page, as they are read."""
    return re.findall(
        r"z-badge z-(?:good|info|neutral|bad|warn)\">(?:<svg.*?</svg>)?(Delivered|Sent|Queued|Not delivered)<", page
    )


def test_config_checks_the_names_of_channels_by_the_registry(kiosk: None, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("%s", "http://127.0.0.1:9/") + "acknowledge: [kiosk, fax]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config\.yaml:\d+: acknowledge: fax: no acknowledgement goes out .* kiosk"):
        load_config(path, begin=False)
    path.write_text(path.read_text(encoding="utf-8").replace("[kiosk, fax]", "[kiosk]"), encoding="utf-8")
    assert load_config(path, begin=False).settings.acknowledge == ["kiosk"]
