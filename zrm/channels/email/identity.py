"""What makes two deliveries the same mail.

Not the Message-ID: senders repeat it, leave it out and forge it. The content itself is the identity, without the
trace fields that each hop puts on top (and puts anew when it delivers again), together with the mailbox.
"""

from __future__ import annotations

import hashlib
from typing import Final

_TRACE: Final = frozenset(
    {
        b"received", b"return-path", b"delivered-to", b"x-original-to", b"envelope-to", b"x-received", b"received-spf",
        b"authentication-results", b"arc-seal", b"arc-message-signature", b"arc-authentication-results",
        b"x-spam-checker-version", b"x-spam-level", b"x-spam-status", b"x-spam-score", b"x-virus-scanned",
        b"x-envelope-from", b"x-envelope-to", b"delivery-date", b"x-greylist",
    }
)  # fmt: skip


def external_id(account: str, content: bytes) -> str:
    """64 hex digits: the same for every delivery of one mail to one mailbox, different for different mails."""
    digest = hashlib.sha256(account.encode() + b"\x00")
    digest.update(memoryview(content)[_after_trace(content) :])
    return digest.hexdigest()


def _after_trace(content: bytes) -> int:
    """Offset of the first header field that is not a hop's trace."""
    at, size = 0, len(content)
    while at < size:
        colon = content.find(b":", at, at + 80)
        if colon < 0 or content[at:colon].strip().lower() not in _TRACE:
            return at
        end = content.find(b"\n", colon)
        while 0 <= end < size - 1 and content[end + 1] in b" \t":  # the field goes on in the next line
            end = content.find(b"\n", end + 1)
        if end < 0:
            return size
        at = end + 1
    return size
