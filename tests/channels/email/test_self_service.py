"""A citizen asks by mail: the state by the code, STOP and START, a rating; and whatever is more than that is read by a person."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path
from uuid import UUID

import pytest

from tests.casework.installation import acting
from tests.channels.email.desk import MAILBOXES, installation
from tests.channels.email.installation import ALI, MailInstallation, mail
from tests.channels.email.test_send import read
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.casework import case_actions
from zrm.channels.email.channel import EmailChannel
from zrm.channels.email.config import EmailConfig
from zrm.config import Settings
from zrm.dispatch.deliver import Deliver
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.normalizer.self_service import MOST_ANSWERS
from zrm.ui.i18n import format_code

SARA = "sara@example.com"


class AnsweringInstallation(MailInstallation):
    """An installation whose answers become files."""

    count = 0

    def __post_init__(self) -> None:
        config = {"mailboxes": MAILBOXES, "submit": {"folder": "out"}, "trust_results_of": ["mx.example.org"]}
        self.channel = EmailChannel(EmailConfig.model_validate(config), installation(self.folder))

    def write(self, text: str, *lines: str, sender: str = ALI, to: str = "info@example.org") -> UUID:
        """One mail through T1 and T2, and what it makes through T4."""
        AnsweringInstallation.count += 1
        head = (f"Message-ID: <{self.count}@example.com>", *lines)
        contact = self.take(mail(text, *head, sender=sender), mail_from=sender, to=to)
        self.deliver()
        return contact

    def deliver(self) -> None:
        with self.database.cursor() as cursor:
            tasks = outbox.claim(cursor, Topic.DELIVER, limit=50, lease=60)
        Deliver(self.database, {"email": self.channel}, self.settings)(tasks)

    def sent(self) -> list[EmailMessage]:
        """What left, in order."""
        files = sorted((self.folder / "out").glob("*.eml"), key=lambda path: path.name)
        return [read(path.read_bytes()) for path in files]

    def code(self) -> str:
        ((code,),) = self.ask("SELECT code FROM cases ORDER BY opened_at LIMIT 1")
        return str(code)

    def close(self) -> None:
        ((case_id, version, agent),) = self.ask(
            "SELECT k.id, k.version, a.id FROM cases k, agents a ORDER BY k.opened_at, a.id LIMIT 1"
        )
        assert isinstance(case_id, UUID)
        assert isinstance(agent, UUID)
        with self.database.cursor() as cursor:
            case_actions.close(
                cursor, acting(agent, case_id, int(str(version))), result="done", reason="It was done before."
            )
        self.deliver()

    def reply(self, words: str, *, sender: str = ALI, answered: EmailMessage | None = None) -> UUID:
        """A mail program's answer to the last mail of ours, with what it quotes."""
        last = answered or self.sent()[-1]
        address = str(last["Reply-To"]).rpartition("<")[2].strip("> ")
        text = f"{words}\r\n\r\nOn Mon, 2 Nov 2026 at 10:00, Centre <info@example.org> wrote:\r\n> Case\r\n> 1 to 5\r\n"
        lines = (f"Subject: Re: {last['Subject']}", f"In-Reply-To: {last['Message-ID']}")
        return self.write(
            text, *(line.encode("utf-8", "replace").decode() for line in lines), sender=sender, to=address
        )


@pytest.fixture
def answering(
    database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings, tmp_path: Path
) -> AnsweringInstallation:
    return AnsweringInstallation(database, inbox, blobs, settings, tmp_path)


def body(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("", "{code}"),
        ("{shown}", ""),
        ("[{shown}]", "-- \nAli\n+98 21 1234"),
        ("کد رهگیری", "{persian}"),
        ("status {code}", "{shown}"),
        ("", "کد پیگیری: {persian}."),
    ],
)  # fmt: skip
def test_a_code_alone_is_answered_with_the_state_in_its_thread(
    answering: AnsweringInstallation, subject: str, text: str
) -> None:
    answering.write("سلام، چراغ خیابان ما خراب است.")
    code = answering.code()
    values = {
        "code": code,
        "shown": format_code(code, "en"),
        "persian": code.translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")),
    }
    subject = subject.format(**values)
    contact = answering.write(text.format(**values), f"Subject: {subject}", sender=SARA)
    assert answering.state(contact) == ("ignored", "done by the installation itself (status)")
    answer = answering.sent()[-1]
    assert answer["To"] == SARA, "whoever has the code may ask"
    assert "در نوبت بررسی" in body(answer)
    assert "چراغ" not in body(answer), "the state and nothing of what was said"
    assert answer["Auto-Submitted"] == "auto-replied"
    assert answer["In-Reply-To"] == f"<{answering.count}@example.com>"
    assert answering.ask("SELECT count(*) FROM cases") == [(1,)]
    assert answering.holds()


