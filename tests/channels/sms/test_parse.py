"""What recorded webhooks say, and that no bytes can do harm."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.channels.sms.hub import installation
from zrm.channels.sms import messages
from zrm.channels.sms.channel import SmsChannel
from zrm.channels.sms.config import SmsConfig
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.errors import Unparseable
from zrm.contract.inbound import JSON, Ignored, Inbound, RawContact, Report, SelfServiceCommand, Thread

NUMBER = "+982130001"
SID = "SM6f1c2b7d9e0a4b3c8d5e6f708192a3b4"
LINE = {"account_sid": "AC" + "0" * 32, "auth_token": "token-of-the-account"}
CHANNEL = SmsChannel(
    SmsConfig.model_validate({"accounts": {NUMBER: LINE, "3000123": LINE | {"language": "fa"}}}), installation()
)


def raw(
    body: bytes, kind: Literal["contact", "report"] = "contact", *, account: str = NUMBER, envelope: JSON = None
) -> RawContact:
    return RawContact(
        "sms", account, SID, body, "application/x-www-form-urlencoded",
        envelope if isinstance(envelope, dict) else {}, kind=kind,
    )  # fmt: skip


def payload(name: str) -> bytes:
    return (Path(__file__).parent / "payloads" / f"{name}.form").read_bytes()


def read(name: str, *, account: str = NUMBER) -> Inbound:
    (inbound,) = CHANNEL.parse(raw(payload(name), account=account))
    assert isinstance(inbound, Inbound)
    return inbound


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        ("persian", "چراغ خیابان شهید بهشتی خراب است 🙏 & تاریک\nلطفاً رسیدگی کنید", set()),
        ("english", "The light is broken + dark; 50% of the street = no light", set()),
        ("blank", "", set()),
    ],
)
def test_message_is_read_as_written(name: str, text: str, labels: set[str]) -> None:
    inbound = read(name)
    assert inbound.text == text
    assert inbound.labels == labels
    assert inbound.senders == (Sender(PHONE, "+989121234567"),)
    assert inbound.thread == Thread(open_line=True)
    assert ("To", NUMBER) in inbound.headers


def test_what_twilio_answered_itself_is_not_answered_again() -> None:
    (command,) = CHANNEL.parse(raw(payload("stop")))
    assert command == SelfServiceCommand("stop", Sender(PHONE, "+989121234567"), answered=True)


def test_wishes_are_read_where_the_number_serves_itself() -> None:
    (command,) = CHANNEL.parse(raw(b"From=%2B98912&Body=%D9%84%D8%BA%D9%88"))
    assert isinstance(command, SelfServiceCommand)
    line = LINE | {"self_service": False}
    plain = SmsChannel(SmsConfig.model_validate({"accounts": {NUMBER: line}}), installation())
    (inbound,) = plain.parse(raw(b"From=%2B98912&Body=%D9%84%D8%BA%D9%88"))
    assert isinstance(inbound, Inbound)


def test_pictures_are_fetched_later_from_where_they_lie() -> None:
    inbound = read("picture")
    assert inbound.text == "عکس چاله"
    first, second = inbound.files
    assert first.remote.startswith("https://api.twilio.com/")
    assert (first.name, first.media_type, first.data) == ("ME1.jpg", "image/jpeg", None)
    assert second.media_type == "video/3gpp"
    assert inbound.labels == set()


def test_number_may_speak_for_its_language() -> None:
    assert read("english").language == ""
    assert read("english", account="3000123").language == "fa"
    assert read("english", account="removed since").language == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [("whatsapp", "whatsapp"), ("nobody", "From"), ("not_utf8", "form")],
)
def test_what_cannot_be_understood_goes_to_quarantine(name: str, reason: str) -> None:
    with pytest.raises(Unparseable, match=reason):
        CHANNEL.parse(raw(payload(name)))


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("status_delivered", Report(SID, "delivered")),
        ("status_undelivered", Report(SID, "failed", messages.FAILURES["30003"])),
        ("status_strange_code", Report(SID, "failed", messages.TWILIO_ERROR(number="39999"))),
        ("status_sending", Ignored(messages.OTHER_STATE(state="sending"))),
    ],
)
def test_report_is_read(name: str, outcome: Report | Ignored) -> None:
    assert CHANNEL.parse(raw(payload(name), "report")) == [outcome]


def test_report_without_a_message_goes_to_quarantine() -> None:
    with pytest.raises(Unparseable):
        CHANNEL.parse(raw(b"MessageStatus=sent", "report"))


@given(st.binary(max_size=400), st.sampled_from(["contact", "report"]), st.text(max_size=40))
def test_no_bytes_do_harm(body: bytes, kind: Literal["contact", "report"], reply: str) -> None:
    try:
        (parsed,) = CHANNEL.parse(raw(body, kind, envelope={"reply": reply}))
    except Unparseable:
        return
    assert "\0" not in str(parsed)


@given(
    st.dictionaries(
        st.sampled_from(["From", "Body", "NumMedia", "MediaUrl0", "MediaContentType7", "OptOutType"]), st.text()
    )
)
def test_no_field_does_harm(fields: dict[str, str]) -> None:
    from urllib.parse import urlencode

    try:
        body = urlencode(fields).encode()
    except UnicodeEncodeError:
        return
    try:
        (parsed,) = CHANNEL.parse(raw(body))
    except Unparseable:
        return
    assert isinstance(parsed, Inbound)
    assert "\0" not in parsed.text


@pytest.mark.parametrize(
    "section",
    [
        {"accounts": {NUMBER: LINE | {"auth_tokn": "x"}}},
        {"accounts": {NUMBER: LINE, "982130001": LINE}},
        {"accounts": {"../x": LINE}},
        {"accounts": {NUMBER: LINE | {"sender": "+1", "messaging_service_sid": "MG" + "0" * 32}}},
        {"accounts": {NUMBER: LINE | {"account_sid": "AC1"}}},
        {"api_base": "https://api.twilio.com/2010"},
        {"api_base": "ftp://api.twilio.com"},
        {"timeout": 0},
    ],
)
def test_bad_settings_are_refused(section: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SmsConfig.model_validate(section)


def test_secrets_are_named_and_problems_told() -> None:
    config = SmsConfig.model_validate({"accounts": {NUMBER: LINE | {"webhook_secret": "shared-key-secret"}}})
    channel = SmsChannel(config, installation())
    assert channel.redact() == ["token-of-the-account", "shared-key-secret"]
    assert channel.check() == []
    assert len(SmsChannel(SmsConfig(), installation("http://127.0.0.1:8000")).check()) == 2
    laptop = SmsConfig.model_validate({"accounts": {NUMBER: LINE}, "folder": "outgoing/sms"})
    assert SmsChannel(laptop, installation("http://127.0.0.1:8000")).check() == []
