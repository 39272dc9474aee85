"""Words by language: a reader gets their own, or others in an order that is written down."""

from __future__ import annotations

import pytest

from zrm.localized import in_language


@pytest.mark.parametrize(
    ("words", "language", "shown"),
    [
        ({"fa": "راه", "en": "Roads"}, "fa", "راه"),
        ({"fa": "راه", "en": "Roads"}, "en", "Roads"),
        ({"fa": "راه", "en": "Roads", "ar": "الطرق"}, "ar", "الطرق"),
        ({"fa": "راه", "en": "Roads"}, "ar", "Roads"),
        ({"fa": "راه"}, "en", "راه"),
        ({"fa": "راه", "en": ""}, "en", "راه"),
        ({"tr": "Yollar", "ar": "الطرق"}, "en", "الطرق"),
        ({}, "fa", ""),
    ],
)
def test_a_reader_gets_their_language_else_english_else_persian(
    words: dict[str, str], language: str, shown: str
) -> None:
    assert in_language(words, language) == shown
