"""Bytes to text, when a mail's declared charset is missing, unknown or wrong.

Order of belief:

1. Self-evident encodings: a byte order mark, UTF-16 by its NULs, ISO-2022 by its escapes, and valid UTF-8 that is not plain
   ASCII. None of them arises by chance, whatever the mail declares.
2. The declared charset, unless it cannot read the bytes, declares Latin for words that are not Latin's, or is four times
   less likely than another.
3. What chardet finds likeliest among the charsets that mail uses, within two rules of our own: words without a plain letter
   are not Latin (Latin has its accents inside words of plain letters), so a few Persian words among many English ones, or
   among the tags of a page, are recognised as well; and a few bytes of Latin are windows-1252.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_ALIASES: Final = {
    "x-mac-arabic": "mac-arabic", "x-mac-farsi": "mac-farsi", "unicode-1-1-utf-7": "utf-7", "cp-850": "cp850",
    "ansi_x3.110-1983": "latin-1", "iso-8859-8-i": "iso-8859-8", "iso-8859-6-i": "iso-8859-6", "x-sjis": "shift_jis",
    "ks_c_5601-1987": "cp949", "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "windows-874": "cp874",
    "utf8mb4": "utf-8", "unicode": "utf-8", "isiri-3342": "utf-8", "iso-8859-1": "cp1252", "latin1": "cp1252",
    "latin-1": "cp1252", "iso-ir-100": "cp1252",
}  # fmt: skip
# Only character sets: Python also knows codecs that unpack, execute escapes or need quadratic time.
_ALPHABETS: Final = re.compile(
    r"(?:utf-?(?:7|8|16|32)|utf-8-sig|iso8859-|iso2022_|cp\d|koi8|mac-|gb|big5|euc_|shift_?jis|hz$|tis-620|ptcp154|"
    r"johab|kz1048|hp-roman8)"
)
_ESCAPING: Final = ("utf-7", "utf-16", "utf-32", "iso2022", "hz")  # other letters are written with ASCII bytes
_LATIN: Final = frozenset({"cp1252", "iso8859-1", "iso8859-15", "cp850", "mac-roman"})
_ALSO_LATIN: Final = _LATIN | {"cp1250", "cp1254", "iso8859-2"}
# The letters of windows-1256 beyond ASCII; most of the rest are marks there and in windows-1252.
_HIGH: Final = bytes([0x81, 0x8D, 0x8E, 0x8F, 0x90, 0x98, 0x9A, 0x9F, 0xAA, *range(0xC0, 0x100)])
_WORDS: Final = re.compile(rb"[A-Za-z" + re.escape(_HIGH) + rb"]+")
_META: Final = re.compile(rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_TAG: Final = re.compile(rb"<[^<>]{0,2000}>")
_ISO_2022: Final = re.compile(rb"\x1b(?:\$[@AB]|\$\([A-DO-Q]|\([IJ]|\$\)[AC])")
_KANA: Final = re.compile(rb"\x82[\x9f-\xf1]|\x83[\x40-\x96]")
_CONTROLS: Final = bytes(code for code in range(0x20) if code not in (0x09, 0x0A, 0x0C, 0x0D))
_ASCII: Final = bytes(range(0x80))
# Letters that Turkish has and other Latin does not, and letters that Turkish does not have (windows-1254).
_TURKISH: Final = bytes([0xD0, 0xDD, 0xDE, 0xF0, 0xFD, 0xFE])
_NOT_TURKISH: Final = bytes([0xC1, 0xC6, 0xC9, 0xCD, 0xD3, 0xDA, 0xE1, 0xE6, 0xE9, 0xED, 0xF3, 0xFA])
_CENTRAL_EUROPE: Final = frozenset({"cs", "hr", "hu", "pl", "sk", "sl"})
_WRITTEN: Final = frozenset(
    {
        "cp1256", "gb18030", "big5hkscs", "cp949", "euc_kr", "cp932", "shift_jis", "euc_jis_2004", "koi8-r", "koi8-u",
        "cp1251", "cp1253", "iso-8859-7", "cp1255", "cp874", "tis-620", "cp1252", "cp1254", "cp1250", "iso-8859-2",
    }
)  # fmt: skip
_SAMPLE = 65_536
_MUCH = 4.0  # times likelier than the declared charset
_JUDGED = 8192  # bytes that are judged by likelihood
_FEWEST = 4  # bytes beyond ASCII, to be judged by likelihood


@lru_cache(maxsize=256)
def _known(name: str) -> str:
    """Python's name of a declared charset; "" if it is none."""
    lowered = name.strip("'\" \t").lower()
    try:
        found = codecs.lookup(_ALIASES.get(lowered, lowered)).name
    except (LookupError, ValueError, UnicodeError):
        return ""
    return found if _ALPHABETS.match(found) else ""


