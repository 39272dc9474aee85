"""`kill -9` while an answer is held for its writer: it leaves afterwards, once; taken back it never does."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.faults.conftest import QUICK, Opening, SmallInstallation, open_installation
from tests.faults.reckoning import heal, hold_to_truth
from tests.faults.test_answers import TAKEN, agent, answer, case_of, deliveries, write
from tests.journeys.hub import ROLES, Hub

__all__ = ["agent"]  # a fixture
HOLD = 300
"""Seconds: long enough for every role to die and come back meanwhile on any machine."""
_FIELD = re.compile(r'<input type="hidden" name="(csrf_token|version|event)" value="([^"]*)"')


@pytest.fixture(scope="module")
def opening(tmp_path_factory: pytest.TempPathFactory) -> Opening:
    """An installation that holds answers."""
    settings = {**QUICK, "dispatch": {**QUICK["dispatch"], "hold": HOLD}}
    return lambda: open_installation(tmp_path_factory.mktemp("installation"), settings)


def die(hub: Hub, what: str) -> None:
    """Kill the roles one by one, or the installation with its store as a power cut would, and have them back."""
    if what == "roles":
        for role in ROLES:
            hub.kill(role)
        for role in ROLES:
            hub.wait_for(role)
        hub.wait_until_ready(90)
    else:
        hub.kill_all()
        hub.start()


def arrived(installation: SmallInstallation, text: str) -> int:
    return sum(text in mail.text for mail in list(installation.sink.mails))


def is_held(hub: Hub, delivery: str) -> bool:
    """Whether the answer waits in the store for the end of its hold."""
    return hub.ask("SELECT due_at > now() FROM timers WHERE topic = 'deliver' AND ref = %s::uuid", delivery) == [
        (True,)
    ]


@pytest.mark.parametrize("what", ["roles", "installation"])
def test_a_held_answer_outlives_them_and_leaves_once(
    installation: SmallInstallation, agent: httpx.Client, what: str
) -> None:
    hub, text = installation.hub, f"A crew comes on Monday, whatever befalls the {what}."
    write(hub, f"{what}@example.org")
    case_id = case_of(hub, f"{what}@example.org")
    answer(agent, case_id, text)
    die(hub, what)
    ((delivery, state),) = deliveries(hub, case_id, text)
    assert (state, is_held(hub, delivery), arrived(installation, text)) == ("queued", True, 0)
    heal(hub)  # its seconds pass
    ((_, state),) = deliveries(hub, case_id, text)
    assert (state in TAKEN, arrived(installation, text)) == (True, 1)
    hold_to_truth(hub, sink=installation.sink)


def test_an_answer_taken_back_around_their_death_never_leaves(
    installation: SmallInstallation, agent: httpx.Client
) -> None:
    hub, text = installation.hub, "Sent by mistake before all died."
    write(hub, "undone@example.org")
    case_id = case_of(hub, "undone@example.org")
    answer(agent, case_id, text)
    die(hub, "roles")
    fields = dict(_FIELD.findall(agent.get(f"/desk/cases/{case_id}").text))
    assert agent.post(f"/desk/cases/{case_id}/undo", data=fields).status_code == 303
    for role in ("relay", "worker-1", "worker-2", "worker-3"):
        hub.kill(role)
    heal(hub)
    assert [state for _, state in deliveries(hub, case_id, text)] == ["withdrawn"]
    assert arrived(installation, text) == 0
    answer(agent, case_id, "This one is meant.")
    heal(hub)
    assert (arrived(installation, text), arrived(installation, "This one is meant.")) == (0, 1)
    hold_to_truth(hub, sink=installation.sink)
