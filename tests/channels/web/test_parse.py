"""What the web door's payload says."""

from __future__ import annotations

import contextlib
import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.web.portal import CONFIG, INSTALLATION
from zrm.channels.web.channel import WebChannel
from zrm.channels.web.payload import title_of
from zrm.contract.addresses import EMAIL, PHONE, Sender
from zrm.contract.errors import Unparseable
from zrm.contract.files import StoredFile
from zrm.contract.inbound import JSON, Inbound, RawContact, Thread
from zrm.contract.outbound import Reply, Sent

CHANNEL = WebChannel(CONFIG, INSTALLATION)


def raw(body: bytes, *, envelope: dict[str, JSON] | None = None, files: tuple[StoredFile, ...] = ()) -> RawContact:
    """A contact with this body, as the door makes it."""
    return RawContact("web", "portal", "form:1:2", body, "application/json", envelope or {}, files)


def parsed(fields: object, **options: object) -> Inbound:
    """The one Inbound of a JSON body."""
    (inbound,) = CHANNEL.parse(raw(json.dumps(fields).encode(), **options))  # type: ignore[arg-type]  # options of raw
    assert isinstance(inbound, Inbound)
    return inbound


def test_a_full_form_gives_every_field() -> None:
    photo = StoredFile("ab" * 32, 5, "چاله.jpg", "image/jpeg")
    inbound = parsed(
        {
            "nature": "complaint", "subject": "roads", "text": "چاله‌ای جلوی خانه هست.\nدیشب کسی افتاد.", "name": "مریم",
            "phone": "۰۹۱۲ ۳۴۵ ۶۷۸۹", "email": "m@example.org", "language": "fa",
        },
        files=(photo,),
    )  # fmt: skip
    assert inbound.senders == (
        Sender(EMAIL, "m@example.org", "مریم", claimed=True),
        Sender(PHONE, "۰۹۱۲ ۳۴۵ ۶۷۸۹", "مریم", claimed=True),
    )
    assert inbound.title == "چاله‌ای جلوی خانه هست."
    assert (inbound.nature, inbound.subject_key, inbound.language) == ("complaint", "roads", "fa")
    assert [(file.name, file.media_type, file.stored) for file in inbound.files] == [("چاله.jpg", "image/jpeg", photo)]


def test_text_alone_is_an_anonymous_contact() -> None:
    inbound = parsed({"text": "The lamp is broken"})
    assert inbound.senders == ()
    assert inbound.thread == Thread()
    assert inbound.labels == frozenset()


def test_a_proven_conversation_comes_from_the_envelope_only() -> None:
    assert parsed({"text": "more"}, envelope={"conversation": "283541907624"}).thread.conversation == "283541907624"
    with pytest.raises(Unparseable, match="conversation"):
        parsed({"text": "more", "conversation": "283541907624"})


def test_what_fills_the_trap_is_kept_and_labelled() -> None:
    assert parsed({"text": "buy now"}, envelope={"trap": True}).labels == {"robot"}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"text": ""}', b'{"text": "\\u0000"}', b'{"text": 5}', b'{"name": "x"}',
        b'{"text": "x", "nature": 7}', b'{"text": "x", "surprise": 1}', b'{"text": "x", "name": "%s"}' % (b"n" * 300),
    ],
)  # fmt: skip
def test_what_is_no_contact_is_unparseable(body: bytes) -> None:
    with pytest.raises(Unparseable):
        CHANNEL.parse(raw(body))


def test_the_reason_repeats_no_personal_data() -> None:
    with pytest.raises(Unparseable) as refused:
        parsed({"text": "secret-word", "phone": "0912" * 40})
    assert "0912" not in str(refused.value)
    assert "phone" in str(refused.value)


def test_signs_that_no_store_can_take_are_left_out() -> None:
    inbound = parsed({"text": "a\x00b\x07c\r\nd", "name": "Ma\x00ry", "email": "a@b.c"})
    assert inbound.text == "abc\nd"
    assert inbound.senders[0].name == "Mary"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Short one", "Short one"),
        ("First line\nsecond", "First line"),
        ("word " * 40, "word " * 15 + "word…"),
        ("x" * 200, "x" * 79 + "…"),
    ],
)
def test_the_title_is_the_first_words(text: str, title: str) -> None:
    assert title_of(text.strip()) == title


@given(st.binary(max_size=300))
def test_any_bytes_parse_or_are_unparseable(body: bytes) -> None:
    with contextlib.suppress(Unparseable):
        assert len(CHANNEL.parse(raw(body))) == 1


@given(
    st.fixed_dictionaries(
        {"text": st.text(st.characters(codec=None), min_size=1, max_size=200)},
        optional={name: st.text(max_size=40) for name in ("name", "phone", "email", "subject")},
    )
)
def test_any_fields_give_text_that_can_be_stored(fields: dict[str, str]) -> None:
    try:
        inbound = parsed(fields)
    except Unparseable:
        return
    for text in (inbound.text, inbound.title, inbound.subject_key, *(sender.raw for sender in inbound.senders)):
        assert "\x00" not in text
        text.encode("utf-8")
    assert inbound.text
    assert len(inbound.title) <= 80


def test_an_answer_is_published_at_once_and_is_final() -> None:
    identity = UUID(int=7)
    sent = CHANNEL.send(Reply(identity, "portal", "", "Filled today.", "en"))
    assert sent == Sent(provider_ref=f"published:{identity}", final=True)
