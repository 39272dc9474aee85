"""Templates filled in: a table of texts, and that a citizen's own words are never read as a template."""

from __future__ import annotations

import pytest

from zrm.casework.templating import VARIABLES, around, fill, strange

VALUES = dict.fromkeys(VARIABLES, "") | {"name": "Sara", "code": "1234-5678-9012", "title": "{code} {agent}"}


@pytest.mark.parametrize(
    ("text", "filled", "missing"),
    [
        ("Dear {name},", "Dear Sara,", ()),
        ("{name} {name}", "Sara Sara", ()),
        ("سلام {name}،\nکد: {code}", "سلام \u2068Sara\u2069،\nکد: 1234-5678-9012", ()),
        ("About {subject}, soon.", "About, soon.", ("subject",)),
        ("On “{title}”", "On “{code} {agent}”", ()),  # a citizen's braces stay braces
        ("{nonsense} {0.__class__} {}", "{nonsense} {0.__class__} {}", ()),
        ("no braces", "no braces", ()),
    ],
)
def test_a_text(text: str, filled: str, missing: tuple[str, ...]) -> None:
    found = fill(text, VALUES)
    assert (found.text, found.missing) == (filled, missing)


def test_what_is_no_variable_is_named() -> None:
    assert strange("{name} {nmae} {} {0!r} {nmae}") == ["{nmae}", "{}", "{0!r}"]


@pytest.mark.parametrize(
    ("greeting", "signature", "whole"),
    [("", "", "x"), ("Hello,", "", "Hello,\n\nx"), ("", "Yours", "x\n\nYours"), ("H", "Y", "H\n\nx\n\nY")],
)
def test_an_answer_stands_between_greeting_and_signature(greeting: str, signature: str, whole: str) -> None:
    assert around(greeting, "x", signature) == whole


@pytest.mark.parametrize(
    ("text", "value", "filled"),
    [
        ("پروندهٔ «{title}» بسته شد.", "Water (2)!", "پروندهٔ «\u2068Water (2)!\u2069» بسته شد."),
        ("Your case “{title}” 5 days ago", "آب (۲)", "Your case “\u2068آب (۲)\u2069” 5 days ago"),
        ("پروندهٔ «{title}» بسته شد.", "آب", "پروندهٔ «آب» بسته شد."),
        ("پروندهٔ {title}", "۱۲ (3)", "پروندهٔ ۱۲ (3)"),
        ("{title}", "آب and", "آب and"),
    ],
)
def test_words_of_the_other_direction_do_not_turn_the_sentence_around(text: str, value: str, filled: str) -> None:
    """Field 2.33: RTL breaks in templated text (zammad#5819, frappe/helpdesk#2671)."""
    assert fill(text, VALUES | {"title": value}).text == filled


def test_an_address_of_the_web_stays_one_that_can_be_tapped() -> None:
    assert fill("نشانی: {track}", VALUES | {"track": "https://x/track"}).text == "نشانی: https://x/track"
