"""PostgreSQL and Valkey end, are killed, or forget everything, under load: nothing is lost, the installation heals by itself."""

from __future__ import annotations

import json
import os
import signal
import smtplib
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event, Thread

import httpx
import pytest

from tests.channels.fax.faxes import fax
from tests.faults.conftest import SmallInstallation
from tests.faults.reckoning import heal, hold_to_truth, load, wait_for
from tests.lab.mailer import compose, send
from tests.lab.process import wait_until
from zrm.simulate.corpus import citizen
from zrm.simulate.scenario import Left, TryAgain
from zrm.simulate.voice import VoiceDoor


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_postgres_goes_and_comes_back(installation: SmallInstallation, number: signal.Signals) -> None:
    hub = installation.hub
    pids = {role: pid for role, pid in hub.pids.items() if role != "postgres"}
    said = {role: len(lines) for role, lines in hub.log_lines().items()}
    with load(installation, rate=15, seed=int(number)) as senders:
        wait_for(senders, 10)
        hub.restart_postgres(number)
        wait_for(senders, 15)
        senders.finish(stop=True)
    heal(hub)
    hold_to_truth(hub, *installation.tallies, sink=installation.sink)
    assert {role: pid for role, pid in hub.pids.items() if role != "postgres"} == pids, "nobody else had to die for it"
    for role, lines in hub.log_lines().items():
        told = lines[said.get(role, 0) :]
        assert sum('"store is away"' in line for line in told) <= 1, f"{role}: {told}"
        assert not [line for line in told if role.startswith("worker") and "Traceback" in line]


@pytest.mark.parametrize(("number", "flush"), [(signal.SIGTERM, True), (signal.SIGKILL, False), (signal.SIGKILL, True)])
def test_valkey_goes_and_comes_back(installation: SmallInstallation, number: signal.Signals, flush: bool) -> None:
    hub = installation.hub
    pids = {role: pid for role, pid in hub.pids.items() if role != "valkey"}
    said = {role: len(lines) for role, lines in hub.log_lines().items()}
    with load(installation, rate=15, seed=10 + int(number) + flush) as senders:
        wait_for(senders, 10)
        hub.restart_valkey(flush=flush, number=number)
        wait_for(senders, 15)
        senders.finish(stop=True)
    heal(hub)
    hold_to_truth(hub, *installation.tallies, sink=installation.sink)
    now = {role: pid for role, pid in hub.pids.items() if role != "valkey"}
    assert now == pids, "nobody had to die for it, no worker either"
    for role, lines in hub.log_lines().items():
        events = [json.loads(line)["event"] for line in lines[said.get(role, 0) :]]
        assert events.count("queue is away") <= 1, f"{role}: {events}"
        assert events.count("queue is back") == events.count("queue is away")
        assert not [event for event in events if "traceback" in event.lower() or "Worker" in event]


def test_the_doors_stay_open_while_the_queue_is_away(installation: SmallInstallation) -> None:
    hub = installation.hub
    thaw = hub.suspend("valkey")
    try:
        with load(installation, "web", "email", "sms", rate=10, seconds=2, seed=20) as senders:
            senders.finish()
        assert not installation.tallies[-1].tried_again, "no sender noticed"
    finally:
        thaw()
    heal(hub)
    hold_to_truth(hub, *installation.tallies, sink=installation.sink)


def test_a_restart_of_the_one_web_role_refuses_nobody(installation: SmallInstallation) -> None:
    """Citizens come without a pause, an open desk follows; the role is restarted twice, as for a new version."""
    hub = installation.hub
    over, failures, taken = Event(), list[str](), list[str]()

    def come() -> None:
        while not over.is_set():
            try:
                taken.append(httpx.get(f"{hub.web}/", timeout=60, trust_env=False).raise_for_status().headers["date"])
            except httpx.HTTPError as error:
                failures.append(repr(error))

    with httpx.Client(base_url=hub.web, timeout=60, trust_env=False) as agent:
        hub.sign_in(agent, "daniel")
        citizens = [Thread(target=come) for _ in range(4)]
        for citizen in citizens:
            citizen.start()
        try:
            for _ in range(2):
                begun = len(taken)
                with agent.stream("GET", "/desk/events", params={"since": "0"}) as desk:
                    assert desk.status_code == 200
                    wait_until(lambda begun=begun: len(taken) > begun + 20, "citizens to be served", 60)  # type: ignore[misc]  # bound on purpose
                    hub.kill("web", signal.SIGTERM)
                    for _ in desk.iter_raw():  # ends in order
                        pass
                hub.wait_for("web")
        finally:
            over.set()
            for citizen in citizens:
                citizen.join()
    assert failures == []


