"""The SMPP door: segments a second for each core of CPU that the listening process uses, each durable before its answer."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import yaml

from bench import cpu
from bench.figures import Figure, Result, Sizes
from bench.smsc import Delivered, DeliveringSmsc, segments
from bench.t1 import asleep
from tests.journeys.hub import CHECKOUT, Hub
from tests.lab.process import LOOPBACK, Child
from zrm.simulate import corpus

TARGET: Final = 1_000
_LINE: Final = "30001"
_WINDOWS: Final = (100, 10)
_LONGEST: Final = 260  # characters; four segments


def measure(hub: Hub, sizes: Sizes) -> Result:
    """A separate listener on the hub's store. The relay and the workers are stopped, as for the other doors."""
    result = Result(
        "The SMPP door",
        f"{sizes.segments} segments (Persian and English texts of up to {_LONGEST} characters, UCS-2, in parts with user "
        "data headers) by deliver_sm over one line from an SMSC on loopback, at most so many of them unanswered. CPU "
        "(user and system) of the listening process alone; each deliver_sm_resp follows PostgreSQL's commit. The relay "
        "and the workers are stopped meanwhile.",
    )
    warm_up = min(300, sizes.segments)
    before_all = _kept(hub)
    with (
        DeliveringSmsc() as smsc,
        _listener(hub, smsc.port) as pid,
        asleep(hub, "relay", "worker-1", "worker-2", "worker-3"),
    ):
        smsc.accept()
        smsc.deliver(bodies(warm_up, 0), _WINDOWS[0])
        for turn, window in enumerate(_WINDOWS, 1):
            before = cpu.of(pid)
            went = smsc.deliver(bodies(sizes.segments, turn), window)
            used = max(cpu.of(pid) - before, 0.01)
            result.figures += _figures(window, went, sizes.segments / used)
            result.notes.append(
                f"window {window}: {sizes.segments / went.seconds:.0f} segments/s by the clock; "
                f"{1000 * used / sizes.segments:.2f} ms of CPU per segment in the listener."
            )
            if set(went.statuses) != {0}:
                result.notes.append(f"window {window}: not every answer was a success: {went.statuses}.")
    kept, delivered = _kept(hub) - before_all, warm_up + len(_WINDOWS) * sizes.segments
    result.figures.append(
        Figure("segments kept of delivered", f"{kept} of {delivered}", target="all", met=kept == delivered)
    )
    return result


@contextmanager
def _listener(hub: Hub, port: int) -> Iterator[int]:
    """`zrm listen sms` bound to the SMSC on this port, beside the hub's own doors; its process id."""
    settings = yaml.safe_load(hub.config.read_text(encoding="utf-8"))
    gateway = {"kind": "smpp", "host": LOOPBACK, "port": port, "system_id": "hub", "password": "secret"}
    settings["channels"] = {"sms": {"accounts": {_LINE: {"gateway": "smsc"}}, "gateways": {"smsc": gateway}}}
    config = hub.folder / "smpp.yaml"
    config.write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    words = [sys.executable, "-m", "zrm.cli", "--config", str(config), "listen", "sms"]
    child = Child(words, log=hub.folder / "smpp.log", cwd=CHECKOUT)
    try:
        yield child.pid
    finally:
        child.stop()


def _kept(hub: Hub) -> int:
    ((count,),) = hub.ask("SELECT count(*) FROM raw_contacts WHERE channel = 'sms'")
    return int(count)


def bodies(count: int, turn: int) -> list[bytes]:
    """This many segments of texts from different citizens."""
    chance = random.Random(turn)
    found: list[bytes] = []
    number = 0
    while len(found) < count:
        citizen = corpus.citizen(chance, ("fa", "en"), number, "bench")
        found += segments(f"98912{turn:01d}{number:06d}", _LINE, citizen.text[:_LONGEST], number)
        number += 1
    return found[:count]


def _figures(window: int, went: Delivered, rate: float) -> list[Figure]:
    return [
        Figure(
            f"segments/s per core of door CPU, window {window}",
            f"{rate:.0f}",
            target=f"≥ {TARGET:,}",
            met=rate >= TARGET,
        ),
        Figure(f"deliver_sm to its answer, p50 / p99, window {window}", f"{went.p50:.1f} / {went.p99:.1f} ms"),
    ]
