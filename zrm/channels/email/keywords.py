"""Self-service by mail: a mail that is only a tracking code, CODES, STOP, START, or (in answer to ours) a digit.

Subjects often describe a matter, and mail is long, so the rule is narrow: subject and fresh text must each be the
command or empty, unless the mail answers one of ours. Agents read everything else. docs/channels.md says why the words
differ from a text message's.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from zrm.contract.addresses import EMAIL
from zrm.contract.inbound import Inbound, SelfServiceCommand
from zrm.kit.text import fold

_LONGEST: Final = 60
_HARMLESS: Final = frozenset({"dmarc_pass"})
_MARKS: Final = re.compile(r"[\s.,:;!?#*\"'()\[\]«»_-]+")
_CODE: Final = re.compile(r"([^\d]*?) ?(\d(?: ?\d){11})")
_CODE_WORDS: Final = {
    **dict.fromkeys(("کد", "کد رهگیری", "رهگیری", "پیگیری", "کد پیگیری", "وضعیت"), "fa"),
    **dict.fromkeys(("code", "status", "track", "case", "tracking code"), "en"),
}
# Not a bare "لغو" or "cancel": in an answer to an agent it means the request, not our mail.
_WORDS: Final[dict[str, tuple[Literal["stop", "start", "codes"], str]]] = {
    **dict.fromkeys(("لغو اشتراک", "لغو عضویت", "لغو پیام"), ("stop", "fa")),
    **dict.fromkeys(("stop", "unsubscribe"), ("stop", "en")),
    **dict.fromkeys(("شروع", "شروع دوباره", "عضویت"), ("start", "fa")),
    **dict.fromkeys(("start", "subscribe"), ("start", "en")),
    **dict.fromkeys(
        ("کدها", "کد ها", "کدهای من", "کد های من", "کدهای پیگیری", "کد های پیگیری", "کدهای رهگیری", "کد های رهگیری"),
        ("codes", "fa"),
    ),
    **dict.fromkeys(("codes", "my codes", "tracking codes"), ("codes", "en")),
}


def command_in_mail(inbound: Inbound, fresh: str) -> SelfServiceCommand | None:
    """The command in a mail, None for an ordinary mail. `fresh` is its text without quotations and signature.

    A mail with a doubtful label is no command: programs, lists, and probably forged senders get no answer.
    """
    doubtful = inbound.labels - _HARMLESS
    if inbound.files or doubtful or not inbound.senders or inbound.senders[0].kind != EMAIL:
        return None
    text = "" if fresh.lstrip().startswith("-- \n") else fresh.strip()
    if len(text) > _LONGEST:
        return None
    sender, said, subject = inbound.senders[0], _plain(text), _plain(inbound.title[:200])
    answers_ours = bool(inbound.thread.tokens) and bool(inbound.thread.references)
    # The store knows whether a lone digit answers our question; if it does not, it is an ordinary message.
    if inbound.thread.references and len(said) == 1 and said in "12345":
        return SelfServiceCommand("rate", sender, score=int(said), otherwise=inbound)
    found_commands = {_command(words) for words in (said, subject) if words and words not in _CODE_WORDS}
    if answers_ours and said in _WORDS:
        found_commands = {_command(said)}
    if len(found_commands) != 1 or (found := found_commands.pop()) is None:
        return None
    kind, language, code = found
    return SelfServiceCommand(kind, sender, language, code=code)


def _command(plain: str) -> tuple[Literal["stop", "start", "status", "codes"], str, str] | None:
    if known := _WORDS.get(plain):
        return *known, ""
    match = _CODE.fullmatch(plain)
    if match is None or match[1] not in {"", *_CODE_WORDS}:
        return None
    return "status", "", match[2].replace(" ", "")


def _plain(text: str) -> str:
    return " ".join(_MARKS.sub(" ", fold(text)).split())
