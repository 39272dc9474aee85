"""Bytes to text, when what a mail says of its own alphabet is missing, unknown or untrue.

Order of belief: valid UTF-8 that is not plain ASCII is UTF-8, whatever the mail claims (chance makes it nearly
impossible); then the declared alphabet, unless it claims Latin and the words are not Latin's; then windows-1256 (Persian
and Arabic) or windows-1252. Latin has its accents inside words of plain letters, other scripts have words without one:
so a few Persian words among many English ones, or among the tags of a page, are told as well.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Final

_ALIASES: Final = {
    "x-mac-arabic": "mac-arabic", "x-mac-farsi": "mac-farsi", "unicode-1-1-utf-7": "utf-7", "cp-850": "cp850",
    "ansi_x3.110-1983": "latin-1", "iso-8859-8-i": "iso-8859-8", "iso-8859-6-i": "iso-8859-6", "x-sjis": "shift_jis",
    "ks_c_5601-1987": "cp949", "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "windows-874": "cp874",
    "utf8mb4": "utf-8", "unicode": "utf-8", "isiri-3342": "utf-8", "iso-8859-1": "cp1252", "latin1": "cp1252",
    "latin-1": "cp1252", "iso-ir-100": "cp1252",
}  # fmt: skip
# Only alphabets: Python also knows codecs that unpack, execute escapes or need quadratic time.
_ALPHABETS: Final = re.compile(
    r"(?:utf-?(?:7|8|16|32)|utf-8-sig|iso8859-|iso2022_|cp\d|koi8|mac-|gb|big5|euc_|shift_?jis|hz$|tis-620|ptcp154|"
    r"johab|kz1048|hp-roman8)"
)
_ESCAPING: Final = ("utf-7", "utf-16", "utf-32", "iso2022", "hz")  # other letters are written with ASCII bytes
_LATIN: Final = frozenset({"cp1252", "iso8859-1", "iso8859-15", "cp850", "mac-roman"})
# The letters of windows-1256 beyond ASCII; most of the rest are marks there and in windows-1252.
_HIGH: Final = bytes([0x81, 0x8D, 0x8E, 0x8F, 0x90, 0x98, 0x9A, 0x9F, 0xAA, *range(0xC0, 0x100)])
_WORDS: Final = re.compile(rb"[A-Za-z" + re.escape(_HIGH) + rb"]+")
_META: Final = re.compile(rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_SAMPLE = 65_536


@lru_cache(maxsize=256)
def _known(name: str) -> str:
    """Python's name of a declared alphabet; "" if it is none."""
    lowered = name.strip("'\" \t").lower()
    try:
        found = codecs.lookup(_ALIASES.get(lowered, lowered)).name
    except (LookupError, ValueError, UnicodeError):
        return ""
    return found if _ALPHABETS.match(found) else ""


def to_text(data: bytes, declared: str = "") -> str:
    """The text of `data`; never fails: what no alphabet explains becomes U+FFFD."""
    name = _known(declared) if declared else ""
    escapes = name.startswith(_ESCAPING) if name else False
    if data.isascii() and not escapes:
        return data.decode("ascii")
    if not escapes:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            if name in ("", "utf-8", "ascii") and _nearly_utf8(data, error):
                return data.decode("utf-8", "replace")
    if name and name != "utf-8" and not (name in _LATIN and _not_latin(data)):
        try:
            return data.decode(name, "replace" if name.startswith("utf") else "strict")
        except (UnicodeDecodeError, ValueError):
            pass  # the claim was untrue: guess below
    return data.decode("cp1256" if _not_latin(data) or name == "cp1256" else "cp1252", "replace")


def declared_in(page: bytes) -> str:
    """The alphabet an HTML page declares in its own head, for a mail that says nothing of it; "" if it does not."""
    found = _META.search(page[:4096])
    return found[1].decode("ascii") if found is not None else ""


def _nearly_utf8(data: bytes, error: UnicodeDecodeError) -> bool:
    """One cut or spoilt character in otherwise good UTF-8: eight good ones for each bad, or some and the bad at the end."""
    sample = data[: _SAMPLE + 4].decode("utf-8", "replace")
    bad = sample.count("\ufffd")
    good = sum(ord(character) > 0x7F for character in sample) - bad
    return good >= 8 * bad or (good > 0 and error.start >= len(data) - 3)


def _not_latin(data: bytes) -> bool:
    """Whether more of the letters beyond ASCII stand in words of their own than beside plain letters."""
    alone = mixed = 0
    for word in _WORDS.findall(data[:_SAMPLE]):
        high = len(word) - len(word.translate(None, _HIGH))
        if high < len(word):
            mixed += high
        elif high > 1:
            alone += high
    return alone > mixed
