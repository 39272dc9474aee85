"""What a mail server's refusal says: that the address does not exist, that its mailbox is full, or something else.

Only an address that does not exist is doubtful.

The text and the status must not contradict each other. A status about the address (5.1.1, 5.1.10 …) is enough, a
general one (5.0.0, 5.2.0, 5.1.351, none) needs the words of an unknown user. A refusal of us (block lists, policy,
relaying), a full mailbox, too large a message and anything temporary (4.x) never count, whatever the status: the code
in the server's own answer is more reliable than the one a relay added.
"""

from __future__ import annotations

import re
from typing import Final

from zrm.kit.text import clean_line, fold

# Not part of an IP address or a version.
_STATUS: Final = re.compile(r"(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?!\.?\d)")
_REPLY_CODE: Final = re.compile(r"(?<![\d.])([45][0-5]\d)(?=[ \-:;)\]]|$)", re.MULTILINE)
_LOOKED_AT: Final = 4_000
_KEPT: Final = 300
"""How many characters of a server's words are kept."""
_ADDRESS: Final = re.compile(r"<?[^\s<>@]{1,128}@[^\s<>]{1,255}>?")

# RFC 3463 and its registry. 5.1.7 and 5.1.8 are about the sender, 5.7.27 too.
_NOBODYS: Final = frozenset({"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.4"})
_ABOUT_OTHERS: Final = frozenset({"5.1.7", "5.1.8", "5.2.2", "5.2.3", "5.2.4"})

_NO_MAILBOX: Final = tuple(
    fold(words)
    for words in (
        "user unknown", "unknown user", "no such user", "no such recipient", "no such mailbox", "no such address", "no such person",
        "no such account", "no such domain", "no mailbox", "no mail box", "mail-box not found", "mailbox not found", "mailbox unknown", "unknown mailbox", "invalid mailbox", "user not found",
        "recipient not found", "unknown recipient", "recipient unknown", "invalid recipient", "unknown address", "address unknown",
        "does not exist", "doesn't exist", "does not have an account", "doesn't have a", "couldn't be found", "could not be found",
        "wasn't found", "not listed in", "unrouteable address", "unknown local part", "unknown local-part", "host unknown",
        "host not found", "domain not found", "unknown or illegal alias", "not a known user", "user not exist", "bad_recipient", "bad destination mailbox",
        "account has been disabled", "account is disabled", "no account by that name", "is not a valid mailbox", "no user by that name",
        "unbekannter benutzer", "benutzer unbekannt", "unbekannter empfänger", "empfänger unbekannt", "existiert nicht",
        "utilisateur inconnu", "destinataire inconnu", "adresse inconnue", "n'existe pas", "usuario desconocido",
        "destinatario desconocido", "no existe", "utente sconosciuto", "non esiste", "não existe", "usuário desconhecido",
        "onbekende gebruiker", "bestaat niet", "nieznany użytkownik", "nie istnieje", "не существует", "пользователь не найден",
        "нет такого пользователя", "неизвестный пользователь", "не існує", "kullanıcı bulunamadı", "bilinmeyen kullanıcı",
        "mevcut değil", "不存在", "查无此人", "存在しません", "宛先不明", "존재하지 않",
        "وجود ندارد", "یافت نشد", "کاربر ناشناخته", "ناشناس است", "غير موجود", "لا يوجد", "مستخدم غير معروف",
    )
)  # fmt: skip
_FULL: Final = tuple(
    fold(words)
    for words in (
        "over quota", "overquota", "quota exceeded", "exceeded quota", "exceeded its quota", "exceeds quota", "mailbox quota",
        "storage quota", "disk quota", "mailbox full", "mailbox is full", "full mailbox", "inbox is full", "inbox full", "out of storage",
        "صندوق پر", "ممتلئ", "переполнен",
    )
)  # fmt: skip
_FULL_STATUS: Final = frozenset({"4.2.2", "5.2.2"})
_TELLS_NOTHING: Final = frozenset({"", "4.0.0", "5.0.0", "4.2.0", "5.2.0"})
_NOT_ITS_FAULT: Final = tuple(
    fold(words)
    for words in (
        # of us
        "black list", "blacklist", "black-list", "block list", "blocklist", "block-list", "blocked", "dnsbl", "rbl", "spamhaus",
        "spamcop", "spam", "reputation", "policy", "banned", "dmarc", "spf", "dkim", "reverse dns", "rdns", "ptr record",
        "reverse hostname", "client host", "client address", "your ip", "ip address", "sender address", "sender domain",
        "sender rejected", "sender verif", "domain of sender", "envelope sender", "relaying", "relay access", "unable to relay",
        "access denied", "not authorized", "not permitted", "authentication required", "suspicious", "virus", "malware",
        "فهرست سیاه", "لیست سیاه", "القائمة السوداء", "черный список", "kara liste", "黑名单",
        # of the mailbox's state, the message's size, a temporary condition
        "quota", "mailbox full", "mailbox is full", "full mailbox", "inbox is full", "inbox full", "out of storage",
        "insufficient storage", "exceeded storage", "storage limit", "over limit", "too large", "too big", "size limit",
        "maximum size", "temporar", "try again", "later", "timed out", "timeout", "too many", "rate limit", "greylist", "graylist",
        "at a rate", "permission", "غير مصرح", "权限", "權限", "connection refused", "no route to host", "صندوق پر", "ممتلئ", "переполнен", "kota",
    )
)  # fmt: skip


def status_in(text: str) -> str:
    """The first failure's status in a text, such as `5.1.1` (RFC 3463); the first reply code, such as `550`, where there is none."""
    found = _STATUS.search(text) or _REPLY_CODE.search(text)
    return found[1] if found else ""


def without_addresses(text: str) -> str:
    """A server's words on one line, with every e-mail address left out."""
    return clean_line(_ADDRESS.sub("…", text))


def told(code: int, text: str) -> str:
    """A server's refusal as it is kept for agents: its code and words, without addresses and of bounded length."""
    return without_addresses(f"{code} {text[:_LOOKED_AT]}")[:_KEPT]


def says_full(status: str, words: str) -> bool:
    """Whether the citizen's mailbox is full. `status` and `words` as in `blames_address`; another status that tells
    something is more reliable than the words.
    """
    words = words[:_LOOKED_AT]
    nearest = _STATUS.search(words)
    code = nearest[1] if nearest else status
    if code in _FULL_STATUS:
        return True
    folded = fold(words)
    return code in _TELLS_NOTHING and any(mark in folded for mark in _FULL)


def blames_address(status: str, words: str) -> bool:
    """Whether the address does not exist. `status` as the report gives it, "" if it has none; `words` the server's
    answer.

    Bounded: the first 4,000 characters of the words are read.
    """
    words = words[:_LOOKED_AT]
    nearest, reply = _STATUS.search(words), _REPLY_CODE.search(words)
    code = nearest[1] if nearest else status
    if any(one.startswith("4") for one in (code, status, reply[1] if reply else "")):
        return False
    if excuses_address(words):
        return False
    if code in _NOBODYS:
        return True
    if code in _ABOUT_OTHERS or code.startswith(("5.6.", "2.")):
        return False
    folded = fold(words)
    return any(mark in folded for mark in _NO_MAILBOX)


def excuses_address(words: str) -> bool:
    """Whether the server gives another reason: us, the mailbox's quota, the message's size, a temporary condition."""
    folded = fold(words[:_LOOKED_AT])
    return any(mark in folded for mark in _NOT_ITS_FAULT)
