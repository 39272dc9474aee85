"""Aggregators without code: two shapes, both ways, over real HTTP; every sad answer has its meaning."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.channels.sms.aggregator import KEY, PASSWORD, SECRET, TOKEN, Aggregator, described
from tests.channels.sms.desk import KeepingDesk
from tests.channels.sms.hub import installation, serving
from tests.lab.process import free_port
from tests.reasons import says
from zrm.channels.sms import messages
from zrm.channels.sms.channel import SmsChannel
from zrm.channels.sms.config import SmsConfig
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.errors import (
    ConfigInvalid,
    ConnectionFailed,
    OutcomeUnknown,
    RecipientOptedOut,
    RecipientUnreachable,
    Rejected,
    ReplyInvalid,
    SendError,
    Throttled,
    Unparseable,
)
from zrm.contract.inbound import Ignored, Inbound, RawContact, Report, SelfServiceCommand, Thread
from zrm.contract.outbound import Reply
from zrm.errors import StoreUnavailable
from zrm.kit.ids import new_id
from zrm.ui.i18n import gettext

BLUE, GREEN = "+982130001", "30005000"
TAKEN = json.dumps({"status": "accepted", "messages": [{"id": "b-77"}]})


def channel_at(url: str) -> SmsChannel:
    return SmsChannel(SmsConfig.model_validate(described(url)), installation())


def reply(account: str, text: str = "پاسخ {to} شما", to: str = "+989121234567") -> Reply:
    return Reply(id=new_id(), account=account, to=to, text=text, language="fa")


@pytest.fixture
def aggregator() -> Iterator[Aggregator]:
    with Aggregator() as opened:
        yield opened


@pytest.fixture
def desk() -> KeepingDesk:
    return KeepingDesk()


@pytest.fixture
def channel(aggregator: Aggregator) -> SmsChannel:
    return channel_at(aggregator.url)


@pytest.fixture
def hub(channel: SmsChannel, desk: KeepingDesk) -> Iterator[str]:
    with serving(channel.routes(desk)) as url:
        yield url


# ---------------------------------------------------------------- out


def test_json_aggregator_gets_what_it_was_said_to_want(aggregator: Aggregator, channel: SmsChannel) -> None:
    aggregator.answer = (202, TAKEN)
    answer = reply(BLUE)
    sent = channel.send(answer)
    assert (sent.provider_ref, sent.final) == ("blue:b-77", False)
    (asked,) = aggregator.asked
    assert asked.path == "/v1/messages"
    assert asked.json == {
        "recipients": ["989121234567"],
        "sender": "982130001",
        "content": {"text": "پاسخ {to} شما", "unicode": True},
        "client_ref": str(answer.id),
    }
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert asked.headers["X-Sign"] == "v1=" + hmac.new(SECRET.encode(), asked.body, hashlib.sha256).hexdigest()


def test_plain_aggregator_gets_a_query(aggregator: Aggregator, channel: SmsChannel) -> None:
    aggregator.answer = (200, "48115\n")
    assert channel.send(reply(GREEN, "سلام & درود")).provider_ref == "green:48115"
    (asked,) = aggregator.asked
    assert asked.query == {
        "username": "hub", "password": PASSWORD, "to": "09121234567", "from": "30005000", "text": "سلام & درود",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("account", "answer", "error", "code"),
    [
        (BLUE, (200, '{"status": "error", "error": {"code": "E21"}}'), RecipientUnreachable, "E21"),
        (BLUE, (400, '{"status": "error", "error": {"code": "E9"}}'), RecipientOptedOut, "E9"),
        (BLUE, (403, '{"error": {"code": "E1"}}'), ConfigInvalid, "E1"),
        (BLUE, (200, '{"status": "error", "error": {"code": "E429"}}'), Throttled, "E429"),
        (BLUE, (200, '{"status": "refused"}'), Rejected, "200"),
        (BLUE, (200, '{"status": "accepted"}'), OutcomeUnknown, "200"),
        (BLUE, (200, "<html>maintenance</html>"), OutcomeUnknown, "200"),
        (BLUE, (200, "[" * 50_000), OutcomeUnknown, "200"),
        (BLUE, (500, ""), OutcomeUnknown, "500"),
        (BLUE, (502, "bad gateway"), OutcomeUnknown, "502"),
        (BLUE, (503, ""), Throttled, "503"),
        (BLUE, (429, ""), Throttled, "429"),
        (BLUE, (401, ""), ConfigInvalid, "401"),
        (BLUE, (302, ""), ConfigInvalid, "302"),
        (BLUE, (422, ""), Rejected, "422"),
        (BLUE, None, OutcomeUnknown, ""),
        (GREEN, (200, "-3"), RecipientUnreachable, "-3"),
        (GREEN, (200, "-9"), Throttled, "-9"),
        (GREEN, (200, "-1"), ConfigInvalid, "-1"),
        (GREEN, (200, "-4"), ReplyInvalid, "-4"),
        (GREEN, (200, "-77"), Rejected, "-77"),
        (GREEN, (200, "سامانه در دست تعمیر است"), OutcomeUnknown, "200"),
    ],
)
def test_every_answer_has_its_meaning(
    aggregator: Aggregator,
    channel: SmsChannel,
    account: str,
    answer: tuple[int, str] | None,
    error: type[SendError],
    code: str,
) -> None:
    aggregator.answer = answer
    with pytest.raises(error) as caught:
        channel.send(reply(account))
    assert type(caught.value) is error
    assert caught.value.code == code
    assert gettext("fa", str(caught.value)) != str(caught.value), "the agent reads it in Persian too"
    assert len(aggregator.asked) == 1, "asked once, whatever the answer"


def test_nobody_there_has_surely_not_taken_it() -> None:
    with pytest.raises(ConnectionFailed):
        channel_at(f"http://127.0.0.1:{free_port()}").send(reply(BLUE))


def test_too_long_a_text_is_never_tried(aggregator: Aggregator, channel: SmsChannel) -> None:
    with pytest.raises(ReplyInvalid):
        channel.send(reply(BLUE, "x" * 1001))
    assert aggregator.asked == []


# ---------------------------------------------------------------- in


def blue(hub: str, body: bytes, *, secret: str = SECRET) -> httpx.Response:
    signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha1).digest()).decode()
    return httpx.post(f"{hub}/hooks/sms/blue/message", content=body, headers={"X-Sign": signature})


def test_json_message_is_received_once_and_read(hub: str, desk: KeepingDesk, channel: SmsChannel) -> None:
    body = json.dumps(
        {"id": 991, "msisdn": "989121234567", "shortcode": "982130001", "message": {"body": "چراغ خراب است 🙏"}}
    ).encode()
    assert blue(hub, body).status_code == 200
    assert blue(hub, body).status_code == 200
    (contact,) = desk.contacts
    assert (contact.channel, contact.account, contact.external_id) == ("sms", BLUE, "blue:991")
    assert channel.parse(contact) == [
        Inbound(
            (Sender(PHONE, "989121234567"),),
            "چراغ خراب است 🙏",
            thread=Thread(open_line=True),
            headers=(("id", "991"), ("shortcode", "982130001")),
        )
    ]


def green(hub: str, **fields: str) -> httpx.Response:
    query = urlencode(fields, encoding="windows-1256", quote_via=quote)
    return httpx.get(f"{hub}/hooks/sms/green/message?{query}")


def test_plain_message_in_an_old_charset_is_read(hub: str, desk: KeepingDesk, channel: SmsChannel) -> None:
    fields = {"from": "09121234567", "to": "30005000", "message": "چراغ کوچه خراب است", "date": "1405/09/02 10:00:00"}
    answer = green(hub, **fields, key=TOKEN)
    assert (answer.status_code, answer.text) == (200, "OK")
    green(hub, **fields, key=TOKEN)
    green(hub, **fields | {"date": "1405/09/03 10:00:00"}, key=TOKEN)
    assert len(desk.contacts) == 2, "the same words another day are another message; the same time is a repetition"
    contact = desk.contacts[0]
    assert TOKEN.encode() not in contact.body
    (inbound,) = channel.parse(contact)
    assert isinstance(inbound, Inbound)
    assert (inbound.text, inbound.language) == ("چراغ کوچه خراب است", "fa")
    assert contact.account == GREEN


def test_wishes_are_understood_by_any_provider(hub: str, desk: KeepingDesk, channel: SmsChannel) -> None:
    green(hub, key=TOKEN, **{"from": "0912", "message": "لغو", "date": "1"})
    (command,) = channel.parse(desk.contacts[0])
    assert isinstance(command, SelfServiceCommand)


def test_strangers_are_refused_and_counted(hub: str, desk: KeepingDesk) -> None:
    assert blue(hub, b"{}", secret="another-secret").status_code == 403
    assert httpx.post(f"{hub}/hooks/sms/blue/message", content=b"{}").status_code == 403
    assert green(hub, **{"from": "1", "date": "2"}).status_code == 403
    assert green(hub, key="wrong", **{"from": "1", "date": "2"}).status_code == 403
    assert httpx.post(f"{hub}/hooks/sms/blue/report", content=b"{}").status_code == 403
    assert {reason for _, _, reason in desk.refusals} == {"refusal.wrong_signature"}
    assert len(desk.refusals) == 5
    assert httpx.get(f"{hub}/hooks/sms/red/message").status_code == 404
    assert desk.contacts == []


@pytest.mark.parametrize(
    ("body", "status"), [(b"[]", 400), (b"{", 400), (b"\xff", 400), (b'{"id": 1}', 400), (b"x" * 140_000, 413)]
)
def test_what_was_not_agreed_on_is_refused(hub: str, desk: KeepingDesk, body: bytes, status: int) -> None:
    assert blue(hub, body).status_code == status
    assert desk.contacts == []


def test_store_out_of_order_asks_to_come_again(hub: str, desk: KeepingDesk) -> None:
    desk.broken = StoreUnavailable("down")
    answer = green(hub, key=TOKEN, **{"from": "0912", "message": "x", "date": "1"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


# ---------------------------------------------------------------- reports


def test_reports_of_both_shapes_find_their_messages(hub: str, desk: KeepingDesk, channel: SmsChannel) -> None:
    """Field 2.13: jasmin#599, #1086: an id belongs to its provider; the same number at another is another message."""
    many = {"reports": [{"id": "b-77", "status": "DELIVERED"}, {"id": 78, "status": "EXPIRED", "cause": "off"}]}
    answer = httpx.post(f"{hub}/hooks/sms/blue/report", json=many, headers={"X-Token": TOKEN})
    assert answer.status_code == 200
    for state in ("8", "1", "1", "77"):
        httpx.get(f"{hub}/hooks/sms/green/report?key={TOKEN}&msgid=78&status={state}")
    assert [channel.parse(contact) for contact in desk.contacts] == [
        [Report("blue:b-77", "delivered"), Report("blue:78", "failed", says("off"))],
        [Report("green:78", "sent")],
        [Report("green:78", "delivered")],
        [Ignored(messages.OTHER_STATE(state="77"))],
    ]


