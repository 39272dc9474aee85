"""What a person wrote this time, apart from what their mail program repeated below it.

A scanner of lines, forwards once and backwards once: time grows with the length of the text and nothing else, whatever
a hostile text contains. Nothing is ever lost: the two halves put together are the text. When in doubt the text counts
as fresh, because a hidden complaint is worse than a visible quotation:

* only an end of the text is folded; an answer written between or below quoted lines stays fresh, quotation and all;
* if nothing fresh would be left, nothing is folded;
* what follows a "forwarded message" line is what the citizen wanted us to read, so it stays fresh.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from zrm.kit.text import fold

_LONGEST = 400  # characters; a longer line is prose, not something a mail program wrote
_SIGNATURE_LINES = 15

# (how the line begins, what it says of writing) by language, in folded spelling; each ends with a colon.
_ATTRIBUTIONS: Final = (
    (("on ",), (" wrote",)),
    (("am ", "on "), (" schrieb", " geschrieben")),
    (("le ",), (" a écrit", " écrit")),
    (("op ", "on "), (" schreef", " geschreven", " het volgende geschreven")),
    (("el ",), (" escribió",)),
    (("il ", "in data "), (" ha scritto",)),
    (("em ", "no dia "), (" escreveu",)),
    (("در ", "به تاریخ ", "بتاریخ "), (" نوشت", " نوشته", " مرقوم")),
    (("فی ", "بتاریخ ", "یوم ", "علی "), (" کتب", " کتابه", " ارسل")),
)
_SEPARATORS: Final = frozenset(
    fold(words)
    for words in (
        "Original Message", "Original Appointment", "Reply Message", "Ursprüngliche Nachricht", "Originalnachricht",
        "Message d'origine", "Message original", "Oorspronkelijk bericht", "Mensaje original", "Messaggio originale",
        "پیام اصلی", "پیغام اصلی", "متن اصلی پیام", "الرسالة الأصلية", "رسالة أصلية", "النص الأصلي",
    )
)  # fmt: skip
_FORWARDS: Final = tuple(
    fold(words)
    for words in (
        "Forwarded message", "Begin forwarded message", "Weitergeleitete Nachricht", "Anfang der weitergeleiteten",
        "Message transféré", "Message transmis", "Doorgestuurd bericht", "پیام ارسال شده", "پیام ارسالی",
        "پیام هدایت شده", "پیام بازارسال شده", "رسالة معاد توجيهها", "الرسالة المعاد توجيهها", "رسالة مُعاد",
    )
)  # fmt: skip
_FROM: Final = frozenset(map(fold, ("From", "Von", "De", "Van", "Da", "از", "فرستنده", "من")))
_WHEN: Final = frozenset(
    map(fold, ("Sent", "Date", "Gesendet", "Datum", "Envoyé", "Verzonden", "Fecha", "Enviado", "Data", "Inviato",
               "تاریخ", "ارسال شده", "زمان ارسال", "تاریخ ارسال", "التاريخ", "تم الإرسال", "تاريخ الإرسال"))
)  # fmt: skip
_OTHER_KEYS: Final = frozenset(
    map(fold, ("To", "Cc", "Subject", "Reply-To", "An", "Betreff", "Kopie", "À", "Objet", "Aan", "Onderwerp", "Para",
               "Asunto", "A", "Oggetto", "Importance", "به", "گیرنده", "موضوع", "رونوشت", "إلى", "الموضوع", "نسخة"))
)  # fmt: skip
_DEVICE: Final = (
    "sent from my ", "sent from mail for windows", "sent from outlook", "sent from yahoo mail", "sent via ",
    "sent from samsung", "get outlook for ", "von meinem iphone gesendet", "von meinem ipad gesendet", "gesendet mit ",
    "envoyé de mon ", "envoyé depuis mon ", "verzonden vanaf mijn ", "verstuurd vanaf mijn ", "enviado desde mi ",
    "فرستاده شده از ", "ارسال شده از ", "ارسال شده با ", "ارسال از ", "فرستاده‌شده از ", "از ایفون من",
    "أرسلت من ", "مرسل من ", "أُرسلت من ", "تم الإرسال من ",
)  # fmt: skip
_DEVICE_STARTS: Final = tuple(dict.fromkeys(fold(start) + (" " if start.endswith(" ") else "") for start in _DEVICE))


class _Kind(Enum):
    TEXT = auto()
    BLANK = auto()
    QUOTED = auto()  # begins with >
    DASHES = auto()  # "-- ", the signature's own line
    DEVICE = auto()  # "Sent from my telephone"


@dataclass(slots=True)
class _Lines:
    """The lines of a text, column by column: millions of objects would keep the garbage collector busy."""

    starts: list[int] = field(default_factory=list)  # offset of the first character in the text
    kinds: list[_Kind] = field(default_factory=list)
    # Without direction marks and outer white space; empty for a line too long to matter.
    bare: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.starts)


def split_quote(text: str) -> tuple[str, str]:
    """`(fresh, folded)` with `fresh + folded == text`: what is new, and the quotation or signature at the end."""
    lines = _scan(text)
    end = _hard_end(lines)
    cut = _strip_tail(lines, end)
    start = lines.starts[cut] if cut < len(lines) else len(text)
    if _Kind.TEXT not in lines.kinds[:cut]:
        return text, ""
    return text[:start], text[start:]


_MARKS: Final = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"))


def _scan(text: str) -> _Lines:
    lines = _Lines()
    start = 0
    for raw in text.split("\n"):
        lines.starts.append(start)
        if len(raw) > _LONGEST:
            quoted = raw[:_LONGEST].translate(_MARKS).lstrip().startswith(">")
            lines.kinds.append(_Kind.QUOTED if quoted else _Kind.TEXT)
            lines.bare.append("")
        else:
            bare = raw.translate(_MARKS).strip()
            lines.kinds.append(_kind(raw, bare))
            lines.bare.append(bare)
        start += len(raw) + 1
    return lines


def _kind(raw: str, bare: str) -> _Kind:
    if not bare:
        return _Kind.BLANK
    if bare[0] == ">":
        return _Kind.QUOTED
    if bare in ("--", "—") and raw.strip("\r\n") in ("--", "-- ", "—", "— "):
        return _Kind.DASHES
    if len(bare) <= 80 and fold(bare).startswith(_DEVICE_STARTS):
        return _Kind.DEVICE
    return _Kind.TEXT


def _hard_end(lines: _Lines) -> int:
    """Index of the first line from which all the rest is quotation because a mail program said so."""
    for index, (kind, bare) in enumerate(zip(lines.kinds, lines.bare, strict=True)):
        if kind is not _Kind.TEXT or not bare:
            continue
        if _is_forward(bare):
            return len(lines)
        if _is_separator(bare) or _is_header_block(lines, index):
            return index
        length = _attribution(lines, index)
        if length and not _quoted_next(lines, index + length) and _names_a_sender(lines, index, length):
            return index
    return len(lines)


def _strip_tail(lines: _Lines, end: int) -> int:
    """Walk up from `end` over quoted lines, their attributions and signatures; the index where the fresh part ends."""
    cut = end
    while cut > 0:
        at = cut
        while at > 0 and lines.kinds[at - 1] in (_Kind.BLANK, _Kind.QUOTED, _Kind.DEVICE, _Kind.DASHES):
            at -= 1
        if _Kind.QUOTED in lines.kinds[at:cut]:
            at = _above_attribution(lines, at)
        at = _above_signature(lines, at)
        if at == cut:
            break
        cut = at
    while cut < len(lines) and lines.kinds[cut] is _Kind.BLANK:  # an empty line before it is the writer's own
        cut += 1
    return cut


def _above_attribution(lines: _Lines, at: int) -> int:
    for length in (1, 2, 3):
        if at >= length and _attribution(lines, at - length) == length:
            return at - length
    return at


def _above_signature(lines: _Lines, at: int) -> int:
    for index in range(at - 1, max(-1, at - 1 - _SIGNATURE_LINES), -1):
        if lines.kinds[index] is _Kind.DASHES:
            return index
    return at


def _attribution(lines: _Lines, index: int) -> int:
    """How many lines, of at most three, from `index` on say "On such a day, so-and-so wrote:"; 0 if none."""
    if not lines.bare[index]:
        return 0
    opening = fold(lines.bare[index][:24]) + " "
    candidates = [verbs for starts, verbs in _ATTRIBUTIONS if opening.startswith(starts)]
    if not candidates:
        return 0
    joined = ""
    for length in (1, 2, 3):
        if index + length > len(lines) or not lines.bare[index + length - 1]:
            return 0
        bare = lines.bare[index + length - 1]
        joined = f"{joined} {bare}" if joined else bare
        if len(joined) > _LONGEST:
            return 0
        if bare.endswith((":", "：")):
            key = fold(joined)
            said = any(verb in key for verbs in candidates for verb in verbs)
            dated = any(character.isdigit() for character in key) or "@" in key
            return length if said and dated else 0
    return 0


def _names_a_sender(lines: _Lines, index: int, length: int) -> bool:
    """Whether an attribution is surely a program's: it has an address or a time of day, which prose rarely has."""
    words = " ".join(lines.bare[index : index + length])
    if "@" in words:
        return True
    key = fold(words)
    return any(
        character == ":" and 0 < place < len(key) - 1 and key[place - 1].isdigit() and key[place + 1].isdigit()
        for place, character in enumerate(key)
    )


