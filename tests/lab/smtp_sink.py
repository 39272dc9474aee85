"""A mail server that stores received mail, and misbehaves on request: the receiver of the hub's outgoing mail."""

import asyncio
import ssl
import tempfile
import threading
from collections import deque
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from types import TracebackType

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.lab.certificate import write_certificate
from tests.lab.process import LOOPBACK, PeerError

LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """Answer this instead of 250 after DATA, for example "451 4.3.0 try later". The message is not kept."""

    line: str


@dataclass(frozen=True)
class Hold:
    """Keep the message but answer only when `release` is called."""

    released: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Release the answer."""
        self.released.set()


@dataclass(frozen=True)
class Drop:
    """Close the connection after the whole message, without an answer; the sender cannot know whether it was kept."""

    kept: bool


Behaviour = Answer | Hold | Drop


@dataclass(frozen=True)
class Mail:
    """One message as received, with its envelope."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    tls: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        """The message, parsed."""
        parsed = BytesParser(policy=policy.default).parsebytes(self.content)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def text(self) -> str:
        """Its plain text, or "" if it has none."""
        part = self.message.get_body(preferencelist=("plain",))
        return str(part.get_content()) if part is not None else ""


class SmtpSink:
    """The server, in a separate thread, for a `with` block.

    With `tls` it offers STARTTLS; `certificate` is then the file to trust. With `login` it requires STARTTLS and that user
    and password.
    """

    def __init__(self, *, tls: bool = False, login: tuple[str, str] | None = None) -> None:
        self.mails: list[Mail] = []
        self.port = 0
        if login is not None and not tls:
            raise ValueError("a password without TLS: no mail server worth testing against asks for that")
        self._login = login
        self._behaviours: deque[Behaviour] = deque()
        self._refused: dict[str, str] = {}
        self._changed = threading.Condition()
        self._folder = tempfile.TemporaryDirectory(prefix="zrm-smtp-")
        self._tls: ssl.SSLContext | None = None
        self.certificate: Path | None = None
        if tls:
            self.certificate, key = write_certificate(Path(self._folder.name))
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(self.certificate, key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="smtp-sink", daemon=True)
        self._ready = threading.Event()
        self._stopping = asyncio.Event()
        self._held: list[Hold] = []

    def __enter__(self) -> "SmtpSink":
        self._thread.start()
        if not self._ready.wait(10):
            raise PeerError("the SMTP sink did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hold in self._held:
            hold.release()
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._folder.cleanup()

    def next(self, *behaviours: Behaviour) -> None:
        """Use these behaviours for the next messages, one each; later ones are accepted."""
        self._behaviours.extend(behaviours)

    def refuse(self, recipient: str, line: str = "550 5.1.1 no such person") -> None:
        """Answer every RCPT for this address with `line`, 4xx or 5xx."""
        self._refused[recipient.lower()] = line

    def wait_for_mail(self, count: int = 1, seconds: float = 30.0) -> list[Mail]:
        """All mail kept so far, once there are at least `count`."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.mails) >= count, seconds):
                raise PeerError(f"{len(self.mails)} of {count} mails came in {seconds:.0f} s")
            return list(self.mails)

    # aiosmtpd's hooks, under its names.

    async def handle_RCPT(  # noqa: N802 - aiosmtpd finds its hooks by these names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        """Accept a recipient, or refuse it as told."""
        if line := self._refused.get(address.lower()):
            return line
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - see above
        """Accept a message, or behave as told."""
        mail = Mail(
            sender=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            content=envelope.original_content or b"",
            tls=bool(session.ssl),
            user=self._login[0] if self._login is not None and session.authenticated else None,
        )
        behaviour = self._behaviours.popleft() if self._behaviours else None
        if isinstance(behaviour, Answer):
            return behaviour.line
        if not isinstance(behaviour, Drop) or behaviour.kept:
            self._keep(mail)
        if isinstance(behaviour, Drop):
            if server.transport is None:
                raise PeerError("a session without a connection")
            server.transport.close()
        if isinstance(behaviour, Hold):
            self._held.append(behaviour)
            behaviour.reached.set()
            await asyncio.to_thread(behaviour.released.wait)
        return "250 2.0.0 accepted"

    def _keep(self, mail: Mail) -> None:
        with self._changed:
            self.mails.append(mail)
            self._changed.notify_all()

    def _sign_in(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        if isinstance(data, LoginPassword) and self._login is not None:
            user, password = data.login.decode(), data.password.decode()
            if (user, password) == self._login:
                return AuthResult(success=True, auth_data=user)
        return AuthResult(success=False, handled=False)

    def _session(self) -> SMTP:
        return SMTP(
            self,
            hostname="sink.test",
            data_size_limit=LARGEST,
            enable_SMTPUTF8=True,
            tls_context=self._tls,
            require_starttls=self._login is not None,
            auth_required=self._login is not None,
            authenticator=self._sign_in,
            loop=self._loop,
        )

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _serve(self) -> None:
        server = await self._loop.create_server(self._session, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        server.close()
        # Close open sessions: their clients belong to a finished test.
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)
