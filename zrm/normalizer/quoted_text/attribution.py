"""The line a mail program writes above a quotation: "On Mon, 3 Mar 2025 at 10:15, Desk <info@example.org> wrote:".

In any language and order such a line is a date, an address or a verb of writing, a name, and nothing else, ended by a
colon. A person's sentence has more: a grammatical subject (`OF_SENTENCES`), or words after the address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from zrm.kit.text import fold
from zrm.normalizer.quoted_text.lines import LONGEST, LineKind, TextLines
from zrm.normalizer.quoted_text.vocabulary import (
    OF_SENTENCES,
    OF_SENTENCES_INSIDE,
    WEEKDAYS_FIRST,
    WROTE,
    WROTE_INSIDE,
    YOUR_ENDINGS,
)

_MOST_LINES: Final = 5
_MOST_WORDS: Final = 90  # characters of names, weekdays and connecting words
_MOST_WORDS_ALONE: Final = 42  # the same without an address
_MOST_BEHIND: Final = 22  # characters after the last address, in a language whose verbs we do not know

ADDRESS: Final = re.compile(r"[^\s<>()\[\]{}\"',;:،؛：，]{1,64}@[^\s<>()\[\]{}\"',;:@،؛：，]{1,255}")
_QUOTED_NAME: Final = re.compile(r'"[^"]{0,120}"')
_LINK: Final = re.compile(r"(?:https?://|mailto:)[^\s<>()]*")
_NUMERIC_DATE: Final = re.compile(r"(?<!\d)\d{1,4} ?[./-] ?\d{1,2} ?[./-] ?\d{1,4}(?!\d)")
_YEAR: Final = re.compile(r"(?<!\d)(?:1[34]\d\d|19\d\d|20\d\d|25\d\d)(?!\d)")
_DAY: Final = re.compile(r"(?<![\d:.])(?:0?[1-9]|[12]\d|3[01])(?![\d:])")
_TIME: Final = re.compile(r"(?<!\d)[012]?\d ?(?:[:.][0-5]\d(?!\d)|h ?[0-5]\d(?!\d)|[ap]\.?m\b|時|时|点|시)")
_DASHED: Final = re.compile(r"[-‐-―]{2,} ?([^-‐-―].*?) ?[-‐-―]{2,}")
# How a date begins, where other words may precede it; it is looked for this far before the first digit.
_OPENING: Final = re.compile(r"(?i)(?<![^\W_])(?:on|am|le|op|el|em|dnia|در|فی|في)(?= )")
_FIRST_FIGURE: Final = re.compile(r"[\d@<]")
_OPENING_SPAN: Final = 28
_NOT_WORDS: Final = re.compile(r"[\W\d_]+")


@dataclass(frozen=True, slots=True)
class Attribution:
    """How many lines it takes, and whose words it announces, as far as addresses say so (lower case)."""

    lines: int
    addresses: frozenset[str]
    dated: bool  # a whole date, or an hour
    closed: bool = True  # only a known verb follows the address
    ruled: bool = False  # between dashes, as no person writes


def find_attribution(lines: TextLines, index: int) -> Attribution | None:
    """The attribution that begins at line `index`, of at most five lines."""
    first = lines.bare[index]
    if not first or not (
        first.startswith("--") or any(character.isdigit() or character in "@<" for character in first)
    ):
        return None
    joined = ""
    for length in range(1, _MOST_LINES + 1):
        if index + length > len(lines):
            return None
        bare = lines.bare[index + length - 1]
        if not bare:
            if lines.bare[index + length : index + length + 1] == ["<"]:
                continue  # Polymail puts the address on a line of its own
            return None
        if bare[0] == ">" and lines.kinds[index + length - 1] is LineKind.QUOTED:
            return None
        # A line that ends in "=" is quoted-printable that was never decoded.
        joined = f"{joined[:-1]}{bare}" if joined.endswith("=") else f"{joined} {bare}" if joined else bare
        if len(joined) > LONGEST:
            return None
        if bare[-1] in ":：":
            found = _read(joined)
            return found and replace(found, lines=length)
        found = _between_dashes(joined)
        end = index + length
        if found is None and (end >= len(lines) or not lines.bare[end]):
            begins = index == 0 or not lines.bare[index - 1]
            found = _without_colon(joined, quoted=lines.is_quoted_after(end), begins=begins)
        if found is not None:
            return replace(found, lines=length)
    return None


def find_shared_line(bare: str) -> tuple[int, frozenset[str]] | None:
    """Where an attribution begins in a line with the writer's own words, and its addresses."""
    begin = _mid_line(bare)
    found = _read(bare[begin:]) if begin and bare[-1] in ":：" else None
    if not begin or found is None or not found.addresses or not found.dated:
        return None
    own = bare[:begin].rstrip()
    return len(own.rstrip("-")) if own.endswith("-") else begin, found.addresses


