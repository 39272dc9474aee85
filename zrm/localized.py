"""Texts in several languages, as the store and the configuration have them: {"fa": "خیابان‌ها", "en": "Streets"}."""

from __future__ import annotations

from collections.abc import Mapping

from zrm.languages import FALLBACK

Localized = Mapping[str, str]
"""The texts by language code. A further language is a further key."""


def in_language(words: Localized, language: str) -> str:
    """The text in a language, else in the first of `FALLBACK`, else of the others by their codes; empty if there is none."""
    for code in (language, *FALLBACK, *sorted(words)):
        if found := words.get(code):
            return found
    return ""
