"""The webhooks, over real HTTP, called by the Twilio stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import httpx
import pytest

from tests.channels.sms.desk import KeepingDesk
from tests.channels.sms.hub import PUBLIC_URL, installation, serving
from tests.channels.sms.test_send import reply
from tests.lab.twilio import TwilioStandIn
from zrm.channels.sms.channel import SmsChannel
from zrm.channels.sms.config import SmsConfig
from zrm.contract.inbound import Inbound, Report
from zrm.errors import StoreFull, StoreUnavailable

NUMBER = "+982130001"
PATH = "/hooks/twilio/sms/982130001"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def account() -> Iterator[TwilioStandIn]:
    with TwilioStandIn() as opened:
        yield opened


@pytest.fixture
def desk() -> KeepingDesk:
    return KeepingDesk()


@pytest.fixture
def channel(account: TwilioStandIn) -> Iterator[SmsChannel]:
    line = {"account_sid": account.account, "auth_token": account.token}
    opened = SmsChannel(SmsConfig.model_validate({"accounts": {NUMBER: line}, "api_base": account.url}), installation())
    yield opened
    opened.close()


@pytest.fixture
def hub(channel: SmsChannel, desk: KeepingDesk) -> Iterator[str]:
    with serving(channel.routes(desk)) as url:
        yield url


def signed(account: TwilioStandIn, path: str, fields: dict[str, str]) -> dict[str, str]:
    return FORM | {"X-Twilio-Signature": account.signature(PUBLIC_URL + path, fields)}


def test_message_is_received_and_answered_in_twilios_language(
    account: TwilioStandIn, hub: str, desk: KeepingDesk, channel: SmsChannel
) -> None:
    delivery = account.send_sms(PUBLIC_URL + PATH, body="چراغ خراب است", send_to=hub + PATH)
    assert delivery.answer.status_code == 200
    assert delivery.answer.headers["content-type"].startswith("text/xml")
    assert delivery.answer.text == '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
    (contact,) = desk.contacts
    assert (contact.channel, contact.account, contact.external_id, contact.kind) == (
        "sms", NUMBER, delivery.sid, "contact",
    )  # fmt: skip
    assert contact.body == urlencode(delivery.params).encode()
    (inbound,) = channel.parse(contact)
    assert isinstance(inbound, Inbound)
    assert inbound.text == "چراغ خراب است"


def test_retried_webhook_makes_no_double(account: TwilioStandIn, hub: str, desk: KeepingDesk) -> None:
    """Field 2.6: chatwoot#11901 (duplicate webhooks): known by the MessageSid; the token retries share is kept beside it."""
    delivery = account.send_sms(PUBLIC_URL + PATH, body="one", send_to=hub + PATH)
    assert desk.contacts[0].envelope == {"idempotency_token": delivery.headers["I-Twilio-Idempotency-Token"]}
    assert account.retry(delivery).answer.status_code == 200
    account.send_sms(PUBLIC_URL + PATH, body="one", send_to=hub + PATH)
    assert len(desk.contacts) == 2


@pytest.mark.parametrize(
    "path", [PATH, "/hooks/twilio/sms/+982130001", "/hooks/twilio/sms/%2B982130001", PATH + "?a=b&c=%20d"]
)
def test_every_way_to_write_our_address_is_signed_as_written(
    account: TwilioStandIn, hub: str, desk: KeepingDesk, path: str
) -> None:
    assert account.send_sms(PUBLIC_URL + path, body="x", send_to=hub + path).answer.status_code == 200
    assert desk.contacts[0].account == NUMBER


@pytest.mark.parametrize(
    ("signed_over", "reason"),
    [
        (PUBLIC_URL + "/hooks/twilio/sms/98213000", "refusal.wrong_signature"),
        ("http://hub.example.org" + PATH, "refusal.wrong_signature"),
    ],
)
def test_signature_over_another_address_is_refused(
    account: TwilioStandIn, hub: str, desk: KeepingDesk, signed_over: str, reason: str
) -> None:
    delivery = account.send_sms(signed_over, body="x", send_to=hub + PATH)
    assert delivery.answer.status_code == 403
    assert desk.contacts == []
    assert desk.refusals == [("sms", NUMBER, reason)]


