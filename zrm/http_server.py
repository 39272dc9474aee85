"""The web server: uvicorn, with an end to its patience.

uvicorn waits without end for the rest of a request, and keeps as much of its head as somebody cares to send: a machine
that drips bytes would hold a socket for ever, and one that sends a header without an end all the memory. An installation may
stand without a proxy before it, so both have a limit here. An app that is slow itself costs nobody the connection.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from zrm.config import Web
from zrm.kit import log

HEAD_SECONDS: Final = 20.0  # from the connection, or the first byte after an answer, to the end of the head
BODY_SECONDS: Final = 60.0  # for the body, and what SLOWEST allows for what has come of it
SLOWEST: Final = 500.0  # bytes a second, over a body as a whole; a tenth of what the slowest of telephones sends
MOST_HEAD: Final = 64 * 1024  # bytes; one more piece as the socket gives it may be kept
HANGS_AFTER: Final = 10.0  # seconds without a turn of the loop, after which the server counts as hung
LAST_CHANCE: Final = 1.0  # seconds; when the server ends, for a request that is on its way
_TOO_SLOW: Final = (
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 27\r\n\r\nThe request came too slow.\n"
)
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 24\r\n\r\nThe head is over 64 KiB.\n"
)

_log = log.get(__name__)


class _Connection(HttpToolsProtocol):
    """One connection. `overdue` is asked once a second."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        self._began: float | None = time.monotonic()  # when what we wait for began; None: the client waits for us
        self._heard = False
        self._in_head = True
        self.last = False  # whether what comes now is the last request
        self._unanswered: list[RequestResponseCycle] = []  # requests, the oldest first
        self._size = 0  # bytes of the head or body under way, without the piece its begin came in

    def data_received(self, data: bytes) -> None:
        if self._began is None:
            self._began = time.monotonic()
        self._heard = True
        self._size += len(data)
        super().data_received(data)
        if self._in_head and self._size > MOST_HEAD:
            self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._size = True, 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_head, self._size, self._began = False, 0, time.monotonic()
        self._unanswered = [*(cycle for cycle in self._unanswered if not cycle.response_complete), self.cycle]
        if self.last:
            self.cycle.keep_alive = False

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn tells the newest request alone; the one that is being answered would write to nobody, which is an error,
        # and those in between would still be begun.
        self.pipeline.clear()
        for cycle in self._unanswered:
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        super().connection_lost(exc)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._began = None

    def shutdown(self) -> None:
        """The server ends: what is under way is answered, and so is a request that comes within a moment.

        Who has just connected, or writes on a kept connection, cannot know yet; a connection closed at once would refuse them.
        """
        self.last = True
        if self._is_answering():
            super().shutdown()
        else:
            self.loop.call_later(LAST_CHANCE, self._leave)

    def _leave(self) -> None:
        if not self._is_answering() and (self._began is None or not self._heard):
            self.transport.close()

    def _is_answering(self) -> bool:
        return not getattr(self.cycle, "response_complete", True)  # there is no cycle before the first request

    def look(self, now: float) -> None:
        """End the connection if what it owes us is overdue at `now` (monotonic seconds)."""
        if self._began is None or self.transport.is_closing():
            return
        if self.flow.read_paused:  # it is we who do not read
            self._began = now
        elif now - self._began > (HEAD_SECONDS if self._in_head else BODY_SECONDS + self._size / SLOWEST):
            _log.info("closed a connection", reason="too slow", part="head" if self._in_head else "body")
            self._refuse(_TOO_SLOW)

    def _refuse(self, answer: bytes) -> None:
        # Browsers open connections they may not need; an answer to nothing would be shown for the next thing they ask.
        wordless = not self._heard or (
            getattr(self.cycle, "response_started", False) and not self.cycle.response_complete
        )
        if not wordless:
            self.transport.write(answer)
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn's, which looks after its connections. `ending` is called when it begins to end: for answers without an end."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self._ending = ending
        self._ticked = time.monotonic()

    def turns(self) -> bool:
        """Whether the event loop still turns: asked from another thread, which a blocked loop cannot answer for."""
        return time.monotonic() - self._ticked < HANGS_AFTER

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take in nobody else, answer who is in, end. Called by uvicorn."""
        for server in self.servers:
            server.close()
        self._ending()
        await asyncio.sleep(0.05)  # who was taken in last is known a turn of the loop later
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        self._ticked = time.monotonic()
        if counter % 10 == 0:
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                if isinstance(connection, _Connection):
                    connection.look(now)
        return await super().on_tick(counter)


def config(app: ASGIApp, web: Web) -> uvicorn.Config:
    """The settings of the installation's web server: nothing of them comes from the environment."""
    return uvicorn.Config(
        app,
        host=web.host,
        port=web.port,
        http=_Connection,
        ws="none",
        workers=1,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(web.trusted_proxies),
        forwarded_allow_ips=web.trusted_proxies,
        timeout_graceful_shutdown=5,
    )
