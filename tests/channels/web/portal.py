"""The portal on a real server and a loopback port, and a citizen's browser reduced to its requests."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from tests.channels.web.desk import KeepingDesk
from zrm.channels.channel import Installation
from zrm.channels.web.channel import WebChannel
from zrm.channels.web.config import ContactDetails, WebConfig
from zrm.contract.ports import FrontDesk
from zrm.ui.pages import BUILT_ASSETS

INSTALLATION = Installation(
    name={"fa": "شهرداری نمونه", "en": "Sample City"},
    language="fa",
    timezone="Asia/Tehran",
    region="IR",
    public_url="http://127.0.0.1",
    data_dir="",
    secret="a secret of this test",
)
CONFIG = WebConfig(
    reach=ContactDetails(sms="3000137", phone="021 137", fax="021 8888 1370", email="info@sample.example"),
    max_files=3,
    max_file_bytes=100_000,
    max_total_bytes=300_000,
    max_text=2_000,
)
TIMEOUT = 20.0


@dataclass
class Portal:
    """A running portal: its address and what its desk has kept."""

    url: str
    desk: KeepingDesk
    channel: WebChannel
    clients: list[httpx.Client] = field(default_factory=list)

    def citizen(self, language: str = "en") -> httpx.Client:
        """A browser with a cookie jar of its own, which does not follow redirects by itself."""
        client = httpx.Client(base_url=self.url, timeout=TIMEOUT, headers={"Accept-Language": language})
        self.clients.append(client)
        return client


@contextmanager
def running(
    config: WebConfig = CONFIG, installation: Installation = INSTALLATION, desk: FrontDesk | None = None
) -> Iterator[Portal]:
    """A portal from `with` to its end, before the installation's `desk` or else one of its own."""
    own = KeepingDesk()
    channel = WebChannel(config, installation)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(channel.routes(desk or own))
    if BUILT_ASSETS.is_dir():
        app.mount("/static", StaticFiles(directory=BUILT_ASSETS))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    portal = Portal(f"http://127.0.0.1:{listener.getsockname()[1]}", own, channel)
    try:
        yield portal
    finally:
        for client in portal.clients:
            client.close()
        server.should_exit = True
        thread.join(TIMEOUT)
        listener.close()


def came_back(client: httpx.Client, path: str, **form: Any) -> httpx.Response:
    """The page that a posted form leads to: the post itself is answered by a redirect, so that "back" sends nothing again."""
    answer = client.post(path, **form)
    assert (answer.status_code, "form=" in answer.headers["location"]) == (303, True)
    page = client.get(answer.headers["location"])
    assert page.status_code == 200
    return page


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'type="hidden" name="{name}" value="([^"]*)"', page)
    assert found, f"no hidden field {name}"
    return unescape(found.group(1))


def all_hidden(page: str, name: str) -> list[str]:
    """Every value of a hidden field that may stand several times."""
    return [unescape(value) for value in re.findall(rf'type="hidden" name="{name}" value="([^"]*)"', page)]


def filled(form_id: str, **fields: str) -> dict[str, str]:
    """A form that can be sent as it is."""
    return {"form_id": form_id, "nature": "complaint", "text": "The lamp is broken.", **fields}
