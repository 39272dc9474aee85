"""Mail of the real world, understood."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.email.corpus import PAYLOADS, Mail, multipart, nested
from zrm.channels.email.config import EmailConfig
from zrm.channels.email.headers import addresses, parameters
from zrm.channels.email.mailboxes import Mailboxes
from zrm.channels.email.mime import MAX_PARTS
from zrm.channels.email.parse import parse_mail
from zrm.contract.errors import Unparseable
from zrm.contract.inbound import JSON, Inbound, RawContact

BOXES = Mailboxes(
    EmailConfig.model_validate(
        {"mailboxes": {"info": {"address": "info@example.org"}, "water": {"address": "water@example.org"}}}
    )
)


def understand(payload: Mail) -> Inbound:
    envelope: dict[str, JSON] = {"mail_from": payload.mail_from, "rcpt_tos": list(payload.rcpt_tos)}
    found = parse_mail(RawContact("email", "info", "x", payload.body, "message/rfc822", envelope), BOXES)
    assert isinstance(found, Inbound)
    return found


def seen(found: Inbound) -> dict[str, object]:
    return {
        "text": found.text,
        "title": found.title,
        "html": found.html,
        "senders": [sender.raw for sender in found.senders],
        "names": [sender.name for sender in found.senders],
        "sent_at": found.sent_at.isoformat() if found.sent_at else None,
        "message_id": found.thread.message_id,
        "references": found.thread.references,
        "tokens": found.thread.tokens,
        "labels": set(found.labels),
        "files": [file.name for file in found.files],
        "roles": [file.role for file in found.files],
        "data": [file.data for file in found.files],
        "content_ids": [file.content_id for file in found.files],
    }


@pytest.mark.parametrize("name", PAYLOADS)
def test_what_is_understood(name: str) -> None:
    payload = PAYLOADS[name]
    found = seen(understand(payload))
    assert {key: found[key] for key in payload.expected} == dict(payload.expected)


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n \r\n", b"\n"])
def test_an_empty_message_cannot_be_understood(body: bytes) -> None:
    with pytest.raises(Unparseable):
        understand(Mail(body))


def test_all_headers_are_kept_in_order_as_pairs() -> None:
    found = understand(Mail(b"Received: a\r\nReceived: b\r\nX-One: =?utf-8?Q?=C3=A9?=\r\nFrom: a@b.c\r\n\r\nx"))
    assert found.headers == (("Received", "a"), ("Received", "b"), ("X-One", "é"), ("From", "a@b.c"))


def test_beyond_the_bound_the_rest_is_one_file_and_nothing_is_lost() -> None:
    parts = [f"Content-Disposition: attachment; filename=f{number}.txt\n\ncontent {number}" for number in range(1500)]
    found = understand(multipart("mixed", *parts))
    assert len(found.files) == MAX_PARTS + 1
    rest = found.files[-1]
    assert rest.role == "original"
    assert rest.data is not None
    assert b"content 1499" in rest.data
    assert b"content 500" in rest.data


def test_beyond_the_depth_the_rest_is_one_file_and_nothing_is_lost() -> None:
    (rest,) = understand(nested(200)).files
    assert rest.data is not None
    assert b"deep words" in rest.data


def test_fifty_megabytes_in_one_file() -> None:
    from tests.channels.email.corpus import b64

    data = bytes(range(256)) * 4096 * 36
    part = b"Content-Type: application/octet-stream; name=big.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b64(
        data
    )
    (big,) = understand(multipart("mixed", "\nwords", part)).files
    assert big.data == data


HEAD = st.lists(
    st.tuples(
        st.sampled_from(
            ["From", "To", "Subject", "Date", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "References", "Auto-Submitted", "X"]
        ),
        st.one_of(
            st.text(max_size=60),
            st.sampled_from(
                [
                    "multipart/mixed; boundary=b", "multipart/mixed; boundary=", "text/html; charset=utf-7", "text/plain; charset=idna", "base64",
                    "quoted-printable", "x-uuencode", "=?utf-8?B?4pyT?=", "=?utf-16?Q?=00?=", "attachment; filename*0*=x''%ff; filename*9999999=a",
                    "message/rfc822", "Mon, 2 Nov 2026 10:00:00 +0330", "a@b.c, <d@e.f>, \"x", "<a@b> <c@d>",
                ]
            ),
        ),
    ),
    max_size=6,
)  # fmt: skip
BODY = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.sampled_from([b"--b\r\n", b"--b--\r\n", b"\r\n", b"Content-Type: text/html\r\n", b"<p>x", b"begin 644 a\n", b"\xff", b"words"]), max_size=20
    ).map(b"".join),
)  # fmt: skip


@given(HEAD, BODY, st.booleans())
def test_anything_is_understood_or_unparseable(head: list[tuple[str, str]], body: bytes, raw: bool) -> None:
    lines = b"".join(f"{name}: {value}\r\n".encode("utf-8", "surrogatepass") for name, value in head)
    try:
        found = understand(Mail(body if raw else lines + b"\r\n" + body))
    except Unparseable:
        return
    storable = [found.text, found.title, found.html, *(value for pair in found.headers for value in pair)]
    storable += [file.name + file.media_type + file.content_id for file in found.files]
    storable += [sender.raw + sender.name for sender in found.senders]
    storable += [found.thread.message_id, *found.thread.references, *found.thread.tokens]
    for text in storable:
        text.encode("utf-8")
        assert "\x00" not in text


@given(st.sampled_from(sorted(PAYLOADS)), st.integers(0, 5000), st.binary(max_size=3))
def test_a_damaged_mail_is_understood_or_unparseable(name: str, place: int, damage: bytes) -> None:
    payload = PAYLOADS[name]
    if len(payload.body) > 20_000:
        return
    body = (
        payload.body[: place % (len(payload.body) + 1)] + damage + payload.body[place % (len(payload.body) + 1) + 1 :]
    )
    try:
        understand(replace(payload, body=body))
    except Unparseable:
        return


@pytest.mark.parametrize("piece", ["(", '"', "<", ",", "\\", ":;", "a@b.c,", "=?utf-8?B?YQ==?= "])
def test_hostile_address_fields_take_one_pass(piece: str) -> None:
    def lines(text: str) -> int:
        count = 0

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal count
            count += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            addresses(text)
            parameters(text)
        finally:
            sys.settrace(before)
        return count

    assert lines(piece * 2000) <= 4.3 * lines(piece * 500) + 500
