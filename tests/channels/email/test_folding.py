"""What a whole mail shows and what it folds away, from its bytes to the record: a hidden complaint is worse than a visible quotation."""

from __future__ import annotations

from datetime import UTC, datetime
from email.header import Header
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.channels.email.config import EmailConfig
from zrm.channels.email.mailboxes import Mailboxes
from zrm.channels.email.parse import parse_mail
from zrm.contract.inbound import RawContact
from zrm.normalizer.interpretation import Interpretation, Raw, ReceivedCommand, read

BOXES = Mailboxes(
    EmailConfig.model_validate(
        {"mailboxes": {"info": {"address": "info@zrm.example", "aliases": ["desk@zrm.example"]}}}
    )
)
ANSWER = "In-Reply-To: <ours@zrm.example>"
MINE = "My own answer.\n\n"
MARKED = "> Dear citizen,\n> which street do you mean?\n> Regards"


def mail(text: str, subject: str, *lines: str, to: str = "info@zrm.example", media_type: str = "text/plain") -> bytes:
    head = (
        "From: C <c@citizen.example>",
        f"To: {to}",
        f"Subject: {Header(subject, 'utf-8').encode()}",
        "Message-ID: <1@citizen.example>",
        "MIME-Version: 1.0",
        f"Content-Type: {media_type}; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        *lines,
    )
    return "\r\n".join((*head, "", *text.split("\n"))).encode()


def outcome(body: bytes) -> object:
    contact = RawContact("email", "info", "x", body, "message/rfc822", {"mail_from": "c@citizen.example"})
    raw = Raw(UUID(int=1), datetime(2026, 11, 27, tzinfo=UTC), contact, "123456789012")
    return read(raw, lambda one: [parse_mail(one, BOXES)], region="IR", own=BOXES.own_addresses)


def understand(text: str, subject: str = "my request", *lines: str, **more: str) -> Interpretation:
    found = outcome(mail(text, subject, *lines, **more))
    assert isinstance(found, Interpretation)
    return found


FIRST_CONTACTS = {
    "an hour and who wrote": ("My house", "Good day.\n\nOn 12 March at 10:30 your inspector wrote:\n\nThe house is empty.\n\nThat is wrong, six people live here. Please come again."),
    "the same in Persian": ("خانه ما", "سلام.\n\nدر تاریخ ۱۲ اسفند ساعت ۱۰:۳۰ کارشناس شما نوشت:\n\nخانه خالی است.\n\nاین درست نیست؛ شش نفر اینجا زندگی می‌کنند."),
    "sent by post": ("Request", "My request of April is still open.\n\nSent via registered post on 12 May, receipt 4471."),
    "sent by post in Persian": ("درخواست", "درخواست من هنوز بی‌پاسخ است.\n\nارسال شده با پست سفارشی، شماره رهگیری ۴۴۷۱"),
    "sent from another address": ("Copy", "Hello.\n\nSent from my old address by mistake, please delete the first copy."),
    "two matters": ("Two matters", "First matter: the street lamp in Oak Street is broken.\n--\nSecond matter: the bin was not emptied for three weeks."),
    "a pasted mail": (
        "A fine",
        "I received this mail:\n\nFrom: Tax Office <tax@office.example>\nSent: Monday, 3 March 2025 10:15\nTo: me\nSubject: Fine\n\nYou must pay 100.\n\n"
        "I object to this fine. Please cancel it.",
    ),
    "marked lines at the end": ("A letter", "You wrote to my neighbour\n\nOn Mon, 3 Mar 2025 at 10:15, Desk <info@zrm.example> wrote:\n> which street?"),
    "an original message": ("A letter", "Look at this\n\n-----Original Message-----\nFrom: Desk <info@zrm.example>\nSent: 3 March 2025\n\nNo."),
    "a signature": ("Lamp", "The lamp is broken.\n\n-- \nAli Rezaei\n0912 123 4567"),
    "a telephone's line": ("Lamp", "The lamp is broken.\n\nSent from my iPhone"),
}  # fmt: skip


@pytest.mark.parametrize("what", FIRST_CONTACTS)
def test_a_first_contact_folds_nothing(what: str) -> None:
    subject, text = FIRST_CONTACTS[what]
    found = understand(text, subject)
    assert (found.text, found.folded_quote) == (text, "")


NOTE = "Please look at this, it is unacceptable.\n\n"
LANDLORD = "From: Landlord <l@home.example>\nSent: Monday, 3 March 2025 10:15\nTo: Citizen\nSubject: Heating\n\nThe heating stays off until May."


