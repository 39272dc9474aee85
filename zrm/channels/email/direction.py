"""An answer's lines as HTML with an explicit direction each, so that it reads the same in every mail program.

Programs differ in their support of direction: some drop styles, Outlook knows neither `dir="auto"` nor `<bdi>`, and
plain text has nothing but its letters. So each line states its direction, computed here: the language's own, unless all
its letters are of the other direction ("ZRM" at the beginning of a Persian line does not change it). Inside a
right-to-left line, groups of digits would change places (see `kit.direction`), and punctuation beside Latin words would
move to their other side (C++); both are isolated. So is text between isolates, such as the values in a template,
because Outlook ignores isolates.
"""

from __future__ import annotations

import html
import re
from typing import Final

from zrm.kit.direction import GROUPS, line_runs_left, parts_of, takes_marks

_WORD: Final = r"[A-Za-z0-9][A-Za-z0-9+#&./_'@:%?=~-]*"
_FOREIGN: Final = re.compile(rf"(?:{GROUPS})(?![A-Za-z@])|(?<![A-Za-z0-9])(?=[A-Za-z0-9]*[A-Za-z]){_WORD}(?: {_WORD})*")
_TAIL: Final = re.compile(r"[.:?'&~-]+$")  # belongs to the sentence around it


def html_lines(text: str, language: str) -> str:
    """The text as HTML, a block with a direction of its own for each line."""
    return "".join(_block(line, language) for line in text.split("\n"))


def _block(line: str, language: str) -> str:
    if not line.strip():
        return "<div><br></div>"
    parts = parts_of(line)
    plain = "".join(part for part, _ in parts)
    direction = "rtl" if line_runs_left(plain, language) else "ltr"
    marked = takes_marks(plain, language)
    shown = [
        _apart(part, apart) if apart else _with_runs_apart(part) if marked else html.escape(part)
        for part, apart in parts
    ]
    return f'<div dir="{direction}">{"".join(shown)}</div>'


def _with_runs_apart(text: str) -> str:
    """A part of a line that runs from right to left."""
    pieces, at = [], 0
    for found in _FOREIGN.finditer(text):
        run = _TAIL.sub("", found[0])
        pieces += [html.escape(text[at : found.start()]), _apart(run, "ltr")]
        at = found.start() + len(run)
    return "".join([*pieces, html.escape(text[at:])])


def _apart(text: str, direction: str) -> str:
    return f'<span dir="{direction}">{html.escape(text)}</span>'
