"""A large attachment by SMTP: the memory it takes at the door and in the worker, and its effect on other senders."""

from __future__ import annotations

import base64
import os
import smtplib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figures import Figure, Result, Sizes, median
from bench.neighbours import Neighbours, at_work
from tests.journeys.hub import Hub, wait_until_quiet
from tests.lab.process import LOOPBACK, wait_until
from zrm.simulate.simulator import percentile

MEMORY: Final = 4.0
"""Times the size of the message, above the process's memory at rest."""
P99_MS: Final = 100.0
_ROLES: Final = ("email", "worker-1", "worker-2", "worker-3")
_QUIET_SECONDS: Final = 1.0
_SENDER: Final = "clerk@example.org"


@dataclass(frozen=True, slots=True)
class Passage:
    """One large mail: when it began, was answered and was filed, on the monotonic clock."""

    size: int
    began: float
    answered: float
    filed: float
    grown: dict[str, int]  # bytes above rest by role


def measure(hub: Hub, sizes: Sizes) -> Result:
    """The whole hub under load; large mails alternate with quiet periods, which are the control."""
    result = Result(
        "A large attachment by SMTP",
        f"{sizes.attachments} mails with a file of {sizes.attachment / 1e6:.0f} MB of random bytes in base64, one after the other, each after "
        f"{_QUIET_SECONDS:g} s without one (the control). Peak memory is the kernel's own high-water mark (VmHWM, reset "
        "before each) above the resident memory before, the largest of all. Meanwhile neighbours ask NOOP on two "
        "connections and hand over small mails on two more; what was under way at any moment of a large mail's way "
        "counts. The whole hub is at work.",
    )
    passages, quiet = [], []
    with at_work(hub.smtp_port, hub.mailbox) as neighbours:
        for _ in range(sizes.attachments):
            began = time.monotonic()
            time.sleep(_QUIET_SECONDS)
            quiet.append((began, time.monotonic()))
            passages.append(pass_through(hub, large_mail(sizes.attachment)))
    wait_until_quiet(hub)
    spans = {
        "until the 250": [(one.began, one.answered) for one in passages],
        "from there until it is filed": [(one.answered, one.filed) for one in passages],
    }
    for when, busy in spans.items():
        for kind, name in (("noop", "NOOP"), ("mail", "mail")):
            calm = _during(neighbours, kind, quiet)
            result.figures.append(_neighbour(f"a neighbour's {name} {when}", _during(neighbours, kind, busy), calm))
    for name, roles in (("the door", _ROLES[:1]), ("the worker", _ROLES[1:])):
        grown, size = max((max(one.grown[role] for role in roles), one.size) for one in passages)
        result.figures.append(
            Figure(
                f"peak memory of {name} above rest",
                f"{grown / 1e6:.0f} MB",
                f"message {size / 1e6:.1f} MB",
                f"{grown / size:.1f} ×",
                f"≤ {MEMORY:g} ×",
                grown <= MEMORY * size,
            )
        )
    answered = median([one.answered - one.began for one in passages])
    filed = median([one.filed - one.answered for one in passages])
    result.notes.append(
        f"Medians: {answered:.2f} s from the first byte to the 250, {filed:.2f} s from there to the case."
    )
    return result


def large_mail(size: int) -> bytes:
    """A mail with a file of this many random bytes."""
    words = base64.encodebytes(os.urandom(size)).replace(b"\n", b"\r\n")
    return (
        b"From: Clerk <" + _SENDER.encode() + b">\r\nSubject: the plan\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b0"\r\n\r\n--b0\r\n\r\nThe plan is attached.\r\n--b0\r\n'
        b'Content-Type: application/octet-stream; name="plan.bin"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        + words
        + b"--b0--\r\n"
    )


def pass_through(hub: Hub, content: bytes) -> Passage:
    """Send one mail and wait until it is filed. Errors: smtplib.SMTPException if it is refused, PeerError."""
    pids = {role: hub.pids[role] for role in _ROLES}
    resting = {role: _memory(pid, "VmRSS") for role, pid in pids.items()}
    for pid in pids.values():
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")  # reset the high-water mark
    with smtplib.SMTP(LOOPBACK, hub.smtp_port, local_hostname="mx.example.org", timeout=60) as line:
        line.ehlo()
        line.mail(_SENDER, [f"SIZE={len(content)}"])
        line.rcpt(hub.mailbox)
        line.docmd("DATA")
        began = time.monotonic()
        line.send(content)
        line.send(b".\r\n")
        status, words = line.getreply()
        answered = time.monotonic()
        if status != 250:
            raise smtplib.SMTPDataError(status, words)
    code = words.rpartition(b" ")[2].replace(b"-", b"").decode("ascii")

    def filed() -> bool:
        with hub.database().cursor() as cursor:
            cursor.execute(
                "SELECT state FROM raw_contacts w JOIN tracking_codes r ON r.contact_id = w.id WHERE r.code = %s",
                [code],
            )
            return cursor.fetchone() == ("filed",)

    wait_until(filed, "the large mail to be filed")
    ended = time.monotonic()
    grown = {role: _memory(pid, "VmHWM") - resting[role] for role, pid in pids.items()}
    return Passage(len(content), began, answered, ended, grown)


def _memory(pid: int, field: str) -> int:
    """Bytes of a field of /proc/PID/status."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def _during(neighbours: Neighbours, kind: str, spans: list[tuple[float, float]]) -> list[float]:
    return [took for begin, end in spans for took in neighbours.during(kind, begin, end)]


def _neighbour(name: str, busy: list[float], quiet: list[float]) -> Figure:
    slow, usual = 1000 * percentile(busy, 0.99), 1000 * percentile(quiet, 0.99)
    return Figure(
        f"{name}, p99 of {len(busy)}",
        f"{slow:.0f} ms",
        f"{usual:.0f} ms",
        f"{slow / usual:.1f} ×" if usual else "–",
        f"≤ {P99_MS:g} ms",
        bool(busy) and slow <= P99_MS,
    )
