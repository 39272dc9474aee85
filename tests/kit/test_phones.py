"""Telephone numbers as people and providers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.kit.phones import e164


@pytest.mark.parametrize(
    ("raw", "region", "expected"),
    [
        ("09121234567", "IR", "+989121234567"),
        ("۰۹۱۲ ۱۲۳ ۴۵۶۷", "IR", "+989121234567"),
        ("٠٩١٢١٢٣٤٥٦٧", "IR", "+989121234567"),
        ("+98 (912) 123-4567", "IR", "+989121234567"),
        ("00989121234567", "IR", "+989121234567"),
        ("\u202a+98 912 123 4567\u202c", "IR", "+989121234567"),
        ("tel:+989121234567", "IR", "+989121234567"),
        ("021 8888 7777", "IR", "+982188887777"),
        ("+14155552671", "IR", "+14155552671"),
        ("020 7946 0018", "GB", "+442079460018"),
        ("3000123", "IR", None),  # a short code is no number to call back
        ("137", "IR", None),
        ("BANK", "IR", None),
        ("0912123456", "IR", None),  # one digit short
        ("", "IR", None),
        ("1-800-FLOWERS", "US", None),
        ("9" * 5000, "IR", None),
        ("anonymous", "IR", None),
        ("\x00", "IR", None),
    ],
)
def test_numbers_become_e164_only_when_valid(raw: str, region: str, expected: str | None) -> None:
    assert e164(raw, region) == expected


@given(st.text(max_size=60))
def test_any_text_gives_a_number_or_nothing(raw: str) -> None:
    found = e164(raw, "IR")
    assert found is None or (found[0] == "+" and found[1:].isascii() and found[1:].isdigit())
