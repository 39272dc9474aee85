"""Senders who may be forged, and files that are not what they say.

Field 2.7: a stranger's mail is appended to another person's case (zammad#2444, zammad#5064), here by a forged From.
"""

from __future__ import annotations

import io
import re
import zipfile
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.email.corpus import b64, multipart
from tests.channels.email.installation import MailInstallation, mail
from zrm.channels.email import filetypes
from zrm.channels.email.authentication import labels, results
from zrm.channels.email.channel import EmailChannel
from zrm.channels.email.config import EmailConfig
from zrm.channels.email.filetypes import is_program, true_type

OURS = frozenset({"mx.example.org"})
PDF, PNG = b"%PDF-1.4\n%text", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(20)
PROGRAM = b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0L\x01" + bytes(300)


def document() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("word/document.xml", "<x/>")
    return out.getvalue()


def said(*values: str) -> dict[str, str]:
    return results([("Authentication-Results", value) for value in values], OURS)


@pytest.mark.parametrize(
    ("value", "found", "shown"),
    [
        ("mx.example.org; spf=pass smtp.mailfrom=a.b; dkim=pass header.d=a.b; dmarc=pass header.from=a.b", {"spf": "pass", "dkim": "pass", "dmarc": "pass"}, {"dmarc_pass"}),
        ("mx.example.org; dmarc=fail (p=reject) header.from=a.b", {"dmarc": "fail"}, {"dmarc_fail"}),
        ("MX.example.org 1; spf=softfail smtp.mailfrom=a.b", {"spf": "softfail"}, {"spf_fail"}),
        ("mx.example.org; dkim=fail header.d=a.b; dkim=pass header.d=c.d", {"dkim": "pass"}, set()),
        ("mx.example.org; dmarc=none header.from=a.b", {"dmarc": "none"}, set()),
        ("mx.example.org; none", {}, set()),
        ("mx.evil.test; dmarc=pass header.from=a.b", {}, set()),
        ("mx.example.org; ;;=", {}, set()),
        ("", {}, set()),
    ],
)  # fmt: skip
def test_what_our_server_found(value: str, found: dict[str, str], shown: set[str]) -> None:
    assert said(value) == found
    assert labels(said(value)) == shown


@pytest.mark.parametrize(
    ("sender", "named", "result"),
    [
        ("c@a.b", "a.b", "pass"),
        ("c@mail.a.b", "a.b", "pass"),
        ("c@A.b", "mail.a.B.", "pass"),
        ("c@مثال.ایران", "xn--mgbh0fb.xn--mgba3a4f16a", "pass"),
        ("c@a.b", "c.b", "fail"),
        ("c@a.b", "xa.b", "fail"),
        ("c@a.b", '"c@a.b"@c.d', "fail"),
        ("", "c.d", "pass"),
    ],
)
def test_a_word_about_another_sender_than_the_one_we_read_vouches_for_nobody(
    sender: str, named: str, result: str
) -> None:
    field = ("Authentication-Results", f"mx.example.org; dmarc=pass header.from={named}")
    assert results([field], OURS, sender) == {"dmarc": result}


def test_the_topmost_word_counts_and_nobody_is_believed_unasked() -> None:
    forged = "mx.example.org; dmarc=pass header.from=a.b"
    assert said("mx.example.org; dmarc=fail header.from=a.b", forged) == {"dmarc": "fail"}
    assert results([("Authentication-Results", forged)], frozenset()) == {}


@given(st.text(max_size=300))
def test_no_field_breaks_the_reader(value: str) -> None:
    said(value, f"mx.example.org; {value}")


