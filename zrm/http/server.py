"""The web server: uvicorn, with time and size limits on requests.

uvicorn waits without limit for the rest of a request, and keeps a header of any size: a client that sends single bytes
would hold a socket for ever, and one that sends an endless header would fill the memory. An installation may have no
proxy in front, so both have a limit here. An application that is slow itself does not cost the client the connection.
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
BODY_SECONDS: Final = 60.0  # for the body, plus the time SLOWEST allows for its size
SLOWEST: Final = 500.0  # bytes a second, averaged over a body; a tenth of the slowest telephone's rate
MOST_HEAD: Final = 64 * 1024  # bytes; one more piece as the socket gives it may be kept
HANGS_AFTER: Final = 10.0  # seconds without a turn of the event loop after which the server counts as hung
LAST_CHANCE: Final = 1.0  # seconds at shutdown for a request that is on its way
_TOO_SLOW: Final = (
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 27\r\n\r\nThe request came too slow.\n"
)
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 24\r\n\r\nThe head is over 64 KiB.\n"
)

_log = log.get(__name__)


class _HttpConnection(HttpToolsProtocol):
    """One connection. `overdue` is asked once a second."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        # when the wait for the client began; None: the client waits for us
        self._began: float | None = time.monotonic()
        self._heard = False
        self._in_head = True
        self.last = False  # whether the current request is the last
        self._unanswered: list[RequestResponseCycle] = []  # requests, the oldest first
        self._size = 0  # bytes of the current head or body, without the piece in which it began

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
        # uvicorn notifies only the newest request; the one being answered would write to a closed connection, which is
        # an
        # error, and those in between would still be started.
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
        """The server ends: requests in progress are answered, and so is a request that comes within a moment.

        A client that has just connected, or writes on a kept connection, cannot know yet; closing at once would refuse
        it.
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
        """Close the connection if the client is overdue at `now` (monotonic seconds)."""
        if self._began is None or self.transport.is_closing():
            return
        if self.flow.read_paused:  # we are the side that does not read
            self._began = now
        elif now - self._began > (HEAD_SECONDS if self._in_head else BODY_SECONDS + self._size / SLOWEST):
            _log.info("closed a connection", reason="too slow", part="head" if self._in_head else "body")
            self._refuse(_TOO_SLOW)

    def _refuse(self, answer: bytes) -> None:
        # Browsers open connections they may not need, and would show an unasked answer for their next request.
        wordless = not self._heard or (
            getattr(self.cycle, "response_started", False) and not self.cycle.response_complete
        )
        if not wordless:
            self.transport.write(answer)
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn's server, which checks its connections. `ending` is called when it begins to end: for endless answers."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self._ending = ending
        self._ticked = time.monotonic()

    def turns(self) -> bool:
        """Whether the event loop still turns: asked from another thread, because a blocked loop cannot answer."""
        return time.monotonic() - self._ticked < HANGS_AFTER

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no new connections, answer the open ones, end. Called by uvicorn."""
        for server in self.servers:
            server.close()
        self._ending()
        await asyncio.sleep(0.05)  # the last accepted connection is known one turn of the loop later
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        self._ticked = time.monotonic()
        if counter % 10 == 0:
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                if isinstance(connection, _HttpConnection):
                    connection.look(now)
        return await super().on_tick(counter)


def config(app: ASGIApp, web: Web) -> uvicorn.Config:
    """The settings of the installation's web server: nothing is read from the environment."""
    return uvicorn.Config(
        app,
        host=web.host,
        port=web.port,
        http=_HttpConnection,
        ws="none",
        workers=1,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(web.trusted_proxies),
        forwarded_allow_ips=web.trusted_proxies,
        timeout_graceful_shutdown=5,
    )
