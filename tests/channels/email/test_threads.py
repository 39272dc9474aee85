"""Whose conversation a mail belongs to, with replies as Gmail, Outlook, Apple Mail and others write them.

Field 2.4: the body is lost when two fetchers race (freescout#3186), a reply's text is missing (freescout#2818).
Field 2.5: a new mail is swallowed as a duplicate or glued to a year-old conversation (freescout#4958, #4748).
Field 2.8: replies open new tickets, agents' answers break the citizen's thread (frappe/helpdesk#2626, #2436, #1227,
zammad#5716, freescout#5310, #5587, osTicket#1792).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from uuid import UUID

import pytest

from tests.casework.installation import acting
from tests.channels.email.installation import ALI, MailInstallation, mail
from tests.channels.email.test_self_service import SARA, AnsweringInstallation, answering, body
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.casework import case_actions
from zrm.casework.reply_routes import ReplyRoute
from zrm.normalizer.filing import Filer

__all__ = ["answering"]

THEIRS = "<CAF+first=1@mail.gmail.com>"
QUOTE = "\r\n\r\nOn Mon, 2 Nov 2026 at 10:00, Centre <info@example.org> wrote:\r\n> We will look at it.\r\n"
OUTLOOK_QUOTE = (
    "\r\n\r\n________________________________\r\nFrom: Centre <info@example.org>\r\nSent: Monday, November 2, 2026 10:00\r\n"
    "To: ali@example.com\r\nSubject: Re: lamp\r\n\r\nWe will look at it.\r\n"
)  # fmt: skip


def answer_of(installation: AnsweringInstallation, text: str = "We will look at it.") -> EmailMessage:
    """An agent's answer to the first case, as the mail that left."""
    ((case_id, version, title, agent),) = installation.ask(
        "SELECT k.id, k.version, k.title, a.id FROM cases k, agents a ORDER BY k.opened_at, a.id LIMIT 1"
    )
    assert isinstance(case_id, UUID)
    assert isinstance(agent, UUID)
    with installation.database.cursor() as cursor:
        way = ReplyRoute("email", "info", ALI)
        act = acting(agent, case_id, int(str(version)), way, domain="zrm.test")
        case_actions.reply(cursor, act, route=way, title=str(title), text=text)
    installation.deliver()
    return next(message for message in reversed(installation.sent()) if text in body(message))


def headers(answer: EmailMessage) -> dict[str, str]:
    reply_to = str(answer["Reply-To"]).rpartition("<")[2].strip("> ")
    return {
        "reply_to": reply_to,
        "id": str(answer["Message-ID"]),
        "references": " ".join([*str(answer["References"]).split(), str(answer["Message-ID"])]),
        "subject": str(answer["Subject"]),
    }


REPLIES: dict[str, tuple[str, tuple[str, ...], str]] = {
    # program: (where it writes to, its header, what it adds below)
    "Gmail": ("{reply_to}", ("Subject: {subject}", "In-Reply-To: {id}", "References: {references}"), QUOTE),
    "Outlook": (
        "{reply_to}",
        ("Subject: RE: lamp", "In-Reply-To: {id}", "References: {references}", "Thread-Topic: lamp", "Thread-Index: AdpX9w=="),
        OUTLOOK_QUOTE,
    ),
    "Outlook in Persian": ("{reply_to}", ("Subject: پاسخ: lamp", "In-Reply-To: {id}"), OUTLOOK_QUOTE),
    "Apple Mail": ("{reply_to}", ("Subject: Re: lamp", "In-Reply-To: {id}", "References: {references}"), QUOTE + "\r\nSent from my iPhone"),
    "a program that writes to From": ("info@example.org", ("Subject: Re: lamp", "In-Reply-To: {id}"), QUOTE),
    "a program that knows only References": ("info@example.org", ("Subject: Re: lamp", "References: {references}"), QUOTE),
    "a relay that renamed our mail": ("{reply_to}", ("Subject: Re: lamp", "In-Reply-To: <renamed@ses.example>"), QUOTE),
    "a web mailer without any reference": ("{reply_to}", ("Subject: something else",), ""),
    "the citizen's older mail answered again": ("info@example.org", (f"In-Reply-To: {THEIRS}",), ""),
}  # fmt: skip


@pytest.mark.parametrize("program", REPLIES)
def test_a_reply_joins_its_case_whatever_wrote_it(answering: AnsweringInstallation, program: str) -> None:
    first = answering.take(mail("The lamp is broken.", "Subject: lamp", f"Message-ID: {THEIRS}"))
    answering.deliver()
    values = headers(answer_of(answering))
    to, lines, below = REPLIES[program]
    head = tuple(line.format(**values) for line in lines)
    contact = answering.write(f"It is still dark.{below}", *head, to=to.format(**values))
    assert answering.case_of(contact) == answering.case_of(first)
    ((text, quote),) = answering.ask("SELECT text, folded_quote FROM contacts WHERE id = %s", contact)
    assert str(text).strip() == "It is still dark.", "the words of the reply, and only they"
    assert ("We will look at it." in str(quote)) is bool(below)
    assert answering.ask("SELECT count(*) FROM cases") == [(1,)]


