"""T2: who wrote, which case, and what happens when nobody can tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

import pytest

from tests.casework.installation import acting, agent
from tests.reasons import told, why
from zrm.casestore import history, outbox, search
from zrm.casestore.case import Status
from zrm.casestore.history import CITIZEN, by_agent
from zrm.casestore.history_payloads import StatusChanged
from zrm.casestore.outbox import Topic
from zrm.casestore.search import Reach
from zrm.casestore.search_words import parse
from zrm.casework import case_actions
from zrm.casework.reply_routes import ReplyRoute
from zrm.channels.fax.parse import BROKE_OFF, PAGES
from zrm.config import Settings
from zrm.contract.addresses import EMAIL, PHONE, AddressKind, Sender
from zrm.contract.errors import Unparseable
from zrm.contract.files import InboundFile
from zrm.contract.inbound import Ignored, Inbound, Parsed, RawContact, Report, Thread
from zrm.inbox.receive import Inbox
from zrm.insight import ledger
from zrm.kit.blobs import BlobStore
from zrm.kit.clock import now
from zrm.kit.db import Database
from zrm.normalizer.filing import Filer

ALI, SARA = "ali@example.org", "sara@example.org"


@dataclass
class Desk:
    """Sends contacts through T1 and T2; what a contact says is looked up by its number."""

    database: Database
    inbox: Inbox
    blobs: BlobStore
    settings: Settings
    says: list[Parsed | Exception] = field(default_factory=list)

    def parse(self, raw: RawContact) -> list[Parsed]:
        said = self.says[int(raw.body)]
        if isinstance(said, Exception):
            raise said
        return [said]

    def send(self, *parsed: Parsed | Exception, channel: str = "email", file: bool = True) -> list[UUID]:
        """The raw contacts' ids."""
        ids = []
        for said in parsed:
            self.says.append(said)
            number = str(len(self.says) - 1)
            kind = "report" if isinstance(said, Report) else "contact"
            raw = RawContact(channel, "info", number, number.encode(), "text/plain", kind=kind)  # type: ignore[arg-type]  # a test names the fields
            ids.append(self.inbox.submit(raw).result().contact_id)
        if file:
            self.file()
        return ids

    def file(self) -> int:
        parsers: dict[str, Callable[[RawContact], list[Parsed]]] = dict.fromkeys(("email", "sms", "web"), self.parse)
        filer = Filer(self.database, self.blobs, parsers, self.settings)
        with self.database.cursor() as cursor:
            tasks = outbox.claim(cursor, Topic.FILE, limit=100, lease=30)
        filer(tasks)
        return len(tasks)

    def ask(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with self.database.cursor() as cursor:
            cursor.execute(query.encode(), values)
            return cursor.fetchall()

    def case_of(self, contact: UUID) -> tuple[UUID, str, str]:
        """(id, status, reply token) of the case a contact is in."""
        ((case_id, status, token),) = self.ask(
            "SELECT k.id, k.status, k.reply_token FROM cases k JOIN contacts c ON c.case_id = k.id WHERE c.id = %s",
            contact,
        )
        assert isinstance(case_id, UUID)
        return case_id, str(status), str(token)

    def state(self, contact: UUID) -> tuple[str, str]:
        ((state, *reason),) = self.ask(
            "SELECT state, reason_code, reason_params FROM raw_contacts WHERE id = %s", contact
        )
        return str(state), told(*reason)

    def holds(self) -> bool:
        with self.database.cursor() as cursor:
            lines = ledger.by_channel(cursor, now() - timedelta(hours=1), now() + timedelta(hours=1))
        return bool(lines) and all(line.holds for line in lines)


@pytest.fixture
def desk(database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings) -> Desk:
    return Desk(database, inbox, blobs, settings)


def mail(sender: str, text: str = "سلام، چراغ خیابان ما خراب است.", **thread: object) -> Inbound:
    message = Thread(message_id=f"<{id(text)}-{sender}-{len(text)}>", **thread)  # type: ignore[arg-type]  # a test names the fields
    return Inbound((Sender(EMAIL, sender, "Somebody"),), text, title="چراغ خیابان", thread=message)


def text(number: str, words: str) -> Inbound:
    return Inbound((Sender(PHONE, number),), words, thread=Thread(open_line=True))


def form(words: str, *addresses: tuple[AddressKind, str], **rest: object) -> Inbound:
    senders = tuple(Sender(kind, value, claimed=True) for kind, value in addresses)
    return Inbound(senders, words, **rest)  # type: ignore[arg-type]  # a test names the fields


def test_a_contact_without_words_is_described_by_code_and_found_in_both_languages(desk: Desk) -> None:
    description = (PAGES(num=2), BROKE_OFF(error="No\0 carrier"))
    (contact,) = desk.send(replace(text("09121234567", ""), description=description))
    case_id, _, _ = desk.case_of(contact)
    stored = [PAGES(num=2), BROKE_OFF(error="No carrier")]
    assert desk.ask("SELECT title, text, language, description FROM contacts WHERE id = %s", contact) == [
        ("", "", "", stored)
    ]
    assert desk.ask("SELECT title, description FROM cases WHERE id = %s", case_id) == [("", stored[:1])]
    for typed in ("2 pages", "نمابر", "No carrier"):
        with desk.database.cursor() as cursor:
            (hit,) = search.find(cursor, parse(typed, "IR"), Reach(None, None), limit=5)
        assert hit.case_id == case_id


def test_a_first_mail_opens_a_case_with_everything_around_it(desk: Desk) -> None:
    (contact,) = desk.send(replace(mail(ALI), files=(InboundFile("عکس.png", "image/png", b"png"),)))
    case_id, status, _ = desk.case_of(contact)
    assert status == "new"
    assert desk.state(contact) == ("filed", "")
    ((language, title, unit),) = desk.ask(
        "SELECT language, title, u.key FROM cases JOIN units u ON u.id = unit_id WHERE cases.id = %s", case_id
    )
    assert (language, title, unit) == ("fa", "چراغ خیابان", "contact-centre")
    assert desk.ask("SELECT kind FROM case_events WHERE case_id = %s", case_id) == [("opened",)]
    assert desk.ask("SELECT name, size FROM attachments WHERE contact_id = %s", contact) == [("عکس.png", 3)]
    acknowledged = desk.ask("SELECT address, state FROM deliveries WHERE case_id = %s", case_id)
    assert acknowledged == [(ALI, "queued")]
    topics = desk.ask("SELECT topic, count(*) FROM outbox GROUP BY 1 ORDER BY 1")
    assert topics == [("deliver", 1)], "the filing task left with the filing, and a new case is told to nobody"
    assert desk.holds()


def test_the_second_text_of_a_conversation_joins_the_first_even_in_one_batch(desk: Desk) -> None:
    first, second = desk.send(text("09121234567", "آب قطع است"), text("+98 912 123 4567", "از دیروز"), channel="sms")
    assert desk.case_of(first)[0] == desk.case_of(second)[0]
    assert desk.state(second) == ("joined", "")
    assert desk.ask("SELECT value FROM addresses") == [("+989121234567",)]
    (later,) = desk.send(text("۰۹۱۲۱۲۳۴۵۶۷", "هنوز قطع است"), channel="sms")
    assert desk.case_of(later)[0] == desk.case_of(first)[0]


def test_a_text_after_the_line_went_quiet_is_a_new_case(desk: Desk) -> None:
    (first,) = desk.send(text("09121234567", "آب قطع است"), channel="sms")
    desk.ask("UPDATE cases SET last_contact_at = last_contact_at - interval '8 days' RETURNING id")
    (second,) = desk.send(text("09121234567", "مشکل دیگری دارم"), channel="sms")
    assert desk.case_of(first)[0] != desk.case_of(second)[0]


def test_the_token_and_its_own_sender_join(desk: Desk) -> None:
    (first,) = desk.send(mail(ALI))
    case_id, _, token = desk.case_of(first)
    (answer,) = desk.send(mail(ALI, "پاسخ", tokens=(token,)))
    assert desk.case_of(answer)[0] == case_id


def test_the_tracking_code_in_a_subject_is_believed_of_its_own_sender_only(desk: Desk) -> None:
    (first,) = desk.send(mail(ALI))
    ((code,),) = desk.ask("SELECT code FROM cases")
    answer, stranger = desk.send(mail(ALI, "پاسخ", tokens=(code,)), mail(SARA, "من", tokens=(code,)))
    assert desk.case_of(answer)[0] == desk.case_of(first)[0]
    assert desk.case_of(stranger)[0] != desk.case_of(first)[0]


@pytest.mark.parametrize("by", ["token", "reference"])
def test_a_stranger_who_quotes_a_token_or_a_message_is_linked_and_not_let_in(desk: Desk, by: str) -> None:
    """Field 7: a stranger's mail is appended to another person's case (zammad#2444, zammad#5064, freescout#2375)."""
    opening = mail(ALI)
    (first,) = desk.send(opening)
    case_id, _, token = desk.case_of(first)
    quoted = {"tokens": (token,)} if by == "token" else {"references": (opening.thread.message_id,)}
    (stranger,) = desk.send(mail(SARA, "من هم همین مشکل را دارم", **quoted))
    other = desk.case_of(stranger)[0]
    assert other != case_id
    assert desk.ask("SELECT case_id, other_case_id, reason, decision FROM case_relations") == [
        (other, case_id, "quoted_by_stranger", "")
    ]
    assert ("relation_suggested",) in desk.ask("SELECT kind FROM case_events WHERE case_id = %s", case_id)


def test_a_change_of_status_is_recorded_alike_whoever_caused_it(desk: Desk) -> None:
    (first,) = desk.send(mail(ALI))
    case_id, _, token = desk.case_of(first)
    with desk.database.cursor() as cursor:
        sara = agent(cursor, "sara")
        case_actions.reply(
            cursor,
            acting(sara, case_id, 1),
            route=ReplyRoute("web", "web", ""),
            title="",
            text="فردا",
        )
    (answer,) = desk.send(mail(ALI, "سپاس", tokens=(token,)))
    with desk.database.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM case_events WHERE case_id = %s AND kind IN ('replied', 'status_changed') ORDER BY at, id",
            [case_id],
        )
        ids = [row[0] for row in cursor]
        lines = [history.lines(cursor, [one])[one] for one in ids]
    assert [(line.actor, line.payload) for line in lines if isinstance(line.payload, StatusChanged)] == [
        (by_agent(sara), StatusChanged(before=Status.NEW, after=Status.WAITING, cause="replied", step_id=ids[0])),
        (CITIZEN, StatusChanged(before=Status.WAITING, after=Status.OPEN, cause="citizen_wrote", contact_id=answer)),
    ]


