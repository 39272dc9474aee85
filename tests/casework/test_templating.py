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
        ("سلام {name}،\nکد: {code}", "سلام Sara،\nکد: 1234-5678-9012", ()),
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
