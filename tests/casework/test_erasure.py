"""A body may be erased, never lost; history lets only that through; a file goes with its last reference."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

import zrm
from tests.channels.email.conftest import mail_installation
from tests.channels.email.installation import MailInstallation, mail
from tests.reasons import why
from zrm.casestore import case_list, outgoing, timeline, uploads
from zrm.casestore.agent import Permission
from zrm.casestore.delivery import DeliveryKind, DeliveryState
from zrm.casestore.outgoing import NewDelivery, OwnWords
from zrm.casework.context import ActingAgent
from zrm.casework.erasure import erase_contacts
from zrm.errors import Conflict
from zrm.frontdesk.tracking import tracking_of
from zrm.inbox import quarantine, reading
from zrm.inbox.receive import INLINE_LIMIT
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database
from zrm.security.grants import Grants
from zrm.ui.descriptions import title_of

__all__ = ["mail_installation"]  # a fixture
SECRET = "geheimnis"
ERASING = Grants({Permission.ERASE_CONTACTS: None})


def everything(database: Database, *, but: Collection[str] = ()) -> str:
    """All rows of all tables but some, as text; a body too."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        tables = [table for (table,) in cursor if table not in but]
        cursor.execute("SET LOCAL bytea_output = escape")
        rows: list[str] = []
        for table in tables:
            cursor.execute(f"SELECT t::text FROM {table} t".encode())
            rows += [row for (row,) in cursor]
    return "\n".join(rows)


def sent(installation: MailInstallation) -> None:
    """What was queued has left, and the provider said something about it."""
    with installation.database.cursor() as cursor:
        cursor.execute("SELECT id FROM deliveries WHERE state = 'queued'")
        for (delivery,) in cursor.fetchall():
            outgoing.set_state(cursor, delivery, DeliveryState.SENDING)
            outgoing.set_state(cursor, delivery, DeliveryState.FAILED, why(f"no mailbox {SECRET}"))


def erase(installation: MailInstallation, *contacts: UUID) -> int:
    with installation.database.cursor() as cursor:
        return erase_contacts(cursor, ActingAgent(agent(cursor), ERASING), contacts)


def agent(cursor: Cursor) -> UUID:
    """An agent who erases."""
    cursor.execute(
        "INSERT INTO agents (id, login, names, password_hash, unit_id)"
        " SELECT uuidv7(), 'eraser', '{\"en\": \"E\"}', '!', id FROM units LIMIT 1 ON CONFLICT (login) DO NOTHING"
    )
    cursor.execute("SELECT id FROM agents WHERE login = 'eraser'")
    row = cursor.fetchone()
    assert row is not None
    return UUID(str(row[0]))


def shown(installation: MailInstallation, contact: UUID) -> tuple[bool, Sequence[str]]:
    """Whether the tracking page shows words to whoever has the contact's code, and what they can prove it by."""
    ((code,),) = installation.ask("SELECT code FROM receipts WHERE contact_id = %s", contact)
    with installation.database.cursor() as cursor:
        page = tracking_of(
            cursor, str(code), proven=False, default_language="fa", writes_mail=True, body_of=installation.blobs.get
        )
    return page.proven, page.proofs


def old(installation: MailInstallation) -> None:
    """A day passes in the blob store."""
    for file in installation.blobs.root.rglob("*"):
        if file.is_file():
            os.utime(file, (1, 1))


