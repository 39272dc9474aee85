"""The lines of a mail's text, each examined once."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from zrm.kit.text import fold
from zrm.normalizer.quoted_text.footer import is_footer_line
from zrm.normalizer.quoted_text.vocabulary import folded_words

LONGEST: Final = 400  # characters; a longer line is prose, not a mail program's
_LONGEST_CLOSING: Final = 40
_WRAP: Final = 72  # no mail program breaks lines shorter than the first, or longer than the second
_LONGEST_WRAP: Final = 84

_MARKS: Final = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"))
_SENTENCE_ENDS: Final = ".!?:;؟؛…。！？：।"
# In scripts without capitals a line continues in the next one if it ends so, or if the next one begins so.
_GOES_ON: Final = folded_words(
    """
    و در به از با که را برای تا بر یا این آن هر من في على إلى عن أن التي الذي کی کے کا میں سے اور پر של את על עם כי
    """
)
_GOING_ON: Final = folded_words(
    "است اند بود بودند شد شدند شده می نمی خواهد خواهند باشد را و که تا یا هم نیز ہے ہیں تھا"
)


class LineKind(Enum):
    """What a line is by itself."""

    TEXT = auto()
    BLANK = auto()
    QUOTED = auto()  # begins with >
    SIGNATURE = auto()  # "-- ", the line above a signature
    FOOTER = auto()  # "Sent from my telephone", "Virus-free"


@dataclass(slots=True)
class TextLines:
    """A text's lines, stored by column: millions of objects would slow down the garbage collector."""

    starts: list[int] = field(default_factory=list)  # offset of the first character in the text
    kinds: list[LineKind] = field(default_factory=list)
    # Without direction marks and outer white space; of an overlong line (`long`) only the beginning.
    bare: list[str] = field(default_factory=list)
    long: dict[int, str] = field(default_factory=dict)
    labels: dict[int, str | None] = field(
        default_factory=dict
    )  # the words before colons, of the lines that were asked for

    def __len__(self) -> int:
        return len(self.starts)

    def is_quoted_after(self, index: int) -> bool:
        """Whether the next line with text, of the three from `index` on, is marked with >."""
        for kind in self.kinds[index : index + 3]:
            if kind is not LineKind.BLANK:
                return kind is LineKind.QUOTED
        return False


def scan(text: str) -> TextLines:
    """The lines of a text. A quoted line that the sending program broke in two counts as quoted on both lines."""
    lines = TextLines()
    start = 0
    for raw in text.split("\n"):
        lines.starts.append(start)
        if len(raw) > LONGEST:
            bare = ""
            lines.long[len(lines.bare)] = raw[:LONGEST].translate(_MARKS).strip()
            quoted = lines.long[len(lines.bare)].startswith(">")
            kind = LineKind.QUOTED if quoted else LineKind.TEXT
        else:
            bare = raw.translate(_MARKS).strip()
            kind = _kind(raw, bare)
        lines.kinds.append(kind)
        lines.bare.append(bare)
        start += len(raw) + 1
    for index in range(1, len(lines)):
        if lines.kinds[index] is LineKind.TEXT and _is_broken_off(lines, index):
            lines.kinds[index] = LineKind.QUOTED
        elif lines.kinds[index] is LineKind.QUOTED and _closes_address(lines, index):
            lines.kinds[index] = LineKind.TEXT
    return lines


def _kind(raw: str, bare: str) -> LineKind:
    if not bare:
        return LineKind.BLANK
    if bare[0] == ">":
        return LineKind.QUOTED
    if bare == "--" and raw.strip("\r") == "-- ":
        return LineKind.SIGNATURE
    if is_footer_line(bare):
        return LineKind.FOOTER
    return LineKind.TEXT


def _is_broken_off(lines: TextLines, index: int) -> bool:
    """Whether the line is the end of the quoted line above, which the sending program broke without a new mark.

    An answer written between quoted lines is not one: it follows a line that is short or ends a sentence, or it begins
    with a capital.
    """
    if lines.kinds[index - 1] is not LineKind.QUOTED or lines.kinds[index + 1 : index + 2] != [LineKind.QUOTED]:
        return False
    above, line = lines.bare[index - 1 : index + 1]
    if not line or not above:
        return False
    if above[-1] == "=" and len(above) > _WRAP:  # quoted-printable that was never decoded
        return True
    if line.startswith("(http") and line.endswith(">"):  # a link that the program wrote out
        return True
    first = line.split(maxsplit=1)[0]
    if "(http" in above and above.rfind("(http") > above.rfind(")"):
        return first == line
    fits = len(above) + 1 + len(first) <= _WRAP
    if fits or len(above) > _LONGEST_WRAP or len(line) >= len(above) or above[-1] in _SENTENCE_ENDS:
        return False
    if first[0].lower() != first[0].upper():
        return first[0].islower()
    return fold(above.split()[-1]) in _GOES_ON or above[-1] in "،,、，" or fold(first.rstrip(".،؛")) in _GOING_ON


def _closes_address(lines: TextLines, index: int) -> bool:
    """Whether a line that begins with > ends the address that began above: "Desk <info@example.org" and "> wrote:"."""
    line = lines.bare[index]
    if line[-1:] not in (":", "：") or len(line) > _LONGEST_CLOSING or lines.kinds[index - 1] is not LineKind.TEXT:
        return False
    above = "".join(lines.bare[max(0, index - 2) : index])
    return "@" in above and above.count("<") > above.count(">")
