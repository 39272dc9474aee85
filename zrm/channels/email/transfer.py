"""Transfer encodings as declared and as they really are: misspelled, wrongly declared, or surrounded by plain words.

A declaration is compared without case, quotes, comments, `x-` and punctuation. It is believed where the bytes agree:
declared base64 that is invalid stays as it came; text without a known declaration that is certainly base64 or
quoted-printable is decoded. Plain words that a gateway put above or below base64 are separated from it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from zrm.channels.email.encoded_words import decode_words, lenient_base64


class Transfer(StrEnum):
    """A part's declared transfer encoding."""

    PLAIN = "plain"
    BASE64 = "base64"
    QUOTED = "quoted-printable"
    UUENCODE = "uuencode"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """The decoded bytes, and the plain words below and above them, if any."""

    data: bytes
    below: bytes = b""
    above: bytes = b""


_SPELLINGS: Final = {
    **dict.fromkeys(("base64", "b64", "b", "base"), Transfer.BASE64),
    **dict.fromkeys(("quotedprintable", "quotedprintible", "quotedprint", "quoted", "qp", "q"), Transfer.QUOTED),
    **dict.fromkeys(("7bit", "8bit", "7bits", "8bits", "7", "8", "binary", "none", "plain", ""), Transfer.PLAIN),
    **dict.fromkeys(("uuencode", "uuencoded", "uue", "uu"), Transfer.UUENCODE),
}
_SIGNS: Final = re.compile(r"[^a-z0-9]")
_UTF8: Final = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_BLANKS: Final = b" \t\r\n\f\v\x00"
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
# Of the controls, text has white space, and ISO-2022 its escape and two shifts.
_CONTROLS: Final = bytes(code for code in range(0x20) if code not in (0x09, 0x0A, 0x0C, 0x0D, 0x0E, 0x0F, 0x1B))
_FOREIGN: Final = re.compile(rb"[^A-Za-z0-9+/=\s\x00]|[A-Za-z0-9+/=][ \t]+[A-Za-z0-9+/]")
_LINES_BREAK: Final = re.compile(rb"\r\n|\n|\r")
_ESCAPE: Final = re.compile(rb"=[0-9A-F]{2}")
_HIGH_ESCAPE: Final = re.compile(rb"=[89A-F][0-9A-F]")
_SOFT_BREAK: Final = re.compile(rb"=[ \t]*(?:\r\n|\n|\r)")
_LOOSE_EQUALS: Final = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*(?:[\r\n]|\Z))")
_PIECE: Final = 1_048_576
_JUDGED: Final = 65_536
_LEAST: Final = 24  # letters of undeclared base64


def transfer_of(value: str) -> Transfer:
    """The encoding a Content-Transfer-Encoding field means."""
    words = re.split(r"[;,(]", decode_words(value[:200]).strip().lower(), maxsplit=1)[0].strip()
    for spelling in (words, *words.split()[:1]):
        plain = _SIGNS.sub("", spelling.removeprefix("x-"))
        if plain in _SPELLINGS:
            return _SPELLINGS[plain]
    return Transfer.UNKNOWN


def unwrap(raw: bytes | memoryview, declared: Transfer) -> Unwrapped:
    """The bytes of a file."""
    match declared:
        case Transfer.BASE64:
            return _base64_file(raw)
        case Transfer.QUOTED:
            return Unwrapped(binascii.a2b_qp(_with_line_feeds(raw)))
        case Transfer.UUENCODE:
            return Unwrapped(_uudecode(bytes(raw)))
    return Unwrapped(bytes(raw))


def unwrap_text(raw: bytes | memoryview, declared: Transfer, charset: str = "") -> Unwrapped:
    """The bytes of a text in `charset`, as declared: its words show whether the declaration is true."""
    match declared:
        case Transfer.BASE64:
            return _base64_text(raw, charset)
        case Transfer.QUOTED:
            return Unwrapped(binascii.a2b_qp(_with_line_feeds(raw)))
        case Transfer.UUENCODE:
            return Unwrapped(_uudecode(bytes(raw)))
    plain = bytes(raw)
    if plain.isascii():
        if _is_quoted(plain):
            return Unwrapped(binascii.a2b_qp(_with_line_feeds(plain)))
        if _is_base64(plain):
            return Unwrapped(lenient_base64(plain))
    return Unwrapped(plain)


def looks_wrapped(raw: memoryview, declared: Transfer) -> bool:
    """Whether a container without a boundary in its body may be in a transfer encoding."""
    return declared in (Transfer.BASE64, Transfer.QUOTED) or not _foreign(raw[:_JUDGED])


# ---------------------------------------------------------------- base64


def _base64_file(raw: bytes | memoryview) -> Unwrapped:
    first = _first_foreign(raw)
    if first is None:
        return Unwrapped(lenient_base64(raw))
    end = _end_of_base64(raw, first)
    if end and _is_prose(raw[end:]):
        return Unwrapped(lenient_base64(raw[:end]), bytes(raw[end:]).strip())
    return Unwrapped(bytes(raw) if _is_prose(raw) else lenient_base64(raw))


