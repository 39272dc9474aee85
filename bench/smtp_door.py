"""The SMTP door's T1, against a bare aiosmtpd that syncs each message and does nothing else."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from bench import cpu, email_cost, sink
from bench.figures import Figure, Result, Sizes, median
from bench.load import Load
from bench.smtp_load import drive_apart
from bench.t1 import asleep
from tests.journeys.hub import Hub
from zrm.channels.email.config import EmailConfig

CONNECTIONS: Final = 32
TARGET: Final = 0.7
_SHORTEST, _LONGEST = 1_000, 2_000  # bytes


def measure(hub: Hub, sizes: Sizes) -> Result:
    """Alternating rounds of door and control. Relay and workers are stopped, so that only the door is measured."""
    messages = [mail.content for mail in email_cost.mails(hub, 400, reuse=True)]
    messages = [content.replace(b"\n.", b"\n..") for content in messages if _SHORTEST <= len(content) <= _LONGEST]
    result = Result(
        "The SMTP door",
        f"{CONNECTIONS} connections at once, every message new, of 1 to 2 kB; medians of {sizes.rounds} rounds of "
        f"{sizes.round_seconds:g} s, door and control by turns. The control is the same aiosmtpd on the same event loop "
        "with the same SIZE, which appends each message to one file and syncs it before its 250. The door's 250 stands "
        "for a receipt, a raw contact, a tracking code and the call of T2, committed and synced by PostgreSQL. No "
        "STARTTLS. The relay and the workers are stopped meanwhile.",
    )
    limit = int(EmailConfig.model_fields["max_size"].default)
    with (
        tempfile.TemporaryDirectory(prefix="zrm-sink-") as folder,
        sink.running(Path(folder), limit) as (control, control_pid),
        asleep(hub, "relay", "worker-1", "worker-2", "worker-3"),
    ):

        def load(port: int, reuse: bool) -> Load:
            return drive_apart(port, hub.mailbox, messages, CONNECTIONS, sizes.round_seconds, reuse=reuse)

        for name, reuse in (("a new connection for each", False), ("connections reused", True)):
            for port in (hub.smtp_port, control):
                drive_apart(port, hub.mailbox, messages, CONNECTIONS, min(1.0, sizes.round_seconds), reuse=reuse)
            before, before_control = cpu.spent(hub), cpu.of(control_pid)
            pairs = [(load(hub.smtp_port, reuse), load(control, reuse)) for _ in range(sizes.rounds)]
            used, control_used = cpu.between(before, cpu.spent(hub)), cpu.of(control_pid) - before_control
            result.figures += _figures(name, pairs)
            taken, kept = (sum(load.answers for load in side) for side in zip(*pairs, strict=True))
            result.notes.append(
                f"{name}: ms of CPU per message: email {1000 * used['email'] / taken:.2f}, "
                f"postgres {1000 * used['postgres'] / taken:.2f}; control {1000 * control_used / kept:.2f}."
            )
            if bad := [door.statuses for door, plain in pairs if not (door.clean and plain.clean)]:
                result.notes.append(f"{name}: not every answer was a success: {bad[0]}.")
    return result


def _figures(name: str, pairs: list[tuple[Load, Load]]) -> list[Figure]:
    ours, bare = median([door.rate for door, _ in pairs]), median([plain.rate for _, plain in pairs])
    slow, quick = median([door.p99 for door, _ in pairs]), median([plain.p99 for _, plain in pairs])
    share, times = median([d.rate / p.rate for d, p in pairs]), median([d.p99 / p.p99 for d, p in pairs])
    return [
        Figure(f"messages/s, {name}", f"{ours:.0f}", f"{bare:.0f}", f"{share:.0%}", f"≥ {TARGET:.0%}", share >= TARGET),
        Figure(f"p99, {name}", f"{slow:.1f} ms", f"{quick:.1f} ms", f"{times:.1f} ×"),
    ]
