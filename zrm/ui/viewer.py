"""The viewer of a page: the choices that change how it is written, never its content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zrm.languages import LANGUAGES, Calendar, Direction, Language, LanguageTraits
from zrm.ui.calendars import DateReader

Theme = Literal["auto", "light", "dark"]


@dataclass(frozen=True)
class Viewer:
    """Language, calendar, theme and time zone (an IANA name) of one reader."""

    language: Language = "fa"
    calendar: Calendar = "solar"
    theme: Theme = "auto"
    timezone: str = "Asia/Tehran"

    @property
    def traits(self) -> LanguageTraits:
        """How the reader's language is written."""
        return LANGUAGES[self.language]

    @property
    def direction(self) -> Direction:
        """The value of the page's `dir` attribute."""
        return self.traits.direction

    @property
    def reader(self) -> DateReader:
        """The conventions for dates."""
        return DateReader(self.language, self.calendar, self.timezone)
