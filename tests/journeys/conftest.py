"""One town for all journeys: a running hub with every peer around it. Tests stay apart by their citizens' addresses.

After a test that failed comes a fresh town: what it left, in quarantine for instance, is nobody else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.journeys.citizens import Faxes, Town
from tests.journeys.desk import Desk, sign_in
from tests.journeys.hub import Hub
from tests.lab.browser import LabBrowser
from tests.lab.shared import Shared
from tests.lab.smtp_sink import SmtpSink
from tests.lab.telephony import Telephony
from tests.lab.twilio import TwilioStandIn
from zrm.demonstration import DEMO_AGENTS
from zrm.languages import Language

# Everybody here comes from one address of one machine.
RATES = {
    "track_tries": 10_000,
    "proof_tries": 1_000,
    "proof_code_tries": 1_000,
    "link_tries": 1_000,
    "link_peer_tries": 1_000,
    "sign_in_tries": 1_000,
}


@contextmanager
def open_town(folder: Path) -> Iterator[Town]:
    """A running hub between a mail server and Twilio."""
    with (
        TwilioStandIn() as twilio,
        SmtpSink() as sink,
        Hub(folder, twilio=twilio, submit=("127.0.0.1", sink.port), settings={"rates": RATES}) as hub,
    ):
        yield Town(hub, twilio, sink, folder)


@pytest.fixture(scope="session")
def towns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared[Town]]:
    """One town after the other, of which one is open."""
    with Shared(lambda: open_town(tmp_path_factory.mktemp("town"))) as shared:
        yield shared


@pytest.fixture
def town(towns: Shared[Town], request: pytest.FixtureRequest) -> Iterator[Town]:
    """The one that is open."""
    yield from towns.lend(request.node)


@pytest.fixture
def faxes(town: Town) -> Faxes:
    """The hooks for faxes."""
    return Faxes(town)


@pytest.fixture
def telephony(town: Town, faxes: Faxes) -> Iterator[Telephony]:
    """The telephone network before the hub."""
    hub, hook = town.hub, faxes.asterisk_hook()
    with Telephony(agi_port=hub.agi_port, recordings=hub.recordings, fax_hook=hook) as network:
        yield network


@pytest.fixture
def maryam(town: Town, browser: LabBrowser) -> Iterator[Desk]:
    """The desk of an agent who works in Persian with the Solar Hijri calendar, by mouse."""
    yield from _at_the_desk(town, browser, "maryam", "fa")


@pytest.fixture
def daniel(town: Town, browser: LabBrowser) -> Iterator[Desk]:
    """The desk of an agent who works in English with the Gregorian calendar, by keyboard."""
    yield from _at_the_desk(town, browser, "daniel", "en")


def _at_the_desk(town: Town, browser: LabBrowser, login: str, language: Language) -> Iterator[Desk]:
    before = len(browser.complaints)
    page = browser.page(language)
    agent = next(agent for agent in DEMO_AGENTS if agent.login == login)
    sign_in(page, town.hub.web, agent.login, agent.password)
    yield Desk(page, town.hub.web, language)
    page.context.close()
    assert browser.complaints[before:] == []
    assert browser.offsite == []
