"""SMPP with a real SMSC, both ways: what is kept before it is acknowledged, how parts meet, what a dropped line means.

Field 2.6: doubles created (jasmin#1232: out-of-order multipart SMS).
Field 2.13: delivery receipts lost for long SMS, or matched to the wrong connection (jasmin#424, #423, #599, #729, #1086).
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.sms.desk import KeepingDesk
from tests.channels.sms.hub import house
from tests.lab.process import free_port, wait_until
from tests.lab.smsc import PASSWORD, SYSTEM, Smsc
from zrm.channels.contract import (
    ConfigInvalid,
    ConnectionFailed,
    HasListener,
    Inbound,
    OutcomeUnknown,
    Part,
    RawContact,
    Receipt,
    RecipientUnreachable,
    Rejected,
    Reply,
    ReplyInvalid,
    Report,
    SendError,
    Throttled,
    Unparseable,
    Wish,
)
from zrm.channels.sms.alphabet import Plain, split
from zrm.channels.sms.channel import SmsChannel
from zrm.channels.sms.config import SmsConfig
from zrm.channels.sms.smpp.pdu import read_delivered
from zrm.channels.sms.smpp.recent import Recent
from zrm.errors import StoreUnavailable
from zrm.kit.i18n import gettext
from zrm.kit.ids import new_id

NUMBER = "30001"
PERSIAN = "سلام، من یک پرسش دربارهٔ پروندهٔ شمارهٔ ۱۲۳۴ دارم. می‌خواهم بدانم چرا هنوز پاسخی نرسیده است؟ 🙏 " * 3


def channel_at(port: int, folder: Path, **more: object) -> SmsChannel:
    gateway = {
        "kind": "smpp", "host": "127.0.0.1", "port": port, "system_id": SYSTEM, "password": PASSWORD,
        "timeout": 5, "enquire_link": 0.3,
    } | more  # fmt: skip
    section = {"accounts": {NUMBER: {"gateway": "mci"}}, "gateways": {"mci": gateway}}
    return SmsChannel(SmsConfig.model_validate(section), house(data_dir=str(folder)))


@dataclass
class Listening:
    """A channel whose listener runs in a thread of this test."""

    channel: SmsChannel
    desk: KeepingDesk
    stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Listening:
        assert isinstance(self.channel, HasListener)
        self._thread = threading.Thread(target=self.channel.listen, args=(self.desk, self.stop))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join()
        self.channel.close()

    def text(self, *contacts: RawContact) -> str:
        """The text of parts given in any order."""
        parts = {part.number: raw for raw in contacts for part in self.channel.parse(raw) if isinstance(part, Part)}
        (inbound,) = self.channel.join([parts[number] for number in sorted(parts)])
        assert isinstance(inbound, Inbound)
        return inbound.text


@pytest.fixture
def smsc(tmp_path: Path) -> Iterator[Smsc]:
    with Smsc(tmp_path) as running:
        yield running


@pytest.fixture
def desk() -> KeepingDesk:
    return KeepingDesk()


@pytest.fixture
def line(smsc: Smsc, desk: KeepingDesk, tmp_path: Path) -> Iterator[Listening]:
    with Listening(channel_at(smsc.port, tmp_path), desk) as listening:
        smsc.wait_for("bound", mode="receiver")
        yield listening


def reply(text: str = "پاسخ شما", to: str = "+989121234567") -> Reply:
    return Reply(id=new_id(), account=NUMBER, to=to, text=text, language="fa")


# ---------------------------------------------------------------- in


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
    (wish,) = line.channel.parse(contact)
    assert isinstance(wish, Wish)
    assert wish.kind == kind


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
    assert len({part.key for part in found if isinstance(part, Part)}) == 1
    assert len({(part.number, part.digest) for part in found if isinstance(part, Part)}) == 5


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
    (wish,) = line.channel.parse(desk.contacts[0])
    assert isinstance(wish, Wish)


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
    assert not isinstance(SmsChannel(SmsConfig(), house()), HasListener)


# ---------------------------------------------------------------- out


@pytest.mark.parametrize(
    ("text", "coding", "parts"),
    [("Your case is closed {€}", 0, 1), ("a" * 161, 0, 2), ("پاسخ شما 🙏", 8, 1), (PERSIAN, 8, 5)],
)
def test_text_goes_out_whole_in_the_smallest_alphabet(
    smsc: Smsc, line: Listening, text: str, coding: int, parts: int
) -> None:
    sent = line.channel.send(reply(text))
    taken = smsc.log("submit")
    assert "".join(message["text"] for message in taken) == text, "not one question mark"
    assert {message["coding"] for message in taken} == {coding}
    assert [message["to"] for message in taken] == ["989121234567"] * parts
    assert {message["class"] for message in taken} == {0x40 if parts > 1 else 0}
    assert sent.provider_ref == f"mci:{taken[0]['id']}"
    assert sent.part_refs == (tuple(f"mci:{message['id']}" for message in taken) if parts > 1 else ())
    assert not sent.final


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
    assert bool(report.detail) == (meaning == "failed")


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
        channel = SmsChannel(SmsConfig.model_validate(section), house(data_dir=str(tmp_path)))
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
            assert channel.parse(other) == [Report("mci:1000", "failed", "UNDELIV 000")]


@pytest.mark.parametrize(
    ("alphabet", "text", "parts"),
    [
        ("gsm", "50 @ é", [b"50 \0 \5"]),
        ("latin-1", "50 @ é", [b"50 @ \xe9"]),
        ("latin-1", "5 € é", ["5 € é".encode("utf-16-be")]),
        ("latin-1", "a" * 161, [b"a" * 153, b"a" * 8]),
        ("latin-1", "{" * 81, [b"{" * 76, b"{" * 5]),  # two septets each where the network makes septets of them
        ("ascii", "50 @ {a}", [b"50 @ {a}"]),
        ("ascii", "é", ["é".encode("utf-16-be")]),
        ("ascii", "سلام", ["سلام".encode("utf-16-be")]),
    ],
)
def test_a_network_with_another_plain_alphabet_gets_what_it_understands(
    alphabet: Plain, text: str, parts: list[bytes]
) -> None:
    assert split(text, alphabet)[1] == parts


def test_the_alphabet_of_the_network_is_used_both_ways(smsc: Smsc, tmp_path: Path) -> None:
    channel = channel_at(smsc.port, tmp_path, alphabet="ascii")
    channel.send(reply("Your case is closed"))
    channel.send(reply("¿é?"))
    channel.close()
    assert [(taken["coding"], taken["text"]) for taken in smsc.log("submit")] == [
        (0, "Your case is closed"),
        (8, "¿é?"),
    ]


def test_too_long_a_text_is_never_tried(smsc: Smsc, line: Listening) -> None:
    with pytest.raises(ReplyInvalid):
        line.channel.send(reply("x" * 1601))
    assert smsc.log("submit") == []


# ---------------------------------------------------------------- reports that never came


@pytest.mark.parametrize(
    ("state", "fate"),
    [(1, None), (2, "delivered"), (3, "failed"), (5, "failed"), (6, None), (7, None), (8, "failed")],
)
def test_the_smsc_is_asked_what_became_of_a_message(smsc: Smsc, line: Listening, state: int, fate: str | None) -> None:
    """Field 2.13: jasmin#424, #423: a receipt that was lost on its way is asked for (query_sm)."""
    smsc.hold_receipts()
    sent = line.channel.send(reply())
    smsc.settle(smsc.log("submit")[0]["id"], state)
    found = line.channel.fate(NUMBER, sent.provider_ref)
    assert (found and found.state) == fate
    assert found is None or (found.provider_ref, bool(found.detail)) == (sent.provider_ref, fate == "failed")
    assert [(asked["id"], asked["from"]) for asked in smsc.log("query")] == [("1000", NUMBER)]


