"""The direction of text, and how codes and numbers keep their order in lines that run from right to left.

After an Arabic letter the bidirectional algorithm (UAX 9, rule W2) sets groups of digits from right to left: the code
1234-5678-9012 is displayed as 9012-5678-1234, and a caller reads out the wrong one. So such groups are isolated, in
plain text by isolate characters. On pages only codes and telephone numbers are (`isolate_codes`): citizens' texts are
shown as written. In our own messages every group is (`isolate_numbers`), because their readers use other programs.

Isolates (U+2066 to U+2069) came in 2013: browsers, mail programs and messengers know them, old telephones show boxes. A
text message uses the direction marks of 1993 instead (`in_marks`).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal

from zrm.languages import LANGUAGES

_LRM, _RLM = "\u200e", "\u200f"
_LRI, _RLI, _FSI, _PDI = "\u2066", "\u2067", "\u2068", "\u2069"
_ISOLATE: Final = {"rtl": _RLI, "ltr": _LRI, "auto": _FSI}
_OTHER_RIGHT_TO_LEFT: Final = frozenset({"ar", "ckb", "ur", "ps", "he"})
"""Languages that citizens write in and the installation does not."""
_MARKS: Final = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ISOLATED: Final = re.compile("([\u2066-\u2068])([^\u2066-\u2069\n]*)\u2069")
_ISOLATES: Final = re.compile("[\u2066-\u2069]")
_LEADING_MARKS: Final = re.compile(
    r"(?:\s*(?:re|fwd?|aw|wg|tr|پاسخ)\s*:|\s*\[[^\]]*\]|\s*@[a-z0-9._@+-]+)+", re.IGNORECASE
)

# A code in groups (4-4-4, or a land line's area code) and a number with its plus.
_CODE: Final = re.compile(
    r"(?<![\w\u2066-])(?:\d{4}-\d{4}-\d{4}|0\d{1,3}-\d{5,8}|۰\d{1,3}-\d{5,8}|\+\d[\d -]{5,16}\d)(?![\w-])"
)
GROUPS: Final = r"\+\d[\d -]*\d|(?<!\d)\d++(?:[-\u2013/.:]\d++)+"
"""Every number with its plus and every group of digits, as a regular expression."""
_GROUPS: Final = re.compile(GROUPS)


def isolated(text: str) -> str:
    """A foreign piece for the middle of a sentence: it keeps its own direction and does not change the sentence's."""
    return f"{_ISOLATE[reading_direction(text)]}{text}{_PDI}" if text else text


def isolate_codes(text: str) -> str:
    """The text with its codes and telephone numbers held left to right, whatever surrounds them. For display only."""
    return _held(_CODE, text)


def isolate_numbers(text: str, language: str) -> str:
    """Plain text whose groups of digits keep their order: between isolates where the line runs from right to left."""
    return "\n".join(_held(_GROUPS, line) if takes_marks(line, language) else line for line in text.split("\n"))


def parts_of(line: str) -> list[tuple[str, Literal["rtl", "ltr"] | None]]:
    """A line split at its isolates, which are left out: (part, its isolate's direction, if any)."""
    parts, at = list[tuple[str, Literal["rtl", "ltr"] | None]](), 0
    for found in _ISOLATED.finditer(line):
        parts += [(line[at : found.start()], None), (found[2], "rtl" if _runs_left(found) else "ltr")]
        at = found.end()
    return [part for part in (*parts, (line[at:], None)) if part[0]]


def in_marks(text: str) -> str:
    """The text with its isolates replaced by direction marks, two for each, so that its cost is known beforehand.

    Marks of the other direction stand outside, so that no piece at the beginning changes its line's direction and none
    at the end attracts a digit after it. A text without a right-to-left letter needs none, and keeps its cheaper
    alphabet.
    """
    if not _ISOLATES.search(text):
        return text
    if not _has(text, "R", "AL"):
        return _ISOLATES.sub("", text)
    replaced = 1
    while replaced:
        text, replaced = _ISOLATED.subn(_marked, text)
    return _ISOLATES.sub("", text)


def _marked(found: re.Match[str]) -> str:
    """An isolated piece between marks: its own direction inside, that of the surrounding text outside."""
    own, around = (_RLM, _LRM) if _runs_left(found) else (_LRM, _RLM)
    return f"{around}{own}{found[2]}{own}{around}"


def _runs_left(isolate: re.Match[str]) -> bool:
    return isolate[1] == _RLI or (isolate[1] == _FSI and reading_direction(isolate[2]) == "rtl")


def reading_direction(text: str) -> Literal["rtl", "ltr", "auto"]:
    """The direction of a title or a note: by its first letter after "Re:", marks in brackets and agents' logins
    (`@login`); "auto" when it has none.
    """
    marks = _LEADING_MARKS.match(text)
    for character in text[marks.end() if marks else 0 :]:
        kind = unicodedata.bidirectional(character)
        if kind in ("R", "AL"):
            return "rtl"
        if kind == "L":
            return "ltr"
    return "auto"


def runs_right_to_left(language: str) -> bool:
    """Whether the language's script runs from right to left."""
    own = LANGUAGES.get(language)
    return language in _OTHER_RIGHT_TO_LEFT if own is None else own.direction == "rtl"


def line_runs_left(line: str, language: str) -> bool:
    """Whether a line runs from right to left: as its language does, unless all its letters run the other way."""
    if runs_right_to_left(language):
        return _has(line, "R", "AL") or not _has(line, "L")
    return _has(line, "R", "AL") and not _has(line, "L")


def takes_marks(line: str, language: str) -> bool:
    """Whether it is a right-to-left line with letters (digits alone keep their order) and without marks of its own."""
    return line_runs_left(line, language) and _has(line, "R", "AL") and _MARKS.search(line) is None


def _held(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(f"{_LRI}\\g<0>{_PDI}", text)


def _has(line: str, *kinds: str) -> bool:
    return any(unicodedata.bidirectional(character) in kinds for character in line)
