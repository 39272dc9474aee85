"""Logs: one structured line, and nobody's address, number or secret in it."""

from __future__ import annotations

import io
import json
import logging
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
    ],
)
def test_what_is_personal_or_secret_is_hidden(text: str, told: str) -> None:
    log.hide(["hush-hush-token"])
    assert log.redact(text) == told


@given(st.from_regex(r"09[0-9]{9}", fullmatch=True), st.text(alphabet="abc ,.;:()\n", max_size=10))
def test_no_phone_number_gets_through(number: str, around: str) -> None:
    assert number not in log.redact(f"{around} {number}, {around}")


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
