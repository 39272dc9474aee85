"""Reads SMPP packets, however malformed: a citizen's message is never lost because one of its fields is invalid.

aiosmpplib writes ours; its own reader gives up (and answers with an error) at the first unknown value.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

HEADER: Final = 16
LARGEST: Final = 70_000
"""Bytes; the longest text, 64 KiB in one optional parameter, is shorter."""

QUERY_SM: Final = 0x00000003
QUERY_SM_RESP: Final = 0x80000003
DELIVER_SM: Final = 0x00000005
SUBMIT_SM_RESP: Final = 0x80000004
DATA_SM: Final = 0x00000103
RESP: Final = 0x80000000
UNBIND: Final = 0x00000006
UNBIND_RESP: Final = 0x80000006
ENQUIRE_LINK: Final = 0x00000015
ENQUIRE_LINK_RESP: Final = 0x80000015
GENERIC_NACK: Final = 0x80000000

SAR_REFERENCE: Final = 0x020C
SAR_TOTAL: Final = 0x020E
SAR_NUMBER: Final = 0x020F
PAYLOAD: Final = 0x0424
RECEIPTED_ID: Final = 0x001E
MESSAGE_STATE: Final = 0x0427


@dataclass(frozen=True, slots=True)
class Header:
    """A packet's first sixteen bytes."""

    length: int
    command: int
    status: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """A deliver_sm or data_sm. `part` is (reference, total, number) of a message in parts; `words` the bytes without
    any header.
    """

    source: str
    destination: str
    esm_class: int
    data_coding: int
    words: bytes
    part: tuple[int, int, int] | None = None
    options: dict[int, bytes] = field(default_factory=dict)

    @property
    def is_report(self) -> bool:
        """Whether it is the SMSC's report on a message of ours; some show that only by parameters that reports have."""
        return self.esm_class & 0x3C in (0x04, 0x20) or {RECEIPTED_ID, MESSAGE_STATE} <= self.options.keys()


def read_header(data: bytes) -> Header:
    """Read a header. Errors: ValueError for an impossible length."""
    header = Header(*struct.unpack("!IIII", data))
    if not HEADER <= header.length <= LARGEST:
        raise ValueError("not SMPP: a packet of impossible length")
    return header


def write(command: int, sequence: int, *, status: int = 0, body: bytes = b"") -> bytes:
    """A packet of few fields."""
    return struct.pack("!IIII", HEADER + len(body), command, status, sequence) + body


def read_text(data: bytes, start: int = HEADER) -> str:
    """The octet string that begins at `start`, such as the id in an answer; empty if there is none."""
    return data[start:].split(b"\0", 1)[0].decode("latin-1")


def read_delivered(packet: bytes) -> Delivered:
    """A whole deliver_sm or data_sm with its header. Errors: ValueError if its mandatory fields are inconsistent."""
    reader = PduReader(packet)
    in_options = packet[4:8] == DATA_SM.to_bytes(4)  # a data_sm has its text among the optional parameters only
    reader.text()
    reader.octets(2)
    source = reader.text()
    reader.octets(2)
    destination = reader.text()
    (esm_class,) = reader.octets(1)
    if in_options:
        _, data_coding = reader.octets(2)
        length = 0
    else:
        reader.octets(2)
        reader.text()
        reader.text()
        reader.octets(2)
        data_coding, _, length = reader.octets(3)
    words = reader.octets(length)
    options = reader.options()
    words = words or options.get(PAYLOAD, b"")
    part = None
    if esm_class & 0x40:
        part, words = _user_data_header(words)
    elif {SAR_REFERENCE, SAR_TOTAL, SAR_NUMBER} <= options.keys():
        numbers = [int.from_bytes(options[tag][:2]) for tag in (SAR_REFERENCE, SAR_TOTAL, SAR_NUMBER)]
        part = (numbers[0], numbers[1], numbers[2])
    if part is not None and not (1 < part[1] <= 255 and 1 <= part[2] <= part[1]):
        part = None
    return Delivered(source, destination, esm_class, data_coding, words, part, options)


def _user_data_header(data: bytes) -> tuple[tuple[int, int, int] | None, bytes]:
    """(reference, total, number) from the header, and the bytes after it; an invalid header is left in place."""
    if not data or data[0] + 1 > len(data):
        return None, data
    header, words = data[1 : data[0] + 1], data[data[0] + 1 :]
    part = None
    while len(header) >= 2 and len(header) >= 2 + header[1]:
        element, value, header = header[0], header[2 : 2 + header[1]], header[2 + header[1] :]
        if element == 0x00 and len(value) == 3:
            part = (value[0], value[1], value[2])
        elif element == 0x08 and len(value) == 4:
            part = (int.from_bytes(value[:2]), value[2], value[3])
    return part, words


class PduReader:
    """Reads a packet's fields one after the other. Errors of its steps: ValueError."""

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self._at = HEADER

    def octets(self, count: int) -> bytes:
        """So many bytes."""
        found = self._packet[self._at : self._at + count]
        if len(found) < count:
            raise ValueError("the packet ends too early")
        self._at += count
        return found

    def text(self) -> str:
        """An octet string with its end."""
        end = self._packet.find(b"\0", self._at)
        if end < 0:
            raise ValueError("a string without an end")
        found = self._packet[self._at : end].decode("latin-1")
        self._at = end + 1
        return found

    def options(self) -> dict[int, bytes]:
        """The optional parameters; truncated or repeated ones are left out."""
        found: dict[int, bytes] = {}
        while self._at + 4 <= len(self._packet):
            tag, length = struct.unpack_from("!HH", self._packet, self._at)
            self._at += 4
            if self._at + length > len(self._packet):
                break
            found.setdefault(tag, self._packet[self._at : self._at + length])
            self._at += length
        return found
