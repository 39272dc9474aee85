"""The control of the SMTP door: a bare aiosmtpd that appends each message to a file and syncs it before its 250.

    python -m bench.sink PORT FILE SIZE

It has the same aiosmtpd, event loop and SIZE as the door, but parses, numbers and looks up nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.lab.process import LOOPBACK, Child, free_port, wait_until


class Sink:
    """aiosmtpd's handler."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        """Keep one message."""
        content = envelope.content
        os.write(self._file, content if isinstance(content, bytes) else b"")
        os.fsync(self._file)
        return "250 2.0.0 OK"


async def serve(port: int, file: Path, size: int) -> None:
    """Listen until killed."""
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    loop = asyncio.get_running_loop()
    sink = Sink(file)
    server = await loop.create_server(
        lambda: SMTP(sink, data_size_limit=size, enable_SMTPUTF8=True, hostname="localhost", loop=loop),
        LOOPBACK,
        port,
        backlog=512,
    )
    await server.serve_forever()


@contextmanager
def running(folder: Path, size: int) -> Iterator[tuple[int, int]]:
    """The control in a separate process: its port and its process id."""
    port = free_port()
    words = [sys.executable, "-m", "bench.sink", str(port), str(folder / "sink"), str(size)]
    child = Child(words, log=folder / "sink.log")
    try:
        wait_until(lambda: greets(port), "the control to greet")
        yield port, child.pid
    finally:
        child.stop()


def greets(port: int) -> bool:
    """Whether an SMTP server answers on this loopback port."""
    try:
        with socket.create_connection((LOOPBACK, port), 2) as line:
            return line.recv(3) == b"220"
    except OSError:
        return False


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