def _quoted_next(lines: _Lines, index: int) -> bool:
    """Whether the next line that says something (of three) is marked with >."""
    for kind in lines.kinds[index : index + 3]:
        if kind is not _Kind.BLANK:
            return kind is _Kind.QUOTED
    return False


def _is_separator(bare: str) -> bool:
    return bare.startswith("--") and bare.endswith("--") and fold(bare.strip("- ")) in _SEPARATORS


def _is_forward(bare: str) -> bool:
    if len(bare) > 120 or not (bare[0] in "-_*" or bare.endswith(":")):
        return False
    return fold(bare.strip("-_* :")).startswith(_FORWARDS)


def _is_header_block(lines: _Lines, index: int) -> bool:
    """From/Sent/To/Subject lines as Outlook puts them above what it quotes; a citizen's own letterhead is not one.

    A letterhead ("from: … to: … date: …") names no e-mail address and has no ruled line above it.
    """
    first = _key(lines.bare[index])
    ruled = False
    if first not in _FROM and len(lines.bare[index]) >= 8 and not lines.bare[index].strip("_"):
        ruled = True
        index += 1
        first = _key(lines.bare[index]) if index < len(lines) else ""
    if first not in _FROM:
        return False
    seen: set[str] = set()
    addressed = ruled
    for kind, bare in zip(lines.kinds[index : index + 10], lines.bare[index : index + 10], strict=True):
        key = _key(bare)
        if key not in _FROM and key not in _WHEN and key not in _OTHER_KEYS:
            if kind is _Kind.BLANK or not seen:
                break
            continue  # a long list of recipients goes on over several lines
        seen.add("when" if key in _WHEN else "from" if key in _FROM else key)
        addressed = addressed or "@" in bare
    return addressed and "when" in seen and len(seen) >= 3


def _key(bare: str) -> str:
    place = bare.find(":", 0, 24)
    return fold(bare[:place].strip("* ")) if place > 0 else ""
