"""One SMTP or LMTP conversation: aiosmtpd's, with what a public door needs besides.

What is changed, and why:
* the tables aiosmtpd builds by reflection for every connection are built once per process (they cost more than the rest of a
  short conversation);
* the greeting to EHLO is one packet; addresses are first matched by a pattern;
* DATA is read in large pieces, ended only by CR LF . CR LF (nothing else: SMTP smuggling), any line length, within the
  message's limit and the door's memory;
* STARTTLS uses the loop's own `start_tls`, and everything received before it is discarded;
* a peer that is silent, or has too many connections or errors, gets 421 and is disconnected;
* LMTP answers once for each recipient, as RFC 2033 demands (aiosmtpd answers once for all).
"""

from __future__ import annotations

import asyncio
import re
from io import BytesIO
from typing import TYPE_CHECKING, Final, cast

from aiosmtpd.smtp import SMTP, Envelope, Session, syntax

if TYPE_CHECKING:
    from zrm.channels.email.smtp import SmtpDoor

_CHUNK: Final = 65_536
_END: Final = b"\r\n.\r\n"
_DOT: Final = b"\r\n."
_MOST_ERRORS: Final = 12
_PATH: Final = re.compile(r"<([^<>\s\"\\:,@]+@[^<>\s\"\\:,@]+)>(?: (.*))?")
_COMMANDS: Final = (
    "HELO", "EHLO", "NOOP", "QUIT", "STARTTLS", "HELP", "VRFY", "EXPN", "MAIL", "RCPT", "RSET", "DATA",
)  # fmt: skip
_COMMAND_LIMIT: Final = 512
_MAIL_LIMIT: Final = 2048  # with SIZE=, SMTPUTF8 and long internationalised addresses


class CommandSizes(dict[str, int]):
    """Longest line by command in bytes; unlike aiosmtpd's own table it does not grow with what strangers send."""

    def __missing__(self, _: str) -> int:
        return _COMMAND_LIMIT