def test_one_message_id_in_two_mails_hides_neither(desk: Desk) -> None:
    """Field 5: new mail swallowed as a duplicate (freescout#4958)."""
    first, second = desk.send(mail(ALI), mail(SARA, "سلام، چراغ خیابان ما خراب است.", references=("<nobody@x>",)))
    assert desk.case_of(first)[0] != desk.case_of(second)[0]


def test_a_typed_address_does_not_open_another_persons_file(desk: Desk) -> None:
    (victim,) = desk.send(text("09121234567", "کد ملی من را عوض کنید"), channel="sms")
    forged = form("سلام", (PHONE, "09121234567"), (EMAIL, "thief@example.org"))
    (thief,) = desk.send(forged, channel="web")
    ((theirs,),) = desk.ask("SELECT person_id FROM contacts WHERE id = %s", thief)
    ((victims,),) = desk.ask("SELECT person_id FROM contacts WHERE id = %s", victim)
    assert theirs != victims, "a mixture of addresses nobody has shown is a new person"
    token = desk.case_of(victim)[2]
    (attempt,) = desk.send(mail("thief@example.org", "بفرستید", tokens=(token,)))
    assert desk.case_of(attempt)[0] != desk.case_of(victim)[0]
    (next_text,) = desk.send(text("09121234567", "ممنون"), channel="sms")
    assert desk.case_of(next_text)[0] == desk.case_of(victim)[0], "the forger has not disturbed the line either"


