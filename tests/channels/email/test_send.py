"""Answers on their way out: what they look like, and what each failure is called."""

from __future__ import annotations

import contextlib
import email
import email.policy
import io
import re
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.channels.email.desk import MAILBOXES, free_port, installation
from tests.lab.smtp_sink import Answer, Drop, SmtpSink
from zrm.channels.email import reasons
from zrm.channels.email.channel import EmailChannel
from zrm.channels.email.compose import MimeAttachment, compose
from zrm.channels.email.config import EmailConfig
from zrm.channels.email.mailboxes import Mailboxes
from zrm.channels.email.parse import parse_mail
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
from zrm.contract.files import StoredFile
from zrm.contract.inbound import Inbound, RawContact
from zrm.contract.outbound import Reply
from zrm.contract.reasons import Reason
from zrm.kit.blobs import BlobStore

AT = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
IDENTITY = UUID("01930000-0000-7000-8000-000000000001")


def reply(
    *,
    to: str = "ali@example.com",
    text: str = "سلام،\nچراغ تعمیر شد.",
    language: str = "fa",
    title: str = "چراغ خیابان",
    code: str = "123456789012",
    account: str = "info",
    reply_token: str = "AbC123",
    references: tuple[str, ...] = ("<r1@x>", "<r2@x>"),
    in_reply_to: str = "<m1@x>",
    automatic: bool = False,
    files: tuple[StoredFile, ...] = (),
) -> Reply:
    return Reply(
        IDENTITY, account, to, text, language, title, code, "<out-1@example.org>", in_reply_to, references, reply_token, automatic, files,
    )  # fmt: skip


def channel(tmp_path: Path, **submit: object) -> EmailChannel:
    config = EmailConfig.model_validate(
        {"mailboxes": MAILBOXES, "submit": submit or None, "hostname": "mx.example.org"}
    )
    return EmailChannel(config, installation(tmp_path))


def read(content: bytes) -> EmailMessage:
    found = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def composed(answer: Reply, tmp_path: Path, files: Sequence[MimeAttachment] = ()) -> EmailMessage:
    box = EmailConfig.model_validate({"mailboxes": MAILBOXES}).mailboxes["info"]
    return read(compose(answer, box, installation(tmp_path), files, AT).content)


def test_an_answer_arrives_with_its_thread(tmp_path: Path) -> None:
    with SmtpSink() as sink:
        sent = channel(tmp_path, host="127.0.0.1", port=sink.port).send(reply())
        (mail,) = sink.wait_for_mail()
    assert sent.provider_ref == "<out-1@example.org>"
    assert (mail.sender, mail.recipients) == (f"info+b={IDENTITY.hex}@example.org", ("ali@example.com",))
    assert not sent.final, "a bounce may still come"
    message = mail.message
    assert message["From"] == "مرکز پاسخ‌گویی <info@example.org>"
    assert message["To"] == "ali@example.com"
    assert message["Subject"] == "Re: چراغ خیابان"
    assert message["Message-ID"] == "<out-1@example.org>"
    assert message["In-Reply-To"] == "<m1@x>"
    assert message["References"].split() == ["<r1@x>", "<r2@x>", "<m1@x>"]
    assert message["Reply-To"] == "مرکز پاسخ‌گویی <info+AbC123@example.org>"
    assert message["Content-Language"] == "fa"
    assert message["Auto-Submitted"] is None
    assert message["Date"]
    assert mail.text.splitlines() == ["سلام،", "چراغ تعمیر شد."]


def test_the_answer_to_our_answer_finds_its_way_home(tmp_path: Path) -> None:
    message = composed(reply(in_reply_to=""), tmp_path)
    assert message["Subject"] == "Re: چراغ خیابان [\u200e1234-5678-9012]", "where no mail is answered, the code helps"
    raw = f"From: ali@example.com\r\nTo: {message['Reply-To']}\r\nSubject: {message['Subject']}\r\nIn-Reply-To: {message['Message-ID']}\r\n\r\nx"
    boxes = Mailboxes(EmailConfig.model_validate({"mailboxes": MAILBOXES}))
    found = parse_mail(RawContact("email", "info", "x", raw.encode(), "message/rfc822"), boxes)
    assert isinstance(found, Inbound)
    assert found.thread.tokens == ("AbC123", "123456789012")
    assert found.thread.references == ("<out-1@example.org>",)


