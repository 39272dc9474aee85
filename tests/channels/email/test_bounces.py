"""Robots, bounces and loops: kept and labelled, never answered, never reopening, and a bounce finds its delivery.

Field 2.9: loops with auto-responders and bounces (chatwoot#5131, zammad#1131, zammad#2923, osTicket#1041).
Field 2.10: an out-of-office answer reopens a pending case (zammad#5113).
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.email.desk import MAILBOXES
from tests.channels.email.installation import ALI, MailInstallation, mail
from tests.channels.email.notifications import FREE_TEXT, OURS, dsn, free_text
from tests.reasons import says
from zrm.channels.email.config import EmailConfig
from zrm.channels.email.mailboxes import Mailboxes, return_address
from zrm.channels.email.parse import parse_mail
from zrm.channels.email.reasons import MAILBOX_FULL
from zrm.channels.email.second_opinion import second_opinion
from zrm.config import Automatic
from zrm.contract.inbound import JSON, Inbound, Parsed, RawContact, Report

BOXES = Mailboxes(EmailConfig.model_validate({"mailboxes": MAILBOXES}))
DELIVERY = UUID("01930000-0000-7000-8000-00000000000a")


def understand(body: str | bytes, mail_from: str = "", to: str = "info@example.org") -> Parsed:
    envelope: dict[str, JSON] = {"mail_from": mail_from, "rcpt_tos": [to]}
    content = body.encode() if isinstance(body, str) else body
    return parse_mail(RawContact("email", "info", "x", content, "message/rfc822", envelope), BOXES)


def reported(body: str | bytes, to: str = "info@example.org") -> Report:
    found = understand(body, to=to)
    assert isinstance(found, Report), found
    return found


# ---------------------------------------------------------------- which delivery, and what of it


def test_the_return_address_names_the_delivery() -> None:
    address = return_address("info@example.org", DELIVERY)
    found = BOXES.find(address.upper())
    assert found is not None
    assert (found.account, found.token, found.returned) == ("info", "", DELIVERY)
    report = reported(dsn(original=""), to=address)
    assert (report.reply_id, report.provider_ref, report.state, report.unreachable) == (DELIVERY, "", "failed", True)


def test_a_return_address_that_would_be_too_long_stays_plain() -> None:
    address = f"{'a' * 40}@example.org"
    assert return_address(address, DELIVERY) == address


def test_the_return_address_in_a_header_is_enough() -> None:
    """As mailboxes fetched by IMAP show it: there is no envelope."""
    body = f"Delivered-To: {return_address('info@example.org', DELIVERY)}\r\n".encode() + dsn(original="").encode()
    assert reported(body).reply_id == DELIVERY


def test_the_envelope_id_names_the_delivery() -> None:
    assert reported(dsn(envelope_id=DELIVERY.hex)).reply_id == DELIVERY


@pytest.mark.parametrize("returned", ["text/rfc822-headers", "message/rfc822", "message/global-headers"])
def test_the_returned_message_names_itself(returned: str) -> None:
    report = reported(dsn(returned=returned))
    assert (report.provider_ref, report.reply_id) == (OURS, None)


@pytest.mark.parametrize(
    ("action", "status", "state", "unreachable"),
    [
        ("failed", "5.1.1", "failed", True),
        ("failed", "4.4.7", "failed", False),
        ("failed", "5.2.2", "failed", False),
        ("FAILED", "5.7.1 (delivery not authorized)", "failed", False),
        ("delayed", "4.4.1", "sent", False),
        ("relayed", "2.0.0", "sent", False),
        ("expanded", "2.0.0", "sent", False),
        ("delivered", "2.0.0", "delivered", False),
    ],
)
def test_each_action_has_its_meaning(action: str, status: str, state: str, unreachable: bool) -> None:
    report = reported(dsn(action, status, "smtp; 250 whatever"))
    assert (report.state, report.unreachable) == (state, unreachable)
    assert status[:5] in str(report.reason)


@pytest.mark.parametrize(
    ("status", "diagnostic", "unreachable"),
    [
        ("5.0.0", "smtp; 550 Unknown user c@citizen.example", True),
        ("5.2.0", "smtp; 550 5.2.0 user unknown", True),
        ("5.1.351", "smtp; 550 5.1.351 Remote server returned unknown recipient -> 550 User unknown", True),
        ("5.1.1", "smtp; 550 5.7.1 IP address blacklisted by recipient", False),
        ("5.1.1", "smtp; 552 5.2.2 mailbox full", False),
        ("5.0.0", "smtp; 450 User unknown", False),
    ],
)
def test_the_servers_own_answer_says_whether_the_address_is_to_blame(
    status: str, diagnostic: str, unreachable: bool
) -> None:
    report = reported(dsn("failed", status, diagnostic))
    assert (report.state, report.unreachable) == ("failed", unreachable)


@pytest.mark.parametrize(
    ("status", "diagnostic", "full"),
    [
        ("5.2.2", "smtp; 552 5.2.2 over quota", True),
        ("5.0.0", "smtp; 552 mailbox full", True),
        ("5.1.1", "smtp; 552 5.2.2 mailbox full", True),
        ("5.3.4", "smtp; 552 5.3.4 too big for the mailbox quota", False),
        ("5.1.1", "smtp; 550 5.1.1 no such user", False),
    ],
)
def test_a_full_mailbox_has_a_reason_of_its_own(status: str, diagnostic: str, full: bool) -> None:
    reason = reported(dsn("failed", status, diagnostic)).reason
    assert reason is not None
    assert (reason.code == MAILBOX_FULL.code) is full
    assert diagnostic.removeprefix("smtp; ") in str(reason)


def test_words_in_the_returned_copy_are_ours() -> None:
    body = "I wasn't able to deliver your message: mailbox full (552 5.2.2)\n\n--- Below this line is a copy of the message.\n\n"
    report = reported(free_text("failure notice", body + "Subject: user unknown, no such user\n"))
    assert (report.state, report.unreachable) == ("failed", False)


def test_the_detail_repeats_no_address() -> None:
    assert "gone@example.com" not in str(reported(dsn()).reason)
    assert "no such user" in str(reported(dsn()).reason)


@pytest.mark.parametrize("name", FREE_TEXT)
def test_bounces_in_free_text(name: str) -> None:
    report = reported(FREE_TEXT[name])
    assert (report.provider_ref, report.state, report.unreachable) == (OURS, "failed", True)


def test_a_warning_in_free_text_fails_nothing() -> None:
    body = "THIS IS A WARNING MESSAGE ONLY. YOU DO NOT NEED TO RESEND YOUR MESSAGE.\nIt will be retried for 5 days.\n"
    report = reported(free_text("Warning: could not send message for past 4 hours", body))
    assert (report.state, report.reason) == ("sent", says("delayed"))


def test_a_bounce_without_a_mark_of_ours_stays_a_mail_with_labels() -> None:
    found = understand("From: MAILER-DAEMON@mx.example.com\r\nSubject: failure notice\r\n\r\nSorry.\r\n")
    assert isinstance(found, Inbound)
    assert found.labels >= {"robot", "bounce"}


def test_a_person_who_forwards_a_bounce_is_a_person() -> None:
    quoted = FREE_TEXT["qmail"].partition("\r\n\r\n")[2]
    found = understand(mail(f"چرا نامه‌ام برگشت؟\r\n\r\n{quoted}", "Subject: Fwd: failure notice"), mail_from=ALI)
    assert isinstance(found, Inbound)
    assert found.labels == frozenset()


# ---------------------------------------------------------------- a second opinion

OTHERS: Final = {
    "Smail": "|failed addresses follow:\n gone@example.com ... transport says no\n\n|message text follows:\n",
    "MDaemon": "The following addresses did NOT receive a copy of your message:\n\n> gone@example.com\n\n--- Session Transcript ---\n",
    "dadoservice": "Your message has encountered delivery problems\nand was addressed to gone@example.com\nYour message reads (in part):\n",
    "andrew.ac.jp": "Invalid final delivery userid:\n  gone@example.com\nOriginal message follows.\n",
}
"""Words of servers that our own lists lack."""


@pytest.mark.parametrize("words", OTHERS.values(), ids=OTHERS)
def test_words_only_the_library_knows_fail_a_delivery_at_its_return_address(words: str) -> None:
    body = f"From: Mail <system@mx.example.com>\nSubject: Your message\n\n{words}".replace("\n", "\r\n")
    report = reported(body, to=return_address("info@example.org", DELIVERY))
    assert (report.reply_id, report.state, report.unreachable) == (DELIVERY, "failed", False)
    elsewhere = understand(body)
    assert isinstance(elsewhere, Inbound), "only the return address says that it is about a mail of ours"


def test_a_delay_under_the_subject_of_a_failure_fails_nothing() -> None:
    body = (
        "Your message with Subject: Re: lamp\ncould not be delivered to the following recipients:\n\ngone@example.com\n\n"
        "Delivery attempts will continue to be made for 5 day(s).\n"
    )
    report = reported(free_text("Delivery failure notification", body))
    assert (report.state, report.reason) == ("sent", says("delayed"))
    refused = reported(free_text("Delivery failure notification", f"550 5.1.1 no such user\n{body}"))
    assert refused.state == "failed", "a code is surer than words"


@pytest.mark.parametrize("words", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("to", ["info@example.org", return_address("info@example.org", DELIVERY)])
def test_a_citizen_who_quotes_a_server_is_no_server(words: str, to: str) -> None:
    """At the return address too, where mail programs answer now and then."""
    found = understand(mail(f"نامهٔ شما به دستم نرسید:\r\n{words}", "Subject: lamp"), mail_from=ALI, to=to)
    assert isinstance(found, Inbound)
    assert not found.labels & {"bounce", "robot"}


@pytest.mark.parametrize(
    "words",
    [
        "Thank you. Until Monday ask my colleague, ali@example.com, who is here.",
        "Please write to Sara, sara@example.com, or Reza, reza@example.com, instead.",
        "سلام، تا دوشنبه به همکارم، ali@example.com، بنویسید.",
    ],
)
def test_a_note_that_names_a_colleague_fails_nothing(words: str) -> None:
    """From nobody, to the return address, and in no words that absence notes are known by."""
    found = understand(mail(words, "Subject: Thanks"), to=return_address("info@example.org", DELIVERY))
    assert isinstance(found, Inbound)
    assert "bounce" not in found.labels


@given(st.text(max_size=2000))
def test_any_words_have_an_opinion_or_none(words: str) -> None:
    assert second_opinion(words) in {"failed", "delayed", ""}


# ---------------------------------------------------------------- machines and people


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        (("Auto-Submitted: auto-generated",), {"robot"}),
        (("Auto-Submitted: auto-replied; owner-email=x",), {"robot", "auto_reply"}),
        (("Auto-Submitted: no",), set()),
        (("Auto-Submitted: no", "Subject: Automatic reply: lamp", "X-Autoreply: yes"), set()),
        (("X-Autoreply: yes",), {"robot", "auto_reply"}),
        (("X-Autorespond: away",), {"robot", "auto_reply"}),
        (("X-Vacation: yes",), {"robot", "auto_reply"}),
        (("X-POST-MessageClass: 9; Autoresponder",), {"robot"}),
        (("X-Auto-Response-Suppress: All",), {"robot"}),
        (("Precedence: Bulk",), {"robot"}),
        (("X-Cron-Env: <HOME=/root>",), {"robot"}),
        (("Subject: Automatic reply: چراغ",), {"robot", "auto_reply"}),
        (("Subject: Out of Office",), {"robot", "auto_reply"}),
        (("Subject: Out of office until Monday nobody answers",), set()),
        (("Subject: پاسخ خودکار: چراغ خیابان",), {"robot", "auto_reply"}),
        (("Subject: =?utf-8?B?2b7Yp9iz2K4g2K7ZiNiv2qnYp9ix?=",), {"robot", "auto_reply"}),
        (("Subject: پاسخ‌ خودکار سامانه به درد نمی‌خورد",), set()),
        (("Subject: رد تلقائي: خارج المكتب",), {"robot", "auto_reply"}),
        (("Subject: Abwesenheitsnotiz: Re: Lampe",), {"robot", "auto_reply"}),
        (("Subject: Réponse automatique : lampe",), {"robot", "auto_reply"}),
        (("List-Id: <town.example.com>",), {"list"}),
        (("List-Unsubscribe: <mailto:off@example.com>",), {"newsletter"}),
    ],
)
def test_who_wrote_it(lines: tuple[str, ...], labels: set[str]) -> None:
    """FreeScout takes any Auto-Submitted for a robot; RFC 3834's `no` is a human."""
    found = understand(mail("text", *lines), mail_from=ALI)
    assert isinstance(found, Inbound)
    assert found.labels == labels


