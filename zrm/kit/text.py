"""Text as people really type it: one search key for all its spellings, and a form that is safe to keep and to show.

`fold` is for comparing and searching and is never shown; `clean` is for keeping and showing and changes as little as it
can. Persian comes from Arabic keyboards, from Persian ones and from phones: the same word in three spellings.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_ARABIC_VARIANTS: Final = {
    "آ": "ا", "أ": "ا", "إ": "ا", "ٱ": "ا", "ٲ": "ا", "ٳ": "ا",
    "ي": "ی", "ى": "ی", "ئ": "ی", "ۍ": "ی", "ې": "ی", "ے": "ی", "ۓ": "ی",
    "ك": "ک", "ڪ": "ک", "ڬ": "ک", "ڭ": "ک",
    "ة": "ه", "ۀ": "ه", "ە": "ه", "ہ": "ه", "ۂ": "ه", "ۃ": "ه", "ھ": "ه",
    "ؤ": "و", "ۇ": "و", "ۆ": "و", "ۈ": "و",
    "٪": "%", "٫": ".", "٬": ",", "؛": ";", "؟": "?", "،": ",",
}  # fmt: skip
_ZWNJ: Final = "\u200c"
_LETTERS_ONLY_LOOKS: Final = "\u0640"  # tatweel
_HARAKAT: Final = (
    (0x0610, 0x061A),
    (0x064B, 0x065F),
    (0x0670, 0x0670),
    (0x06D6, 0x06DC),
    (0x06DF, 0x06E8),
    (0x06EA, 0x06ED),
)


class _FoldTable(dict[int, str]):
    """The replacement of each character, computed when first met, because Unicode has digits in seventy scripts."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _fold_character(chr(code))
        return folded


def _fold_character(character: str) -> str:
    if character in _ARABIC_VARIANTS:
        return _ARABIC_VARIANTS[character]
    code = ord(character)
    if character == _LETTERS_ONLY_LOOKS or any(first <= code <= last for first, last in _HARAKAT):
        return ""
    if character == _ZWNJ:
        return " "
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("Cf", "Cs", "Cn", "Co"):
        return ""
    if category in ("Cc", "Zs", "Zl", "Zp"):
        return " "
    return character


_FOLD: Final = _FoldTable()


def fold(text: str) -> str:
    """The search key of a text: letters, digits, case and spaces made alike; folding a key gives the same key."""
    if text.isascii():
        return " ".join(text.translate(_FOLD).lower().split())
    normal = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    key = " ".join(normal.translate(_FOLD).split())
    # Removing a mark can bring two characters together that compose, so a rare key needs a second round.
    for _ in range(3):
        again = " ".join(unicodedata.normalize("NFKC", key).casefold().translate(_FOLD).split())
        if again == key:
            break
        key = again
    return key


class _DigitTable(dict[int, str]):
    def __missing__(self, code: int) -> str:
        value = unicodedata.decimal(chr(code), None)
        self[code] = found = chr(code) if value is None else str(value)
        return found


_TO_ASCII_DIGIT: Final = _DigitTable()


def latin_digits(text: str) -> str:
    """The same text with the decimal digits of every script written 0-9."""
    return text if text.isascii() else text.translate(_TO_ASCII_DIGIT)


def digits(text: str) -> str:
    """Only the decimal digits of a text, whatever their script, as 0-9: `"۰۹۱۲ 345"` gives `"0912345"`."""
    return "".join(character for character in latin_digits(text) if "0" <= character <= "9")


# Everything that `clean` takes out: controls other than tab and newline, the byte order mark, interlinear marks.
_NEWLINES: Final = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_UNWANTED: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufff9-\ufffb]")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_SUSPECT: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufff9-\ufffb\ud800-\udfff]")
_OPENS: Final = {"\u202a": "\u202c", "\u202b": "\u202c", "\u202d": "\u202c", "\u202e": "\u202c",
                 "\u2066": "\u2069", "\u2067": "\u2069", "\u2068": "\u2069"}  # fmt: skip
_CLOSES: Final = frozenset(_OPENS.values())
_BIDI: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """The text fit to be kept and shown: newlines are line feeds; no control characters; bidi embeddings closed by
    line's end.

    ZWNJ, joiners and plain direction marks stay: Persian needs them. Half a surrogate pair becomes U+FFFD.
    """
    if _SUSPECT.search(text):
        text = _NEWLINES.sub("\n", text)
        text = _UNWANTED.sub("", text)
        text = _SURROGATES.sub("\ufffd", text)
    if _BIDI.search(text):
        text = "\n".join(_close_bidi(line) if _BIDI.search(line) else line for line in text.split("\n"))
    return text


def clean_line(text: str) -> str:
    """`clean`, on one line: every run of white space becomes one space. For titles, names and file names."""
    # Lines are balanced one by one, so joining them leaves no embedding open.
    return " ".join(clean(text).split())


def _close_bidi(line: str) -> str:
    """Drop closers that close nothing and close open embeddings, so that no line changes its neighbours' direction."""
    kept: list[str] = []
    open_marks: list[str] = []
    for character in line:
        if character in _OPENS:
            open_marks.append(_OPENS[character])
        elif character in _CLOSES:
            if not open_marks or open_marks[-1] != character:
                continue
            open_marks.pop()
        kept.append(character)
    kept.extend(reversed(open_marks))
    return "".join(kept)
