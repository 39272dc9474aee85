"""Which way the lines of an answer run, so that it reads the same in every mail program.

Programs differ in what they know of direction: some drop styles, Outlook knows neither `dir="auto"` nor `<bdi>`, and
plain text has nothing but its letters. So each line says its direction itself, worked out here: the language's own,
unless all its letters are of the other kind ("ZRM" at the beginning of a Persian line does not turn the line around).
Inside a line that runs from right to left, groups of digits after a letter would change places (a tracking code
1234-5678-9012 reads 9012-5678-1234, UAX 9 rule W2), and a mark beside Latin words would jump to their other side (C++);
both are set apart.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

_LANGUAGES: Final = frozenset({"fa", "ar", "ckb", "ur", "ps", "he"})
_LRI, _PDI = "\u2066", "\u2069"
_MARKS: Final = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_GROUPS: Final = r"\+\d[\d -]*\d|(?<!\d)\d++(?:[-\u2013/.:]\d++)+"
_NUMBERS: Final = re.compile(_GROUPS)
_WORD: Final = r"[A-Za-z0-9][A-Za-z0-9+#&./_'@:%?=~-]*"
_FOREIGN: Final = re.compile(
    rf"(?:{_GROUPS})(?![A-Za-z@])|(?<![A-Za-z0-9])(?=[A-Za-z0-9]*[A-Za-z]){_WORD}(?: {_WORD})*"
)
_TAIL: Final = re.compile(r"[.:?'&~-]+$")  # belongs to the sentence around it


def runs_right_to_left(language: str) -> bool:
    """Whether the language's script runs from right to left."""
    return language in _LANGUAGES


def html_lines(text: str, language: str) -> str:
    """The text as HTML, a block with a direction of its own for each line."""
    return "".join(_block(line, language) for line in text.split("\n"))


def isolate_numbers(text: str, language: str) -> str:
    """Plain text whose groups of digits keep their order: set between isolates where the line runs from right to left."""
    lines = text.split("\n")
    return "\n".join(
        _NUMBERS.sub(lambda found: f"{_LRI}{found[0]}{_PDI}", line) if _may_be_set(line, language) else line
        for line in lines
    )


def _may_be_set(line: str, language: str) -> bool:
    """A line from right to left with letters (digits alone keep their order) that has no marks of its own."""
    return _runs_left(line, language) and _has(line, "R", "AL") and _MARKS.search(line) is None


def _block(line: str, language: str) -> str:
    if not line.strip():
        return "<div><br></div>"
    if not _runs_left(line, language):
        return f'<div dir="ltr">{html.escape(line)}</div>'
    if not _may_be_set(line, language):
        return f'<div dir="rtl">{html.escape(line)}</div>'
    pieces, at = [], 0
    for found in _FOREIGN.finditer(line):
        run = _TAIL.sub("", found[0])
        pieces += [html.escape(line[at : found.start()]), f'<span dir="ltr">{html.escape(run)}</span>']
        at = found.start() + len(run)
    pieces.append(html.escape(line[at:]))
    return f'<div dir="rtl">{"".join(pieces)}</div>'


def _runs_left(line: str, language: str) -> bool:
    if language in _LANGUAGES:
        return _has(line, "R", "AL") or not _has(line, "L")
    return _has(line, "R", "AL") and not _has(line, "L")


def _has(line: str, *kinds: str) -> bool:
    return any(unicodedata.bidirectional(character) in kinds for character in line)