@given(
    st.text(max_size=200),
    st.text(max_size=300),
    st.sampled_from(["message/delivery-status", "text/plain", "message/rfc822"]),
)
def test_no_notification_breaks_the_parser(head: str, body: str, kind: str) -> None:
    raw = f"From: MAILER-DAEMON@x.y\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: {kind}\r\n{head}\r\n\r\n{body}\r\n--b--\r\n"
    found = understand(raw.encode("utf-8", "surrogatepass"))
    assert isinstance(found, (Inbound, Report))


# ---------------------------------------------------------------- through the installation


def test_a_bounce_fails_the_delivery_doubts_the_address_and_tells_the_owner(
    mail_installation: MailInstallation,
) -> None:
    contact = mail_installation.take(mail())
    delivery = mail_installation.answer(contact)
    ((agent,),) = mail_installation.ask(
        "UPDATE cases SET assignee_id = (SELECT id FROM agents WHERE login = 'sara') RETURNING assignee_id"
    ) or [(None,)]
    mail_installation.notify()
    bounce = mail_installation.take(dsn(original=""), mail_from="", to=return_address("info@example.org", delivery))
    assert mail_installation.state(bounce) == ("joined", "")
    ((state, error),) = mail_installation.ask(
        "SELECT state, coalesce(reason_params ->> 'words', reason_code) FROM deliveries WHERE id = %s", delivery
    )
    assert state == "failed"
    assert "5.1.1" in str(error)
    assert mail_installation.ask("SELECT doubtful_at IS NOT NULL FROM addresses WHERE value = %s", ALI) == [(True,)]
    mail_installation.notify()
    told = mail_installation.ask("SELECT agent_id FROM notifications WHERE kind = 'delivery_failed'")
    assert told
    assert agent is None or told == [(agent,)]
    assert mail_installation.holds()
    mail_installation.take(mail("این نشانی کار می‌کند"))
    assert mail_installation.ask("SELECT doubtful_at FROM addresses WHERE value = %s", ALI) == [(None,)]


