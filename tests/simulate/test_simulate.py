"""Every simulated sender at a running hub; the law holds afterwards, also when the hub is disturbed meanwhile."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.journeys.hub import CHECKOUT, ROLES, Hub
from tests.lab.process import wait_until
from tests.lab.shared import Shared
from zrm.errors import ConfigError, ZrmError
from zrm.installation import load_config
from zrm.simulate.corpus import citizen
from zrm.simulate.endpoints import KINDS, open_kinds
from zrm.simulate.reconciliation import cases_of, reckon, store_time, wait_until_quiet
from zrm.simulate.scenario import TryAgain
from zrm.simulate.simulator import Simulator, Tally
from zrm.simulate.watch import DeskWatch
from zrm.simulate.web import WebDoor


@pytest.fixture(scope="module")
def hubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared[Hub]]:
    with Shared(lambda: Hub(tmp_path_factory.mktemp("simulate") / "hub")) as shared:
        yield shared


@pytest.fixture
def hub(hubs: Shared[Hub], request: pytest.FixtureRequest) -> Iterator[Hub]:
    yield from hubs.lend(request.node)


def simulator(hub: Hub, *doors: str, rate: float = 10, seconds: float = 3, seed: int = 1) -> Simulator:
    return Simulator(load_config(hub.config), doors or KINDS, rate=rate, seconds=seconds, seed=seed)


@pytest.mark.timeout(180)
def test_every_door_takes_what_its_senders_bring_and_the_law_holds(hub: Hub) -> None:
    since = store_time(hub.database())
    tally = simulator(hub).run()
    assert wait_until_quiet(hub.database(), 60)
    assert dict(tally.sent) == dict.fromkeys(KINDS, 6)
    assert {kind: len(found) for kind, found in tally.acknowledged.items()} == dict.fromkeys(KINDS, 6)
    assert not tally.refused
    with hub.database().cursor() as cursor:
        reckonings = reckon(cursor, tally, since, store_time(hub.database()))
    assert [one.channel for one in reckonings if not one.holds] == []
    assert [one.line.received for one in reckonings] == [6] * 5
    assert [one.line.quarantined for one in reckonings] == [0] * 5


@pytest.mark.timeout(180)
def test_one_trace_leads_from_every_door_to_its_answers_and_no_line_names_anybody(hub: Hub) -> None:
    ask = hub.ask
    simulator(hub, rate=5, seconds=1).run()
    assert wait_until_quiet(hub.database(), 60)
    assert {channel for (channel,) in ask("SELECT DISTINCT channel FROM raw_contacts")} >= set(KINDS)
    assert ask("SELECT channel FROM raw_contacts WHERE trace = ''") == []
    strange = """SELECT d.channel FROM deliveries d WHERE NOT EXISTS (
        SELECT FROM raw_contacts w JOIN contacts c ON c.id = w.id WHERE c.case_id = d.case_id AND w.trace = d.trace)"""
    assert ask(strange) == []
    assert ask("SELECT count(*) > 0 FROM deliveries") == [(True,)]
    logs = "".join(hub.log(role, 100_000) for role in ROLES)
    (traces,) = zip(*ask("SELECT trace FROM raw_contacts"), strict=True)
    assert [trace for trace in traces if trace not in logs] == []
    told = ask("SELECT DISTINCT address FROM contacts WHERE length(address) > 5")
    told += ask("SELECT DISTINCT raw FROM addresses") + ask("SELECT DISTINCT code FROM cases")
    told += ask("SELECT DISTINCT text FROM contacts WHERE length(text) > 10")
    assert [words for (words,) in told if str(words) in logs] == []


def test_what_was_acknowledged_and_is_missing_breaks_the_law(hub: Hub) -> None:
    since = store_time(hub.database())
    tally = simulator(hub, "sms", rate=5, seconds=1).run()
    assert wait_until_quiet(hub.database(), 60)
    until = store_time(hub.database())
    tally.acknowledged["sms"].add("SM" + "0" * 32)
    with hub.database().cursor() as cursor:
        (reckoning,) = reckon(cursor, tally, since, until)
        assert (reckoning.lost, reckoning.holds) == (frozenset({"SM" + "0" * 32}), False)
        nothing = Tally(acknowledged={"sms": set()})
        (reckoning,) = reckon(cursor, nothing, since, until)
        assert (reckoning.strange, reckoning.holds) == (5, False)


@pytest.mark.timeout(180)
def test_senders_come_again_until_a_killed_door_is_back_and_nothing_is_lost_or_doubled(hub: Hub) -> None:
    since = store_time(hub.database())
    with simulator(hub, "web", "email", "sms", rate=30, seconds=6, seed=2) as running:
        for role in ("email", "web"):
            hub.kill(role)
            hub.wait_for(role)
        tally = running.finish()
    hub.wait_until_ready()
    assert wait_until_quiet(hub.database(), 60)
    assert sum(tally.tried_again.values()) > 0
    assert not tally.refused
    assert not tally.given_up
    with hub.database().cursor() as cursor:
        reckonings = reckon(cursor, tally, since, store_time(hub.database()))
    assert [one.line.received for one in reckonings] == [60, 60, 60]
    assert [one for one in reckonings if not one.holds] == []


def test_an_open_desk_sees_the_row_of_every_new_case(hub: Hub) -> None:
    with DeskWatch(hub.web, "maryam", "demo-maryam-1405") as watch:
        tally = simulator(hub, "web", rate=5, seconds=2).run()
        assert wait_until_quiet(hub.database(), 60)

        with hub.database().cursor() as cursor:
            opened = cases_of(cursor, tally.acknowledged["web"])
        assert len(opened) == 10
        wait_until(lambda: set(opened.values()) <= set(watch.rows), "a row for every case")
        assert len(watch.delays(tally, lambda _: opened)) == 10


class Forgetful(httpx.HTTPTransport):
    """A browser that loses the receipt's cookie once, as when the hub's clock steps behind the cookie's making."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/receipt" and not self.lost:
            self.lost += 1
            del request.headers["Cookie"]
        return super().handle_request(request)


