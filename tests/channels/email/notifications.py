"""What mail servers write about mail of ours: DSNs as several servers build them, and the older ones in free text."""

from __future__ import annotations

from typing import Final

OURS: Final = "<0193-answer@zrm.test>"
"""The Message-ID every notification here is about."""


def dsn(
    action: str = "failed", status: str = "5.1.1", diagnostic: str = "smtp; 550 5.1.1 <gone@example.com>: no such user", *,
    original: str = f"Message-ID: {OURS}\nSubject: Re: lamp\n", envelope_id: str = "", returned: str = "text/rfc822-headers",
    to: str = "info@example.org",
) -> str:  # fmt: skip
    """RFC 3464, as Postfix writes it."""
    lines = f"""\
From: Mail Delivery System <MAILER-DAEMON@mx.example.com>
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="r1"

--r1
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.com.
--r1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com
{f"Original-Envelope-Id: {envelope_id}" if envelope_id else "X-Postfix-Queue-ID: 4C"}

Final-Recipient: rfc822; gone@example.com
Action: {action}
Status: {status}
Diagnostic-Code: {diagnostic}

--r1
Content-Type: {returned}

{original}
--r1--
"""
    return lines.replace("\n", "\r\n")


def free_text(subject: str, body: str, sender: str = "MAILER-DAEMON@mx.example.com", *lines: str) -> str:
    """A notification without a machine-readable part; `body` gets our Message-ID appended as returned header."""
    head = "\n".join((f"From: {sender}", "To: info@example.org", f"Subject: {subject}", *lines))
    returned = f"\n--- Below this line is a copy of the message.\n\nReturn-Path: <info@example.org>\nMessage-ID: {OURS}\nSubject: Re: lamp\n"
    return f"{head}\n\n{body}{returned}".replace("\n", "\r\n")


FREE_TEXT: Final = {
    "qmail": free_text(
        "failure notice",
        "Hi. This is the qmail-send program at mx.example.com.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n"
        "This is a permanent error; I've given up. Sorry it didn't work out.\n\n<gone@example.com>:\nSorry, no mailbox here by that name. (#5.1.1)\n",
    ),
    "exim": free_text(
        "Mail delivery failed: returning message to sender",
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\n"
        "recipients. This is a permanent error. The following address(es) failed:\n\n  gone@example.com\n    Unrouteable address\n",
        "Mail Delivery System <Mailer-Daemon@mx.example.com>",
        "X-Failed-Recipients: gone@example.com",
    ),
    "sendmail": free_text(
        "Returned mail: see transcript for details",
        "   ----- The following addresses had permanent fatal errors -----\n<gone@example.com>\n    (reason: 550 5.1.1 User unknown)\n",
    ),
    "exchange": free_text("Undeliverable: Re: lamp", "Your message couldn't be delivered to the recipient. Remote server returned '550 5.1.10 not found'\n", "postmaster@example.com"),
    "webmail": free_text("Delivery Status Notification (Failure)", "The address couldn't be found, or is unable to receive mail. 550 5.1.1 does not exist\n"),
    "Persian": free_text("نامه تحویل نشد", "پیام شما تحویل داده نشد: این نشانی وجود ندارد.\n550 5.1.1\n", "postmaster@post.example.com"),
    "Arabic": free_text("تعذر التسليم", "لم يتم تسليم رسالتك. 550 5.1.1 user unknown\n", "postmaster@post.example.com"),
    "German": free_text("Unzustellbar: Re: lamp", "Ihre Nachricht konnte nicht zugestellt werden. #5.1.1 user unknown\n", "postmaster@example.com"),
}  # fmt: skip
