"""An outage is said once, and its end."""

from __future__ import annotations

import logging

import pytest

from zrm.kit.outage import Outage


def test_an_outage_is_said_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("queue")
    outage.over()
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            for _ in range(3):
                outage.begun(ConnectionError("refused"))
            for _ in range(3):
                outage.over()
    said = [record.getMessage() for record in caplog.records]
    assert [("away" in line, "back" in line) for line in said] == [(True, False), (False, True)] * 2
    assert "ConnectionError" in said[0]
