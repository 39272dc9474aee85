"""No contact, however made, stops the filing of the others; who takes too much is in quarantine at the first try."""

from __future__ import annotations

import os
import re
import signal
import time
from uuid import UUID

import pytest

from tests.lab.process import wait_until
from tests.normalizer.test_filing import ALI, Desk, mail
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.config import Dispatch, Settings
from zrm.contract.files import InboundFile
from zrm.contract.inbound import Inbound, Parsed, RawContact
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.normalizer.filing import Filer

MEMORY = 256 << 20


def parse(raw: RawContact) -> list[Parsed]:
    """Does what the contact says, as a parser with a fault in it would."""
    match raw.body.decode().split():
        case ["loop"]:
            re.match(r"(a+)+$", "a" * 60 + "b")
        case ["eat"]:
            bytearray(1 << 40)
        case ["crash"]:
            os.kill(os.getpid(), signal.SIGSEGV)
        case ["compute", seconds]:
            until = time.process_time() + float(seconds)
            while time.process_time() < until:
                pass
        case ["file", size]:
            files = (InboundFile("a.bin", "application/octet-stream", bytes(int(size))),)
            return [Inbound(mail(ALI).senders, "a file", files=files)]
    return [mail(ALI, f"words {raw.external_id}")]


@pytest.fixture
def desk(database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings) -> Desk:
    return Desk(database, inbox, blobs, settings)


def send(desk: Desk, *bodies: str) -> list[UUID]:
    raws = [
        RawContact("email", "info", f"{number}-{body[:9]}", body.encode(), "text/plain")
        for number, body in enumerate(bodies)
    ]
    return [desk.inbox.submit(raw).result().contact_id for raw in raws]


def file(desk: Desk, seconds: float) -> None:
    patient = desk.settings.model_copy(update={"dispatch": Dispatch(lease=300)})  # however busy this machine is
    filer = Filer(desk.database, desk.blobs, {"email": parse}, patient, seconds=seconds, memory=MEMORY)
    with desk.database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.FILE, limit=100, lease=300)
    filer(tasks)


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        ("loop", "reading it took more than 0.5 s"),
        ("eat", "the parser of email failed: MemoryError"),
        ("crash", "the process that read it crashed"),
    ],
)
def test_who_takes_too_much_is_in_quarantine_at_the_first_try_and_nobody_else(
    desk: Desk,
    hostile: str,
    reason: str,
) -> None:
    contacts = send(desk, "one", hostile, "two", "three", hostile)
    file(desk, seconds=0.5)
    assert [desk.state(contact) for contact in contacts] == [
        ("filed", ""),
        ("quarantined", reason),
        ("filed", ""),
        ("filed", ""),
        ("quarantined", reason),
    ]
    assert desk.ask("SELECT count(*) FROM outbox WHERE topic = 'file'") == [(0,)]
    assert desk.holds()


def test_who_is_slow_holds_up_nobody_and_is_filed_when_read(desk: Desk) -> None:
    contacts = send(desk, "compute 3", "one", "loop", "two")
    file(desk, seconds=8)
    first = [desk.state(contact)[0] for contact in contacts]
    assert (first[1], first[3]) == ("filed", "filed"), "the others are filed meanwhile"
    assert (first[0], first[2]) == ("waiting", "waiting")
    assert desk.ask("SELECT count(*) FROM outbox WHERE topic = 'file' AND due_at > now() + interval '5 s'") == [(2,)]
    wait_until(lambda: desk.state(contacts[0])[0] == "filed", "the slow one to be filed", 60)
    wait_until(lambda: desk.state(contacts[2])[0] == "quarantined", "the endless one to be held", 60)
    assert desk.holds()


def test_files_and_large_originals_do_not_go_through_the_worker(desk: Desk) -> None:
    large = RawContact("email", "info", "large", b"file 3000000".ljust(200_000), "text/plain")
    (contact,) = [desk.inbox.submit(large).result().contact_id]
    file(desk, seconds=20)
    ((size, key),) = desk.ask("SELECT size, blob_key FROM attachments WHERE contact_id = %s", contact)
    assert size == 3_000_000
    assert desk.blobs.get(str(key)) == bytes(3_000_000)
