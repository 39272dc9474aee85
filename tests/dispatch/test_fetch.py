"""What lies at a provider's: fetched in the end or missed visibly; a report that never came is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.dispatch.test_deliver import make_case
from tests.reasons import why
from zrm.casestore import outbox, outgoing
from zrm.casestore.outbox import Topic
from zrm.config import Settings
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.errors import ConnectionFailed, Rejected, Throttled
from zrm.contract.files import Fetched, InboundFile
from zrm.contract.inbound import Inbound, Parsed, RawContact, Report, Thread
from zrm.dispatch.fetch import Fetch
from zrm.dispatch.status import NO_REPORT, StatusHandler, query_missing_reports
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.kit.ids import new_id
from zrm.normalizer.filing import Filer
from zrm.ui.i18n import gettext


@dataclass
class SmallInstallation:
    """A text with a picture comes in; the provider answers as the test says."""

    database: Database
    blobs: BlobStore
    answer: Callable[[str], Fetched] = field(default=lambda _: Fetched(b"picture", "image/png"))
    word: Callable[[str], Report | None] = field(default=lambda _: None)
    asked: int = 0
    reports: bool = True

    def fetch(self, account: str, address: str) -> Fetched:
        self.asked += 1
        assert account == "3000123"
        return self.answer(address)

    def delivery_status(self, account: str, provider_ref: str) -> Report | None:
        self.asked += 1
        return self.word(provider_ref)

    def reports_on(self, account: str, provider_ref: str) -> bool:
        return self.reports

    def work(self) -> None:
        with self.database.cursor() as cursor:
            cursor.execute("UPDATE outbox SET due_at = now() WHERE topic IN ('fetch', 'status') AND due_at > now()")
            files = outbox.claim(cursor, Topic.FETCH, limit=10, lease=60)
            deliveries = outbox.claim(cursor, Topic.STATUS, limit=10, lease=60)
        Fetch(self.database, self.blobs, {"sms": self})(files)
        StatusHandler(self.database, {"email": self})(deliveries)

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with self.database.cursor() as cursor:
            cursor.execute(query.encode())
            return cursor.fetchall()


@pytest.fixture
def installation(database: Database, blobs: BlobStore, inbox: Inbox, settings: Settings) -> SmallInstallation:
    def parse(raw: RawContact) -> list[Parsed]:
        file = InboundFile("ME1.png", "image/png", remote="https://provider/ME1")
        return [Inbound((Sender(PHONE, "09121234567"),), "عکس", files=(file,), thread=Thread(open_line=True))]

    inbox.submit(RawContact("sms", "3000123", "1", b"x", "text/plain")).result()
    with database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.FILE, limit=10, lease=60)
    Filer(database, blobs, {"sms": parse}, settings)(tasks)
    return SmallInstallation(database, blobs)


def test_picture_becomes_an_attachment_of_the_filed_message(installation: SmallInstallation) -> None:
    assert installation.ask("SELECT count(*) FROM attachments") == [(0,)], "the message does not wait for its picture"
    installation.work()
    ((name, kind, size, key, position),) = installation.ask(
        "SELECT name, media_type, size, blob_key, position FROM attachments"
    )
    assert (name, kind, size, position) == ("ME1.png", "image/png", 7, 0)
    assert installation.blobs.get(str(key)) == b"picture"
    assert installation.ask("SELECT state FROM remote_files") == [("fetched",)]
    assert installation.ask("SELECT count(*) FROM outbox WHERE topic = 'fetch'") == [(0,)]


def test_what_is_fetched_is_shown_to_the_virus_scanner_where_there_is_one(installation: SmallInstallation) -> None:
    with installation.database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.FETCH, limit=10, lease=60)
    Fetch(installation.database, installation.blobs, {"sms": installation}, scanned=True)(tasks)
    assert installation.ask("SELECT scan FROM attachments") == [("waiting",)]
    ((found,),) = installation.ask("SELECT a.id = o.ref FROM attachments a, outbox o WHERE o.topic = 'scan'")
    assert found


def test_provider_that_is_away_is_asked_again_and_not_for_ever(installation: SmallInstallation) -> None:
    def away(_: str) -> Fetched:
        raise ConnectionFailed(why("away"))

    installation.answer = away
    for _ in range(10):
        installation.work()
    assert installation.asked == 8
    assert installation.ask("SELECT labels FROM contacts WHERE direction = 'in'") == [(["file_missing"],)]
    ((failed_at, error),) = installation.ask(
        "SELECT failed_at IS NOT NULL, coalesce(reason_params ->> 'words', reason_code) FROM outbox WHERE topic = 'fetch'"
    )
    assert (failed_at, error) == (True, "away"), "a person sees the task and can send it again"


def test_a_missed_picture_can_be_fetched_after_all(installation: SmallInstallation) -> None:
    def refused(_: str) -> Fetched:
        raise Rejected(why("gone"))

    installation.answer = refused
    installation.work()
    assert installation.asked == 1
    assert installation.ask("SELECT labels FROM contacts WHERE direction = 'in'") == [(["file_missing"],)]
    installation.answer = lambda _: Fetched(b"picture", "image/png")
    with installation.database.cursor() as cursor:
        (task,) = outbox.failed(cursor)
        assert outbox.replay(cursor, task.id)
    installation.work()
    assert installation.ask("SELECT labels FROM contacts WHERE direction = 'in'") == [([],)]
    assert installation.ask("SELECT count(*) FROM attachments") == [(1,)]


# ---------------------------------------------------------------- reports that never came (field 2.13: jasmin#424, #423)


def silent_delivery(database: Database) -> None:
    """An answer that left long ago without a word since; the picture's task is out of the way."""
    delivery = make_case(database)
    with database.cursor() as cursor:
        cursor.execute(
            "UPDATE deliveries SET state = 'sent', provider_ref = 'ref', changed_at = now() - interval '25 hours' "
            "WHERE id = %s",
            [delivery],
        )
        cursor.execute("DELETE FROM outbox WHERE topic = 'fetch'")
        assert query_missing_reports(cursor, hours=26) == 0
        assert query_missing_reports(cursor, hours=24) == 1
        assert query_missing_reports(cursor, hours=24) == 0, "each is asked about once"


