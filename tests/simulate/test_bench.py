"""That every measurement still runs and says what it should; never how fast it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import bounces
from bench.__main__ import PARTS
from bench.figures import Figure, Result
from bench.folding import OURS, score
from bench.folding_peers import Fixture
from bench.page import kept, page, put
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
        "the last four digits",
        "rows seen of cases opened",
        "dearest",
        "exponent, ",
    ):
        assert figure in done.stdout
    assert (written.read_bytes() if written.exists() else b"") == before


def test_the_page_says_plainly_what_was_not_met() -> None:
    result = Result("Speed", "By the clock.", [Figure("a", "9 ms", target="< 8 ms", met=False), Figure("b", "1 ms")])
    text = page([result], load_before=0.1, quick=False)
    assert "| a | 9 ms | – | – | < 8 ms | **not met** |" in text
    assert "| b | 1 ms | – | – | – | – |" in text
    assert "mean nothing" not in text


def test_a_section_measured_by_itself_takes_its_place() -> None:
    results = [Result(title, "By the clock.", [Figure(title, "9 ms")]) for title in ("Speed", "Width")]
    text = page(results, load_before=0.1, quick=False)
    text = put(text, Result("Speed", "By eye.", [Figure("Speed", "8 ms")]), load_before=0.2)
    text = put(text, Result("Height", "By hand."), load_before=0.2)
    assert "9 ms" not in text.partition("## Width")[0]
    assert "| Speed | 8 ms |" in text.partition("## Width")[0]
    assert "| Width | 9 ms |" in text
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Speed", "## Width", "## Height"]
    assert "load average before 0.2" in text


def test_a_section_that_is_not_measured_this_time_stays_as_it_is(tmp_path: Path) -> None:
    written = tmp_path / "benchmarks.md"
    section = Result("Folding", "By eye.", [Figure("a", "1")], ["A note."])
    sections = [
        Result("Speed", "By the clock.", [Figure("b", "2")]),
        section,
        Result("Size", "By the rule.", [Figure("c", "3")]),
    ]
    written.write_text(page(sections, load_before=0.1, quick=False), encoding="utf-8")
    again = page([sections[0], kept(written, "Folding"), sections[2]], load_before=0.1, quick=False)
    assert again.partition("## ")[2] == written.read_text(encoding="utf-8").partition("## ")[2]
    assert kept(written, "Weight").method == "Not measured."


def test_what_is_hidden_left_and_right_of_a_fixture_is_counted() -> None:
    text = "Mine is this.\n\nOn 3 Mar 2025 10:15 B <b@example.org> wrote:\n> yours is that"
    quotation = text.partition("\n\n")[2]
    visible: dict[str, str | None] = {
        "all": text,
        "none": "",
        "half": "Mine is this.\n\n> yours is that",
        "wrong": quotation,
        "late": None,
    }
    scores = score([Fixture("some", "one", text, expected="Mine is this.", visible=visible)])
    found = {library: (one.hidden, one.left, one.right, one.late) for (_, library), one in scores.items()}
    assert found == {
        OURS: (0, 0, 1, 0),
        "all": (0, 12, 0, 0),
        "none": (3, 0, 0, 0),
        "half": (0, 4, 0, 0),
        "wrong": (3, 12, 0, 0),
        "late": (0, 12, 0, 1),
    }


def test_bounces_are_counted_with_their_body_without_and_without_a_return_path(tmp_path: Path) -> None:
    """A person's mail is thanked; a bounce by its words alone is known only whole; one by its envelope not when bare."""
    mails = {
        "person": b"From: ali@example.com\r\nSubject: lamp\r\n\r\nIt is dark.\r\n",
        "words": b"From: x@relay.example\nSubject: Undelivered mail\n\n550 5.1.1 unknown user\n",
        "path": b"Subject: x\rReturn-Path: <>\rFrom: x@relay.example\r\rwords\r",
        "list": b"From: ali@example.com\nList-Id: <town.example>\n\nwords\n",
    }
    for name, content in mails.items():
        (tmp_path / name).write_bytes(content)
    found = bounces.score(sorted(tmp_path.iterdir()))
    assert {dress: (one.mails, one.known, one.thanked) for dress, one in found.items()} == {
        "whole": (4, 3, 1),
        "header": (4, 2, 2),
        "bare": (4, 1, 3),
    }
