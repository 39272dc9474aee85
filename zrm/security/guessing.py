"""How many guesses a password takes for an attacker who knows people's habits. Pure: a text in, a number out.

zxcvbn knows the commonest passwords, English words, names, dates and runs along a keyboard. It knows no Persian, so
each password is also checked with Persian words and names, years of both calendars, and as its keys read on the other
keyboard: سلام typed on an English one is `sghl`. Numbers that belong to a person (a telephone, a card, a national
identity code) are worth little, however long they are.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

from zrm.kit.phones import e164
from zrm.kit.text import fold

_WORDS: Final = Path(__file__).with_name("persian_words.txt")
_MOST: Final = 32  # characters checked in one piece: zxcvbn's work grows fast with signs that stand for letters
_PERSONAL_NUMBER: Final = 1e4  # guesses: the person's own names and numbers, and those of their surroundings
_WAYS_TO_JOIN: Final = 10  # ways to join words: with gaps, dashes, dots, a sign at the end
_OWN_NAME: Final = 10.0  # guesses: it is tried at once; then its position counts
_SHORTEST_NAME: Final = 4  # characters; shorter ones are parts of too many words
_NUMBER: Final = re.compile(r"\+?\d(?:[ -]?\d){8,18}")
_ENGLISH_KEYS: Final = "qwertyuiop[]asdfghjkl;'zxcvbnm,"
_PERSIAN_KEYS: Final = "ضصثقفغعهخحجچشسیبلاتنمکگظطزرذدپو"
_ON_ENGLISH_KEYS: Final = str.maketrans(_PERSIAN_KEYS, _ENGLISH_KEYS)
_ON_PERSIAN_KEYS: Final = str.maketrans(_ENGLISH_KEYS, _PERSIAN_KEYS)
_lock = threading.Lock()  # zxcvbn keeps the word lists of a call in its module


def guesses(password: str, *, own: Iterable[str] = (), region: str = "IR") -> float:
    """About how many guesses it takes; `own` are names that an attacker would try first."""
    text, tries = fold(password), 1.0
    for name in _own_words(own):
        if name in text:
            text = text.replace(name, " ")
            tries *= _OWN_NAME
    for number in [found[0] for found in _NUMBER.finditer(text) if _belongs_to_a_person(found[0], region)]:
        text = text.replace(number, "")
        tries *= _PERSONAL_NUMBER
    if not (text := text.strip()):
        return tries
    joined = "".join(re.findall(r"[^\W_]+", text))
    found = _on_both_keyboards(text)
    return tries * (min(found, _WAYS_TO_JOIN * _on_both_keyboards(joined)) if joined else found)


def _on_both_keyboards(text: str) -> float:
    spellings = dict.fromkeys((text, text.translate(_ON_ENGLISH_KEYS), text.translate(_ON_PERSIAN_KEYS)))
    return min(_pieces(spelling) for spelling in spellings)


def _pieces(text: str) -> float:
    """A long password is as strong as the stronger of its ends."""
    return max(_estimate(piece) for piece in {text[:_MOST], text[-_MOST:]})


def _estimate(text: str) -> float:
    from zxcvbn import zxcvbn  # thirty thousand passwords, needed only when a password is set

    with _lock:
        return float(zxcvbn(text, user_inputs=_persian())["guesses"])


def _own_words(own: Iterable[str]) -> list[str]:
    """The names, their words, and each without its gaps, the longest first."""
    words = {fold(name) for name in own}
    for name in list(words):
        parts = re.findall(r"[^\W_]+", name)
        words |= {"".join(parts), *parts}
    return sorted((word for word in words if len(word) >= _SHORTEST_NAME), key=len, reverse=True)


def _belongs_to_a_person(number: str, region: str) -> bool:
    digits = re.sub(r"\D", "", number)
    telephone = any(e164(spelling, region) for spelling in (number, digits, f"+{digits}"))
    return telephone or (len(digits) == 16 and _luhn(digits)) or (len(digits) == 10 and _identity_code(digits))


def _luhn(digits: str) -> bool:
    """Whether it is the number of a bank card."""
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(digits))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _identity_code(digits: str) -> bool:
    """Whether it is an Iranian national identity code: nine digits and a check digit."""
    rest = sum(int(digit) * (10 - place) for place, digit in enumerate(digits[:9])) % 11
    return int(digits[9]) == (rest if rest < 2 else 11 - rest)


@lru_cache(maxsize=1)
def _persian() -> tuple[str, ...]:
    """The years that people are born in and live in, then the words of the list, the commonest first."""
    lines = _WORDS.read_text(encoding="utf-8").splitlines()
    words = [fold(word) for line in lines if not line.startswith("#") for word in line.split()]
    years = [str(year) for year in (*range(1420, 1329, -1), *range(2041, 1949, -1))]
    return tuple(dict.fromkeys([*years, *words]))
