"""Header fields of real mail: unfolded, decoded (RFC 2047, also where broken), and split into addresses.

Everything here works in one pass over its input: headers are hostile input.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import unquote_to_bytes

from zrm.channels.email.address_field import addresses, is_address
from zrm.channels.email.charset import alphabet_of, to_text
from zrm.channels.email.encoded_words import decode_words

__all__ = [
    "Headers", "addresses", "date", "decode_words", "first_by_name", "is_address", "message_ids", "parameters",
    "split_head",
]  # fmt: skip

Headers = list[tuple[str, str]]

_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:")
_LINE_END: Final = re.compile(rb"\r+\n?|\n")
_EMPTY_LINE: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
# Also a byte order mark, and Unicode's blanks of other widths.
_BLANK: Final = re.compile(rb"(?:\xef\xbb\xbf|\xc2\xa0|\xe2\x80[\x80-\x8f\xa8-\xaf]|\xe3\x80\x80|[ \t\r\n\f\v\x00])*")
_MAILBOX_LINE: Final = re.compile(rb"(?:>?From [^\r\n]*(?:\r\n|\n|\r))+")
_QUOTE_MARKS: Final = re.compile(rb">*")
# Fields that a mail's own header has; the second set never appears at the top of a text.
_HEADER_FIELD: Final = re.compile(
    rb"(?:from|to|cc|subject|date|sender|reply-to|received|return-path|delivered-to|message-id|mime-version|references|"
    rb"in-reply-to|user-agent|importance|(?:content|x|list|arc|dkim|authentication)-[a-z0-9-]+)[ \t]*:",
    re.IGNORECASE,
)
_MACHINE_FIELD: Final = re.compile(
    rb"[\r\n](?:received|message-id|mime-version|content-type|content-transfer-encoding|date|dkim-signature|x-mailer)"
    rb"[ \t]*:",
    re.IGNORECASE,
)
_LOOK_AHEAD = 4096
_LONGEST_VALUE = 65_536


def split_head(data: bytes, charset: str = "") -> tuple[Headers, int]:
    """The header fields of a message or part, names as written, and the offset where its body begins.

    Lines end in CR LF, LF or CR. Text before the first field (a byte order mark, blank lines, a mailbox file's own
    line) is skipped. A line that is no field, or has blanks only, ends the head as if the empty line were missing,
    unless fields that only mail programs write follow: then it belongs to the field before it. Raw 8-bit values are
    read in `charset`, which the body declares, or else in the one charset that fits all of them.
    """
    fields: list[tuple[str, bytes]] = []
    name, lines = "", [b""]  # of the field that may go on in the next line
    at, size, sure_until = _beginning(data), len(data), 0
    while at < size:
        found = _LINE_END.search(data, at)
        end, following = (found.start(), found.end()) if found is not None else (size, size)
        if found is not None and not found[0].endswith(b"\n"):
            following = end + 1  # each CR of several is an end of its own
        line = data[at:end]
        if not line:
            at = following
            break
        match = _FIELD.match(line)
        goes_on = line[0] in b" \t" and bool(line.strip())
        if not goes_on and match is None and name:
            if at >= sure_until:
                sure_until = _machine_field(data, end)
            goes_on = at < sure_until
        if goes_on and name:
            lines.append(line)
        elif match is not None:
            if name:
                fields.append((name, b"".join(lines)))
            name, lines = match.group(1).decode("ascii"), [line[match.end() :]]
        else:
            at = at if line.strip() else following
            break
        at = following
    if name:
        fields.append((name, b"".join(lines)))
    return _as_text(fields, charset), at


def _beginning(data: bytes) -> int:
    """Where the first field begins, after text that is no part of the mail."""
    mark = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    blank = _BLANK.match(data)
    start = blank.end() if blank is not None else 0
    line = _MAILBOX_LINE.match(data, start)
    if line is not None and _FIELD.match(data, line.end()) is not None:
        return line.end()
    marks = _QUOTE_MARKS.match(data, start)
    field_at = marks.end() if marks is not None else start
    return field_at if _HEADER_FIELD.match(data, field_at) is not None else mark


def _machine_field(data: bytes, at: int) -> int:
    """Where the next field that only mail programs write begins, if no empty line comes before it; else 0."""
    window = data[at : at + _LOOK_AHEAD]
    found = _MACHINE_FIELD.search(window)
    if found is None:
        return 0
    empty = _EMPTY_LINE.search(window, 0, found.start() + 1)
    return at + found.start() + 1 if empty is None else 0


def _as_text(fields: list[tuple[str, bytes]], charset: str) -> Headers:
    raw = [value for _, value in fields if not value.isascii()]
    if raw and not charset:
        charset = alphabet_of(b"\n".join(raw))
    return [(name, to_text(value, charset).strip()) for name, value in fields]


def first_by_name(headers: Headers) -> dict[str, str]:
    """The first field of each name; names in lower case."""
    fields: dict[str, str] = {}
    for name, value in headers:
        fields.setdefault(name.lower(), value)
    return fields


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """The value before the first semicolon, in lower case, and its parameters, RFC 2231 joined and decoded."""
    head, *rest = _split_parameters(value[:_LONGEST_VALUE])
    head, *forgotten = head.split() or [""]  # parameters after a blank, without their semicolon
    rest[:0] = forgotten
    plain: dict[str, str] = {}
    parts: dict[str, list[tuple[int, bool, str]]] = {}
    for piece in rest:
        name, equals, text = piece.partition("=")
        name = name.strip().lower()
        if not equals or not name:
            continue
        text = _unquote(text)
        base, star, number = name.partition("*")
        if not star:
            plain.setdefault(name, decode_words(text) if name in ("name", "filename") else text)
            continue
        encoded = name.endswith("*")
        number = number.rstrip("*")
        order = int(number) if number.isdecimal() and len(number) < 5 else 0
        parts.setdefault(base, []).append((order, encoded, text))
    for base, pieces in parts.items():
        plain[base] = _join_continuations(sorted(pieces, key=lambda piece: piece[0]))
    return head.rstrip(",").lower(), plain


def _unquote(text: str) -> str:
    """A parameter's value without its quotes. A backslash escapes a quote or itself; any other is part of a path."""
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    return text