def test_an_automatic_answer_says_so(tmp_path: Path) -> None:
    message = composed(reply(automatic=True), tmp_path)
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["X-Auto-Response-Suppress"] == "All"


def test_english_answers_carry_the_english_name(tmp_path: Path) -> None:
    message = composed(reply(language="en", text="Repaired.", title="Re: lamp"), tmp_path)
    assert message["From"] == "Contact Centre <info@example.org>"
    assert message["Subject"] == "Re: lamp"
    html = message.get_body(("html",))
    assert html is not None
    assert 'dir="ltr"' in html.get_content()


def test_the_html_is_escaped_and_runs_from_right_to_left(tmp_path: Path) -> None:
    html = composed(reply(text="<script>alert(1)</script> & «سلام»"), tmp_path).get_body(("html",))
    assert html is not None
    words = html.get_content()
    assert 'dir="rtl"' in words
    assert "<script" not in words
    words = re.sub(r"</?span[^>]*>", "", words)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; «سلام»" in words


def test_files_come_from_the_blob_store(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path / "blobs")
    key, size = blobs.put(io.BytesIO(bytes(range(256)) * 500))
    files = (
        StoredFile(key, size, "نامهٔ شمارهٔ ۱۲ با نامی بسیار بسیار بسیار طولانی.pdf", "application/pdf"),
        StoredFile(key, size, "a.txt", "message/rfc822"),
    )
    with SmtpSink() as sink:
        channel(tmp_path, host="127.0.0.1", port=sink.port).send(reply(files=files))
        (mail,) = sink.wait_for_mail()
    found = list(mail.message.iter_attachments())
    assert [part.get_filename() for part in found] == [files[0].name, "a.txt"]
    assert [part.get_content_type() for part in found] == ["application/pdf", "application/octet-stream"]
    assert found[0].get_content() == bytes(range(256)) * 500
    assert max(map(len, mail.content.split(b"\r\n"))) <= 998


def test_a_file_that_is_gone_stops_the_answer(tmp_path: Path) -> None:
    with pytest.raises(ReplyInvalid):
        channel(tmp_path, folder=str(tmp_path / "out")).send(reply(files=(StoredFile("0" * 64, 1),)))


def test_a_laptop_writes_into_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for _ in range(2):  # the same reply again is the same file
        channel(tmp_path, folder=str(folder)).send(reply())
    (written,) = folder.iterdir()
    assert written.name == f"{IDENTITY}.eml"
    assert read(written.read_bytes())["Subject"] == "Re: چراغ خیابان"


def test_a_relative_folder_lies_in_the_data_folder(tmp_path: Path) -> None:
    mail = channel(tmp_path, folder="outgoing/mail")
    mail.send(reply())
    assert (tmp_path / "outgoing" / "mail" / f"{IDENTITY}.eml").exists()
    assert mail.check() == []


def test_a_folder_that_cannot_be_written_is_tried_again_later(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConnectionFailed):
        channel(tmp_path, folder=str(tmp_path / "file" / "out")).send(reply())


def test_sign_in_over_tls(tmp_path: Path) -> None:
    with SmtpSink(tls=True, login=("zrm", "right-password")) as sink:
        way = {
            "host": "localhost",
            "port": sink.port,
            "starttls": True,
            "trust": str(sink.certificate),
            "username": "zrm",
        }
        if not _resolves_to(sink.port):
            way["host"] = "127.0.0.1"
        channel(tmp_path, **way, password="right-password").send(reply())
        (mail,) = sink.wait_for_mail()
        assert (mail.tls, mail.user) == (True, "zrm")
        with pytest.raises(ConfigInvalid) as caught:
            channel(tmp_path, **way, password="wrong-password").send(reply())
        assert "wrong-password" not in str(caught.value)
        with pytest.raises(ConfigInvalid):  # a certificate nobody vouches for
            channel(tmp_path, **{**way, "trust": ""}, password="right-password").send(reply())
    assert channel(tmp_path, **way, password="right-password").redact() == ["right-password"]


def _resolves_to(port: int) -> bool:
    try:
        socket.create_connection(("localhost", port), timeout=2).close()
    except OSError:
        return False
    return True


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed):
        channel(tmp_path, host="127.0.0.1", port=free_port()).send(reply())


def test_no_way_out_is_configured(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid):
        channel(tmp_path).send(reply())


