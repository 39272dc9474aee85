"""What is searched and how: the key of a contact, the terms of a query, and the words to mark.

A key is folded (`zrm.kit.text.fold`), contains only letters and digits, and has one space between words and at both
ends, so that the beginning and end of a word can be searched. A number written in groups is in it a second time, in one
piece.

A term of a query is one word, or one number however it is grouped; all terms must be found in one contact. A word of
three letters or more is also found inside longer words, a shorter one only as a whole word. A number of seven digits or
more is searched without its country or trunk prefix (+98, 0098, 0); a shorter one at a number's beginning or end.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from zrm.kit.mail_addresses import comparable
from zrm.kit.phones import national
from zrm.kit.text import clean_line, digits, fold, latin_digits

LONGEST_QUERY: Final = 200
"""Characters of a query that are read."""
MOST_TERMS: Final = 8
LONGEST_TEXT: Final = 20_000
"""Characters of a contact's text that are searched."""
_WHOLE_NUMBER: Final = 7  # digits
_LONGEST_NUMBER: Final = 15  # digits, E.164
_PART: Final = 3  # letters or digits
_EXCERPT: Final = 180  # characters
_BEFORE_HIT: Final = 24

_WORD: Final = re.compile(r"[^\W_]+")
_GROUPS: Final = re.compile(r"(?<= )\d+(?: \d+)+(?= )")
_NUMBER: Final = re.compile(r"[+(]*\d[\d()+./-]*")
_ADDRESS: Final = re.compile(r"[a-z0-9.@_+-]+")
_LIKE_SPECIAL: Final = re.compile(r"([\\%_])")
_SCHEME: Final = re.compile(r"^(?:tel|sms|mailto):", re.IGNORECASE)
_MARKS: Final = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Term:
    """One word or number of a query. `needles` are looked for in keys, and one of them must be there; `addresses` are
    LIKE patterns of addresses that match as well.
    """

    needles: tuple[str, ...]
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. `left_out` are words too short to search for, `too_many` whether there were more than
    `MOST_TERMS` or `LONGEST_QUERY`.
    """

    typed: str = ""
    terms: tuple[Term, ...] = ()
    left_out: tuple[str, ...] = ()
    too_many: bool = False


@dataclass(slots=True)
class _Reading:
    """A query while it is parsed."""

    region: str
    terms: list[Term] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)

    def token(self, token: str) -> None:
        token = _SCHEME.sub("", token)
        if _NUMBER.fullmatch(latin_digits(token)):
            self.numbers.append(token)
            return
        self.end_number()
        word = words(token)
        letters = len(word.replace(" ", ""))
        address = comparable(token) if "@" in token else fold(token)
        addresses = (f"%{_escaped(address)}%",) if len(address) >= _PART and _ADDRESS.fullmatch(address) else ()
        if letters >= _PART:
            self.terms.append(Term((word,), addresses))
        elif letters == _PART - 1:
            self.terms.append(Term((f" {word} ",)))
        elif word:
            self.left_out.append(word)

    def end_number(self) -> None:
        """Digits that stood together: one long number in groups, or several short ones."""
        groups, self.numbers = self.numbers, []
        if len(groups) > 1 and sum(len(digits(group)) for group in groups) >= _WHOLE_NUMBER:
            whole = _number(" ".join(groups), self.region)
            self.terms.append(Term((*whole.needles, f" {words(' '.join(groups))} "), whole.addresses))
        else:
            self.terms += [_number(group, self.region) for group in groups]


def parse(typed: str, region: str) -> Query:
    """Parse a query; numbers without a country code are of `region` (ISO country)."""
    reading = _Reading(region)
    text = clean_line(_MARKS.sub("", typed[:LONGEST_QUERY]))
    for token in text.split():
        reading.token(token)
    reading.end_number()
    terms = tuple(dict.fromkeys(reading.terms))
    too_many = len(typed) > LONGEST_QUERY or len(terms) > MOST_TERMS
    return Query(text, terms[:MOST_TERMS], tuple(reading.left_out), too_many)


def words(text: str) -> str:
    """The folded words of a text, one space between them: `"آقای رضائی (۱۲)"` gives `"اقای رضایی 12"`."""
    return " ".join(_WORD.findall(fold(text)))


def contact_key(*parts: str) -> str:
    """A contact's search key: its title, its text, its writer's name, its code."""
    key = f" {words(chr(10).join(part[:LONGEST_TEXT] for part in parts))} "
    pieces = (group.replace(" ", "") for group in _GROUPS.findall(key))
    whole = [piece for piece in pieces if _WHOLE_NUMBER <= len(piece) <= _LONGEST_NUMBER]
    return f"{key}{' '.join(whole)} " if whole else key


def marked(text: str, terms: Iterable[Term]) -> list[tuple[str, bool]]:
    """The text on one line in pieces of (words, whether they were found); whole words are marked, so that joined
    letters stay joined. It contains no direction marks: a piece may end anywhere.
    """
    line = " ".join(_MARKS.sub("", text).split())
    return list(_pieces(line, _spans(line, terms)))


def excerpt(text: str, terms: Iterable[Term]) -> list[tuple[str, bool]]:
    """As `marked`, for the part of the text around the first match; "…" where something is left out."""
    line = " ".join(_MARKS.sub("", text).split())
    spans = _spans(line, terms)
    begin = max(0, spans[0][0] - _BEFORE_HIT) if spans else 0
    if begin:
        begin = line.find(" ", begin, spans[0][0]) + 1 or spans[0][0]
    end = min(len(line), max(begin + _EXCERPT, spans[0][1] if spans else 0))
    inside = [(first - begin, min(last, end) - begin) for first, last in spans if first < end]
    pieces = list(_pieces(line[begin:end], inside))
    return [*([("… ", False)] if begin else []), *pieces, *([(" …", False)] if end < len(line) else [])]


def _number(token: str, region: str) -> Term:
    typed = digits(token)
    whole = national(token, region) or typed.lstrip("0") or typed
    if len(whole) >= _WHOLE_NUMBER:
        return Term((whole,), (f"%{whole}%",))
    if len(typed) < _PART:
        return Term((f" {typed} ",))
    # A leading nought or plus begins a number; otherwise its last digits are meant.
    begins = typed[0] == "0" or "+" in token
    return Term((f" {typed}", f"{typed} "), (f"%{whole}%" if begins else f"%{typed}",))


def _escaped(text: str) -> str:
    return _LIKE_SPECIAL.sub(r"\\\1", text)


def _spans(line: str, terms: Iterable[Term]) -> list[tuple[int, int]]:
    """The places in a line of words that contain a term, as (first, end), in order and apart."""
    key, places = _key_with_places(line[:LONGEST_TEXT])
    found = set()
    for term in terms:
        for needle in term.needles:
            at = key.find(needle)
            while at >= 0:
                first, last = at, at + len(needle)
                first += len(needle) - len(needle.lstrip())
                last -= len(needle) - len(needle.rstrip())
                first, last = key.rfind(" ", 0, first + 1) + 1, key.find(" ", last - 1)
                found.add((places[first], places[last - 1] + 1))
                at = key.find(needle, last)
    spans: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if spans and first < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
        else:
            spans.append((first, last))
    return spans


def _key_with_places(line: str) -> tuple[str, list[int]]:
    """The key of a line, and for each of its characters the place in the line it comes from."""
    key, places = [" "], [0]
    for place, character in enumerate(line):
        folded = _folded(character)
        if folded == " " and key[-1] == " ":
            continue
        key += folded
        places += [place] * len(folded)
    return "".join(key) + " ", [*places, len(line)]


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    """A character as it stands in a key: letters and digits, nothing for marks that folding drops, else a space."""
    kept = words(character).replace(" ", "")
    if kept:
        return kept
    dropped = character != "\u200c" and not fold(character) and unicodedata.category(character) in ("Mn", "Cf", "Lm")
    return "" if dropped else " "


def _pieces(line: str, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[str, bool]]:
    at = 0
    for first, last in spans:
        if at < first:
            yield line[at:first], False
        yield line[first:last], True
        at = last
    if at < len(line):
        yield line[at:], False
