"""Which messages are self-service commands, in both languages and every spelling, and which are for people to read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.channels.sms.keywords import command_of
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.files import InboundFile
from zrm.contract.inbound import Inbound

SENDER = Sender(PHONE, "+989121234567")


def said(text: str, language: str = "") -> Inbound:
    return Inbound((SENDER,), text, language=language)


@pytest.mark.parametrize(
    ("text", "kind", "language"),
    [
        ("لغو", "stop", "fa"),
        (" لغو. ", "stop", "fa"),
        ("لغو۱۱", "stop", "fa"),
        ("لغو 11", "stop", "fa"),
        ("انصراف", "stop", "fa"),
        ("Stop", "stop", "en"),
        ("STOP!", "stop", "en"),
        ("unsubscribe", "stop", "en"),
        ("شروع", "start", "fa"),
        ("START", "start", "en"),
        ("راهنما؟", "help", "fa"),
        ("راهنمايي", "help", "fa"),
        ("Help", "help", "en"),
        ("؟", "help", ""),
        ("?", "help", ""),
        ("1234-5678-9012", "status", ""),
        ("۱۲۳۴۵۶۷۸۹۰۱۲", "status", ""),
        ("١٢٣٤ ٥٦٧٨ ٩٠١٢", "status", ""),
        ("کد: ۱۲۳۴۵۶۷۸۹۰۱۲", "status", "fa"),
        ("پیگیری ۱۲۳۴ ۵۶۷۸ ۹۰۱۲", "status", "fa"),
        ("code 123456789012", "status", "en"),
        ("کدها", "codes", "fa"),
        ("کد‌های من", "codes", "fa"),
        ("كد پيگيري؟", "codes", "fa"),
        ("Codes.", "codes", "en"),
        ("my code", "codes", "en"),
        ("3", "rate", ""),
        ("۵", "rate", ""),
        (" ۱. ", "rate", ""),
    ],
)
def test_a_word_a_code_or_a_digit_alone_is_a_wish(text: str, kind: str, language: str) -> None:
    command = command_of(said(text))
    assert command is not None
    assert (command.kind, command.language, command.sender) == (kind, language, SENDER)
    if kind == "status":
        assert command.code == "123456789012"
    if kind == "rate":
        assert command.otherwise == said(text), "a digit that rates nothing is a message"


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ".", "۶", "0", "12", "کمک", "قطع", "لطفا لغو کنید", "stop the noise in our street", "start of the works",
        "12345678901", "1234567890123", "پروندهٔ ۱۲۳۴۵۶۷۸۹۰۱۲ چه شد؟", "call 123456789012", "کد", "code", "کدها نرسید", "codes of conduct", "+98 912 123 4567", "🙏",
    ],
)  # fmt: skip
def test_anything_else_is_for_people_to_read(text: str) -> None:
    assert command_of(said(text)) is None


def test_the_numbers_own_language_and_the_operators_words_count() -> None:
    command = command_of(said("stop", "fa"))
    assert command is not None
    assert command.language == "fa"
    assert command_of(said("خروج")) is None
    own = command_of(said("خروج"), {"stop": ["خروج"]})
    assert own is not None
    assert own.kind == "stop"


def test_a_picture_is_never_a_wish() -> None:
    assert command_of(Inbound((SENDER,), "3", files=(InboundFile("a", "image/png", b"x"),))) is None


@given(st.text(max_size=80))
def test_no_text_breaks_it(text: str) -> None:
    command_of(said(text))
