"""Telephone numbers as people and providers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.kit.phones import Flaw, e164, flaw


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


@pytest.mark.parametrize(
    ("raw", "region", "expected"),
    [
        ("0912 345 6789", "IR", None),
        ("0912–345–6789", "IR", None),
        ("+44 20 7946 0958", "IR", None),
        ("0912 345 678", "IR", Flaw("too_few", 1)),
        ("۰۹۱۲۳۴۵۶۷", "IR", Flaw("too_few", 2)),
        ("+98 912 345 678", "IR", Flaw("too_few", 1)),
        ("0912 345 678-", "IR", Flaw("too_few", 1)),
        ("0912 345", "IR", Flaw("too_few")),
        ("0912", "IR", Flaw("too_few")),
        ("+1 212 555 123", "IR", Flaw("too_few", 1)),
        ("0912 345 67890", "IR", Flaw("too_many", 1)),
        ("٠٩١٢٣٤٥٦٧٨٩٠١", "IR", Flaw("too_many", 2)),
        ("8888 1370", "IR", Flaw("no_area_code")),
        ("137", "IR", Flaw("too_few")),
        ("09123456789 09123456780", "IR", Flaw("too_many")),
        ("0000 000 0000", "IR", Flaw("unknown")),
        ("+999 123456", "IR", Flaw("unknown")),
        ("my number", "IR", Flaw("not_digits")),
        ("0912 345 6789 x5", "IR", Flaw("not_digits")),
        ("+()", "IR", Flaw("not_digits")),
        ("9" * 5000, "IR", Flaw("not_digits")),
    ],
)
def test_a_number_that_is_none_says_in_what_way(raw: str, region: str, expected: Flaw | None) -> None:
    assert flaw(raw, region) == expected


@given(st.text(alphabet="+0123456789۰۱۲۳ ()-x/.\u200e", max_size=60))
def test_a_number_has_a_flaw_or_is_comparable(raw: str) -> None:
    assert (flaw(raw, "IR") is None) == (e164(raw, "IR") is not None) or "x" in raw


@given(st.text(max_size=60))
def test_any_text_gives_a_number_or_nothing(raw: str) -> None:
    found = e164(raw, "IR")
    assert found is None or (found[0] == "+" and found[1:].isascii() and found[1:].isdigit())
