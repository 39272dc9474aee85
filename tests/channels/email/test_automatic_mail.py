"""Mail that no person wrote: absence notes in many languages, receipts, reports, mail servers; and people who are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.email.desk import MAILBOXES
from tests.channels.email.installation import ALI, MailInstallation, mail
from zrm.channels.email import machine_subjects
from zrm.channels.email.config import EmailConfig
from zrm.channels.email.mailboxes import Mailboxes
from zrm.channels.email.parse import parse_mail
from zrm.contract.inbound import JSON, Inbound, RawContact

BOXES = Mailboxes(EmailConfig.model_validate({"mailboxes": MAILBOXES}))

ABSENCE_NOTES = (
    "Automatic reply", "Out of office", "Automatische Antwort", "Réponse automatique", "Automatisch antwoord", "Automatyczna odpowiedź",
    "Автоматический ответ", "Автоматична відповідь", "Otomatik yanıt", "OTOMATİK YANIT", "自动回复", "自動回覆", "自動応答", "자동 회신", "Automatiskt svar",
    "Automatisk svar", "Automaattinen vastaus", "Automatická odpověď", "תשובה אוטומטית", "خودکار جواب", "Avtomatik cavab", "Bersiva otomatîk",
    "وەڵامی خۆکار", "Respuesta automática", "Resposta automática", "Risposta automatica", "Automatikus válasz", "پاسخ خودکار", "پاسخ‌ خودكار",
    "رد تلقائي", "Αυτόματη απάντηση", "Răspuns automat", "Reponse automatique",
)  # fmt: skip


def labels(body: str, *, mail_from: str | None = None) -> set[str]:
    """Those of a mail; without `mail_from` as fetched by IMAP, where there is no envelope."""
    envelope: dict[str, JSON] = {"rcpt_tos": ["info@example.org"]}
    if mail_from is not None:
        envelope["mail_from"] = mail_from
    found = parse_mail(RawContact("email", "info", "x", body.encode(), "message/rfc822", envelope), BOXES)
    assert isinstance(found, Inbound)
    return set(found.labels)


def headed(*lines: str, text: str = "words") -> str:
    return "\r\n".join((*lines, "To: info@example.org", "", text, ""))


@pytest.mark.parametrize("words", ABSENCE_NOTES)
def test_absence_notes_are_known_by_their_subject_in_many_languages(words: str) -> None:
    for subject in (
        words,
        f"{words}: my request",
        f"Re: {words}",
        f"AW: {words}: lamp",
        f"[EXTERN] {words}",
        f"[{words}] lamp",
    ):
        assert labels(mail("I am away.", f"Subject: {subject}"), mail_from=ALI) == {"robot", "auto_reply"}, subject


@pytest.mark.parametrize(
    "subject", ["Re: lamp (Automatic Response)", "AUTO: Rezaei, Ali is out of the office (returning 05/01/2026)", "OOO: lamp"]
)  # fmt: skip
def test_other_forms_of_absence_notes(subject: str) -> None:
    assert labels(mail("away", f"Subject: {subject}")) == {"robot", "auto_reply"}


@pytest.mark.parametrize(
    "subject",
    [
        "Out of office all day", "Automatic reply is broken", "Absence: the teacher", "عدم حضور: پزشک درمانگاه", "Urlaub: wer vertritt?",
        "Auto: Parkplatz gesucht", "پاسخ خودکار سامانه به درد نمی‌خورد", "Read the attached", "Undelivered: my parcel", "不在", "Ausencia: médico",
    ],
)  # fmt: skip
def test_a_matter_that_sounds_like_a_machine_is_a_persons(subject: str) -> None:
    assert labels(mail("text", f"Subject: {subject}"), mail_from=ALI) == set()


def test_words_of_own_matters_count_in_an_answer_only_and_never_behind_its_prefix() -> None:
    """Our answers carry the citizen's own subject, so `Re: Urlaub` is a citizen's second word."""
    answer = "In-Reply-To: <ours@zrm.example>"
    assert labels(mail("x", "Subject: Abwesenheit: Re: Lampe", answer)) == {"robot", "auto_reply"}
    assert labels(mail("x", "Subject: عدم حضور", answer)) == {"robot", "auto_reply"}
    assert labels(mail("x", "Subject: Re: Urlaub", answer)) == set()
    assert labels(mail("x", "Subject: Abwesenheit: Re: Lampe")) == set()
    for said in (
        "I'm on vacation",
        "Ich bin außer Haus",
        "Je suis en congé",
        "Estoy de vacaciones",
        "من در مرخصی هستم",
        "أنا في إجازة",
    ):
        assert labels(mail("x", f"Subject: {said}", answer)) == {"robot", "auto_reply"}
        assert labels(mail("x", f"Subject: {said}, and my street is dark")) == set()


@pytest.mark.parametrize(
    "quoted", ["> I am away until May.", "From: Desk\nSent: Friday\nSubject: Automatic reply: lamp\n\nI am away."]
)
def test_who_answers_an_automatic_reply_is_a_person(quoted: str) -> None:
    text = f"And who helps me until then?\n\n{quoted}\n"
    assert labels(mail(text, "Subject: Re: Automatic reply: lamp"), mail_from=ALI) == set()


REPORT = (
    "From: C <c@citizen.example>",
    "Subject: my request",
    "MIME-Version: 1.0",
    "Content-Type: multipart/report; report-type={}; boundary=b",
)


@pytest.mark.parametrize(
    ("kind", "label"),
    [("disposition-notification", "read_receipt"), ("feedback-report", "abuse_report"), ("x-news", "")],
)
@pytest.mark.parametrize("whole", [True, False])
def test_any_report_is_a_machines_by_its_header_alone(kind: str, label: str, whole: bool) -> None:
    head = headed(*(line.format(kind) for line in REPORT), text="")
    body = f"--b\r\n\r\nwords\r\n--b\r\nContent-Type: message/{kind}\r\n\r\nVersion: 1\r\n--b--\r\n"
    assert labels(head + body if whole else head, mail_from="c@citizen.example") == {"robot", label} - {""}


def test_reports_in_other_clothes() -> None:
    part = (
        "--b\r\n\r\nwords\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\nDisposition: x\r\n--b--\r\n"
    )
    mixed = headed("From: c@citizen.example", "Content-Type: multipart/mixed; boundary=b", text=part)
    assert labels(mixed) == {"robot", "read_receipt"}
    assert labels(mail("x", "Subject: Gelesen: Lampe", "In-Reply-To: <ours@zrm.example>")) == {"robot", "read_receipt"}
    complaint = headed("From: staff@provider.example", "Subject: complaint about message from 192.0.2.22")
    assert labels(complaint) == {"robot", "abuse_report"}


@pytest.mark.parametrize(
    "lines",
    [
        ("Return-Path: <MAILER-DAEMON>", "From: Mail Delivery Subsystem <MAILER-DAEMON@relay.example>", "Subject: failure notice"),
        ("From: MAILER-DAEMON@relay.example", "Subject: ?"),
        ("From: MAILER-DAEMON <>", "Subject: Mail delivery failed"),
        ("From: <>", "Subject: Delivery Status"),
        ("From: Mailer_Daemon@relay.example (Mail Delivery System)", "Subject: x"),
        ("From: postmaster@relay.example", "Subject: Undeliverable: my request"),
        ("From: \"System Administrator\" <postmaster@relay.example>", "Subject: Unzustellbar: Lampe"),
        ("From: postmaster@relay.example", "Subject: نامه تحویل نشد"),
        ("From: postmaster@relay.example", "Subject: メッセージを配信できません。"),
        ("From: Mail Delivery System <noreply@relay.example>", "Subject: Returned mail: see transcript"),
        ("Return-Path: <>", "From: no-reply@relay.example", "Subject: Undelivered Mail Returned to Sender"),
        ("Return-Path:", "From: x@relay.example", "Subject: Delivery Status Notification (Delay)"),
        ("Return-Path: <MAILER-DAEMON@relay.example>", "From: x@relay.example", "Subject: Недоставленное сообщение"),
        ("From: x@relay.example", "X-Failed-Recipients: gone@example.com", "Subject: y"),
        ("From: MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@relay.example", "Subject: x"),
        ("From: x@relay.example", "Content-Type: multipart/report; report-type=delivery-status; boundary=b"),
        ("From: x@relay.example", "Content-Type: multipart/report; boundary=b"),
    ],
)  # fmt: skip
def test_a_mail_servers_word_is_known_without_an_envelope(lines: tuple[str, ...]) -> None:
    assert labels(headed(*lines)) >= {"robot", "bounce"}


@pytest.mark.parametrize(
    "lines",
    [
        ("From: postmaster@ministry.example", "Subject: Meeting on Monday"),
        ("From: postmaster@ministry.example", "Subject: Re: Undelivered Mail Returned to Sender"),
        ("From: Ali <ali@example.com>", "Subject: Undelivered Mail Returned to Sender"),
        ("From: Ali <ali@example.com>", "Subject: Fwd: failure notice"),
        ("From: Ali Mailer <ali.mailer@example.com>", "Subject: failure of the lamp"),
        ("From: admin@school.example", "Subject: Meals could not be delivered"),
        ("From: System Administrator <ali@school.example>", "Subject: Why the books were not delivered"),
        ("Return-Path: <ali@example.com>", "From: Ali <ali@example.com>", "Subject: Delivery failed"),
        ("From: Form <no-reply@site.example>", "Reply-To: Ali <ali@example.com>", "Subject: Contact form"),
    ],
)
def test_people_are_not_taken_for_machines(lines: tuple[str, ...]) -> None:
    assert labels(headed(*lines), mail_from="ali@example.com") == set()


def test_a_form_that_names_no_envelope_sender_is_filed() -> None:
    """A person's words below a machine's envelope: labelled, and never set aside as a bounce."""
    head = ("Return-Path: <>", "From: Ali <ali@example.com>", "Subject: My parcel was not delivered")
    assert labels(headed(*head, text="The street does not exist on your map.")) == {"robot"}
    assert labels(headed("Return-Path: <>", "Subject: Scan of Friday")) == {"robot"}


def test_a_bounce_from_an_ordinary_sender_is_filed_and_not_thanked() -> None:
    """Two signs of a failure make a machine; but what may be a person's is never set aside as a bounce."""
    body = headed(
        "From: scan@relay.example", "Subject: Mail could not be delivered", text="550 5.1.1 unknown user <a@b.example>"
    )
    assert labels(body) == {"robot"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("From: no-reply@site.example",), {"robot"}),
        (("From: do_not_reply@site.example", "Reply-To: noreply@site.example"), {"robot"}),
        (("From: Ali <ali@example.com>", "Precedence: list"), {"list"}),
        (("From: Ali <ali@example.com>", "Precedence: bulk", "Return-Path: <owner-town@lists.example>"), {"list"}),
        (("From: Ali <ali@example.com>", "Precedence: bulk", "List-Id: <town.example>"), {"list"}),
        (
            ("From: Ali <ali@example.com>", "Precedence: bulk", "List-Unsubscribe: <mailto:off@x.example>"),
            {"newsletter"},
        ),
        (("From: Ali <ali@example.com>", "Precedence: auto_reply"), {"robot", "auto_reply"}),
    ],
)
def test_senders_to_many_and_senders_who_take_no_answer(lines: tuple[str, ...], expected: set[str]) -> None:
    assert labels(headed(*lines, "Subject: x")) == expected


