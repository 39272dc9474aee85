"""The virus scan behind the queue, with a real clamd: never at the door, never forgotten, never taken for clean."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.channels.email.corpus import b64, multipart
from tests.channels.email.installation import MailInstallation
from tests.channels.email.test_safety import PDF
from tests.lab.clamav import EICAR, THREAT, ClamAV
from tests.lab.process import free_port
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.config import Scan as ScanSettings
from zrm.config import Settings
from zrm.dispatch.scan import ScanHandler
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.clamd import Clamd
from zrm.kit.db import Database


def part(name: str, data: bytes, media_type: str = "application/pdf") -> bytes:
    head = f"Content-Type: {media_type}; name={name}\r\nContent-Transfer-Encoding: base64\r\n"
    return f"{head}Content-Disposition: attachment\r\n\r\n".encode() + b64(data)


def letter(*parts: bytes) -> bytes:
    return multipart("mixed", "Content-Type: text/plain\n\nthe lamp", *parts).body


@dataclass
class ScanningInstallation(MailInstallation):
    """An installation that takes mail and has its files scanned by the clamd at `address`."""

    address: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.scan = ScanHandler(self.database, self.blobs, Clamd(self.address, timeout=30) if self.address else None)

    def work(self) -> None:
        """Scan what waits, whether it is due or not."""
        self.ask("UPDATE outbox SET due_at = now() WHERE topic = 'scan' AND failed_at IS NULL RETURNING id")
        with self.database.cursor() as cursor:
            tasks = outbox.claim(cursor, Topic.SCAN, limit=50, lease=60)
        self.scan(tasks)

    def verdicts(self) -> list[tuple[object, ...]]:
        return self.ask("SELECT name, scan, threat FROM attachments ORDER BY position")

    def tasks(self) -> list[tuple[object, ...]]:
        return self.ask(
            "SELECT attempts, coalesce(nullif(reason_code, ''), error), failed_at IS NOT NULL FROM outbox WHERE topic = 'scan'"
        )


@pytest.fixture
def clamav() -> Iterator[ClamAV]:
    with ClamAV(most=1_000_000) as running:
        yield running


def scanning(
    database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings, folder: Path, address: str
) -> ScanningInstallation:
    with_scan = settings.model_copy(update={"scan": ScanSettings(clamd=address)})
    return ScanningInstallation(database, inbox, blobs, with_scan, folder, address=address)


@pytest.mark.peer("clamav")
def test_a_virus_is_kept_marked_and_named(
    database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings, tmp_path: Path, clamav: ClamAV
) -> None:
    installation = scanning(database, inbox, blobs, settings, tmp_path, clamav.unix)
    contact = installation.take(letter(part("good.pdf", PDF), part("bad.pdf", EICAR)))
    assert installation.verdicts() == [("good.pdf", "waiting", ""), ("bad.pdf", "waiting", "")], (
        "the case waits for nobody"
    )
    installation.work()
    assert installation.verdicts() == [("good.pdf", "clean", ""), ("bad.pdf", "infected", THREAT)]
    assert "infected" in installation.labels(contact)
    ((key,),) = installation.ask("SELECT blob_key FROM attachments WHERE name = 'bad.pdf'")
    assert installation.blobs.get(str(key)) == EICAR, "what a citizen sent is never thrown away"
    assert installation.tasks() == []


@pytest.mark.peer("clamav")
def test_a_scanner_that_is_away_is_asked_until_it_is_back(
    database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings, tmp_path: Path, clamav: ClamAV
) -> None:
    installation = scanning(database, inbox, blobs, settings, tmp_path, clamav.tcp)
    clamav.stop()
    contact = installation.take(letter(part("bad.pdf", EICAR)))
    for _ in range(20):  # far more than any other task is tried
        installation.scan = ScanHandler(
            installation.database, installation.blobs, Clamd(installation.address, timeout=5)
        )
        installation.work()
    assert installation.verdicts() == [("bad.pdf", "waiting", "")]
    assert installation.labels(contact) == {"unscanned"}, "and the desk shows that"
    assert installation.tasks() == [(0, "ScannerAway", False)]
    clamav.start()
    installation.scan = ScanHandler(installation.database, installation.blobs, Clamd(installation.address, timeout=30))
    installation.work()
    assert installation.verdicts() == [("bad.pdf", "infected", THREAT)]
    assert installation.labels(contact) == {"infected"}


@pytest.mark.peer("clamav")
def test_what_the_scanner_refuses_to_judge_waits_for_a_person(
    database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings, tmp_path: Path, clamav: ClamAV
) -> None:
    installation = scanning(database, inbox, blobs, settings, tmp_path, clamav.unix)
    contact = installation.take(letter(part("large.bin", bytes(6_000_000), "application/octet-stream")))
    installation.work()
    ((_, reason, failed),) = installation.tasks()
    assert (reason, failed) == ("scan.cannot_judge", True)
    ((words,),) = installation.ask("SELECT reason_params ->> 'words' FROM outbox WHERE topic = 'scan'")
    assert str(words).startswith("INSTREAM size limit exceeded")
    assert installation.labels(contact) == {"unscanned"}
    assert installation.verdicts() == [("large.bin", "waiting", "")]


def test_a_worn_task_leaves_the_file_unscanned_and_says_so(
    database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings, tmp_path: Path
) -> None:
    installation = scanning(database, inbox, blobs, settings, tmp_path, f"tcp:127.0.0.1:{free_port()}")
    contact = installation.take(letter(part("a.pdf", PDF)))
    with database.cursor() as cursor:
        (task,) = outbox.claim(cursor, Topic.SCAN, limit=5, lease=60)
    installation.scan.give_up(task)
    assert installation.tasks() == [(1, "scan.never_finished", True)]
    assert installation.labels(contact) == {"unscanned"}


def test_a_file_that_was_judged_is_not_asked_about_again(
    database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings, tmp_path: Path
) -> None:
    installation = scanning(database, inbox, blobs, settings, tmp_path, f"tcp:127.0.0.1:{free_port()}")
    installation.take(letter(part("a.pdf", PDF)))
    installation.ask("UPDATE attachments SET scan = 'clean' RETURNING id")
    installation.work()
    assert (installation.verdicts(), installation.tasks()) == ([("a.pdf", "clean", "")], [])


def test_without_a_scanner_nothing_waits_for_one(
    database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings, tmp_path: Path
) -> None:
    plain = ScanningInstallation(database, inbox, blobs, settings, tmp_path)
    plain.take(letter(part("a.pdf", PDF)))
    assert plain.verdicts() == [("a.pdf", "", "")]
    assert plain.tasks() == []
    installation = scanning(database, inbox, blobs, settings, tmp_path, f"tcp:127.0.0.1:{free_port()}")
    contact = installation.take(letter(part("b.pdf", PDF)))
    installation.work()
    assert installation.labels(contact) == {"unscanned"}
    installation.scan = ScanHandler(database, blobs, None)  # the operator took the scanner out of the configuration
    installation.work()
    assert installation.tasks() == []
    assert installation.labels(contact) == set()


@pytest.mark.peer("clamav")
def test_the_check_says_whether_the_scanner_answers(
    database_url: str, redis_url: str, tmp_path: Path, clamav: ClamAV
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        f"organisation: {{name: {{fa: آزمون, en: Test}}}}\ndatabase_url: {database_url}\nredis_url: {redis_url}\n"
        f"scan: {{clamd: '{clamav.unix}'}}\n",
        encoding="utf-8",
    )

    def check() -> str:
        command = [sys.executable, "-m", "zrm.cli", "check"]
        environment = {**os.environ, "ZRM_CONFIG": str(file)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    assert "scan.clamd" not in check()
    clamav.stop()
    assert "scan.clamd: does not answer;" in check()


@pytest.mark.parametrize("address", ["", "/run/clamd.ctl", "unix:clamd.ctl", "tcp:host", "tcp::1", "http://host:1"])
def test_an_address_of_no_scanner_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="expected unix:"):
        ScanSettings(clamd=address)
    ScanSettings(clamd="tcp:[::1]:3310")
