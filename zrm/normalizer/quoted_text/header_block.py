"""The lines of a mail's header that a program copies above a quotation or a forwarded mail: From, Sent, To, Subject.

In any language and order such a block is a few lines of `word: value`; one value is a date, and one has an address or a
ruled line stands above. A person's letterhead, form or list of data is not one: it names no address with a date, or the
words before its colons are not those of a mail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from zrm.kit.text import fold
from zrm.normalizer.quoted_text.attribution import addresses_in, has_date, has_hour
from zrm.normalizer.quoted_text.lines import LineKind, TextLines
from zrm.normalizer.quoted_text.vocabulary import FORWARDED_MESSAGE, LABELS, ORIGINAL_MESSAGE, Field

_MOST_LINES: Final = 14
_LONGEST_LABEL: Final = 26
_SHORTEST_RULE: Final = 4
_DRAWN: Final = "_" * 20
_RULES: Final = "_-=*—–‐"
_RULED_WORDS: Final = re.compile(r"[-‐-―=_*]{2,} ?([^-‐-―=_*].{0,100}?) ?[-‐-―=_*]{2,}")
_NAMED_ADDRESS: Final = re.compile(r"\S+ *(?:<|\[mailto:|\()[^\s<>@]+@")
_TO_THE_SECOND: Final = re.compile(r"\d:\d\d:\d\d|[+-]\d{4}\b")
# Without known labels: how many lines it takes.
_FEWEST_UNKNOWN: Final = 4
_FEWEST_RULED: Final = 3


class BlockKind(Enum):
    """What stands above a mail: a block of header lines, or a line of dashes with words."""

    ANSWERED = auto()  # the mail this one answers
    FORWARDED = auto()  # the mail its writer forwards


@dataclass(frozen=True, slots=True)
class HeaderBlock:
    """`writers` are the addresses that the block gives as the mail's writer, `recipients` the others; lower case."""

    kind: BlockKind
    writers: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset()
    ruled: bool = False  # a line of dashes or underscores stands above


@dataclass(frozen=True, slots=True)
class _HeaderLine:
    field: Field | None  # None: the label is not known
    value: str


def find_header_block(lines: TextLines, index: int) -> HeaderBlock | None:
    """The block that begins at line `index`, with the ruled line above it if that is line `index`."""
    bare = lines.bare[index]
    if is_forward_line(bare):
        return HeaderBlock(BlockKind.FORWARDED)
    words = ruled_words(bare)
    ruled = bool(words) or _is_rule(bare)
    at = index + 1 if ruled else index
    if ruled and at < len(lines) and lines.kinds[at] is LineKind.BLANK:
        at += 1
    if words not in ORIGINAL_MESSAGE and not _can_begin(lines, at, ruled=ruled):
        return None
    header = _header_lines(lines, at)
    if not ruled and header[0].field is None and any(line.field is not None for line in header):
        return None  # a line of the writer's own stands above; the block begins below
    drawn = bare.startswith(_DRAWN)
    if words in ORIGINAL_MESSAGE or _is_header(header, ruled=ruled, drawn=drawn):
        return HeaderBlock(BlockKind.ANSWERED, *_addresses(header), ruled=ruled)
    return None


def is_forward_line(bare: str) -> bool:
    """Whether a line says that a mail is forwarded: "---------- Forwarded message ---------", "Begin forwarded
    message:".
    """
    if not bare or len(bare) > 120 or not (bare[0] in _RULES or bare[-1] in ":："):
        return False
    return fold(bare.strip(f"{_RULES} :：")).startswith(FORWARDED_MESSAGE)


def ruled_words(bare: str) -> str:
    """The folded words between dashes; empty if it is not such a line."""
    if not bare or bare[0] not in _RULES or bare[-1] not in _RULES:
        return ""
    match = _RULED_WORDS.fullmatch(bare)
    return fold(match[1]) if match else ""


def _is_rule(bare: str) -> bool:
    return len(bare.replace(" ", "")) >= _SHORTEST_RULE and not bare.strip(f"{_RULES} ")