def test_answering_from_a_typed_address_proves_it(desk: Desk) -> None:
    (first,) = desk.send(form("درخواست", (EMAIL, ALI)), channel="web")
    case_id, _, token = desk.case_of(first)
    (answer,) = desk.send(mail(ALI, "این هم مدرک", tokens=(token,)))
    assert desk.case_of(answer)[0] == case_id
    assert desk.ask("SELECT claimed FROM addresses WHERE value = %s", ALI) == [(False,)]


def test_several_people_at_one_number_are_not_guessed(desk: Desk) -> None:
    """Field 24: several people share a number (zammad#4872, zammad#2144)."""
    desk.send(text("09121234567", "یک"), channel="sms")
    desk.ask(
        "WITH other AS (INSERT INTO persons VALUES (uuidv7(), 'Other', 'fa', now()) RETURNING id) "
        "INSERT INTO addresses SELECT uuidv7(), id, 'phone', '+989121234567', '', false, now() FROM other RETURNING id"
    )
    (contact,) = desk.send(replace(text("09121234567", "دو"), thread=Thread()), channel="sms")
    ((person, labels),) = desk.ask("SELECT person_id, labels FROM contacts WHERE id = %s", contact)
    assert (person, labels) == (None, ["shared_address"])


def test_a_robot_joins_but_never_reopens_and_is_never_answered(desk: Desk) -> None:
    """Field 9 and 10: loops; an out-of-office answer reopens a case (zammad#5113)."""
    (first,) = desk.send(mail(ALI))
    case_id, _, token = desk.case_of(first)
    desk.ask("UPDATE cases SET status = 'closed', closed_at = now() RETURNING id")
    robot = replace(mail(ALI, "I am away", tokens=(token,)), labels=frozenset({"robot"}))
    desk.send(robot)
    assert desk.case_of(first)[:2] == (case_id, "closed")
    desk.send(mail(ALI, "مشکل حل نشده", tokens=(token,)))
    assert desk.case_of(first)[:2] == (case_id, "open")
    (alone,) = desk.send(replace(mail("noreply@example.org", "newsletter"), labels=frozenset({"robot"})))
    assert desk.ask("SELECT count(*) FROM deliveries WHERE case_id = %s", desk.case_of(alone)[0]) == [(0,)]