def test_the_doors_say_so_while_the_store_is_away(installation: SmallInstallation) -> None:
    """Every door refuses for now in its own dialect; the same things sent again are taken, each once."""
    hub, twilio = installation.hub, installation.twilio
    hook = f"{hub.web}/hooks/twilio/sms/{hub.sms_number}"
    mail = compose(subject="x", text="while it was away", sender="away@example.org", to=hub.mailbox)
    fields = {"source": "hylafax", "call": "away-1", "caller": "+982188880000", "status": "SUCCESS", "pages": "1"}
    call = VoiceDoor("127.0.0.1", hub.agi_port, "away").scenario(citizen(Random(1), ("en",), 1, "away"), Random(1))

    def send_mail() -> None:
        assert send(hub.smtp_port, mail, sender="away@example.org", recipients=[hub.mailbox]) == {}

    def post_fax(client: httpx.Client) -> httpx.Response:
        headers = {"Authorization": f"Bearer {hub.fax_token}"}
        return client.post("/hooks/fax", data=fields, files={"file": ("a.tif", fax(1), "image/tiff")}, headers=headers)

    def post_json(client: httpx.Client) -> httpx.Response:
        return client.post("/api/contacts", json={"text": "away"}, headers={"Idempotency-Key": "away"})

    with httpx.Client(base_url=hub.web, timeout=60, trust_env=False) as client:
        os.kill(hub.pid, signal.SIGSTOP)  # or `zrm up` would have it back in a moment
        try:
            hub.kill("postgres")
            text = twilio.send_sms(hook, body="while it was away", sender="+989120000009", to=hub.sms_number)
            forged = client.post(hook, data=text.params, headers={"X-Twilio-Signature": "forged"})
            asked = [client.get(path) for path in ("/", "/new", "/desk", "/desk/sign-in", "/readyz")]
            tracked = client.post("/track", data={"code": "1234 5678 9018"})
            for answer in (text.answer, post_fax(client), post_json(client)):
                assert answer.status_code == 503
                assert int(answer.headers["Retry-After"]) > 0
            assert forged.status_code in (403, 503)
            assert {answer.status_code for answer in (*asked, tracked)} <= {200, 303, 307, 503}
            with pytest.raises(smtplib.SMTPDataError) as refusal:
                send_mail()
            assert refusal.value.smtp_code == 451
            with pytest.raises((Left, TryAgain)):
                call.go()
        finally:
            os.kill(hub.pid, signal.SIGCONT)
        hub.wait_until_ready(60)
        send_mail()
        assert twilio.retry(text).answer.status_code == 200
        assert post_fax(client).status_code == 200
        assert post_json(client).status_code == 201
    heal(hub)
    assert hub.ask("SELECT count(*) FROM contacts WHERE address = 'away@example.org' AND direction = 'in'") == [(1,)]
    hold_to_truth(hub, sink=installation.sink)


def test_the_same_contact_five_times_at_once(installation: SmallInstallation) -> None:
    """By HTTP, by SMTP and as a webhook, while the web server is killed in between."""
    hub, twilio = installation.hub, installation.twilio
    hook = f"{hub.web}/hooks/twilio/sms/{hub.sms_number}"
    first = twilio.send_sms(hook, body="five times", sender="+989120000005", to=hub.sms_number)
    mail = compose(subject="five times", text="five times", sender="five@example.org", to=hub.mailbox)
    headers = {"Idempotency-Key": "five-times"}

    def api(_: int) -> str:
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.post(f"{hub.web}/api/contacts", json={"text": "five times"}, headers=headers)
        assert answer.status_code in (200, 201)
        return str(answer.json()["code"])

    with ThreadPoolExecutor(15) as pool:
        codes = set(pool.map(api, range(5)))
        again = [pool.submit(twilio.retry, first) for _ in range(4)]
        mails = [
            pool.submit(send, hub.smtp_port, mail, sender="five@example.org", recipients=[hub.mailbox])
            for _ in range(5)
        ]
        assert {future.result().answer.status_code for future in again} == {200}
        assert [future.result() for future in mails] == [{}] * 5
    assert len(codes) == 1
    hub.kill("web")
    hub.wait_until_ready(60)
    assert {api(0)} == codes, "the same receipt after a crash too"
    heal(hub)
    assert sorted(hub.ask("SELECT channel, count(*) FROM contacts WHERE text = 'five times' GROUP BY 1")) == [
        ("email", 1),
        ("sms", 1),
        ("web", 1),
    ]
    hold_to_truth(hub, sink=installation.sink)
