"""Sends an answer to the mail server, step by step, so that each failure says exactly what happened.

The boundary is the last byte of the message. Before it the server cannot have taken the mail: we may try again. After
it only the server's answer tells; without one the outcome is unknown and a person decides.
"""

from __future__ import annotations

import contextlib
import os
import smtplib
import ssl
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

from zrm.channels.channel import Installation
from zrm.channels.email import reasons
from zrm.channels.email.compose import Letter, MimeAttachment, compose
from zrm.channels.email.config import EmailConfig, Mailbox, Submit
from zrm.channels.email.dkim_seal import KeyUnusable, seal
from zrm.channels.email.domain_rate_limit import DomainRateLimit
from zrm.channels.email.mailboxes import Mailboxes
from zrm.channels.email.pool import Pool
from zrm.channels.email.refusals import blames_address, excuses_address, says_full, told
from zrm.contract.errors import (
    ConfigInvalid,
    ConnectionFailed,
    OutcomeUnknown,
    RecipientUnreachable,
    Rejected,
    ReplyInvalid,
    Throttled,
)
from zrm.contract.outbound import Reply, Sent
from zrm.contract.reasons import Reason
from zrm.errors import NotFound
from zrm.kit.blobs import BlobStore
from zrm.kit.clock import now
from zrm.kit.mail_addresses import comparable, without_detail

_WAIT_BUSY = 60.0  # seconds before the next try after a temporary refusal
_WAIT_GREY = 300.0  # after a greylisting server's refusal


class MailSender:
    """Outgoing mail of one process: composes, signs, and sends over kept connections."""

    def __init__(self, config: EmailConfig, installation: Installation) -> None:
        self._config = config
        self._installation = installation
        self._own = Mailboxes(config).own_addresses
        self._pace = DomainRateLimit(config.submit.pace if config.submit is not None else {})
        submit = config.submit
        self._pool = Pool(partial(_open, submit, config.hostname)) if submit is not None else None

    def send(self, reply: Reply) -> Sent:
        """Send one reply. Errors: SendError and nothing else."""
        config, installation, submit = self._config, self._installation, self._config.submit
        if submit is None or self._pool is None:
            raise ConfigInvalid(reasons.NO_WAY_OUT)
        box = config.mailboxes.get(reply.account)
        if box is None:
            raise ConfigInvalid(reasons.NO_MAILBOX)
        if without_detail(comparable(reply.to)) in self._own:
            raise ReplyInvalid(reasons.OWN_ADDRESS)
        self._pace.admit(reply.id, reply.to, time.monotonic())
        letter = self._signed(compose(reply, box, installation, _attachments(reply, installation), now()), box)
        if submit.folder:
            _write(Path(installation.data_dir) / submit.folder, f"{reply.id}.eml", letter)
        else:
            _submit(letter, submit, self._pool)
        # Only the next server has it: a bounce may still come.
        return Sent(provider_ref=letter.message_id, final=False)

    def _signed(self, letter: Letter, box: Mailbox) -> Letter:
        domain = box.address.rpartition("@")[2].lower()
        key = next((key for name, key in self._config.dkim.items() if name.lower() == domain), None)
        if key is None:
            return letter
        try:
            return replace(letter, content=seal(letter.content, domain, key))
        except KeyUnusable as error:
            raise ConfigInvalid(reasons.DKIM_KEY) from error


def _attachments(reply: Reply, installation: Installation) -> list[MimeAttachment]:
    blobs = BlobStore(Path(installation.data_dir) / "blobs")
    try:
        return [
            MimeAttachment(file.name, file.media_type, blobs.get(file.key), inline=file.role == "inline")
            for file in reply.files
        ]
    except NotFound:
        raise ReplyInvalid(reasons.FILE_GONE) from None
    except OSError as error:
        raise ConnectionFailed(reasons.FILE_AWAY) from error


def _write(folder: Path, name: str, letter: Letter) -> None:
    """The mail as a file that survives a power cut; the same reply again gives the same file."""
    temporary = folder / f".{name}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(letter.content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / name)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConnectionFailed(reasons.FOLDER) from error


def _submit(letter: Letter, submit: Submit, pool: Pool) -> None:
    fresh = False
    while True:
        try:
            with pool.connection(fresh=fresh) as kept:
                fresh = kept.used == 0
                _transact(kept.server, letter, submit.reports)
            return
        except ConnectionFailed:
            if fresh:
                raise
            fresh = True  # a kept connection broke; the message has not left yet


