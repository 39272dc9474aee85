"""Sends messages to an SMSC: a transmitter bind of the worker's own, opened when there is something to send.

Reports come to the listener's bind, which has the same name at the SMSC. Nothing is sent twice: when the connection
breaks after a part has left, its outcome is unknown, and a person decides.
"""

from __future__ import annotations

import itertools
import secrets
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from aiosmpplib.protocol import BindTransmitter, EnquireLink, SubmitSm, Unbind
from aiosmpplib.state import NPI, TON, PhoneNumber

from zrm.channels.sms import messages
from zrm.channels.sms.alphabet import split
from zrm.channels.sms.smpp import pdu
from zrm.channels.sms.smpp.config import SmppGateway
from zrm.channels.sms.smpp.listen import status_name
from zrm.channels.sms.smpp.read import reference, spellings, state_report
from zrm.contract.errors import (
    ConfigInvalid,
    ConnectionFailed,
    OutcomeUnknown,
    RecipientUnreachable,
    Rejected,
    SendError,
    Throttled,
)
from zrm.contract.inbound import Report
from zrm.contract.outbound import Reply, Sent

_IDLE: Final = 10.0  # seconds after which a connection may be dead, and is checked before it is used
_THROTTLED: Final = (0x58, 0x14, 0x64)  # too fast, queue full, temporary fault
_PAUSES: Final = (0.5, 1.0, 2.0, 4.0)
_NO_SUCH_NUMBER: Final = (0x0B, 0x50)
_SETTINGS: Final = (0x0D, 0x0E, 0x0F, 0x0A, 0x48, 0x49)  # bind, password, name, our own address
_UDH: Final = 0x40


