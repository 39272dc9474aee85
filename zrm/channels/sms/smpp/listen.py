"""The door of an SMSC: each packet with a citizen's text, or with a report, is durable before it is acknowledged.

One connection per gateway, reopened after growing delays when it breaks. A packet that cannot be kept now gets a
temporary error; one that cannot be read is kept all the same, and `parse` reports it to an agent.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import struct
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Final

from aiosmpplib.protocol import BindReceiver, BindTransceiver, EnquireLink, Unbind
from aiosmpplib.state import SmppCommandStatus

from zrm.channels.sms.smpp import pdu
from zrm.channels.sms.smpp.config import SmppGateway
from zrm.channels.sms.smpp.pdu import Delivered, Header
from zrm.channels.sms.smpp.redelivery_window import Recent
from zrm.contract.inbound import RawContact, Receipt
from zrm.contract.ports import ReceptionPort
from zrm.kit import log
from zrm.kit.digests import digest_of
from zrm.kit.ids import new_id, new_trace
from zrm.kit.text import digits

MEDIA_TYPE: Final = "application/x-smpp"

_COME_AGAIN: Final = 0x64  # ESME_RX_T_APPN: a temporary fault of the receiver's
_LONGEST_PAUSE: Final = 60.0
_log = log.get(__name__)


class LineBroken(Exception):
    """The connection to the SMSC ended or cannot be used; `refused` if it rejected our name or password."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class SmppListener:
    """Keeps one connection to one SMSC. `lines` are our numbers there; `name` the gateway's in the configuration."""

    def __init__(
        self, name: str, gateway: SmppGateway, lines: Sequence[str], reception: ReceptionPort, folder: Path
    ) -> None:
        self._name = name
        self._gateway = gateway
        self._accounts = {digits(line): line for line in lines}
        self._account = next(iter(lines), name)
        self._reception = reception
        self._recent = Recent(folder / f"{name}.recent")
        self._sequence = 0
        self._heard = asyncio.Event()
        self._under_way: set[asyncio.Task[Receipt]] = set()

    async def run(self, stop: Event) -> None:
        """Listen until told to stop."""
        pause = 1.0
        while not stop.is_set():
            try:
                reader, writer = await self._connect()
                try:
                    await self._bind(reader, writer)
                    _log.info("bound", channel="sms", gateway=self._name)
                    pause = 1.0
                    await self._serve(reader, writer, stop)
                finally:
                    writer.close()
            except LineBroken as error:
                _log.warning("line broken", channel="sms", gateway=self._name, reason=str(error))
                pause = _LONGEST_PAUSE if error.refused else pause
            except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as error:
                _log.warning("line broken", channel="sms", gateway=self._name, reason=type(error).__name__)
            if not stop.is_set():
                await _wait(stop, pause * random.uniform(0.8, 1.2))  # noqa: S311  # so that many do not come at once
                pause = min(_LONGEST_PAUSE, pause * 2)
        self._recent.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        opening = asyncio.open_connection(self._gateway.host, self._gateway.port)
        return await asyncio.wait_for(opening, self._gateway.timeout)

    async def _bind(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind = BindReceiver if self._gateway.bind == "receiver" else BindTransceiver
        writer.write(
            kind(
                sequence_num=self._next(),
                system_id=self._gateway.system_id,
                password=self._gateway.password,
                system_type=self._gateway.system_type,
            ).pdu()
        )
        header, _ = await asyncio.wait_for(_packet(reader), self._gateway.timeout)
        if header.status:
            raise LineBroken(f"the SMSC refused the bind: {status_name(header.status)}", refused=True)
        self._recent.new_line()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stop: Event) -> None:
        room = asyncio.Semaphore(self._gateway.window)
        tasks = {
            asyncio.create_task(self._read(reader, writer, room)),
            asyncio.create_task(self._test(writer)),
            asyncio.create_task(_until(stop)),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                for _ in range(self._gateway.window):  # packets that are being kept are still answered
                    await asyncio.wait_for(room.acquire(), self._gateway.timeout)
                writer.write(Unbind(sequence_num=self._next()).pdu())
                await writer.drain()
                return
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, room: asyncio.Semaphore) -> None:
        while True:
            header, packet = await _packet(reader)
            self._heard.set()
            if header.command in (pdu.DELIVER_SM, pdu.DATA_SM):
                await room.acquire()
                keeping = asyncio.create_task(self._reception.receive_async(self._contact(packet)))
                self._under_way.add(keeping)  # a loop holds its tasks only weakly
                keeping.add_done_callback(self._under_way.discard)
                keeping.add_done_callback(partial(_answer, header=header, writer=writer, room=room))
                await writer.drain()
            elif header.command == pdu.ENQUIRE_LINK:
                writer.write(pdu.write(pdu.ENQUIRE_LINK_RESP, header.sequence))
            elif header.command == pdu.UNBIND:
                writer.write(pdu.write(pdu.UNBIND_RESP, header.sequence))
                await writer.drain()
                raise LineBroken("the SMSC closed the session (unbind)")
            elif not header.command & pdu.RESP:
                writer.write(pdu.write(pdu.GENERIC_NACK, header.sequence, status=0x03))  # no such command here

    async def _test(self, writer: asyncio.StreamWriter) -> None:
        """Send enquire_link after a while of silence; no answer means a broken connection."""
        while True:
            for asked in (False, True):
                self._heard.clear()
                try:
                    await asyncio.wait_for(
                        self._heard.wait(), self._gateway.timeout if asked else self._gateway.enquire_link
                    )
                    break
                except TimeoutError:
                    if asked:
                        raise LineBroken("the SMSC does not answer") from None
                    writer.write(EnquireLink(sequence_num=self._next()).pdu())

    def _contact(self, packet: bytes) -> RawContact:
        try:
            delivered: Delivered | None = pdu.read_delivered(packet)
        except ValueError:
            delivered = None  # kept all the same: `parse` says why it cannot be read
        report = delivered is not None and delivered.is_report
        content = packet[pdu.HEADER :]
        # Repeated reports say the same; a citizen may send the same words twice.
        identity = hashlib.sha256(content).hexdigest()[:40] if report else self._recent.identify(content, new_id().hex)
        account = self._accounts.get(digits(delivered.destination), self._account) if delivered else self._account
        return RawContact(
            channel="sms",
            account=account,
            external_id=f"{self._name}:{identity}",
            body=packet,
            media_type=MEDIA_TYPE,
            envelope={"gateway": self._name},
            kind="report" if report else "contact",
            trace=new_trace(),
            content=digest_of(content),  # without the header with its sequence number
        )

    def _next(self) -> int:
        self._sequence = self._sequence % 0x7FFFFFFF + 1
        return self._sequence


