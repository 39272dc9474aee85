"""A text's bytes to a phone and back: GSM 03.38 with one octet a septet (as SMPP wants it), or big-endian UTF-16.

The table and the arithmetic of segments are in `zrm.kit.gsm`.
"""

from __future__ import annotations

from typing import Final, Literal

from zrm.kit.gsm import ALONE, BASIC, ESCAPE, EXTENDED, JOINED, Encoding, cost

Plain = Literal["gsm", "latin-1", "ascii"]
"""What data coding 0 means at a network."""

GAP: Final = " […] "
"""Stands for a part of a message that never came."""

_CODES: Final = {sign: bytes([code]) for sign, code in BASIC.items()} | {
    sign: bytes([ESCAPE, code]) for sign, code in EXTENDED.items()
}
_SIGNS: Final = {code: sign for sign, code in BASIC.items()} | {ESCAPE: "\x1b"}
_ESCAPED: Final = {code: sign for sign, code in EXTENDED.items()}


def split(text: str, plain: Plain = "gsm") -> tuple[Encoding, list[bytes]]:
    """The text's alphabet and its bytes in as many parts as needed; no escape and no surrogate pair is split.

    `plain` is what the network takes for GSM-7: it packs septets itself, so a part has the same space. A text with a
    character it lacks goes out as UCS-2, never with a question mark.
    """
    encoding = cost(text).encoding
    if encoding == "GSM-7" and plain != "gsm" and text.encode(plain, "ignore").decode(plain) != text:
        encoding = "UCS-2"
    unit = 1 if encoding == "GSM-7" else 2
    if sum(_room(sign, encoding) for sign in text) <= ALONE[encoding] * unit:
        return encoding, [_bytes(text, encoding, plain)]
    parts, part, filled = [], "", 0
    for sign in text:
        if filled + _room(sign, encoding) > JOINED[encoding] * unit:
            parts.append(part)
            part, filled = "", 0
        part += sign
        filled += _room(sign, encoding)
    return encoding, [_bytes(words, encoding, plain) for words in (*parts, part)]


def _room(sign: str, encoding: Encoding) -> int:
    return len(_CODES[sign]) if encoding == "GSM-7" else len(_utf16(sign))


def _bytes(text: str, encoding: Encoding, plain: Plain) -> bytes:
    if encoding == "UCS-2":
        return _utf16(text)
    return b"".join(_CODES[sign] for sign in text) if plain == "gsm" else text.encode(plain)


def decode_gsm(data: bytes) -> str:
    """The text of unpacked septets; an octet outside the alphabet becomes U+FFFD, an unknown escape its plain
    character.
    """
    found: list[str] = []
    escaped = False
    for code in data:
        if code == ESCAPE and not escaped:
            escaped = True
            continue
        plain = _SIGNS.get(code, "\ufffd")
        found.append(_ESCAPED.get(code, plain) if escaped else plain)
        escaped = False
    return "".join(found)


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", errors="replace")
