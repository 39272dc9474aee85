"""A FastAGI server: accepts within limits, one thread a call, lets calls finish when it stops."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from threading import Event
from typing import Final

from zrm.channels.voice_ivr.contact import KIND
from zrm.kit import log

_log = log.get(__name__)

_ACCEPT_POLL_SECONDS: Final = 0.2
_CUT_OFF_SECONDS: Final = 5.0
_BACKLOG: Final = 256

Handle = Callable[[socket.socket], None]


class FastAgiServer:
    """Listens on `host:port` (0: a free port, see `port`) from the moment it is made. Errors: OSError."""

    def __init__(self, host: str, port: int, *, max_calls: int, allows: Callable[[str], bool]) -> None:
        self._listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=_BACKLOG
        )
        self._listener.settimeout(_ACCEPT_POLL_SECONDS)
        self._max_calls = max_calls
        self._allows = allows
        self._lock = threading.Lock()
        self._calls: dict[threading.Thread, socket.socket] = {}

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    @property
    def calls(self) -> int:
        """How many calls are in progress."""
        with self._lock:
            return len(self._calls)

    def close(self) -> None:
        """Stop listening, without having served."""
        self._listener.close()

    def serve(self, handle: Handle, stop: Event, *, refused: Callable[[str], None], finish_seconds: float) -> None:
        """Accept calls until `stop`; then let those in progress finish for `finish_seconds` before they are cut off.

        `handle` has the connection for itself and must not raise; `refused` gets the address of a refused peer.
        """
        with self._listener:
            while not stop.is_set():
                try:
                    connection, address = self._listener.accept()
                except TimeoutError:
                    continue
                except OSError as error:
                    # No descriptors left, or a connection that closed before we accepted it: the next one may work.
                    _log.error("a call could not be accepted", channel=KIND, reason=error.strerror)
                    stop.wait(_ACCEPT_POLL_SECONDS)
                    continue
                self._admit(connection, str(address[0]), handle, refused)
        self._finish(finish_seconds)

    def _admit(self, connection: socket.socket, peer: str, handle: Handle, refused: Callable[[str], None]) -> None:
        if not self._allows(peer):
            connection.close()
            refused(peer)
            return
        if self.calls >= self._max_calls:
            # Closing is how FastAGI refuses: the dialplan goes on with AGISTATUS=FAILURE.
            connection.close()
            _log.warning("all lines busy, call sent back", channel=KIND, calls=self._max_calls)
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A daemon, because a call that exceeds the grace period must not hold the process; its recording is the
        # sweep's.
        thread = threading.Thread(target=self._run, args=(connection, handle), name="call", daemon=True)
        with self._lock:
            self._calls[thread] = connection
        thread.start()

    def _run(self, connection: socket.socket, handle: Handle) -> None:
        try:
            handle(connection)
        finally:
            connection.close()
            with self._lock:
                del self._calls[threading.current_thread()]

    def _finish(self, seconds: float) -> None:
        self._join(time.monotonic() + seconds)
        with self._lock:
            left = dict(self._calls)
        for connection in left.values():
            with contextlib.suppress(OSError):  # it may have ended by itself meanwhile
                connection.shutdown(socket.SHUT_RDWR)
        if left:
            _log.warning("calls cut off by the stop", channel=KIND, calls=len(left))
            self._join(time.monotonic() + _CUT_OFF_SECONDS)

    def _join(self, deadline: float) -> None:
        with self._lock:
            threads = list(self._calls)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
