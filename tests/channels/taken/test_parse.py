"""What agents took down, read again: everything is the citizen's word, and what is not of the desk's making is refused."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.channels.channel import ChannelConfig, Installation
from zrm.channels.registry import CHANNELS
from zrm.channels.taken.channel import CallChannel, LetterChannel, VisitChannel
from zrm.contract.addresses import EMAIL, PHONE
from zrm.contract.errors import ReplyInvalid, Unparseable
from zrm.contract.inbound import Inbound, RawContact
from zrm.contract.outbound import Reply

AGENT = UUID(int=7)
INSTALLATION = Installation(
    {"fa": "مرکز", "en": "Centre"}, "fa", "UTC", "IR", "https://a.example", "/tmp", "00"
)  # unused


def raw(body: object, **envelope: str) -> RawContact:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return RawContact("call", "desk", "1", data, "application/json", envelope or {"agent": str(AGENT)})


def parsed(contact: RawContact) -> Inbound:
    (inbound,) = CallChannel(ChannelConfig(), INSTALLATION).parse(contact)
    assert isinstance(inbound, Inbound)
    return inbound


def test_all_of_it_is_claimed_and_has_a_taker() -> None:
    inbound = parsed(
        raw({"text": "The lamp\nis dark", "name": "Sara", "phone": "0912", "email": "a@b.example", "nature": "report"})
    )
    assert [(one.kind, one.raw, one.name) for one in inbound.senders] == [
        (PHONE, "0912", "Sara"), (EMAIL, "a@b.example", "Sara"),
    ]  # fmt: skip
    assert (inbound.title, inbound.text, inbound.nature) == ("The lamp", "The lamp\nis dark", "report")
    assert (inbound.taken_by, inbound.code_told) == (AGENT, True)
    assert all(one.claimed for one in inbound.senders)


def test_a_name_alone_is_kept() -> None:
    inbound = parsed(raw({"text": "x", "name": "Sara"}))
    assert (inbound.senders, inbound.name) == ((), "Sara")


@pytest.mark.parametrize(
    "contact",
    [
        raw({"text": ""}), raw({}), raw([]), raw(b"\xff"), raw(b""), raw({"text": "x", "other": 1}), raw({"text": 1}),
        raw({"text": "x", "nature": 7}), raw({"text": "x"}, agent=""), raw({"text": "x"}, agent="nobody"), raw({"text": "x"}, other="1"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_desks_making_is_refused_without_its_words(contact: RawContact) -> None:
    with pytest.raises(Unparseable) as refused:
        parsed(contact)
    assert "gossip" not in str(refused.value)


@given(st.binary(max_size=200))
def test_no_bytes_do_harm(body: bytes) -> None:
    try:
        parsed(raw(body))
    except Unparseable:
        return
    pytest.fail("random bytes are no contact")


def test_three_channels_are_always_there_and_answer_nobody() -> None:
    always = [kind for kind, channel in CHANNELS.items() if channel.can.taken_down]
    assert always == ["call", "visit", "letter"]
    for kind in always:
        channel = CHANNELS[kind](ChannelConfig(), INSTALLATION)
        assert isinstance(channel, (CallChannel, VisitChannel, LetterChannel))
        assert (channel.accounts(), channel.redact(), channel.check()) == ([], [], [])
        with pytest.raises(ReplyInvalid):
            channel.send(Reply(UUID(int=1), "desk", "+98", "x", "fa"))