def _answer(
    done: asyncio.Future[Receipt], *, header: Header, writer: asyncio.StreamWriter, room: asyncio.Semaphore
) -> None:
    room.release()
    if done.cancelled():
        return
    failed = done.exception()
    status = 0 if failed is None else _COME_AGAIN
    if failed is None:
        receipt = done.result()
        _log.info("received", channel="sms", contact=str(receipt.contact_id), repeated=receipt.repeated)
    else:
        _log.warning("not received", channel="sms", reason=type(failed).__name__)
    if not writer.is_closing():
        writer.write(pdu.write(pdu.RESP | header.command, header.sequence, status=status, body=b"\0"))


def status_name(status: int) -> str:
    """SMPP's name of a command status, such as ESME_RINVPASWD; its number where it has none."""
    try:
        return str(SmppCommandStatus(status).name)
    except ValueError:
        return f"0x{status:02X}"


async def _packet(reader: asyncio.StreamReader) -> tuple[Header, bytes]:
    """The next packet whole. Errors: ValueError, asyncio.IncompleteReadError, OSError."""
    first = await reader.readexactly(pdu.HEADER)
    try:
        header = pdu.read_header(first)
    except struct.error as error:
        raise ValueError("not SMPP") from error
    return header, first + await reader.readexactly(header.length - pdu.HEADER)


async def _until(stop: Event) -> None:
    while not stop.is_set():  # noqa: ASYNC110  # the event is a thread's: it cannot be awaited
        await asyncio.sleep(0.1)


async def _wait(stop: Event, seconds: float) -> None:
    for _ in range(int(seconds * 10)):
        if stop.is_set():
            return
        await asyncio.sleep(0.1)
