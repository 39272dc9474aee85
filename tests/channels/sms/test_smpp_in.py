"""Texts that come in by SMPP: what is kept before it is acknowledged, how parts meet, what a dropped line means.

Field 2.6: doubles created (jasmin#1232: out-of-order multipart SMS).
"""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.sms.desk import KeepingDesk
from tests.channels.sms.hub import installation
from tests.channels.sms.line import NUMBER, PERSIAN, Listening, channel_at
from tests.lab.process import free_port, wait_until
from tests.lab.smsc import Smsc
from zrm.channels.channel import HasListener
from zrm.channels.sms.channel import SmsChannel
from zrm.channels.sms.config import SmsConfig
from zrm.channels.sms.smpp.redelivery_window import Recent
from zrm.contract.errors import Unparseable
from zrm.contract.inbound import Inbound, MessagePart, RawContact, Receipt, SelfServiceCommand
from zrm.errors import StoreUnavailable


@pytest.mark.parametrize("how", ["whole", "payload", "data"])
def test_message_in_one_piece_is_read_as_written(smsc: Smsc, line: Listening, desk: KeepingDesk, how: str) -> None:
    smsc.deliver("چراغ خراب است 🙏", how=how)
    (contact,) = desk.wait_for(1)
    (inbound,) = line.channel.parse(contact)
    assert isinstance(inbound, Inbound)
    assert (inbound.text, inbound.senders[0].raw) == ("چراغ خراب است 🙏", "+989121234567")
    assert contact.account == NUMBER
    assert smsc.wait_for("answer")[0]["status"] == 0


@pytest.mark.parametrize(
    ("text", "kind"), [("2835 4190 7624", "status"), ("لغو", "stop"), ("۵", "rate"), ("HELP", "help")]
)
def test_wishes_are_understood_on_this_line_too(
    smsc: Smsc, line: Listening, desk: KeepingDesk, text: str, kind: str
) -> None:
    smsc.deliver(text)
    (contact,) = desk.wait_for(1)
    (command,) = line.channel.parse(contact)
    assert isinstance(command, SelfServiceCommand)
    assert command.kind == kind


@pytest.mark.parametrize(
    ("coding", "data", "text"),
    [
        (0, "48656c6c6f1b65 00", "Hello€@"),
        (1, "48656c6c6f", "Hello"),
        (3, "e9e8", "éè"),
        (8, "0633064406270645", "سلام"),
        (0x18, "0633064406270645", "سلام"),
        (0xF1, "48656c6c6f", "Hello"),
        (4, "e9ff", "éÿ"),
        (8, "06330644ff", "سل\ufffd"),
    ],
)
def test_every_alphabet_is_read(
    smsc: Smsc, line: Listening, desk: KeepingDesk, coding: int, data: str, text: str
) -> None:
    smsc.deliver(coding=coding, bytes=data.replace(" ", ""))
    (inbound,) = line.channel.parse(desk.wait_for(1)[0])
    assert isinstance(inbound, Inbound)
    assert inbound.text == text


@pytest.mark.parametrize("how", ["udh", "udh16", "sar"])
def test_each_part_is_kept_by_itself_and_they_meet_in_any_order(
    smsc: Smsc, line: Listening, desk: KeepingDesk, how: str
) -> None:
    """Field 2.6: jasmin#1232: out of order and twice."""
    smsc.deliver(PERSIAN, how=how, order=[4, 2, 0, 2, 1, 3])
    contacts = desk.wait_for(6)
    assert line.text(*contacts) == PERSIAN
    found = [part for raw in contacts for part in line.channel.parse(raw)]
    assert len({part.key for part in found if isinstance(part, MessagePart)}) == 1
    assert len({(part.number, part.digest) for part in found if isinstance(part, MessagePart)}) == 5


@pytest.mark.parametrize("how", ["udh", "udh16", "sar"])
def test_parts_of_two_citizens_under_one_number_do_not_meet(
    smsc: Smsc, line: Listening, desk: KeepingDesk, how: str
) -> None:
    """A telephone counts its long messages by itself, most from 1: two citizens have the same number every day."""
    for sender in ("989121234567", "989351234567"):
        smsc.deliver(PERSIAN, how=how, sender=sender, same=7)
    smsc.deliver(PERSIAN, how=how, to="30002", same=7)
    found = [part for raw in desk.wait_for(15) for part in line.channel.parse(raw)]
    keys = [part.key for part in found if isinstance(part, MessagePart)]
    assert len(keys) == 15
    assert len(set(keys)) == 3


def test_nothing_is_acknowledged_that_is_not_kept(smsc: Smsc, line: Listening, desk: KeepingDesk) -> None:
    desk.broken = StoreUnavailable("down")
    smsc.deliver(PERSIAN, how="udh")
    assert {answer["status"] for answer in smsc.wait_for("answer", 5)} == {0x64}, "come again"
    desk.broken = None
    smsc.deliver("x", how="whole")
    desk.wait_for(1)
    assert smsc.wait_for("answer", 6)[-1]["status"] == 0