@pytest.mark.parametrize(("subject", "text"), [("Codes", ""), ("", "کدها"), ("کدهای من", "کد‌ها.")])
def test_a_mail_that_asks_for_codes_gets_those_of_its_sender(
    answering: AnsweringInstallation, subject: str, text: str
) -> None:
    answering.write("سلام، چراغ خیابان ما خراب است.")
    answering.write("سلام، آب کوچهٔ ما قطع است.", sender=SARA)
    contact = answering.write(text, f"Subject: {subject}")
    assert answering.state(contact) == ("ignored", "done by the installation itself (codes)")
    answer = answering.sent()[-1]
    ((own,), (others,)) = answering.ask("SELECT code FROM cases ORDER BY opened_at")
    digits = body(answer).translate(str.maketrans("۰۱۲۳۴۵۶۷۸۹", "0123456789"))
    assert answer["To"] == ALI
    assert (format_code(str(own), "en") in digits, format_code(str(others), "en") in digits) == (True, False)
    assert "چراغ" not in body(answer)
    assert answer["Auto-Submitted"] == "auto-replied"
    assert answering.holds()


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (("Subject: چراغ",), "{code}"),
        ((), "{code} چه شد؟ هنوز تاریک است."),
        (("Auto-Submitted: auto-replied",), "{code}"),
        (("Precedence: bulk",), "{code}"),
        (("List-Id: <l.example.com>",), "{code}"),
        (("Authentication-Results: mx.example.org; dmarc=fail header.from=example.com",), "{code}"),
        (("Subject: 111111111111",), "{code}"),
    ],
)
def test_more_than_a_code_or_a_machine_is_a_message(
    answering: AnsweringInstallation, lines: tuple[str, ...], text: str
) -> None:
    answering.write("سلام، چراغ خیابان ما خراب است.")
    before = len(answering.sent())
    contact = answering.write(text.format(code=answering.code()), *lines, sender=SARA)
    assert answering.state(contact)[0] == "filed"
    assert answering.ask("SELECT count(*) FROM deliveries WHERE kind = 'self_service'") == [(0,)]
    answers = [answer for answer in answering.sent()[before:] if "در نوبت بررسی" in body(answer)]
    assert answers == []


def test_a_confirmed_sender_is_answered(answering: AnsweringInstallation) -> None:
    confirmed = "Authentication-Results: mx.example.org; dmarc=pass header.from=example.com"
    first = answering.write("سلام، چراغ خیابان ما خراب است.", confirmed)
    assert answering.labels(first) == {"dmarc_pass"}
    contact = answering.write(answering.code(), confirmed)
    assert answering.state(contact) == ("ignored", "done by the installation itself (status)")


def test_no_more_answers_than_a_person_would_ask_for(answering: AnsweringInstallation) -> None:
    for _ in range(MOST_ANSWERS + 2):
        answering.write("123456789012")
    assert len(answering.sent()) == MOST_ANSWERS
    assert all("نیست" in body(answer) for answer in answering.sent())


def test_stop_and_start(answering: AnsweringInstallation) -> None:
    answering.write("سلام، چراغ خیابان ما خراب است.")
    contact = answering.write("", "Subject: لغو اشتراک")
    assert answering.state(contact) == ("ignored", "done by the installation itself (stop)")
    assert "شروع" in body(answering.sent()[-1])
    silent = len(answering.sent())
    answering.write(answering.code())
    answering.write("آب هم قطع است.", "Subject: آب")
    answering.close()
    assert len(answering.sent()) == silent, "no state, no acknowledgement, no closing message"
    assert answering.ask("SELECT count(*) FROM cases") == [(2,)], "what they write is read all the same"
    answering.write("START")
    answering.write(answering.code())
    assert len(answering.sent()) == silent + 2


