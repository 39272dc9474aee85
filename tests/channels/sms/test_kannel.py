"""A real Kannel between the hub and a real SMSC: Persian both ways, long and doubled, reports, and the hub out of order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.channels.sms.desk import KeepingDesk
from tests.channels.sms.hub import installation, serving
from tests.channels.sms.line import PERSIAN, reply
from tests.lab.kannel import TOKEN, USER, WORD, Kannel, kannel
from tests.lab.process import free_port, wait_until
from tests.lab.smsc import Smsc
from zrm.channels.sms.channel import SmsChannel
from zrm.channels.sms.config import SmsConfig
from zrm.channels.sms.gateway.send import judge
from zrm.contract.errors import ConfigInvalid, ConnectionFailed, Throttled
from zrm.contract.inbound import Inbound, Report
from zrm.errors import StoreUnavailable

pytestmark = pytest.mark.peer("kannel")

NUMBER = "30001"


def channel_at(send_url: str, public_url: str, password: str = WORD) -> SmsChannel:
    gateway = {"kind": "kannel", "send_url": send_url, "username": USER, "password": password, "token": TOKEN}
    section = {"accounts": {NUMBER: {"gateway": "kannel"}}, "gateways": {"kannel": gateway}}
    return SmsChannel(SmsConfig.model_validate(section), installation(public_url))


@dataclass
class Street:
    """Hub, Kannel and network in a row."""

    hub: str
    kannel: Kannel
    smsc: Smsc
    desk: KeepingDesk

    @property
    def channel(self) -> SmsChannel:
        return channel_at(self.kannel.send_url, self.hub)


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    desk = KeepingDesk()
    door = channel_at("http://127.0.0.1:1/", "http://127.0.0.1:1")
    with (
        Smsc(tmp_path) as smsc,
        serving(door.routes(desk)) as hub,
        kannel(tmp_path / "kannel", smsc_port=smsc.port, hub=hub) as running,
    ):
        smsc.wait_for("bound", mode="transceiver")
        yield Street(hub, running, smsc, desk)


def said(street: Street, number: int) -> list[str]:
    contacts = street.desk.wait_for(number)
    return [
        inbound.text
        for contact in contacts
        for inbound in street.channel.parse(contact)
        if isinstance(inbound, Inbound)
    ]


def test_a_message_comes_through_as_written(street: Street) -> None:
    street.smsc.deliver("چراغ کوچه خراب است 🙏")
    assert said(street, 1) == ["چراغ کوچه خراب است 🙏"]
    contact = street.desk.contacts[0]
    assert (contact.account, contact.external_id.startswith("kannel:")) == (NUMBER, True)
    assert TOKEN.encode() not in contact.body
    (inbound,) = street.channel.parse(contact)
    assert isinstance(inbound, Inbound)
    assert inbound.senders[0].raw.endswith("989121234567")
    street.smsc.deliver(coding=0, bytes="48656c6c6f2026203520251b65")
    assert said(street, 2)[1] == "Hello & 5 %€"


@pytest.mark.parametrize("how", ["udh", "sar", "payload"])
def test_a_long_message_comes_whole(street: Street, how: str) -> None:
    street.smsc.deliver(PERSIAN.strip(), how=how, order=None if how == "payload" else [1, 0, 3, 2, 4])
    assert said(street, 1) == [PERSIAN.strip()]


def test_kannel_comes_again_when_the_hub_could_keep_nothing(street: Street) -> None:
    street.desk.broken = StoreUnavailable("down")
    street.smsc.deliver("دوباره")
    wait_until(lambda: street.smsc.log("answer") != [], "Kannel's answer to the network")
    street.desk.broken = None
    assert said(street, 1) == ["دوباره"]


def test_an_answer_goes_out_whole_and_its_report_finds_it(street: Street) -> None:
    answer = reply(PERSIAN.strip())
    sent = street.channel.send(answer)
    assert (sent.provider_ref, sent.final) == ("", False)
    parts = street.smsc.wait_for("submit", 5)
    assert "".join(part["text"] for part in parts) == PERSIAN.strip()
    assert {part["coding"] for part in parts} == {8}
    reports = [report for contact in street.desk.wait_for(2) for report in street.channel.parse(contact)]
    assert {report.reply_id for report in reports if isinstance(report, Report)} == {answer.id}
    assert {report.state for report in reports if isinstance(report, Report)} == {"sent", "delivered"}


def test_a_latin_answer_stays_in_the_small_alphabet(street: Street) -> None:
    street.channel.send(reply("Your case is closed"))
    (part,) = street.smsc.wait_for("submit")
    assert (part["text"], part["coding"]) == ("Your case is closed", 0)


def test_an_undelivered_answer_is_reported(street: Street) -> None:
    street.smsc.hold_receipts()
    answer = reply()
    street.channel.send(answer)
    street.smsc.report(street.smsc.wait_for("submit")[0]["id"], "UNDELIV")
    reports = [report for contact in street.desk.wait_for(2) for report in street.channel.parse(contact)]
    assert ("failed", answer.id) in [
        (report.state, report.reply_id) for report in reports if isinstance(report, Report)
    ]


def test_refusals_have_their_meaning(street: Street) -> None:
    with pytest.raises(ConfigInvalid):
        channel_at(street.kannel.send_url, street.hub, password="wrong-word").send(reply())
    with pytest.raises(ConnectionFailed):
        channel_at(f"http://127.0.0.1:{free_port()}/cgi-bin/sendsms", street.hub).send(reply())
    assert street.smsc.log("submit") == []


def test_a_kannel_that_is_full_asks_us_to_wait() -> None:
    how = SmsConfig.model_validate(
        {
            "gateways": {
                "k": {"kind": "kannel", "send_url": "http://x/", "username": "u", "password": WORD, "token": TOKEN}
            }
        }
    ).reached()["k"]
    assert how.kind == "http"
    assert how.send is not None
    with pytest.raises(Throttled):
        judge(how.send, 503, "Temporal failure, try again later.", {})
    assert judge(how.send, 202, "3: Queued for later delivery", {}) == ""
