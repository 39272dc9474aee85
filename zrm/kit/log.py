"""Logs: one structured line per contact and step, personal data and secrets redacted before anything is written.

Values are redacted by rule, not by hope: text that looks like an address, a number of seven digits or more, or a
registered secret is replaced wherever it stands, in messages, fields and tracebacks alike.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterable, MutableMapping
from typing import Any

import structlog

_EMAIL = re.compile(r"[^\s<>\"'@=]+@[^\s<>\"'@,;)]+")
_NUMBER = re.compile(r"(?<![0-9A-Za-z-])\+?[0-9۰-۹٠-٩](?:[ \-]?[0-9۰-۹٠-٩]){6,}(?![0-9A-Za-z-])")
_PLAIN = {
    "event",
    "level",
    "timestamp",
    "trace",
    "contact",
    "case",
    "delivery",
    "job",
    "role",
    "channel",
    "seconds",
    "logger",
}
_PAUSE = 0.1
_secrets: set[str] = set()


def hide(secrets: Iterable[str]) -> None:
    """Register values that must never be printed; those under four characters are too common to hide."""
    _secrets.update(secret for secret in secrets if len(secret) >= 4)


def redact(text: str) -> str:
    """The text without registered secrets, e-mail addresses and long numbers."""
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, "[secret]")
    return _NUMBER.sub("[number]", _EMAIL.sub("[address]", text))


def _redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and (key not in _PLAIN or key == "event"):
            event[key] = redact(value)
        elif not isinstance(value, (str, int, float, bool, type(None))) and key not in _PLAIN:
            event[key] = redact(str(value))
    return event


class _Lines:
    """Gathers finished lines and writes them many at a time: a system call a line would cost more than the line.

    Ordinary lines wait at most `_PAUSE` seconds for company; warnings and worse are written at once, with all before
    them. A reader who has gone is no reason for the work to stop.
    """

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._lock = threading.Lock()
        self._writer: int | None = None  # the process whose thread writes; threads do not survive a fork

    def write(self, line: str) -> None:
        self._waiting.append(line)
        if self._writer != os.getpid():
            self._writer = os.getpid()
            threading.Thread(target=self._run, name="log-writer", daemon=True).start()

    def flush(self) -> None:
        with self._lock:
            lines, self._waiting = self._waiting, []
            if lines:
                with contextlib.suppress(OSError, ValueError):
                    sys.stderr.write("\n".join(lines) + "\n")
                    sys.stderr.flush()

    def _run(self) -> None:
        while True:
            time.sleep(_PAUSE)
            self.flush()


class _Stream:
    """The same lines, as the standard library's handler wants to write them."""

    def write(self, text: str) -> None:
        if line := text.rstrip("\n"):
            _lines.write(line)

    def flush(self) -> None:
        """Nothing: foreign lines wait for company too."""


_lines = _Lines()
atexit.register(_lines.flush)


class _Logger:
    """What structlog hands finished lines to."""

    def __init__(self, *_: Any) -> None:
        pass

    def _wait(self, line: str) -> None:
        _lines.write(line)

    def _write(self, line: str) -> None:
        _lines.write(line)
        _lines.flush()

    debug = info = msg = _wait
    warning = error = critical = exception = _write


def configure(role: str, *, level: str = "INFO", json: bool = True) -> None:
    """Set up this process's logging: JSON lines on standard error (or a console form), foreign loggers included.

    Our own lines go straight to the stream: a line per contact and step is on the hot path.
    """

    def with_role(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["role"] = role
        return event

    shared: list[structlog.types.Processor] = [
        with_role,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if json else structlog.dev.ConsoleRenderer(colors=False)
    )
    number = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=_Logger,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_Stream())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for noisy in ("mail.log", "uvicorn.access", "httpx", "twilio.http_client", "rq.worker"):
        logging.getLogger(noisy).setLevel("WARNING")


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger; call it as `log.info("filed", contact=…, trace=…)`. `name` says where in the house the line is from."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(room=name)
    return logger