def test_a_browser_without_its_receipt_sends_the_same_form_again_and_gets_the_code_of_the_first_time(hub: Hub) -> None:
    browser, chance = Forgetful(), random.Random(3)
    count = "SELECT count(*) FROM receipts WHERE channel = 'web'"
    ((before,),) = hub.ask(count)
    with httpx.Client(base_url=hub.web, transport=browser, timeout=60) as client:
        form = WebDoor(client).scenario(citizen(chance, ("fa", "en"), 1, "forgetful"), chance)
        with pytest.raises(TryAgain):
            form.go()
        code = form.go().reference
    assert browser.lost == 1
    assert hub.ask(count) == [(before + 1,)]
    assert hub.ask("SELECT count(*) FROM receipts WHERE code = %s", code) == [(1,)]


def test_the_same_seed_draws_the_same_citizens_and_other_identities(hub: Hub) -> None:
    runs = [simulator(hub, "sms", rate=20, seconds=0.5, seed=9).run() for _ in range(2)]
    assert wait_until_quiet(hub.database(), 60)
    first, second = (run.acknowledged["sms"] for run in runs)
    assert len(first) == len(second) == 10
    assert not first & second
    assert _texts(hub, first) == _texts(hub, second)


def _texts(hub: Hub, references: set[str]) -> list[str]:
    rows = hub.ask(
        "SELECT c.text FROM receipts r JOIN contacts c ON c.id = r.contact_id WHERE r.external_id = ANY(%s)",
        list(references),
    )
    return sorted(text for (text,) in rows)


@pytest.mark.timeout(180)
def test_the_command_ends_with_0_when_the_law_holds_and_says_so(hub: Hub) -> None:
    words = ["simulate", "--rate", "8", "--seconds", "1", "--doors", "web,sms", "--watch-desk"]
    done = _command(hub.config, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The law holds" in done.stdout


def test_the_command_ends_with_1_and_the_doors_words_when_it_is_refused(hub: Hub, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        hub.config.read_text(encoding="utf-8").replace(hub.twilio_token, "not-the-token"), encoding="utf-8"
    )
    done = _command(config, "simulate", "--rate", "4", "--seconds", "1", "--doors", "sms")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "4 × sms: 403 Twilio Request Validation Failed." in done.stdout


def test_a_door_that_is_not_there_is_named(hub: Hub) -> None:
    with pytest.raises(ZrmError, match="telegram"):
        simulator(hub, "telegram")


def _command(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zrm.cli", "--config", str(config), *words]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_an_organisation_with_subjects_of_its_own_is_written_to_as_well(hub: Hub) -> None:
    """Nobody there knows the demonstration's subjects; the form refuses one that it does not offer."""
    hub.ask("UPDATE subjects SET key = 'own-' || key RETURNING 1")
    try:
        tally = simulator(hub, "web", rate=5, seconds=2, seed=7).run()
    finally:
        hub.ask("UPDATE subjects SET key = substr(key, 5) RETURNING 1")
    assert (len(tally.acknowledged["web"]), tally.refused) == (10, {})
    assert wait_until_quiet(hub.database(), 60)


def test_by_default_every_open_door_is_tried(hub: Hub) -> None:
    plan = load_config(hub.config)
    assert open_kinds(plan) == KINDS
    some = replace(plan, channels={kind: plan.channels[kind] for kind in ("email", "web")})
    assert set(open_kinds(some)) == {"web", "email"}
    with pytest.raises(ConfigError, match="none of the channels"):
        open_kinds(replace(plan, channels={}))
