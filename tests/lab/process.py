"""Starts a peer so that it cannot outlive the tests, finds a free port, waits until it is ready."""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

LOOPBACK = "127.0.0.1"


class PeerError(RuntimeError):
    """A peer did not start, did not become ready, or died. The message ends with the tail of its log."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port on loopback that is free at this moment, TCP unless `kind` says UDP."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def free_udp_range(count: int) -> tuple[int, int]:
    """First and last of `count` neighbouring UDP ports, all free at this moment, the first one even."""
    # Below the kernel's ephemeral ports, so that an ordinary client socket cannot land in the range later.
    for _ in range(200):
        first = random.randrange(11000, 31000, 2)
        if all(_udp_free(port) for port in range(first, first + count)):
            return first, first + count - 1
    raise PeerError(f"no {count} neighbouring free UDP ports found")


def _udp_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def wait_until(ready: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Call `ready` until it returns true; PeerError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise PeerError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second: the process ended between open and read
        return False


def listening(port: int) -> bool:
    """Whether a server listens on this loopback port; without connecting to it, which some doors would log."""
    wanted = f"{int.from_bytes(socket.inet_aton(LOOPBACK), 'little'):08X}:{port:04X}"
    rows = map(str.split, Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:])
    return any(row[1] == wanted and row[3] == "0A" for row in rows)


def tail(path: Path, lines: int = 30) -> str:
    """The last lines of a log, or a sentence if there is none."""
    if not path.exists():
        return f"(no log at {path.name})"
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


class Child:
    """A peer's process. The kernel kills it when the thread that started it ends, also by kill -9.

    Start it from a thread that lives as long as the peer is needed: in pytest the main thread, as fixtures do. `account`
    is the user it runs as instead of ours, which needs root.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        account: pwd.struct_passwd | None = None,
    ) -> None:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise PeerError("setpriv (package util-linux) is needed to tie peers to the test process")
        who = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"] if account else []
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                [setpriv, *who, "--pdeathsig", "KILL", "--", *argv],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=None if env is None else dict(env),
                # A separate session: Ctrl-C reaches the tests first, which then stop their peers in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id of the peer."""
        return self._process.pid

    def running(self) -> bool:
        """Whether the peer still runs."""
        return self._process.poll() is None

    def require_running(self) -> None:
        """Raise PeerError with the tail of the log if the peer has died."""
        if not self.running():
            raise PeerError(f"the peer ended with {self._process.returncode}\n{tail(self.log)}")

    def wait(self, seconds: float) -> bool:
        """Wait for the peer to end by itself; False if it still runs after `seconds`."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def ask_to_end(self) -> None:
        """Ask the peer and everything it started to end, without waiting for it."""
        self._signal_group(signal.SIGTERM)

    def stop(self, seconds: float = 5.0) -> None:
        """Ask the peer and everything it started to end; kill what is left after `seconds`."""
        self.ask_to_end()
        if not self.wait(seconds):
            self._signal_group(signal.SIGKILL)
            self._process.wait()

    def _signal_group(self, which: signal.Signals) -> None:
        if self.running():
            os.killpg(self._process.pid, which)
