"""Words in several languages, as the store and the configuration have them: {"fa": "خیابان‌ها", "en": "Streets"}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Localized = Mapping[str, str]
"""The words by the code of their language. A further language is a further key."""

FALLBACK: Final = ("en", "fa")
"""Where a reader's own language is missing, these are tried in order, then the others by their codes."""


def in_language(words: Localized, language: str) -> str:
    """The words in a language, or in the first of `FALLBACK` that has any; empty only if no language has."""
    for code in (language, *FALLBACK, *sorted(words)):
        if found := words.get(code):
            return found
    return ""