def test_a_mailbox_that_is_no_longer_ours(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid):
        channel(tmp_path, folder=str(tmp_path)).send(reply(account="gone"))


@pytest.mark.parametrize(
    ("line", "error", "code"),
    [
        ("550 5.1.1 no such user", RecipientUnreachable, "550 5.1.1"),
        ("550 unknown", RecipientUnreachable, "550"),
        ("550 5.0.0 user unknown", RecipientUnreachable, "550 5.0.0"),
        ("550 5.1.1 your IP address is on a block list", Rejected, "550 5.1.1"),
        ("550 blocked by spamhaus", Rejected, "550"),
        ("554 5.7.1 relay denied", Rejected, "554 5.7.1"),
        ("552 5.2.2 full", Rejected, "552 5.2.2"),
        ("450 4.2.0 greylisted", Throttled, "450 4.2.0"),
        ("421 4.3.2 closing", Throttled, "421 4.3.2"),
    ],
)
def test_a_refused_recipient(tmp_path: Path, line: str, error: type[SendError], code: str) -> None:
    with SmtpSink() as sink:
        sink.refuse("ali@example.com", line)
        with pytest.raises(error) as caught:
            channel(tmp_path, host="127.0.0.1", port=sink.port).send(reply())
    assert caught.value.code == code
    assert caught.value.reason.params == {"status": code, "words": line}


@pytest.mark.parametrize(
    ("line", "error"),
    [("554 5.6.0 content", Rejected), ("451 4.3.0 later", Throttled), ("550 5.1.1 odd", Rejected)],
)
def test_a_refused_message(tmp_path: Path, line: str, error: type[SendError]) -> None:
    with SmtpSink() as sink:
        sink.next(Answer(line))
        with pytest.raises(error):
            channel(tmp_path, host="127.0.0.1", port=sink.port).send(reply())


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("552 5.2.2 full", reasons.MAILBOX_FULL),
        ("452 4.2.2 The email account that you tried to reach is over quota", reasons.MAILBOX_FULL),
        ("552 Requested mail action aborted: mailbox full", reasons.MAILBOX_FULL),
        ("550 5.0.0 User over quota", reasons.MAILBOX_FULL),
        ("552 5.3.4 Message too big for the mailbox quota", reasons.REFUSED),
        ("452 4.3.1 Insufficient system storage", reasons.WAIT),
        ("550 5.4.5 Daily user sending quota exceeded", reasons.REFUSED),
        ("554 5.7.1 looks like spam", reasons.REFUSED),
        ("550 5.1.1 no such user", reasons.NO_SUCH_MAILBOX),
        ("530 5.7.0 sign in first", reasons.SIGN_IN_WANTED),
    ],
)
@pytest.mark.parametrize("at", ["recipient", "message"])
def test_a_refusal_is_told_in_the_servers_own_words(tmp_path: Path, line: str, says: Reason, at: str) -> None:
    with SmtpSink() as sink:
        if at == "recipient":
            sink.refuse("ali@example.com", line)
        else:
            sink.next(Answer(line))
            if says is reasons.NO_SUCH_MAILBOX:  # which mailbox, only the answer to RCPT tells
                says = reasons.REFUSED
        with pytest.raises(SendError) as caught:
            channel(tmp_path, host="127.0.0.1", port=sink.port).send(reply())
    reason = caught.value.reason
    assert (reason.code, reason.words) == (says.code, line)


@pytest.mark.parametrize("length", [10, 5_000])
def test_the_servers_words_are_bounded_and_name_nobody(tmp_path: Path, length: int) -> None:
    with SmtpSink() as sink:
        sink.refuse("ali@example.com", "554 5.7.1 <ali@example.com>: sara@example.org wrote \x00" + "x" * length)
        with pytest.raises(SendError) as caught:
            channel(tmp_path, host="127.0.0.1", port=sink.port).send(reply())
    words = caught.value.reason.words
    assert words.startswith("554 5.7.1 …: … wrote x")
    assert "@" not in words
    assert "\x00" not in words
    assert len(words) <= 300


@pytest.mark.parametrize("kept", [True, False])
def test_a_line_lost_after_the_message_leaves_the_outcome_unknown(tmp_path: Path, kept: bool) -> None:
    with SmtpSink() as sink:
        sink.next(Drop(kept=kept))
        with pytest.raises(OutcomeUnknown) as caught:
            channel(tmp_path, host="127.0.0.1", port=sink.port).send(reply())
    assert not caught.value.retryable


