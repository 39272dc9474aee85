"""Templates filled in: a table of texts, and that a citizen's own words are never read as a template."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.casework.templating import VARIABLES, beginning, fill, unknown_placeholders, with_greeting_and_signature
from zrm.kit.direction import in_marks
from zrm.ui.i18n import format_code

VALUES = dict.fromkeys(VARIABLES, "") | {"name": "Sara", "code": "1234-5678-9012", "title": "{code} {agent}"}


@pytest.mark.parametrize(
    ("text", "filled", "missing"),
    [
        ("Dear {name},", "Dear Sara,", ()),
        ("{name} {name}", "Sara Sara", ()),
        ("سلام {name}،\nکد: {code}", "سلام \u2068Sara\u2069،\nکد: \u20661234-5678-9012\u2069", ()),
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
    assert unknown_placeholders("{name} {nmae} {} {0!r} {nmae}") == ["{nmae}", "{}", "{0!r}"]


@pytest.mark.parametrize(
    ("greeting", "signature", "whole"),
    [("", "", "x"), ("Hello,", "", "Hello,\n\nx"), ("", "Yours", "x\n\nYours"), ("H", "Y", "H\n\nx\n\nY")],
)
def test_an_answer_stands_between_greeting_and_signature(greeting: str, signature: str, whole: str) -> None:
    assert with_greeting_and_signature(greeting, "x", signature) == whole


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


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("نشانی: {track}", "نشانی: https://x/track"),
        ("{track} را ببینید.", "\u200fhttps://x/track را ببینید."),
        ("سلام\n{track} را ببینید.", "سلام\n\u200fhttps://x/track را ببینید."),
        ("See {track}, please.", "See https://x/track, please."),
    ],
)
def test_an_address_of_the_web_stays_one_that_can_be_tapped(text: str, filled: str) -> None:
    assert fill(text, VALUES | {"track": "https://x/track"}).text == filled


def test_a_code_keeps_its_groups_in_order_and_leaves_the_line_as_it_runs() -> None:
    code = VALUES | {"code": format_code("123456789012", "fa")}
    assert fill("{code} کد پیگیری شماست", code).text == "\u2066۱۲۳۴-۵۶۷۸-۹۰۱۲\u2069 کد پیگیری شماست"
    assert fill("Your code is {code}.", VALUES).text == "Your code is 1234-5678-9012."


def test_what_a_text_message_says_of_direction_old_telephones_know() -> None:
    told = in_marks(fill("{name}، کد {code}: {track}", VALUES | {"track": "https://x/track"}).text)
    assert told == "\u200f\u200eSara\u200e\u200f، کد \u200f\u200e1234-5678-9012\u200e\u200f: https://x/track"


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("Dear {name}, your code is {code}.", 70, [("Dear ", False), ("{name}", True), (", your code is ", False), ("{code}", True), (".", False)]),
        ("Dear {name}, your", 8, [("Dear …", False)]),
        ("Dear {name}, your", 11, [("Dear…", False)]),
        ("Dear {name}, your", 14, [("Dear ", False), ("{name}", True), (",…", False)]),
        ("Dear {nmae}\n\nyou", 70, [("Dear ", False), ("{nmae}", False), (" you", False)]),
        ("{name}{code}", 9, [("{name}", True), ("…", False)]),
        ("unbroken", 4, [("unbr…", False)]),
        ("", 4, []),
    ],
)  # fmt: skip
def test_the_beginning_of_a_template(text: str, most: int, shown: list[tuple[str, bool]]) -> None:
    assert beginning(text, most) == shown


@given(
    st.lists(st.sampled_from(["{name}", "{code}", "{", "}", "سلام", " ", "word", "\n"]), max_size=40),
    st.integers(1, 90),
)
def test_no_beginning_cuts_a_variable(parts: list[str], most: int) -> None:
    text = "".join(parts)
    shown = beginning(text, most)
    whole, line = "".join(piece for piece, _ in shown), " ".join(text.split())
    assert whole == line or (len(whole) <= most + 1 and line.startswith(whole[:-1].rstrip()))
    assert [piece for piece, named in shown if named] == [piece for piece, named in beginning(text, 9_999) if named][
        : sum(named for _, named in shown)
    ]