def test_a_bounce_found_by_its_returned_message(mail_installation: MailInstallation) -> None:
    delivery = mail_installation.answer(mail_installation.take(mail()))
    ((ours,),) = mail_installation.ask("SELECT provider_ref FROM deliveries WHERE id = %s", delivery)
    mail_installation.take(FREE_TEXT["qmail"].replace(OURS, str(ours)), mail_from="")
    assert mail_installation.ask("SELECT state FROM deliveries") == [("failed",)]
    assert mail_installation.ask("SELECT count(*) FROM cases") == [(1,)]


@pytest.mark.parametrize(
    ("lines", "mail_from"),
    [
        (("From: Delivery Service <no-reply@relay.example>", "Subject: Your message was not delivered"), ""),
        (("From: Delivery Service <no-reply@relay.example>", "Subject: Your message was not delivered"), None),
        (("From: Delivery Service <help@relay.example>", "Subject: About your letter"), ""),
        (("From: MAILER-DAEMON <>", "Subject: About your letter"), None),
        (("From: scan@relay.example", "Subject: About your letter"), "scan@relay.example"),
    ],
)
def test_a_return_address_names_its_delivery_whoever_writes(
    mail_installation: MailInstallation, lines: tuple[str, ...], mail_from: str | None
) -> None:
    delivery = mail_installation.answer(mail_installation.take(mail()))
    to = return_address("info@example.org", delivery)
    text = "The recipient c@citizen.example does not exist (550 5.1.1)."
    bounce = mail_installation.take("\r\n".join((*lines, f"To: <{to}>", "", text, "")), mail_from=mail_from, to=to)
    assert mail_installation.state(bounce) == ("joined", "")
    assert mail_installation.ask("SELECT state FROM deliveries") == [("failed",)]
    assert mail_installation.ask("SELECT count(*) FROM cases") == [(1,)]
    assert mail_installation.ask("SELECT doubtful_at IS NOT NULL FROM addresses WHERE value = %s", ALI) == [(True,)]