def test_a_forged_sender_with_a_stolen_token_is_a_stranger_and_gets_no_answer(
    mail_installation: MailInstallation,
) -> None:
    boxes = {"info": {"address": "info@example.org"}}
    config = EmailConfig.model_validate({"mailboxes": boxes, "trust_results_of": ["mx.example.org"]})
    mail_installation.channel = EmailChannel(config, mail_installation.channel.installation)
    first = mail_installation.take(mail())
    ((token,),) = mail_installation.ask("SELECT reply_token FROM cases")
    forged = "Authentication-Results: mx.example.org; dmarc=fail header.from=example.com\r\n" + mail("send me the file")
    contact = mail_installation.take(forged, to=f"info+{token}@example.org")
    assert mail_installation.case_of(contact) != mail_installation.case_of(first)
    assert mail_installation.labels(contact) == {"dmarc_fail"}
    assert mail_installation.ask("SELECT reason FROM case_relations") == [("quoted_by_stranger",)]
    assert mail_installation.ask("SELECT count(*) FROM deliveries") == [(1,)], (
        "its owner wrote nothing, and hears nothing"
    )


@pytest.mark.parametrize(
    ("claimed", "data", "recorded", "false"),
    [
        ("application/pdf", PDF, "application/pdf", False),
        ("image/jpeg", PROGRAM, "application/x-dosexec", True),
        ("application/octet-stream", PROGRAM, "application/x-dosexec", True),
        ("application/octet-stream", PDF, "application/pdf", False),
        ("image/png", b"<html><script>alert(1)</script>", "text/html", True),
        ("image/jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpg", False),
        ("image/jpeg", PNG, "image/png", True),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", document(), None, False),
        ("application/pdf", document(), "application/zip", True),
        ("text/csv", b"<html>,b\n1,2\n", "text/csv", False),
        ("text/plain", "سلام".encode(), "text/plain", False),
        ("text/plain", b"#!/bin/sh\nrm -rf /\n", "text/x-shellscript", True),
        ("application/x-unknown", bytes(100), "application/x-unknown", False),
        ("application/pdf", b"", "application/pdf", False),
    ],
)
def test_files_by_their_content(claimed: str, data: bytes, recorded: str | None, false: bool) -> None:
    assert true_type(claimed, data) == (recorded or claimed, false)


@given(st.binary(max_size=400), st.sampled_from(["image/png", "text/plain", "application/octet-stream", ""]))
def test_any_bytes_have_a_type(data: bytes, claimed: str) -> None:
    media_type, _ = true_type(claimed, data)
    assert not is_program(media_type) or data


@given(
    st.lists(st.sampled_from([b"\n", b" ", b"\r\n", b"\t", b"a", b"\n" * 99, b" " * 5_000]), max_size=40).map(b"".join)
)
def test_libmagic_gets_no_long_run_of_blanks(data: bytes) -> None:
    """It goes over a run again from each of its signs: 8 kB of line ends took 0.15 s, and a mail has up to 500 parts."""
    with pytest.MonkeyPatch.context() as patch:
        looked: list[bytes] = []
        patch.setattr(filetypes, "_magic", lambda: SimpleNamespace(from_buffer=looked.append))
        true_type("text/plain", data)
    assert all(len(run) <= 16 for given in looked for run in re.findall(rb"\s+", given))
    assert b"".join(looked).split() == data[:65_536].split()


def test_a_kind_is_seen_behind_blanks() -> None:
    for head, kind in ((b"%PDF-1.7\n", "application/pdf"), (b"<html><body>x", "text/html")):
        assert true_type("image/png", b"\n" * 600 + head) == (kind, True)


def test_a_program_in_disguise_is_recorded_as_what_it_is(mail_installation: MailInstallation) -> None:
    part = b"Content-Type: image/jpeg; name=lamp.jpg\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b64(PROGRAM)
    contact = mail_installation.take(multipart("mixed", "Content-Type: text/plain\n\nthe lamp", part).body)
    assert mail_installation.labels(contact) == {"false_type", "program"}
    assert mail_installation.ask("SELECT name, media_type FROM attachments") == [("lamp.jpg", "application/x-dosexec")]
