"""Two batches that touch the same cases the other way round wait for each other; they never wait crosswise.

A third transaction keeps one case locked until both batches wait, so that they meet every time.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from tests.lab.process import wait_until
from zrm.casestore import outbox
from zrm.casestore.outbox import Task, Topic
from zrm.config import Settings
from zrm.contract.addresses import EMAIL, Sender
from zrm.contract.inbound import Inbound, Parsed, RawContact, SelfServiceCommand, Thread
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.normalizer.filing import Filer


def parse(raw: RawContact) -> list[Parsed]:
    """`open|`, `say|code` or `rate|code`, and who says it."""
    what, code, who = raw.body.decode().split("|")
    if what == "rate":
        return [SelfServiceCommand("rate", None, score=5, code=code)]
    sender = Sender(EMAIL, f"{who}@example.org")
    return [Inbound((sender,), "The bench is broken", thread=Thread(conversation=code))]


@dataclass
class Town:
    """Contacts go in by T1; batches of them are filed at the same time."""

    database: Database
    inbox: Inbox
    filer: Filer
    count: int = 0
    errors: list[BaseException] = field(default_factory=list)

    def take(self, *said: str) -> list[Task]:
        """The tasks of a batch, in the order it is said."""
        for words in said:
            self.count += 1
            contact = RawContact("web", "", str(self.count), f"{words}|{self.count}".encode(), "text/plain")
            self.inbox.submit(contact).result()
        with self.database.cursor() as cursor:
            return sorted(outbox.claim(cursor, Topic.FILE, limit=100, lease=60), key=lambda task: task.ref)

    def closed_cases(self, number: int) -> list[tuple[UUID, str]]:
        """(id, code) of so many closed cases, in the order of their ids."""
        self.filer(self.take(*["open|"] * number))
        with self.database.cursor() as cursor:
            cursor.execute(
                "UPDATE cases SET status = 'closed', closed_at = now(), status_at = now() RETURNING id, code"
            )
            return sorted(cursor.fetchall())

    def begin(self, tasks: list[Task], waiting: int) -> threading.Thread:
        """File the batch in a thread of its own, up to where `waiting` transactions wait for a lock."""

        def work() -> None:
            try:
                self.filer(tasks)
            except BaseException as error:  # noqa: BLE001  # shown in the test's own thread
                self.errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        wait_until(lambda: self._waiting() == waiting, "the batches to meet")
        return thread

    def _waiting(self) -> int:
        with self.database.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return int((cursor.fetchone() or (0,))[0])


@pytest.fixture
def town(database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings) -> Town:
    return Town(database, inbox, Filer(database, blobs, {"web": parse}, settings))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("rate|{1}", "rate|{2}", "rate|{0}"), ("rate|{0}", "rate|{1}")),
        (("rate|{1}", "rate|{2}", "say|{0}"), ("say|{0}", "say|{1}")),
    ],
    ids=["ratings", "a rating and messages"],
)
def test_batches_that_cross_wait_for_each_other(town: Town, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    cases = town.closed_cases(3)
    codes = [code for _, code in cases]
    batches = [town.take(*(words.format(*codes) for words in batch)) for batch in (one, other)]
    with town.database.cursor() as cursor:
        cursor.execute("SELECT FROM cases WHERE id = %s FOR UPDATE", [cases[2][0]])
        threads = [town.begin(batch, waiting) for waiting, batch in enumerate(batches, 1)]
    for thread in threads:
        thread.join()
    assert town.errors == []
    with town.database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM raw_contacts WHERE state = 'waiting'")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT case_id FROM ratings ORDER BY case_id")
        rated = [row[0] for row in cursor]
    assert rated == [case_id for case_id, code in cases if f"rate|{{{codes.index(code)}}}" in (*one, *other)]
