"""An SMSC that only delivers: a listening socket, one bind, then as many deliver_sm as the window allows.

The node SMSC of the tests handles one request at a time and would limit the result; this one writes prepared packets and
reads answers, so that the door is the limit.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from tests.lab.process import LOOPBACK
from zrm.channels.sms.smpp import pdu

_BINDS: Final = (0x00000001, 0x00000009)  # receiver, transceiver
_PATIENCE: Final = 60.0  # seconds of silence after which the measurement fails


@dataclass(slots=True)
class Delivered:
    """The result: seconds, milliseconds at the median and the 99th percentile, answers by status."""

    seconds: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)


class DeliveringSmsc:
    """Listens from construction on; `accept` waits for the hub's bind, `deliver` may be called repeatedly."""

    def __init__(self) -> None:
        self._server = socket.create_server((LOOPBACK, 0))
        self._server.settimeout(_PATIENCE)
        self.port = int(self._server.getsockname()[1])
        self._line = self._server  # until the hub has bound
        self._held = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()
        self._server.close()

    def accept(self) -> None:
        """Wait until the hub has bound. Errors: OSError."""
        self._line, _ = self._server.accept()
        self._line.settimeout(_PATIENCE)
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not (packets := self._receive()):
            pass
        command, _, sequence = packets[0]
        if command not in _BINDS:
            raise ConnectionError(f"the hub began with {command:#x}, not with a bind")
        self._line.sendall(pdu.write(command | 0x80000000, sequence, body=b"SMSC\0"))

    def deliver(self, bodies: Sequence[bytes], window: int) -> Delivered:
        """Deliver them all, at most `window` of them unanswered at a time. Errors: OSError."""
        result, began = Delivered(), time.perf_counter()
        sent_at: dict[int, float] = {}
        times: list[float] = []
        sent = 0
        while len(times) < len(bodies):
            fresh = range(sent, min(len(bodies), sent + window - len(sent_at)))
            if fresh:
                at = time.perf_counter()
                sent_at.update((number, at) for number in fresh)
                self._line.sendall(b"".join(pdu.write(pdu.DELIVER_SM, n + 1, body=bodies[n]) for n in fresh))
                sent = fresh.stop
            for command, status, sequence in self._receive():
                if command == pdu.RESP | pdu.DELIVER_SM:
                    times.append(time.perf_counter() - sent_at.pop(sequence - 1))
                    result.statuses[status] = result.statuses.get(status, 0) + 1
                elif command == pdu.ENQUIRE_LINK:
                    self._line.sendall(pdu.write(pdu.ENQUIRE_LINK_RESP, sequence))
        result.seconds = time.perf_counter() - began
        times.sort()
        result.p50, result.p99 = 1000 * times[len(times) // 2], 1000 * times[int(len(times) * 0.99)]
        return result

    def _receive(self) -> list[tuple[int, int, int]]:
        """(command, status, sequence) of each complete packet."""
        piece = self._line.recv(65_536)
        if not piece:
            raise ConnectionError("the hub closed the line")
        self._held += piece
        packets, at = [], 0
        while len(self._held) - at >= pdu.HEADER:
            length, command, status, sequence = struct.unpack_from("!IIII", self._held, at)
            if len(self._held) - at < length:
                break
            packets.append((command, status, sequence))
            at += length
        del self._held[:at]
        return packets


def segments(sender: str, line: str, text: str, mark: int) -> list[bytes]:
    """The bodies of the deliver_sm that carry a text in UCS-2, with user data headers as handsets write them."""
    words = text.encode("utf-16-be")
    pieces = [words[at : at + 134] for at in range(0, len(words), 134)]
    bodies = []
    for number, piece in enumerate(pieces, 1):
        content = bytes([5, 0, 3, mark & 0xFF, len(pieces), number]) + piece
        bodies.append(
            b"\0\x01\x01" + sender.encode() + b"\0\0\x01" + line.encode() + b"\0"
            + bytes([0x40, 0, 0]) + b"\0\0" + bytes([0, 0, 8, 0, len(content)]) + content
        )  # fmt: skip
    return bodies
