"""A desk served by a real uvicorn on a free port, and agents who sign in as a browser would."""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from zrm import agent_api
from zrm.agent_api import DeskContext
from zrm.casework.reply_routes import SendingAccount
from zrm.config import Settings
from zrm.demonstration import DEMO_AGENTS
from zrm.inbox.receive import Inbox
from zrm.insight.health import Health
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.ui.pages import BUILT_ASSETS, Pages

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.lab.browser import Language

PASSWORDS = {agent.login: agent.password for agent in DEMO_AGENTS}


@dataclass
class Browser:
    """A signed-in agent's browser: cookies, and the CSRF token of the last page."""

    client: httpx.Client
    csrf: str = ""

    def get(self, path: str) -> httpx.Response:
        """A page; its token is kept for the next form."""
        answer = self.client.get(path)
        if found := re.search(r'data-csrf="([^"]+)"', answer.text):
            self.csrf = found[1]
        return answer

    def post(self, path: str, **fields: str) -> httpx.Response:
        """A form with the token of the last page."""
        return self.client.post(path, data={"csrf_token": self.csrf, **fields})


@dataclass
class RunningDesk:
    """The address of a running desk and its context."""

    url: str
    context: DeskContext

    def watch_roles(self) -> None:
        """From now on the desk tells which roles do not run: here none does."""
        object.__setattr__(self.context, "health", Health(["email"], late=60))

    def client(self, **headers: str) -> httpx.Client:
        """A browser that has not signed in."""
        return httpx.Client(base_url=self.url, headers={"Accept-Language": "en", **headers}, timeout=20)


@pytest.fixture
def desk(database: Database, settings: Settings, blobs: BlobStore, inbox: Inbox) -> Iterator[RunningDesk]:
    context = DeskContext(
        settings=settings,
        database=database,
        blobs=blobs,
        pages=Pages(),
        secret=b"a secret of this test",
        own_addresses=frozenset({"contact@city.example"}),
        receive=lambda contact: inbox.submit(contact).result(),
        senders=(
            SendingAccount("email", "contact@city.example", "email", files=True),
            SendingAccount("sms", "+982112345", "phone", 600),
            *(SendingAccount("telegram", bot, "telegram", 16_000, files=True) for bot in ("info", "water")),
        ),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with agent_api.lifespan(context):
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount("/static", StaticFiles(directory=BUILT_ASSETS, check_dir=False))
    agent_api.install(app, context)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, timeout_graceful_shutdown=1))
    ready = threading.Event()
    started = server.startup

    async def startup(*args: object, **kwargs: object) -> None:
        await started(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        ready.set()

    server.startup = startup  # type: ignore[method-assign]  # only to be told when it listens
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert ready.wait(20)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield RunningDesk(f"http://127.0.0.1:{port}", context)
    context.hub.close_all()
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def sign_in(desk: RunningDesk) -> Iterator[Callable[[str], Browser]]:
    """Signs an agent of the demonstration organisation in."""
    open_clients = []

    def enter(login: str) -> Browser:
        client = desk.client()
        open_clients.append(client)
        answer = submit(client, login, PASSWORDS[login])
        assert answer.status_code == 303, answer.text
        browser = Browser(client)
        browser.get("/desk/settings")
        return browser

    yield enter
    for client in open_clients:
        client.close()


def enter(page: Page, desk: RunningDesk, language: Language) -> None:
    """Sign the agent of a language in."""
    login = "maryam" if language == "fa" else "daniel"
    page.goto(f"{desk.url}/desk/sign-in?lang={language}")
    page.fill("#f-login", login)
    page.fill("#f-password", PASSWORDS[login])
    page.keyboard.press("Enter")
    page.wait_for_url("**/desk/queue/**")


def submit(client: httpx.Client, login: str, password: str, **more: str) -> httpx.Response:
    """Fill in the sign-in form and send it."""
    page = client.get("/desk/sign-in")
    token = re.search(r'name="token" value="([^"]+)"', page.text)
    assert token is not None
    return client.post("/desk/sign-in", data={"token": token[1], "login": login, "password": password, **more})