def _can_begin(lines: TextLines, index: int, *, ruled: bool) -> bool:
    """Whether header lines can begin here: with a label we know above all others, or with any above all labels."""
    label = _label(lines, index)
    if label is None or ruled:
        return label is not None
    above = _label(lines, index - 1) if index else None
    return above is None or (label in LABELS and above not in LABELS)


def _header_lines(lines: TextLines, start: int) -> list[_HeaderLine]:
    """The header lines from `start` on; a value may go on in lines without a label."""
    found: list[_HeaderLine] = []
    for index in range(start, min(start + _MOST_LINES, len(lines))):
        bare = lines.bare[index]
        if lines.kinds[index] not in (LineKind.TEXT, LineKind.FOOTER) or not bare:
            break
        label = _label(lines, index)
        if label is not None:
            found.append(_HeaderLine(LABELS.get(label), bare[_colon(bare) + 1 :]))
        elif found:
            found[-1] = _HeaderLine(found[-1].field, f"{found[-1].value} {bare}")
        else:
            break
    return found


def _is_header(header: list[_HeaderLine], *, ruled: bool, drawn: bool) -> bool:
    """`ruled`: a line of dashes or the like stands above; `drawn`: a long line, as only programs draw it."""
    if len(header) < 2:
        return False
    known = {line.field for line in header if line.field is not None}
    somebody = known & {Field.WRITER, Field.RECIPIENT}
    addressed = any("@" in line.value for line in header if line.field in (Field.WRITER, Field.RECIPIENT, Field.COPY))
    if Field.DATE in known and somebody and len(known) >= 3:
        # A list of hours or of a journey has such words too, but no address, and no hour in a date below such a line.
        return addressed or (drawn and Field.WRITER in known and all(map(_fits, header)))
    if Field.DATE in known and somebody and addressed:
        # A person could write two such lines, but not with seconds and time zones.
        return any(line.field is Field.DATE and _TO_THE_SECOND.search(line.value) for line in header)
    if len(header) < (_FEWEST_RULED if ruled else _FEWEST_UNKNOWN):
        return False
    named = any(_NAMED_ADDRESS.search(line.value) for line in header)
    return (named or (ruled and addressed)) and any(map(_is_moment, header))


def _fits(line: _HeaderLine) -> bool:
    """Whether a value fits its label: a date with an hour, or a person's name."""
    match line.field:
        case Field.DATE:
            return has_hour(fold(line.value))
        case Field.WRITER | Field.RECIPIENT:
            return any(character.isalpha() for character in line.value)
        case _:
            return True


def _is_moment(line: _HeaderLine) -> bool:
    value = fold(line.value)
    return has_date(value) and (has_hour(value) or line.field is Field.DATE)


def _addresses(header: list[_HeaderLine]) -> tuple[frozenset[str], frozenset[str]]:
    """The writer's addresses and the others; where no label is known, the first line with an address is the writer's."""
    writers: set[str] = set()
    others: set[str] = set()
    named = any(line.field is Field.WRITER for line in header)
    for line in header:
        addresses = addresses_in(line.value)
        if line.field is Field.WRITER or (not named and line.field is None and addresses and not writers):
            writers |= addresses
        else:
            others |= addresses
    return frozenset(writers), frozenset(others)


def _label(lines: TextLines, index: int) -> str | None:
    """The folded words before the colon of a line, few and without digits; None if it has none."""
    if index >= len(lines):
        return None
    if index not in lines.labels:
        lines.labels[index] = _read_label(lines.bare[index])
    return lines.labels[index]


def _read_label(bare: str) -> str | None:
    place = _colon(bare)
    if place <= 0:
        return None
    label = fold(bare[:place].strip("* \t"))
    if (
        not label
        or len(label) > _LONGEST_LABEL
        or any(character.isdigit() or character in "@./" for character in label)
    ):
        return None
    return label if label in LABELS or len(label.split()) <= 3 else None


def _colon(bare: str) -> int:
    places = [place for mark in ":：" if (place := bare.find(mark, 0, _LONGEST_LABEL + 6)) > 0]
    return min(places, default=-1)