def scripted(script: Sequence[bytes]) -> tuple[int, Callable[[], None]]:
    """A server that says these lines, one per line heard, then closes. Returns its port and how to wait for it."""
    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with server:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as heard, contextlib.suppress(ConnectionError):
                for line in script:
                    connection.sendall(line)
                    if not heard.readline():
                        return

    thread = threading.Thread(target=run)
    thread.start()
    return int(server.getsockname()[1]), thread.join


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([b""], ConnectionFailed),
        ([b"220 hi\r\n"], ConnectionFailed),
        ([b"554 5.7.1 go away\r\n"], Rejected),
        ([b"421 busy\r\n"], Throttled),
        ([b"\xff\xff\xff\r\n"], ConnectionFailed),
        ([b"220 hi\r\n", b"250 hi\r\n"], ConnectionFailed),
        ([b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n"], ConnectionFailed),
        ([b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n"], ConnectionFailed),
        ([b"220 hi\r\n", b"250 hi\r\n", b"530 5.7.0 sign in\r\n"], ConfigInvalid),
        ([b"220 " + b"x" * 20_000], ConnectionFailed),
    ],
)
def test_a_line_lost_before_the_message_may_be_tried_again(
    tmp_path: Path, script: list[bytes], error: type[SendError]
) -> None:
    port, wait = scripted(script)
    with pytest.raises(error):
        channel(tmp_path, host="127.0.0.1", port=port, timeout=5).send(reply())
    wait()


def test_letters_that_need_smtputf8(tmp_path: Path) -> None:
    with SmtpSink() as sink:
        channel(tmp_path, host="127.0.0.1", port=sink.port).send(reply(to="علی@example.com"))
        (mail,) = sink.wait_for_mail()
        assert mail.recipients == ("علی@example.com",)
    port, wait = scripted([b"220 hi\r\n", b"250 no extensions\r\n", b"221 bye\r\n"])
    with pytest.raises(ReplyInvalid):
        channel(tmp_path, host="127.0.0.1", port=port, timeout=5).send(reply(to="علی@example.com"))
    wait()


def test_a_domain_in_other_letters_is_written_in_ascii(tmp_path: Path) -> None:
    domain = "شهرداری.ایران"
    assert composed(reply(to=f"ali@{domain}"), tmp_path)["To"] == f"ali@{domain.encode('idna').decode()}"


@pytest.mark.parametrize("to", ["", "nobody", "a@b\r\nBcc: c@d", "a b@c.d", "<a@b.c>", "a@b.c, d@e.f", "@", "a@\ud800"])
def test_an_address_that_is_none(tmp_path: Path, to: str) -> None:
    with pytest.raises(ReplyInvalid):
        composed(reply(to=to), tmp_path)


def test_a_long_thread_keeps_its_root_and_its_end(tmp_path: Path) -> None:
    chain = tuple(f"<{number}@x>" for number in range(500))
    found = composed(reply(references=chain, in_reply_to="<last@x>"), tmp_path)["References"].split()
    assert len(found) == 20
    assert (found[0], found[-2], found[-1]) == ("<0@x>", "<499@x>", "<last@x>")


HOSTILE = st.text(st.one_of(st.sampled_from("\r\n:\x00 <>@=?\u2028\u202e"), st.characters(codec=None)), max_size=80)
ALLOWED = {
    "from", "to", "subject", "date", "message-id", "in-reply-to", "references", "reply-to", "content-language", "mime-version", "content-type",
}  # fmt: skip


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, st.lists(HOSTILE, max_size=3), HOSTILE, HOSTILE)
@example("", "", "\ud800", "", [], "", "")
def test_no_header_can_be_slipped_in(
    title: str, code: str, language: str, answered: str, references: list[str], name: str, text: str
) -> None:
    answer = reply(
        title=title, code=code, language=language, in_reply_to=answered, references=tuple(references), text=text
    )
    found = composed(answer, Path("unused"), [MimeAttachment(name, name, b"x")])
    assert {key.lower() for key in found} <= ALLOWED
    assert len(found.keys()) == len(set(found.keys()))
    parts = list(found.iter_attachments())
    assert len(parts) == 1
    assert {key.lower() for key in parts[0]} == {"content-type", "content-transfer-encoding", "content-disposition"}
