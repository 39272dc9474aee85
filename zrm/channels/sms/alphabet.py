"""A text's bytes on the way to a phone and back: GSM 03.38 one octet a septet (as SMPP wants it), or big-endian UTF-16.

The arithmetic, how much fits where, is `zrm.kit.gsm`'s.
"""

from __future__ import annotations

from typing import Final

from zrm.kit.gsm import ALONE, JOINED, Encoding, cost

GAP: Final = " […] "
"""Stands where a part of a message never came."""

_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€"}  # fmt: skip
_ESCAPE: Final = 0x1B
_CODES: Final = {sign: bytes([code]) for code, sign in enumerate(_BASIC) if code != _ESCAPE} | {
    sign: bytes([_ESCAPE, code]) for code, sign in _EXTENDED.items()
}


def split(text: str) -> tuple[Encoding, list[bytes]]:
    """The text's alphabet and its bytes in as many parts as it takes; no escape and no surrogate pair is torn apart."""
    encoding = cost(text).encoding
    signs = [_CODES[sign] if encoding == "GSM-7" else _utf16(sign) for sign in text]
    octets = 1 if encoding == "GSM-7" else 2
    if sum(map(len, signs)) <= ALONE[encoding] * octets:
        return encoding, [b"".join(signs)]
    parts, part = [], b""
    for sign in signs:
        if len(part) + len(sign) > JOINED[encoding] * octets:
            parts.append(part)
            part = b""
        part += sign
    return encoding, [*parts, part]


def decode_gsm(data: bytes) -> str:
    """The text of unpacked septets; an octet outside the alphabet becomes U+FFFD, an unknown escape its plain sign."""
    found: list[str] = []
    escaped = False
    for code in data:
        if code == _ESCAPE and not escaped:
            escaped = True
            continue
        plain = _BASIC[code] if code < len(_BASIC) else "\ufffd"
        found.append(_EXTENDED.get(code, plain) if escaped else plain)
        escaped = False
    return "".join(found)


def _utf16(sign: str) -> bytes:
    return sign.encode("utf-16-be", errors="replace")