def test_report_that_never_came_is_asked_for(installation: SmallInstallation) -> None:
    silent_delivery(installation.database)
    installation.word = lambda ref: Report(ref, "delivered")
    installation.work()
    assert installation.ask(
        "SELECT state, coalesce(reason_params ->> 'words', reason_code) FROM deliveries WHERE channel = 'email'"
    ) == [("delivered", "")]


def test_provider_that_knows_nothing_leaves_a_line_in_the_history(installation: SmallInstallation) -> None:
    silent_delivery(installation.database)
    installation.work()
    assert installation.ask(
        "SELECT state, coalesce(reason_params ->> 'words', reason_code) FROM deliveries WHERE channel = 'email'"
    ) == [("sent", NO_REPORT.code)]
    assert installation.ask(
        "SELECT state, coalesce(reason_params ->> 'words', reason_code) FROM delivery_events WHERE reason_code <> ''"
    ) == [("sent", NO_REPORT.code)]
    assert gettext("fa", NO_REPORT.sentence) != NO_REPORT.sentence
    installation.word = lambda ref: Report(ref, "delivered")
    installation.work()
    assert installation.asked == 1


def test_nobody_is_told_that_a_report_is_missing_where_none_can_come(installation: SmallInstallation) -> None:
    silent_delivery(installation.database)
    installation.reports = False
    installation.work()
    assert installation.ask(
        "SELECT state, coalesce(reason_params ->> 'words', reason_code) FROM deliveries WHERE channel = 'email'"
    ) == [("sent", "")]
    assert (
        installation.ask(
            "SELECT coalesce(reason_params ->> 'words', reason_code) FROM delivery_events WHERE reason_code <> ''"
        )
        == []
    )
    assert (installation.asked, installation.ask("SELECT id FROM outbox WHERE topic = 'status'")) == (0, [])


