"""The content of a calendar entry, a line each: what, when, where, from whom.

Parsed line by line, and only what is shown: times as written with their zone's name. The rules of a VTIMEZONE are never
evaluated: they can name every second of four centuries, and would stay in force for later mails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from icalendar.parser import Contentline, Contentlines

from zrm.kit.text import clean_line

_LARGEST: Final = 262_144
_MOST_EVENTS: Final = 20
_LONGEST: Final = 300
_TOLD: Final = ("SUMMARY", "DTSTART", "DTEND", "LOCATION", "ORGANIZER")
_NAME: Final = re.compile(r"[ \t]*([A-Za-z-]{1,40})[ \t]*[;:]")
_TIME: Final = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")


class _CalendarField(NamedTuple):
    """A property's value, and its time zone if one is named."""

    value: str
    zone: str


def summary(data: bytes) -> str:
    """The entries as lines of text, "" if nothing can be read. Times as they were written, with their zone."""
    if len(data) > _LARGEST:
        return ""
    try:
        lines: list[Contentline] = Contentlines.from_ical(data)  # type: ignore[no-untyped-call]  # left without types
    except ValueError:
        return ""
    method, told = "", list[dict[str, _CalendarField]]()
    for name, fields in _components(lines):
        if name == "VCALENDAR":
            method = method or clean_line(fields["METHOD"].value).lower()[:20]
        elif len(told) < _MOST_EVENTS:
            told.append(fields)
    return "\n".join(line for line in (_line(fields, method) for fields in told) if line)


def _components(lines: list[Contentline]) -> Iterator[tuple[str, dict[str, _CalendarField]]]:
    """The calendars that name a method, and the events; damaged lines and other components are skipped."""
    within: list[str] = []
    events: list[dict[str, _CalendarField]] = []  # the open components
    for line in lines:
        match = _NAME.match(line)
        name = match[1].upper() if match is not None else ""
        if name == "BEGIN":
            within.append(_read(line).value.strip().upper())
            if within[-1] == "VEVENT":
                events.append({})
        elif name == "END":
            if within and within.pop() == "VEVENT":
                yield "VEVENT", events.pop()
        elif name == "METHOD" and within[-1:] == ["VCALENDAR"]:
            yield "VCALENDAR", {name: _read(line)}
        elif name in _TOLD and within[-1:] == ["VEVENT"]:
            events[-1].setdefault(name, _read(line))


def _read(line: Contentline) -> _CalendarField:
    try:
        _, parameters, value = line.parts()
    except ValueError:
        return _CalendarField("", "")
    return _CalendarField(value, str(parameters.get("TZID", "")))


def _line(event: dict[str, _CalendarField], method: str) -> str:
    start, end = _time(event.get("DTSTART")), _time(event.get("DTEND"))
    when = f"{start} – {end}" if start and end else start
    summary, location, organizer = (
        event[name].value if name in event else "" for name in ("SUMMARY", "LOCATION", "ORGANIZER")
    )
    organizer = re.sub(r"(?i)^mailto:", "", organizer)
    parts = (clean_line(part[: 2 * _LONGEST])[:_LONGEST] for part in (method, summary, when, location, organizer))
    return " · ".join(part for part in parts if part)


def _time(field: _CalendarField | None) -> str:
    """A date or a time of day as written; "" for an invalid one."""
    match = _TIME.fullmatch(field.value.strip()) if field is not None else None
    if field is None or match is None:
        return ""
    day, hour, utc = match.groups()
    try:
        written = datetime.strptime(day + (hour or "000000"), "%Y%m%d%H%M%S")  # noqa: DTZ007  # its zone is only named
    except ValueError:
        return ""
    zone = "UTC" if utc else field.zone
    return f"{written:%Y-%m-%d %H:%M} {zone}".strip() if hour else f"{written:%Y-%m-%d}"
