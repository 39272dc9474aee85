"""Years of mail: the big tables are divided by month, and a month that is taken off is missed by nobody else."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from types import SimpleNamespace
from uuid import UUID

import psycopg
import pytest

from tests.channels.email.installation import ALI, MailInstallation, mail
from tests.lab.ids import time_of
from zrm.casestore import months, outbox, search, search_words, timeline, uploads, worklists
from zrm.casestore.case import case_of, cases_of
from zrm.casestore.outbox import Topic
from zrm.casework.detached_month import forget_month
from zrm.casework.self_service_texts import text_of
from zrm.channels.sms.keywords import command_of
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.inbound import Inbound, Parsed, RawContact
from zrm.dispatch.deliver import Deliver
from zrm.errors import Conflict, NotFound
from zrm.frontdesk.tracking import tracking_of
from zrm.inbox import quarantine
from zrm.insight import ledger
from zrm.kit import ids
from zrm.kit.clock import now
from zrm.kit.db import Database
from zrm.kit.ids import new_id
from zrm.normalizer.filing import Filer

TABLES = months.TABLES


def month_of(moment: datetime) -> date:
    return moment.date().replace(day=1)


def before(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)


def child(table: str, month: date) -> str:
    return f"{table}_{month:%Y_%m}"


def partition_of(database: Database, table: str, row: UUID) -> str:
    with database.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {table} WHERE id = %s".encode(), [row])
        return str(cursor.fetchall()[0][0])


@contextmanager
def clock_of_ids(moment: datetime) -> Iterator[None]:
    """New ids carry this moment, and what is received was received then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ids, "time", SimpleNamespace(time_ns=lambda: int(moment.timestamp() * 1e9)))
        patch.setattr(ids, "_last_ms", 0)
        patch.setattr("zrm.inbox.writer.now", lambda: moment)
        yield


def test_what_comes_lies_in_its_month_and_counts_as_before(mail_installation: MailInstallation) -> None:
    contact = mail_installation.take(mail())
    this = month_of(time_of(contact))
    for table in ("raw_contacts", "contacts"):
        assert partition_of(mail_installation.database, table, contact) == child(table, this)
    ((event,),) = mail_installation.ask("SELECT id FROM case_events LIMIT 1")
    assert isinstance(event, UUID)
    assert partition_of(mail_installation.database, "case_events", event) == child("case_events", this)
    assert mail_installation.ask("SELECT state, sum(n) FROM contact_counts GROUP BY 1 HAVING sum(n) <> 0") == [
        ("filed", 1)
    ]


