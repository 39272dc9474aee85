"""What the embedded servers have in common: a folder, a lock on it, a password, a port, and a process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import IO, ClassVar, Self

from zrm.errors import ZrmError
from zrm.kit import log

LONGEST_SOCKET = 107  # bytes of a path in sockaddr_un
START_WITHIN = 300.0  # seconds; recovery after a crash may have much to read
STOP_WITHIN = 60.0

_log = log.get(__name__)


class ServerFailed(ZrmError):
    """An embedded server cannot be started; the message says why and where its log is."""


class EmbeddedServer(ABC):
    """A server in a folder of its own, as a child process. `start` and `stop` may be called repeatedly.

    `kill` is for fault tests: SIGKILL, as a power cut would.
    """

    program: ClassVar[str]  # the name of its executable file
    gentle: ClassVar[signal.Signals]  # asks for an orderly end without waiting for clients

    def __init__(self, folder: Path, log_file: Path | None = None) -> None:
        self.folder = folder.absolute()
        self.log_file = (log_file or folder / f"{self.program}.log").absolute()
        self._lock: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    @abstractmethod
    def home(self) -> Path:
        """The working directory by which its processes are known."""

    @abstractmethod
    def _launch(self) -> None:
        """Start the process and return when it answers; raise ServerFailed if it ends."""

    def start(self) -> None:
        """Return when it answers. Raises ServerFailed, also when another process already runs it."""
        if self.pid:
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._claim()
            self._evict()
            self._launch()
        except BaseException as problem:
            self.stop()
            if isinstance(problem, OSError):
                raise ServerFailed(f"{self.program} cannot be started in {self.folder}: {problem}") from problem
            raise

    def stop(self) -> None:
        """Stop it in order, by force after STOP_WITHIN seconds, and release the folder."""
        self._end()
        if self._lock:
            self._lock.close()
            self._lock = None

    def _end(self) -> None:
        """Stop it; the folder stays locked by us."""
        if self._process:
            self._process.send_signal(self.gentle)
            try:
                self._process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                _log.warning("server does not stop and is killed", server=self.program)
                self._process.kill()
                self._process.wait()
            self._process = None

    def kill(self) -> None:
        """SIGKILL, and wait for the end of that process; the folder stays locked by us."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stop in order and start again, at the same address."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def owned_elsewhere(self) -> bool:
        """Whether another process holds this folder, which means that it runs the server."""
        if self._lock:
            return False
        try:
            with (self.folder / "lock").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _claim(self) -> None:
        if self._lock:
            return
        lock = (self.folder / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise ServerFailed(f"{self.program} in {self.folder} is already run by another zrm process") from None
        self._lock = lock

    def _evict(self) -> None:
        """Stop what a dead parent, or a dead postmaster, left running in our folder."""
        if not inhabitants(self.home, self.program):
            return
        _log.warning("stopping a server whose parent was killed", server=self.program)
        for signal_number, patience in ((self.gentle, STOP_WITHIN), (signal.SIGKILL, 10.0)):
            left = inhabitants(self.home, self.program)
            # A parent passes an orderly end on to its children; a child by itself would take the signal for another
            # request.
            chosen = left if signal_number == signal.SIGKILL else [pid for pid in left if parent_of(pid) not in left]
            for pid in chosen:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal_number)
            until = time.monotonic() + patience
            while time.monotonic() < until:
                if not inhabitants(self.home, self.program):
                    return
                time.sleep(0.05)
        raise ServerFailed(f"{self.program} in {self.folder} was left running by a killed start and does not end")

    def _await(self, ready: Callable[[int], bool]) -> None:
        process = self._process
        if process is None:
            raise ServerFailed(f"{self.program} was not started")
        until = time.monotonic() + START_WITHIN
        while not ready(process.pid):
            if process.poll() is not None or time.monotonic() > until:
                state = "ended at once" if process.poll() is not None else f"did not answer in {START_WITHIN:.0f} s"
                self.kill()
                raise ServerFailed(f"{self.program} {state}; its log {self.log_file} ends: {last_line(self.log_file)}")
            time.sleep(0.02)

    def password(self) -> str:
        """The random password of this folder, made once and kept in a file that only its owner can read."""
        return remembered(self.folder / "password", lambda: secrets.token_urlsafe(24))

    def port(self) -> int:
        """The loopback port of this folder, the same in every run as long as it is free."""
        return int(remembered(self.folder / "port", lambda: str(free_port())))

    def _secure_port(self) -> int:
        """As `port`, but another one if that is taken."""
        port = self.port()
        if not is_free(port):
            (self.folder / "port").unlink()
            port = self.port()
        return port


def plain_environment() -> dict[str, str]:
    """The environment without PG… variables, locale and library path."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def inhabitants(home: Path, program: str) -> list[int]:
    """Ids of the processes that run `program` with `home` as their working directory; zombies are not counted."""
    place = home.stat()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            if os.path.samestat((entry / "cwd").stat(), place) and _program_of(entry).startswith(program):
                found.append(int(entry.name))
    return found


def _program_of(entry: Path) -> str:
    try:
        return (entry / "exe").readlink().name
    except FileNotFoundError:
        # A process that is ending still holds its memory for a moment after it has released its program.
        return (entry / "comm").read_text()


def parent_of(pid: int) -> int:
    """The parent's process id; 0 if the process is gone."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step by one that only its owner can read."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def remembered(path: Path, make: Callable[[], str]) -> str:
    """The text kept in a private file; made the first time."""
    if not path.exists():
        write_private(path, make())
    return path.read_text()


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def last_line(path: Path) -> str:
    """The last line of a log, for a message."""
    lines = path.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "(empty)"
