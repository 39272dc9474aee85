"""`kill -9` around an agent's answer: what left is shown, what may have left is never sent again by us."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Iterator
from email.message import EmailMessage

import httpx
import pytest

from tests.faults.conftest import SmallInstallation
from tests.faults.reckoning import arrivals, end_leases, heal, hold_to_truth
from tests.journeys.hub import Hub
from tests.lab.mailer import compose, send
from tests.lab.process import wait_until
from tests.lab.smtp_sink import Hold as HeldMail
from tests.lab.twilio import Hold as HeldText

TAKEN = {"sent", "delivered"}
_HIDDEN = re.compile(r'name="(csrf_token|version)" value="([^"]*)"')
_ROUTE = re.compile(r'<select[^>]*name="route".*?<option value="([^"]*)"', re.DOTALL)


@pytest.fixture
def agent(installation: SmallInstallation) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=installation.hub.web, timeout=30, trust_env=False) as client:
        installation.hub.sign_in(client, "daniel")
        yield client


def write(hub: Hub, sender: str) -> EmailMessage:
    """A citizen's mail, filed and acknowledged."""
    mail = compose(subject="A broken lamp", text="It has been dark for a week.", sender=sender, to=hub.mailbox)
    assert send(hub.smtp_port, mail, sender=sender, recipients=[hub.mailbox]) == {}
    return mail


def case_of(hub: Hub, address: str) -> str:
    """The case this address opened, once nothing of it is on its way any more."""
    query = "SELECT case_id FROM contacts WHERE direction = 'in' AND address = %s"
    wait_until(lambda: bool(hub.ask(query, address)), f"a case of {address}", 60)
    heal(hub)
    ((case_id,),) = hub.ask(query, address)
    return str(case_id)


def answer_form(agent: httpx.Client, case_id: str, text: str) -> dict[str, str]:
    """The composer of the case's page, filled in."""
    page = agent.get(f"/desk/cases/{case_id}")
    assert page.status_code == 200
    route = _ROUTE.search(page.text)
    assert route is not None
    return {**dict(_HIDDEN.findall(page.text)), "route": html.unescape(route[1]), "title": "Your lamp", "text": text}


def answer(agent: httpx.Client, case_id: str, text: str) -> None:
    posted = agent.post(f"/desk/cases/{case_id}/reply", data=answer_form(agent, case_id, text))
    assert posted.status_code == 303, posted.text


def deliveries(hub: Hub, case_id: str, text: str) -> list[tuple[str, str]]:
    """(id, state) of the answer's deliveries."""
    query = (
        "SELECT d.id::text, d.state FROM deliveries d JOIN contacts c ON c.id = d.contact_id "
        "WHERE d.case_id = %s AND c.text = %s"
    )
    return [(str(identifier), str(state)) for identifier, state in hub.ask(query, case_id, text)]


def test_between_acting_and_delivering(installation: SmallInstallation, agent: httpx.Client) -> None:
    hub = installation.hub
    write(hub, "between@example.org")
    case_id = case_of(hub, "between@example.org")
    hub.suspend("worker-2")
    answer(agent, case_id, "A crew is on its way.")
    assert [state for _, state in deliveries(hub, case_id, "A crew is on its way.")] == ["queued"]
    hub.kill("worker-2")
    heal(hub)
    ((_, state),) = deliveries(hub, case_id, "A crew is on its way.")
    assert state in TAKEN
    hold_to_truth(hub, sink=installation.sink)


def test_while_the_mail_server_holds_the_answer(installation: SmallInstallation, agent: httpx.Client) -> None:
    hub = installation.hub
    write(hub, "held@example.org")
    case_id = case_of(hub, "held@example.org")
    hold = HeldMail()
    installation.sink.next(hold)
    answer(agent, case_id, "It burns again.")
    assert hold.reached.wait(60)
    hub.kill("worker-2")
    hub.wait_for("worker-2")
    end_leases(hub)
    wait_until(lambda: deliveries(hub, case_id, "It burns again.")[0][1] == "unknown", "the answer to be unknown", 60)
    hold.release()
    heal(hub)
    ((identifier, state),) = deliveries(hub, case_id, "It burns again.")
    assert state == "unknown"
    assert sum("It burns again." in mail.text for mail in installation.sink.mails) == 1
    assert identifier in agent.get("/desk/failed-deliveries").text, "a person is shown it"
    told = "SELECT count(*) > 0 FROM notifications WHERE source_id = %s AND kind = 'delivery_unknown'"
    assert hub.ask(told, identifier) == [(True,)]
    hold_to_truth(hub, sink=installation.sink)


def test_while_twilio_holds_the_answer_and_then_reports_it(
    installation: SmallInstallation, agent: httpx.Client
) -> None:
    hub, twilio = installation.hub, installation.twilio
    hook, number = f"{hub.web}/hooks/twilio/sms/{hub.sms_number}", "+989120000077"
    assert twilio.send_sms(hook, body="The lamp is out", sender=number, to=hub.sms_number).answer.status_code == 200
    case_id = case_of(hub, number)
    hold = HeldText()
    twilio.next(hold)
    answer(agent, case_id, "We know, thank you.")
    assert hold.reached.wait(60)
    hub.kill("worker-2")
    hub.wait_for("worker-2")
    end_leases(hub)
    wait_until(lambda: deliveries(hub, case_id, "We know, thank you.")[0][1] == "unknown", "it to be unknown", 60)
    hold.release()
    (message,) = [one for one in twilio.outbound() if one.body == "We know, thank you."]
    assert twilio.report(message, "delivered").answer.status_code == 200
    wait_until(
        lambda: deliveries(hub, case_id, "We know, thank you.")[0][1] == "delivered", "the report to settle it", 60
    )
    heal(hub)
    ((identifier, _),) = deliveries(hub, case_id, "We know, thank you.")
    assert arrivals(hub, installation.sink)[identifier] == 1
    hold_to_truth(hub, sink=installation.sink)


def test_while_agents_answer(installation: SmallInstallation, agent: httpx.Client) -> None:
    """The web server dies under a row of answers; each agent sends the same form again until it is taken or was."""
    hub = installation.hub
    senders = [f"row-{number}@example.org" for number in range(6)]
    for sender in senders:
        write(hub, sender)
    cases = {sender: case_of(hub, sender) for sender in senders}
    forms = {sender: answer_form(agent, case_id, f"Answer to {sender}") for sender, case_id in cases.items()}
    told: dict[str, int] = {}

    def insist(sender: str) -> None:
        def taken() -> bool:
            try:
                posted = agent.post(f"/desk/cases/{cases[sender]}/reply", data=forms[sender])
            except httpx.TransportError:
                return False
            told[sender] = posted.status_code
            return posted.status_code < 500

        wait_until(taken, "the answer to be taken", 90)

    threads = [threading.Thread(target=insist, args=[sender]) for sender in senders]
    for thread in threads:
        thread.start()
    hub.kill("web")
    for thread in threads:
        thread.join()
    assert set(told.values()) <= {303, 409}, "taken, or the case has changed since: by the first try"
    heal(hub)
    for sender, case_id in cases.items():
        ((_, state),) = deliveries(hub, case_id, f"Answer to {sender}")
        assert state in TAKEN
    hold_to_truth(hub, sink=installation.sink)
