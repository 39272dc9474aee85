"""What a receipt says, as SMSCs really write them: our own echoed words, states of every spelling, ids in every form.

Field: jookies/jasmin#518 (text taken for stat), #447 (FAILED), #1086 (bases), praekeltfoundation/vumi#298 and #637 (esm_class 0).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.sms.line import NUMBER, channel_at
from tests.dispatch.test_deliver import make_case
from tests.reasons import says
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.channels.sms.channel import SmsChannel
from zrm.channels.sms.keywords import command_of
from zrm.channels.sms.smpp.config import SmppGateway
from zrm.channels.sms.smpp.read import reference
from zrm.config import Settings
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.inbound import Inbound, RawContact, Report
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.kit.ids import new_id
from zrm.normalizer.filing import Filer

CITIZEN = "+989121234567"
FIELDS = "id:{} sub:001 dlvrd:001 submit date:2611271200 done date:2611271200 stat:{} err:{} text:{}"


def raw(
    words: bytes | str, *, esm_class: int = 4, coding: int = 0, sender: str = CITIZEN[1:], options: bytes = b""
) -> RawContact:
    content = words if isinstance(words, bytes) else words.encode("latin-1")
    fields = b"\0\1\1" + sender.encode() + b"\0\0\1" + NUMBER.encode() + b"\0" + bytes([esm_class]) + b"\0\0\0\0\0\0"
    packet = b"\0\0\0\0\0\0\0\5" + b"\0" * 8 + fields + bytes([coding, 0, len(content)]) + content + options
    kind: Literal["contact", "report"] = "report" if esm_class & 0x3C or options else "contact"
    return RawContact("sms", NUMBER, str(new_id()), packet, "application/x-smpp", {"gateway": "mci"}, kind=kind)


def reported(words: bytes | str, **how: int) -> Report:
    (found,) = channel_at(1, Path()).parse(raw(words, **how))  # type: ignore[arg-type]  # numbers only
    assert isinstance(found, Report)
    return found


@pytest.mark.parametrize("echo", ["Id: 1024 is your num", "stat:UNDELIV x err:9", "id:1 stat:FAILED", "text: id:7"])
def test_our_own_words_settle_nothing(echo: str) -> None:
    assert reported(FIELDS.format("1026", "DELIVRD", "000", echo)) == Report("mci:1026", "delivered")
    upper = FIELDS.format("1026", "DELIVRD", "000", echo).replace(" text:", " Text :")
    assert reported(upper) == Report("mci:1026", "delivered")


def test_the_first_of_each_field_counts() -> None:
    assert reported("id:5 stat:DELIVRD err:000 id:6 stat:UNDELIV") == Report("mci:5", "delivered")


@pytest.mark.parametrize(
    ("state", "err", "expected"),
    [
        ("FAILED", "002", Report("mci:9", "failed", says("FAILED 002"))),
        ("FAILURE", "", Report("mci:9", "failed", says("FAILURE"))),
        ("failed", "1", Report("mci:9", "failed", says("FAILED 1"))),
        ("UNDELIVERABLE", "000", Report("mci:9", "failed", says("UNDELIVERABLE 000"))),
        ("DELIVERED", "000", Report("mci:9", "delivered")),
        ("DELIVERY_FAILED", "000", Report("mci:9", "failed", says("DELIVERY_FAILED 000"))),
        ("2", "000", Report("mci:9", "delivered")),
        ("05", "012", Report("mci:9", "failed", says("UNDELIV 012"))),
        ("002", "000", Report("mci:9", "delivered")),
        ("0005", "012", Report("mci:9", "failed", says("UNDELIV 012"))),
        ("00020", "000", Report("mci:9", "sent", says("00020 000"))),
        ("42", "012", Report("mci:9", "sent", says("42 012"))),
        ("BUFFRED", "000", Report("mci:9", "sent")),
        ("UNKNOWN", "034", Report("mci:9", "sent", says("UNKNOWN 034"))),
        ("SKIPPED", "000", Report("mci:9", "sent", says("SKIPPED 000"))),
        ("QWERTY", "000", Report("mci:9", "sent", says("QWERTY 000"))),
        ("D", "000", Report("mci:9", "sent", says("D 000"))),
    ],
)
def test_every_state_is_told(state: str, err: str, expected: Report) -> None:
    """A state we do not know moves nothing and stands on the delivery."""
    assert reported(f"id:9 sub:001 dlvrd:001 done date:2611271200 stat:{state} err:{err} Text:") == expected


def test_a_receipt_in_ucs_2_and_one_with_a_state_of_its_own_parameter() -> None:
    assert reported(FIELDS.format("9", "DELIVRD", "000", "").encode("utf-16-be"), coding=8) == Report(
        "mci:9", "delivered"
    )
    options = bytes.fromhex("001e 0002") + b"9\0" + bytes.fromhex("0427 0001 05")
    (found,) = channel_at(1, Path()).parse(raw("id:9 stat:?? text:", options=options))
    assert found == Report("mci:9", "failed", says("UNDELIV"))


@pytest.mark.parametrize(
    ("taken", "written"), [("1A2B", "1a2b"), ("00001024", "1024"), ("1024", "0000001024"), ("0ab", "AB")]
)
def test_case_and_leading_zeros_do_not_matter(taken: str, written: str) -> None:
    gateway = SmppGateway(kind="smpp", host="x", system_id="hub", password="x")
    sent = reference("mci", taken, gateway, report=False)
    assert reported(FIELDS.format(written, "DELIVRD", "000", "")).provider_ref == sent


@given(st.text(alphabet="idstater: 0123456789xDELIVRD\x00", max_size=120), st.sampled_from([0, 4]))
def test_no_receipt_breaks_the_reading(words: str, esm_class: int) -> None:
    channel = channel_at(1, Path())
    if esm_class and not re.search(r"(?i)\bid:\s*[^\s\0]", words.partition("text")[0]):
        return
    found = channel.parse(raw(words, esm_class=esm_class))
    assert len(found) == 1


def test_revoke_is_a_stop_word() -> None:
    command = command_of(Inbound((Sender(PHONE, CITIZEN),), "Revoke."))
    assert command is not None
    assert (command.kind, command.language) == ("stop", "en")


# ---------------------------------------------------------------- through the installation


@dataclass
class Line:
    """One network's messages, through T1 and T2; `answers` are of ours, sent to a citizen under an id of the network's."""

    database: Database
    inbox: Inbox
    blobs: BlobStore
    settings: Settings
    folder: Path
    case: UUID | None = None
    channel: SmsChannel = field(init=False)

    def __post_init__(self) -> None:
        self.channel = channel_at(1, self.folder)

    def answer(self, reference: str, to: str = CITIZEN) -> UUID:
        first = self.case = self.case or make_case(self.database)
        delivery = new_id()
        with self.database.cursor() as cursor:
            cursor.execute("DELETE FROM outbox")
            cursor.execute(
                "INSERT INTO deliveries (id, kind, contact_id, case_id, channel, account, address, state, created_at, changed_at) "
                "SELECT %s, kind, contact_id, case_id, channel, account, address, state, now(), now() FROM deliveries WHERE id = %s",
                [delivery, first],
            )
            cursor.execute(
                "UPDATE deliveries SET channel = 'sms', account = %s, address = %s, state = 'sent', provider_ref = %s WHERE id = %s",
                [NUMBER, to, reference, delivery],
            )
        return delivery

    def take(self, contact: RawContact, *, seconds: int = 0) -> UUID:
        """The raw contact, filed as if it had waited so long."""
        identifier = self.inbox.submit(contact).result().contact_id
        with self.database.cursor() as cursor:
            cursor.execute(
                "UPDATE raw_contacts SET received_at = received_at - %s * interval '1 second' WHERE id = %s",
                [seconds, identifier],
            )
            tasks = outbox.claim(cursor, Topic.FILE, limit=10, lease=30)
        Filer(self.database, self.blobs, {"sms": self.channel.parse}, self.settings)(tasks)
        return identifier

    def one(self, query: str, *values: object) -> tuple[object, ...]:
        with self.database.cursor() as cursor:
            cursor.execute(query.encode(), values)
            row = cursor.fetchone()
        assert row is not None
        return row

    def state(self, delivery: UUID) -> object:
        return self.one("SELECT state FROM deliveries WHERE id = %s", delivery)[0]


@pytest.fixture
def installation(database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings, tmp_path: Path) -> Line:
    return Line(database, inbox, blobs, settings, tmp_path)


def test_a_receipt_without_its_mark_is_one_if_it_speaks_of_ours(installation: Line) -> None:
    delivery = installation.answer("mci:1013")
    contact = installation.take(raw(FIELDS.format("1013", "DELIVRD", "000", ""), esm_class=0))
    assert installation.state(delivery) == "delivered"
    assert installation.one("SELECT state FROM raw_contacts WHERE id = %s", contact) == ("joined",)
    assert installation.one("SELECT count(*) FROM contacts WHERE direction = 'in'") == (1,), "the first mail alone"


def test_a_receipt_without_its_mark_that_is_not_of_ours_is_a_message(installation: Line) -> None:
    """An id nobody gave us, and one of an answer to somebody else: whoever writes such words settles nothing."""
    other = installation.answer("mci:1013", to="+989350000000")
    words = raw(FIELDS.format("1013", "UNDELIV", "000", ""), esm_class=0)
    waiting = installation.take(words)
    assert installation.one("SELECT state FROM raw_contacts WHERE id = %s", waiting) == ("waiting",), (
        "our commit may be near"
    )
    filed = installation.take(raw(FIELDS.format("4711", "DELIVRD", "000", ""), esm_class=0), seconds=10)
    assert installation.one("SELECT state FROM raw_contacts WHERE id = %s", filed) == ("filed",)
    assert installation.state(other) == "sent"


def test_words_that_only_resemble_a_receipt_are_a_message_at_once(installation: Line) -> None:
    installation.answer("mci:1013")
    filed = installation.take(raw("id:1013 stat:DELIVRD what does this mean?", esm_class=0))
    assert installation.one("SELECT state FROM raw_contacts WHERE id = %s", filed) == ("filed",)


@pytest.mark.parametrize(("taken", "written"), [("mci:400", "1024"), ("mci:1024", "400"), ("mci:0A1", "0A1")])
def test_an_id_in_another_base_is_found_by_its_recipient(installation: Line, taken: str, written: str) -> None:
    """Only once nothing has the id as it stands, and never an answer to another number."""
    other = installation.answer(taken, to="+989350000000")
    mine = installation.answer(taken)
    report = raw(FIELDS.format(written, "DELIVRD", "000", ""))
    installation.take(report, seconds=3)
    assert (installation.state(mine), installation.state(other)) == ("delivered", "sent")


def test_an_unknown_state_stands_on_the_delivery(installation: Line) -> None:
    delivery = installation.answer("mci:9")
    installation.take(raw(FIELDS.format("9", "UNKNOWN", "034", "")))
    events = "SELECT state, coalesce(reason_params ->> 'words', reason_code) FROM delivery_events WHERE delivery_id = %s ORDER BY at DESC, id DESC LIMIT 1"
    assert installation.one(events, delivery) == ("sent", "UNKNOWN 034")
