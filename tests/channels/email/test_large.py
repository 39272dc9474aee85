"""Large mail: held about once, cut at the same place however it arrives."""

from __future__ import annotations

import tracemalloc
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from tests.channels.email.corpus import b64, multipart
from tests.channels.email.test_parse import BOXES
from zrm.channels.email.parse import parse_mail
from zrm.channels.email.session import _ReceivedMessage
from zrm.channels.email.smtp import SmtpDoor
from zrm.contract.inbound import Inbound, RawContact


def test_understanding_a_large_mail_holds_it_less_than_three_times() -> None:
    """The message itself, and its 25 MB file decoded; nothing else of that size."""
    data = bytes(range(256)) * 97_656
    part = b"Content-Type: application/octet-stream; name=big.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b64(
        data
    )
    raw = RawContact("email", "info", "x", multipart("mixed", "\nwords", part).body, "message/rfc822", {})
    del part
    tracemalloc.start()
    try:
        found = parse_mail(raw, BOXES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(found, Inbound)
    assert found.files[0].data == data
    assert peak + len(raw.body) < 3 * len(raw.body)


def test_a_flowed_paragraph_is_one_line_however_long_it_is() -> None:
    head = b"From: ali@example.com\r\nContent-Type: text/plain; format=flowed\r\n\r\n"
    lines = 90_000
    raw = RawContact("email", "info", "x", head + b"on and on \r\n" * lines + b"end\r\n", "message/rfc822", {})
    found = parse_mail(raw, BOXES)
    assert isinstance(found, Inbound)
    assert found.text == "on and on " * lines + "end"


class _Roomy:
    """A door with memory for everybody."""

    def borrow(self, size: int) -> bool:
        return True

    def give_back(self, size: int) -> None:
        return


LINES = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"words", b"\n.\n", b"\r", b"x\r.\r"]), max_size=12)


@given(LINES, st.lists(st.integers(1, 7), min_size=1, max_size=30))
def test_a_message_is_the_same_in_whatever_pieces_it_comes(lines: list[bytes], sizes: list[int]) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    stuffed = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)
    wire = stuffed + b".\r\n" + b"QUIT\r\n"
    message = _ReceivedMessage(cast("SmtpDoor", _Roomy()), 1 << 20)
    at, turn = 0, 0
    while not message.complete:
        size = sizes[turn % len(sizes)]
        message.take(wire[at : at + size])
        at, turn = at + size, turn + 1
    assert message.content() == content
    assert b"QUIT\r\n".startswith(message.following)


def test_a_large_message_is_held_once_at_the_door() -> None:
    """Also one whose every line begins with a dot."""
    piece = (b"." + b"a" * 62 + b"\r\n") * 1024
    message = _ReceivedMessage(cast("SmtpDoor", _Roomy()), 1 << 26)
    tracemalloc.start()
    try:
        for _ in range(400):
            message.take(piece)
        message.take(b".\r\n")
        content = message.content()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert message.complete
    assert len(content) == 400 * (len(piece) - 1024)
    assert peak < 1.3 * len(content)
