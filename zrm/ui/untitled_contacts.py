"""The installation's text for a contact without words (a recording, a fax, a photo), in its reader's language.

It was recorded in the sender's or the installation's language, which an agent may not read. Nobody types by telephone
or fax, so in such a contact every line that is a sentence of ours was written by us; in a messenger's contact only the
title can be.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from zrm.contract.capabilities import Sentence, of_channel
from zrm.ui.i18n import LANGUAGES, Language, gettext, ngettext, translations

_GAPS: Final = {"num": r"(?P<num>[0-9۰-۹]{1,9})", "error": r"(?P<error>.+)"}


def reworded(text: str, channel: str, language: Language) -> str:
    """`text` of a contact or case of `channel`, with the installation's own sentences in `language`; the rest is
    unchanged.
    """
    sentences = of_channel(channel).sentences
    if not sentences or not text:
        return text
    return "\n".join(_line(line, sentences, language) for line in text.split("\n"))


def _line(line: str, sentences: tuple[Sentence, ...], language: Language) -> str:
    for pattern, sentence in _patterns(sentences):
        if match := pattern.fullmatch(line):
            gaps = match.groupdict()
            if not sentence.many:
                return gettext(language, sentence.one, **gaps)
            return ngettext(language, sentence.one, sentence.many, int(gaps["num"]))
    return line


@lru_cache(maxsize=32)
def _patterns(sentences: tuple[Sentence, ...]) -> list[tuple[re.Pattern[str], Sentence]]:
    """Patterns of each sentence in each language, in all its forms."""
    return [
        (_pattern(form), sentence)
        for sentence in sentences
        for language in LANGUAGES
        for form in sorted(_forms(sentence, language))
    ]


def _forms(sentence: Sentence, language: Language) -> set[str]:
    known = translations(language)
    if not sentence.many:
        return {known.gettext(sentence.one)}
    return {known.ngettext(sentence.one, sentence.many, number) for number in (1, 2)}


def _pattern(form: str) -> re.Pattern[str]:
    parts = re.split(r"%\((\w+)\)s", form)
    return re.compile("".join(_GAPS[part] if place % 2 else re.escape(part) for place, part in enumerate(parts)))