def test_the_smsc_is_asked_in_its_own_spelling_and_may_not_know(smsc: Smsc, tmp_path: Path) -> None:
    channel = channel_at(smsc.port, tmp_path, message_ids="hex_then_decimal", timeout=1)
    assert channel.fate(NUMBER, f"mci:{0x1000}") is None, "nobody has sent it"
    assert channel.fate(NUMBER, f"mci:{0xBEE}") is None
    assert [asked["id"] for asked in smsc.log("query")] == ["1000", "BEE", "bee"]
    assert channel.fate(NUMBER, "mtn:1000") is None
    assert channel.fate("30009", "mci:1000") is None
    smsc.behave("cut", 0x58)
    with pytest.raises(ConnectionFailed):
        channel.fate(NUMBER, "mci:1")
    with pytest.raises(Throttled):
        channel.fate(NUMBER, "mci:1")
    channel.close()


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (0x58, Throttled),
        (0x14, Throttled),
        (0x0B, RecipientUnreachable),
        (0x0A, ConfigInvalid),
        (0x45, Rejected),
        ("cut", OutcomeUnknown),
        ("silent", OutcomeUnknown),
    ],
)
def test_every_refusal_has_its_meaning(
    smsc: Smsc, line: Listening, tmp_path: Path, behaviour: int | str, error: type[SendError]
) -> None:
    channel = channel_at(smsc.port, tmp_path / "other", timeout=0.5)
    smsc.behave(behaviour)
    with pytest.raises(error) as caught:
        channel.send(reply())
    assert type(caught.value) is error
    assert gettext("fa", str(caught.value)) != str(caught.value), "the agent reads it in Persian too"
    assert len(smsc.log("submit")) == 1, "asked once: nothing is sent twice"
    channel.send(reply())
    assert len(smsc.log("submit")) == 2, "and the next one goes"
    channel.close()


def test_throttle_in_the_middle_waits_and_a_refusal_there_is_shown(smsc: Smsc, line: Listening) -> None:
    smsc.behave(0, 0x58)
    sent = line.channel.send(reply(PERSIAN))
    assert len(sent.part_refs) == 5
    assert len(smsc.log("submit")) == 6, "only the throttled part again"
    smsc.behave(0, 0x45)
    with pytest.raises(OutcomeUnknown):
        line.channel.send(reply(PERSIAN))


def test_line_dropped_while_idle_is_made_again_before_anything_leaves(smsc: Smsc, line: Listening) -> None:
    line.channel.send(reply())
    smsc.drop()
    smsc.wait_for("close", mode="transmitter")
    line.channel.send(reply())
    assert len(smsc.log("submit")) == 2


def test_nobody_there_and_a_wrong_password_are_told_apart(smsc: Smsc, tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed):
        channel_at(free_port(), tmp_path).send(reply())
    with pytest.raises(ConfigInvalid) as caught:
        channel_at(smsc.port, tmp_path, password="wrong").send(reply())
    assert caught.value.code == "ESME_RINVPASWD"
    assert channel_at(1, tmp_path).redact() == [PASSWORD]


def test_listener_with_a_wrong_password_asks_rarely(smsc: Smsc, desk: KeepingDesk, tmp_path: Path) -> None:
    with Listening(channel_at(smsc.port, tmp_path, password="wrong"), desk):
        smsc.wait_for("refused")
    assert len(smsc.log("refused")) == 1


# ---------------------------------------------------------------- hostile


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
        if isinstance(parsed[0], Part):
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
