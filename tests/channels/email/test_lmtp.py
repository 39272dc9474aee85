"""The LMTP door: an answer for each recipient, by itself and behind a real Postfix.

aiosmtpd's own LMTP answers once for all recipients, after which the peer waits for ever.
"""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.channels.email.desk import MAILBOXES, ListDesk, free_port, installation
from tests.lab.postfix import Postfix
from tests.lab.process import LOOPBACK, wait_until
from tests.lab.smtp_sink import SmtpSink
from zrm.channels.email.channel import EmailChannel
from zrm.channels.email.config import EmailConfig
from zrm.channels.email.mailboxes import Mailboxes
from zrm.channels.email.parse import parse_mail
from zrm.contract.inbound import RawContact, Receipt, Report
from zrm.contract.outbound import Reply
from zrm.errors import StoreFull
from zrm.kit.ids import new_id

MAIL = b"From: ali@example.com\r\nTo: info@example.org\r\nSubject: lamp\r\n\r\nThe lamp is broken.\r\n"


class PartlyFull(ListDesk):
    """Has no room for the accounts in `full`; counts who asks."""

    def __init__(self) -> None:
        super().__init__()
        self.full: set[str] = set()
        self.asked: list[str] = []

    def submit(self, contact: RawContact) -> Future[Receipt]:
        self.asked.append(contact.account)
        if contact.account in self.full:
            refused: Future[Receipt] = Future()
            refused.set_exception(StoreFull("no room"))
            return refused
        return super().submit(contact)


@contextmanager
def lmtp_door(folder: Path, desk: ListDesk, port: int | None = None, **settings: object) -> Iterator[int]:
    """The channel with its LMTP door alone; yields the port."""
    port = port or free_port()
    config = EmailConfig.model_validate({"door": False, "lmtp_port": port, "mailboxes": MAILBOXES, **settings})
    stop = threading.Event()
    thread = threading.Thread(target=EmailChannel(config, installation(folder)).listen, args=(desk, stop))
    thread.start()
    try:
        wait_until(lambda: _open(port), "the LMTP door")
        yield port
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def _open(port: int) -> bool:
    try:
        smtplib.LMTP(LOOPBACK, port, timeout=2).close()
    except (OSError, smtplib.SMTPException):
        return False
    return True


def transact(port: int, recipients: list[str], content: bytes = MAIL) -> list[bytes]:
    """MAIL, RCPT, DATA; the answers after the message, one for each accepted recipient."""
    with smtplib.LMTP(LOOPBACK, port, timeout=20) as client:
        client.ehlo_or_helo_if_needed()
        client.mail("ali@example.com")
        accepted = sum(client.rcpt(recipient)[0] == 250 for recipient in recipients)
        assert client.docmd("DATA")[0] == 354
        client.send(content + b".\r\n")
        return [b"%d %s" % client.getreply() for _ in range(accepted)]


def test_each_recipient_hears_its_own_answer(tmp_path: Path) -> None:
    desk = PartlyFull()
    desk.full = {"water"}
    with lmtp_door(tmp_path, desk) as port:
        answers = transact(port, ["info@example.org", "nobody@example.org", "water@example.org", "contact@example.org"])
    assert [answer[:3] for answer in answers] == [b"250", b"452", b"250"]
    assert answers[0] == answers[2], "two addresses of one mailbox are one contact"
    assert [contact.account for contact in desk.contacts] == ["info"]


def test_a_message_over_the_limit_is_refused_for_each(tmp_path: Path) -> None:
    with lmtp_door(tmp_path, ListDesk(), max_size=65_536) as port:
        answers = transact(
            port, ["info@example.org", "water@example.org"], MAIL + b"x" * 70 + b"\r\n" + b"y\r\n" * 40_000
        )
    assert [answer[:3] for answer in answers] == [b"552", b"552"]


def test_it_speaks_lmtp_only(tmp_path: Path) -> None:
    with lmtp_door(tmp_path, ListDesk()) as port, smtplib.SMTP(LOOPBACK, port, timeout=20) as client:
        assert client.docmd("EHLO", "x")[0] == 500
        assert client.docmd("LHLO")[0] == 501
        assert client.docmd("LHLO", "x")[0] == 250


@pytest.mark.peer("postfix")
def test_postfix_comes_again_only_with_whom_we_could_not_take(tmp_path: Path) -> None:
    desk = PartlyFull()
    desk.full = {"water"}
    with lmtp_door(tmp_path, desk) as port, Postfix(port) as relay:
        with smtplib.SMTP(LOOPBACK, relay.smtp, timeout=20) as client:
            client.sendmail("ali@example.com", ["info@example.org", "water@example.org"], MAIL)
        wait_until(lambda: "water" in desk.asked and len(desk.contacts) == 1, "the first delivery")
        desk.full.clear()
        wait_until(lambda: len(desk.contacts) == 2, "the second delivery", seconds=60)
        wait_until(lambda: relay.waiting() == 0, "an empty queue")
    assert desk.asked.count("info") == 1, "who was answered 250 is not asked again"


@pytest.mark.peer("postfix")
def test_postfix_keeps_the_mail_while_we_are_away(tmp_path: Path) -> None:
    desk, port = ListDesk(), free_port()
    with Postfix(port) as relay:
        with smtplib.SMTP(LOOPBACK, relay.smtp, timeout=20) as client:
            for number in range(20):
                client.sendmail("ali@example.com", ["info@example.org"], MAIL + b"%d\r\n" % number)
        with lmtp_door(tmp_path, desk, port):
            wait_until(lambda: len(desk.contacts) == 20, "all twenty", seconds=60)


@pytest.mark.peer("postfix")
def test_an_answer_that_bounces_comes_home_by_its_return_address(tmp_path: Path) -> None:
    """Out by Postfix, refused by the next server, and its real DSN comes back through the LMTP door."""
    desk = ListDesk()
    with SmtpSink() as sink, lmtp_door(tmp_path, desk) as port, Postfix(port, sink.port) as relay:
        sink.refuse("gone@example.com", "550 5.1.1 no such user")
        submit = {"host": LOOPBACK, "port": relay.smtp}
        config = EmailConfig.model_validate({"mailboxes": MAILBOXES, "submit": submit})
        delivery = new_id()
        reply = Reply(delivery, "info", "gone@example.com", "سلام", "fa", message_id="<a1@example.org>")
        assert not EmailChannel(config, installation(tmp_path)).send(reply).final
        wait_until(lambda: len(desk.contacts) == 1, "the bounce")
    found = parse_mail(desk.contacts[0], Mailboxes(config))
    assert isinstance(found, Report)
    assert (found.reply_id, found.state, found.unreachable) == (delivery, "failed", True)
