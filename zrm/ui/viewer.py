"""The viewer of a page: the choices that change how it is written, never its content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zrm.ui.calendars import Calendar, DateReader
from zrm.ui.i18n import Language, direction

Theme = Literal["auto", "light", "dark"]


@dataclass(frozen=True)
class Viewer:
    """Language, calendar, theme and time zone (an IANA name) of one reader."""

    language: Language = "fa"
    calendar: Calendar = "solar"
    theme: Theme = "auto"
    timezone: str = "Asia/Tehran"

    @property
    def direction(self) -> Literal["rtl", "ltr"]:
        """The value of the page's `dir` attribute."""
        return direction(self.language)

    @property
    def reader(self) -> DateReader:
        """The conventions for dates."""
        return DateReader(self.language, self.calendar, self.timezone)
