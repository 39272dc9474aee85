"""Texts in several languages, as the store and the configuration have them: {"fa": "خیابان‌ها", "en": "Streets"}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Localized = Mapping[str, str]
"""The texts by language code. A further language is a further key."""

FALLBACK: Final = ("en", "fa")
"""Where the reader's language is missing, these are tried in order, then the others by their codes."""


def in_language(words: Localized, language: str) -> str:
    """The text in a language, or in the first of `FALLBACK` that has one; empty only if no language has."""
    for code in (language, *FALLBACK, *sorted(words)):
        if found := words.get(code):
            return found
    return ""