@given(st.text(max_size=400))
def test_no_subject_breaks_the_reading(text: str) -> None:
    subject = machine_subjects.subject_of(text)
    away, behind = machine_subjects.says_away(subject, answers=True)
    assert away or not behind
    assert machine_subjects.says_failed(f"{subject} undeliverable")


# ---------------------------------------------------------------- through the installation


RECEIPT = (
    "MIME-Version: 1.0",
    "Content-Type: multipart/report; report-type=disposition-notification; boundary=b",
)
READ = (
    "--b\r\nContent-Type: text/plain\r\n\r\nYour message was read on Friday.\r\n"
    "--b\r\nContent-Type: message/disposition-notification\r\n\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n--b--"
)


@pytest.mark.parametrize("mail_from", [ALI, "", None])
def test_a_read_receipt_joins_its_case_and_reopens_nothing(
    mail_installation: MailInstallation, mail_from: str | None
) -> None:
    """Webmails send it with their own envelope sender, and a copy fetched by IMAP has none (uvdesk#468)."""
    contact = mail_installation.take(mail())
    ((ours,),) = mail_installation.ask("SELECT message_id FROM contacts WHERE direction = 'out'")
    mail_installation.ask("UPDATE cases SET status = 'closed', closed_at = now() RETURNING id")
    head = "\r\n".join((f"From: {ALI}", "Subject: Read: lamp", f"In-Reply-To: {ours}", *RECEIPT))
    receipt = mail_installation.take(f"{head}\r\n\r\n{READ}\r\n", mail_from=mail_from)
    assert mail_installation.case_of(receipt) == mail_installation.case_of(contact)
    assert mail_installation.labels(receipt) == {"robot", "read_receipt"}
    assert mail_installation.ask("SELECT status FROM cases") == [("closed",)]
    assert mail_installation.ask("SELECT count(*) FROM deliveries") == [(1,)], "only the first mail's acknowledgement"


def test_a_mail_server_without_an_envelope_opens_no_case_and_is_not_thanked(
    mail_installation: MailInstallation,
) -> None:
    head = ("Return-Path: <MAILER-DAEMON>", "From: MAILER-DAEMON@relay.example", "Subject: failure notice")
    bounce = mail_installation.take(headed(*head, text="Hi. No mailbox here by that name."), mail_from=None)
    assert mail_installation.state(bounce) == ("ignored", "a returned mail that belongs to no case")
    assert mail_installation.ask("SELECT count(*) FROM cases") == [(0,)]
    assert mail_installation.ask("SELECT count(*) FROM deliveries") == [(0,)]
    assert mail_installation.holds()


def test_a_feedback_report_is_filed_and_not_thanked(mail_installation: MailInstallation) -> None:
    lines = [line.format("feedback-report") for line in REPORT]
    report = mail_installation.take(
        headed(*lines, text="--b\r\n\r\nThis is an abuse report.\r\n--b--"), mail_from="fbl@p.example"
    )
    assert mail_installation.labels(report) == {"robot", "abuse_report"}
    assert mail_installation.ask("SELECT count(*) FROM deliveries") == [(0,)]
