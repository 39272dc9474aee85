"""Texts in the languages of the installation.

A msgid is the English sentence itself. Translations are in `zrm/ui/locale/<language>/*.po`, one file per area, and in the folder `locale`
of each channel; they are read and merged at start without a compile step. A message without a translation is shown in English; a test keeps that from
happening in Persian.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from gettext import GNUTranslations
from pathlib import Path
from typing import Final

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from zrm.languages import LANGUAGES, SOURCE, Language

LOCALE_FOLDER: Final = Path(__file__).parent / "locale"
_folders: Final = [LOCALE_FOLDER]

LANGUAGE_COOKIE: Final = "zrm_language"
"""The cookie with the language the reader chose on our pages."""

_DIGITS: Final = "0123456789"


@dataclass(frozen=True)
class TranslationConflict:
    """One message that two part files translate differently; the first file in name order is the one used."""

    msgid: str
    kept: Path
    dropped: Path


def _(message: str) -> str:
    """Mark `message` for translation and return it unchanged; it is translated where it is shown, per reader."""
    return message


def language_name(language: Language, reader: Language) -> str:
    """The name of a language in the reader's: "Persian", «انگلیسی»."""
    return str(Locale.parse(reader).languages.get(language, LANGUAGES[language].name))


def reader_language(asked: str, remembered: str, header: str) -> Language | None:
    """The reader's language: asked for in the address, else kept in `LANGUAGE_COOKIE`, else from the browser's
    Accept-Language header; None if none of them names one of ours.
    """
    for choice in (asked, remembered):
        if choice in LANGUAGES:
            return choice
    return accepted_language(header)


def accepted_language(header: str) -> Language | None:
    """The first of our languages in an Accept-Language header by its weights; None if it names none of them."""
    accepted: list[tuple[float, int, Language]] = []
    for place, part in enumerate(header.split(",")[:20]):
        tag, _semicolon, weight = part.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        base = tag.split("-")[0].strip().lower()
        for language in LANGUAGES:
            if base == language and quality > 0:
                accepted.append((-quality, place, language))
    return min(accepted)[2] if accepted else None


def digits(text: object, language: Language) -> str:
    """`text` with 0-9 written in the language's digits: Persian digits for Persian, unchanged for English."""
    own = LANGUAGES[language].digits
    return str(text) if own == _DIGITS else str(text).translate(str.maketrans(_DIGITS, own))


def format_code(number: str, language: Language) -> str:
    """A long number in groups, `1234-5678-9012`, in the language's digits and safe inside a sentence of it.

    After an Arabic letter the groups would be shown last to first; a left-to-right mark before them keeps their order.
    (An isolate would too, but old telephones show it as a box.)
    """
    groups = "-".join(number[start : start + 4] for start in range(0, len(number), 4))
    shown = digits(groups, language)
    return f"\u200e{shown}" if LANGUAGES[language].direction == "rtl" else shown


def add_locale_folder(folder: Path) -> None:
    """Add the messages of a room that brings its own, such as a channel: `<folder>/<language>/*.po`, if there are any."""
    if folder not in _folders:
        _folders.append(folder)
        translations.cache_clear()


def merge(language: Language, folders: Sequence[Path] = _folders) -> tuple[Catalog, list[TranslationConflict]]:
    """Read every part file of a language in name order into one catalogue; also tell which messages disagree.

    Fuzzy and empty entries are left out, so they fall back to English instead of a guess.
    """
    merged = Catalog(locale=language)
    origin: dict[tuple[str | tuple[str, ...], str | None], Path] = {}
    conflicts: list[TranslationConflict] = []
    for part in sorted(
        (path for folder in folders for path in (folder / language).glob("*.po")), key=lambda path: path.name
    ):
        with part.open("rb") as file:
            catalog = read_po(file, locale=language, abort_invalid=True)
        for message in catalog:
            if not message.id or message.fuzzy or not _is_translated(message.string):
                continue
            key = (message.id if isinstance(message.id, str) else tuple(message.id), message.context)
            known = merged.get(message.id, message.context)
            if known is None:
                merged.add(message.id, message.string, context=message.context)
                origin[key] = part
            elif known.string != message.string:
                shown = message.id if isinstance(message.id, str) else message.id[0]
                conflicts.append(TranslationConflict(shown, origin.get(key, part), part))
    return merged, conflicts


def _is_translated(string: object) -> bool:
    return all(string) if isinstance(string, (tuple, list)) else bool(string)


@cache
def translations(language: Language) -> GNUTranslations:
    """The catalogue of a language: `.gettext(msgid)` and `.ngettext(one, many, n)`. Read once per process."""
    catalog = Catalog(locale=language) if language == SOURCE else merge(language)[0]
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return GNUTranslations(compiled)


def gettext(language: Language, message: str, /, **values: object) -> str:
    """`message` in a language, with its `%(name)s` places filled from `values`; an empty one stays empty."""
    text = translations(language).gettext(message) if message else ""  # the catalogue's head stands under the empty one
    return text % values if values else text


def ngettext(language: Language, one: str, many: str, count: int, /, **values: object) -> str:
    """The form of a message that fits `count`; `%(num)s` in it becomes the count in the language's digits."""
    text = translations(language).ngettext(one, many, count)
    return text % {"num": digits(count, language), **values}