@pytest.mark.parametrize(
    ("line", "text", "mail_from", "labels", "status"),
    [
        ("Subject: Out of office", "I am away until May.", "", {"robot", "auto_reply"}, "closed"),
        ("Subject: Thanks", "We have got your mail.", "", {"robot"}, "closed"),
        ("Subject: Re: lamp", "The lamp does not exist any more.", ALI, set(), "open"),
    ],
)
def test_what_is_no_failure_at_a_return_address_joins_the_case(
    mail_installation: MailInstallation, line: str, text: str, mail_from: str, labels: set[str], status: str
) -> None:
    """Absence notes go to the envelope's sender (RFC 3834), and some programs answer there."""
    contact = mail_installation.take(mail())
    to = return_address("info@example.org", mail_installation.answer(contact))
    mail_installation.ask("UPDATE cases SET status = 'closed', closed_at = now(), status_at = now() RETURNING id")
    second = mail_installation.take(mail(text, line), mail_from=mail_from, to=to)
    assert mail_installation.case_of(second) == mail_installation.case_of(contact)
    assert mail_installation.labels(second) == labels
    assert mail_installation.ask("SELECT state FROM deliveries") == [("sent",)]
    assert mail_installation.ask("SELECT status FROM cases") == [(status,)]


def test_a_stranger_at_a_return_address_joins_nothing(mail_installation: MailInstallation) -> None:
    contact = mail_installation.take(mail())
    to = return_address("info@example.org", mail_installation.answer(contact))
    other = mail_installation.take(mail("let me in", sender="eve@example.net"), mail_from="eve@example.net", to=to)
    assert mail_installation.case_of(other) != mail_installation.case_of(contact)