def test_our_answers_stay_in_the_citizens_own_thread(answering: AnsweringInstallation) -> None:
    """Gmail wants References and the same subject, Outlook and Apple Mail In-Reply-To or References."""
    answering.take(mail("The lamp is broken.", "Subject: Broken lamp", f"Message-ID: {THEIRS}"))
    answering.deliver()
    (acknowledgement,) = answering.sent()
    assert acknowledgement["In-Reply-To"] == THEIRS
    first = answer_of(answering)
    assert first["In-Reply-To"] == THEIRS, "what the citizen wrote last, not our own confirmation"
    assert first["References"].split()[0] == THEIRS
    contact = answering.write("Thanks.", "Subject: Re: Broken lamp", f"In-Reply-To: {first['Message-ID']}")
    second = answer_of(answering, "It is repaired.")
    ((theirs,),) = answering.ask("SELECT message_id FROM contacts WHERE id = %s", contact)
    assert second["In-Reply-To"] == theirs
    chain = second["References"].split()
    assert chain[0] == THEIRS
    assert chain[-1] == theirs
    assert first["Message-ID"] in chain
    for ours in (first, second):
        assert ours["Subject"] == "Re: Broken lamp"
    for ours in (acknowledgement, first, second):
        assert ours["From"].addresses[0].addr_spec == "info@example.org", "one sender for the whole conversation"
    assert len({str(ours["Reply-To"]) for ours in (acknowledgement, first, second)}) == 1


def test_nothing_is_joined_by_a_similar_subject_or_a_repeated_message_id(mail_installation: MailInstallation) -> None:
    """Field 2.5: a phone that starts its Message-IDs anew, and a subject everybody writes."""
    lines = ("Subject: Complaint", "Message-ID: <1@phone>")
    contacts = [mail_installation.take(mail(f"matter {number}", *lines)) for number in range(3)]
    contacts.append(mail_installation.take(mail("matter of another", *lines, sender=SARA), mail_from=SARA))
    assert len({mail_installation.case_of(contact) for contact in contacts}) == 4
    texts = [
        str(text) for (text,) in mail_installation.ask("SELECT text FROM contacts WHERE direction = 'in' ORDER BY at")
    ]
    assert texts == ["matter 0", "matter 1", "matter 2", "matter of another"], "none is taken for a repetition"
    assert mail_installation.take(mail("matter 0", *lines)) == contacts[0], "only the very same mail is the same"


@pytest.mark.parametrize(("days", "joins"), [(300, True), (366, False), (800, False)])
def test_an_answer_to_a_year_old_matter_is_a_case_of_its_own_and_linked(
    mail_installation: MailInstallation, days: int, joins: bool
) -> None:
    old = mail_installation.take(mail("The lamp is broken.", "Subject: lamp", f"Message-ID: {THEIRS}"))
    ((token,),) = mail_installation.ask(
        "UPDATE cases SET status = 'closed', closed_at = now(), status_at = now() - make_interval(days => %s) RETURNING reply_token",
        days,
    )
    contact = mail_installation.take(mail("Now the pavement.", "Subject: Re: lamp"), to=f"info+{token}@example.org")
    assert (mail_installation.case_of(contact) == mail_installation.case_of(old)) is joins
    linked = [] if joins else [("answers_old_case",)]
    assert mail_installation.ask("SELECT reason FROM case_relations") == linked
    ((status,),) = mail_installation.ask("SELECT status FROM cases WHERE id = %s", mail_installation.case_of(old))
    assert (status != "closed") is joins, "taken up again within the year, by the installation's rule"


def test_an_open_case_is_never_too_old(mail_installation: MailInstallation) -> None:
    old = mail_installation.take(mail("The lamp is broken.", f"Message-ID: {THEIRS}"))
    mail_installation.ask("UPDATE cases SET status_at = now() - interval '5 years' RETURNING id")
    assert mail_installation.case_of(
        mail_installation.take(mail("still", f"In-Reply-To: {THEIRS}"))
    ) == mail_installation.case_of(old)


def test_racing_doors_and_racing_workers_make_one_whole_contact(mail_installation: MailInstallation) -> None:
    """Field 2.4, freescout#3186: two fetchers took the same mail, and one of them stored it without its body."""
    content = mail("The whole text is here. " * 50, "Subject: race", "Message-ID: <race@example.com>")
    with ThreadPoolExecutor(8) as doors:
        received = {future.result() for future in [doors.submit(mail_installation.receive, content) for _ in range(16)]}
    assert len(received) == 1
    with mail_installation.database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.FILE, limit=10, lease=60)

    def work(_: int) -> None:  # a lease that ran out: several workers hold the same task
        Filer(
            mail_installation.database,
            mail_installation.blobs,
            {"email": mail_installation.channel.parse},
            mail_installation.settings,
        )(tasks)

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(work, range(4)))
    ((title, text),) = mail_installation.ask("SELECT title, text FROM contacts WHERE direction = 'in'")
    assert title == "race"
    assert str(text).count("The whole text is here.") == 50
    assert mail_installation.ask("SELECT count(*) FROM cases") == [(1,)]
    assert mail_installation.holds()


@pytest.mark.parametrize(
    "written",
    [
        "above\r\n\r\n> quoted\r\n",
        "> quoted\r\n\r\nbelow\r\n",
        "> one\r\nabove\r\n> two\r\nbetween\r\n> three\r\n",
        "> only quoted\r\n",
        "-----Original Message-----\r\nFrom: a@b.c\r\nSent: 2\r\n\r\nx\r\n",
        "From: me, a citizen\r\nI write to you.\r\n",
    ],
)
def test_no_word_of_a_reply_is_missing(mail_installation: MailInstallation, written: str) -> None:
    """Field 2.4, freescout#2818: whatever is taken for a quotation is folded, and never thrown away."""
    contact = mail_installation.take(mail(written, "Message-ID: <r@example.com>"))
    ((text, quote),) = mail_installation.ask("SELECT text, folded_quote FROM contacts WHERE id = %s", contact)
    assert str(text).strip(), "something is to be read at once"
    kept = f"{text}\n{quote}".split()
    assert all(word in kept for word in written.split())
