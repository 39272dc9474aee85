"""Logs: one structured line per contact and step, personal data and secrets redacted before anything is written.

Values are redacted by rule: text that looks like an address, a number of seven digits or more, or a registered secret
is replaced wherever it occurs, in messages, fields and tracebacks alike. A text that is too long to be searched loses
its middle first, and every pattern looks at each character once: the cost grows with the length only. Uncaught errors,
in the main program or a thread, are lines like all others.
"""

from __future__ import annotations

import atexit
import contextlib
import json as jsons
import logging
import os
import re
import string
import sys
import threading
import time
from collections.abc import Iterable, MutableMapping
from functools import lru_cache
from types import TracebackType
from typing import Any

import structlog

from zrm.contract.reasons import Reason
from zrm.kit.clock import now

_LONGEST_OF_REASON = 500  # characters of each text
_LONGEST = 10_000  # characters of a value; of a longer one the two ends are kept
_EDGE = 300  # characters beside a cut, which may be a part of something personal and are dropped
# A word with a sign between others; tried once a word, from its beginning, and no repetition backtracks.
_ADDRESS = re.compile(r"(?<![^\s<>\"'=])@*+[^\s<>\"'=@]++@[^\s<>\"']++")
_DIGIT = "[0-9۰-۹٠-٩]"
_DIGITS = re.compile(rf"(?<![0-9A-Za-z-])\+?{_DIGIT}++(?:[ \-]{_DIGIT}++)*+")
_WORD = frozenset(string.ascii_letters + string.digits + "-")
_LEAST_DIGITS = 7
_PLAIN = {
    "event",
    "level",
    "timestamp",
    "trace",
    "contact",
    "case",
    "delivery",
    "incident",
    "job",
    "role",
    "channel",
    "seconds",
    "logger",
}
_PAUSE = 0.1
_SHORT = 64
_secrets: set[str] = set()


def hide(secrets: Iterable[str]) -> None:
    """Register values that must never be printed; those under four characters are too common to hide."""
    _secrets.update(secret for secret in secrets if len(secret) >= 4)
    _redact_short.cache_clear()


def redacted(reason: Reason) -> Reason:
    """A reason as it may be kept: its texts without secrets and addresses, and of bounded length."""
    return reason.with_texts(lambda text: redact(text)[:_LONGEST_OF_REASON])


def redact(text: str) -> str:
    """The text without registered secrets, e-mail addresses and long numbers; a very long one without its middle."""
    if found := [secret for secret in _secrets if secret in text]:
        # All in one pass, the longest first: one secret may be part of another, or of the mark of a hidden one.
        found.sort(key=len, reverse=True)
        text = re.sub("|".join(map(re.escape, found)), "[secret]", text)
    if len(text) <= _LONGEST:
        return _without_personal(text)
    half = _LONGEST // 2
    begin, end = _without_personal(text[:half]), _without_personal(text[-half:])
    return f"{begin[:-_EDGE]} [cut] {end[_EDGE:]}"


def _without_personal(text: str) -> str:
    return _DIGITS.sub(_unless_short, _ADDRESS.sub("[address]", text))


def _unless_short(match: re.Match[str]) -> str:
    """A chain of groups of digits as `[number]`, if there are enough digits.

    A number does not end before a letter or a dash: that is part of an identifier, back to the last space.
    """
    text, begin, end = match.string, match.start(), match.end()
    if match[0].isascii() and text[end : end + 1] in _WORD:
        end = max(text.rfind(" ", begin, end), begin)
    if sum(map(str.isdecimal, text[begin:end])) < _LEAST_DIGITS:
        return match[0]
    return "[number]" + text[end : match.end()]


# The fixed words of every line (event, room, kind) are few: each is redacted once, not every time.
_redact_short = lru_cache(maxsize=1024)(redact)


def _redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            if key not in _PLAIN or key == "event":
                event[key] = _redact_short(value) if len(value) <= _SHORT else redact(value)
        elif not isinstance(value, (int, float, bool, type(None))) and key not in _PLAIN:
            event[key] = redact(str(value))
    return event


class _Lines:
    """Collects finished lines and writes many at a time: a system call a line would cost more than the line.

    Ordinary lines wait at most `_PAUSE` seconds; warnings and worse are written at once, with all before them. A closed
    output does not stop the work.
    """

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._lock = threading.Lock()
        self._written = False  # whether a thread of this process writes; threads do not survive a fork

    def write(self, line: str) -> None:
        self._waiting.append(line)
        if not self._written:
            self._written = True
            threading.Thread(target=self._run, name="log-writer", daemon=True).start()

    def before_fork(self) -> None:
        """Before a fork: no line is being written while the process is copied."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """After a fork, in the parent: lines are written again."""
        self._lock.release()

    def after_fork(self) -> None:
        """After a fork, in the child: it has no thread of its parent's, and leaves its parent's lines to the parent."""
        self._written, self._waiting, self._lock = False, [], threading.Lock()

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
    """The same lines, through the interface of the standard library's handler."""

    def write(self, text: str) -> None:
        if line := text.rstrip("\n"):
            _lines.write(line)

    def flush(self) -> None:
        """No-op: lines of other loggers are batched as well."""


_lines = _Lines()
atexit.register(_lines.flush)
# A child that was forked while a line was being written would otherwise wait for ever at its first line.
os.register_at_fork(
    before=_lines.before_fork, after_in_parent=_lines.after_fork_in_parent, after_in_child=_lines.after_fork
)


class _Logger:
    """The logger to which structlog passes finished lines."""

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
    """Set up this process's logging: JSON lines on standard error (or a console form), other libraries' loggers
    included.

    Our own lines go straight to the stream: a line per contact and step is on the hot path.
    """

    def dress(
        logger: structlog.types.WrappedLogger, method: str, event: structlog.types.EventDict
    ) -> structlog.types.EventDict:
        event["role"] = role
        event["timestamp"] = now().isoformat().replace("+00:00", "Z")
        if "exc_info" in event:
            event = structlog.processors.format_exc_info(logger, method, event)
        return structlog.processors.add_log_level(logger, method, event)

    shared: list[structlog.types.Processor] = [dress, _redact_event]
    # One encoder for all lines: `json.dumps` with options makes a new one each time, which costs more than its work.
    encode = jsons.JSONEncoder(ensure_ascii=False, default=repr).encode

    def as_json(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
        return encode(event)

    renderer: structlog.types.Processor = as_json if json else structlog.dev.ConsoleRenderer(colors=False)
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


def report_uncaught() -> None:
    """Log uncaught errors, in the main program, a thread or a finaliser, and warnings."""
    speak = get(__name__)

    def main(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            speak.critical("uncaught", exc_info=(kind, error, trace))

    def thread(what: threading.ExceptHookArgs) -> None:
        if what.exc_value is not None and not issubclass(what.exc_type, SystemExit):
            speak.critical("uncaught in a thread", exc_info=(what.exc_type, what.exc_value, what.exc_traceback))

    def finaliser(what: sys.UnraisableHookArgs) -> None:
        if what.exc_value is not None:
            speak.error("uncaught in a finaliser", exc_info=(what.exc_type, what.exc_value, what.exc_traceback))

    sys.excepthook, threading.excepthook, sys.unraisablehook = main, thread, finaliser
    logging.captureWarnings(capture=True)


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger; call it as `log.info("filed", contact=…, trace=…)`. `name` is the module the line comes from."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(room=name)
    return logger