def test_report_may_carry_our_own_id_back() -> None:
    section = described("http://127.0.0.1")
    section["gateways"]["green"]["report"] |= {"id": None, "our_id": "ref"}  # type: ignore[index]  # nested as written
    channel = SmsChannel(SmsConfig.model_validate(section), installation())
    ours = new_id()
    raw = RawContact("sms", GREEN, "x", f"ref={ours}&status=1".encode(), "", {"gateway": "green"}, kind="report")
    assert channel.parse(raw) == [Report("", "delivered", reply_id=ours)]
    raw = RawContact("sms", GREEN, "x", b"ref=nonsense&status=1", "", {"gateway": "green"}, kind="report")
    with pytest.raises(Unparseable):
        channel.parse(raw)


def test_no_report_is_missed_from_a_provider_that_is_not_described_as_one_that_reports(
    aggregator: Aggregator,
) -> None:
    section = described(aggregator.url)
    del section["gateways"]["green"]["report"]  # type: ignore[index]  # nested as written
    channel = SmsChannel(SmsConfig.model_validate(section), installation())
    aggregator.answer = (200, "48115\n")
    sent = channel.send(reply(GREEN))
    assert (sent.final, channel.reports_on(GREEN, sent.provider_ref)) == (False, False)
    assert channel.reports_on(BLUE, "blue:b-77")