def _join_continuations(pieces: list[tuple[int, bool, str]]) -> str:
    charset = ""
    data: list[bytes] = []
    for place, (_, encoded, text) in enumerate(pieces):
        if encoded and place == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        raw = text.encode("utf-8", "surrogateescape")
        data.append(unquote_to_bytes(raw) if encoded else raw)
    return to_text(b"".join(data), charset)


def _split_parameters(value: str) -> list[str]:
    if '"' not in value:
        return value.split(";")
    pieces: list[str] = []
    current: list[str] = []
    quoted = escape = False
    for character in value:
        if escape:
            escape = False
        elif character == "\\" and quoted:
            escape = True
        elif character == '"':
            quoted = not quoted
        elif character == ";" and not quoted:
            pieces.append("".join(current))
            current = []
            continue
        current.append(character)
    pieces.append("".join(current))
    return pieces


_MESSAGE_ID: Final = re.compile(r"<[^<>\s]{1,990}>")


def message_ids(value: str) -> list[str]:
    """The message ids of a field, with their angle brackets; a bare one gets them."""
    found = _MESSAGE_ID.findall(value[:_LONGEST_VALUE])
    if found or not value:
        return found
    return [f"<{word}>" for word in value[:1000].split() if "@" in word and not set(word) & set("<>")][:1]


def date(value: str) -> datetime | None:
    """The instant of a Date field, UTC; None if it cannot be parsed. A date without a zone is taken as UTC."""
    try:
        found = parsedate_to_datetime(value[:200])
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
