"""A desk served by a real uvicorn on a free port, and agents who sign in as a browser would."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import FastAPI
from psycopg.conninfo import conninfo_to_dict
from starlette.staticfiles import StaticFiles

from tests.lab.databases import Databases
from tests.lab.serving import serving
from tests.lab.shared import Shared
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

    from zrm.languages import Language

APPLICATION = "desk of the tests"
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


@dataclass
class OpenDesk:
    """A desk on a real server with a store of its own, which tests use one after the other."""

    running: RunningDesk
    inbox: Inbox
    database_name: str

    def __post_init__(self) -> None:
        """Remember the context as it is before anybody changes it."""
        self._as_built = dict(vars(self.running.context))

    def renew(self, databases: Databases) -> bool:
        """Leave nothing of the test: neither rows, files, open pages nor what it changed in the context."""
        context = self.running.context
        for page in list(context.hub.desks):
            context.hub.drop(page.session_hash)
        vars(context).clear()
        vars(context).update(self._as_built)
        shutil.rmtree(context.blobs.root, ignore_errors=True)
        return databases.put_back(self.database_name, staying=APPLICATION)


@contextmanager
def open_desk(databases: Databases, folder: Path, settings: Settings) -> Iterator[OpenDesk]:
    """A desk that listens."""
    with ExitStack() as stack:
        url = stack.enter_context(databases.lend())
        database = stack.enter_context(closing(Database(url, application=APPLICATION)))
        blobs = BlobStore(folder / "blobs")
        inbox = stack.enter_context(closing(Inbox(database, blobs)))
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
        address = stack.enter_context(serving(app, lifespan="on"))
        stack.callback(context.hub.close_all)  # or the server waits for the open pages
        yield OpenDesk(RunningDesk(address, context), inbox, str(conninfo_to_dict(url)["dbname"]))


@pytest.fixture(scope="session")
def desks(
    seeded_databases: Databases, tmp_path_factory: pytest.TempPathFactory, settings: Settings
) -> Iterator[Shared[OpenDesk]]:
    """One desk for all: building its routes and stopping its server took longer than most tests of it."""
    with Shared(
        lambda: open_desk(seeded_databases, tmp_path_factory.mktemp("desk"), settings),
        lambda opened: opened.renew(seeded_databases),
    ) as desks:
        yield desks


@pytest.fixture
def opened(desks: Shared[OpenDesk], request: pytest.FixtureRequest) -> Iterator[OpenDesk]:
    """The desk of this test, as if it were new."""
    yield from desks.lend(request.node)


@pytest.fixture
def desk(opened: OpenDesk) -> RunningDesk:
    """The desk's address and context."""
    return opened.running


@pytest.fixture
def database(opened: OpenDesk) -> Database:
    """The desk's."""
    return opened.running.context.database


@pytest.fixture
def database_url(database: Database) -> str:
    """The desk's."""
    return database.url


@pytest.fixture
def blobs(opened: OpenDesk) -> BlobStore:
    """The desk's."""
    return opened.running.context.blobs


@pytest.fixture
def inbox(opened: OpenDesk) -> Inbox:
    """The desk's."""
    return opened.inbox


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
