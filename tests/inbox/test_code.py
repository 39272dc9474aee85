"""Tracking codes: what a tired finger gets wrong is caught."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.inbox import code
from zrm.ui.i18n import format_code

codes = st.builds(code.mint)


@pytest.mark.parametrize("told", ["100000000001", "123456789018", "572000000002", "987654321096", "999999999999"])
def test_a_code_told_once_is_read_for_ever(told: str) -> None:
    assert code.read(told) == told


@given(codes)
def test_a_minted_code_reads_back_however_it_is_typed(minted: str) -> None:
    persian = minted.translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"))
    arabic = minted.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    for typed in (
        minted,
        format_code(minted, "en"),
        format_code(minted, "fa"),
        f" {minted[:4]} {minted[4:]}\u200f",
        persian,
        arabic,
        f"{persian[:6]}-{arabic[6:]}",
    ):
        assert code.read(typed) == minted


@given(codes, st.integers(0, 11), st.integers(1, 9))
def test_every_single_wrong_digit_is_caught(minted: str, place: int, step: int) -> None:
    wrong = minted[:place] + str((int(minted[place]) + step) % 10) + minted[place + 1 :]
    assert code.read(wrong) is None


@given(codes, st.integers(0, 10))
def test_every_swap_of_neighbours_is_caught(minted: str, place: int) -> None:
    swapped = minted[:place] + minted[place + 1] + minted[place] + minted[place + 2 :]
    assert code.read(swapped) == (minted if swapped == minted else None)


@given(st.text(max_size=40))
def test_anything_may_be_typed(typed: str) -> None:
    read = code.read(typed)
    assert read is None or (len(read) == code.LENGTH and read.isascii())


def test_letters_are_not_a_code() -> None:
    assert code.read("12345678901a") is None
    assert code.read("") is None


@given(codes)
def test_of_ten_last_digits_one_holds(minted: str) -> None:
    """Whatever stands before it: every row and column of the table has each digit once."""
    assert [digit for digit in "0123456789" if code.read(minted[:-1] + digit)] == [minted[-1]]


def test_no_code_begins_with_a_nought() -> None:
    """Also one whose check digit is right."""
    noughts = [f"0{number:010}" for number in range(200)]
    assert not any(code.read(f"{body}{digit}") for body in noughts for digit in "0123456789")
