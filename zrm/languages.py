"""The languages of the installation: one table that every room asks.

A further language is a row here and a folder `<code>/` of .po files beside those of each other language. Only what is spoken or recognised
by rules of its own needs more: the telephone's grammar and voice, and the words that citizens write as commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

Direction = Literal["rtl", "ltr"]
Calendar = Literal["solar", "gregorian"]


@dataclass(frozen=True, slots=True)
class LanguageTraits:
    """How a language is written.

    `name`: its own name. `direction`: as in HTML's `dir`. `calendar`: the usual one of its readers. `locale`: the tag by
    which browsers know its numbers and times. `digits`: 0 to 9. `comma`: stands between the items of a list and before
    a time. `decimal_point`: stands between a number's whole and its fraction.
    """

    name: str
    direction: Direction
    calendar: Calendar
    locale: str
    digits: str = "0123456789"
    comma: str = ", "
    decimal_point: str = "."


LANGUAGES: Final[dict[str, LanguageTraits]] = {
    "fa": LanguageTraits("فارسی", "rtl", "solar", "fa-IR", digits="۰۱۲۳۴۵۶۷۸۹", comma="، ", decimal_point="٫"),
    "en": LanguageTraits("English", "ltr", "gregorian", "en-GB"),
}
"""The traits by the language's code (ISO 639-1), in the order in which readers are offered the languages."""

SOURCE: Final = "en"
"""The language in which messages stand in the code; it needs no .po file."""

FALLBACK: Final = (SOURCE, "fa")
"""The languages in which every name is given. Where the reader's is missing, these are tried in order."""

if TYPE_CHECKING:
    Language = str
else:
    Language = Literal[tuple(LANGUAGES)]
"""The code of a language of the table. Where input is checked (settings, forms, JSON), any other text is refused."""


def language_for_answers(written: str, otherwise: Language) -> Language:
    """The language in which somebody is answered who writes `written`, a code of any language: the same if it is ours,
    else the first of `FALLBACK`. If it is not known ("") it is `otherwise`.
    """
    if not written:
        return otherwise
    return written if written in LANGUAGES else FALLBACK[0]
