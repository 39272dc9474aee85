"""Texts that go out by SMPP: whole, in the alphabet of the network, never twice; and what a refusal means."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.channels.sms.line import PERSIAN, Listening, channel_at, reply
from tests.lab.process import free_port
from tests.lab.smsc import PASSWORD, Smsc
from zrm.channels.sms.alphabet import Plain, split
from zrm.contract.errors import (
    ConfigInvalid,
    ConnectionFailed,
    OutcomeUnknown,
    RecipientUnreachable,
    Rejected,
    ReplyInvalid,
    SendError,
    Throttled,
)
from zrm.ui.i18n import gettext


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