def test_a_delay_is_a_line_in_the_history_and_a_bounce_after_it_still_counts(
    mail_installation: MailInstallation,
) -> None:
    delivery = mail_installation.answer(mail_installation.take(mail()))
    to = return_address("info@example.org", delivery)
    mail_installation.take(dsn("delayed", "4.4.1", "smtp; timed out"), mail_from="", to=to)
    assert mail_installation.ask("SELECT state FROM deliveries") == [("sent",)]
    events = "SELECT state, coalesce(reason_params ->> 'words', reason_code) FROM delivery_events WHERE delivery_id = %s ORDER BY at, id"
    assert mail_installation.ask(events, delivery)[-1] == ("sent", "delayed 4.4.1: timed out")
    mail_installation.take(dsn("failed", "4.4.7", "smtp; expired"), mail_from="", to=to)
    assert mail_installation.ask("SELECT state FROM deliveries") == [("failed",)]
    assert mail_installation.ask("SELECT doubtful_at FROM addresses") == [(None,)], (
        "their server was away; the address is good"
    )


def test_a_bounce_of_nothing_of_ours_is_kept_and_settled(mail_installation: MailInstallation) -> None:
    contact = mail_installation.take(dsn(), mail_from="")
    assert mail_installation.state(contact)[0] == "waiting", "the answer it speaks of may be leaving this moment"
    mail_installation.ask("UPDATE raw_contacts SET received_at = received_at - interval '11 minutes' RETURNING id")
    mail_installation.ask("UPDATE outbox SET due_at = now() WHERE topic = 'file' RETURNING id")
    mail_installation.file()
    assert mail_installation.state(contact)[0] == "ignored"
    assert mail_installation.ask("SELECT count(*) FROM cases") == [(0,)]
    assert mail_installation.holds()


