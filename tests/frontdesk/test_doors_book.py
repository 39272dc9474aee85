"""The doors' own book, and that the conservation law sees what a door said yes to and the store does not have."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.channels.web.portal import filled, hidden, running
from zrm.config import Settings
from zrm.contract.inbound import RawContact, Receipt
from zrm.frontdesk.desk import CitizensDesk, front_desk
from zrm.frontdesk.doors_book import DoorsBook
from zrm.inbox import receipts, receive
from zrm.inbox.receipts import Settlement
from zrm.inbox.receive import Inbox
from zrm.insight import ledger
from zrm.kit.blobs import BlobStore
from zrm.kit.clock import now
from zrm.kit.db import Database
from zrm.kit.ids import new_id


@pytest.fixture
def answers(database: Database, tmp_path: Path) -> Iterator[DoorsBook]:
    opened = DoorsBook(database, tmp_path / "answers")
    yield opened
    opened.close()


@pytest.fixture
def desk(database: Database, blobs: BlobStore, inbox: Inbox, settings: Settings, answers: DoorsBook) -> CitizensDesk:
    return front_desk(database, blobs, inbox, settings, b"secret of this test", (), answers)


def law(database: Database, answers: DoorsBook) -> dict[str, ledger.LedgerLine]:
    answers.flush()
    with database.cursor() as cursor:
        return {
            line.channel: line
            for line in ledger.by_channel(cursor, now() - timedelta(hours=1), now() + timedelta(hours=1))
        }


def drop_some(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    """From now on the store takes a contact with these words, says so, and has not written it."""
    take = receipts.take

    async def careless(cursor: Any, fresh: Any, received_at: Any) -> Any:
        lost = [waiting for waiting in fresh if said in waiting.contact.body]
        kept = [waiting for waiting in fresh if said not in waiting.contact.body]
        settled = await take(cursor, kept, received_at) if kept else {}
        return settled | {waiting.id: Settlement(waiting.id, waiting.code, received_at) for waiting in lost}

    monkeypatch.setattr(receipts, "take", careless)


def test_a_form_that_was_confirmed_and_is_nowhere_breaks_the_law(
    desk: CitizensDesk, database: Database, answers: DoorsBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_some(monkeypatch, b"the second")
    with running(desk=desk) as portal:
        client = portal.citizen()
        for words in ("the first", "the second", "the third"):
            form_id = hidden(client.get("/new").text, "form_id")
            assert client.post("/new", data=filled(form_id, text=words)).status_code == 303
        line = law(database, answers)["web"]
    assert (line.received, line.waiting, line.missing, line.unkept, line.holds) == (2, 2, 0, 1, False)


def test_two_messages_that_were_taken_for_one_break_the_law(
    desk: CitizensDesk, database: Database, answers: DoorsBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As once with mail: 73 letters, one receipt, each of them answered with yes."""
    monkeypatch.setattr(receive, "content_of", lambda _: "0" * 32)
    mails = [RawContact("email", "info", "x", b"Subject: x\n\nnumber %d" % n, "message/rfc822") for n in range(73)]
    assert len({desk.reception.receive(mail).code for mail in mails}) == 1
    line = law(database, answers)["email"]
    assert (line.received, line.unkept, line.holds) == (1, 73, False), "none of them is the one that is kept"


def test_honest_repetitions_and_refusals_keep_the_law(
    desk: CitizensDesk, database: Database, answers: DoorsBook
) -> None:
    mail = b"Received: by %d\r\nSubject: x\r\n\r\nthe same"
    for hop in range(3):
        desk.reception.receive(RawContact("email", "info", "x", mail % hop, "message/rfc822"))
        desk.reception.submit(RawContact("sms", "3000", "1", b"the same", "text/plain")).result()
    line = law(database, answers)
    assert all((line[channel].received, line[channel].holds) == (1, True) for channel in ("email", "sms"))


def test_every_way_to_the_desk_is_in_the_book_and_an_error_is_not(
    desk: CitizensDesk, database: Database, answers: DoorsBook, inbox: Inbox
) -> None:
    def contact(name: str) -> RawContact:
        return RawContact("web", "portal", name, name.encode(), "text/plain")

    desk.reception.receive(contact("a"))
    desk.reception.submit(contact("b")).result()
    asyncio.run(desk.reception.receive_async(contact("c")))
    inbox.close()
    assert desk.reception.submit(contact("d")).exception() is not None
    answers.flush()
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM door_answers")
        assert cursor.fetchone() == (3,)


