"""Header fields of real mail: unfolded, decoded (RFC 2047, also where broken), and taken apart into addresses.

Everything here works in one pass over its input: headers come from strangers.
"""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import unquote_to_bytes

from zrm.channels.email.charset import to_text

Headers = list[tuple[str, str]]

_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:")
_WORD: Final = re.compile(r"=\?([A-Za-z0-9_.:()-]+)(?:\*[A-Za-z0-9-]*)?\?([bBqQ])\?([^?]*)\?=")
_LONGEST_VALUE = 65_536


def split_head(data: bytes) -> tuple[Headers, int]:
    """The header fields of a message or part, names as written, and the offset where its body begins.

    A line that is no field ends the head, as if the empty line had been forgotten.
    """
    fields: Headers = []
    name, lines = "", [b""]  # of the field that may go on in the next line
    at, size = 0, len(data)
    if data.startswith((b"From ", b">From ")):  # a mailbox file's own line
        at = (data.find(b"\n") + 1) or size
    while at < size:
        end = data.find(b"\n", at)
        following = size if end < 0 else end + 1
        line = data[at:following].rstrip(b"\r\n")
        if not line:
            at = following
            break
        if line[0] in b" \t" and name:
            lines.append(line)
        else:
            match = _FIELD.match(line)
            if match is None:
                break
            if name:
                fields.append((name, to_text(b"".join(lines)).strip()))
            name, lines = match.group(1).decode("ascii"), [line[match.end() :]]
        at = following
    if name:
        fields.append((name, to_text(b"".join(lines)).strip()))
    return fields, at


def decode_words(value: str) -> str:
    """A field's value with its encoded words read.

    Neighbours in the same alphabet are joined before they are decoded, because many programs cut a letter in two.
    """
    if "=?" not in value:
        return value
    out: list[str] = []
    pending: list[bytes] = []
    alphabet = ""
    at = 0
    for match in _WORD.finditer(value):
        between = value[at : match.start()]
        charset = match.group(1).lower()
        if pending and (between.strip() or charset != alphabet):
            out.append(to_text(b"".join(pending), alphabet))
            pending = []
        if between.strip() or not alphabet:
            out.append(between)
        pending.append(_word_bytes(match.group(2), match.group(3)))
        alphabet = charset
        at = match.end()
    if pending:
        out.append(to_text(b"".join(pending), alphabet))
    out.append(value[at:])
    return "".join(out)


def _word_bytes(encoding: str, text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    if encoding in "qQ":
        return binascii.a2b_qp(raw, header=True)
    return lenient_base64(raw)


def lenient_base64(raw: bytes | memoryview) -> bytes:
    """Base64 with missing padding or rubbish in between; what can be read is read."""
    try:
        return binascii.a2b_base64(raw)  # no copy of a large file's letters
    except binascii.Error:
        raw = bytes(raw)
    for tail in (b"=", b"=="):
        try:
            return binascii.a2b_base64(raw + tail)
        except binascii.Error:
            continue
    try:  # one letter too many: no number of = makes it whole
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
        return binascii.a2b_base64(letters[: len(letters) // 4 * 4])
    except binascii.Error:
        return raw


def addresses(value: str) -> list[tuple[str, str]]:
    """`(display name, address)` of each mailbox of an address field, in order; groups are opened, rubbish is skipped."""
    found: list[tuple[str, str]] = []
    for piece in _split_addresses(value[:_LONGEST_VALUE]):
        name, address = _name_and_address(piece)
        if is_address(address):
            found.append((" ".join(decode_words(name).split()), address))
    return found


def is_address(text: str) -> bool:
    """Whether a text can be an address at all: one @ with something on both sides, no spaces or controls."""
    local, at, domain = text.rpartition("@")
    return (
        bool(at and local and domain)
        and len(text) <= 320
        and text.isprintable()
        and not any(character in ' <>,;"()' for character in text)
    )


def _split_addresses(value: str) -> list[str]:
    pieces: list[str] = []
    current: list[str] = []
    quoted = angled = False
    comments = 0
    escape = False
    for character in value:
        if escape:
            escape = False
        elif character == "\\" and (quoted or comments):
            escape = True
        elif quoted:
            quoted = character != '"'
        elif character == "(":
            comments += 1
        elif comments:
            comments -= character == ")"
        elif character == '"':
            quoted = True
        elif character == "<":
            angled = True
        elif character == ">":
            angled = False
        elif character in ",;" and not angled:
            pieces.append("".join(current))
            current = []
            continue
        elif character == ":" and not angled:  # a group's name ends
            current = []
            continue
        current.append(character)
    pieces.append("".join(current))
    return pieces


def _name_and_address(piece: str) -> tuple[str, str]:
    end = piece.rfind(">")
    start = piece.rfind("<", 0, end) if end > 0 else -1
    if start >= 0:
        inside = piece[start + 1 : end].strip()
        return _unquote(piece[:start]), inside.rpartition(":")[2] if inside.startswith("@") else inside
    plain, comment = _without_comment(piece)
    return comment, plain.replace(" ", "").strip("\"'")


def _without_comment(piece: str) -> tuple[str, str]:
    """`ali@example.org (Ali)`: the old way to give a name."""
    start, end = piece.find("("), piece.rfind(")")
    if 0 <= start < end:
        return piece[:start] + piece[end + 1 :], piece[start + 1 : end]
    return piece, ""


def _unquote(name: str) -> str:
    name = name.strip()
    if len(name) >= 2 and name[0] == name[-1] == '"':
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return name


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """The value before the first semicolon, in lower case, and its parameters, RFC 2231 put together and decoded."""
    head, *rest = _split_parameters(value[:_LONGEST_VALUE])
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
            plain.setdefault(name, decode_words(text))
            continue
        encoded = name.endswith("*")
        number = number.rstrip("*")
        order = int(number) if number.isdecimal() and len(number) < 5 else 0
        parts.setdefault(base, []).append((order, encoded, text))
    for base, pieces in parts.items():
        plain[base] = _join_continuations(sorted(pieces, key=lambda piece: piece[0]))
    return head.strip().lower(), plain


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
    """The instant of a Date field, UTC; None if it cannot be read. A date without a zone is taken as UTC."""
    try:
        found = parsedate_to_datetime(value[:200])
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
