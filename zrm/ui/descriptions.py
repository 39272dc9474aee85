"""A contact without words, and the case it opened, in the language of whoever reads of it."""

from __future__ import annotations

from typing import Protocol

from zrm.contract.descriptions import Description, DescriptionLine, described
from zrm.languages import Language
from zrm.ui.i18n import gettext, ngettext


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
    return titled.title or worded(titled.description[:1], language)


def worded(description: Description, language: str) -> str:
    """A description in words, one line each. A code of another version is left as it is."""
    return "\n".join(_line(line, language) for line in description)


def _line(line: DescriptionLine, language: Language) -> str:
    sentence = described().get(line["code"])
    if sentence is None:
        return line["code"]
    if sentence.many:
        values = {name: value for name, value in line["params"].items() if name != "num"}
        return ngettext(language, sentence.one, sentence.many, int(line["params"]["num"]), **values)
    return gettext(language, sentence.one, **line["params"])
