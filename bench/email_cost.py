"""What one e-mail costs, from SMTP to the filed case: CPU summed over every process."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Final

from bench import cpu
from bench.figures import Figure, Result, Sizes
from tests.journeys.hub import Hub, wait_until_quiet
from zrm.errors import ZrmError
from zrm.simulate import corpus
from zrm.simulate.email import EmailDoor, Mail
from zrm.simulate.endpoints import new_run

TARGETS_MS: Final = (4.0, 3.0)
"""The first target and the one that came after it."""
_SENDERS: Final = 8


def measure(hub: Hub, sizes: Sizes) -> Result:
    """The hub's own settings say whether it acknowledges; here it must not, so that filing is what is measured."""
    result = Result(
        "E-mail, SMTP to filed case",
        f"{sizes.mails} plain mails, each from a new person and so a new case, in Persian and English, sent by "
        f"{_SENDERS} senders at once; CPU (user and system) of all the hub's processes, PostgreSQL and Valkey included, "
        "from the first connection until the last case is filed and its agents are told. No acknowledgement is sent "
        "back in this run. django-helpdesk needs 14.5 ms, osTicket about 175, Request Tracker about 450 by the same "
        "count.",
    )
    send(hub, mails(hub, 100, reuse=True))
    for name, reuse in (("a new connection for each", False), ("connections reused", True)):
        made = mails(hub, sizes.mails, reuse=reuse)
        total, by_role, took = cost(hub, made)
        ms = 1000 * total / sizes.mails
        result.figures += [
            Figure(f"CPU per message, {name}", f"{ms:.2f} ms", target=f"≤ {target:g} ms", met=ms <= target)
            for target in TARGETS_MS
        ]
        shares = ", ".join(
            f"{role} {1000 * seconds / sizes.mails:.2f}"
            for role, seconds in sorted(by_role.items(), key=lambda item: -item[1])
            if seconds > 0.005 * total
        )
        result.notes.append(f"{name}: {sizes.mails / took:.0f} messages/s; ms by process: {shares}.")
    return result


def mails(hub: Hub, count: int, *, reuse: bool) -> list[Mail]:
    """So many mails, each from somebody new."""
    chance = random.Random(7)
    run = new_run()
    door = EmailDoor("127.0.0.1", hub.smtp_port, hub.mailbox, run, replies=0, files=0, encrypted=0, reuse=reuse)
    return [door.errand(corpus.citizen(chance, ("fa", "en"), number, run), chance) for number in range(count)]


def cost(hub: Hub, made: list[Mail]) -> tuple[float, dict[str, float], float]:
    """CPU seconds in all and by role, and the seconds it took, until every mail is filed and told. Errors: ZrmError."""
    wait_until_quiet(hub)
    before, began = cpu.spent(hub), time.monotonic()
    send(hub, made)
    took = time.monotonic() - began
    by_role = cpu.between(before, cpu.spent(hub))
    return sum(by_role.values()), by_role, took


def send(hub: Hub, made: list[Mail]) -> None:
    """Send them all and wait until the hub has nothing left to do. Errors: ZrmError if one is not taken."""
    queue: SimpleQueue[Mail] = SimpleQueue()
    for mail in made:
        queue.put(mail)
    troubles: list[str] = []

    def work() -> None:
        for mail in _drawn(queue):
            try:
                mail.go()
            except Exception as error:  # noqa: BLE001  # told to whoever measures
                troubles.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=work) for _ in range(_SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise ZrmError(f"{len(troubles)} mails were not taken: {troubles[0]}")
    wait_until_quiet(hub, 300)


def _drawn(queue: SimpleQueue[Mail]) -> Iterator[Mail]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return
