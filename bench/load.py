"""A load generator that does not dominate two cores: prepared requests over keep-alive sockets, one epoll loop.

    python -m bench.load HOST PORT REQUESTS CONNECTIONS SECONDS

REQUESTS is a file of pickled bytes, each a whole HTTP/1.1 request; they are sent once each, in order. Prints one JSON object.
"""

from __future__ import annotations

import json
import pickle
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_RECEIVE: Final = 65_536


@dataclass(frozen=True, slots=True)
class Load:
    """One round: answers a second, milliseconds at the median and the 99th of 100, the generator's own seconds of CPU,
    answers by status.
    """

    rate: float
    p50: float
    p99: float
    cpu: float
    statuses: dict[str, int]

    @property
    def answers(self) -> int:
        """How many requests were answered."""
        return sum(self.statuses.values())

    @property
    def clean(self) -> bool:
        """Whether every answer was a success or a redirect."""
        return all(status[0] in "23" for status in self.statuses)


class _Client:
    """One connection: sends a request, reads one answer, and so on."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held = b""
        self.needed = -1
        self.began = 0

    def send(self, request: bytes) -> None:
        self.held, self.needed = b"", -1
        self.began = time.perf_counter_ns()
        self.socket.sendall(request)

    def receive(self) -> str:
        """The status once the answer is whole, "" before."""
        piece = self.socket.recv(_RECEIVE)
        if not piece:
            raise ConnectionError("the server closed the connection")
        self.held = self.held + piece if self.held else piece
        if self.needed < 0:
            end = self.held.find(b"\r\n\r\n")
            if end < 0:
                return ""
            head = self.held[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            self.needed = end + 4 + length
        return self.held[9:12].decode() if len(self.held) >= self.needed else ""


def drive(address: tuple[str, int], requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Send the requests over this many connections until all are sent or the time is over. Errors: OSError."""
    waiting: Iterator[bytes] = iter(requests)
    clients = {}
    poll = select.epoll()
    for _ in range(connections):
        client = _Client(address)
        clients[client.socket.fileno()] = client
        poll.register(client.socket.fileno(), select.EPOLLIN)
    statuses: Counter[str] = Counter()
    times: list[int] = []
    busy = 0
    used = time.process_time()
    began = time.perf_counter_ns()
    end = began + int(seconds * 1e9)
    for client in clients.values():
        if (request := next(waiting, None)) is not None:
            client.send(request)
            busy += 1
    while busy:
        for descriptor, _ in poll.poll(5):
            client = clients[descriptor]
            status = client.receive()
            if not status:
                continue
            at = time.perf_counter_ns()
            times.append(at - client.began)
            statuses[status] += 1
            request = next(waiting, None) if at < end else None
            if request is None:
                busy -= 1
            else:
                client.send(request)
    took = (time.perf_counter_ns() - began) / 1e9
    times.sort()
    return Load(
        rate=len(times) / took,
        p50=times[len(times) // 2] / 1e6,
        p99=times[int(len(times) * 0.99)] / 1e6,
        cpu=time.process_time() - used,
        statuses=dict(statuses),
    )


def drive_apart(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """`drive` in a separate process, against loopback. Errors: subprocess.CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requests"
        path.write_bytes(pickle.dumps(list(requests)))
        words = [sys.executable, "-m", "bench.load", "127.0.0.1", str(port), str(path), str(connections), str(seconds)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
    return Load(**json.loads(done.stdout))


def request(path: str, body: bytes, headers: dict[str, str], method: str = "POST") -> bytes:
    """A whole HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


if __name__ == "__main__":
    _host, _port, _path, _connections, _seconds = sys.argv[1:]
    _load = drive(
        (_host, int(_port)),
        pickle.loads(Path(_path).read_bytes()),  # noqa: S301  # our own file, written a moment ago by our parent
        int(_connections),
        float(_seconds),
    )
    sys.stdout.write(json.dumps(asdict(_load)))
