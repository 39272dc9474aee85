"""Logs: one structured line, and nobody's address, number or secret in it."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.plugin import log_to_pytest
from zrm.kit import log


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mail from ali@example.org failed", "mail from [address] failed"),
        ("call +98 912 123 4567 now", "call [number] now"),
        ("شماره ۰۹۱۲۱۲۳۴۵۶۷ بود", "شماره [number] بود"),
        ("code 1234-5678-9012", "code [number]"),
        ("port 8000, took 12 ms, 2026", "port 8000, took 12 ms, 2026"),
        ("token hush-hush-token leaked", "token [secret] leaked"),
        ("01a20860-82e6-7317-8ddb-2e11b1f8b337", "01a20860-82e6-7317-8ddb-2e11b1f8b337"),
        ("call 0912 123 4567 8a now", "call [number] 8a now"),
        ("۰۹۱۲-۱۲۳-۴۵۶۷الف", "[number]الف"),
        ("to=ali@example.org,sara@example.org;", "to=[address]"),
        ("price @ 5, @sara, ali@", "price @ 5, @sara, ali@"),
    ],
)
def test_what_is_personal_or_secret_is_hidden(text: str, told: str) -> None:
    log.hide(["hush-hush-token"])
    assert log.redact(text) == told


def test_a_secret_within_another_or_named_like_its_mark_reveals_nothing() -> None:
    log.hide(["sesame", "open-sesame-x", "secret"])
    assert log.redact("open-sesame-x, sesame and secret") == "[secret], [secret] and [secret]"


@given(st.from_regex(r"09[0-9]{9}", fullmatch=True), st.text(alphabet="abc ,.;:()\n", max_size=10))
def test_no_phone_number_gets_through(number: str, around: str) -> None:
    assert number not in log.redact(f"{around} {number}, {around}")


# Each made the patterns of old give back what they had taken, at every place anew: a million characters took hours.
@pytest.mark.parametrize("piece", ["1", "۱", "1 ", "1-", "1 1-", "a", "a@", "@", "a,", "+", "1a-", "a.1 ", "0@ ", "=a"])
def test_what_a_stranger_repeats_costs_no_more_than_its_length(piece: str) -> None:
    for end in ("", "a", "@", "-"):
        told = log.redact("/" + piece * 1_000_000 + end)
        assert len(told) < 20_000


@given(st.integers(0, 12_000), st.sampled_from(["ali@example.org", "09121234567", "0912 123 4567"]))
def test_nothing_personal_is_seen_beside_a_cut(before: int, personal: str) -> None:
    told = log.redact("x " * (before // 2) + personal + " y" * 6_000)
    assert not {"ali", "example", "0912", "4567", "123"} & set(re.split(r"[^a-z0-9]", told))


UNCAUGHT = """
import threading, warnings
from zrm.kit import log
log.configure("test")
log.report_uncaught()
warnings.warn("old, says ali@example.org")
class Falls:
    def __del__(self):
        raise LookupError("at the end, 09121234567")
Falls()
def fall():
    raise ValueError("for ali@example.org")
thread = threading.Thread(target=fall)
thread.start()
thread.join()
raise OSError("for ali@example.org")
"""


def test_what_nobody_caught_is_a_line_like_all_others() -> None:
    done = subprocess.run([sys.executable, "-c", UNCAUGHT], capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines[1:]] == ["uncaught in a finaliser", "uncaught in a thread", "uncaught"]
    assert "old, says [address]" in lines[0]["event"]
    assert "ValueError: for [address]" in lines[2]["exception"]
    assert "ali@" not in done.stderr
    assert "0912" not in done.stderr
    assert done.returncode == 1


def test_a_line_is_json_with_its_trace_and_foreign_loggers_are_redacted_too(
    capfd: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        log.configure("test")
        log.get("zrm.test").info("received", trace="00112233aabbccdd", contact="c", address="ali@example.org")
        logging.getLogger("some.library").warning("cannot reach %s", "ali@example.org")
        try:
            raise ValueError("for ali@example.org")
        except ValueError:
            log.get("zrm.test").exception("broken")
    finally:
        root.handlers[:], root.level = before[0], before[1]
        log_to_pytest()
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["received", "cannot reach [address]", "broken"]
    assert lines[0]["trace"] == "00112233aabbccdd"
    assert all(line["role"] == "test" for line in lines)
    assert "ali@example.org" not in json.dumps(lines)
    assert "ValueError" in lines[2]["exception"]


def test_a_reader_who_has_gone_does_not_stop_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        monkeypatch.setattr(sys, "stderr", closed)
        log.configure("test")
        log.get("zrm.test").error("nobody hears this")
    finally:
        root.handlers[:], root.level = before[0], before[1]
        log_to_pytest()
