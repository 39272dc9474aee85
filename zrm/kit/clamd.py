"""Asks clamd, ClamAV's daemon, whether bytes contain a known virus: INSTREAM over TCP or a local socket.

We write nothing to clamd's disk and pass no path, so it may run anywhere.
"""

from __future__ import annotations

import re
import socket
from typing import BinaryIO, Final

_CHUNK: Final = 1 << 18
_LONGEST_ANSWER: Final = 4096
_ADDRESS: Final = re.compile(r"unix:(?P<path>/.+)|tcp:(?P<host>[^\s:]+|\[[0-9A-Fa-f:]+\]):(?P<port>\d{1,5})")


class ScannerAway(Exception):
    """clamd was not reached, or the connection broke before it answered; the same bytes may be sent again."""


class ScannerRefused(Exception):
    """clamd answered that it cannot judge these bytes; the message is its reason (too large, a fault of its own)."""


class Clamd:
    """One clamd at `address`: `unix:/run/clamav/clamd.ctl` or `tcp:host:port`. Errors: ValueError for another form."""

    def __init__(self, address: str, *, timeout: float) -> None:
        match = _ADDRESS.fullmatch(address)
        if match is None:
            raise ValueError("expected unix:/path/of/the/socket or tcp:host:port")
        self._path = match["path"] or ""
        self._peer = ((match["host"] or "").strip("[]"), int(match["port"] or 0))
        self._timeout = timeout

    def ping(self) -> bool:
        """Whether clamd answers at all."""
        try:
            with self._connect() as connection:
                connection.sendall(b"zPING\0")
                return _answer(connection) == "PONG"
        except OSError:
            return False

    def scan(self, source: BinaryIO) -> str:
        """The name of what was found in the bytes, "" if nothing was. Errors: ScannerAway, ScannerRefused."""
        try:
            with self._connect() as connection:
                broke = _send(connection, source)
                try:
                    answer = _answer(connection)
                except OSError as error:
                    raise ScannerAway(type(broke or error).__name__) from error
        except OSError as error:
            raise ScannerAway(type(error).__name__) from error
        if answer == "stream: OK":
            return ""
        if answer.endswith(" FOUND"):
            return answer.removeprefix("stream: ").removesuffix(" FOUND")[:200]
        if answer.endswith("ERROR"):
            raise ScannerRefused(answer.removesuffix("ERROR").strip(" ."))
        raise ScannerAway("it broke off without an answer")

    def _connect(self) -> socket.socket:
        if not self._path:
            return socket.create_connection(self._peer, timeout=self._timeout)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(self._timeout)
            connection.connect(self._path)
        except BaseException:
            connection.close()
            raise
        return connection


def _send(connection: socket.socket, source: BinaryIO) -> OSError | None:
    """Send the bytes in chunks, each after its length; the error, if clamd stopped reading early: its answer says
    why.
    """
    try:
        connection.sendall(b"zINSTREAM\0")
        while chunk := source.read(_CHUNK):
            connection.sendall(len(chunk).to_bytes(4, "big") + chunk)
        connection.sendall(bytes(4))
    except (BrokenPipeError, ConnectionResetError) as error:
        return error
    return None


def _answer(connection: socket.socket) -> str:
    answer = b""
    while not answer.endswith(b"\0") and len(answer) < _LONGEST_ANSWER and (piece := connection.recv(1024)):
        answer += piece
    return "".join(sign for sign in answer.decode("utf-8", "replace") if sign.isprintable())