@dataclass(frozen=True, slots=True)
class _Likely:
    """A possible charset; `score` compares with those of the same bytes only."""

    name: str
    score: float
    language: str


def to_text(data: bytes, declared: str = "") -> str:
    """The text of `data`; never fails: bytes that no charset explains become U+FFFD."""
    if not declared and _is_plain(data):
        return data.decode("ascii")  # nearly every field of a header
    return data.decode(alphabet_of(data, declared), "replace")


def as_declared(data: bytes, declared: str) -> str:
    """The text of `data` in its declared charset or UTF-8, without a look at the letters."""
    return data.decode(_known(declared) or "utf-8", "replace")


def alphabet_of(data: bytes, declared: str = "") -> str:
    """The name of the codec that reads `data`, by the order of belief above."""
    name = _known(declared) if declared else ""
    if _is_plain(data) and not name.startswith(_ESCAPING):
        return "ascii"
    if shown := _shown(data, name):
        return shown
    escapes = name.startswith(_ESCAPING)
    if not escapes:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            if name in ("", "utf-8", "ascii") and _nearly_utf8(data, error):
                return "utf-8"
        else:
            return "utf-8"
    if name not in ("", "utf-8", "ascii") and (name.startswith("utf") or _believable(data, name)):
        return name
    return _guess(data)


def _is_plain(data: bytes) -> bool:
    """Whether it is ASCII, and no other charset that uses only ASCII bytes."""
    return data.isascii() and b"\x1b" not in data and b"\x00" not in data


