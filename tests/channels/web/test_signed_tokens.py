"""Seals of the busiest pages: made in a quicker way than the library's, and the very same."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from itsdangerous import Signer, TimestampSigner

from zrm.channels.web.signed_tokens import ReceiptNote, Seals

SECRET = "a secret of this test"
SEALS = Seals(SECRET, receipt_seconds=60, proof_seconds=60)
FORM = Signer(SECRET, salt="zrm.web.form", digest_method=hashlib.sha256)
RECEIPT = TimestampSigner(SECRET, salt="zrm.web.receipt-note", digest_method=hashlib.sha256)
NOTE = ReceiptNote("283541907624", datetime(2026, 11, 20, 8, 30, tzinfo=UTC), reachable=True)


def test_a_forms_identity_is_the_librarys_own_seal() -> None:
    sealed = SEALS.new_form_id()
    nonce = sealed.partition(".")[0]
    assert sealed == FORM.sign(nonce).decode()
    assert SEALS.open_form_id(FORM.sign("0" * 32).decode()) == "0" * 32


def test_a_receipt_is_the_librarys_own_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _: 1_795_163_400)
    sealed = SEALS.seal_receipt(NOTE)
    assert sealed == RECEIPT.sign("283541907624~2026-11-20T08:30:00+00:00~1~0~").decode()
    assert SEALS.open_receipt(sealed) == NOTE
    sent = NOTE._replace(answered=True, sent_to="سارا~1@home.example")
    assert SEALS.open_receipt(SEALS.seal_receipt(sent)) == sent


@pytest.mark.parametrize("place", range(0, 75, 7))
def test_a_seal_with_one_letter_changed_opens_nothing(place: int) -> None:
    def changed(sealed: str) -> str:
        return sealed[:place] + ("x" if sealed[place] != "x" else "y") + sealed[place + 1 :]

    assert SEALS.open_form_id(changed(SEALS.new_form_id())) is None
    assert SEALS.open_receipt(changed(SEALS.seal_receipt(NOTE))) is None
