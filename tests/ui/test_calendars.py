"""A moment reads right in both calendars, both languages and the reader's own time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from persiantools.jdatetime import JalaliDate

from zrm.languages import Calendar, Language
from zrm.ui import calendars
from zrm.ui.calendars import DateReader

NOW = datetime(2026, 11, 23, 11, 52, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "calendar", "day", "long_day", "moment"),
    [
        ("fa", "solar", "۲ آذر ۱۴۰۵", "دوشنبه ۲ آذر ۱۴۰۵", "۲ آذر ۱۴۰۵، ۱۵:۲۲"),
        ("fa", "gregorian", "۲۳ نوامبر ۲۰۲۶", "دوشنبه ۲۳ نوامبر ۲۰۲۶", "۲۳ نوامبر ۲۰۲۶، ۱۵:۲۲"),
        ("en", "solar", "2 Azar 1405", "Monday 2 Azar 1405", "2 Azar 1405, 15:22"),
        ("en", "gregorian", "23 November 2026", "Monday 23 November 2026", "23 November 2026, 15:22"),
    ],
)
def test_a_moment_in_each_language_and_calendar(
    language: Language, calendar: Calendar, day: str, long_day: str, moment: str
) -> None:
    reader = DateReader(language, calendar)
    assert calendars.date_text(NOW, reader) == day
    assert calendars.weekday_date_text(NOW, reader) == long_day
    assert calendars.date_time_text(NOW, reader) == moment


def test_the_day_is_the_readers_own() -> None:
    late = datetime(2026, 3, 20, 20, 45, tzinfo=UTC)
    assert calendars.date_text(late, DateReader("en", "solar", "Asia/Tehran")) == "1 Farvardin 1405"
    assert calendars.date_text(late, DateReader("en", "solar", "UTC")) == "29 Esfand 1404"


def test_the_last_day_of_a_leap_year_exists() -> None:
    assert calendars.day_parts(date(2025, 3, 20), "solar") == (1403, 12, 30)
    assert calendars.day_parts(date(2025, 3, 21), "solar") == (1404, 1, 1)


@given(st.dates(min_value=date(1925, 3, 22), max_value=date(2200, 1, 1)))
def test_a_solar_day_leads_back_to_its_gregorian_day(day: date) -> None:
    parts = calendars.day_parts(day, "solar")
    solar = JalaliDate(*parts)  # type: ignore[no-untyped-call]  # persiantools has no types here
    assert solar.to_gregorian() == day


@pytest.mark.parametrize(
    ("distance", "english", "persian"),
    [
        (timedelta(seconds=0), "just now", "هم‌اکنون"),
        (timedelta(seconds=44), "just now", "هم‌اکنون"),
        (timedelta(seconds=45), "1 minute ago", "۱ دقیقه پیش"),
        (timedelta(minutes=59, seconds=59), "59 minutes ago", "۵۹ دقیقه پیش"),
        (timedelta(hours=1), "1 hour ago", "۱ ساعت پیش"),
        (timedelta(hours=23, minutes=59), "23 hours ago", "۲۳ ساعت پیش"),
        (timedelta(days=1), "1 day ago", "۱ روز پیش"),
        (timedelta(days=6, hours=23), "6 days ago", "۶ روز پیش"),
        (timedelta(days=7), "16 November", "۲۵ آبان"),
        (timedelta(days=400), "19 October 2025", "۲۷ مهر ۱۴۰۴"),
        (timedelta(minutes=-3), "in 3 minutes", "۳ دقیقهٔ دیگر"),
        (timedelta(hours=-5), "in 5 hours", "۵ ساعت دیگر"),
        (timedelta(days=-2), "in 2 days", "۲ روز دیگر"),
    ],
)
def test_how_long_ago(distance: timedelta, english: str, persian: str) -> None:
    assert calendars.ago_text(NOW - distance, NOW, DateReader("en", "gregorian")) == english
    assert calendars.ago_text(NOW - distance, NOW, DateReader("fa", "solar")) == persian


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        calendars.date_text(datetime(2026, 11, 23, 11, 52), DateReader())  # noqa: DTZ001  (the mistake is the point)


def test_the_tooltip_says_everything() -> None:
    full = calendars.full_text(NOW, DateReader("en", "gregorian", "Asia/Tehran"))
    assert full == "Monday 23 November 2026, 15:22:07 (Asia/Tehran)"