def test_a_bounce_of_nothing_we_know_is_kept_and_ignored(desk: Desk) -> None:
    (bounce,) = desk.send(replace(mail("mailer-daemon@example.org"), labels=frozenset({"bounce", "robot"})))
    assert desk.state(bounce)[0] == "ignored"
    assert desk.holds()


def test_what_cannot_be_understood_waits_in_quarantine_and_can_be_replayed(desk: Desk) -> None:
    """Field 2: one malformed mail stops a mailbox (zammad#1877), poisoned mail sits unnoticed (zammad#1033)."""
    good, broken, crashed = desk.send(mail(ALI), Unparseable(why("no such charset")), ZeroDivisionError("bug"))
    assert desk.state(good)[0] == "filed"
    assert desk.state(broken) == ("quarantined", "no such charset")
    assert desk.state(crashed) == ("quarantined", "the parser of email failed: ZeroDivisionError")
    assert desk.ask("SELECT count(*) FROM quarantine WHERE ended_at IS NULL AND due_at > now()") == [(2,)]
    assert desk.holds()
    desk.says[1] = mail(SARA)
    with desk.database.cursor() as cursor:
        outbox.add(cursor, Topic.FILE, [(broken, "")])
    desk.file()
    assert desk.state(broken) == ("filed", "")
    assert desk.holds()


def test_filing_twice_files_once(desk: Desk) -> None:
    (contact,) = desk.send(mail(ALI), file=False)
    with desk.database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.FILE, limit=10, lease=30)
    filer = Filer(desk.database, desk.blobs, {"email": desk.parse}, desk.settings)
    filer(tasks)
    filer(tasks)
    assert desk.ask("SELECT count(*) FROM cases") == [(1,)]
    assert desk.ask("SELECT count(*) FROM contacts WHERE id = %s", contact) == [(1,)]


def test_who_gave_up_on_a_slow_colleagues_contact_undoes_nothing(desk: Desk) -> None:
    """A lease can run out under a worker that is only slow: the other one gives the contact up, before or after it is filed."""
    early, late = desk.send(mail(ALI), mail(SARA), file=False)
    with desk.database.cursor() as cursor:
        tasks = {task.ref: task for task in outbox.claim(cursor, Topic.FILE, limit=10, lease=30)}
    filer = Filer(desk.database, desk.blobs, {"email": desk.parse}, desk.settings)
    filer.give_up(tasks[early])
    assert desk.state(early)[0] == "quarantined"
    filer([tasks[early], tasks[late]])
    filer.give_up(tasks[late])
    assert [desk.state(contact) for contact in (early, late)] == [("filed", ""), ("filed", "")]
    assert desk.ask("SELECT count(*) FROM quarantine WHERE ended_at IS NULL") == [(0,)], "nobody's work is left"
    assert desk.holds()


