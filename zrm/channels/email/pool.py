"""Connections to the mail server that sends our answers, kept open between answers.

One pool per worker process. A kept connection is checked (NOOP) before it is used again, and closed when it is old; if
it breaks all the same before the message's last byte, the message has certainly not been taken, and a new connection is
used.
"""

from __future__ import annotations

import contextlib
import os
import smtplib
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

_OLDEST: Final = 300.0  # seconds since it was opened
_IDLE: Final = 30.0  # seconds since it was used; many servers disconnect after some minutes
_MOST_USES: Final = 100


@dataclass(slots=True)
class Kept:
    """A connection that has greeted, encrypted and signed in; `used` counts the messages it carried."""

    server: smtplib.SMTP
    opened: float
    last: float
    used: int = 0


class Pool:
    """Opens connections with `open_one` and keeps those that worked well."""

    def __init__(self, open_one: Callable[[], smtplib.SMTP]) -> None:
        self._open = open_one
        self._lock = threading.Lock()
        self._idle: list[Kept] = []
        self._process = os.getpid()
        weakref.finalize(self, _close_all, self._idle)

    @contextmanager
    def connection(self, *, fresh: bool = False) -> Iterator[Kept]:
        """A connection ready for MAIL; kept afterwards if the block ends well, closed if it raises.

        Errors: whatever `open_one` raises.
        """
        kept = None if fresh else self._take()
        if kept is None:
            opened = time.monotonic()
            kept = Kept(self._open(), opened, opened)
        try:
            yield kept
        except BaseException:
            _close(kept)
            raise
        kept.used += 1
        kept.last = time.monotonic()
        with self._lock:
            self._idle.append(kept)

    def _take(self) -> Kept | None:
        """A kept connection that still answers; None if there is none."""
        while True:
            with self._lock:
                if self._process != os.getpid():  # a fork must not use its parent's connections
                    self._idle.clear()
                    self._process = os.getpid()
                if not self._idle:
                    return None
                kept = self._idle.pop()
            now = time.monotonic()
            if now - kept.opened < _OLDEST and now - kept.last < _IDLE and kept.used < _MOST_USES and _answers(kept):
                return kept
            _close(kept)


def _answers(kept: Kept) -> bool:
    try:
        return kept.server.noop()[0] == 250
    except (OSError, smtplib.SMTPException):
        return False


def _close(kept: Kept) -> None:
    # Its message has been answered; errors on closing no longer matter.
    with contextlib.suppress(OSError, smtplib.SMTPException):
        kept.server.quit()
    kept.server.close()


def _close_all(idle: list[Kept]) -> None:
    while idle:
        _close(idle.pop())
