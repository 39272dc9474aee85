"""What makes two deliveries the same mail.

Not the Message-ID: senders repeat it, leave it out and forge it. The content is the identity, without the trace fields
that each hop adds on top (and writes anew when it delivers again), together with the mailbox.

Hops may also rewrite line ends: CR LF, LF and CR count as the same. Nothing else is left out, and a mail that has only
trace fields is its own identity as a whole: two mails that differ in a word are never one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Final

_TRACE: Final = frozenset(
    {
        b"received", b"return-path", b"delivered-to", b"x-original-to", b"envelope-to", b"x-received", b"received-spf",
        b"authentication-results", b"arc-seal", b"arc-message-signature", b"arc-authentication-results",
        b"x-spam-checker-version", b"x-spam-level", b"x-spam-status", b"x-spam-score", b"x-virus-scanned",
        b"x-envelope-from", b"x-envelope-to", b"delivery-date", b"x-greylist",
    }
)  # fmt: skip
_FIELD: Final = re.compile(rb"([!-9;-~]{1,80})[ \t]{0,80}:")
_BLANK: Final = re.compile(rb"[ \t\r\n]*")
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_PIECE: Final = 1_048_576


def external_id(account: str, content: bytes, whole_size: int | None = None) -> str:
    """64 hex digits: the same for every delivery of one mail to one mailbox, different for different mails.

    `whole_size` in bytes, where `content` is only the beginning of a mail.
    """
    start = _after_trace(content)
    digest = hashlib.sha256(account.encode() + b"\x00")
    for piece in _in_crlf(content, start if start < len(content) else 0):
        digest.update(piece)
    if whole_size is not None:
        digest.update(b"\x00%d" % whole_size)
    return digest.hexdigest()


def _after_trace(content: bytes) -> int:
    """Offset of the first line after the hops' trace fields; never beyond the empty line that ends the header."""
    blank = _BLANK.match(content)
    start = at = blank.end() if blank is not None else 0
    while (field := _FIELD.match(content, at)) is not None and field[1].lower() in _TRACE:
        at = _line_end(content, field.end())
        while content[at : at + 1] in (b" ", b"\t") and (end := _line_end(content, at)) and content[at:end].strip():
            at = end  # the field goes on in the next line
    return at if at > start else 0


def _line_end(content: bytes, at: int) -> int:
    found = _LINE_END.search(content, at)
    return found.end() if found is not None else len(content)


def _in_crlf(content: bytes, start: int) -> Iterator[bytes | memoryview]:
    """The content from there on with every line ending in CR LF, in pieces."""
    view = memoryview(content)
    if _is_crlf(content, start):
        yield view[start:]
        return
    while start < len(content):
        end = min(start + _PIECE, len(content))
        if content[end - 1 : end + 1] == b"\r\n":
            end += 1
        piece = content[start:end].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield piece.replace(b"\n", b"\r\n")
        start = end


def _is_crlf(content: bytes, start: int) -> bool:
    return content.count(b"\r\n", start) == content.count(b"\r", start) == content.count(b"\n", start)
