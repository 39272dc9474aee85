"""What a calendar entry says, in one line each: what, when, where, from whom."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

from icalendar import Calendar

from zrm.kit.text import clean_line

_LARGEST: Final = 262_144
_MOST_EVENTS: Final = 20
_LONGEST: Final = 300


def summary(data: bytes) -> str:
    """The entries as lines of text, "" if nothing can be read. Times as they were written, with their zone."""
    if len(data) > _LARGEST:
        return ""
    try:
        calendar = Calendar.from_ical(data)
        method = clean_line(str(calendar.get("METHOD", ""))).lower()[:20]
        lines = [_line(event, method) for event in calendar.walk("VEVENT")[:_MOST_EVENTS]]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError, LookupError):
        return ""  # damaged: the file is kept and can be opened
    return "\n".join(line for line in lines if line)


def _line(event: Any, method: str) -> str:
    start, end = _time(event, "DTSTART"), _time(event, "DTEND")
    when = f"{start} – {end}" if start and end else start
    organizer = str(event.get("ORGANIZER", "")).removeprefix("mailto:").removeprefix("MAILTO:")
    parts = (method, str(event.get("SUMMARY", "")), when, str(event.get("LOCATION", "")), organizer)
    return " · ".join(clean_line(part)[:_LONGEST] for part in parts if part.strip())


def _time(event: Any, name: str) -> str:
    value = getattr(event.get(name), "dt", None)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} {value.tzname() or ''}".strip()
    return value.isoformat() if isinstance(value, date) else ""
