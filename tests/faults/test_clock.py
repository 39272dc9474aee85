"""The clock steps backwards by an hour, then to two days ago, under every process of the installation; then it is put right.

A module that Python imports before everything else takes the step from a file, in the middle of the roles' work, and
moves the two clocks the installation reads: `zrm.kit.clock` and `time.time`. (libfaketime breaks `time.sleep` of Python 3.11.)
The embedded servers keep the machine's clock; a step of PostgreSQL's own is told by its rows in
tests/dispatch/test_drain.py.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.faults.conftest import Opening, SmallInstallation, open_installation
from tests.faults.reckoning import heal, hold_to_truth, load, wait_for
from tests.journeys.hub import CHECKOUT
from zrm.kit.clock import now

STEPPED = Path(__file__).parent / "stepped"


@pytest.fixture(scope="module")
def step(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that says by how many seconds the installation's clock is wrong."""
    path = tmp_path_factory.mktemp("clock") / "step"
    path.write_text("0")
    return path


@pytest.fixture(scope="module")
def opening(tmp_path_factory: pytest.TempPathFactory, step: Path) -> Opening:
    """A hub whose clock is ours."""
    environment = {"PYTHONPATH": f"{STEPPED}{os.pathsep}{CHECKOUT}", "ZRM_TEST_STEP": str(step)}
    return lambda: open_installation(tmp_path_factory.mktemp("installation"), environment=environment)


def turn(step: Path, by: timedelta) -> None:
    """Step the clock in one piece."""
    fresh = step.with_suffix(".new")
    fresh.write_text(str(by.total_seconds()))
    fresh.rename(step)


def test_the_clock_steps_back_under_load(installation: SmallInstallation, step: Path) -> None:
    hub = installation.hub
    with httpx.Client(base_url=hub.web, timeout=60, trust_env=False) as client:
        hub.sign_in(client, "daniel")
        with load(installation, rate=10, seed=40) as senders:
            wait_for(senders, 10)
            for by in (timedelta(hours=-1), timedelta(days=-2), timedelta()):
                turn(step, by)
                wait_for(senders, 12)
                assert client.get("/desk/notifications").status_code == 200, "nobody is signed out by it"
            senders.finish(stop=True)
    heal(hub)
    hold_to_truth(hub, *installation.tallies, sink=installation.sink)
    ((earliest,),) = hub.ask("SELECT min(received_at) FROM receipts")
    assert earliest < now() - timedelta(days=1), "the installation believed the clock"
    assert hub.ask("SELECT count(*) FROM quarantine") == [(0,)]
    # Within a process ids go on, whatever the clock does: receipts of a day ago do not sort before those of today.
    ((misplaced,),) = hub.ask(
        "SELECT count(*) FROM receipts WHERE uuid_extract_timestamp(contact_id) < now() - interval '1h'"
    )
    assert misplaced == 0
