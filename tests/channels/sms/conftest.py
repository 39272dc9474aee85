"""What the tests of SMPP stand on: an SMSC that runs, a desk that keeps, and the line between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.channels.sms.desk import KeepingDesk
from tests.channels.sms.line import Listening, channel_at
from tests.lab.smsc import Smsc


@pytest.fixture
def smsc(tmp_path: Path) -> Iterator[Smsc]:
    with Smsc(tmp_path) as running:
        yield running


@pytest.fixture
def desk() -> KeepingDesk:
    return KeepingDesk()


@pytest.fixture
def line(smsc: Smsc, desk: KeepingDesk, tmp_path: Path) -> Iterator[Listening]:
    with Listening(channel_at(smsc.port, tmp_path), desk) as listening:
        smsc.wait_for("bound", mode="receiver")
        yield listening
