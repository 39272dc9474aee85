"""Reading updates: whatever they are, they are read, ignored with a reason, or left for the quarantine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab import telegram_contract as contract
from zrm.channels.channel import Installation
from zrm.channels.telegram.channel import BaleChannel, TelegramChannel
from zrm.channels.telegram.config import BaleConfig, TelegramConfig
from zrm.channels.telegram.incoming_update import storable
from zrm.contract.errors import Unparseable
from zrm.contract.files import StoredFile
from zrm.contract.inbound import Ignored, Inbound, RawContact, SelfServiceCommand

INSTALLATION = Installation({"fa": "", "en": ""}, "fa", "Asia/Tehran", "IR", "https://hub.example.org", ".", "secret")
TELEGRAM = TelegramChannel(TelegramConfig(), INSTALLATION)
SENDER = {"from": {"id": 7, "is_bot": False, "first_name": "Sara"}, "chat": {"id": 7, "type": "private"}}


def raw(value: object, role: str = "message", **envelope: Any) -> RawContact:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return RawContact("telegram", "info", "x", body, "application/json", {"role": role, **envelope})


def message(**fields: Any) -> dict[str, Any]:
    return {"update_id": 1, "message": {"message_id": 3, "date": 1_790_000_000, **SENDER, **fields}}


def inbound(value: object, role: str = "message", **envelope: Any) -> Inbound:
    (found,) = TELEGRAM.parse(raw(value, role, **envelope))
    assert isinstance(found, Inbound)
    return found


# JSON of the shapes that an update has, with any value where another was meant.
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_KEYS = sorted({name for description in contract.TYPES.values() for name in contract.fields(description)})
_SHAPED = st.recursive(
    _ANYTHING | st.sampled_from([1, 7, "private", "x" * 20, 2**70, -1]),
    lambda inner: st.dictionaries(st.sampled_from(_KEYS), inner, max_size=8) | st.lists(inner, max_size=3),
    max_leaves=30,
)
_MESSAGES = st.dictionaries(st.sampled_from(_KEYS), _SHAPED, max_size=6).map(lambda more: message(**more))
_ROLES = st.sampled_from(["message", "step", "matter", "album", "", None])


@given(_SHAPED | _MESSAGES | st.binary(max_size=60), _ROLES)
def test_nothing_but_unparseable_is_ever_raised(value: Any, role: Any) -> None:
    try:
        (found,) = TELEGRAM.parse(raw(value, role))
    except Unparseable:
        return
    assert isinstance(found, (Inbound, Ignored, SelfServiceCommand))
    if isinstance(found, Inbound):
        text = json.dumps([found.text, found.title, found.headers, [sender.name for sender in found.senders]])
        assert "\\u0000" not in text
        found.text.encode()


@given(_MESSAGES | _SHAPED, st.lists(_MESSAGES | _SHAPED, max_size=3))
def test_gathered_contacts_are_no_less_sturdy(first: Any, rest: list[Any]) -> None:
    parts = [{"update": storable(value), "name": "1/x", "message_id": 3} for value in (first, *rest)]
    try:
        TELEGRAM.parse(raw({"parts": parts, "nature": first, "subject": rest, "finished": False}, "matter"))
    except Unparseable:
        return


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'"x"', b"1" * 5000, b'{"update_id": 0}'])
def test_what_is_no_update_goes_to_quarantine(body: bytes) -> None:
    with pytest.raises(Unparseable):
        TELEGRAM.parse(raw(body))


def test_a_message_is_read_whole() -> None:
    found = inbound(
        message(
            text="See here",
            entities=[{"type": "text_link", "offset": 4, "length": 4, "url": "https://example.org/a"}],
            reply_to_message={"message_id": 2, "date": 1, **SENDER},
            forward_origin={"type": "hidden_user", "date": 1, "sender_user_name": "x"},
        ),
        language="en",
    )
    assert found.text == "See here"
    assert [(sender.kind, sender.raw, sender.name) for sender in found.senders] == [("telegram", "7", "Sara")]
    assert found.headers == (("Message", "3"), ("Link", "https://example.org/a"))
    assert found.thread.message_id == "telegram:info:7:3"
    assert found.thread.references == ("telegram:info:7:2",)
    assert found.thread.open_line
    assert found.labels == {"forwarded"}
    assert found.language == "en"


def test_the_largest_photo_is_the_one() -> None:
    sizes = [
        {"file_id": "s", "file_unique_id": "s", "width": 90, "height": 60},
        {"file_id": "l", "file_unique_id": "l", "width": 1280, "height": 853},
        {"file_id": "m", "file_unique_id": "m", "width": 320, "height": 213},
    ]
    contact = raw(message(photo=sizes, caption="look"))
    kept = StoredFile("0" * 64, 5, "photo-3.jpg", "image/jpeg")
    (found,) = TELEGRAM.parse(RawContact("telegram", "info", "x", contact.body, "", contact.envelope, (kept,)))
    assert isinstance(found, Inbound)
    assert [file.stored for file in found.files] == [kept]


def test_a_forwarded_card_of_ones_own_proves_nothing() -> None:
    card = {"phone_number": "989121234567", "first_name": "Sara", "user_id": 7}
    assert inbound(message(contact=card)).senders_proven
    assert not inbound(message(contact=card, forward_origin={"type": "user"})).senders_proven
    assert not inbound(message(contact=card | {"user_id": 8})).senders_proven


def test_one_messenger_does_not_read_the_others_contacts() -> None:
    with pytest.raises(Unparseable):
        BaleChannel(BaleConfig(), INSTALLATION).parse(raw(message(text="hello")))


def test_steps_are_ignored_with_their_reason() -> None:
    (found,) = TELEGRAM.parse(raw(message(text="/start"), "step"))
    assert isinstance(found, Ignored)
    assert "a step of the guided dialogue" in str(found.reason)


def test_a_single_digit_may_be_a_rating_and_is_else_a_message() -> None:
    for text, score in (("۵", 5), (" 1\n", 1), ("٣", 3)):
        (found,) = TELEGRAM.parse(raw(message(text=text)))
        assert isinstance(found, SelfServiceCommand)
        assert (found.kind, found.score) == ("rate", score)
        assert found.sender is not None
        assert found.sender.raw == "7"
        assert found.otherwise is not None
        assert found.otherwise.text == text
    for text in ("0", "6", "55", "5 stars", "²"):
        assert inbound(message(text=text)).text == text