class Transmitter:
    """Sends for one gateway; may be used by several threads of one process, one message at a time."""

    def __init__(self, name: str, gateway: SmppGateway) -> None:
        self._name = name
        self._gateway = gateway
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._used = 0.0
        self._sequence = itertools.count(1)

    def send(self, sender: str, reply: Reply) -> Sent:
        """Send one message in as many parts as needed. Errors: SendError and nothing else."""
        encoding, parts = split(reply.text, self._gateway.alphabet)
        with self._lock:
            self._ready()
            mark = secrets.randbelow(256)
            taken: list[str] = []
            for number, part in enumerate(parts, 1):
                header = bytes([5, 0, 3, mark, len(parts), number]) if len(parts) > 1 else b""
                message = SubmitSm(
                    short_message=".",
                    source=_address(sender),
                    destination=_address(reply.to),
                    esm_class=_UDH if header else 0,
                    registered_delivery=1,
                    encoding="ucs2" if encoding == "UCS-2" else None,
                )
                message.set_encoded_message(header + part)
                taken.append(self._submit(message, first=not taken))
                self._pace()
        references = tuple(reference(self._name, given, self._gateway, report=False) for given in taken)
        return Sent(references[0], final=False, part_refs=references if len(references) > 1 else ())

    def ask(self, sender: str, provider_ref: str) -> Report | None:
        """The SMSC's state of a message whose report never came (query_sm). Errors: SendError, retryable."""
        source = _address(sender)
        for spelling in spellings(self._name, provider_ref, self._gateway):
            body = spelling.encode("latin-1") + b"\0" + bytes([source.ton, source.npi]) + source.number.encode() + b"\0"
            with self._lock:
                self._ready()
                try:
                    status, answer = self._exchange(partial(pdu.write, pdu.QUERY_SM, body=body), pdu.QUERY_SM_RESP)
                except OutcomeUnknown:  # a query only: nothing was sent
                    raise ConnectionFailed(messages.GATEWAY_NOT_REACHED) from None
            if status in _THROTTLED:
                raise Throttled(messages.GATEWAY_WAIT, code=status_name(status))
            if status == 0:
                return state_report(provider_ref, answer)
        return None

    def close(self) -> None:
        """Unbind and close."""
        with self._lock:
            if self._socket is not None:
                self._goodbye()

    # ------------------------------------------------------------------ one part

    def _submit(self, message: SubmitSm, *, first: bool) -> str:
        """The SMSC's id of the part. Errors: SendError; once a part was taken, only OutcomeUnknown."""

        def packet(sequence: int) -> bytes:
            message.sequence_num = sequence
            return bytes(message.pdu())

        status, answer = self._exchange(packet, pdu.SUBMIT_SM_RESP)
        for pause in _PAUSES if not first else ():
            if status not in _THROTTLED:
                break
            time.sleep(pause)  # the parts before it have been taken: wait here rather than send them again
            status, answer = self._exchange(packet, pdu.SUBMIT_SM_RESP)
        if status == 0:
            return pdu.read_text(answer)
        error = _refusal(status)
        raise error if first else OutcomeUnknown(messages.PART_TAKEN, code=error.code)

    def _exchange(self, packet: Callable[[int], bytes], answers: int) -> tuple[int, bytes]:
        """(status, the whole answer) to a packet, given its sequence number. Errors: OutcomeUnknown."""
        sequence = next(self._sequence) & 0x7FFFFFFF
        whole = packet(sequence)
        try:
            self._line().sendall(whole)
            while True:
                header, answer = self._receive()
                if header.sequence == sequence and header.command in (answers, pdu.GENERIC_NACK):
                    self._used = time.monotonic()
                    return header.status, answer
                self._answer(header.command, header.sequence)
        except (OSError, ValueError):
            self._drop()
            raise OutcomeUnknown(messages.UNKNOWN) from None

    def _pace(self) -> None:
        if self._gateway.per_second:
            time.sleep(1 / self._gateway.per_second)

    # ------------------------------------------------------------------ the connection

    def _ready(self) -> None:
        """A working connection. Errors: ConnectionFailed, ConfigInvalid, Throttled: nothing has left yet."""
        if self._socket is not None and time.monotonic() - self._used > _IDLE:
            self._ask()
        elif self._socket is not None and self._closed():
            self._drop()
        if self._socket is None:
            self._bind()

    def _closed(self) -> bool:
        """Whether the SMSC has disconnected meanwhile; its own enquire_link does not count."""
        line = self._line()
        line.setblocking(False)
        try:
            return line.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            line.settimeout(self._gateway.timeout)

    def _ask(self) -> None:
        sequence = next(self._sequence)
        try:
            self._line().sendall(EnquireLink(sequence_num=sequence).pdu())
            while True:
                header, _ = self._receive()
                if header.command == pdu.ENQUIRE_LINK_RESP and header.sequence == sequence:
                    return
                self._answer(header.command, header.sequence)
        except (OSError, ValueError):
            self._drop()

    def _bind(self) -> None:
        gateway = self._gateway
        try:
            self._socket = socket.create_connection((gateway.host, gateway.port), gateway.timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = BindTransmitter(
                sequence_num=next(self._sequence),
                system_id=gateway.system_id,
                password=gateway.password,
                system_type=gateway.system_type,
            )
            self._socket.sendall(request.pdu())
            header, _ = self._receive()
        except (OSError, ValueError):
            self._drop()
            raise ConnectionFailed(messages.GATEWAY_NOT_REACHED) from None
        if header.status:
            self._drop()
            if header.status in _SETTINGS:
                raise ConfigInvalid(messages.GATEWAY_SETTINGS, code=status_name(header.status))
            raise ConnectionFailed(messages.GATEWAY_NOT_REACHED, code=status_name(header.status))
        self._used = time.monotonic()

    def _answer(self, command: int, sequence: int) -> None:
        """Answer the SMSC's requests while we wait. Errors: OSError, also when it unbinds."""
        if command == pdu.ENQUIRE_LINK:
            self._line().sendall(pdu.write(pdu.ENQUIRE_LINK_RESP, sequence))
        elif command == pdu.UNBIND:
            self._line().sendall(pdu.write(pdu.UNBIND_RESP, sequence))
            raise ConnectionAbortedError

    def _receive(self) -> tuple[pdu.Header, bytes]:
        first = self._exactly(pdu.HEADER)
        header = pdu.read_header(first)
        return header, first + self._exactly(header.length - pdu.HEADER)

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = self._line().recv(count - len(data))
            if not piece:
                raise ConnectionAbortedError
            data += piece
        return bytes(data)

    def _line(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionAbortedError
        return self._socket

    def _goodbye(self) -> None:
        try:
            self._line().sendall(Unbind(sequence_num=next(self._sequence)).pdu())
            self._receive()
        except (OSError, ValueError):
            pass  # gone already
        self._drop()

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _refusal(status: int) -> SendError:
    code = status_name(status)
    if status in _THROTTLED:
        return Throttled(messages.GATEWAY_WAIT, code=code)
    if status in _NO_SUCH_NUMBER:
        return RecipientUnreachable(messages.NUMBER_WRONG, code=code)
    if status in _SETTINGS:
        return ConfigInvalid(messages.GATEWAY_SETTINGS, code=code)
    return Rejected(messages.GATEWAY_REJECTED, code=code)


def _address(number: str) -> PhoneNumber:
    """An international number, a short code, or a name, each with its SMPP type."""
    if number.startswith("+"):
        return PhoneNumber(number[1:], TON.INTERNATIONAL, NPI.ISDN)
    if number.isascii() and number.isdigit():
        return PhoneNumber(number, TON.UNKNOWN, NPI.ISDN)
    return PhoneNumber(number, TON.ALPHANUMERIC, NPI.UNKNOWN)
