"""What one e-mail costs, from SMTP to the filed case: CPU summed over every process."""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from bench import cpu, mail_control
from bench.figures import Figure, Result, Sizes, median
from tests.journeys.hub import Hub, wait_until_quiet
from zrm.channels.email.config import EmailConfig
from zrm.errors import ZrmError
from zrm.simulate import corpus
from zrm.simulate.email import EmailDoor, Mail
from zrm.simulate.endpoints import new_run

TARGETS_MS: Final = (4.0, 3.0)
"""The first target and the later one."""
TARGET_TIMES: Final = 2.0
_SENDERS: Final = 8


def measure(hub: Hub, sizes: Sizes) -> Result:
    """The hub's own settings decide whether it acknowledges; here it must not, so that only filing is measured."""
    result = Result(
        "E-mail, SMTP to filed case",
        f"{sizes.mails} plain mails, each from a new person and so a new case, in Persian and English, sent by "
        f"{_SENDERS} senders at once; CPU (user and system) of all the hub's processes, PostgreSQL and Valkey included, "
        "from the first connection until the last case is filed and its agents are told. No acknowledgement is sent "
        f"back in this run. The control, by turns in {sizes.rounds} rounds, is a bare aiosmtpd on the same event loop that "
        "parses each mail with the standard library and commits one row for it in the same PostgreSQL; its CPU and "
        "PostgreSQL's are counted. django-helpdesk needs 14.5 ms, osTicket about 175, Request Tracker about 450 by the "
        "first count.",
    )
    limit = int(EmailConfig.model_fields["max_size"].default)
    with (
        tempfile.TemporaryDirectory(prefix="zrm-control-") as folder,
        mail_control.running(Path(folder), hub.servers.database_url, limit) as control,
    ):
        send(hub, mails(hub, 100, reuse=True))
        _control_cost(hub, control, 100, reuse=True)
        for name, reuse in (("a new connection for each", False), ("connections reused", True)):
            _compare(hub, control, sizes, result, name, reuse=reuse)
    return result


def _compare(hub: Hub, control: tuple[int, int], sizes: Sizes, result: Result, name: str, *, reuse: bool) -> None:
    """Measure the hub and the control in turn; add their figures to the result."""
    each = sizes.mails // sizes.rounds
    spent: Counter[str] = Counter()
    ratios, took, controls = [], 0.0, 0.0
    for _ in range(sizes.rounds):
        total, by_role, seconds = cost(hub, mails(hub, each, reuse=reuse))
        bare = _control_cost(hub, control, each, reuse=reuse)
        spent.update(by_role)
        ratios.append(total / bare)
        took, controls = took + seconds, controls + bare
    count, total = each * sizes.rounds, spent.total()
    ms, times = 1000 * total / count, median(ratios)
    plain = f"{1000 * controls / count:.2f} ms"
    measured = f"{ms:.2f} ms"
    result.figures += [
        Figure(
            f"CPU per message, {name}",
            measured,
            plain,
            f"{times:.1f} ×",
            f"≤ {TARGET_TIMES:g} ×",
            times <= TARGET_TIMES,
        ),
        *(
            Figure(f"CPU per message, {name}", measured, target=f"≤ {target:g} ms", met=ms <= target)
            for target in TARGETS_MS
        ),
    ]
    shares = ", ".join(
        f"{role} {1000 * seconds / count:.2f}" for role, seconds in spent.most_common() if seconds > 0.005 * total
    )
    result.notes.append(f"{name}: {count / took:.0f} messages/s; ms by process: {shares}.")


def _control_cost(hub: Hub, control: tuple[int, int], count: int, *, reuse: bool) -> float:
    """CPU seconds of the control and of PostgreSQL for this many mails. Errors: ZrmError."""
    port, pid = control
    made = mails(hub, count, reuse=reuse, port=port)
    postgres, bare = cpu.spent(hub)["postgres"], cpu.of(pid)
    _send(made)
    return cpu.of(pid) - bare + cpu.spent(hub)["postgres"] - postgres


def mails(hub: Hub, count: int, *, reuse: bool, port: int | None = None) -> list[Mail]:
    """This many mails, each from a new sender, for the hub's door or another `port` of this machine."""
    chance = random.Random(7)
    run = new_run()
    door = EmailDoor("127.0.0.1", port or hub.smtp_port, hub.mailbox, run, replies=0, files=0, encrypted=0, reuse=reuse)
    return [door.scenario(corpus.citizen(chance, ("fa", "en"), number, run), chance) for number in range(count)]


def cost(hub: Hub, made: list[Mail]) -> tuple[float, dict[str, float], float]:
    """CPU seconds in all and by role, and the elapsed seconds, until every mail is filed and its agents are notified. Errors:
    ZrmError.
    """
    wait_until_quiet(hub)
    before, began = cpu.spent(hub), time.monotonic()
    send(hub, made)
    took = time.monotonic() - began
    by_role = cpu.between(before, cpu.spent(hub))
    return sum(by_role.values()), by_role, took


def send(hub: Hub, made: list[Mail]) -> None:
    """Send them all and wait until the hub is idle. Errors: ZrmError if a mail is refused."""
    _send(made)
    wait_until_quiet(hub, 300)


def _send(made: list[Mail]) -> None:
    queue: SimpleQueue[Mail] = SimpleQueue()
    for mail in made:
        queue.put(mail)
    errors: list[str] = []

    def work() -> None:
        for mail in _drawn(queue):
            try:
                mail.go()
            except Exception as error:  # noqa: BLE001  # told to whoever measures
                errors.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=work) for _ in range(_SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise ZrmError(f"{len(errors)} mails were not taken: {errors[0]}")


def _drawn(queue: SimpleQueue[Mail]) -> Iterator[Mail]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return
