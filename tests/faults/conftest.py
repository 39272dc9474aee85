"""A running hub for each file of faults, with a mail server and Twilio behind it; a fresh one after a test that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.hub import Hub
from tests.lab.shared import Shared
from tests.lab.smtp_sink import SmtpSink
from tests.lab.twilio import TwilioStandIn
from zrm.simulate.simulator import Tally

QUICK: dict[str, dict[str, float]] = {
    "dispatch": {"lease": 2, "sweep": 0.5, "hold": 0},
    "rates": {"track_tries": 10_000, "sign_in_tries": 10_000},
}
"""Leases as short as they may be: what a dead worker held comes back while a test can wait for it."""


@dataclass(frozen=True)
class SmallInstallation:
    """A running hub and the other end of its answers."""

    hub: Hub
    sink: SmtpSink
    twilio: TwilioStandIn
    tallies: list[Tally] = field(default_factory=list)
    """Of all senders so far: what one test's were promised must outlive the later tests' faults too."""


Opening = Callable[[], AbstractContextManager[SmallInstallation]]


@contextmanager
def open_installation(
    folder: Path, settings: Mapping[str, Any] = QUICK, environment: Mapping[str, str] | None = None
) -> Iterator[SmallInstallation]:
    """A hub with such settings, and the other end of its answers."""
    with (
        TwilioStandIn() as twilio,
        SmtpSink() as sink,
        Hub(folder, twilio=twilio, submit=("127.0.0.1", sink.port), settings=settings, environment=environment) as hub,
    ):
        yield SmallInstallation(hub, sink, twilio)


@pytest.fixture(scope="module")
def opening(tmp_path_factory: pytest.TempPathFactory) -> Opening:
    """How the file's installation is opened."""
    return lambda: open_installation(tmp_path_factory.mktemp("installation"))


@pytest.fixture(scope="module")
def installations(opening: Opening) -> Iterator[Shared[SmallInstallation]]:
    """One installation after the other, of which one is open."""
    with Shared(opening) as shared:
        yield shared


@pytest.fixture
def installation(
    installations: Shared[SmallInstallation], request: pytest.FixtureRequest
) -> Iterator[SmallInstallation]:
    """One for all tests of a file, which leave it healed; after one that failed, a fresh one."""
    yield from installations.lend(request.node)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An installation that heals under load on a slow machine may take its time."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(300))
