"""An answer's lines as HTML that says which way each runs, so that it reads the same in every mail program.

Programs differ in what they know of direction: some drop styles, Outlook knows neither `dir="auto"` nor `<bdi>`, and
plain text has nothing but its letters. So each line says its direction itself, worked out here: the language's own,
unless all its letters are of the other kind ("ZRM" at the beginning of a Persian line does not turn the line around).
Inside a line that runs from right to left, groups of digits would change places (see `kit.direction`), and a mark beside
Latin words would jump to their other side (C++); both are set apart.
"""

from __future__ import annotations

import html
import re
from typing import Final

from zrm.kit.direction import GROUPS, line_runs_left, takes_marks

_WORD: Final = r"[A-Za-z0-9][A-Za-z0-9+#&./_'@:%?=~-]*"
_FOREIGN: Final = re.compile(rf"(?:{GROUPS})(?![A-Za-z@])|(?<![A-Za-z0-9])(?=[A-Za-z0-9]*[A-Za-z]){_WORD}(?: {_WORD})*")
_TAIL: Final = re.compile(r"[.:?'&~-]+$")  # belongs to the sentence around it


def html_lines(text: str, language: str) -> str:
    """The text as HTML, a block with a direction of its own for each line."""
    return "".join(_block(line, language) for line in text.split("\n"))


def _block(line: str, language: str) -> str:
    if not line.strip():
        return "<div><br></div>"
    if not line_runs_left(line, language):
        return f'<div dir="ltr">{html.escape(line)}</div>'
    if not takes_marks(line, language):
        return f'<div dir="rtl">{html.escape(line)}</div>'
    pieces, at = [], 0
    for found in _FOREIGN.finditer(line):
        run = _TAIL.sub("", found[0])
        pieces += [html.escape(line[at : found.start()]), f'<span dir="ltr">{html.escape(run)}</span>']
        at = found.start() + len(run)
    pieces.append(html.escape(line[at:]))
    return f'<div dir="rtl">{"".join(pieces)}</div>'
