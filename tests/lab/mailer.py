"""A citizen's mail program: builds messages, also malformed ones, and sends them by real SMTP."""

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

from tests.lab.process import LOOPBACK


@dataclass(frozen=True)
class Attachment:
    """An attachment: its name as the citizen sees it, its type, its bytes."""

    name: str
    media_type: str
    content: bytes


def compose(
    *,
    subject: str,
    text: str,
    sender: str = "شهروند <citizen@example.org>",
    to: str = "hub@example.org",
    html: str | None = None,
    attachments: Sequence[Attachment] = (),
    in_reply_to: str | None = None,
    message_id: str | None = None,
) -> EmailMessage:
    """A well-formed message with a date and a unique id."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = message_id or make_msgid(domain="example.org")
    if in_reply_to is not None:
        message["In-Reply-To"] = in_reply_to
        message["References"] = in_reply_to
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    for attachment in attachments:
        kind, _, subtype = attachment.media_type.partition("/")
        message.add_attachment(attachment.content, maintype=kind, subtype=subtype, filename=attachment.name)
    return message


def send(
    port: int,
    message: EmailMessage | bytes,
    *,
    sender: str = "citizen@example.org",
    recipients: Sequence[str] = ("hub@example.org",),
    trust: Path | None = None,
    smtputf8: bool = False,
) -> dict[str, tuple[int, bytes]]:
    """Send over SMTP to a server on loopback; bytes are sent unchanged, however malformed.

    `trust` is a certificate file and turns STARTTLS on. Returns the refused recipients with the server's words; raises
    smtplib's exceptions when all are refused or the message is.
    """
    content = message if isinstance(message, bytes) else message.as_bytes(policy=message.policy.clone(linesep="\r\n"))
    with smtplib.SMTP(LOOPBACK, port, local_hostname="citizen.example.org", timeout=60) as client:
        if trust is not None:
            client.starttls(context=ssl.create_default_context(cafile=str(trust)))
            client.ehlo()
        options = ["SMTPUTF8", "BODY=8BITMIME"] if smtputf8 else []
        return dict(client.sendmail(sender, list(recipients), content, mail_options=options))