class Conversation(SMTP):
    """One connection. `door` has what the connections share."""

    command_size_limits = CommandSizes(MAIL=_MAIL_LIMIT, RCPT=_MAIL_LIMIT)
    # aiosmtpd allows for their absence; here they exist from the first byte on.
    session: Session
    envelope: Envelope
    transport: asyncio.Transport | None

    def __init__(self, door: SmtpDoor, loop: asyncio.AbstractEventLoop) -> None:
        # aiosmtpd's own constructor is not called, on purpose (see the module); a test compares the resulting
        # attributes.
        asyncio.StreamReaderProtocol.__init__(
            self,
            asyncio.StreamReader(limit=_CHUNK, loop=loop),
            client_connected_cb=self._cb_client_connected,
            loop=loop,
        )
        config = door.config
        self._door = door
        self.loop = loop
        self.event_handler = door
        self.hostname = config.hostname
        self.__ident__ = "ESMTP"
        self.data_size_limit = config.max_size
        self.enable_SMTPUTF8 = True
        self._decode_data = False
        self.tls_context = door.tls
        self.require_starttls = config.require_tls
        self._timeout_duration = config.idle_timeout
        self._timeout_handle = None
        self._tls_handshake_okay = True
        self._tls_protocol = None
        self._original_transport = None
        self.session = Session(loop)
        self.envelope = Envelope()
        self.transport = None
        self._handler_coroutine = None
        self._auth_require_tls = True
        self._auth_required = False
        self._auth_callback = None
        self._authenticator = None
        self._auth_methods = {}
        self._proxy_timeout = None
        self._enforce_call_limit = False
        self._ehlo_hook_ver = None
        self._handle_hooks = door.hooks
        self._smtp_methods = {name: getattr(self, f"smtp_{name}") for name in _COMMANDS}
        self._errors = 0
        self.peer = ""
        self._admitted = False
        self.busy = False  # between DATA and its answer: not to be interrupted by a shutdown

    # ------------------------------------------------------------ connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the peer, or refuse it with the reason."""
        refusal = self._door.admit(self, transport)
        if refusal:
            cast("asyncio.Transport", transport).write(refusal.encode() + b"\r\n")
            transport.close()
            return
        self._admitted = True
        super().connection_made(transport)
        if self._handler_coroutine is not None:
            self._handler_coroutine.add_done_callback(_forget_outcome)

    def connection_lost(self, error: Exception | None) -> None:
        """The peer is gone; an unfinished message is discarded, a finished one is kept."""
        if self._admitted:
            self._admitted = False
            self._door.dismiss(self)
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Bytes of an accepted peer; those of a refused one are ignored."""
        if self._admitted:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        """The peer sends no more: close, also when it left before its conversation had begun."""
        if self._admitted:
            super().eof_received()
        return False

    def hang_up(self, farewell: str) -> None:
        """Send the reason and close."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(farewell.encode() + b"\r\n")
            self.transport.close()

    def _timeout_cb(self) -> None:
        self.hang_up("421 4.4.2 Idle for too long, goodbye")

    async def push(self, status: str | bytes) -> None:
        """Send one answer; always a single line of our text, whatever it contains."""
        text = status if isinstance(status, str) else status.decode("utf-8", "replace")
        line = "".join(character for character in text if character.isprintable())
        self._errors += line.startswith("5")
        self._writer.write(line.encode("utf-8", "replace") + b"\r\n")
        if self._errors > _MOST_ERRORS:
            self.hang_up("421 4.7.0 Too many errors, goodbye")
            return
        await self._writer.drain()

    def _set_rset_state(self) -> None:
        self.envelope = Envelope()

    def _set_post_data_state(self) -> None:
        self.envelope = Envelope()

    # ------------------------------------------------------------ commands

    @syntax("EHLO hostname")
    async def smtp_EHLO(self, hostname: str | None) -> None:  # noqa: N802  # aiosmtpd's name
        """Greet; the list of extensions goes out as one packet."""
        if not hostname:
            await self.push("501 Syntax: EHLO hostname")
            return
        self._set_rset_state()
        self.session.extended_smtp = True
        self.session.host_name = hostname
        self._writer.write(self._door.greeting(encrypted=self.session.ssl is not None))
        await self._writer.drain()

    @syntax("VRFY <address>")
    async def smtp_VRFY(self, arg: str | None) -> None:  # noqa: N802  # aiosmtpd's name
        """Do not tell which addresses exist."""
        await self.push("252 2.5.2 Cannot verify, but will take a message for a known mailbox")

    @syntax("STARTTLS")
    async def smtp_STARTTLS(self, arg: str | None) -> None:  # noqa: N802  # aiosmtpd's name
        """Encrypt; the conversation starts anew (RFC 3207)."""
        if arg:
            await self.push("501 Syntax: STARTTLS")
            return
        if self.session.ssl is not None:
            await self.push("503 5.5.1 Already encrypted")
            return
        await self.push("220 2.0.0 Ready to start TLS")
        if self.transport is None or self.tls_context is None:
            return
        # Commands sent before the handshake would count as protected by it.
        self._reader._buffer.clear()  # type: ignore[attr-defined]  # asyncio offers no other way
        secure = await self.loop.start_tls(
            self.transport, self, self.tls_context, server_side=True, ssl_handshake_timeout=30
        )
        if secure is None:
            raise ConnectionResetError
        self.transport = secure
        self._reader._transport = secure  # type: ignore[attr-defined]  # as above
        self._writer._transport = secure  # type: ignore[attr-defined]  # as above
        self._set_rset_state()
        self.session = self._create_session()
        self.session.peer = secure.get_extra_info("peername")
        self.session.ssl = {"cipher": secure.get_extra_info("cipher")}
        # aiosmtpd asks this to know that the channel is safe.
        self._tls_protocol = secure  # type: ignore[assignment]  # only its truth is used

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        match = _PATH.fullmatch(arg)
        if match is not None:
            return match.group(1), match.group(2) or ""
        if arg.startswith("<>"):
            return "<>", arg[2:].strip()
        if arg.startswith("<") and ">" not in arg:
            return None, None
        try:
            address, rest = super()._getaddr(arg[:_MAIL_LIMIT])
        except (IndexError, AttributeError, TypeError, ValueError, RecursionError):
            return None, None  # the standard library's parser has faults of its own on hostile addresses
        if address and "@" not in address and address.lower() != "postmaster":
            return None, None
        return address, rest

    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802  # aiosmtpd's name
        """Receive the message and give it to the door."""
        if not self.session.host_name:
            await self.push("503 5.5.1 Error: send HELO first")
            return
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        if arg:
            await self.push("501 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        self.busy = True
        deadline = self.loop.time() + self._door.config.data_timeout
        message = _ReceivedMessage(self._door, self._door.config.max_size)
        try:
            while not message.complete:
                if self.loop.time() > deadline:
                    self.hang_up("421 4.4.2 The message took too long, goodbye")
                    return
                piece = await self._reader.read(_CHUNK)
                if not piece:
                    raise ConnectionResetError
                message.take(piece)
                self._reset_timeout()
            if message.following:
                # Pipelined commands came with the end of the message: they are next.
                self._reader._buffer[:0] = message.following  # type: ignore[attr-defined]  # asyncio offers no other way
            status = message.refusal
            if not status:
                self.envelope.content = self.envelope.original_content = message.content()
                if self._timeout_handle is not None:
                    self._timeout_handle.cancel()  # from here on we are the slow side
                statuses = await self._hand_over()
            else:
                statuses = self._refusals(status)
        finally:
            message.release()
            self._set_post_data_state()
            self.busy = False
        self._reset_timeout()
        for line in statuses:
            await self.push(line)
        if self._door.closing:
            self.hang_up("421 4.3.2 Closing, come again")

    async def _hand_over(self) -> list[str]:
        """Let the door keep the message; the answers for the peer."""
        return [await self._door.handle_DATA(self, self.session, self.envelope)]

    def _refusals(self, refusal: str) -> list[str]:
        return [refusal]


class LocalConversation(Conversation):
    """LMTP (RFC 2033): a mail server of ours delivers, and gets an answer for each recipient."""

    def __init__(self, door: SmtpDoor, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(door, loop)
        self.__ident__ = "LMTP"
        self._smtp_methods = {
            **{name: method for name, method in self._smtp_methods.items() if name not in ("HELO", "EHLO")},
            "LHLO": self.smtp_LHLO,
        }

    @syntax("LHLO hostname")
    async def smtp_LHLO(self, hostname: str | None) -> None:  # noqa: N802  # aiosmtpd's name
        """Greet as EHLO does."""
        if not hostname:
            await self.push("501 Syntax: LHLO hostname")
            return
        await self.smtp_EHLO(hostname)

    async def _hand_over(self) -> list[str]:
        by_account = await self._door.deliver(self.session, self.envelope)
        return [by_account[self._door.account_of(address)] for address in self.envelope.rcpt_tos]

    def _refusals(self, refusal: str) -> list[str]:
        return [refusal for _ in self.envelope.rcpt_tos]


class _ReceivedMessage:
    """The bytes between DATA and its end, counted against the message's limit and the door's memory.

    They are stored as they come, with SMTP's doubled dots undone, in the very buffer that is passed on: at the end
    nothing large is searched or copied, which would delay every other conversation.
    """

    def __init__(self, door: SmtpDoor, limit: int) -> None:
        self._door = door
        self._limit = limit
        self._kept = BytesIO()
        # The possible beginning of the end, after two bytes that are kept already; at first the line end before
        # the first line, so that a dot there is at the beginning of a line too.
        self._open = b"\r\n"
        self._held = 0
        self._seen = 0
        self.complete = False
        self.refusal = ""
        self.following = b""

    def take(self, piece: bytes) -> None:
        """Add a piece as it arrived; sets `complete` and `following` once it contains the end."""
        known = self._open + piece
        dot = known.find(_DOT) if b"." in known else -1  # base64 contains none, and one byte is found much faster
        end = known.find(_END, dot) if dot >= 0 else -1
        if end >= 0:
            self.complete = True
            self.following = known[end + len(_END) :]
            cut = end + 2
        else:
            cut = max(2, len(known) - len(_END) + 1)
            self._open = known[cut - 2 :]
        self._seen += len(piece)
        if not self.refusal:
            if self._seen - len(self.following) > self._limit + 5:
                self.refusal = f"552 5.3.4 Message is over the limit of {self._limit} bytes"
            elif not self._door.borrow(len(piece)):
                self.refusal = "452 4.3.1 Too many messages at once, come again"
            else:
                self._held += len(piece)
        if not self.refusal:
            self._kept.write(known[2:cut] if dot < 0 else known[:cut].replace(_DOT, b"\r\n")[2:])
        elif self._held:  # read on to the end without keeping it
            self._kept = BytesIO()
            self.release()

    def content(self) -> bytes:
        """The message."""
        return self._kept.getvalue()

    def release(self) -> None:
        """Release the reserved memory."""
        self._door.give_back(self._held)
        self._held = 0


def _forget_outcome(task: asyncio.Task[None]) -> None:
    """A peer that disconnected ends its task with an error that no code awaits; it is ignored."""
    if not task.cancelled():
        task.exception()