def test_what_was_said_is_gone_and_all_that_counts_it_goes_on(mail_installation: MailInstallation) -> None:
    sender = f"{SECRET}@example.com"
    contact = mail_installation.take(mail(f"{SECRET} lamp", f"Subject: {SECRET}", sender=sender), mail_from=sender)
    case = mail_installation.case_of(contact)
    ((ours,),) = mail_installation.ask("SELECT contact_id FROM deliveries")
    assert isinstance(ours, UUID)
    with pytest.raises(Conflict):
        erase(mail_installation, contact, ours)  # the acknowledgement has not left
    sent(mail_installation)
    assert SECRET in everything(mail_installation.database, but=("persons", "addresses"))
    assert erase(mail_installation, contact, ours) == 2
    assert erase(mail_installation, contact, ours) == 0, "twice is once"
    assert SECRET not in everything(mail_installation.database, but=("persons", "addresses"))
    with mail_installation.database.cursor() as cursor:
        page = timeline.load(cursor, case)
        assert page is not None
        assert [(one.text, "erased" in one.labels) for one in page.contacts if one.direction == "in"] == [("", True)]
        assert reading.original(cursor, contact) is None
        cursor.execute("SELECT count(*) FROM contact_search WHERE contact_id = %s", [contact])
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT body IS NULL AND body_key IS NULL, state FROM raw_contacts WHERE id = %s", [contact])
        assert cursor.fetchone() == (True, "filed")
        cursor.execute("SELECT opened_from FROM cases WHERE id = %s", [case])
        assert cursor.fetchone() == ([],), "whose case it is stays with the person"
        (row,) = case_list.rows(cursor, [case])
        assert (row.title, title_of(row, "en"), title_of(row, "fa")) == ("", "Erased title", "عنوان امحاشده")
        cursor.execute("SELECT agent_id, data FROM case_events WHERE case_id = %s AND kind = 'contacts_erased'", [case])
        ((who, data),) = cursor.fetchall()
        assert (who, {UUID(one) for one in data["erased_ids"]}) == (agent(cursor), {contact, ours})
    assert mail_installation.holds()
    assert (
        mail_installation.receive(mail(f"{SECRET} lamp", f"Subject: {SECRET}", sender=sender), mail_from=sender)
        == contact
    )


def test_a_later_message_takes_no_title_with_it_and_agents_words_stay(mail_installation: MailInstallation) -> None:
    first = mail_installation.take(mail("lamp", "Subject: The lamp", "Message-ID: <1@example.com>"))
    case = mail_installation.case_of(first)
    later = mail_installation.take(
        mail(SECRET, f"Subject: {SECRET}", "References: <1@example.com>", "Message-ID: <2@example.com>")
    )
    assert mail_installation.case_of(later) == case
    with mail_installation.database.cursor() as cursor:
        cursor.execute(
            "UPDATE cases SET status = 'closed', closed_at = now(), result = 'Repaired.' WHERE id = %s", [case]
        )
    sent(mail_installation)
    assert erase(mail_installation, later) == 1
    assert mail_installation.ask("SELECT title, result FROM cases") == [("The lamp", "Repaired.")]
    assert erase(mail_installation, first) == 1
    assert mail_installation.ask("SELECT title, result FROM cases") == [("", "Repaired.")]


def test_why_it_was_in_quarantine_is_erased_too(mail_installation: MailInstallation) -> None:
    contact = mail_installation.receive(mail())
    with mail_installation.database.cursor() as cursor:
        quarantine.enter(cursor, contact, reason=why(f"no such word {SECRET}"), due_at=now())
    with pytest.raises(Conflict):
        erase(mail_installation, contact)
    with mail_installation.database.cursor() as cursor:
        quarantine.ignore(cursor, contact, f"{SECRET} is no word")
    assert SECRET in everything(mail_installation.database)
    erase(mail_installation, contact)
    assert SECRET not in everything(mail_installation.database)


def test_erasing_opens_no_case_to_its_code(mail_installation: MailInstallation) -> None:
    """With the message goes the address that proved the case; that is no case of a citizen who gave none."""
    sender = "sara@example.com"
    contact = mail_installation.take(mail("lamp", "Subject: lamp", sender=sender), mail_from=sender)
    sent(mail_installation)
    with mail_installation.database.cursor() as cursor:
        cursor.execute("UPDATE addresses SET claimed = true")  # as a form's are, where the citizen only types them
    assert shown(mail_installation, contact) == (False, ("email",))
    erase(mail_installation, contact)
    assert shown(mail_installation, contact) == (False, ())


def test_a_citizen_without_an_address_needs_only_the_code(mail_installation: MailInstallation) -> None:
    contact = mail_installation.take(mail("lamp"))
    with mail_installation.database.cursor() as cursor:
        cursor.execute("DELETE FROM addresses")
        cursor.execute("UPDATE cases SET opened_from = '{}'")
        cursor.execute("UPDATE contacts SET address = '', other_addresses = '{}'")
    assert shown(mail_installation, contact) == (True, ())
    with mail_installation.database.cursor() as cursor:
        cursor.execute("DELETE FROM contacts WHERE direction = 'in'")
    assert shown(mail_installation, contact) == (False, ()), "its month was taken off"