def _shown(data: bytes, name: str) -> str:
    """The charset that the bytes show by themselves; "" if they do not."""
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if wide := _wide(data):
        return wide
    if name.startswith(("utf-16", "utf-32")):  # without one NUL or other control, this is no UTF-16
        return "utf-8" if data.translate(None, _CONTROLS) == data and _is_utf8(data) else ""
    if b"\x1b" in data and data.isascii() and _ISO_2022.search(data) is not None:
        return _iso_2022(data)
    return "ascii" if data.isascii() and not name.startswith(_ESCAPING) else ""


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _wide(data: bytes) -> str:
    """UTF-16 without a byte order mark, by the NULs of its blanks and line ends, which are on one side only; else
    "".
    """
    sample = data[:_JUDGED]
    if b"\x00" not in sample:
        return ""
    first, second = sample[::2].count(0), sample[1::2].count(0)
    if len(sample) < 8 or min(first, second) * 20 >= max(first, second):
        return ""
    name = "utf-16-le" if second > first else "utf-16-be"
    text = sample[: len(sample) // 2 * 2].decode(name, "replace")
    strange = sum(not (sign.isprintable() or sign.isspace()) or sign == "\ufffd" for sign in text)
    return name if strange * 20 <= len(text) else ""


def _iso_2022(data: bytes) -> str:
    if b"\x1b$)C" in data:
        return "iso2022_kr"
    for name in ("iso2022_jp_2", "iso2022_jp_ext", "iso2022_jp_3", "iso2022_jp_2004"):
        try:
            data.decode(name)
        except UnicodeDecodeError:
            continue
        return name
    return "iso2022_jp_ext"


def _believable(data: bytes, name: str) -> bool:
    """Whether a declared charset can read the bytes, and no other is much likelier."""
    try:
        data.decode(name)
    except (UnicodeDecodeError, ValueError):
        return False
    sample = _sample(data)
    if name.startswith(_ESCAPING):
        return True
    if name in _LATIN and (_not_latin(data) or _is_turkish(sample)):
        return False
    if _is_kana(sample) and name not in ("cp932", "shift_jis", "shift_jis_2004", "shift_jisx0213"):
        return False
    likely = _likely(sample, name)
    if not likely:
        return True
    read = sample.decode(name, "replace")
    same = (one.score for one in likely if one.name == name or sample.decode(one.name, "replace") == read)
    return _MUCH * next(same, 0.0) >= likely[0].score


def _guess(data: bytes) -> str:
    """The charset of bytes without a declared one, or with a wrong one."""
    strange = _not_latin(data)
    sample = _sample(data)
    if _is_kana(sample):
        return "cp932"
    likely = _likely(sample)
    found = likely[0] if likely else _Likely("cp1252", 0.0, "")
    if found.name not in _ALSO_LATIN:
        return found.name
    if strange:
        return "cp1256"
    if _is_turkish(sample):
        return "cp1254"
    return found.name if found.language in _CENTRAL_EUROPE else "cp1252"


def _likely(sample: bytes, declared: str = "") -> list[_Likely]:
    """The possible charsets, the likeliest first; none for so few letters that chance decides."""
    if len(sample.translate(None, _ASCII)) < _FEWEST:
        return []
    from chardet import detect_all  # slow to import, and nearly all mail declares its charset

    try:
        found = detect_all(
            sample, ignore_threshold=True, include_encodings={*_WRITTEN, declared or "cp1252"}, compat_names=False
        )
    except ValueError:  # it does not know the declared one
        return []
    return [
        _Likely(_known(one["encoding"]), one["confidence"], one["language"] or "") for one in found if one["encoding"]
    ]


def _is_turkish(sample: bytes) -> bool:
    return sample.translate(None, _TURKISH) != sample and sample.translate(None, _NOT_TURKISH) == sample


def _is_kana(sample: bytes) -> bool:
    """Whether the bytes are Shift-JIS, by its kana; chardet recognises nothing in kana alone."""
    kana = len(_KANA.findall(sample))
    if kana < 3 or 4 * kana < len(sample.translate(None, _ASCII)):
        return False
    return "\ufffd" not in sample.decode("cp932", "replace")[:-1]


def _sample(data: bytes) -> bytes:
    """The text to judge by: from shortly before the first letter beyond ASCII, without the tags of a page."""
    text = _TAG.sub(b" ", data[:_SAMPLE]) if b"<" in data[:_SAMPLE] else data[:_SAMPLE]
    first = next((at for at, code in enumerate(text) if code > 0x7F), 0)
    return text[max(0, first - 200) :][:_JUDGED]


def declared_in(page: bytes) -> str:
    """The charset an HTML page declares in its own head, for a mail that declares none; "" if it does not."""
    found = _META.search(page[:4096])
    return found[1].decode("ascii") if found is not None else ""


def _nearly_utf8(data: bytes, error: UnicodeDecodeError) -> bool:
    """One cut or damaged character in otherwise good UTF-8: eight good ones for each bad, or some and the bad at the
    end.
    """
    sample = data[: _SAMPLE + 4].decode("utf-8", "replace")
    bad = sample.count("\ufffd")
    good = sum(ord(character) > 0x7F for character in sample) - bad
    return good >= 8 * bad or (good > 0 and error.start >= len(data) - 3)


def _not_latin(data: bytes) -> bool:
    """Whether more of the letters beyond ASCII are in words of their own than beside plain letters."""
    alone = mixed = 0
    for word in _WORDS.findall(data[:_SAMPLE]):
        high = len(word) - len(word.translate(None, _HIGH))
        if high < len(word):
            mixed += high
        elif high > 1:
            alone += high
    return alone > mixed