def _open(submit: Submit, hostname: str) -> smtplib.SMTP:
    """A connection that has greeted, encrypted and signed in. Errors: SendError."""
    try:
        server = smtplib.SMTP(submit.host, submit.port, local_hostname=hostname, timeout=submit.timeout)
    except smtplib.SMTPConnectError as error:
        _refuse(error.smtp_code, error.smtp_error)
    except (OSError, smtplib.SMTPException) as error:
        raise ConnectionFailed(reasons.NOT_REACHED) from error
    try:
        _prepare(server, submit)
    except BaseException:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            server.quit()
        server.close()
        raise
    return server


def _prepare(server: smtplib.SMTP, submit: Submit) -> None:
    """Greet, encrypt, sign in."""
    try:
        server.ehlo_or_helo_if_needed()
        if submit.starttls:
            server.starttls(context=ssl.create_default_context(cafile=submit.trust or None))
            server.ehlo()
        if submit.username:
            server.login(submit.username, submit.password)
    except smtplib.SMTPAuthenticationError as error:
        words = told(error.smtp_code, _text(error.smtp_error))
        raise ConfigInvalid(reasons.PASSWORD_WRONG(words=words), code=str(error.smtp_code)) from None
    except smtplib.SMTPNotSupportedError:
        raise ConfigInvalid(reasons.NO_ENCRYPTION) from None
    except FileNotFoundError:
        raise ConfigInvalid(reasons.NO_AUTHORITY) from None
    except ssl.SSLCertVerificationError:
        raise ConfigInvalid(reasons.CERTIFICATE_WRONG) from None
    except smtplib.SMTPResponseException as error:
        _refuse(error.smtp_code, error.smtp_error)
    except (OSError, ValueError, smtplib.SMTPException) as error:
        raise ConnectionFailed(reasons.BROKEN_OFF) from error


def _transact(server: smtplib.SMTP, letter: Letter, wanted_reports: str) -> None:
    """MAIL, RCPT, DATA; returns once the server has taken the message. `wanted_reports` by RFC 3461, if it offers
    them.
    """
    try:
        options = [f"SIZE={len(letter.content)}"] if server.has_extn("size") else []
        if letter.international:
            if not server.has_extn("smtputf8"):
                raise ReplyInvalid(reasons.LETTERS)
            options.append("SMTPUTF8")
        reports = server.has_extn("dsn")
        if reports:
            options += ["RET=HDRS", f"ENVID={letter.envelope_id}"]
        server.command_encoding = "utf-8" if letter.international else "ascii"
        code, answer = server.mail(letter.sender, options)
        if code != 250:
            _refuse(code, answer)
        code, answer = server.rcpt(letter.recipient, [f"NOTIFY={wanted_reports}"] if reports else [])
        if code not in (250, 251):
            _refuse(code, answer, recipient=True)
        code, answer = server.docmd("DATA")
        if code != 354:
            _refuse(code, answer)
        lines = letter.content.replace(b"\r\n.", b"\r\n..")
        server.send(lines + (b"" if lines.endswith(b"\r\n") else b"\r\n") + b".\r\n")
    except (OSError, ValueError, smtplib.SMTPException) as error:
        raise ConnectionFailed(reasons.BROKEN_OFF) from error
    try:
        code, answer = server.getreply()
    except (OSError, smtplib.SMTPException) as error:
        raise OutcomeUnknown(reasons.UNKNOWN) from error
    if code != 250:
        _refuse(code, answer)


def _refuse(code: int, answer: bytes | str, *, recipient: bool = False) -> NoReturn:
    """The server's refusal as one of our errors, with its own words, which may tell an agent more than the code."""
    text = _text(answer)
    enhanced = next((word for word in text.split()[:1] if word[:2] in ("4.", "5.") and word.count(".") == 2), "")
    shown = f"{code} {enhanced}".strip()

    def says(reason: Reason) -> Reason:
        return reason(status=shown, words=told(code, text))

    full = says_full(enhanced, text)
    if 400 <= code < 500:
        wait = _WAIT_BUSY if code == 421 else _WAIT_GREY
        raise Throttled(says(reasons.MAILBOX_FULL if full else reasons.WAIT), code=shown, retry_after=wait)
    if code < 400:
        raise ConnectionFailed(says(reasons.NONSENSE), code=shown)
    bare = not enhanced and code in (550, 551, 553) and not excuses_address(text)
    if recipient and (bare or blames_address(enhanced, f"{code} {text}")):
        raise RecipientUnreachable(says(reasons.NO_SUCH_MAILBOX), code=shown)
    if code in (530, 535, 538):
        raise ConfigInvalid(says(reasons.SIGN_IN_WANTED), code=shown)
    raise Rejected(says(reasons.MAILBOX_FULL if full else reasons.REFUSED), code=shown)


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