def _base64_text(raw: bytes | memoryview, charset: str) -> Unwrapped:
    first = _first_foreign(raw)
    if first is None:
        data = lenient_base64(raw)
        doubtful = charset.lower() in _UTF8 and len(data) < _LEAST and b"=" not in bytes(raw[:_JUDGED])
        untrue = _has_controls(data) or (doubtful and not _is_utf8(data))
        return Unwrapped(bytes(raw) if untrue and not _has_controls(bytes(raw)) else data)
    end = _end_of_base64(raw, first)
    if end and _is_prose(raw[end:]) and _is_text(data := lenient_base64(raw[:end])):
        return Unwrapped(data, bytes(raw[end:]).strip())
    plain = bytes(raw)
    begin, end = _longest_base64(plain)
    above, below = plain[:begin].strip(), plain[end:].strip()
    alone = all(_is_prose(words) for words in (above, below) if words)
    if end - begin >= _LEAST and alone and _is_text(data := lenient_base64(plain[begin:end])):
        return Unwrapped(data, below, above)
    data = lenient_base64(raw) if plain.isascii() else b""
    return Unwrapped(data if data and (_is_text(data) or not _is_text(plain)) else plain)


def _first_foreign(raw: bytes | memoryview) -> int | None:
    """The position of the first byte that is not base64, None if there is none; blanks within a line count as such."""
    for start in range(0, len(raw), _PIECE):
        piece = bytes(raw[start : start + _PIECE])
        if (found := _FOREIGN.search(piece)) is not None:
            return start + found.start()
    return None


def _foreign(raw: memoryview) -> bool:
    return _FOREIGN.search(raw) is not None


def _end_of_base64(raw: bytes | memoryview, foreign: int) -> int:
    """Where base64 ends before plain words: at its padding, or the last empty line, or the line of the first word."""
    before = bytes(raw[:foreign])
    padding = before.rfind(b"=")
    if padding >= 0:
        after = _LINES_BREAK.search(before, padding)
        return after.end() if after is not None else 0
    lines = [0, *(match.end() for match in _LINES_BREAK.finditer(before))]
    begin = next((at for at in lines if before[at : at + 1].strip(_BLANKS)), 0)
    empty = [at for at, following in pairwise(lines) if not before[at:following].strip(_BLANKS)]
    return next((at for at in reversed(empty) if at > begin), lines[-1])


def _longest_base64(raw: bytes) -> tuple[int, int]:
    """The position of the longest run of lines that have only base64."""
    best, begin = (0, 0), 0
    for end, following in pairwise([0, *(match.end() for match in _LINES_BREAK.finditer(raw)), len(raw)]):
        line = raw[end:following].strip(_BLANKS)
        if not line or line.translate(None, _BASE64):
            begin = following
        elif following - begin > best[1] - best[0]:
            best = (begin, following)
    return best


def _is_base64(raw: bytes) -> bool:
    """Whether undeclared text is certainly base64: nothing foreign, long enough, and decoded it gives words."""
    letters = len(raw.translate(None, _BLANKS))
    if letters < _LEAST or letters % 4 == 1 or _FOREIGN.search(raw) is not None:
        return False
    read = lenient_base64(raw)
    return _is_text(read) and b" " in read.strip()


def _is_prose(raw: bytes | memoryview) -> bool:
    """Whether so much of it is not base64 that it is another format, not damaged base64."""
    sample = bytes(raw[:_JUDGED])
    lines = len(_LINES_BREAK.findall(sample))
    foreign = len(sample.translate(None, _BASE64)) - 2 * lines
    return foreign * 20 > len(sample)


def _is_text(data: bytes) -> bool:
    """Whether bytes are words: without controls, and UTF-8, or so many that random bytes would have some."""
    return not _has_controls(data) and (_is_utf8(data) or len(data) >= _LEAST)


def _is_utf8(data: bytes) -> bool:
    sample = data[:_JUDGED]
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(sample) - 3 > 0  # the last letter is cut
    return True


def _has_controls(data: bytes) -> bool:
    """Whether the beginning has control characters that no text has; UTF-16 has its NULs on one side of its pairs."""
    sample = data[:_JUDGED]
    first, second = (sample[::2].count(0), sample[1::2].count(0)) if 0 in sample else (0, 0)
    if sample[:2] in (b"\xff\xfe", b"\xfe\xff") or min(first, second) * 20 < max(first, second):
        return False
    return 50 * (len(sample) - len(sample.translate(None, _CONTROLS))) > len(sample)


# ---------------------------------------------------------------- the others


def _is_quoted(raw: bytes) -> bool:
    """Whether undeclared text is certainly quoted-printable: every `=` is one of its escapes, and there are enough of
    them.
    """
    if b"=" not in raw or _LOOSE_EQUALS.search(raw) is not None:
        return False
    escapes = sum(1 for _ in _some(_ESCAPE, raw, 3))
    if not escapes or (_SOFT_BREAK.search(raw) is None and sum(1 for _ in _some(_HIGH_ESCAPE, raw, 3)) < 3):
        return False
    return _is_text(binascii.a2b_qp(_with_line_feeds(raw)))


def _some(pattern: re.Pattern[bytes], raw: bytes, most: int) -> Iterator[re.Match[bytes]]:
    for count, match in enumerate(pattern.finditer(raw)):
        if count >= most:
            return
        yield match


def _with_line_feeds(raw: bytes | memoryview) -> bytes | memoryview:
    """The same text with line feeds where a bare CR ends a line: quoted-printable is read line by line."""
    data = bytes(raw)
    if data.count(b"\r") == data.count(b"\r\n"):
        return raw
    return data.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _uudecode(raw: bytes) -> bytes:
    out: list[bytes] = []
    inside = False
    for line in raw.splitlines():
        if not inside:
            inside = line.startswith(b"begin ")
            continue
        if line.strip() in (b"end", b"`", b""):
            break
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            length = min(len(line), (((line[0] - 32) & 63) * 4 + 5) // 3)
            try:
                out.append(binascii.a2b_uu(line[:length]))
            except binascii.Error:
                return raw  # not uuencoded: keep the bytes as they came
    return b"".join(out) if inside else raw
