"""Which way text runs, and codes that keep their order in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.kit.direction import in_marks, isolate_codes, isolated, reading_direction

ANY_TEXT = st.text(st.characters(codec=None), max_size=200)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("کد ۹۸۱۴-۹۴۰۹-۰۷۷۲ است", "کد \u2066۹۸۱۴-۹۴۰۹-۰۷۷۲\u2069 است"),
        ("Re: [9814-9409-0772] آب", "Re: [\u20669814-9409-0772\u2069] آب"),
        ("تلفن 021-88880000 یا +98 912 111 0002.", "تلفن \u2066021-88880000\u2069 یا \u2066+98 912 111 0002\u2069."),
        ("۲۰-۳۰ نفر در 2026-11-24", "۲۰-۳۰ نفر در 2026-11-24"),
        ("سفارش 19814-9409-0772", "سفارش 19814-9409-0772"),
    ],
)
def test_codes_and_telephone_numbers_are_held_left_to_right(text: str, shown: str) -> None:
    assert isolate_codes(text) == shown
    assert isolate_codes(shown) == shown, "doing it twice adds nothing"


@given(ANY_TEXT)
def test_holding_codes_changes_no_word(text: str) -> None:
    marks = str.maketrans("", "", "\u2066\u2069")
    assert isolate_codes(text).translate(marks) == text.translate(marks)


@pytest.mark.parametrize(
    ("title", "reads"),
    [
        ("Re: افت فشار آب", "rtl"),
        ("Fwd: Re: [9814-9409-0772] افت فشار", "rtl"),
        ("پاسخ: Pothole", "ltr"),
        ("Regarding the pothole", "ltr"),
        ("۱۲۳", "auto"),
        ("", "auto"),
    ],
)
def test_a_title_reads_as_its_own_words_do(title: str, reads: str) -> None:
    assert reading_direction(title) == reads


def test_nothing_is_isolated_when_there_is_nothing() -> None:
    assert isolated("") == ""
    assert isolated("Re: آب") == "\u2067Re: آب\u2069"
    assert isolated("Is it back?") == "\u2066Is it back?\u2069"


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("کد \u20669814-9409\u2069 است", "کد \u200f\u200e9814-9409\u200e\u200f است"),
        ("case \u2068آب (۲)\u2069 5 days", "case \u200e\u200fآب (۲)\u200f\u200e 5 days"),
        (
            "«\u2068Is \u2067آب\u2069 back?\u2069» شد",
            "«\u200f\u200eIs \u200e\u200fآب\u200f\u200e back?\u200e\u200f» شد",
        ),
        ("Is \u20669814\u2069 yours?", "Is 9814 yours?"),
        ("بی\u2069سر \u2066و ته", "بیسر و ته"),
        ("\u200eسلام", "\u200eسلام"),
    ],
)
def test_isolates_become_marks_that_old_telephones_know(text: str, marked: str) -> None:
    assert in_marks(text) == marked


@given(ANY_TEXT)
def test_marks_change_no_word(text: str) -> None:
    unseen = dict.fromkeys(map(ord, "\u200e\u200f\u2066\u2067\u2068\u2069"))
    assert in_marks(text).translate(unseen) == text.translate(unseen)
    assert not set(in_marks(text)) & set("\u2066\u2067\u2068\u2069")