@pytest.mark.parametrize("unfit", ["\x00", "\ud800"])
def test_a_contact_the_store_refuses_has_no_victims(desk: Desk, unfit: str) -> None:
    """A batch that PostgreSQL refuses, or that cannot even be handed to it, is filed one by one; the offender ends in
    quarantine.
    """
    bad = Inbound((), "x", nature="n" * 10, language=f"xx{unfit}")
    contacts = desk.send(mail(ALI), bad, mail(SARA), file=False)
    for _ in range(4):
        desk.file()
        desk.ask("UPDATE outbox SET due_at = now() WHERE topic = 'file' RETURNING id")
    assert [desk.state(contact)[0] for contact in contacts] == ["filed", "quarantined", "filed"]
    assert desk.holds()


def _delivery(desk: Desk, contact: UUID, reference: str) -> None:
    desk.ask(
        "UPDATE deliveries SET provider_ref = %s, state = 'sent' WHERE case_id = %s RETURNING id",
        reference,
        desk.case_of(contact)[0],
    )


def test_reports_move_a_delivery_forward_and_never_back(desk: Desk) -> None:
    (contact,) = desk.send(text("09121234567", "آب"), channel="sms")
    _delivery(desk, contact, "SM1")
    reports: Sequence[Report] = [
        Report("SM1", "delivered"),
        Report("SM1", "sent"),
        Report("SM1", "failed", why("30003")),
    ]
    ids = desk.send(*reports, channel="sms")
    assert desk.ask("SELECT state FROM deliveries") == [("delivered",)]
    assert [desk.state(report)[0] for report in ids] == ["joined"] * 3
    assert desk.holds()


def test_a_mail_that_one_server_took_may_still_bounce_at_the_next(desk: Desk) -> None:
    (contact,) = desk.send(mail(ALI))
    _delivery(desk, contact, "<1@zrm.example>")
    desk.send(
        *(Report("<1@zrm.example>", state, why("full")) for state in ("delivered", "failed", "sent")), channel="email"
    )
    assert desk.ask("SELECT state, coalesce(reason_params ->> 'words', reason_code) FROM deliveries") == [
        ("failed", "full")
    ]
    assert desk.ask("SELECT count(*) FROM outbox JOIN deliveries ON deliveries.id = ref WHERE topic = 'notify'") == [
        (1,)
    ]
    assert desk.holds()


def test_a_report_of_signs_no_store_takes_is_a_report_like_any_other(desk: Desk) -> None:
    (contact,) = desk.send(text("09121234567", "آب"), channel="sms")
    _delivery(desk, contact, "SM1\ufffd")
    (report,) = desk.send(Report("SM1\ud800\x00", "failed", why("\udfff\x00full"), perhaps=("\ud83d",)), channel="sms")
    assert desk.state(report)[0] == "joined"
    assert desk.ask("SELECT state, coalesce(reason_params ->> 'words', reason_code) FROM deliveries") == [
        ("failed", "\ufffdfull")
    ]


def test_a_report_faster_than_our_own_commit_waits_for_it(desk: Desk) -> None:
    """Field 2.13: delivery receipts lost (jasmin#424)."""
    (report,) = desk.send(Report("SM2", "delivered"), channel="sms")
    assert desk.state(report)[0] == "waiting"
    (contact,) = desk.send(text("09121234567", "آب"), channel="sms")
    _delivery(desk, contact, "SM2")
    desk.ask("UPDATE outbox SET due_at = now() WHERE topic = 'file' RETURNING id")
    desk.file()
    assert desk.state(report)[0] == "joined"
    assert desk.ask("SELECT state FROM deliveries") == [("delivered",)]


def test_a_report_waits_while_a_long_text_is_still_leaving_and_not_for_ever(desk: Desk) -> None:
    """Field 2.13: jasmin#424: the network reports on the first part minutes before the last has left."""
    (report,) = desk.send(Report("SM3", "delivered"), channel="sms")
    for _ in range(9):
        desk.ask("UPDATE outbox SET due_at = now() WHERE topic = 'file' RETURNING id")
        desk.file()
    assert desk.state(report)[0] == "waiting"
    (contact,) = desk.send(text("09121234567", "آب"), channel="sms")
    _delivery(desk, contact, "SM3")
    desk.ask("UPDATE outbox SET due_at = now() WHERE topic = 'file' RETURNING id")
    desk.file()
    assert desk.ask("SELECT state FROM deliveries") == [("delivered",)]
    (stray,) = desk.send(Report("SM4", "delivered"), channel="sms")
    desk.ask("UPDATE raw_contacts SET received_at = received_at - interval '11 minutes' RETURNING id")
    desk.ask("UPDATE outbox SET due_at = now() WHERE topic = 'file' RETURNING id")
    desk.file()
    assert desk.state(stray) == ("ignored", "a report on no message of ours")


