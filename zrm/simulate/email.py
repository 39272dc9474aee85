"""Mail servers: one connection for each message, as most deliver; STARTTLS where offered; after 4xx they try again."""

from __future__ import annotations

import contextlib
import random
import smtplib
import ssl
import threading
import time
from collections import deque
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import ClassVar, Final

from zrm.kit.clock import now
from zrm.languages import LANGUAGES
from zrm.simulate.corpus import LETTER_NAMES, Citizen, follow_up
from zrm.simulate.files import picture, statement
from zrm.simulate.scenario import Acknowledged, Left, Refused, TryAgain

_TIMEOUT: Final = 30.0
_GREETING: Final = "mx.example.org"
_OLDER: Final = 20  # a reply answers a mail at least this many scenarios back, which is certainly filed by then


@dataclass(frozen=True, slots=True)
class _Earlier:
    sender: Citizen
    message_id: str
    subject: str


class EmailDoor:
    """Mail to one mailbox. `replies`, `files` and `encrypted` are the shares of such mails; `reuse` keeps connections."""

    kind: ClassVar[str] = "email"

    def __init__(
        self,
        host: str,
        port: int,
        mailbox: str,
        run: str,
        *,
        replies: float = 0.1,
        files: float = 0.2,
        encrypted: float = 0.2,
        reuse: bool = False,
    ) -> None:
        self.host, self.port, self.mailbox = host, port, mailbox
        self.reuse = reuse
        self._run = run
        self._replies, self._files, self._encrypted = replies, files, encrypted
        self._sent: deque[_Earlier] = deque(maxlen=4 * _OLDER)
        self._kept = threading.local()
        self._all: list[smtplib.SMTP] = []
        self._lock = threading.Lock()
        self.tls = ssl.create_default_context()
        # Opportunistic, as between mail servers: the hub's self-signed certificate is better than none.
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE
        self._count = 0

    def scenario(self, citizen: Citizen, chance: random.Random) -> Mail:
        """A new mail, or now and then a reply to an earlier one."""
        self._count += 1
        message = EmailMessage(policy=policy.SMTP)
        earlier = self._sent.popleft() if len(self._sent) > _OLDER and chance.random() < self._replies else None
        sender = earlier.sender if earlier else citizen
        local, domain = sender.email.split("@")
        message["From"] = Address(sender.name, local, domain)
        message["To"] = self.mailbox
        message["Date"] = format_datetime(now())
        message["Message-ID"] = message_id = f"<{self._run}.{self._count}.{chance.getrandbits(48):x}@{domain}>"
        message["Subject"] = subject = f"Re: {earlier.subject}" if earlier else citizen.title
        if earlier:
            message["In-Reply-To"] = message["References"] = earlier.message_id
        text = follow_up(chance, sender.language) if earlier else f"{citizen.text}\n\n{citizen.name}"
        message.set_content(text + "\n")
        if chance.random() < 0.4:
            direction = LANGUAGES[sender.language].direction
            paragraphs = "".join(f"<p>{line}</p>" for line in text.splitlines() if line)
            message.add_alternative(f'<html><body dir="{direction}">{paragraphs}</body></html>', subtype="html")
        if chance.random() < self._files:
            message.add_attachment(picture(chance), maintype="image", subtype="jpeg", filename="IMG_2041.jpg")
        if chance.random() < self._files / 2:
            name = LETTER_NAMES[sender.language]
            message.add_attachment(statement(text, chance), maintype="text", subtype="plain", filename=name)
        if not earlier:
            self._sent.append(_Earlier(citizen, message_id, subject))
        return Mail(self, sender.email, message.as_bytes(), encrypted=chance.random() < self._encrypted)

    def connection(self, *, encrypted: bool) -> smtplib.SMTP:
        """A greeted connection: this thread's kept one, or a new one. Errors: OSError, smtplib.SMTPException."""
        kept: smtplib.SMTP | None = getattr(self._kept, "connection", None)
        if kept is not None:
            return kept
        connection = smtplib.SMTP(self.host, self.port, local_hostname=_GREETING, timeout=_TIMEOUT)
        try:
            connection.ehlo()
            if encrypted and connection.has_extn("starttls"):
                connection.starttls(context=self.tls)
                connection.ehlo()
        except BaseException:
            connection.close()
            raise
        if self.reuse:
            self._kept.connection = connection
            with self._lock:
                self._all.append(connection)
        return connection

    def done(self, connection: smtplib.SMTP, *, broken: bool) -> None:
        """After a delivery: keep the connection for the next, or close it."""
        if self.reuse and not broken:
            return
        self._kept.connection = None
        if not broken:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                connection.quit()
        connection.close()

    def close(self) -> None:
        """Send QUIT on the kept connections."""
        for connection in self._all:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                connection.quit()
            connection.close()
        self._all.clear()


class Mail:
    """One message in a mail server's queue."""

    def __init__(self, door: EmailDoor, sender: str, content: bytes, *, encrypted: bool) -> None:
        self._door = door
        self._sender = sender
        self.content = content
        self._encrypted = encrypted

    def go(self) -> Acknowledged:
        """Deliver once. Errors: TryAgain for 4xx and broken connections, Refused for 5xx."""
        began = time.monotonic()
        try:
            connection = self._door.connection(encrypted=self._encrypted)
        except (OSError, smtplib.SMTPException) as error:
            raise TryAgain(type(error).__name__) from None
        broken = True
        try:
            _expect(connection.mail(self._sender, [f"SIZE={len(self.content)}"]))
            _expect(connection.rcpt(self._door.mailbox))
            words = _expect(connection.data(self.content))
            broken = False
        except smtplib.SMTPDataError as error:
            _judge(error.smtp_code, error.smtp_error)
            raise TryAgain("invalid answer") from None
        except (OSError, smtplib.SMTPException) as error:
            raise TryAgain(type(error).__name__) from None
        finally:
            self._door.done(connection, broken=broken)
        code = words.rpartition(" ")[2].replace("-", "")
        if not code.isdecimal():
            raise Left(f"250 without a code: {words}")
        return Acknowledged(code, time.monotonic() - began)


def _expect(answer: tuple[int, bytes]) -> str:
    """The text of a positive answer. Errors: TryAgain, Refused."""
    code, words = answer
    if code >= 300:
        _judge(code, words)
    return words.decode("utf-8", "replace")


def _judge(code: int, words: bytes | str) -> None:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    if 400 <= code < 500:
        raise TryAgain(f"{code} {text}")
    raise Refused(f"{code} {text}")
