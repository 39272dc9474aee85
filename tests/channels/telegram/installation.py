"""A whole installation around the bots, in one process: the real front desk, the real filing and delivery, the real doors.

with BotInstallation(database, blobs, inbox, settings, folder, TelegramChannel, {"info": {...}}) as installation:
    installation.work()            # file what was received, deliver what is queued
    installation.cases()           # what became of it
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import uvicorn
from fastapi import FastAPI

from tests.casework.installation import acting
from tests.lab.process import wait_until
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.casework import case_actions
from zrm.casework.context import ActionContext
from zrm.casework.reply_routes import ReplyRoute, RouteOrigin, SendingAccount, reply_routes
from zrm.channels.channel import Installation
from zrm.channels.telegram.channel import BotChannel
from zrm.config import Settings
from zrm.dispatch.deliver import Deliver
from zrm.frontdesk.desk import front_desk
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.normalizer.filing import Filer

SECRET = "a-secret-of-thirty-two-letters-01"


@dataclass(frozen=True)
class Case:
    """A case as an agent sees it, with its conversation: (direction, address, title, text, labels) a line."""

    id: UUID
    code: str
    account: str
    channel: str
    language: str
    nature: str
    subject: str
    status: str
    title: str
    lines: list[tuple[str, str, str, str, list[str]]]

    def said(self) -> list[str]:
        """What the citizen said."""
        return [text for direction, _, _, text, _ in self.lines if direction == "in"]


class BotInstallation:
    """An installation with the bots of one messenger. `mode` webhook serves them, polling asks; both run the listener."""

    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        settings: Settings,
        folder: Path,
        kind: type[BotChannel],
        bots: Mapping[str, Mapping[str, Any]],
        *,
        language: str = "fa",
        **config: Any,
    ) -> None:
        self.database = database
        self.settings = settings
        self.blobs = BlobStore(folder / "blobs")
        self._folder = folder
        self._language = language
        self._section = {"album_seconds": 0.5, "bots": bots, **config}
        self._kind = kind
        self._inbox = inbox
        self._ends = contextlib.ExitStack()
        self.channel = self._channel("http://127.0.0.1:1")
        kinds = self.channel.kind, self.channel.can.address_kind
        senders = [SendingAccount(kinds[0], account, kinds[1]) for account in self.channel.accounts()]
        self.senders = senders
        self.desk = front_desk(database, self.blobs, inbox, settings, b"key", senders)

    def _channel(self, public_url: str) -> Any:
        name = {"fa": "مرکز آزمون", "en": "Test Centre"}
        installation = Installation(name, self._language, "Asia/Tehran", "IR", public_url, str(self._folder), "secret")
        kind: Any = self._kind
        return kind(kind.Config.model_validate(self._section), installation)

    def __enter__(self) -> Self:
        listener = self._ends.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.channel = self._channel(self.base)
        app = FastAPI(openapi_url=None)
        app.include_router(self.channel.routes(self.desk))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()

        def stop() -> None:
            server.should_exit = True
            thread.join()

        self._ends.callback(stop)
        wait_until(lambda: server.started, "the web server")
        self.listen()
        return self

    def listen(self) -> None:
        """Start the listener, as `zrm listen telegram` does."""
        self._stop = threading.Event()
        self._listener = threading.Thread(target=self.channel.listen, args=(self.desk, self._stop))
        self._listener.start()

    def stop_listening(self) -> None:
        """Stop it in order."""
        self._stop.set()
        self._listener.join(30)
        assert not self._listener.is_alive(), "the listener did not stop"

    def __exit__(self, *_: object) -> None:
        try:
            self.stop_listening()
        finally:
            self._ends.close()

    # ------------------------------------------------------------ what workers do

    def work(self) -> None:
        """File everything that waits, then deliver everything that is queued."""
        filer = Filer(self.database, self.blobs, {self.channel.kind: self.channel.parse}, self.settings)
        deliver = Deliver(self.database, {self.channel.kind: self.channel}, self.settings)
        for topic, handler in ((Topic.FILE, filer), (Topic.DELIVER, deliver)):
            while tasks := self._claim(topic):
                handler(tasks)

    def _claim(self, topic: Topic) -> list[outbox.Task]:
        with self.database.cursor() as cursor:
            return outbox.claim(cursor, topic, limit=50, lease=60)

    def wait_for_received(self, count: int, *, state: str = "%") -> None:
        """Wait until so many contacts are durable (or settled as `state`)."""

        def there() -> bool:
            found = self.ask("SELECT count(*) FROM raw_contacts WHERE state LIKE %s", state)
            return bool(found[0][0] >= count)

        wait_until(there, f"{count} contacts to be received")

    def wait_for_cases(self, count: int = 1) -> list[Case]:
        """Work until there are so many cases."""

        def there() -> bool:
            self.work()
            return len(self.cases()) >= count

        wait_until(there, f"{count} cases")
        return self.cases()

    # ------------------------------------------------------------ what agents do

    def answer(self, case: Case, text: str) -> None:
        """An agent answers by the best way, and it is sent."""
        last = [line for line in case.lines if line[0] == "in"][-1]
        addresses = self.ask(
            "SELECT kind, value FROM addresses WHERE person_id = (SELECT person_id FROM cases WHERE id = %s)", case.id
        )
        way = reply_routes(
            RouteOrigin(case.channel, case.account, last[1]), [(kind, value) for kind, value in addresses], self.senders
        )
        with self.database.cursor() as cursor:
            case_actions.reply(cursor, self._act(cursor, case, way[0]), route=way[0], title="", text=text)
        self.work()

    def close_case(self, case: Case) -> None:
        """An agent closes the case."""
        with self.database.cursor() as cursor:
            case_actions.close(cursor, self._act(cursor, case), result="done", reason="It was done before.")

    def _act(self, cursor: Any, case: Case, *routes: ReplyRoute) -> ActionContext:
        cursor.execute(
            "SELECT (SELECT id FROM agents WHERE login = 'maryam'), version FROM cases WHERE id = %s", [case.id]
        )
        agent, version = cursor.fetchone()
        return acting(agent, case.id, version, *routes, domain="zrm.test")

    # ------------------------------------------------------------ looking in

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.database.cursor() as cursor:
            cursor.execute(query.encode(), list(values))
            return cursor.fetchall() if cursor.description else []

    def cases(self) -> list[Case]:
        """Every case with its conversation, the oldest first."""
        rows = self.ask(
            "SELECT k.id, k.code, k.account, k.channel, k.language, k.nature, coalesce(s.key, ''), k.status, k.title "
            "FROM cases k LEFT JOIN subjects s ON s.id = k.subject_id ORDER BY k.id"
        )
        lines = "SELECT direction, address, coalesce(description -> 0 ->> 'code', title), text, labels FROM contacts WHERE case_id = %s ORDER BY at, id"
        found = []
        for identifier, *facts in rows:
            conversation: list[Any] = self.ask(lines, identifier)
            found.append(Case(identifier, *facts, conversation))  # type: ignore[call-arg]  # the columns are its fields
        return found

    def states(self) -> dict[str, int]:
        """How many contacts are in which state; their sum is all that was received."""
        return dict(self.ask("SELECT state, count(*) FROM raw_contacts GROUP BY state"))

    def deliveries(self) -> list[tuple[str, str]]:
        """(state, error) of every delivery, the oldest first."""
        return [
            (state, error)
            for state, error in self.ask(
                "SELECT state, coalesce(reason_params ->> 'words', reason_code) FROM deliveries ORDER BY id"
            )
        ]