def test_report_that_comes_after_all_wins(installation: SmallInstallation) -> None:
    silent_delivery(installation.database)
    asked = installation.asked
    with installation.database.cursor() as cursor:
        cursor.execute("UPDATE deliveries SET state = 'delivered' WHERE channel = 'email'")
    installation.work()
    assert (installation.asked - asked, installation.ask("SELECT state FROM deliveries WHERE channel = 'email'")) == (
        0,
        [("delivered",)],
    )
    assert installation.ask("SELECT id FROM outbox WHERE topic = 'status'") == [], "nothing is left to ask"


def test_only_the_parts_without_a_report_are_asked_about(installation: SmallInstallation) -> None:
    silent_delivery(installation.database)
    with installation.database.cursor() as cursor:
        cursor.execute("SELECT ref FROM outbox WHERE topic = 'status'")
        ((delivery,),) = cursor.fetchall()
        other = make_case(installation.database, code="100000000002")
        outgoing.set_parts(cursor, delivery, "email", "ref", ["one", "two", "three"])
        outgoing.set_parts(cursor, other, "email", "other", ["four"])
        outgoing.move_part(cursor, "email", "two", "delivered")
    asked: list[str] = []

    def word(ref: str) -> None:
        asked.append(ref)

    installation.word = word
    installation.work()
    assert asked == ["one", "three"]


@pytest.mark.parametrize("wait", [0, 77])
def test_who_is_busy_is_asked_when_they_said(installation: SmallInstallation, wait: int) -> None:
    def away(_: str) -> Fetched:
        raise Throttled(why("busy"), retry_after=wait)

    def silent(_: str) -> Report | None:
        raise Throttled(why("busy"), retry_after=wait)

    def waits() -> list[tuple[object, ...]]:
        return installation.ask(
            "SELECT round(extract(epoch FROM due_at - now()))::int > 60 FROM outbox WHERE topic IN ('fetch', 'status') AND failed_at IS NULL"
        )

    installation.answer, installation.word = away, silent
    installation.work()
    assert waits() == [(wait > 60,)]
    silent_delivery(installation.database)
    installation.work()
    assert waits() == [(wait > 60,)]


def test_a_file_that_workers_died_at_is_missing_and_what_is_gone_is_done(installation: SmallInstallation) -> None:
    with installation.database.cursor() as cursor:
        outbox.add(cursor, Topic.FETCH, [(gone := new_id(), "")])
    with installation.database.cursor() as cursor:
        tasks = {task.ref: task for task in outbox.claim(cursor, Topic.FETCH, limit=10, lease=60)}
    nobody = tasks.pop(gone)
    Fetch(installation.database, installation.blobs, {})([nobody])
    (task,) = tasks.values()
    Fetch(installation.database, installation.blobs, {}).give_up(task)
    assert installation.ask("SELECT labels FROM contacts WHERE direction = 'in'") == [(["file_missing"],)]
    assert installation.ask("SELECT reason_code FROM outbox WHERE topic = 'fetch'") == [("fetch.never_finished",)]


def test_a_provider_that_cannot_say_is_asked_again_and_not_for_ever(installation: SmallInstallation) -> None:
    silent_delivery(installation.database)

    def away(_: str) -> Report | None:
        raise ConnectionFailed(why("away"))

    installation.word = away
    for _ in range(10):
        installation.work()
    assert installation.asked == 8
    assert installation.ask("SELECT reason_code FROM deliveries WHERE channel = 'email'") == [(NO_REPORT.code,)]
    assert installation.ask("SELECT id FROM outbox WHERE topic = 'status'") == []