def test_a_network_that_uses_its_ids_again_means_the_newest_message(desk: Desk) -> None:
    """Field 2.13: jasmin#729: last month's answer, whose report never came, does not take today's."""
    (old,) = desk.send(text("09121234567", "آب"), channel="sms")
    _delivery(desk, old, "mci:7")
    desk.ask("UPDATE deliveries SET created_at = created_at - interval '30 days' RETURNING id")
    (new,) = desk.send(text("09351234567", "برق"), channel="sms")
    _delivery(desk, new, "mci:7")
    desk.send(Report("mci:7", "delivered"), channel="sms")
    assert desk.ask("SELECT state FROM deliveries ORDER BY created_at") == [("sent",), ("delivered",)]


def test_an_event_we_do_not_use_is_recorded(desk: Desk) -> None:
    (ignored,) = desk.send(Ignored(why("a typing notice")), channel="sms")
    assert desk.state(ignored) == ("ignored", "a typing notice")
    assert desk.holds()


def test_a_proven_conversation_joins_by_its_code(desk: Desk) -> None:
    (first,) = desk.send(form("درخواست"), channel="web")
    ((code,),) = desk.ask("SELECT code FROM receipts WHERE contact_id = %s", first)
    (more,) = desk.send(form("توضیح بیشتر", thread=Thread(conversation=str(code))), channel="web")
    assert desk.case_of(more)[0] == desk.case_of(first)[0]
    assert desk.state(more)[0] == "joined"


@pytest.mark.peer("small-disk")
def test_a_full_disk_puts_off_who_needs_it_and_nobody_else(desk: Desk, small_disk: BlobStore) -> None:
    desk.blobs = small_disk
    big = replace(mail(ALI), files=(InboundFile("film.mp4", "video/mp4", b"f" * (8 << 20)),))
    waits, neighbour = desk.send(big, mail(SARA))
    assert desk.state(neighbour) == ("filed", "")
    assert desk.state(waits) == ("waiting", "")
    assert desk.ask("SELECT error FROM outbox WHERE topic = 'file'") == [("StoreFull",)]
    assert desk.holds()


def test_a_lost_original_is_quarantined_alone(desk: Desk) -> None:
    lost, neighbour = desk.send(mail(ALI), mail(SARA), file=False)
    desk.ask("UPDATE raw_contacts SET body = NULL, body_key = %s WHERE id = %s RETURNING 1", "0" * 64, lost)
    desk.file()
    assert desk.state(lost) == ("quarantined", "the original is not in the blob store")
    assert desk.state(neighbour) == ("filed", "")
    assert desk.holds()


def test_what_is_filed_can_be_found(desk: Desk) -> None:
    """By its words and code, its writer's name also where they did not write it, and their address."""
    first = Inbound((Sender(PHONE, "09121234567", "آقای رضائي"),), "چالهٔ خیابان", title="گزارش")
    (named,) = desk.send(first, channel="sms")
    (nameless,) = desk.send(Inbound((Sender(PHONE, "+989121234567"),), "باز هم چاله"), channel="sms")
    (code,) = desk.ask("SELECT code FROM receipts WHERE contact_id = %s", named)[0]
    both = {desk.case_of(named)[0], desk.case_of(nameless)[0]}
    for typed, cases in (
        ("رضایی چاله", both), ("۰۹۱۲ ۱۲۳ ۴۵۶۷", both), ("4567", both), ("خيابان گزارش", {desk.case_of(named)[0]}),
        (str(code), {desk.case_of(named)[0]}),
    ):  # fmt: skip
        with desk.database.cursor() as cursor:
            hits = search.find(cursor, parse(typed, "IR"), Reach(None, None), limit=9)
        assert {hit.case_id for hit in hits} == cases, typed


def test_a_nature_that_is_none_is_no_reason_to_hold_a_contact(desk: Desk) -> None:
    desk.send(*(Inbound((), "The lamp is dark.", nature=nature) for nature in ("report", "wish", "")), channel="web")
    assert desk.ask("SELECT nature FROM cases ORDER BY id") == [("report",), (None,), (None,)]
