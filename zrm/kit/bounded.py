"""Calls of a function on hostile input, in a child process that the kernel ends when a call takes too long or too much.

Neither a thread nor a signal handler ends a loop in C: only the end of its process does. The child is a fork of the
caller, so it is ready at once, has the caller's data, and any function will do; questions and answers are pickled and
go through pipes, many at a time. The time counted is the processor's, so a busy machine makes no input look hostile.

A slow call does not delay the others: after a moment its child is set aside and another child answers the rest.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import pickle
import resource
import select
import signal
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any, Final, Generic, NoReturn, TypeVar

from zrm.contract.reasons import Reason, declare
from zrm.kit import log

Question = TypeVar("Question")
Answer = TypeVar("Answer")

_log = log.get(__name__)
TOO_LONG: Final = declare("reading.too_long", "reading it took more than %(number)s s")
TOO_LARGE: Final = declare("reading.too_large", "reading it needed more than %(number)s MB of memory")
DIED: Final = declare("reading.died", "the process that read it crashed")
FAILED: Final = declare("reading.failed", "reading it failed")
_LENGTH: Final = 8  # bytes before each question and answer
_CHUNK: Final = 60_000
"""Bytes of questions on their way at a time: as many as fit into an empty pipe, so that the two sides never
deadlock."""
_PIECE: Final = 65_536
"""Bytes read at a time: what a pipe holds."""
_GLANCE: Final = 0.1
"""Seconds between two checks of how long a call has computed."""
_MOST_SLOW: Final = 2
"""Children that are set aside at a time."""
HANGS: Final = 120.0
"""Seconds of clock time after which a call is ended in any case: it computes nothing, and waits for a disk that hangs."""
_WAITS: Final = 30.0
"""Seconds of clock time after which a call is slow even if it has not computed."""
_HERE: Final = {signal.SIGINT: signal.SIG_IGN} | dict.fromkeys(
    (signal.SIGTERM, signal.SIGPROF, signal.SIGALRM, signal.SIGHUP), signal.SIG_DFL
)


@dataclass(frozen=True, slots=True)
class Exceeded:
    """No answer: the call exceeded its limits, or its process died."""

    reason: Reason


class Hung(Exception):
    """No answer: the call waits for something and computes nothing. Its input is not at fault."""


class _Died(Exception):
    """The child has ended; `status` is what `os.waitpid` says."""

    def __init__(self, status: int) -> None:
        self.status = status


@dataclass(slots=True)
class Round(Generic[Answer]):
    """The state of some questions, by their position: answered, still in progress, or left (not asked, or not
    completed).
    """

    answers: dict[int, Answer | Exceeded] = field(default_factory=dict)
    slow: list[Slow[Answer]] = field(default_factory=list)
    left: list[int] = field(default_factory=list)


class Slow(Generic[Answer]):
    """A question that now has a child of its own; `answer` may be called by another thread, once."""

    def __init__(self, place: int, child: _BoundedChild, calls: Bounded[Any, Answer]) -> None:
        self.place = place
        self._child = child
        self._calls = calls  # which must not end before its child has answered
        calls.slow.append(child)

    def answer(self) -> Answer | Exceeded:
        """Wait for the answer as long as the call may take. Errors: Hung."""
        try:
            found: Answer | Exceeded | None = self._child.receive(self._calls.bounds.hangs)
        except _Died as death:
            return self._calls.bounds.reason(death)
        finally:
            self.end()
        if found is None:
            raise Hung
        return found

    def end(self) -> None:
        """End its child, which may still hold questions of others."""
        self._child.end()
        with contextlib.suppress(ValueError):  # closed meanwhile
            self._calls.slow.remove(self._child)


class Bounded(Generic[Question, Answer]):
    """Calls of `function`; each may compute for `seconds` and use `memory` bytes beyond what the process has already.

    A call that does not compute hangs after `hangs` seconds of clock time.

    For one thread at a time. An exception of the function is an `Exceeded` too: the function must handle errors it
    expects.
    """

    def __init__(
        self, function: Callable[[Question], Answer], *, seconds: float, memory: int, hangs: float = HANGS
    ) -> None:
        self._function = function
        self.bounds = _ChildBounds(seconds, memory, hangs)
        self._idle: list[_BoundedChild] = []
        self.slow: list[_BoundedChild] = []
        weakref.finalize(self, _end_all, self._idle, self.slow)

    def ask(self, questions: Sequence[Question], *, patience: float, budget: float) -> Round[Answer]:
        """Ask in order. A call that has computed for longer than `patience` seconds is slow; after `budget` seconds of
        clock time no further question is asked.
        """
        found = Round[Answer]()
        begun = time.monotonic()
        waiting = deque(enumerate(questions))
        while waiting:
            if time.monotonic() - begun > budget:
                found.left += [place for place, _ in waiting]
                break
            child = self._child()
            places = child.send(waiting)
            while places:
                try:
                    answer = child.receive(min(_WAITS, self.bounds.hangs), patience)
                except _Died as death:
                    found.answers[places.popleft()[0]] = self.bounds.reason(death)
                    break
                place, _ = places.popleft()
                if answer is not None:
                    found.answers[place] = answer
                    continue
                if len(self.slow) < _MOST_SLOW:
                    found.slow.append(Slow(place, child, self))
                else:
                    child.end()
                    found.left.append(place)
                break
            else:
                self._idle.append(child)
                continue
            waiting.extendleft(reversed(places))
        return found

    def one(self, question: Question) -> Answer | Exceeded:
        """Ask one and wait as long as it may take. Errors: Hung."""
        child = self._child()
        child.send(deque([(0, question)]))
        try:
            answer: Answer | Exceeded | None = child.receive(self.bounds.hangs)
        except _Died as death:
            return self.bounds.reason(death)
        if answer is None:
            child.end()
            raise Hung
        self._idle.append(child)
        return answer

    def close(self) -> None:
        """End the children; the next question makes a new one."""
        _end_all(self._idle, self.slow)

    def _child(self) -> _BoundedChild:
        while self._idle:
            child = self._idle.pop()
            if child.lives():
                return child
            child.end()
        return _BoundedChild(self._function, self.bounds, list(self.slow))


@dataclass(frozen=True, slots=True)
class _ChildBounds:
    seconds: float
    memory: int
    hangs: float

    def reason(self, death: _Died) -> Exceeded:
        if os.WIFSIGNALED(death.status) and os.WTERMSIG(death.status) == signal.SIGPROF:
            return Exceeded(TOO_LONG(number=f"{self.seconds:g}"))
        return Exceeded(DIED)

    def enforce_memory(self) -> None:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + self.memory
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class _BoundedChild:
    """One process that answers. It ends with its parent, because the pipe it reads from then closes."""

    def __init__(self, function: Callable[[Any], Any], bounds: _ChildBounds, others: Sequence[_BoundedChild]) -> None:
        theirs, self._questions = os.pipe()
        self._answers, sink = os.pipe()
        self._rest = bytearray()
        self._status: int | None = None
        self._ended = False
        self._open = RLock()  # held while the answers are read, so that nobody closes them then
        self._pid = os.fork()
        if self._pid == 0:
            _live(function, bounds, theirs, sink, [self, *others])
        os.close(theirs)
        os.close(sink)

    def lives(self) -> bool:
        return self._wait(os.WNOHANG) is None

    def send(self, waiting: deque[tuple[int, Any]]) -> deque[tuple[int, Any]]:
        """Take as many questions off `waiting` as fit into the pipe at a time, and ask them."""
        taken = deque[tuple[int, Any]]()
        chunk = bytearray()
        while waiting:
            data = pickle.dumps(waiting[0][1], pickle.HIGHEST_PROTOCOL)
            if taken and len(chunk) + _LENGTH + len(data) > _CHUNK:
                break
            taken.append(waiting.popleft())
            chunk += len(data).to_bytes(_LENGTH, "big") + data
        with contextlib.suppress(BrokenPipeError):  # the reader of the answers notices its end
            _write(self._questions, chunk)
        return taken

    def receive(self, seconds: float, patience: float | None = None) -> Any:
        """The next answer, or None after this many seconds, or after `patience` seconds of its computing. Errors: _Died,
        Hung.
        """
        if self._ended:
            raise Hung
        until = time.monotonic() + seconds
        begun = None if patience is None else self._computed()
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        while True:
            if len(self._rest) >= _LENGTH:
                end = _LENGTH + int.from_bytes(self._rest[:_LENGTH], "big")
                if len(self._rest) >= end:
                    answer = pickle.loads(memoryview(self._rest)[_LENGTH:end])  # noqa: S301  # our own child's
                    del self._rest[:end]
                    return answer
            with self._open:
                if self._ended:
                    raise Hung
                ready = poll.poll(_GLANCE * 1000)
                if self._ended:  # by this thread's own signal handler or finalizer
                    raise Hung
                part = os.read(self._answers, _PIECE) if ready else None
            if part is None:
                impatient = begun is not None and patience is not None and self._computed() - begun > patience
                if impatient or time.monotonic() > until:
                    return None
                continue
            if not part and self._ended:
                raise Hung
            if not part:
                status = self._wait(0)
                self.end()
                raise _Died(status or 0)
            self._rest += part

    def _computed(self) -> float:
        """Its processor time in seconds; 0 when it has ended."""
        try:
            return time.clock_gettime((~self._pid << 3) | 2)  # clock_getcpuclockid(3), which Python does not have
        except OSError:
            return 0.0

    def end(self) -> None:
        """End it in any state; a thread that waits for its answer gets Hung."""
        self._ended = True
        if self._wait(os.WNOHANG) is None:
            os.kill(self._pid, signal.SIGKILL)
            self._wait(0)
        with self._open:
            self.let_go()

    def let_go(self) -> None:
        """Close our ends of its pipes. A new process does so with what it got of its parent, whose locks mean nothing
        there.
        """
        for descriptor in (self._questions, self._answers):
            if descriptor >= 0:
                with contextlib.suppress(OSError):  # just closed by another thread
                    os.close(descriptor)
        self._questions = self._answers = -1

    def _wait(self, options: int) -> int | None:
        if self._status is None:
            try:
                pid, status = os.waitpid(self._pid, options)
            except ChildProcessError:  # other code has waited for all our children
                pid, status = self._pid, 0
            if pid:
                self._status = status
        return self._status


def _end_all(*groups: list[_BoundedChild]) -> None:
    for children in groups:
        while children:
            children.pop().end()


def _live(
    function: Callable[[Any], Any], bounds: _ChildBounds, source: int, sink: int, not_mine: Sequence[_BoundedChild]
) -> NoReturn:
    """The child's whole life. It leaves its parent's resources alone: it ends without cleanup."""
    try:
        faulthandler.disable()  # the output of a crash is no line of the log
        signal.set_wakeup_fd(-1)
        for number, what in _HERE.items():
            signal.signal(number, what)
        for child in not_mine:
            child.let_go()
        gc.freeze()
        bounds.enforce_memory()
        _answer(function, bounds, source, sink)
    finally:
        os._exit(0)


def _answer(function: Callable[[Any], Any], bounds: _ChildBounds, source: int, sink: int) -> None:
    while (size := _read(source, _LENGTH)) and (question := _read(source, int.from_bytes(size, "big"))):
        signal.setitimer(signal.ITIMER_PROF, bounds.seconds)  # the kernel's default for SIGPROF ends it
        try:
            answer = function(pickle.loads(question))  # noqa: S301  # our own parent's
            data = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
        except MemoryError:
            del question
            data = pickle.dumps(Exceeded(TOO_LARGE(number=bounds.memory >> 20)))
        except Exception as error:  # noqa: BLE001  # told to the parent; the log has where
            _log.exception("a bounded call failed")
            data = pickle.dumps(Exceeded(FAILED(words=type(error).__name__)))
        signal.setitimer(signal.ITIMER_PROF, 0)
        _write(sink, len(data).to_bytes(_LENGTH, "big") + data)


def _read(descriptor: int, size: int) -> bytes:
    """So many bytes; none when the other end is closed."""
    parts = []
    while size:
        part = os.read(descriptor, min(size, _PIECE))
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write(descriptor: int, data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
