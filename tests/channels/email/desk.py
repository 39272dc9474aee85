"""A front desk that keeps contacts in a list, and the door running before it, for the tests of the SMTP dialect.

The real desk is met in tests/journeys; here the door's own behaviour is looked at, store failures included.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.channels.desk import UnaskedDesk
from zrm.channels.channel import Installation
from zrm.channels.email.channel import EmailChannel
from zrm.channels.email.config import EmailConfig
from zrm.contract.inbound import JSON, RawContact, Receipt
from zrm.contract.ports import FrontDesk
from zrm.contract.reasons import Reason
from zrm.kit.clock import now
from zrm.kit.ids import new_id


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def installation(data_dir: Path) -> Installation:
    return Installation(
        name={"fa": "مرکز پاسخ‌گویی", "en": "Contact Centre"},
        language="fa",
        timezone="Asia/Tehran",
        region="IR",
        public_url="http://127.0.0.1:8000",
        data_dir=str(data_dir),
        secret="test-secret-of-the-installation",
    )


class ListDesk(UnaskedDesk):
    """Keeps what it is given; `failure` is raised instead when set; `hold` makes receipts wait until released."""

    def __init__(self) -> None:
        self.contacts: list[RawContact] = []
        self.failure: Exception | None = None
        self.hold: threading.Event | None = None
        self.cursors: dict[str, JSON] = {}
        self._receipts: dict[tuple[str, str, str], Receipt] = {}

    def submit(self, contact: RawContact) -> Future[Receipt]:
        done: Future[Receipt] = Future()
        if self.hold is not None:
            threading.Thread(target=self._later, args=(contact, done, self.hold), daemon=True).start()
        else:
            self._finish(contact, done)
        return done

    def _later(self, contact: RawContact, done: Future[Receipt], hold: threading.Event) -> None:
        hold.wait(30)
        self._finish(contact, done)

    def _finish(self, contact: RawContact, done: Future[Receipt]) -> None:
        if self.failure is not None:
            done.set_exception(self.failure)
            return
        key = (contact.channel, contact.account, contact.external_id)
        known = self._receipts.get(key)
        if known is not None:
            done.set_result(Receipt(known.contact_id, known.code, known.received_at, True))
            return
        self.contacts.append(contact)
        identifier: UUID = new_id()
        self._receipts[key] = Receipt(identifier, f"{100000000000 + len(self.contacts):012}", now(), False)
        done.set_result(self._receipts[key])

    def receive(self, contact: RawContact) -> Receipt:
        return self.submit(contact).result()

    def refuse(self, channel: str, account: str, reason: Reason, peer: str) -> None:
        return None

    def load(self, channel: str, key: str) -> JSON:
        return self.cursors.get(key)

    def save(self, channel: str, key: str, position: JSON) -> None:
        if self.failure is not None:
            raise self.failure
        self.cursors[key] = position


MAILBOXES: dict[str, Any] = {
    "info": {"address": "info@example.org", "aliases": ["contact@example.org"]},
    "water": {"address": "water@example.org"},
}


@contextmanager
def open_door(data_dir: Path, desk: FrontDesk, **settings: Any) -> Iterator[int]:
    """The door of an EmailChannel in a thread; yields its port, and stops it at the end."""
    port = free_port()
    config = EmailConfig.model_validate(
        {"port": port, "mailboxes": MAILBOXES, "hostname": "mx.example.org", **settings}
    )
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            EmailChannel(config, installation(data_dir)).listen(desk, stop)
        except BaseException as error:
            failures.append(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except ConnectionRefusedError:
                assert thread.is_alive(), failures
                time.sleep(0.02)
        yield port
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()
    assert not failures
