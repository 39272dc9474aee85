"""A load generator for SMTP doors: prepared messages over plain sockets, one epoll loop, in a separate process.

    python -m bench.smtp_load PORT RECIPIENT MESSAGES CONNECTIONS SECONDS REUSE

MESSAGES is a file of pickled bytes, each a whole message; they are sent in turn, each with a unique first line, so that
each is a new message. With REUSE 0 each uses a new connection, from the greeting to QUIT.
Commands are not pipelined, because the control does not offer it. Prints one JSON object.
"""

from __future__ import annotations

import json
import pickle
import secrets
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import count, cycle
from pathlib import Path
from typing import Final

from bench.load import Load
from tests.lab.process import LOOPBACK

_RECEIVE: Final = 4_096
_EHLO: Final = b"EHLO mx.example.org\r\n"
_MAIL: Final = b"MAIL FROM:<citizen@example.org>\r\n"
_DATA: Final = b"DATA\r\n"
_QUIT: Final = b"QUIT\r\n"


class _Client:
    """One connection: a message, its answer, the next message. `step` counts the answers since it was opened or reused."""

    def __init__(self, port: int, recipient: bytes) -> None:
        self.socket = socket.create_connection((LOOPBACK, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = time.perf_counter_ns()
        self._words = (_EHLO, _MAIL, b"RCPT TO:<%s>\r\n" % recipient, _DATA)
        self._step = 0
        self._held = b""

    def again(self) -> None:
        """Begin another message on the same connection."""
        self.began = time.perf_counter_ns()
        self._step = 2
        self.socket.sendall(_MAIL)

    def quit(self) -> None:
        """Send QUIT without waiting for the answer."""
        self.socket.sendall(_QUIT)
        self.socket.close()

    def receive(self, message: bytes) -> str:
        """Process the received bytes; returns the status of the answer to a whole message or of a refusal, else ""."""
        piece = self.socket.recv(_RECEIVE)
        if not piece:
            raise ConnectionError("the server closed the connection")
        self._held += piece
        lines = self._held.split(b"\r\n")
        if lines[-1] or lines[-2][3:4] != b" ":
            return ""
        status, self._held = lines[-2][:3].decode("ascii"), b""
        if status[0] not in "23":
            return status
        if self._step < len(self._words):
            self.socket.sendall(self._words[self._step])
        elif self._step == len(self._words):
            self.socket.sendall(message)
        else:
            return status
        self._step += 1
        return ""


def drive(port: int, recipient: str, messages: Sequence[bytes], connections: int, seconds: float, reuse: bool) -> Load:
    """Send for this long over this many connections at once. Errors: OSError."""
    numbers, bodies, run = count(), cycle(messages), secrets.token_hex(8)
    to = recipient.encode()
    clients: dict[int, _Client] = {}
    poll = select.epoll()
    statuses: Counter[str] = Counter()
    times: list[int] = []

    def begin() -> None:
        client = _Client(port, to)
        clients[client.socket.fileno()] = client
        poll.register(client.socket.fileno(), select.EPOLLIN)

    used = time.process_time()
    began = time.perf_counter_ns()
    end = began + int(seconds * 1e9)
    for _ in range(connections):
        begin()
    while clients:
        for descriptor, _ in poll.poll(5):
            client = clients[descriptor]
            status = client.receive(b"X-Number: %s.%d\r\n%s\r\n.\r\n" % (run.encode(), next(numbers), next(bodies)))
            if not status:
                continue
            at = time.perf_counter_ns()
            times.append(at - client.began)
            statuses[status] += 1
            if reuse and at < end and status == "250":
                client.again()
                continue
            poll.unregister(descriptor)
            del clients[descriptor]
            client.quit()
            if at < end:
                begin()
    took = (time.perf_counter_ns() - began) / 1e9
    times.sort()
    return Load(
        rate=len(times) / took,
        p50=times[len(times) // 2] / 1e6,
        p99=times[int(len(times) * 0.99)] / 1e6,
        cpu=time.process_time() - used,
        statuses=dict(statuses),
    )


def drive_apart(
    port: int, recipient: str, messages: Sequence[bytes], connections: int, seconds: float, *, reuse: bool
) -> Load:
    """`drive` in a separate process. Errors: subprocess.CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "messages"
        path.write_bytes(pickle.dumps(list(messages)))
        words = [sys.executable, "-m", "bench.smtp_load", str(port), recipient, str(path)]
        words += [str(connections), str(seconds), str(int(reuse))]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return Load(**json.loads(done.stdout))


if __name__ == "__main__":
    _port, _recipient, _path, _connections, _seconds, _reuse = sys.argv[1:]
    _messages = pickle.loads(Path(_path).read_bytes())  # noqa: S301  # our own file, written a moment ago by our parent
    _load = drive(int(_port), _recipient, _messages, int(_connections), float(_seconds), _reuse == "1")
    sys.stdout.write(json.dumps(asdict(_load)))