def _mid_line(text: str) -> int:
    """Where a date begins after other words ("reply On Wed, Apr 4"); 0 if none does."""
    figure = _FIRST_FIGURE.search(text)
    if figure is None or not figure[0].isdigit():
        return 0
    opening = _OPENING.search(text, max(0, figure.start() - _OPENING_SPAN), figure.start())
    return opening.start() if opening and _NOT_WORDS.sub("", text[: opening.start()]) else 0


def addresses_in(text: str) -> frozenset[str]:
    """The e-mail addresses a text names, in lower case."""
    if "@" not in text:
        return frozenset()
    return frozenset(address.lower().strip(".") for address in ADDRESS.findall(text.replace(" @", "@")))


def has_date(folded: str) -> bool:
    """Whether a folded text names a day: in digits, or by a year with a number next to it."""
    return bool(_NUMERIC_DATE.search(folded) or (_YEAR.search(folded) and _DAY.search(_YEAR.sub(" ", folded))))


def has_hour(folded: str) -> bool:
    """Whether a folded text names an hour of the day."""
    return bool(_TIME.search(_NUMERIC_DATE.sub(" ", folded)))


def _read(joined: str) -> Attribution | None:
    """The attribution that a one-line text is; None for anything else."""
    addresses = addresses_in(joined)
    folded = fold(joined.replace(" @", "@"))
    before, _, behind = folded.rpartition("@") if addresses else (folded, "", "")
    words = f" {' '.join(_words(_LINK.sub(' ', ADDRESS.sub(' ', _QUOTED_NAME.sub(' ', folded)))))} "
    plain, verbs = _verbs().subn(" ", words)
    said = bool(verbs) or any(verb in folded for verb in WROTE_INSIDE)
    if len(plain) > (_MOST_WORDS if addresses else _MOST_WORDS_ALONE) or _is_spoken(plain) or _mid_line(folded):
        return None
    behind = " ".join(_words(behind.partition(" ")[2]))
    if not said and len(behind) > _MOST_BEHIND:
        return None
    dated, hour = has_date(folded), has_hour(folded)
    # One of the three may be missing: programs differ in what they say, but none gives only a name.
    if (said and (addresses or dated or hour)) or (addresses and dated and (hour or "<" in before)):
        return Attribution(1, addresses, dated or hour, closed=said or not behind)
    return None


def _is_spoken(plain: str) -> bool:
    """Whether the words other than dates, addresses and verbs are those of a sentence."""
    words = plain.split()
    if words and words[0] in WEEKDAYS_FIRST:
        del words[0]
    if not OF_SENTENCES.isdisjoint(words) or any(len(word) > 3 and word.endswith(YOUR_ENDINGS) for word in words):
        return True
    return not plain.isascii() and any(phrase in plain for phrase in OF_SENTENCES_INSIDE)


def _between_dashes(joined: str) -> Attribution | None:
    """As some programs write it: "---- On Mon, 3 Mar 2025 10:15:00 Desk <…> wrote ----", "---- Desk wrote ----"."""
    if not joined.startswith("--") or joined[-1] != joined[-2]:
        return None  # before the pattern, which is slow on lines of dashes
    match = _DASHED.fullmatch(joined)
    words = match and f" {' '.join(_words(fold(match[1])))} "
    if not match or not words or len(words) > _MOST_WORDS or not _verbs().search(words[-_MOST_BEHIND:]):
        return None
    folded = fold(match[1])
    return Attribution(1, addresses_in(match[1]), has_date(folded) or has_hour(folded), ruled=True)


def _without_colon(joined: str, *, quoted: bool, begins: bool) -> Attribution | None:
    """A paragraph that has everything: date, hour, address in brackets and a verb at its end; or, above quoted lines, a
    line that begins with the date and ends with the address.
    """
    folded = fold(joined)
    if "<" not in folded or "@" not in folded or not has_date(folded):
        return None
    if quoted:
        fits = folded[0].isdigit() and folded.endswith(">")
    else:
        fits = (
            begins
            and has_hour(folded)
            and _verbs().search(f" {' '.join(_words(folded.rpartition('>')[2]))} ") is not None
        )
    return _read(joined) if fits else None


def _words(folded: str) -> list[str]:
    return _NOT_WORDS.sub(" ", folded).split()


@cache
def _verbs() -> re.Pattern[str]:
    longest_first = sorted(WROTE, key=len, reverse=True)
    return re.compile(rf"(?<= )(?:{'|'.join(map(re.escape, longest_first))})(?= )")