class SlowDesk(KeepingDesk):
    """Keeps nothing until it may; counts what waits meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[RawContact, Future[Receipt]]] = []

    def submit(self, contact: RawContact) -> Future[Receipt]:
        """T1 that takes its time."""
        future: Future[Receipt] = Future()
        self.waiting.append((contact, future))
        return future

    def go_on(self) -> None:
        """Keep what waits now."""
        waiting, self.waiting = self.waiting, []
        for contact, future in waiting:
            future.set_result(self.receive(contact))


def test_no_more_messages_than_the_window_are_being_kept(smsc: Smsc, tmp_path: Path) -> None:
    desk = SlowDesk()
    with Listening(channel_at(smsc.port, tmp_path, window=2, enquire_link=30), desk):
        smsc.wait_for("bound", mode="receiver")
        for number in range(5):
            smsc.deliver(f"{number}")
        for kept, at_once in ((2, 2), (4, 2), (5, 1)):
            wait_until(partial(lambda desk, number: len(desk.waiting) == number, desk, at_once), "the window to fill")
            assert len(smsc.log("answer")) == kept - at_once, "what is not kept is not acknowledged"
            desk.go_on()
            smsc.wait_for("answer", kept)
    assert len(desk.contacts) == 5


def test_words_said_twice_are_two_messages_and_one_delivered_again_is_one(
    smsc: Smsc, line: Listening, desk: KeepingDesk
) -> None:
    smsc.deliver("لغو")
    smsc.deliver("لغو")
    assert len({contact.external_id for contact in desk.wait_for(2)}) == 2
    smsc.drop()
    smsc.wait_for("bound", 2, mode="receiver")
    smsc.deliver("لغو")
    smsc.deliver("لغو")
    smsc.deliver("لغو")
    desk.wait_for(3)
    smsc.wait_for("answer", 5)
    assert len({contact.external_id for contact in desk.contacts}) == 3, "two came again, the third is new"
    (command,) = line.channel.parse(desk.contacts[0])
    assert isinstance(command, SelfServiceCommand)


def test_a_line_that_broke_is_made_again_and_a_silent_one_is_asked(
    smsc: Smsc, line: Listening, desk: KeepingDesk
) -> None:
    smsc.wait_for("enquire_link", 2)
    smsc.drop()
    smsc.wait_for("bound", 2, mode="receiver")
    smsc.deliver("پس از قطع")
    desk.wait_for(1)


def test_smsc_that_starts_later_is_found(desk: KeepingDesk, tmp_path: Path) -> None:
    port = free_port()
    with Listening(channel_at(port, tmp_path), desk), Smsc(tmp_path, port=port) as smsc:
        smsc.wait_for("bound", mode="receiver")


def test_goodbye_is_said(smsc: Smsc, desk: KeepingDesk, tmp_path: Path) -> None:
    with Listening(channel_at(smsc.port, tmp_path, bind="transceiver"), desk):
        smsc.wait_for("bound", mode="transceiver")
    smsc.wait_for("unbind")


def test_a_channel_without_a_message_centre_has_no_listener() -> None:
    assert not isinstance(SmsChannel(SmsConfig(), installation()), HasListener)


def test_listener_with_a_wrong_password_asks_rarely(smsc: Smsc, desk: KeepingDesk, tmp_path: Path) -> None:
    with Listening(channel_at(smsc.port, tmp_path, password="wrong"), desk):
        smsc.wait_for("refused")
    assert len(smsc.log("refused")) == 1


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_do_harm(body: bytes, report: bool) -> None:
    channel = channel_at(1, Path("unused"))
    for packet in (body, b"\0" * 16 + body, b"\0" * 16 + b"\0\1\1" + b"98912\0" + b"\1\1" + b"3\0" + body):
        raw = RawContact("sms", NUMBER, "x", packet, "", {"gateway": "mci"}, kind="report" if report else "contact")
        try:
            parsed = channel.parse(raw)
        except Unparseable:
            continue
        assert "\0" not in str(parsed)
        if isinstance(parsed[0], MessagePart):
            channel.join([raw, None])


def test_memory_of_repetitions_outlives_a_clock_that_is_set_back(tmp_path: Path) -> None:
    """Field 2.6: doubles; also what was written down a moment ago, rounded to a thousandth, may lie in the future."""
    remembered = f"{hashlib.sha256(b'x').hexdigest()[:32]} 1 {time.time() + 30:.3f}\n"
    (tmp_path / "mci.recent").write_text(remembered, encoding="ascii")
    recent = Recent(tmp_path / "mci.recent")
    recent.new_line()
    found = recent.identify(b"x", "2")
    recent.close()
    assert found == "1"


def test_memory_of_repetitions_outlives_the_process(tmp_path: Path) -> None:
    first = Recent(tmp_path / "a" / "mci.recent")
    first.new_line()
    assert [first.identify(b"x", "1"), first.identify(b"x", "2"), first.identify(b"y", "3")] == ["1", "2", "3"]
    first.close()
    second = Recent(tmp_path / "a" / "mci.recent")
    second.new_line()
    assert [second.identify(b"x", "4"), second.identify(b"x", "5"), second.identify(b"x", "6")] == ["1", "2", "6"]
    second.close()
    wait_until((tmp_path / "a" / "mci.recent").exists, "the file")
