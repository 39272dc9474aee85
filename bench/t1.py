"""T1 over HTTP: the doors that answer after a durable commit, against a route that parses the same body and does nothing."""

from __future__ import annotations

import json
import random
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import httpx

from bench import control, cpu
from bench.figures import Figure, Result, Sizes, median
from bench.load import Load, drive_apart, request
from tests.journeys.hub import Hub
from zrm.installation import load_config
from zrm.simulate import corpus
from zrm.simulate.endpoints import web_client
from zrm.simulate.sms import SmsDoor

CONNECTIONS: Final = 32
WARM_UP: Final = 300
_FASTEST: Final = 12_000
"""Requests per second that a round provides; more than any route answers on one core of today."""

_FORM_ID: Final = re.compile(r'name="form_id" value="([^"]+)"')


def measure(hub: Hub, sizes: Sizes) -> Result:
    """Alternating rounds of each door and its control. The workers are stopped, so that T1 is measured without T2."""
    result = Result(
        "T1 over HTTP",
        f"{CONNECTIONS} keep-alive connections, every request a new contact; medians of {sizes.rounds} rounds of "
        f"{sizes.round_seconds:g} s, door and control by turns, each in one uvicorn process with the same settings. The control is a plain FastAPI application: it reads "
        "the same form or JSON body (pydantic model, Starlette's form parser, parse_qsl), and answers. "
        "PostgreSQL syncs every commit to disk. The relay and the workers are stopped meanwhile, so that the figures "
        "are T1's; the last line is with all of them at work on the same two cores.",
    )
    count = int(_FASTEST * sizes.round_seconds)
    with control.running() as (control_pid, control_port):
        makers = {"Twilio webhook": _webhooks, "JSON": _contacts, "form": _forms}
        with asleep(hub, "relay", "worker-1", "worker-2", "worker-3"):
            for name, make in makers.items():
                drive_apart(hub.web_port, make(hub, WARM_UP), CONNECTIONS, sizes.round_seconds)
                drive_apart(control_port, make(hub, WARM_UP), CONNECTIONS, sizes.round_seconds)
                before, before_control = cpu.spent(hub), cpu.of(control_pid)
                pairs = [
                    (
                        drive_apart(hub.web_port, make(hub, count), CONNECTIONS, sizes.round_seconds),
                        drive_apart(control_port, make(hub, count), CONNECTIONS, sizes.round_seconds),
                    )
                    for _ in range(sizes.rounds)
                ]
                used, control_used = cpu.between(before, cpu.spent(hub)), cpu.of(control_pid) - before_control
                result.figures += _figures(name, pairs)
                result.notes += [_cpu(name, pairs, used, control_used), *_complaints(name, pairs)]
        pairs = [
            (
                drive_apart(hub.web_port, _webhooks(hub, count), CONNECTIONS, sizes.round_seconds),
                drive_apart(control_port, _webhooks(hub, count), CONNECTIONS, sizes.round_seconds),
            )
        ]
        result.figures += [
            Figure(one.name, one.value, one.control, one.ratio) for one in _figures("webhook, whole hub at work", pairs)
        ]
    return result


def _figures(name: str, pairs: list[tuple[Load, Load]]) -> list[Figure]:
    ours, bare = median([door.rate for door, _ in pairs]), median([plain.rate for _, plain in pairs])
    slow, quick = median([door.p99 for door, _ in pairs]), median([plain.p99 for _, plain in pairs])
    share, times = median([d.rate / p.rate for d, p in pairs]), median([d.p99 / p.p99 for d, p in pairs])
    return [
        Figure(f"{name}: requests/s", f"{ours:.0f}", f"{bare:.0f}", f"{share:.0%}", "≥ 60 %", share >= 0.6),
        Figure(f"{name}: p99", f"{slow:.1f} ms", f"{quick:.1f} ms", f"{times:.1f} ×", "≤ 3 ×", times <= 3),
    ]


def _cpu(name: str, pairs: list[tuple[Load, Load]], used: dict[str, float], control_used: float) -> str:
    """What a request costs each process, and how long the door waits: for PostgreSQL, which shares the second core with
    the generator, and for the disk.
    """
    doors, controls = zip(*pairs, strict=True)
    answers, control_answers = sum(load.answers for load in doors), sum(load.answers for load in controls)
    own, control_own = sum(load.cpu for load in doors), sum(load.cpu for load in controls)
    return (
        f"{name}: ms of CPU per request: web {1000 * used['web'] / answers:.3f}, "
        f"postgres {1000 * used['postgres'] / answers:.3f}, load generator {1000 * own / answers:.3f}; "
        f"control {1000 * control_used / control_answers:.3f}, load generator {1000 * control_own / control_answers:.3f}. "
        f"The door's process was at work {used['web'] / _seconds(doors):.0%} of the time, the control's "
        f"{control_used / _seconds(controls):.0%}."
    )


def _seconds(loads: Sequence[Load]) -> float:
    """How long the rounds took."""
    return sum(load.answers / load.rate for load in loads)


def _complaints(name: str, pairs: list[tuple[Load, Load]]) -> list[str]:
    bad = [door.statuses for door, plain in pairs if not (door.clean and plain.clean)]
    return [f"{name}: not every answer was a success: {bad[0]}."] if bad else []


@contextmanager
def asleep(hub: Hub, *roles: str) -> Iterator[None]:
    """Freeze these roles while the block lasts."""
    resume: list[Callable[[], None]] = [hub.suspend(role) for role in roles]
    try:
        yield
    finally:
        for wake in resume:
            wake()


def _webhooks(hub: Hub, count: int) -> list[bytes]:
    plan = load_config(hub.config)
    with web_client(plan) as web:
        door = SmsDoor(web, hub.web, hub.sms_number, hub.twilio.account, hub.twilio_token, again=0)
        chance = random.Random(1)
        made = []
        for number in range(count):
            text = door.scenario(corpus.citizen(chance, ("fa", "en"), number, "bench"), chance)
            made.append(request(door.path, text.body, text.headers))
    return made


def _contacts(hub: Hub, count: int) -> list[bytes]:
    chance = random.Random(1)
    made = []
    for number in range(count):
        citizen = corpus.citizen(chance, ("fa", "en"), number, "bench")
        body = json.dumps(
            {
                "text": citizen.text,
                "nature": citizen.nature,
                "subject": citizen.subject,
                "name": citizen.name,
                "email": citizen.email,
                "language": citizen.language,
            },
            ensure_ascii=False,
        )
        headers = {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(16)}
        made.append(request("/api/contacts", body.encode(), headers))
    return made


def _forms(hub: Hub, count: int) -> list[bytes]:
    """One form id for all: the typed text is part of a contact's identity, so each is a separate contact."""
    chance = random.Random(1)
    page = httpx.get(f"{hub.web}/new", trust_env=False)
    found = _FORM_ID.search(page.text)
    if found is None:
        raise LookupError("the form has no identity")
    nonce = secrets.token_hex(4)
    boundary = "----ZrmBenchmarkBoundary7MA4YWxk"
    made = []
    for number in range(count):
        citizen = corpus.citizen(chance, ("fa", "en"), number, "bench")
        fields = {
            "form_id": found[1],
            "website": "",
            "nature": citizen.nature,
            "subject": citizen.subject,
            "text": f"{citizen.text}\n{nonce}{number}",
            "name": citizen.name,
            "phone": "",
            "email": citizen.email,
        }
        parts = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        body = f"{parts}--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Cookie": f"zrm_language={citizen.language}",
        }
        made.append(request("/new", body, headers))
    return made
