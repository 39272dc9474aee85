"""Text made comparable and text made safe."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zrm.kit.text import clean, clean_line, digits, fold, latin_digits

ANY_TEXT = st.text(st.characters(codec=None), max_size=200)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("علي", "علی"),  # Arabic and Persian yeh
        ("كتاب", "کتاب"),  # Arabic and Persian kaf
        ("می‌خواهم", "می خواهم"),  # half space and space
        ("سـلام", "سلام"),  # tatweel
        ("مُحَمَّد", "محمد"),  # harakat
        ("۱۲۳۴", "1234"),  # Persian digits
        ("١٢٣٤", "1234"),  # Arabic digits
        ("१२", "12"),  # Devanagari digits
        ("\u200fسلام\u200e", "سلام"),  # direction marks
        ("\u202bسلام\u202c", "سلام"),
        ("ﻼ", "لا"),  # presentation forms
        ("أحمد", "احمد"),
        ("فاطمة", "فاطمه"),
        ("Straße", "STRASSE"),
        ("Café  Zürich", "café zürich"),
        ("ＡＢＣ", "abc"),  # full width
        ("a\u00a0b\tc\nd", "a b c d"),
        ("آب", "اب"),
    ],
)
def test_spellings_of_one_word_have_one_key(one: str, other: str) -> None:
    assert fold(one) == fold(other) != ""


def test_different_words_keep_different_keys() -> None:
    words = ["سلام", "سلم", "کتاب", "گتاب", "پدر", "بدر", "Zürich", "Zurich"]
    assert len({fold(word) for word in words}) == len(words)


@given(ANY_TEXT)
@example("ا\u0640\u0653")  # taking the tatweel away lets alef and madda compose
@example("\u1e9e\u0345")
def test_folding_a_key_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(ANY_TEXT)
def test_a_key_is_one_line_of_storable_text(text: str) -> None:
    key = fold(text)
    key.encode("utf-8")
    assert key == " ".join(key.split())
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in key)


def test_digits_of_every_script_are_read() -> None:
    assert digits("۰۹۱۲-٣٤५ abc6") == "0912" + "345" + "6"
    assert latin_digits("کد ۱۲۳") == "کد 123"
    assert digits("no number") == ""


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("a\r\nb\rc\x0bd\x85e\u2028f", "a\nb\nc\nd\ne\nf"),
        ("nul\x00 bell\x07 esc\x1b[31m", "nul bell esc[31m"),
        ("\ufeffhello", "hello"),
        ("می‌خواهم", "می‌خواهم"),  # ZWNJ stays
        ("\u200fسلام\u200e", "\u200fسلام\u200e"),  # plain marks stay
        ("half \ud83d pair", "half \ufffd pair"),
        ("tab\tstays", "tab\tstays"),
        ("\u202egnp.exe", "\u202egnp.exe\u202c"),  # an open override is closed
        ("a\u202c b", "a b"),  # a closer that closes nothing goes
        ("\u202ea\nb", "\u202ea\u202c\nb"),  # by its own line's end
        ("\u2067\u202ea", "\u2067\u202ea\u202c\u2069"),
        ("", ""),
    ],
)
def test_clean_keeps_what_is_harmless(raw: str, kept: str) -> None:
    assert clean(raw) == kept


@given(ANY_TEXT)
def test_cleaned_text_is_storable_and_stays_as_it_is(text: str) -> None:
    kept = clean(text)
    assert "\x00" not in kept
    assert "\r" not in kept
    kept.encode("utf-8")
    assert clean(kept) == kept


@given(st.text("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069a\n", max_size=60))
def test_every_line_closes_what_it_opens(text: str) -> None:
    for line in clean(text).split("\n"):
        depth = 0
        for character in line:
            depth += character in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068"
            depth -= character in "\u202c\u2069"
            assert depth >= 0
        assert depth == 0


def test_a_title_is_one_line() -> None:
    assert clean_line("  a\r\n\tb\x00  c ") == "a b c"