@pytest.mark.parametrize(
    "line", ["Subject: Automatic reply: lamp", "Subject: پاسخ خودکار: چراغ", "Auto-Submitted: auto-replied"]
)
def test_an_absence_note_reopens_nothing_and_gets_no_answer(mail_installation: MailInstallation, line: str) -> None:
    contact = mail_installation.take(mail())
    ((token,),) = mail_installation.ask("UPDATE cases SET status = 'closed', closed_at = now() RETURNING reply_token")
    note = mail_installation.take(mail("در مرخصی هستم.", line), to=f"info+{token}@example.org")
    assert mail_installation.case_of(note) == mail_installation.case_of(contact)
    assert mail_installation.labels(note) >= {"robot", "auto_reply"}
    assert mail_installation.ask("SELECT status FROM cases") == [("closed",)]
    assert mail_installation.ask("SELECT count(*) FROM deliveries") == [(1,)], "only the first mail's acknowledgement"


@pytest.mark.parametrize(
    "line", ["List-Id: <town.example.com>", "Precedence: list", "List-Unsubscribe: <mailto:off@x.example>"]
)
def test_mail_to_many_is_filed_and_never_answered(mail_installation: MailInstallation, line: str) -> None:
    contact = mail_installation.take(mail("خبرنامه", line))
    assert mail_installation.state(contact)[0] == "filed"
    assert mail_installation.ask("SELECT count(*) FROM deliveries") == [(0,)]


def test_our_own_automatic_answers_say_so(mail_installation: MailInstallation) -> None:
    mail_installation.take(mail())
    assert mail_installation.ask("SELECT automatic FROM contacts WHERE direction = 'out'") == [(True,)]


def test_two_machines_that_hide_cannot_talk_for_ever(mail_installation: MailInstallation) -> None:
    """Field 2.9: a responder without any mark of a machine, that opens a case with each of its answers."""
    mail_installation.settings = mail_installation.settings.model_copy(
        update={"automatic": Automatic(per_hour=3, per_day=4)}
    )
    for number in range(7):
        mail_installation.receive(mail(f"Thank you for your message {number}"))
    mail_installation.file()
    assert mail_installation.ask("SELECT count(*) FROM cases") == [(7,)], "nothing is thrown away"
    assert mail_installation.ask("SELECT count(*) FROM deliveries") == [(3,)]
    assert mail_installation.ask("SELECT count(*) FROM case_events WHERE kind = 'loop_broken'") == [(4,)]
    mail_installation.ask("UPDATE deliveries SET created_at = created_at - interval '2 hours' RETURNING id")
    for number in range(3):
        mail_installation.take(mail(f"Thank you again {number}"))
    assert mail_installation.ask("SELECT count(*) FROM deliveries") == [(4,)], "the day has a limit of its own"
    mail_installation.take(mail("another person", sender="sara@example.com"), mail_from="sara@example.com")
    assert mail_installation.ask("SELECT count(*) FROM deliveries") == [(5,)], "the limit is one of a pair of addresses"