def noted(answers: DoorsBook, channel: str = "web") -> Receipt:
    receipt = Receipt(new_id(), "100000000009", now(), repeated=False)
    answers.note(RawContact(channel, "portal", "1", b"x", "text/plain"), receipt)
    return receipt


def in_book(database: Database) -> int:
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM door_answers")
        row = cursor.fetchone()
    return int(row[0]) if row else -1


def test_what_a_killed_process_noted_is_taken_in_by_the_next(
    answers: DoorsBook, database: Database, tmp_path: Path
) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom zrm.contract.inbound import RawContact, Receipt\n"
        "from zrm.frontdesk.doors_book import DoorsBook\nfrom zrm.kit.clock import now\nfrom zrm.kit.ids import new_id\n"
        "book = DoorsBook(None, Path(sys.argv[1]))\nbook._thread = object()\n"
        "for n in range(3):\n"
        "    book.note(RawContact('fax', '1', str(n), b'x', 'x/y'), Receipt(new_id(), '1', now(), repeated=False))\n"
        "print('noted', flush=True)\ntime.sleep(600)\n"
    )
    folder = tmp_path / "answers"
    with subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"noted\n"
        assert answers.adopt() == 0, "its process lives"
        other.kill()
        other.wait()
    (left,) = folder.glob("*.log")
    with left.open("ab") as file:
        file.write(b"torn in the mid")
    assert answers.adopt() == 3
    assert (in_book(database), list(folder.glob("*.log"))) == (3, [])


@pytest.mark.parametrize("adopter", ["holds it", "has removed it"])
def test_who_adopts_files_never_stops_the_door(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adopter: str
) -> None:
    """It may come between the making of a file and its lock, and wait for the door itself before it lets go."""
    open_, held = os.open, list[int]()

    def overtaken(path: Path, flags: int, mode: int = 0o777) -> int:
        made = open_(path, flags, mode)
        if flags & os.O_EXCL and not held:
            held.append(open_(path, os.O_RDWR))
            fcntl.flock(held[0], fcntl.LOCK_EX)
            if adopter == "has removed it":
                path.unlink()
                fcntl.flock(held[0], fcntl.LOCK_UN)
        return made

    monkeypatch.setattr(os, "open", overtaken)
    book = DoorsBook(database, tmp_path / "answers")
    monkeypatch.setattr(book, "_run", lambda: None)  # as if it were killed before its first journey
    contact = RawContact("web", "portal", "one", b"words", "text/plain")
    door = threading.Thread(target=book.note, args=(contact, Receipt(new_id(), "1234", now(), False)), daemon=True)
    door.start()
    door.join(10)
    assert not door.is_alive()
    files = list((tmp_path / "answers").iterdir())
    assert [len(file.read_bytes().splitlines()) for file in files] == [1]
    os.close(held[0])


def test_a_disk_without_locks_costs_no_descriptor_a_contact(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", without_locks)
    book = DoorsBook(database, tmp_path / "answers")
    monkeypatch.setattr(book, "_run", lambda: None)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(20):
        contact = RawContact("web", "portal", str(number), b"words", "text/plain")
        book.note(contact, Receipt(new_id(), "1234", now(), False))
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 10
    assert list((tmp_path / "answers").iterdir()) == []


def test_a_store_that_is_away_meanwhile_loses_no_line(
    answers: DoorsBook, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted(answers)
    with monkeypatch.context() as away:
        away.setattr(answers, "_insert", _away)
        with pytest.raises(psycopg.OperationalError):
            answers.flush()
    noted(answers)
    answers.close()
    assert (in_book(database), list((tmp_path / "answers").iterdir())) == (2, [])


def _away(_: object) -> None:
    raise psycopg.OperationalError("away")


def test_a_book_that_cannot_be_written_to_disk_refuses_nobody(
    answers: DoorsBook, database: Database, tmp_path: Path
) -> None:
    (tmp_path / "answers").write_text("a file where the folder should be")
    noted(answers)
    answers.flush()
    assert in_book(database) == 1
    (tmp_path / "answers").unlink()
