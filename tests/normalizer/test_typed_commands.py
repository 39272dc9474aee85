"""A command for an address that was only typed, what fits no case, and which of several cases a command is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest

from tests.normalizer.test_filing import ALI, SARA, Desk, mail, text
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.casework.reply_routes import SendingAccount
from zrm.config import Settings
from zrm.contract.addresses import EMAIL, PHONE, Sender
from zrm.contract.inbound import Inbound, Report, SelfServiceCommand, Thread
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.normalizer.filing import Filer
from zrm.normalizer.self_service import MOST_ANSWERS

OUR_MAIL = SendingAccount("email", "info", EMAIL)


@dataclass
class Answering(Desk):
    """A desk with a mailbox, so that what was typed into a page is answered too."""

    senders: Sequence[SendingAccount] = field(default=(OUR_MAIL,))

    def file(self) -> int:
        parsers = dict.fromkeys(("email", "sms", "web"), self.parse)
        filer = Filer(self.database, self.blobs, parsers, self.settings, senders=self.senders)
        with self.database.cursor() as cursor:
            tasks = outbox.claim(cursor, Topic.FILE, limit=100, lease=30)
        filer(tasks)
        return len(tasks)

    def answers(self) -> list[tuple[object, ...]]:
        """(command, address) of the answers to commands, in order."""
        return self.ask("SELECT command, address FROM deliveries WHERE kind = 'self_service' ORDER BY created_at, id")

    def later(self, contact: UUID, seconds: float) -> None:
        """File once more as if it had come this long ago."""
        self.ask(
            "UPDATE raw_contacts SET received_at = now() - make_interval(secs => %s) WHERE id = %s RETURNING 1",
            seconds,
            contact,
        )
        self.ask("UPDATE outbox SET due_at = now() WHERE topic = 'file' RETURNING 1")
        self.file()


@pytest.fixture
def desk(database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings) -> Answering:
    return Answering(database, inbox, blobs, settings)


def command(kind: str, address: str, *, typed: bool = False, **rest: object) -> SelfServiceCommand:
    sender = Sender(EMAIL if "@" in address else PHONE, address, claimed=typed)
    return SelfServiceCommand(kind, sender, "en", **rest)  # type: ignore[arg-type]  # its own fields


TYPED = command("codes", ALI, typed=True)
TOO_MANY = "done by the installation itself (codes): not answered, because"


def test_what_is_typed_has_a_limit_of_its_own_for_each_address_and_day(desk: Answering) -> None:
    desk.send(mail(ALI), mail(SARA))
    most = desk.settings.automatic.typed_per_day
    asked = desk.send(*[TYPED] * (most + 1), channel="web")
    assert desk.answers() == [("codes", ALI)] * most
    assert desk.state(asked[-1])[1].startswith(TOO_MANY)
    desk.send(command("codes", SARA, typed=True), channel="web")
    desk.send(command("codes", ALI))
    assert desk.answers()[most:] == [("codes", SARA), ("codes", ALI)], "others, and the citizen, have their own"
    desk.ask("UPDATE deliveries SET created_at = created_at - interval '23 hours' RETURNING 1")
    desk.send(TYPED, channel="web")
    assert len(desk.answers()) == most + 2
    desk.ask("UPDATE deliveries SET created_at = created_at - interval '2 hours' RETURNING 1")
    desk.send(TYPED, channel="web")
    assert len(desk.answers()) == most + 3


def test_the_citizens_own_commands_use_up_nothing_of_what_is_typed(desk: Answering) -> None:
    desk.send(mail(ALI))
    desk.send(*[command("help", ALI)] * (MOST_ANSWERS + 1))
    assert len(desk.answers()) == MOST_ANSWERS
    desk.send(TYPED, channel="web")
    assert len(desk.answers()) == MOST_ANSWERS + 1


@pytest.mark.parametrize("kind", ["help", "stop", "start", "status", "rate"])
def test_a_typed_address_asks_for_nothing_but_codes(desk: Answering, kind: str) -> None:
    desk.send(mail(ALI))
    (contact,) = desk.send(command(kind, ALI, typed=True, code="1", score=5), channel="web")
    assert desk.state(contact)[0] == "ignored"
    assert desk.answers() == []
    assert desk.ask("SELECT count(*) FROM opt_outs") == desk.ask("SELECT count(*) FROM ratings") == [(0,)]


def test_a_typed_address_is_told_only_what_it_has_proven_and_while_it_is_reached(desk: Answering) -> None:
    first = desk.send(TYPED, channel="web")
    assert desk.state(first[0])[0] == "ignored"
    assert desk.answers() == [], "nobody has written from there"
    desk.send(mail(ALI))
    desk.send(TYPED, channel="web")
    assert len(desk.answers()) == 1
    desk.ask("UPDATE addresses SET doubtful_at = now() RETURNING 1")
    desk.send(TYPED, channel="web")
    assert len(desk.answers()) == 1, "our messages came back from there"
    desk.senders = ()
    desk.ask("UPDATE addresses SET doubtful_at = NULL RETURNING 1")
    desk.send(TYPED, channel="web")
    assert len(desk.answers()) == 1, "no account of ours can write there"


def test_the_answer_to_a_mail_stands_below_it_and_that_to_a_text_below_nothing(desk: Answering) -> None:
    asked = mail(ALI, "help")
    desk.send(command("help", ALI, otherwise=asked))
    assert desk.ask("SELECT in_reply_to FROM deliveries") == [(asked.thread.message_id,)]
    desk.send(command("help", "09121234567", otherwise=asked), command("help", SARA), channel="sms")
    assert desk.ask("SELECT in_reply_to FROM deliveries ORDER BY created_at, id")[1:] == [("",), ("",)]


def close(desk: Desk, *contacts: UUID) -> None:
    desk.ask(
        "UPDATE cases SET status = 'closed', closed_at = now(), status_at = now() WHERE id = ANY(%s) RETURNING 1",
        [desk.case_of(contact)[0] for contact in contacts],
    )


@pytest.mark.parametrize("last", [0, 1, 2])
def test_a_digit_is_about_the_case_that_was_written_in_last(desk: Answering, last: int) -> None:
    words = Inbound((Sender(PHONE, "09121234567"),), "x")
    contacts = desk.send(words, words, words, channel="sms")
    desk.send(replace(words, senders=(Sender(PHONE, "09351234567"),)), channel="sms")
    close(desk, *contacts)
    cases = [desk.case_of(contact)[0] for contact in contacts]
    assert len(set(cases)) == 3
    desk.ask("UPDATE cases SET last_contact_at = now() - interval '1 day' RETURNING 1")
    desk.ask("UPDATE cases SET last_contact_at = now() WHERE id = %s RETURNING 1", cases[last])
    desk.send(command("rate", "09121234567", score=4), channel="sms")
    assert desk.ask("SELECT case_id, score FROM ratings") == [(cases[last], 4)]
    desk.send(command("rate", "09121234567", score=2), command("rate", "09121234567", score=1), channel="sms")
    assert sorted(desk.ask("SELECT case_id FROM ratings")) == sorted((case,) for case in cases), "then the next"


@pytest.mark.parametrize("status", ["new", "open", "waiting"])
def test_a_digit_rates_nothing_while_the_newest_case_is_not_closed(desk: Answering, status: str) -> None:
    words = Inbound((Sender(PHONE, "09121234567"),), "x")
    older, newer = desk.send(words, words, channel="sms")
    close(desk, older)
    desk.ask(
        "UPDATE cases SET status = %s, last_contact_at = now() + interval '1 minute' WHERE id = %s RETURNING 1",
        status, desk.case_of(newer)[0],
    )  # fmt: skip
    (digit,) = desk.send(command("rate", "09121234567", score=4, otherwise=words), channel="sms")
    assert desk.ask("SELECT count(*) FROM ratings") == [(0,)]
    assert desk.state(digit)[0] == "filed"


def test_the_page_rates_the_case_of_its_code_once_and_no_other(desk: Answering) -> None:
    first, second = desk.send(mail(ALI), mail(SARA))
    close(desk, first, second)
    ((code,),) = desk.ask("SELECT code FROM cases WHERE id = %s", desk.case_of(second)[0])
    rate = SelfServiceCommand("rate", None, code=str(code), score=3)
    contacts = desk.send(rate, rate, replace(rate, code="912345678906"), channel="web")
    for contact, done in zip(contacts, (True, False, False), strict=True):
        assert desk.state(contact)[1].startswith("done by the installation itself") is done
    assert desk.ask("SELECT case_id, score, channel FROM ratings") == [(desk.case_of(second)[0], 3, "web")]
    assert desk.answers() == []


def returned(desk: Desk, *contacts: UUID) -> list[UUID]:
    """The deliveries that answered these contacts."""
    found = []
    for contact in contacts:
        ((delivery,),) = desk.ask("SELECT id FROM deliveries WHERE case_id = %s", desk.case_of(contact)[0])
        assert isinstance(delivery, UUID)
        found.append(delivery)
    return found


def test_what_came_back_belongs_to_the_case_it_was_sent_in(desk: Desk) -> None:
    first, second = desk.send(mail(ALI), mail(SARA))
    _, delivery = returned(desk, first, second)
    bounce = replace(mail(SARA, "Undelivered"), labels=frozenset({"bounce"}), thread=Thread("<b@x>", returned=delivery))
    (back,) = desk.send(bounce)
    assert desk.case_of(back)[0] == desk.case_of(second)[0]
    strange = replace(bounce, senders=(Sender(EMAIL, "daemon@example.net"),), thread=Thread("<c@x>", returned=delivery))
    (linked,) = desk.send(strange)
    assert desk.ask("SELECT other_case_id FROM case_relations WHERE case_id = %s", desk.case_of(linked)[0]) == [
        (desk.case_of(second)[0],)
    ]
    (nobodys,) = desk.send(replace(bounce, thread=Thread("<d@x>", returned=nobody(desk))))
    assert desk.state(nobodys)[0] == "ignored"


def nobody(desk: Desk) -> UUID:
    """A delivery that answers a command: it belongs to no case."""
    desk.send(command("help", ALI))
    ((delivery,),) = desk.ask("SELECT id FROM deliveries WHERE case_id IS NULL")
    assert isinstance(delivery, UUID)
    return delivery


def test_another_reference_counts_once_the_first_would_be_known(desk: Answering) -> None:
    (contact,) = desk.send(text("09121234567", "x"), channel="sms")
    desk.ask("UPDATE deliveries SET provider_ref = 'hex', state = 'sent' RETURNING 1")
    (report,) = desk.send(Report("dec", "delivered", perhaps=("hex",), to="09121234567"), channel="sms")
    assert desk.state(report)[0] == "waiting"
    assert desk.ask("SELECT attempts FROM outbox WHERE topic = 'file'") == [(0,)]
    ((due,),) = desk.ask("SELECT extract(epoch FROM due_at - now()) BETWEEN 0.5 AND 3 FROM outbox WHERE topic = 'file'")
    assert due, "soon again"
    desk.later(report, 3)
    assert desk.state(report)[0] == "joined"
    assert desk.ask("SELECT state FROM deliveries WHERE case_id = %s", desk.case_of(contact)[0]) == [("delivered",)]


def test_what_may_be_a_report_is_a_message_when_its_delivery_does_not_appear(desk: Answering) -> None:
    words = text("09121234567", "id:123 stat:DELIVRD")
    (contact,) = desk.send(Report("123", "delivered", to="09121234567", otherwise=words), channel="sms")
    assert desk.state(contact)[0] == "waiting"
    desk.later(contact, 4)
    assert desk.state(contact)[0] == "waiting"
    desk.later(contact, 7)
    assert desk.state(contact)[0] == "filed"
    assert desk.ask("SELECT text FROM contacts WHERE id = %s", contact) == [("id:123 stat:DELIVRD",)]
