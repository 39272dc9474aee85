"""What a voice contact says once it is read, and what the channel refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from zrm.channels.channel import Installation
from zrm.channels.voice_ivr import contact
from zrm.channels.voice_ivr.channel import VoiceChannel
from zrm.channels.voice_ivr.config import VoiceConfig
from zrm.contract.addresses import PHONE
from zrm.contract.errors import ReplyInvalid, Unparseable
from zrm.contract.files import StoredFile
from zrm.contract.inbound import Inbound, RawContact
from zrm.contract.outbound import Reply
from zrm.ui.descriptions import worded

PAYLOADS = Path(__file__).parent / "payloads"
FILE = StoredFile("0" * 64, 96_044, "message-1.wav", "audio/wav", "recording")


@pytest.fixture
def channel(installation: Installation, tmp_path: Path) -> VoiceChannel:
    return VoiceChannel(VoiceConfig(recordings=str(tmp_path)), installation)


def raw(body: bytes, *files: StoredFile) -> RawContact:
    return RawContact("voice_ivr", "137", "pbx/1-abc", body, contact.MEDIA_TYPE, files=files or (FILE,))


def payload(name: str, **changes: Any) -> bytes:
    call = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
    return json.dumps({**call, **changes}).encode()


def only(channel: VoiceChannel, contact_: RawContact) -> Inbound:
    (inbound,) = channel.parse(contact_)
    assert isinstance(inbound, Inbound)
    return inbound


def test_a_message_in_persian(channel: VoiceChannel) -> None:
    inbound = only(channel, raw(payload("confirmed-fa")))
    assert (inbound.title, inbound.text, inbound.language, inbound.nature) == ("", "", "fa", "")
    assert worded(inbound.description, "fa") == "پیام صوتی، ۱۲ ثانیه"
    (sender,) = inbound.senders
    assert (sender.kind, sender.raw) == (PHONE, "09121234567")
    (file,) = inbound.files
    assert (file.role, file.stored, file.media_type) == ("recording", FILE, "audio/wav")
    assert inbound.sent_at is not None
    assert inbound.labels == frozenset()


def test_a_cut_short_message_without_a_number_in_english(channel: VoiceChannel) -> None:
    inbound = only(channel, raw(payload("hangup-en-anonymous")))
    assert worded(inbound.description, "en") == "Voice message, 1 second"
    assert inbound.senders == ()
    assert inbound.labels == {"cut_short"}


def test_a_message_whose_note_was_lost_is_of_no_language(channel: VoiceChannel) -> None:
    changes = {"language": "", "started": "", "caller": "", "ended_by": "lost"}
    inbound = only(channel, raw(payload("confirmed-fa", **changes)))
    assert (inbound.language, inbound.sent_at) == ("", None)
    assert inbound.labels == {"cut_short"}
    assert inbound.description


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'"text"',
        payload("confirmed-fa", takes="abc"),
        payload("confirmed-fa", takes=None),
        payload("confirmed-fa", started="yesterday"),
        payload("confirmed-fa", started="2026-11-23T08:00:00"),
    ],
)
def test_what_is_no_call_is_unparseable(channel: VoiceChannel, body: bytes) -> None:
    with pytest.raises(Unparseable):
        channel.parse(raw(body))


def test_a_call_without_a_recording_is_unparseable(channel: VoiceChannel) -> None:
    with pytest.raises(Unparseable, match="recording"):
        channel.parse(RawContact("voice_ivr", "137", "x", payload("confirmed-fa"), contact.MEDIA_TYPE))


def test_nobody_can_be_answered_by_voice_yet(channel: VoiceChannel) -> None:
    with pytest.raises(ReplyInvalid):
        channel.send(Reply(id=uuid4(), account="137", to="+989121234567", text="…", language="fa"))
    assert not channel.can.reply
    assert channel.accounts() == channel.redact() == []


@pytest.mark.parametrize(
    ("variables", "caller"),
    [
        ({"agi_callerid": "09121234567"}, "09121234567"),
        ({"agi_callerid": "+989121234567", "agi_callingpres": "3"}, "+989121234567"),
        ({"agi_callerid": "09121234567", "agi_callingpres": "35"}, ""),
        ({"agi_callerid": "unknown"}, ""),
        ({"agi_callerid": "Anonymous"}, ""),
        ({"agi_callerid": ""}, ""),
        ({"agi_callerid": "alice"}, ""),
        ({}, ""),
    ],
    ids=["plain", "international", "asked to hide it", "unknown", "anonymous", "empty", "a name", "not told"],
)
def test_the_callers_number(variables: dict[str, str], caller: str) -> None:
    assert contact.caller_of(variables) == caller


@pytest.mark.parametrize(
    ("variables", "account"),
    [
        ({"agi_dnid": "137", "agi_extension": "s"}, "137"),
        ({"agi_dnid": "unknown", "agi_extension": "1888"}, "1888"),
        ({"agi_dnid": "unknown", "agi_extension": "s"}, "unknown"),
    ],
)
def test_the_dialled_number(variables: dict[str, str], account: str) -> None:
    assert contact.account_of(variables) == account
