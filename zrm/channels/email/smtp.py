"""The SMTP and LMTP doors: they answer 250 only when the mail is durable, and give the sender's server the tracking
code.

One mail to several of our mailboxes is one contact per mailbox, because a relay may as well send it to each separately,
and the two must not differ. The identity is the content (see identity.py): a delivery that breaks before our 250 is
repeated and becomes the same contact.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections import Counter
from functools import partial
from pathlib import Path
from threading import Event
from typing import Final

import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session

from zrm.channels.channel import Installation
from zrm.channels.email.certificate import tls_context
from zrm.channels.email.config import EmailConfig
from zrm.channels.email.identity import external_id
from zrm.channels.email.mailboxes import Mailboxes, MailboxMatch
from zrm.channels.email.session import Conversation, LocalConversation
from zrm.contract.inbound import RawContact, Receipt
from zrm.contract.ports import ReceptionPort
from zrm.errors import OverQuota, StoreFull, StoreUnavailable
from zrm.kit import log
from zrm.kit.ids import new_trace
from zrm.kit.mail_addresses import comparable
from zrm.kit.peers import peer_of
from zrm.ui.i18n import format_code

_log = log.get(__name__)
_LARGE: Final = 65_536  # bytes; above it, hashing and writing leave the event loop
_GRACE: Final = 20.0  # seconds to finish work in progress when we are told to stop
_BACKLOG: Final = 512
_OVER: Final = {
    "peer": "Too much mail from your server in a short time",
    "email": "Too much mail from this sender in a short time",
    "door": "Too much mail from everywhere in a short time",
}
_RECEIVED: Final = "250 2.0.0 OK received as "


class SmtpDoor:
    """What all conversations of one process share: limits, mailboxes, and the front desk."""

    def __init__(self, config: EmailConfig, reception: ReceptionPort, tls: ssl.SSLContext | None) -> None:
        self.config = config
        self.tls = tls
        self.closing = False
        self.hooks = {"RCPT": self.handle_RCPT}
        self._reception = reception
        self._mailboxes = Mailboxes(config)
        self._conversations: set[Conversation] = set()
        self._peers: Counter[str] = Counter()
        self._borrowed = 0
        self._empty = asyncio.Event()
        lines = [
            config.hostname,
            f"SIZE {config.max_size}",
            "8BITMIME",
            "SMTPUTF8",
            "PIPELINING",
            "ENHANCEDSTATUSCODES",
        ]
        self._greetings = {
            encrypted: _multiline(lines + (["STARTTLS"] if tls and not encrypted else []) + ["HELP"])
            for encrypted in (False, True)
        }

    # ------------------------------------------------------------ connections

    def admit(self, conversation: Conversation, transport: asyncio.BaseTransport) -> str:
        """Count a new connection; the refusal to send instead, or ""."""
        peer = peer_of(_host(transport))
        if self.closing:
            return "421 4.3.2 Closing, come again"
        if len(self._conversations) >= self.config.connections:
            return "421 4.3.2 Too many connections, come again"
        if self._peers[peer] >= self.config.connections_per_peer:
            return "421 4.7.0 Too many connections from your address, come again"
        self._conversations.add(conversation)
        self._peers[peer] += 1
        conversation.peer = peer
        return ""

    def dismiss(self, conversation: Conversation) -> None:
        """Count a closed connection."""
        self._conversations.discard(conversation)
        self._peers[conversation.peer] -= 1
        if self._peers[conversation.peer] <= 0:
            del self._peers[conversation.peer]
        if self.closing and not self._conversations:
            self._empty.set()

    def borrow(self, size: int) -> bool:
        """Reserve memory for `size` bytes of an unfinished message, if enough is left."""
        if self._borrowed + size > self.config.memory:
            return False
        self._borrowed += size
        return True

    def give_back(self, size: int) -> None:
        """End a reservation."""
        self._borrowed -= size

    def greeting(self, *, encrypted: bool) -> bytes:
        """The whole answer to EHLO."""
        return self._greetings[encrypted]

    # ------------------------------------------------------------ aiosmtpd's hooks

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept known mailboxes only."""
        if len(envelope.rcpt_tos) >= self.config.max_recipients:
            return "452 4.5.3 Too many recipients, send the rest in another transaction"
        if self._mailboxes.find(address) is None:
            return "550 5.1.1 No such mailbox here"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        """Make the message durable for each of its mailboxes, then answer: positively only if it is durable for all.

        A sender over its quota is told to come again: its server keeps the message. Any sender address can be forged,
        so an address is counted together with its peer; else an attacker could block a citizen's mail.
        """
        peer, sender = str(session.peer[0]) if session.peer else "", str(envelope.mail_from or "")
        try:
            self._reception.admit("smtp", peer, size=len(envelope.content or b""))
            if "@" in sender:
                self._reception.admit_address("smtp", peer, "email", f"{peer_of(peer)} {comparable(sender)}")
        except OverQuota as over:
            return f"451 4.7.28 {_OVER[over.bound]}, come again in {over.retry_after} seconds"
        answers = list((await self.deliver(session, envelope)).values())
        refused = next((answer for answer in answers if not answer.startswith("250")), "")
        if refused:  # the sender sends to all of them again; mailboxes that have the message give the same code again
            return refused
        return ", ".join([answers[0], *(answer.removeprefix(_RECEIVED) for answer in answers[1:])])

    def account_of(self, address: str) -> str:
        """The mailbox an accepted recipient means."""
        return (self._mailboxes.find(address) or MailboxMatch("")).account

    async def deliver(self, session: Session, envelope: Envelope) -> dict[str, str]:
        """Make the message durable for each of its mailboxes; the answer for each."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        recipients: dict[str, list[str]] = {}
        for address in envelope.rcpt_tos:
            recipients.setdefault(self.account_of(address), []).append(address)
        trace = new_trace()
        answers = await asyncio.gather(
            *(self._answer(account, to, content, session, envelope, trace) for account, to in recipients.items())
        )
        return dict(zip(recipients, answers, strict=True))

    async def _answer(
        self, account: str, to: list[str], content: bytes, session: Session, envelope: Envelope, trace: str
    ) -> str:
        try:
            receipt = await self._store(account, to, content, session, envelope, trace)
        except StoreFull:
            _log.warning("refused", channel="email", reason="no room", trace=trace)
            return "452 4.3.1 No room at the moment, come again"
        except StoreUnavailable:
            _log.warning("refused", channel="email", reason="store unavailable", trace=trace)
            return "451 4.3.0 Cannot keep the message at the moment, come again"
        return f"{_RECEIVED}{format_code(receipt.code, 'en')}"

    async def _store(
        self, account: str, to: list[str], content: bytes, session: Session, envelope: Envelope, trace: str
    ) -> Receipt:
        large = len(content) > _LARGE
        identity = await asyncio.to_thread(external_id, account, content) if large else external_id(account, content)
        contact = RawContact(
            channel="email",
            account=account,
            external_id=identity,
            body=content,
            media_type="message/rfc822",
            envelope={
                "mail_from": "" if envelope.mail_from in (None, "<>") else _storable(str(envelope.mail_from)),
                "rcpt_tos": [_storable(address) for address in to],
                "helo": _storable(session.host_name or ""),
                "peer": str(session.peer[0]) if session.peer else "",
                "tls": session.ssl is not None,
            },
            trace=trace,
        )
        receipt = await self._reception.receive_async(contact)  # a peer that disconnects now does not undo it
        _log.info("received", channel="email", contact=str(receipt.contact_id), trace=trace, repeated=receipt.repeated)
        return receipt

    async def handle_exception(self, error: Exception) -> str:
        """An error of our own, or a failed handshake: other connections go on, the sender comes again."""
        if isinstance(error, (OSError, ssl.SSLError)):
            return "421 4.4.0 Connection failed, goodbye"
        _log.error("smtp session failed", channel="email", exc_info=error)
        return "451 4.3.0 Internal error, come again"

    # ------------------------------------------------------------ closing

    async def close(self) -> None:
        """Close idle connections, wait for those in use (bounded), then close the rest."""
        self.closing = True
        for conversation in list(self._conversations):
            if not conversation.busy:
                conversation.hang_up("421 4.3.2 Closing, come again")
        if not self._conversations:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                await self._empty.wait()
        for conversation in list(self._conversations):
            if conversation.transport is not None:
                conversation.transport.abort()


async def serve(door: SmtpDoor, stop: Event) -> None:
    """Listen until `stop` is set. Errors: OSError if the port cannot be opened."""
    loop = asyncio.get_running_loop()
    config = door.config
    doors: list[tuple[int, type[Conversation]]] = [(config.port, Conversation)] if config.door else []
    if config.lmtp_port:
        doors.append((config.lmtp_port, LocalConversation))
    servers: list[asyncio.Server] = []
    try:
        for port, kind in doors:
            server = await loop.create_server(
                partial(kind, door, loop), config.host, port, backlog=_BACKLOG, reuse_address=True
            )
            servers.append(server)
            _log.info("listening", channel="email", port=port)
    except OSError:
        for server in servers:
            server.close()
        raise
    try:
        while not stop.is_set():  # noqa: ASYNC110  # a thread's event cannot be awaited
            await asyncio.sleep(0.05)
    finally:
        for server in servers:
            server.close()
        await door.close()
        for server in servers:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(server.wait_closed(), 1)


def run_door(config: EmailConfig, installation: Installation, reception: ReceptionPort, stop: Event) -> None:
    """Run the door in this thread until `stop` is set. Errors: OSError if the port cannot be opened."""
    door = SmtpDoor(config, reception, tls_context(config, Path(installation.data_dir)))
    # aiosmtpd logs what peers send, with addresses, at every level below this one.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(door, stop))


def _host(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


def _storable(text: str) -> str:
    """An address or name as the peer sent it; bytes that are no UTF-8 become U+FFFD."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")


def _multiline(lines: list[str]) -> bytes:
    *first, last = lines
    return "".join([*(f"250-{line}\r\n" for line in first), f"250 {last}\r\n"]).encode()