@pytest.mark.parametrize("words", ["لغو", "cancel", "لطفاً لغو اشتراک من را انجام دهید", "stop the noise"])
def test_words_that_may_mean_the_matter_silence_nobody(answering: AnsweringInstallation, words: str) -> None:
    answering.write("سلام، چراغ خیابان ما خراب است.")
    contact = answering.reply(words)
    assert answering.state(contact)[0] == "joined"
    assert answering.ask("SELECT count(*) FROM opt_outs") == [(0,)]


def test_stop_in_answer_to_a_mail_of_ours(answering: AnsweringInstallation) -> None:
    answering.write("سلام، چراغ خیابان ما خراب است.")
    assert answering.state(answering.reply("STOP")) == ("ignored", "done by the installation itself (stop)")


def test_a_digit_in_answer_to_the_closing_message_rates_that_very_case(answering: AnsweringInstallation) -> None:
    answering.write("سلام، چراغ خیابان ما خراب است.", "Subject: lamp")
    answering.close()
    closing = answering.sent()[-1]
    assert "۱ (اصلاً) تا ۵ (بسیار)" in body(closing)
    assert "lamp" not in closing["Subject"], "nothing the sender wrote goes out by itself"
    assert closing["Auto-Submitted"] == "auto-replied"
    answering.write("آب هم قطع است.", "Subject: water")  # a later case of the same person
    stranger = answering.reply("1", sender=SARA, answered=closing)
    assert answering.state(stranger) == ("filed", ""), "who is not the citizen rates nothing"
    contact = answering.reply("۴", answered=closing)
    assert answering.state(contact) == ("ignored", "done by the installation itself (rate)")
    assert answering.ask("SELECT r.score, r.channel, k.title FROM ratings r JOIN cases k ON k.id = r.case_id") == [
        (4, "email", "lamp")
    ]
    assert answering.ask("SELECT status FROM cases WHERE title = 'lamp'") == [("closed",)], "a rating reopens nothing"
    again = answering.reply("5", answered=closing)
    assert answering.state(again)[0] == "joined", "once; the second digit is a message"


def test_a_digit_that_answers_nothing_is_a_message(answering: AnsweringInstallation) -> None:
    answering.write("سلام، چراغ خیابان ما خراب است.")
    assert answering.state(answering.reply("3"))[0] == "joined", "the case is not closed"
    answering.close()
    assert answering.state(answering.write("5"))[0] == "filed", "it answers no mail of ours"


@pytest.mark.parametrize("line", ["Auto-Submitted: auto-generated", "List-Id: <l.example.com>", "Precedence: bulk"])
def test_machines_are_not_asked_how_content_they_are(answering: AnsweringInstallation, line: str) -> None:
    answering.write("disk 91 % full", line)
    answering.close()
    assert not (answering.folder / "out").exists()


@pytest.mark.parametrize(
    "subject",
    ["Zwoggle prize, click evil.example", "Re: Zwoggle prize evil.example", "Zwoggle  =?utf-8?q?evil.example?="],
)
def test_nothing_a_stranger_wrote_is_carried_by_an_automatic_mail(
    answering: AnsweringInstallation, subject: str
) -> None:
    """Whoever forges an address must not be able to have us write to its owner what they like."""
    contact = answering.write("Zwoggle: visit evil.example now.", f"Subject: {subject}")
    answering.write("STOP", f"Subject: {subject}", sender=SARA)
    answering.write("START", f"Subject: {subject}", sender=SARA)
    ((code,),) = answering.ask("SELECT code FROM cases WHERE id = %s", answering.case_of(contact))
    answering.write(str(code), sender=SARA)
    answering.write("help", "Subject: help", sender=SARA)
    answering.close()
    sent = answering.sent()
    assert len(sent) >= 4
    for ours in sent:
        assert ours["Auto-Submitted"] == "auto-replied"
        assert ours["Subject"]
        for word in ("zwoggle", "evil.example", "re:"):
            assert word not in str(ours["Subject"]).casefold()
            assert word not in ours.as_string().casefold().replace("in-reply-to", "")
            assert word not in body(ours).casefold()
    acknowledgement = sent[0]
    shown = f"{str(code)[:4]}-{str(code)[4:8]}-{str(code)[8:]}]"
    assert str(acknowledgement["Subject"]).endswith(shown)
