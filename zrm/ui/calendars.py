"""How a moment is written for a reader: Solar Hijri or Gregorian, Persian or English, in the reader's time zone.

Stored moments are aware datetimes in UTC; only this file turns them into words. The calendar and the language are
independent choices: "2 Azar 1405" and «۲۳ نوامبر ۲۰۲۶» are both good answers to "which day?".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from babel import Locale
from persiantools.jdatetime import JalaliDate

from zrm.languages import LANGUAGES, Calendar, Language
from zrm.ui.i18n import _, digits, gettext, ngettext

_SOLAR_MONTHS: Final = (
    _("Farvardin"), _("Ordibehesht"), _("Khordad"), _("Tir"), _("Mordad"), _("Shahrivar"),
    _("Mehr"), _("Aban"), _("Azar"), _("Dey"), _("Bahman"), _("Esfand"),
)  # fmt: skip
# Seconds: a week, after which "how long ago" says less than the date. The desk's script has the same limits.
_RELATIVE_LIMIT: Final = timedelta(days=7)


class DayParts(NamedTuple):
    """A day in one calendar: year, month 1-12 and day of the month, as numbers of that calendar."""

    year: int
    month: int
    day: int


@dataclass(frozen=True)
class DateReader:
    """The reader's conventions for moments. `timezone` is an IANA name such as "Asia/Tehran"."""

    language: Language = "fa"
    calendar: Calendar = "solar"
    timezone: str = "Asia/Tehran"

    def local(self, moment: datetime) -> datetime:
        """`moment` in the reader's time zone. Errors: ValueError for a naive moment."""
        if moment.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be shown")
        return moment.astimezone(ZoneInfo(self.timezone))


def day_parts(day: date, calendar: Calendar) -> DayParts:
    """The year, month and day of a Gregorian `day` in `calendar`."""
    if calendar == "gregorian":
        return DayParts(day.year, day.month, day.day)
    solar = JalaliDate(date(day.year, day.month, day.day))  # type: ignore[no-untyped-call]  # persiantools has no types here
    return DayParts(solar.year, solar.month, solar.day)


@cache
def month_names(language: Language, calendar: Calendar) -> tuple[str, ...]:
    """The twelve month names, first month first."""
    if calendar == "solar":
        return tuple(gettext(language, name) for name in _SOLAR_MONTHS)
    names = Locale.parse(language).months["stand-alone"]["wide"]
    return tuple(names[number] for number in range(1, 13))


@cache
def weekday_names(language: Language) -> tuple[str, ...]:
    """The seven weekday names, Monday first (as `date.weekday()` counts)."""
    names = Locale.parse(language).days["stand-alone"]["wide"]
    return tuple(names[number] for number in range(7))


def date_text(moment: datetime, reader: DateReader) -> str:
    """The day: "2 Azar 1405", «۲ آذر ۱۴۰۵», "23 November 2026"."""
    return _day_text(reader.local(moment), reader, with_year=True)


def weekday_date_text(moment: datetime, reader: DateReader) -> str:
    """The day with its weekday: "Monday 23 November 2026"."""
    local = reader.local(moment)
    return f"{weekday_names(reader.language)[local.weekday()]} {_day_text(local, reader, with_year=True)}"


def time_text(moment: datetime, reader: DateReader) -> str:
    """The time of day on a 24-hour clock, hours and minutes: "15:22"."""
    return digits(f"{reader.local(moment):%H:%M}", reader.language)


def date_time_text(moment: datetime, reader: DateReader) -> str:
    """The day and the time: "23 November 2026, 15:22"."""
    return _joined(date_text(moment, reader), time_text(moment, reader), reader.language)


def full_text(moment: datetime, reader: DateReader) -> str:
    """Everything, for a tooltip: weekday, day, time with seconds and the zone's name."""
    local = reader.local(moment)
    clock = digits(f"{local:%H:%M:%S}", reader.language)
    return f"{_joined(weekday_date_text(moment, reader), clock, reader.language)} ({reader.timezone})"


def ago_text(moment: datetime, now: datetime, reader: DateReader) -> str:
    """How far `moment` lies from `now` ("3 minutes ago", "in 2 hours"); the day itself when a week or more away."""
    distance = now - moment
    past = distance >= timedelta(0)
    seconds = int(abs(distance).total_seconds())
    if seconds < 45:
        return gettext(reader.language, _("just now"))
    if seconds < 3600:
        return _ago_minutes(max(1, seconds // 60), past, reader.language)
    if seconds < 86400:
        return _ago_hours(seconds // 3600, past, reader.language)
    if abs(distance) < _RELATIVE_LIMIT:
        return _ago_days(seconds // 86400, past, reader.language)
    local = reader.local(moment)
    this_year = day_parts(reader.local(now), reader.calendar).year
    return _day_text(local, reader, with_year=day_parts(local, reader.calendar).year != this_year)


def _ago_minutes(count: int, past: bool, language: Language) -> str:
    if past:
        return ngettext(language, "%(num)s minute ago", "%(num)s minutes ago", count)
    return ngettext(language, "in %(num)s minute", "in %(num)s minutes", count)


def _ago_hours(count: int, past: bool, language: Language) -> str:
    if past:
        return ngettext(language, "%(num)s hour ago", "%(num)s hours ago", count)
    return ngettext(language, "in %(num)s hour", "in %(num)s hours", count)


def _ago_days(count: int, past: bool, language: Language) -> str:
    if past:
        return ngettext(language, "%(num)s day ago", "%(num)s days ago", count)
    return ngettext(language, "in %(num)s day", "in %(num)s days", count)


def _day_text(local: datetime, reader: DateReader, *, with_year: bool) -> str:
    parts = day_parts(local, reader.calendar)
    month = month_names(reader.language, reader.calendar)[parts.month - 1]
    text = f"{parts.day} {month} {parts.year}" if with_year else f"{parts.day} {month}"
    return digits(text, reader.language)


def _joined(left: str, right: str, language: Language) -> str:
    return f"{left}{LANGUAGES[language].comma}{right}"
