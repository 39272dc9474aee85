"""What a text message costs: tables of texts and their segments."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.kit.gsm import BASIC, EXTENDED, cost


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments", "left"),
    [
        ("", "GSM-7", 0, 0, 160),
        ("a", "GSM-7", 1, 1, 159),
        ("a" * 160, "GSM-7", 160, 1, 0),
        ("a" * 161, "GSM-7", 161, 2, 145),
        ("a" * 306, "GSM-7", 306, 2, 0),
        ("a" * 307, "GSM-7", 307, 3, 152),
        ("€", "GSM-7", 2, 1, 158),
        ("a" * 159 + "€", "GSM-7", 161, 2, 145),
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 306, 3, 152),  # the € does not fit into the last septet of the first
        ("سلام", "UCS-2", 4, 1, 66),
        ("س" * 70, "UCS-2", 70, 1, 0),
        ("س" * 71, "UCS-2", 71, 2, 63),
        ("س" * 134, "UCS-2", 134, 2, 0),
        ("س" * 135, "UCS-2", 135, 3, 66),
        ("می‌شود", "UCS-2", 6, 1, 64),  # the zero-width non-joiner counts
        ("😀", "UCS-2", 2, 1, 68),
        ("س" * 66 + "😀" + "س" * 66, "UCS-2", 134, 3, 66),  # a pair is not cut in two
        ("a" * 69 + "`", "UCS-2", 70, 1, 0),  # one foreign sign and the whole text is UCS-2
        ("\x1b", "UCS-2", 1, 1, 69),
    ],
)
def test_a_text(text: str, encoding: str, units: int, segments: int, left: int) -> None:
    found = cost(text)
    assert (found.encoding, found.units, found.segments, found.left) == (encoding, units, segments, left)


def test_the_alphabets_are_whole() -> None:
    assert (len(BASIC), len(EXTENDED)) == (127, 10)
    assert not BASIC & EXTENDED


@given(st.text(max_size=500))
def test_every_sign_is_paid_for(text: str) -> None:
    found = cost(text)
    per = {"GSM-7": (160, 153), "UCS-2": (70, 67)}[found.encoding][found.segments > 1]
    assert found.segments >= math.ceil(found.units / per)
    assert max(1, found.segments) * per - found.units >= found.left >= 0
