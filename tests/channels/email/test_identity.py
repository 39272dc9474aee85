"""What makes two deliveries the same mail: all of its content, however its lines end, and nothing that hops put on top."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from tests.channels.email.installation import MailInstallation
from zrm.channels.email.identity import external_id

SCANS = [
    f"Received: by scanner; Fri, 27 Nov 2026 1{number}:00:00 +0000\rFrom: Scan <scan@citizen.example>\rTo: info@zrm.example\r"
    f"Subject: Paper {number}\rMessage-ID: <cr{number}@citizen.example>\r\rComplaint number {number}.\r\n".encode()
    for number in (1, 2)
]  # fmt: skip


def first_version(account: str, content: bytes) -> str:
    """The identity of the first version, for a mail without trace fields."""
    return hashlib.sha256(account.encode() + b"\x00" + content).hexdigest()


def test_two_papers_of_a_scanner_are_two_contacts_with_their_words(mail_installation: MailInstallation) -> None:
    """Lines that end in CR, below a trace field: seventy-three mails were answered with one code."""
    contacts = [mail_installation.take(body) for body in SCANS]
    assert mail_installation.ask(
        "SELECT title, text, address FROM contacts WHERE id = ANY(%s) ORDER BY title", contacts
    ) == [
        ("Paper 1", "Complaint number 1.", "scan@citizen.example"),
        ("Paper 2", "Complaint number 2.", "scan@citizen.example"),
    ]


LINE = st.sampled_from(
    [
        b"From: a@b.example",
        b"Subject: x",
        b"Received: y",
        b" folded",
        b"X: 1",
        b"",
        b"words",
        b"\xd8\xb3",
        b"Received",
        b":",
    ]
)
CONTENT = st.lists(LINE, min_size=1, max_size=8)
TRACE = st.sampled_from(
    [[], [b"Received: from a by b;", b"\tFri"], [b"Return-Path: <x@y>", b"Received: c"], [b"Delivered-To: d"]]
)
ENDS = st.sampled_from([b"\r\n", b"\n", b"\r"])


def written(trace: list[bytes], lines: list[bytes], end: bytes) -> bytes:
    return b"".join(line + end for line in [*trace, b"Message-ID: <m>", *lines])


@given(CONTENT, TRACE, TRACE, ENDS, ENDS)
def test_other_trace_and_other_line_ends_are_the_same_mail(
    lines: list[bytes], one: list[bytes], other: list[bytes], end: bytes, other_end: bytes
) -> None:
    assert external_id("info", written(one, lines, end)) == external_id("info", written(other, lines, other_end))


@given(CONTENT, CONTENT, TRACE, ENDS)
def test_mails_that_differ_in_a_line_have_two_identities(
    lines: list[bytes], others: list[bytes], trace: list[bytes], end: bytes
) -> None:
    same = external_id("info", written(trace, lines, end)) == external_id("info", written(trace, others, end))
    assert same is (lines == others)


@given(st.binary(max_size=80), st.integers(0, 79), st.integers(0, 255), TRACE, ENDS)
def test_a_byte_of_the_body_makes_another_mail(
    body: bytes, place: int, byte: int, trace: list[bytes], end: bytes
) -> None:
    changed = bytearray(body)
    if body:
        changed[place % len(body)] = byte
    mail, other = (b"".join(line + end for line in [*trace, b"From: x", b""]) + text for text in (body, bytes(changed)))
    survives = [text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") for text in (body, bytes(changed))]
    assert (external_id("info", mail) == external_id("info", other)) is (survives[0] == survives[1])


def test_a_mail_of_nothing_but_trace_is_itself() -> None:
    trace = [
        b"Received: by a\r\n",
        b"Received: by b\r\n",
        b"Received: by b\r\n\r\n",
        b"Received: by b\r\n\r\nReceived: words\r\n",
    ]
    assert len({external_id("info", one) for one in trace}) == len(trace)


def test_a_body_that_looks_like_trace_counts() -> None:
    mail = b"Received: by a\r\n\r\nReceived: your letter of Monday\r\n"
    assert external_id("info", mail) != external_id("info", mail.replace(b"Monday", b"Friday"))


def test_mailboxes_and_the_whole_size_count() -> None:
    assert external_id("info", SCANS[0]) != external_id("water", SCANS[0])
    assert len({external_id("info", SCANS[0], size) for size in (None, 1, 2)}) == 3


def test_the_identities_of_mails_that_had_a_right_one_are_kept() -> None:
    """Known by value: who has a receipt keeps it for ever."""
    mail = b"From: a@b.example\r\nSubject: x\r\n\r\nwords\r\n"
    assert external_id("info", mail) == first_version("info", mail)
    assert external_id("info", b"Received: by a\r\n\tb\r\nReturn-Path: <x@y>\r\n" + mail) == first_version("info", mail)