def test_missing_signature_and_unknown_number_are_refused_alike(
    account: TwilioStandIn, hub: str, desk: KeepingDesk
) -> None:
    unsigned = httpx.post(hub + PATH, content="MessageSid=SM1", headers=FORM)
    unknown = httpx.post(hub + "/hooks/twilio/sms/1", content="MessageSid=SM1", headers=FORM)
    assert (unsigned.status_code, unsigned.text) == (unknown.status_code, unknown.text)
    assert unsigned.status_code == 403
    assert desk.refusals == [("sms", NUMBER, "refusal.no_signature"), ("sms", "", "refusal.unknown_account")]


def test_changed_field_breaks_the_signature(account: TwilioStandIn, hub: str, desk: KeepingDesk) -> None:
    fields = {"MessageSid": "SM1", "From": "+98912", "Body": "a"}
    headers = signed(account, PATH, fields)
    assert httpx.post(hub + PATH, data=fields | {"Body": "b"}, headers=headers).status_code == 403
    assert httpx.post(hub + PATH, data=fields, headers=headers).status_code == 200
    assert len(desk.contacts) == 1


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b'{"MessageSid": "SM1"}', "application/json", 415),
        (b"--x--", "multipart/form-data; boundary=x", 415),
        (b"", "", 415),
        (b"Body=%FF", FORM["Content-Type"], 400),
        (b"Body=\xff", FORM["Content-Type"], 400),
        (b"&".join(b"a%d=" % number for number in range(501)), FORM["Content-Type"], 400),
        (b"Body=" + b"x" * (128 * 1024), FORM["Content-Type"], 413),
    ],
    ids=["json", "multipart", "nothing", "not utf-8", "not ascii", "too many fields", "too large"],
)  # fmt: skip
def test_what_is_no_form_is_refused_in_plain_text(
    hub: str, desk: KeepingDesk, content: bytes, content_type: str, status: int
) -> None:
    answer = httpx.post(hub + PATH, content=content, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/plain")
    assert desk.contacts == []


def test_undeclared_length_is_counted(hub: str) -> None:
    answer = httpx.post(hub + PATH, content=(b"x" * 60_000 for _ in range(3)), headers=FORM)
    assert answer.status_code == 413


def test_signed_form_without_an_id_is_malformed(account: TwilioStandIn, hub: str, desk: KeepingDesk) -> None:
    for fields in ({"From": "+98912"}, {"MessageSid": "SM/../1"}, {"MessageSid": "S\0M"}):
        answer = httpx.post(hub + PATH, data=fields, headers=signed(account, PATH, fields))
        assert answer.status_code == 400
    assert desk.contacts == []


@pytest.mark.parametrize("broken", [StoreUnavailable("down"), StoreFull("full")])
def test_store_out_of_order_asks_twilio_to_come_again(
    account: TwilioStandIn, hub: str, desk: KeepingDesk, broken: Exception
) -> None:
    desk.broken = broken
    delivery = account.send_sms(PUBLIC_URL + PATH, body="x", send_to=hub + PATH)
    assert delivery.answer.status_code == 503
    assert int(delivery.answer.headers["retry-after"]) > 0
    desk.broken = None
    assert account.retry(delivery).answer.status_code == 200
    assert len(desk.contacts) == 1


def test_get_is_not_for_this_door(hub: str) -> None:
    assert httpx.get(hub + PATH).status_code == 405


def test_report_comes_back_with_our_replys_id(
    account: TwilioStandIn, hub: str, desk: KeepingDesk, channel: SmsChannel
) -> None:
    answer = reply()
    sent = channel.send(answer)
    (message,) = account.outbound()
    assert message.status_callback is not None
    local = hub + message.status_callback.removeprefix(PUBLIC_URL)
    for status in ("queued", "sent", "sent", "delivered"):
        assert account.report(message, status, send_to=local).answer.status_code == 200
    assert [contact.external_id for contact in desk.contacts] == [
        f"{sent.provider_ref}/{state}" for state in ("queued", "sent", "delivered")
    ]
    assert {contact.kind for contact in desk.contacts} == {"report"}
    (report,) = channel.parse(desk.contacts[-1])
    assert report == Report(sent.provider_ref, "delivered", reply_id=answer.id)
