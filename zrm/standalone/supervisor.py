"""A process tree: starts named child processes, collects their output, restarts them when they die, stops them all.

One thread does it all by waiting on pipes. Children run in sessions of their own, so a terminal's Ctrl-C reaches only
the supervisor, which stops them; if the supervisor is killed, the kernel kills them.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

from zrm.standalone.child_process import open_log, spawn

FIRST_DELAY = 0.5  # seconds before a dead child is started again; doubled each time
LONGEST_DELAY = 30.0
SETTLED_AFTER = 30.0  # after this many seconds of life the delay is FIRST_DELAY again
TICK = 1.0  # seconds between calls of `tend`
LONGEST_LINE = 64 * 1024  # bytes; a longer line is passed on in parts
IMPATIENT_AFTER = 1.0  # seconds; one Ctrl-C may reach us twice, from the terminal and from make
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _say(text: str) -> None:
    # A closed pipe or terminal is no reason to stop the children; the logs still have every line.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


class _Child:
    """One role: its process, the pipe from it, and when it may be restarted."""

    def __init__(self, name: str, argv: Sequence[str], inherit: Sequence[int], log_file: Path) -> None:
        self.name = name
        self.argv = list(argv)
        self.inherit = tuple(inherit)
        self.log: IO[bytes] = open_log(log_file)
        self.process: subprocess.Popen[bytes] | None = None
        self.pipe: int | None = None
        self.rest = b""
        self.delay = FIRST_DELAY
        self.started_at = 0.0
        self.due_at: float | None = 0.0  # None while it runs


class Supervisor:
    """Runs `roles` (name to argv), in their order, until SIGINT, SIGTERM or SIGHUP, or until `stop` is called.

    `inherit` are open files of ours, by number, that a role gets at each start: listening sockets that stay open while
    it restarts. Each line of a child's output goes to `say`, prefixed with the role's name, and unchanged to
    `log_dir/<name>.log`. `tend` is called about once a second. `stop_within` is the time in seconds in which all have
    ended: SIGTERM goes to all at once, because none needs another to end in order, and SIGKILL when the time is up. A
    second signal after a moment kills at once.
    """

    def __init__(
        self,
        roles: Mapping[str, Sequence[str]],
        env: Mapping[str, str],
        log_dir: Path,
        *,
        inherit: Mapping[str, Sequence[int]] | None = None,
        tend: Callable[[], None] | None = None,
        stop_within: float = 20.0,
        say: Callable[[str], None] = _say,
    ) -> None:
        given = inherit or {}
        self._children = [
            _Child(name, argv, given.get(name, ()), log_dir / f"{name}.log") for name, argv in roles.items()
        ]
        self._width = max((len(name) for name in roles), default=0)
        self._env = dict(env)
        self._tend = tend
        self._stop_within = stop_within
        self._say = say
        self._selector = selectors.DefaultSelector()
        self._told_at = 0.0  # when the first stop signal came
        self._in_a_hurry = False
        self._stopping = False

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the running children, by name."""
        return {
            child.name: child.process.pid
            for child in self._children
            if child.process is not None and child.process.poll() is None
        }

    def stop(self) -> None:
        """Make `run` stop all children and return; from any thread, within a second."""
        self._stopping = True

    def run(self) -> None:
        """Start and supervise all children until told to stop; none is left when it returns or raises. Main thread
        only.
        """
        with self._heed_signals():
            try:
                next_tick = time.monotonic()
                while not self._stopping:
                    self._start_those_due()
                    due = [child.due_at for child in self._children if child.due_at is not None]
                    self._read(until=min([next_tick, *due]))
                    if time.monotonic() >= next_tick:
                        next_tick = time.monotonic() + TICK
                        if self._tend and not self._stopping:
                            self._tend()
            finally:
                self._stop_all()

    @contextlib.contextmanager
    def _heed_signals(self) -> Iterator[None]:
        """Turn the stop signals into a flag, and let them end a wait in progress."""
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)

        def heed(_: int, __: FrameType | None) -> None:
            now = time.monotonic()
            self._told_at = self._told_at or now
            self._in_a_hurry = now - self._told_at > IMPATIENT_AFTER
            self._stopping = True

        # What our parent ignores (nohup, a job in the background) we ignore as well.
        heeded = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, heed) for number in heeded}
        wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._selector.register(reader, selectors.EVENT_READ, None)
        try:
            yield
        finally:
            self._selector.unregister(reader)
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            reader.close()
            writer.close()

    def _start_those_due(self) -> None:
        for child in self._children:
            if child.due_at is None or child.due_at > time.monotonic():
                continue
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            try:
                child.process = spawn(
                    child.argv,
                    output=writer,
                    on_parent_death=signal.SIGKILL,
                    env=self._env,
                    inherit=child.inherit,
                )
            except OSError as problem:
                os.close(reader)
                self._again(child, f"cannot be started ({problem})")
                continue
            finally:
                os.close(writer)
            child.pipe, child.started_at, child.due_at = reader, time.monotonic(), None
            self._selector.register(reader, selectors.EVENT_READ, child)

    def _again(self, child: _Child, what: str) -> None:
        if time.monotonic() - child.started_at > SETTLED_AFTER:
            child.delay = FIRST_DELAY
        self._tell(child, f"{what}; starting it again in {child.delay:g} s")
        child.due_at = time.monotonic() + child.delay
        child.delay = min(child.delay * 2, LONGEST_DELAY)

    def _read(self, until: float) -> None:
        """Pass on the children's output, and notice which have ended, in one wait no longer than `until`."""
        for key, _ in self._selector.select(max(0.0, until - time.monotonic())):
            child: _Child | None = key.data
            if child is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(key.fd, 4096)
            else:
                self._pass_on(child)
        for child in self._children:
            # A grandchild may keep the pipe open, so the process itself is checked.
            if child.process and child.process.poll() is not None:
                self._bury(child)

    def _pass_on(self, child: _Child) -> bool:
        """Read once; False when there is nothing more for now or at all."""
        if child.pipe is None:
            return False
        try:
            part = os.read(child.pipe, 65536)
        except BlockingIOError:
            return False
        if not part:
            self._selector.unregister(child.pipe)
            os.close(child.pipe)
            child.pipe = None
            return False
        # A full disk must not stop the children together with their logs.
        with contextlib.suppress(OSError):
            child.log.write(part)
        *lines, child.rest = (child.rest + part).split(b"\n")
        if len(child.rest) > LONGEST_LINE:
            lines, child.rest = [*lines, child.rest], b""
        for line in lines:
            self._tell(child, line.decode("utf-8", "replace"))
        return True

    def _bury(self, child: _Child) -> None:
        if child.process is None:
            return
        while self._pass_on(child):
            pass
        if child.rest:
            self._tell(child, child.rest.decode("utf-8", "replace"))
            child.rest = b""
        if child.pipe is not None:
            self._selector.unregister(child.pipe)
            os.close(child.pipe)
            child.pipe = None
        code = child.process.wait()
        child.process = None
        if not self._stopping:
            self._again(child, f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}")

    def _tell(self, child: _Child, text: str) -> None:
        self._say(f"{child.name:<{self._width}} | {text}")

    def _stop_all(self) -> None:
        self._stopping = True
        until = time.monotonic() + self._stop_within
        for child in self._children:
            child.due_at = None
            if child.process:
                child.process.terminate()
        while any(child.process for child in self._children):
            if time.monotonic() >= until or self._in_a_hurry:
                for child in self._children:
                    if child.process:
                        self._tell(child, "does not stop and is killed")
                        child.process.kill()
                        child.process.wait()
            self._read(until=time.monotonic() + 0.05)
        for child in self._children:
            child.log.close()