# ---------------------------------------------------------------- hostile and wrong


@given(st.binary(max_size=300), st.sampled_from(["blue", "green"]), st.booleans())
def test_no_bytes_do_harm(body: bytes, gateway: str, report: bool) -> None:
    channel = channel_at("http://127.0.0.1")
    raw = RawContact("sms", BLUE, "x", body, "", {"gateway": gateway}, kind="report" if report else "contact")
    try:
        parsed = channel.parse(raw)
    except Unparseable:
        return
    assert "\0" not in str(parsed)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["msisdn", "message", "body", "id", "reports", "status"]), inner, max_size=4), max_leaves=12))  # fmt: skip
def test_no_json_does_harm(value: object) -> None:
    test_no_bytes_do_harm.hypothesis.inner_test(json.dumps(value).encode(), "blue", False)  # type: ignore[attr-defined]  # hypothesis adds it
    test_no_bytes_do_harm.hypothesis.inner_test(json.dumps(value).encode(), "blue", True)  # type: ignore[attr-defined]  # hypothesis adds it


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"receive": {"body": "query", "from": "f", "text": "t", "id": "i"}}, "expected token or signature"),
        ({"receive": {"from": "f", "text": "t", "token": {"header": "h", "value": "12345678"}}}, "expected id or time"),
        ({"send": {"url": "ftp://x", "fields": {}}}, "expected an http"),
        ({"send": {"url": "http://x/", "fields": {"a": "{txt}"}}}, "unknown {places}"),
        ({"send": {"url": "http://x/", "fields": {}, "code": {"pattern": "("}}}, "not a regular expression"),
        ({"send": {"url": "http://x/", "fields": {}, "code": {"pattern": "a"}}}, "one (group)"),
        ({"send": {"url": "http://x/", "fields": {}, "code": {}}}, "expected path or pattern"),
    ],
)
def test_wrong_description_is_refused_at_the_start(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SmsConfig.model_validate({"gateways": {"x": {"kind": "http"} | change}})
    assert words in str(caught.value)


def test_secrets_are_known_to_the_log_and_accounts_to_nobody_twice() -> None:
    assert {f"Bearer {KEY}", SECRET, TOKEN, PASSWORD} <= set(channel_at("http://127.0.0.1").redact())
    with pytest.raises(ValidationError, match="there is no gateway"):
        SmsConfig.model_validate({"accounts": {"3000": {"gateway": "x"}}})
    with pytest.raises(ValidationError, match="expected account_sid and auth_token"):
        SmsConfig.model_validate({"accounts": {"3000": {}}})
    with pytest.raises(ValidationError, match="not both"):
        SmsConfig.model_validate({"accounts": {"3000": {"gateway": "x", "account_sid": "AC" + "0" * 32}}})
