"""That every measurement still runs and says what it should; never how fast it was."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench.__main__ import PARTS
from bench.figures import Figure, Result
from bench.page import page
from tests.journeys.hub import CHECKOUT


@pytest.mark.timeout(600)
def test_a_quick_run_comes_to_its_end_with_a_table_for_each_measurement() -> None:
    written = CHECKOUT / "docs" / "benchmarks.md"
    before = written.read_bytes() if written.exists() else b""
    environment = {**os.environ, "QUICK": "1"}
    command = [sys.executable, "-m", "bench"]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| figure | measured | control | ratio | target | |") == len(PARTS)
    assert "not every answer was a success" not in done.stdout
    assert "its figures mean nothing" in done.stdout
    for figure in (
        "Twilio webhook: requests/s",
        "CPU per message",
        "messages/s, connections reused",
        "segments/s per core of door CPU",
        "peak memory of the door",
        "a neighbour's NOOP",
        "MIME, a file in base64",
        "quotes, plain Persian",
        "case page",
        "rows seen of cases opened",
        "dearest",
    ):
        assert figure in done.stdout
    assert (written.read_bytes() if written.exists() else b"") == before


def test_the_page_says_plainly_what_was_not_met() -> None:
    result = Result("Speed", "By the clock.", [Figure("a", "9 ms", target="< 8 ms", met=False), Figure("b", "1 ms")])
    text = page([result], load_before=0.1, quick=False)
    assert "| a | 9 ms | – | – | < 8 ms | **not met** |" in text
    assert "| b | 1 ms | – | – | – | – |" in text
    assert "mean nothing" not in text
