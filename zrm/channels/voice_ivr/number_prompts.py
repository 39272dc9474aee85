"""Numbers, dates and codes as lists of prompt names, in the order they are played. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from zrm.languages import LANGUAGES, Language
from zrm.ui.calendars import DateReader, DayParts, day_parts

PAUSE = "pause"


def code(digits: str) -> list[str]:
    """A tracking code digit by digit, a pause after every four."""
    said: list[str] = []
    for index, digit in enumerate(digits):
        if index and index % 4 == 0:
            said.append(PAUSE)
        said.append(f"n-{digit}")
    return said


def number(value: int, language: Language) -> list[str]:
    """A whole number from 0 to 9999 in words. Errors: ValueError outside of that."""
    if not 0 <= value <= 9999:
        raise ValueError("only numbers from 0 to 9999 can be said")
    return GRAMMARS[language].number(value)


def date(moment: datetime, language: Language, timezone: str) -> list[str]:
    """The day of a moment in the usual calendar of the language, in the given time zone."""
    reader = DateReader(language, LANGUAGES[language].calendar, timezone)
    return GRAMMARS[language].day(day_parts(reader.local(moment), reader.calendar))


def _persian_day(day: DayParts) -> list[str]:
    return [f"day-{day.day}", f"month-{day.month}", *_persian(day.year)]


def _english_day(day: DayParts) -> list[str]:
    return ["the", f"day-{day.day}", "of", f"month-{day.month}", *_english_year(day.year)]


def _persian(value: int) -> list[str]:
    """Thousands, hundreds, tens and units, each pair joined by "and"."""
    parts: list[list[str]] = []
    thousands, rest = divmod(value, 1000)
    if thousands:
        parts.append(["thousand"] if thousands == 1 else [f"n-{thousands}", "thousand"])
    hundreds, rest = divmod(rest, 100)
    if hundreds:
        parts.append([f"n-{hundreds}00"])
    parts.extend([name] for name in _below_hundred(rest) if rest or not parts)
    said = parts[0]
    for part in parts[1:]:
        said = [*said, "and", *part]
    return said


def _english(value: int) -> list[str]:
    thousands, rest = divmod(value, 1000)
    hundreds, small = divmod(rest, 100)
    said = [f"n-{thousands}", "thousand"] if thousands else []
    if hundreds:
        said += [f"n-{hundreds}", "hundred"]
    if small or not said:
        said += ["and"] if said else []
        said += _below_hundred(small)
    return said


def _english_year(year: int) -> list[str]:
    """As years are spoken: "twenty twenty-six", "two thousand and nine", "nineteen hundred"."""
    century, rest = divmod(year, 100)
    if not 10 <= century <= 99 or (century % 10 == 0 and rest < 10):
        return _english(year)
    if rest == 0:
        return [*_below_hundred(century), "hundred"]
    return [*_below_hundred(century), *(["n-0"] if rest < 10 else []), *_below_hundred(rest)]


def _below_hundred(value: int) -> list[str]:
    """Whole to 20, else tens and units."""
    if value <= 20 or value % 10 == 0:
        return [f"n-{value}"]
    return [f"n-{value - value % 10}", f"n-{value % 10}"]


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a language says a whole number from 0 to 9999, and a day."""

    number: Callable[[int], list[str]]
    day: Callable[[DayParts], list[str]]


GRAMMARS: Final[dict[Language, Grammar]] = {
    "fa": Grammar(_persian, _persian_day),
    "en": Grammar(_english, _english_day),
}
"""The languages in which the telephone speaks."""
