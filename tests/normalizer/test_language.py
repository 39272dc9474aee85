"""Which language a text is in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.normalizer.language import detect


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("سلام، می‌خواهم سفارشم را پیگیری کنم", "fa"),
        ("سلام من كتاب علي را مي خواهم لطفا بررسي كنيد", "fa"),  # typed on an Arabic keyboard
        ("آب محله ما قطع شده لطفا رسيدگي كنيد", "fa"),
        ("چراغ خيابان خاموش است", "fa"),
        ("سلام", "fa"),
        ("سلام my order number 1234 hasn't arrived لطفا کمک کنید", "fa"),
        ("مرحبا، أريد متابعة طلبي من فضلك", "ar"),
        ("انقطع التيار الكهربائي عن بيتنا منذ يومين", "ar"),
        ("الشارع مظلم والمصباح معطل منذ أسبوع", "ar"),
        ("سڵاو، دەمەوێت داواکارییەکەم بەدوادا بچم", "ckb"),
        ("سلام، میں اپنے آرڈر کی پیروی کرنا چاہتا ہوں", "ur"),
        ("Hello, I would like to follow up on my order", "en"),
        ("The street lamp is broken since Monday", "en"),
        ("Guten Tag, ich möchte meine Bestellung verfolgen", "de"),
        ("Merhaba, siparişimi takip etmek istiyorum", "tr"),
        ("Здравствуйте, фонарь не работает", "ru"),
        ("https://example.org/a-very-long-path info@example.org", ""),  # no words
        ("۱۲۳۴", ""),
        ("", ""),
        ("!!! ???", ""),
        ("\x00\ud800", ""),
    ],
)
def test_the_language_of_a_text(text: str, language: str) -> None:
    assert detect(text) == language


@given(st.text(st.characters(codec=None), max_size=300))
def test_any_text_gives_a_short_code_or_nothing(text: str) -> None:
    assert len(detect(text)) <= 8


@pytest.mark.parametrize(
    ("text", "language"),
    [("ok", ""), ("thanks", ""), ("Danke", ""), ("👍", ""), ("5", ""), ("سلام", "fa"), ("I need help", "en")],
)
def test_beside_a_profile_a_word_in_latin_letters_says_nothing(text: str, language: str) -> None:
    assert detect(text, has_profile=True) == language