@pytest.mark.parametrize("part", ["default", "month"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET at = at", "DELETE FROM {}", "TRUNCATE {}"])
def test_history_cannot_be_edited_in_its_parts_either(database: Database, part: str, statement: str) -> None:
    for table in ("case_events", "delivery_events"):
        name = f"{table}_default" if part == "default" else child(table, month_of(now()))
        with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"), database.cursor() as cursor:
            cursor.execute(statement.format(name).encode())


def test_the_coming_months_are_made_once(database: Database) -> None:
    today = date(2040, 1, 31)
    assert months.make_coming(database, today) == len(TABLES) * (months.AHEAD + 1)
    assert months.make_coming(database, today) == 0
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname LIKE 'contacts\\_2040%' AND relkind = 'r' ORDER BY 1"
        )
        assert [name for (name,) in cursor] == ["contacts_2040_01", "contacts_2040_02"]
        at = datetime(2040, 2, 1, tzinfo=UTC)
        for moment, table in ((at, "contacts_2040_02"), (at - timedelta(milliseconds=1), "contacts_2040_01")):
            with clock_of_ids(moment):
                row = new_id()
            cursor.execute("SELECT %s >= first_id_of(%s)", [row, moment])
            assert cursor.fetchone() == (True,)
            cursor.execute("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = %s", [table])
            bound = str(cursor.fetchall()[0][0])
            low, high = (UUID(part) for part in bound.split("'")[1::2])
            assert low <= row < high


def test_a_table_that_is_locked_or_full_of_strays_keeps_nobody_waiting(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(months, "_LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr(months, "_MOVED_AT_ONCE", 0)
    today, each = date(2040, 1, 1), months.AHEAD + 1
    with clock_of_ids(datetime(2040, 2, 2, tzinfo=UTC)), database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO raw_contacts (id, channel, account, kind, media_type, body, size, envelope, files, trace, received_at)"
            " VALUES (%s, 'sms', 'x', 'contact', 'text/plain', '', 0, '{}', '[]', '', now())",
            [new_id()],
        )
    with closing(database.connect()) as other:
        other.execute("LOCK TABLE contacts IN SHARE UPDATE EXCLUSIVE MODE")
        caplog.set_level(logging.INFO)
        assert months.make_coming(database, today) == (len(TABLES) - 1) * each - 1
    assert months.make_coming(database, today) == each, "those of the table that was locked"
    logged = " ".join([*(record.getMessage() for record in caplog.records), *capsys.readouterr().err.splitlines()])
    assert "rows of it lie in the default partition" in logged
    with database.cursor() as cursor:
        assert months.in_default(cursor, today) == [("raw_contacts", date(2040, 2, 1))]
    # The operator moves them, which append-only tables must allow too.
    assert months.make_from_default(database, date(2040, 2, 1)) == {"raw_contacts": 1}
    assert months.make_from_default(database, date(2040, 2, 1)) == {}
    with database.cursor() as cursor:
        assert months.in_default(cursor, today) == []
        cursor.execute("SELECT tableoid::regclass::text FROM raw_contacts")
        assert cursor.fetchall() == [("raw_contacts_2040_02",)]
        cursor.execute("SELECT make_month_from_default('case_events', '2040-03-01')")
    with pytest.raises(psycopg.errors.RestrictViolation), database.cursor() as cursor:
        cursor.execute("DELETE FROM raw_contacts_2040_02")
    with pytest.raises(psycopg.errors.RestrictViolation), database.cursor() as cursor:
        cursor.execute("DELETE FROM case_events_2040_03")
    assert months.make_coming(database, today) == 0


def test_a_stray_row_keeps_no_month_from_being_made(database: Database) -> None:
    """A door whose clock was ahead for a second, or a citizen's provider that names the id."""
    with clock_of_ids(datetime(2040, 2, 2, tzinfo=UTC)), database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO notifications (id, agent_id, source_id, kind, at) SELECT %s, id, id, 'note', now() FROM agents LIMIT 1",
            [new_id()],
        )
    today = date(2040, 1, 31)
    assert months.make_coming(database, today) == len(TABLES) * (months.AHEAD + 1)
    with database.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM notifications")
        assert cursor.fetchall() == [("notifications_2040_02",)]


def test_several_relays_make_a_month_at_the_same_moment(database: Database) -> None:
    together = Barrier(4)

    def relay(_: int) -> int:
        together.wait()
        return months.make_coming(database, date(2050, 1, 31))

    with ThreadPoolExecutor(4) as relays:
        assert sum(relays.map(relay, range(4))) == len(TABLES) * (months.AHEAD + 1)


def test_making_a_month_locks_what_is_said_of_it(database: Database) -> None:
    """Readers and writers of the table go on; tables named by its foreign keys can be read."""
    with database.cursor() as cursor:
        cursor.execute("SELECT make_month('contacts', '2041-01-01')")
        cursor.execute(
            "SELECT relname, mode FROM pg_locks JOIN pg_class ON pg_class.oid = relation WHERE pid = pg_backend_pid() "
            "AND relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND mode LIKE '%Exclusive%'"
        )
        locks: dict[str, set[str]] = {}
        for table, mode in cursor:
            locks.setdefault(table, set()).add(mode)
    strong = {table for table, modes in locks.items() if "AccessExclusiveLock" in modes}
    assert strong == {"contacts_default", "contacts_2041_01"}
    assert locks["contacts"] == {"ShareUpdateExclusiveLock"}
    assert {table for table, modes in locks.items() if "ShareRowExclusiveLock" in modes} - strong == {
        "agents", "cases", "persons",
    }  # fmt: skip


def sms_status(installation: MailInstallation, code: str) -> object:
    """What a text message that asks for the state of a case is answered."""

    def parse(raw: RawContact) -> list[Parsed]:
        inbound = Inbound((Sender(PHONE, "09121234567"),), raw.body.decode())
        return [command_of(inbound) or inbound]

    text = RawContact("sms", "3000123", code, f"وضعیت {code}".encode(), "text/plain")
    contact = installation.inbox.submit(text).result().contact_id
    filer = Filer(installation.database, installation.blobs, {"sms": parse}, installation.settings)
    with installation.database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.FILE, limit=64, lease=60)
    filer(tasks)
    return installation.ask("SELECT text FROM deliveries WHERE question_id = %s", contact)[0][0]


