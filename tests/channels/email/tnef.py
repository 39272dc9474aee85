"""Writes winmail.dat files (MS-OXTNEF): a body and attachments, as Outlook packs them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_BODY, _TITLE, _DATA, _RENDER, _VERSION, _CODEPAGE, _PROPERTIES, _ATTACHMENT = (
    0x0002800C,
    0x00018010,
    0x0006800F,
    0x00069002,
    0x00089006,
    0x00069007,
    0x00069003,
    0x00069005,
)


def _attribute(level: int, identifier: int, data: bytes) -> bytes:
    checksum = sum(data) & 0xFFFF
    return struct.pack("<BII", level, identifier, len(data)) + data + struct.pack("<H", checksum)


def properties(level: int, *values: tuple[int, int, bytes]) -> bytes:
    """The attribute of a message (level 1) or an attachment (2) that holds MAPI properties (type, name, value)."""
    out = struct.pack("<I", len(values))
    for kind, name, value in values:
        out += struct.pack("<HHII", kind, name, 1, len(value)) + value + bytes(-len(value) % 4)
    return _attribute(level, _PROPERTIES if level == 1 else _ATTACHMENT, out)


def winmail(body: bytes = b"", files: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    """A TNEF stream with a plain body and (name, bytes) files."""
    out = struct.pack("<IH", 0x223E9F78, 1)
    out += _attribute(1, _VERSION, struct.pack("<I", 0x00010000))
    out += _attribute(1, _CODEPAGE, struct.pack("<II", 1252, 0))
    if body:
        out += _attribute(1, _BODY, body + b"\0")
    for name, data in files:
        out += _attribute(2, _RENDER, bytes(14))
        out += _attribute(2, _TITLE, name + b"\0")
        out += _attribute(2, _DATA, data)
    return out
