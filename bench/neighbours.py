"""Ordinary traffic at an SMTP door, in a separate process, until its standard input ends.

    python -m bench.neighbours PORT RECIPIENT

Some connections send NOOP, some send small mails, with pauses between them. Prints one JSON object: by kind a list
of [when it began on the monotonic clock, seconds until its answer].
"""

from __future__ import annotations

import json
import secrets
import smtplib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.lab.process import LOOPBACK

Times = dict[str, list[tuple[float, float]]]

_ASKING: Final = 2
_SENDING: Final = 2
_PAUSE: Final = 0.008  # seconds between an answer and the next question


def keep_asking(port: int, stop: threading.Event, times: list[tuple[float, float]]) -> None:
    """NOOP after NOOP on one connection. Errors: OSError, smtplib.SMTPException."""
    with smtplib.SMTP(LOOPBACK, port, local_hostname="mx.example.org", timeout=60) as line:
        line.ehlo()
        while not stop.wait(_PAUSE):
            began = time.monotonic()
            line.noop()
            times.append((began, time.monotonic() - began))


def keep_sending(port: int, recipient: str, stop: threading.Event, times: list[tuple[float, float]]) -> None:
    """Mail after mail on one connection; the time is from MAIL to the 250. Errors: OSError, smtplib.SMTPException."""
    run, number = secrets.token_hex(8), 0
    text = "The lamp in Spring Street has been dark since last week.\r\n" * 20
    with smtplib.SMTP(LOOPBACK, port, local_hostname="mx.example.org", timeout=60) as line:
        while not stop.wait(_PAUSE):
            number += 1
            sender = f"{run}.{number}@example.org"
            head = f"From: {sender}\r\nTo: {recipient}\r\nMessage-ID: <{sender}>\r\nSubject: lamp {number}\r\n\r\n"
            began = time.monotonic()
            line.sendmail(sender, recipient, head + text)
            times.append((began, time.monotonic() - began))


class Neighbours:
    """The process as the measurement sees it: `times` is set after the block of `at_work`."""

    def __init__(self) -> None:
        self.times: Times = {}

    def during(self, kind: str, begin: float, end: float) -> list[float]:
        """The seconds of every exchange that was in progress at any moment between the two."""
        return [took for at, took in self.times[kind] if at < end and at + took > begin]


@contextmanager
def at_work(port: int, recipient: str) -> Iterator[Neighbours]:
    """Traffic while the block lasts. Errors: OSError if it failed."""
    found = Neighbours()
    words = [sys.executable, "-m", "bench.neighbours", str(port), recipient]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None or process.stdout.readline() != "at work\n":
            raise OSError("the neighbours did not begin")
        yield found
    finally:
        said, _ = process.communicate()
    if process.returncode:
        raise OSError("the neighbours broke off")
    found.times = {kind: [(at, took) for at, took in times] for kind, times in json.loads(said).items()}


def _main(port: int, recipient: str) -> int:
    stop = threading.Event()
    times: Times = {"noop": [], "mail": []}
    errors: list[Exception] = []

    def work(kind: str) -> None:
        try:
            if kind == "noop":
                keep_asking(port, stop, times[kind])
            else:
                keep_sending(port, recipient, stop, times[kind])
        except (OSError, smtplib.SMTPException) as error:
            errors.append(error)

    kinds = ["noop"] * _ASKING + ["mail"] * _SENDING
    threads = [threading.Thread(target=work, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    sys.stdout.write("at work\n")
    sys.stdout.flush()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    for error in errors:
        sys.stderr.write(f"a neighbour broke off: {error!r}\n")
    sys.stdout.write(json.dumps(times))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1]), sys.argv[2]))
