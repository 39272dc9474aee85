"""An answer written as a mail: plain text, the same as right-to-left-safe HTML, and the files.

Pure and repeatable: the same reply at the same date gives the same bytes. Every header value passes one function that
leaves no control character in it, so nothing that a citizen or agent wrote can become a header of its own.
"""

from __future__ import annotations

import binascii
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from typing import Final
from urllib.parse import quote

from zrm.channels.channel import Installation
from zrm.channels.email import reasons
from zrm.channels.email.config import Mailbox
from zrm.channels.email.direction import html_lines
from zrm.channels.email.headers import is_address
from zrm.channels.email.mailboxes import return_address
from zrm.contract.errors import ReplyInvalid
from zrm.contract.outbound import Reply
from zrm.kit.direction import isolate_numbers, runs_right_to_left
from zrm.kit.mail_addresses import server_domain
from zrm.kit.text import clean, clean_line
from zrm.ui.i18n import format_code

_MOST_REFERENCES: Final = 20
_WIDTH: Final = 76
_LEFT_TO_RIGHT: Final = "\u200e"
_JOINER_AND_MARKS: Final = f"\u200c{_LEFT_TO_RIGHT}"  # not printable, and Persian needs them
_ATOM: Final = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]+")
_TOKEN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REPLY_PREFIX: Final = re.compile(r"\s*(?:re|aw|sv|fwd?|پاسخ|رد)\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MimeAttachment:
    """A file of the answer, read from the blob store; `inline`: a picture to be shown in the text."""

    name: str
    media_type: str
    data: bytes
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """A composed mail and its envelope: `sender` is the return address of this one delivery.

    `envelope_id` is ours, for the server's reports; `international`: the recipient's local part needs SMTPUTF8.
    """

    sender: str
    recipient: str
    content: bytes
    message_id: str
    envelope_id: str
    international: bool


def compose(
    reply: Reply, box: Mailbox, installation: Installation, files: Sequence[MimeAttachment], at: datetime
) -> Letter:
    """The mail for a reply. Errors: ReplyInvalid when the address cannot be one."""
    recipient = _recipient(reply.to)
    name = (
        box.name.get(reply.language)
        or installation.name.get(reply.language)
        or installation.name.get(installation.language, "")
    )
    message_id = _bracketed(reply.message_id) or f"<{reply.id}@{box.address.rpartition('@')[2]}>"
    ancestors = _references(reply)
    fields = [
        ("From", _mailbox(name, box.address)),
        ("To", f"<{recipient}>"),
        ("Subject", _words("Subject", _subject(reply))),
        ("Date", format_datetime(at)),
        ("Message-ID", message_id),
        ("In-Reply-To", _bracketed(reply.in_reply_to)),
        ("References", "\r\n ".join(ancestors)),
        ("Reply-To", _reply_to(name, box.address, reply.reply_token)),
        ("Auto-Submitted", "auto-replied" if reply.automatic else ""),
        ("X-Auto-Response-Suppress", "All" if reply.automatic else ""),
        ("Content-Language", _language(reply)),
        ("MIME-Version", "1.0"),
    ]
    head = "".join(f"{key}: {value}\r\n" for key, value in fields if value)
    signature = box.signature.get(reply.language, "")
    content = head.encode("utf-8") + _body(reply, files, signature)
    sender = return_address(box.address, reply.id) if box.own_return_address else box.address
    return Letter(sender, recipient, content, message_id, reply.id.hex, not recipient.isascii())


def _language(reply: Reply) -> str:
    """The reply's language if it is a language code, else nothing: it is put into a header and into the page."""
    return reply.language if re.fullmatch(r"[a-z]{2,3}", reply.language) else ""


def _recipient(to: str) -> str:
    address = to.strip()
    if not is_address(address):
        raise ReplyInvalid(reasons.NOT_AN_ADDRESS)
    local, _at, domain = address.rpartition("@")
    try:
        return f"{local}@{server_domain(domain)}"
    except ValueError:
        raise ReplyInvalid(reasons.DOMAIN_WRONG) from None


def _subject(reply: Reply) -> str:
    """The subject the citizen wrote, unchanged: Gmail splits a conversation where it differs, whatever the references
    say. Where there is no mail to answer, it contains the code. An automatic mail has a subject of ours, with the code:
    no text of a forged sender is sent automatically.
    """
    title = clean_line(reply.title)
    if title and not reply.automatic and not _REPLY_PREFIX.match(title):
        title = f"Re: {title}"
    if title and reply.in_reply_to and not reply.automatic:
        return title[:250]
    code = reply.code
    if len(code) == 12 and code.isascii() and code.isdigit():
        shown = f"[{format_code(code, 'en')}]"
        if shown not in title.replace(_LEFT_TO_RIGHT, ""):
            # After Persian words a mail program would show the groups of digits last to first.
            title = f"{title[:200]} {shown if title.isascii() else f'[{_LEFT_TO_RIGHT}{shown[1:]}'}".strip()
    return title[:250] or "Re:"


def _references(reply: Reply) -> list[str]:
    """Oldest first, ending with the message we answer (later ones are none of its ancestors); of a long thread the root
    and the latest.
    """
    chain = [one for one in map(_bracketed, reply.references) if one]
    parent = _bracketed(reply.in_reply_to)
    if parent:
        chain = [*(chain[: chain.index(parent)] if parent in chain else chain), parent]
    unique = list(dict.fromkeys(reversed(chain)))[::-1]
    return unique if len(unique) <= _MOST_REFERENCES else [unique[0], *unique[1 - _MOST_REFERENCES :]]


def _reply_to(name: str, address: str, token: str) -> str:
    if not token:
        return ""
    if not _TOKEN.fullmatch(token):
        raise ReplyInvalid(reasons.TOKEN_WRONG)
    local, _at, domain = address.rpartition("@")
    return _mailbox(name, f"{local}+{token}@{domain}")


def _bracketed(message_id: str) -> str:
    bare = message_id.strip().strip("<>")
    if not bare or len(bare) > 900 or not bare.isprintable() or set(bare) & set("<> ") or not bare.isascii():
        return ""
    return f"<{bare}>"


def _mailbox(name: str, address: str) -> str:
    name = clean_line(name)[:120]
    if not name:
        return f"<{address}>"
    if _ATOM.fullmatch(name):
        return f"{name} <{address}>"
    if name.isascii():
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{address}>'
    return f"{_words('Reply-To', name)}\r\n <{address}>"


def _words(field: str, value: str) -> str:
    """A value fit for a header: ASCII as it is, anything else as encoded words, folded."""
    value = "".join(
        character for character in clean_line(value) if character.isprintable() or character in _JOINER_AND_MARKS
    )
    if value.isascii() and "=?" not in value:
        # Folded at spaces; a word that is longer than a line stays whole.
        return Header(value, "us-ascii", maxlinelen=_WIDTH, header_name=field).encode(linesep="\r\n")
    return Header(value, "utf-8", maxlinelen=_WIDTH, header_name=field).encode(linesep="\r\n")


def _body(reply: Reply, files: Sequence[MimeAttachment], signature: str) -> bytes:
    text = clean(reply.text)
    signature = "" if reply.automatic else clean(signature).strip()
    inline = [(f"p{number}.{reply.id.hex}@zrm", file) for number, file in enumerate(files) if _is_picture(file)]
    page = _page(text, signature, _language(reply), [content_id for content_id, _ in inline])
    plain = isolate_numbers(f"{text}\n\n-- \n{signature}" if signature else text, _language(reply))
    alternative, related, mixed = (f"=_zrm-{reply.id.hex}-{part}" for part in "bra")
    shown = _text_part("html", page)
    if inline:
        pictures = [_file_part(file, content_id) for content_id, file in inline]
        shown = _container("related", related, [shown, *pictures])
    body = _container("alternative", alternative, [_text_part("plain", plain), shown])
    others = [file for file in files if not _is_picture(file)]
    return _container("mixed", mixed, [body, *(_file_part(file) for file in others)]) if others else body


def _is_picture(file: MimeAttachment) -> bool:
    return file.inline and re.fullmatch(r"image/(?:png|jpeg|gif|webp)", file.media_type) is not None


def _page(text: str, signature: str, language: str, pictures: Sequence[str]) -> str:
    direction = "rtl" if runs_right_to_left(language) else "ltr"
    shown = "".join(f'<div><img src="cid:{content_id}" alt="" style="max-width:100%"></div>' for content_id in pictures)
    below = (
        f'<div style="white-space:pre-wrap;color:#666"><div>-- </div>{html_lines(signature, language)}</div>'
        if signature
        else ""
    )
    return (
        f'<!DOCTYPE html><html lang="{html.escape(language)}" dir="{direction}"><body dir="{direction}">'
        f'<div style="white-space:pre-wrap">{html_lines(text, language)}</div>{shown}{below}</body></html>'
    )


def _container(kind: str, boundary: str, parts: Sequence[bytes]) -> bytes:
    mark = boundary.encode()
    head = f'Content-Type: multipart/{kind};\r\n boundary="{boundary}"\r\n\r\n'.encode()
    return head + b"".join(b"--" + mark + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + mark + b"--\r\n"


def _text_part(kind: str, text: str) -> bytes:
    raw = text.replace("\n", "\r\n").encode("utf-8")
    readable = sum(byte < 0x80 for byte in raw[:4096]) * 4 > min(len(raw), 4096) * 3
    encoding = "quoted-printable" if readable else "base64"
    # The encoder writes bare line ends for its soft breaks.
    data = binascii.b2a_qp(text.encode("utf-8"), istext=True).replace(b"\n", b"\r\n") if readable else _base64(raw)
    return f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + data


def _base64(data: bytes) -> bytes:
    step = 57
    return b"".join(
        binascii.b2a_base64(data[at : at + step], newline=False) + b"\r\n" for at in range(0, len(data), step)
    )


def _file_part(file: MimeAttachment, content_id: str = "") -> bytes:
    kind = "inline" if content_id else "attachment"
    name = clean_line(file.name).replace("/", "_").replace("\\", "_")[:120] or "file"
    media_type = file.media_type if re.fullmatch(r"[\w.+-]+/[\w.+-]+", file.media_type, re.ASCII) else ""
    if media_type.startswith(("multipart/", "message/")) or not media_type:
        media_type = "application/octet-stream"  # containers may not be encoded
    if re.fullmatch(r"[A-Za-z0-9._ -]+", name):
        disposition = f'{kind};\r\n filename="{name}"'
    else:
        # RFC 2231 alone: of a plain name beside it, many programs would take the plain one. In pieces, so that no
        # line exceeds its limit.
        pieces = _whole_escapes(quote(name, safe=""))
        first = f"{kind};\r\n filename*{'0*' if len(pieces) > 1 else ''}=utf-8''"
        disposition = first + pieces[0]
        for place, piece in enumerate(pieces[1:], 1):
            disposition += f";\r\n filename*{place}*={piece}"
    label = f"Content-ID: <{content_id}>\r\n" if content_id else ""
    head = (
        f"Content-Type: {media_type}\r\nContent-Transfer-Encoding: base64\r\n{label}"
        f"Content-Disposition: {disposition}\r\n\r\n"
    )
    return head.encode("ascii") + _base64(file.data)


def _whole_escapes(text: str) -> list[str]:
    """Pieces of at most 60 characters that split no %XX."""
    pieces: list[str] = []
    while text:
        end = min(60, len(text))
        while end < len(text) and "%" in text[end - 2 : end]:
            end -= 1
        pieces.append(text[:end])
        text = text[end:]
    return pieces
