"""The keywords of self-service: a whole message that is one of them is a command, anything longer is not.

Compared after folding, so spelling by keyboard, script of digits and punctuation do not matter. Words that may ask for
help or report a fault (کمک, قطع) are not among them: agents read those messages. docs/channels.md says why the words
differ from a mail's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from zrm.contract.inbound import Inbound, SelfServiceCommand
from zrm.kit.text import fold, latin_digits

KeywordMeaning = Literal["help", "stop", "start", "codes"]

_WORDS: Final[dict[str, tuple[KeywordMeaning, str]]] = {
    **dict.fromkeys(("لغو", "لغو 11", "لغو11", "توقف", "انصراف", "لغو عضویت", "لغو اشتراک"), ("stop", "fa")),
    **dict.fromkeys(
        ("stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "optout", "opt out", "revoke"),
        ("stop", "en"),
    ),
    **dict.fromkeys(("شروع", "اغاز", "عضویت", "شروع دوباره"), ("start", "fa")),
    **dict.fromkeys(("start", "unstop", "subscribe", "optin", "opt in"), ("start", "en")),
    **dict.fromkeys(("راهنما", "راهنمایی"), ("help", "fa")),
    **dict.fromkeys(("help", "info"), ("help", "en")),
    **dict.fromkeys(
        ("کدها", "کد ها", "کدهای من", "کد های من", "کدهایم", "کد هایم", "کد من", "کدم", "کد پیگیری", "کد رهگیری",
         "کدهای پیگیری", "کد های پیگیری", "کدهای رهگیری", "کد های رهگیری", "فراموشی کد"), ("codes", "fa")
    ),
    **dict.fromkeys(
        ("codes", "my codes", "my code", "tracking code", "tracking codes", "lost code", "lost codes", "forgot code"),
        ("codes", "en"),
    ),
}  # fmt: skip
_CODE_WORDS: Final = {
    **dict.fromkeys(("کد", "کدرهگیری", "کد رهگیری", "رهگیری", "پیگیری", "کد پیگیری", "وضعیت"), "fa"),
    **dict.fromkeys(("code", "status", "track", "case", "tracking code"), "en"),
}
_MARKS: Final = re.compile(r"[\s.,:;!?#*\"'()\[\]«»_-]+")
_CODE: Final = re.compile(r"(?P<word>[^\d]*?)\s*(?P<code>\d(?:[\s.-]*\d){11})")
_LONGEST: Final = 60


def command_of(
    inbound: Inbound, more: Mapping[KeywordMeaning, Sequence[str]] | None = None
) -> SelfServiceCommand | None:
    """The command in a message, None for an ordinary message. `more` are an operator's own keywords in addition to
    ours.
    """
    text = inbound.text
    if len(text) > _LONGEST or inbound.files or inbound.labels or not inbound.senders:
        return None
    sender, plain = inbound.senders[0], _plain(text)
    for kind, words in (more or {}).items():
        if plain and plain in map(_plain, words):
            return SelfServiceCommand(kind, sender, inbound.language)
    if not plain and "?" in fold(text):
        return SelfServiceCommand("help", sender, inbound.language)
    if known := _WORDS.get(plain):
        return SelfServiceCommand(known[0], sender, inbound.language or known[1])
    if len(plain) == 1 and plain in "12345":
        return SelfServiceCommand("rate", sender, inbound.language, score=int(plain), otherwise=inbound)
    if match := _CODE.fullmatch(latin_digits(plain)):
        word = match["word"].strip()
        if not word or word in _CODE_WORDS:
            code = "".join(character for character in match["code"] if character.isdigit())
            return SelfServiceCommand("status", sender, inbound.language or _CODE_WORDS.get(word, ""), code=code)
    return None


def _plain(text: str) -> str:
    return " ".join(_MARKS.sub(" ", fold(text)).split())
