"""A running hub for each file of faults, with a mail server and Twilio behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.hub import Hub
from tests.lab.smtp_sink import SmtpSink
from tests.lab.twilio import TwilioStandIn

QUICK: dict[str, dict[str, float]] = {
    "dispatch": {"lease": 2, "sweep": 0.5},
    "rates": {"track_tries": 10_000, "sign_in_tries": 10_000},
}
"""Leases as short as they may be: what a dead worker held comes back while a test can wait for it."""


@dataclass(frozen=True)
class House:
    """A running hub and the other end of its answers."""

    hub: Hub
    sink: SmtpSink
    twilio: TwilioStandIn


@contextmanager
def open_house(folder: Path, settings: Mapping[str, Any] = QUICK) -> Iterator[House]:
    """A hub with such settings, and the other end of its answers."""
    with (
        TwilioStandIn() as twilio,
        SmtpSink() as sink,
        Hub(folder, twilio=twilio, submit=("127.0.0.1", sink.port), settings=settings) as hub,
    ):
        yield House(hub, sink, twilio)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for all tests of a file, which leave it healed."""
    with open_house(tmp_path_factory.mktemp("house")) as house:
        yield house


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A house that heals under load on a slow machine may take its time."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(300))
