"""A contact without words, and the case it opened, in the language of whoever reads of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from zrm.contract.descriptions import Description, described
from zrm.contract.sentences import fill
from zrm.languages import Language
from zrm.ui.i18n import digits, gettext, translations

_SEVERAL: Final = 2  # the form of a number that is not known


class Titled(Protocol):
    """What has a title of its own, or else a description."""

    @property
    def title(self) -> str:
        """Its own words; empty if it has none."""

    @property
    def description(self) -> Description:
        """What we say of it instead."""


def title_of(titled: Titled, language: str) -> str:
    """Its own title, else the first line of its description; empty if it has neither."""
    return titled.title or worded(titled.description, language).partition("\n")[0]


def worded(description: Description, language: str) -> str:
    """A description in words, one line each. A code of another version is left as it is; a known one whose values this
    version does not know is worded without them.
    """
    lines: object = description  # stored, and perhaps by another version
    if not isinstance(lines, Sequence):
        return ""
    return "\n".join(_line(line, language) for line in lines if isinstance(line, dict))


def _line(line: Mapping[str, object], language: Language) -> str:
    code, values = str(line.get("code", "")), line.get("params")
    sentence = described().get(code)
    if sentence is None:
        return code
    params = {str(name): value for name, value in values.items()} if isinstance(values, dict) else {}
    if not sentence.many:
        return fill(gettext(language, sentence.one), params)
    num = params.pop("num", None)
    if not isinstance(num, int):
        return fill(translations(language).ngettext(sentence.one, sentence.many, _SEVERAL), params)
    text = translations(language).ngettext(sentence.one, sentence.many, num)
    return fill(text, {**params, "num": digits(num, language)})
