"""Delivery reports by SMPP: for every part, by the SMSC that gave the id, and asked for where none came.

Field 2.13: delivery receipts lost for long SMS, or matched to the wrong connection (jasmin#424, #423, #599, #729, #1086).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.channels.sms.desk import KeepingDesk
from tests.channels.sms.hub import installation
from tests.channels.sms.line import NUMBER, PERSIAN, Listening, channel_at, reply
from tests.lab.smsc import PASSWORD, SYSTEM, Smsc
from tests.reasons import says
from zrm.channels.sms.channel import SmsChannel
from zrm.channels.sms.config import SmsConfig
from zrm.channels.sms.smpp.pdu import read_delivered
from zrm.contract.errors import ConnectionFailed, Throttled
from zrm.contract.inbound import RawContact, Report


def test_reports_come_to_the_listener_for_every_part(smsc: Smsc, line: Listening, desk: KeepingDesk) -> None:
    """Field 2.13: jasmin#424, #423: reports of long messages; #729: told by the id of the SMSC that gave it."""
    sent = line.channel.send(reply(PERSIAN))
    contacts = desk.wait_for(5)
    assert {contact.kind for contact in contacts} == {"report"}
    reports = [report for contact in contacts for report in line.channel.parse(contact)]
    assert sorted(reports, key=str) == sorted((Report(ref, "delivered") for ref in sent.part_refs), key=str)


@pytest.mark.parametrize(
    ("state", "meaning"),
    [
        ("DELIVRD", "delivered"),
        ("ACCEPTD", "sent"),
        ("UNDELIV", "failed"),
        ("EXPIRED", "failed"),
        ("REJECTD", "failed"),
    ],
)
def test_reports_say_what_became_of_it(
    smsc: Smsc, line: Listening, desk: KeepingDesk, state: str, meaning: str
) -> None:
    smsc.hold_receipts()
    sent = line.channel.send(reply())
    smsc.report(smsc.log("submit")[0]["id"], state)
    (report,) = line.channel.parse(desk.wait_for(1)[0])
    assert isinstance(report, Report)
    assert (report.provider_ref, report.state) == (sent.provider_ref, meaning)
    assert bool(report.reason) == (meaning == "failed")


def test_ids_written_in_another_base_are_the_same(smsc: Smsc, desk: KeepingDesk, tmp_path: Path) -> None:
    """Field 2.13: jasmin#1086: taken as hexadecimal, reported as decimal."""
    with Listening(channel_at(smsc.port, tmp_path, message_ids="hex_then_decimal"), desk) as line:
        smsc.wait_for("bound", mode="receiver")
        smsc.hold_receipts()
        sent = line.channel.send(reply())
        given = smsc.log("submit")[0]["id"]
        smsc.report(given, written=str(int(given, 16)))
        (report,) = line.channel.parse(desk.wait_for(1)[0])
        assert isinstance(report, Report)
        assert report.provider_ref == sent.provider_ref


def test_a_report_that_says_so_by_its_parameters_only_is_one(desk: KeepingDesk, tmp_path: Path) -> None:
    """Field 2.13: some networks mark their receipts by receipted_message_id and message_state alone (jasmin#424)."""
    fields = b"\0" + b"\1\1989121234567\0" + b"\0\x0130001\0" + b"\0\0\0\0\0\0\0\0\0\0"
    options = bytes.fromhex("001e 0005") + b"1000\0" + bytes.fromhex("0427 0001 02")
    packet = b"\0" * 16 + fields + options
    assert read_delivered(packet).is_report
    raw = RawContact("sms", NUMBER, "x", packet, "", {"gateway": "mci"}, kind="report")
    assert channel_at(1, tmp_path).parse(raw) == [Report("mci:1000", "delivered")]


def test_the_same_id_of_two_networks_is_two_messages(tmp_path: Path, desk: KeepingDesk) -> None:
    """Field 2.13: jasmin#599, #729: two binds whose SMSCs both begin to count at 1000."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with Smsc(tmp_path / "a") as first, Smsc(tmp_path / "b") as second:
        common = {"kind": "smpp", "host": "127.0.0.1", "system_id": SYSTEM, "password": PASSWORD, "timeout": 5}
        section = {
            "accounts": {NUMBER: {"gateway": "mci"}, "30002": {"gateway": "mtn"}},
            "gateways": {"mci": common | {"port": first.port}, "mtn": common | {"port": second.port}},
        }
        channel = SmsChannel(SmsConfig.model_validate(section), installation(data_dir=str(tmp_path)))
        with Listening(channel, desk):
            for smsc in (first, second):
                smsc.wait_for("bound", mode="receiver")
                smsc.hold_receipts()
            refs = [channel.send(replace(reply(), account=number)).provider_ref for number in (NUMBER, "30002")]
            assert refs == ["mci:1000", "mtn:1000"]
            second.report("1000")
            (contact,) = desk.wait_for(1)
            first.report("1000", "UNDELIV")
            other = desk.wait_for(2)[1]
            assert channel.parse(contact) == [Report("mtn:1000", "delivered")]
            assert channel.parse(other) == [Report("mci:1000", "failed", says("UNDELIV 000"))]


@pytest.mark.parametrize(
    ("state", "state_name"),
    [(1, None), (2, "delivered"), (3, "failed"), (5, "failed"), (6, None), (7, None), (8, "failed")],
)
def test_the_smsc_is_asked_what_became_of_a_message(
    smsc: Smsc, line: Listening, state: int, state_name: str | None
) -> None:
    """Field 2.13: jasmin#424, #423: a receipt that was lost on its way is asked for (query_sm)."""
    smsc.hold_receipts()
    sent = line.channel.send(reply())
    smsc.settle(smsc.log("submit")[0]["id"], state)
    found = line.channel.delivery_status(NUMBER, sent.provider_ref)
    assert (found and found.state) == state_name
    assert found is None or (found.provider_ref, bool(found.reason)) == (sent.provider_ref, state_name == "failed")
    assert [(asked["id"], asked["from"]) for asked in smsc.log("query")] == [("1000", NUMBER)]


def test_the_smsc_is_asked_in_its_own_spelling_and_may_not_know(smsc: Smsc, tmp_path: Path) -> None:
    channel = channel_at(smsc.port, tmp_path, message_ids="hex_then_decimal", timeout=1)
    assert channel.delivery_status(NUMBER, f"mci:{0x1000}") is None, "nobody has sent it"
    assert channel.delivery_status(NUMBER, f"mci:{0xBEE}") is None
    assert [asked["id"] for asked in smsc.log("query")] == ["1000", "BEE", "bee"]
    assert channel.delivery_status(NUMBER, "mtn:1000") is None
    assert channel.delivery_status("30009", "mci:1000") is None
    smsc.behave("cut", 0x58)
    with pytest.raises(ConnectionFailed):
        channel.delivery_status(NUMBER, "mci:1")
    with pytest.raises(Throttled):
        channel.delivery_status(NUMBER, "mci:1")
    channel.close()