@pytest.mark.parametrize(
    "prefix",
    ["FW", "Fwd", "WG", "TR", "RV", "İLT", "Перес", "VB", "VS", "PD", "ENC", "转发", "転送", "ارجاع", "إعادة توجيه"],
)
@pytest.mark.parametrize("lines", [(), (ANSWER,)], ids=["no reference", "a reference"])
def test_a_forwarded_mail_is_shown_with_its_note(prefix: str, lines: tuple[str, ...]) -> None:
    for block in (LANDLORD, LANDLORD.replace("l@home.example", "info@zrm.example")):
        found = understand(f"{NOTE}{block}\n\n> older lines", f"{prefix}: Heating", *lines)
        assert (found.text, found.folded_quote) == (f"{NOTE}{block}\n\n> older lines", "")


@pytest.mark.parametrize(
    "words",
    ["Forwarded message", "Weitergeleitete Nachricht", "پیام هدایت شده", "Пересылаемое сообщение", "Přeposlaná zpráva"],
)
def test_a_line_that_says_forwarded_shows_all_below_it(words: str) -> None:
    text = f"{NOTE}---------- {words} ----------\n{LANDLORD}\n\n> older lines\n\nI object."
    found = understand(text, "Re: Heating", ANSWER)
    assert (found.text, found.folded_quote) == (text, "")


def test_a_mail_of_somebody_else_in_an_answer_is_evidence() -> None:
    text = f"I got this.\n\n{LANDLORD}\n\nI object."
    found = understand(text, "Re: my request", ANSWER)
    assert (found.text, found.folded_quote) == (text, "")
    # We stand in Cc; the mail that is answered is the landlord's.
    found = understand(f"No.\n\n{LANDLORD}", "Re: Heating", ANSWER, "Cc: info@zrm.example", to="l@home.example")
    assert (found.text, found.folded_quote) == (f"No.\n\n{LANDLORD}", "")


def test_a_mailbox_we_do_not_know_by_its_name_is_whom_the_answer_goes_to() -> None:
    block = "From: Desk <old@city.example>\nSent: 3 March 2025 10:15\nTo: Citizen\nSubject: x\n\nWhich street?"
    found = understand(MINE + block, "Re: my request", ANSWER, to="old@city.example")
    assert (found.text, found.folded_quote) == (MINE, block)


ANSWERS = {
    "Persian, day first": f"دوشنبه ۱۳ اسفند ۱۴۰۳، ۱۰:۱۵ Desk <info@zrm.example> نوشت:\n\n{MARKED}",
    "Polish": f"pon., 3 mar 2025 o 10:15 Desk <info@zrm.example> napisał(a):\n\n{MARKED}",
    "Russian": f"пн, 3 мар. 2025 г. в 10:15, Desk <info@zrm.example>:\n\n{MARKED}",
    "Turkish": f"Desk <info@zrm.example>, 3 Mar 2025 Pzt, 10:15 tarihinde şunu yazdı:\n\n{MARKED}",
    "Chinese": f"Desk <info@zrm.example> 于2025年3月3日周一 10:15写道：\n\n{MARKED}",
    "header lines, date first": "Date: Mon, 3 Mar 2025 10:15:00 +0330\nSubject: Re: request\nFrom: info@zrm.example\nTo: c@citizen.example\n\nDear citizen, which street?",
    "ruled, Spanish": "________________________________\nDe: Desk <info@zrm.example>\nEnviado el: 3.03.2025 10:15\nPara: Citizen\nAsunto: Re: my request\n\nDear citizen, which street do you mean?",
    "ruled, Russian": "________________________________\nОт: Desk <info@zrm.example>\nОтправлено: 3.03.2025 10:15\nКому: Citizen\nТема: Re: my request\n\nDear citizen, which street do you mean?",
    "ruled, Turkish": "________________________________\nKimden: Desk <info@zrm.example>\nGönderildi: 3.03.2025 10:15\nKime: Citizen\nKonu: Re: my request\n\nDear citizen, which street?",
    "a scanner's line below": f"On Mon, 3 Mar 2025 at 10:15, Desk <info@zrm.example> wrote:\n{MARKED}\n\nVirus-free. www.scanner.example",
    "a broken line": "On Mon, 3 Mar 2025 at 10:15, Desk <info@zrm.example> wrote:\n> Dear citizen, your request of last week has been handed over to the unit\nfor roads.\n"
    "> which street?\n> Regards",
    "our other address": f"On Mon, 3 Mar 2025 at 10:15, Desk <desk@zrm.example> wrote:\n\n{MARKED}",
    "our address with a token": f"On Mon, 3 Mar 2025 at 10:15, Desk <info+abc234@zrm.example> wrote:\n\n{MARKED}",
}  # fmt: skip


