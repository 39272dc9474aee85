"""`kill -9` of each role, between any two of the four transactions and in the middle of them, under load."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.conftest import SmallInstallation
from tests.faults.reckoning import heal, hold_to_truth, load, wait_for
from tests.journeys.hub import Hub
from tests.lab.process import wait_until

WORKERS = ("relay", "worker-1", "worker-2", "worker-3")


def count(hub: Hub, table: str, condition: str = "true") -> int:
    ((number,),) = hub.ask(f"SELECT count(*) FROM {table} WHERE {condition}")
    return int(number)


def waiting(hub: Hub) -> int:
    return count(hub, "raw_contacts", "state = 'waiting'")


def test_between_receiving_and_filing(installation: SmallInstallation) -> None:
    hub = installation.hub
    for role in WORKERS:
        hub.suspend(role)
    with load(installation, seconds=2, rate=15) as senders:
        senders.finish()
    assert count(hub, "raw_contacts", "state = 'waiting'") == count(hub, "receipts") >= 25
    for role in WORKERS:
        hub.kill(role)
    heal(hub)
    hold_to_truth(hub, *installation.tallies, sink=installation.sink)


def test_between_filing_and_delivering(installation: SmallInstallation) -> None:
    hub = installation.hub
    before = count(hub, "deliveries")
    hub.suspend("worker-2")
    with load(installation, "email", "sms", seconds=2, rate=8) as senders:
        senders.finish()
    wait_until(lambda: count(hub, "deliveries") > before, "acknowledgements to be queued")
    wait_until(lambda: count(hub, "raw_contacts", "state = 'waiting'") == 0, "everything to be filed", 60)
    hub.kill("worker-2")
    heal(hub)
    hold_to_truth(hub, *installation.tallies, sink=installation.sink)


@pytest.mark.parametrize("seed", [1, 2])
def test_anywhere_under_load(installation: SmallInstallation, seed: int) -> None:
    hub, chance = installation.hub, random.Random(seed)
    roles = ["relay", "worker-1", "worker-2", "worker-3", "web", "email", "voice_ivr", "fax"]
    chance.shuffle(roles)
    with load(installation, rate=12, seed=seed) as senders:
        wait_for(senders, 5)
        for role in roles:
            time.sleep(chance.uniform(0, 0.6))  # to strike at another moment of its work each time
            hub.wait_for(role)
            hub.kill(role)
        wait_for(senders, 12)
        senders.finish(stop=True)
    heal(hub)
    hold_to_truth(hub, *installation.tallies, sink=installation.sink)


def test_the_whole_installation_at_once(installation: SmallInstallation) -> None:
    hub = installation.hub
    with load(installation, rate=12, seed=3) as senders:
        wait_for(senders, 10)
        hub.kill_all()
        hub.start()
        wait_for(senders, 10)
        senders.finish(stop=True)
    heal(hub)
    hold_to_truth(hub, *installation.tallies, sink=installation.sink)


def test_in_the_middle_of_filing(installation: SmallInstallation) -> None:
    """Both workers die again and again over the same backlog, each time somewhere else in it."""
    hub, chance = installation.hub, random.Random(4)
    for role in WORKERS:
        hub.suspend(role)
    with load(installation, "email", "web", "sms", rate=60, seconds=3, seed=4) as senders:
        senders.finish()
    backlog = waiting(hub)
    assert backlog > 100
    for role in WORKERS:
        hub.kill(role)
    left = backlog
    for role in ("worker-1", "worker-2", "worker-3"):
        hub.wait_for(role)
        wait_until(lambda before=left: waiting(hub) < before or waiting(hub) == 0, "filing to begin", 60)  # type: ignore[misc]  # bound on purpose
        time.sleep(chance.uniform(0, 0.1))
        hub.kill(role)
        left = waiting(hub)
    heal(hub)
    hold_to_truth(hub, *installation.tallies, sink=installation.sink)
    assert count(hub, "quarantine") == 0, "nobody is blamed for a killed worker"