def test_an_answer_without_a_case_is_erased_with_its_question(mail_installation: MailInstallation) -> None:
    contact = mail_installation.take(mail("lamp"))
    answer = NewDelivery(
        DeliveryKind.SELF_SERVICE, "email", "info", f"{SECRET}@example.com", question_id=contact, command="help",
        says=OwnWords(SECRET, "en", SECRET),
    )  # fmt: skip
    with mail_installation.database.cursor() as cursor:
        outgoing.queue(cursor, [answer])
    sent(mail_installation)
    ((ours,),) = mail_installation.ask("SELECT contact_id FROM deliveries WHERE contact_id IS NOT NULL")
    assert isinstance(ours, UUID)
    assert SECRET in everything(mail_installation.database)
    erase(mail_installation, contact, ours)
    assert SECRET not in everything(mail_installation.database)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE raw_contacts SET body = NULL",
        "UPDATE raw_contacts SET body = NULL, erased_at = now()",  # its envelope still names the citizen
        "UPDATE raw_contacts SET erased_at = now()",
        "UPDATE contacts SET erased_at = now()",
        "UPDATE deliveries SET erased_at = now()",
    ],
)
def test_nothing_is_half_erased(mail_installation: MailInstallation, statement: str) -> None:
    mail_installation.take(mail())
    with pytest.raises(psycopg.errors.CheckViolation), mail_installation.database.cursor() as cursor:
        cursor.execute(statement.encode())


def test_what_waits_for_its_case_is_not_erased(mail_installation: MailInstallation) -> None:
    contact = mail_installation.receive(mail())
    with pytest.raises(Conflict):
        erase(mail_installation, contact)
    mail_installation.file()
    assert mail_installation.state(contact)[0] == "filed"


def test_a_file_goes_with_its_last_reference(mail_installation: MailInstallation) -> None:
    large = mail("x" * (INLINE_LIMIT + 1), "Message-ID: <1@example.com>")
    contact = mail_installation.take(large)
    again = mail_installation.take(mail("y" * (INLINE_LIMIT + 1), "Message-ID: <2@example.com>"))
    ((key,),) = mail_installation.ask("SELECT body_key FROM raw_contacts WHERE id = %s", contact)
    ((other,),) = mail_installation.ask("SELECT body_key FROM raw_contacts WHERE id = %s", again)
    assert isinstance(key, str)
    assert isinstance(other, str)
    mail_installation.ask(  # … of which one file is an attachment elsewhere
        "INSERT INTO attachments (id, contact_id, role, name, media_type, size, blob_key) "
        "VALUES (uuidv7(), %s, 'attachment', 'a', 'text/plain', 1, %s) RETURNING id", again, key,
    )  # fmt: skip
    sent(mail_installation)
    erase(mail_installation, contact)
    old(mail_installation)
    uploads.sweep(mail_installation.database, mail_installation.blobs)
    assert mail_installation.blobs.path(key).exists(), "somebody else refers to it"
    erase(mail_installation, again)
    mail_installation.blobs.touch(other)  # just now the same file came again, and its row is not written yet
    uploads.sweep(mail_installation.database, mail_installation.blobs)
    assert not mail_installation.blobs.path(key).exists()
    assert mail_installation.blobs.path(other).exists()
    old(mail_installation)
    mail_installation.ask("UPDATE uploads SET uploaded_at = uploaded_at - interval '1 day' RETURNING 1")
    uploads.sweep(mail_installation.database, mail_installation.blobs)
    assert not mail_installation.blobs.path(other).exists()


@pytest.mark.parametrize("table", ["case_events", "delivery_events", "receipts", "tracking_codes", "refusals"])
def test_the_retention_path_holds_for_its_transaction_alone_and_empties_no_table(
    database: Database, table: str
) -> None:
    with database.cursor() as cursor:
        cursor.execute("SELECT set_config('zrm.retention', 'on', true)")
        cursor.execute(f"DELETE FROM {table}".encode())
    with pytest.raises(psycopg.errors.RestrictViolation), database.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table}".encode())
    with pytest.raises(psycopg.errors.RestrictViolation), database.cursor() as cursor:
        cursor.execute(f"SELECT set_config('zrm.retention', 'on', true); TRUNCATE {table} CASCADE".encode())


def test_only_erasure_takes_the_retention_path() -> None:
    root = Path(zrm.__file__).parent
    found = {
        str(file.relative_to(root)) for file in root.rglob("*.py") if re.search(r"zrm\.retention\b", file.read_text())
    }
    assert found == {"casework/erasure.py", "migrations/versions/0001_baseline.py"}
