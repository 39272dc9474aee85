"""Lines that programs add below a mail: by the device, the virus scanner, the mailing list, or a legal notice.

A device's or scanner's line is recognised when it contains nothing else: every word is a word of sending or names a
device or program. "Sent via registered post" and "Sent from my old address by mistake" have other words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Final

from zrm.kit.text import fold
from zrm.normalizer.quoted_text.footer_words import (
    ADDRESSEE,
    CHECKED,
    CONFIDENTIAL,
    DEVICES,
    FIRST_PERSON,
    NOTICE,
    OF_NOTICES,
    PRODUCTS,
    SCANNED,
    SCANNERS,
    SENDING,
    SENDING_INSIDE,
    SENT,
    THIS_MAIL,
    VIRUS,
)
from zrm.normalizer.quoted_text.vocabulary import OF_SENTENCES

_LONGEST: Final = 140
_MOST_WORDS: Final = 24
_LINK: Final = re.compile(r"<?\(?\b(?:https?://|www\.)[^\s<>()]*\)?>?|<mailto:[^<>]*>")
_NOT_WORDS: Final = re.compile(r"[\W_]+")

_LIST_RULE: Final = re.compile(r"_{2,}")


def is_footer_line(bare: str) -> bool:
    """Whether a line comes from a program alone: "Sent from my iPhone", "Virus-free. www.avast.com"."""
    if not bare or bare.count(" ") > _MOST_WORDS or (bare.isascii() and not _can_be_footer(bare.lower())):
        return False
    plain = _LINK.sub(" ", bare).strip()
    if not plain or len(plain) > _LONGEST:
        return False
    folded = fold(plain)
    return _names_device(folded) or _says_scanned(folded)


def _can_be_footer(lower: str) -> bool:
    """A quick check that most lines do not pass."""
    return "vir" in lower or "wirus" in lower or not SENT.isdisjoint(lower.split()) or lower.startswith(SCANNED)


def is_notice(paragraph: str) -> bool:
    """Whether a paragraph is a legal notice about the mail itself: confidential, and for its addressee."""
    folded = fold(paragraph).strip("*_- ")
    return (
        folded.startswith(THIS_MAIL + NOTICE)
        and any(word in folded for word in CONFIDENTIAL)
        and any(word in folded for word in ADDRESSEE)
        and FIRST_PERSON.isdisjoint(_words(folded))
    )


def is_list_footer(lines: Sequence[str]) -> bool:
    """What mailing lists add: a ruled line, the list's name, its address, its page; and nothing else."""
    if not 3 <= len(lines) <= 6 or not _LIST_RULE.fullmatch(lines[0]):
        return False
    addressed = any("@" in line and " " not in line for line in lines[1:])
    linked = any(line.startswith(("http://", "https://")) and " " not in line for line in lines[1:])
    return addressed and linked and all(len(line.split()) <= 4 for line in lines[1:])


def _names_device(folded: str) -> bool:
    together = [] if folded.isascii() else [phrase for phrase in SENDING_INSIDE if phrase in folded]
    if not together and SENT.isdisjoint(_words(folded)):
        return False
    rest = folded
    for phrase in together:
        rest = rest.replace(phrase, " ")
    rest, devices = _device().subn(" ", rest)
    words = _words(rest)
    return bool(devices) and len(words) <= 9 and all(word in _sending() or _is_model(word) for word in words)


def _words(text: str) -> list[str]:
    return _NOT_WORDS.sub(" ", text).split()


def _is_model(word: str) -> bool:
    """A model number, not a telephone number: "14", "a52", "4g"."""
    return len(word) <= 5 and any(character.isdigit() for character in word)


def _says_scanned(folded: str) -> bool:
    words = _words(folded)
    if folded.startswith(SCANNED):
        phrase = max((one for one in SCANNED if folded.startswith(one)), key=len)
        return all(word in SCANNERS for word in _words(folded[len(phrase) :]))
    if not any(word in folded for word in VIRUS) or not any(word in folded for word in CHECKED):
        return False
    if not folded.startswith(THIS_MAIL) and PRODUCTS.isdisjoint(words):
        return False
    return OF_SENTENCES.intersection(words) <= OF_NOTICES and FIRST_PERSON.isdisjoint(words)


@cache
def _device() -> re.Pattern[str]:
    """A device's name with the suffix a language adds: iPhone'umdan, iPhonesta, iPhone에서."""
    names = sorted(DEVICES, key=len, reverse=True)
    return re.compile(
        rf"(?<![^\W\d_])(?:ال|مه|ה|מה|ב)?(?:{'|'.join(map(re.escape, names))})(?:['’]?[^\W\d_]{{0,5}})(?![^\W\d_])"
    )


@cache
def _sending() -> frozenset[str]:
    """The words of sending, as they are once punctuation is removed."""
    return frozenset(piece for word in SENDING for piece in _words(word))