@pytest.mark.parametrize("what", ANSWERS)
@pytest.mark.parametrize(
    ("subject", "lines", "to"),
    [
        ("my request", (ANSWER,), "info@zrm.example"),
        ("my request", ("References: <other@x.example> <ours@zrm.example>",), "Desk <info@zrm.example>"),
        ("Re: my request", (), "info@zrm.example"),
        ("my request", (), "info+abc234@zrm.example"),
    ],
    ids=["In-Reply-To", "References", "the subject", "our mark"],
)
def test_an_answer_folds_what_it_repeats_of_ours(what: str, subject: str, lines: tuple[str, ...], to: str) -> None:
    found = understand(MINE + ANSWERS[what], subject, *lines, to=to)
    assert (found.text, found.folded_quote) == (MINE, ANSWERS[what])
    first = understand(MINE + ANSWERS[what], "my request")
    assert (first.text, first.folded_quote) == (MINE + ANSWERS[what], "")


@pytest.mark.parametrize(
    ("html", "new", "quoted"),
    [
        ('<p>My own answer.</p><blockquote type="cite"><p>Dear citizen</p><p>which street?</p></blockquote>', MINE, "> Dear citizen\n>\n> which street?"),
        (
            "<p>Hello,</p><p>On Mon, 3 Mar 2025 at 10:15, Desk &lt;info@zrm.example&gt; wrote:</p>"
            '<blockquote type="cite"><p>Which street?</p></blockquote><p>Oak Street, number 4.</p>',
            "Hello,\n\nOn Mon, 3 Mar 2025 at 10:15, Desk <info@zrm.example> wrote:\n\n> Which street?\n\nOak Street, number 4.",
            "",
        ),
    ],
)  # fmt: skip
def test_a_quotation_in_html_folds_at_the_end_only(html: str, new: str, quoted: str) -> None:
    found = understand(html, "Re: my request", ANSWER, media_type="text/html")
    assert (found.text, found.folded_quote) == (new, quoted)
    first = understand(html, "my request", media_type="text/html")
    assert (first.text, first.folded_quote) == (new + quoted, "")


def test_a_code_with_a_signature_is_still_a_question_for_the_state() -> None:
    for text in ("1234-5678-9012\n\nSent from my iPhone", "1234-5678-9012\n-- \nAli\n+98 21 1234 567"):
        assert isinstance(outcome(mail(text, "")), ReceivedCommand)


def test_stop_above_a_letter_is_a_letter() -> None:
    text = "STOP\n\nOn 12 March 2025 at 10:30 Sara <sara@zrm.example> wrote:\n\nThe house is empty. That is wrong."
    assert understand(text, "stop").text == text


WHO = st.sampled_from(
    [
        "your inspector",
        "Sara <info@zrm.example>",
        "the mayor",
        "کارشناس شما",
        "Desk <info@zrm.example>",
        "l'agent",
        "инспектор",
        "检查员",
    ]
)
WHEN = st.sampled_from(
    [
        "On 12 March at 10:30",
        "On Mon, 3 Mar 2025 at 10:15,",
        "در تاریخ ۱۲ اسفند ۱۴۰۳ ساعت ۱۰:۳۰",
        "Am 12.03.2025 um 10:30",
        "2025年3月3日 10:15",
    ]
)
WROTE = st.sampled_from([" wrote:", " said:", " نوشت:", " schrieb:", ":", " 写道：", " wrote to me:"])
BELOW = st.sampled_from(
    [
        "\n\nThe house is empty.\n\nThat is wrong.",
        "\n> The house is empty.",
        "\n\nخانه خالی است.\n",
        "\n-- \nAli",
        "\n\nSent from my iPhone",
    ]
)
SUBJECT = st.sampled_from(["My house", "خانه", "", "Request", "Haus", "房子"])


@given(st.lists(st.tuples(WHEN, WHO, WROTE, BELOW), min_size=1, max_size=3), SUBJECT)
def test_no_sentence_of_a_first_contact_folds(sentences: list[tuple[str, str, str, str]], subject: str) -> None:
    text = "Good day.\n\n" + "\n\n".join(f"{when} {who}{wrote}{below}" for when, who, wrote, below in sentences)
    found = understand(text, subject)
    assert (found.text, found.folded_quote) == (text.strip("\n"), "")