def take_off(installation: MailInstallation, last: date, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the month off as the operator does: refused while something is to be done in it or others read."""
    database = installation.database
    with pytest.raises(Conflict, match="is not over"):
        months.detach(database, month_of(now()))
    with pytest.raises(NotFound, match="2020-01"):
        months.detach(database, date(2020, 1, 1))
    with clock_of_ids(datetime(last.year, last.month, 16, tzinfo=UTC)):
        installation.receive(b"")
    with pytest.raises(Conflict, match="1 contacts wait to be filed"):
        months.detach(database, last)
    installation.file()
    with pytest.raises(Conflict, match="1 are in quarantine, 2 deliveries have not been sent"):
        months.detach(database, last)
    ((held,),) = installation.ask("SELECT contact_id FROM quarantine WHERE ended_at IS NULL")
    assert isinstance(held, UUID)
    with database.cursor() as cursor:
        quarantine.ignore(cursor, held, "empty")
        tasks = outbox.claim(cursor, Topic.DELIVER, limit=100, lease=60)
    Deliver(database, {}, installation.settings)(tasks)
    with closing(database.connect()) as dump, monkeypatch.context() as patch:
        dump.execute("SELECT count(*) FROM notifications")
        patch.setattr(months, "_LOCK_TIMEOUT", "20ms")
        patch.setattr(months, "_PAUSE", 0)
        with pytest.raises(Conflict, match="others hold a lock"):
            months.detach(database, last)
    parts = sorted(child(table, last) for table in TABLES)
    assert months.detach(database, last) == parts
    assert months.detach(database, last) == parts, "a command that was killed may be run again"
    counted = "SELECT channel, state, sum(n)::int FROM contact_counts GROUP BY 1, 2 HAVING sum(n) <> 0 ORDER BY 1, 2"
    assert installation.ask(counted) == installation.ask(
        "SELECT channel, state, count(*)::int FROM raw_contacts GROUP BY 1, 2 ORDER BY 1, 2"
    )
    with database.cursor() as cursor:
        since = datetime(last.year, last.month, 1, tzinfo=UTC)
        lines = ledger.by_hour(cursor, since, now() + timedelta(hours=1))
        assert worklists.work_counts(cursor).held == 0
    assert [line.received for line in lines if line.hour.month == last.month] == []
    assert all(line.holds for line in lines)


def test_a_month_is_taken_off_and_the_rest_goes_on(
    mail_installation: MailInstallation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A matter of last month that goes on, one of last month that is over, and one of today."""
    installation, database = mail_installation, mail_installation.database
    today = now()
    last = before(month_of(today))
    with database.cursor() as cursor:
        for table in TABLES:
            cursor.execute("SELECT make_month(%s, %s)", [table, last])
    with clock_of_ids(datetime(last.year, last.month, 15, tzinfo=UTC)):
        old = installation.take(mail("the lamp", "Message-ID: <old@example.com>"))
        gone = installation.take(
            mail("the bin", "Message-ID: <gone@example.com>", sender="sara@example.com"), mail_from="sara@example.com"
        )
    case, over = installation.case_of(old), installation.case_of(gone)
    assert partition_of(database, "contacts", old) == child("contacts", last)
    again = installation.take(
        mail(
            "still dark",
            "Message-ID: <again@example.com>",
            "In-Reply-To: <old@example.com>",
            "References: <old@example.com>",
        )
    )
    assert installation.case_of(again) == case, "a message of this month joins the case of last month"
    ((code,),) = installation.ask("SELECT code FROM receipts WHERE contact_id = %s", old)

    take_off(installation, last, monkeypatch)
    assert months.make_coming(database, month_of(today)) >= 0
    assert installation.ask(f"SELECT count(*) FROM {child('contacts', last)}")[0][0] != 0, "what was taken off is whole"
    assert installation.ask("SELECT relispartition FROM pg_class WHERE relname = %s", child("contacts", last)) == [
        (False,)
    ]

    # Its sender repeats a mail of last month: it is known, whatever became of the rest.
    repeated = installation.receive(mail("the lamp", "Message-ID: <old@example.com>"))
    assert repeated == old
    assert installation.ask("SELECT code FROM receipts WHERE contact_id = %s", old) == [(code,)]
    # New mail: to the old case, from the same citizen, from another.
    more = installation.take(
        mail(
            "still",
            "Message-ID: <more@example.com>",
            "In-Reply-To: <again@example.com>",
            "References: <old@example.com> <again@example.com>",
        )
    )
    assert installation.case_of(more) == case
    other = installation.take(mail("a hole", sender="reza@example.com"), mail_from="reza@example.com")
    assert installation.case_of(other) not in (case, over)
    with database.cursor() as cursor:
        shown, empty = timeline.load(cursor, case), timeline.load(cursor, over)
    assert shown is not None
    assert [contact.id for contact in shown.contacts if contact.direction == "in"] == [again, more]
    assert empty is not None
    assert [contact.id for contact in empty.contacts if contact.direction == "in"] == []
    # The codes of both cases lead there still, wherever they are asked, and prove no more than before.
    ((over_code,),) = installation.ask("SELECT code FROM receipts WHERE contact_id = %s", gone)
    for asked, owner, state in ((str(code), case, "new"), (str(over_code), over, "new")):
        with database.cursor() as cursor:
            assert case_of(cursor, asked) == owner
            page = tracking_of(
                cursor, asked, proven=False, default_language="fa", writes_mail=True, body_of=installation.blobs.get
            )
        assert (page.proven, page.proofs, page.state, page.filed) == (False, ("email",), "received", True)
        assert sms_status(installation, asked) == text_of(
            "status", "fa", name=installation.settings.organisation.name.in_language("fa"), code=asked, status=state
        )
    quoting = installation.take(
        mail("and again", f"Subject: Re: [#{over_code}]", sender="sara@example.com"), mail_from="sara@example.com"
    )
    assert installation.case_of(quoting) == over, "a code quoted in a subject"
    with database.cursor() as cursor:
        person = installation.ask("SELECT person_id FROM cases WHERE id = %s", case)[0][0]
        assert isinstance(person, UUID)
        assert [own.code for own in cases_of(cursor, person, ALI, closed_since=today)] == [code], "a code that was lost"
        everywhere = search.Reach(None, None)
        hits = search.find(cursor, search_words.parse("the lamp", "IR"), everywhere, limit=1)
        assert [(hit.case_id, hit.contact_id, hit.text) for hit in hits] == [(case, old, "")]
    assert installation.holds()


def test_a_contact_that_is_not_there_is_no_work_that_is_done(mail_installation: MailInstallation) -> None:
    """Somebody took a month off by hand, with a contact that was waiting to be filed and one in quarantine."""
    installation, database = mail_installation, mail_installation.database
    last = before(month_of(now()))
    part = child("raw_contacts", last)
    with database.cursor() as cursor:
        cursor.execute("SELECT make_month('raw_contacts', %s)", [last])
    with clock_of_ids(datetime(last.year, last.month, 15, tzinfo=UTC)):
        installation.take(b"")
        contact = installation.receive(mail("the lamp"))
    with database.cursor() as cursor:
        assert worklists.work_counts(cursor).held == 1
        cursor.execute(f"ALTER TABLE raw_contacts DETACH PARTITION {part}".encode())
    installation.file()
    ((task, ref, reason),) = installation.ask("SELECT id, ref, reason_code FROM outbox WHERE topic = 'file'")
    assert (ref, reason) == (contact, "filing.not_there")
    assert isinstance(task, UUID)
    with database.cursor() as cursor:
        counts = worklists.work_counts(cursor)
        assert (counts.failed_tasks, counts.held, counts.overdue) == (1, 0, False), "as the lists show"
        cursor.execute("SELECT first_id_of(%s), first_id_of(%s::timestamp + interval '1 month')", [last, last])
        ((first, end),) = cursor.fetchall()
        cursor.execute(
            f"ALTER TABLE raw_contacts ATTACH PARTITION {part} FOR VALUES FROM ('{first}') TO ('{end}')".encode()
        )
        assert outbox.replay(cursor, task)
    installation.file()
    assert installation.ask("SELECT count(*) FROM outbox WHERE topic = 'file'") == [(0,)]
    assert installation.case_of(contact) is not None


def test_what_is_left_of_a_month_that_was_taken_off_is_removed(mail_installation: MailInstallation) -> None:
    installation, database = mail_installation, mail_installation.database
    last = before(month_of(now()))
    with database.cursor() as cursor:
        for table in TABLES:
            cursor.execute("SELECT make_month(%s, %s)", [table, last])

    def with_file(name: str) -> str:
        part = "Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt"
        text = f"--b\r\nContent-Type: text/plain\r\n\r\nthe lamp\r\n--b\r\n{part}\r\n\r\n{name}\r\n--b--"
        whole = mail(text, f"Message-ID: <{name}@example.com>")
        return whole.replace("text/plain; charset=utf-8", 'multipart/mixed; boundary="b"', 1)

    with clock_of_ids(datetime(last.year, last.month, 15, tzinfo=UTC)):
        old = installation.take(with_file("old"))
        late = installation.take(with_file("late"))
    new = installation.take(with_file("new"))
    with pytest.raises(Conflict, match=str(child("contacts", last))):
        forget_month(database, last)
    files = {contact: str(key) for contact, key in installation.ask("SELECT contact_id, blob_key FROM attachments")}
    large, _ = installation.blobs.put(b"a large mail of that month")
    with database.cursor() as cursor:
        cursor.execute("UPDATE raw_contacts SET body = NULL, body_key = %s WHERE id = %s", [large, old])
        cursor.execute("DELETE FROM outbox WHERE topic = 'deliver'")
    months.detach(database, last)
    with database.cursor() as cursor:
        # It came again by another way: what has its contact keeps everything.
        cursor.execute(f"INSERT INTO contacts SELECT * FROM {child('contacts', last)} WHERE id = %s".encode(), [late])
    assert forget_month(database, last) == 3, "the mail and what it and the late one were answered"
    assert forget_month(database, last) == 0
    assert {contact for (contact,) in installation.ask("SELECT contact_id FROM attachments")} == {late, new}
    assert old not in {contact for (contact,) in installation.ask("SELECT contact_id FROM contact_search")}
    for file in installation.blobs.root.rglob("*"):
        if file.is_file():
            os.utime(file, (1, 1))
    uploads.sweep(database, installation.blobs)
    kept = {contact: installation.blobs.path(key).exists() for contact, key in files.items()}
    assert kept == {old: False, late: True, new: True}
    assert not installation.blobs.path(large).exists()
